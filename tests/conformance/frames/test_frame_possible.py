"""What our frames can contain: listed values pass whatever our games showed, all others do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.frames.frame_rows import STATE, rows
from vectra_bot.conformance.frames.frame_capture import Seen, of_text
from vectra_bot.conformance.frames.frame_compare import FrameDifference, Learned, compare
from vectra_bot.conformance.frames.frame_possible import REALS

# Constants with a fraction, and a number that has one in the February format only.
_OTHERS = {"solPerEntry", "rugpoolPercentage", "green", "red", "shortPnl"}


def message(event: str, **body: Any) -> Seen:
    """Return one received event."""
    text = f"42{json.dumps([event, body])}"
    seen = of_text(text, place=1, capture="c", at_s=1.0, outbound=False)
    assert seen is not None
    return seen


def learned(*events: Seen) -> Learned:
    """Return the shapes of these events, each in a separate game."""
    found = Learned()
    for game, seen in enumerate(events):
        found.add(seen, game)
    return found


def differences(capture: Seen, *ours: Seen) -> list[tuple[str, str]]:
    """Return class and path of every difference between one message and ours."""
    found: list[FrameDifference] = list(compare(learned(capture), learned(*ours)))
    return [(difference.what, difference.path) for difference in found]


def row(**changes: Any) -> dict[str, Any]:
    """Return a row of the active leaderboard."""
    return {"id": "x", "pnl": 0.5, "regularPnl": 0.5, "selectedCoin": None, "level": 3} | changes


def tick(**changes: Any) -> Seen:
    """Return a tick frame with one row."""
    return message(
        STATE, price=1.5, tickCount=3, tradeCount=5, count2x=4, leaderboard=[row(**changes)]
    )


def countdown(**changes: Any) -> Seen:
    """Return a countdown frame with one row."""
    return message(STATE, cooldownTimer=900, leaderboard=[row(**changes)])


def test_every_fraction_our_games_show_is_listed() -> None:
    """A key with a fraction in our own frames is in the list, or one of five known others."""
    for fmt in ("dec", "feb"):
        found = Learned()
        for seen_row in rows(fmt):
            text = json.dumps([seen_row["event"], *seen_row["args"]])
            seen = of_text(f"42{text}", place=1, capture="c", at_s=1.0, outbound=False)
            if seen is not None:
                found.add(seen, 0)
        fractions = {
            key
            for kind in found.shapes.kinds
            for _, shape in found.shapes.paths(kind)
            for key, known in shape.keys.items()
            if "float" in known.types
        }
        assert fractions - REALS <= _OTHERS
        assert fractions & REALS


@pytest.mark.parametrize(("ours", "theirs"), [(0.5, 1), (1, 0.5), (0.5, 0)])
def test_an_amount_may_be_whole_or_not(ours: float, theirs: float) -> None:
    """A listed number passes with a fraction or without, whichever our games showed."""
    assert differences(tick(pnl=theirs), tick(pnl=ours)) == []


def test_a_count_is_never_a_fraction() -> None:
    """A number that is not listed has only the types our games showed."""
    assert differences(tick(level=3.5), tick()) == [("type", "leaderboard[active].level")]


@pytest.mark.parametrize(("ours", "theirs"), [(None, 52.5), (52.5, None), (52.5, 53), (None, 53)])
def test_a_record_may_be_null(ours: float | None, theirs: float | None) -> None:
    """Records of god candles are null or a number, whichever our games showed."""

    def snapshot(value: float | None) -> Seen:
        return message(STATE, gameHistory=[], availableShitcoins=[], prices=[1], godCandle50x=value)

    assert differences(snapshot(theirs), snapshot(ours)) == []


def test_a_row_has_one_shape_in_every_frame() -> None:
    """What only countdown rows of ours showed is possible in a tick's rows, with its own keys."""
    coin = {"address": "0xPractice", "max_bet": 10_000}
    assert differences(tick(selectedCoin=coin), tick(), countdown(selectedCoin=coin)) == []
    other = {**coin, "symbol": "P"}
    assert differences(tick(selectedCoin=other), tick(), countdown(selectedCoin=coin)) == [
        ("unknown-key", "leaderboard[active].selectedCoin.symbol")
    ]


def test_an_object_that_no_frame_of_ours_has_is_named() -> None:
    """A coin is possible in a row, but its keys must be known."""
    found = differences(tick(selectedCoin={"address": "0xPractice"}), tick())
    assert found == [("unknown-object", "leaderboard[active].selectedCoin")]


def test_the_royale_may_be_absent_from_frames_with_records() -> None:
    """A scheduled royale is in settlement frames only if there is one (protocol 5.1)."""

    def settlement(**more: Any) -> Seen:
        return message(STATE, rugged=True, gameHistory=[], availableShitcoins=[], **more)

    royale = {"rugRoyale": {"status": "INACTIVE"}}
    assert differences(settlement(), settlement(**royale)) == []
    busy_tick = message(STATE, tradeCount=1, count2x=2, **royale)
    assert differences(settlement(**royale), settlement(), busy_tick) == []
    assert differences(message(STATE, tradeCount=1, count2x=2), busy_tick) == [
        ("missing-key", "rugRoyale")
    ]
