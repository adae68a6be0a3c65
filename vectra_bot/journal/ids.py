"""Ids of new sessions."""

from __future__ import annotations

import re

from vectra_bot.errors import InputError

_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][0-9-]+)?")


def check_new_id(session_id: str) -> None:
    """Refuse the id of a new session that looks like a number.

    pandas and pyarrow take the folder's ``session_id=007`` for the number 7, and then refuse the files.

    Raises:
        InputError: it does.
    """
    if _NUMBER.fullmatch(session_id):
        raise InputError(
            f"session id was {session_id!r}, which pandas reads as a number: begin it with a letter"
        )
