"""The append-only log of a session: what was acknowledged survives a crash.

One process writes a journal through :class:`Journal`; any process may read it with :func:`read_journal`,
also while it is written. :func:`cut_tail` removes what a killed process left unfinished, :func:`salvage`
keeps what is readable of corrupt segments. Imports fsio, serde and models; reaches no engine, wire, venue or
store. Writes through fsio; a thread forces bytes to the disk.
"""

from vectra_bot.journal.copying import compress_segment, write_journal
from vectra_bot.journal.entry import (
    JOURNAL_VERSION,
    LOGIN_KEPT,
    Entry,
    storable_text,
    without_login,
)
from vectra_bot.journal.ids import check_new_id
from vectra_bot.journal.journal import Journal
from vectra_bot.journal.lock import (
    DROPPED,
    LockLostError,
    SessionBusyError,
    SessionLock,
    dropped_directory,
    journal_directory,
    writer_of,
)
from vectra_bot.journal.reader import (
    JournalReader,
    ends_with_close,
    never_began,
    read_header,
    read_journal,
    read_segment,
)
from vectra_bot.journal.salvage import CORRUPT_SUFFIX, Salvage, cut_tail, salvage
from vectra_bot.journal.segments import Segment, list_segments, parts_records

__all__ = [
    "CORRUPT_SUFFIX",
    "DROPPED",
    "JOURNAL_VERSION",
    "LOGIN_KEPT",
    "Entry",
    "Journal",
    "JournalReader",
    "LockLostError",
    "Salvage",
    "Segment",
    "SessionBusyError",
    "SessionLock",
    "check_new_id",
    "compress_segment",
    "cut_tail",
    "dropped_directory",
    "ends_with_close",
    "journal_directory",
    "list_segments",
    "never_began",
    "parts_records",
    "read_header",
    "read_journal",
    "read_segment",
    "salvage",
    "storable_text",
    "without_login",
    "write_journal",
    "writer_of",
]
