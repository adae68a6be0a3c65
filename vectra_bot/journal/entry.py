"""One entry of a journal and the meaning of its bytes; :mod:`.format` has the order of entries in a file.

Secrets. The only secret of this venue's protocol is the token that a client sends to log in (protocol
2.5). It is never written:

- of an outbound frame whose event is ``authenticate``, in whatever framing or spelling, only the name is
  kept, and of an outbound Socket.IO CONNECT packet only its head: other clients log in by its payload;
- the same applies to the sent text in a ``SendResult``;
- anything that looks like a JSON Web Token is masked in every frame, inbound or outbound, so that a
  venue that echoes a token does not put it into the journal.

An inbound frame is otherwise kept as received, whatever its event is called: what a venue sends is data.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from vectra_bot.errors import JournalError, RecordError
from vectra_bot.models import (
    RECORDS,
    Command,
    Direction,
    DocType,
    Document,
    Event,
    Frame,
    SendResult,
)
from vectra_bot.serde import (
    command_from_json,
    command_to_json,
    input_from_json,
    input_to_json,
    record_from_json,
    record_to_json,
)

JOURNAL_VERSION: Final = 2

KINDS: Final = ("header", "frame", "input", "intent", "doc", "close")

LOGIN_KEPT: Final = '42["authenticate"]'
"""What is kept of a login: the fact that it was sent."""

_LOGIN_EVENT: Final = "authenticate"
# The first string of an array is the event's name, whatever packet type, attachments, namespace and
# acknowledgement precede it.
_EVENT = re.compile(r'\[\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_CONNECT = re.compile(r'\s*40(/[^,?{\["\s]*)?,?')
# Engine.IO joins the packets of one polling body with this character.
_PACKETS = re.compile("\x1e")
_JWT = re.compile(r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*")
_BLANK: Final = "***"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_keep = msgspec.structs.force_setattr

# Payload of a frame: flags (1: outbound, 2: truncated), length of the game's id, then id and text in UTF-8.
_FRAME_HEAD: Final = struct.Struct("<BI")
_OUTBOUND: Final = 1
_TRUNCATED: Final = 2


class Entry(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One journal entry.

    Attributes:
        seq: its number, consecutive within the session.
        kind: ``header``, ``frame``, ``input``, ``intent``, ``doc`` or ``close``.
        ts_ns: receive time of the input it is or belongs to, nanoseconds since the epoch.
        payload: its bytes as written; :attr:`data` decodes them.
    """

    seq: int
    kind: str
    ts_ns: int
    payload: bytes
    _data: dict[str, Any] | None = None

    @classmethod
    def of(cls, seq: int, kind: str, ts_ns: int, data: Mapping[str, Any]) -> Entry:
        """Return the entry with *data*, see :attr:`data`.

        Raises:
            JournalError: *kind* is unknown, or *data* cannot be written as JSON or UTF-8.
        """
        if kind not in KINDS:
            raise JournalError(f"kind was {kind!r}: use one of {', '.join(KINDS)}")
        if kind == "frame":
            try:
                direction, truncated = Direction(data["dir"]), bool(data.get("truncated"))
                frame = Frame(ts_ns, data["raw"], direction, truncated)
                return cls.of_frame(seq, frame, data.get("game") or "")
            except (KeyError, ValueError, AttributeError, TypeError) as error:
                raise _unwritable(seq, kind, error) from error
        return cls(seq, kind, ts_ns, _pack(seq, kind, data))

    @classmethod
    def of_frame(
        cls, seq: int, frame: Frame, game_id: str = "", *, storable: bool = False
    ) -> Entry:
        """Return the entry of a frame as received or sent; of a login only the name is kept.

        What UTF-8 cannot encode (half of a surrogate pair) becomes ``?``, so that no frame can end a session.

        Args:
            seq: its number.
            frame: the frame.
            game_id: the game the frame names, if it was decoded and names one.
            storable: whether the text is already the output of :func:`storable_text` for a received frame.
        """
        raw, flags = frame.raw, 0
        if frame.direction is Direction.OUT:
            raw, flags = storable_text(without_login(raw)), _OUTBOUND
        elif not storable:
            raw = storable_text(raw)
        if frame.truncated:
            flags |= _TRUNCATED
        name = game_id.encode("utf-8", "replace")
        payload = b"".join((_FRAME_HEAD.pack(flags, len(name)), name, raw.encode()))
        return cls(seq, "frame", frame.recv_ns, payload)

    @classmethod
    def of_input(cls, seq: int, event: Event) -> Entry:
        """Return the entry of an input that is not a frame."""
        data = input_to_json(event)
        if isinstance(event, SendResult) and event.raw:
            data["raw"] = storable_text(without_login(event.raw))
        return cls(seq, "input", event.recv_ns, _pack(seq, "input", {"input": data}))

    @classmethod
    def of_intent(cls, seq: int, ts_ns: int, command: Command) -> Entry:
        """Return the entry that must be on the disk before *command* is sent."""
        data = {"command": command_to_json(command)}
        return cls(seq, "intent", ts_ns, _pack(seq, "intent", data))

    @classmethod
    def of_document(cls, seq: int, document: Document) -> Entry:
        """Return the entry of a document.

        Raises:
            RecordError: document and record name different games or players.
        """
        record, game_id, player_id = document.record, document.game_id, document.player_id
        if getattr(record, "game_id", game_id) != game_id:
            _check_agreed("game_id", game_id, record)
        if getattr(record, "player_id", player_id) != player_id:
            _check_agreed("player_id", player_id, record)
        data = {
            "doc_type": document.doc_type,
            "source": document.source,
            "game_id": game_id,
            "player_id": player_id,
            "record": record_to_json(record),
        }
        return cls(seq, "doc", document.ts_ns, _pack(seq, "doc", data))

    @property
    def data(self) -> dict[str, Any]:
        """The decoded payload, by kind.

        ``header``: ``header``, an object with at least ``session_id``, ``mode`` and ``venue``.
        ``frame``: ``dir`` (``in`` or ``out``), ``raw`` (the Socket.IO text), ``truncated`` (only if true),
        ``game`` (id of the game it is about, only if it names one).
        ``input``: ``input``, an object with ``type`` and the event's fields.
        ``intent``: ``command``. ``close``: ``reason``.
        ``doc``: ``doc_type``, ``source``, ``game_id``, ``player_id`` and ``record``.

        Raises:
            JournalError: the payload does not match its kind.
        """
        if self._data is not None:
            return self._data
        try:
            data = self._frame_data() if self.kind == "frame" else _decode(self.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, struct.error) as error:
            raise JournalError(
                f"entry {self.seq} of kind {self.kind!r} cannot be decoded: {error}; it was written by "
                "another program or is corrupt"
            ) from error
        _keep(self, "_data", data)
        return data

    @property
    def direction(self) -> Literal["in", "out"]:
        """Direction of the frame of a ``frame`` entry."""
        return "out" if self._frame_bytes()[0] & _OUTBOUND else "in"

    @property
    def truncated(self) -> bool:
        """Whether the recorder truncated the text of a ``frame`` entry."""
        return bool(self._frame_bytes()[0] & _TRUNCATED)

    @property
    def game(self) -> str:
        """The game that the frame of a ``frame`` entry names, empty if it names none."""
        payload = self._frame_bytes()
        length = _FRAME_HEAD.unpack_from(payload)[1]
        return payload[5 : 5 + length].decode() if length else ""

    @property
    def raw_bytes(self) -> bytes:
        """The text of a ``frame`` entry in UTF-8."""
        payload = self._frame_bytes()
        return payload[5 + _FRAME_HEAD.unpack_from(payload)[1] :]

    def frame(self) -> Frame:
        """Return the frame of a ``frame`` entry."""
        return Frame(self.ts_ns, self.raw_bytes.decode(), Direction(self.direction), self.truncated)

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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (self.seq, self.kind, self.ts_ns, self.payload) == (
            other.seq,
            other.kind,
            other.ts_ns,
            other.payload,
        )

    def __ne__(self, other: object) -> bool:
        # msgspec's own would compare the decoded data as well.
        return not self == other

    def __hash__(self) -> int:
        return hash((self.seq, self.kind, self.ts_ns, self.payload))

    def _value(self, key: str) -> Any:
        try:
            return self.data[key]
        except KeyError:
            raise self._lacks(key) from None

    def _frame_bytes(self) -> bytes:
        if self.kind != "frame" or len(self.payload) < _FRAME_HEAD.size:
            raise self._lacks("raw")
        return self.payload

    def _frame_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"dir": self.direction, "raw": self.raw_bytes.decode()}
        if self.truncated:
            data["truncated"] = True
        if game := self.game:
            data["game"] = game
        return data

    def _lacks(self, key: str) -> JournalError:
        return JournalError(
            f"entry {self.seq} of kind {self.kind!r} has no {key!r}: use the property for its kind"
        )


