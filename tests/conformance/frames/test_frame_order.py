"""The order of frames: a lost, repeated, late or misplaced frame is one finding; overtaking is tolerated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.frames.frame_rows import (
    STATE,
    Rows,
    body_of,
    clone,
    is_tick,
    public,
    rows,
    state_rows,
)
from vectra_bot.conformance.frames.frame_capture import CONNECTED, Seen, of_text
from vectra_bot.conformance.frames.frame_order import OrderCheck, OrderFinding
from vectra_bot.conformance.frames.frame_shapes import state_kind

Change = Callable[[Rows], None]


def follow(taken: Rows, *, strict: bool = False) -> list[OrderFinding]:
    """Return what the automaton finds in the first recording of *taken*."""
    check = OrderCheck("test", strict=strict)
    for place, row in enumerate(taken, 1):
        if row["capture"] == taken[0]["capture"]:
            check.see(
                Seen(
                    place,
                    "test",
                    row["t"],
                    outbound=row["dir"] == "out",
                    event=row["event"],
                    args=tuple(row["args"]),
                )
            )
    return check.close()


def one_world() -> Rows:
    """Return the player's capture of one exchange, two games long."""
    taken = rows(games=4)
    return [row for row in taken if row["capture"] == taken[0]["capture"]]


def where(taken: Rows, kind: str, number: int = 0, **wanted: Any) -> int:
    """Return the index of the *number*-th game state of a kind."""
    return state_rows(
        taken,
        lambda body: (
            state_kind(body) == kind and all(body[key] == value for key, value in wanted.items())
        ),
    )[number]


def ticks(taken: Rows) -> list[int]:
    return state_rows(taken, is_tick)


def swap(taken: Rows, one: int, other: int) -> None:
    """Exchange two events, each keeping its time."""
    taken[one], taken[other] = taken[other], taken[one]
    taken[one]["t"], taken[other]["t"] = taken[other]["t"], taken[one]["t"]


def swap_states(taken: Rows, kind: str, **wanted: Any) -> None:
    """Exchange a game state with the next one."""
    one = where(taken, kind, **wanted)
    other = next(i for i in range(one + 1, len(taken)) if taken[i]["event"] == STATE)
    swap(taken, one, other)


