"""``vectra-bot players``: other players of a store or of simulated games, and whether luck explains them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import Number, Whole, WholeRange
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import address, store_option

if TYPE_CHECKING:
    from vectra_bot.analysis.players.findings import JudgedPlayer, PlayersReport, RuleFigures

_EXAMPLES = """\b
Examples:
  vectra-bot players --store ./recorded
  vectra-bot players --store ./recorded --plot players.png
  vectra-bot players --games 1000 --seed 7
  vectra-bot players --games 1000 --seed 7 --peekers 20 --json > players.json
"""

_NAME = 20
_SHOWN = 4
_STYLES = ("never", "anomalies", "seed-rule")


@click.command("players", epilog=_EXAMPLES, context_settings=HELP_OPTIONS)
@store_option
@click.option(
    "--games", type=WholeRange(min=1), metavar="N",
    help="Judge the crowd of N simulated games instead of a store.",
)  # fmt: skip
@click.option(
    "--seed", type=Whole(), metavar="N", help="Seed of the simulated games.  [default: 1]"
)
@click.option(
    "--peekers", type=WholeRange(min=0), metavar="N",
    help="Plant N players who see each next price.  [default: 0]",
)  # fmt: skip
@click.option(
    "--sample", is_flag=True, help="See only the simulated trades that the public stream shows."
)
@click.option(
    "--level", type=Number(), default=0.01, show_default=True, metavar="SHARE",
    help="Expected share of false discoveries among the anomalies, at most.",
)  # fmt: skip
@click.option(
    "--min-games", type=WholeRange(min=1), default=10, show_default=True, metavar="N",
    help="Games with a known result that a player's record needs.",
)  # fmt: skip
@click.option(
    "--imitation", type=click.Choice(_STYLES), default="never", show_default=True,
    help="Which players are marked as targets of imitation.",
)  # fmt: skip
@click.option(
    "--top", type=WholeRange(min=1), default=20, show_default=True, metavar="N",
    help="Rows of the table.",
)  # fmt: skip
@click.option(
    "--plot", metavar="FILE", help="Also draw win rates and e-values: .png, .svg or .pdf."
)
@json_option
def players(
    *,
    store: str | None,
    games: int | None,
    top: int,
    plot: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Judge the other players of a store: results, habits, and whether luck explains them.

    The public trade stream is a sample, final leaderboards show winners, sidebets are complete: the output
    states how much was seen. Win rates have 95 % intervals and are shrunk towards all players' mean.

    Skill is tested by e-values: what betting on a player at the odds of the law would have made of 1. Without
    foresight it exceeds x with a chance of at most 1/x. Players whose e-value passes e-BH at --level are
    anomalies: under the law timing cannot be skill, so that a leak, a cheat or a wrong model is behind it.
    They are not marked as targets of imitation unless --imitation says so.

    The rule "more than 60 % of 10 games won" is computed beside it, with how often luck alone passes it.
    """
    from vectra_bot import players as judged
    from vectra_bot.errors import UsageError

    if plot is not None and not plot.lower().endswith((".png", ".svg", ".pdf")):
        raise UsageError(f"--plot was {plot!r}: give a name that ends in .png, .svg or .pdf")
    location = address(store) if games is None else None
    with Steps() as steps:
        report = judged(
            store if games is not None else location, games=games, progress=steps, **asked
        )
    seed = None
    if games is not None:
        seed = 1 if asked["seed"] is None else asked["seed"]
    what = location or f"{games:,} games of seed {seed}"
    if plot is not None:
        _draw(report, what, Path(plot).expanduser())
    if as_json:
        print_json({"store": location, "seed": seed} | report.to_json())
    else:
        _print(report, what, top)


def _print(report: PlayersReport, what: str, top: int) -> None:
    from vectra_bot.cli.tables import print_pairs, print_table

    print_pairs(list(_summary(report)), title=f"Players of {what}")
    click.echo()
    columns = (
        "player", "games", "known", "won", "95 % interval", "shrunk", "PnL/game", "entry", "hold",
        "style", "edge", "log10 e", "",
    )  # fmt: skip
    print_table(columns, [_row(one) for one in report.players[:top]])
    left = len(report.players) - top
    if left > 0:
        click.echo(f"{left} more players, by falling e-value: --top N, or --json for all")
    if report.anomalies:
        click.echo(
            "Under the law timing cannot be skill: look for a leak, a cheat or a wrong model behind an "
            "anomaly."
        )


