"""``vectra-bot query``: a store's named queries and SQL, as a table, JSON, CSV or a chart."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS, OWN_PROCESS
from vectra_bot.cli.numbers import WholeRange
from vectra_bot.cli.store_options import store_option
from vectra_bot.store.location import default_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from vectra_bot.store.query.catalog import Catalog, Result
    from vectra_bot.store.query.results import CorruptFile

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
_TITLE = 90
_EPILOG = """\b
Examples:
  vectra-bot query cash-per-game
  vectra-bot query fills --set session=my-session --csv > fills.csv
  vectra-bot query pnl-by-game --plot pnl.png
  vectra-bot query "SELECT game_id, max(price) FROM game_tick GROUP BY ALL" --plot
"""


@click.command(epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("query", required=False, metavar="[NAME|SQL]")
@store_option
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a parameter of the query."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.option(
    "--csv",
    "as_csv",
    is_flag=True,
    help="Print CSV (RFC 4180). Text that a spreadsheet would run as a formula is prefixed with an "
    "apostrophe.",
)
@click.option("--exact", is_flag=True, help="With --csv: change no value, not even a formula.")
@click.option(
    "--plot",
    is_flag=False,
    flag_value=_TERMINAL,
    metavar="[FILE]",
    help="Draw a chart to a .png, .svg or .pdf file; without FILE in the terminal.",
)
@click.option(
    "--max-rows",
    type=WholeRange(min=1),
    metavar="N",
    help="Return at most N rows.  [default: all; 1000 in a table on a terminal]",
)
def query(query: str | None, **options: Any) -> int:
    """Query a store by a query's name or in SQL.

    Without an argument, list the names. SQL runs in DuckDB over one view per kind of document:
    player_action, other_player, game_tick, server_state, ws_event, system_event, ml_episode and so on.
    Only the store can be read, and nothing written. In JSON and CSV, amounts of SOL have all nine
    decimals, exactly as stored; times are ISO 8601; the second column of a name is name_1. Files that are
    corrupt, and killed sessions whose last documents are in no file, are skipped and named on standard
    error, with exit code 1.
    """
    plot: str | None = options["plot"]
    if plot is not None and query is None and not _is_picture(plot):
        query, plot = plot, _TERMINAL  # `query --plot NAME`: the name is the query's
    params = _params(options["sets"])
    _check_options(query, options, plot, params)
    form = "json" if options["as_json"] else "csv" if options["as_csv"] else ""
    form = "exact csv" if form == "csv" and options["exact"] else form
    if query is None:
        _print(_names(), form, None)
        return 0
    location = default_store() if options["store"] is None else options["store"]
    most: int | None = options["max_rows"]

    def answer() -> int:
        return _answer(location, query, params, form=form, plot=plot, most=most)

    if not click.get_current_context().meta.get(OWN_PROCESS):
        return answer()
    from vectra_bot.cli.light import import_lightly

    import_lightly(arrays=_needs_arrays(query, plot), remote="://" in str(location))
    return _ended_by_signals(answer)


def _ended_by_signals(work: Callable[[], int]) -> int:
    """Return the result of *work*, which a thread does; a signal ends the process, whatever that does.

    DuckDB looks for signals between the steps of a query, which can take minutes, and closes a connection
    after its query. There is nothing to finish: a query writes nothing.
    """
    done: list[int] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the main thread
            failed.append(error)

    thread = threading.Thread(target=run, name="query", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException as error:  # noqa: BLE001 - what a signal's handler raises
        click.echo("stopped", err=True)
        os._exit(128 + getattr(error, "number", signal.SIGINT))
    if failed:
        raise failed[0]
    return done[0]


def _answer(
    location: str | Path,
    query: str,
    params: dict[str, str],
    *,
    form: str,
    plot: str | None,
    most: int | None,
) -> int:
    """Print the rows of a query in *form*, "" for a table, or its chart; return the exit code."""
    from vectra_bot.store.query.catalog import open_store

    skipped: list[CorruptFile] = []

    def warn(corrupt: CorruptFile) -> None:
        skipped.append(corrupt)
        warn_skipped(corrupt)

    with open_store(location, on_corrupt=warn) as catalog:
        if form:
            _write(catalog, query, params, form, most)
        elif plot is None:
            _print(_ask(catalog, query, params, most or _most_rows()), form, most)
        else:
            _draw(query, _ask(catalog, query, params, most), plot)
    return 1 if skipped else 0


def _params(sets: tuple[str, ...]) -> dict[str, str]:
    if not sets:
        return {}
    from vectra_bot.cli.options import pairs

    return pairs("--set", sets)


def _needs_arrays(query: str, plot: str | None) -> bool:
    """Return whether numpy is needed: for charts, and to add sketches."""
    if plot is not None or _is_sql(query):
        return plot is not None
    from vectra_bot.store.query.queries import PANEL

    return query == PANEL.name


def _names() -> Result:
    from vectra_bot.store.query.catalog import Result
    from vectra_bot.store.query.queries import QUERIES

    return Result(("name", "summary"), [(named.name, named.summary) for named in QUERIES])


def _is_picture(name: str) -> bool:
    return name.lower().endswith((".png", ".svg", ".pdf"))


def _check_options(
    query: str | None, options: dict[str, Any], plot: str | None, params: dict[str, str]
) -> None:
    from vectra_bot.errors import UsageError

    given = [name for name in ("json", "csv") if options[f"as_{name}"]]
    if plot is not None:
        given.append("plot")
        if plot != _TERMINAL and not _is_picture(plot):
            raise UsageError(f"--plot was {plot!r}: give a name that ends in .png, .svg or .pdf")
    if len(given) > 1:
        raise UsageError(f"--{' and --'.join(given)} were given: give one of them")
    if options["exact"] and not options["as_csv"]:
        raise UsageError("--exact was given without --csv: give both, or neither")
    if query is None and (params or plot is not None):
        raise UsageError(f"--{'set' if params else 'plot'} was given without a query: name one")


def _most_rows() -> int | None:
    from vectra_bot.cli.rows import on_terminal

    return _TERMINAL_ROWS if on_terminal() else None


def _ask(catalog: Catalog, query: str, params: dict[str, Any], most: int | None) -> Result:
    if _is_sql(query):
        return catalog.sql(query, params or None, max_rows=most)
    return catalog.run(query, max_rows=most, **params)


def _write(
    catalog: Catalog, query: str, params: dict[str, Any], form: str, most: int | None
) -> None:
    """Print a query's rows as they arrive: they are never all in memory."""
    if _is_sql(query):
        stream = catalog.stream(query, params or None, exact_times=True)
    else:
        from vectra_bot.store.query.queries import named_query, values_of

        named = named_query(query)
        if not named.sql:
            _print(catalog.run(query, **params), form, most)
            return
        stream = catalog.stream(named.sql, values_of(named, params) or None, exact_times=True)
    _print_texts(stream.columns, _at_most(stream, most), form)


