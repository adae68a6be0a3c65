"""Output helpers: one JSON object for programs, and text that is safe on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from io import TextIOWrapper
from typing import Any, TypeVar

import click

from vectra_bot.errors import VectraError
from vectra_bot.redaction import redacted

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object and nothing else."
)


class OutputError(VectraError, OSError):
    """Standard output cannot be written; what the command did is done."""

    exit_code = 74


def print_json(value: Mapping[str, Any]) -> None:
    """Print *value* as one JSON object on one line; Decimals, times and paths as text."""
    sys.stdout.write(json.dumps(value, default=str, allow_nan=False) + "\n")
    sys.stdout.flush()


def quiet_stdout(quiet: bool) -> AbstractContextManager[Any]:
    """Return a context for a session, whose end its output must not prevent.

    What strategies and plugins print goes to stderr, if *quiet*, and so does what native code and child
    processes write to standard output; one of our errors is printed as one JSON object as well, and raised.
    Else an error of standard output is raised when the block is over.
    """
    return _reserved() if quiet else _errors_last()


@contextmanager
def _reserved() -> Iterator[None]:
    try:
        with _descriptor_to_stderr(), redirect_stdout(sys.stderr):
            yield
    except VectraError as error:
        from vectra_bot.cli.stopping import stop_behind

        if stop_behind(error) is None:
            print_json(error_json(error))
        raise


def error_json(error: VectraError) -> dict[str, Any]:
    """Return the JSON object of a command that failed: the report of its session, or ``error`` alone."""
    report = getattr(error, "report", None)
    line = redacted(str(error).partition("\n")[0])
    return {"error": line} if report is None else {**report.to_json(), "error": line}


@contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    """Let descriptor 1 be standard error, where standard output is that descriptor."""
    try:
        ours = sys.stdout.fileno() == 1
    except (OSError, ValueError, AttributeError):
        ours = False  # a test's or a notebook's own stream
    if not ours:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _errors_last() -> Iterator[None]:
    patient = _Patient(sys.stdout)
    with redirect_stdout(patient):
        yield
    if patient.error is not None:
        raise patient.error


class _Patient:
    """A text stream that keeps its first error and from then on writes nothing."""

    def __init__(self, stream: Any) -> None:
        self.error: OSError | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        """Write *text*, if nothing failed before."""
        if self.error is None:
            try:
                return int(self._stream.write(text))
            except OSError as error:
                self.error = error
        return len(text)

    def flush(self) -> None:
        """Flush, if nothing failed before."""
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.error = error

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else."""
        return getattr(self._stream, name)


class _Stdout(TextIOWrapper):
    """Standard output whose errors are :class:`OutputError`, except a closed pipe."""

    def write(self, text: str) -> int:
        with _output_errors():
            return super().write(text)

    def flush(self) -> None:
        with _output_errors():
            super().flush()


@contextmanager
def _output_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"standard output cannot be written ({error.strerror}): what the command did is done; "
            "redirect the output elsewhere"
        ) from error


class _Stderr(TextIOWrapper):
    """Standard error, written if that is possible: a message that cannot be shown ends nothing."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def open_standard_streams() -> None:
    """Replace the standard streams of this process by ones that are there, whatever it was started with.

    A closed one must not become the number of the next file that is opened. Characters that the terminal's
    encoding lacks are printed as escapes.
    """
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(
                os.devnull, flags
            )  # takes the lowest number; nothing can be written to standard output
    sys.stdout = _standard(_Stdout, sys.stdout, 1)
    sys.stderr = _standard(_Stderr, sys.stderr, 2)


def _standard(kind: type[TextIOWrapper], old: Any, descriptor: int) -> TextIOWrapper:
    encoding = "utf-8" if old is None else old.encoding
    by_line = descriptor == 2 or os.isatty(descriptor)
    binary = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - a stream of the whole process
    return kind(binary, encoding=encoding, errors="backslashreplace", line_buffering=by_line)
