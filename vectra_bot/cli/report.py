"""The printed report of a session."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from decimal import Decimal

from vectra_bot.cli.output import clean
from vectra_bot.cli.progress_table import by_state
from vectra_bot.cli.tables import print_pairs
from vectra_bot.report.luck import LuckMethod
from vectra_bot.report.session import Report

_DEFAULT_QUERY = "cash-per-game"

SHOWN_LAG_MS = 1000
"""A session that was less than this behind its pace does not mention it."""


def print_report(report: Report) -> None:
    """Print *report*, and a query to run next."""
    rows: list[tuple[str, object]] = [
        ("Session", f"{report.session_id}: {report.strategy}, {_mode(report)} on {report.venue}"),
        ("Games", _games(report)),
        ("Actions", _actions(report)),
        ("Cash", f"{_sol(report.cash_start)} -> {_sol(report.cash_end)} SOL"),
        ("PnL", _pnl(report)),
        ("Expected", _expected(report)),
    ]
    if report.open_value:
        rows.insert(-1, ("Open", f"worth {_sol(report.open_value)} SOL at the end, not in the PnL"))
    if report.prizes:
        rows.append(("Prizes", f"{_signed(report.prizes)} SOL won in drawings, in the cash alone"))
    if report.luck is not None:
        rows.append(("Luck", _luck(report)))
    if report.denials:
        denied = ", ".join(f"{code} {count}" for code, count in report.denials.items())
        rows.append(("Denied", f"actions by reason: {denied}"))
    if report.no_entries_from is not None:
        stop = report.no_entries_from
        rows.append(("Stopped", f"no entries from game {stop.game} on: {stop.reason}"))
    rows.append(("Latency", _latency(report)))
    rows += _real_time(report)
    if report.quarantined:
        rows.append(("Frames", f"{report.quarantined} of {report.frames} could not be read"))
    if report.plugin_errors:
        failed = ", ".join(f"{name} {count} times" for name, count in report.plugin_errors.items())
        rows.append(("Plugins", f'failed: {failed}; see vectra-bot query "FROM system_event"'))
    if report.lag_ms is not None and report.lag_ms >= SHOWN_LAG_MS:
        rows.append(("Pace", f"up to {report.lag_ms / 1000:.1f} s behind --speed"))
    rows += unfinished(report.unfinished)
    rows += _sinks(report.alert_sinks)
    if report.recovered:
        rows.append(("Recovered", f"{len(report.recovered)} killed session(s) of this store"))
    rows.append(("Seed", "none" if report.seed is None else report.seed))
    rows.append(("Digest", report.digest))
    if report.store:
        rows += [
            ("Store", report.store),
            ("Journal", report.journal),
            ("Next", f"vectra-bot query {_DEFAULT_QUERY}{store_option(report.store)}"),
        ]
    print_pairs(rows, title="Report")


def _sinks(sinks: Mapping[str, Mapping[str, int]]) -> list[tuple[str, object]]:
    """Return a row for each sink of alerts: the outcomes of its alerts."""
    return [
        (
            f"Alerts {clean(name)}",
            ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "none",
        )
        for name, counts in sinks.items()
    ]


def unfinished(lines: Iterable[str]) -> list[tuple[str, object]]:
    """Return the rows that say what a stop left undone."""
    return [("Unfinished", clean(line)) for line in lines]


def _real_time(report: Report) -> list[tuple[str, object]]:
    """Return the rows that only a session in real time has."""
    rows: list[tuple[str, object]] = []
    sends = report.send_latency
    if sends.count:
        text = f"{sends.p50_ms} ms median, {sends.p99_ms} ms at 99 %, {sends.max_ms} ms worst"
        rows.append(("Sent", f"{text} ({sends.count} requests, frame to socket)"))
    if report.unsettled:
        rows.append(
            ("Unseen", f"{report.unsettled} games ended unseen: their stakes count as lost")
        )
    return rows


def _mode(report: Report) -> str:
    return f"{report.mode} (shadow)" if report.shadow else report.mode


def _games(report: Report) -> str:
    text = f"{report.games} ({report.ticks} ticks, ended: {report.ended})"
    if report.games_traded < report.games:
        text += f"; entries in {report.games_traded} of them"
    return text


def _pnl(report: Report) -> str:
    apart = " before prizes" if report.prizes else ""
    return f"{_signed(report.pnl_before_prizes)} SOL{apart}, per game {_per_game(report)}"


def _luck(report: Report) -> str:
    if report.luck == 1:
        return "nothing that luck alone would not do"
    text = f"{_share(report.luck or 0.0)} of sessions do at least as well by luck alone"
    if report.luck_method == LuckMethod.BOUND:
        return f"at most {text}"
    if report.luck_error:
        return f"{text} (normal approximation, error up to {_share(report.luck_error)})"
    return text


def _actions(report: Report) -> str:
    extra = []
    if report.forced_sells:
        extra.append(f"{report.forced_sells} forced sells at the rug")
    if report.settlements:
        extra.append(f"{report.settlements} stakes settled")
    return "; ".join([by_state(report.actions), *extra])


def _per_game(report: Report) -> str:
    text = _signed(report.pnl_per_game)
    if report.pnl_interval is None:
        return f"{text} (a confidence interval needs two games)"
    low, high = report.pnl_interval
    return f"{text}, 95 % confidence interval {_signed(low)} to {_signed(high)}"


def _expected(report: Report) -> str:
    if report.expected_without and not report.expected:
        return f"unknown: the payoff of {' and '.join(report.expected_without)} is unverified"
    per_game = report.expected_per_game
    beside = "" if per_game is None else f", per game {_signed(per_game)}"
    text = f"{_signed(report.expected)} SOL{beside}: expected value of the same risks"
    if report.expected_without:
        text += f"; without {', '.join(report.expected_without)}, whose payoff is unknown"
    return text


def _latency(report: Report) -> str:
    latency = report.latency
    if not latency.count:
        return "no action was confirmed"
    return (
        f"{latency.p50_ms} ms median, {latency.p95_ms} ms at 95 %, {latency.max_ms} ms worst "
        f"({latency.count} actions, intent to account update)"
    )


def store_option(store: str) -> str:
    """Return the ``--store`` option for *store* in a shell command, empty for the default store."""
    from vectra_bot.store.location import default_store

    return "" if store == str(default_store()) else f" --store {shlex.quote(store)}"


def _sol(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:f}"


def _signed(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:+f}"


def _share(chance: float) -> str:
    return f"{chance:.1%}" if chance >= 0.001 else "less than 0.1%"
