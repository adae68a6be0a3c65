"""The bounded queue between a live feed's socket and its session, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque

from vectra_bot.models import ConnectionChanged, Frame, PlayerRequest
from vectra_bot.venues.base import FeedItem


class Inbox:
    """The one bounded queue between the socket and the session."""

    def __init__(self, frames: int, chars: int) -> None:
        self._frames = frames
        self._chars = chars
        self._held = 0
        self._items: deque[FeedItem] = deque()
        self.ready = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, frame: Frame) -> bool:
        """Queue *frame*; return False if the queue is full."""
        if len(self._items) >= self._frames or self._held + len(frame.raw) > self._chars:
            return False
        self._held += len(frame.raw)
        self._add(frame)
        return True

    def mark(self, change: ConnectionChanged | PlayerRequest) -> None:
        """Queue a connection change; never refused: a connection makes few, and needs a drained queue.

        A person's request follows the frame that has it, which found room.
        """
        self._add(change)

    def _add(self, item: FeedItem) -> None:
        self._items.append(item)
        self.ready.set()
        if len(self._items) > self._frames // 2 or self._held > self._chars // 2:
            self.drained.clear()

    def take(self) -> FeedItem | None:
        """Return the next item, None if the queue is empty."""
        if not self._items:
            self.ready.clear()
            return None
        item = self._items.popleft()
        if isinstance(item, Frame):
            self._held -= len(item.raw)
        if len(self._items) <= self._frames // 2 and self._held <= self._chars // 2:
            self.drained.set()
        return item
