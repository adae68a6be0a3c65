"""Trades and leaderboard rows inside the frames of a capture: each alteration is named once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.frames.frame_rows import Rows, body_of, public, rows, save
from vectra_bot.conformance.findings import FileDifference
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.leaderboard_rows import LeaderboardRows
from vectra_bot.conformance.verification import verify_file

Fields = dict[str, Any]
Change = Callable[[Fields], None]


@pytest.fixture(scope="module")
def capture() -> Rows:
    """Return a capture of three games."""
    return public(rows(games=3, seed=77))


def trades(taken: Rows, kind: str) -> list[tuple[int, Fields]]:
    """Return the trades of a kind with their lines."""
    found = (
        (line, body_of(row)) for line, row in enumerate(taken, 1) if "newTrade" in row["event"]
    )
    return [(line, body) for line, body in found if body["type"] == kind]


def board_rows(taken: Rows) -> list[tuple[int, Fields]]:
    """Return the leaderboard rows of running games with their lines."""
    return [
        (line, inner)
        for line, row in enumerate(taken, 1)
        if row["event"] == "gameStateUpdate" and body_of(row).get("tickCount", 0) > 1
        for inner in body_of(row)["leaderboard"]
    ]


def held(taken: Rows) -> tuple[int, Fields]:
    """Return a row amid those of a position that does not change, with its line."""
    found = board_rows(taken)
    named = [inner for _, inner in found]
    facts = ("id", "username", "positionQty", "avgCost", "totalInvested", "sidebetPnl")

    def of(inner: Fields) -> tuple[Any, ...]:
        return tuple(inner[fact] for fact in facts)

    for line, inner in found:
        if inner["positionQty"] and inner["username"] and not inner["sidebetPnl"]:
            same = [other for other in named if of(other) == of(inner)]
            if len(same) > 8 and same[4] is inner:
                return line, inner
    raise AssertionError("no position is held for nine rows")


def put(key: str, value: Any) -> Change:
    return lambda fields: fields.update({key: value})


def times(key: str, factor: float) -> Change:
    return lambda fields: fields.update({key: fields[key] * factor})


def other_pnl(fields: Fields) -> None:
    """Alter the PnL so that the row agrees with itself."""
    fields["regularPnl"] = round(fields["regularPnl"] + 0.0001, 9)
    fields["pnl"] = fields["regularPnl"] + fields["sidebetPnl"] + fields["shortPnl"]
    fields["pnlPercent"] = fields["pnl"] / fields["totalInvested"] * 100


def only(folder: Path, taken: Rows) -> FileDifference:
    """Return the only difference of a capture."""
    (found,) = verify_file(save(folder / "c.jsonl", taken)).differences
    return found


def test_rows_of_a_right_capture_are_exact(tmp_path: Path, capture: Rows) -> None:
    """Every trade and every row of the leaderboard is compared; few rest on what no row states."""
    found = verify_file(save(tmp_path / "c.jsonl", capture))

    counts = found.counts
    assert found.differences == []
    assert counts["trades"] == counts["trades_exact"] > 9
    assert counts["leaderboard_rows"] == counts["leaderboard_exact"] > 2_000
    assert counts["not_checked"] < counts["leaderboard_rows"] / 50


@pytest.mark.parametrize(
    ("kind", "change", "what"),
    [
        ("buy", times("price", 1 + 1e-12), "price"),
        ("buy", times("qty", 1.01), "qty"),
        ("buy", put("coin", "other"), "coin"),
        ("buy", put("tickIndex", 100_000), None),
        ("sell", times("amount", 1.01), "amount"),
        ("sell", times("realPortion", 1.01), "realPortion + bonusPortion"),
        ("sell", put("leverage", 2), "leverage"),
        ("sell", put("qty", "x"), "frame"),
        ("sell", put("type", "gift"), "frame"),
    ],
)
def test_altered_trade_of_a_capture_is_named(
    tmp_path: Path, capture: Rows, kind: str, change: Change, what: str | None
) -> None:
    """The price of its tick, its arithmetic, its coin; a tick that no frame states is not checked."""
    before = verify_file(save(tmp_path / "c.jsonl", capture)).counts["not_checked"]
    taken = copy.deepcopy(capture)
    line, trade = trades(taken, kind)[-1]
    change(trade)

    found = verify_file(save(tmp_path / "c.jsonl", taken))

    named = [(d.line, d.difference.what) for d in found.differences]
    assert named == ([(line, what)] if what else [])
    assert found.counts["not_checked"] == before + (what is None)


def test_repeated_trade_of_a_capture_is_named(tmp_path: Path, capture: Rows) -> None:
    """A trade that is in the capture twice is named at its second line."""
    taken = copy.deepcopy(capture)
    line, _ = trades(taken, "buy")[0]
    taken.insert(line, copy.deepcopy(taken[line - 1]))

    found = only(tmp_path, taken)

    assert (found.difference.what, found.line) == ("rows with this id", line + 1)


@pytest.mark.parametrize("key", ["username", "playerId"])
def test_trade_of_another_player_is_named(tmp_path: Path, capture: Rows, key: str) -> None:
    """The leaderboard has the name of a trade's player and the id of its name."""
    taken = copy.deepcopy(capture)
    known = {inner["id"] for _, inner in board_rows(taken) if inner["username"]}
    line, trade = next(
        (line, trade)
        for line, trade in reversed(trades(taken, "buy"))
        if trade["playerId"] in known
    )
    trade[key] += "x"

    found = only(tmp_path, taken)

    assert (found.difference.what, found.line) == (key, line)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (times("pnl", 1.001), "pnl"),
        (times("pnlPercent", 1.001), "pnlPercent"),
        (other_pnl, "regularPnl"),
        (times("positionQty", 1.001), "positionQty"),
        (times("avgCost", 1.001), "avgCost"),
        (put("username", "another"), "username"),
        (put("id", "did:privy:another"), "id"),
        (put("hasActiveTrades", False), "hasActiveTrades"),
        (put("sidebetActive", None), "sidebetActive"),
        (put("totalInvested", "x"), "frame"),
    ],
)
def test_altered_leaderboard_row_of_a_capture_is_named(
    tmp_path: Path, capture: Rows, change: Change, what: str
) -> None:
    """Its own sums, and what the rows of the ticks around it state."""
    taken = copy.deepcopy(capture)
    line, inner = held(taken)
    change(inner)

    found = only(tmp_path, taken)

    assert (found.difference.what, found.line) == (what, line)


