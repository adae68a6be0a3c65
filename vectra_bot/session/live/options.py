"""The account of a live session, as a configuration file names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from vectra_bot.actions.arming import POSITIONS
from vectra_bot.params import Refused, declared, option


def _token(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping) and len(value) == 1:
        value = ":".join(str(part) for part in next(iter(value.items())))
    if not isinstance(value, str):
        raise Refused
    return value


def _as_written(value: Any) -> Any:
    return value


@frozen(kw_only=True, field_transformer=declared)
class LiveOptions:
    """The account of a live session; section ``[live]`` of a configuration file.

    Attributes:
        enabled: whether this file may be used for live sessions.
        account: id of the account at the venue, ``did:privy:...``.
        terms: the operator's dated statement about the venue's terms.
        token: where the login token is; never the token itself.
        positions: the use of a position that the session finds: ``halt`` until the operator resumes,
            ``adopt`` it, or ``ignore`` it.
        dead_man_s: without a heartbeat of the operator for so long, entries are halted; None for no such
            limit.
        flatten_on_exit: sell everything before a session ends that is stopped by a signal.
    """

    enabled: bool = option(False, flag=None, key="enabled", help="Allow live sessions.")
    account: str | None = option(
        None, flag=None, key="account", help="Id of the account, did:privy:..."
    )
    terms: str | None = option(
        None,
        flag=None,
        key="terms",
        words="text that begins with the date, YYYY-MM-DD",
        help="Your dated statement that you have read the venue's terms and may run a bot.",
    )
    token: str | None = option(
        None,
        flag=None,
        key="token",
        take=_token,
        read=_as_written,
        secret=True,
        words="env:NAME, file:PATH or keyring:SERVICE/USER, never the token itself",
        help="Where the login token is.",
    )
    positions: str = option(
        "halt",
        flag=None,
        key="positions",
        choices=POSITIONS,
        help="A position found at the start: halt, adopt it, or ignore it.",
    )
    dead_man_s: float | None = option(
        None,
        flag=None,
        key="dead_man_s",
        low=1,
        high=86_400,
        shown="never",
        help="Halt entries after so many seconds without a heartbeat (status --beat).",
    )
    flatten_on_exit: bool = option(
        False, flag=None, key="flatten_on_exit", help="Sell everything when a signal stops it."
    )


__all__ = ["LiveOptions"]
