"""SQL from a user: one read-only statement over the store only; errors say what to do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.store.samples import SESSION, tick_document
from tests.store.stores import write_documents
from vectra_bot.errors import InputError, VectraError
from vectra_bot.models import DocType
from vectra_bot.store.query.catalog import Catalog, open_store
from vectra_bot.store.query.statements import kinds_named, read_only

OUTSIDE = "file system operations are disabled|SQL reads the store .* and nothing else"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store in it and a file beside it."""
    place = tmp_path_factory.mktemp("place")
    (part,) = write_documents(place / "store", [tick_document(1, 1.5), tick_document(2, 2.5)])
    (place / "outside.parquet").write_bytes((place / "store" / part.path).read_bytes())
    return place


@pytest.fixture(scope="module")
def catalog(place: Path) -> Iterator[Catalog]:
    with open_store(place / "store") as catalog:
        yield catalog


def _tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


READING = [
    "SELECT count(*) FROM game_tick",
    "FROM game_tick SELECT price LIMIT 1;",
    "WITH t AS (SELECT * FROM game_tick) SELECT * FROM t -- the end",
    "TABLE game_tick",
    "VALUES (1), (2)",
    "DESCRIBE game_tick",
    "SUMMARIZE game_tick",
    "SHOW TABLES",
    "PIVOT game_tick ON phase USING count(*)",
    "EXPLAIN SELECT * FROM game_tick",
    "EXPLAIN ANALYZE SELECT * FROM game_tick",
    "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM game_tick",
    'SELECT 1 AS "copy", 2 AS "update"',
    "SELECT 'copy; delete' AS text /* insert */",
]


@pytest.mark.parametrize("text", READING)
def test_statements_that_read_run(catalog: Catalog, text: str) -> None:
    """Every read-only statement is allowed."""
    assert catalog.sql(text).rows


WRITING = [
    "COPY game_tick TO '{root}/x.parquet'",
    "COPY game_tick FROM '{root}/x.parquet'",
    "WITH c AS (COPY game_tick TO '{root}/x.parquet') SELECT * FROM c",
    "EXPLAIN ANALYZE COPY game_tick TO '{root}/x.parquet'",
    "EXPLAIN ANALYZE /* so */ WITH c AS (COPY game_tick TO '{root}/x.parquet') FROM c",
    "EXPLAIN (ANALYZE) COPY game_tick TO '{root}/x.parquet'",
    "COPY (PIVOT game_tick ON phase USING count(*)) TO '{root}/x.parquet'",
    "CREATE TABLE t AS PIVOT game_tick ON phase USING count(*)",
    "CREATE TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW game_tick AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "WITH c AS (INSERT INTO t VALUES (1) RETURNING *) FROM c",
    "WITH c AS (DELETE FROM game_tick RETURNING *) FROM c",
    "INSERT INTO game_tick SELECT * FROM game_tick",
    "UPDATE game_tick SET price = 1",
    "DELETE FROM game_tick",
    "DROP VIEW game_tick",
    "ALTER TABLE game_tick ADD COLUMN x INT",
    "ATTACH '{root}/x.duckdb'",
    "EXPORT DATABASE '{root}/x'",
    "IMPORT DATABASE '{root}/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA version",
    "CALL pragma_version()",
    "CALL enable_logging()",
    "USE memory",
    "BEGIN",
    "CHECKPOINT",
    "VACUUM",
    "PREPARE q AS SELECT 1",
    "EXECUTE q",
    "EXPLAIN ANALYZE PREPARE q AS COPY game_tick TO '{root}/x.parquet'",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY game_tick TO '{root}/x.parquet'",
    "",
    "-- nothing",
]


