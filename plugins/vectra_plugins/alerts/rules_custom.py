"""Rules bound to expressions of the user: CUSTOM_SIGNAL_1 to CUSTOM_SIGNAL_3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from attrs import define

from vectra_bot import AlertDraft, AlertRule, GameView
from vectra_bot.models import AlertType, GameTick
from vectra_plugins.alerts.expressions import Expression, Seen

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

CUSTOM_HELP = "expression of the game that gives the custom signal {}; empty: none"


@define
class _Open:
    """An expression that may give more alerts in this game."""

    kind: AlertType
    expression: Expression
    read: Callable[[Seen], bool]
    was: bool = False
    given: int = 0


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
        self.seen = Seen()
        self.on_game_start()

    def on_game_start(self) -> None:
        self.seen.clear()
        self.open = [_Open(kind, one, one.read) for kind, one in self.expressions]

    def on_game_tick(self, tick: GameTick, game: GameView) -> list[AlertDraft] | None:
        if not self.open:
            return None
        seen, found = self.seen, None
        seen.add(tick)
        for one in self.open:
            try:
                now = one.read(seen)
            except ArithmeticError:
                now = False
            if now is not one.was:
                one.was = now
                if now:
                    one.given += 1
                    found = [*(found or ()), self._alert(one.kind, one.expression, tick)]
        if found:
            self.open = [one for one in self.open if one.given < self.per_game]
        return found

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
