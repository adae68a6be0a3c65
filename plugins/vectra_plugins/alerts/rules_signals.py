"""Rules that state a chance and an expected value, from the session's model; by default the law."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from vectra_bot import AlertDraft, AlertRule, GameView
from vectra_bot.models import AlertType, GameTick

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

SIDEBET_TICKS = 40
SIDEBET_PAYOUT_X = 5
NEVER = 2**63


@frozen
class _Signal:
    """One signal: when it may come, and how it reads."""

    kind: AlertType
    tick: int
    least: float
    title: str
    event: str = "rug"
    bet: str = ""
    severity: str = "info"


class Signals(AlertRule):
    """Sidebet, entry, exit, short entry and rug signals, each once per game.

    Each comes at the first tick from its own tick on at which the model's chance is at least its threshold.

    RUG_WARNING: from `rug_warning_tick` on, the chance to rug within `horizon_ticks`. Warning.
    SIDEBET_OPTIMAL_ZONE: from `sidebet_tick` on, the chance that a sidebet wins. Info.
    HIGH_POTENTIAL_ENTRY: from `entry_tick` on, the chance to outlive `horizon_ticks`. Info.
    HIGH_POTENTIAL_EXIT: from `exit_tick` on, the chance to rug within `horizon_ticks`. Info.
    SHORT_ENTRY_SIGNAL: from `short_entry_tick` on, the chance to rug within `horizon_ticks`. Info.
    """

    alert_types: ClassVar = (
        AlertType.RUG_WARNING,
        AlertType.SIDEBET_OPTIMAL_ZONE,
        AlertType.HIGH_POTENTIAL_ENTRY,
        AlertType.HIGH_POTENTIAL_EXIT,
        AlertType.SHORT_ENTRY_SIGNAL,
    )

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        own = self.settings
        self.signals = (
            _Signal(
                AlertType.HIGH_POTENTIAL_ENTRY,
                own.entry_tick,
                own.entry_chance,
                "Entry",
                event="survival",
                bet="long",
            ),
            _Signal(
                AlertType.SHORT_ENTRY_SIGNAL,
                own.short_entry_tick,
                own.short_entry_chance,
                "Short entry",
                bet="short",
            ),
            _Signal(
                AlertType.SIDEBET_OPTIMAL_ZONE,
                own.sidebet_tick,
                own.sidebet_chance,
                "Sidebet",
                bet="sidebet",
            ),
            _Signal(
                AlertType.HIGH_POTENTIAL_EXIT, own.exit_tick, own.exit_chance, "Exit", bet="exit"
            ),
            _Signal(
                AlertType.RUG_WARNING,
                own.rug_warning_tick,
                own.rug_warning_chance,
                "Rug warning",
                bet="exit",
                severity="warning",
            ),
        )
        self.left: tuple[_Signal, ...] = ()
        self.next = NEVER

    def on_game_start(self) -> None:
        self._keep(self.signals)

    def _keep(self, left: tuple[_Signal, ...]) -> None:
        self.left, self.asleep = left, not left
        self.next = min((signal.tick for signal in left), default=NEVER)

    def on_game_tick(self, tick: GameTick, game: GameView) -> list[AlertDraft] | None:
        if tick.tick < self.next:
            return None
        return list(self._due(tick, game)) or None

    def _due(self, tick: GameTick, game: GameView) -> Iterator[AlertDraft]:
        for signal in self.left:
            if tick.tick < signal.tick:
                continue
            horizon = SIDEBET_TICKS if signal.bet == "sidebet" else self.settings.horizon_ticks
            chance = self.model.rug_chance(game, horizon)
            stated = 1 - chance if signal.event == "survival" else chance
            if stated >= signal.least:
                self._keep(tuple(one for one in self.left if one is not signal))
                yield self._alert(signal, tick, game, horizon, stated)

    def _alert(
        self, signal: _Signal, tick: GameTick, game: GameView, horizon: int, stated: float
    ) -> AlertDraft:
        if signal.bet == "sidebet":
            value, ticks, what = SIDEBET_PAYOUT_X * stated - 1, horizon, "a sidebet"
        else:
            held = self.model.holding_return(game)
            value = held if signal.bet == "long" else -held
            what = {"long": "holding", "short": "a short", "exit": "selling instead of holding"}[
                signal.bet
            ]
            what, ticks = f"{what} for one tick", 1
        does = "survives" if signal.event == "survival" else "rugs within"
        law = "" if self.model.name != "law" else " By the law, no tick is better than another."
        return self.alert(
            signal.title,
            f"Tick {tick.tick}: the game {does} the next {horizon} ticks with a chance of {stated:.2%}; the "
            f"expected value of {what} is {value:+.2%}.{law}",
            alert_type=signal.kind,
            severity=signal.severity,
            data={
                "model": self.model.name,
                "event": signal.event,
                "horizon_ticks": horizon,
                "probability": stated,
                "bet": signal.bet,
                "expected_value": value,
                "value_ticks": ticks,
                "tick": tick.tick,
                "price": tick.price,
                "unverified": signal.bet == "short",
            },
            expires_s=horizon * 0.25,
        )