@pytest.mark.parametrize("text", WRITING)
def test_everything_else_is_refused_in_one_line(catalog: Catalog, place: Path, text: str) -> None:
    """Nothing is written, in the store or beside it; the message says what is allowed."""
    before = _tree(place)
    with pytest.raises(InputError, match=r"a store is read-only|give one$") as caught:
        catalog.sql(text.format(root=place / "store"))
    assert "\n" not in str(caught.value)
    assert _tree(place) == before
    assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(2,)]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{outside}')",
        "SELECT * FROM read_json('{outside}')",
        "SELECT * FROM '{outside}'",
        "SELECT * FROM read_parquet('{root}/../outside.parquet')",
        "SELECT * FROM parquet_metadata('{outside}')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM glob('{root}/../*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM 'https://localhost/x.parquet'",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT * FROM duckdb_secrets()",
        "FROM query('FROM read_csv(''/etc/passwd'')')",
    ],
)
def test_nothing_outside_the_store_is_read(catalog: Catalog, place: Path, text: str) -> None:
    """Files, folders, addresses and secrets outside the store cannot be read."""
    with pytest.raises(InputError, match=OUTSIDE) as caught:
        catalog.sql(text.format(root=place / "store", outside=place / "outside.parquet"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["SELECT getenv('HOME')", "SELECT * FROM tmp_path"])
def test_environment_and_variables_are_out_of_reach(catalog: Catalog, text: str) -> None:
    """SQL sees neither the environment nor Python's variables."""
    tmp_path = {"x": [1]}
    assert tmp_path
    assert os.environ["HOME"]
    with pytest.raises(InputError, match="the query cannot run: Catalog Error"):
        catalog.sql(text)


def test_mistakes_list_what_exists(catalog: Catalog) -> None:
    """Wrong names give candidates, wrong syntax its position, all in one line."""
    for text, message in (
        ("SELECT prize FROM game_tick", 'column "prize" not found.*Candidate bindings: "price"'),
        (
            "SELECT * FROM game_ticks",
            "game_ticks does not exist: the views are ws_event, game_tick,",
        ),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 'x'::INTEGER", "Could not convert string 'x'"),
        ("SELECT sum(phase) FROM game_tick", "No function matches"),
    ):
        with pytest.raises(InputError, match=f"^the query cannot run: .*{message}") as caught:
            catalog.sql(text)
        assert "\n" not in str(caught.value)


def test_values_are_passed_separately(catalog: Catalog) -> None:
    """Parameters are never part of the SQL."""
    hostile = "1'; DROP VIEW game_tick; --"
    assert catalog.sql("SELECT $x AS x", {"x": hostile}).rows == [(hostile,)]
    assert catalog.sql("SELECT price FROM game_tick WHERE tick = ?", [2]).rows == [(2.5,)]


def test_at_most_as_many_rows_as_requested(catalog: Catalog) -> None:
    """A limit applies to any statement; a long one is not computed to its end."""
    result = catalog.sql("SELECT * FROM range(1000000000000)", max_rows=3)
    assert (result.rows, result.more) == ([(0,), (1,), (2,)], True)
    exact = catalog.sql("SELECT tick FROM game_tick", max_rows=2)
    assert (len(exact.rows), exact.more) == (2, False)


# --- names of files and kinds ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT t.tick FROM '~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet' t ORDER BY 1",
        "from'~/rugs_data/events_parquet/doc_type=game_tick/*/*.parquet' select tick order by tick",
        "SELECT tick FROM '{root}/doc_type=game_tick/**/*.parquet' WHERE 'ä' = 'ä' ORDER BY 1",
        "FROM read_parquet('~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet') SELECT tick",
        "SELECT tick FROM read_parquet('{root}/doc_type=game_tick/**/*.parquet') ORDER BY 1",
    ],
)
def test_the_schemas_file_names_are_this_store(catalog: Catalog, place: Path, text: str) -> None:
    """The schema's SQL returns this store's rows, wherever the store is."""
    assert catalog.sql(text.format(root=place / "store")).rows == [(1,), (2,)]


def test_a_file_name_becomes_a_view_only_as_a_table() -> None:
    """Elsewhere it is text: the path becomes this store's, and nothing else of the text changes."""
    name = "~/rugs_data/events_parquet/doc_type=game_tick/**/*.parquet"
    text = f"SELECT '{name}' -- '{name}'\nFROM '{name}' \"ü\""
    assert read_only(text, ["/it's"], duckdb.default_connection()).text == (
        f"SELECT '/it''s/doc_type=game_tick/**/*.parquet' -- '{name}'\nFROM \"game_tick\" \"ü\""
    )
    elsewhere = "SELECT '~/rugs_data/events_parquet/x.parquet'"
    assert read_only(elsewhere, ["/st"], duckdb.default_connection()).text == elsewhere.replace(
        "~/rugs_data/events_parquet", "/st"
    )


@pytest.mark.parametrize("table", ["'{}'", '"{}"', "read_parquet('{}')", "read_parquet(['{}'])"])
@pytest.mark.parametrize("root", ["~/rugs_data/events_parquet", "{root}"])
def test_a_single_file_of_the_store_is_refused(
    catalog: Catalog, place: Path, table: str, root: str
) -> None:
    """Also one that DuckDB itself opens for a view: its rows could be of another time than the view's."""
    assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(2,)]
    root = root.format(root=place / "store")
    name = f"{root}/doc_type=game_tick/session_id={SESSION}/part-000001.parquet"
    with pytest.raises(InputError, match=r"names the file .* and nothing else"):
        catalog.sql(f"SELECT * FROM {table.format(name)}")


def test_a_statement_of_unknown_kind_is_refused() -> None:
    """Statements that DuckDB's Python package has no name for never run."""
    with pytest.raises(InputError, match="the query begins with CONNECT"):
        read_only("CONNECT", ["/store"], duckdb.default_connection())


@given(st.text(max_size=60))
@example("CONNECT")
def test_any_text_is_accepted_or_refused(text: str) -> None:
    """Any text is a statement or our error; text without the path is unchanged."""
    with contextlib.suppress(VectraError):
        assert read_only(text, ["/store"], duckdb.default_connection()).text == text


@given(
    st.lists(st.sampled_from([*(kind.value for kind in DocType), "x", "'", '"', "."]), max_size=4),
    st.booleans(),
)
def test_kinds_are_found_as_words(words: list[str], upper: bool) -> None:
    """Each kind that occurs as a word is found in any case, and no other."""
    text = " ".join(words)
    named = {kind for kind in DocType if kind.value in words}
    assert set(kinds_named(text.upper() if upper else text)) == named
    assert kinds_named(text.replace(" ", "_x ") + "_x") == ()


@pytest.mark.parametrize(
    "text",
    [
        "SHOW TABLES",
        "SELECT name FROM (SHOW ALL TABLES)",
        "SELECT table_name FROM information_schema.tables",
        "SELECT view_name FROM duckdb_views() WHERE NOT internal",
        "SELECT name FROM sqlite_master",
        "SELECT tablename FROM pg_tables UNION ALL SELECT viewname FROM pg_views WHERE schemaname = 'main'",
    ],
)
def test_every_kind_is_in_the_list_of_views(catalog: Catalog, text: str) -> None:
    """The first statement lists all of them, and so does one after rows of a kind were read."""
    kinds = sorted(kind.value for kind in DocType)
    assert sorted(name for (name,) in catalog.sql(text).rows if name in kinds) == kinds
    assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(2,)]
    assert {name for (name,) in catalog.sql(text).rows} >= set(kinds) - {"game_tick"}
