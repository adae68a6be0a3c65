"""Games of the law as documents of a session in which a bot buys once, and a store of real sessions."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import vectra_bot
from vectra_bot import Strategy
from vectra_bot.analysis.episodes.fold import (
    CompletedRow,
    Episode,
    Facts,
    MovedRow,
    OpenedRow,
    SessionFold,
    StatedRow,
    StoredRow,
    TickRow,
)
from vectra_bot.analysis.episodes.ledger import Shown
from vectra_bot.analysis.episodes.tables import steps_of
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.fair import FairGame, play_game
from vectra_bot.game.lots import buy_qty
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    DocType,
    Document,
    GameContext,
    GamePhase,
    GameTick,
    PlayerAction,
    PlayerState,
    ServerState,
    StateCause,
    SystemEvent,
)
from vectra_bot.store.query.catalog import Catalog

TICK_NS = 250_000_000
STAKE = to_lamports("0.01")


class EveryRisk(Strategy):
    """Trade, short and bet on rounds, so that every kind of document has rows."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if tick.tick == 3:
            self.actions.buy("0.01")
            self.actions.sidebet("0.001")
            self.actions.short_open("0.001")
            self.actions.bbc_predict("BULL", "0.001")
            self.actions.candleflip_bet("RED", "0.001")
        elif tick.tick == 9:
            self.actions.sell(50)
            self.actions.short_close()


def play_sessions(store: Path) -> None:
    """Record sessions of every kind of action in *store*."""
    for number, (strategy, games) in enumerate(
        (("take-profit", 5), ("sidebet", 2), (EveryRisk, 2))
    ):
        vectra_bot.run(
            strategy, games=games, seed=40 + number, store=store, crowd=5, short_payoff="textbook"
        )


def law_game(number: int) -> tuple[str, FairGame]:
    """Return a game of the law with at least twelve ticks, by number."""
    attempt = 0
    while True:
        game_id = f"20260101-{number:06d}{attempt:02d}"
        game = play_game(f"{number:08x}{attempt:04x}", game_id)
        if len(game.prices) >= 12:
            return game_id, game
        attempt += 1


def action_of(session: str, game_id: str, tick: int, price: float, cash: int) -> PlayerAction:
    """Return a buy at *tick* that was executed at *price*."""
    before = PlayerState(to_sol(cash), Decimal(0), Decimal(0), Decimal(0), Decimal(0))
    shown = Decimal(repr(price))
    return PlayerAction(
        f"{game_id}-buy",
        session,
        game_id,
        "me",
        None,
        ActionType.BUY,
        "BUY",
        to_sol(STAKE),
        None,
        GameContext(game_id, tick, shown, GamePhase.ACTIVE, False, 100, None, tick),
        before,
        ActionTimestamps(tick * 250),
        ActionOutcome(True, shown, to_sol(STAKE)),
        state=ActionState.CONFIRMED,
    )


def documents_of(
    session: str, number: int, start_ns: int, seq: int, cash: int, *, first: bool
) -> tuple[list[StoredRow], PlayerAction, int]:
    """Return the documents of a law game in which the bot buys at tick 5, the action, the cash after it."""
    game_id, game = law_game(number)
    found: list[StoredRow] = [OpenedRow(seq, start_ns, game_id)]
    if first:
        found.append(_stated(seq, start_ns, game_id, cash, 0, 0, None, None))

    def tick(at: int, price: float, phase: GamePhase, **changes: Any) -> TickRow:
        values = {
            "starts_in_ms": 0,
            "connected_players": 200 + at % 7,
            "trade_count": at,
            **changes,
        }
        now = start_ns + (at + 1) * TICK_NS
        return TickRow(
            seq + 2 + at * 4, now, game_id, at, price, phase.value, **values, backfilled=False
        )

    found.append(tick(0, 1.0, GamePhase.PRESALE, starts_in_ms=5000))
    bought = action_of(session, game_id, 5, game.prices[5], cash)
    qty = buy_qty(STAKE, game.prices[5])
    for at, price in enumerate(game.prices):
        found.append(tick(at, price, GamePhase.ACTIVE))
        if at == 5:
            here, now = seq + 3 + at * 4, start_ns + (at + 1) * TICK_NS
            name = bought.action_id
            found += [
                MovedRow(here, now, name, "INTENT", "SENT"),
                MovedRow(here, now, name, "SENT", "CONFIRMED"),
                _stated(here, now, game_id, cash - STAKE, qty, -STAKE, StateCause.ACTION, name),
                CompletedRow(here, now, bought),
            ]
    end = len(game.prices)
    found.append(tick(end, game.rug_price, GamePhase.RUGGED))
    paid = int(Decimal(repr(game.rug_price)) * qty)
    after, now = cash - STAKE + paid, start_ns + (end + 1) * TICK_NS
    rug = _stated(seq + 4 + end * 4, now, game_id, after, 0, paid, StateCause.FORCED_SELL, None)
    return [*found, rug], bought, after


