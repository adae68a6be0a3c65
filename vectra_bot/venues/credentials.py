"""Where the login token comes from: an environment variable, a private file, or the system's keyring.

The token is opaque. It is re-read for every connection, so that a renewed one is used, and is kept
nowhere: its value is registered with :mod:`vectra_bot.redaction` and passes from the source to the websocket
in local variables alone. What a JWT says about itself (``sub``, ``exp``) is read without being trusted.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from attrs import field, frozen

from vectra_bot.errors import ConfigError, InputError
from vectra_bot.fsio.private import bad_character, read_private
from vectra_bot.models.times import NS_PER_S
from vectra_bot.redaction import hide

LONGEST: Final = 8_192
"""Characters of the longest token that is accepted."""
FORMS: Final = "env:NAME, file:PATH or keyring:SERVICE/USER"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_JWT: Final = re.compile(r"[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_KEYRING_S: Final = 5.0
_LATEST_S: Final = 2**33
# Variables that were read, by name. Like the secrets of the redaction, they are in no object.
_taken: dict[str, str] = {}


@frozen
class Token:
    """A login token.

    Attributes:
        value: the secret; not part of the representation.
        subject: whose it says it is, None if it is opaque.
        expires_ns: when it says it ends, ns since 1970-01-01 UTC; None if it is opaque.
    """

    value: str = field(repr=False)
    subject: str | None = None
    expires_ns: int | None = None

    @classmethod
    def of(cls, text: str, where: str) -> Token:
        """Return the token *text*, without the white space around it.

        Raises:
            InputError: it cannot be a token; the message says where it came from, and not what it is.
        """
        text = text.strip()
        hide(text)
        if not text:
            raise InputError(f"the token in {where} was empty: put one there")
        if len(text) > LONGEST:
            raise InputError(
                f"the token in {where} has {len(text)} characters, more than {LONGEST}: is it a token?"
            )
        if (bad := bad_character(text)) is not None:
            raise InputError(f"the token in {where} contains {bad}: give the token alone")
        if any(character.isspace() for character in text):
            raise InputError(
                f"the token in {where} contains a space: give the token alone, without `Bearer`"
            )
        claims = _claims(text)
        subject, ends = claims.get("sub"), claims.get("exp")
        return cls(
            text,
            subject if isinstance(subject, str) and subject.isprintable() else None,
            _instant(ends),
        )


class TokenSource(Protocol):
    """Where a token is read."""

    @property
    def where(self) -> str:
        """Return the place in words that are safe to show, e.g. ``environment VECTRA_TOKEN``."""

    def read(self) -> Token:
        """Return the token that is there now.

        Raises:
            InputError: the token is missing, or others may read it.
            ConfigError: the place cannot be used on this machine.
        """


@frozen
class _Source:
    """A place with the function that reads it."""

    where: str
    _get: Callable[[], str]

    def read(self) -> Token:
        """Return the token that is there now."""
        return Token.of(self._get(), self.where)


def token_source(spec: str) -> TokenSource:
    """Return the place that *spec* names: ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``.

    Nothing is read yet.

    Raises:
        ConfigError: it has another form; the message does not repeat it, for it could be a token.
    """
    kind, _, rest = spec.strip().partition(":")
    if _JWT.fullmatch(rest) or _JWT.fullmatch(spec.strip()):
        hide(rest)
        hide(spec.strip())
        raise _unusable("was a token itself", "never put a token there")
    if kind == "env" and _NAME.fullmatch(rest):
        return _Source(f"environment {rest}", lambda: _from_environment(rest))
    if kind == "file" and rest.strip():
        try:
            path = Path(rest).expanduser()
        except RuntimeError:
            raise _unusable("names the home of an unknown user", "check the path") from None
        return _Source(f"file {path}", lambda: read_private(path, "token file"))
    service, slash, user = rest.rpartition("/")
    if kind == "keyring" and slash and service and user:
        return _Source(f"keyring {service}/{user}", lambda: _from_keyring(service, user))
    raise _unusable("names no place of a token", "it is not shown, because it could be one")


def _unusable(what: str, why: str) -> ConfigError:
    return ConfigError(f"token {what} ({why}): give {FORMS}")


def _from_environment(name: str) -> str:
    """Take the variable out of the environment: a process that anything here starts does not get it."""
    value = os.environ.pop(name, None)
    if value is not None:
        _taken[name] = value
    elif name not in _taken:
        raise InputError(f"environment variable {name} is not set: set it to the login token")
    return _taken[name]


def _from_keyring(service: str, user: str) -> str:
    place = f"keyring {service}/{user}"
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        raise ConfigError(
            f"token {place} needs a package that is not installed: "
            "pip install 'vectra-bot[keyring]'"
        ) from None
    found: list[str | None] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            found.append(keyring.get_password(service, user))
        except Exception as error:  # noqa: BLE001 - whatever a keyring's backend raises
            failed.append(error)

    # A keyring may ask its user for a password, which must not stop the session for longer.
    asking = threading.Thread(target=ask, name="keyring", daemon=True)
    asking.start()
    asking.join(_KEYRING_S)
    if failed:
        raise InputError(f"{place} cannot be read ({type(failed[0]).__name__}): unlock it")
    if not found:
        raise InputError(f"{place} gave no answer within {_KEYRING_S:g} s: unlock it")
    if found[0] is None:
        raise InputError(
            f"{place} has no password: `keyring set {service} {user}` stores the token"
        )
    return found[0]


def _instant(seconds: object) -> int | None:
    """Return seconds since 1970 as ns, None if that is not a time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return int(seconds * NS_PER_S) if 0 < seconds < _LATEST_S else None


def _claims(text: str) -> dict[str, Any]:
    """Return what a JWT says about itself, nothing for any other token."""
    if not _JWT.fullmatch(text):
        return {}
    payload = text.split(".")[1]
    try:
        data = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(data, type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return {}


__all__ = ["FORMS", "LONGEST", "Token", "TokenSource", "token_source"]
