"""Rules about our own actions and holdings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from vectra_bot import AlertDraft, AlertRule, GameView
from vectra_bot.models import (
    AlertType,
    GameTick,
    PlayerAction,
    PlayerState,
    StakeSettled,
)

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

REARM = 0.5  # share of a threshold below which a crossing counts again


class Trades(AlertRule):
    """One of our actions was executed, or failed.

    TRADE_SUCCESS: every action that was proven executed. Success.
    TRADE_FAILED: an action was denied, refused, not sent or not proven, at most `failed_per_game` times in a
        game. Error.
    """

    alert_types: ClassVar = (AlertType.TRADE_SUCCESS, AlertType.TRADE_FAILED)

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.failed = 0

    def on_game_end(self) -> None:
        self.failed = 0

    def on_action_outcome(self, action: PlayerAction) -> AlertDraft | None:
        if action.action_type.is_local:
            return None
        outcome = action.outcome
        if outcome is not None and outcome.success:
            amount = outcome.executed_amount if action.amount is None else action.amount
            parts = [
                "" if amount is None else f"{amount} SOL",
                "" if outcome.executed_price is None else f"at {outcome.executed_price:.4f}x",
            ]
            text = " ".join(filter(None, parts)) or "The venue has executed it"
            return self._alert(action, AlertType.TRADE_SUCCESS, "success", "executed", text)
        self.failed += 1
        if self.failed > self.settings.failed_per_game:
            return None
        reason = None if outcome is None else outcome.error_reason or outcome.error
        last = self.failed == self.settings.failed_per_game
        more = "; later failures in this game give no alert" if last else ""
        return self._alert(
            action,
            AlertType.TRADE_FAILED,
            "error",
            "failed",
            f"{action.state.value}: {reason or 'not proven'}{more}",
        )

    def _alert(
        self, action: PlayerAction, kind: AlertType, severity: str, title: str, text: str
    ) -> AlertDraft:
        return self.alert(
            f"{action.action_type.value} {title}",
            f"{text}.",
            alert_type=kind,
            severity=severity,
            data={
                "action_id": action.action_id,
                "state": action.state.value,
                "latency_ms": action.total_latency_ms,
            },
            expires_s=20,
        )


class Settlements(AlertRule):
    """Our sidebet was won or lost.

    SIDEBET_WON: at its settlement. Success.
    SIDEBET_LOST: at its settlement. Info.
    """

    alert_types: ClassVar = (AlertType.SIDEBET_WON, AlertType.SIDEBET_LOST)

    def on_stake_settled(self, settled: StakeSettled) -> AlertDraft | None:
        if settled.action_type != "SIDEBET":
            return None
        return self.alert(
            "Sidebet won" if settled.won else "Sidebet lost",
            f"The sidebet of {settled.stake} SOL paid {settled.payout} SOL ({settled.pnl:+} SOL).",
            alert_type=AlertType.SIDEBET_WON if settled.won else AlertType.SIDEBET_LOST,
            severity="success" if settled.won else "info",
            data={"action_id": settled.action_id, "pnl": str(settled.pnl)},
            expires_s=30,
        )


class Position(AlertRule):
    """Our long position rose or fell by a percentage; again after it came back by half of it.

    POSITION_PROFIT: it is worth `profit_percent` more than it cost. Success.
    POSITION_LOSS: it is worth `loss_percent` less. Warning.
    """

    alert_types: ClassVar = (AlertType.POSITION_PROFIT, AlertType.POSITION_LOSS)

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.held, self.asleep = False, True
        self.up = self.down = True

    def on_player_update(self, state: PlayerState) -> None:
        held = state.position_qty > 0
        if held and not self.held:
            self.up = self.down = True
        self.held, self.asleep = held, not held

    def on_game_tick(self, tick: GameTick, game: GameView) -> AlertDraft | None:
        position = self.account.position
        if not position:
            return None
        rise = (position.multiple(tick.price) - 1) * 100
        profit, loss = self.settings.profit_percent, self.settings.loss_percent
        self.up = self.up or rise < profit * REARM
        self.down = self.down or rise > -loss * REARM
        if self.up and rise >= profit:
            self.up = False
            return self._alert(AlertType.POSITION_PROFIT, "success", "Profit", rise, tick)
        if self.down and rise <= -loss:
            self.down = False
            return self._alert(AlertType.POSITION_LOSS, "warning", "Loss", rise, tick)
        return None

    def _alert(
        self, kind: AlertType, severity: str, title: str, rise: float, tick: GameTick
    ) -> AlertDraft:
        return self.alert(
            f"{title} {rise:+.0f} %",
            f"The position is worth {abs(rise):.1f} % {'more' if rise > 0 else 'less'} than its cost "
            f"at tick {tick.tick}.",
            alert_type=kind,
            severity=severity,
            data={"percent": rise, "tick": tick.tick, "price": tick.price},
            expires_s=15,
        )


class ShortWatch(AlertRule):
    """Our short reached its profit or loss, or is close to being worth nothing (unverified).

    SHORT_EXIT_SIGNAL: its profit is `short_profit_percent` or its loss `short_loss_percent`, once per short.
        Info or warning.
    SHORT_LIQUIDATION_WARNING: its loss is `short_risk_percent`, once per short. Warning.
    """

    alert_types: ClassVar = (AlertType.SHORT_EXIT_SIGNAL, AlertType.SHORT_LIQUIDATION_WARNING)

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.opened: int | None = None
        self.given: set[AlertType] = set()
        self.asleep = True

    def on_action_outcome(self, action: PlayerAction) -> None:
        if action.action_type.value == "SHORT_OPEN":
            self.asleep = False

    def on_player_update(self) -> None:
        self.asleep = self.account.short is None

    def on_game_end(self) -> None:
        self.opened, self.asleep = None, self.account.short is None

    def on_game_tick(self, tick: GameTick, game: GameView) -> list[AlertDraft] | None:
        return list(self._due(tick, game)) or None

    def _due(self, tick: GameTick, game: GameView) -> Iterator[AlertDraft]:
        short, settings = self.account.short, self.settings
        if short is None:
            return
        if short.entry_tick != self.opened:
            self.opened, self.given = short.entry_tick, set()
        rise = (short.multiple - 1) * 100
        due = (
            (
                AlertType.SHORT_EXIT_SIGNAL,
                rise >= settings.short_profit_percent or rise <= -settings.short_loss_percent,
                "Short exit",
            ),
            (
                AlertType.SHORT_LIQUIDATION_WARNING,
                rise <= -settings.short_risk_percent,
                "Short at risk",
            ),
        )
        for kind, reached, title in due:
            if not reached or kind in self.given:
                continue
            self.given.add(kind)
            held = -self.model.holding_return(game)
            yield self.alert(
                title,
                f"Our short is at {rise:+.1f} % of its stake, as the venue states it (unverified). The "
                f"expected value of keeping it one tick more is {held:+.2%}.",
                alert_type=kind,
                severity="info" if rise > 0 else "warning",
                data={
                    "percent": rise,
                    "tick": tick.tick,
                    "model": self.model.name,
                    "expected_value": held,
                    "value_ticks": 1,
                    "unverified": True,
                },
                expires_s=15,
            )
