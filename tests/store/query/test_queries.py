"""Named queries: the schema's word for word, ours by their values, all also on stores without rows."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.store.samples import (
    SESSION,
    TS,
    action_document,
    sol,
    state_document,
    tick_document,
    trade_document,
)
from tests.store.stores import write_documents
from vectra_bot.errors import InputError, UnknownNameError
from vectra_bot.models import (
    ActionOutcome,
    ActionState,
    ActionTimestamps,
    ActionType,
    Actor,
    AlertTrigger,
    AlertType,
    DocType,
    Document,
    GamePhase,
    StateCause,
    SystemEvent,
)
from vectra_bot.store.location import SEED_PATH
from vectra_bot.store.parquet.builder import begin_session
from vectra_bot.store.parquet.manifest import MANIFEST, part_folder, read_manifest, write_manifest
from vectra_bot.store.parquet.writer import part_path
from vectra_bot.store.query.catalog import open_store
from vectra_bot.store.query.queries import QUERIES

RUGGED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def _ask(root: Path, documents: list[Document], query: str, **params: Any) -> list[dict[str, Any]]:
    write_documents(root, documents)
    with open_store(root) as catalog:
        return catalog.run(query, **params).as_dicts()


def _changed(document: Document, **changes: Any) -> Document:
    """Return an action with fields of its record changed; ``tick`` and ``price`` are the context's."""
    context = {key: changes.pop(key) for key in ("tick", "price", "phase") if key in changes}
    record = attrs.evolve(document.record, **changes)
    record = attrs.evolve(record, game_context=attrs.evolve(record.game_context, **context))
    return attrs.evolve(document, record=record)


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
    root = tmp_path / "store"
    write_documents(root, _two_games())
    return root


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["actions", "exceptional-players", "latency"])
def test_seed_queries_run_word_for_word(store: Path, query: str) -> None:
    """The schema's three texts run in a bare DuckDB with nothing but their path changed."""
    begin_session(store, SESSION)
    text = next(named.sql for named in QUERIES if named.name == query)
    assert SEED_PATH in text
    rows = sorted(duckdb.sql(text.replace(SEED_PATH, str(store))).fetchall())
    with open_store(store) as catalog:
        assert sorted(catalog.run(query).rows) == rows
        assert sorted(catalog.sql(text).rows) == rows


def test_all_run_on_stores_without_rows(tmp_path: Path) -> None:
    """A session that has only begun, and a store without our kinds, give empty results."""
    begin_session(tmp_path / "begun", SESSION)
    (tmp_path / "bare" / "doc_type=button_event").mkdir(parents=True)
    for name in ("begun", "bare"):
        with open_store(tmp_path / name) as catalog:
            for named in QUERIES:
                result = catalog.run(named.name)
                assert result.rows == []
                assert len(set(result.columns)) == len(result.columns) > 1


def test_charts_name_existing_columns(store: Path) -> None:
    """A query's chart fits its result."""
    with open_store(store) as catalog:
        for named in QUERIES:
            if named.chart is not None:
                used = {named.chart.x, *named.chart.y, *named.chart.only}
                used |= {named.chart.by} - {""}
                assert used <= set(catalog.run(named.name).columns)


def test_named_queries_are_sorted_and_described() -> None:
    """Names are unique and sorted; each has a one-line description."""
    names = [named.name for named in QUERIES]
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"[^\n]{10,100}", named.summary) for named in QUERIES)


def test_wrong_names_and_parameters_are_one_line(store: Path) -> None:
    """The error for a wrong query, parameter or number says what is right."""
    with open_store(store) as catalog:
        with pytest.raises(UnknownNameError, match="named 'latncy': did you mean latency"):
            catalog.run("latncy")
        with pytest.raises(UnknownNameError, match="no parameter of fills is named 'sesion'"):
            catalog.run("fills", sesion="x")
        with pytest.raises(InputError, match="min_games was 'many': give a number such as 10"):
            catalog.run("exceptional-players-by-pnl", min_games="many")


