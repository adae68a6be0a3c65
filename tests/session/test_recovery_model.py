"""Recovery beside what a session did: what it adds without the strategy, and the end of every action."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.journal import Entry, read_journal, write_journal
from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.models import (
    ActionState,
    DocType,
    Document,
    OperatorCommand,
    OperatorKind,
    SendResult,
    SessionEnding,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.session.header import engine_of
from vectra_bot.session.recovery.killed import REASON, event_of, recover_session, recover_store

BOT = """
import json
from pathlib import Path
from vectra_bot import Strategy

PLAN = json.loads(Path(__file__).with_name("plan.json").read_text())


class Bot(Strategy):
    def on_game_tick(self, tick, game):
        for act, size in PLAN.get(str(game.tick), []) if not self.history else []:
            getattr(self.actions, act)(size)
"""
PLAN: dict[str, list[Any]] = {
    "2": [["buy", "0.01"]],
    "4": [["sidebet", "0.002"], ["buy", "0.02"]],
    "7": [["sell", 25]],
    "9": [["sell", 100]],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Entry]]:
    """Return a strategy and the journal of its whole session; the first game lives 12 ticks and more."""
    folder = tmp_path_factory.mktemp("whole")
    bot = folder / "bot.py"
    bot.write_text(BOT)
    (folder / "plan.json").write_text(json.dumps(PLAN))
    vectra_bot.run(str(bot), session_id="K", store=folder / "full", games=1, seed=7, crowd=0)
    return bot, list(read_journal(folder / "full" / "journals" / "K"))


def intents(entries: list[Entry]) -> list[str]:
    """Return the actions whose INTENT is among *entries*."""
    return [entry.command().action_id for entry in entries if entry.kind == "intent"]


def states(entries: list[Entry]) -> list[tuple[str, ActionState]]:
    """Return action and state of every ``player_action`` document."""
    records = [
        entry.document().record
        for entry in entries
        if entry.kind == "doc" and entry.data["doc_type"] == DocType.PLAYER_ACTION.value
    ]
    return [(record.action_id, record.state) for record in records]


def sent(entries: list[Entry]) -> set[str]:
    """Return the actions that were handed to the gateway."""
    events = [entry.input() for entry in entries if entry.kind == "input"]
    return {e.action_id for e in events if isinstance(e, SendResult) and e.sent}


def recovered(store: Path, kept: list[Entry]) -> list[Entry]:
    """Recover a session of which *kept* is left, and return its journal."""
    folder = store / "journals" / "K"
    folder.mkdir(parents=True)
    write_journal(folder / "000001.log", kept)
    assert recover_store(store, recover=recover_session) == ["K"]
    return list(read_journal(folder))


def stopped(kept: list[Entry], source: StrategySource) -> list[Entry]:
    """Return what a session with the inputs of *kept*, and its real strategy, would end with."""
    header = kept[0].data["header"]
    engine = engine_of(header, source, PluginManager())
    for entry in kept:
        event = event_of(entry)
        if event is not None:
            engine.process(event)
    now_ns, seq = engine.now_ns, kept[-1].seq
    entries: list[Entry] = []
    for ending in (
        OperatorCommand(recv_ns=now_ns, kind=OperatorKind.STOP, reason=REASON),
        SessionEnding(recv_ns=now_ns, reason=REASON),
    ):
        entries.append(Entry.of_input(seq := seq + 1, ending))
        for effect in engine.process(ending):
            assert isinstance(effect, Document)
            entries.append(Entry.of_document(seq := seq + 1, effect))
    return entries


def groups(entries: list[Entry]) -> list[int]:
    """Return where a kill may cut the journal: before every input."""
    return [n for n, entry in enumerate(entries) if entry.kind in {"frame", "input"} and n]


def places(entries: list[Entry], count: int) -> list[int]:
    """Return where to cut: *count* places soon after an INTENT, some others, and within external actions."""
    cuts = groups(entries)
    acted = [n for n, entry in enumerate(entries) if entry.kind == "intent"]
    external = [n for n, entry in enumerate(entries) if b"account.external" in entry.payload]
    near = [cut for cut in cuts if any(0 <= cut - n <= 30 for n in acted)]
    still_open = [min(cut for cut in cuts if cut > n) for n in external]
    rng = random.Random(f"{len(entries)}")
    return sorted({*rng.sample(near, count), *rng.sample(cuts, 3), *still_open})


def test_a_killed_session_ends_as_one_that_was_stopped(
    whole: tuple[Path, list[Entry]], tmp_path: Path
) -> None:
    """Without its strategy, recovery adds byte for byte what the session would have ended with."""
    bot, entries = whole
    source = resolve_strategy(str(bot))
    for cut in places(entries, 12):
        after = recovered(tmp_path / str(cut), entries[:cut])
        assert after[cut:-1] == stopped(entries[:cut], source)
        assert after[-1].data == {"reason": REASON}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("leveraged", {"settings": {"leverage": 5}}),
        ("short", {}),
        pytest.param("bbc", {}, marks=pytest.mark.slow),
        pytest.param("candleflip", {}, marks=pytest.mark.slow),
        pytest.param("sidebet", {}, marks=pytest.mark.slow),
        pytest.param("take-profit", {}, marks=pytest.mark.slow),
    ],
)
def test_a_killed_session_of_a_bundled_strategy_ends_as_one_that_was_stopped(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """The same of shorts, side games, leverage, and of liquidations, which get the session's own ids."""
    vectra_bot.run(
        name, session_id="K", store=tmp_path / "full", games=3, seed=7, crowd=0, **options
    )
    entries = list(read_journal(tmp_path / "full" / "journals" / "K"))
    source = resolve_strategy(name)
    for cut in places(entries, 8):
        after = recovered(tmp_path / str(cut), entries[:cut])
        assert after[cut:-1] == stopped(entries[:cut], source)


@pytest.mark.parametrize("number", range(8))
def test_every_action_of_a_killed_session_has_its_true_end(
    whole: tuple[Path, list[Entry]], tmp_path: Path, number: int
) -> None:
    """Cut anywhere around an INTENT: without one nothing was sent, what left without proof is UNRESOLVED."""
    _, entries = whole
    intended = [n for n, entry in enumerate(entries) if entry.kind == "intent"]
    if number < 4:  # the last input is there, and nothing that followed from it
        begin = max(n for n in groups(entries) if n < intended[number])
        kept = entries[: begin + 1]
    else:  # all of the group is there, and no send result
        end = min(n for n in groups(entries) if n > intended[number - 4])
        kept = entries[:end]
    after = recovered(tmp_path, kept)

    assert after[-1].data["reason"] == REASON
    ended, done = dict(states(after)), dict(states(kept))
    assert len(states(after)) == len(ended)
    assert sorted(ended) == sorted(intents(kept))
    left = sent(kept)
    for action_id, state in ended.items():
        if action_id in done:
            assert state is done[action_id]
        elif action_id in left:
            assert state.is_terminal
            assert state is not ActionState.NOT_SENT
        else:
            assert state is ActionState.UNRESOLVED  # it may have left unrecorded
