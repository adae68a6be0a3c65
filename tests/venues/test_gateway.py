"""The gateway over real sockets: what is sent, what is not and why, and what is proven of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import types
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.venues.live_kit import (
    PING,
    PLAYER,
    TOKEN,
    Host,
    Watched,
    quick,
    server,
    watched,
    written,
)
from tests.venues.scripted import Peer, ScriptedServer
from vectra_bot.models import Ack, ActionType, Frame, PlayerUpdate, SendResult, Trade
from vectra_bot.testing.faults.proxy import FaultProxy
from vectra_bot.venues.base import Gateway
from vectra_bot.venues.link import LinkStage
from vectra_bot.venues.live import LiveGateway, SendBudget

BUY, SELL = ActionType.BUY, ActionType.SELL


@asynccontextmanager
async def ready(folder: Path, host: Host, **more: Any) -> AsyncIterator[tuple[Watched, Peer]]:
    """Yield a venue that is logged in and has fresh data, and the server's side of its connection."""
    more.setdefault("settings", quick(stale_s=30))
    async with (
        ScriptedServer(host) as served,
        watched(served.url, written(folder), **more) as seen,
    ):
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH and seen.ticking())
        yield seen, served.peers[0]


def orders(peer: Peer) -> list[str]:
    """Return what the server received besides the login and pings."""
    return [text for text in peer.heard[2:] if not PING.fullmatch(text) and text != "3"]


def code(result: SendResult) -> str:
    """Return the code of a refusal, "" if the command was sent."""
    assert result.sent is (result.raw is not None)
    return "" if result.sent else (result.reason or "").partition(":")[0]


async def test_a_buy_is_acknowledged_and_traded(tmp_path: Path) -> None:
    """Logged in, a command becomes one frame; its trade, update and acknowledgement come back."""
    async with server(speed=4) as served, watched(served.url, written(tmp_path)) as seen:
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH and seen.ticking())
        result = await seen.venue.gateway.send(seen.command())
        await seen.until(lambda: [ack for ack in seen.of(Ack) if ack.ack_id == result.ack_id])
        await seen.until(lambda: seen.of(Trade))
        sold = await seen.venue.gateway.send(seen.command(SELL))
        await seen.until(lambda: len(seen.of(Trade)) == len(seen.of(Ack)) == 2)
        link = seen.venue.link
        state, player, epoch = link.state, link.player_id, link.epoch

    assert isinstance(seen.venue.gateway, Gateway)
    assert (result.sent, result.reason, sold.sent) == (True, None, True)
    assert result.raw is not None
    assert result.raw.startswith(f'42{result.ack_id}["buyOrder",')
    assert [trade.kind for trade in seen.of(Trade)] == ["buy", "sell"]
    assert [trade.trace_id for trade in seen.of(Trade)] == [f"{n:032x}" for n in (1, 2)]
    assert [ack.success for ack in seen.of(Ack)] == [True, True]
    assert seen.of(PlayerUpdate)[-1].player_id == PLAYER
    assert (state, player, epoch) == (LinkStage.FRESH, PLAYER, 1)


async def test_the_frame_in_the_result_is_the_one_on_the_wire(tmp_path: Path) -> None:
    """Byte for byte, once, with an id that no ping has."""
    async with ready(tmp_path, Host(), settings=quick(stale_s=30, ping_s=0.05)) as (seen, peer):
        results = [await seen.venue.gateway.send(seen.command()) for _ in range(5)]
        await seen.until(lambda: len(orders(peer)) == 5)
        heard, pings = orders(peer), [int(n) for n, _ in PING.findall(" ".join(peer.heard))]

    ids = [result.ack_id for result in results]
    assert heard == [result.raw for result in results]
    assert len({*ids, *pings}) == len(ids) + len(pings)
    assert seen.venue.gateway.sent == 5


async def test_a_stop_is_seen_at_the_last_instant(tmp_path: Path) -> None:
    """Nothing is sent after it, exits included, and its reason is given."""
    reason: list[str] = []

    def stopped() -> str | None:
        return reason[-1] if reason else None

    async with ready(tmp_path, Host(), stopped=stopped) as (seen, peer):
        before = await seen.venue.gateway.send(seen.command())
        reason.append("SIGTERM")
        after = [await seen.venue.gateway.send(seen.command(kind)) for kind in (BUY, SELL)]
        await seen.until(lambda: orders(peer))
        heard = orders(peer)

    assert code(before) == ""
    assert [result.reason for result in after] == ["stopped: SIGTERM"] * 2
    assert len(heard) == 1


