"""Secret parameters in backtests: the strategy has the value, and nothing else shows it."""

from __future__ import annotations

import pytest

import vectra_bot
from vectra_bot import Strategy, param

TOKEN = "canary-secret-7f31"


class Keyed(Strategy):
    """Trades with the right key only."""

    key: str = param("", secret=True)

    def on_game_tick(self, tick: vectra_bot.models.GameTick, game: vectra_bot.GameView) -> None:
        if tick.tick == 5 and self.key == TOKEN:
            self.actions.buy("0.01")


@pytest.mark.parametrize("engine", ["fast", "event"])
def test_a_strategy_has_its_secret(engine: str) -> None:
    """It trades, and neither the JSON nor the page has the value."""
    report = vectra_bot.backtest(Keyed, games=20, seed=7, engine=engine, settings={"key": TOKEN})

    assert report.games_traded > 0
    assert TOKEN not in str(report.to_json()) + report.to_html() + str(report) + repr(report)
