"""The lock of an account: one live session at a time trades for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_locked


class AccountBusyError(StoreError):
    """Another session trades for the account."""


def lock_path(store: Path, venue: str, account: str) -> Path:
    """Return the lock file of *account* at *venue* in *store*; its name does not show the account."""
    digest = hashlib.sha256(f"{venue}\n{account}".encode()).hexdigest()
    return store / "accounts" / f"{digest[:32]}.lock"


@contextmanager
def account_lock(store: Path, venue: str, account: str) -> Iterator[None]:
    """Keep other sessions of *store* from trading for *account* at *venue* during the block.

    Raises:
        AccountBusyError: another session trades for it.
        StoreError: the lock cannot be taken.
    """
    path = lock_path(store, venue, account)
    with files.store_errors(f"cannot lock {path}"):
        files.make_directories(path.parent)
        lock = FileLock.of(path)
    if lock is None:
        raise AccountBusyError(
            f"account {account!r} at {venue} is traded by another session of the store {store}: stop that "
            "one first (`vectra-bot status` shows it)"
        )
    try:
        lock.sign()
        yield
    finally:
        lock.release()


def is_account_locked(store: Path, venue: str, account: str) -> bool | None:
    """Return whether a session trades for *account*, None if that cannot be determined."""
    return is_locked(lock_path(store, venue, account))


__all__ = ["AccountBusyError", "account_lock", "is_account_locked"]
