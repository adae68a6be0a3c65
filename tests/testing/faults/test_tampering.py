"""Running sessions whose files other programs touch, and interrupted repetitions, with real processes."""

from __future__ import annotations

import pytest

from vectra_bot.testing.faults import tampering


def test_lock_of_a_running_session_is_removed() -> None:
    """The session ends with one line, every request has its intent, and nobody else wrote its files."""
    figures = tampering.locks(1, seed=5)
    assert (figures["ways"], figures["failures"]) == ({"lock removed": 1}, [])


@pytest.mark.long
def test_each_way_to_touch_a_running_session() -> None:
    """The same of each; a session seen through a read-only mount continues."""
    figures = tampering.locks(len(tampering.WAYS), seed=6)
    assert (set(figures["ways"]), figures["failures"]) == (set(tampering.WAYS), [])


@pytest.mark.long
def test_interrupted_repetitions() -> None:
    """Each row and entry of a stored session is there once, whatever ended its repetition, and when."""
    figures = tampering.repeats(6, seed=7)
    assert (figures["interruptions"], figures["failures"]) == (6, [])