@pytest.mark.parametrize("named", [q.name for q in QUERIES if "session" in q.parameters])
def test_one_session_can_be_selected(tmp_path: Path, named: str) -> None:
    """With the parameter only rows of that session remain."""
    documents = [*_two_games(), *_gaps(), _alert()]
    write_documents(tmp_path, documents, "s-1")
    write_documents(
        tmp_path, [attrs.evolve(d, record=_in_session(d.record, "s-2")) for d in documents], "s-2"
    )
    with open_store(tmp_path) as catalog:
        both, one = catalog.run(named), catalog.run(named, session="s-2")
        assert catalog.run(named, session="s-3").rows == []
    if "session_id" in both.columns:
        assert {row["session_id"] for row in both.as_dicts()} == {"s-1", "s-2"}
        assert one.rows == [row for row in both.rows if "s-2" in row]
    else:
        count = both.columns.index("count")
        assert [2 * row[count] for row in one.rows] == [row[count] for row in both.rows]


def _in_session(record: Any, session_id: str) -> Any:
    return attrs.evolve(record, session_id=session_id) if hasattr(record, "session_id") else record


# --- actions --------------------------------------------------------------------------------------


def test_actions_show_cash_before_and_after(store: Path) -> None:
    """One row per action, latency and exact change of cash included."""
    with open_store(store) as catalog:
        rows = catalog.run("actions").as_dicts()
    assert [row["action_id"] for row in rows] == ["a-1", "a-2"]
    assert [row["timestamps_total_latency_ms"] for row in rows] == [200, 300]
    assert rows[1]["pnl_delta"] == sol("0.150000001")
    assert rows[0]["game_context_price"] == 1.25


def test_latency_skips_unconfirmed_actions(store: Path) -> None:
    """Actions without a confirmation have no latency and do not count as zero."""
    with open_store(store) as catalog:
        rows = sorted(catalog.run("latency").rows)
    assert rows == [("BUY", 1, 200.0, 200.0, 200.0, 200), ("SELL", 1, 300.0, 300.0, 300.0, 300)]


def test_latency_by_leg(tmp_path: Path) -> None:
    """Every leg of an action has separate figures; a leg without times has no row."""
    client = TS // 1_000_000
    buy = action_document("a", ActionType.BUY, "0.1", before="1", after="0.9")
    documents = [
        _changed(buy, action_id=f"a-{n}", timestamps=ActionTimestamps(client, client + n, client + 3 * n),
                 first_evidence_ts=client + 1)
        for n in (10, 20, 30)
    ]  # fmt: skip
    documents.append(_changed(buy, action_id="a-0", timestamps=ActionTimestamps(client)))
    rows = _ask(tmp_path, documents, "latency-by-type")
    found = {
        row["leg"]: (row["count"], row["p50_ms"], row["min_ms"], row["max_ms"]) for row in rows
    }
    assert found == {
        "confirm": (3, 40.0, 20, 60),
        "evidence": (3, 1.0, 1, 1),
        "send": (3, 20.0, 10, 30),
        "total": (3, 60.0, 30, 90),
    }
    assert {row["action_type"] for row in rows} == {"BUY"}


def test_context_of_an_action(tmp_path: Path) -> None:
    """An action is listed with its game: peak so far, change over ten ticks."""
    prices = [1.0, 1.5, 3.0, *[2.0] * 8, 1.8, 9.0]
    act = _changed(
        action_document("a-1", ActionType.BUY, "0.1", before="1", after="0.9"),
        tick=11, price=Decimal("1.8"),
    )  # fmt: skip
    early = _changed(
        action_document("a-0", ActionType.BUY, "0.1", before="1", after="0.9"),
        tick=0, price=Decimal(1), phase=GamePhase.PRESALE,
    )  # fmt: skip
    ticks = [tick_document(tick, price) for tick, price in enumerate(prices)]
    first, second = _ask(tmp_path, [early, *ticks, act], "action-context")
    assert (first["action_id"], first["peak"], first["phase"]) == ("a-0", None, "presale")
    assert (second["tick"], second["price"], second["peak"]) == (11, 1.8, 3.0)
    assert second["change_10_ticks_percent"] == 20.0
    assert (second["cash_before"], second["cash_delta"]) == (sol("1"), sol("-0.1"))
    assert second["latency_ms"] == 200
    assert second["at"].isoformat() == "2026-01-01T00:00:00"


