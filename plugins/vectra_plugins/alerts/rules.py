"""The plugin with the bundled alert rules: one for every alert type of the schema."""

from __future__ import annotations

from collections.abc import Callable

from vectra_bot import AlertModel, AlertRule, hookimpl
from vectra_plugins.alerts.rules_custom import CustomSettings, custom_rules
from vectra_plugins.alerts.rules_market import (
    Calendar,
    MarketSettings,
    Milestones,
    Survival,
    Volatility,
)
from vectra_plugins.alerts.rules_others import (
    ExceptionalPlayers,
    LinkAndLatency,
    OthersSettings,
)
from vectra_plugins.alerts.rules_own import OwnSettings, Position, Settlements, ShortWatch, Trades
from vectra_plugins.alerts.rules_rounds import BullBearCrabRounds, CandleflipRounds, RoundSettings
from vectra_plugins.alerts.rules_signals import Signals, SignalSettings


class Alerts(
    MarketSettings, OwnSettings, SignalSettings, OthersSettings, RoundSettings, CustomSettings
):
    """Give alerts of every type of the schema. Off by default.

    Alerts that state a chance have it from the session's model, by default the law, under which no moment is
    better than another: they say so, and are for scoring.
    """

    enabled_by_default = False
    replays = True

    def __attrs_post_init__(self) -> None:
        self.rules = (
            Calendar(),
            Milestones(self),
            Volatility(self),
            Survival(self),
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
