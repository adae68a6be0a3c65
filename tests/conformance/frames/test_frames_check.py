"""Captures compared with our frames: equal ones pass, every alteration is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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
    save,
    state_rows,
)
from vectra_bot.conformance.frames.frames_check import (
    FramesResult,
    Reference,
    check_frames,
    exceptions,
)
from vectra_bot.errors import InputError
from vectra_bot.wire.states import WireFormat

GAMES = 24
Change = Callable[[Rows], None]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Return our side, played once for all tests of this module."""
    return Reference(GAMES)


def check(tmp_path: Path, taken: Rows, reference: Reference, **options: Any) -> FramesResult:
    """Check rows as a capture file."""
    return check_frames(save(tmp_path / "capture.jsonl", taken), reference, **options)


def named(result: FramesResult) -> list[str]:
    """Return every difference as a line."""
    return [difference.line() for difference in result.differences]


def some_tick(taken: Rows) -> dict[str, Any]:
    """Return the payload of a tick."""
    return body_of(taken[state_rows(taken, is_tick)[3]])


def first(taken: Rows, event: str, **wanted: Any) -> dict[str, Any]:
    """Return the payload of the first event with these values."""
    for row in taken:
        if row["event"] == event:
            body = body_of(row)
            if all(body.get(key) == value for key, value in wanted.items()):
                return body
    raise AssertionError(f"no {event} with {wanted}")


@pytest.mark.parametrize("fmt", [pytest.param("dec", marks=pytest.mark.slow), "feb"])
def test_our_own_frames_differ_in_nothing(tmp_path: Path, reference: Reference, fmt: str) -> None:
    """A capture of another of our exchanges passes, in either format, with nothing tolerated."""
    result = check(tmp_path, rows(fmt), reference)
    assert named(result) == []
    assert result.ok
    assert result.tolerated == []
    assert {part.label for part in result.slices} == {fmt}
    assert all(part.private for part in result.slices)


def test_public_captures_pass_without_a_login(tmp_path: Path, reference: Reference) -> None:
    """A capture without private frames passes and is known as such."""
    result = check(tmp_path, public(rows()), reference)
    assert named(result) == []
    assert not any(part.private for part in result.slices)


def test_our_own_order_is_strict(reference: Reference) -> None:
    """Our frames, the player's and the public's, follow the automaton without any tolerance."""
    for wire_format in WireFormat:
        assert [finding.what for finding in reference.of(wire_format).findings] == []


def first_presale_row(taken: Rows) -> dict[str, Any]:
    """Return a row of the table that the presale shows."""
    for row in taken:
        body = body_of(row) if row["event"] == STATE else {}
        if body.get("allowPreRoundBuys") and body["leaderboard"] and "tickCount" not in body:
            found: dict[str, Any] = body["leaderboard"][0]
            return found
    raise AssertionError("no presale with a buyer")


def rename(body: dict[str, Any], key: str) -> None:
    body[f"{key}X"] = body.pop(key)


