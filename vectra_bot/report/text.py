"""A report as text: names and values, for the terminal, ``print(report)`` and the page's tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from vectra_bot.redaction import clean
from vectra_bot.report.latencies import HookFigures
from vectra_bot.report.luck import LuckMethod
from vectra_bot.report.results import Report
from vectra_bot.store.location import default_store

_DEFAULT_QUERY: Final = "cash-per-game"

SHOWN_LAG_MS: Final = 1000
"""A session that was less than this behind its pace does not mention it."""

Pairs = list[tuple[str, object]]


class Copyable(str):
    """A value that is to be copied, an id, a path or a command: it is never wrapped."""

    __slots__ = ()


def as_text(report: Report) -> str:
    """Return *report* as lines of a name and a value."""
    return lines("Report", pairs(report))


def lines(title: str, rows: Pairs) -> str:
    """Return *title* and a line for each name and value."""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"{name:<{width}}  {clean(value)}" for name, value in rows)])


def pairs(report: Report) -> Pairs:
    """Return names and values of *report*, and a query to run next."""
    rows: Pairs = [
        ("Session", f"{report.session_id}: {report.strategy}, {mode(report)} on {report.venue}"),
        ("Games", _games(report)),
        ("Actions", _actions(report)),
        ("Trades", _trades(report)),
        *_bets(report),
        ("Cash", f"{shown_sol(report.cash_start)} -> {shown_sol(report.cash_end)} SOL"),
        ("PnL", _pnl(report)),
    ]
    if report.open_value:
        rows.append(
            ("Open", f"worth {shown_sol(report.open_value)} SOL at the end, not in the PnL")
        )
    rows.append(("Expected", _expected(report)))
    if report.prizes:
        rows.append(
            ("Prizes", f"{signed_sol(report.prizes)} SOL won in drawings, in the cash alone")
        )
    if report.luck is not None:
        rows.append(("Luck", luck_text(report.luck, report.luck_method, report.luck_error)))
    rows += [*_risk(report), *_refused(report), ("Latency", _latency(report)), *_real_time(report)]
    if report.quarantined:
        rows.append(("Frames", f"{report.quarantined} of {report.frames} could not be read"))
    if report.plugin_errors:
        failed = ", ".join(f"{name} {count} times" for name, count in report.plugin_errors.items())
        rows.append(("Plugins", f'failed: {failed}; see vectra-bot query "FROM system_event"'))
    rows += _slow(report)
    if report.lag_ms is not None and report.lag_ms >= SHOWN_LAG_MS:
        rows.append(("Pace", f"up to {report.lag_ms / 1000:.1f} s behind --speed"))
    rows += unfinished(report.unfinished)
    rows += _sinks(report.alert_sinks)
    if report.recovered:
        rows.append(("Recovered", f"{len(report.recovered)} killed session(s) of this store"))
    rows.append(("Seed", "none" if report.seed is None else report.seed))
    rows.append(("Digest", Copyable(report.digest)))
    return [*rows, *_kept(report)]


def _kept(report: Report) -> Pairs:
    if not report.kept:
        return [("Store", "none: nothing of this session was kept (--no-store)")]
    if not report.store:
        return []
    return [
        ("Store", Copyable(report.store)),
        ("Journal", Copyable(report.journal)),
        ("Next", next_query(_DEFAULT_QUERY, report.session_id, report.store)),
    ]


def next_query(name: str, session_id: str, store: str) -> Copyable:
    """Return the command that queries one session of *store*."""
    chosen = shlex.quote(f"session={session_id}")
    return Copyable(f"vectra-bot query {name} --set {chosen}{store_option(store)}")


def store_option(store: str) -> str:
    """Return the ``--store`` option for *store* in a shell command, empty for the default store."""
    return "" if store == str(default_store()) else f" --store {shlex.quote(store)}"


def _sinks(sinks: Mapping[str, Mapping[str, int]]) -> list[tuple[str, object]]:
    """Return a row for each sink of alerts: the outcomes of its alerts."""
    return [
        (
            f"Alerts {clean(name)}",
            ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "none",
        )
        for name, counts in sinks.items()
    ]


def unfinished(lines: Iterable[str]) -> Pairs:
    """Return the rows that say what a stop left undone."""
    return [("Unfinished", clean(line)) for line in lines]


def by_state(actions: Mapping[str, int]) -> str:
    """Return counts by state as text."""
    return ", ".join(f"{count} {state}" for state, count in actions.items() if count) or "none"


def mode(report: Report) -> str:
    """Return how the session ran."""
    return f"{report.mode} (shadow)" if report.shadow else report.mode


def _games(report: Report) -> str:
    text = f"{report.games} ({report.ticks} ticks, ended: {report.ended})"
    if report.games_traded < report.games:
        text += f"; entries in {report.games_traded} of them"
    best, worst = report.best_game, report.worst_game
    if best is not None and worst is not None:
        text += (
            f"; best: game {best.game}, {signed_sol(best.pnl)} SOL; "
            f"worst: game {worst.game}, {signed_sol(worst.pnl)} SOL"
        )
    return text


def _actions(report: Report) -> str:
    extra = []
    if report.forced_sells:
        extra.append(f"{report.forced_sells} forced sells at the rug")
    if report.settlements:
        extra.append(f"{report.settlements} stakes settled")
    return "; ".join([by_state(report.actions), *extra])


def _trades(report: Report) -> str:
    trades = report.trades
    text = _won(trades.count, trades.won, trades.win_rate)
    if trades.best is not None and trades.worst is not None:
        text += f"; best {signed_sol(trades.best)} SOL, worst {signed_sol(trades.worst)} SOL"
    if trades.open:
        text += "; one is open"
    if trades.unknown:
        text += f"; the end of {trades.unknown} more was not seen"
    return text


def _bets(report: Report) -> Pairs:
    bets = report.bets
    if not bets.count:
        return []
    text = _won(bets.count, bets.won, bets.win_rate)
    return [("Bets", f"{text}, together {signed_sol(bets.pnl)} SOL")]


def _won(count: int, won: int, rate: float | None) -> str:
    return "none" if rate is None else f"{won} of {count} won ({rate:.1%})"


def _pnl(report: Report) -> str:
    apart = " before prizes" if report.prizes else ""
    text = f"{signed_sol(report.pnl_before_prizes)} SOL{apart}, per game {_per_game(report)}"
    if report.return_on_stake is not None:
        text += f"; {report.return_on_stake:+.1%} of {shown_sol(report.staked)} SOL staked"
    return text


def _per_game(report: Report) -> str:
    text = signed_sol(report.pnl_per_game)
    if report.pnl_interval is None:
        return f"{text} (a confidence interval needs two games)"
    low, high = report.pnl_interval
    return f"{text}, 95 % confidence interval {signed_sol(low)} to {signed_sol(high)}"


def _expected(report: Report) -> str:
    if report.expected_without and not report.expected:
        return f"unknown: the payoff of {' and '.join(report.expected_without)} is unverified"
    per_game = report.expected_per_game
    beside = "" if per_game is None else f", per game {signed_sol(per_game)}"
    text = f"{signed_sol(report.expected)} SOL{beside}: expected value of the same risks"
    last = report.curve[-1] if report.curve else None
    if last is not None and last.low is not None and last.high is not None and last.high > last.low:
        text += f"; the law's 95 % band {signed_sol(last.low)} to {signed_sol(last.high)}"
    if report.expected_without:
        text += f"; without {', '.join(report.expected_without)}, whose payoff is unknown"
    return text


def luck_text(
    luck: float | None, method: str | None, error: float | None, *, of: str = "sessions"
) -> str:
    """Return what a report's luck means, as a share *of* such runs."""
    if luck == 1:
        return "nothing that luck alone would not do"
    text = f"{shown_share(luck or 0.0)} of {of} do at least as well by luck alone"
    if method == LuckMethod.BOUND:
        return f"at most {text}"
    if error:
        return f"{text} (normal approximation, error up to {shown_share(error)})"
    return text


