"""Judges players: counts every game, then compares each player's results with luck under the law."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from attrs import define, field, frozen

from vectra_bot.analysis.intervals import Z_95, SharedMean, wilson_95
from vectra_bot.analysis.players.findings import (
    Imitation,
    JudgedPlayer,
    PlantedTruth,
    PlayersReport,
    PlayersSeen,
    RuleFigures,
    rate,
)
from vectra_bot.analysis.players.games import ObservedGame, ObservedSidebet, ObservedTrade
from vectra_bot.analysis.players.shrinkage import (
    EdgePrior,
    RatePrior,
    chance_above,
    edge_prior,
    rate_prior,
)
from vectra_bot.analysis.players.skill import e_bh
from vectra_bot.analysis.players.tally import (
    ZONES,
    PlayerGame,
    PlayerTally,
    ResultSource,
    zone_of,
)
from vectra_bot.game.amounts import to_sol
from vectra_bot.models import ExceptionalPlayer

SEED_GAMES: Final = 10
"""Games from which the schema's rule judges a player."""
SEED_RATE: Final = 0.6
"""Win rate above which the schema's rule calls a player exceptional."""

_MOSTLY: Final = 0.8  # share of a player's play that makes a specialization
_SCALP_TICKS: Final = 8
_HOLD_TICKS: Final = 100


@frozen(kw_only=True)
class Standards:
    """How players are judged.

    Attributes:
        level: rate of false discoveries, above 0 and below 1.
        min_games: known results that a record needs, at least 1.
        imitation: who is a target of imitation.
    """

    level: float = 0.01
    min_games: int = 10
    imitation: Imitation = Imitation.NEVER


@define
class PlayerJudge:
    """Takes games in any order and reports on their players; what is kept does not grow with the games."""

    tallies: dict[str, PlayerTally] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    _counts: Counter[str] = field(factory=Counter)
    _edges: SharedMean = field(factory=SharedMean)
    _stated: int = 0
    _of_stated: int = 0

    def add(self, game: ObservedGame) -> None:
        """Count a game; each game once."""
        counts = self._counts
        counts["games"] += 1
        counts["games_with_prices"] += any(price is not None for price in game.prices)
        counts["games_with_sidebets"] += bool(game.sidebets)
        counts["games_with_table"] += bool(game.table)
        counts["trades"] += len(game.trades)
        counts["sidebets"] += len(game.sidebets)
        if game.trade_count is not None:
            self._stated += max(game.trade_count, len(game.trades))
            self._of_stated += len(game.trades)
        trades: dict[str, list[ObservedTrade]] = {}
        bets: dict[str, list[ObservedSidebet]] = {}
        for trade in game.trades:
            trades.setdefault(trade.player_id, []).append(trade)
        for bet in game.sidebets:
            bets.setdefault(bet.player_id, []).append(bet)
        rows = {row.player_id: row for row in game.table}
        edges, purchases = 0.0, 0
        for player in dict.fromkeys((*trades, *bets)):
            part = PlayerGame(game, trades.get(player, ()), bets.get(player, ()), rows.get(player))
            tally = self.tallies.get(player)
            if tally is None:
                tally = self.tallies[player] = PlayerTally()
            edges -= tally.edges.total
            purchases -= tally.edges.count
            tally.add(part)
            edges += tally.edges.total
            purchases += tally.edges.count
            if player in game.names:
                self.names[player] = game.names[player]
        self._edges.add(purchases, edges)

    def report(
        self,
        standards: Standards,
        *,
        planted: Collection[str] | None = None,
        unreadable: int = 0,
    ) -> PlayersReport:
        """Return what the games say of their players.

        Args:
            standards: how they are judged.
            planted: the players who saw each next price, if that is known.
            unreadable: frames and rows that the games lack.
        """
        tested = {player: one.log10_e for player, one in self.tallies.items() if one.bets}
        anomalies, needed = e_bh(tested, standards.level)
        rates = rate_prior([(one.wins, one.known) for one in self.tallies.values() if one.known])
        edges = edge_prior(
            [
                (one.edges.total / one.edges.count, one.edge_variance / one.edges.count**2)
                for one in self.tallies.values()
                if one.edges.count
            ]
        )
        shared = self._edges.mean
        among = _Among(anomalies, rates, edges, planted)
        judged = [
            _judged(player, self.names.get(player), one, standards, among)
            for player, one in self.tallies.items()
        ]
        judged.sort(key=lambda one: (-one.log10_e, one.player_id))
        return PlayersReport(
            level=standards.level,
            min_games=standards.min_games,
            imitation=standards.imitation,
            seen=self._seen(unreadable),
            tested=len(tested),
            log10_e_needed=needed,
            anomalies=len(anomalies),
            records=sum(one.record is not None for one in judged),
            edge_of_all=None if shared is None else shared.mean,
            edge_of_all_low=None if shared is None else shared.low,
            edge_of_all_high=None if shared is None else shared.high,
            win_rate_mean=None if rates is None else rates.mean,
            win_rate_strength=None if rates is None else rates.strength,
            rules=_rules(self.tallies, anomalies, planted),
            truth=None if planted is None else _truth(anomalies, planted),
            players=tuple(judged),
        )

    def _seen(self, unreadable: int) -> PlayersSeen:
        names = (
            "games", "games_with_prices", "games_with_sidebets", "games_with_table", "trades",
            "sidebets",
        )  # fmt: skip
        all_of = self.tallies.values()
        return PlayersSeen(
            **{name: self._counts[name] for name in names},
            trade_share=self._of_stated / self._stated if self._stated else None,
            purchases_not_judged=sum(one.purchases - one.edges.count for one in all_of),
            sidebets_not_judged=sum(one.odd_sidebets for one in all_of),
            unreadable=unreadable,
        )


