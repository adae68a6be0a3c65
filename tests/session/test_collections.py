"""Garbage collection while a session in real time runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from vectra_bot.session.realtime import short_collections


@pytest.fixture
def _arranged() -> Iterator[None]:
    """The tests exclude objects themselves; this one begins without, and restores it."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("_arranged")
def test_what_exists_is_not_collected_meanwhile() -> None:
    """And it is again afterwards, also after an error."""
    seen = []
    with suppress(ZeroDivisionError), short_collections():
        seen.append(gc.get_freeze_count())
        seen.append(1 // 0)
    assert (len(seen), seen[0] > 0) == (1, True)
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("_arranged")
def test_the_arrangement_of_a_program_is_kept() -> None:
    """What the program has excluded itself stays excluded after a session."""
    gc.freeze()
    before = gc.get_freeze_count()
    with short_collections():
        assert gc.get_freeze_count() == before
    assert gc.get_freeze_count() == before
