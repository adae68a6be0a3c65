"""Ids of actions: reproducible from the session id and a counter."""

from __future__ import annotations

import hashlib
import uuid

from attrs import define


@define
class ActionIds:
    """Gives each action its id and its trace id.

    Both are the first 16 bytes of a SHA-256 over the session id and a counter, in UUID and in W3C
    trace-context shape, so that the same journal gives the same ids in every process.
    """

    session_id: str
    counter: int = 0

    def next(self) -> tuple[str, str]:
        """Return (action id, trace id) of the next action."""
        self.counter += 1
        return self._uuid("action"), self._digest("trace").hex()

    def episode(self, game_id: str) -> str:
        """Return the id of the episode of *game_id*."""
        digest = hashlib.sha256(f"{self.session_id}:episode:{game_id}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def _digest(self, what: str) -> bytes:
        return hashlib.sha256(f"{self.session_id}:{what}:{self.counter}".encode()).digest()[:16]

    def _uuid(self, what: str) -> str:
        return str(uuid.UUID(bytes=self._digest(what), version=4))
