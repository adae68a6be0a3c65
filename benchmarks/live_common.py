"""Shared by the live benchmarks: a server with its books, bots as processes, what must be true of both."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from attrs import define, field

from vectra_bot.errors import InputError, VectraError
from vectra_bot.exchange import ExchangeConfig, RequestRecord
from vectra_bot.exchange.identities import Identities
from vectra_bot.game.ledger import to_lamports
from vectra_bot.server import ExchangeServer, Login, ServerLimits
from vectra_bot.session.control import ask
from vectra_bot.store.query.catalog import open_store
from vectra_bot.testing.faults import FaultProxy

BOTS = Path(__file__).with_name("live_bots.py")
PATIENCE_S = 60.0
_LIFTED = ("halt.money", "halt.contradiction", "halt.position", "halt.external")
"""Halts that only an operator lifts."""
_POLL_S = 0.02
_EXECUTED = ("CONFIRMED", "EXECUTED_LATE")
_NOT_EXECUTED = ("NOT_EXECUTED", "REJECTED", "NOT_SENT", "DENIED")
_WITHOUT_PROOF = ("UNRESOLVED", "DENIED")
LIMITS = {
    "stake": "0.01",
    "exposure": "2",
    "game_loss": "2",
    "session_loss": "20",
    "day_loss": "50",
    "actions_per_game": 1_000_000,
    "actions_per_minute": 6_000,
    "external_per_game": 1_000_000,
    "price_age_ms": 1_500,
}


@define
class Venue:
    """A served exchange, and everything that was asked of it."""

    server: ExchangeServer
    speed: float
    records: dict[str, list[RequestRecord]] = field(factory=lambda: defaultdict(list))
    on_record: dict[str, Callable[[RequestRecord], None]] = field(factory=dict)

    def note(self, record: RequestRecord) -> None:
        """Record a request with the exchange's verdict."""
        self.records[record.player_id].append(record)
        heard = self.on_record.get(record.player_id)
        if heard is not None:
            heard(record)

    def books(self, account: str) -> tuple[int, int] | None:
        """Return cash and position of an account in lamports, None before its first login."""
        found = self.server.exchange.books.get(account)
        return None if found is None else (found.sol.cash, found.ledger.position_qty)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, accounts: int, *, seed: int, speed: float, latency_ms: int | None
    ) -> AsyncIterator[Venue]:
        """Serve an exchange with so many accounts of 1,000 SOL."""
        ids = Identities("bots")
        tokens = {
            f"bot-{number}": Login(
                player_id=ids.player_id(number), username=f"bot-{number}", cash=to_lamports(1_000)
            )
            for number in range(accounts)
        }

        def note(record: RequestRecord) -> None:
            venue.note(record)

        server = ExchangeServer(
            ExchangeConfig(seed=seed, crowd=0, past_games=10, start_ns=time.time_ns()),
            tokens=tokens,
            speed=speed,
            latency_ms=latency_ms,
            limits=ServerLimits(requests_per_s=1_000, burst=10_000),
            on_request=note,
        )
        venue = cls(server, speed)
        async with server:
            yield venue


