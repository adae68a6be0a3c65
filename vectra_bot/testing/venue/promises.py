"""What a venue promises, and the result of checking it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

PROMISES: Final[Mapping[str, str]] = {
    "parts": "feed and gateway have the methods of `Feed` and `Gateway`, and the venue has one name",
    "runs": "the feed connects and shows a running game, and nothing raises what is not declared",
    "connected": "frames come between CONNECTED and DISCONNECTED only, which alternate",
    "times": "`recv_ns` never decreases from one item to the next",
    "frames": "what the venue wrote is given unchanged, in order, each frame once",
    "answers": "the acknowledgement of a request is among the frames, with the id that `send` returned",
    "waits": "a feed that waits lets the venue do nothing while no item is requested",
    "queue": "a queue that is full ends the connection, and the end counts what was lost",
    "once": "a command that was sent reaches the venue once",
    "result": "a result names its action, its frame and its acknowledgement id, which never repeats",
    "not-sent": "`sent` False has a reason, and proves that nothing reaches the venue, then or later",
    "never-raises": "`send` raises nothing, also for a command that no request can carry",
    "lost": "a connection that is lost is reported with a reason, and another one follows",
    "epochs": "the link counts the connections that the feed reported, and is FRESH on an open one only",
    "no-link": "without a connection nothing is sent",
    "stale": "what was decided on an earlier connection is not sent on a later one",
    "never-resent": "nothing is sent twice, whatever happens to the connection",
    "stop": "nothing is sent from the moment on at which the stop flag is set",
    "cut": "nothing is sent after a cut, which another thread makes",
    "closed": "after closing nothing is sent, and no item follows what was received before",
    "ends": "iteration ends when the feed is closed",
    "close-twice": "closing twice does nothing more",
    "nothing-open": "closing leaves no task, socket or pipe behind",
    "secrets": "no representation, item or log line contains the secrets of the login",
}
"""What is checked: the name of each promise, and the promise in a sentence."""


@frozen
class VenueReport:
    """What a venue keeps of the contract.

    Attributes:
        kept: promises that were checked and kept, in the order of the contract.
        broken: for each promise that is not kept, what happened first.
        not_asked: for each promise that was not checked, why.
    """

    kept: tuple[str, ...]
    broken: Mapping[str, str]
    not_asked: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Return whether every promise that was checked is kept."""
        return not self.broken

    def __str__(self) -> str:
        """Return one line for each promise that is broken or was not checked."""
        broken = [
            f"{name}: broken ({PROMISES[name]}): {what}" for name, what in self.broken.items()
        ]
        rest = [f"{name}: not checked: {why}" for name, why in self.not_asked.items()]
        return "\n".join([*broken, *rest, f"{len(self.kept)} promises kept"])


__all__ = ["PROMISES", "VenueReport"]
