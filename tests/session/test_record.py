"""Recording over real sockets: lost connections, false data, late joins, kills; nothing sent is missing."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest

from tests.venues.scripted import JOINED, Peer, ScriptedServer
from vectra_bot.clock import SessionClock
from vectra_bot.errors import ConfigError, InputError, StoreError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.journal import read_journal
from vectra_bot.models import Document, Frame, FrameKind, GameFrame, SystemEvent
from vectra_bot.server import ArmedFault, ExchangeServer, ServerLimits
from vectra_bot.session.config import RecordConfig, StopFlag
from vectra_bot.session.recorder import RecordReport, record_session
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.replay import check_journal
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

# Quick to reconnect, and too patient to take a busy machine for a lost connection.
QUICK = LiveSettings(
    stale_s=60.0, quiet_s=60.0, connect_s=30.0, backoff_s=0.02, backoff_cap_s=0.2, settled_s=0.1
)
SPEED = 150.0
PATIENT = ServerLimits(patience_s=120.0, unread_bytes=1 << 30)


def serve(seed: int = 5, fmt: str = "feb", crowd: int = 30, **options: Any) -> ExchangeServer:
    """Return a server that runs many times faster than the venue and keeps what it sends.

    It waits for a client that a busy machine delays.
    """
    config = ExchangeConfig(seed=seed, wire_format=WireFormat(fmt), crowd=crowd)
    return ExchangeServer(
        config, **{"speed": SPEED, "keep_sent": True, "limits": PATIENT, **options}
    )


async def recorded(server: ExchangeServer, store: Path, **options: Any) -> RecordReport:
    """Record *server* as session R."""
    options = {"session_id": "R", "settings": QUICK, **options}
    async with asyncio.timeout(280):
        return await record_session(RecordConfig(venue=server.url, store=store, **options))


def rows(store: Path, doc_type: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    """Return columns of a session's documents, in order."""
    glob = f"{store}/doc_type={doc_type}/*/*.parquet"
    return duckdb.sql(f"SELECT {columns} FROM '{glob}' WHERE {where} ORDER BY seq").fetchall()


def live_tick(text: str) -> tuple[str, int] | None:
    """Return game and tick of a frame that is a live tick."""
    frame = decode(Frame(0, text))
    if not isinstance(frame, GameFrame) or frame.kind not in (FrameKind.TICK, FrameKind.START):
        return None
    live = frame.active and not frame.rugged and frame.tick is not None
    return (frame.game_id, frame.tick) if live and frame.tick is not None else None


def stored_ticks(store: Path) -> Counter[tuple[str, int]]:
    """Return how often each live tick is stored."""
    return Counter(rows(store, "game_tick", "game_id, tick", "phase = 'active'"))


def frames_sent(server: ExchangeServer, number: int) -> list[str]:
    """Return the event frames written to a connection."""
    return [text for text in server.sent_log(number) if text.startswith(("42", "43"))]


def stop_at(kind: str, number: int) -> tuple[StopFlag, Callable[[Document], None]]:
    """Return a flag, and a callback for documents, that ends a recording at an event of *kind*."""
    stop, seen = StopFlag(), itertools.count(1)

    def told(document: Document) -> None:
        record = document.record
        if isinstance(record, SystemEvent) and record.kind == kind and next(seen) == number:
            stop.set(f"{kind} was seen {number} times")

    return stop, told


async def resume_when_joined(server: ExchangeServer) -> None:
    """Start the time when a client is connected."""
    await server.wait_clients(1)
    server.resume()


@pytest.mark.parametrize("fmt", ["feb", "dec"])
async def test_an_unbroken_recording_is_whole(tmp_path: Path, fmt: str) -> None:
    """Every frame is stored as sent, every tick once, every game verified, and nothing was ever requested."""
    async with serve(fmt=fmt, paused=True, games=5) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        report = await recorded(server, tmp_path, games=4, wire_format=fmt)
        await beginning
        sent = frames_sent(server, 1)
        requests = server.counts.requests

    raws = [raw for (raw,) in rows(tmp_path, "ws_event", "raw_json")]
    assert raws == sent[: len(raws)]
    ticks = [tick for tick in map(live_tick, raws) if tick is not None]
    assert stored_ticks(tmp_path) == Counter(ticks)
    assert (report.games, report.games_verified, report.alerts) == (4, 4, 0)
    assert (report.missing_ticks, report.gaps, report.reconnects, report.lost_frames) == (
        0,
        0,
        0,
        0,
    )
    assert report.ticks == len(ticks)
    assert report.frames == len(raws)
    assert (report.format, report.format_expected, report.quarantined) == (fmt, True, 0)
    assert requests == 0


