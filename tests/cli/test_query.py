"""The query command: names, SQL, tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import vectra_bot
import vectra_bot.cli.rows as cli_rows
from tests.store.samples import (
    SESSION,
    action_document,
    state_document,
    tick_document,
    trade_document,
)
from tests.store.stores import write_documents
from vectra_bot.cli.query import query
from vectra_bot.cli.rows import csv_texts
from vectra_bot.errors import InputError, UnknownNameError, UsageError, VectraError
from vectra_bot.models import ActionType, DocType, StateCause
from vectra_bot.store.parquet.writer import part_path
from vectra_bot.store.query.catalog import open_store
from vectra_bot.store.query.queries import QUERIES


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_documents(
        tmp_path,
        [
            tick_document(3, 1.0625),
            state_document("0.99", "-0.01", StateCause.ACTION, action="a-1"),
            action_document("a-1", ActionType.BUY, "0.01", before="1", after="0.99"),
        ],
    )
    return tmp_path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(query, [str(a) for a in arguments])


def _json(*arguments: str | Path) -> Any:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_float=Decimal)


def _on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(cli_rows, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def test_without_argument_lists_names() -> None:
    """The names of the queries are listed with their results."""
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
        "FROM '~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet'",
    ],
)
def test_sql_runs_over_the_views(store: Path, sql: str) -> None:
    """Text that looks like SQL runs as SQL."""
    assert _run(sql, "--store", store).exit_code == 0


def test_parameters_of_queries_and_sql(store: Path) -> None:
    """Values are passed separately; unknown ones and ones without a query are refused."""
    assert len(_json("fills", "--store", store, "--set", f"session={SESSION}")) == 1
    assert _json("fills", "--store", store, "--set", "session=other") == []
    assert _json("SELECT $x AS x", "--store", store, "--set", "x='; DROP") == [{"x": "'; DROP"}]
    wrong = _run("fills", "--store", store, "--set", "sesion=x").exception
    assert isinstance(wrong, UnknownNameError)
    assert "did you mean session" in str(wrong)
    assert isinstance(_run("--set", "x=1").exception, UsageError)


def test_table_is_aligned(store: Path) -> None:
    """A table has aligned columns, numbers to the right, and the number of rows."""
    sql = "SELECT action_type AS kind, 7 AS n, NULL AS nothing, amount FROM player_action"
    lines = _run(sql, "--store", store).stdout.splitlines()
    assert lines == [
        "kind  n  nothing       amount",
        "----  -  -------  -----------",
        "BUY   7  -        0.010000000",
        "(1 row)",
    ]


def test_table_fits_the_terminal(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are shortened to fit, numbers never; in a pipe and in JSON everything is complete."""
    sql = "SELECT repeat('x', 200) AS raw, 'short' AS s, 1234567890123 AS n"
    assert max(map(len, _run(sql, "--store", store).stdout.splitlines())) > 200
    _on_terminal(monkeypatch, 60)
    lines = _run(sql, "--store", store).stdout.splitlines()
    assert lines[2] == "x" * 37 + "…  short  1234567890123"
    assert max(map(len, lines)) == 60
    assert _json(sql, "--store", store)[0]["raw"] == "x" * 200


