"""Live sessions: what they need, what they send, and how they end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.session.live.accounts import (
    ACCOUNT,
    LIMITS,
    STATEMENT,
    TOKEN,
    Counted,
    account_of,
    config_of,
    lived,
    token_file,
    until_confirmed,
    until_ready,
    venue,
)
from vectra_bot import Strategy
from vectra_bot.errors import ConfigError, StoreError, VectraError
from vectra_bot.exchange import RequestRecord
from vectra_bot.game.ledger import to_sol
from vectra_bot.journal import journal_directory, read_header, read_journal
from vectra_bot.models import ActionState, OperatorCommand, OperatorKind, SendResult
from vectra_bot.session import StopFlag
from vectra_bot.session.check import check_journal
from vectra_bot.session.control import ask
from vectra_bot.session.live.day import day_start_pnl
from vectra_bot.session.live.locks import account_lock, is_account_locked
from vectra_bot.session.live.run import run_live

NOBODY = "http://127.0.0.1:9"
SEEN: list[str] = []
FOUND: list[str] = []


class Eager(Counted):
    """Buy and sell as often as the venue answers, until so many requests are executed."""


class Holder(Strategy):
    """Buy once in a game, and keep it."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if not self.position and not self.actions.pending and not self.account.pnl:
            self.actions.buy("0.002")


def inputs_of(store: Path, session: str = "L") -> list[Any]:
    """Return the inputs of a session that are not frames."""
    entries = read_journal(journal_directory(store, session))
    return [entry.input() for entry in entries if entry.kind == "input"]


def documents_of(store: Path, doc_type: str, session: str = "L") -> list[dict[str, Any]]:
    """Return the records of one kind that a session stored."""
    entries = read_journal(journal_directory(store, session))
    return [
        entry.data["record"]
        for entry in entries
        if entry.kind == "doc" and entry.data["doc_type"] == doc_type
    ]


async def test_a_live_session_trades_and_every_action_is_proven(tmp_path: Path) -> None:
    """The account's books at the venue and ours agree; nothing is sent before the session is armed."""
    orders: list[RequestRecord] = []
    async with venue(on_request=orders.append) as server:
        config = config_of(tmp_path, server.url, strategy=Eager, **until_confirmed(4))
        report = await lived(server, config)
        books = server.exchange.books.get(ACCOUNT)
    assert (report.mode, report.venue, report.shadow) == ("live", "127.0.0.1", False)
    assert report.actions["CONFIRMED"] == 4
    terminal = sum(report.actions.values()) - report.actions.get("DENIED", 0)
    assert sum(report.proofs.values()) >= terminal - report.actions.get("UNRESOLVED", 0)
    assert books is not None
    assert report.cash_end == to_sol(books.sol.cash)
    inputs = inputs_of(tmp_path / "live")
    sends = [event for event in inputs if isinstance(event, SendResult)]
    ours = [order for order in orders if order.player_id == ACCOUNT]
    assert len([send for send in sends if send.sent]) == len(ours) > 2
    first = next(index for index, event in enumerate(inputs) if isinstance(event, SendResult))
    armed = [event for event in inputs[:first] if isinstance(event, OperatorCommand)]
    assert [command.kind for command in armed] == [OperatorKind.ARM]
    assert report.send_latency.count == len([send for send in sends if send.sent])
    assert check_journal(journal_directory(tmp_path / "live", "L"), strategy=Eager).equal


class Curious(Strategy):
    """Look for a text in everything that is reachable by attributes and items."""

    most: int = 1

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if not self.position and not self.actions.pending:
            self.actions.buy("0.002")
        if not SEEN:
            self.look([("self", self), ("game", game), ("tick", tick)])

    def look(self, level: list[tuple[str, Any]]) -> None:
        """Look ten attributes deep."""
        known = {id(value) for _, value in level}
        for _ in range(10):
            deeper = []
            for path, value in level:
                for name, inner in parts_of(value):
                    if id(inner) not in known:
                        known.add(id(inner))
                        deeper.append((f"{path}.{name}", inner))
                        SEEN.append(path)
                        if TOKEN in str(inner if isinstance(inner, str | bytes) else ""):
                            FOUND.append(f"{path}.{name}")
            level = deeper


def parts_of(value: Any) -> list[tuple[str, Any]]:
    """Return what *value* consists of: its attributes, its slots, its items."""
    if isinstance(value, dict):
        return [(str(key), item) for key, item in [*value.items(), *((key, key) for key in value)]]
    if isinstance(value, list | tuple | set | frozenset):
        return [(str(number), item) for number, item in enumerate(value)]
    found = list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with suppress(Exception):
                found.append((name, object.__getattribute__(value, name)))
    return found


async def test_a_strategy_cannot_reach_the_token_by_attributes(tmp_path: Path) -> None:
    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy=Curious, **until_confirmed(1))
        report = await lived(server, config)
    assert len(SEEN) > 100, report
    assert FOUND == []


