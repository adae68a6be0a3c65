"""A page that is lost, and bots that are killed while they trade through it.

    python benchmarks/browser_faults.py lose --times 100 --json
    python benchmarks/browser_faults.py kill --times 50 --json

`lose`: one session trades through a page in a browser, with something in flight nearly always. Repeatedly the
page's connection is dropped, the page reloaded, another address opened, the tab closed, the page or the
whole browser killed; each time the session must say so, every action in flight must be UNKNOWN when the
strategy learns of it (`browser_to_unknown_ms`, at most 50, from the browser's report), and the session must
trade again when the page is back. `kill`: the process of a session is killed by `kill -9`; the page must not
notice, and the next session must know the exchange's books before it trades.

At the end every action in the store is compared with every request that the exchange received: requests that
arrived twice, executed requests without an action, states that are not true, states without a proof. The
faults come over a debugging port, which acts as the person; the session itself uses the pipes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field
from live_common import BenchmarkError, Bot, Figures, Venue, books_agree, load, quantiles

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # for the page, which the tests use too

from tests.venues.browser.chrome import FLAGS, browser_of, closed, descendants
from tests.venues.browser.site import PageSite
from vectra_bot.journal import read_journal
from vectra_bot.models import ConnectionChanged, Link
from vectra_bot.venues.browser.launch import open_browser
from vectra_bot.venues.browser.profile import BrowserProfile

TOKEN = "bot-0"
UNKNOWN_GOAL_MS = 50.0
LATENCY_MS = 400
EARLY = 0.2
BACK_S = 60.0
FAULTS = ("drop", "reload", "away", "close", "crash", "kill")


@define
class Person:
    """The person at the browser, who opens, closes and kills.

    Attributes:
        profile: the browser's.
        site: the page.
        done: faults so far, by kind.
    """

    profile: BrowserProfile
    site: PageSite
    done: Counter[str] = field(factory=Counter)

    async def open(self) -> None:
        """Open the browser, and log in if the page has not been logged in before."""
        self.site.ready.clear()
        await open_browser(self.profile, self.site.url)
        await self.site.ask("look", limit_s=BACK_S)

    async def _devtools(self, method: str, path: str) -> Any:
        active = self.profile.user_data / "DevToolsActivePort"
        port = active.read_text().splitlines()[0]
        address = f"http://127.0.0.1:{port}/json/{path}"
        async with aiohttp.ClientSession() as session, session.request(method, address) as answer:
            text = await answer.text()
        return json.loads(text) if text.startswith(("[", "{")) else text

    async def _replace(self) -> None:
        """Open the page in a new tab, and close every other one."""
        old = [tab for tab in await self._devtools("GET", "list") if tab["type"] == "page"]
        self.site.ready.clear()
        for tab in old[1:]:
            await self._devtools("GET", f"close/{tab['id']}")
        # A browser ends with its last tab.
        await self._devtools("PUT", "new?about:blank")
        for tab in old[:1]:
            await self._devtools("GET", f"close/{tab['id']}")
        await self._devtools("PUT", f"new?{self.site.url}")

    async def do(self, what: str) -> None:
        """Do something to the page, and bring it back."""
        self.done[what] += 1
        if what in ("drop", "reload"):
            await self.site.ask(what)
        elif what == "away":
            elsewhere = self.site.url.replace("127.0.0.1", "localhost")
            await self.site.ask("go", f"{elsewhere}/elsewhere")
            await asyncio.sleep(0.3)
            await self._replace()
        elif what == "close":
            await self._replace()
        elif what == "crash":
            for pid in descendants(browser_of(self.profile) or 0)[1:]:
                if b"--type=renderer" in _command_line(pid):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.3)
            await self._replace()
        else:
            os.kill(browser_of(self.profile) or 0, signal.SIGKILL)
            while self.profile.is_open:  # noqa: ASYNC110 - another process ends
                await asyncio.sleep(0.02)
            await self.open()


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@define
class Trial:
    """One account, its page in a browser, and what was found."""

    root: Path
    venue: Venue
    site: PageSite
    problems: list[str] = field(factory=list)

    @property
    def profile(self) -> BrowserProfile:
        """Return the browser's profile."""
        return BrowserProfile(self.root / "profile")

    def bot(self, **parameters: str) -> Bot:
        """Return the bot that trades through the page."""
        options = ("--browser", "--browser-profile", str(self.profile.folder))
        return Bot(self.site.url, self.root / "bot", 0, parameters=parameters, options=options)

    async def ready(self, bot: Bot) -> None:
        """Wait until a session is armed, and compare its books with the exchange's before it trades."""
        await bot.armed()
        if wrong := await books_agree(bot, self.venue):
            self.problems.append(f"session {bot.sessions}: {wrong}")


async def lose(trial: Trial, times: int, seed: int) -> dict[str, Any]:
    """Lose the page *times* times while one session trades."""
    chance, notes = random.Random(seed), trial.root / "notes"
    bot, person = trial.bot(notes=str(notes)), Person(trial.profile, trial.site)
    back_s: list[float] = []
    try:
        await bot.start()
        await trial.ready(bot)
        bot.go.touch()
        for number in range(times):
            epoch = (await bot.until(_trades))["epoch"]
            await _asked(trial.venue, bot)
            await asyncio.sleep(chance.uniform(0, LATENCY_MS / trial.venue.speed / 1_000))
            await person.do(FAULTS[number % len(FAULTS)])
            began = time.monotonic()
            await bot.until(lambda s: s["epoch"] > epoch and _trades(s), BACK_S)  # noqa: B023
            back_s.append(time.monotonic() - began)
        await bot.stop()
    except (BenchmarkError, TimeoutError, OSError, aiohttp.ClientError) as error:
        trial.problems.append(f"run: {error!r} after {dict(person.done)}")
        await bot.kill()
    late_ms, in_flight, unmarked = _noticed(bot, notes)
    if late_ms and max(late_ms) > UNKNOWN_GOAL_MS:
        trial.problems.append(f"late: UNKNOWN {max(late_ms):.0f} ms after the browser's report")
    if unmarked:
        trial.problems.append(f"unmarked: {unmarked} actions in flight were not UNKNOWN")
    return {
        "losses": dict(person.done),
        "disconnections": len(late_ms),
        "in_flight_at_a_loss": in_flight,
        "browser_to_unknown_ms": quantiles(late_ms),
        "back_to_armed_s": quantiles(back_s),
        **_stored(trial, bot),
    }