def judge(
    games: Iterable[ObservedGame],
    standards: Standards,
    *,
    planted: Collection[str] | None = None,
) -> PlayersReport:
    """Return what *games* say of their players."""
    players = PlayerJudge()
    for game in games:
        players.add(game)
    return players.report(standards, planted=planted)


@frozen
class _Among:
    """What all players together say."""

    anomalies: frozenset[str]
    rates: RatePrior | None
    edges: EdgePrior | None
    planted: Collection[str] | None


def _judged(
    player: str,
    name: str | None,
    one: PlayerTally,
    standards: Standards,
    among: _Among,
) -> JudgedPlayer:
    rates, edges = among.rates, among.edges
    known, count = one.known, one.edges.count
    low, high = wilson_95(one.wins, known) if known else (None, None)
    counted = known + one.sources[ResultSource.UNKNOWN]
    edge = one.edges.mean
    variance = one.edge_variance / count**2 if count else 0.0
    reach = Z_95 * math.sqrt(variance)
    anomaly, crude = player in among.anomalies, _is_crude_winner(one)
    wanted = {
        Imitation.NEVER: False,
        Imitation.ANOMALIES: anomaly,
        Imitation.SEED_RULE: crude,
    }[standards.imitation]
    return JudgedPlayer(
        player_id=player,
        username=name,
        record=_record(player, name, one, standards, anomaly=anomaly, wanted=wanted),
        games=one.games,
        games_known=known,
        sources={source.value: one.sources[source] for source in ResultSource},
        wins=one.wins,
        win_rate=one.wins / known if known else None,
        win_rate_low=low,
        win_rate_high=high,
        win_rate_least=one.wins / counted if counted else None,
        win_rate_shrunk=rates.shrink(one.wins, known) if known and rates else None,
        entry_zones={zone: one.entry_zones[zone] for zone in ZONES},
        exit_zones={zone: one.exit_zones[zone] for zone in ZONES},
        entries=count,
        edge=edge,
        edge_low=None if edge is None else edge - reach,
        edge_high=None if edge is None else edge + reach,
        edge_shrunk=None if edge is None or edges is None else edges.shrink(edge, variance),
        log10_e=one.log10_e,
        log10_e_entries=one.by_entries.log10,
        log10_e_sidebets=one.by_sidebets.log10,
        anomaly=anomaly,
        seed_rule=crude,
        planted=None if among.planted is None else player in among.planted,
    )


