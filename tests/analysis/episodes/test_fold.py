"""Episodes from documents: equal to the engine's, to the lamport, and blind to what comes later."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.episodes.games import law_episodes, law_game, law_session, seen_cash
from vectra_bot.analysis.episodes.columns import OBSERVATION
from vectra_bot.analysis.episodes.fold import (
    CompletedRow,
    EndedRow,
    Episode,
    Facts,
    MovedRow,
    OpenedRow,
    SessionFold,
    StoredRow,
    TickRow,
    action_columns,
    moved_from,
)
from vectra_bot.analysis.episodes.ledger import Shown
from vectra_bot.analysis.episodes.source import SessionPart, StoreSource, parts
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.models import ActionState, ActionType, GamePhase
from vectra_bot.store.query.catalog import open_store

PLACE = {column.name: index for index, column in enumerate(OBSERVATION)}


def _all(store: Path) -> list[Episode]:
    with open_store(store) as catalog:
        source = StoreSource(catalog)
        return [episode for s in source.sessions() for episode in source.episodes(s)]


def test_episodes_are_those_of_the_engine(played: Path) -> None:
    """Every field of every record, for trades, shorts, sidebets and stakes in rounds."""
    found = _all(played)
    assert [episode.source for episode in found] == ["stored"] * len(found)
    assert len(found) >= 7
    kinds = {a.action_type for episode in found for _, a in episode.actions}
    assert kinds == {kind for kind in ActionType if not kind.is_local}


def test_rewards_add_up_to_the_ledger(played: Path) -> None:
    """The steps of a session's episodes sum to the change of its cash, to the lamport."""
    returns: defaultdict[str, int] = defaultdict(int)
    for episode in _all(played):
        assert sum(episode.rewards) == to_lamports(episode.record.final_pnl)
        returns[episode.record.session_id] += sum(episode.rewards)
    with open_store(played) as catalog:
        assert returns == seen_cash(catalog)


def test_a_store_without_episodes_gives_the_same(played: Path, tmp_path: Path) -> None:
    """As sessions of another program; only the end of an episode is the next game's first document."""
    old = tmp_path / "old"
    shutil.copytree(played, old)
    shutil.rmtree(old / "doc_type=ml_episode")
    computed, stored = _all(old), _all(played)
    assert {episode.source for episode in computed} == {"computed"}
    for one, other in zip(computed, stored, strict=True):
        end = other.record.ended_at, other.record.duration_ms
        same = attrs.evolve(one.record, ended_at=end[0], duration_ms=end[1])
        assert same == other.record
        assert (one.rewards, one.observations) == (other.rewards, other.observations)


def test_a_step_shows_what_the_strategy_saw(played: Path) -> None:
    """Observation and the action's own context and state before agree at each action in a tick."""
    compared = 0
    for episode in _all(played):
        for step, action in episode.actions:
            seen, context, before = (
                episode.observations[step],
                action.game_context,
                action.state_before,
            )
            if context.phase is not GamePhase.ACTIVE:
                continue
            compared += 1
            volatility = context.volatility_1m
            assert seen[PLACE["obs_tick"]] == context.tick
            assert seen[PLACE["obs_price"]] == float(context.price)
            assert seen[PLACE["obs_volatility"]] == (
                None if volatility is None else float(volatility)
            )
            assert seen[PLACE["obs_cash"]] == to_lamports(before.cash)
            assert seen[PLACE["obs_position_qty"]] == to_lamports(before.position_qty)
            assert seen[PLACE["obs_connected_players"]] == context.connected_players
    assert compared >= 20


def _known(facts: Facts, entries: list[StoredRow]) -> Facts:
    """Return the facts without those of actions that are not proven in *entries*."""
    proven = {
        entry.action_id
        for entry in entries
        if isinstance(entry, MovedRow) and entry.after and ActionState(entry.after).is_terminal
    }
    sent = {entry.action_id for entry in entries if isinstance(entry, MovedRow)}
    actions = {}
    for name, action in facts.actions.items():
        if name in proven:
            actions[name] = action
        elif name in sent:  # asked for; its outcome is not known yet
            actions[name] = attrs.evolve(action, outcome=None, state=ActionState.SENT)
    shown = {name: shown for name, shown in facts.shown.items() if name in proven}
    return Facts(actions, shown, {})


