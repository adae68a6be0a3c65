"""A slow, plain ledger in fractions to compare the real one with, written from the rules."""

from __future__ import annotations

from fractions import Fraction
from math import floor, trunc
from typing import Any

from attrs import define, field

from vectra_bot.game import rules


@define
class ModelLot:
    """What one buy still has."""

    qty: int
    cost: int
    tick: int
    price: float
    leverage: int
    bonus: int

    def exact(self, price: float) -> Fraction:
        """Return what the lot is worth at *price*, before the floor."""
        tokens = self.qty * Fraction(price)
        if self.leverage == 1:
            return tokens
        return max(Fraction(0), self.cost + self.leverage * (tokens - self.cost))

    def cut(self, qty: int) -> ModelLot:
        """Take *qty* tokens off and return them; cost and bonus are split, rounded down."""
        cost, bonus = self.cost * qty // self.qty, self.bonus * qty // self.qty
        taken = ModelLot(qty, cost, self.tick, self.price, self.leverage, bonus)
        self.qty, self.cost, self.bonus = self.qty - qty, self.cost - cost, self.bonus - bonus
        return taken


@define
class ModelLedger:
    """One account in one game; a refused request returns its reason and changes nothing."""

    cash: int
    bonus: int
    max_win: int | None
    lots: list[ModelLot] = field(factory=list)
    sidebet: tuple[int, int, int] | None = None  # amount, start tick, bonus
    short: tuple[int, int, int] | None = None  # amount, entry tick, bonus
    realised: int = 0
    sidebet_pnl: int = 0
    short_pnl: int = 0
    net: int = 0
    peak: int = 0
    stakes: int = 0
    was_cut: bool = False

    @property
    def qty(self) -> int:
        return sum(lot.qty for lot in self.lots)

    @property
    def cost(self) -> int:
        return sum(lot.cost for lot in self.lots)

    def stake(self, amount: int) -> str | int:
        """Take *amount*, bonus money first; return the bonus part."""
        if amount <= 0:
            return "bad_amount"
        if amount > self.cash + self.bonus:
            return "insufficient_funds"
        bonus = min(self.bonus, amount)
        self.bonus -= bonus
        self.cash -= amount - bonus
        return bonus

    def pay(self, amount: int, cost: int) -> int:
        """Cut what the game's limit on winnings does not allow, and say what is paid."""
        if self.max_win is None:
            return amount
        room = self.max_win - (self.realised + self.sidebet_pnl + self.short_pnl) + cost
        paid = min(amount, max(room, 0))
        self.was_cut |= paid != amount
        return paid

    def buy(self, amount: int, price: float, tick: int, leverage: int) -> Any:
        qty = floor(Fraction(amount) / Fraction(price))
        if 0 < amount <= self.cash + self.bonus and (qty == 0 or leverage not in range(1, 6)):
            return "bad_amount"
        bonus = self.stake(amount)
        if isinstance(bonus, str):
            return bonus
        self.lots.append(ModelLot(qty, amount, tick, price, leverage, bonus))
        self.net += amount
        self.peak = max(self.peak, self.net)
        return ("buy", qty, amount, amount, leverage, bonus, 0, 0)

    def sell(self, percentage: int, price: float, tick: int) -> Any:
        if not 1 <= percentage <= 100:
            return "bad_amount"
        qty = self.qty * percentage // 100
        if qty == 0:
            return "nothing_to_sell"
        taken = []
        while qty:
            lot = self.lots[0]
            part = min(qty, lot.qty)
            taken.append(lot.cut(part) if part < lot.qty else self.lots.pop(0))
            qty -= part
        return self._sold("sell", taken, price, tick)

    def forced_sell(self, price: float, tick: int) -> Any:
        if not self.lots:
            return None
        taken, self.lots = self.lots, []
        return self._sold("forced_sell", taken, price, tick)

    def liquidate(self, price: float, tick: int) -> list[Any]:
        fills = []
        for lot in list(self.lots):
            fall = {2: 0.20, 3: 0.10, 4: 0.025, 5: 0.01}.get(lot.leverage)
            if fall is not None and price <= lot.price * (1 - fall):
                self.lots.remove(lot)
                fills.append(self._sold("liquidation", [lot], price, tick))
        return fills

    def _sold(self, kind: str, taken: list[ModelLot], price: float, tick: int) -> Any:
        cost = sum(lot.cost for lot in taken)
        paid = self.pay(sum(floor(lot.exact(price)) for lot in taken), cost)
        bonus = floor(Fraction(paid * sum(lot.bonus for lot in taken), cost))
        valid = sum(lot.cost for lot in taken if kind == "forced_sell" or tick >= lot.tick + 20)
        held = sum(lot.cost * max(30, min(120, tick - lot.tick)) // 30 for lot in taken)
        self._credit(paid, bonus)
        self.realised += paid - cost
        self.net -= paid
        return (kind, sum(lot.qty for lot in taken), paid, cost, 1, bonus, valid, held)

    def _credit(self, paid: int, bonus: int) -> None:
        self.cash += paid - bonus
        self.bonus += bonus

    def place_sidebet(self, amount: int, tick: int) -> Any:
        if self.sidebet is not None:
            return "sidebet_open"
        bonus = self.stake(amount)
        if isinstance(bonus, str):
            return bonus
        self.stakes += amount
        self.sidebet = (amount, tick, bonus)
        return (amount, tick, tick + 40, bonus)

    def settle_sidebet(self, rug_tick: int | None, tick: int) -> Any:
        if self.sidebet is None:
            return None
        amount, start, staked = self.sidebet
        if rug_tick is None and tick < start + 40:
            return None
        won = rug_tick is not None and rug_tick - start <= 40
        payout = self.pay(5 * amount, amount) if won else 0
        bonus = floor(Fraction(payout * staked, amount))
        self._credit(payout, bonus)
        self.sidebet_pnl += payout - amount
        self.sidebet = None
        return (amount, won, payout, payout - amount, start, start + 40, bonus)

    def open_short(self, amount: int, tick: int) -> Any:
        if self.short is not None:
            return "short_open"
        bonus = self.stake(amount)
        if isinstance(bonus, str):
            return bonus
        self.stakes += amount
        self.short = (amount, tick, bonus)
        return ("short_open", 0, amount, amount, 1, bonus, 0, 0)

    def close_short(self, tick: int, value: int, *, rugged: bool) -> Any:
        if self.short is None:
            return "no_short"
        amount, entry, staked = self.short
        paid = self.pay(value, amount)
        bonus = floor(Fraction(paid * staked, amount))
        self._credit(paid, bonus)
        self.short_pnl += paid - amount
        self.short = None
        valid = amount if rugged or tick >= entry + 20 else 0
        return ("short_close", 0, paid, amount, 1, bonus, valid, 0)

    def regular_pnl(self, price: float) -> int:
        return trunc(self.realised - self.cost + sum(lot.exact(price) for lot in self.lots))

    def average(self) -> int:
        if not self.lots:
            return 0
        weighted = sum(lot.qty * Fraction(lot.price) for lot in self.lots)
        return floor(weighted * rules.LAMPORTS_PER_SOL / self.qty)

    def begin_game(self) -> Any:
        if self.lots or self.sidebet is not None or self.short is not None:
            return "game_open"
        self.realised = self.sidebet_pnl = self.short_pnl = 0
        self.net = self.peak = self.stakes = 0
        self.was_cut = False
        return None

    def totals(self, price: float) -> tuple[object, ...]:
        """Return every figure that the real ledger must show at *price*."""
        settled = self.sidebet_pnl + self.short_pnl
        shorted = 0 if self.short is None else -self.short[0]
        return (
            self.cash, self.bonus, self.cash + self.bonus, self.qty, self.cost, self.average(),
            self.peak + self.stakes, self.realised - self.cost + settled, settled, self.sidebet_pnl,
            self.was_cut, any(lot.leverage > 1 for lot in self.lots),
            [(lot.qty, lot.cost, lot.tick, lot.price, lot.leverage, lot.bonus) for lot in self.lots],
            self.regular_pnl(price), self.short_pnl + shorted,
            self.regular_pnl(price) + settled + shorted,
        )  # fmt: skip
