"""Rules bound to expressions of the user: CUSTOM_SIGNAL_1 to CUSTOM_SIGNAL_3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from vectra_bot import AlertDraft, AlertRule, GameView
from vectra_bot.models import AlertType, GameTick
from vectra_plugins.alerts.expressions import Expression, Seen

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

CUSTOM_HELP = "expression of the game that gives the custom signal {}; empty: none"


class CustomSignals(AlertRule):
    """An expression of the user became true; again when it does after it was false.

    CUSTOM_SIGNAL_1: that of `custom_1`, at most `custom_per_game` times in a game. Info.
    CUSTOM_SIGNAL_2: that of `custom_2`. Info.
    CUSTOM_SIGNAL_3: that of `custom_3`. Info.
    """

    alert_types: ClassVar = (
        AlertType.CUSTOM_SIGNAL_1,
        AlertType.CUSTOM_SIGNAL_2,
        AlertType.CUSTOM_SIGNAL_3,
    )

    def __init__(
        self, expressions: tuple[tuple[AlertType, Expression], ...], per_game: int
    ) -> None:
        self.expressions = expressions
        self.per_game = per_game
        self.holding = Expression.all_of([expression for _, expression in expressions])
        self.seen = Seen()
        self.on_game_start()

    def on_game_start(self) -> None:
        self.seen.clear()
        self.held = (False,) * len(self.expressions)
        self.left = [self.per_game] * len(self.expressions)

    def on_game_tick(self, tick: GameTick, game: GameView) -> list[AlertDraft] | None:
        seen, held = self.seen, self.held
        seen.add(tick)
        try:
            holds = self.holding(seen)
        except ArithmeticError:
            holds = tuple(expression.holds(seen) for _, expression in self.expressions)
        if holds == held:
            return None
        self.held, found = holds, []
        for index, (kind, expression) in enumerate(self.expressions):
            if holds[index] and not held[index] and self.left[index] > 0:
                self.left[index] -= 1
                found.append(self._alert(kind, expression, tick))
        return found or None

    def _alert(self, kind: AlertType, expression: Expression, tick: GameTick) -> AlertDraft:
        return self.alert(
            f"Custom signal {kind.value[-1]}",
            f"{expression.text} at tick {tick.tick}, {tick.price:.4f}x.",
            alert_type=kind,
            data={"expression": expression.text, "tick": tick.tick, "price": tick.price},
            expires_s=15,
        )


def custom_rules(settings: Alerts) -> Iterator[AlertRule]:
    """Yield the rule of the expressions that are set, none without.

    Raises:
        ConfigError: an expression is wrong.
    """
    given = zip(
        CustomSignals.alert_types,
        (settings.custom_1, settings.custom_2, settings.custom_3),
        strict=True,
    )
    expressions = tuple((kind, Expression(text)) for kind, text in given if text.strip())
    if expressions:
        yield CustomSignals(expressions, settings.custom_per_game)
