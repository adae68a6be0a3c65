"""A backtest as HTML: one page that needs no other file, or the part of it that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define

from vectra_bot.backtest.results.text import (
    not_played_pairs,
    played_pairs,
    settings_text,
    unverified_pairs,
)
from vectra_bot.report.charts import bar_chart, curve_chart
from vectra_bot.report.luck import LuckMethod
from vectra_bot.report.parts import PageParts, share, signed, sol, styled, text, whole_page
from vectra_bot.report.text import luck_text

if TYPE_CHECKING:
    from vectra_bot.backtest.results.report import BacktestReport


def backtest_page(report: BacktestReport) -> str:
    """Return *report* as one HTML page: no script, font or picture from elsewhere."""
    return whole_page(f"{report.strategy}, {report.games} games", backtest_fragment(report))


def backtest_fragment(report: BacktestReport) -> str:
    """Return *report* as HTML to show inside a page."""
    return styled(_Parts(report.to_json(), report).sections())


@define
class _Parts(PageParts):
    """Builds the parts of a backtest's page."""

    report: BacktestReport

    def sections(self) -> Iterable[str]:
        """Return the parts in order."""
        report = self.report
        yield (
            f"<header><h1>{text(report.strategy)}</h1><p>backtest{text(settings_text(report.settings))}, "
            f"{self.number('games')} games, {self.number('ticks')} ticks; ended: {text(report.ended)}"
            "</p></header>"
        )
        for _, line in not_played_pairs(report.not_played, report.ended, report.unplayable):
            yield f'<p class="error">Not played: {text(line)}</p>'
        for _, line in unverified_pairs(report.unverified):
            yield f'<p class="error">Unverified: {text(line)}</p>'
        yield self.tiles()
        if len(report.curve) > 1:
            yield self.curve()
        if report.spread.bars:
            yield self.spread()
        yield f'<div class="grid tables">{self.money()}{self.play()}{self.risk()}{self.about()}</div>'

    def tiles(self) -> str:
        pnl = self.report.pnl
        tone = "" if not pnl else "good" if pnl > 0 else "bad"
        unknown = self.report.expected_without
        law = f"SOL, without {text(', '.join(unknown))}" if unknown else "SOL, by the law"
        won = f"{self.number('spread.won')} of {self.number('spread.games')}"
        tiles = [
            ("Profit", self.number("pnl", signed), "SOL, before prizes", tone),
            ("Expected", self.number("expected", signed), f"{law} for the same risks", ""),
            ("Games won", self.number("spread.win_rate", share), f"{won} with an entry", ""),
            ("Return on stake", self.number("return_on_stake", share),
             f"of {self.number('staked', sol)} SOL staked", ""),
            ("Drawdown", self.number("drawdown.amount", sol), "SOL from the peak", ""),
            ("Luck", self.number("luck", share), text(self._luck()), ""),
        ]  # fmt: skip
        return self.tile_row(tiles)

    def _luck(self) -> str:
        report = self.report
        if report.luck is None:
            return "nothing was at risk, or a payoff is unknown"
        if report.luck == 1:
            return luck_text(report.luck, report.luck_method, report.luck_error)
        bound = "at most, " if report.luck_method == LuckMethod.BOUND else ""
        return f"{bound}of backtests do at least as well by luck alone"

    def curve(self) -> str:
        band = "no band: a payoff is unknown"
        if self.report.band is not None:
            band = f"band {self.number('band[0]', signed)} to {self.number('band[1]', signed)} SOL"
        return (
            f"<section><h2>Profit by game</h2>{curve_chart(self.report.curve)}"
            f"<p>At the end {self.number('pnl', signed)} SOL; expected {self.number('expected', signed)} "
            f"SOL, {band}. The band is the expected value of the same risks, less and more the deviation "
            "that the law's variance allows: luck alone ends about 95 % of backtests inside.</p></section>"
        )

    def spread(self) -> str:
        bars = [(bar.low, bar.high, bar.games) for bar in self.report.spread.bars]
        rows = [
            (
                f"{float(level):.0%} of games, at most",
                self.number(f"spread.quantiles['{level}']", signed),
            )
            for level in self.report.spread.quantiles
        ]
        return (
            f'<div class="grid"><section><h2>Profits of games with an entry</h2>'
            f"{bar_chart(bars, across_name='profit of a game, SOL')}<p>Rarer profits are counted in the "
            f"first and the last bar.</p></section>{self.pairs('Profit of a game, SOL', rows)}</div>"
        )

    def money(self) -> str:
        number = self.number
        low, high = "none", "none"
        if self.report.pnl_interval is not None:
            low, high = number("pnl_interval[0]", signed), number("pnl_interval[1]", signed)
        rows = [
            ("Profit per game", number("pnl_per_game", signed)),
            ("95 % bootstrap interval", f"{low} to {high}"),
            ("Expected per game", number("expected_per_game", signed)),
            ("Prizes", number("prizes", signed)),
            ("Staked", number("staked", sol)),
        ]
        return self.pairs("Money, SOL", [*rows, *self.not_expected()])

    def play(self) -> str:
        number, report = self.number, self.report
        rows = [
            ("Games with an entry", number("games_traded")),
            ("Entries", number("entries")),
            ("Bets", number("bets")),
            ("Fills", number("fills")),
        ]
        rows += self.extreme_games()
        rows += [(text(state), number(f"actions['{state}']")) for state in report.actions]
        rows += [(f"Denied: {text(code)}", number(f"denials['{code}']")) for code in report.denials]
        return self.pairs("Games and actions", rows)

    def risk(self) -> str:
        number = self.number
        rows = [
            ("Drawdown, SOL", number("drawdown.amount", sol)),
            ("Lowest after game", number("drawdown.game")),
            ("Ticks at risk", number("exposure.ticks")),
            ("of all ticks", number("exposure.share", share)),
            ("At risk on average, SOL", number("exposure.mean", sol)),
            ("Staked in a game at most, SOL", number("exposure.largest_stake", sol)),
            ("Winnings capped by the venue", number("capped")),
        ]
        return self.pairs("Risk", rows)

    def about(self) -> str:
        rows = [
            ("Seed", self.number("seed")),
            ("Latency, ms", self.number("latency_ms")),
            *((name, text(line)) for name, line in played_pairs(self.report.played)),
            ("Digest", f"<code>{text(self.report.digest)}</code>"),
        ]
        return self.pairs("Backtest", rows)