async def test_a_closed_gateway_and_a_lost_link_send_nothing(tmp_path: Path) -> None:
    """Each says which it is."""
    async with ready(tmp_path, Host()) as (seen, peer):
        await peer.socket.close()
        await seen.until(lambda: seen.venue.link.state is not LinkStage.FRESH)
        lost = await seen.venue.gateway.send(seen.command(SELL))
        await seen.venue.gateway.aclose()
        closed = await seen.venue.gateway.send(seen.command(SELL))

    assert lost.reason == "link: there is no connection"
    assert closed.reason == "stopped: the session is over"
    assert seen.venue.gateway.refused == {"link": 1, "stopped": 1}


async def test_what_was_decided_on_an_earlier_connection_is_not_sent(tmp_path: Path) -> None:
    """Exits included: the position is not known yet. The next decision is sent."""
    async with ready(tmp_path, Host()) as (seen, _):
        old = [seen.command(BUY), seen.command(SELL)]
        seen.venue.feed.supervisor.connection.end("a test")  # type: ignore[union-attr]
        await seen.until(lambda: seen.venue.link.epoch == 2)
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH)
        refused = [await seen.venue.gateway.send(command) for command in old]
        sent = await seen.venue.gateway.send(seen.command(SELL))

    assert [code(result) for result in refused] == ["epoch", "epoch"]
    assert code(sent) == ""


async def test_a_sent_command_is_not_sent_again(tmp_path: Path) -> None:
    """A connection that is lost takes it along, whether it arrived or not."""
    async with (
        ScriptedServer(Host(), Host()) as host,
        watched(host.url, written(tmp_path)) as seen,
    ):
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH)
        result = await seen.venue.gateway.send(seen.command())
        seen.venue.feed.supervisor.connection.end("a test", dead=True)  # type: ignore[union-attr]
        await seen.until(lambda: seen.venue.link.epoch == 2)
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH)
        await asyncio.sleep(0.1)
        heard = orders(host.peers[1])

    assert result.sent is True
    assert heard == []


async def test_old_data_takes_no_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a running game 600 ms without a frame are enough; an exit may wait longer."""
    monkeypatch.setattr("vectra_bot.venues.live.EXIT_DATA_MS", 1_000)
    host = Host()
    async with ready(tmp_path, host) as (seen, _):
        host.ticks = False
        await seen.until(lambda: (seen.venue.link.data_age_ms() or 0) > 610)
        state = seen.venue.link.state
        entry = await seen.venue.gateway.send(seen.command(BUY))
        exits = await seen.venue.gateway.send(seen.command(SELL))
        await seen.until(lambda: (seen.venue.link.data_age_ms() or 0) > 1_010)
        late = await seen.venue.gateway.send(seen.command(SELL))

    assert state is LinkStage.LOGGED_IN
    assert [code(result) for result in (entry, exits, late)] == ["stale", "", "stale"]


@pytest.mark.parametrize(
    ("kind", "late_ms", "expected"),
    [(BUY, 150, ""), (BUY, 300, "late"), (SELL, 900, ""), (SELL, 1_100, "late")],
)
async def test_a_decision_ages(
    tmp_path: Path, kind: ActionType, late_ms: int, expected: str
) -> None:
    """An entry is sent within 250 ms of its decision, an exit within a second, or not at all."""
    async with ready(tmp_path, Host()) as (seen, _):
        command = seen.command(kind, created_ns=seen.clock.now_ns() - late_ms * 1_000_000)
        # The decision was made on this connection.
        seen.venue.feed.supervisor.connection.opened_ns -= 2 * 10**9  # type: ignore[union-attr]
        result = await seen.venue.gateway.send(command)

    assert code(result) == expected


async def test_exits_keep_a_part_of_the_budget(tmp_path: Path) -> None:
    """Six entries at once, then two exits, then nothing until time has passed."""
    async with ready(tmp_path, Host(), budget=SendBudget(per_s=4.0)) as (seen, peer):
        send = seen.venue.gateway.send
        entries = [code(await send(seen.command(BUY))) for _ in range(8)]
        exits = [code(await send(seen.command(SELL))) for _ in range(4)]
        left = seen.venue.link.budget.sends
        await asyncio.sleep(0.3)
        later = [code(await send(seen.command(SELL))), code(await send(seen.command(BUY)))]
        await seen.until(lambda: len(orders(peer)) == 9)

    assert entries == [""] * 6 + ["rate"] * 2
    assert exits == [""] * 2 + ["rate"] * 2
    assert left == 0
    assert later == ["", "rate"]


async def test_a_slow_link_takes_no_entries(tmp_path: Path) -> None:
    """A round trip of more than a second makes every entry a blind one."""
    async with ready(tmp_path, Host()) as (seen, _):
        seen.venue.feed.supervisor.acks.rtt_ms = 1_500.0
        entry = await seen.venue.gateway.send(seen.command(BUY))
        exits = await seen.venue.gateway.send(seen.command(SELL))

    assert entry.reason == "slow: the round trip takes 1500 ms, more than 1000"
    assert code(exits) == ""


async def test_n04_a_ping_that_waits_takes_no_entries(tmp_path: Path) -> None:
    """Long before the link is cut: an answer that is missing for a second is a slow one."""
    host = Host()
    settings = quick(stale_s=30, ping_s=0.1, ping_lost_s=20.0)
    async with ready(tmp_path, host, settings=settings) as (seen, _):
        await seen.until(lambda: seen.venue.link.rtt_ms is not None)
        host.pongs = False
        before = code(await seen.venue.gateway.send(seen.command(BUY)))
        await asyncio.sleep(1.3)
        after = [code(await seen.venue.gateway.send(seen.command(kind))) for kind in (BUY, SELL)]
        host.pongs = True
        await seen.until(lambda: seen.venue.feed.supervisor.acks.waiting_ms(1) < 500)
        again = code(await seen.venue.gateway.send(seen.command(BUY)))

    assert (before, after, again) == ("", ["slow", ""], "")


async def test_s12_a_rug_that_is_waiting_to_be_processed_is_seen(tmp_path: Path) -> None:
    """What was decided before the newest frame said that the game is over is not sent; a round's stake is."""
    host = Host()
    async with ready(tmp_path, host) as (seen, _):
        commands = [
            seen.command(kind) for kind in (BUY, SELL, ActionType.SIDEBET, ActionType.SHORT_CLOSE)
        ]
        side = seen.command(ActionType.BBC_PREDICT, choice="BULL", round_id="r1")
        host.marks = '"rugged":true'
        connection = seen.venue.feed.supervisor.connection
        assert connection is not None
        await seen.until(lambda: connection.rugged)
        refused = [code(await seen.venue.gateway.send(command)) for command in commands]
        sent = code(await seen.venue.gateway.send(side))

    assert refused == ["over"] * 4
    assert sent == ""


