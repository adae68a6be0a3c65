"""Faults N: the network. Each test is named after its fault; docs/reference/faults.md names further ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from tests.faults.rig import Rig
from tests.venues.live_kit import PLAYER, quick, server, watched, written
from tests.venues.scripted import JOINED, Peer, ScriptedServer, tick
from vectra_bot.actions.limits import Limits
from vectra_bot.clock import SessionClock
from vectra_bot.exchange import RequestRecord
from vectra_bot.models import Ack, ActionType, ConnectionChanged, Frame, FrameKind, Link, Trade
from vectra_bot.testing.faults import FaultProxy
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings

S = 1_000_000_000


def test_n01_a_lost_link_makes_everything_in_flight_unknown_at_once() -> None:
    """Both actions are UNKNOWN with the event that reports the loss; neither is sent again."""
    rig = Rig.of(lambda a: a.buy("0.02"), lambda a: a.sidebet("0.01"))
    before = rig.bench.now_ns
    rig.bench.disconnect("connection reset by peer")
    assert rig.pending == ["UNKNOWN", "UNKNOWN"]
    assert rig.bench.engine.now_ns == before
    assert not rig.enters()
    rig.bench.connect()
    for _ in range(10):
        rig.bench.tick(1.2)

    assert len(rig.bench.commands) == 2


@pytest.mark.parametrize("what", ["n02 both ways", "n03 down alone"])
def test_n02_n03_a_silent_feed_denies_entries_within_two_seconds(what: str) -> None:
    """Only time passes: by 1.5 s the session says that it enters nothing, and the tick after it says why."""
    rig = Rig.of(limits=Limits(price_age_ms=1_500))
    words = []
    for _ in range(17):
        words.append(rig.bench.engine.standing.word)
        rig.bench.wait(0.1)

    assert words[:15] == ["allowed"] * 15, what
    assert words[16] == "reduced"
    assert rig.why().startswith("price.")


def test_n04_without_answers_an_action_is_unknown_while_ticks_arrive() -> None:
    """Ticks every 250 ms and no evidence: UNKNOWN after 2 s, and no entry from then on."""
    rig = Rig.of(lambda a: a.buy("0.02"))
    for _ in range(7):
        rig.bench.tick(1.2)
    assert rig.pending == ["SENT"]
    rig.bench.tick(1.2)
    rig.bench.tick(1.2)

    assert rig.pending == ["UNKNOWN"]
    assert rig.why() == "unknown"


async def test_n05_latency_and_jitter_double_nothing(tmp_path: Path) -> None:
    """Orders over a slow link are executed and answered once; one that waited too long is not sent."""
    received: list[RequestRecord] = []
    async with (
        server(speed=10, latency_ms=0, on_request=received.append) as served,
        FaultProxy("127.0.0.1", served.port, seed=3) as proxy,
    ):
        for way in (proxy.up, proxy.down):
            way.latency_ms, way.jitter_ms = 40.0, 60.0
        async with watched(proxy.url, written(tmp_path)) as seen:
            await seen.until(lambda: seen.venue.link.player_id == PLAYER and seen.ticking())
            sent = [
                await seen.venue.gateway.send(seen.command(ActionType.SIDEBET)),
                await seen.venue.gateway.send(
                    seen.command(ActionType.BUY, created_ns=seen.clock.now_ns() - 400_000_000)
                ),
                await seen.venue.gateway.send(seen.command(ActionType.BUY)),
            ]
            await seen.until(lambda: len([a for a in seen.of(Ack) if a.success is not None]) >= 2)
            await asyncio.sleep(0.3)
            acks = [ack.ack_id for ack in seen.of(Ack) if ack.success is not None]
            trades = [trade for trade in seen.of(Trade) if trade.player_id == PLAYER]

    assert [result.sent for result in sent] == [True, False, True]
    assert str(sent[1].reason).startswith("late")
    assert sorted(acks) == [sent[0].ack_id, sent[2].ack_id]
    assert len(received) == len({record.trace_id for record in received}) == 2
    assert len(trades) == 1


async def test_n06_single_bytes_on_a_narrow_link_are_read_whole() -> None:
    """Frames that arrive byte by byte are those that were sent, in order."""
    async with (
        server(speed=5, keep_sent=True) as served,
        FaultProxy("127.0.0.1", served.port) as proxy,
    ):
        proxy.down.slice_bytes = 1
        feed = LiveFeed(proxy.url, settings=LiveSettings(stale_s=20.0))
        frames: list[str] = []
        async with asyncio.timeout(30):
            while len(frames) < 4:
                item = await feed.next_item(1.0)
                if isinstance(item, Frame):
                    frames.append(item.raw)
        sent = served.sent_log(1)
        await feed.aclose()

    assert frames == list(sent[: len(frames)])


def test_n11_an_older_state_after_a_reconnect_changes_nothing() -> None:
    """Another instance of the server that is ticks behind moves neither tick nor price back."""
    rig = Rig.of()
    old = rig.bench.game_id
    rig.bench.rug()
    rig.bench.start_game((1.0, 1.1, 1.2, 1.3))
    game = rig.bench.engine.game
    rig.bench.disconnect()
    rig.bench.connect()
    rig.frame(kind=FrameKind.SNAPSHOT, tick=1, price=1.1, prices=(1.0, 1.1))
    rig.frame(game_id=old, tick=2, price=9.0)

    assert (game.game_id, game.tick, game.price) == (rig.bench.game_id, 3, 1.3)
    assert list(game.prices) == [1.0, 1.1, 1.2, 1.3]
    assert "game.frame_refused" in rig.kinds


async def test_n12_a_message_beyond_the_limit_ends_the_link_alone() -> None:
    """The connection ends, the feed reconnects, and what follows is read."""

    async def huge(peer: Peer) -> None:
        await peer.say(JOINED, tick(0), '42["x","' + "a" * 40_000 + '"]', tick(1))

    async def usual(peer: Peer) -> None:
        await peer.say(JOINED, tick(2))

    async with ScriptedServer(huge, usual) as venue:
        feed = LiveFeed(venue.url, settings=quick(frame_bytes=20_000))
        items: list[Any] = []
        async with asyncio.timeout(20):
            while sum(isinstance(item, Frame) for item in items) < 2:
                item = await feed.next_item(0.5)
                items += [] if item is None else [item]
        compressed = [peer.socket.compress for peer in venue.peers]
        await feed.aclose()

    links = [item.link for item in items if isinstance(item, ConnectionChanged)]
    assert links.count(Link.CONNECTED) == 2
    assert not any(compressed)  # none is offered, so none can be a bomb
    assert [item.raw for item in items if isinstance(item, Frame)] == [tick(0), tick(2)]


@define
class Machine:
    """Clocks that a test sets."""

    wall: int = 1_767_225_600 * S
    monotonic: int = 5 * S

    def now_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic


@pytest.mark.parametrize("hours", [-1, 1])
def test_n14_a_step_of_the_wall_clock_moves_no_timer(hours: int) -> None:
    """An action asked before the step is UNKNOWN two seconds later, not at once and not an hour later."""
    machine = Machine()
    clock = SessionClock(machine)
    rig = Rig.of()
    offset = rig.bench.now_ns - clock.now_ns()
    rig.do(lambda a: a.buy("0.02"))
    start = clock.now_ns()
    machine.wall += hours * 3_600 * S
    for step in range(1, 26):
        machine.wall += S // 10
        machine.monotonic += S // 10
        rig.bench.wait(0.1)
        assert clock.now_ns() - start == step * S // 10
        if step < 19:
            assert rig.pending == ["SENT"]

    assert rig.pending == ["UNKNOWN"]
    assert clock.step_ns() == hours * 3_600 * S
    assert offset == rig.bench.now_ns - clock.now_ns() - 250_000_000
