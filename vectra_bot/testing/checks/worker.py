"""The process that plays a strategy for a check: run as a module, with orders on standard input.

Every task is played by a copy (fork) of a process that has imported the strategy once, so that no play can
see what another left in memory. A condition is applied in the copy before the strategy is imported. Results
are lines of JSON on standard output; what the strategy prints is dropped.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from time import monotonic
from types import FrameType
from typing import BinaryIO

import msgspec

from vectra_bot.errors import ConfigError, InputError, VectraError, safe_error
from vectra_bot.loading import resolve_strategy
from vectra_bot.strategy import Strategy
from vectra_bot.testing.checks.conditions import Applied, Condition, apply, reorder_addresses
from vectra_bot.testing.checks.futures import Futures, OtherFuture
from vectra_bot.testing.checks.play import PlayRecord, Terms, play
from vectra_bot.testing.checks.shapes import Broken, play_shapes
from vectra_bot.testing.checks.sources import Reading, SourceWatch

TIME_LIMIT_S = 60
"""After this time a task is ended: it hangs. A play ends by itself after its own limit."""

CHANGES_S = 15
"""No change of a future is played after this time."""

RICH = Decimal(1000)
"""SOL at the start of plays with the highest stakes."""


class Session(msgspec.Struct, frozen=True, tag=True):
    """Play the games of the seed, *times* times in one process.

    Attributes:
        condition: what is changed before the strategy is imported; None for nothing.
        watch: whether it is noted which files it reads and which games it computes.
    """

    condition: Condition | None = None
    times: int = 1
    watch: bool = False


class Changes(msgspec.Struct, frozen=True, tag=True):
    """Play the games of the seed, and every change of their future."""

    changes: list[OtherFuture]


class Settings(msgspec.Struct, frozen=True, tag=True):
    """Play with other parameters."""

    settings: dict[str, str]


class DrawnGames(msgspec.Struct, frozen=True, tag=True):
    """Play games with prices of every shape."""

    examples: int


Task = Session | Changes | Settings | DrawnGames


class Orders(msgspec.Struct, frozen=True):
    """What a worker is to do."""

    strategy: str
    settings: dict[str, str]
    seed: int
    games: int
    tasks: list[Task]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a task, or of a part of it.

    Attributes:
        task: index of the task.
        played: the play; None if there is none.
        change: the change of a future that was played.
        error: why the task did not end.
        broken: prices at which the strategy raises.
        refused: whether that is the strategy's own refusal of its parameters.
        skipped: why nothing was done.
        readings: games that the strategy had before they were over.
        unsearched: files that were too large to be searched for them.
    """

    task: int
    played: PlayRecord | None = None
    change: OtherFuture | None = None
    error: str = ""
    refused: bool = False
    broken: Broken | None = None
    skipped: str = ""
    readings: list[Reading] = []
    unsearched: int = 0


class OutOfTime(BaseException):
    """A task took longer than :data:`TIME_LIMIT_S`."""


Work = Callable[[], Iterator[Outcome]]


