"""The strategies for features that were never captured: money, evidence, replay, and their docstrings."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import duckdb
import pytest

import vectra_bot
from vectra_bot.game.sidegames import bbc_game, candleflip_game
from vectra_bot.journal import list_segments, read_journal
from vectra_bot.models import DocType
from vectra_bot.session.recovery.killed import recover_store
from vectra_bot.session.replay import check_journal
from vectra_bot.store.query.catalog import open_store

NAMES = ("bbc", "candleflip", "leveraged", "short")
CLASSES = {
    point.name: point.load()
    for point in entry_points(group="vectra_bot.strategies")
    if point.name in NAMES
}
ONE_FIRST = [NAMES[0], *(pytest.param(name, marks=pytest.mark.long) for name in NAMES[1:])]
FAST: dict[str, Any] = {"games": 12, "seed": 11, "crowd": 20, "countdown_step": 1000}
ROUNDS = {"bbc": DocType.BBC_ROUND, "candleflip": DocType.CANDLEFLIP_ROUND}


def rows(store: Path, doc_type: DocType, sql: str) -> list[Any]:
    """Return rows of a query over one kind of document; ``docs`` is its table."""
    glob = store / f"doc_type={doc_type.value}" / "**" / "*.parquet"
    return duckdb.sql(f"WITH docs AS (FROM '{glob}') {sql}").fetchall()


def assert_money_closes(store: Path, log: Path) -> None:
    """Check cash per game by SQL alone, and compare the accepted requests of the log with the actions."""
    games = rows(
        store,
        DocType.SERVER_STATE,
        "SELECT game_id, arg_min(cash - delta_cash, seq), arg_max(cash, seq),"
        " sum(delta_cash) FILTER (cause IN ('forced_sell', 'stake_settled')),"
        " count(*) FILTER (cause = 'unexplained') FROM docs GROUP BY 1",
    )
    actions = dict(
        rows(
            store,
            DocType.PLAYER_ACTION,
            "SELECT game_id, sum(outcome_executed_amount * CASE WHEN action_type IN"
            " ('SELL', 'SHORT_CLOSE') THEN 1 ELSE -1 END) FROM docs WHERE state = 'CONFIRMED' GROUP BY 1",
        )
    )
    for game_id, start, end, settled, unexplained in games:
        assert unexplained == 0
        assert start + actions.get(game_id, Decimal(0)) + (settled or Decimal(0)) == end
    ours = {
        trace: (kind.lower(), amount)
        for trace, kind, amount in rows(
            store,
            DocType.PLAYER_ACTION,
            "SELECT trace_id, action_type, outcome_executed_amount FROM docs"
            " WHERE state = 'CONFIRMED' AND actor = 'bot'",
        )
    }
    with open_store(store) as catalog:
        for row in catalog.run("cash-per-game").as_dicts():
            assert row["residual_lamports"] == 0
    requests = [json.loads(line) for line in log.read_text().splitlines()]
    assert ours
    assert ours == {
        r["trace_id"]: (r["type"], Decimal(r["amount"])) for r in requests if r["accepted"]
    }


@pytest.mark.parametrize("latency_ms", [pytest.param(0, marks=pytest.mark.long), 70])
@pytest.mark.parametrize("name", ONE_FIRST)
def test_money_closes_and_every_document_is_unverified(
    store: Path, tmp_path: Path, name: str, latency_ms: int
) -> None:
    """Cash by SQL against the exchange's log to the lamport; the journal replays to the same commands."""
    log = tmp_path / "log"
    report = vectra_bot.run(
        name,
        store=store,
        session_id="S",
        latency_ms=latency_ms,
        exchange_log=log,
        **{**FAST, "games": 8},
    )

    assert_money_closes(store, log)
    assert report.quarantined == 0
    marked = rows(store, DocType.PLAYER_ACTION, "SELECT count(*), bool_and(unverified) FROM docs")
    assert marked[0][0] >= report.games // 2
    assert marked[0][1]
    moved = rows(
        store, DocType.SERVER_STATE, "SELECT bool_and(unverified) FROM docs WHERE delta_cash <> 0"
    )
    assert moved == [(True,)]
    kinds = {"short": [DocType.SHORT_POSITION], **{n: [d] for n, d in ROUNDS.items()}}
    for doc_type in kinds.get(name, []):
        assert rows(store, doc_type, "SELECT bool_and(unverified), count(*) > 0 FROM docs") == [
            (True, True)
        ]
    checked = check_journal(store / "journals" / "S")
    assert checked.equal
    assert checked.commands > 0


