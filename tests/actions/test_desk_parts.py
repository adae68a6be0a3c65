"""How the desk notices that a signal handler runs: by its code, or by what it was called with."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from vectra_bot.actions.desk import _code, _in_signal_handler, _is_called_by_signal


def here() -> FrameType:
    """Return the caller's frame."""
    return sys._getframe(1)


def two(number: Any, frame: Any) -> bool:
    return _is_called_by_signal(here())


def many(*values: Any) -> bool:
    return _is_called_by_signal(here())


def first(one: Any, *values: Any) -> bool:
    return _is_called_by_signal(here())


def later(one: Any, number: Any, frame: Any) -> bool:
    return _is_called_by_signal(here())


def named(one: Any, *values: Any, key: Any = None) -> bool:
    return _is_called_by_signal(here())


def single(frame: Any) -> bool:
    return _is_called_by_signal(here())


def none() -> bool:
    return _is_called_by_signal(here())


@pytest.mark.parametrize(
    ("function", "before"),
    [(two, 0), (many, 0), (many, 1), (first, 0), (first, 1), (later, 1), (named, 0), (named, 2)],
)
def test_a_number_and_the_callers_frame_are_a_signals(
    function: Callable[..., bool], before: int
) -> None:
    """Wherever they are among the arguments; not another frame, nor something else than a number."""
    rest = ("x",) * before
    assert function(*rest, 2, here())
    assert not function(*rest, 2, sys._getframe(1))
    assert not function(*rest, True, here())
    assert not function(*rest, "2", here())
    assert not function(*rest, 2, None)


def test_less_than_two_arguments_are_no_signals() -> None:
    """A handler is called with two."""
    assert not single(here())
    assert not none()
    assert not many(here())
    assert not many()


def test_only_what_lies_within_the_callbacks_counts() -> None:
    """The function that runs the callbacks, and what called it, is not looked at."""

    def inner(outermost: Any) -> bool:
        return _in_signal_handler(here(), outermost)

    def handler(number: Any, frame: Any, outermost: Any) -> bool:
        return inner(outermost)

    assert handler(2, here(), ())
    assert not handler(2, here(), (inner.__code__,))
    assert not handler(2, here(), (handler.__code__,))
    assert not _in_signal_handler(None, ())


def test_the_code_of_whatever_is_installed() -> None:
    """A function, a method, a partial of one, an object that can be called; None for anything else."""

    class Called:
        def __call__(self) -> None:
            """Do nothing."""

        def method(self) -> None:
            """Do nothing."""

    assert _code(here) is here.__code__
    assert _code(Called().method) is Called.method.__code__
    assert _code(functools.partial(here)) is here.__code__
    assert _code(functools.partial(Called().method)) is Called.method.__code__
    assert _code(Called()) is Called.__call__.__code__
    assert _code(None) is None
    assert _code(0) is None
    assert _code(print) is None
