"""What alerts of each type were worth: precision, recall, lead time, profit of acting on them."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from vectra_bot.analysis.intervals import mean_of
from vectra_bot.analysis.odds.formulas import sidebet_return, sidebet_variance
from vectra_bot.analysis.signals.calibration import Claim
from vectra_bot.analysis.signals.played import PlayedGames, SignalGame, type_of
from vectra_bot.game import rules
from vectra_bot.game.fair import expected_return, return_variance
from vectra_bot.models import AlertTrigger


@frozen
class ActedOn:
    """The profit of acting on one alert, per unit of stake, with its expectation by the law."""

    profit: float
    expected: float
    variance: float


@frozen
class TypeScore:
    """One alert type.

    Attributes:
        kind: the type.
        alerts: given in all games.
        per_hour: given in an hour of feed time.
        scored: those that state the chance of an event whose outcome is known.
        stated: mean of the stated chances; None without one.
        precision: share of them whose event happened.
        recall: share of the games with the event in which such an alert came before it.
        lead_ticks: median ticks from a right alert to the rug; None for other events.
        p_value: two-sided chance of such a difference of precision and stated chance.
        bets: number of bets that acting on the alerts makes.
        profit: mean profit of acting, per unit of stake.
        interval: 95 % confidence interval of it; None below two games.
        expected: mean profit by the law.
        claimed: mean of the expected values that the alerts state.
        luck: chance that luck alone does at least as well.
        unverified: whether the payoff is.
    """

    kind: str
    alerts: int
    per_hour: float | None
    scored: int = 0
    stated: float | None = None
    precision: float | None = None
    recall: float | None = None
    lead_ticks: float | None = None
    p_value: float | None = None
    bets: int = 0
    profit: float | None = None
    interval: tuple[float, float] | None = None
    expected: float | None = None
    claimed: float | None = None
    luck: float | None = None
    unverified: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the score as JSON-ready data."""
        return {
            "type": self.kind,
            "alerts": self.alerts,
            "per_hour": self.per_hour,
            "scored": self.scored,
            "stated": self.stated,
            "precision": self.precision,
            "recall": self.recall,
            "lead_ticks": self.lead_ticks,
            "p_value": self.p_value,
            "bets": self.bets,
            "profit": self.profit,
            "interval": None if self.interval is None else list(self.interval),
            "expected": self.expected,
            "claimed": self.claimed,
            "luck": self.luck,
            "unverified": self.unverified,
        }


def scores(played: PlayedGames) -> tuple[list[TypeScore], list[Claim]]:
    """Return the score of every alert type that occurred, and all stated chances with their outcomes."""
    claims: list[Claim] = []
    bets: dict[str, list[tuple[int, ActedOn]]] = defaultdict(list)
    found: dict[str, list[tuple[SignalGame, AlertTrigger, bool]]] = defaultdict(list)
    for number, game in enumerate(played.games):
        for alert in game.alerts:
            data, kind = alert.source_data or {}, type_of(alert)
            happened = _outcome(data, game, played.rounds)
            if happened is None:
                continue
            model, chance = str(data.get("model", "")), float(data["probability"])
            claims.append(Claim(model, kind, number, chance, happened))
            found[kind].append((game, alert, happened))
            bet = _bet(data, game, happened=happened)
            if bet is not None:
                bets[kind].append((number, bet))
    types = [
        _score(kind, count, played, found.get(kind, []), bets.get(kind, []))
        for kind, count in sorted(played.counts.items())
    ]
    return types, claims


def _outcome(data: Mapping[str, Any], game: SignalGame, results: Mapping[str, str]) -> bool | None:
    """Return whether the event that an alert states happened, None if that is not known."""
    event = data.get("event")
    if event == "round":
        result = results.get(str(data.get("round_id")))
        return result == data.get("choice") if result else None
    tick, horizon, rug = data.get("tick"), data.get("horizon_ticks"), game.rug_tick
    if not isinstance(tick, int) or not isinstance(horizon, int) or rug is None or tick >= rug:
        return None
    if event == "rug":
        return rug <= tick + horizon
    return rug > tick + horizon if event == "survival" else None


def _bet(data: Mapping[str, Any], game: SignalGame, *, happened: bool) -> ActedOn | None:
    """Return what acting on an alert made, None if it names no bet."""
    match data.get("bet"):
        case "sidebet":
            tick = int(data["tick"])
            profit = float(rules.SIDEBET_PAYOUT_X - 1 if happened else -1)
            return ActedOn(profit, sidebet_return(tick), sidebet_variance(tick))
        case "round":
            chance, payout = float(data["probability"]), float(data["payout_x"])
            profit = payout - 1 if happened else -1.0
            return ActedOn(profit, chance * payout - 1, payout**2 * chance * (1 - chance))
        case "long":
            return _held(data, game)
        case "short" | "exit":
            held = _held(data, game)
            return None if held is None else ActedOn(-held.profit, -held.expected, held.variance)
    return None


