"""The last look of the live gateway, in virtual time over a wire in memory, against a table of its rules."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from attrs import define, field, frozen
from hypothesis import example, given
from hypothesis import strategies as st

from vectra_bot.clock import VirtualClock
from vectra_bot.models import ActionType, Command, SendResult
from vectra_bot.venues.connection import Connection
from vectra_bot.venues.credentials import Token
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.inbox import Inbox
from vectra_bot.venues.link import LinkSupervisor
from vectra_bot.venues.live import LiveGateway
from vectra_bot.venues.login import Credentials
from vectra_bot.venues.patience import LiveCounts, LiveSettings, SendBucket, SendBudget
from vectra_bot.wire.profile import default_profile

MS = 1_000_000
S = 1_000 * MS
NOW = 1_767_225_600 * S
"""When the command is handed to the gateway."""


@frozen
class Nowhere:
    """A source that is not read here."""

    where: str = "a test"

    def read(self) -> Token:
        """Return a token."""
        return Token("a-token-in-memory")


@define(eq=False)
class MemoryWire:
    """Keeps what is written to it; may break while it is written, or not accept all of it."""

    is_open: bool = True
    waiting: int = 0
    breaks: str = ""
    texts: list[str] = field(factory=list)

    async def write(self, text: str) -> None:
        """Write one frame."""
        if self.breaks == "raises":
            raise ConnectionResetError("gone")
        self.texts.append(text)
        self.is_open = self.breaks != "closes"
        self.waiting = 10 if self.breaks == "keeps" else self.waiting

    def shut_down(self) -> None:
        """Close."""
        self.is_open = False

    def abort(self) -> None:
        """Close."""
        self.is_open = False

    def release(self) -> None:
        """Close."""
        self.is_open = False


@frozen(kw_only=True)
class Case:
    """Everything that a last look depends on; the defaults let a command pass."""

    kind: ActionType = ActionType.BUY
    stopped: bool = False
    closed: bool = False
    over: str = ""
    wire_open: bool = True
    logged_in: bool = True
    slept_ms: int = 0
    opened_ms: int = 5_000
    created_ms: int = 10
    beats: int = 1
    age_ms: int = 10
    active: bool = True
    rugged: bool = False
    paused: bool = False
    ticks_behind: int = 0
    token_s: int | None = None
    rtt_ms: float | None = None
    waiting: int = 0
    used: int = 0
    breaks: str = ""

    def expected(self) -> str:
        """Return the code of the refusal, "" if the command is written."""
        entry = self.kind not in (ActionType.SELL, ActionType.SHORT_CLOSE)
        side = self.kind in (ActionType.BBC_PREDICT, ActionType.CANDLEFLIP_BET)
        active = self.active and not self.rugged
        oldest = (600 if active else 1_500) if entry else 3_000
        quiet = self.rugged or self.paused
        rules = (
            ("stopped", self.stopped or self.closed),
            ("link", bool(self.over) or not self.wire_open or not self.logged_in),
            ("epoch", self.created_ms > self.opened_ms or self.slept_ms > 1_000),
            ("stale", self.beats == 0 or (self.age_ms > oldest and not quiet)),
            ("over", self.rugged and not side),
            ("behind", entry and not side and active and self.ticks_behind >= 8),
            ("late", self.created_ms > (250 if entry else 1_000)),
            ("token", entry and self.token_s is not None and self.token_s <= 60),
            ("slow", entry and self.rtt_ms is not None and self.rtt_ms > 1_000),
            ("blocked", self.waiting > 0),
            ("rate", 8 - self.used < (3 if entry else 1)),
        )
        return next((code for code, applies in rules if applies), "")


def sent(case: Case) -> tuple[SendResult, MemoryWire, LiveGateway, float]:
    """Hand a command to the gateway in the situation of *case*; return also what is left of the budget."""
    clock, counts = VirtualClock(NOW), LiveCounts(connections=1)
    link = LinkSupervisor(
        Endpoint.parse("https://venue.example"),
        LiveSettings(),
        clock,
        Inbox(10, 1_000),
        counts,
        Credentials(Nowhere()),
        slept_ns=lambda: case.slept_ms * MS,
    )
    wire = MemoryWire(case.wire_open, case.waiting, case.breaks)
    connection = Connection(link.inbox, clock, counts, link.acks, epoch=1, opened=True, socket=wire)
    connection.opened_ns = NOW - case.opened_ms * MS
    connection.beats, connection.beat_ns = case.beats, NOW - case.age_ms * MS
    connection.rugged, connection.active = case.rugged, case.active and not case.rugged
    connection.quiet = case.rugged or case.paused
    connection.tick = 100 if connection.active else -1
    link.connection = None if case.over == "none" else connection
    link.was_cut, link.closed = case.over == "cut", case.over == "closed"
    if case.over == "ended":
        connection.ended.set()
    assert link.login is not None
    link.login.player_id = "did:privy:a" if case.logged_in else None
    link.login.token_ends_ns = None if case.token_s is None else NOW + case.token_s * S
    link.acks.rtt_ms = case.rtt_ms
    bucket = SendBucket(SendBudget(), clock)
    for _ in range(case.used):
        bucket.take()
    gateway = LiveGateway(
        link,
        bucket,
        profile=default_profile(),
        stopped=lambda: "a signal" if case.stopped else None,
    )
    return asyncio.run(_send(gateway, case)), wire, gateway, bucket.left()


async def _send(gateway: LiveGateway, case: Case) -> SendResult:
    if case.closed:
        await gateway.aclose()
    return await gateway.send(command(case))


def command(case: Case) -> Command:
    """Return the command of *case*."""
    kind = case.kind
    exits = kind in (ActionType.SELL, ActionType.SHORT_CLOSE)
    side = {ActionType.BBC_PREDICT: "BULL", ActionType.CANDLEFLIP_BET: "RED"}
    return Command(
        action_id="an-action",
        trace_id="0" * 32,
        action_type=kind,
        game_id="20260101-00000000000000aa",
        tick=100 - case.ticks_behind,
        price=1.0,
        amount=None if exits else Decimal("0.01"),
        percentage=100 if kind is ActionType.SELL else None,
        created_ns=NOW - case.created_ms * MS,
        choice=side.get(kind),
        round_id="r1" if kind in side else None,
    )


NEAR: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from([kind for kind in ActionType if not kind.is_local]),
    "stopped": st.booleans(),
    "closed": st.booleans(),
    "over": st.sampled_from(["none", "cut", "closed", "ended"]),
    "wire_open": st.booleans(),
    "logged_in": st.booleans(),
    "slept_ms": st.sampled_from([1_000, 1_001, 600_000]),
    "opened_ms": st.sampled_from([0, 9, 10, 11]),
    "created_ms": st.sampled_from([0, 249, 250, 251, 999, 1_000, 1_001]),
    "beats": st.sampled_from([0, 1]),
    "age_ms": st.sampled_from([0, 599, 600, 601, 1_500, 1_501, 3_000, 3_001]),
    "active": st.booleans(),
    "rugged": st.booleans(),
    "paused": st.booleans(),
    "ticks_behind": st.sampled_from([-3, 0, 7, 8, 9]),
    "token_s": st.sampled_from([None, -5, 59, 60, 61]),
    "rtt_ms": st.sampled_from([None, 5.0, 1_000.0, 1_000.5]),
    "waiting": st.sampled_from([0, 1]),
    "used": st.integers(0, 8),
    "breaks": st.sampled_from(["", "raises", "closes", "keeps"]),
}
"""Values around each limit; a case changes a few of them, so that later rules are reached."""

cases = st.sets(st.sampled_from(sorted(NEAR)), max_size=4).flatmap(
    lambda names: st.builds(Case, **{"kind": NEAR["kind"], **{n: NEAR[n] for n in names}})
)


@example(Case())
@example(Case(kind=ActionType.SELL, created_ms=1_000, age_ms=3_000, used=7))
@example(Case(kind=ActionType.SELL, created_ms=1_001))
@example(Case(kind=ActionType.SELL, age_ms=3_001))
@example(Case(kind=ActionType.SELL, ticks_behind=40, token_s=5, rtt_ms=5_000.0))
@example(Case(created_ms=250, age_ms=600, ticks_behind=7, token_s=61, rtt_ms=1_000.0, used=5))
@example(Case(created_ms=251))
@example(Case(age_ms=601))
@example(Case(active=False, age_ms=1_500))
@example(Case(active=False, age_ms=1_501))
@example(Case(ticks_behind=8))
@example(Case(token_s=60))
@example(Case(rtt_ms=1_000.5))
@example(Case(used=6))
@example(Case(kind=ActionType.SELL, used=8))
@example(Case(waiting=1))
@example(Case(rugged=True))
@example(Case(kind=ActionType.BBC_PREDICT, rugged=True, age_ms=5_000))
@example(Case(paused=True, active=False, age_ms=60_000))
@example(Case(opened_ms=9))
@example(Case(slept_ms=1_001))
@example(Case(logged_in=False))
@example(Case(over="cut"))
@example(Case(over="ended"))
@example(Case(closed=True))
@example(Case(stopped=True, over="none"))
@given(cases)
def test_the_last_look_is_the_table(case: Case) -> None:
    """The first rule that applies is the reason, and nothing was written; without one it was, once."""
    result, wire, gateway, left = sent(case)
    code = case.expected()

    assert result.sent is (code == "")
    if code:
        assert (result.reason or "").partition(":")[0] == code
        assert wire.texts == []
        assert gateway.refused == {code: 1}
        assert (result.raw, left) == (None, 8 - case.used)
    else:
        assert wire.texts == ([] if case.breaks == "raises" else [result.raw])
        assert (result.reason is None) is (case.breaks == "")
        assert case.breaks == "" or (result.reason or "").startswith("not proven: ")
        assert left == 8 - case.used - 1
        assert (gateway.sent, result.ack_id, result.recv_ns) == (1, 1, NOW)