async def test_n07_an_entry_decided_on_an_old_tick_is_not_sent(tmp_path: Path) -> None:
    """After a burst of ticks, what was decided two seconds of the venue's time before the newest."""
    host = Host(period_s=5.0)
    async with ready(tmp_path, host) as (seen, _):
        now = host.tick
        results = [
            code(await seen.venue.gateway.send(seen.command(kind, tick=now - behind)))
            for kind in (BUY, SELL)
            for behind in (0, 7, 8, 40)
        ]

    assert results == ["", "", "behind", "behind", "", "", "", ""]


async def test_what_cannot_be_encoded_is_not_sent(tmp_path: Path) -> None:
    """The error is the reason, and the link is unharmed."""
    async with ready(tmp_path, Host()) as (seen, peer):
        bad = await seen.venue.gateway.send(seen.command(BUY, amount=None))
        local = await seen.venue.gateway.send(seen.command(ActionType.BET_INCREMENT))
        good = await seen.venue.gateway.send(seen.command(BUY))
        await seen.until(lambda: orders(peer))
        heard = orders(peer)

    assert [code(result) for result in (bad, local, good)] == ["request", "request", ""]
    assert heard == [good.raw]


async def test_a_connection_that_breaks_while_it_is_written_proves_nothing(tmp_path: Path) -> None:
    """It may have left: the result says so, and that it is not proven."""
    async with ready(tmp_path, Host()) as (seen, _):
        wire = seen.venue.feed.supervisor.connection.socket  # type: ignore[union-attr]
        assert wire is not None
        wire.shut_down()  # the event loop has not noticed yet
        result = await seen.venue.gateway.send(seen.command())

    assert result.sent is True
    assert result.reason == "not proven: the connection was lost while it was written"
    assert result.ack_id is not None


async def test_nothing_is_queued_behind_what_the_system_does_not_accept(tmp_path: Path) -> None:
    """A peer that does not read would get the order at any later time: it is refused, pings included."""
    async with (
        ScriptedServer(Host()) as host,
        FaultProxy("127.0.0.1", int(host.url.rsplit(":", 1)[1])) as proxy,
        watched(proxy.url, written(tmp_path), settings=quick(stale_s=30)) as seen,
    ):
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH)
        wire = seen.venue.feed.supervisor.connection.socket  # type: ignore[union-attr]
        assert wire is not None
        proxy.up.silent = True
        flood = asyncio.create_task(wire.write("5" * (32 << 20)))
        await seen.until(lambda: wire.waiting)
        await seen.until(lambda: (seen.venue.link.data_age_ms() or 0) < 100)
        entry = await seen.venue.gateway.send(seen.command(BUY))
        exits = await seen.venue.gateway.send(seen.command(SELL))
        seen.venue.feed.supervisor.connection.end("a test", dead=True)  # type: ignore[union-attr]
        await asyncio.gather(flood, return_exceptions=True)
        proxy.up.clear()
        await seen.until(lambda: seen.venue.link.epoch == 2)

    assert [code(entry), code(exits)] == ["blocked", "blocked"]


