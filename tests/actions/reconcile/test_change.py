"""A change of our account alone: which undecided actions it proves, and what each of them did."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.reconcile.parts import SOL, asked, stated
from vectra_bot.actions.notes import Tracked
from vectra_bot.actions.reconcile.change import Explained, UnknownChange
from vectra_bot.game.account import Account, AccountUpdate, Effect
from vectra_bot.game.holdings import ShortView, SidebetView
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionType, ShortInfo, SidebetInfo, StateCause

BUY, SELL, BET = ActionType.BUY, ActionType.SELL, ActionType.SIDEBET
OPEN, CLOSE = ActionType.SHORT_OPEN, ActionType.SHORT_CLOSE
HELD = Lot(100, 100, 0, 1.0)


def sol(lamports: int) -> Decimal:
    """Return an amount in SOL."""
    return Decimal(lamports) / SOL


def bet(amount: int) -> SidebetInfo:
    """Return a sidebet as an update states it."""
    return SidebetInfo(game_id="g", amount=sol(amount), start_tick=1, end_tick=41)


def short(amount: int) -> ShortInfo:
    """Return a short as an update states it."""
    return ShortInfo(
        amount=sol(amount), entry_price=1.0, entry_tick=1, value=sol(amount), pnl=Decimal(0)
    )


def answer(
    *candidates: Tracked,
    cash: int,
    qty: int = 0,
    bonus: int = 0,
    held: tuple[Lot, ...] = (),
    pending: tuple[Effect, ...] = (),
    prices: tuple[float, ...] = (1.0,),
    has: dict[str, Any] | None = None,
    shows: dict[str, Any] | None = None,
    forced: bool = False,
    rugged: bool = False,
) -> Explained | None:
    """Return what a change by *cash*, *qty* and *bonus* proves of *candidates*."""
    account = Account(
        cash=SOL,
        lots=list(held),
        pending=deque(pending),
        stated_qty=sum(lot.qty for lot in held) - sum(effect.delta_qty for effect in pending),
        **has or {},
    )
    update = attrs.evolve(stated(SOL + cash, bonus=max(0, bonus)), **shows or {})
    seen = AccountUpdate(cash, qty, (), False, delta_bonus=bonus)
    return UnknownChange(candidates, update, seen, account, prices, forced, rugged).answer()


def fills(found: Explained | None) -> list[tuple[ActionType, int, int, int]] | None:
    """Return kind, cash, tokens and bonus money of each fill."""
    if found is None:
        return None
    return [(f.tracked.action.action_type, f.cash, f.qty, f.bonus) for f in found.fills]


def effect(cash: int, qty: int = 0, bonus: int = 0) -> Effect:
    """Return an announced effect."""
    return Effect(StateCause.ACTION, cash, qty, "a", delta_bonus=bonus)


# One action.


@given(st.integers(-2, 2), st.integers(-1, 2))
def test_a_buy_costs_its_stake_and_brings_something(off: int, qty: int) -> None:
    """To the lamport, and at least a billionth of a token."""
    found = answer(asked(BUY, 700), cash=off - 700, qty=qty)
    assert fills(found) == ([(BUY, -700, qty, 0)] if off == 0 and qty > 0 else None)


@given(st.sampled_from([None, 1, 50, 100]), st.integers(-2, 2), st.integers(-1, 2))
def test_a_sale_takes_its_share_and_brings_something(
    share: int | None, off: int, brought: int
) -> None:
    """Within a billionth of the share, for at least a lamport."""
    part = 100 if share is None else share
    found = answer(asked(SELL, share=share), cash=brought, qty=off - part, held=(HELD,))
    fits = brought > 0 and -1 <= off <= 1
    assert fills(found) == ([(SELL, brought, off - part, 0)] if fits else None)


def test_a_sale_that_the_rug_or_a_liquidation_may_have_made_is_not_ours() -> None:
    """They look the same."""
    sale = asked(SELL, share=100)
    assert answer(sale, cash=5, qty=-100, held=(HELD,)) is not None
    assert answer(sale, cash=5, qty=-100, held=(HELD,), forced=True) is None
    assert answer(sale, cash=5, qty=-100, held=(HELD._replace(leverage=2),)) is None
    assert answer(sale, cash=5, qty=0) is None


def test_what_looks_forced_does_not_hold_back_a_buy() -> None:
    """Only a sale is doubted."""
    assert answer(asked(BUY, 7), cash=-7, qty=3, forced=True, rugged=True) is not None


@pytest.mark.parametrize(("shown", "fits"), [(None, True), (5, True), (6, False)])
def test_a_sidebet_is_the_stated_one(shown: int | None, fits: bool) -> None:
    """Without a statement of it, its stake alone proves it."""
    shows = {"sidebet": None if shown is None else bet(shown)}
    found = answer(asked(BET, 5), cash=-5, shows=shows)
    assert fills(found) == ([(BET, -5, 0, 0)] if fits else None)
    assert answer(asked(BET, 5), cash=-4, shows=shows) is None


@pytest.mark.parametrize(("shown", "fits"), [(None, False), (5, True), (6, False)])
def test_a_short_is_proven_by_its_statement_alone(shown: int | None, fits: bool) -> None:
    """The stake must be stated, and be the amount."""
    shows = {"short": None if shown is None else short(shown)}
    found = answer(asked(OPEN, 5), cash=-5, shows=shows)
    assert fills(found) == ([(OPEN, -5, 0, 0)] if fits else None)


# Several actions.


@pytest.mark.parametrize("stakes", [8, 9])
def test_of_eight_actions_one_is_told(stakes: int) -> None:
    """Of nine none is: too many sets would have to be tried."""
    candidates = [asked(BUY, 1 << number) for number in range(stakes)]
    found = answer(*candidates, cash=-4, qty=3)
    assert fills(found) == ([(BUY, -4, 3, 0)] if stakes == 8 else None)


def test_a_new_sidebet_is_of_a_set_that_has_it() -> None:
    """With one asked for, what the statement newly shows must be in the set, and only once."""
    two = asked(BUY, 7), asked(BET, 5)
    shows = {"sidebet": bet(5)}
    assert answer(*two, cash=-7, qty=3, shows=shows) is None
    assert fills(answer(*two, cash=-7, qty=3)) == [(BUY, -7, 3, 0)]
    assert fills(answer(*two, cash=-12, qty=3, shows=shows)) == [(BUY, -7, 3, 0), (BET, -5, 0, 0)]
    assert answer(*two, cash=-12, qty=3) is None  # no sidebet is stated
    before = {"sidebet": SidebetView(sol(5), 1, 41)}
    assert fills(answer(*two, cash=-7, qty=3, shows=shows, has=before)) == [(BUY, -7, 3, 0)]
    assert fills(answer(two[0], cash=-7, qty=3, shows=shows)) == [(BUY, -7, 3, 0)]
    assert answer(asked(BET, 5), asked(BET, 5), cash=-10, shows=shows) is None


def test_a_new_short_is_of_a_set_that_has_it() -> None:
    """As a sidebet."""
    two = asked(BUY, 7), asked(OPEN, 5)
    shows = {"short": short(5)}
    assert answer(*two, cash=-7, qty=3, shows=shows) is None
    assert fills(answer(*two, cash=-12, qty=3, shows=shows)) == [(BUY, -7, 3, 0), (OPEN, -5, 0, 0)]
    before = {"short": ShortView(sol(5), 1.0, 1, sol(5))}
    assert fills(answer(*two, cash=-7, qty=3, shows=shows, has=before)) == [(BUY, -7, 3, 0)]
    assert fills(answer(two[0], cash=-7, qty=3, shows=shows)) == [(BUY, -7, 3, 0)]


@pytest.mark.parametrize(
    ("has", "shows", "rugged", "possible"),
    [(True, False, False, True), (False, False, False, False), (True, True, False, False),
     (True, False, True, False)],
)  # fmt: skip
def test_a_close_that_may_have_been_executed_proves_nothing(
    has: bool, shows: bool, rugged: bool, possible: bool
) -> None:
    """What a short pays is not known; without one before, with one after, or after the rug it was not."""
    found = answer(
        asked(CLOSE),
        asked(BUY, 7),
        cash=-7,
        qty=3,
        has={"short": ShortView(sol(5), 1.0, 1, sol(5))} if has else {},
        shows={"short": short(5)} if shows else {},
        rugged=rugged,
    )
    assert fills(found) == (None if possible else [(BUY, -7, 3, 0)])


def test_two_sets_that_fit_are_told_apart_by_the_prices_or_not_at_all() -> None:
    """Two equal buys are either; what a buy added to a sale is seen at two prices only."""
    assert answer(asked(BUY, 700), asked(BUY, 700), cash=-700, qty=700) is None
    both = asked(BUY, 50), asked(SELL, share=100)
    more: dict[str, Any] = {"held": (HELD,), "prices": (1.0, 2.0)}
    assert fills(answer(*both, cash=250, qty=-100, **more)) == [
        (BUY, -50, 50, 0),
        (SELL, 300, -150, 0),
    ]
    for cash in (100, 150, 200):  # at 100 and 200 the sale alone fits as well, at 150 nothing does
        assert answer(*both, cash=cash, qty=-100, **more) is None
    sold_first = answer(*reversed(both), cash=200, qty=-100, **more)
    assert fills(sold_first) == [(SELL, 200, -100, 0)]


@pytest.mark.parametrize("beside", ["bonus", "bonus spent", "leverage", "part"])
def test_prices_say_nothing_with_bonus_money_or_leverage(beside: str) -> None:
    """Nor if only a part of what was announced is in the statement."""
    pair = asked(BUY, 50), asked(BUY, 70)
    whole = fills(answer(*pair, cash=-120, qty=120))
    assert whole == [(BUY, -50, 50, 0), (BUY, -70, 70, 0)]
    changes: dict[str, dict[str, Any]] = {
        "bonus": {"has": {"bonus": 1}},
        "bonus spent": {"bonus": -20, "cash": -100},
        "leverage": {"held": (HELD._replace(leverage=2),)},
        "part": {"pending": (effect(-9, 9),), "held": (Lot(9, 9, 0, 1.0),)},
    }
    assert answer(*pair, **{"cash": -120, "qty": 120, **changes[beside]}) is None


# Bonus money, and what was announced before.


@given(st.integers(0, 12))
def test_bonus_money_pays_the_oldest_stake_first(bonus: int) -> None:
    """It is a part of the stakes; a single action has all of it."""
    one = answer(asked(BET, 12), cash=bonus - 12, bonus=-bonus, shows={"sidebet": bet(12)})
    assert fills(one) == [(BET, bonus - 12, 0, -bonus)]
    two = answer(
        asked(BUY, 7),
        asked(BET, 5),
        cash=bonus - 12,
        qty=3,
        bonus=-bonus,
        shows={"sidebet": bet(5)},
    )
    first, second = min(bonus, 7), max(0, bonus - 7)
    assert fills(two) == [(BUY, first - 7, 3, -first), (BET, second - 5, 0, -second)]
    sale = answer(asked(SELL), cash=20, bonus=bonus, qty=-100, held=(HELD,))
    assert fills(sale) == [(SELL, 20, -100, bonus)]


def test_a_stake_and_a_sale_share_one_change() -> None:
    """The stake is known, the rest is what the sale brought."""
    found = answer(
        asked(BET, 5), asked(SELL), cash=15, qty=-100, held=(HELD,), shows={"sidebet": bet(5)}
    )
    assert fills(found) == [(BET, -5, 0, 0), (SELL, 20, -100, 0)]


def test_what_was_announced_may_be_in_the_change() -> None:
    """All of it, else the oldest few; what each brought is not counted twice."""
    pending = effect(-30, 3, -1), effect(-40)
    held = (Lot(3, 31, 0, 1.0),)
    for count, cash, qty, bonus in ((0, -7, 5, 0), (1, -37, 8, -1), (2, -77, 8, -1)):
        found = answer(asked(BUY, 7), cash=cash, qty=qty, bonus=bonus, pending=pending, held=held)
        assert found is not None
        assert found.before == pending[:count]
        assert fills(found) == [(BUY, -7, 5, 0)]
    found = answer(asked(BUY, 7), cash=-47, qty=5, pending=pending, held=held)
    assert found is None  # the newer one without the older
