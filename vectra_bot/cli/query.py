"""``vectra-bot query``: a store's named queries and SQL, as a table, JSON, CSV or a chart."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS

if TYPE_CHECKING:
    from vectra_bot.store.catalog import Catalog, Result
    from vectra_bot.store.queries import NamedQuery
    from vectra_bot.store.sources import Damaged

_SQL_WORDS = (
    "select",
    "with",
    "from",
    "describe",
    "summarize",
    "show",
    "pivot",
    "explain",
    "values",
)
_TERMINAL = "-"
_TERMINAL_ROWS = 1_000
_EPILOG = """\b
Examples:
  vectra-bot query cash-per-game
  vectra-bot query fills --set session=my-session --csv > fills.csv
  vectra-bot query pnl-by-game --plot pnl.png
  vectra-bot query "SELECT game_id, max(price) FROM game_tick GROUP BY ALL" --plot
"""


@click.command(epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("query", required=False, metavar="[NAME|SQL]")
@click.option(
    "--store",
    metavar="DIR|URL",
    help="Root of the store.  [default: $VECTRA_STORE, else ~/rugs_data/events_parquet]",
)
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="A query's parameter.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV (RFC 4180).")
@click.option(
    "--plot",
    is_flag=False,
    flag_value=_TERMINAL,
    metavar="[FILE]",
    help="Draw: a .png, .svg or .pdf file, or without a name a chart in the terminal.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take at most N rows.  [default: all; 1000 in a table on a terminal]",
)
def query(query: str | None, **options: Any) -> None:
    """Ask a store by a query's name or in SQL; without an argument, list the names.

    SQL runs in DuckDB over one view per kind of document: player_action, other_player, game_tick,
    server_state, ws_event, system_event, ml_episode and so on. It can read the store and nothing
    else. In JSON and CSV, amounts of SOL have all nine decimals, exactly as stored; times are ISO 8601.
    """
    from vectra_bot.cli import rows

    plot: str | None = options["plot"]
    if plot is not None and query is None and not _is_picture(plot):
        query, plot = plot, _TERMINAL  # `query --plot NAME`: the name is the query's
    _check_options(options, plot)
    result, title, named = _ask(query, options)
    if plot is not None:
        _draw(result, title, named, plot)
    elif options["as_json"]:
        click.echo(rows.as_json(result))
    elif options["as_csv"]:
        click.echo(rows.as_csv(result), nl=False)
    else:
        click.echo(rows.as_table(result))
        if result.more and options["max_rows"] is None:
            click.echo(f"the first {len(result.rows)} rows; --max-rows N takes more", err=True)


def _is_picture(name: str) -> bool:
    return name.lower().endswith((".png", ".svg", ".pdf"))


def _check_options(options: dict[str, Any], plot: str | None) -> None:
    from vectra_bot.errors import UsageError

    given = [name for name in ("json", "csv") if options[f"as_{name}"]]
    if plot is not None:
        given.append("plot")
        if plot != _TERMINAL and not _is_picture(plot):
            raise UsageError(f"--plot was {plot!r}: give a name that ends in .png, .svg or .pdf")
    if len(given) > 1:
        raise UsageError(f"--{' and --'.join(given)} were given: give one of them")


def _ask(query: str | None, options: dict[str, Any]) -> tuple[Result, str, NamedQuery | None]:
    """Return the rows, a title for a chart, and the query if it is one with a name."""
    from vectra_bot.cli.options import pairs
    from vectra_bot.cli.rows import on_terminal
    from vectra_bot.errors import UsageError
    from vectra_bot.store import default_store
    from vectra_bot.store.catalog import Result, named_query, open_store
    from vectra_bot.store.queries import QUERIES

    params = pairs("--set", options["sets"])
    if query is None:
        if params:
            raise UsageError("--set was given without a query: name one")
        listed: list[tuple[Any, ...]] = [(named.name, named.summary) for named in QUERIES]
        return Result(("name", "summary"), listed), "queries", None
    most = options["max_rows"]
    if most is None and on_terminal() and not (options["as_json"] or options["as_csv"]):
        most = None if options["plot"] is not None else _TERMINAL_ROWS
    with open_store(options["store"] or default_store(), on_damaged=_warn) as catalog:
        if not _is_sql(query):
            named = named_query(query)
            return catalog.run(query, max_rows=most, **params), query, named
        title = " ".join(query.split())
        return (
            _sql(catalog, query, params, most),
            title if len(title) <= 90 else title[:89] + "…",
            None,
        )


def _sql(catalog: Catalog, query: str, params: dict[str, str], most: int | None) -> Result:
    return catalog.sql(query, params or None, max_rows=most)


def _warn(damaged: Damaged) -> None:
    from vectra_bot.cli.output import clean

    advice = "`vectra-bot store check` says more, `vectra-bot store recover` builds it again"
    click.echo(f"warning: left out {clean(damaged)}; {advice}", err=True)


def _draw(result: Result, title: str, named: NamedQuery | None, plot: str) -> None:
    import shutil
    from pathlib import Path

    from vectra_bot.cli import chart
    from vectra_bot.cli.plot import picture, plan

    drawing = plan(result, title, None if named is None else named.chart)
    if plot == _TERMINAL:
        plain = "utf" not in (sys.stdout.encoding or "").lower()
        click.echo(chart.render(drawing, shutil.get_terminal_size().columns, plain=plain))
    else:
        path = Path(plot).expanduser()
        picture(drawing, path)
        click.echo(f"{path}: {len(result.rows)} rows drawn")
    if drawing.left_out:
        click.echo(f"not drawn: {', '.join(drawing.left_out)}", err=True)


def _is_sql(text: str) -> bool:
    """Tell SQL from a query's name: it has white space or begins with one of SQL's words."""
    words = text.split()
    return len(words) > 1 or text.strip().lower().startswith(_SQL_WORDS)
