"""The embedded venue: what its feed yields, when its requests arrive, and the content of its log."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.clock import VirtualClock
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.exchange import Exchange, ExchangeConfig, RequestRecord
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models import (
    Ack,
    ActionType,
    Command,
    ConnectionChanged,
    Event,
    Frame,
    FrameKind,
    GameFrame,
    Link,
    LoginStatus,
    PlayerGameUpdate,
    PlayerUpdate,
    Trade,
)
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.venues.base import Feed, FeedItem, Gateway
from vectra_bot.venues.embedded import EmbeddedVenue, ExchangeLog
from vectra_bot.wire.decode import decode

CONFIG = ExchangeConfig(seed=11, crowd=0, past_games=10, countdown_step=5_000)


def command(number: int, kind: ActionType = ActionType.BUY, amount: str | None = "0.01") -> Command:
    """Return a command with its own trace id."""
    return Command(
        action_id=f"00000000-0000-0000-0000-{number:012d}",
        trace_id=f"{number:032x}",
        action_type=kind,
        game_id="any",
        tick=0,
        price=1.0,
        amount=None if amount is None else Decimal(amount),
        percentage=100 if kind is ActionType.SELL else None,
    )


def read(item: FeedItem) -> Event:
    return decode(item) if isinstance(item, Frame) else item


async def play(venue: EmbeddedVenue, buy_at: int = 5, sell_at: int = 20) -> list[FeedItem]:
    """Run a venue to its end, buying and selling at fixed ticks of each game."""
    items: list[FeedItem] = []
    number = 0
    async for item in venue.feed:
        items.append(item)
        event = read(item)
        if isinstance(event, GameFrame) and event.kind is FrameKind.TICK and event.active:
            number += 1
            if event.tick == buy_at:
                assert (await venue.gateway.send(command(number))).sent
            if event.tick == sell_at:
                await venue.gateway.send(command(number, ActionType.SELL, None))
    await venue.feed.aclose()
    return items


async def test_feed_starts_with_connection_snapshot_and_account() -> None:
    """The first items are the connection, the snapshot, the login, and the account with its cash."""
    venue = EmbeddedVenue(Exchange(CONFIG), cash=Decimal("2.5"), games=1)
    items = await play(venue)
    link = items[0]
    assert isinstance(link, ConnectionChanged)
    assert (link.link, link.recv_ns) == (Link.CONNECTED, CONFIG.start_ns)
    snapshot, account, row, login = (read(item) for item in items[1:5])
    assert isinstance(snapshot, GameFrame)
    assert snapshot.kind is FrameKind.SNAPSHOT
    assert isinstance(login, LoginStatus)
    assert login.player_id == venue.player_id
    assert isinstance(account, PlayerUpdate)
    assert account.cash == Decimal("2.5")
    assert isinstance(row, PlayerGameUpdate)


async def test_feed_ends_after_the_asked_for_games() -> None:
    """The last frames are the new-game frame that reveals the last seed, and the client's row after it."""
    items = await play(EmbeddedVenue(Exchange(CONFIG), games=3))
    events = [read(item) for item in items]
    new = [e for e in events if isinstance(e, GameFrame) and e.history and e.active is False]
    assert len([e for e in new if e.kind is FrameKind.SETTLEMENT]) == 3
    assert events[-2] is new[-1]
    assert isinstance(events[-1], PlayerGameUpdate)
    assert events[-1].game_id == new[-1].game_id


async def test_times_never_step_back_and_are_the_exchanges() -> None:
    """In virtual time every frame has the exchange's time; the machine's clock has no effect."""
    items = await play(EmbeddedVenue(Exchange(CONFIG), games=1))
    times = [item.recv_ns for item in items]
    assert times == sorted(times)
    assert times[0] == CONFIG.start_ns


async def test_two_runs_are_equal_byte_for_byte() -> None:
    """Same config, same commands: the same items."""
    first = await play(EmbeddedVenue(Exchange(CONFIG), games=2))
    assert first == await play(EmbeddedVenue(Exchange(CONFIG), games=2))