def _risk(report: Report) -> Pairs:
    """Return drawdown and exposure, if anything was at risk."""
    rows: Pairs = []
    fall, exposure = report.drawdown, report.exposure
    if fall.share is not None:
        text = f"{shown_sol(fall.amount)} SOL, {fall.share:.2%} of the peak of {shown_sol(fall.peak)} SOL"
        rows.append(("Drawdown", f"{text}, lowest in game {fall.game}"))
    if exposure.mean is not None:
        share = f" ({exposure.share:.1%})" if exposure.share is not None else ""
        text = f"{exposure.ticks} ticks{share}, {shown_sol(exposure.mean)} SOL on average"
        rows.append(("Exposure", f"{text}, {shown_sol(exposure.max)} SOL at most"))
    return rows


def _refused(report: Report) -> Pairs:
    """Return what was denied, the limits that were met, and when entries stopped."""
    rows: Pairs = []
    if report.denials:
        rows.append(("Denied", denied_text(report.denials)))
    if report.limits_met:
        met = ", ".join(
            f"{name} ({limit.limit}) from game {limit.game} on"
            for name, limit in report.limits_met.items()
        )
        rows.append(("Limits", f"met: {met}"))
    if report.no_entries_from is not None:
        stop = report.no_entries_from
        rows.append(("Stopped", f"no entries from game {stop.game} on: {stop.reason}"))
    return rows


