"""The objects by which a running session is observed, flushed and stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Protocol

from attrs import define, frozen

from vectra_bot.clock import WallClock
from vectra_bot.models.times import NS_PER_S


@define
class StopFlag:
    """Requests the end of a running session, between two inputs; set by a signal handler or another task.

    Attributes:
        reason: why the session is to end; None while it is not.
        running: whether a session is running that ends when the flag is set.
        unfinished: what an exit of the process at this moment would leave, and how it is completed; one line,
            "" if nothing.
        abandoned: whether the session did not wait for its files: a thread is still writing them, so that the
            process keeps the session's lock to its end, which must be soon.
        on_set: called when the flag is set, in the thread that sets it; it ends a wait of the feed.
        postpone: asked when a signal requests the end, in the signal's thread; if it returns true, it sets
            the flag itself within seconds.
    """

    reason: str | None = None
    running: bool = False
    unfinished: str = ""
    abandoned: bool = False
    on_set: Callable[[], object] | None = None
    postpone: Callable[[str], bool] | None = None
    _due_ns: int | None = None
    _postponed: bool = False

    def set(self, reason: str, *, within_s: float | None = None) -> None:
        """Request the end; the first reason is kept.

        Args:
            reason: why.
            within_s: after so many seconds the session no longer waits until its files are built and
                uploaded; its report then says what is left to ``vectra-bot store recover``. None for no
                limit: only a process that ends right afterwards may set one.
        """
        if self.reason is None:
            self.reason = reason
            self._limit(within_s)
            if self.on_set is not None:
                self.on_set()

    def signalled(self, name: str, within_s: float) -> None:
        """Request the end because of the signal *name*, as :meth:`set` does, unless it is postponed."""
        # The handler of the signal and the thread that watches for it may both be here.
        postpone, self.postpone = self.postpone, None
        if postpone is not None:
            self._postponed = True
            self._limit(within_s)
            self._postponed = self.reason is None and postpone(name)
        if not self._postponed:
            self.set(name, within_s=within_s)

    def _limit(self, within_s: float | None) -> None:
        if within_s is not None:
            self._due_ns = WallClock().monotonic_ns() + int(within_s * NS_PER_S)

    @property
    def expired(self) -> bool:
        """Return whether the time to end in is over."""
        return self._due_ns is not None and WallClock().monotonic_ns() >= self._due_ns

    @contextmanager
    def obeyed(self, session: str, *, stored: bool = True) -> Iterator[None]:
        """Mark the flag as obeyed during the block; *session* names what runs, *stored* or in memory."""
        self.running = True
        finish = "the next session in its store, or `vectra-bot store recover`, finishes it"
        self.unfinished = (
            f"{session} is not finished: {finish if stored else 'nothing of it is kept'}"
        )
        try:
            yield
        finally:
            self.running, self.on_set, self.postpone = False, None, None


@define
class FlushFlag:
    """Requests that a running session flush its documents to the store's parts."""

    asked: bool = False

    def ask(self) -> None:
        """Request a flush."""
        self.asked = True


@frozen(kw_only=True)
class Snapshot:
    """The state of a running session for a live table; amounts in SOL, ``games_total`` 0 if unlimited."""

    games_done: int
    games_total: int
    game_id: str
    tick: int
    price: float
    phase: str
    cash: Decimal
    position_qty: Decimal
    avg_cost: Decimal
    position_value: Decimal
    pnl: Decimal
    actions: dict[str, int]
    elapsed_s: float
    standing: str = ""


class Observer(Protocol):
    """Called with the state of a running session about ten times a second."""

    def update(self, snapshot: Snapshot) -> None:
        """Show *snapshot*."""


__all__ = ["FlushFlag", "Observer", "Snapshot", "StopFlag"]