class Worker:
    """Plays what is ordered, and writes the outcomes to *results*."""

    def __init__(self, orders: Orders, results: BinaryIO) -> None:
        self._orders = orders
        self._results = results
        self._loaded: type[Strategy] | None = None

    def run(self) -> None:
        """Play every task in a copy of this process; those with a condition before the strategy is loaded."""
        tasks = list(enumerate(self._orders.tasks))
        changed = [task for task in tasks if isinstance(task[1], Session) and task[1].condition]
        usual = [task for task in tasks if task not in changed]
        gc.freeze()  # copies share what is there already
        for number, task in changed:
            self.in_copy(number, partial(self._work, number, task))
        if usual:
            self._loaded = resolve_strategy(self._orders.strategy).cls
        for number, task in usual:
            self.in_copy(number, partial(self._work, number, task))

    def in_copy(self, number: int, work: Work) -> None:
        """Do *work* in a copy of this process and wait for its end."""
        copy = os.fork()
        if copy:
            _, status = os.waitpid(copy, 0)
            if status:
                code = os.waitstatus_to_exitcode(status)
                why = f"its process ended with {code}" + (" (a signal)" if code < 0 else "")
                self._write(Outcome(number, error=why))
            return
        try:
            os.dup2(1, 2)  # what the strategy logs is dropped like what it prints
            _limit_time()
            for outcome in work():
                self._write(outcome)
        except (VectraError, OutOfTime) as error:
            refused = isinstance(error, ConfigError)
            self._write(Outcome(number, error=safe_error(error), refused=refused))
        except BaseException as error:  # noqa: BLE001 - the outermost shell of the copy
            self._write(Outcome(number, error=safe_error(error)))
        finally:
            os._exit(0)

    def _write(self, outcome: Outcome) -> None:
        self._results.write(msgspec.json.encode(outcome) + b"\n")
        self._results.flush()

    def _strategy(self) -> type[Strategy]:
        return self._loaded or resolve_strategy(self._orders.strategy).cls

    def _terms(self, **changed: object) -> Terms:
        orders = self._orders
        terms = {"seed": orders.seed, "games": orders.games, "settings": orders.settings}
        return Terms(**(terms | changed))  # type: ignore[arg-type]

    def _work(self, number: int, task: Task) -> Iterator[Outcome]:
        match task:
            case Session():
                yield from self._play_session(number, task)
            case Changes():
                yield from self._play_changes(number, task)
            case Settings():
                terms = self._terms(settings=task.settings, games=2, cash=RICH)
                yield Outcome(number, play(self._strategy(), terms))
            case DrawnGames():
                yield self._play_shapes(number, task)

    def _play_session(self, number: int, task: Session) -> Iterator[Outcome]:
        given = self._orders.settings.values()
        kept = [text.removeprefix("env:") for text in given if text.startswith("env:")]
        applied = Applied() if task.condition is None else apply(task.condition, kept)
        watch = SourceWatch() if task.watch else None
        terms = self._terms(
            on_message=applied.on_message,
            staging=None if watch is None else watch.stage,
            until=None if watch is None else watch.look,
        )
        cls = self._strategy()
        module = sys.modules[cls.__module__]
        if task.condition is Condition.HASH:
            reorder_addresses(vars(module))
        for _ in range(task.times):
            played = play(cls, terms)
            gc.collect()  # the next play finds no remains of this one
            readings = [] if watch is None else list(watch.readings(module))
            unsearched = 0 if watch is None else watch.unsearched
            yield Outcome(number, played, readings=readings, unsearched=unsearched)

    def _play_changes(self, number: int, task: Changes) -> Iterator[Outcome]:
        by_game: dict[int, list[OtherFuture]] = {}
        for change in task.changes:
            by_game.setdefault(change.game, []).append(change)
        end = monotonic() + CHANGES_S
        futures = Futures(by_game, self._fork, lambda: monotonic() < end)
        played = play(self._strategy(), self._terms(staging=futures, until=futures.is_shown))
        yield Outcome(number, played, futures.change)

    def _fork(self, _change: OtherFuture) -> bool:
        """Fork; return True in the copy, and in the original when the copy has ended."""
        drawn = random.getstate()
        copy = os.fork()
        if not copy:
            random.setstate(drawn)  # fork seeds it; a play does not
            _limit_time()
            return True
        _, status = os.waitpid(copy, 0)
        if status:
            raise InputError(f"a copy of the play ended with {os.waitstatus_to_exitcode(status)}")
        return False

    def _play_shapes(self, number: int, task: DrawnGames) -> Outcome:
        if not task.examples:
            return Outcome(number, skipped="no games were to be drawn")
        cls = self._strategy()
        try:
            return Outcome(
                number, broken=play_shapes(cls, self._terms(cash=RICH, brief=True), task.examples)
            )
        except ImportError:
            why = "hypothesis is not installed: pip install hypothesis"
            return Outcome(number, skipped=why)


def _limit_time() -> None:
    def end(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime(f"it did not end within {TIME_LIMIT_S} s")

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT_S, 1)


def main() -> None:
    """Read orders from standard input and carry them out."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    results = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    Worker(orders, results).run()


if __name__ == "__main__":
    main()