SHAPES: dict[str, tuple[Change, str, str]] = {
    "a renamed key": (
        lambda taken: rename(some_tick(taken), "connectedPlayers"),
        "unknown-key",
        "connectedPlayersX",
    ),
    "a renamed key that tells the shape": (
        lambda taken: rename(some_tick(taken), "tradeCount"),
        "missing-key",
        "tradeCount",
    ),
    "a key that is gone": (
        lambda taken: some_tick(taken).pop("pauseMessage"),
        "missing-key",
        "pauseMessage",
    ),
    "a key that was never there": (
        lambda taken: some_tick(taken).update(serverTime=1),
        "unknown-key",
        "serverTime",
    ),
    "a number as text": (
        lambda taken: some_tick(taken).update(price="1.25"),
        "type",
        "price",
    ),
    "a count with a fraction": (
        lambda taken: some_tick(taken).update(connectedPlayers=212.5),
        "type",
        "connectedPlayers",
    ),
    "a whole number with .0": (
        lambda taken: some_tick(taken).update(connectedPlayers=212.0),
        "type",
        "connectedPlayers",
    ),
    "a fraction of what is 0 in the presale": (
        lambda taken: first_presale_row(taken).update(pnlPercent=0.5),
        "type",
        "leaderboard[presale].pnlPercent",
    ),
    "null where there is none": (
        lambda taken: some_tick(taken).update(gameId=None),
        "type",
        "gameId",
    ),
    "a text for a flag": (
        lambda taken: some_tick(taken).update(cooldownPaused="false"),
        "type",
        "cooldownPaused",
    ),
    "a renamed key in one row": (
        lambda taken: rename(some_tick(taken)["leaderboard"][4], "avgCost"),
        "unknown-key",
        "leaderboard[active].avgCostX",
    ),
    "the id of a row renamed": (
        lambda taken: rename(some_tick(taken)["leaderboard"][0], "id"),
        "missing-key",
        "leaderboard[active].id",
    ),
    "a row without a part of its PnL": (
        lambda taken: some_tick(taken)["leaderboard"][1].pop("shortPnl"),
        "missing-key",
        "leaderboard[active].shortPnl",
    ),
    "a hash that is none": (
        lambda taken: some_tick(taken)["provablyFair"].update(serverSeedHash="abc"),
        "type",
        "provablyFair.serverSeedHash",
    ),
    "a game id that is none": (
        lambda taken: some_tick(taken).update(gameId="20260101"),
        "type",
        "gameId",
    ),
    "an inner object that is a list": (
        lambda taken: some_tick(taken).update(rugpool=[]),
        "type",
        "rugpool",
    ),
    "another kind of trade": (
        lambda taken: first(taken, "standard/newTrade", type="sell").update(type="swap"),
        "unknown-kind",
        "standard/newTrade swap",
    ),
    "leverage on a sell": (
        lambda taken: first(taken, "standard/newTrade", type="sell").update(leverage=1),
        "unknown-key",
        "leverage",
    ),
    "a seed in the commitment": (
        lambda taken: some_tick(taken)["provablyFair"].update(serverSeed="f" * 64),
        "unknown-key",
        "provablyFair.serverSeed",
    ),
    "a player update without a key": (
        lambda taken: first(taken, "playerUpdate").pop("levelInfo"),
        "missing-key",
        "levelInfo",
    ),
}


@pytest.mark.parametrize("change", list(SHAPES))
def test_an_altered_shape_is_named(tmp_path: Path, reference: Reference, change: str) -> None:
    """One wrong key or type among thousands is named with its class, kind and path."""
    alter, what, path = SHAPES[change]
    taken = rows()
    alter(taken)
    result = check(tmp_path, taken, reference)
    hits = [d for d in result.differences if d.what == what and path in f"{d.kind}: {d.path}"]
    assert hits, named(result)
    assert hits[0].place > 0
    assert not result.ok


def test_a_history_row_is_held_to_its_own_shape(tmp_path: Path, reference: Reference) -> None:
    """A lost sidebet with the keys of a won one is reported, anywhere in the history."""
    taken = rows(games=4)
    index = state_rows(taken, lambda body: "gameHistory" in body)[-1]
    lost = next(
        bet
        for game in body_of(taken[index])["gameHistory"]
        for bet in game["globalSidebets"]
        if bet["type"] == "payout" and not bet["payout"]
    )
    lost["price"] = 0.0175
    result = check(tmp_path, taken, reference)
    assert any("globalSidebets[won].level" in line for line in named(result))


@pytest.mark.parametrize(
    ("event", "change", "found"),
    [
        ("standard/newTrade", lambda args: args[1:], "none"),
        ("playerUpdate", lambda args: [{"__trace": True, "traceparent": "00"}, *args], "one"),
    ],
)
def test_a_trace_argument_is_where_it_belongs(
    tmp_path: Path, reference: Reference, event: str, change: Any, found: str
) -> None:
    """A trade without its trace object and a player update with one are named."""
    taken = rows()
    row = next(row for row in taken if row["event"] == event)
    row["args"] = change(row["args"])
    result = check(tmp_path, taken, reference)
    assert [(d.kind, d.found) for d in result.differences if d.what == "trace"] == [(event, found)]


def test_an_unknown_event_and_a_second_payload_are_named(
    tmp_path: Path, reference: Reference
) -> None:
    """An unknown event and an event with two payloads are reported."""
    taken = rows()
    extra = clone(next(row for row in taken if row["event"] == "playerUpdate"))
    extra["event"] = "serverClock"
    taken.append(extra)
    taken[-2]["args"].append({"more": 1})
    lines = named(check(tmp_path, taken, reference))
    assert any("unknown-kind: serverClock" in line for line in lines)
    assert any("argument 2 from the end" in line for line in lines)


