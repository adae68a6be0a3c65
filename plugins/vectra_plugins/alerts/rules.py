"""The plugin with the bundled alert rules: one for every alert type of the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vectra_bot import AlertModel, AlertRule, Plugin, hookimpl, param
from vectra_plugins.alerts.rules_custom import CUSTOM_HELP, custom_rules
from vectra_plugins.alerts.rules_market import (
    Calendar,
    Milestones,
    Volatility,
)
from vectra_plugins.alerts.rules_others import (
    ExceptionalPlayers,
    LinkAndLatency,
    players_of,
)
from vectra_plugins.alerts.rules_own import Position, Settlements, ShortWatch, Trades
from vectra_plugins.alerts.rules_rounds import BullBearCrabRounds, CandleflipRounds
from vectra_plugins.alerts.rules_signals import Signals


class Alerts(Plugin):
    """Give alerts of every type of the schema. Off by default.

    Alerts that state a chance have it from the session's model, by default the law, under which no moment is
    better than another: they say so, and are for scoring.
    """

    enabled_by_default = False
    replays = True

    milestones: str = param("2,10,50,100", help="multiples of the start price that give an alert")
    volatility_ticks: int = param(20, low=5, high=240, help="ticks over which volatility is taken")
    volatility_spike: float = param(
        0.12, low=0.0, help="standard deviation of log returns per tick that is a spike"
    )
    volatility_calm: float = param(
        0.02, low=0.0, help="standard deviation of log returns per tick that is calm"
    )
    survival_percent: str = param(
        "50,75,90,99", help="a game that outlives this percentage of all games gives an alert"
    )

    failed_per_game: int = param(
        3, low=0, high=1000, help="alerts of failed actions in one game; later ones give none"
    )
    profit_percent: float = param(25.0, low=0.1, help="rise of our position that gives an alert")
    loss_percent: float = param(
        25.0, low=0.1, high=100.0, help="fall of our position that gives an alert"
    )
    short_profit_percent: float = param(
        25.0, low=0.1, help="profit of our short that gives the exit signal"
    )
    short_loss_percent: float = param(
        25.0, low=0.1, high=100.0, help="loss of our short that gives the exit signal"
    )
    short_risk_percent: float = param(
        75.0, low=0.1, high=100.0, help="loss of our short that gives the liquidation warning"
    )

    horizon_ticks: int = param(
        40, low=1, high=5000, help="ticks ahead of the stated chance to rug or to survive"
    )
    rug_warning_tick: int = param(139, low=0, high=5000, help="first tick of the rug warning")
    rug_warning_chance: float = param(
        0.0, low=0.0, high=1.0, help="chance to rug within the horizon that gives the rug warning"
    )
    sidebet_tick: int = param(60, low=0, high=5000, help="first tick of the sidebet signal")
    sidebet_chance: float = param(
        0.0, low=0.0, high=1.0, help="chance to win that gives the sidebet signal"
    )
    entry_tick: int = param(10, low=0, high=5000, help="first tick of the entry signal")
    entry_chance: float = param(
        0.0, low=0.0, high=1.0, help="chance to outlive the horizon that gives the entry signal"
    )
    exit_tick: int = param(100, low=0, high=5000, help="first tick of the exit signal")
    exit_chance: float = param(
        0.0, low=0.0, high=1.0, help="chance to rug within the horizon that gives the exit signal"
    )
    short_entry_tick: int = param(30, low=0, high=5000, help="first tick of the short entry signal")
    short_entry_chance: float = param(
        0.0,
        low=0.0,
        high=1.0,
        help="chance to rug within the horizon that gives the short entry signal",
    )

    exceptional_players: str = param(
        "", help="ids of players to watch, separated by commas, or @FILE with one id on each line"
    )
    latency_ms: int = param(
        1000,
        low=1,
        high=3_600_000,
        help="time from an action to its confirmation that is high, in ms",
    )

    rounds_per_game: int = param(
        1, low=0, high=1000, help="rounds of each side game that are announced during one game"
    )
    bbc_value: float = param(
        -1.0, low=-1.0, help="expected value per unit of stake that gives the Bull/Bear/Crab signal"
    )
    candleflip_streak: int = param(
        5, low=2, high=1000, help="equal results in a row in one room that give an alert"
    )

    custom_1: str = param("", help=CUSTOM_HELP.format(1))
    custom_2: str = param("", help=CUSTOM_HELP.format(2))
    custom_3: str = param("", help=CUSTOM_HELP.format(3))
    custom_per_game: int = param(
        3, low=1, high=1000, help="alerts of each custom signal in one game"
    )

    @classmethod
    def settled(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return *settings* with the content of the file of players."""
        given = settings.get("exceptional_players")
        if not isinstance(given, str) or not given.startswith("@"):
            return settings
        return {**settings, "exceptional_players": players_of(Path(given[1:]).expanduser())}

    def __attrs_post_init__(self) -> None:
        self.rules = (
            Calendar(),
            Milestones(self),
            Volatility(self),
            Signals(self),
            Trades(self),
            Position(self),
            Settlements(),
            ShortWatch(self),
            BullBearCrabRounds(self),
            CandleflipRounds(self),
            ExceptionalPlayers(self),
            LinkAndLatency(self),
            *custom_rules(self),
        )

    @hookimpl
    def register_alert_rules(self, register: Callable[[AlertRule | AlertModel], None]) -> None:
        """Register the rules."""
        for rule in self.rules:
            register(rule)


__all__ = ["Alerts"]
