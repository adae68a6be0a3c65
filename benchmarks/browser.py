"""Actions through a page in a browser: proofs, latency, the person's clicks beside them, and what listens.

    python benchmarks/browser.py --json
    python benchmarks/browser.py --actions 50 --clicks 10

A page is opened and logged in to a served exchange on the loopback. Its Socket.IO client is the stock one if
`VECTRA_SOCKET_IO_JS` names that file, else the small one of the tests. Then a live session attaches to the
page and sends orders on the page's connection, while somebody presses the page's buttons. At the end the
store must have a proof of every action that was sent, each request must have reached the exchange once, every
ping of the page must be answered, and the browser must listen on no port.

The session is a separate process, beside the exchange and the page. `decision_to_sent_ms` is the time from
the strategy's call to the browser's report that the frame left: the journal is on the disk before.
`hand_over_to_sent_ms` is the part without the journal, `tick_to_sent_ms` the time from the receipt of the
game frame that the action was decided on, `click_to_intent_ms` the time from a click to the person's action.
One JSON object is printed, with `over_goal`; the exit code is 1 if that is not empty.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # for the page, which the tests use too

from tests.venues.browser.chrome import FLAGS, closed, descendants, listening
from tests.venues.browser.site import PageSite
from vectra_bot import GameView, Strategy
from vectra_bot.exchange import ExchangeConfig, RequestRecord
from vectra_bot.journal import read_journal
from vectra_bot.models import Actor, GameTick, PlayerAction, SendResult
from vectra_bot.server import ExchangeServer, Login
from vectra_bot.session.config import StopFlag
from vectra_bot.session.live.config import LiveConfig
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.session.live.run import run_live
from vectra_bot.venues.browser.launch import open_browser
from vectra_bot.venues.browser.profile import BrowserProfile
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.browser.venue import BrowserGateway

PLAYER = "did:privy:browser-benchmark"
TOKEN = "canary-token-2c9f60be11d4"
STAKE = Decimal("0.001")
SENT_P99_GOAL_MS = 5.0
CLICK_GOAL_MS = 20.0
LIMIT_S = 900
LIMITS = {
    "stake": "0.01", "exposure": "5", "game_loss": "5", "session_loss": "5", "day_loss": "5",
    "actions_per_game": 1_000, "actions_per_minute": 6_000,
}  # fmt: skip


class Alternating(Strategy):
    """Buys when there is no position, and sells when there is one, every second tick."""

    decided_ns = 0  # of the last order, by the clock of intervals

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Act at every second tick."""
        if game.tick % 2 or self.actions.pending:
            return
        type(self).decided_ns = time.perf_counter_ns()
        if self.position:
            self.actions.sell()
        else:
            self.actions.buy(STAKE)