async def test_what_is_for_others_is_not_delivered() -> None:
    """A second client's private messages do not reach the feed, and an own trade comes once."""
    exchange = Exchange(CONFIG)
    exchange.connect("did:privy:other", "other")
    venue = EmbeddedVenue(exchange, games=1)
    trades = 0
    for item in await play(venue):
        event = read(item)
        if isinstance(event, PlayerUpdate | LoginStatus):
            assert event.player_id == venue.player_id
        trades += isinstance(event, Trade)
    assert trades == 2


@pytest.mark.parametrize(("latency_ms", "offsets"), [(70, [70, 198, 219]), (0, [0, 0, 0])])
async def test_latency_is_the_time_to_the_exchange(latency_ms: float, offsets: list[int]) -> None:
    """An order arrives after the latency; its answers come as measured on the venue, or at once."""
    venue = EmbeddedVenue(Exchange(CONFIG), latency_ms=latency_ms, games=1)
    sent_ns = 0
    times: list[float] = []
    async for item in venue.feed:
        event = read(item)
        if isinstance(event, GameFrame) and event.kind is FrameKind.TICK and event.tick == 5:
            result = await venue.gateway.send(command(1))
            sent_ns = result.recv_ns
        elif sent_ns and len(times) < 3 and isinstance(event, Trade | PlayerUpdate | Ack):
            times.append((event.recv_ns - sent_ns) / NS_PER_MS)
    assert times == offsets


async def test_gateway_states_what_it_sent() -> None:
    """Ack ids count per connection; the answer's id is the request's; the trade has our trace id."""
    venue = EmbeddedVenue(Exchange(CONFIG), games=1)
    sent = []
    answers = []
    trades = []
    async for item in venue.feed:
        event = read(item)
        if isinstance(event, GameFrame) and event.kind is FrameKind.TICK and event.tick in {5, 6}:
            sent.append(await venue.gateway.send(command(event.tick)))
        if isinstance(event, Ack):
            answers.append(event)
        if isinstance(event, Trade) and event.kind == "buy":
            trades.append(event)
    assert [result.ack_id for result in sent] == [1, 2] == [ack.ack_id for ack in answers]
    assert all(ack.success for ack in answers)
    assert [trade.trace_id for trade in trades] == [f"{5:032x}", f"{6:032x}"]
    assert all(result.raw and result.raw.startswith(f"42{result.ack_id}[") for result in sent)


async def test_gateway_reports_what_was_not_sent() -> None:
    """A command without a request at the venue, and any after the end, was provably not sent."""
    venue = EmbeddedVenue(Exchange(CONFIG))
    unknown = await venue.gateway.send(command(1, ActionType.BET_INCREMENT))
    assert (unknown.sent, unknown.ack_id) == (False, None)
    assert unknown.reason
    await venue.gateway.aclose()
    late = await venue.gateway.send(command(2))
    assert (late.sent, late.reason) == (False, "closed")


class Lagging(VirtualClock):
    """A machine on which everything takes a second."""

    def monotonic_ns(self) -> int:
        self.advance_to(super().monotonic_ns() + NS_PER_S)
        return super().monotonic_ns()