def _record(
    player: str,
    name: str | None,
    one: PlayerTally,
    standards: Standards,
    *,
    anomaly: bool,
    wanted: bool,
) -> ExceptionalPlayer | None:
    """Return the schema's record; None below the threshold, or if no entry with its exit was seen."""
    if one.known < standards.min_games:
        return None
    # The ticks of trades, and those of sidebets for a player who only bets.
    entry, exit_, hold = one.entries.mean, one.exits.mean, one.holds.mean
    zone = max(ZONES, key=lambda each: one.entry_zones[each])
    if entry is None and one.trades == 0:
        entry, exit_ = one.bet_starts.mean, one.bet_ends.mean
        hold = None if entry is None or exit_ is None else exit_ - entry
        zone = zone_of(entry or 0)
    if entry is None or exit_ is None or hold is None:
        return None
    return ExceptionalPlayer(
        player_id=player,
        username=name,
        total_games_observed=one.games,
        total_trades_observed=one.trades,
        win_rate=rate(one.wins / one.known),
        avg_pnl_per_game=to_sol(one.pnl // one.known),
        avg_entry_tick=round(entry),
        avg_exit_tick=round(exit_),
        preferred_entry_zone=zone,
        avg_hold_duration=round(hold),
        is_consistent_winner=anomaly,
        is_imitation_target=wanted,
        specialization=_specialization(one),
    )


def _specialization(one: PlayerTally) -> str | None:
    if one.sidebets >= _MOSTLY * (one.sidebets + one.entries.count):
        return "sidebets"
    entries, hold = one.entries.count, one.holds.mean
    if one.shorts >= _MOSTLY * entries:
        return "shorts"
    if one.presale >= _MOSTLY * entries:
        return "presale"
    if hold is not None and hold <= _SCALP_TICKS:
        return "scalping"
    return "holding" if hold is not None and hold >= _HOLD_TICKS else None


def _is_crude_winner(one: PlayerTally) -> bool:
    return one.crude_games >= SEED_GAMES and one.crude_wins / one.crude_games > SEED_RATE


def _rules(
    tallies: dict[str, PlayerTally],
    anomalies: frozenset[str],
    planted: Collection[str] | None,
) -> tuple[RuleFigures, ...]:
    results = {
        "seed": {player: (one.crude_wins, one.crude_games) for player, one in tallies.items()},
        "profit": {player: (one.wins, one.known) for player, one in tallies.items()},
    }
    return tuple(_rule(name, found, anomalies, planted) for name, found in results.items())


def _rule(
    name: str,
    results: dict[str, tuple[int, int]],
    anomalies: frozenset[str],
    planted: Collection[str] | None,
) -> RuleFigures:
    judged = {player: found for player, found in results.items() if found[1] >= SEED_GAMES}
    flagged = {player for player, (wins, games) in judged.items() if wins / games > SEED_RATE}
    luck = false = None
    if judged:
        common = sum(wins for wins, _ in judged.values()) / sum(n for _, n in judged.values())
        chances = [chance_above(SEED_RATE, games, common) for _, games in judged.values()]
        luck = math.fsum(chances) / len(chances)
    if planted is not None:
        honest = judged.keys() - set(planted)
        false = len(flagged & honest) / len(honest) if honest else None
    return RuleFigures(name, len(judged), len(flagged), len(flagged & anomalies), luck, false)


def _truth(anomalies: frozenset[str], planted: Collection[str]) -> PlantedTruth:
    found = len(anomalies & set(planted))
    false = len(anomalies) - found
    return PlantedTruth(
        planted=len(planted),
        found=found,
        found_share=found / len(planted) if planted else None,
        false_discoveries=false,
        false_discovery_rate=false / len(anomalies) if anomalies else 0.0,
    )
