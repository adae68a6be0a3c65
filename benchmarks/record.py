"""Record many games over a link that is repeatedly disconnected, and compare the store with what was sent.

    python benchmarks/record.py --games 200 --disconnects 20 --seed 1
    python benchmarks/record.py --games 30 --lie seed --json

A server with the exchange runs in this process, many times faster than the venue, and stores every text it
writes to every connection; the recorder is `vectra-bot record` in a separate process. Disconnects are
forced at random ticks, in turn by closing, by a Socket.IO disconnect, by a reset, and by a link that becomes
silent. Afterwards:

- what was received over each connection must be what was written to it, byte for byte, from the first frame
  on; messages in flight at a disconnect are counted, and allowed to be lost where the disconnect loses them;
- every live tick that was received must be stored exactly once;
- every live tick of every game, by its seed, must be stored once or be in a marked gap;
- every game must be verified, or, with `--lie`, one must have failed with exactly one alert.

Exit code 0 if all of this is true, 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game.fair import play_game
from vectra_bot.models import Frame, FrameKind, GameFrame
from vectra_bot.server import ExchangeServer
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

WAYS = ("close", "disconnect", "abort", "half-open")
GAPS = ("game.gap", "game.missed")


def live_tick(text: str) -> tuple[str, int] | None:
    """Return game and tick of a live tick frame, None for any other."""
    if not text.startswith('42["gameStateUpdate"'):
        return None
    frame = decode(Frame(0, text))
    assert isinstance(frame, GameFrame)
    live = frame.kind in (FrameKind.TICK, FrameKind.START) and frame.active and not frame.rugged
    return (frame.game_id, frame.tick) if live and frame.tick is not None else None


def sent_by_connection(server: ExchangeServer) -> list[list[str]]:
    """Return the texts written to each accepted connection, without those that open and end it."""
    logs = [server.sent_log(number) for number in range(1, len(server.connections) + 1)]
    events = [[text for text in log if text.startswith(("42", "43"))] for log in logs]
    return [log for log in events if log]


def received_by_connection(store: Path) -> list[list[str]]:
    """Return the stored raw frames of each connection."""
    marks = [
        (seq, None) for seq, kind in rows_of(store, "system_event", "seq", "kind")
        if kind == "connection.connected"
    ]  # fmt: skip
    found: list[list[str]] = []
    for _, raw in sorted([*marks, *rows_of(store, "ws_event", "seq", "raw_json")]):
        if raw is None:
            found.append([])
        else:
            found[-1].append(raw)
    return found


def rows_of(store: Path, doc_type: str, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of every document of a kind, by seq."""
    rows: list[tuple[Any, ...]] = []
    for path in sorted((store / f"doc_type={doc_type}").glob("*/*.parquet")):
        table = pq.ParquetFile(path).read(columns=list(dict.fromkeys(["seq", *columns])))
        listed = table.to_pydict()
        rows += zip(*(listed[name] for name in ("seq", *columns)), strict=True)
    return [row[1:] for row in sorted(rows)]


def compare(
    sent: list[list[str]], received: list[list[str]], stored: Counter[tuple[str, int]]
) -> dict[str, Any]:
    """Compare what was received and stored with what was sent, connection by connection."""
    pairs = list(zip(sent, received, strict=True)) if len(sent) == len(received) else []
    ticks = [tick for texts in received for tick in map(live_tick, texts) if tick is not None]
    tails = [text for log, texts in pairs for text in log[len(texts) :]]
    on_the_way = [tick for tick in map(live_tick, tails) if tick is not None]
    return {
        "connections_sent": len(sent),
        "connections_received": len(received),
        "connections_not_byte_for_byte": sum(log[: len(texts)] != texts for log, texts in pairs),
        "frames_sent": sum(map(len, sent)),
        "frames_received": sum(map(len, received)),
        "ticks_received": len(ticks),
        "ticks_received_twice": len(ticks) - len(set(ticks)),
        "ticks_received_and_not_stored": sum(not stored[tick] for tick in ticks),
        "ticks_cut_off_on_the_way": len(on_the_way),
        "of_them_filled_in_later": sum(stored[tick] == 1 for tick in on_the_way),
    }


def stored_ticks(store: Path) -> Counter[tuple[str, int]]:
    """Return how often each live tick is stored."""
    rows = rows_of(store, "game_tick", "game_id", "tick", "phase")
    return Counter((game, tick) for game, tick, phase in rows if phase == "active")


