"""Players by token. Tokens are opaque, and only their SHA-256 is kept (protocol 2.5)."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from attrs import frozen

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import ConfigError, VectraError
from vectra_bot.exchange.config import DEFAULT_CASH, DEFAULT_LEVEL
from vectra_bot.fsio.private import bad_character, read_private
from vectra_bot.game.ledger import to_lamports

MAX_TOKEN_LENGTH = 8_192
MAX_GUESTS = 10_000
MAX_CASH = Decimal(1_000_000)
_MAX_LEVEL = 100
_KEYS = ("token", "player_id", "username", "cash", "bonus", "level")
_PLAYER_ID = re.compile(r"[\x21-\x7e]{1,64}")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


@frozen(kw_only=True)
class Login:
    """The player of a token; ``cash``, ``bonus`` (lamports) and ``level`` are for a new account.

    ``expires_ns`` is when the token ends, nanoseconds since the epoch; None for never.
    """

    player_id: str
    username: str | None = None
    cash: int = DEFAULT_CASH
    bonus: int = 0
    level: int = DEFAULT_LEVEL
    expires_ns: int | None = None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def derived_player_id(token: str) -> str:
    """Return a player id in the venue's shape that depends only on *token* and does not reveal it."""
    value = int(_digest("player/" + token), 16)
    letters = []
    for _ in range(23):
        value, rest = divmod(value, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "did:privy:cm" + "".join(letters)


class TokenTable:
    """Find the player of a token.

    Args:
        logins: players by token.
        open_login: accept any other token for its own player, derived from it; up to
            ``MAX_GUESTS`` of them, since each is an account.
        cash: lamports of the new account of such a player.
        clock: says when a token has expired.
    """

    def __init__(
        self,
        logins: Mapping[str, Login] | None = None,
        *,
        open_login: bool = False,
        cash: int = DEFAULT_CASH,
        clock: Clock | None = None,
    ) -> None:
        self._now_ns = (clock or WallClock()).now_ns
        self._logins = {_digest(token): login for token, login in (logins or {}).items()}
        self._open = open_login
        self._cash = cash
        self._guests: set[str] = set()
        self._revoked: set[str] = set()

    def __len__(self) -> int:
        return len(self._logins)

    def revoke(self, token: str) -> bool:
        """Accept *token* no more, also not by open login; return whether it was valid."""
        was_valid = self.find(token) is not None
        self._logins.pop(_digest(token), None)
        self._revoked.add(_digest(token))
        return was_valid

    def find(self, token: object) -> Login | None:
        """Return the player of *token*, None if it is not valid."""
        if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_LENGTH:
            return None
        digest = _digest(token)
        login = self._logins.get(digest)
        if login is not None and login.expires_ns is not None:
            login = login if self._now_ns() < login.expires_ns else None
        if login is not None or not self._open or digest in self._revoked | self._logins.keys():
            return login
        player_id = derived_player_id(token)
        if player_id not in self._guests and len(self._guests) >= MAX_GUESTS:
            return None
        self._guests.add(player_id)
        return Login(player_id=player_id, username=f"guest-{player_id[-6:]}", cash=self._cash)


def read_tokens(path: Path) -> dict[str, Login]:
    """Return the players in a token file, by token.

    The file is TOML, or JSON if its extension is ``.json``, with a list ``players``; each has ``token`` and
    may have ``player_id``, ``username``, ``cash`` and ``bonus`` (SOL) and ``level``. Only its owner may have
    access to the file.

    Raises:
        InputError: the file cannot be read, or others have access to it.
        ConfigError: an invalid entry; no message contains a token.
    """
    text = read_private(path, "tokens")
    return _players(_document(path, text), path)


def _document(path: Path, text: str) -> Any:
    try:
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError):  # the parser's message may contain a token
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ConfigError(f"tokens {str(path)!r} is not valid {kind}: correct its syntax") from None


def _players(document: Any, path: Path) -> dict[str, Login]:
    rows = document.get("players") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise ConfigError(
            f"tokens {str(path)!r} has no players: give [[players]] with a token each"
        )
    logins: dict[str, Login] = {}
    for number, row in enumerate(rows, 1):
        token, login = _player(row, f"tokens {str(path)!r}, player {number}:")
        if token in logins:
            raise ConfigError(f"tokens {str(path)!r}, player {number}: duplicate token")
        logins[token] = login
    _check_distinct(logins.values(), path)
    return logins


def _check_distinct(logins: Iterable[Login], path: Path) -> None:
    seen: set[str] = set()
    for login in logins:
        if login.player_id in seen:
            raise ConfigError(f"tokens {str(path)!r}: duplicate player_id {login.player_id!r}")
        seen.add(login.player_id)


def _player(row: Any, where: str) -> tuple[str, Login]:
    if not isinstance(row, dict):
        raise ConfigError(f"{where} was not a table: give token, username and cash")
    for key in row:
        if key not in _KEYS:
            raise ConfigError(f"{where} {key!r} is not known: give {', '.join(_KEYS)}")
    token = row.get("token")
    if not isinstance(token, str) or not 0 < len(token) <= MAX_TOKEN_LENGTH:
        raise ConfigError(
            f"{where} token is invalid: give a text of 1 to {MAX_TOKEN_LENGTH} characters"
        )
    if (bad := bad_character(token)) is not None:
        raise ConfigError(f"{where} token contains {bad}: give printable text")
    player_id = row.get("player_id", derived_player_id(token))
    if not isinstance(player_id, str) or not _PLAYER_ID.fullmatch(player_id):
        raise ConfigError(f"{where} player_id was {player_id!r}: give 1 to 64 printable characters")
    username = row.get("username")
    if username is not None and (not isinstance(username, str) or not 0 < len(username) <= 64):
        raise ConfigError(f"{where} username was {username!r}: give 1 to 64 characters")
    if username is not None and (bad := bad_character(username)) is not None:
        raise ConfigError(f"{where} username contains {bad}: give printable text")
    level = row.get("level", DEFAULT_LEVEL)
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= _MAX_LEVEL:
        raise ConfigError(
            f"{where} level was {level!r}: give a whole number from 0 to {_MAX_LEVEL}"
        )
    return token, Login(
        player_id=player_id,
        username=username,
        cash=cash_lamports(row.get("cash", 1), f"{where} cash"),
        bonus=cash_lamports(row.get("bonus", 0), f"{where} bonus"),
        level=level,
    )


def cash_lamports(value: Any, what: str) -> int:
    """Return *value* SOL in lamports.

    Raises:
        ConfigError: it is not an amount from 0 to a million SOL with at most nine decimals.
    """
    try:
        amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        if amount.is_finite() and 0 <= amount <= MAX_CASH:
            return to_lamports(amount)
    except (InvalidOperation, ValueError, VectraError):
        pass
    raise ConfigError(f"{what} was {value!r}: give SOL from 0 to {MAX_CASH}")