@pytest.mark.slow
async def test_twenty_breaks_lose_nothing_that_was_received(tmp_path: Path) -> None:
    """Connections lost in every way: frames are stored once and as sent, gaps are marked, games verified."""

    async def break_it(server: ExchangeServer) -> None:
        for number in range(20):
            await server.wait_clients(1)
            await asyncio.sleep(0.1 + 0.013 * number)
            how = ("close", "disconnect", "abort", "half-open")[number % 4]
            if how == "half-open":
                server.faults.half_open()
            else:
                server.faults.kick(how=how)
            async with asyncio.timeout(60):
                while len(server.connections) < number + 2:  # noqa: ASYNC110 - no event reports it
                    await asyncio.sleep(0.01)

    stop, told = stop_at("connection.connected", 21)
    async with serve(speed=60.0, limits=ServerLimits()) as server:
        breaking = asyncio.create_task(break_it(server))
        settings = attrs.evolve(QUICK, stale_s=0.5, quiet_s=0.5)
        report = await recorded(server, tmp_path, stop=stop, told=told, settings=settings)
        await breaking
        logs = [frames_sent(server, number) for number in range(1, len(server.connections) + 1)]

    received: list[list[str]] = []
    marks = rows(tmp_path, "system_event", "seq, NULL", "kind = 'connection.connected'")
    for _, raw in sorted([*marks, *rows(tmp_path, "ws_event", "seq, raw_json")]):
        if raw is None:
            received.append([])
        else:
            received[-1].append(raw)
    sent = [log for log in logs if log]
    assert len(received) == len(sent) >= 20
    for log, texts in zip(sent, received, strict=True):
        assert log[: len(texts)] == texts
    stored = stored_ticks(tmp_path)
    ticks = [t for texts in received for t in map(live_tick, texts) if t is not None]
    assert [tick for tick in ticks if stored[tick] != 1] == []
    assert max(stored.values()) == 1
    assert report.connections >= 21
    assert report.alerts == report.games_failed == 0
    assert report.games == report.games_verified + report.games_unverified
    assert unexplained(tmp_path, stored) == []


