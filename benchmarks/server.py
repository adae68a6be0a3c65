"""`vectra-bot serve` with many clients: order, loss, acknowledgements, CPU and memory.

    python benchmarks/server.py --public 1000 --players 50 --seconds 60
    python benchmarks/server.py pressure --json          (see server_pressure.py)

The server runs in a separate process, the clients in this one: bare websocket clients on aiohttp. Every
public client stores a hash of each message after its first snapshot. The longest list is the reference: every
other client's list must be a slice of it. What is missing inside is *lost*, what is at another place is
*reordered*, what only this client has is *foreign*. The reference itself is checked: ticks and
countdown without a gap. Logged-in clients are compared with it too; their own trades are sent to them
privately and are excluded. Each logged-in client sends one action every two seconds.

The seed decides when games end; the default has a whole game and two countdowns in the first minute. The
clients share the machine with the server: check `client_lag_ms` before blaming the server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import server_pressure

STATE = '42["gameStateUpdate"'
TRACE = '{"__trace":true,"traceparent":"00-%s-%s-01"}'
SOL = '"So11111111111111111111111111111111111111112"'
GOALS = {
    "lost": 0,
    "reordered": 0,
    "foreign": 0,
    "gaps": 0,
    "closed": 0,
    "ack_active_p99_ms": 250,
    "ack_countdown_p99_ms": 750,
    "ack_worst_ms": 3_000,
    "server_cores": 1.0,
    "server_rss_mb": 1_000,
}
TICKS = os.sysconf("SC_CLK_TCK")


class Public:
    """A client that watches."""

    def __init__(self, bench: Bench, number: int) -> None:
        self.bench = bench
        self.number = number
        self.seen = array("q")
        self.snapshot = False
        self.ended = ""

    async def connect(self, session: aiohttp.ClientSession) -> None:
        self.socket = await session.ws_connect(
            f"{self.bench.url}/socket.io/?EIO=4&transport=websocket", max_msg_size=0, compress=0
        )
        await self.socket.receive()
        await self.socket.send_str("40")

    async def listen(self) -> None:
        async for message in self.socket:
            if message.data == "2":
                await self.socket.send_str("3")
            else:
                self.take(message.data)
        if not self.bench.over:
            self.ended = f"closed with {self.socket.close_code}"

    def take(self, text: str) -> None:
        if not text.startswith("42["):
            return
        if self.snapshot:
            self.seen.append(hash(text))
            self.bench.note(self, text)
        else:
            self.snapshot = '"gameHistory"' in text
            self.bench.join()


class Player(Public):
    """A client that logs in and sends an action every two seconds."""

    def __init__(self, bench: Bench, number: int) -> None:
        super().__init__(bench, number)
        self.sent: dict[int, tuple[float, str]] = {}
        self.acks: list[tuple[float, str, bool]] = []
        self.id = 0
        self.texts: dict[int, str] = {}

    async def log_in(self) -> None:
        trace = TRACE % (f"{self.number:032x}", "b" * 16)
        await self.socket.send_str(f'42["authenticate",{trace},{{"token":"dev-{self.number}"}}]')

    async def order(self) -> None:
        await asyncio.sleep(2 * self.number / self.bench.players_wanted)
        while not self.bench.over:
            kind = self.id % 3
            self.id += 1
            trace = TRACE % (f"{self.number:016x}{self.id:016x}", "b" * 16)
            text = (
                f'42{self.id}["buyOrder",{trace},{{"amount":0.001}}]',
                f'42{self.id}["sellOrder",{trace},{{"percentage":50}}]',
                f'42{self.id}["requestSidebet",{trace},{{"amount":0.001,"coinAddress":{SOL},"xPayout":5}}]',
            )[kind]
            self.sent[self.id] = (time.perf_counter(), self.bench.phase)
            await self.socket.send_str(text)
            await asyncio.sleep(2)

    def take(self, text: str) -> None:
        if text.startswith("43"):
            number = int(text[2 : text.index("[")])
            at, phase = self.sent.pop(number)
            self.acks.append((time.perf_counter() - at, phase, '"success":true' in text))
        elif text.startswith(STATE):
            super().take(text)
        elif text.startswith("42[") and self.snapshot:
            self.seen.append(hash(text))


class Bench:
    """The run: connects all clients, waits, compares."""

    def __init__(self, url: str, public: int, players: int) -> None:
        self.url = url
        self.players_wanted = players
        self.public = [Public(self, number) for number in range(public)]
        self.players = [Player(self, number + 1) for number in range(players)]
        self.over = False
        self.joined = 0
        self.all_joined = asyncio.Event()
        self.phase = "countdown"
        self.ends = 0
        self.countdowns = 0
        self.texts: dict[int, str] = {}
        self.lags: list[float] = []

    def join(self) -> None:
        self.joined += 1
        if self.joined == len(self.public) + len(self.players):
            self.all_joined.set()

    def note(self, client: Public, text: str) -> None:
        """Track the game by the first client's frames."""
        if client is not self.public[0]:
            return
        self.texts[hash(text)] = text
        if not text.startswith(STATE):
            return
        if '"active":true' in text:
            self.ends += self.phase == "active" and '"rugged":true' in text
            self.phase = "ended" if '"rugged":true' in text else "active"
        else:
            self.countdowns += '"cooldownTimer":100,' in text
            self.phase = "countdown"

    async def run(self, seconds: float, pid: int) -> dict[str, Any]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            everyone: list[Public] = [*self.public, *self.players]
            for start in range(0, len(everyone), 50):
                await asyncio.gather(*(c.connect(session) for c in everyone[start : start + 50]))
            tasks = [asyncio.ensure_future(client.listen()) for client in everyone]
            await self.all_joined.wait()
            for player in self.players:
                await player.log_in()
            gc.collect()
            gc.freeze()
            before, began = cpu_seconds(pid), time.perf_counter()
            own = time.process_time()
            orders = [asyncio.ensure_future(player.order()) for player in self.players]
            await self._watch_lag(seconds)
            self.over = True
            used = cpu_seconds(pid) - before
            spent = time.perf_counter() - began
            own = time.process_time() - own
            await asyncio.gather(*orders)
            await asyncio.sleep(1.0)
            result = self.compare()
            result |= {
                "seconds": round(spent, 1),
                "server_cores": round(used / spent, 3),
                "client_cores": round(own / spent, 3),
                "server_rss_mb": round(peak_rss_mb(pid), 1),
            }
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return result

    async def _watch_lag(self, seconds: float) -> None:
        ends = time.perf_counter() + seconds
        while (now := time.perf_counter()) < ends:
            await asyncio.sleep(0.02)
            self.lags.append(time.perf_counter() - now - 0.02)

    def compare(self) -> dict[str, Any]:
        """Return lost and reordered messages, and the latency of acknowledgements."""
        longest = max(self.public, key=lambda client: len(client.seen))
        reference = list(longest.seen)
        place = {digest: index for index, digest in enumerate(reference)}
        lost = reordered = foreign = 0
        for client in [*self.public, *self.players]:
            own = isinstance(client, Player)
            known = [place.get(digest) for digest in client.seen]
            places = [at for at in known if at is not None]
            if not own:
                foreign += inner_gaps(known)
            reordered += sum(a >= b for a, b in pairwise(places))
            if not places:
                lost += 1
                continue
            missing = set(range(min(places), max(places) + 1)) - set(places)
            lost += sum(not (own and self._is_withheld(reference[index])) for index in missing)
        acks = [ack for player in self.players for ack in player.acks]
        result = {
            "public": len(self.public),
            "players": len(self.players),
            "messages": sum(len(c.seen) for c in [*self.public, *self.players]),
            "broadcasts": len(reference),
            "lost": lost,
            "reordered": reordered,
            "foreign": foreign,
            "closed": sum(bool(c.ended) for c in [*self.public, *self.players]),
            "gaps": self._gaps(),
            "game_ends": self.ends,
            "countdowns": self.countdowns,
            "acks": len(acks),
            "acks_missing": sum(len(player.sent) for player in self.players),
            "accepted": sum(ok for _, _, ok in acks),
            "client_lag_ms": {"p99": ms(self.lags, 0.99), "worst": ms(self.lags, 1)},
        }
        for phase in ("active", "countdown"):
            times = [took for took, at, _ in acks if at == phase]
            result[f"ack_{phase}"] = len(times)
            result[f"ack_{phase}_p50_ms"] = ms(times, 0.5)
            result[f"ack_{phase}_p99_ms"] = ms(times, 0.99)
        result["ack_worst_ms"] = ms([took for took, _, _ in acks], 1)
        return result

    def _is_withheld(self, digest: int) -> bool:
        """Return whether a broadcast may be withheld from a player, who already has the same fact."""
        return not self.texts.get(digest, STATE).startswith(STATE)

    def _gaps(self) -> int:
        """Count ticks and countdown steps missing in the reference."""
        gaps, last = 0, None
        for text in self.texts.values():
            if not text.startswith(STATE) or '"gameHistory"' in text:
                continue
            payload = json.loads(text[2:])[1]
            now = (payload["gameId"], payload.get("tickCount"), payload["cooldownTimer"])
            if last is not None and last[0] == now[0]:
                if now[2] and last[2]:
                    gaps += last[2] - now[2] not in (0, 100)
                elif now[1] is not None and last[1] is not None:
                    gaps += now[1] - last[1] not in (0, 1)
            last = now
        return gaps