def _summary(report: PlayersReport) -> Iterator[tuple[str, str]]:
    seen = report.seen
    share = "" if seen.trade_share is None else f" ({100 * seen.trade_share:.1f} % of the venue's)"
    bets = f"all {seen.sidebets:,} sidebets of {seen.games_with_sidebets:,}"
    tables = f"final leaderboards of {seen.games_with_table:,}"
    yield "Seen", f"{seen.games:,} games, {seen.trades:,} trades{share}; {bets}; {tables}"
    if seen.unreadable:
        yield "Unreadable", f"{seen.unreadable} frames and rows"
    known = f"{report.records:,} with {report.min_games} known results or more"
    yield "Players", f"{len(report.players):,}, {report.tested:,} of them tested, {known}"
    needed = f"an e-value of 10^{report.log10_e_needed:.1f} is needed"
    yield "Anomalies", f"{report.anomalies} at {100 * report.level:g} % false discoveries; {needed}"
    mean, low, high = report.edge_of_all, report.edge_of_all_low, report.edge_of_all_high
    if mean is not None and low is not None and high is not None:
        interval = f"{100 * low:+.2f} to {100 * high:+.2f} %"
        edge = f"{100 * mean:+.2f} % to the next tick, 95 % interval {interval}"
        yield "Edge of all", f"{edge}, of all purchases seen"
    for rule in report.rules:
        yield _rule(rule)
    truth = report.truth
    if truth is not None and truth.planted:
        yield (
            "Peekers",
            f"{truth.found} of {truth.planted} found, {truth.false_discoveries} false discoveries",
        )


def _rule(rule: RuleFigures) -> tuple[str, str]:
    name = "Seed's rule" if rule.name == "seed" else "By profit"
    text = f"more than 60 % of 10 games: {rule.flagged} of {rule.judged} players"
    if rule.expected_by_luck is not None:
        text += f", {100 * rule.expected_by_luck:.0f} % expected by luck"
    if rule.false_positive_rate is not None:
        text += f", {100 * rule.false_positive_rate:.0f} % of those without foresight"
    return name, text


def _row(one: JudgedPlayer) -> tuple[object, ...]:
    record = one.record
    return (
        short_name(one.player_id, one.username),
        one.games,
        one.games_known,
        _percent(one.win_rate),
        "-"
        if one.win_rate_low is None or one.win_rate_high is None
        else f"{100 * one.win_rate_low:.0f}-{100 * one.win_rate_high:.0f} %",
        _percent(one.win_rate_shrunk),
        "-" if record is None else f"{record.avg_pnl_per_game:+.4f}",
        "-" if record is None else f"{record.preferred_entry_zone} {record.avg_entry_tick}",
        "-" if record is None else record.avg_hold_duration,
        "-" if record is None or record.specialization is None else record.specialization,
        "-" if one.edge is None else f"{100 * one.edge:+.1f} %",
        f"{one.log10_e:.2f}",
        "anomaly" if one.anomaly else "",
    )


def short_name(player_id: str, username: str | None) -> str:
    """Return a name that fits the table, safe on a terminal: the end of the id for a player without one."""
    from vectra_bot.redaction import clean

    name = clean(username) if username else f"...{clean(player_id[-8:])}"
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _draw(report: PlayersReport, what: str, path: Path) -> None:
    from vectra_bot.cli.plot import ChartDrawing, Panel, Series, picture
    from vectra_bot.errors import InputError

    shown = [one for one in report.players if one.win_rate is not None]
    if not shown:
        raise InputError("there is nothing to draw: no player has a game with a known result")
    end = [0.0, float(max(one.games_known for one in shown))]
    most = _SHOWN * report.log10_e_needed  # some would leave no room for the others

    def points(name: str, *, anomaly: bool, value: str) -> list[Series]:
        group = [one for one in shown if one.anomaly == anomaly]
        x = [float(one.games_known) for one in group]
        y = [min(getattr(one, value), most) for one in group]
        return [Series(name, x, y, points=True)] if group else []

    rates = [
        *points("as seen", anomaly=False, value="win_rate"),
        *points("anomalies", anomaly=True, value="win_rate"),
        *points("shrunk", anomaly=False, value="win_rate_shrunk"),
        Series("limit of the seed's rule", end, [0.6, 0.6]),
    ]
    evidence = [
        *points("explained by luck", anomaly=False, value="log10_e"),
        *points("anomalies", anomaly=True, value="log10_e"),
        Series("needed for an anomaly", end, [report.log10_e_needed] * 2),
    ]
    picture(
        ChartDrawing(
            f"Players of {what}: win rates and e-values",
            "games with a known result",
            None,
            [
                Panel("", rates, "share of games won"),
                Panel("", evidence, f"log10 of the e-value, at most {most:.0f} drawn"),
            ],
        ),
        path,
    )