def test_fills_compared_with_prices(tmp_path: Path) -> None:
    """Slippage is above zero where the price moved against us, below where it moved for us."""
    ticks = [tick_document(tick, price) for tick, price in ((10, 2.0), (11, 2.5), (12, 1.0))]

    def act(name: str, kind: ActionType, executed: str | None, **changes: Any) -> Document:
        price = None if executed is None else Decimal(executed)
        outcome = ActionOutcome(True, executed_price=price, executed_amount=sol("0.4"))
        document = action_document(name, kind, "0.4", before="1", after="1")
        changes = {"tick": 10, "price": Decimal(2), "outcome": outcome, **changes}
        return _changed(document, **changes)

    documents = [
        *ticks,
        act("late", ActionType.BUY, "2.5"),
        act("cheap", ActionType.BUY, "1"),
        act("low", ActionType.SELL, "1"),
        act("same", ActionType.SELL, "2"),
        act("none", ActionType.SELL, "3"),
        act("bet", ActionType.SIDEBET, None),
        act("denied", ActionType.BUY, "2", state=ActionState.DENIED),
    ]
    rows = {row["action_id"]: row for row in _ask(tmp_path, documents, "fills")}
    assert list(rows) == ["late", "cheap", "low", "same", "none"]
    assert {name: row["slippage_percent"] for name, row in rows.items()} == {
        "late": 25.0, "cheap": -50.0, "low": 50.0, "same": 0.0, "none": -50.0,
    }  # fmt: skip
    assert {name: (row["fill_tick"], row["delay_ticks"]) for name, row in rows.items()} == {
        "late": (11, 1), "cheap": (12, 2), "low": (12, 2), "same": (10, 0), "none": (None, None),
    }  # fmt: skip
    assert rows["late"]["slippage_sol"] == sol("0.1")
    assert (rows["late"]["seen_price"], rows["late"]["tick_price"]) == (2.0, 2.0)
    assert math.copysign(1, rows["same"]["slippage_percent"]) == 1


# --- money ----------------------------------------------------------------------------------------


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
    """A lamport that no action explains is the game's residual; an external change is listed."""
    documents = [
        state_document("0.899999999", "-0.100000001", StateCause.ACTION, action="a-1"),
        action_document("a-1", ActionType.BUY, "0.1", before="1", after="0.899999999"),
        state_document("0.999999999", "0.1", StateCause.EXTERNAL),
    ]
    (row,) = _ask(tmp_path, documents, "cash-per-game")
    assert row["residual_lamports"] == -1
    assert row["external"] == sol("0.1")


def test_profit_by_game(store: Path) -> None:
    """A game's exact cost and return, with the running sum; money from elsewhere is not profit."""
    write_documents(
        store, [state_document("2.090000002", "1", StateCause.EXTERNAL, "g-3")],
        number=2, first_seq=20,
    )  # fmt: skip
    with open_store(store) as catalog:
        rows = catalog.run("pnl-by-game").as_dicts()
    keys = ("game", "game_id", "actions", "spent", "received", "pnl", "running_pnl", "external")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (1, "g-1", 2, sol("0.1"), sol("0.150000001"), sol("0.050000001"), sol("0.050000001"), 0),
        (2, "g-2", 1, sol("0.01"), sol("0.050000001"), sol("0.040000001"), sol("0.090000002"), 0),
        (3, "g-3", 0, 0, 0, 0, sol("0.090000002"), sol("1")),
    ]
    assert (rows[0]["rug_tick"], rows[0]["peak"]) == (1, 1.0)


