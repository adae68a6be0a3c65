"""SQL over a store: views for every kind, the schema's own queries, exact money."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.store.samples import (
    HEADER,
    SESSION,
    action_document,
    sol,
    state_document,
    tick_document,
    trade_document,
)
from vectra_bot.errors import InputError, UnknownNameError
from vectra_bot.models import ActionType, DocType, Document, GamePhase, MLEpisode, StateCause
from vectra_bot.serde import document_columns
from vectra_bot.store import default_store
from vectra_bot.store.catalog import open_store
from vectra_bot.store.entry import Entry
from vectra_bot.store.journal import Journal, journal_directory
from vectra_bot.store.parquet import begin_session, build_parts, part_path
from vectra_bot.store.queries import QUERIES, SEED_PATH


def _store(root: Path, documents: list[Document], session_id: str = SESSION) -> Path:
    header = {**HEADER, "session_id": session_id}
    journal = Journal.create(journal_directory(root, session_id), header)
    journal.append([Entry.of_document(i, doc) for i, doc in enumerate(documents, start=1)])
    journal.close("done")
    build_parts(journal.directory, root)
    return root


def _two_games() -> list[Document]:
    """Return a buy and sell in one game; a stake won and a forced sell in the next; a quiet third."""
    return [
        tick_document(0, 1.0),
        state_document("1", "0", None),
        state_document("0.9", "-0.1", StateCause.ACTION, action="a-1"),
        action_document("a-1", ActionType.BUY, "0.1", before="1", after="0.9"),
        state_document("1.050000001", "0.150000001", StateCause.ACTION, action="a-2"),
        action_document(
            "a-2", ActionType.SELL, "0.150000001", before="0.9", after="1.050000001", latency_ms=300
        ),
        tick_document(1, 0.02, phase=GamePhase.RUGGED),
        tick_document(0, 1.0, game_id="g-2"),
        state_document("1.040000001", "-0.01", StateCause.ACTION, "g-2", "a-3"),
        action_document(
            "a-3", ActionType.SIDEBET, "0.01", before="1.050000001", after="1.040000001",
            game_id="g-2", latency_ms=None,
        ),
        state_document("1.090000001", "0.05", StateCause.STAKE_SETTLED, "g-2", "a-3"),
        state_document("1.090000002", "0.000000001", StateCause.FORCED_SELL, "g-2"),
        tick_document(0, 1.0, game_id="g-3"),
    ]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return _store(tmp_path / "store", _two_games())


def test_every_kind_has_a_view_even_without_files(store: Path) -> None:
    """Views of kinds that the store has no file of are empty but have all their columns."""
    with open_store(store) as catalog:
        for doc_type in DocType:
            result = catalog.sql(f"SELECT * FROM {doc_type.value}")
            assert list(result.columns) == [c.name for c in document_columns(doc_type)]
            empty = catalog.sql(f"DESCRIBE {doc_type.value}")
            assert len(empty.rows) == len(result.columns)


def test_empty_views_have_the_types_of_full_ones(tmp_path: Path, store: Path) -> None:
    """A query meets the same column types whether or not a kind has rows."""
    bare = tmp_path / "bare"
    (bare / "doc_type=ws_event").mkdir(parents=True)
    with open_store(bare) as empty, open_store(store) as full:
        for name in ("player_action", "game_tick", "server_state", "other_player"):
            types = f"SELECT column_name, column_type FROM (DESCRIBE {name})"
            assert empty.sql(types).rows == full.sql(types).rows


@pytest.mark.parametrize("query", ["actions", "exceptional-players", "latency"])
def test_seed_queries_run_word_for_word(store: Path, query: str) -> None:
    """The schema's three texts run in a bare DuckDB with nothing but their path changed."""
    text = next(named.sql for named in QUERIES if named.name == query)
    assert SEED_PATH in text
    rows = duckdb.sql(text.replace(SEED_PATH, str(store))).fetchall()
    with open_store(store) as catalog:
        assert catalog.run(query).rows == rows


def test_actions_show_cash_before_and_after(store: Path) -> None:
    """One row per action, latency and exact change of cash included."""
    with open_store(store) as catalog:
        rows = catalog.run("actions").as_dicts()
    assert [row["action_id"] for row in rows] == ["a-1", "a-2"]
    assert [row["timestamps_total_latency_ms"] for row in rows] == [200, 300]
    assert rows[1]["pnl_delta"] == sol("0.150000001")
    assert rows[0]["game_context_price"] == 1.25


