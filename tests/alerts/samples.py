"""Alerts for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from vectra_bot.models import AlertTrigger, AlertType

START_S = 1_767_225_600
"""2026-01-01T00:00:00Z, seconds since the epoch."""
SECOND = 1_000_000_000
START_NS = START_S * SECOND

HOSTILE = {
    "escape": "\x1b[2J\x1b]0;title\x07red\x1b[31m",
    "csi": "\x9b31mred",
    "bell": "ring\x07\x07",
    "backspace": "safe\x08\x08\x08\x08evil",
    "return": "good\rbad",
    "newlines": "one\n[!!] forged: line\r\ntwo\u2028three\u2029four\x85five",
    "nul": "a\x00b",
    "html": "<b onmouseover=alert(1)>x</b>",
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "entity": "&lt;script&gt;&#60;b&#62;",
    "markdown": "[click](https://evil.example) **bold** `code` ~~gone~~ ||spoiler||",
    "heading": "# big\n> quote\n* list",
    "everyone": "@everyone @here <@123456> <!channel> <@&99>",
    "link": "https://evil.example/login?token=x",
    "right-to-left": "\u202egpj.exe\u202c\u2066abc\u2069\u200f\u061c",
    "zero-width": "a\u200b\u200c\u200d\ufeff\u2060\u180eb",
    "tags": "flag\U000e0041\U000e007f\ufe0f",
    "combining": "z" + "\u0301" * 500,
    "surrogate-like": "\ufffe\uffff\ue000x",
    "huge": "A" * 100_000,
    "quote": "\"; DROP TABLE x; -- \\ ' $(id) `id` ${HOME} %n",
}
"""User names that other players might choose."""


def alert(
    kind: AlertType | str = AlertType.RUG_WARNING, at_s: float = 0.0, **changes: Any
) -> AlertTrigger:
    """Return an alert, triggered so many seconds after the start."""
    expires_s = changes.pop("expires_s", None)
    moment = datetime.fromtimestamp(START_S + at_s, UTC)
    given: dict[str, Any] = {
        "alert_id": f"alert-{kind}-{at_s}",
        "alert_type": kind if "." in kind else AlertType(kind),
        "severity": "info",
        "triggered_at": moment,
        "expires_at": None
        if expires_s is None
        else datetime.fromtimestamp(START_S + at_s + expires_s, UTC),
        "game_id": "game-1",
        "player_id": None,
        "title": "Title",
        "message": "message",
    }
    return AlertTrigger(**{**given, **changes})