CHANGES: dict[str, tuple[Change, str, str]] = {
    "a lost tick": (
        lambda taken: taken.pop(ticks(taken)[8]) and None,
        "missing",
        "frame between tick",
    ),
    "a lost step of the countdown": (
        lambda taken: taken.pop(where(taken, "countdown", cooldownTimer=12_300)) and None,
        "missing",
        "between countdown 12400 and countdown 12200",
    ),
    "a lost rug frame": (
        lambda taken: taken.pop(where(taken, "rug")) and None,
        "missing",
        "rug",
    ),
    "a lost settlement frame": (
        lambda taken: taken.pop(where(taken, "settlement")) and None,
        "missing",
        "settlement after rug",
    ),
    "a lost new-game frame": (
        lambda taken: taken.pop(where(taken, "new-game")) and None,
        "missing",
        "new-game 15000 after settlement",
    ),
    "a lost opening of the presale": (
        lambda taken: taken.pop(where(taken, "presale-opening")) and None,
        "missing",
        "presale-opening 10000 after countdown 10100",
    ),
    "a lost countdown frame at the opening": (
        lambda taken: taken.pop(where(taken, "countdown", cooldownTimer=10_000)) and None,
        "missing",
        "countdown 10000 after presale-opening 10000",
    ),
    "a lost start": (
        lambda taken: taken.pop(where(taken, "start")) and None,
        "missing",
        "start after countdown 100",
    ),
    "a lost snapshot after a mark of the connection": (
        lambda taken: taken[where(taken, "snapshot")].update(event=CONNECTED, args=[]),
        "missing",
        "the snapshot before",
    ),
    "a repeated tick": (
        lambda taken: taken.insert(ticks(taken)[4], clone(taken[ticks(taken)[4]])),
        "repeated",
        "tick",
    ),
    "two ticks exchanged": (
        lambda taken: swap(taken, ticks(taken)[6], ticks(taken)[7]),
        "late",
        "after tick",
    ),
    "a settlement after the new game": (
        lambda taken: swap_states(taken, "settlement"),
        "missing",
        "settlement after rug",
    ),
    "a step of the countdown exchanged": (
        lambda taken: swap_states(taken, "countdown", cooldownTimer=7_700),
        "late",
        "countdown",
    ),
    "a row of the player lost": (
        lambda taken: (
            taken.pop(next(i for i in range(ticks(taken)[5], len(taken)) if _is_own_row(taken[i])))
            and None
        ),
        "missing",
        "gameStatePlayerUpdate after",
    ),
    "two recordings' lines exchanged with their times": (
        lambda taken: taken.insert(40, taken.pop(60)),
        "late",
        "is older than the line before it",
    ),
    "a price that does not fit its window": (
        lambda taken: body_of(taken[ticks(taken)[9]]).update(price=3.5),
        "value",
        "price is not partialPrices'",
    ),
    "a window that is too short": (
        lambda taken: _shorten(body_of(taken[ticks(taken)[9]])["partialPrices"]["values"]),
        "value",
        "partialPrices has the ticks",
    ),
    "a past price that has changed": (
        lambda taken: _falsify(body_of(taken[ticks(taken)[9]])["partialPrices"]),
        "value",
        "has changed",
    ),
    "a trade count that falls": (
        lambda taken: body_of(taken[ticks(taken)[9]]).update(tradeCount=0),
        "value",
        "tradeCount fell",
    ),
    "a timer between two steps": (
        lambda taken: body_of(taken[where(taken, "countdown")]).update(cooldownTimer=14_850),
        "value",
        "cooldownTimer 14850",
    ),
    "a history of nine games": (
        lambda taken: body_of(taken[where(taken, "settlement")])["gameHistory"].pop() and None,
        "value",
        "gameHistory of 9 games",
    ),
    "rows out of their places": (
        lambda taken: body_of(taken[ticks(taken)[9]])["leaderboard"].reverse(),
        "value",
        "leaderboard positions",
    ),
    "a repeated trade": (
        lambda taken: taken.insert(_trade(taken) + 1, clone(taken[_trade(taken)])),
        "repeated",
        "trade",
    ),
    "a trade of a game nobody plays": (
        lambda taken: body_of(taken[_trade(taken)]).update(gameId="20200101-0123456789abcdef"),
        "value",
        "a trade of game 20200101",
    ),
}


def _is_own_row(row: dict[str, Any]) -> bool:
    return row["event"] == "gameStatePlayerUpdate"


def _shorten(values: dict[str, Any]) -> None:
    values.pop(next(iter(values)))


def _falsify(window: dict[str, Any]) -> None:
    window["values"][str(window["startTick"])] *= 1.01


def _trade(taken: Rows) -> int:
    return next(
        index
        for index, row in enumerate(taken)
        if row["event"] == "standard/newTrade" and body_of(row)["tickIndex"] > 3
    )


def test_our_own_order_has_no_finding() -> None:
    """What a player and what the public sees of our exchange follows the automaton strictly."""
    assert follow(one_world(), strict=True) == []
    assert follow(public(one_world()), strict=True) == []


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_wrong_order_is_named(change: str) -> None:
    """Each fault is named once at least, with its kind, in a recording with a login."""
    alter, kind, words = CHANGES[change]
    taken = one_world()
    alter(taken)
    found = follow(taken)
    assert any(f.kind == kind and words in f.what and not f.tolerated for f in found), found


@pytest.mark.parametrize("change", [name for name in CHANGES if "player" not in name])
def test_a_wrong_order_is_named_without_a_login(change: str) -> None:
    """The same faults are named in a public recording, where overtaking is tolerated."""
    alter, _, _ = CHANGES[change]
    taken = public(one_world())
    alter(taken)
    found = follow(taken)
    if change != "a settlement after the new game":
        assert [f for f in found if not f.tolerated], found


def test_one_lost_frame_is_one_finding() -> None:
    """The automaton continues from the frame that came, so that one loss is one finding."""
    taken = public(one_world())
    del taken[ticks(taken)[8]]
    assert len(follow(taken)) == 1