def test_open_sidebet_without_any_row_of_the_history_is_named(
    tmp_path: Path, capture: Rows
) -> None:
    """A bet of the presale has one row in the history; if that is missing, the leaderboard shows it."""
    taken = copy.deepcopy(capture)
    line, inner = next(
        (line, inner)
        for line, inner in board_rows(taken)
        if inner["sideBet"] and not inner["sideBet"]["startedAtTick"]
    )
    game = inner["sideBet"]["gameId"]
    for row in taken:
        for entry in (
            body_of(row).get("gameHistory", ()) if row["event"] == "gameStateUpdate" else ()
        ):
            if entry["id"] == game:
                entry["globalSidebets"] = [
                    bet
                    for bet in entry["globalSidebets"]
                    if bet["playerId"] != inner["id"] or bet.get("startTick") != 0
                ]

    found = only(tmp_path, taken)

    assert (found.difference.what, found.game, found.sidebet) == ("payout rows", game, inner["id"])
    assert found.line <= line


def test_rows_of_a_game_without_its_seed_are_compared_with_the_frames(
    tmp_path: Path, capture: Rows
) -> None:
    """The last game's seed is not shown: an altered row of it is named by the prices of its frames."""
    game = body_of(next(row for row in reversed(capture) if row["event"] == "gameStateUpdate"))[
        "gameId"
    ]
    last = max(
        at for at, row in enumerate(capture)
        if row["event"] == "gameStateUpdate" and body_of(row)["gameId"] != game
    )  # fmt: skip
    cut = next(
        at for at, row in enumerate(capture)
        if row["event"] == "gameStateUpdate" and body_of(row).get("rugged")
        and body_of(row)["gameId"] == body_of(capture[last])["gameId"]
    )  # fmt: skip
    taken = copy.deepcopy(capture[:cut])
    line, trade = trades(taken, "buy")[-1]
    trade["price"] *= 1.01

    found = only(tmp_path, taken)

    assert (found.difference.what, found.line) == ("price", line)