def test_latency_leaves_out_what_was_not_confirmed(store: Path) -> None:
    """Actions without a confirmation have no latency and do not count as zero."""
    with open_store(store) as catalog:
        rows = sorted(catalog.run("latency").rows)
    assert rows == [("BUY", 1, 200.0, 200.0, 200.0, 200), ("SELL", 1, 300.0, 300.0, 300.0, 300)]


def test_exceptional_players_need_ten_games(tmp_path: Path) -> None:
    """A player who wins 7 of 10 games is listed, one with 9 games is not."""
    trades = [
        trade_document("winner", "SELL" if game < 7 else "BUY", "0.5", "2", f"g-{game}")
        for game in range(10)
    ] + [trade_document("newcomer", "SELL", "1", "2", f"g-{game}") for game in range(9)]
    with open_store(_store(tmp_path, trades)) as catalog:
        rows = catalog.run("exceptional-players").as_dicts()
    assert [(row["player_id"], row["total_games"], row["winning_games"]) for row in rows] == [
        ("winner", 10, 7)
    ]


def test_cash_adds_up_per_game(store: Path) -> None:
    """Buys, stakes, sells, forced sells and settlements explain every lamport of every game."""
    with open_store(store) as catalog:
        rows = catalog.run("cash-per-game").as_dicts()
    first, second, third = rows
    assert [row["game_id"] for row in rows] == ["g-1", "g-2", "g-3"]
    assert [row["residual_lamports"] for row in rows] == [0, 0, 0]
    assert (first["cash_start"], first["buys"], first["sells"], first["cash_end"]) == (
        sol("1"), sol("0.1"), sol("0.150000001"), sol("1.050000001"),
    )  # fmt: skip
    assert (second["sidebets"], second["settlements"], second["forced_sells"]) == (
        sol("0.01"), sol("0.05"), sol("0.000000001"),
    )  # fmt: skip
    assert (third["cash_start"], third["cash_end"]) == (sol("1.090000002"), sol("1.090000002"))


def test_cash_that_does_not_add_up_shows(tmp_path: Path) -> None:
    """A lamport that no action explains is the game's residual; an external change is named."""
    documents = [
        state_document("0.899999999", "-0.100000001", StateCause.ACTION, action="a-1"),
        action_document("a-1", ActionType.BUY, "0.1", before="1", after="0.899999999"),
        state_document("0.999999999", "0.1", StateCause.EXTERNAL),
    ]
    with open_store(_store(tmp_path, documents)) as catalog:
        (row,) = catalog.run("cash-per-game").as_dicts()
    assert row["residual_lamports"] == -1
    assert row["external"] == sol("0.1")


def test_games_and_sessions_are_listed(store: Path) -> None:
    """The overviews count games, ticks and actions."""
    with open_store(store) as catalog:
        games = catalog.run("games").as_dicts()
        sessions = catalog.run("sessions").as_dicts()
    assert [(g["game_id"], g["ticks"], g["rug_tick"], g["actions"]) for g in games] == [
        ("g-1", 1, 1, 2),
        ("g-2", 1, None, 1),
        ("g-3", 1, None, 0),
    ]
    (session,) = sessions
    assert (session["session_id"], session["mode"], session["games"]) == (SESSION, "paper", 1)
    assert (session["actions"], session["pnl"]) == (3, sol("0.090000002"))


def test_sessions_with_any_id_stand_side_by_side(tmp_path: Path) -> None:
    """Session ids that look like numbers or dates stay text, in views and in the folder's own SQL."""
    for session_id in ("123", "2024-01-01", "x"):
        _store(tmp_path, [tick_document(1)], session_id)
    with open_store(tmp_path) as catalog:
        found = catalog.sql("SELECT session_id, typeof(session_id) FROM game_tick ORDER BY 1").rows
    assert found == [("123", "VARCHAR"), ("2024-01-01", "VARCHAR"), ("x", "VARCHAR")]
    raw = f"SELECT count(DISTINCT session_id) FROM '{tmp_path}/doc_type=game_tick/**/*.parquet'"
    assert duckdb.sql(raw).fetchall() == [(3,)]


