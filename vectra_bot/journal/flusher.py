"""The thread that forces a journal to the disk every so often."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from typing import Final, Protocol

# Forcing 25 MB to the disk is work for a core as well; the thread that reads the feed comes first.
_NICE: Final = 5


class Syncing(Protocol):
    """What a flusher needs of a journal."""

    def sync_if_needed(self) -> None: ...


class Flusher:
    """Has its journal synced at an interval, and when woken; ends with the journal, however that ends."""

    def __init__(self, journal: Syncing, interval_s: float) -> None:
        """Begin.

        Args:
            journal: whose bytes are forced to the disk; it is not kept alive.
            interval_s: seconds between two syncs; 0 for no thread at all.
        """
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if interval_s > 0:
            # Nobody wakes the thread of a journal that was forgotten: it looks for itself.
            arguments = (weakref.ref(journal), interval_s, self._wake, self._over)
            self._thread = threading.Thread(
                target=_flush, args=arguments, name="journal-flusher", daemon=True
            )
            self._thread.start()

    def wake(self) -> None:
        """Have it done soon."""
        self._wake.set()

    def stop(self) -> None:
        """Return when the thread has ended; harmless if called twice."""
        self._over.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


def _flush(
    reference: weakref.ref[Syncing],
    interval_s: float,
    wake: threading.Event,
    over: threading.Event,
) -> None:
    if sys.platform == "linux":  # where each thread has a priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    while True:
        wake.wait(interval_s)
        wake.clear()
        journal = reference()
        if journal is None or over.is_set():
            return
        journal.sync_if_needed()
        del journal