def test_sale_whose_price_no_frame_states_is_compared_with_itself(
    tmp_path: Path, capture: Rows
) -> None:
    """Leverage explains an amount only where the price is known: else a wrong price would be excused."""
    taken = copy.deepcopy(capture)
    line, trade = trades(taken, "sell")[-1]
    trade |= {"gameId": "20260101-0000000000000000", "price": trade["price"] * 1.5}

    found = only(tmp_path, taken)

    assert (found.difference.what, found.line) == ("amount", line)


def test_trades_of_an_older_format_are_not_checked(tmp_path: Path, capture: Rows) -> None:
    """Trades under the older name state less; they are counted."""
    taken = copy.deepcopy(capture)
    line, trade = trades(taken, "buy")[0]
    taken[line - 1] |= {"event": "newTrade", "t": 1_755_000_000}
    trade["qty"] *= 2

    found = verify_file(save(tmp_path / "c.jsonl", taken))

    assert found.ok
    assert found.counts["trades"] == found.counts["trades_exact"] + 1
    assert found.counts["not_checked"] >= 1


def test_open_position_after_a_presale_row_can_be_compared() -> None:
    """The row of a presale has no price before it: the only row of a position after it is not an error."""
    row = {
        "id": "a", "pnl": 0, "pnlPercent": 0, "positionQty": 0.1, "avgCost": 1, "totalInvested": 0.1,
        "sideBet": None, "position": 1,
    }  # fmt: skip
    open_row = {
        **row, "positionQty": 0.2, "avgCost": 1.01, "totalInvested": 0.3,
        "pnl": 0.1, "regularPnl": 0.1, "sidebetPnl": 0, "shortPnl": 0,
    }  # fmt: skip
    board = LeaderboardRows()
    facts = {"gameId": "g", "rugged": False}
    board.add(Row({**facts, "tick": 0, "row": row}, "", 1), wrong=False)
    placed = {**facts, "tick": 3, "price": 1.02, "pricePrev": 1.01, "row": open_row}
    board.add(Row(placed, "", 2), wrong=False)

    assert [found.line for found in board.finish()] == []
    assert board.open_rows == 1


def test_many_rows_of_one_position_are_compared_in_time() -> None:
    """The work grows with the rows, not with their square: 20,000 rows of one position."""
    board = LeaderboardRows()
    for tick in range(1, 20_001):
        inner = {
            "id": "a", "pnl": 0, "pnlPercent": 0, "positionQty": 1, "avgCost": 1, "totalInvested": 1,
            "regularPnl": 0, "sidebetPnl": 0, "shortPnl": 0,
        }  # fmt: skip
        facts = {"gameId": "g", "tick": tick, "rugged": False, "price": 1, "pricePrev": 1}
        board.add(Row({**facts, "row": inner}, "", tick), wrong=False)

    assert list(board.finish()) == []
    assert board.open_compared == 20_000


def test_json_of_a_capture_states_what_was_not_checked(tmp_path: Path, capture: Rows) -> None:
    """The counts of the rows are keys of the JSON."""
    found = json.loads(json.dumps(verify_file(save(tmp_path / "c.jsonl", capture)).to_json()))

    keys = {"trades", "trades_exact", "leaderboard_rows", "leaderboard_exact", "not_checked"}
    assert keys <= found.keys()
