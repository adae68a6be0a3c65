"""AlertModel: the chances that alerts state; the base class is the law itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return, rug_price
from vectra_bot.game.sidegames import bbc_game, candleflip_game
from vectra_bot.models import SideGameKind

if TYPE_CHECKING:
    from vectra_bot.game.rounds import Round
    from vectra_bot.game.state import GameView


class AlertModel:
    """The chances of a running game, as alerts state them; this class is the law, exactly.

    Under the law a game rugs at each tick with the same chance, whatever happened before, so that no moment
    is better than another: every expected value below is negative. A subclass may claim more, by overriding
    a method and setting ``name``. It must be deterministic and may read the game only;
    ``vectra-bot alerts backtest --model FILE:Class`` scores its claims.

    Attributes:
        name: names the model in ``source_data`` of alerts.
    """

    name = "law"

    def rug_chance(self, game: GameView, ticks: int) -> float:
        """Return the chance that a running game rugs within the next *ticks* ticks (protocol 4.2).

        A game that lives to tick 5000 ends there.
        """
        if game.tick + ticks > rules.MAX_TICKS:
            return 1.0
        return float(1 - (1 - rules.RUG_CHANCE) ** ticks)

    def holding_return(self, game: GameView) -> float:
        """Return the expected profit of holding one tick more, per unit of value, the rug included."""
        price, low = game.price, min(game.low, game.price, rules.START_PRICE)
        if game.tick >= rules.MAX_TICKS:
            return rug_price(low) / price - 1
        return expected_return(price, low)

    def round_chances(self, side_round: Round) -> Mapping[str, float]:
        """Return the chance of each choice of a side game's round (protocol 11; unverified)."""
        known = bbc_game() if side_round.side_game is SideGameKind.BBC else candleflip_game()
        return {choice: float(chance) for choice, chance in known.odds.items()}

    @staticmethod
    def survival_tick(share: float) -> int:
        """Return the first tick by which a share of at least *share* of all games has rugged, 0 to 5000."""
        alive = 1.0
        for tick in range(rules.MAX_TICKS):
            if 1 - alive >= share:
                return tick
            alive *= 1 - rules.RUG_CHANCE
        return rules.MAX_TICKS


__all__ = ["AlertModel"]
