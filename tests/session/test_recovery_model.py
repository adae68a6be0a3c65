"""Recovery beside what a session did: which decisions it accepts, and the end of every action."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.journal import Entry, read_journal, write_journal
from vectra_bot.models import ActionState, DocType, SendResult
from vectra_bot.session.recovery import REASON, UNREPLAYED_REASON, recover_store

BOT = """
import json
from itertools import pairwise
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


def recovered(store: Path, bot: Path, kept: list[Entry], plan: dict[str, Any]) -> list[Entry]:
    """Recover a session of which *kept* is left, its strategy now reading *plan*; return its journal."""
    folder = store / "journals" / "K"
    folder.mkdir(parents=True)
    write_journal(folder / "000001.log", kept)
    plan_file = bot.with_name("plan.json")
    plan_file.write_text(json.dumps(plan))
    try:
        assert recover_store(store) == ["K"]
    finally:
        plan_file.write_text(json.dumps(PLAN))
    return list(read_journal(folder))


def tick_of(entries: list[Entry]) -> int:
    """Return the last tick among *entries*."""
    return max(
        (
            entry.document().record.tick
            for entry in entries
            if entry.kind == "doc" and entry.data["doc_type"] == DocType.GAME_TICK.value
        ),
        default=-1,
    )


def groups(entries: list[Entry]) -> list[int]:
    """Return where a kill may cut the journal: before every input."""
    return [n for n, entry in enumerate(entries) if entry.kind in {"frame", "input"} and n]


def cut_after_tick(entries: list[Entry], tick: int) -> list[Entry]:
    """Return the entries up to the input after the one of *tick*.

    Of the last input what a replay decides beyond the journal may be lost, so another one follows it.
    """
    places = groups(entries)
    return next(
        entries[:after] for place, after in pairwise(places) if tick_of(entries[:place]) == tick
    )


@pytest.mark.parametrize("tick", [3, 5, 8, 10])
@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({}, None),
        ({"3": [["buy", "0.001"]]}, 3),  # one decision more
        ({"5": [["buy", "0.001"]]}, 5),
        ({"6": [["sidebet", "0.001"]]}, 6),
        ({"10": [["buy", "0.001"]]}, 10),
        ({"4": [*PLAN["4"], ["buy", "0.001"]]}, 4),  # one more beside others
        ({"4": PLAN["4"][:1]}, 4),  # one less
        ({"4": PLAN["4"][::-1]}, 4),  # in another order
        ({"7": [["sell", 26]]}, 7),  # another size
    ],
)
def test_a_replay_is_used_only_if_it_decides_the_same(
    whole: tuple[Path, list[Entry]],
    tmp_path: Path,
    change: dict[str, Any],
    at: int | None,
    tick: int,
) -> None:
    """A decision that the journal has not, or has otherwise, refuses the replay; a later one does not."""
    bot, entries = whole
    kept = cut_after_tick(entries, tick)
    after = recovered(tmp_path, bot, kept, {**PLAN, **change})

    differs = at is not None and at <= tick
    assert after[-1].data["reason"] == (UNREPLAYED_REASON if differs else REASON)
    assert sorted(action_id for action_id, _ in states(after)) == sorted(intents(after))
    assert intents(after) == intents(kept)


@pytest.mark.parametrize("number", range(8))
def test_every_action_of_a_killed_session_has_its_true_end(
    whole: tuple[Path, list[Entry]], tmp_path: Path, number: int
) -> None:
    """Cut anywhere around an INTENT: what never left is NOT_SENT, what left without proof UNRESOLVED."""
    bot, entries = whole
    places = [n for n, entry in enumerate(entries) if entry.kind == "intent"]
    if number < 4:  # the last input is there, and nothing that followed from it
        begin = max(n for n in groups(entries) if n < places[number])
        kept = entries[: begin + 1]
    else:  # all of the group is there, and no send result
        end = min(n for n in groups(entries) if n > places[number - 4])
        kept = entries[:end]
    after = recovered(tmp_path, bot, kept, PLAN)

    assert after[-1].data["reason"] == REASON
    ended, done = dict(states(after)), dict(states(kept))
    assert len(states(after)) == len(ended)
    assert sorted(ended) == sorted(intents(after))
    left = sent(kept)
    for action_id, state in ended.items():
        if action_id in done:
            assert state is done[action_id]
        elif action_id in left:
            assert state.is_terminal
            assert state is not ActionState.NOT_SENT
        elif action_id in intents(kept):
            assert state is ActionState.UNRESOLVED  # it may have left unrecorded
        else:
            assert state is ActionState.NOT_SENT
    lost = set(intents(after)) - set(intents(kept))
    assert bool(lost) is (number < 4)