def inner_gaps(places: list[int | None]) -> int:
    """Count messages no other client has, except before the first or after the last known one."""
    known = [index for index, place in enumerate(places) if place is not None]
    return known[-1] - known[0] + 1 - len(known) if known else 0


def ms(seconds: list[float], share: float) -> float | None:
    """Return a quantile in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000, 1)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_rss_mb(pid: int) -> float:
    """Return the largest resident size of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Run the benchmark and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="load", choices=("load", "pressure"))
    parser.add_argument("--json", action="store_true", help="the default: one JSON object")
    parser.add_argument(
        "--files", type=int, default=200, help="ulimit -n of the server under pressure"
    )
    parser.add_argument("--clients", type=int, default=400, help="clients that connect to it")
    parser.add_argument("--heads", type=int, default=300, help="connections with half a head")
    parser.add_argument("--public", type=int, default=1000)
    parser.add_argument("--players", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--format", default="feb", choices=("feb", "dec"))
    parser.add_argument("--crowd", type=int, default=300)
    options = parser.parse_args()
    if options.what == "pressure":
        under = server_pressure.pressure(options)
        print(json.dumps(under))
        return 1 if under["over_goal"] else 0
    server = subprocess.Popen(
        [
            sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--json", "--speed", "1",
            "--seed", str(options.seed), "--format", options.format, "--crowd", str(options.crowd),
            "--dev-tokens", str(options.players), "--start", "2026-01-01T00:00:00Z",
        ],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        load = os.getloadavg()[0]
        bench = Bench(ready["url"], options.public, options.players)
        result = asyncio.run(bench.run(options.seconds, server.pid))
    finally:
        server.terminate()
        server.wait(20)
    result["load"] = [round(load, 2), round(os.getloadavg()[0], 2)]
    result["over_goal"] = [
        name for name, most in GOALS.items() if result[name] is None or result[name] > most
    ]
    print(json.dumps({"seed": options.seed, "format": options.format, **result}))
    return 1 if result["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
