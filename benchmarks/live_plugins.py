"""Five plugins of the live benchmark: each works at every tick, one may veto."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from statistics import fmean

from vectra_bot import AccountView, GameView, Plugin, hookimpl
from vectra_bot.models import GameTick, OtherPlayerAction, PlayerAction

_WINDOW = 40


class Average(Plugin):
    """Average the last prices."""

    enabled_by_default = False
    mean: float = 1.0

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Average the last prices."""
        self.mean = fmean(game.prices[-_WINDOW:])


class Extremes(Plugin):
    """Follow the highest and the lowest price of a window."""

    enabled_by_default = False
    low: float = 1.0
    high: float = 1.0

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Look at a window of prices."""
        window = game.prices[-_WINDOW:]
        self.low, self.high = min(window), max(window)


class Trades(Plugin):
    """Keep the newest trades of others."""

    enabled_by_default = False

    def __attrs_post_init__(self) -> None:
        self.newest: deque[Decimal] = deque(maxlen=_WINDOW)

    @hookimpl
    def on_other_player_trade(self, trade: OtherPlayerAction, game: GameView) -> None:
        """Keep its amount."""
        self.newest.append(trade.amount)

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Add up what is kept."""
        self.total = sum(self.newest, Decimal(0))


class Counts(Plugin):
    """Count ticks and actions."""

    enabled_by_default = False
    ticks: int = 0
    sent: int = 0

    @hookimpl
    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Count a tick."""
        self.ticks += 1

    @hookimpl
    def on_action_submitted(self, action: PlayerAction) -> None:
        """Count an action."""
        self.sent += 1


class Guard(Plugin):
    """Veto stakes above a tenth of the cash."""

    enabled_by_default = False

    @hookimpl
    def review_action(
        self, action: PlayerAction, game: GameView, account: AccountView
    ) -> str | None:
        """Return why *action* must not be sent, None to allow it."""
        if action.amount is not None and action.amount > account.cash / 10:
            return "more than a tenth of the cash"
        return None


NAMES = {
    "average": Average,
    "extremes": Extremes,
    "trades": Trades,
    "counts": Counts,
    "guard": Guard,
}
