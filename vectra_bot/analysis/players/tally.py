"""What is counted of one player, game by game: results, habits, and the bets on the player's skill."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Final

from attrs import define, field, frozen

from vectra_bot.analysis.players.games import (
    FinalRow,
    ObservedGame,
    ObservedSidebet,
    ObservedTrade,
)
from vectra_bot.analysis.players.skill import (
    LAST_TICK,
    Wealth,
    entry_excess,
    entry_factors,
    mean_log10,
    sidebet_factors,
)
from vectra_bot.game import rules
from vectra_bot.game.fair import return_variance
from vectra_bot.models.player import EARLY_ENTRY_TICKS

LATE_ENTRY_TICKS: Final = 150
"""An entry from this tick on is late; one before the schema's 50 is early."""

ZONES: Final = ("early", "mid", "late")
"""Parts of a game, as the schema names them."""

_ENTRIES: Final = ("BUY", "SHORT_OPEN")
_EXITS: Final = ("SELL", "SHORT_CLOSE")
_ROUNDING: Final = (
    10  # billionths of a token by which the tokens sold of a closed position may differ
)
_UNIT: Final = rules.LAMPORTS_PER_SOL


class ResultSource(str, Enum):
    """How the result of a player's game is known."""

    TABLE = "table"
    """By the final leaderboard, to the lamport."""
    CLOSED = "closed"
    """Every token that was seen bought was seen sold; sidebets added."""
    SIDEBETS = "sidebets"
    """Of sidebets alone: no trade was seen."""
    PRACTICE = "practice"
    """Practice play: no money."""
    UNKNOWN = "unknown"
    """A position was seen, but not its end."""


@frozen
class PlayerGame:
    """A player's part of a game."""

    game: ObservedGame
    trades: Sequence[ObservedTrade]
    sidebets: Sequence[ObservedSidebet]
    row: FinalRow | None

    def result(self) -> tuple[ResultSource, int]:
        """Return how the result is known, and the result in lamports (0 if it is not known)."""
        marked = (*self.trades, *self.sidebets, *(() if self.row is None else (self.row,)))
        if any(one.practice for one in marked):
            return ResultSource.PRACTICE, 0
        if self.row is not None:
            return ResultSource.TABLE, self.row.pnl
        bets = sum(bet.payout - bet.amount for bet in self.sidebets)
        if not self.trades:
            return ResultSource.SIDEBETS, bets
        sides = {_BOUGHT: 0, _SOLD: 0, _OPENED: 0, _CLOSED: 0}
        pnl = bets
        for trade in self.trades:
            entry, is_long = trade.kind in _ENTRIES, trade.kind in (_BOUGHT, _SOLD)
            if is_long and not trade.qty:
                return ResultSource.UNKNOWN, 0
            pnl += -trade.amount if entry else trade.amount
            sides[trade.kind] += trade.qty if is_long else 1
        closed = abs(sides[_BOUGHT] - sides[_SOLD]) <= _ROUNDING
        if closed and sides[_OPENED] == sides[_CLOSED]:
            return ResultSource.CLOSED, pnl
        return ResultSource.UNKNOWN, 0


_BOUGHT, _OPENED = _ENTRIES
_SOLD, _CLOSED = _EXITS


@define
class Average:
    """A mean that is built up value by value."""

    count: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        """Add a value."""
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float | None:
        """The mean, None without values."""
        return self.total / self.count if self.count else None