def unexplained(store: Path, stored: Counter[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the live ticks of the games that are neither stored nor in a marked gap."""
    marked: set[tuple[str, int]] = set()
    finished: dict[str, dict[str, Any]] = {}
    first_seen: set[str] = set()
    for kind, text in rows_of(store, "system_event", "kind", "detail_json"):
        detail = json.loads(text)
        if kind in GAPS and "game_id" in detail and detail["last"] is not None:
            ticks = range(detail["first"], detail["last"] + 1)
            marked.update((detail["game_id"], tick) for tick in ticks)
        elif kind == "game.finished":
            finished[detail["game_id"]] = detail
            if detail["seen"]:
                first_seen.add(detail["game_id"])
    # Gaps inside a game are marked when they are seen; the game is that of the document.
    for kind, text, game_id in rows_of(store, "system_event", "kind", "detail_json", "game_id"):
        detail = json.loads(text)
        if kind == "game.gap" and "game_id" not in detail:
            marked.update((game_id, t) for t in range(detail["first"], detail["last"] + 1))
    lacking = []
    for game_id, detail in finished.items():
        if game_id in first_seen:
            rug_tick = play_game(detail["server_seed"], game_id).rug_tick
            lacking += [
                (game_id, tick)
                for tick in range(rug_tick)
                if not stored[game_id, tick] and (game_id, tick) not in marked
            ]
    return lacking


async def disconnect(server: ExchangeServer, args: argparse.Namespace) -> Counter[str]:
    """Disconnect at random moments, spread over the recorded games."""
    chance = random.Random(args.seed)
    done: Counter[str] = Counter()
    at = sorted(chance.uniform(0.5, args.games - 1) for _ in range(args.disconnects))
    for number, games in enumerate(at):
        await server.wait_games(int(games))
        await asyncio.sleep(chance.random() * 60 / args.speed)
        await server.wait_clients(1)
        way = WAYS[number % len(WAYS)]
        if way == "half-open":
            server.faults.half_open()
        else:
            server.faults.kick(how=way)
        done[way] += 1
        # The next disconnect is of the next connection; the server reports clients only.
        while len(server.connections) < number + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return done


async def recorder(url: str, args: argparse.Namespace, store: Path) -> dict[str, Any]:
    """Run the recorder and return its report."""
    command = [
        sys.executable, "-m", "vectra_bot", "record", "--venue", url, "--store", str(store),
        "--games", str(args.games), "--stale-after", str(args.stale), "--json",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    report: dict[str, Any] = json.loads(output)
    return report


async def run(args: argparse.Namespace, store: Path) -> dict[str, Any]:
    """Serve, record, and return the figures."""
    config = ExchangeConfig(seed=args.seed, wire_format=WireFormat(args.format))
    async with ExchangeServer(config, speed=args.speed, keep_sent=True) as server:
        if args.lie == "seed":
            server.faults.lie_about_seed()
        elif args.lie == "price":
            server.faults.lie_about_price()
        breaking = asyncio.create_task(disconnect(server, args))
        started = time.perf_counter()
        try:
            report = await recorder(server.url, args, store)
        finally:
            breaking.cancel()
            await asyncio.wait([breaking])
        seconds = time.perf_counter() - started
        done = None if breaking.cancelled() else breaking.result()
        sent = sent_by_connection(server)
    received = received_by_connection(store)
    stored = stored_ticks(store)
    alerts = rows_of(store, "alert_trigger", "alert_type", "game_id", "message")
    lacking = unexplained(store, stored)
    return {
        "report": report,
        "seconds": round(seconds, 1),
        "disconnects": dict(done or {}),
        **compare(sent, received, stored),
        "ticks_stored_twice": sum(1 for count in stored.values() if count > 1),
        "ticks_neither_stored_nor_marked": len(lacking),
        "alerts": [list(alert) for alert in alerts],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "cpu_s": round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]), 1),
    }


def passed(args: argparse.Namespace, figures: dict[str, Any]) -> bool:
    """Return whether all conditions are true."""
    report = figures["report"]
    failed = 1 if args.lie else 0
    return (
        figures["connections_sent"] == figures["connections_received"] > args.disconnects
        and figures["connections_not_byte_for_byte"] == 0
        and figures["ticks_stored_twice"] == 0
        and figures["ticks_received_and_not_stored"] == 0
        and figures["ticks_neither_stored_nor_marked"] == 0
        and sum(figures["disconnects"].values()) == args.disconnects
        and report["games_verified"] == report["games"] - failed >= args.games - failed
        and report["games_failed"] == failed
        and len(figures["alerts"]) == report["alerts"] == failed
    )


def main() -> int:
    """Read the command line, run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=int, default=200)
    parser.add_argument("--disconnects", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=200.0, help="times real time")
    parser.add_argument("--stale", type=float, default=0.4, help="seconds of silence allowed")
    parser.add_argument("--format", choices=["feb", "dec"], default="feb")
    parser.add_argument("--lie", choices=["seed", "price"])
    parser.add_argument("--store", type=Path, help="keep the store here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run(args, args.store or Path(folder)))
    figures["holds"] = passed(args, figures)
    sys.stdout.write(json.dumps(figures, indent=None if args.json else 1) + "\n")
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