def _stated(
    seq: int,
    ts_ns: int,
    game_id: str,
    cash: int,
    qty: int,
    delta: int,
    cause: StateCause | None,
    action_id: str | None,
) -> StatedRow:
    record = ServerState(
        cash=to_sol(cash),
        position_qty=to_sol(qty),
        avg_cost=Decimal(0),
        total_invested=Decimal(0),
        cumulative_pnl=Decimal(0),
        delta_cash=to_sol(delta),
        cause=cause,
        action_id=action_id,
    )
    return StatedRow(seq, ts_ns, game_id, "me", record)


def law_session(count: int, first: int = 0) -> tuple[list[StoredRow], Facts]:
    """Return the documents of a session of *count* law games, and what is known of its actions."""
    entries: list[StoredRow] = []
    actions: dict[str, PlayerAction] = {}
    asked: dict[str, list[PlayerAction]] = {}
    shown: dict[str, Shown] = {}
    cash, now_ns, seq = to_lamports(1), 0, 1
    for number in range(first, first + count):
        found, bought, cash = documents_of(
            "s-law", number, now_ns, seq, cash, first=number == first
        )
        entries += found
        actions[bought.action_id] = bought
        asked[bought.game_id] = [bought]
        now_ns, seq = found[-1].ts_ns + TICK_NS, found[-1].seq + 4
    return entries, Facts(actions, shown, asked)


def law_documents(count: int, first: int = 0) -> list[Document]:
    """Return the documents of law games as a session stores them."""
    entries, _ = law_session(count, first)
    game_id, found = "", []
    for entry in entries:
        match entry:
            case OpenedRow():
                game_id = entry.game_id
                continue
            case TickRow():
                kind, record = DocType.GAME_TICK, _game_tick(entry)
            case StatedRow():
                kind, record = DocType.SERVER_STATE, entry.record
            case MovedRow():
                states = {"before": entry.before, "after": entry.after}
                about = {"action_id": entry.action_id, **states}
                record = SystemEvent.of("action.state", "info", "moved", **about)
                kind = DocType.SYSTEM_EVENT
            case CompletedRow():
                kind, record = DocType.PLAYER_ACTION, entry.record
            case _:
                raise AssertionError(entry)
        about = {"ts_ns": entry.ts_ns, "source": "engine", "game_id": game_id, "player_id": "me"}
        found.append(Document(doc_type=kind, record=record, **about))
    return found


def _game_tick(tick: TickRow) -> GameTick:
    return GameTick(
        game_id=tick.game_id,
        tick=tick.tick,
        price=tick.price,
        phase=GamePhase(tick.phase),
        cooldown_timer_ms=tick.starts_in_ms,
        connected_players=tick.connected_players,
        trade_count=tick.trade_count,
        backfilled=tick.backfilled,
    )


def law_episodes(count: int, first: int = 0) -> list[Episode]:
    """Return the episodes of law games."""
    entries, facts = law_session(count, first)
    fold = SessionFold("s-law", facts)
    for entry in entries:
        fold.feed(entry)
    fold.finish()
    return fold.take()


def law_steps(count: int, first: int = 0) -> Iterator[dict[str, list[Any]]]:
    """Yield the step columns of law games."""
    for episode in law_episodes(count, first):
        yield steps_of(episode)


def seen_cash(catalog: Catalog) -> dict[str, int]:
    """Return the change of cash that the statements of each session add up to, in lamports."""
    rows = catalog.sql("SELECT session_id, sum(delta_cash) FROM server_state GROUP BY 1").rows
    return {session: to_lamports(amount) for session, amount in rows}