def quantiles(values: list[float]) -> dict[str, float | int | None]:
    """Return the median, the 99th percentile and the largest of *values*."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "p50": None, "p99": None, "max": None}
    at = lambda share: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)  # noqa: E731
    return {"count": len(ordered), "p50": at(0.5), "p99": at(0.99), "max": round(ordered[-1], 3)}


@contextlib.contextmanager
def timed(taken: Callable[[tuple[float, float]], None]) -> Iterator[None]:
    """Call *taken* for each command sent, with the times since its decision and its hand-over, in ms."""
    send = BrowserGateway.send

    async def measured(self: BrowserGateway, command: Any) -> SendResult:
        start = time.perf_counter_ns()
        result = await send(self, command)
        if result.sent:
            now = time.perf_counter_ns()
            taken(((now - Alternating.decided_ns) / 1e6, (now - start) / 1e6))
        return result

    BrowserGateway.send = measured  # type: ignore[method-assign]
    try:
        yield
    finally:
        BrowserGateway.send = send  # type: ignore[method-assign]


def trade(link: Connection, url: str, root: Path) -> None:
    """Run the session until *link* says to stop, and send it the times of each command: a process."""
    stop = StopFlag()

    def wait() -> None:
        link.recv()
        stop.set("measured")

    threading.Thread(target=wait, daemon=True).start()
    config = LiveConfig(
        strategy=Alternating,
        venue=url,
        account=PLAYER,
        live=LiveOptions(
            enabled=True, account=PLAYER, terms="2026-01-31 A benchmark on the loopback"
        ),
        limits=LIMITS,
        browser=BrowserSettings(browser=True, browser_profile=root / "profile"),
        store=root / "store",
        session_id="benchmark",
        stop=stop,
    )
    with timed(link.send):
        asyncio.run(run_live(config))


class Measurement:
    """One run: a served exchange, a page, a session, and somebody at the page."""

    def __init__(self, actions: int, clicks: int, root: Path) -> None:
        self.actions = actions
        self.clicks = clicks
        self.root = root
        self.requests: Counter[str] = Counter()
        self.taken: list[tuple[float, float]] = []
        self.loads: list[float] = []
        self.profile = BrowserProfile(root / "profile")

    async def run(self) -> dict[str, Any]:
        """Run everything and return the figures."""
        config = ExchangeConfig(seed=7, crowd=0, past_games=10)
        login = Login(player_id=PLAYER, cash=20_000_000_000)
        served = ExchangeServer(config, tokens={TOKEN: login}, speed=2.0, on_request=self._note)
        async with served, PageSite(served.url) as site:
            await open_browser(self.profile, site.url)
            await site.ask("look", limit_s=60)
            await site.ask("login", TOKEN)
            await asyncio.sleep(2)  # the page is connected and logged in before anything attaches
            person = asyncio.create_task(self._press(site))
            await self._trade(site.url)
            person.cancel()
            await asyncio.sleep(1.5)
            page = await site.ask("look")
            ports = listening(descendants(self._keeper()))
        return self._figures(page, ports)

    def _keeper(self) -> int:
        return int(self.profile.keeper_lock.read_text().split()[0])

    def _note(self, record: RequestRecord) -> None:
        self.requests[record.trace_id or ""] += 1

    async def _trade(self, url: str) -> None:
        """Run the session in a process until everything was sent and pressed."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=trade, args=(theirs, url, self.root))
        process.start()
        theirs.close()
        ends = time.monotonic() + LIMIT_S
        while len(self.taken) < self.actions or self._pressed() < 3 * self.clicks:
            if not process.is_alive() or time.monotonic() > ends:
                raise SystemExit("the session ended before everything was sent")
            self._read(ours)
            self.loads.append(os.getloadavg()[0])
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)
        ours.send("stop")
        while process.is_alive():
            self._read(ours)
            await asyncio.sleep(0.1)
        process.join()

    def _read(self, link: Connection) -> None:
        with contextlib.suppress(EOFError):
            while link.poll():
                self.taken.append(link.recv())

    def _pressed(self) -> int:
        return sum(self.requests.values()) - len(self.taken)

    async def _press(self, site: PageSite) -> None:
        """Press each button in turn."""
        while not self.taken:  # noqa: ASYNC110 - the session's process fills it
            await asyncio.sleep(0.1)
        for number in range(3 * self.clicks):
            await site.ask("press", ("buy", "quarter", "sidebet")[number % 3])
            await asyncio.sleep(0.25)

    def _figures(self, page: dict[str, Any], ports: list[str]) -> dict[str, Any]:
        bot, human, sent_ms = self._stored()
        sent = [a for a in bot if a.state.value not in ("DENIED", "NOT_SENT")]
        ours = {a.trace_id for a in bot}
        late = _late(page["clicks"], human)
        figures: dict[str, Any] = {
            "actions_sent": len(sent),
            "proven": sum(a.proof is not None for a in sent),
            "states": dict(Counter(a.state.value for a in sent)),
            "proofs": dict(Counter(a.proof.value for a in sent if a.proof)),
            "sent_twice": sum(number > 1 for number in self.requests.values()),
            "clicks": len(page["clicks"]),
            "human_actions": len(human),
            "human_buttons": dict(Counter(a.button for a in human)),
            "human_unproven": sum(a.proof is None for a in human),
            "mixed_up": sum(a.trace_id in ours for a in human)
            + sum(click[2] in ours for click in page["clicks"]),
            "pings": page["pings"],
            "pings_answered": page["pongs"],
            "page_errors": page["errors"],
            "listening_ports": ports,
            "decision_to_sent_ms": quantiles([decided for decided, _ in self.taken]),
            "hand_over_to_sent_ms": quantiles([handed for _, handed in self.taken]),
            "tick_to_sent_ms": quantiles(sent_ms),
            "click_to_intent_ms": quantiles(late),
            "load": round(max(self.loads), 2),
        }
        figures["over_goal"] = _over(figures, self.actions, self.clicks)
        return figures

    def _stored(self) -> tuple[list[PlayerAction], list[PlayerAction], list[float]]:
        """Return the actions of the bot and of the person, and the times from their tick to sent."""
        bot, human, sent_ms, decided = [], [], [], {}
        for entry in read_journal(self.root / "store" / "journals" / "benchmark"):
            if entry.kind == "intent":
                command = entry.command()
                decided[command.action_id] = command.created_ns
            elif entry.kind == "input" and isinstance(result := entry.input(), SendResult):
                if result.sent:
                    sent_ms.append((result.recv_ns - decided[result.action_id]) / 1e6)
            elif entry.kind == "doc" and isinstance(
                action := entry.document().record, PlayerAction
            ):
                (human if action.actor is Actor.HUMAN else bot).append(action)
        return bot, human, sent_ms


def _late(clicks: list[list[Any]], human: list[PlayerAction]) -> list[float]:
    """Return how long after each click the person's action begins, in ms."""
    begun = {action.trace_id: action.timestamps.client_ts for action in human}
    # A document has whole milliseconds, rounded down.
    return [max(0.0, begun[trace] + 1 - at) for _, at, trace in clicks if trace in begun]


def _over(figures: dict[str, Any], actions: int, clicks: int) -> list[str]:
    """Return which figures miss their goal."""
    busy = figures["load"] >= 0.5
    checks = {
        "actions": figures["actions_sent"] >= actions,
        "proven": figures["proven"] == figures["actions_sent"],
        "sent_twice": figures["sent_twice"] == 0,
        "human_actions": figures["human_actions"] == figures["clicks"] == 3 * clicks,
        "mixed_up": figures["mixed_up"] == 0,
        "pings": figures["pings"] - figures["pings_answered"] <= 1,
        "listening_ports": not figures["listening_ports"],
        "decision_to_sent_ms": busy or figures["decision_to_sent_ms"]["p99"] <= SENT_P99_GOAL_MS,
        "click_to_intent_ms": not clicks or figures["click_to_intent_ms"]["max"] <= CLICK_GOAL_MS,
    }
    return [name for name, holds in checks.items() if not holds]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--actions", type=int, default=200)
    parser.add_argument("--clicks", type=int, default=50, help="of each of three buttons")
    parser.add_argument("--root", help="folder for profile and store, kept")
    parser.add_argument("--json", action="store_true", help="one object on one line")
    given = parser.parse_args()
    os.environ.setdefault("VECTRA_BROWSER_FLAGS", FLAGS)
    root = Path(given.root or tempfile.mkdtemp(prefix="browser-benchmark-"))
    measurement = Measurement(given.actions, given.clicks, root)
    try:
        with closed(measurement.profile):
            figures = asyncio.run(measurement.run())
    finally:
        if not given.root:
            shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(figures, indent=None if given.json else 2))
    return 1 if figures["over_goal"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
