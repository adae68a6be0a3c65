"""What the shell promises of every command: order, its INTENT on the disk first, one group per input."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.exchange.driver import ME, config
from tests.store.samples import memory_folder
from vectra_bot import Strategy
from vectra_bot.actions.risk import Limits
from vectra_bot.engine import Engine
from vectra_bot.exchange import EvidenceDelays, Exchange
from vectra_bot.fsio import files
from vectra_bot.journal import Journal, journal_directory, read_journal
from vectra_bot.journal.format import CODES, MORE, whole_entries
from vectra_bot.models import ActionState, Command, Frame, Mode, SendResult
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import SessionTally
from vectra_bot.session.shell import LOST, SLOW_DISK, Shell

HEADER = {"session_id": "S", "mode": "paper", "venue": "embedded"}


class Several(Strategy):
    """Buys several amounts at once, and again for each one that was sent."""

    plan: Any = ()
    again: int = 0

    def __attrs_post_init__(self) -> None:
        self.done: list[Any] = []

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if 1 <= game.tick <= len(self.plan):
            for thousandths in self.plan[game.tick - 1]:
                self.actions.buy(Decimal(thousandths) / 1000)

    def on_action_submitted(self, action: Any) -> None:
        if self.again:
            self.again -= 1
            self.actions.buy("0.001")

    def on_action_outcome(self, action: Any) -> None:
        self.done.append(action)


class Handing:
    """A gateway without a venue, which looks at the disk before it says that a command is sent."""

    def __init__(self) -> None:
        self.journal: Any = None
        self.handed: list[str] = []

    async def send(self, command: Command) -> SendResult:
        segment, offset = self.journal._segments._durable
        path = self.journal.directory / f"{segment:06d}.log"
        assert command.action_id.encode() in path.read_bytes()[:offset]
        self.handed.append(command.action_id)
        return SendResult(
            recv_ns=command.created_ns,
            action_id=command.action_id,
            sent=True,
            ack_id=len(self.handed),
        )

    async def aclose(self) -> None:
        """Have nothing to close."""


def frames(ticks: int) -> list[Frame]:
    """Return what a client of an exchange gets up to that tick."""
    exchange = Exchange(config(seed=11, countdown_step=1000))
    exchange.connect(ME, "me", 10**9, delays=EvidenceDelays.none())
    found: list[Frame] = []
    while not any(f'"tickCount":{ticks},' in frame.raw for frame in found[-3:]):
        found += [
            Frame(message.at_ns, message.text)
            for message in exchange.step()
            if message.player_id in {None, ME}
        ]
    return found


FRAMES = frames(4)


def shell_of(folder: Any, strategy: Strategy, gateway: Handing, *, can_wait: bool) -> Shell:
    """Return the shell of a new session."""
    engine = Engine(
        session_id="S", mode=Mode.PAPER, strategy=strategy, plugins=PluginManager(), limits=Limits()
    )
    directory = journal_directory(folder, "S")
    gateway.journal = Journal.create(directory, HEADER, segment_bytes=1 << 20, sync_interval_s=0)
    tally = SessionTally(engine)
    return Shell(engine, gateway.journal, gateway, tally, folder, can_wait=can_wait)


class LinkedHanding(Handing):
    """A gateway whose connection can be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def lost(self) -> asyncio.Event:
        """Return the end of the connection."""
        return self.ended


plans = st.lists(st.lists(st.integers(1, 9), max_size=2), min_size=1, max_size=2)


@settings(max_examples=40)
@example([[1, 2]], 0)
@example([[1, 2]], 3)
@given(plans, st.integers(0, 3))
def test_commands_leave_in_order_with_their_intents_on_the_disk(
    plan: list[list[int]], again: int
) -> None:
    """Those of one callback in its order, then what followed from their results; one write per input."""
    strategy, gateway = Several(plan=plan, again=again), Handing()
    with memory_folder() as folder:
        shell = shell_of(folder, strategy, gateway, can_wait=True)

        async def play() -> None:
            for frame in FRAMES:
                await shell.take(frame)

        asyncio.run(play())
        shell.abandon()
        entries = list(read_journal(shell.journal.directory))
        data = b"".join(path.read_bytes() for path in shell.journal.directory.glob("*.log"))

    asked = [entry.command().action_id for entry in entries if entry.kind == "intent"]
    sent = sum(map(len, plan))
    assert len(asked) == sent + (again if sent else 0)
    assert gateway.handed == asked
    results = [entry.input() for entry in entries if entry.kind == "input"]
    assert [r.action_id for r in results if isinstance(r, SendResult)] == asked
    begins = True
    for found in whole_entries(data):
        if found.code not in CODES.values():
            continue
        assert begins is (found.code in {CODES["header"], CODES["frame"], CODES["input"]})
        begins = not found.flags & MORE


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 3))
def test_nothing_is_sent_while_the_disk_is_late(first: int, second: int) -> None:
    """In real time an action does not wait: while a sync is late, none of them leaves."""
    strategy, gateway = Several(plan=[[1] * first, [2] * second]), Handing()
    released = threading.Event()

    def late(op: Any) -> None:
        if op.kind == "sync" and strategy.actions.pending:
            released.wait(5)

    with memory_folder() as folder:
        shell = shell_of(folder, strategy, gateway, can_wait=False)

        async def play() -> None:
            for frame in FRAMES:
                await shell.take(frame)
            released.set()

        with files.observing(late):
            asyncio.run(play())
        shell.abandon()

    assert gateway.handed == []
    assert [a.state for a in strategy.done] == [ActionState.NOT_SENT] * (first + second)
    assert {a.outcome.error_reason for a in strategy.done} == {SLOW_DISK}


@pytest.mark.parametrize("before", [True, False], ids=["before", "during"])
def test_the_disk_is_not_waited_for_once_the_connection_is_lost(before: bool) -> None:
    """What cannot be sent any more is NOT_SENT for that reason, however late the disk is."""
    strategy, gateway = Several(plan=[[1, 2]]), LinkedHanding()
    released = threading.Event()

    with memory_folder() as folder:
        shell = shell_of(folder, strategy, gateway, can_wait=False)

        async def play() -> None:
            loop = asyncio.get_running_loop()

            def late(op: Any) -> None:
                if op.kind == "sync" and strategy.actions.pending:
                    loop.call_soon_threadsafe(gateway.ended.set)
                    released.wait(5)

            if before:
                gateway.ended.set()
            with files.observing(late):
                for frame in FRAMES:
                    await shell.take(frame)
                released.set()

        asyncio.run(play())
        shell.abandon()

    assert gateway.handed == []
    assert {a.outcome.error_reason for a in strategy.done} == {LOST}
