"""The location of a session's store: a folder, or an object store with a local spool.

Parquet files are built by ``store.parquet``, read by ``store.query`` and maintained by
``store.maintenance``; the journal they are built from is a separate package, :mod:`vectra_bot.journal`.
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
    """The store to use.

    Attributes:
        store: folder of the store, as text or Path, or the address of a remote one; the default store if
            None.
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
    """The location of a session's store.

    Attributes:
        path: the folder that the session writes to; a spool, if the store is remote.
        url: address of the remote store, "" if the store is the folder itself.
    """

    path: Path
    url: str = ""

    @property
    def shown(self) -> str:
        """The value of ``--store`` that names the store."""
        return self.url or str(self.path)


def store_place(given: Path | str | None) -> Place:
    """Return the location of the store that a session writes to: *given*, or the default one.

    Logs a warning if the folder is on a file system that may lose synced data.

    Raises:
        InputError: the path exists and is not a folder, or the address is invalid.
    """
    store = parse_store(given or default_store())
    url = ""
    if isinstance(store, RemoteStore):
        path, url = store.spool, store.url
    else:
        path = store.path
    if path.exists() and not path.is_dir():
        raise InputError(f"store was {str(path)!r}, which is not a folder: give a folder's path")
    warn_if_unsafe(path)
    return Place(path, url)


__all__ = ["Place", "StoreOptions", "store_place"]
