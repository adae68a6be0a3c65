"""``vectra-bot query``: a store's named queries and SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS

if TYPE_CHECKING:
    from vectra_bot.store.catalog import Result

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
_CELL_WIDTH = 60
_EPILOG = """\b
Examples:
  vectra-bot query cash-per-game
  vectra-bot query "SELECT game_id, max(price) FROM game_tick GROUP BY ALL"
"""


@click.command(epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("query", required=False, metavar="[NAME|SQL]")
@click.option(
    "--store",
    type=click.Path(file_okay=False),
    help="Root of the store.  [default: $VECTRA_STORE, else ~/rugs_data/events_parquet]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
def query(query: str | None, store: str | None, *, as_json: bool) -> None:
    """Ask a store by a query's name or in SQL; without an argument, list the names.

    SQL runs in DuckDB over one view per kind of document: player_action, other_player, game_tick,
    server_state, ws_event, system_event, ml_episode and so on. In JSON, amounts of SOL are numbers
    with all nine decimals, exactly as stored; times are ISO 8601.
    """
    from vectra_bot.store import default_store
    from vectra_bot.store.catalog import Result, open_store
    from vectra_bot.store.queries import QUERIES

    if query is None:
        rows: list[tuple[Any, ...]] = [(named.name, named.summary) for named in QUERIES]
        result = Result(("name", "summary"), rows)
    else:
        with open_store(store or default_store()) as catalog:
            result = catalog.sql(query) if _is_sql(query) else catalog.run(query)
            for path in catalog.damaged:
                click.echo(
                    f"warning: {path} is damaged and was left out; delete it and its session's "
                    "*.parts.json, the next run builds it again",
                    err=True,
                )
    click.echo(_as_json(result) if as_json else _as_table(result))


def _is_sql(text: str) -> bool:
    """Tell SQL from a query's name: it has white space or begins with one of SQL's words."""
    words = text.split()
    return len(words) > 1 or text.strip().lower().startswith(_SQL_WORDS)


def _as_json(result: Result) -> str:
    import msgspec

    rows = [[_json_value(value) for value in row] for row in result.rows]
    objects = [dict(zip(result.columns, row, strict=True)) for row in rows]
    encoder = msgspec.json.Encoder(decimal_format="number")
    return msgspec.json.format(encoder.encode(objects), indent=2).decode()


def _json_value(value: Any) -> Any:
    """Return *value* as msgspec can write it without loss."""
    from datetime import timedelta
    from decimal import Decimal

    import msgspec

    if isinstance(value, Decimal):
        # Plain digits: a number token keeps every decimal place.
        return msgspec.Raw(format(value, "f").encode()) if value.is_finite() else None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return msgspec.Raw(str(value).encode())
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    return value


def _as_table(result: Result) -> str:
    """Return the rows as aligned text, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in result.rows]
    widths = [
        max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(result.columns)
    ]
    numeric = [
        any(_is_number(row[i]) for row in result.rows)
        and all(row[i] is None or _is_number(row[i]) for row in result.rows)
        for i in range(len(result.columns))
    ]

    def line(values: list[str]) -> str:
        padded = (
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    count = f"({len(cells)} row{'' if len(cells) == 1 else 's'})"
    rule = ["-" * width for width in widths]
    return "\n".join([line(list(result.columns)), line(rule), *map(line, cells), count])


def _is_number(value: Any) -> bool:
    from decimal import Decimal

    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def on_terminal() -> bool:
    """Return whether a person reads the table."""
    return sys.stdout.isatty()


def _cell(value: Any) -> str:
    from decimal import Decimal

    if value is None:
        return "-"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    text = text.replace("\n", "\\n")
    if len(text) <= _CELL_WIDTH or not on_terminal():
        return text
    return text[: _CELL_WIDTH - 1] + "…"
