"""Shadow sessions: the conditions of live ones, paper fills, and nothing sent but the login and pings."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.session.live.accounts import (
    ACCOUNT,
    account_of,
    token_file,
    until_confirmed,
    venue,
)
from tests.session.test_record import QUICK, resume_when_joined
from vectra_bot.errors import ConfigError, StoreError, VectraError
from vectra_bot.exchange import RequestRecord
from vectra_bot.game.ledger import to_lamports
from vectra_bot.journal import journal_directory, read_header, read_journal
from vectra_bot.models import OperatorCommand, OperatorKind
from vectra_bot.report.results import Report
from vectra_bot.server import ExchangeServer, Login
from vectra_bot.session import SessionConfig, run_session
from vectra_bot.session.check import check_journal
from vectra_bot.session.control import ask
from vectra_bot.session.live.locks import account_lock

CASH = Decimal("3.210000001")


@pytest.fixture(autouse=True)
def live_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the locks of accounts in the test's folder."""
    monkeypatch.setenv("VECTRA_LIVE_STORE", str(tmp_path / "live"))
    return tmp_path / "live"


def config_of(folder: Path, url: str, **changes: Any) -> SessionConfig:
    """Return a shadow session that lacks nothing, with *changes*."""
    given = {
        "strategy": "take-profit", "venue": url, "shadow": True, "live": account_of(folder),
        "store": folder / "paper", "session_id": "S", "games": 2, "link": QUICK, **changes,
    }  # fmt: skip
    return SessionConfig(**given)


async def shadowed(server: ExchangeServer, config: SessionConfig) -> Report:
    """Run a session on a server whose time begins with the connection."""
    beginning = asyncio.create_task(resume_when_joined(server))
    try:
        async with asyncio.timeout(100):
            return await run_session(config)
    finally:
        beginning.cancel()


async def test_a_shadow_trades_on_paper_with_the_accounts_cash(tmp_path: Path) -> None:
    orders: list[RequestRecord] = []
    login = Login(player_id=ACCOUNT, username="bot", cash=to_lamports(CASH))
    secret = token_file(tmp_path).read_text()
    journal = journal_directory(tmp_path / "paper", "S")
    async with venue(tokens={secret: login}, on_request=orders.append) as server:
        config = config_of(
            tmp_path, server.url, games=9, latency_ms=0, **{**until_confirmed(2), "settings": {}}
        )
        running = asyncio.create_task(shadowed(server, config))
        status: dict[str, Any] = {}
        while not running.done() and status.get("standing") != "allowed":
            await asyncio.sleep(0.05)
            if (journal / "control.sock").exists():
                status = await asyncio.to_thread(ask, journal, "status")
        report = await running
        logins = server.counts.logins
    assert (report.mode, report.shadow, report.cash_start) == ("paper", True, CASH)
    assert report.actions["CONFIRMED"] >= 2
    assert (status["shadow"], status["account"], status["arming"]) == (True, ACCOUNT, "armed")
    assert status["epoch"] == 1
    assert logins == 1
    assert [order for order in orders if order.player_id == ACCOUNT] == []
    header = read_header(journal)
    assert header["shadow"] == {"account": ACCOUNT}
    assert header["terms"]["account"] != ACCOUNT
    inputs = [entry.input() for entry in read_journal(journal) if entry.kind == "input"]
    kinds = [event.kind for event in inputs if isinstance(event, OperatorCommand)]
    assert kinds == [OperatorKind.ARM]
    assert check_journal(journal).equal
    for path in (tmp_path / "paper").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


async def test_what_a_shadow_lacks_is_named(tmp_path: Path) -> None:
    async with venue() as server:
        for account, message in (
            ({"account": None}, "account is missing"),
            ({"token": None}, "token is missing"),
        ):
            config = config_of(tmp_path, server.url, live=account_of(tmp_path, **account))
            with pytest.raises(VectraError, match=message):
                await run_session(config)
        with pytest.raises(VectraError, match="no strategy is named"):
            await run_session(config_of(tmp_path, server.url, strategy="take-profits"))
        assert server.counts.to_json()["connections"] == 0
    assert not (tmp_path / "paper").exists()
    with pytest.raises(ConfigError, match="option shadow was given without venue"):
        SessionConfig(strategy="watch", shadow=True)


async def test_a_shadow_of_another_account_is_refused(tmp_path: Path) -> None:
    async with venue() as server:
        config = config_of(tmp_path, server.url)
        token_file(tmp_path, "other")
        with pytest.raises(ConfigError, match=f"logs in account 'other' .*{ACCOUNT}"):
            await shadowed(server, config)
    assert not (tmp_path / "paper" / "journals").exists()


async def test_a_login_that_is_not_confirmed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vectra_bot.session.live.shadow.LOGIN_S", 0.3)
    async with venue() as server:
        config = config_of(tmp_path, server.url)
        token_file(tmp_path, "revoked")
        with pytest.raises(ConfigError, match="did not confirm the login of account"):
            await shadowed(server, config)


async def test_an_account_that_is_traded_for_is_not_shadowed(
    tmp_path: Path, live_store: Path
) -> None:
    """A second login would end the connection of the first."""
    with (
        account_lock(live_store, "127.0.0.1", ACCOUNT),
        pytest.raises(StoreError, match="is traded by another session"),
    ):
        await run_session(config_of(tmp_path, "http://127.0.0.1:9"))
