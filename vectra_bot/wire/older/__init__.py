"""The venue's formats before December 2025, for recordings: which was in use when, and its readers.

Imports builders, payloads and reader of wire, and nothing outside wire and models.
"""

from vectra_bot.wire.older.formats import FORMATS, OLDER_EVENTS, OlderFormat, format_of

__all__ = ["FORMATS", "OLDER_EVENTS", "OlderFormat", "format_of"]
