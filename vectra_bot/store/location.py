"""The default store and the help of ``--store``; imports nothing heavy, so that help texts are fast."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError

SEED_PATH: Final = "~/rugs_data/events_parquet"
"""The store's path in the schema's queries."""

STORE_METAVAR: Final = "DIR|URL"
STORE_SHOWN: Final = f"$VECTRA_STORE, else {SEED_PATH}"
"""The default, for help texts."""

STORE_HELP: Final = "Folder of the store, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."


def default_store() -> Path | str:
    """Return ``$VECTRA_STORE``, an address as text, else the path used in the schema's queries.

    Raises:
        InputError: the variable has an invalid address.
    """
    from vectra_bot.store.remote.address import LocalStore, parse_store

    given = os.environ.get("VECTRA_STORE") or SEED_PATH
    try:
        store = parse_store(given)
    except InputError as error:
        raise InputError(f"$VECTRA_STORE: {error}") from None
    return store.path if isinstance(store, LocalStore) else given
