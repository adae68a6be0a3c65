"""A report as HTML: one page that needs no other file, or the part of it that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define

from vectra_bot.report.charts import curve_chart, game_chart
from vectra_bot.report.luck import LuckMethod
from vectra_bot.report.parts import (
    PageParts,
    share,
    signed,
    sol,
    styled,
    text,
    whole_page,
)
from vectra_bot.report.results import Report
from vectra_bot.report.text import luck_text, mode


def page(report: Report) -> str:
    """Return *report* as one HTML page: no script, font or picture from elsewhere."""
    return whole_page(f"{report.strategy}, {report.games} games", fragment(report))


def fragment(report: Report) -> str:
    """Return *report* as HTML to show inside a page."""
    return styled(_Parts(report.to_json(), report).sections())


@define
class _Parts(PageParts):
    """Builds the parts of a report's page."""

    report: Report

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
        tone = "" if not pnl else "good" if pnl > 0 else "bad"
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
        return self.tile_row(tiles)

    def _apart(self) -> str:
        return ", before prizes" if self.report.prizes else ""

    def _luck(self) -> str:
        report = self.report
        if report.luck is None:
            return "nothing was at risk, or a payoff is unknown"
        if report.luck == 1:
            return luck_text(report.luck, report.luck_method, report.luck_error)
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
        return self.pairs("Money, SOL", [*rows, *self.not_expected()])

    def play(self) -> str:
        number = self.number
        rows = [
            ("Games", number("games")),
            ("Games with entries", number("games_traded")),
        ]
        rows += self.extreme_games()
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
