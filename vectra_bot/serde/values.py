"""Shared by rows and JSON: canonical text, alert types, and errors for what cannot be read."""

from __future__ import annotations

import json
from decimal import InvalidOperation
from typing import TYPE_CHECKING, Any

from vectra_bot.errors import RecordError

if TYPE_CHECKING:
    from vectra_bot.models import AlertType

BAD_VALUE = (TypeError, ValueError, KeyError, AttributeError, InvalidOperation)
"""The exceptions that reading an invalid value may raise."""


def canonical_json(value: Any) -> str:
    """Return *value* as canonical JSON: sorted keys, no spaces, floats by repr."""
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )


def alert_type(value: str) -> AlertType | str:
    """Return an alert's type: one of the schema's, or a plugin's text."""
    from vectra_bot.models import AlertType

    return value if "." in value else AlertType(value)


def unreadable(record_type: type, source: str, error: Exception) -> RecordError:
    """Return the error that explains why no record could be read."""
    what = f"has no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
    return RecordError(f"no {record_type.__name__} can be read from this {source}: {what}")
