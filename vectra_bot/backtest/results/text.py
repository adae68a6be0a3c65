"""A backtest as names and values, for the terminal and ``print(report)``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from vectra_bot.report.text import (
    Copyable,
    Pairs,
    by_state,
    denied_text,
    luck_text,
    shown_sol,
    signed_sol,
)

if TYPE_CHECKING:
    from vectra_bot.backtest.games import Played
    from vectra_bot.backtest.results.report import BacktestReport


def backtest_pairs(report: BacktestReport) -> Pairs:
    """Return names and values of *report*."""
    rows: Pairs = [
        ("Strategy", f"{report.strategy}{settings_text(report.settings)}"),
        ("Games", _games(report)),
        *not_played_pairs(report.not_played, report.ended, report.unplayable),
        ("Actions", f"{by_state(report.actions)}; {report.fills} fills"),
        ("PnL", _pnl(report)),
        ("Expected", _expected(report)),
    ]
    if report.prizes:
        rows.append(("Prizes", f"{signed_sol(report.prizes)} SOL won in drawings, not in the PnL"))
    if report.luck is not None:
        chance = (report.luck, report.luck_method, report.luck_error)
        rows.append(("Luck", luck_text(*chance, of="backtests")))
    rows += [*unverified_pairs(report.unverified), *_spread(report), *_risk(report)]
    if report.denials:
        rows.append(("Denied", denied_text(report.denials)))
    if report.capped:
        rows.append(("Capped", f"the venue's cap reduced the winnings of {report.capped} games"))
    rows += played_pairs(report.played)
    rows += [("Latency", f"{report.latency_ms} ms one way"), ("Seed", report.seed)]
    return [*rows, ("Digest", Copyable(report.digest))]


def speed_text(done: int, total: int, seconds: float) -> str:
    """Return how fast games are played, and how long the rest takes."""
    if not done or seconds <= 0:
        return f"0 of {total} games"
    speed = done / seconds
    return f"{done} of {total} games, {speed:,.0f} games/s, {(total - done) / speed:.0f} s left"


def settings_text(settings: dict[str, object]) -> str:
    """Return parameters as text in brackets, empty without one."""
    text = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f" ({text})" if text else ""


def not_played_pairs(not_played: int, ended: str, unplayable: Mapping[str, int]) -> Pairs:
    """Return the rows that say what was asked for and not played."""
    rows: Pairs = []
    if not_played:
        rows.append(("Not played", f"{not_played} games: the backtest was stopped ({ended})"))
    return rows + [("Not played", f"{count}: {reason}") for reason, count in unplayable.items()]


def unverified_pairs(unverified: Collection[str]) -> Pairs:
    """Return the row that says what was staked on terms that no capture shows, if anything was."""
    if not unverified:
        return []
    terms = "whose terms no capture shows: the profit is that of assumed payoffs and odds"
    return [("Unverified", f"{', '.join(unverified)}, {terms}")]


def played_pairs(played: Played) -> Pairs:
    """Return the rows that say how games were played, none if none was."""
    if not played.blocks:
        return []
    engine = {"fast": "the fast driver", "event": "the engine on the embedded exchange"}.get(
        played.engine, "the fast driver and the engine"
    )
    law = "compiled law" if played.kernel else "law in Python"
    blocks = f"{played.blocks} block{'' if played.blocks == 1 else 's'}"
    rows: Pairs = [("Played", f"by {engine}, {law} {played.version}, in {blocks}")]
    rows += [
        ("Engine", f"{games} games by the engine instead of the fast driver: {why}")
        for why, games in played.why.items()
    ]
    if played.sampled:
        rows.append(
            (
                "Sampled",
                "games were drawn from the law by a free generator: no server seed, nothing to verify",
            )
        )
    if not played.kernel:
        rows.append(
            (
                "Kernel",
                "missing, so prices are slow to compute: install a C compiler, then reinstall",
            )
        )
    return rows


def _games(report: BacktestReport) -> str:
    text = f"{report.games} ({report.ticks} ticks, ended: {report.ended})"
    text += f"; entries in {report.games_traded} of them"
    best, worst = report.best_game, report.worst_game
    if best is not None and worst is not None:
        text += (
            f"; best: game {best.game}, {signed_sol(best.pnl)} SOL; "
            f"worst: game {worst.game}, {signed_sol(worst.pnl)} SOL"
        )
    return text


def _pnl(report: BacktestReport) -> str:
    text = f"{signed_sol(report.pnl)} SOL, per game {signed_sol(report.pnl_per_game)}"
    if report.pnl_interval is None:
        text += " (too few games with a profit or loss for a confidence interval)"
    else:
        low, high = report.pnl_interval
        text += f", 95 % bootstrap interval {signed_sol(low)} to {signed_sol(high)}"
    if report.return_on_stake is not None:
        text += f"; {report.return_on_stake:+.2%} of {shown_sol(report.staked)} SOL staked"
    return text


def _expected(report: BacktestReport) -> str:
    if report.expected_without and not report.expected:
        return f"unknown: the payoff of {' and '.join(report.expected_without)} is unverified"
    per_game = report.expected_per_game
    text = f"{signed_sol(report.expected)} SOL, per game {signed_sol(per_game)}: "
    text += "expected value of the same risks"
    if report.band is not None:
        low, high = report.band
        text += f"; the law's 95 % band {signed_sol(low)} to {signed_sol(high)}"
    if report.expected_without:
        text += f"; without {', '.join(report.expected_without)}, whose payoff is unknown"
    return text


def _spread(report: BacktestReport) -> Pairs:
    spread = report.spread
    if spread.win_rate is None:
        return []
    levels = ", ".join(
        f"{float(q):.0%} {signed_sol(value)}" for q, value in spread.quantiles.items()
    )
    won = f"{spread.won} of {spread.games} games with an entry won ({spread.win_rate:.1%})"
    return [("Won", won), ("Profits", f"SOL of a game with an entry, by share of them: {levels}")]


def _risk(report: BacktestReport) -> Pairs:
    rows: Pairs = []
    fall, exposure = report.drawdown, report.exposure
    if fall.game is not None:
        rows.append(("Drawdown", f"{shown_sol(fall.amount)} SOL, lowest after game {fall.game}"))
    if exposure.mean is not None:
        share = f" ({exposure.share:.1%})" if exposure.share is not None else ""
        text = f"{exposure.ticks} ticks{share}, {shown_sol(exposure.mean)} SOL on average"
        rows.append(
            (
                "Exposure",
                f"{text}; at most {shown_sol(exposure.largest_stake)} SOL staked in a game",
            )
        )
    return rows
