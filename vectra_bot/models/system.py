"""Documents about the session itself: raw frames and system events."""

import json
from typing import Any, Self

from attrs import frozen

from vectra_bot.models import _fields as f


@frozen(kw_only=True)
class WsEvent:
    """One raw Socket.IO message, inbound or outbound, exactly as text (never a login)."""

    direction: str = f.choice("in", "out")
    """`in`: received from the venue; `out`: sent to it."""
    event_name: str | None = f.opt_text(default=None)
    """Name of the Socket.IO event; null for a frame that is not an event."""
    trace_id: str | None = f.opt_text(default=None)
    """32 hex digits of the frame's trace argument; null without one."""
    raw_json: str = f.text()
    """Text of the frame as on the websocket, Socket.IO prefix included."""


@frozen(kw_only=True)
class SystemEvent:
    """An event of the session itself: connection, quarantine, gap, plugin fault, contradiction, stop.

    ``kind`` is a dotted name (``frame.quarantined``, ``plugin.error``, ``action.contradiction``);
    ``detail_json`` is a JSON object for programs that act on the event.
    """

    kind: str = f.text()
    """What happened, as a dotted name; see the list in errors.md."""
    severity: str = f.choice("debug", "info", "warning", "error", "critical")
    """debug, info, warning, error or critical."""
    message: str = f.text()
    """What happened, for a person."""
    detail_json: str = f.text(default="{}")
    """JSON object with the values that a program needs."""

    @classmethod
    def of(cls, kind: str, severity: str, message: str, **detail: Any) -> Self:
        """Return the event with *detail*, JSON values by name."""
        text = json.dumps(detail, sort_keys=True)
        return cls(kind=kind, severity=severity, message=message, detail_json=text)
