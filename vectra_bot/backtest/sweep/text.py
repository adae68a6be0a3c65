"""The report of a sweep as rows of text: the same words on a terminal and on a page.

Imports report (numbers as text) and the room's report.
"""

from __future__ import annotations

from collections import Counter

from vectra_bot.analysis.intervals import Mean
from vectra_bot.backtest.results.text import not_played_pairs, played_pairs, unverified_pairs
from vectra_bot.backtest.sweep.report import SweepReport, TriedSet, sol_of
from vectra_bot.backtest.sweep.space import shown
from vectra_bot.report.parts import signed
from vectra_bot.report.text import denied_text

_SHADES = " ░▒▓█"


def sweep_pairs(report: SweepReport) -> list[tuple[str, object]]:
    """Return the report as names and values."""
    rows: list[tuple[str, object]] = [
        ("Sets", f"{len(report.variants):,} by {report.method}, {report.games:,} games each"),
        *not_played_pairs(0, report.ended, report.unplayable),
    ]
    best = report.best
    if best is not None:
        rows += [
            ("Best set", shown(best.parameters)),
            (
                "Profit per game",
                f"{signed(round(best.profit.mean, 9))} SOL, {mean_text(best.profit)}",
            ),
            ("Expected", expected_text(best)),
            ("Luck", luck_line(report)),
        ]
    rows += unverified_pairs(report.unverified)
    if report.walk is not None:
        after, others = (
            signed(round(sol_of(value), 9))
            for value in (report.walk.after.mean, report.walk.all_after)
        )
        line = (
            f"{after} SOL per game by the sets chosen on earlier games, {others} by all sets there"
        )
        rows.append(("Walk-forward", line))
    chunks = report.chunks
    line = f"{chunks.played:,} played, {chunks.reused:,} reused, {chunks.corrupt:,} corrupt and played again"
    rows.append(("Chunks", line))
    if report.fixed:
        rows.append(("Fixed", shown(report.fixed)))
    denied = denials_text(report)
    if denied:
        rows.append(("Denied", denied))
    if report.left_out:
        first = report.left_out[0]
        rows.append(
            (
                "Refused",
                f"{len(report.left_out):,} sets, the first: {shown(first.values)}: {first.why}",
            )
        )
    if report.unfinished:
        after = "; the same command continues where it ended" if report.folder else ""
        rows.append(("Unfinished", f"{report.unfinished:,} sets{after}"))
    rows += played_pairs(report.played)
    folder = report.folder or "none: nothing is kept of a strategy that is not in a file"
    return [*rows, ("Seed", report.seed), ("Folder", folder), ("Digest", report.digest)]


def expected_text(one: TriedSet) -> str:
    """Return what the law expects of a set."""
    if one.expected is None:
        return "unknown: a payoff is unverified"
    return f"{signed(round(one.expected, 9))} SOL by the law for the same risks"


def denials_text(report: SweepReport) -> str:
    """Return what limits denied, "" if nothing: a set whose stakes are denied seems to lose nothing."""
    reasons: Counter[str] = Counter()
    for one in report.variants:
        reasons.update(one.denials)
    sets = sum(bool(one.denials) for one in report.variants)
    return f"{denied_text(dict(reasons.most_common()))}, in {sets:,} sets" if reasons else ""


def luck_line(report: SweepReport) -> str:
    """Return what the reality check says."""
    check = report.check
    if check is None or check.p is None:
        return "not judged: no set has enough games with a result"
    than = "than the law expects" if report.benchmark == "law" else "than nothing"
    not_judged = len(report.variants) - check.judged
    left = f"; {not_judged:,} sets with too few games are not judged" if not_judged else ""
    return (
        f"p {p_text(check.p)}: in so many of all sweeps the best of {check.judged} does at least this much "
        f"better {than}, by luck alone{_furthest(report)}{left}"
    )


def _furthest(report: SweepReport) -> str:
    """Return which set the p is of, where that is not the most profitable one."""
    best = report.best
    one = min(report.variants, key=lambda v: 1.0 if v.p is None else v.p)
    if best is None or one.p is None or best.p == one.p:
        return ""
    return f"; that is {shown(one.parameters)}, the p of the best set is {p_text(best.p)}"


def mean_text(mean: Mean) -> str:
    """Return the interval of a mean."""
    if mean.low is None or mean.high is None:
        return "no interval"
    return f"95 % interval {signed(round(mean.low, 9))} to {signed(round(mean.high, 9))}"


def p_text(p: float | None) -> str:
    """Return a chance."""
    return "not judged" if p is None else f"{p:.3f}" if p >= 0.001 else f"{p:.4f}"


def heat_lines(report: SweepReport) -> list[str]:
    """Return the heat map as lines: a shade and the profit in each cell."""
    heat = report.heat
    if heat is None:
        return []
    cells = [[_cell(report, value) for value in row] for row in heat.cells]
    widths = [max(map(len, column)) for column in zip(heat.columns, *cells, strict=True)]
    left = max(len(name) for name in (*heat.rows, heat.down))
    names = "  ".join(name.rjust(width) for name, width in zip(heat.columns, widths, strict=True))
    lines = [f"{heat.down.ljust(left)}  {names}"]
    for name, row in zip(heat.rows, cells, strict=True):
        shown_cells = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"{name.rjust(left)}  {shown_cells}")
    return [line.rstrip() for line in lines]


def _cell(report: SweepReport, value: float | None) -> str:
    if value is None or report.heat is None:
        return "-"
    shade = _SHADES[min(int(report.heat.shade(value) * len(_SHADES)), len(_SHADES) - 1)]
    return f"{shade}{signed(round(value, 6))}"


__all__ = [
    "denials_text",
    "expected_text",
    "heat_lines",
    "luck_line",
    "mean_text",
    "p_text",
    "sweep_pairs",
]
