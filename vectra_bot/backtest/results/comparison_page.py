"""A comparison as HTML: one page that needs no other file, or the part of it that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import define

from vectra_bot.backtest.results.comparison_text import about_pairs, answers, chance_text
from vectra_bot.backtest.results.text import left_out_pairs
from vectra_bot.report.charts import COLOURS, Axis, lines_chart, range_chart, wide_axis
from vectra_bot.report.parts import PageParts, signed, styled, text, whole_page

if TYPE_CHECKING:
    from vectra_bot.backtest.results.comparison import Comparison, Interval, Variant


def comparison_page(found: Comparison) -> str:
    """Return *found* as one HTML page: no script, font or picture from elsewhere."""
    return whole_page(
        f"{len(found.variants)} variants, {found.games} games", comparison_fragment(found)
    )


def comparison_fragment(found: Comparison) -> str:
    """Return *found* as HTML to show inside a page."""
    return styled(_Parts(found.to_json(), found).sections())


@define
class _Parts(PageParts):
    """Builds the parts of a comparison's page."""

    found: Comparison

    def sections(self) -> Iterable[str]:
        """Return the parts in order."""
        found = self.found
        yield (
            f"<header><h1>Comparison of {len(found.variants)} variants</h1><p>{self.number('games')} games, "
            f"the same for all; seed {self.number('seed')}; ended: {text(found.ended)}</p></header>"
        )
        for _, line in left_out_pairs(found.left_out, found.ended):
            yield f'<p class="error">Left out: {text(line)}</p>'
        yield f"<section><h2>Answer</h2>{''.join(f'<p>{text(a)}</p>' for a in answers(found))}</section>"
        yield self.means()
        yield self.differences()
        if found.games:
            yield self.curves()
        yield self.pairs(
            "Comparison", [(n, text(v)) for n, v in about_pairs(found) if n != "Answer"]
        )

    def means(self) -> str:
        rows = []
        axis = wide_axis([0.0, *_ends(v.interval for v in self.found.variants)])
        for at, variant in enumerate(self.found.variants):
            key = f"variants[{at}]"
            chart = ""
            if variant.interval is not None and variant.mean is not None:
                low, high = map(float, variant.interval)
                chart = range_chart(axis, low, float(variant.mean), high)
            rows.append(
                (
                    text(variant.name),
                    self.number(f"{key}.bets"),
                    self.number(f"{key}.mean", signed),
                    self._interval(f"{key}.interval", variant.interval),
                    chart,
                    self.number(f"{key}.expected", signed, "unknown"),
                )
            )
        columns = ("variant", "bets", "per game", "95 % interval", "", "expected by the law")
        return (
            '<section><h2>Profit per game, SOL</h2><div class="wide">'
            f"{self.table(columns, rows)}</div></section>"
        )

    def differences(self) -> str:
        rows = []
        others = self.found.variants[1:]
        axis = wide_axis([0.0, *_ends(v.difference_interval for v in others)])
        for at, variant in enumerate(others, 1):
            key = f"variants[{at}]"
            rows.append(
                (
                    text(variant.name),
                    self.number(f"{key}.difference", signed),
                    self._interval(f"{key}.difference_interval", variant.difference_interval),
                    _range(axis, variant),
                    self.number(f"{key}.p", chance_text),
                    self.number(f"{key}.p_corrected", chance_text),
                )
            )
        columns = ("variant", "difference", "95 % interval", "", "p", "corrected p")
        return (
            f"<section><h2>Difference from {text(self.found.baseline)}, SOL per game</h2>"
            f'<div class="wide">{self.table(columns, rows)}</div><p>p is the chance that luck alone makes '
            "a difference this large. The corrected one allows for the number of comparisons: any of them "
            "is 0.05 or below by luck alone in at most 5 % of pages like this one.</p></section>"
        )

    def curves(self) -> str:
        shown = self.found.variants[:COLOURS]
        lines = [(v.name, [(float(game), float(pnl)) for game, pnl in v.curve]) for v in shown]
        more = len(self.found.variants) - len(shown)
        rest = f"<p>{more} more variants are in the tables only.</p>" if more else ""
        chart = lines_chart(lines, title="profit by game", across_name="games ended")
        return f"<section><h2>Profit by game, SOL</h2>{chart}{rest}</section>"

    def _interval(self, key: str, interval: Interval | None) -> str:
        if interval is None:
            return "too few bets"
        return f"{self.number(f'{key}[0]', signed)} to {self.number(f'{key}[1]', signed)}"


def _range(axis: Axis, variant: Variant) -> str:
    if variant.difference_interval is None or variant.difference is None:
        return ""
    low, high = map(float, variant.difference_interval)
    return range_chart(axis, low, float(variant.difference), high)


def _ends(intervals: Iterable[Interval | None]) -> list[float]:
    return [float(end) for interval in intervals if interval is not None for end in interval]
