"""Secret parameters: text that is used and never shown.

A secret is not given in words that others can read (the command line, a configuration file) but by a
reference: the name of an environment variable or of a file that only its owner can read. The caller reads it,
because this room does no I/O; a value given in Python is used as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import frozen

from vectra_bot.params.values import convert
from vectra_bot.redaction import SHOWN, hide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vectra_bot.params.declaration import Parameter

RECORDED: Final = {"secret": "set"}
"""What a session's header says of a secret parameter: that it was set."""

PLACEHOLDER: Final = "secret not recorded"
"""The value of a secret parameter in a replay that was not given one."""

_NAMES: Final = re.compile(
    r"(^|_)(token|secret|password|passwd|passphrase|pwd|api_?key|access_?key|private_?key|secret_?key|"
    r"seed_?phrase|mnemonic|cookies?|credentials?|bearer|jwt|auth|authorization|webhook(_url)?)($|_)"
)
_REFERENCE: Final = re.compile(r"(env|file):(.+)", re.DOTALL)


class SecretText(str):
    """The value of a secret parameter: text like any other, except that its ``repr`` does not show it.

    Every value is registered, so that messages, logs and journals do not show it either.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        """Register and return *value*."""
        hide(value)
        return super().__new__(cls, str.__str__(value))

    def __repr__(self) -> str:
        return repr(SHOWN)


@frozen
class SecretReference:
    """Where a secret is, and how it is read: ``read("env", NAME)`` or ``read("file", PATH)``."""

    kind: str
    name: str
    read: Callable[[str, str], str]


class WrittenText(str):
    """Text of a command line or a file, which others can read.

    Attributes:
        read: reads the secret that a reference in the text names, as of :class:`SecretReference`.
    """

    __slots__ = ("read",)

    read: Callable[[str, str], str]

    def __new__(cls, text: str, read: Callable[[str, str], str]) -> Self:
        """Return *text* with the function that reads references."""
        self = super().__new__(cls, text)
        self.read = read
        return self


def looks_secret(name: str) -> bool:
    """Return whether a parameter of this name probably holds a secret."""
    return _NAMES.search(name.lower()) is not None


def secret_given(value: Any, kind: Any) -> Any:
    """Return the value of a secret parameter of type *kind* (str, or str or None), references read.

    Raises:
        ValueError: it was written where others can read it.
        ConfigError: a reference cannot be read.
    """
    if isinstance(value, WrittenText):
        found = _REFERENCE.fullmatch(value)
        if found is None:
            raise ValueError
        value = SecretReference(found[1], found[2], value.read)
    if isinstance(value, SecretReference):
        return SecretText(value.read(value.kind, value.name))
    if value == RECORDED:
        return PLACEHOLDER
    text = convert(value, kind)
    return SecretText(text) if text else text


def masked(parameters: Iterable[Parameter], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* as they may be stored: of a secret only that it was set."""
    secret = {parameter.name for parameter in parameters if parameter.secret}
    return {
        name: _stored(value) if name in secret else _plain(value)
        for name, value in settings.items()
    }


def _stored(value: Any) -> Any:
    return value if value is None or value == "" else dict(RECORDED)


def _plain(value: Any) -> Any:
    return str.__str__(value) if isinstance(value, str) else value
