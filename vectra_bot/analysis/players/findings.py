"""The result of judging players, as records that turn into JSON."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any, Final

import attrs
from attrs import frozen

from vectra_bot.models import ExceptionalPlayer

_RATE: Final = Decimal("0.000001")


class Imitation(str, Enum):
    """Which players are targets of imitation."""

    NEVER = "never"
    """None: under the law timing cannot be skill."""
    ANOMALIES = "anomalies"
    """Those whose results the law does not explain."""
    SEED_RULE = "seed-rule"
    """Those who win more than 60 % of 10 games or more, by the schema's rule."""


@frozen
class PlayersSeen:
    """How much of the play was seen.

    Attributes:
        games: games with a trade, a sidebet or a price.
        games_with_prices: those with at least one price.
        games_with_sidebets: those with a sidebet in the venue's complete list.
        games_with_table: those whose final leaderboard was seen.
        trades: trades seen.
        trade_share: share of the venue's trades that was seen, None if no game states their number.
        sidebets: decided sidebets.
        purchases_not_judged: purchases without a bet: a second one of a tick, or a price is missing.
        sidebets_not_judged: sidebets without a bet: they overlap, or their end was certain or odd.
        unreadable: frames and rows that could not be read.
    """

    games: int
    games_with_prices: int
    games_with_sidebets: int
    games_with_table: int
    trades: int
    trade_share: float | None
    sidebets: int
    purchases_not_judged: int
    sidebets_not_judged: int
    unreadable: int


@frozen
class RuleFigures:
    """A rule that calls players winners by their win rate, and how often it is wrong.

    Attributes:
        name: ``seed`` is the schema's query; ``profit`` the same limits on known profits.
        judged: players with 10 games or more.
        flagged: those who win more than 60 %.
        anomalies: those of them whom the law does not explain.
        expected_by_luck: share of the judged that the rule would flag if all had the common win rate.
        false_positive_rate: share of the judged without foresight that it flagged; None unless simulated.
    """

    name: str
    judged: int
    flagged: int
    anomalies: int
    expected_by_luck: float | None
    false_positive_rate: float | None


@frozen
class PlantedTruth:
    """What the simulation knows, and a store does not.

    Attributes:
        planted: players who saw each next price.
        found: anomalies among them.
        found_share: their share, None without planted players.
        false_discoveries: anomalies who were not planted.
        false_discovery_rate: their share of the anomalies, 0 without any.
    """

    planted: int
    found: int
    found_share: float | None
    false_discoveries: int
    false_discovery_rate: float


@frozen
class JudgedPlayer:
    """One player.

    Attributes:
        player_id, username: who it is; no name if none was seen.
        record: the schema's record; None for a player who was not seen enough.
        games: games with a trade or sidebet.
        games_known: those with a known result in SOL.
        sources: games by how the result is known.
        wins: known results above 0.
        win_rate, win_rate_low, win_rate_high: share of the known games, and Wilson's 95 % interval.
        win_rate_least: the share if every unknown game was lost.
        win_rate_shrunk: the rate by empirical Bayes.
        entry_zones, exit_zones: entries and exits by trades that are early, mid and late.
        entries: purchases that were judged.
        edge, edge_low, edge_high: mean return to the next tick above the law's, and its 95 % interval.
        edge_shrunk: the edge by empirical Bayes.
        log10_e: decimal logarithm of the e-value.
        log10_e_entries, log10_e_sidebets: of its two parts.
        anomaly: whether the law does not explain the player at the level of the report.
        seed_rule: whether the schema's rule calls the player exceptional.
        planted: whether the simulation planted the player; None of a store.
    """

    player_id: str
    username: str | None
    record: ExceptionalPlayer | None
    games: int
    games_known: int
    sources: dict[str, int]
    wins: int
    win_rate: float | None
    win_rate_low: float | None
    win_rate_high: float | None
    win_rate_least: float | None
    win_rate_shrunk: float | None
    entry_zones: dict[str, int]
    exit_zones: dict[str, int]
    entries: int
    edge: float | None
    edge_low: float | None
    edge_high: float | None
    edge_shrunk: float | None
    log10_e: float
    log10_e_entries: float
    log10_e_sidebets: float
    anomaly: bool
    seed_rule: bool
    planted: bool | None


@frozen(kw_only=True)
class PlayersReport:
    """All players that were seen, the most suspicious first.

    Attributes:
        level: rate of false discoveries at which anomalies are reported.
        min_games: known results that a record needs.
        imitation: who is a target of imitation.
        seen: coverage.
        tested: players on whom at least one bet was made.
        log10_e_needed: decimal logarithm of the e-value that an anomaly needs.
        anomalies: players whom the law does not explain.
        records: players with a record.
        edge_of_all, edge_of_all_low, edge_of_all_high: mean edge of all purchases that were seen, and its
            95 % interval by games; None below two games. Above 0 means that the sample favours what rose,
            that the model is wrong, or that somebody knows what comes.
        win_rate_mean, win_rate_strength: of the prior to which win rates are shrunk; the strength is None if
            nothing shows that players differ.
        rules: the schema's rule and its figures.
        truth: None of a store.
        players: every one.
    """

    level: float
    min_games: int
    imitation: Imitation
    seen: PlayersSeen
    tested: int
    log10_e_needed: float
    anomalies: int
    records: int
    edge_of_all: float | None
    edge_of_all_low: float | None
    edge_of_all_high: float | None
    win_rate_mean: float | None
    win_rate_strength: float | None
    rules: tuple[RuleFigures, ...]
    truth: PlantedTruth | None
    players: tuple[JudgedPlayer, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-serializable data; amounts and rates of records are text."""
        return attrs.asdict(self, value_serializer=_plain)


def rate(value: float) -> Decimal:
    """Return a rate as records have it: six decimals."""
    return Decimal(value).quantize(_RATE)


def _plain(_: type, __: object, value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.value if isinstance(value, Enum) else value
