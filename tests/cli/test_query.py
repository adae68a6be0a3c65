"""The query command: names, SQL, tables for people and JSON for programs."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import vectra_bot.cli.query as cli_query
from tests.store.samples import HEADER, SESSION, small_session
from vectra_bot.cli.query import query
from vectra_bot.errors import InputError, UnknownNameError
from vectra_bot.models import DocType
from vectra_bot.store.journal import Journal, journal_directory
from vectra_bot.store.parquet import build_parts, part_path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    journal = Journal.create(journal_directory(tmp_path, SESSION), HEADER)
    journal.append(small_session())
    journal.close("done")
    build_parts(journal.directory, tmp_path)
    return tmp_path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(query, [str(a) for a in arguments])


def _json(*arguments: str | Path) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)


def test_without_argument_lists_names() -> None:
    """The names of the queries are listed with what they return."""
    result = _run()
    assert "cash-per-game" in result.stdout
    assert "exceptional-players" in result.stdout
    assert {"name": "latency"}.items() <= next(r for r in _json() if r["name"] == "latency").items()


def test_named_query_in_json_is_exact(store: Path) -> None:
    """Amounts are JSON numbers with every decimal place."""
    (row,) = _json("cash-per-game", "--store", store)
    assert (row["cash_end"], row["buys"]) == (Decimal("0.990000000"), Decimal("0.010000000"))
    assert row["residual_lamports"] == 0
    assert '"cash_end": 0.990000000' in _run("cash-per-game", "--store", store, "--json").stdout


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM game_tick",
        "from game_tick select count(*) as n",
        "FROM\tws_event",
    ],
)
def test_sql_runs_over_the_views(store: Path, sql: str) -> None:
    """What looks like SQL runs as SQL."""
    assert _run(sql, "--store", store).exit_code == 0


def test_table_is_aligned(store: Path) -> None:
    """People get aligned columns, numbers to the right, and the number of rows."""
    sql = "SELECT action_type AS kind, 7 AS n, NULL AS nothing, amount FROM player_action"
    lines = _run(sql, "--store", store).stdout.splitlines()
    assert lines == [
        "kind  n  nothing       amount",
        "----  -  -------  -----------",
        "BUY   7  -        0.010000000",
        "(1 row)",
    ]


def test_long_cells_are_cut_on_a_terminal_only(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A raw frame does not fill a person's screen, but is whole in a pipe and in JSON."""
    sql = "SELECT repeat('x', 200) AS raw"
    assert max(map(len, _run(sql, "--store", store).stdout.splitlines())) == 200
    monkeypatch.setattr(cli_query, "on_terminal", lambda: True)
    assert max(map(len, _run(sql, "--store", store).stdout.splitlines())) == 60
    assert _json(sql, "--store", store) == [{"raw": "x" * 200}]


def test_every_type_has_a_json_form(store: Path) -> None:
    """Types that JSON lacks become text, numbers of any size stay numbers, nothing is lost."""
    sql = (
        "SELECT 170141183460469231731687303715884105727 AS big, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS t, "
        "INTERVAL 1 HOUR AS i, 'ab'::BLOB AS b, [1.50::DECIMAL(9,2)] AS l, {'a': 1e300} AS s, "
        "DATE '2026-01-01' AS d, 'nan'::DOUBLE AS nothing"
    )
    (row,) = _json(sql, "--store", store)
    assert row == {
        "big": 2**127 - 1,
        "t": "2026-01-01T00:00:00Z",
        "i": "1:00:00",
        "b": "6162",
        "l": [Decimal("1.50")],
        "s": {"a": Decimal("1e300")},
        "d": "2026-01-01",
        "nothing": None,
    }


def test_store_is_taken_from_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --store, $VECTRA_STORE says where to look."""
    monkeypatch.setenv("VECTRA_STORE", str(store))
    assert [row["action_id"] for row in _json("actions")] == ["a-1"]


def test_errors_are_raised_for_the_command_line_to_print(store: Path, tmp_path: Path) -> None:
    """An unknown name, a missing store and wrong SQL raise the SDK's errors."""
    assert isinstance(_run("latncy", "--store", store).exception, UnknownNameError)
    assert isinstance(_run("SELECT x", "--store", store).exception, InputError)
    missing = _run("latency", "--store", tmp_path / "none").exception
    assert isinstance(missing, InputError)
    assert str(missing).startswith(f"no store at {tmp_path / 'none'}")


def test_damaged_files_are_a_warning(store: Path) -> None:
    """A damaged part is named on standard error, and the answer comes from the others."""
    part_path(store, DocType.GAME_TICK, SESSION, 2).write_bytes(b"PAR1 cut")
    result = _run("SELECT count(*) AS n FROM game_tick", "--store", store, "--json")
    assert json.loads(result.stdout) == [{"n": 1}]
    assert "part-000002.parquet is damaged" in result.stderr


def test_importing_the_command_is_cheap() -> None:
    """The module itself imports only click: help of the whole program stays quick."""
    code = (
        "import sys, vectra_bot.cli.query; "
        "print(sorted({'duckdb', 'pyarrow', 'msgspec', 'attrs', 'cattrs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