def test_a_number_as_session_id_stays_text(tmp_path: Path) -> None:
    """Where every session id is a number, the views still hold text."""
    with open_store(_store(tmp_path, [tick_document(1)], "007")) as catalog:
        assert catalog.sql("SELECT session_id FROM game_tick").rows == [("007",)]


def test_times_come_back_in_utc(tmp_path: Path) -> None:
    """Zoned times are aware, to the microsecond."""
    started = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
    zero = Decimal(0)
    episode = MLEpisode(
        "e", SESSION, "g-1", "me", started, started, 1, 250, "rug", zero, zero, zero, 1, 1, 0, zero,
        None, None, 0, zero, zero,
    )  # fmt: skip
    document = Document(doc_type=DocType.ML_EPISODE, record=episode, ts_ns=1, source="engine")
    with open_store(_store(tmp_path, [document])) as catalog:
        ((value, amount),) = catalog.sql("SELECT started_at, final_pnl FROM ml_episode").rows
    assert value == started
    assert value.utcoffset().total_seconds() == 0
    assert amount == zero


def test_damaged_parts_are_left_out_and_named(store: Path) -> None:
    """A file that is no whole Parquet file does not stop queries over the others."""
    bad = part_path(store, DocType.PLAYER_ACTION, SESSION, 2)
    good = part_path(store, DocType.PLAYER_ACTION, SESSION, 1).read_bytes()
    bad.write_bytes(good[:-100])
    with open_store(store) as catalog:
        assert catalog.damaged == (bad,)
        assert catalog.sql("SELECT count(*) FROM player_action").rows == [(3,)]


@pytest.mark.parametrize("name", ["it's [1]*?", "späti"])
def test_odd_paths_work(tmp_path: Path, name: str) -> None:
    """Quotes and pattern characters in a store's path are taken as they are."""
    with open_store(_store(tmp_path / name, _two_games())) as catalog:
        assert len(catalog.run("actions").rows) == 2
        assert catalog.sql("SELECT count(*) FROM game_tick").rows == [(4,)]


def test_queries_run_before_the_first_segment_is_closed(tmp_path: Path) -> None:
    """A session that has only begun gives empty answers, not errors."""
    begin_session(tmp_path, SESSION)
    with open_store(tmp_path) as catalog:
        for named in QUERIES:
            assert catalog.run(named.name).rows == []


def test_bad_queries_and_stores_are_one_line(store: Path, tmp_path: Path) -> None:
    """A wrong name, wrong SQL or missing store says what is wrong and what to do."""
    with open_store(store) as catalog:
        with pytest.raises(
            UnknownNameError, match="no query is named 'latncy': did you mean latency"
        ):
            catalog.run("latncy")
        with pytest.raises(InputError, match="the query cannot run") as caught:
            catalog.sql("SELECT nothing FROM game_tick")
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match="the query cannot run"):
            catalog.sql("SELECT 'x'::INTEGER FROM game_tick")
        with pytest.raises(InputError, match="the query cannot run"):
            catalog.sql("SELECT * FROM caught")
    with pytest.raises(InputError, match="no store at"):
        open_store(tmp_path / "none")
    with pytest.raises(InputError, match="it has no doc_type= folder"):
        open_store(tmp_path / "store" / "journals")


def test_statements_without_rows_give_none(store: Path) -> None:
    """A statement that returns nothing gives an empty result."""
    with open_store(store) as catalog:
        assert catalog.sql("CREATE VIEW t AS SELECT 1 AS x").rows == []
        assert catalog.connection.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_named_queries_are_sorted_and_described() -> None:
    """Names are unique and sorted; each has one line that says what it returns."""
    names = [named.name for named in QUERIES]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[^\n]{10,100}", named.summary) for named in QUERIES)


def test_default_store_is_the_seeds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$VECTRA_STORE says where the store is; else it is where the schema's SQL looks."""
    monkeypatch.delenv("VECTRA_STORE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store() == tmp_path / "rugs_data" / "events_parquet"
    monkeypatch.setenv("VECTRA_STORE", str(tmp_path / "other"))
    assert default_store() == tmp_path / "other"