@define
class Bot:
    """One account with its store, and the bot that trades for it: a process of ``vectra-bot live``.

    Attributes:
        url: where it connects.
        folder: for its files.
        number: of the account.
        waits: whether the strategy begins when a file is there.
        sessions: how many were started.
        resumed: how often a halt was lifted.
    """

    url: str
    folder: Path
    number: int
    strategy: str = "Churn"
    positions: str = "adopt"
    waits: bool = True
    parameters: dict[str, str] = field(factory=dict)
    options: tuple[str, ...] = ()
    sessions: int = 0
    resumed: int = 0
    process: asyncio.subprocess.Process | None = None

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        token = self.folder / "token"
        token.write_text(f"bot-{self.number}", encoding="utf-8")
        token.chmod(0o600)
        limits = "\n".join(f"{name} = {json.dumps(value)}" for name, value in LIMITS.items())
        self.config.write_text(
            f'[live]\nenabled = true\naccount = "{self.account}"\n'
            f'terms = "2026-01-31 The terms of a benchmark on this machine"\n'
            f'token = "file:{token}"\npositions = "{self.positions}"\n[limits]\n{limits}\n',
            encoding="utf-8",
        )

    @property
    def account(self) -> str:
        """Return the account's id."""
        return Identities("bots").player_id(self.number)

    @property
    def config(self) -> Path:
        """Return the configuration file."""
        return self.folder / "live.toml"

    @property
    def store(self) -> Path:
        """Return the store."""
        return self.folder / "store"

    @property
    def go(self) -> Path:
        """Return the file at which the strategy begins."""
        return self.folder / f"go-{self.sessions}"

    @property
    def journal(self) -> Path:
        """Return the folder of the running session's journal."""
        return self.store / "journals" / f"S{self.sessions}"

    async def start(self) -> None:
        """Start a session."""
        self.sessions += 1
        parameters = {**({"go": str(self.go)} if self.waits else {}), **self.parameters}
        words = [word for pair in parameters.items() for word in ("--set", "=".join(pair))]
        log = (self.folder / f"log-{self.sessions}").open("wb")
        with log:
            self.process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "vectra_bot", "live", f"{BOTS}:{self.strategy}",
                "--config", str(self.config), "--venue", self.url, "--account", self.account,
                "--store", str(self.store), "--session-id", f"S{self.sessions}", "--json",
                *words, *self.options,
                stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        atexit.register(_end, process)

    def log(self) -> str:
        """Return the end of what the running session printed."""
        return (self.folder / f"log-{self.sessions}").read_text(errors="replace")[-600:]

    async def status(self) -> dict[str, Any]:
        """Return what the session says of itself, nothing if it does not answer."""
        if not (self.journal / "control.sock").exists():
            return {}
        try:
            status = await asyncio.to_thread(ask, self.journal, "status")
        except InputError:
            return {}
        return status if "arming" in status else {}  # a session that is starting has not said more

    async def until(
        self, reached: Callable[[dict[str, Any]], bool], limit_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait for a status, and return it.

        Raises:
            BenchmarkError: the process ended, or the time is over.
        """
        ends = time.monotonic() + limit_s
        status: dict[str, Any] = {}
        while time.monotonic() < ends:
            if self.process is None or self.process.returncode is not None:
                raise BenchmarkError(f"bot {self.number} ended: {self.log()}")
            status = await self.status()
            if status and reached(status):
                return status
            await asyncio.sleep(_POLL_S)
        raise BenchmarkError(f"bot {self.number} did not get there in {limit_s} s: {status}")

    async def armed(self) -> dict[str, Any]:
        """Wait until the session is armed; a halt that only its operator can lift is lifted."""

        def halted(status: dict[str, Any]) -> bool:
            return any(line.startswith(_LIFTED) for line in status["reasons"])

        while True:
            status = await self.until(lambda seen: seen["arming"] == "armed" or halted(seen))
            if status["arming"] == "armed":
                return status
            self.resumed += 1
            await asyncio.to_thread(ask, self.journal, "resume", "the benchmark continues")
            await asyncio.sleep(0.2)

    async def kill(self) -> None:
        """Kill the process as ``kill -9`` does, with its children, and wait for its end."""
        if self.process is not None and self.process.returncode is None:
            _end(self.process)
            await self.process.wait()

    async def stop(self, limit_s: float = PATIENCE_S) -> int:
        """Stop the session as its operator does; return the exit code.

        Raises:
            BenchmarkError: it did not end.
        """
        assert self.process is not None
        with contextlib.suppress(InputError):
            await asyncio.to_thread(ask, self.journal, "stop", "the benchmark is over")
        try:
            async with asyncio.timeout(limit_s):
                return await self.process.wait()
        except TimeoutError:
            await self.kill()
            raise BenchmarkError(f"bot {self.number} did not stop: {self.log()}") from None


def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a bot with its children, if it runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


class BenchmarkError(Exception):
    """The benchmark itself could not continue."""


async def books_agree(bot: Bot, venue: Venue, limit_s: float = 10.0) -> str:
    """Return how the bot's books differ from the exchange's while it asks for nothing, "" if they do not."""
    ends = time.monotonic() + limit_s
    said: dict[str, Any] = {}
    while time.monotonic() < ends:
        before = venue.books(bot.account)
        said = await bot.status()
        if said and "unknown" not in (said["cash"], said["position"]) and before is not None:
            ours = (to_lamports(str(said["cash"])), to_lamports(str(said["position"]["qty"])))
            if ours == before and not said["pending"]:
                return ""
        await asyncio.sleep(_POLL_S)
    return f"books: the exchange has {venue.books(bot.account)}, the bot {said}"


def check_store(bot: Bot, venue: Venue) -> tuple[Counter[str], Counter[str], list[str]]:
    """Compare every action in a bot's store with what the exchange was asked and did.

    Returns:
        actions by state, actions by proof, and what is wrong, one line each.
    """
    with open_store(bot.store) as catalog:
        rows = catalog.sql(
            "SELECT action_id, trace_id, state, proof FROM player_action WHERE actor = 'bot'"
        ).rows
        reasons = {
            action
            for (action,) in catalog.sql(
                "SELECT detail_json->>'action_id' FROM system_event WHERE kind = 'action.state' "
                "AND detail_json->>'after' = 'UNRESOLVED' AND message LIKE '%: _%'"
            ).rows
        }
    asked = venue.records[bot.account]
    wrong = [
        f"twice: the request {trace} was received {number} times"
        for trace, number in Counter(record.trace_id for record in asked).items()
        if number > 1
    ]
    wrong += [
        f"twice: action {action} has {number} documents"
        for action, number in Counter(row[0] for row in rows).items()
        if number > 1
    ]
    executed = {record.trace_id for record in asked if record.accepted}
    known = {row[1] for row in rows}
    wrong += [f"unknown: the executed request {trace} has no action" for trace in executed - known]
    for action, trace, state, proof in rows:
        if state in _EXECUTED and trace not in executed:
            wrong.append(f"false: {action} is {state} by {proof} and was not executed")
        elif state in _NOT_EXECUTED and trace in executed:
            wrong.append(f"false: {action} is {state} by {proof} and was executed")
        if not proof and state not in _WITHOUT_PROOF:
            wrong.append(f"unproven: {action} is {state} without a proof")
        if state == "UNRESOLVED" and action not in reasons:
            wrong.append(f"silent: {action} is UNRESOLVED without a reason")
    return Counter(row[2] for row in rows), Counter(row[3] or "none" for row in rows), wrong


@define
class Figures:
    """What several bots found."""

    states: Counter[str] = field(factory=Counter)
    proofs: Counter[str] = field(factory=Counter)
    problems: list[str] = field(factory=list)

    def add(self, bot: Bot, venue: Venue) -> None:
        """Add what is in the store of one bot."""
        try:
            states, proofs, wrong = check_store(bot, venue)
        except VectraError as error:
            self.problems.append(f"bot {bot.number}: store: {error}")
            return
        self.states += states
        self.proofs += proofs
        self.problems += [f"bot {bot.number}: {line}" for line in wrong]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON-ready data."""
        return {
            "actions": sum(self.states.values()),
            "states": dict(self.states),
            "proofs": dict(self.proofs),
            "sent_twice": sum("twice: the request" in line for line in self.problems),
            "problems": self.problems[:20],
        }


def missed(problems: list[str]) -> list[str]:
    """Return the kinds of problems: the first word of each line, after the bot or the direction."""
    where = re.compile(r"(?:bot \d+(?: session \d+)?|both|down|up): ")
    return sorted({where.sub("", line, count=1).partition(":")[0] for line in problems})


def quantiles(values: list[float], digits: int = 2) -> dict[str, float | None]:
    """Return median, 99th percentile and maximum."""
    if not values:
        return {"p50": None, "p99": None, "max": None}
    ordered = sorted(values)
    at = [len(ordered) // 2, min(len(ordered) - 1, int(len(ordered) * 0.99)), len(ordered) - 1]
    return dict(zip(("p50", "p99", "max"), (round(ordered[n], digits) for n in at), strict=True))


def load() -> float:
    """Return the machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)


__all__ = [
    "BenchmarkError",
    "Bot",
    "FaultProxy",
    "Figures",
    "Venue",
    "books_agree",
    "check_store",
    "load",
    "missed",
    "quantiles",
]
