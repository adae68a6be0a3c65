"""Every error the SDK raises deliberately.

::

    VectraError                       exit code
    ├── CheckFailed           1       a verification or comparison found a difference
    ├── UsageError            2       the command line or a call is wrong
    ├── InputError            3       a file, seed, recording or store cannot be used
    ├── ConfigError           4       a configuration key or parameter is invalid
    ├── UnknownNameError      5       unknown strategy, plugin, query, session or document type
    ├── StoreError            6       a store cannot be read or written
    │   └── JournalError      6       a journal is corrupt or incomplete
    ├── StrategyError         7       a strategy raised; trading stopped
    │   └── NotInCallback     7       an action was called outside a callback
    ├── PluginError           8       a plugin cannot be loaded or used
    ├── RecordError           9       a record would hold a value that its schema forbids
    ├── WireError             9       a frame does not follow the protocol
    ├── LedgerError           9       a request cannot be booked (vectra_bot.game.amounts)
    └── OutputError          74       standard output cannot be written (vectra_bot.cli.output)

A stop that the user asked for is not an error: :class:`StopNow` ends a command, and
:class:`CallInterrupted` ends one call of a strategy or plugin that keeps a session from stopping.

Every message says what is wrong, the value, and what to do. The command line prints it as one line and
exits with ``exit_code``; the codes are part of the public interface. Causes and remedies are in
docs/reference/errors.md.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from vectra_bot.redaction import redacted

MAX_TEXT = 2_000
MAX_TRACE = 32_000


class VectraError(Exception):
    """Base class of every deliberate error of the SDK.

    Attributes:
        exit_code: exit code of the command line when it ends with this error.
    """

    exit_code: ClassVar[int] = 9


class CheckFailed(VectraError):
    """A verification or comparison found a difference."""

    exit_code = 1


class UsageError(VectraError):
    """The command line or the arguments of a call are wrong."""

    exit_code = 2


class InputError(VectraError):
    """A file, seed, recording or store given by the user cannot be used."""

    exit_code = 3


class ConfigError(VectraError):
    """A configuration key or a parameter is unknown or has an invalid value."""

    exit_code = 4


class UnknownNameError(VectraError):
    """A name is unknown; close names are suggested.

    Attributes:
        kind: what was named, e.g. ``"strategy"``.
        name: the unknown name.
        close: known names that are similar, at most three.
    """

    exit_code = 5

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        choices = sorted(known)
        close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        if close:
            advice = "did you mean " + " or ".join(close) + "?"
        elif choices:
            advice = "known: " + ", ".join(choices)
        else:
            advice = "none is installed"
        super().__init__(f"no {kind} is named {name!r}: {advice}{' ' + hint if hint else ''}")
        self.kind = kind
        self.name = name
        self.close: tuple[str, ...] = tuple(close)


class StoreError(VectraError):
    """A store cannot be read or written."""

    exit_code = 6


class JournalError(StoreError):
    """A journal is corrupt, truncated or incomplete."""


class StrategyError(VectraError):
    """A strategy raised; trading stopped and the session ended with a complete store.

    Attributes:
        report: of the session (:class:`vectra_bot.Report`); None if none began.
    """

    exit_code = 7
    report: Any = None


class NotInCallback(StrategyError):
    """An action was called outside a strategy callback, from another thread or in a signal handler."""


class PluginError(VectraError):
    """A plugin cannot be loaded or used."""

    exit_code = 8


class RecordError(VectraError, ValueError):
    """A record would hold a value that its schema forbids."""


class WireError(VectraError, ValueError):
    """A frame does not follow the protocol; the next frame is unaffected.

    Attributes:
        reason: short machine-readable reason, e.g. ``"missing:cash"`` or ``"not-json"``.
        event_name: the event's name if it could be read.
        money: whether a required money field was missing or invalid.
    """

    def __init__(
        self, reason: str, message: str, *, event_name: str | None = None, money: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.event_name = event_name
        self.money = money


class StopNow(KeyboardInterrupt):
    """The command is to end at once, by signal *number*: no running session has to end in order first.

    Guards of foreign code let it pass.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class CallInterrupted(BaseException):
    """Raised inside a call of foreign code that did not return after a stop was requested.

    Not an Exception, so that the code does not catch it by accident. It ends the call, as any exception of
    that code does; the session then ends in order.
    """


def safe_text(value: object, limit: int = MAX_TEXT) -> str:
    """Return foreign text, or an exception or object as text, so that it can be stored as a record.

    ``__str__`` of foreign code may raise: then the type's name is given. Lone surrogates are replaced,
    registered secrets are hidden, and what is longer than *limit* characters is cut.
    """
    return _clean(str, value, limit)


def safe_repr(value: object, limit: int = 200) -> str:
    """Return ``repr(value)`` as :func:`safe_text` returns text."""
    return _clean(repr, value, limit)


def safe_error(error: BaseException) -> str:
    """Return the type and message of *error* as one storable text."""
    text = safe_text(error)
    name = type(error).__name__
    return f"{name}: {text}" if text and text != name else name


def safe_trace(error: BaseException, limit: int = MAX_TRACE) -> str:
    """Return the traceback of *error*, its end if it is longer than *limit*."""
    try:
        lines = traceback.format_exception(error)
    except BaseException:  # noqa: BLE001 - reads attributes of foreign code
        lines = [f"{safe_error(error)} (its traceback cannot be shown)\n"]
    return _storable(redacted("".join(lines))[-limit:])


def _clean(to_text: Callable[[object], str], value: object, limit: int) -> str:
    try:
        text = str.__str__(to_text(value))  # a subclass of str may lie about everything else
    except BaseException:  # noqa: BLE001 - foreign code
        text = type(value).__name__
    text = redacted(text)
    text = text if len(text) <= limit else text[: limit - 3] + "..."
    return text if text.isascii() else _storable(text)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
