"""The default store and the help of ``--store``; imports nothing heavy, so that help texts are fast."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vectra_bot.errors import InputError, StoreError

if TYPE_CHECKING:
    from vectra_bot.store.remote.address import RemoteStore

SEED_PATH: Final = "~/rugs_data/events_parquet"
"""The store's path in the schema's queries."""

LIVE_PATH: Final = "~/rugs_data/live_parquet"
"""The store of live sessions, apart from all others."""

STORE_METAVAR: Final = "DIR|URL"
STORE_SHOWN: Final = f"$VECTRA_STORE, else {SEED_PATH}"
"""The default, for help texts."""

LIVE_STORE_SHOWN: Final = f"$VECTRA_LIVE_STORE, else {LIVE_PATH}"
"""The default of live sessions, for help texts."""

STORE_HELP: Final = "Folder of the store, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."


def default_store() -> Path | str:
    """Return ``$VECTRA_STORE``, an address as text, else the path used in the schema's queries.

    Raises:
        InputError: the variable has an invalid address.
    """
    return _given("$VECTRA_STORE", os.environ.get("VECTRA_STORE") or SEED_PATH)


def default_live_store() -> Path | str:
    """Return ``$VECTRA_LIVE_STORE``, an address as text, else the path of live sessions.

    Raises:
        InputError: the variable has an invalid address.
    """
    return _given("$VECTRA_LIVE_STORE", os.environ.get("VECTRA_LIVE_STORE") or LIVE_PATH)


def _given(variable: str, given: str) -> Path | str:
    from vectra_bot.store.remote.address import LocalStore, parse_store

    try:
        store = parse_store(given)
    except InputError as error:
        raise InputError(f"{variable}: {error}") from None
    return store.path if isinstance(store, LocalStore) else given


def located(store: Path | str | None) -> Path | RemoteStore:
    """Return the folder of the store that was named, or of the default one, or its address.

    Raises:
        InputError: there is no such folder, or the address is invalid.
        StoreError: it cannot be read.
    """
    from vectra_bot.store.remote.address import LocalStore, parse_store

    found = parse_store(default_store() if store is None else store)
    return _readable(found.path) if isinstance(found, LocalStore) else found


def local(store: Path | str | None) -> Path:
    """Return the folder of a store on a disk.

    Raises:
        InputError: there is no such folder, or the store is not on a disk.
        StoreError: it cannot be read.
    """
    from vectra_bot.store.remote.address import local_folder

    return _readable(local_folder(default_store() if store is None else store))


def _readable(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"no store at {path}: run a session first, or give another --store")
    if not os.access(path, os.R_OK | os.X_OK):
        raise StoreError(f"cannot read {path}: Permission denied; check its permissions")
    return path
