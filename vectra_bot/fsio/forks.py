"""What a forked child must not keep of its parent: locks, journals, pipes and sockets.

A child shares open files with its parent. If a strategy or plugin starts workers by fork and its process is
killed, they would keep its session locked, its connection open and the process that builds its parts alive.
So what belongs to one process is left by its children as soon as they exist.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from typing import Final, Protocol


class Resource(Protocol):
    """Something that belongs to the process that opened it."""

    def leave(self) -> None:
        """Close what a forked child has of it; called in the child, where no other thread exists.

        A lock of a thread that does not exist there may be taken without end: take none.
        """


_resources: Final[weakref.WeakSet[Resource]] = weakref.WeakSet()


def left_by_children(resource: Resource) -> None:
    """Call *resource*'s ``leave`` in every child that this process forks while the resource exists."""
    _resources.add(resource)


def close_copy(fd: int) -> None:
    """Close the child's copy of a file whose owner object may close its number later, as if it were open."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(nothing, fd, inheritable=False)
        finally:
            os.close(nothing)


def _leave_all() -> None:
    for resource in tuple(_resources):
        with contextlib.suppress(OSError):
            resource.leave()


os.register_at_fork(after_in_child=_leave_all)

__all__ = ["Resource", "close_copy", "left_by_children"]