async def test_no_secret_is_in_what_a_session_leaves(tmp_path: Path) -> None:
    """The token is in no file of the store, and not in the header, whatever encodes it."""
    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy=Eager, **until_confirmed(2))
        report = await lived(server, config)
    store = tmp_path / "live"
    for path in store.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    header = read_header(journal_directory(store, "L"))
    assert header["live"] == {"token": "set", "statement": STATEMENT}
    assert header["terms"]["account"] == ACCOUNT
    texts = [entry.data for entry in read_journal(journal_directory(store, "L"))]
    assert TOKEN not in json.dumps(texts, default=str)
    assert TOKEN not in json.dumps(report.to_json(), default=str)


@pytest.mark.parametrize(
    ("changes", "account", "message"),
    [
        ({}, {"enabled": False}, r"not enabled: set `enabled = true` in \[live\]"),
        ({}, {"account": None}, "account is missing"),
        ({"account": None}, {}, "the account was not typed: give --account"),
        ({"account": "did:privy:x"}, {}, f"--account was 'did:privy:x' .*{ACCOUNT}"),
        ({}, {"terms": None}, r"terms is missing in \[live\]"),
        ({}, {"terms": "I may"}, "without date and text"),
        ({}, {"terms": "2026-13-01 I may"}, "without date and text"),
        ({}, {"terms": "2999-01-01 I may"}, "in the future"),
        ({"limits": {"stake": "0.01"}}, {}, "limit session_loss was not given"),
        ({"limits": {"session_loss": 1, "day_loss": 1}}, {}, "limit stake was not given"),
        ({"limits": {**LIMITS, "stake": "1,5"}}, {}, "limit 'stake' was '1,5'"),
        ({"limits": {**LIMITS, "day_loss": 0}}, {}, "limit 'day_loss' was 0"),
        ({}, {"token": None}, r"token is missing in \[live\]"),
        (
            {},
            {"token": "eyJhbGciOi.eyJzdWIi.c2ln"},
            "token was a token itself .*never put a token there",
        ),
        ({}, {"token": "env:VECTRA_NO_SUCH"}, "VECTRA_NO_SUCH is not set"),
        ({"venue": "http://venue.example"}, {}, "without encryption"),
        ({"venue": "ftp://x"}, {}, "url was"),
        ({"strategy": "take-profits"}, {}, "no strategy is named"),
    ],
)
async def test_what_is_missing_is_named_and_nothing_is_connected(
    tmp_path: Path, changes: dict[str, Any], account: dict[str, Any], message: str
) -> None:
    """Each condition that is missing is refused by one line, before a connection, a file or a request."""
    async with venue(paused=False) as server:
        given = {"live": account_of(tmp_path, **account), **changes}
        with pytest.raises(VectraError, match=message) as refused:
            await run_live(config_of(tmp_path, given.pop("venue", server.url), **given))
        assert server.counts.to_json()["connections"] == 0
    assert "\n" not in str(refused.value)
    assert "eyJ" not in str(refused.value)
    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize("limit", [{"stakes": 1}, [1]])
def test_an_unknown_limit_is_refused(tmp_path: Path, limit: Any) -> None:
    with pytest.raises(ConfigError, match="limit"):
        config_of(tmp_path, NOBODY, limits=limit)


async def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    config = config_of(tmp_path, NOBODY)
    token_file(tmp_path).chmod(0o644)
    with pytest.raises(VectraError, match="mode 644, so others have access: chmod 600"):
        await run_live(config)


async def test_another_account_ends_the_session(tmp_path: Path) -> None:
    """Nothing is ordered, and the message names both accounts."""
    orders: list[RequestRecord] = []
    async with venue(on_request=orders.append) as server:
        config = config_of(tmp_path, server.url, strategy=Eager)
        token_file(tmp_path, "other")
        with pytest.raises(ConfigError, match=f"logs in account 'other' .* '{ACCOUNT}'") as raised:
            await lived(server, config)
    assert orders == []
    assert "\n" not in str(raised.value)
    entries = [entry.kind for entry in read_journal(journal_directory(tmp_path / "live", "L"))]
    assert "intent" not in entries


async def test_a_login_that_is_not_confirmed_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vectra_bot.session.live.run.LOGIN_S", 0.5)
    orders: list[RequestRecord] = []
    async with venue(on_request=orders.append) as server:
        config = config_of(tmp_path, server.url, strategy=Eager)
        token_file(tmp_path, "revoked")
        with pytest.raises(ConfigError, match=r"did not confirm the login .* expired or revoked"):
            await lived(server, config)
    assert orders == []


async def test_one_session_at_a_time_trades_for_an_account(tmp_path: Path) -> None:
    """A second one is refused in one line; the lock ends with the first."""
    store = tmp_path / "live"
    async with venue() as server:
        with account_lock(store, "127.0.0.1", ACCOUNT):
            assert is_account_locked(store, "127.0.0.1", ACCOUNT)
            with pytest.raises(
                StoreError, match="is traded by another session of the store"
            ) as busy:
                await run_live(config_of(tmp_path, server.url))
            assert server.counts.to_json()["connections"] == 0
        assert is_account_locked(store, "127.0.0.1", ACCOUNT) is False
    assert "\n" not in str(busy.value)
    assert not (store / "journals" / "L").exists()


