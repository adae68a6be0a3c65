"""The report of a sweep as one HTML page: best set, heat map, walk-forward, table of sets.

Imports report (parts of pages) and the room's report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import define

from vectra_bot.backtest.sweep.report import SweepReport
from vectra_bot.backtest.sweep.space import shown
from vectra_bot.backtest.sweep.text import luck_line, p_text, sweep_pairs
from vectra_bot.report.parts import PageParts, signed, styled, text, whole_page

MAX_ROWS: Final = 500
"""Sets that the table of a page shows."""

_SHOWN_ABOVE: Final = ("Best set", "Profit per game", "Expected", "Luck", "Walk-forward")


def sweep_page(report: SweepReport) -> str:
    """Return *report* as one HTML page: no script, font or picture from elsewhere."""
    return whole_page(f"Sweep of {report.strategy}", sweep_fragment(report))


def sweep_fragment(report: SweepReport) -> str:
    """Return *report* as HTML to show inside a page."""
    return styled(_Parts(report.to_json(), report).sections())


@define
class _Parts(PageParts):
    """Builds the parts of a sweep's page."""

    report: SweepReport

    def sections(self) -> Iterable[str]:
        """Return the parts in order."""
        report = self.report
        yield (
            f"<header><h1>Sweep of {text(report.strategy)}</h1><p>{len(report.variants)} sets by "
            f"{text(report.method)}, {self.number('games')} games each, seed {self.number('seed')}; "
            f"{text(report.ended)}</p></header>"
        )
        if report.best is not None:
            yield self.tiles()
            yield self.heat()
            yield self.walk()
            yield self.sets()
        else:
            yield '<p class="error">No set played all its games.</p>'
        rows = [(n, text(value)) for n, value in sweep_pairs(report) if n not in _SHOWN_ABOVE]
        yield self.pairs("Sweep", rows)

    def tiles(self) -> str:
        best = self.report.best
        assert best is not None
        tone = "good" if best.profit.mean > 0 else "bad" if best.profit.mean < 0 else ""
        interval = self._interval("best.interval", best.profit.low)
        tiles = [
            ("Best set", text(shown(best.parameters)), "", ""),
            ("Profit per game", self.number("best.mean", signed), f"SOL, {interval}", tone),
            (
                "Expected per game",
                self.number("best.expected", signed, "unknown"),
                "SOL, by the law for the same risks",
                "",
            ),
            (
                "Luck",
                "not judged"
                if self.report.check is None
                else self.number("reality_check.p", p_text),
                text(luck_line(self.report)),
                "",
            ),
        ]
        return self.tile_row(tiles)

    def heat(self) -> str:
        heat = self.report.heat
        if heat is None:
            return ""
        rows = [
            [
                f"<b>{text(name)}</b>",
                *(self._cell(down, across) for across in range(len(heat.columns))),
            ]
            for down, name in enumerate(heat.rows)
        ]
        down = f", down by {text(heat.down)}" if heat.down else ""
        return (
            f"<section><h2>Profit per game, SOL: across by {text(heat.across)}{down}</h2>"
            f'<div class="wide heat">{self.table(["", *map(text, heat.columns)], rows)}</div>'
            "<p>Mean of the sets with these values; the stronger the colour, the higher.</p></section>"
        )

    def _cell(self, down: int, across: int) -> str:
        heat = self.report.heat
        assert heat is not None
        value = heat.cells[down][across]
        if value is None:
            return ""
        shade = round(8 + 62 * heat.shade(value))
        number = self.number(f"heat_map.cells[{down}][{across}]", signed)
        return f'<span style="--shade:{shade}%">{number}</span>'

    def walk(self) -> str:
        if self.report.walk is None:
            return ""
        rows = []
        for at, values in enumerate(self.report.walked):
            key = f"walk_forward.steps[{at}]"
            rows.append(
                [
                    f"{self.number(f'{key}.games[0]')} to {self.number(f'{key}.games[1]')}",
                    text(shown(values)),
                    *(
                        self.number(f"{key}.{name}", signed)
                        for name in ("mean_before", "mean", "mean_of_all")
                    ),
                ]
            )
        whole = [self.number(f"walk_forward.{name}", signed) for name in ("mean", "mean_of_all")]
        rows.append(["all judged", "", "", *whole])
        columns = (
            "from game, before game",
            "best set until then",
            "its profit until then",
            "its profit there",
            "of all sets there",
        )
        return (
            '<section><h2>Walk-forward, SOL per game</h2><div class="wide">'
            f"{self.table(columns, rows)}</div></section>"
        )

    def sets(self) -> str:
        rows = []
        for at, one in enumerate(self.report.variants[:MAX_ROWS]):
            key = f"variants[{at}]"
            rows.append(
                [
                    text(shown(one.parameters)),
                    self.number(f"{key}.mean", signed),
                    self._interval(f"{key}.interval", one.profit.low),
                    self.number(f"{key}.expected", signed, "unknown"),
                    self.number(f"{key}.p", p_text, "not judged"),
                    self.number(f"{key}.traded"),
                ]
            )
        more = len(self.report.variants) - len(rows)
        rest = f"<p>{more} more sets are in the JSON only.</p>" if more else ""
        columns = ("set", "profit", "95 % interval", "expected", "p of luck", "games with a result")
        return (
            '<section><h2>Sets, SOL per game</h2><div class="wide">'
            f"{self.table(columns, rows)}</div>{rest}</section>"
        )

    def _interval(self, key: str, low: float | None) -> str:
        if low is None:
            return "no interval"
        return f"{self.number(f'{key}[0]', signed)} to {self.number(f'{key}[1]', signed)}"


__all__ = ["MAX_ROWS", "sweep_page"]
