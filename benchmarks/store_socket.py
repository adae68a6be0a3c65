"""Prerendered frames over a websocket: our feed, session and store, and the bare client, from one source."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import socketio
from aiohttp import web
from store_common import Laps, frames_of_exchange, frames_of_file, ratio, spread
from store_frames import counted, new_shell

from vectra_bot.models import Frame
from vectra_bot.venues.live import LiveFeed

LIMITS = {"lost": 0}
FLOORS = {"ratio_to_bare_client": 0.8}
ROUNDS = 5
ROUND_S = 4.0
GOODBYE_S = 1.0
WARM_FRAMES = 500
OPEN = '0{"sid":"bench","upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":100000000}'


async def _stream(request: web.Request) -> web.WebSocketResponse:
    """Speak just enough of Engine.IO and Socket.IO, then send frames as fast as they are read."""
    response = web.WebSocketResponse(compress=False, max_msg_size=0)
    await response.prepare(request)
    await response.send_str(OPEN)
    await response.receive()  # 40
    await response.send_str('40{"sid":"bench"}')
    with contextlib.suppress(ConnectionError, RuntimeError):  # the client has seen enough
        for text in request.app[LAPS]:
            await response.send_str(text)
    return response


LAPS: web.AppKey[Laps] = web.AppKey("laps", Laps)


async def serve(laps: Laps) -> None:
    """Serve *laps* until standard input ends; the port is the first line of output."""
    app = web.Application()
    app[LAPS] = laps
    app.router.add_get("/socket.io/", _stream)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextlib.contextmanager
def server(texts: list[str], folder: Path) -> Iterator[str]:
    """Run the source in a separate process and yield its address."""
    path = folder / "frames.pickle"
    path.write_bytes(pickle.dumps(texts))
    process = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


class Meter:
    """The frame rate after the first frames, and their CPU time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.seen = 0
        self._started = 0.0
        self._ended = 0.0
        self._used = 0.0

    def count(self) -> bool:
        """Count a frame; return whether the measurement is over."""
        self.seen += 1
        if self.seen == WARM_FRAMES:
            self._started, self._used = time.perf_counter(), time.process_time()
        elif self.seen > WARM_FRAMES:
            self._ended = time.perf_counter()
            if self._ended - self._started >= self._seconds:
                self._used = time.process_time() - self._used
                return True
        return False

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of this process per frame."""
        return self._used / (self.seen - WARM_FRAMES) * 1e6

    @property
    def rate(self) -> float:
        """Frames per second."""
        return (self.seen - WARM_FRAMES) / (self._ended - self._started)


async def bare(url: str, seconds: float) -> Meter:
    """Return what a handler of every event of the client library receives."""
    client = socketio.AsyncClient(reconnection=False)
    meter, over = Meter(seconds), asyncio.Event()

    def on_any(_event: str, *_arguments: Any) -> None:
        if not over.is_set() and meter.count():
            over.set()

    client.on("*", on_any)
    await client.connect(url, transports=["websocket"])
    await over.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):  # the source keeps sending and does not read
            await client.disconnect()
    return meter


async def ours(url: str, seconds: float, store: Path, session_id: str) -> tuple[Meter, int, int]:
    """Return what a recording session receives, how many frames it processed, and how many the feed lost."""
    shell, feed = new_shell(store, session_id), LiveFeed(url)
    meter = Meter(seconds)
    while True:
        item = await feed.next_item(1.0)
        if item is None:
            continue
        await shell.take(item)
        if isinstance(item, Frame) and meter.count():
            break
    await feed.aclose()
    while (item := feed.rest()) is not None:
        await shell.take(item)
    await shell.end("done")
    return meter, shell.counts.inbound, feed.counts.lost_frames


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    texts = (
        frames_of_file(args.frames) if args.frames else frames_of_exchange(args.games, args.seed)
    )
    seconds = min(args.seconds, ROUND_S)
    meters: dict[str, list[Meter]] = {"bare": [], "ours": []}
    sent = lost = 0
    with server(texts, folder) as url:
        for number in range(args.rounds or ROUNDS):
            for side in ("bare", "ours") if number % 2 else ("ours", "bare"):
                if side == "bare":
                    meters["bare"].append(asyncio.run(bare(url, seconds)))
                    continue
                session_id = f"round-{number}"
                meter, inbound, dropped = asyncio.run(ours(url, seconds, folder, session_id))
                found = counted(folder, session_id)
                meters["ours"].append(meter)
                sent += inbound
                lost += dropped + 2 * inbound - found["journal"] - found["frames"]
    theirs, mine = ([meter.rate for meter in meters[side]] for side in ("bare", "ours"))
    return {
        "frame_bytes": round(statistics.mean(map(len, texts))),
        "bare_frames_per_s": spread(theirs, 1),
        "our_frames_per_s": spread(mine, 1),
        "bare_cpu_us_per_frame": spread([meter.cpu_us for meter in meters["bare"]], 1),
        "our_cpu_us_per_frame": spread([meter.cpu_us for meter in meters["ours"]], 1),
        "ratio_to_bare_client": round(ratio(mine, theirs), 3),
        "taken_in": sent,
        "lost": lost,
    }


if __name__ == "__main__":
    asyncio.run(serve(Laps(pickle.loads(Path(sys.argv[1]).read_bytes()))))