async def test_orders_and_the_library_s_pongs_do_not_mix(tmp_path: Path) -> None:
    """Each frame arrives whole, whichever side wrote it."""
    host = Host()
    budget = SendBudget(per_s=1_000, burst=1_000)
    async with ready(tmp_path, host, budget=budget) as (seen, peer):

        async def heartbeats() -> None:
            for _ in range(50):
                await peer.say("2")
                await asyncio.sleep(0.002)

        async def buys() -> list[SendResult]:
            sent = []
            for _ in range(50):
                sent.append(await seen.venue.gateway.send(seen.command()))
                await asyncio.sleep(0.001)
            return sent

        _, results = await asyncio.gather(heartbeats(), buys())
        await seen.until(lambda: len(orders(peer)) == 50 and peer.heard.count("3") == 50)
        heard = orders(peer)

    assert heard == [result.raw for result in results]


def test_every_reason_has_a_line_on_its_page() -> None:
    """The codes in the page's table are those that the gateway gives."""
    source = Path(inspect.getfile(LiveGateway)).read_text(encoding="utf-8")
    page = (Path(__file__).parents[2] / "docs" / "link.md").read_text(encoding="utf-8")
    given = set(re.findall(r'f?"([a-z]+): ', source))
    table = page.split("| code |")[1].split("\n\n")[0]

    assert set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)) == given


# Secrets.


def reachable(root: object, depth: int) -> Iterator[object]:
    """Yield what can be reached from *root* by attributes, items, closures and running frames."""
    seen: set[int] = set()
    level: list[object] = [root]
    for _ in range(depth + 1):
        following: list[object] = []
        for thing in level:
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            yield thing
            following += _parts(thing)
        level = following


def _parts(thing: object) -> list[object]:
    if isinstance(thing, str | bytes | int | float | type | types.ModuleType) or thing is None:
        return []
    if isinstance(thing, Mapping):
        return [*thing.keys(), *thing.values()]
    found: list[object] = []
    if isinstance(thing, list | tuple | set | frozenset) or hasattr(thing, "popleft"):
        found += list(thing)  # type: ignore[call-overload]
    if isinstance(thing, types.FunctionType):
        cells = thing.__closure__ or ()
        return [cell.cell_contents for cell in cells if cell != types.CellType()]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, asyncio.Task):
        found.append(thing.get_coro())
    for name in ("cr_await", "cr_frame", "ag_frame", "gi_frame", "ag_await"):
        inner = getattr(thing, name, None)
        if inner is not None:
            found += (
                list(inner.f_locals.values()) if isinstance(inner, types.FrameType) else [inner]
            )
    found += vars(thing).values() if hasattr(thing, "__dict__") else []
    for kind in type(thing).__mro__:
        for slot in getattr(kind, "__slots__", ()):
            found.append(getattr(thing, slot, None))
    return found


async def test_the_token_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in an object that can be reached, nor in a frame, a log line or a representation."""
    caplog.set_level(logging.DEBUG)
    async with server(speed=4) as served, watched(served.url, written(tmp_path)) as seen:
        await seen.until(lambda: seen.venue.link.state is LinkStage.FRESH and seen.ticking())
        result = await seen.venue.gateway.send(seen.command())
        await seen.until(lambda: seen.of(Ack))
        things = list(reachable(seen.venue, 10))

    texts = [thing for thing in things if isinstance(thing, str)]
    kinds = {type(thing).__name__ for thing in things}
    assert {"LinkSupervisor", "Connection", "LinkSocket", "ClientWebSocketResponse"} <= kinds
    assert len(things) > 300
    assert [text for text in texts if TOKEN in text] == []
    assert not any(TOKEN.encode() in thing for thing in things if isinstance(thing, bytes))
    assert not any(TOKEN in item.raw for item in seen.items if isinstance(item, Frame))
    assert TOKEN not in repr(vars(seen.venue)) + repr(result)
    assert TOKEN not in caplog.text


def test_the_walk_finds_what_is_there() -> None:
    """The search for the token reaches attributes, closures, items and running frames."""

    class Holder:
        def __init__(self, inner: object) -> None:
            self.inner = inner

    def closure(value: str) -> Callable[[], str]:
        return lambda: value

    async def running(value: str) -> None:
        await asyncio.sleep(len(value))

    coroutine = running(TOKEN)
    roots = [Holder([{"a": Holder(TOKEN)}]), partial(closure(TOKEN)), coroutine]
    found = [any(thing == TOKEN for thing in reachable(root, 10)) for root in roots]
    coroutine.close()

    assert found == [True, True, True]