def _held(data: Mapping[str, Any], game: SignalGame) -> ActedOn | None:
    """Return the profit of holding from the alert to its horizon, or to the rug.

    Expected is the sum over the ticks held of what the law expects of each, at the prices that came: profit
    minus expected has mean 0 whatever the rule, and its variance is the sum of the variances.
    """
    prices, rug = game.prices, game.rug_tick
    start = int(data["tick"])
    end = start + int(data["horizon_ticks"])
    if rug is None or game.rug_price is None or start >= len(prices):
        return None
    before = prices[: start + 1]
    if not all(price > 0 for price in before):  # a tick was missed: the low is not known
        return None
    low, entry = min(before), prices[start]
    expected = variance = 0.0
    for tick in range(start, min(end, rug)):
        if tick >= len(prices) or not prices[tick] > 0:
            return None
        low = min(low, prices[tick])
        share = prices[tick] / entry
        expected += share * expected_return(prices[tick], low)
        variance += share * share * return_variance(prices[tick], low)
    if rug > end >= len(prices):
        return None
    last = game.rug_price if rug <= end else prices[end]
    return ActedOn(last / entry - 1, expected, variance) if last == last else None


def _score(
    kind: str,
    count: int,
    played: PlayedGames,
    found: list[tuple[SignalGame, AlertTrigger, bool]],
    bets: list[tuple[int, ActedOn]],
) -> TypeScore:
    per_hour = count / played.hours if played.hours else None
    if not found:
        return TypeScore(kind, count, per_hour)
    chances = [float((alert.source_data or {})["probability"]) for _, alert, _ in found]
    happened = [hit for _, _, hit in found]
    values = [
        float((alert.source_data or {})["expected_value"])
        for _, alert, _ in found
        if "expected_value" in (alert.source_data or {})
    ]
    return TypeScore(
        kind,
        count,
        per_hour,
        scored=len(found),
        stated=math.fsum(chances) / len(chances),
        precision=sum(happened) / len(happened),
        recall=_recall(found, played),
        lead_ticks=_lead(found),
        p_value=_two_sided(chances, happened),
        claimed=math.fsum(values) / len(values) if values else None,
        unverified=any((alert.source_data or {}).get("unverified") for _, alert, _ in found),
        **_profit(bets),
    )


def _recall(
    found: list[tuple[SignalGame, AlertTrigger, bool]], played: PlayedGames
) -> float | None:
    data = found[0][1].source_data or {}
    event = data.get("event")
    if event == "round" or not played.finished:
        return None
    games = played.finished
    if event == "survival":
        horizon = int(data["horizon_ticks"])
        games = sum(count for tick, count in played.lived.items() if tick > horizon)
    return len({id(game) for game, _, hit in found if hit}) / games if games else None


def _lead(found: list[tuple[SignalGame, AlertTrigger, bool]]) -> float | None:
    ticks = [
        game.rug_tick - int(data["tick"])
        for game, alert, hit in found
        if hit
        and (data := alert.source_data or {}).get("event") == "rug"
        and game.rug_tick is not None
    ]
    return float(statistics.median(ticks)) if ticks else None


def _two_sided(chances: list[float], happened: list[bool]) -> float | None:
    """Return the normal p-value of one type, each game's alerts taken as independent."""
    variance = math.fsum(chance * (1 - chance) for chance in chances)
    if variance <= 0:
        return None
    z = (sum(happened) - math.fsum(chances)) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


def _profit(bets: list[tuple[int, ActedOn]]) -> dict[str, Any]:
    """Return the keys of a score about the profit of acting; bets of one game count as one value."""
    if not bets:
        return {}
    by_game: dict[int, list[float]] = defaultdict(list)
    for number, bet in bets:
        by_game[number].append(bet.profit)
    mean = mean_of([math.fsum(profits) / len(profits) for profits in by_game.values()])
    total = math.fsum(bet.profit for _, bet in bets)
    expected = math.fsum(bet.expected for _, bet in bets)
    variance = math.fsum(bet.variance for _, bet in bets)
    luck = None
    if variance > 0:
        luck = 0.5 * math.erfc((total - expected) / math.sqrt(2 * variance))
    interval = None
    if mean is not None and mean.low is not None and mean.high is not None:
        interval = (mean.low, mean.high)
    return {
        "bets": len(bets),
        "profit": total / len(bets),
        "interval": interval,
        "expected": expected / len(bets),
        "luck": luck,
    }


__all__ = ["TypeScore", "scores"]