async def _asked(venue: Venue, bot: Bot) -> None:
    """Wait for the next request of the bot, so that something is in flight."""
    asked = asyncio.Event()
    venue.on_record[bot.account] = lambda _: asked.set()
    async with asyncio.timeout(BACK_S):
        await asked.wait()


def _trades(status: dict[str, Any]) -> bool:
    return bool(status["arming"] == "armed" and status["link"] == "FRESH")


def _noticed(bot: Bot, notes: Path) -> tuple[list[float], int, int]:
    """Return how late the strategy learned of each loss, and what was in flight and not UNKNOWN then."""
    lines = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    told = [line for line in lines if line["link"] == Link.DISCONNECTED.value]
    lost = [
        event.recv_ns
        for entry in read_journal(bot.journal)
        if entry.kind == "input"
        and isinstance(event := entry.input(), ConnectionChanged)
        and event.link is Link.DISCONNECTED
    ]
    late = [(line["at_ns"] - at_ns) / 1e6 for line, at_ns in zip(told, lost, strict=False)]
    return late, sum(t["pending"] for t in told), sum(t["pending"] - t["unknown"] for t in told)


async def kill(trial: Trial, times: int, seed: int) -> dict[str, Any]:
    """Kill *times* sessions, then let one end in order."""
    chance, bot = random.Random(seed), trial.bot()
    kills: Counter[str] = Counter()
    before = await trial.site.ask("look")
    try:
        for number in range(times):
            await bot.start()
            if number and chance.random() < EARLY:
                await asyncio.sleep(chance.uniform(0, 3.0))
                await bot.kill()
                kills["before it was armed"] += 1
                continue
            await trial.ready(bot)
            bot.go.touch()
            await asyncio.sleep(chance.uniform(0.05, 2.5))
            await bot.kill()
            kills["while it traded"] += 1
            await asyncio.sleep(2 * LATENCY_MS / trial.venue.speed / 1_000)
        await bot.start()
        await trial.ready(bot)
        await bot.stop()
    except BenchmarkError as error:
        trial.problems.append(f"run: {error}")
        await bot.kill()
    await asyncio.sleep(1.5)
    page = await trial.site.ask("look")
    if trial.site.visits != 1 or page["errors"]:
        trial.problems.append(f"page: loaded {trial.site.visits} times, {page['errors']} errors")
    if page["pings"] - page["pongs"] > page["connects"]:
        trial.problems.append(f"page: {page['pings']} pings, {page['pongs']} answers")
    return {
        "kills": dict(kills),
        "page_loaded": trial.site.visits,
        "page_pings": page["pings"] - before["pings"],
        "page_errors": page["errors"],
        **_stored(trial, bot),
    }


def _stored(trial: Trial, bot: Bot) -> dict[str, Any]:
    stores = Figures()
    stores.add(bot, trial.venue)
    problems = trial.problems + stores.problems
    return {
        "requests": len(trial.venue.records[bot.account]),
        **stores.to_json(),
        "problems": problems[:20],
        "over_goal": sorted(
            {line.partition(":")[0] for line in trial.problems} | set(_kinds(stores))
        ),
    }


def _kinds(stores: Figures) -> list[str]:
    return [line.split(": ")[1] for line in stores.problems if ": " in line]


async def run(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Serve, open the page, and run the command."""
    profile = BrowserProfile(root / "profile")
    serving = Venue.open(1, seed=args.seed, speed=args.speed, latency_ms=LATENCY_MS)
    with closed(profile):
        async with serving as venue, PageSite(venue.server.url) as site:
            await open_browser(profile, site.url)
            await site.ask("look", limit_s=BACK_S)
            await site.ask("login", TOKEN)
            trial = Trial(root, venue, site)
            command = lose if args.command == "lose" else kill
            return await command(trial, args.times, args.seed)


def main() -> int:
    """Run one command, print its figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, times in (("lose", 100), ("kill", 50)):
        command = commands.add_parser(name)
        command.add_argument("--times", type=int, default=times, help="number of faults")
        command.add_argument("--seed", type=int, default=7)
        command.add_argument("--speed", type=float, default=4.0, help="venue seconds per second")
        command.add_argument("--folder", type=Path, help="where files are kept afterwards")
        command.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    port = " --remote-debugging-port=0" if args.command == "lose" else ""
    os.environ.setdefault("VECTRA_BROWSER_FLAGS", FLAGS + port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the browser ends with the benchmark
    began, load_before = time.monotonic(), load()
    with tempfile.TemporaryDirectory(prefix="vectra-page-", ignore_cleanup_errors=True) as folder:
        found = asyncio.run(run(args, args.folder or Path(folder)))
    found = {
        "command": args.command,
        **found,
        "seconds": round(time.monotonic() - began, 1),
        "load": [load_before, load()],
    }
    print(json.dumps(found, indent=None if args.json else 2))
    return 1 if found["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
