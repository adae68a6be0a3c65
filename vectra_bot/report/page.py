"""A report as HTML: one page that needs no other file, or the part of it that a notebook shows.

Every number is an element ``data`` whose ``data-key`` is its path in the report's JSON and whose ``value`` is
the JSON value. Names of strategies, reasons and paths are text of others: all of it is escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Final

from attrs import define

from vectra_bot.redaction import clean, redacted
from vectra_bot.report.charts import curve_chart, game_chart
from vectra_bot.report.luck import LuckMethod
from vectra_bot.report.results import Report
from vectra_bot.report.style import STYLE
from vectra_bot.report.text import luck_text, mode

_STEP: Final = re.compile(r"\[(\d+)\]|\['([^']*)'\]|([^.\[]+)")

Row = tuple[str, str]


def page(report: Report) -> str:
    """Return *report* as one HTML page: no script, font or picture from elsewhere."""
    title = text(f"{report.strategy}, {report.games} games")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>html{{background:#fff}}"
        "@media (prefers-color-scheme:dark){html{background:#14171c}}body{margin:0}</style></head>\n"
        f"<body>{fragment(report)}</body></html>\n"
    )


def fragment(report: Report) -> str:
    """Return *report* as HTML to show inside a page."""
    built = _Parts(report, report.to_json())
    sections = "\n".join(part for part in built.sections() if part)
    return f'<div class="vectra-report"><style>{STYLE}</style>\n{sections}\n</div>'


def sol(value: float) -> str:
    """Return an amount of SOL with the digits that it has, at most nine."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def signed(value: float) -> str:
    """Return an amount of SOL with its sign."""
    text = sol(value)
    return text if text.startswith("-") or text == "0" else f"+{text}"


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{value:.1%}".replace("%", " %")


