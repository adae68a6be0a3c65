"""Small sessions that use every disk operation of a store, and the promises they have at each step."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from vectra_bot.fsio import Op, disk, files
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.models import ClockAdvanced, Document, Frame
from vectra_bot.store.maintenance.sessions import drop_session
from vectra_bot.store.parquet.builder import begin_session, build_parts
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.testing.faults import documents

START_NS = 1_767_225_600_000_000_000


@frozen
class Mark:
    """A promise the session has from here on: *what* of *session*.

    ``append``: *entries* are passed to the journal. ``appended``: the call returned. ``durable``: everything
    appended so far was flushed to disk. ``created``, ``closing``, ``closed``, ``dropping``, ``dropped``: the
    session's life.
    """

    what: str
    session: str
    entries: tuple[Entry, ...] = ()


Step = Op | Mark
Observer = Callable[[Step], None]


@define
class Promises:
    """The promises of one session after some steps."""

    entries: list[Entry] = field(factory=list)
    taken: int = 0
    durable: int = 0
    starts: list[int] = field(factory=list)
    states: set[str] = field(factory=set)

    def take(self, mark: Mark) -> None:
        """Apply *mark*."""
        if mark.what == "append":
            self.starts.append(len(self.entries))
            self.entries.extend(mark.entries)
        elif mark.what == "appended":
            self.taken = len(self.entries)
        elif mark.what == "durable":
            self.durable = self.taken
        else:
            self.states.add(mark.what)


def header(session_id: str) -> dict[str, Any]:
    """Return the header of a session that no strategy can replay."""
    return {
        "session_id": session_id,
        "mode": "paper",
        "venue": "embedded",
        "seed": 7,
        "start_ns": START_NS,
    }


@define
class SmallSession:
    """One small session in *root*, reported to *observer* step by step."""

    root: Path
    session_id: str
    chance: random.Random
    observer: Observer
    segment_bytes: int = 8192
    sync_interval_s: float = 0
    actions: float = 0.1
    _seq: int = 0
    _segment: int = 1

    def _mark(self, what: str, entries: list[Entry] | None = None) -> None:
        self.observer(Mark(what, self.session_id, tuple(entries or ())))

    def begin(self) -> Journal:
        """Create the journal and the empty parts."""
        directory = journal_directory(self.root, self.session_id)
        data = header(self.session_id)
        # Without a thread the syncs between two steps are the same every time.
        journal = Journal.create(
            directory,
            data,
            ts_ns=START_NS,
            segment_bytes=self.segment_bytes,
            sync_interval_s=self.sync_interval_s,
        )
        first = next(iter(Journal.open(directory)))
        self._mark("append", [first])
        self._mark("appended")
        self._mark("durable")
        self._mark("created")
        begin_session(self.root, self.session_id)
        return journal

    def steps(self, journal: Journal, inputs: int) -> Iterator[None]:
        """Process that many inputs; yields after each, so that sessions can be interleaved."""
        for _ in range(inputs):
            self.step(journal)
            yield

    def step(self, journal: Journal) -> None:
        """Process one input, with its effects."""
        chance = self.chance
        wants = chance.random() < 0.15
        group = [*self._input(), *self._documents()]
        if wants:
            seq = self._next()
            command = documents.buy(f"{self.session_id}-{seq}", seq, self._now())
            group.append(Entry.of_intent(seq, self._now(), command))
        self._append(journal, group)
        if wants or chance.random() < 0.1:
            journal.sync()
            self._mark("durable")
        elif chance.random() < 0.05:
            journal.sync_if_needed()
        if chance.random() < 0.04:
            journal.roll()
        if journal.segment != self._segment:
            self._segment = journal.segment
            build_parts(journal.directory, self.root)

    def _append(self, journal: Journal, group: list[Entry]) -> None:
        self._mark("append", group)
        journal.append(group)
        self._mark("appended")

    def end(self, journal: Journal) -> None:
        """Close the session and build and merge its parts."""
        self.close(journal)
        self.compact()

    def close(self, journal: Journal) -> None:
        """Close the session and build its parts."""
        last = Entry.of_input(self._next(), ClockAdvanced(recv_ns=self._now()))
        self._append(journal, [last])
        self._mark("closing")
        journal.close("games played")
        self._mark("durable")
        self._mark("closed")
        build_parts(journal.directory, self.root)

    def compact(self) -> None:
        """Merge the parts of the closed session."""
        compact(self.root, self.session_id)

    def drop(self) -> None:
        """Remove the session."""
        self._mark("dropping")
        drop_session(self.root, self.session_id)
        self._mark("dropped")

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _now(self) -> int:
        return START_NS + self._seq * 1_000_000

    def _input(self) -> Iterator[Entry]:
        size = int(self.chance.paretovariate(0.9) * 40) % 3000
        raw = f'42["gameStateUpdate",{{"n":{self._seq + 1},"x":"{"y" * size}"}}]'
        yield Entry.of_frame(self._next(), Frame(self._now(), raw), "g-1")

    def _documents(self) -> Iterator[Entry]:
        chance, name = self.chance, self.session_id
        yield self._entry(documents.tick(chance, self._seq, self._now()))
        if chance.random() < 0.3:
            yield self._entry(documents.statement(chance, self._now()))
        if chance.random() < 0.1:
            yield self._entry(documents.event(chance, self._now()))
        if chance.random() < self.actions:
            action_id = f"{name}-done-{self._seq}"
            yield self._entry(documents.action(chance, name, action_id, self._now()))
            yield self._entry(documents.trade(chance, name, self._now()))

    def _entry(self, document: Document) -> Entry:
        return Entry.of_document(self._next(), document)


@define
class StepLog:
    """Records the steps: consecutive small writes to one file as one write."""

    taken: list[Step] = field(factory=list)

    def __call__(self, step: Step) -> None:
        """Record *step*."""
        last = self.taken[-1] if self.taken else None
        if isinstance(step, Op) and isinstance(last, Op) and _goes_on(last, step):
            self.taken[-1] = evolve(last, data=last.data + step.data)
        else:
            self.taken.append(step)


def _goes_on(last: Op, step: Op) -> bool:
    return (
        last.kind == step.kind == "write"
        and last.path == step.path
        and step.path.suffix == files.TEMPORARY
        and step.offset == last.offset + len(last.data)
    )


def compact(root: Path, session_id: str) -> None:
    """Merge the parts of a closed session."""
    report = compact_all(root, [session_id])
    if report.failed or report.skipped:
        raise AssertionError(f"not compacted: {report}")


@contextlib.contextmanager
def without_exchange(wanted: bool) -> Iterator[None]:
    """Disable the system call that exchanges two names, if *wanted*."""
    has = disk.exchange_call
    if wanted:
        disk.exchange_call = lambda: None  # type: ignore[assignment]  # as on such a system
    try:
        yield
    finally:
        disk.exchange_call = has


def play(
    root: Path, seed: int, observer: Observer, *, inputs: int = 16, sync_interval_s: float = 0
) -> None:
    """Run two sessions side by side, close, merge and drop them; *observer* gets every step."""
    chance = random.Random(seed)
    size = chance.choice([2048, 4096, 10_000])
    one = SmallSession(root, "one", random.Random(seed + 1), observer, size, sync_interval_s)
    two = SmallSession(root, "two", random.Random(seed + 2), observer, size, sync_interval_s)
    with files.observing(observer), without_exchange(seed % 4 == 3):
        first = one.begin()
        running = one.steps(first, inputs)
        for _ in range(inputs // 2):
            next(running)
        second = two.begin()
        beside = two.steps(second, inputs // 2)
        for _ in running:
            next(beside, None)
        one.end(first)
        for _ in beside:
            pass
        two.end(second)
        one.drop()
