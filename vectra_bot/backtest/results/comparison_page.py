"""A comparison as HTML: one page that needs no other file, or the part of it that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import define

from vectra_bot.backtest.results.comparison_text import about_pairs, answers, chance_text
from vectra_bot.backtest.results.text import not_played_pairs, unverified_pairs
from vectra_bot.report.charts import COLOURS, Axis, lines_chart, range_chart, wide_axis
from vectra_bot.report.parts import PageParts, styled, text, whole_page

if TYPE_CHECKING:
    from vectra_bot.backtest.results.comparison import Comparison, Interval


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
        for _, line in not_played_pairs(found.not_played, found.ended, found.unplayable):
            yield f'<p class="error">Not played: {text(line)}</p>'
        kinds = dict.fromkeys(kind for v in found.variants for kind in v.unverified)
        for _, line in unverified_pairs(kinds):
            yield f'<p class="error">Unverified: {text(line)}</p>'
        yield f"<section><h2>Answer</h2>{''.join(f'<p>{text(a)}</p>' for a in answers(found))}</section>"
        yield self.means()
        yield self.differences()
        if found.games:
            yield self.curves()
        yield self.pairs(
            "Comparison", [(n, text(v)) for n, v in about_pairs(found) if n != "Answer"]
        )

    def means(self) -> str:
        axis = wide_axis([0.0, *_ends(v.interval for v in self.found.variants)])
        rows = [
            (
                f"{text(variant.name)}<p>{self.number(f'variants[{at}].bets')} bets</p>",
                self.number(f"variants[{at}].mean", _brief),
                self._range(axis, f"variants[{at}].interval", variant.mean, variant.interval),
                self.number(f"variants[{at}].expected", _brief, "unknown"),
            )
            for at, variant in enumerate(self.found.variants)
        ]
        table = self.table(("variant", "per game", "95 % interval", "by the law"), rows)
        return f'<section><h2>Profit per game, SOL</h2><div class="wide">{table}</div></section>'

    def differences(self) -> str:
        others = self.found.variants[1:]
        axis = wide_axis([0.0, *_ends(v.difference_interval for v in others)])
        rows = [
            (
                text(variant.name),
                self.number(f"variants[{at}].difference", _brief),
                self._range(
                    axis,
                    f"variants[{at}].difference_interval",
                    variant.difference,
                    variant.difference_interval,
                ),
                self.number(f"variants[{at}].p_corrected", chance_text),
            )
            for at, variant in enumerate(others, 1)
        ]
        table = self.table(("variant", "difference", "95 % interval", "p"), rows)
        return (
            f"<section><h2>Difference from {text(self.found.baseline)}, SOL per game</h2>"
            f'<div class="wide">{table}</div><p>p is the chance that luck alone makes a difference this '
            "large, corrected for the number of comparisons: one of them is 0.05 or below by luck alone on "
            "at most 5 % of pages like this one.</p></section>"
        )

    def curves(self) -> str:
        shown = self.found.variants[:COLOURS]
        lines = [(v.name, [(float(game), float(pnl)) for game, pnl in v.curve]) for v in shown]
        more = len(self.found.variants) - len(shown)
        rest = f"<p>{more} more variants are in the tables only.</p>" if more else ""
        chart = lines_chart(lines, title="profit by game", across_name="games ended")
        return f"<section><h2>Profit by game, SOL</h2>{chart}{rest}</section>"

    def _range(
        self, axis: Axis, key: str, middle: Decimal | None, interval: Interval | None
    ) -> str:
        """Return an interval as a line and as numbers."""
        if interval is None or middle is None:
            return "too few bets"
        low, high = map(float, interval)
        numbers = f"{self.number(f'{key}[0]', _brief)} to {self.number(f'{key}[1]', _brief)}"
        return f"{range_chart(axis, low, float(middle), high)}{numbers}"


def _brief(amount: float) -> str:
    """Return SOL per game with six decimals."""
    return f"{amount:+.6f}"


def _ends(intervals: Iterable[Interval | None]) -> list[float]:
    return [float(end) for interval in intervals if interval is not None for end in interval]