@pytest.mark.parametrize("kind", ["settlement", "new-game", "snapshot"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_big_frame_may_be_overtaken_by_small_ones(kind: str, count: int) -> None:
    """A threaded client may see a few small frames first: tolerated, unless the check is strict."""
    taken = [row for row in public(one_world()) if row["event"] == STATE]
    index = where(taken, kind)
    if kind == "settlement":
        index = where(taken, "new-game")  # only then small frames follow that it can be late for
    big = taken.pop(index)
    taken.insert(index + count, {**big, "t": taken[index + count - 1]["t"]})
    found = follow(taken)
    assert [(f.kind, f.tolerated) for f in found] == [("overtaken", True)]
    assert [f.tolerated for f in follow(taken, strict=True)] == [False]


def test_nothing_overtakes_in_a_recording_with_a_login() -> None:
    """A browser's frames are in order: there a small frame before the big one is a finding."""
    taken = one_world()
    index = where(taken, "new-game")
    after = where(taken, "countdown", cooldownTimer=14_900, gameId=body_of(taken[index])["gameId"])
    swap(taken, index, after)
    assert [f for f in follow(taken) if not f.tolerated]


def test_a_big_frame_that_never_comes_is_missing() -> None:
    """Small frames wait for the big one, but not indefinitely."""
    taken = [row for row in public(one_world()) if row["event"] == STATE]
    del taken[where(taken, "new-game")]
    found = follow(taken)
    assert [(f.kind, f.tolerated) for f in found] == [("missing", False)]


def test_a_new_connection_starts_with_a_snapshot_again() -> None:
    """After a recorder's marker for a new connection a snapshot is expected, whatever came before."""
    taken = public(one_world())
    snapshot = clone(taken[where(taken, "snapshot")])
    at = ticks(taken)[5]
    body = body_of(taken[at])
    mark = {**snapshot, "event": CONNECTED, "args": [], "t": taken[at]["t"]}
    prices = [1] * body["tickCount"] + [body["price"]]
    again = body_of(snapshot)
    again.update(
        gameId=body["gameId"],
        active=True,
        cooldownTimer=0,
        allowPreRoundBuys=False,
        tickCount=body["tickCount"],
        prices=prices,
    )
    snapshot["t"] = taken[at]["t"]
    taken[at + 1 : at + 1] = [mark, snapshot]
    assert follow(taken) == []
    del taken[at + 1]
    assert [f.kind for f in follow(taken)] == ["missing"]


def test_own_trades_and_answers_come_in_their_order() -> None:
    """An order's answer is the last of its evidence: one that comes before the row is named."""
    trace = '{"__trace":true,"traceparent":"00-' + "a" * 32 + "-" + "b" * 16 + '-01"}'
    game = '"gameId":"20260101-0123456789abcdef"'
    trade = f'42["standard/newTrade",{trace},{{"id":"t",{game}}}]'
    steps = [trade, '42["playerUpdate",{}]', f'42["gameStatePlayerUpdate",{{{game}}}]']

    def run(texts: list[str]) -> list[str]:
        check = OrderCheck("test")
        order = f'427["buyOrder",{trace},{{"amount":0.01}}]'
        for place, text in enumerate([order, *texts, '437[{"success":true}]']):
            seen = of_text(text, place=place, capture="test", at_s=place, outbound=not place)
            assert seen is not None
            check.logged_in = True
            check.see(seen)
        return [finding.what for finding in check.close()]

    assert run(steps) == []
    assert "standard/newTrade" not in run(steps[:2])[0]
    assert run(steps[:2])[0].startswith("gameStatePlayerUpdate between buyOrder and its answer")
    assert run(steps[::-1])


def test_a_won_sidebet_is_reported_before_the_public_rug_frame() -> None:
    """The owner learns of the rug first (protocol 10): the other way round is named."""
    taken = one_world()
    rug = where(taken, "rug")
    body = body_of(taken[rug])
    won = {
        **taken[rug],
        "event": "currentSidebetResult",
        "args": [{"__trace": True}, {"payout": 0.05, "gameId": body["gameId"]}],
    }
    own_row = next(i for i in range(rug + 1, len(taken)) if _is_own_row(taken[i]))
    taken.insert(own_row + 1, won)
    assert "reported after the public rug frame" in follow(taken)[0].what