def test_no_observation_depends_on_a_later_document(played: Path) -> None:
    """Folding only the documents up to any step, without later outcomes, gives the same steps."""
    compared = 0
    with open_store(played) as catalog:
        source = StoreSource(catalog)
        for session in source.sessions():
            ((part, low, high, later),) = parts(source.games(session), source.span)
            reader = SessionPart(source, session, low, high)
            stated, facts = reader.facts(later, to_sol(0))
            entries = list(reader.entries(part, stated))
            ticks = [place for place, entry in enumerate(entries) if isinstance(entry, TickRow)]
            whole = {e.record.game_id: e.observations for e in source.episodes(session)}
            for place in ticks[:: len(ticks) // 12]:
                cut = entries[: place + 1]
                fold = SessionFold(session, _known(facts, cut))
                for entry in cut:
                    fold.feed(entry)
                expected = whole.get(fold.book.game_id)
                if expected is not None and fold.rows:
                    compared += len(fold.rows)
                    assert fold.rows == expected[: len(fold.rows)]
    assert compared >= 500


def test_games_of_the_law_give_their_profit() -> None:
    """A buy at tick 5 that the rug sells: steps, outcome, and the return by hand."""
    (episode,) = law_episodes(1, 3)
    _, game = law_game(3)
    assert len(episode.rewards) == len(game.prices) + 1  # the presale is a step
    assert (episode.record.outcome, episode.terminated, episode.gaps) == ("rug", True, 0)
    ((step, action),) = episode.actions
    assert (step, action.action_type) == (6, ActionType.BUY)
    flat = [row[PLACE["obs_position_qty"]] == 0 for row in episode.observations]
    assert flat == [True] * 7 + [False] * (len(game.prices) - 6) + [True]
    assert sum(episode.rewards[:6]) == 0
    assert episode.observations[-1][PLACE["obs_price"]] == game.rug_price


def _fold(entries: list[StoredRow], facts: Facts) -> list[Episode]:
    fold = SessionFold("s-law", facts)
    for entry in entries:
        fold.feed(entry)
    fold.finish()
    return fold.take()


def test_a_session_that_ends_first_is_truncated() -> None:
    """The position is valued at the last price, and the outcome is timeout."""
    entries, facts = law_session(1, 3)
    cut = [
        e for e in entries if not isinstance(e, TickRow) or (e.tick <= 9 and e.phase != "rugged")
    ][:-1]
    (episode,) = _fold([*cut, EndedRow(cut[-1].seq + 1, cut[-1].ts_ns)], facts)
    assert (episode.terminated, episode.record.outcome) == (False, "timeout")
    _, game = law_game(3)
    assert episode.observations[-1][PLACE["obs_price"]] == game.prices[9]
    assert sum(episode.rewards) == to_lamports(episode.record.final_pnl)


def test_a_missed_tick_is_no_step() -> None:
    """It is counted, and enters peak and volatility when it is read late."""
    entries, facts = law_session(1, 3)
    late = [
        attrs.evolve(e, backfilled=True) if isinstance(e, TickRow) and e.tick in (7, 8) else e
        for e in entries
    ]
    (episode,) = _fold(late, facts)
    (whole,) = _fold(entries, facts)
    assert episode.gaps == 2
    assert len(episode.rewards) == len(whole.rewards) - 2
    assert episode.observations[-1] == whole.observations[-1]


def test_a_game_joined_late_has_no_presale() -> None:
    """The first step is the first tick that was received."""
    entries, facts = law_session(1, 3)
    joined = [e for e in entries if not isinstance(e, TickRow) or (e.tick >= 4)]
    (episode,) = _fold(joined, facts)
    assert episode.joined_late
    assert episode.observations[0][PLACE["obs_tick"]] == 4


def test_what_is_asked_between_ticks_belongs_to_the_older_one() -> None:
    """Also in the presale; several actions of a step are added up."""
    entries, facts = law_session(1, 3)
    (bought,) = facts.actions.values()
    early = attrs.evolve(
        bought.game_context, tick=0, phase=GamePhase.PRESALE, time_since_start=None
    )
    first = attrs.evolve(bought, action_id="early", game_context=early)
    asked = {bought.game_id: [first, bought, attrs.evolve(bought, action_id="again", leverage=3)]}
    (episode,) = _fold(entries, Facts(facts.actions, {}, asked))
    assert [(step, action.action_id) for step, action in episode.actions] == [
        (0, "early"),
        (6, bought.action_id),
        (6, "again"),
    ]
    together = action_columns([bought, attrs.evolve(bought, leverage=3)])
    assert together[:3] == (2 * to_lamports("0.01"), 3, 0)


def test_sales_of_a_step_add_up_to_all_of_it() -> None:
    """A sale without a share sells everything."""
    _, facts = law_session(1, 3)
    (bought,) = facts.actions.values()
    sale = attrs.evolve(bought, action_type=ActionType.SELL, amount=None)
    half = attrs.evolve(sale, percentage=60)
    assert [action_columns(sales)[2] for sales in ([half], [half, half], [sale], [])] == [
        60,
        100,
        100,
        0,
    ]


def test_a_buy_proven_by_an_update_has_the_quantity_of_the_update() -> None:
    """No trade stated a price, so the statement of the account gives the units."""
    entries, facts = law_session(1, 3)
    (bought,) = facts.actions.values()
    assert bought.outcome is not None
    plain = attrs.evolve(bought, outcome=attrs.evolve(bought.outcome, executed_price=None))
    _, game = law_game(3)
    qty = int(to_lamports("0.01") / game.prices[5])
    shown = {bought.action_id: Shown(-to_lamports("0.01"), qty)}
    (episode,) = _fold(entries, Facts({bought.action_id: plain}, shown, facts.asked))
    (whole,) = _fold(entries, facts)
    assert episode.rewards == whole.rewards


@pytest.mark.parametrize(
    "detail", ["", "[]", "{}", '{"action_id": "a", "before": "X", "after": "SENT"}']
)
def test_an_event_that_cannot_be_read_is_nothing(detail: str) -> None:
    """It is counted by the reader."""
    assert moved_from(1, 1, "action.state", detail) is None


@given(st.data())
def test_any_order_of_documents_is_folded_or_refused(data: st.DataObject) -> None:
    """Rewards add up to the record's profit whatever the documents say; errors are the package's."""
    entries, facts = law_session(2, 5)
    chosen = data.draw(st.lists(st.sampled_from(entries), max_size=60))
    fold = SessionFold("s-law", facts)
    for entry in chosen:
        fold.feed(entry)
    fold.feed(OpenedRow(10**9, 10**12, "next"))
    for episode in fold.take():
        assert sum(episode.rewards) == to_lamports(episode.record.final_pnl)
        assert len(episode.observations) == len(episode.rewards) + 1


def test_completed_documents_count_fills() -> None:
    """Buys and the time that they were held come from the action's own document."""
    entries, facts = law_session(1, 3)
    without = [e for e in entries if not isinstance(e, CompletedRow)]
    (episode,) = _fold(without, facts)
    assert (episode.record.total_actions, episode.record.buy_count) == (1, 0)
