"""Locks of a session's files: held from the first step to the last of the block, and given back after it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import pytest

from tests.store.samples import HEADER, SESSION
from vectra_bot.errors import StoreError
from vectra_bot.journal import Journal, SessionLock, journal_directory
from vectra_bot.journal.lock import is_being_written
from vectra_bot.store.parquet.swapping import swapping_alone
from vectra_bot.store.remote.upload import upload_lock

Lock = Callable[[Path], AbstractContextManager[None]]


def is_free(directory: Path) -> bool:
    """Return whether the session's lock can be had."""
    try:
        SessionLock(directory).release()
    except StoreError:
        return False
    return True


@pytest.mark.parametrize("fails", [False, True])
def test_a_closing_journal_keeps_its_session_to_the_end(tmp_path: Path, fails: bool) -> None:
    """Who repairs the store must not take the files that the block finishes for those of a dead process."""
    directory = journal_directory(tmp_path, SESSION)
    journal = Journal.create(directory, HEADER)
    assert (is_free(directory), is_being_written(directory)) == (False, True)

    with ExitStack() as stack:
        if fails:
            stack.enter_context(pytest.raises(RuntimeError, match="mine"))
        with journal.closing("done"):
            assert (is_free(directory), is_being_written(directory)) == (False, False)
            if fails:
                raise RuntimeError("mine")
    assert is_free(directory)


@pytest.mark.parametrize("end", [Journal.abandon, lambda journal: journal.close("done")])
def test_an_ended_journal_gives_its_session_back(
    tmp_path: Path, end: Callable[[Journal], None]
) -> None:
    """Closed or abandoned, twice is harmless; another lock taken since is not given back by it."""
    directory = journal_directory(tmp_path, SESSION)
    journal = Journal.create(directory, HEADER)
    assert not is_free(directory)
    end(journal)
    assert is_free(directory)
    lock = SessionLock(directory)
    end(journal)
    journal.abandon()
    assert not is_free(directory)
    lock.release()
    lock.release()
    assert is_free(directory)


@pytest.mark.parametrize(
    "lock",
    [
        lambda store: swapping_alone(store, SESSION),
        lambda store: upload_lock(store / "journals" / SESSION),
    ],
)
def test_two_blocks_of_one_lock_never_overlap(tmp_path: Path, lock: Lock) -> None:
    """The second is refused while the first runs, and served once it has ended, with an error or not."""
    (tmp_path / "journals" / SESSION).mkdir(parents=True)
    for _ in range(2):
        with suppress(RuntimeError), lock(tmp_path):
            for _ in range(2):
                with pytest.raises(StoreError):
                    lock(tmp_path).__enter__()
            raise RuntimeError("what the block does may fail")
    with lock(tmp_path):
        pass
