"""The location of a session's store: a folder, or an object store with a local spool.

Parquet files are built by ``store.parquet``, read by ``store.query`` and maintained by
``store.maintenance``; the journal they are built from is a separate package, :mod:`vectra_bot.journal`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from attrs import frozen

from vectra_bot.errors import InputError, StoreError
from vectra_bot.fsio import files, warn_if_unsafe
from vectra_bot.fsio.modes import SHARED_MARK, is_shared
from vectra_bot.params import Refused, declared, option
from vectra_bot.store.links import refuse_links
from vectra_bot.store.location import STORE_HELP, STORE_METAVAR, STORE_SHOWN, default_store
from vectra_bot.store.remote.address import (
    LocalStore,
    RemoteStore,
    is_address,
    local_folder,
    parse_store,
)


def _store(value: Any) -> Path | str | None:
    if value is None:
        return None
    try:
        if not (isinstance(value, str) and (is_address(value) or not value.strip())):
            return Path(value).expanduser()
        store = parse_store(value)
    except InputError as error:
        raise Refused(message=str(error)) from None
    except (TypeError, RuntimeError):
        raise Refused from None
    return store.path if isinstance(store, LocalStore) else value


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
        aside: another folder to write to, until the session is complete; None for *path*.
        kept: whether it is there when the session is over.
    """

    path: Path
    url: str = ""
    aside: Path | None = None
    kept: bool = True

    @property
    def shown(self) -> str:
        """The value of ``--store`` that names the store."""
        return self.url or str(self.path)


def store_place(given: Path | str | None, *, shared: bool = False) -> Place:
    """Return the location of the store that a session writes to: *given*, or the default one.

    With *shared*, a new store is made, whose files follow the umask (:mod:`vectra_bot.fsio.modes`).
    Logs a warning if the folder is on a file system that may lose synced data.

    Raises:
        InputError: the path exists and is not a folder, or the address is invalid.
        StoreError: the folder cannot be written, or a folder in it is elsewhere.
    """
    store = parse_store(default_store() if given is None else given)
    url = ""
    if isinstance(store, RemoteStore):
        path, url = store.spool, store.url
    else:
        path = store.path
    _check_writable(path)
    warn_if_unsafe(path)
    if shared:
        share(path)
    return Place(path, url)


def share(store: Path) -> None:
    """Make a new store that several users share; it has nothing but the mark that says so.

    Raises:
        StoreError: the store exists and is not shared, or it cannot be written.
    """
    if is_shared(store):
        return
    if store.exists() and any(store.iterdir()):
        raise StoreError(
            f"the store {store} exists and is not shared: change the modes of its files, if that is what you "
            f"want, and create {store / SHARED_MARK}; or give a new --store"
        )
    files.make_directories(store, mode=0o777)
    with files.store_errors(f"cannot share {store}"):
        fd = files.open_file(store / SHARED_MARK)
        try:
            files.sync_file(fd)
        finally:
            os.close(fd)
        files.sync_directory(store)


def folder_to_write(given: Path | str) -> Path:
    """Return the folder of a store that is written without a session; it need not exist.

    Raises:
        InputError: it is not a folder, or the address is invalid or that of an object store.
        StoreError: the folder cannot be written, or a folder in it is elsewhere.
    """
    path = local_folder(given)
    _check_writable(path)
    return path


def _check_writable(path: Path) -> None:
    _check_can_be_folder(path)
    refuse_links(path)
    if path.exists() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StoreError(
            f"the store {path} cannot be written: it is read-only or belongs to another user; give another "
            "--store"
        )


def _check_can_be_folder(path: Path) -> None:
    """Check that *path* is a folder, or can be made one: nothing else is in its way."""
    for at in (path, *path.parents):
        try:
            status = at.stat()
        except OSError as error:
            if not at.is_symlink():
                continue  # missing, or below something that is not a folder
            target = "itself" if error.errno == errno.ELOOP else "nothing"
            kind = f"a symbolic link that leads to {target}"
        else:
            if stat.S_ISDIR(status.st_mode):
                return
            kind = "not a folder"
        what = "which" if at == path else str(at)
        raise InputError(f"store was {str(path)!r}, {what} is {kind}: give a folder's path")


__all__ = ["Place", "StoreOptions", "folder_to_write", "share", "store_place"]