async def test_a_venue_behind_its_pace_says_so_a_few_times(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The longest delay is known; it is logged at a second and whenever it has doubled."""
    fast = EmbeddedVenue(Exchange(CONFIG), games=1)
    slow = EmbeddedVenue(Exchange(CONFIG), games=1, pace=1.0, clock=Lagging(0))

    assert await play(slow) == await play(fast)

    assert fast.lag_ms is None
    assert slow.lag_ms is not None
    assert slow.lag_ms > 60_000
    seconds = [float(line.split()[3]) for line in caplog.messages]
    assert caplog.messages[0].startswith(f"the session is {seconds[0]} s behind --speed 1: ")
    assert 1 <= seconds[0] < 3
    assert all(later >= 2 * earlier - 0.1 for earlier, later in itertools.pairwise(seconds))


async def test_closing_a_feed_ends_its_wait() -> None:
    """At a pace of years per tick the feed ends when it is closed, and not later."""
    venue = EmbeddedVenue(Exchange(CONFIG), pace=1e-9)
    items = []

    async def read_all() -> None:
        items.extend([item async for item in venue.feed])

    reading = asyncio.create_task(read_all())
    done, _ = await asyncio.wait([reading], timeout=0.05)
    assert not done
    venue.feed.close()
    await asyncio.wait_for(reading, 30)

    assert len(items) < 20
    assert venue.lag_ms == 0


def test_venue_keeps_the_contract_of_feed_and_gateway() -> None:
    """Both halves implement the protocols of ``venues.base``."""
    venue = EmbeddedVenue(Exchange(CONFIG))
    assert isinstance(venue.feed, Feed)
    assert isinstance(venue.gateway, Gateway)
    assert venue.feed.venue == "embedded"


async def test_exchange_log_has_a_line_per_request(tmp_path: Path) -> None:
    """Each request is one JSON line, refused ones too, and an old file is emptied."""
    path = tmp_path / "exchange.jsonl"
    path.write_text("old\n")
    log = ExchangeLog(path)
    venue = EmbeddedVenue(Exchange(CONFIG, log), games=1)
    await play(venue, buy_at=5, sell_at=6)
    log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["type"], line["accepted"]) for line in lines] == [("buy", True), ("sell", True)]
    assert list(lines[0]) == [
        "trace_id", "type", "amount", "percentage", "game_id", "tick", "price", "accepted", "reason", "ts_ms",
        "player_id",
    ]  # fmt: skip
    assert lines[0]["amount"] == "0.010000000"
    assert lines[1]["percentage"] == 100
    assert lines[0]["player_id"] == venue.player_id


async def test_exchange_log_is_written_before_the_exchange_acts(tmp_path: Path) -> None:
    """When the account changes, the line is on disk already."""
    path = tmp_path / "exchange.jsonl"
    log = ExchangeLog(path)
    seen: list[tuple[int, int]] = []

    def on_request(record: RequestRecord) -> None:
        log(record)
        lines = len(path.read_text().splitlines())
        seen.append((lines, exchange.books.all()[0].ledger.cash))

    exchange = Exchange(CONFIG, on_request)
    await play(EmbeddedVenue(exchange, games=1), sell_at=9_999)
    log.close()
    assert seen == [(1, to_lamports(1))]


def test_an_exchange_log_that_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    """The error names the path and what to do."""
    with pytest.raises(InputError, match="no/such/folder"):
        ExchangeLog(tmp_path / "no/such/folder/log.jsonl")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"latency_ms": -1}, "latency_ms"),
        ({"pace": 0}, "pace"),
        ({"games": 0}, "games"),
        ({"cash": Decimal(-1)}, "cash"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, object], named: str) -> None:
    """Each argument's error names it."""
    with pytest.raises(ConfigError, match=named):
        EmbeddedVenue(Exchange(CONFIG), **wrong)  # type: ignore[arg-type]


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch) -> tuple[VirtualClock, list[float]]:
    """Return a clock that moves by what the event loop is asked to sleep, and the sleeps."""
    clock = VirtualClock(5_000_000_000_000)
    slept: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance_to(clock.now_ns() + round(seconds * 1e9))
        await real_sleep(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return clock, slept


async def test_a_pace_delays_messages_and_changes_none(
    sleeper: tuple[VirtualClock, list[float]],
) -> None:
    """Frames, their times and what an action meets are the same at every pace, also when we are late."""
    clock, _ = sleeper

    async def played(pace: float | None) -> list[tuple[int, Any]]:
        venue = EmbeddedVenue(Exchange(CONFIG), pace=pace, clock=clock, games=1)
        found = []
        async for item in venue.feed:
            found.append((item.recv_ns, item))
            event = read(item)
            if isinstance(event, GameFrame) and event.kind is FrameKind.TICK and event.tick == 5:
                clock.advance_to(clock.now_ns() + 3_000_000_000)
                found.append(((await venue.gateway.send(command(1))).recv_ns, "sent"))
        return found

    unbound = await played(None)
    assert len(unbound) > 100
    assert await played(1) == unbound
    assert await played(50) == unbound


async def test_a_faster_pace_waits_in_proportion(
    sleeper: tuple[VirtualClock, list[float]],
) -> None:
    """``pace=N`` sleeps an N-th of the venue's time between two frames; frames keep the venue's time."""
    clock, slept = sleeper
    venue = EmbeddedVenue(Exchange(CONFIG), pace=50, clock=clock, games=1)
    last = 0
    async for item in venue.feed:
        last = item.recv_ns
    assert abs(sum(slept) - (last - CONFIG.start_ns) / 1e9 / 50) < 0.05
    assert len(slept) > 20
