"""`vectra-bot serve` at its limits: no free descriptor, and requests that never end.

    python benchmarks/server.py pressure --json

First a server that may open few files (`ulimit -n`): clients that are connected before stay, while many
others connect again and again. Then a server with the usual limit and connections that send half a request
head.
Everything runs on this machine, the server in a separate process.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

RESIDENTS = 20
HALF = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
GOALS = {
    "log_bytes": 1_000_000,
    "log_lines_per_s": 1.1,
    "residents_closed": 0,
    "resident_silence_s": 3.0,
    "half_heads_open": 0,
    "half_heads_closed_s": 15.0,
    "half_heads_residents_closed": 0,
}


class Resident:
    """A client that was there first: its frames continue."""

    def __init__(self) -> None:
        self.frames = 0
        self.silence_s = 0.0
        self.closed = False

    async def stay(
        self, session: aiohttp.ClientSession, url: str, joined: asyncio.Queue[None]
    ) -> None:
        async with session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as socket:
            await socket.receive()
            await socket.send_str("40")
            last = time.perf_counter()
            async for message in socket:
                now = time.perf_counter()
                self.silence_s = max(self.silence_s, now - last)
                last = now
                if message.data == "2":
                    await socket.send_str("3")
                self.frames += 1
                if self.frames == 2:  # the answer to the join, and the snapshot
                    joined.put_nowait(None)
            self.closed = True


class Server:
    """A server process, and its log."""

    def __init__(self, folder: Path, files: int | None) -> None:
        self.log = folder / "log"

        def limit() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--json", "--seed", "7",
                    "--crowd", "0",
                ],
                stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=limit,  # noqa: PLW1509
            )  # fmt: skip
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def stop(self) -> dict[str, Any]:
        self.process.terminate()
        out, _ = self.process.communicate(timeout=30)
        found: dict[str, Any] = json.loads(out)
        return found


async def crowd(url: str, clients: int, seconds: float) -> Counter[str]:
    """Let *clients* connect and stay, or retry, until the time is over; count what happened."""
    found: Counter[str] = Counter()
    address = urlsplit(url)
    ends = time.perf_counter() + seconds
    request = (
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: {address.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()

    async def attempt() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(request)
            answer = await reader.readline()
            kind = "accepted" if b" 101 " in answer else "busy" if b" 503 " in answer else "closed"
            found[kind] += 1
            while kind == "accepted" and await reader.read(65_536):
                pass
        finally:
            writer.close()

    async def client(number: int) -> None:
        await asyncio.sleep(number / clients)
        while (left := ends - time.perf_counter()) > 0:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(left):
                    await attempt()
            await asyncio.sleep(0.2)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return found


async def half_heads(url: str, number: int) -> dict[str, Any]:
    """Open connections that send half a head; return how many are still open after 20 s, and the last end."""
    address = urlsplit(url)
    started = time.perf_counter()
    ends: list[float] = []

    async def half() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(HALF)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(20):
                while await reader.read(1024):
                    pass
            ends.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(half() for _ in range(number)))
    return {
        "half_heads": number,
        "half_heads_open": number - len(ends),
        "half_heads_closed_s": round(max(ends, default=0.0), 1),
    }


async def beside(url: str, work: Any) -> tuple[Any, list[Resident]]:
    """Run *work* while residents are connected."""
    residents = [Resident() for _ in range(RESIDENTS)]
    joined: asyncio.Queue[None] = asyncio.Queue()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = [asyncio.ensure_future(one.stay(session, url, joined)) for one in residents]
        async with asyncio.timeout(30):
            for _ in residents:
                await joined.get()
        result = await work
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return result, residents


def pressure(options: Namespace) -> dict[str, Any]:
    """Return what both servers did, as JSON-ready data."""
    result: dict[str, Any] = {"seconds": options.seconds, "clients": options.clients}
    with tempfile.TemporaryDirectory(prefix="vectra-pressure-") as folder:
        server = Server(Path(folder), options.files)
        try:
            found, residents = asyncio.run(
                beside(server.url, crowd(server.url, options.clients, options.seconds))
            )
        finally:
            counts = server.stop()
        log = server.log.read_bytes()
        result |= {
            "files": options.files,
            "accepted": found["accepted"],
            "busy": found["busy"],
            "closed": found["closed"],
            "turned_away": counts["turned_away"],
            "log_bytes": len(log),
            "log_lines_per_s": round(log.count(b"\n") / options.seconds, 2),
            "residents": len(residents),
            "residents_closed": sum(one.closed for one in residents),
            "resident_frames": sum(one.frames for one in residents),
            "resident_silence_s": round(max(one.silence_s for one in residents), 2),
        }
        if options.heads:
            server = Server(Path(folder), None)
            try:
                heads, residents = asyncio.run(
                    beside(server.url, half_heads(server.url, options.heads))
                )
            finally:
                server.stop()
            result |= heads
            result["half_heads_residents_closed"] = sum(one.closed for one in residents)
    result["load"] = round(os.getloadavg()[0], 2)
    result["over_goal"] = [name for name, most in GOALS.items() if result.get(name, 0) > most]
    return result