def test_stakes_and_how_they_ended(tmp_path: Path) -> None:
    """A stake is won, lost or still open; its profit is exact, bonus money is not a cost."""
    bet = action_document("x", ActionType.SIDEBET, "0.01", before="1", after="1")
    bonus = ActionOutcome(True, executed_amount=sol("0.01"), executed_bonus=sol("0.01"))
    documents = [
        _changed(bet, action_id="won"),
        _changed(bet, action_id="lost"),
        _changed(bet, action_id="open"),
        _changed(bet, action_id="free", outcome=bonus),
        _changed(bet, action_id="refused", state=ActionState.REJECTED),
        state_document("1", "0.05", StateCause.STAKE_SETTLED, action="won"),
        state_document("1", "0", StateCause.STAKE_SETTLED, action="lost"),
        state_document("1", "0", StateCause.STAKE_SETTLED, action="free"),
    ]
    rows = _ask(tmp_path, documents, "stakes")
    found = [(row["action_id"], row["result"], row["payout"], row["pnl"]) for row in rows]
    assert found == [
        ("won", "won", sol("0.05"), sol("0.04")),
        ("lost", "lost", sol("0"), sol("-0.01")),
        ("open", "open", None, None),
        ("free", "lost", sol("0"), sol("0")),
    ]


# --- what was seen --------------------------------------------------------------------------------


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


def _gaps() -> list[Document]:
    """Return ticks 0, 1, 5 (3 read later), 6 and 9, with a lost connection before the last."""

    def at(document: Document, second: float) -> Document:
        return attrs.evolve(document, ts_ns=TS + int(second * 1e9))

    lost = Document(
        doc_type=DocType.SYSTEM_EVENT,
        record=SystemEvent(
            kind="connection.disconnected", severity="info", message="gone", detail_json="{}"
        ),
        ts_ns=TS,
        source="engine",
    )
    game = "g-9"
    return [
        at(tick_document(0, game_id=game), 0),
        at(tick_document(1, game_id=game), 0.25),
        at(tick_document(3, game_id=game, backfilled=True), 1.25),
        at(tick_document(5, game_id=game), 1.25),
        at(tick_document(6, game_id=game), 1.5),
        lost,
        at(tick_document(9, game_id=game), 31.5),
    ]


def test_gaps_of_the_feed(tmp_path: Path) -> None:
    """A skipped tick is filled later or lost; the silence and its cause are listed."""
    rows = _ask(tmp_path, _gaps(), "feed-gaps")
    keys = ("first_tick", "last_tick", "missed", "filled", "lost", "silence_s", "causes")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (2, 4, 3, 1, 2, 1.0, None),
        (7, 8, 2, 0, 2, 30.0, "connection.disconnected"),
    ]
    assert rows[0]["since"].isoformat() == "2026-01-01T00:00:00.250000"


def _alert() -> Document:
    record = AlertTrigger(
        alert_id="x", alert_type=AlertType.GAME_RUG, severity="warning", triggered_at=RUGGED_AT,
        expires_at=None, title="rug", message="it rugged", game_id="g-1", player_id=None,
    )  # fmt: skip
    return Document(
        doc_type=DocType.ALERT_TRIGGER, record=record, ts_ns=TS, source="plugin:x", game_id="g-1"
    )


def test_alerts_are_listed(tmp_path: Path) -> None:
    """Every alert is listed with its time and text."""
    (row,) = _ask(tmp_path, [_alert()], "alerts")
    assert (row["severity"], row["alert_type"], row["title"]) == ("warning", "game_rug", "rug")
    assert row["triggered_at"] == RUGGED_AT


# --- other players --------------------------------------------------------------------------------


def _trade(player: str, kind: str, amount: str, price: str, game: int, **changes: Any) -> Document:
    document = trade_document(player, kind, amount, price, f"g-{game:02}")
    return attrs.evolve(document, record=attrs.evolve(document.record, **changes))


def _round_trip(
    player: str, spent: str, received: str, game: int, **changes: Any
) -> list[Document]:
    """Return a buy and the sell of all that it bought."""
    qty = {"qty": sol("1"), **changes}
    return [
        _trade(player, "BUY", spent, "1", game, **qty),
        _trade(player, "SELL", received, "2", game, **qty),
    ]


