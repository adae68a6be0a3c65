"""Comparing two plays: the first decision that differs while both had seen the same."""

from __future__ import annotations

from vectra_bot.testing.checks.play import AskedAction, Failure, PlayRecord
from vectra_bot.testing.checks.report import ChangedDecision, divergence


def asked(after: int, what: str = "BUY 0.01") -> AskedAction:
    """Return an action that was asked for after so many messages."""
    return AskedAction(after, 1, "game", after, what)


def test_equal_plays_do_not_differ() -> None:
    """Nor does a play from its own beginning."""
    whole = PlayRecord(["a", "b", "c"], [asked(1), asked(3)])

    assert divergence(whole, whole) is None
    assert divergence(whole, PlayRecord(["a", "b"], [asked(1)])) is None
    assert divergence(PlayRecord(["a", "b"], [asked(1)]), whole) is None


def test_the_first_difference_is_found() -> None:
    """Another decision, a missing one, one too many."""
    base = PlayRecord(["a", "b", "c"], [asked(2)])

    other = asked(2, "SELL 100%")
    assert divergence(base, PlayRecord(["a", "b", "c"], [other])) == ChangedDecision(
        asked(2), other
    )
    assert divergence(base, PlayRecord(["a", "b", "c"], [])) == ChangedDecision(asked(2), None)
    early = asked(1)
    both = PlayRecord(["a", "b", "c"], [early, asked(2)])
    assert divergence(base, both) == ChangedDecision(None, early)


def test_decisions_may_differ_once_messages_do() -> None:
    """The third message differs, so what follows it may."""
    base = PlayRecord(["a", "b", "c"], [asked(2), asked(3)])

    assert divergence(base, PlayRecord(["a", "b", "x"], [asked(2)])) is None
    assert divergence(base, PlayRecord(["a", "b", "x"], [])) == ChangedDecision(asked(2), None)


def test_an_exception_in_one_play_alone_is_a_difference() -> None:
    """With its place and text."""
    failure = Failure("B.on_game_tick", "KeyError: 'USER'", "", 1, "game", 7)
    found = divergence(PlayRecord(["a", "b"], []), PlayRecord(["a", "b"], [], failure))

    assert found == ChangedDecision(None, None, failure)
