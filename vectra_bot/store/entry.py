"""One unit of a journal, and its line. The format is described in :mod:`vectra_bot.store.journal`."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from vectra_bot.errors import JournalError, RecordError
from vectra_bot.models import RECORDS, Command, Direction, DocType, Document, Event, Frame
from vectra_bot.serde import (
    command_from_json,
    command_to_json,
    input_from_json,
    input_to_json,
    record_from_json,
    record_to_json,
)

JOURNAL_VERSION: Final = 1

KINDS: Final = ("header", "frame", "input", "intent", "doc", "close")

# A login carries a secret (protocol 2.5): what is kept of it is that it was sent.
_LOGIN = '["authenticate"'
_LOGIN_KEPT = '42["authenticate"]'

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One journal entry.

    Attributes:
        seq: its number, increasing within the session.
        kind: ``header``, ``frame``, ``input``, ``intent``, ``doc`` or ``close``.
        ts_ns: receive time of the input it is or belongs to, nanoseconds since the epoch.
        data: the other keys of its JSON object.
    """

    seq: int
    kind: str
    ts_ns: int
    data: Mapping[str, Any]

    @classmethod
    def of_frame(cls, seq: int, frame: Frame, game_id: str = "") -> Entry:
        """Return the entry of a frame as received or sent; a login keeps its name only.

        What UTF-8 cannot carry (half of a surrogate pair) becomes ``?``, so that no frame can end a
        session. *game_id* is the game the frame names, if it was read and names one.
        """
        raw = storable_text(frame.raw)
        outbound = frame.direction is Direction.OUT
        if outbound and _LOGIN in raw[:32]:
            raw = _LOGIN_KEPT
        data: dict[str, Any] = {"dir": "out" if outbound else "in", "raw": raw}
        if frame.truncated:
            data["truncated"] = True
        if game_id:
            data["game"] = game_id
        return cls(seq, "frame", frame.recv_ns, data)

    @classmethod
    def of_input(cls, seq: int, event: Event) -> Entry:
        """Return the entry of an input that is not a frame."""
        return cls(seq, "input", event.recv_ns, {"input": input_to_json(event)})

    @classmethod
    def of_intent(cls, seq: int, ts_ns: int, command: Command) -> Entry:
        """Return the entry that must be on disk before *command* leaves."""
        return cls(seq, "intent", ts_ns, {"command": command_to_json(command)})

    @classmethod
    def of_document(cls, seq: int, document: Document) -> Entry:
        """Return the entry of a document.

        Raises:
            RecordError: document and record name different games or players.
        """
        record = document.record
        for name in ("game_id", "player_id"):
            own, given = getattr(record, name, None), getattr(document, name)
            if own and given and own != given:
                raise RecordError(
                    f"{name} was {given!r} in the document and {own!r} in its "
                    f"{type(record).__name__}: give the same"
                )
        data = {
            "doc_type": document.doc_type.value,
            "source": document.source,
            "game_id": document.game_id,
            "player_id": document.player_id,
            "record": record_to_json(record),
        }
        return cls(seq, "doc", document.ts_ns, data)

    def frame(self) -> Frame:
        """Return the frame of a ``frame`` entry."""
        direction = Direction(self._value("dir"))
        truncated = bool(self.data.get("truncated", False))
        return Frame(self.ts_ns, self._value("raw"), direction, truncated)

    def input(self) -> Event:
        """Return the event of an ``input`` entry."""
        return input_from_json(self._value("input"))

    def command(self) -> Command:
        """Return the command of an ``intent`` entry."""
        return command_from_json(self._value("command"))

    def document(self) -> Document:
        """Return the document of a ``doc`` entry."""
        doc_type = DocType(self._value("doc_type"))
        return Document(
            doc_type=doc_type,
            record=record_from_json(RECORDS[doc_type], self._value("record")),
            ts_ns=self.ts_ns,
            source=self._value("source"),
            game_id=self.data.get("game_id", ""),
            player_id=self.data.get("player_id", ""),
        )

    def _value(self, key: str) -> Any:
        try:
            return self.data[key]
        except KeyError:
            raise JournalError(
                f"entry {self.seq} of kind {self.kind!r} has no {key!r}: "
                "read it as the kind it is, or repair the line"
            ) from None


def storable_text(raw: str) -> str:
    """Return *raw* itself if UTF-8 can carry it, else with ``?`` in the place of what it cannot."""
    if raw.isascii():
        return raw
    try:
        raw.encode()
    except UnicodeEncodeError:
        return raw.encode("utf-8", "replace").decode()
    return raw


def encode_entry(entry: Entry) -> bytes:
    """Return the line of *entry*.

    Raises:
        JournalError: it holds what JSON or UTF-8 cannot carry.
    """
    fields = {"seq": entry.seq, "kind": entry.kind, "ts": entry.ts_ns, **entry.data}
    try:
        body = _encode(fields)
    except (UnicodeEncodeError, TypeError, OverflowError, ValueError) as error:
        raise JournalError(
            f"entry {entry.seq} of kind {entry.kind!r} cannot be written as JSON: {error}"
        ) from error
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode_line(line: bytes) -> Entry | None:
    """Return the entry of one line (with or without its line feed), None if it is damaged."""
    body = line[9:].rstrip(b"\r\n")
    if line[8:9] != b" " or line[:8].lower() != b"%08x" % zlib.crc32(body):
        return None
    try:
        data = _decode(body)
        seq, kind, ts_ns = data.pop("seq"), data.pop("kind"), data.pop("ts")
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        return None
    if type(seq) is not int or type(ts_ns) is not int or kind not in KINDS:
        return None
    return Entry(seq, kind, ts_ns, data)