def _at_most(batches: Iterable[list[Any]], most: int | None) -> Iterator[list[Any]]:
    for batch in batches:
        if most is not None and len(batch) >= most:
            yield batch[:most]
            return
        most = None if most is None else most - len(batch)
        yield batch


def _print(result: Result, form: str, most: int | None) -> None:
    from vectra_bot.cli import rows

    if form:
        _print_texts(result.columns, [result.rows[:most]] if result.rows else [], form)
        return
    click.echo(rows.as_table(result))
    if result.more and most is None:
        click.echo(f"the first {len(result.rows)} rows; --max-rows N returns more", err=True)


def _print_texts(columns: tuple[str, ...], batches: Iterable[list[Any]], form: str) -> None:
    from vectra_bot.cli import rows

    if form == "json":
        texts = rows.json_texts(columns, batches)
    else:
        texts = rows.csv_texts(columns, batches, exact=form == "exact csv")
    for text in texts:
        click.echo(text, nl=False)


def warn_skipped(corrupt: CorruptFile) -> None:
    """Print what a query skipped, and what to do, on standard error."""
    from vectra_bot.redaction import clean

    advice = "see `vectra-bot store check`"
    if corrupt.session_id:
        action = "rebuild it" if corrupt.doc_type is not None else "recover it"
        advice += f", {action} with `vectra-bot store recover`"
    click.echo(f"warning: rows may be missing: {clean(corrupt)}; {advice}", err=True)


def _draw(query: str, result: Result, plot: str) -> None:
    import shutil
    from pathlib import Path

    from vectra_bot.cli import chart
    from vectra_bot.cli.plot import picture, plan
    from vectra_bot.store.query.queries import named_query

    title = " ".join(query.split())
    title = title if len(title) <= _TITLE else title[: _TITLE - 1] + "…"
    drawing = plan(result, title, None if _is_sql(query) else named_query(query).chart)
    if plot == _TERMINAL:
        plain = "utf" not in (sys.stdout.encoding or "").lower()
        click.echo(chart.render(drawing, shutil.get_terminal_size().columns, plain=plain))
    else:
        path = Path(plot).expanduser()
        picture(drawing, path)
        click.echo(f"{path}: {len(result.rows)} rows drawn")
    if drawing.not_drawn:
        click.echo(f"not drawn: {', '.join(drawing.not_drawn)}", err=True)


def _is_sql(text: str) -> bool:
    """Distinguish SQL from a query's name: it has white space or begins with an SQL keyword."""
    words = text.split()
    return len(words) > 1 or text.strip().lower().startswith(_SQL_WORDS)