@define
class PlayerTally:
    """All that is known of one player.

    Attributes:
        games: games with a trade or a sidebet of the player.
        trades, sidebets: that were seen.
        sources: games by how their result is known.
        wins: games with a profit, among those with a known result.
        pnl: sum of the known results, lamports.
        crude_games, crude_wins: games with a trade, and those that the schema's rule counts as won.
        entries, exits: their ticks.
        entry_zones, exit_zones: entries and exits that are early, mid and late.
        presale, shorts: entries in the presale, and entries that are shorts.
        holds: ticks from entry to exit, of games in which both were seen.
        bet_starts, bet_ends: ticks of sidebets.
        edges: excess of the return after a purchase; ``edge_variance`` is the sum of the law's variances.
        by_entries, by_sidebets: wealth of betting on the player, by evidence.
        purchases: that were seen.
        odd_sidebets: sidebets on which no bet was possible.
    """

    games: int = 0
    trades: int = 0
    sidebets: int = 0
    sources: Counter[ResultSource] = field(factory=Counter)
    wins: int = 0
    pnl: int = 0
    crude_games: int = 0
    crude_wins: int = 0
    entries: Average = field(factory=Average)
    exits: Average = field(factory=Average)
    entry_zones: Counter[str] = field(factory=Counter)
    exit_zones: Counter[str] = field(factory=Counter)
    presale: int = 0
    shorts: int = 0
    holds: Average = field(factory=Average)
    bet_starts: Average = field(factory=Average)
    bet_ends: Average = field(factory=Average)
    edges: Average = field(factory=Average)
    edge_variance: float = 0.0
    by_entries: Wealth = field(factory=Wealth)
    by_sidebets: Wealth = field(factory=Wealth)
    purchases: int = 0
    odd_sidebets: int = 0

    @property
    def known(self) -> int:
        """Games with a known result in SOL."""
        sources = (ResultSource.TABLE, ResultSource.CLOSED, ResultSource.SIDEBETS)
        return sum(self.sources[source] for source in sources)

    @property
    def bets(self) -> int:
        """Bets that were made on the player."""
        return self.by_entries.bets + self.by_sidebets.bets

    @property
    def log10_e(self) -> float:
        """Decimal logarithm of the player's e-value."""
        return mean_log10([self.by_entries.log10, self.by_sidebets.log10])

    def add(self, part: PlayerGame) -> None:
        """Count a game in which the player traded or bet."""
        self.games += 1
        self.trades += len(part.trades)
        self.sidebets += len(part.sidebets)
        source, pnl = part.result()
        self.sources[source] += 1
        self.pnl += pnl
        self.wins += pnl > 0
        if part.trades:
            self._count_crudely(part.trades)
            self._count_habits(part)
            self._bet_on_trades(part)
        if part.sidebets:
            self._bet_on_sidebets(part)

    def _count_crudely(self, trades: Sequence[ObservedTrade]) -> None:
        """Count a game as the schema's query does: amount times price, sales positive, all else negative."""
        crude = math.fsum(
            trade.amount / _UNIT * trade.price * (1 if trade.kind == _SOLD else -1)
            for trade in trades
        )
        self.crude_games += 1
        self.crude_wins += crude > 0

    def _count_habits(self, part: PlayerGame) -> None:
        entries = [trade for trade in part.trades if trade.kind in _ENTRIES]
        exits = [trade.tick for trade in part.trades if trade.kind in _EXITS]
        for trade in entries:
            self.entries.add(trade.tick)
            self.entry_zones[zone_of(trade.tick)] += 1
            self.presale += trade.tick == 0
            self.shorts += trade.kind == _OPENED
            self.purchases += trade.kind == _BOUGHT
        for tick in exits:
            self.exits.add(tick)
            self.exit_zones[zone_of(tick)] += 1
        if entries and exits:
            held = sum(exits) / len(exits) - sum(one.tick for one in entries) / len(entries)
            self.holds.add(max(0.0, held))

    def _bet_on_trades(self, part: PlayerGame) -> None:
        """Bet on purchases, once a tick: what follows two purchases of one tick is one event."""
        game = part.game
        bought: set[int] = set()
        for trade in part.trades:
            tick = trade.tick
            if trade.kind != _BOUGHT or tick in bought or tick >= LAST_TICK:
                continue
            price, after = game.price(tick), game.next_price(tick)
            if not price or after is None:
                continue
            bought.add(tick)
            low = game.low(tick)
            excess = entry_excess(price, low, after)
            self.by_entries.bet(entry_factors(price, after, excess))
            self.edges.add(excess)
            bound = min(price, rules.START_PRICE)
            self.edge_variance += return_variance(price, bound if low is None else low)

    def _bet_on_sidebets(self, part: PlayerGame) -> None:
        """Bet on sidebets that follow each other; one whose end is certain, or odd, is not judged."""
        free = 0
        for bet in sorted(part.sidebets, key=lambda bet: bet.start_tick):
            self.bet_starts.add(bet.start_tick)
            rug_tick = part.game.rug_tick
            self.bet_ends.add(bet.end_tick if rug_tick is None else min(bet.end_tick, rug_tick))
            usual = bet.end_tick == bet.start_tick + rules.SIDEBET_WINDOW_TICKS
            if not usual or bet.start_tick < free or bet.end_tick > LAST_TICK:
                self.odd_sidebets += 1
                continue
            free = bet.end_tick
            self.by_sidebets.bet(sidebet_factors(won=bet.won))


def zone_of(tick: float) -> str:
    """Return whether an entry or exit at *tick* is early, mid or late."""
    if tick < EARLY_ENTRY_TICKS:
        return ZONES[0]
    return ZONES[1] if tick < LATE_ENTRY_TICKS else ZONES[2]
