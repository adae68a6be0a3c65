"""The report of a sweep as one HTML page: table of sets, heat map, reality check, walk-forward.

Imports report (style and parts of pages) and the room's report. Names and values are text of others: all of
it is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vectra_bot.backtest.sweep.heatmap import HeatMap
from vectra_bot.backtest.sweep.report import SweepReport, Variant, sol_of
from vectra_bot.backtest.sweep.space import shown
from vectra_bot.backtest.sweep.text import denials_text, luck_line, mean_text, p_text
from vectra_bot.report.page import document, signed, text
from vectra_bot.report.style import STYLE

MAX_ROWS: Final = 500
"""Sets that the table of a page shows."""

_STYLE: Final = """
.vectra-report .heat{overflow-x:auto}
.vectra-report .heat td,.vectra-report .heat th{text-align:center;padding:6px 8px;white-space:nowrap}
.vectra-report .heat td{color:var(--text);background:color-mix(in srgb,var(--pnl) var(--s),var(--panel))}
.vectra-report .wide{overflow-x:auto}
.vectra-report .wide td,.vectra-report .wide th{white-space:nowrap}
""".strip()


def page(report: SweepReport) -> str:
    """Return *report* as one HTML page: no script, font or picture from elsewhere."""
    sections = "\n".join(part for part in _sections(report) if part)
    return document(
        f"Sweep of {report.strategy}",
        f'<div class="vectra-report"><style>{STYLE}{_STYLE}</style>\n{sections}\n</div>',
    )


def _sections(report: SweepReport) -> Iterable[str]:
    sets = len(report.variants)
    yield (
        f"<header><h1>Sweep of {text(report.strategy)}</h1><p>{sets:,} sets by {text(report.method)}, "
        f"{report.games:,} games each, seed {report.seed}; {text(report.ended)}</p></header>"
    )
    if report.best is None:
        yield '<p class="error">No set played all its games.</p>'
        return
    yield _tiles(report, report.best)
    if report.heat is not None:
        yield _heat(report.heat)
    yield _walk(report)
    yield _table(report)
    yield _about(report)


def _tiles(report: SweepReport, best: Variant) -> str:
    check = report.check
    tone = "good" if best.profit.mean > 0 else "bad"
    tiles = [
        ("Best set", text(shown(best.parameters)), f"of {len(report.variants):,}", ""),
        ("Profit per game", signed(best.profit.mean), f"SOL, {mean_text(best.profit)}", f" {tone}"),
        ("Expected per game", signed(best.expected), "SOL, by the law for the same risks", ""),
        ("Luck", p_text(None if check is None else check.p), text(luck_line(report)), ""),
    ]  # fmt: skip
    return '<div class="tiles">' + "".join(
        f'<div class="tile{tone}"><h2>{name}</h2><p class="big">{value}</p><p>{about}</p></div>'
        for name, value, about, tone in tiles
    ) + "</div>"  # fmt: skip


def _heat(heat: HeatMap) -> str:
    head = "".join(f"<th>{text(name)}</th>" for name in heat.columns)
    rows = "".join(
        f"<tr><th>{text(name)}</th>{''.join(_cell(heat, value) for value in cells)}</tr>"
        for name, cells in zip(heat.rows, heat.cells, strict=True)
    )
    down = f" (down: {text(heat.down)})" if heat.down else ""
    return (
        f"<section><h2>Profit per game, SOL, by {text(heat.across)}{down}</h2>"
        f'<div class="heat"><table><tr><th></th>{head}</tr>{rows}</table></div>'
        "<p>Mean of all sets with these values; the darker, the higher (in dark pages: the brighter).</p>"
        "</section>"
    )


def _cell(heat: HeatMap, value: float | None) -> str:
    if value is None:
        return "<td></td>"
    share = round(8 + 62 * heat.shade(value))
    return f'<td style="--s:{share}%">{signed(round(value, 9))}</td>'


def _walk(report: SweepReport) -> str:
    walk = report.walk
    if walk is None:
        return ""
    rows = [
        [
            f"{step.judged_from:,} to {step.judged_to - 1:,}",
            text(shown(values)),
            signed(sol_of(step.before.mean)),
            signed(sol_of(step.after.mean)),
            signed(sol_of(step.all_after)),
        ]
        for step, values in zip(walk.steps, report.walked, strict=True)
    ]
    rows.append(
        ["all judged", "", "", signed(sol_of(walk.after.mean)), signed(sol_of(walk.all_after))]
    )
    columns = (
        "games judged",
        "best set until then",
        "its profit then",
        "its profit after",
        "all sets after",
    )
    return _wide("Walk-forward, SOL per game", columns, rows)


def _table(report: SweepReport) -> str:
    rows = [
        [
            text(shown(one.parameters)),
            signed(round(one.profit.mean, 9)),
            mean_text(one.profit),
            signed(round(one.expected, 9)),
            p_text(one.p),
            f"{one.traded:,}",
        ]
        for one in report.variants[:MAX_ROWS]
    ]
    left = len(report.variants) - len(rows)
    title = "Sets, SOL per game" + (f"; {left:,} more are in the JSON" if left else "")
    columns = ("set", "profit", "95 % interval", "expected", "p of luck", "games with a result")
    return _wide(title, columns, rows)


def _about(report: SweepReport) -> str:
    chunks = report.chunks
    rows = [
        ("Games of each set", f"{report.games:,}, seed {report.seed}"),
        ("Fixed", text(shown(report.fixed) or "nothing")),
        (
            "Chunks",
            f"{chunks.played:,} played, {chunks.reused:,} reused, {chunks.corrupt:,} corrupt",
        ),
        ("Denied by limits", text(denials_text(report) or "nothing")),
        ("Refused by the strategy", f"{len(report.left_out):,}"),
        ("Unfinished", f"{report.unfinished:,}"),
        ("Digest", f"<code>{report.digest}</code>"),
    ]
    cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<section><h2>About</h2><table>{cells}</table></section>"


def _wide(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<section><h2>{title}</h2><div class="wide"><table><tr>{head}</tr>{lines}</table></div>'
        "</section>"
    )


__all__ = ["MAX_ROWS", "page"]
