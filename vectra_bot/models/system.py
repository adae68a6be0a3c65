"""Documents about the session itself: raw frames and system events."""

import json
from typing import Any, Self

from attrs import frozen

from vectra_bot.models import _fields as f


@frozen(kw_only=True)
class WsEvent:
    """One raw Socket.IO message, inbound or outbound, exactly as text (never a login)."""

    direction: str = f.choice("in", "out")
    event_name: str | None = f.opt_text(default=None)
    trace_id: str | None = f.opt_text(default=None)
    raw_json: str = f.text()


@frozen(kw_only=True)
class SystemEvent:
    """An event of the session itself: connection, quarantine, gap, plugin fault, contradiction, stop.

    ``kind`` is a dotted name (``frame.quarantined``, ``plugin.error``, ``account.contradiction``);
    ``detail_json`` is a JSON object for programs that act on the event.
    """

    kind: str = f.text()
    severity: str = f.choice("debug", "info", "warning", "error", "critical")
    message: str = f.text()
    detail_json: str = f.text(default="{}")

    @classmethod
    def of(cls, kind: str, severity: str, message: str, **detail: Any) -> Self:
        """Return the event with *detail*, JSON values by name."""
        text = json.dumps(detail, sort_keys=True)
        return cls(kind=kind, severity=severity, message=message, detail_json=text)
