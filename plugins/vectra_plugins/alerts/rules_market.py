"""Rules about the game itself: its start and rug, multiples, volatility, survival."""

from __future__ import annotations

from collections import deque
from math import log, sqrt
from typing import TYPE_CHECKING, ClassVar

from vectra_bot import AlertDraft, AlertRule, ConfigError, GameView
from vectra_bot.models import AlertType, GamePhase, GameTick

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

NEVER = 2**63


def numbers(name: str, text: str, *, above: float, below: float = 1e9) -> tuple[float, ...]:
    """Return the numbers in *text*, separated by commas, in increasing order.

    Raises:
        ConfigError: one is not a number between the limits.
    """
    try:
        found = tuple(sorted(float(part) for part in text.split(",") if part.strip()))
    except ValueError:
        raise ConfigError(f"{name} was {text!r}: give numbers separated by commas") from None
    if not all(above < number < below for number in found) or len(found) > 100:
        raise ConfigError(
            f"{name} was {text!r}: give at most 100 numbers above {above:g} and below {below:g}"
        )
    return found


class Calendar(AlertRule):
    """A game started; a game rugged.

    GAME_START: at tick 0, or at the first frame of a game joined late. Info.
    GAME_RUG: at the rug. Warning.
    """

    alert_types: ClassVar = (AlertType.GAME_START, AlertType.GAME_RUG)

    def on_game_start(self, game: GameView) -> AlertDraft:
        late = f", joined at tick {game.tick}" if game.joined_late else ""
        return self.alert(
            "Game started",
            f"Game {game.game_id} started{late}.",
            alert_type=AlertType.GAME_START,
            data={"tick": game.tick, "joined_late": game.joined_late},
            expires_s=10,
        )

    def on_phase(self, game: GameView) -> AlertDraft | None:
        if game.phase is not GamePhase.RUGGED:
            return None
        at = "" if game.rug_tick is None else f" at tick {game.rug_tick}"
        return self.alert(
            "Rugged",
            f"Game {game.game_id} rugged{at}; its peak was {game.peak:.2f}x.",
            alert_type=AlertType.GAME_RUG,
            severity="warning",
            data={"rug_tick": game.rug_tick, "peak": game.peak},
            expires_s=15,
        )


class Milestones(AlertRule):
    """The game reached a multiple of the start price, or outlived a share of all games; each once per game.

    MULTIPLIER_MILESTONE: the price reached one of `milestones`. Info.
    SURVIVAL_MILESTONE: by the law, one of `survival_percent` of all games have rugged by this tick. Info.
    """

    alert_types: ClassVar = (AlertType.MULTIPLIER_MILESTONE, AlertType.SURVIVAL_MILESTONE)

    def __init__(self, settings: Alerts) -> None:
        self.multiples = numbers("milestones", settings.milestones, above=1)
        self.percents = numbers("survival_percent", settings.survival_percent, above=0, below=100)
        self.ticks: tuple[int, ...] = ()
        self.reached = self.outlived = 0
        self.next_price, self.next_tick = float("inf"), NEVER

    def on_game_start(self, game: GameView) -> None:
        if not self.ticks:
            model = self.model
            self.ticks = tuple(model.survival_tick(percent / 100) for percent in self.percents)
        self._aim_price(game.price)
        self._aim_tick(game.tick)

    def on_game_tick(self, tick: GameTick, game: GameView) -> list[AlertDraft] | None:
        if tick.price < self.next_price and tick.tick < self.next_tick:
            return None
        found = []
        if tick.price >= self.next_price:
            found.append(self._multiple(tick))
        if tick.tick >= self.next_tick:
            found.append(self._outlived(tick))
        return found

    def _aim_price(self, price: float) -> None:
        self.reached = sum(multiple <= price for multiple in self.multiples)
        left = self.multiples[self.reached :]
        self.next_price = left[0] if left else float("inf")

    def _aim_tick(self, tick: int) -> None:
        self.outlived = sum(past <= tick for past in self.ticks)
        left = self.ticks[self.outlived :]
        self.next_tick = left[0] if left else NEVER

    def _multiple(self, tick: GameTick) -> AlertDraft:
        self._aim_price(tick.price)
        multiple = self.multiples[self.reached - 1]
        return self.alert(
            f"{multiple:g}x",
            f"The price reached {multiple:g}x at tick {tick.tick}.",
            alert_type=AlertType.MULTIPLIER_MILESTONE,
            data={"multiple": multiple, "tick": tick.tick, "price": tick.price},
            expires_s=20,
        )

    def _outlived(self, tick: GameTick) -> AlertDraft:
        self._aim_tick(tick.tick)
        percent = self.percents[self.outlived - 1]
        return self.alert(
            f"Outlived {percent:g} %",
            f"By tick {tick.tick}, {percent:g} % of all games have rugged. The chance that the next tick "
            "rugs is the same as at the start.",
            alert_type=AlertType.SURVIVAL_MILESTONE,
            data={"percent": percent, "tick": tick.tick},
            expires_s=20,
        )


class Volatility(AlertRule):
    """The price moves unusually much, or unusually little.

    VOLATILITY_SPIKE: the standard deviation of the last log returns is at least `volatility_spike`, once per
        game. Info.
    VOLATILITY_CALM: it is at most `volatility_calm`, once per game. Info.
    """

    alert_types: ClassVar = (AlertType.VOLATILITY_SPIKE, AlertType.VOLATILITY_CALM)

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.on_game_start()

    def on_game_start(self) -> None:
        own = self.settings
        self.count = own.volatility_ticks
        self.spike, self.calm = own.volatility_spike**2, own.volatility_calm**2
        self.last = 0.0
        self.returns: deque[float] = deque(maxlen=self.count)
        self.sum = self.squares = 0.0
        self.spiked = self.calmed = self.asleep = False

    def on_game_tick(self, tick: GameTick, game: GameView) -> AlertDraft | None:
        price, last, returns, count = tick.price, self.last, self.returns, self.count
        self.last = price
        if last <= 0 or price <= 0:
            return None
        value = log(price / last)
        total, squares = self.sum + value, self.squares + value * value
        if len(returns) < count:
            self.sum, self.squares = total, squares
            returns.append(value)
            return None
        old = returns[0]
        returns.append(value)
        self.sum = total = total - old
        self.squares = squares = squares - old * old
        spread = (squares - total * total / count) / (count - 1)
        if spread >= self.spike and not self.spiked:
            self.spiked = True
            return self._alert(AlertType.VOLATILITY_SPIKE, "Volatility spike", tick, spread)
        if spread <= self.calm and not self.calmed:
            self.calmed = True
            return self._alert(AlertType.VOLATILITY_CALM, "Calm", tick, spread)
        return None

    def _alert(self, kind: AlertType, title: str, tick: GameTick, spread: float) -> AlertDraft:
        self.asleep = self.spiked and self.calmed
        deviation, count = sqrt(max(spread, 0.0)), self.settings.volatility_ticks
        return self.alert(
            title,
            f"Log returns of the last {count} ticks have a standard deviation of {deviation:.3f} a tick. "
            "Under the law this says nothing of the next one.",
            alert_type=kind,
            data={"tick": tick.tick, "deviation": deviation, "ticks": count},
            expires_s=10,
        )
