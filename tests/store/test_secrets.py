"""The login token is in no byte of any journal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import BUY_RAW, HEADER, TICK_RAW, memory_folder
from vectra_bot.journal import (
    LOGIN_KEPT,
    Entry,
    Journal,
    read_journal,
    storable_text,
    without_login,
)
from vectra_bot.models import Direction, Frame, SendResult

CANARY = "c4n4ry-5ecret-t0ken-0f-0ne-player"
JWT = (
    "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJkaWQ6cHJpdnk6eCIsImV4cCI6MX0."
    "c2lnbmF0dXJlLW9mLW5vYm9keS1hdC1hbGw"
)


def _escaped(name: str, positions: set[int]) -> str:
    return "".join(f"\\u{ord(c):04x}" if n in positions else c for n, c in enumerate(name))


_spaces = st.sampled_from(["", " ", "\n", "\t ", "  "])
_names = st.builds(
    _escaped, st.sampled_from(["authenticate", "Authenticate"]), st.sets(st.integers(0, 11))
)
# Engine.IO and Socket.IO packet types, attachments, namespace, acknowledgement.
_heads = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["42", "43", "45", "46", "2", "4"]),
    st.sampled_from(["", "1-", "2-"]),
    st.sampled_from(["", "/x,", "/game/a,", "/x?y=1,"]),
    st.sampled_from(["", "0", "420", "12345"]),
)


@st.composite
def logins(draw: st.DrawFn) -> str:
    """Draw an outbound login frame with the canary token, in any framing and spelling."""
    a, b, c = draw(_spaces), draw(_spaces), draw(_spaces)
    trace = draw(
        st.sampled_from(['{"__trace":true},', '{"__trace":true,"traceparent":"00-1-2-3"},', ""])
    )
    body = draw(st.sampled_from([{"token": CANARY}, CANARY, [CANARY], {"a": {"b": [CANARY]}}]))
    packet = f'{draw(_heads)}{a}[{b}"{draw(_names)}"{c},{trace}{json.dumps(body)}]'
    before = draw(st.sampled_from(["", "2\x1e", '42["ping",{}]\x1e']))
    return before + packet + draw(st.sampled_from(["", " ", "\x1e3"]))


@given(st.lists(logins(), min_size=1, max_size=5), st.booleans())
def test_no_byte_of_any_segment_has_the_token(frames: list[str], truncated: bool) -> None:
    """However a login is framed and spelled, alone or truncated, only its name is written."""
    with memory_folder() as folder:
        journal = Journal.create(folder, HEADER, segment_bytes=4000, sync_interval_s=0)
        for raw in frames:
            out = Frame(1, raw, Direction.OUT, truncated)
            sent = SendResult(recv_ns=1, action_id="a", sent=True, ack_id=None, raw=raw)
            seq = journal.last_seq + 1
            data = {"dir": "out", "raw": raw}
            journal.append(
                [
                    Entry.of_frame(seq, out),
                    Entry.of_input(seq + 1, sent),
                    Entry.of(seq + 2, "frame", 1, data),
                ]
            )
        kept = {entry.frame().raw for entry in read_journal(folder) if entry.kind == "frame"}
        journal.abandon()
        assert kept == {LOGIN_KEPT}
        for path in Path(folder).iterdir():
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (f'40{{"token":"{CANARY}"}}', "40"),
        (f'40/game,{{"token":"{CANARY}"}}', "40/game,"),
        (f"40/game?token={CANARY},", "40/game,"),
        (f'2\x1e40{{"auth":"{CANARY}"}}', "40"),
    ],
)
def test_what_a_connect_carries_is_not_kept(raw: str, kept: str) -> None:
    """The payload of a CONNECT is where other clients put their token."""
    assert Entry.of_frame(1, Frame(1, raw, Direction.OUT)).frame().raw == kept


@pytest.mark.parametrize(
    "raw", [BUY_RAW, "40", "2", "3probe", '42["chat",{"m":"authenticate [x] me"}]']
)
def test_other_frames_are_kept_as_they_are(raw: str) -> None:
    """Other outbound frames are kept whole, and inbound frames of that name are data."""
    assert without_login(raw) == raw
    assert Entry.of_frame(1, Frame(1, raw, Direction.OUT)).frame().raw == raw
    for inbound in (raw, '42["authenticate",{"ok":true}]', '40{"sid":"abc"}', TICK_RAW):
        assert Entry.of_frame(1, Frame(1, inbound)).frame().raw == inbound


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(list(Direction)))
def test_a_token_that_is_echoed_is_masked(before: str, after: str, way: Direction) -> None:
    """What looks like a token is masked in inbound and outbound frames; the rest of the frame is kept."""
    raw = f'42["error",{json.dumps(before + " " + JWT + " " + after)}]'
    payload = Entry.of_frame(1, Frame(1, raw, way)).payload
    for piece in JWT.split("."):
        assert piece.encode() not in payload
    if way is Direction.IN:
        assert json.loads(payload[5 + 2 :])[1].startswith(json.loads(json.dumps(before)))


def test_text_that_only_resembles_a_token_is_kept() -> None:
    """Text is not changed because it has the letters of a token."""
    for raw in ("heyJude", "eyJ", 'x eyJhbGciOiJFUzI1NiJ9 "no dots"', "J" * 50, "eyJ.eyJ.eyJ"):
        assert storable_text(raw) == raw