def test_exceptional_players_need_ten_games(tmp_path: Path) -> None:
    """The schema's query: a player who wins 7 of 10 games is listed, one with 9 games is not."""
    trades = [
        trade_document("winner", "SELL" if game < 7 else "BUY", "0.5", "2", f"g-{game}")
        for game in range(10)
    ] + [trade_document("newcomer", "SELL", "1", "2", f"g-{game}") for game in range(9)]
    rows = _ask(tmp_path, trades, "exceptional-players")
    assert [(row["player_id"], row["total_games"], row["winning_games"]) for row in rows] == [
        ("winner", 10, 7)
    ]


def test_profit_of_players_is_sol_out_minus_sol_in(tmp_path: Path) -> None:
    """Amounts are SOL: what the schema's query counts as a win at a high price is a loss here."""
    trades = [
        trade
        for game in range(10)
        for trade in (
            *_round_trip("good", "0.1", "0.15" if game < 8 else "0.05", game),
            # Sells half of what was paid, at twice the price: the schema's query counts a win.
            *_round_trip("unlucky", "0.2", "0.15", game),
            # Only sells were seen: the profit is unknown.
            _trade("half", "SELL", "5", "3", game, qty=sol("9")),
            *_round_trip("toy", "0.1", "9", game, practice=True),
        )
    ]
    seed = {row["player_id"] for row in _ask(tmp_path, trades, "exceptional-players")}
    assert {"unlucky", "half"} <= seed
    with open_store(tmp_path) as catalog:
        (row,) = catalog.run("exceptional-players-by-pnl").as_dicts()
    assert (row["player_id"], row["username"]) == ("good", "name of good")
    assert (row["games_seen"], row["games"], row["wins"], row["win_rate"]) == (10, 10, 8, 0.8)
    assert (row["spent"], row["received"], row["pnl"]) == (sol("1"), sol("1.3"), sol("0.3"))
    assert (row["avg_pnl"], row["worst_game"]) == (sol("0.03"), sol("-0.05"))
    # Wilson's interval for 8 of 10, as in published tables.
    assert row["win_rate_low"] == pytest.approx(0.4902, abs=1e-4)


def test_coverage_says_how_much_was_seen(tmp_path: Path) -> None:
    """Games without their end do not count; shares of games and of the stream are listed."""
    trades = [trade for game in range(10) for trade in _round_trip("p", "0.1", "0.2", game)]
    trades += [_trade("p", "BUY", "1", "1", game, qty=sol("3")) for game in range(10, 15)]
    ticks = [
        tick_document(5, game_id=f"g-{game:02}", trade_count=count)
        for game in range(15)
        for count in (1_000, 8)  # the first frame of a game may still count the last one's
    ]
    (row,) = _ask(tmp_path, [*trades, *ticks], "exceptional-players-by-pnl")
    assert (row["games_seen"], row["games"], row["coverage"]) == (15, 10, 0.6667)
    assert row["stream_share"] == 0.25


def test_a_trade_that_two_sessions_saw_counts_once(tmp_path: Path) -> None:
    """Two recorders of one venue do not double a profit; the same id at another venue is another trade."""
    trades = [
        attrs.evolve(t, record=attrs.evolve(t.record, trade_id=f"t-{n}"))
        for n, t in enumerate(t for game in range(10) for t in _round_trip("p", "0.1", "0.3", game))
    ]
    for session_id, venue in (("s-1", "a"), ("s-2", "a"), ("s-3", "b")):
        write_documents(
            tmp_path,
            [attrs.evolve(t, record=_in_session(t.record, session_id)) for t in trades],
            session_id,
            venue=venue,
        )
    with open_store(tmp_path) as catalog:
        rows = catalog.run("exceptional-players-by-pnl").as_dicts()
    assert [(row["venue"], row["pnl"]) for row in rows] == [("a", sol("2")), ("b", sol("2"))]


def test_parameters_of_players(tmp_path: Path) -> None:
    """Fewer games and another rate may be given, as numbers or as text."""
    trades = [
        trade
        for game in range(4)
        for trade in _round_trip("p", "0.1", "0.2" if game < 2 else "0.05", game)
    ]
    write_documents(tmp_path, trades)
    with open_store(tmp_path) as catalog:
        name = "exceptional-players-by-pnl"
        assert catalog.run(name).rows == []
        assert catalog.run(name, min_games=4).rows == []
        assert len(catalog.run(name, min_games="4", min_win_rate="0.4").rows) == 1


