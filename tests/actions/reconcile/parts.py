"""Actions, statements and a finished game for the tests of reconciliation."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import attrs

from tests.actions.strategies import Scripted
from vectra_bot.actions.notes import Tracked
from vectra_bot.game.fair import play_game, server_seed_hash
from vectra_bot.models import ActionState, ActionType, FinishedGame, PlayerAction, PlayerUpdate
from vectra_bot.testing import Bench

SOL = 10**9
SEED, GAME = "5" * 64, "20260101-0000000000000001"
LAW = play_game(SEED, GAME)


@cache
def _of_a_bench() -> tuple[PlayerAction, PlayerUpdate]:
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    return bench.engine.tracker.book.pending[0], bench.update_event()


def asked(
    kind: ActionType,
    stake: int | None = None,
    *,
    share: int | None = None,
    tick: int = 0,
    leverage: int = 1,
    state: ActionState = ActionState.UNKNOWN,
) -> Tracked:
    """Return an action that was sent at *tick*."""
    action, _ = _of_a_bench()
    return Tracked(
        attrs.evolve(
            action,
            action_type=kind,
            amount=None if stake is None else Decimal(stake) / SOL,
            percentage=share,
            leverage=leverage,
            state=state,
            game_context=attrs.evolve(action.game_context, tick=tick),
        ),
        None,
        0,
    )


def stated(cash: int, *, bonus: int = 0, qty: int = 0) -> PlayerUpdate:
    """Return a statement of our account."""
    _, update = _of_a_bench()
    return attrs.evolve(
        update,
        cash=Decimal(cash) / SOL,
        bonus_balance=Decimal(bonus) / SOL,
        position_qty=Decimal(qty) / SOL,
    )


def entry(*, whole: bool) -> FinishedGame:
    """Return the game in the history, with its prices or with its seed alone."""
    return FinishedGame(
        game_id=GAME,
        peak=LAW.peak,
        server_seed=SEED,
        server_seed_hash=server_seed_hash(SEED),
        version="v3",
        timestamp_ms=1,
        prices=(*LAW.prices, LAW.rug_price) if whole else (),
    )
