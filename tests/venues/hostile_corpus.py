"""What a hostile server may send on an open connection, built from code: websocket frames, whole and broken.

Each entry has the bytes to write and what must be true of the connection after them. Each message in it must
be accounted for: passed on as text, counted as refused, or followed by the end of the connection.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

from attrs import field, frozen

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
GAME: Final = "20260101-00000000000000aa"
DEEP: Final = 50_000
FLOOD: Final = 3_000
_LIMIT: Final = 16 << 20


class Link(Enum):
    """Whether the connection continues."""

    LIVES = "lives"
    """It continues; a client of the page may have its own opinion, and connect again."""
    ENDS = "ends"
    """It ends, and another one follows."""
    MAY_END = "may end"
    """One of both: the client decides."""


@frozen
class Hostile:
    """One entry.

    Attributes:
        name: what it is.
        data: bytes of websocket frames.
        link: whether the connection continues.
        texts: the messages in it that must be accounted for; "" for one that is not text.
        reset: whether the server resets the connection after it.
    """

    name: str
    data: bytes = field(repr=False)
    link: Link = Link.LIVES
    texts: tuple[str, ...] = field(default=(), repr=False)
    reset: bool = False


def ws(
    kind: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    length: int | None = None,
    mask: bytes = b"",
) -> bytes:
    """Return a websocket frame as a server sends it; *length* is what it announces."""
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | kind])
    masked = 0x80 if mask else 0
    if size < 126:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | 126]) + struct.pack(">H", size)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", size)
    if mask:
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return head + mask + payload


def text(raw: str) -> bytes:
    """Return the frame of one text message; lone surrogates become bytes that are not UTF-8."""
    return ws(TEXT, raw.encode("utf-8", "surrogatepass"))


def said(name: str, *raws: str, link: Link = Link.LIVES) -> Hostile:
    """Return an entry of text messages."""
    return Hostile(name, b"".join(map(text, raws)), link, raws)


def game(**changes: str) -> str:
    """Return a game frame with fields in JSON replaced."""
    fields = {
        "gameId": f'"{GAME}"', "active": "true", "rugged": "false", "price": "1", "tickCount": "1",
        "cooldownTimer": "0", "tradeCount": "0", "leaderboard": "[]", **changes,
    }  # fmt: skip
    body = ",".join(f"{_q(key)}:{value}" for key, value in fields.items())
    return f'42["gameStateUpdate",{{{body}}}]'


def _q(name: str) -> str:
    return f'"{name}"'


def _values() -> Iterator[Hostile]:
    """Yield known events with values of wrong types and ranges."""
    wrong = {
        "NaN": "NaN", "Infinity": "Infinity", "minus Infinity": "-Infinity", "beyond doubles": "1e999",
        "a text": '"1"', "negative": "-1", "a list": "[1]", "an object": '{"a":1}', "true": "true",
        "400 digits": "9" * 400,
    }  # fmt: skip
    for name, value in wrong.items():
        yield said(f"price: {name}", game(price=value))
    for name, value in {
        "negative": "-5",
        "huge": "1e30",
        "a text": '"x"',
        "a fraction": "1.5",
    }.items():
        yield said(f"tick: {name}", game(tickCount=value))
    yield said("game id: a number", game(gameId="7"))
    yield said("game id: a megabyte", game(gameId=_q("a" * 1_000_000)))
    yield said("active: a text", game(active='"yes"'))
    yield said("countdown: negative", game(cooldownTimer="-100"))
    yield said("leaderboard: a number", game(leaderboard="3"))
    yield said("a key twice", f'42["gameStateUpdate",{{"price":1,"price":NaN,"gameId":"{GAME}"}}]')
    for name, value in {
        "a text": '"1"', "beyond doubles": "1e400", "negative": "-3", "twelve places": "0.000000000001",
        "null": "null", "NaN": "NaN",
    }.items():  # fmt: skip
        update = f'42["playerUpdate",{{"id":"did:privy:other","cash":{value}}}]'
        yield said(f"money: {name}", update)
    yield said(
        "trade: wrong types", '42["standard/newTrade",{"id":1,"amount":"x","qty":[],"price":{}}]'
    )
    yield said(
        "trade: money NaN", '42["standard/newTrade",{"id":"a","amount":NaN,"qty":1,"price":1}]'
    )
    yield said("login: null", '42["usernameStatus",null]')
    yield said("login: a list for an id", '42["usernameStatus",{"id":["a"],"hasUsername":1}]')


def _events() -> Iterator[Hostile]:
    """Yield what is not an event."""
    for name, raw in {
        "half an array": "42[", "an object": '42{"a":1}', "a bare text": '42"gameStateUpdate"',
        "no name": "42[]", "a number for a name": "42[1,2]", "null for a name": "42[null]",
        "no payload": '42["gameStateUpdate"]', "null for a payload": '42["gameStateUpdate",null]',
        "a list for a payload": '42["gameStateUpdate",[]]', "text after the end": '42["later",1]]]]',
        "two values": '42["later",1]["later",2]', "a space": '42 ["later"]', "half a text": '42["later',
        "half an escape": '42["later","\\u12', "a lone surrogate": '42["later","\\ud800"]',
        "a NUL": '42["la\\u0000ter",1]', "control characters": '42["\\u001b[31mlater\\r\\nerror: x",1]',
        "bare control characters": '42["\x01\x02\x1b[2J",1]', "an unknown event": '42["newThing",{}]',
        "a reserved name": '42["disconnect"]', "another reserved name": '42["connect_error",{}]',
        "an event that wants an answer": '427["answer me",{}]', "an id of 40 digits": f'42{"9" * 40}["x"]',
        "a negative id": '42-1["x"]', "a name of a megabyte": f'42["{"n" * 1_000_000}"]',
        "a megabyte of chat": f'42["newChatMessage",{{"message":"{"m" * 1_000_000}"}}]',
        "deep lists": f'42["x",{"[" * DEEP}{"]" * DEEP}]', "deep and unclosed": f'42["x",{"[" * DEEP}',
        "deep objects": '42["gameStateUpdate",' + '{"a":' * DEEP + "1" + "}" * DEEP + "]",
        "a foreign namespace": '42/admin,["x"]', "half a namespace": "42/admin",
        "an event with an attachment that is missing": '451-["x",{"_placeholder":true,"num":0}]',
        "attachments without number": '45-["x"]', "a billion attachments": '45999999999-["x"]',
        "an answer with an attachment": '461-5[{"_placeholder":true,"num":0}]',
        "an unknown packet": "49[1]", "a packet without a body": "47", "no packet": "4", "a letter": "4x",
    }.items():  # fmt: skip
        yield said(f"event: {name}", raw)
    together = ['451-["x",{"_placeholder":true,"num":0}]']
    data = text(together[0]) + ws(BINARY, b"\x00\x01\x02")
    yield Hostile("event: with its attachment", data, texts=(together[0], ""))
    yield said("flood: unknown events", *(f'42["flood",{n}]' for n in range(FLOOD)))
    yield said("flood: half events", *["42["] * FLOOD)


def _answers() -> Iterator[Hostile]:
    """Yield acknowledgements of nothing."""
    for name, raw in {
        "id 0": "430[]", "no id": "43[]", "a negative id": "43-1[]", "a huge id": f"43{'9' * 30}[]",
        "nobody's id": '43123456[{"success":true}]', "no arguments": "431234567", "an object": '437{"a":1}',
        "a letter": "43x[]", "our next id": '43900000[{"success":true}]',
    }.items():  # fmt: skip
        yield said(f"answer: {name}", raw)
    yield said("answer: twice", '43777[{"success":true}]', '43777[{"success":false}]')
    yield said("flood: answers", *(f"43{n}[]" for n in range(1_000_000, 1_000_000 + FLOOD)))


def _engine() -> Iterator[Hostile]:
    """Yield packets of Engine.IO, and those that open and close namespaces."""
    yield Hostile("engine: pings at once", text("2") * 50)
    yield Hostile("engine: a ping with text", text("2probe"))
    yield Hostile("engine: nothing to do", text("6") * 3)
    yield Hostile("engine: pongs that nobody asked for", text("3") * 3 + text("3probe"))
    for name, raw in {
        "an upgrade": "5", "an unknown type": "7", "a letter": "hello",
        "opened again": '0{"sid":"again"}', "an empty message": "", "base64": "bAAECAw==",
    }.items():  # fmt: skip
        yield said(f"engine: {name}", raw)
    yield Hostile("engine: bytes", ws(BINARY, b"\x04\x00\xff"), texts=("",))
    yield said("namespace: joined again", '40{"sid":"again"}')
    yield said("namespace: another one joined", '40/admin,{"sid":"x"}')
    yield said("namespace: another one left", "41/admin,", link=Link.MAY_END)
    yield said("namespace: ours left", "41", link=Link.ENDS)
    yield said("namespace: refused", '44{"message":"no"}', link=Link.ENDS)
    yield said("engine: closed", "1", link=Link.ENDS)


def _websocket() -> Iterator[Hostile]:
    """Yield frames below the messages."""
    whole = '42["later",{"in":"parts"}]'
    parts = [whole[:5].encode(), whole[5:9].encode(), whole[9:].encode()]
    first, second, last = (
        ws(TEXT, parts[0], fin=False), ws(CONTINUED, parts[1], fin=False), ws(CONTINUED, parts[2]),
    )  # fmt: skip
    yield Hostile("parts", first + second + last, texts=(whole,))
    yield Hostile(
        "parts with a ping between", first + ws(PING, b"x") + second + last, texts=(whole,)
    )
    yield Hostile("empty parts", ws(TEXT, fin=False) + ws(CONTINUED, fin=False) * 500
                  + ws(CONTINUED, whole.encode()), texts=(whole,))  # fmt: skip
    yield Hostile("pings at once", ws(PING, b"abc") * 200)
    yield Hostile("a pong that nobody asked for", ws(PONG, b"abc"))
    ends: dict[str, bytes] = {
        "not UTF-8": ws(TEXT, b'42["later","\xff\xfe"]'),
        "a surrogate in UTF-8": text('42["later","\ud800"]'),
        "half a character": ws(TEXT, b'42["later","\xe2\x82'),
        "a reserved bit": ws(TEXT, b'42["later"]', rsv=2),
        "an unknown kind": ws(3, b"x"),
        "a part of nothing": ws(CONTINUED, b'42["later"]'),
        "a message in another's parts": first + text(whole),
        "a long ping": ws(PING, b"x" * 126),
        "a ping in parts": ws(PING, b"x", fin=False),
        "a close of one byte": ws(CLOSE, b"\x03"),
        "a close with a wrong code": ws(CLOSE, struct.pack(">H", 999)),
        "a close without a code": ws(CLOSE),
        "a length of 63 bits": ws(TEXT, b"42[", length=1 << 62),
        "a negative length": ws(TEXT, b"42[", length=(1 << 63) + 5),
        "text of another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3,
        "zeros": b"\0" * 64,
    }  # fmt: skip
    for name, data in ends.items():
        yield Hostile(f"websocket: {name}", data, Link.ENDS)
    masked = '42["later","masked"]'
    data = ws(TEXT, masked.encode(), mask=b"\1\2\3\4")
    yield Hostile("websocket: masked", data, Link.MAY_END, (masked,))
    yield Hostile(
        "websocket: cut within a frame", ws(TEXT, b'42["lat', length=50), Link.ENDS, reset=True
    )
    yield Hostile(
        "websocket: a message without an end", ws(BINARY, b"4", length=15_000_000), Link.ENDS
    )
    yield Hostile("websocket: reset", b"", Link.ENDS, reset=True)
    giant = f'42["later","{"g" * _LIMIT}"]'
    yield Hostile("websocket: longer than allowed", text(giant), Link.MAY_END, (giant,))


CORPUS: Final[tuple[Hostile, ...]] = (
    *_values(), *_events(), *_answers(), *_engine(), *_websocket(),
)  # fmt: skip


def named(entry: Any) -> str:
    """Return the id of an entry's test."""
    return str(entry.name)