@pytest.mark.parametrize("fmt", ["dec", "feb"])
def test_frames_of_the_other_format_are_named(
    tmp_path: Path, reference: Reference, fmt: str
) -> None:
    """A price list in a February history, or its absence in a December one, is named."""
    taken = rows(fmt)
    for index in state_rows(taken, lambda body: "gameHistory" in body):
        game = body_of(taken[index])["gameHistory"][0]
        if fmt == "feb":
            game["prices"] = [1, 1.01]
        else:
            game.pop("prices")
    result = check(tmp_path, taken, reference)
    assert any("gameHistory[].prices" in line for line in named(result))


def test_a_recording_without_history_is_compared_with_the_format_that_fits(
    tmp_path: Path, reference: Reference
) -> None:
    """Ticks alone do not show their format: they are tried as both, and pass; they begin anywhere."""
    taken = [row for row in rows("dec") if row["event"] == STATE and is_tick(body_of(row))][:20]
    result = check(tmp_path, taken, reference)
    assert named(result) == []
    assert "the snapshot before" in result.tolerated[0].what
    assert result.slices[0].label == "unknown"


def test_truncated_lines_count_for_kind_and_trace(tmp_path: Path, reference: Reference) -> None:
    """A line that kept only its trace argument has no shape, but its kind must be known."""
    taken = rows()
    for row in taken:
        if row["event"] == "standard/newTrade":
            row["args"] = row["args"][:1]
            row["args_truncated"] = True
    result = check(tmp_path, taken, reference)
    assert named(result) == []
    assert sum(part.truncated for part in result.slices) > 0


def test_excerpts_have_no_order(tmp_path: Path, reference: Reference) -> None:
    """Single samples may be anywhere, and do not need a snapshot before them."""
    taken = [
        {**row, "excerpt": True}
        for row in reversed(rows())
        if row["event"] == STATE and is_tick(body_of(row))
    ]
    result = check(tmp_path, taken[:30], reference)
    assert named(result) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"capture":"a","t":1,"dir":"sideways","event":"x","args":[]}\n', "dir"),
        ('{"capture":"a","t":1,"dir":"in","event":"x","args":{}}\n', "args"),
        ('{"t":1,"dir":"in","event":"x","args":[],"local":true}\n', "has no events"),
        ("[1]\n", "not a captured event"),
    ],
)
def test_what_is_no_capture_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A file that is not a capture gives one error that says what is wrong."""
    path = tmp_path / "capture.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        check_frames(path, Reference(1))


def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    """A directory must be a journal."""
    with pytest.raises(InputError, match="no journal segments"):
        check_frames(tmp_path, Reference(1))


def test_the_lost_frame_of_the_list_excuses_no_other(tmp_path: Path, reference: Reference) -> None:
    """In the game that has a listed loss, any other loss is named."""
    taken = public(rows("dec"))
    for row in taken:
        if row["event"] == STATE:
            body_of(row)["gameId"] = "20251212-25dcb17086a24ad7"
    taken = [row for row in taken if row["event"] == STATE and row["capture"].endswith("1")]
    ticks = state_rows(taken, is_tick)
    taken = taken[ticks[0] : ticks[0] + 8]
    del taken[4]
    lines = named(check(tmp_path, taken, reference))
    assert any("frame between tick" in line for line in lines)


def test_every_listed_exception_has_a_reason_and_no_wildcard_kind() -> None:
    """The list is short, speaks of one kind at a time and says why."""
    listed = exceptions()
    assert listed
    for item in listed:
        assert item.kind != "*"
        assert len(item.reason) > 20


def test_the_real_captures_differ_in_nothing_but_the_list(
    real_data: Path, reference: Reference
) -> None:
    """Real frames of both formats show nothing that ours cannot, however few games are sampled."""
    result = check_frames(real_data / "raw_frames.jsonl.gz", reference)
    assert named(result) == []
    assert [d.what for d, _ in result.excepted] == ["order-missing"]
    assert {part.label for part in result.slices if part.frames > 30} == {"dec"}
    assert len(result.tolerated) == 3
    unlisted = [kind for kind, reason in result.only_ours.items() if not reason]
    assert unlisted == []