def test_rows_that_cannot_fit_are_printed_in_blocks(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of sixty columns is a list of names and values."""
    _on_terminal(monkeypatch, 70)
    lines = _run("SELECT * FROM player_action", "--store", store).stdout.splitlines()
    assert lines[0].startswith("-- row 1 ---")
    assert any(line.split() == ["action_id", "a-1"] for line in lines)
    assert max(map(len, lines)) <= 70
    assert lines[-1] == "(1 row)"


def test_text_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    """Escapes, line feeds and direction marks in a player's name are displayed, not executed."""
    write_documents(tmp_path, [trade_document("\x1b[2J\n\u202eevil", "BUY", "1", "2", "g")])
    shown = _run("SELECT player_id FROM other_player", "--store", tmp_path).stdout
    assert r"\x1b[2J\n\u202eevil" in shown
    assert len(shown.splitlines()) == 4


def test_rows_can_be_limited(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most N rows are returned; a terminal gets a thousand by default."""
    sql = "SELECT * FROM range(5000) t(n)"
    assert len(_json(sql, "--store", store)) == 5000
    assert len(_json(sql, "--store", store, "--max-rows", "7")) == 7
    assert _run(sql, "--store", store, "--max-rows", "7").stdout.endswith(
        "(7 rows, there are more)\n"
    )
    _on_terminal(monkeypatch, 80)
    result = _run(sql, "--store", store)
    assert result.stdout.endswith("(1000 rows, there are more)\n")
    assert "--max-rows" in result.stderr
    assert _run(sql, "--store", store, "--max-rows", "0").exit_code == 2


def test_every_type_has_a_json_form(store: Path) -> None:
    """Types that JSON lacks become text, numbers of any size remain numbers, nothing is lost."""
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


# --- CSV ------------------------------------------------------------------------------------------


def test_csv_is_exact(store: Path) -> None:
    """RFC 4180: a header line, quotes where needed, nothing for null, decimals as stored."""
    sql = (
        "SELECT amount, 'a \"b\", c' AS text, NULL AS nothing, true AS yes, 1e300 AS large, "
        "TIMESTAMPTZ '2026-01-01 00:00:00Z' AS t, [1.50::DECIMAL(9,2)] AS l, 'x\ny' AS two "
        "FROM player_action"
    )
    done = CliRunner().invoke(query, [sql, "--store", str(store), "--csv"])
    assert done.stdout_bytes.decode() == (
        "amount,text,nothing,yes,large,t,l,two\r\n"
        '0.010000000,"a ""b"", c",,true,1e+300,2026-01-01T00:00:00+00:00,[1.50],"x\ny"\r\n'
    )


@pytest.mark.parametrize("end", ["", ";", "; -- done", " -- done"])
def test_exact_times_keep_their_nanoseconds(store: Path, end: str) -> None:
    """JSON and CSV have all digits of a time, whatever the column is called, in the order of the query."""
    sql = (
        "SELECT make_timestamp_ns(1767225600123456789 - $back::BIGINT * n) AS t, n, n AS t "
        f"FROM range(3) r(n) ORDER BY n DESC{end}"
    )
    assert _json(sql, "--set", "back=1", "--store", store) == [
        {"t": f"2026-01-01T00:00:00.12345678{9 - n}", "n": n, "t_1": n} for n in (2, 1, 0)
    ]
    lines = _run(sql, "--set", "back=1", "--store", store, "--csv").stdout.splitlines()
    assert lines[:2] == ["t,n,t_1", "2026-01-01T00:00:00.123456787,2,2"]


def test_csv_has_no_formulas() -> None:
    """What a spreadsheet would run is marked as text; numbers are numbers, also as text."""
    rows = [("=1+1", -1, Decimal("-0.5")), ("@x", 0, Decimal(0)), ("-x", 1, Decimal(1))]
    rows += [("-0.5e3", 2, Decimal(2)), ("+1-1", 3, Decimal(3)), ("-5\n", 4, Decimal(4))]
    lines = "".join(csv_texts(("name", "n", "amount"), [list(rows)])).split("\r\n")
    assert lines == [
        "name,n,amount", "'=1+1,-1,-0.5", "'@x,0,0", "'-x,1,1",
        "-0.5e3,2,2", "'+1-1,3,3", "\"'-5\n\",4,4", "",
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.none() | st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
        max_size=4,
    ),
    st.booleans(),
)
def test_exact_csv_changes_no_value(rows: list[tuple[str | None, int]], exact: bool) -> None:
    """A reader of CSV finds the same rows; without --exact, formulas have a mark before them."""
    text = "".join(csv_texts(("text", "n"), [list(rows)], exact=exact))
    back = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert back[0] == ["text", "n"]
    expected = [["" if name is None else name, str(n)] for name, n in rows]
    if exact:
        assert back[1:] == expected
    assert [[name.removeprefix("'"), n] for name, n in back[1:]] == [
        [name.removeprefix("'"), n] for name, n in expected
    ]


def test_exact_csv_of_a_query(store: Path) -> None:
    """Null is nothing, empty text is "", and a formula is changed only without --exact, as its help says."""
    sql = "SELECT '=1+1' AS a, NULL AS b, '' AS c, '-1' AS d"
    for flag, first in (("--exact", "=1+1"), (None, "'=1+1")):
        done = CliRunner().invoke(
            query, [sql, "--store", str(store), "--csv", *filter(None, [flag])]
        )
        assert done.stdout_bytes.decode() == f'a,b,c,d\r\n{first},,"",-1\r\n'
    assert "apostrophe" in _run("--help").stdout
    error = _run(sql, "--store", store, "--exact").exception
    assert isinstance(error, UsageError)
    assert "--exact was given without --csv" in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS price, 2 AS price, 3 AS price",
        "SELECT 1 AS price, 2 AS price, 3 AS price_1, 4 AS PRICE",
        "SELECT 1 AS a_1, 2 AS a, 3 AS a, 4 AS a_1, 5 AS A_1",
        "SELECT * FROM game_tick AS x JOIN game_tick AS y USING (game_id)",
    ],
)
def test_columns_of_one_name_are_kept_apart(store: Path, sql: str) -> None:
    """JSON, CSV, Arrow and ``as_dicts`` have every column, named as in DuckDB's own frames."""
    with open_store(store) as catalog:
        values = catalog.sql(sql)
        expected = list(catalog.connection.sql(sql).fetchnumpy())
        assert catalog.arrow(sql).column_names == expected
        assert [list(row) for row in values.as_dicts()] == [expected] * len(values.rows)
    assert values.rows
    assert [list(row) for row in _json(sql, "--store", store)] == [expected] * len(values.rows)
    table = list(csv.reader(io.StringIO(_run(sql, "--store", store, "--csv").stdout)))
    assert table[0] == expected


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_many_rows_are_streamed(store: Path, form: str) -> None:
    """Rows of many batches are complete and unique, limited or not; no rows are an empty list."""
    sql = "SELECT n FROM range(25000) t(n)"
    for most, count in ((None, 25_000), (20_000, 20_000), (15_000, 15_000), (1, 1)):
        limit = () if most is None else ("--max-rows", str(most))
        text = _run(sql, "--store", store, form, *limit).stdout
        if form == "--json":
            found = [row["n"] for row in json.loads(text)]
        else:
            found = [int(row["n"]) for row in csv.DictReader(io.StringIO(text, newline=""))]
        assert found == list(range(count))
    empty = _run(f"{sql} WHERE false", "--store", store, form).stdout
    assert empty == ("[]\n" if form == "--json" else "n\n")


def test_an_endless_result_is_streamed(store: Path) -> None:
    """The first rows of a query that never ends are printed immediately."""
    sql = "SELECT n FROM range(1000000000000) t(n)"
    assert _json(sql, "--store", store, "--max-rows", "2") == [{"n": 0}, {"n": 1}]


def test_csv_of_one_empty_cell_is_a_row() -> None:
    """A single null is a quoted cell, not a blank line."""
    text = "".join(csv_texts(("x",), [[(None,)], [(1,)]]))
    assert text == 'x\r\n""\r\n1\r\n'


# --- the rest -------------------------------------------------------------------------------------


def test_store_comes_from_the_environment(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --store, $VECTRA_STORE is used."""
    monkeypatch.setenv("VECTRA_STORE", str(store))
    assert [row["action_id"] for row in _json("actions")] == ["a-1"]


def test_errors_are_raised_for_the_command_line_to_print(store: Path, tmp_path: Path) -> None:
    """An unknown name, a missing store and wrong SQL raise the SDK's errors."""
    assert isinstance(_run("latncy", "--store", store).exception, UnknownNameError)
    assert isinstance(_run("SELECT x", "--store", store).exception, InputError)
    assert isinstance(_run("SELECT 1", "--store", store, "--json", "--csv").exception, UsageError)
    missing = _run("latency", "--store", tmp_path / "none").exception
    assert isinstance(missing, InputError)
    assert str(missing).startswith(f"no store at {tmp_path / 'none'}")


@pytest.mark.parametrize("text", ["SELECT 'a\udcff'", "\udcff", "SELECT 1 AS \udcff"])
def test_non_utf8_sql_is_one_line(store: Path, text: str) -> None:
    """A byte that is not UTF-8 in SQL is an error of one line that names the place."""
    error = _run(text, "--store", store).exception
    assert isinstance(error, InputError | UnknownNameError)
    if " " in text:
        place = text.index("\udcff") + 1
        assert f"the query is not valid UTF-8 (character {place})" in str(error)
    with open_store(store) as catalog, pytest.raises(InputError):
        catalog.sql(text)


def test_non_utf8_store_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that is not UTF-8 is refused before anything is written, as option and in $VECTRA_STORE."""
    path = tmp_path / "a\udcff"
    with pytest.raises(VectraError, match="is not valid UTF-8"):
        vectra_bot.run("watch", games=1, store=path)
    monkeypatch.setenv("VECTRA_STORE", str(path))
    assert isinstance(_run("SELECT 1").exception, InputError)
    assert list(tmp_path.iterdir()) == []


def test_hidden_part_files_are_not_rows(store: Path) -> None:
    """``._part`` files, as file managers leave them on shared disks, are not read as parts."""
    before = _json("SELECT count(*) AS n FROM game_tick", "--store", store)
    part = part_path(store, DocType.GAME_TICK, SESSION, 1)
    for folder in (part.parent, part.parent.parent):
        (folder / f"._{part.name}").write_bytes(b"\0\5\26\7Mac OS X")
    result = _run("SELECT count(*) AS n FROM game_tick", "--store", store, "--json")
    assert json.loads(result.stdout) == before
    assert result.stderr == ""


def test_corrupt_files_are_a_warning(store: Path) -> None:
    """A corrupt part is reported on standard error with its rows; the others are queried."""
    write_documents(store, [tick_document(4)], number=2, first_seq=9)
    path = part_path(store, DocType.GAME_TICK, SESSION, 2)
    path.write_bytes(path.read_bytes()[:-1])
    result = _run("SELECT count(*) AS n FROM game_tick", "--store", store, "--json")
    assert json.loads(result.stdout) == [{"n": 1}]
    (line,) = result.stderr.splitlines()
    assert "part-000002.parquet: the file has" in line
    assert "(1 rows, seq 9 to 9); see `vectra-bot store check`" in line


def test_importing_the_command_is_cheap() -> None:
    """The module itself imports only click, so that help of the whole program is fast."""
    code = (
        "import sys, vectra_bot.cli.query; "
        "heavy = {'duckdb', 'pyarrow', 'msgspec', 'attrs', 'cattrs', 'matplotlib', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _imported(store: Path, text: str) -> set[str]:
    """Return what a process imports for a query, after comparing its answer with that of this process."""
    code = "import sys; from vectra_bot.cli.main import main; main(); sys.stderr.write(' '.join(sys.modules))"
    arguments = ["query", text, "--store", str(store), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout, parse_float=Decimal) == _json(text, "--store", store) != []
    return set(done.stderr.split())


@pytest.mark.parametrize("condition", ["", " WHERE game_id IN ('g-1', 'g-2') OR price > 0.5"])
def test_a_query_imports_what_it_needs(
    store: Path, tmp_path_factory: pytest.TempPathFactory, condition: str
) -> None:
    """A small store is read without Arrow and DuckDB's Python package; others, and odd paths, by Arrow."""
    text = f"SELECT game_id, max(price) AS peak FROM game_tick{condition} GROUP BY 1"
    imported = _imported(store, text)
    assert "_duckdb" in imported
    assert not imported & {
        "duckdb",
        "pyarrow",
        "cattrs",
        "numpy",
        "rich",
        "vectra_bot.models.event",
    }

    scanned = shutil.copytree(store, tmp_path_factory.mktemp("other") / "scanned=1")
    imported = _imported(scanned, text)
    assert "pyarrow.dataset" in imported
    assert not imported & {"cattrs", "numpy", "pandas", "rich", "vectra_bot.models.event"}
    # The functions of pyarrow.compute are made with it.
    assert ("pyarrow.vendored.docscrape" in imported) is bool(condition)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("SELECT count(*) FROM range(1000000000000) t(a) WHERE hash(a) % 7 = 3", []),
        ("SELECT hash(a.i, b.i) FROM range(100000) a(i), range(100000) b(i) ORDER BY 1", ["--csv"]),
        (
            "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(i) WHERE a.i < b.i",
            ["--json"],
        ),
        ("FROM range(1000000000000)", ["--json"]),
    ],
)
def test_ctrl_c_ends_a_query_at_once(store: Path, text: str, form: list[str]) -> None:
    """In whatever DuckDB does, or while nobody reads the output: one line and exit code 130."""
    arguments = [sys.executable, "-m", "vectra_bot", "query", text, "--store", str(store), *form]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _wait_for_threads(process, 2)
            time.sleep(0.5)  # into the query
            process.send_signal(signal.SIGINT)
            stderr = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert (process.returncode, stderr) == (130, "stopped\n")


def _wait_for_threads(process: subprocess.Popen[str], number: int) -> None:
    """Wait until *process* has so many threads: the main one waits then for one that queries."""
    for _ in range(6_000):
        assert process.poll() is None
        if len(list(Path(f"/proc/{process.pid}/task").iterdir())) >= number:
            return
        time.sleep(0.01)
    raise AssertionError(f"the query has not begun after 60 s: {process.args}")


def test_ctrl_c_before_the_command_prints_no_traceback() -> None:
    """While the command line is imported: an import is interrupted by a module that is found instead."""
    code = (
        "import signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'click':\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from vectra_bot.__main__ import start\n"
        "sys.exit(start())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "stopped\n")


@pytest.mark.parametrize("name", [named.name for named in QUERIES])
def test_every_named_query_has_what_it_imports(store: Path, name: str) -> None:
    """In a separate process each query returns the same as with everything imported."""
    arguments = ["-m", "vectra_bot", "query", name, "--store", str(store), "--json"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout, parse_float=Decimal) == _json(name, "--store", store)