def storable_text(raw: str) -> str:
    """Return *raw* itself if it may be written unchanged.

    Else with ``?`` for what UTF-8 cannot encode, and ``***`` for what looks like a token.
    """
    # One letter is searched with memchr, ten times as fast as three.
    if "J" in raw and "eyJ" in raw:
        raw = _JWT.sub(_BLANK, raw)
    if raw.isascii():
        return raw
    try:
        raw.encode()
    except UnicodeEncodeError:
        return raw.encode("utf-8", "replace").decode()
    return raw


def without_login(raw: str) -> str:
    """Return what may be kept of a sent frame: the name of a login, the head of a CONNECT."""
    packets = _PACKETS.split(raw)
    if any(map(_is_login, packets)):
        return LOGIN_KEPT
    for packet in packets:
        connect = _CONNECT.match(packet)
        if connect is not None and connect.end() < len(packet):
            return f"40{connect[1]}," if connect[1] else "40"
    return raw


def _is_login(packet: str) -> bool:
    return any(_LOGIN_EVENT in _text(match[1]).casefold() for match in _EVENT.finditer(packet))


def _text(string: str) -> str:
    """Return the decoded JSON string, or *string* itself if it is invalid."""
    try:
        return str(json.loads(string, strict=False))
    except ValueError:
        return string


def _check_agreed(name: str, given: str, record: Any) -> None:
    """Refuse a document whose *given* value differs from its record's; either may be missing."""
    own = getattr(record, name)
    if own and given:
        raise RecordError(
            f"{name} was {given!r} in the document and {own!r} in its "
            f"{type(record).__name__}: give the same"
        )


def _pack(seq: int, kind: str, data: Mapping[str, Any]) -> bytes:
    try:
        return _encode(data)
    except (UnicodeEncodeError, TypeError, OverflowError, ValueError, RecursionError) as error:
        raise _unwritable(seq, kind, error) from error


def _unwritable(seq: int, kind: str, error: Exception) -> JournalError:
    return JournalError(f"entry {seq} of kind {kind!r} cannot be written: {error}")