@pytest.mark.parametrize("name", ONE_FIRST)
def test_same_digest_in_two_processes(tmp_path: Path, name: str) -> None:
    """Another process, hash seed and time zone: the same actions, outcomes and store."""
    code = (
        "import sys, vectra_bot; r = vectra_bot.run(sys.argv[1], games=3, seed=3, crowd=20,"
        "store=sys.argv[2], session_id='X', countdown_step=5000); print(r.digest, r.pnl, r.settlements)"
    )
    found = set()
    for hash_seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone}
        command = [sys.executable, "-c", code, name, str(tmp_path / hash_seed)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
        found.add(done.stdout)

    assert len(found) == 1


@pytest.mark.parametrize("name", ONE_FIRST)
def test_a_killed_session_is_finished(tmp_path: Path, name: str) -> None:
    """After kill -9 every intent has one document, and earlier settlements remain."""
    store = tmp_path / "store"
    code = (
        "import sys, vectra_bot; vectra_bot.run(sys.argv[1], games=100000, seed=5, crowd=0,"
        "store=sys.argv[2], session_id='K', countdown_step=5000)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, name, str(store)])
    journal = store / "journals" / "K"
    try:
        for _ in range(600):
            began = journal.is_dir() and list_segments(journal)
            if began and sum(1 for _ in read_journal(journal)) > 3000:
                break
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert recover_store(store) == ["K"]

    counted = rows(
        store,
        DocType.PLAYER_ACTION,
        "SELECT count(*), count(DISTINCT action_id), count(*) FILTER (state = 'CONFIRMED') FROM docs",
    )[0]
    assert counted[0] == counted[1]
    assert counted[2] > 0
    assert check_journal(journal).equal


def test_a_liquidation_is_external(store: Path) -> None:
    """The venue's own sale is an external sale, never an action of the bot."""
    vectra_bot.run("leveraged", store=store, settings={"leverage": 5}, **FAST)

    sales = rows(
        store,
        DocType.PLAYER_ACTION,
        "SELECT actor, leverage, count(*) FROM docs WHERE action_type = 'SELL' AND actor <> 'bot'"
        " GROUP BY ALL",
    )
    assert [sale[:2] for sale in sales] == [("external", 5)]
    assert sales[0][2] > 2


def test_the_round_documents_are_those_of_the_actions(store: Path) -> None:
    """Each confirmed stake is in the document of its round, won or lost as it was paid."""
    report = vectra_bot.run("bbc", store=store, settings={"prediction": "CRAB"}, **FAST)

    found = rows(
        store,
        DocType.BBC_ROUND,
        "SELECT count(*), count(our_prediction), sum(our_bet_amount), sum(payout),"
        " bool_and(won = (actual_result = our_prediction)) FROM docs WHERE our_prediction IS NOT NULL",
    )[0]
    assert found[0] == report.settlements
    assert found[4]
    assert report.pnl == found[3] - found[2] - report.open_value


@pytest.mark.parametrize("payoff", ["charged", "compounding", "late-close", "late-open"])
def test_shorts_settle_under_every_payoff(store: Path, payoff: str) -> None:
    """For every payoff and rug rule the books balance: no change of cash without a cause."""
    for at_rug in ("lose", "refund"):
        vectra_bot.run(
            "short", store=store, session_id=at_rug, short_payoff=payoff, short_at_rug=at_rug,
            settings={"max_ticks": 400}, **{**FAST, "games": 5, "crowd": 0},
        )  # fmt: skip
    causes = dict(rows(store, DocType.SERVER_STATE, "SELECT cause, count(*) FROM docs GROUP BY 1"))

    assert "unexplained" not in causes
    assert causes["action"] > 0


def test_without_side_games_there_is_nothing_to_stake_on(store: Path) -> None:
    """``side_games=False`` runs no rounds: nothing is requested, nothing stored."""
    report = vectra_bot.run("bbc", store=store, side_games=False, **FAST)

    assert report.actions == {}
    assert not list(store.glob("doc_type=bbc_round/**/*.parquet"))


@pytest.mark.long
def test_other_names_on_the_wire_change_nothing_else(store: Path, tmp_path: Path) -> None:
    """A profile renames requests and events on both sides; the journal replays under its own names."""
    names = tmp_path / "names.toml"
    names.write_text(
        '[requests.bbc_predict]\nevent = "pinpoint"\namount = "bet"\n[events]\nbbc_round = "pinpointRound"\n'
        '[choices]\nBULL = "up"\n'
    )
    plain = vectra_bot.run("bbc", store=store, session_id="S", **FAST)
    named = vectra_bot.run("bbc", store=tmp_path / "other", session_id="S", protocol=names, **FAST)

    assert named.digest == plain.digest
    journal = tmp_path / "other" / "journals" / "S"
    assert check_journal(journal).equal
    frames = "".join(
        row[0]
        for row in rows(
            tmp_path / "other", DocType.WS_EVENT, "SELECT raw_json FROM docs LIMIT 2000"
        )
    )
    assert "pinpointRound" in frames
    assert "bbcRound" not in frames


@pytest.mark.long
def test_reports_name_what_is_not_known(store: Path) -> None:
    """Leverage and shorts have no known expected value: it is excluded, and no luck is claimed."""
    short = vectra_bot.run("short", store=store, **FAST)
    leveraged = vectra_bot.run("leveraged", store=store, **FAST)
    flips = vectra_bot.run("candleflip", store=store, **FAST)

    assert (short.expected_without, short.luck) == (("shorts",), None)
    assert (leveraged.expected_without, leveraged.luck) == (("leverage",), None)
    stakes = flips.settlements + int(flips.open_value / Decimal("0.01"))
    assert flips.expected_without == ()
    assert float(flips.expected) == pytest.approx(-0.03 * 0.01 * stakes)
    assert flips.luck is not None


def test_stated_expectations_are_those_of_the_assumed_odds() -> None:
    """The docstrings' figures follow from the default odds, for every choice alike."""
    for choice in ("BULL", "BEAR", "CRAB"):
        assert f"{bbc_game().expected_return(choice):.2%}" == "-6.67%"
    assert f"{candleflip_game().expected_return('RED'):.0%}" == "-3%"
    assert "-6.67 %" in (inspect.getdoc(CLASSES["bbc"]) or "")
    assert "-3 %" in (inspect.getdoc(CLASSES["candleflip"]) or "")
    for name in ("short", "leveraged"):
        assert "Unknown" in (inspect.getdoc(CLASSES[name]) or "")
