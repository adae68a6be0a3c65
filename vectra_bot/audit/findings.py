"""Events and alerts for finished games that differ from the law, for sessions and imports."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from vectra_bot.errors import safe_text
from vectra_bot.game.fair import Difference
from vectra_bot.models import AlertTrigger, SystemEvent
from vectra_bot.models.times import utc_from_ns

ALERT_TYPE: Final = "vectra.integrity"
FINISHED_KIND: Final = "game.finished"
"""Kind of the system event that reports a finished game, once each."""
MAX_SHOWN: Final = 10
"""Maximum number of differences in an alert."""
MAX_TEXT: Final = 256
"""Maximum length of an id or a seed; the venue's have 25 and 64 characters."""


@frozen
class FailedGame:
    """A finished game that disagrees with its seed.

    Attributes:
        game_id: as the feed has it.
        differences: where they disagree, at least one.
    """

    game_id: str
    differences: tuple[Difference, ...]

    @property
    def message(self) -> str:
        """The game and its first difference, as one line."""
        first, count = self.differences[0], len(self.differences)
        where = "" if first.tick is None else f" at tick {first.tick}"
        more = f" ({count} differences)" if count > 1 else ""
        return safe_text(
            f"game {safe_text(self.game_id)}: {first.what}{where} should be {first.expected}, "
            f"was {first.found}{more}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the game as JSON-ready data."""
        return {"game_id": safe_text(self.game_id), "message": self.message}


def finished_game(verdict: str, detail: dict[str, Any]) -> SystemEvent:
    """Return the event of a finished game; *detail* is JSON-ready."""
    return SystemEvent(
        kind=FINISHED_KIND,
        severity="error" if verdict == "failed" else "info",
        message=f"a finished game: {verdict}",
        detail_json=json.dumps({**detail, "verdict": verdict}, sort_keys=True),
    )


def disagreement(
    session_id: str,
    game_id: str,
    ts_ns: int,
    differences: Sequence[Difference],
    *,
    title: str,
    source_event: str,
) -> AlertTrigger:
    """Return the alert for a game that differs from the law; its id is derived from session and game.

    Args:
        session_id: of the session with the alert.
        game_id: as the feed or the file has it.
        ts_ns: when it was found, nanoseconds since 1970.
        differences: at least one; the first is named.
        title: what differs.
        source_event: the event that stated the game.
    """
    facts = f"{session_id}\n{ALERT_TYPE}\n{game_id}".encode("utf-8", "replace")
    return AlertTrigger(
        alert_id=str(uuid.UUID(bytes=hashlib.sha256(facts).digest()[:16], version=4)),
        alert_type=ALERT_TYPE,
        severity="error",
        triggered_at=utc_from_ns(ts_ns),
        expires_at=None,
        game_id=safe_text(game_id),
        player_id=None,
        title=title,
        message=FailedGame(game_id, tuple(differences)).message,
        source_event=source_event,
        source_data={"differences": differences_json(differences), "count": len(differences)},
    )


def differences_json(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return the first differences as JSON-ready details of an event."""
    return [
        {
            "what": difference.what,
            "tick": difference.tick,
            "expected": _value(difference.expected),
            "found": _value(difference.found),
        }
        for difference in differences[:MAX_SHOWN]
    ]


def _value(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else safe_text(value, MAX_TEXT)