def unexplained(store: Path, stored: Counter[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return live ticks of games that were seen which are neither stored nor in a marked gap."""
    marked: set[tuple[str, int]] = set()
    wanted: set[tuple[str, int]] = set()
    for kind, game_id, text in rows(store, "system_event", "kind, game_id, detail_json"):
        detail = json.loads(text)
        if kind in ("game.gap", "game.missed") and detail["last"] is not None:
            marked |= {(game_id, tick) for tick in range(detail["first"], detail["last"] + 1)}
        elif kind == "game.finished" and detail["seen"]:
            wanted |= {(game_id, tick) for tick in range(detail["rug_tick"])}
    return sorted(wanted - set(stored) - marked)


@pytest.mark.parametrize("lie", ["seed", "price"])
async def test_a_server_that_lies_once_raises_one_alert(tmp_path: Path, lie: str) -> None:
    """One integrity alert is stored, naming game and difference; the other games are verified."""

    async def begin(server: ExchangeServer) -> ArmedFault:
        await server.wait_clients(1)  # the earlier games are correct: only a later one is false
        faults = server.faults
        fault = faults.lie_about_seed() if lie == "seed" else faults.lie_about_price()
        server.resume()
        return fault

    async with serve(games=6, paused=True) as server:
        beginning = asyncio.create_task(begin(server))
        report = await recorded(server, tmp_path, games=5)
        fault = await beginning

    assert fault.hits > 0
    alerts = rows(tmp_path, "alert_trigger", "alert_type, severity, game_id, message")
    assert len(alerts) == report.alerts == report.games_failed == 1
    kind, severity, game_id, message = alerts[0]
    assert (kind, severity) == ("vectra.integrity", "error")
    assert message.startswith(f"game {game_id}: ")
    assert ("serverSeedHash" if lie == "seed" else "price at tick") in message
    assert report.games_verified == report.games - 1


async def test_joining_in_mid_game_fills_in_from_the_snapshot(tmp_path: Path) -> None:
    """The first frame brings every price so far: the game is whole in the store and verified."""
    async with serve(speed=40.0) as server:
        while not (server.exchange.games_opened >= 0 and _tick_now(server) >= 10):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        server.pause()  # a slow machine must not join after the game
        beginning = asyncio.create_task(resume_when_joined(server))
        report = await recorded(server, tmp_path, games=1)
        await beginning

    ticks = rows(tmp_path, "game_tick", "game_id, tick, backfilled", "phase = 'active'")
    first = ticks[0][0]
    joined = [(tick, filled) for game, tick, filled in ticks if game == first]
    assert [tick for tick, _ in joined] == list(range(len(joined)))
    assert sum(filled for _, filled in joined) >= 9
    assert (report.games_verified, report.missing_ticks, report.gaps) == (1, 0, 0)


def _tick_now(server: ExchangeServer) -> int:
    snapshot = decode(Frame(0, server.exchange.snapshot()))
    assert isinstance(snapshot, GameFrame)
    return (snapshot.tick or 0) if snapshot.active and not snapshot.rugged else 0


async def test_the_history_is_collected_once_each(tmp_path: Path) -> None:
    """Games before the recording, during it, and in a gap are in the store once, with seed and peak."""
    async with serve(games=7, paused=True) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        asyncio.get_running_loop().call_later(1.0, lambda: server.faults.kick(how="abort"))
        report = await recorded(server, tmp_path, games=6)
        await beginning

    found = rows(tmp_path, "system_event", "game_id, detail_json", "kind = 'game.finished'")
    games = [game_id for game_id, _ in found]
    assert len(games) == len(set(games)) == report.history_games >= 16
    for _, text in found:
        detail = json.loads(text)
        assert len(detail["server_seed"]) == len(detail["server_seed_hash"]) == 64
        assert detail["verdict"] == "verified"
        assert {"peak", "rug_tick", "rug_price", "timestamp_ms", "version", "sidebets"} <= set(
            detail
        )
    assert sum(len(json.loads(text)["sidebets"]) for _, text in found) == report.sidebet_rows > 0


async def test_a_recording_replays_to_the_same_documents(tmp_path: Path) -> None:
    """Replayed from the journal, a new engine makes every document again, the alert included.

    All but the first, which says what the session is.
    """
    from vectra_bot.session.header import watching_engine
    from vectra_bot.session.recovery.killed import event_of

    async with serve(games=3, paused=True) as server:
        server.faults.lie_about_price()
        beginning = asyncio.create_task(resume_when_joined(server))
        await recorded(server, tmp_path, games=2)
        await beginning

    entries = iter(read_journal(tmp_path / "journals" / "R"))
    engine = watching_engine(next(entries).data["header"])
    made: list[Any] = []
    stored: list[Any] = []
    for entry in entries:
        if entry.kind == "doc" and entry.seq != 1:
            stored.append(entry.document())
        event = event_of(entry)
        if event is not None:
            made += engine.process(event)

    assert made == stored
    assert sum(document.doc_type.value == "alert_trigger" for document in stored) == 1
    assert check_journal(tmp_path / "journals" / "R").equal


def frames_in(journal: Path) -> int:
    """Return how many frames a running session has journaled."""
    return sum(entry.kind == "frame" for entry in read_journal(journal))


async def test_a_killed_recorder_is_finished_by_the_next(tmp_path: Path) -> None:
    """After kill -9 in the middle nothing that was journaled is lost, and the store is complete again."""
    async with serve(speed=60.0) as server:
        command = [
            sys.executable, "-m", "vectra_bot", "record", "--venue", server.url,
            "--store", str(tmp_path), "--session-id", "K",
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(60):
                await server.wait_clients(1)
                await server.wait_games(server.exchange.games_opened + 2)
                while frames_in(tmp_path / "journals" / "K") <= 100:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        sent = frames_sent(server, 1)

    assert recover_store(tmp_path) == ["K"]
    raws = [raw for (raw,) in rows(tmp_path, "ws_event", "raw_json")]
    assert len(raws) > 100
    assert raws == sent[: len(raws)]
    ticks = [tick for tick in map(live_tick, raws) if tick is not None]
    stored = stored_ticks(tmp_path)  # more than those, if it joined in mid-game
    assert [tick for tick in ticks if stored[tick] != 1] == []
    assert max(stored.values()) == 1
    verdicts = rows(tmp_path, "system_event", "count(*)", "kind = 'game.finished' GROUP BY seq")
    assert len(verdicts) >= 11
    kinds = [kind for (kind,) in rows(tmp_path, "system_event", "kind")]
    assert kinds[-1] == "session.ending"
    assert "session.unreplayed" not in kinds


async def test_losing_frames_to_a_full_queue_is_an_error_that_counts_them(tmp_path: Path) -> None:
    """Frames faster than they are processed are counted in an error event, and the recorder reconnects."""
    giant = '42["newChatMessage",{"message":"' + "y" * 100 + '"}]'

    async def burst(peer: Peer) -> None:
        await peer.say(JOINED, giant, giant)

    settings = LiveSettings(queue_chars=60, backoff_s=0.02, backoff_cap_s=0.05)
    stop, told = stop_at("connection.connected", 3)
    async with ScriptedServer(burst) as server:
        config = RecordConfig(
            venue=server.url,
            store=tmp_path,
            stop=stop,
            told=told,
            session_id="R",
            settings=settings,
        )
        report = await record_session(config)

    assert report.lost_frames > 0
    overflows = rows(
        tmp_path, "system_event", "severity, detail_json", "kind = 'connection.overflow'"
    )
    assert {severity for severity, _ in overflows} == {"error"}
    assert sum(json.loads(text)["lost_frames"] for _, text in overflows) <= report.lost_frames
    assert len(server.peers) > 1


async def test_hostile_frames_are_quarantined_and_kept(tmp_path: Path) -> None:
    """Unreadable frames are stored raw, counted and reported; the recording continues."""

    async def hostile(peer: Peer) -> None:
        await peer.say(JOINED, "42[", '42["gameStateUpdate",{"gameId":1}]', '42["later"]', "430[]")

    stop, told = stop_at("frame.quarantined", 3)
    async with ScriptedServer(hostile) as server:
        config = RecordConfig(
            venue=server.url, store=tmp_path, stop=stop, told=told, session_id="R"
        )
        report = await record_session(config)

    assert (report.frames, report.quarantined, report.unknown_events) == (4, 3, 1)
    assert len(rows(tmp_path, "system_event", "kind", "kind = 'frame.quarantined'")) == 3
    assert len(rows(tmp_path, "ws_event", "seq")) == 4


async def test_an_end_by_time_and_one_by_a_flag(tmp_path: Path) -> None:
    """A recording ends when its time is over or on request, with a complete store."""
    async with serve() as server:
        timed = await recorded(server, tmp_path, seconds=0.3, session_id="T")
        stop = StopFlag()
        asyncio.get_running_loop().call_later(0.3, stop.set, "enough")
        asked = await recorded(server, tmp_path, stop=stop, session_id="F")

    assert (timed.ended, asked.ended) == ("time is over", "stopped: enough")
    assert recover_store(tmp_path) == []
    assert sorted(path.name for path in (tmp_path / "journals").iterdir()) == ["F", "T"]
    endings = rows(tmp_path, "system_event", "message", "kind = 'session.ending'")
    assert sorted(endings) == [("stopped: enough",), ("time is over",)]


async def test_a_venue_that_cannot_be_reached_leaves_a_closed_session(tmp_path: Path) -> None:
    """Failing after N attempts is one clear error, and the session that it began is complete."""
    settings = LiveSettings(attempts=2, backoff_s=0.01, backoff_cap_s=0.02)
    with pytest.raises(InputError, match=r"127\.0\.0\.1 could not be reached in 2 attempts"):
        await record_session(
            RecordConfig(
                venue="http://127.0.0.1:9", store=tmp_path, session_id="R", settings=settings
            )
        )

    assert recover_store(tmp_path) == []
    assert [path.name for path in (tmp_path / "journals").iterdir()] == ["R"]


async def test_a_session_id_is_taken_once(tmp_path: Path) -> None:
    """A recording cannot be repeated, so it never replaces another."""
    async with serve() as server:
        await recorded(server, tmp_path, seconds=0.2)
        with pytest.raises(StoreError, match="exists already"):
            await recorded(server, tmp_path, seconds=0.2)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"games": 0}, "games was 0"),
        ({"seconds": -1.0}, "seconds was -1.0"),
        ({"wire_format": "xml"}, "format was 'xml'"),
    ],
)
def test_settings_out_of_range_are_refused(option: dict[str, Any], says: str) -> None:
    """A wrong setting is named with its value before anything is done."""
    with pytest.raises(ConfigError, match=says):
        RecordConfig(venue="http://h", **option)


class Stepped:
    """The machine's clocks, the wall clock of which a test moves."""

    moved_ns = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.moved_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_step_of_the_wall_clock_moves_no_time_of_a_session(
    tmp_path: Path, hours: int
) -> None:
    """It is one event with its size; the times of what is recorded never go back."""
    machine = Stepped()

    def told(document: Document) -> None:
        if getattr(document.record, "kind", "") == "connection.connected":
            machine.moved_ns = hours * 3_600 * 10**9

    async with serve(paused=True, games=2) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        config = RecordConfig(
            venue=server.url, store=tmp_path, session_id="R", settings=QUICK, games=1, told=told
        )
        async with asyncio.timeout(280):
            await record_session(config, SessionClock(machine))
        await beginning
    found = rows(tmp_path, "system_event", "detail_json", "kind = 'clock.stepped'")
    assert [round(json.loads(detail)["step_ms"] / 3_600_000) for (detail,) in found] == [hours]
    times = [ns for (ns,) in rows(tmp_path, "ws_event", "ts_ns")]
    assert times == sorted(times)
    assert times[-1] - times[0] < 280 * 10**9