# --- the panel of latencies -----------------------------------------------------------------------


def _latencies(root: Path, kinds: dict[str, list[int]], session_id: str = SESSION) -> None:
    """Write actions whose total latencies are the given ones."""
    client = TS // 1_000_000
    documents = [
        _changed(
            action_document("a", ActionType(kind), "0.1", before="1", after="1"),
            action_id=f"{kind}-{n}", timestamps=ActionTimestamps(client, None, client + value),
            session_id=session_id, actor=Actor.BOT,
        )
        for kind, values in kinds.items()
        for n, value in enumerate(values)
    ]  # fmt: skip
    write_documents(root, documents, session_id)


def _panel(root: Path) -> dict[str, tuple[Any, ...]]:
    with open_store(root) as catalog:
        result = catalog.latency_panel()
        assert result == catalog.run("latency-panel")
    assert result.columns == ("action_type", "column", "count", "p50", "p95", "p99", "min", "max")
    assert {row[1] for row in result.rows} <= {"timestamps_total_latency_ms"}
    return {row[0]: row[2:] for row in result.rows}


def test_the_panel_matches_an_exact_scan(tmp_path: Path) -> None:
    """Bimodal, heavy tailed and equal latencies of two sessions: within 1 % of the exact query."""
    rng = np.random.default_rng(11)
    bimodal = [int(v) for v in np.where(rng.random(301) < 0.5, 100, 900)]
    heavy = [int(v) for v in 50 + 1_000 * rng.pareto(1.1, 200)]
    _latencies(tmp_path, {"BUY": bimodal[:150], "SELL": heavy[:80], "SIDEBET": [198] * 40})
    _latencies(tmp_path, {"BUY": bimodal[150:], "SELL": heavy[80:]}, "s-2")
    panel = _panel(tmp_path)
    with open_store(tmp_path) as catalog:
        exact = {
            row[0]: row[1:]
            for row in catalog.sql(
                "SELECT action_type, count(*), quantile_cont(ms, 0.5), quantile_cont(ms, 0.95), "
                "quantile_cont(ms, 0.99), min(ms), max(ms) FROM (SELECT *, "
                "timestamps_total_latency_ms AS ms FROM player_action) GROUP BY 1"
            ).rows
        }
    assert set(panel) == set(exact) == {"BUY", "SELL", "SIDEBET"}
    for kind, row in panel.items():
        assert row == pytest.approx(exact[kind], rel=0.01)
        assert (row[0], *row[4:]) == (exact[kind][0], *exact[kind][4:])


def test_the_panel_opens_no_parquet_file(tmp_path: Path) -> None:
    """The manifests are sufficient: the panel does not open the Parquet files."""
    _latencies(tmp_path, {"BUY": [100, 200, 300]})
    path = part_path(tmp_path, DocType.PLAYER_ACTION, SESSION, 1)
    path.write_bytes(b"x" * path.stat().st_size)
    assert _panel(tmp_path)["BUY"] == pytest.approx((3, 200, 290, 298, 100, 300), rel=0.004)


def test_the_panel_reads_files_without_a_sketch(tmp_path: Path) -> None:
    """Files without a manifest, or from another writer, are in the panel as well, each row once."""
    _latencies(tmp_path, {"BUY": [100] * 3})
    _latencies(tmp_path, {"BUY": [100] * 4}, "s-2")
    folder = part_folder(tmp_path, DocType.PLAYER_ACTION, "s-2")
    (part,) = read_manifest(folder)
    write_manifest(tmp_path, folder.relative_to(tmp_path), [attrs.evolve(part, sketches={})])
    assert _panel(tmp_path)["BUY"][0] == 7
    (folder / MANIFEST).unlink()
    old = tmp_path / "doc_type=player_action" / "date=2025-12-01"
    old.mkdir()
    table = pq.read_table(folder / "part-000001.parquet").slice(0, 2)
    pq.write_table(table.drop_columns(["choice"]), old / "a.parquet")
    assert _panel(tmp_path)["BUY"][0] == 9
