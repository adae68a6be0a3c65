"""Paper on a live feed: the desk's answers are in order of time, and nothing is ever sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest

from tests.session.test_record import QUICK, resume_when_joined, serve
from vectra_bot.errors import ConfigError, InputError, StoreError
from vectra_bot.journal import journal_directory, read_journal
from vectra_bot.models import Direction
from vectra_bot.report.results import Report
from vectra_bot.server import ExchangeServer
from vectra_bot.session import SessionConfig, run, run_session
from vectra_bot.session.replay import check_journal

SPEED = 60.0


async def paper(server: ExchangeServer, store: Path, **options: Any) -> Report:
    """Run a paper session on the feed of *server*."""
    given = {"strategy": "take-profit", "session_id": "P", "games": 3, "link": QUICK, **options}
    async with asyncio.timeout(280):
        return await run_session(SessionConfig(venue=server.url, store=store, **given))


async def test_a_strategy_trades_on_a_feed_and_nothing_is_sent(tmp_path: Path) -> None:
    """Every fill is at the price of a tick that was seen at or after the decision."""
    async with serve(seed=7, crowd=3, speed=SPEED, paused=True, games=4) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        report = await paper(server, tmp_path, latency_ms=0)
        await beginning
        requests, logins = server.counts.requests, server.counts.logins
    assert (requests, logins) == (0, 0)
    assert (report.games, report.venue, report.mode) == (3, "127.0.0.1", "paper")
    assert report.seed is None
    assert report.actions["CONFIRMED"] >= 3
    assert set(report.actions) == {"CONFIRMED"}
    assert report.plugin_errors == {}
    glob = f"{tmp_path}/doc_type={{}}/*/*.parquet"
    filled = duckdb.sql(
        f"""SELECT count(DISTINCT action_id), count(t.tick) > 0, bool_and(t.tick >= game_context_tick)
        FROM '{glob.format("player_action")}' a LEFT JOIN '{glob.format("game_tick")}' t
        ON a.game_id = t.game_id AND t.phase = 'active' AND a.outcome_executed_price = t.price"""
    ).fetchall()
    assert filled == [(report.actions["CONFIRMED"], True, True)]
    journal = journal_directory(tmp_path, "P")
    assert check_journal(journal).equal
    frames = [entry for entry in read_journal(journal) if entry.kind == "frame"]
    times = [entry.ts_ns for entry in frames]
    assert times == sorted(times)
    assert not [entry for entry in frames if entry.direction == Direction.OUT.value]


async def test_the_link_is_lost_and_the_account_continues(tmp_path: Path) -> None:
    """After a reconnect the account is stated again, with what it had."""
    async with serve(seed=7, crowd=3, speed=SPEED, paused=True, games=5) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        running = asyncio.create_task(paper(server, tmp_path, games=4))
        await beginning
        for _ in range(3):
            await asyncio.sleep(0.4)
            server.faults.kick(how="abort")
        report = await running
    assert report.games >= 3
    # What happened while the link was lost is in no trade we saw: the venue's next statement is adopted.
    states = duckdb.sql(
        f"SELECT cause, cash FROM '{tmp_path}/doc_type=server_state/*/*.parquet' ORDER BY seq"
    ).fetchall()
    assert [cause for cause, _ in states].count("unexplained") <= 3
    assert states[-1][1] == report.cash_end
    links = duckdb.sql(
        f"SELECT count(*) FROM '{tmp_path}/doc_type=system_event/*/*.parquet' "
        "WHERE kind = 'connection.connected'"
    ).fetchall()
    assert links[0][0] >= 4
    assert check_journal(journal_directory(tmp_path, "P")).equal


def test_what_describes_the_exchange_is_refused(tmp_path: Path) -> None:
    for name, value in (("seed", 7), ("crowd", 5), ("speed", 2.0), ("start_ns", 5)):
        with pytest.raises(ConfigError, match=f"option {name} was .* embedded exchange"):
            SessionConfig(
                strategy="watch", venue="http://127.0.0.1:9", store=tmp_path, **{name: value}
            )
    with pytest.raises(ConfigError, match="url was"):
        run("watch", venue="ftp://x", store=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_venue_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    async with serve(seed=7) as server:
        url = server.url
    link = attrs.evolve(QUICK, attempts=2)
    config = SessionConfig(strategy="watch", venue=url, store=tmp_path, session_id="P", link=link)
    with pytest.raises(InputError, match="could not be reached in 2 attempts"):
        await run_session(config)
    with pytest.raises(StoreError, match="cannot be repeated on a live feed"):
        await run_session(config)