def denied_text(denials: Mapping[str, int]) -> str:
    """Return denied actions by reason as text."""
    denied = ", ".join(f"{code} {count}" for code, count in denials.items())
    return f"actions by reason: {denied}"


def _latency(report: Report) -> str:
    latency = report.latency
    if not latency.count:
        return "no action was confirmed"
    return (
        f"{latency.p50_ms} ms median, {latency.p95_ms} ms at 95 %, {latency.max_ms} ms worst "
        f"({latency.count} actions, intent to account update)"
    )


def _slow(report: Report) -> Pairs:
    """Return a row for each callback that took longer than a tick, and for each slow hook of a plugin."""
    rows: Pairs = []
    for calls in report.slow_callbacks:
        where = f"{calls.longest_ms:.0f} ms at tick {calls.tick} of game {calls.game_id}"
        text = f"{calls.callback} took longer than a tick {_times(calls.count)}, at most {where}"
        rows.append(("Slow", f"{text}: a live venue continues for {calls.ticks} ticks meanwhile"))
    return [*rows, *slow_hooks(report.hook_times)]


def slow_hooks(times: Iterable[HookFigures]) -> Pairs:
    """Return a row for each hook of a plugin that is slow."""
    rows: Pairs = []
    for hook in times:
        if hook.slow:
            text = f"{hook.mean_ms:.1f} ms on average, {hook.longest_ms:.0f} ms at most"
            total = f"{hook.total_ms / 1000:.1f} s in {hook.calls} calls"
            rows.append(("Slow", f"plugin {hook.plugin}: {hook.hook} took {text}, {total}"))
    return rows


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _real_time(report: Report) -> Pairs:
    """Return the rows that only a session in real time has."""
    rows: Pairs = []
    sends = report.send_latency
    if sends.count:
        text = f"{sends.p50_ms} ms median, {sends.p99_ms} ms at 99 %, {sends.max_ms} ms worst"
        rows.append(("Sent", f"{text} ({sends.count} requests, frame to socket)"))
    if report.unsettled:
        rows.append(
            ("Unseen", f"{report.unsettled} games ended unseen: their stakes count as lost")
        )
    return rows


def shown_sol(amount: Decimal | None) -> str:
    """Return an amount of SOL as text."""
    return "unknown" if amount is None else f"{amount:f}"


def signed_sol(amount: Decimal | None) -> str:
    """Return an amount of SOL with its sign."""
    return "unknown" if amount is None else f"{amount:+f}"


def shown_share(chance: float) -> str:
    """Return a chance in per cent."""
    return f"{chance:.1%}" if chance >= 0.001 else "less than 0.1%"
