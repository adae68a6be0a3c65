"""Where a session's store is: a folder, or an object store with a local spool.

Parquet files are built by ``store.parquet``, read by ``store.query`` and kept in order by
``store.maintenance``; the journal they are built from is a room of its own, :mod:`vectra_bot.journal`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from attrs import frozen

from vectra_bot.errors import InputError
from vectra_bot.fsio import warn_if_unsafe
from vectra_bot.params import Refused, declared, option
from vectra_bot.store.location import STORE_HELP, STORE_METAVAR, STORE_SHOWN, default_store
from vectra_bot.store.remote.address import RemoteStore, is_remote, parse_store


def _store(value: Any) -> Path | str | None:
    if value is None:
        return None
    if isinstance(value, str) and is_remote(value):
        try:
            parse_store(value)
        except InputError as error:
            raise Refused(message=str(error)) from None
        return value
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError):
        raise Refused from None


@frozen(kw_only=True, field_transformer=declared)
class StoreOptions:
    """Which store is meant.

    Attributes:
        store: folder of the store, text or Path, or the address of a remote one; the default store if None.
    """

    store: Path | str | None = option(
        None,
        take=_store,
        metavar=STORE_METAVAR,
        words="a path, as text or Path",
        shown=STORE_SHOWN,
        help=STORE_HELP,
    )


class Place(NamedTuple):
    """Where a session's store is.

    Attributes:
        path: the folder that the session writes to; a spool, if the store is remote.
        url: address of the remote store, "" if the store is the folder itself.
    """

    path: Path
    url: str = ""

    @property
    def shown(self) -> str:
        """What a user gives to name the store."""
        return self.url or str(self.path)


def store_place(given: Path | str | None) -> Place:
    """Return where the store is that a session writes to: *given*, or the default one.

    A folder on a file system that may lose what it was told to keep is warned of.

    Raises:
        InputError: something that is no folder stands there, or the address is none.
    """
    store = parse_store(given or default_store())
    url = ""
    if isinstance(store, RemoteStore):
        path, url = store.spool, store.url
    else:
        path = store.path
    if path.exists() and not path.is_dir():
        raise InputError(f"store was {str(path)!r}, which is no folder: give a folder's path")
    warn_if_unsafe(path)
    return Place(path, url)


__all__ = ["Place", "StoreOptions", "store_place"]