def plain(value: Any) -> str:
    """Return a number as it is."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def text(value: object) -> str:
    """Return text of others, escaped, without secrets."""
    return escape(clean(redacted(str(value))))


@define
class _Parts:
    """Builds the parts of a page."""

    report: Report
    json: dict[str, Any]

    def sections(self) -> Iterable[str]:
        """Return the parts in order."""
        report = self.report
        yield self.head()
        if report.error is not None:
            yield f'<p class="error">{text(report.error)}</p>'
        yield self.tiles()
        if len(report.curve) > 1:
            yield self.curve()
        charts = "".join(self.game(number) for number in range(len(report.charts)))
        yield f'<div class="grid">{charts}</div>' if charts else ""
        tables = [
            self.money(), self.play(), self.risk(), self.actions(), self.time(), self.slow(), self.about()
        ]  # fmt: skip
        yield f'<div class="grid tables">{"".join(tables)}</div>'

    def number(self, key: str, form: Callable[[Any], str] = plain, none: str = "none") -> str:
        """Return the number at *key* of the JSON, as *form* writes it."""
        value: Any = self.json
        for index, quoted, name in _STEP.findall(key):
            value = value[int(index)] if index else value[quoted or name]
        if value is None:
            return none
        return f'<data data-key="{text(key)}" value="{json.dumps(value)}">{form(value)}</data>'

    def head(self) -> str:
        report = self.report
        kept = "" if report.kept else "; nothing of it was kept"
        return (
            f"<header><h1>{text(report.strategy)}</h1><p>{text(mode(report))} on {text(report.venue)}, "
            f"{self.number('games')} games, {self.number('ticks')} ticks; ended: {text(report.ended)}"
            f"{kept}</p></header>"
        )

    def tiles(self) -> str:
        report = self.report
        pnl = report.pnl_before_prizes
        tone = "" if not pnl else " good" if pnl > 0 else " bad"
        law = "SOL, by the law for the same risks"
        if report.expected_without:
            law = (
                f"SOL, without {text(', '.join(report.expected_without))}, whose payoff is unknown"
            )
        kind = "bets" if report.bets.count and not report.trades.count else "trades"
        tiles = [
            ("Profit", self.number("pnl_before_prizes", signed, "unknown"), f"SOL{self._apart()}", tone),
            ("Expected", self.number("expected", signed), law, ""),
            (f"{kind.capitalize()} won", self.number(f"{kind}.win_rate", share),
             f"{self.number(f'{kind}.won')} of {self.number(f'{kind}.count')}", ""),
            ("Return on stake", self.number("return_on_stake", share),
             f"of {self.number('staked', sol)} SOL staked", ""),
            ("Drawdown", self.number("drawdown.amount", sol), "SOL from the peak", ""),
            ("Luck", self.number("luck", share), text(self._luck()), ""),
        ]  # fmt: skip
        return '<div class="tiles">' + "".join(
            f'<div class="tile{tone}"><h2>{name}</h2><p class="big">{value}</p><p>{about}</p></div>'
            for name, value, about, tone in tiles
        ) + "</div>"  # fmt: skip

    def _apart(self) -> str:
        return ", before prizes" if self.report.prizes else ""

    def _luck(self) -> str:
        report = self.report
        if report.luck is None:
            return "nothing was at risk, or a payoff is unknown"
        if report.luck == 1:
            return luck_text(report)
        bound = "at most, " if report.luck_method == LuckMethod.BOUND else ""
        return f"{bound}of sessions do at least as well by luck alone"

    def curve(self) -> str:
        last = f"curve[{len(self.report.curve) - 1}]"
        low = self.number(f"{last}.low", signed)
        band = "no band: a payoff is unknown"
        if self.report.curve[-1].low is not None:
            band = f"band {low} to {self.number(f'{last}.high', signed)} SOL"
        return (
            f"<section><h2>Profit by game</h2>{curve_chart(self.report.curve)}"
            f"<p>At the end {self.number(f'{last}.pnl', signed)} SOL; expected "
            f"{self.number(f'{last}.expected', signed)} SOL, {band}. Profit includes what is open and no "
            "prizes. The band is the expected value of the same risks, less and more the deviation that the "
            "law's variance allows: luck alone ends about 95 % of many sessions with these risks inside.</p>"
            "</section>"
        )

    def game(self, number: int) -> str:
        chart = self.report.charts[number]
        key = f"charts[{number}]"
        names = " and ".join(chart.shown_as)
        rug = "it did not rug"
        if chart.rug_tick is not None:
            rug = (
                f"rug at tick {self.number(f'{key}.rug_tick')}, "
                f"price {self.number(f'{key}.rug_price', none='unknown')}"
            )
        more = "" if not chart.more_marks else f"; {self.number(f'{key}.more_marks')} more fills"
        fills = self.table(
            ("tick", "fill", "price", "SOL"),
            [
                (
                    self.number(f"{key}.marks[{at}].tick"),
                    text(mark.kind),
                    self.number(f"{key}.marks[{at}].price"),
                    self.number(f"{key}.marks[{at}].amount", sol),
                )
                for at, mark in enumerate(chart.marks)
            ],
        )
        return (
            f"<section><h2>{names.capitalize()} game: {self.number(f'{key}.game')}, "
            f"{self.number(f'{key}.pnl', signed)} SOL</h2>{game_chart(chart)}"
            f"<p>{self.number(f'{key}.ticks')} ticks, peak {self.number(f'{key}.peak')}, {rug}{more}; "
            f"<code>{text(chart.game_id)}</code></p>"
            f"<details><summary>Fills</summary>{fills}</details></section>"
        )

    def money(self) -> str:
        number = self.number
        low, high = "none", "none"
        if self.report.pnl_interval is not None:
            low, high = number("pnl_interval[0]", signed), number("pnl_interval[1]", signed)
        rows = [
            ("Cash at the start", number("cash_start", sol, "unknown")),
            ("Cash at the end", number("cash_end", sol, "unknown")),
            ("Change of cash", number("pnl", signed, "unknown")),
            ("Open at the end", number("open_value", sol)),
            ("Prizes", number("prizes", signed)),
            ("Profit per game", number("pnl_per_game", signed)),
            ("95 % interval of that", f"{low} to {high}"),
            ("Expected per game", number("expected_per_game", signed)),
        ]
        if self.report.expected_without:
            rows.append(
                ("Not in the expected value", text(", ".join(self.report.expected_without)))
            )
        return self.pairs("Money, SOL", rows)

    def play(self) -> str:
        number, report = self.number, self.report
        rows = [
            ("Games", number("games")),
            ("Games with entries", number("games_traded")),
        ]
        for name in ("best", "worst"):
            if getattr(report, f"{name}_game") is not None:
                value = number(f"{name}_game.pnl", signed)
                rows.append(
                    (f"{name.capitalize()} game", f"{value}, game {number(f'{name}_game.game')}")
                )
        rows += [
            ("Trades closed", number("trades.count")),
            ("Trades won", number("trades.won")),
            ("Profit of trades", number("trades.pnl", signed)),
            ("Best trade", number("trades.best", signed)),
            ("Worst trade", number("trades.worst", signed)),
            ("Trades open", number("trades.open")),
            ("Trades whose end was not seen", number("trades.unknown")),
            ("Bets settled", number("bets.count")),
            ("Bets won", number("bets.won")),
            ("Profit of bets", number("bets.pnl", signed)),
        ]
        return self.pairs("Games, trades, bets", rows)

    def risk(self) -> str:
        number, report = self.number, self.report
        rows = [
            ("Drawdown, SOL", number("drawdown.amount", sol)),
            ("of the peak", number("drawdown.share", share)),
            ("Peak, SOL", number("drawdown.peak", sol)),
            ("Lowest in game", number("drawdown.game")),
            ("Ticks at risk", number("exposure.ticks")),
            ("of all ticks", number("exposure.share", share)),
            ("At risk on average, SOL", number("exposure.mean", sol)),
            ("At risk at most, SOL", number("exposure.max", sol)),
        ]
        for name, limit in report.limits_met.items():
            key = f"limits_met['{name}']"
            value = "" if limit.limit is None else f" of {number(f'{key}.limit')}"
            denied = f"{number(f'{key}.denied')} denied from game {number(f'{key}.game')} on"
            rows.append((f"Limit {text(name)}{value}", denied))
        if report.no_entries_from is not None:
            stop = number("no_entries_from.game")
            rows.append(("Entries stopped", f"game {stop}: {text(report.no_entries_from.reason)}"))
        return self.pairs("Risk", rows)

    def actions(self) -> str:
        rows = [(text(state), self.number(f"actions['{state}']")) for state in self.report.actions]
        rows += [
            (f"Denied: {text(code)}", self.number(f"denials['{code}']"))
            for code in self.report.denials
        ]
        rows += [
            ("Forced sells at the rug", self.number("forced_sells")),
            ("Stakes settled", self.number("settlements")),
        ]
        return self.pairs("Actions", rows)

    def time(self) -> str:
        number = self.number
        rows = [
            ("Actions with a latency", number("latency.count")),
            ("Median, ms", number("latency.p50_ms")),
            ("At 95 %, ms", number("latency.p95_ms")),
            ("Worst, ms", number("latency.max_ms")),
        ]
        if self.report.send_latency.count:
            rows += [
                ("Requests sent", number("send_latency.count")),
                ("Frame to socket, median, ms", number("send_latency.p50_ms")),
                ("At 99 %, ms", number("send_latency.p99_ms")),
                ("Worst, ms", number("send_latency.max_ms")),
            ]
        return self.pairs("Latency, from intent to account update", rows)

    def slow(self) -> str:
        """Return what took too long of the strategy and of plugins, empty if nothing did."""
        number, rows = self.number, []
        for at, calls in enumerate(self.report.slow_callbacks):
            key = f"slow_callbacks[{at}]"
            longest = f"{number(f'{key}.longest_ms')} ms at tick {number(f'{key}.tick')}"
            count, ticks = number(f"{key}.count"), number(f"{key}.ticks")
            meanwhile = f"a live venue continues for {ticks} ticks meanwhile"
            about = f"calls longer than a tick: {count}; at most {longest}; {meanwhile}"
            rows.append((text(calls.callback), about))
        for at, hook in enumerate(self.report.hook_times):
            if hook.slow:
                key = f"hook_times[{at}]"
                mean, longest = number(f"{key}.mean_ms"), number(f"{key}.longest_ms")
                about = (
                    f"{mean} ms on average, {longest} ms at most, calls: {number(f'{key}.calls')}"
                )
                rows.append((f"Plugin {text(hook.plugin)}, {text(hook.hook)}", about))
        return self.pairs("Slow calls", rows) if rows else ""

    def about(self) -> str:
        report = self.report
        rows = [
            ("Session", f"<code>{text(report.session_id)}</code>"),
            ("Seed", self.number("seed")),
            ("Frames", self.number("frames")),
            ("Not read", self.number("quarantined")),
            ("Digest", f"<code>{text(report.digest)}</code>"),
        ]
        rows += [
            (f"Errors of {text(name)}", self.number(f"plugin_errors['{name}']"))
            for name in report.plugin_errors
        ]
        if report.kept and report.store:
            rows += [("Store", f"<code>{text(report.store)}</code>"),
                     ("Journal", f"<code>{text(report.journal)}</code>")]  # fmt: skip
        rows += [("Unfinished", text(line)) for line in report.unfinished]
        return self.pairs("Session", rows)

    def pairs(self, title: str, rows: Sequence[Row]) -> str:
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<section><h2>{title}</h2><table>{cells}</table></section>"

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        head = "".join(f"<th>{name}</th>" for name in columns)
        lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{lines}</table>"