async def test_commands_of_an_operator_are_journaled_and_obeyed(tmp_path: Path) -> None:
    """Status, halt, resume, reduce, stop over the socket, while a session trades."""
    journal = journal_directory(tmp_path / "live", "L")

    def command(word: str) -> dict[str, Any]:
        return ask(journal, word, f"test {word}")

    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy=Eager)
        running = asyncio.create_task(lived(server, config))
        for _ in range(400):
            await asyncio.sleep(0.05)
            if (journal / "control.sock").exists():
                status = await asyncio.to_thread(ask, journal, "status")
                if status.get("actions", {}).get("CONFIRMED", 0) >= 2:
                    break
        assert (status["mode"], status["standing"], status["arming"]) == (
            "live",
            "allowed",
            "armed",
        )
        assert status["link"] in ("FRESH", "LOGGED_IN")
        assert (status["account"], status["epoch"]) == (ACCOUNT, 1)
        assert status["limits"]["actions_per_game"]["limit"] == 20
        assert (journal / "control.sock").stat().st_mode & 0o777 == 0o600
        for word, standing in (
            ("halt", "close_only"),
            ("resume", "allowed"),
            ("reduce", "close_only"),
        ):
            answer = await asyncio.to_thread(command, word)
            assert (answer["done"], answer["standing"]) == (True, standing), word
        answer = await asyncio.to_thread(command, "stop")
        assert answer["done"]
        report = await running
    assert report.ended == "stopped: test stop"
    kinds = [e.kind.value for e in inputs_of(tmp_path / "live") if isinstance(e, OperatorCommand)]
    assert kinds == ["arm", "halt", "resume", "reduce", "stop"]
    assert not (journal / "control.sock").exists()
    assert check_journal(journal, strategy=Eager).equal


async def test_a_stop_file_stops_a_session(tmp_path: Path) -> None:
    journal = journal_directory(tmp_path / "live", "L")
    async with venue() as server:
        running = asyncio.create_task(lived(server, config_of(tmp_path, server.url)))
        for _ in range(400):
            await asyncio.sleep(0.02)
            if (journal / "control.sock").exists():
                break
        (journal / "STOP").touch()
        report = await running
    assert report.ended == "stopped: the file STOP"


async def test_the_day_counts_what_earlier_sessions_lost(tmp_path: Path) -> None:
    """The header of the next session has it, and the limit of the day counts it."""
    store = tmp_path / "live"
    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy=Eager, **until_confirmed(2))
        first = await lived(server, config)
        again = config_of(tmp_path, server.url, strategy="watch", session_id="M", **until_ready())
        second = await lived(server, again)
    assert first.pnl is not None
    assert second.pnl == 0
    header = read_header(journal_directory(store, "M"))
    assert float(header["terms"]["day_start_pnl"]) == pytest.approx(float(first.pnl))
    now_ns = header["start_ns"]
    assert day_start_pnl(store, ACCOUNT, now_ns) == first.pnl
    assert day_start_pnl(store, "other", now_ns) == 0
    assert day_start_pnl(store, ACCOUNT, now_ns + 86_400 * 10**9) == 0


async def test_a_stop_before_the_connection_ends_at_once(tmp_path: Path) -> None:
    """A venue that is not there is not waited for once the session is stopped."""
    stop = StopFlag()
    config = config_of(tmp_path, NOBODY, stop=stop, strategy="watch")
    running = asyncio.create_task(run_live(config))
    await asyncio.sleep(0.5)
    stop.set("test")
    async with asyncio.timeout(5):
        report = await running
    assert (report.ended, report.games) == ("stopped: test", 0)


@pytest.mark.parametrize("word", ["halt", "disarm"])
async def test_a_session_starts_where_a_killed_one_ended(tmp_path: Path, word: str) -> None:
    """What a killed session left open is recovered first, and a halt outlives the crash."""
    async with venue() as server:
        config = config_of(tmp_path, server.url, strategy=Holder)
        running = asyncio.create_task(lived(server, config))
        store = tmp_path / "live"
        journal = journal_directory(store, "L")
        for _ in range(1000):
            await asyncio.sleep(0.02)
            if journal.exists() and documents_of(store, "player_action"):
                break
        await asyncio.to_thread(ask, journal, word, "look first")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        server.resume()
        again = attrs.evolve(config, session_id="M", strategy="watch", **until_ready())
        report = await lived(server, again)
    assert report.recovered == ("L",)
    assert report.standing is not None
    assert report.standing.word == "close_only"
    assert f"{word} of the killed session (look first)" in report.standing.reasons[0]
    states = {record["state"] for record in documents_of(store, "player_action")}
    assert states <= {state.value for state in ActionState if state.is_terminal}
