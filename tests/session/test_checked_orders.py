"""Whole sessions: what the exchange gets is what was checked; a strategy that leaves ends its session."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot import Strategy
from vectra_bot.errors import NotInCallback, StrategyError
from vectra_bot.journal import read_journal
from vectra_bot.models import Command
from vectra_bot.session.replay import check_journal
from vectra_bot.session.shell import CHANGED
from vectra_bot.venues import embedded

FAST: dict[str, Any] = {"games": 3, "seed": 7, "crowd": 3, "session_id": "S"}
SHORT = {**FAST, "games": 1}


class Plain(Strategy):
    """Buys at tick 3 of each game; what a subclass does comes after it."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if game.tick == 3:
            self.bought = self.actions.buy("0.01")
            self.then()

    def then(self) -> None:
        """Do nothing."""


REFUSED: list[str] = []
ACCEPTED: list[Any] = []


class Hammered(Plain):
    """Threads ask for actions all the time."""

    def on_game_tick(self, tick: Any, game: Any) -> None:
        super().on_game_tick(tick, game)
        threads = [threading.Thread(target=self.attack) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def attack(self) -> None:
        for act in (self.actions.buy, self.actions.sidebet, self.actions.sell):
            try:
                ACCEPTED.append(act())
            except NotInCallback as error:
                REFUSED.append(str(error))


def executed(store: Path, strategy: type[Strategy]) -> list[tuple[str, str]]:
    """Return kind and amount of what the exchange was asked for in a session."""
    log = store / "requests.jsonl"
    store.mkdir()
    vectra_bot.run(strategy, store=store, exchange_log=log, **FAST)
    return [
        (line["type"], line["amount"]) for line in map(json.loads, log.read_text().splitlines())
    ]


def test_threads_change_no_decision_of_a_session(tmp_path: Path) -> None:
    """A thousand attempts: none accepted, the same orders as without, and the journal's check is equal."""
    REFUSED.clear()
    ACCEPTED.clear()
    alone = executed(tmp_path / "alone", Plain)
    attacked = executed(tmp_path / "attacked", Hammered)

    assert attacked == alone
    assert len(alone) == 3
    assert ACCEPTED == []
    assert len(REFUSED) >= 1000
    assert check_journal(tmp_path / "attacked" / "journals" / "S", Hammered).equal is True


# ---- what lies between the engine and the exchange


def _lie(command: Command, *_: Any) -> str:
    return f'42{command.tick}["buyOrder","x",{{"amount":5}}]'


class PatchesEncoding(Plain):
    def then(self) -> None:
        embedded.encode_request = _lie


class PatchesGateway(Plain):
    def then(self) -> None:
        async def send(gateway: Any, command: Command) -> Any:
            object.__setattr__(command, "amount", Decimal(5))
            return await before(gateway, command)

        before = embedded.EmbeddedGateway.send
        embedded.EmbeddedGateway.send = send  # type: ignore[method-assign]


@pytest.fixture
def _gateway() -> Iterator[None]:
    before = embedded.encode_request, embedded.EmbeddedGateway.send
    yield
    assert (embedded.encode_request, embedded.EmbeddedGateway.send) == before


@pytest.mark.usefixtures("_gateway")
@pytest.mark.parametrize("strategy", [PatchesEncoding, PatchesGateway])
def test_a_replaced_gateway_sends_nothing(tmp_path: Path, strategy: type[Strategy]) -> None:
    """The session ends with the strategy's error, which names what was replaced; nothing was asked for."""
    log = tmp_path / "requests.jsonl"
    with pytest.raises(StrategyError, match=r"vectra_bot\.venues\.embedded"):
        vectra_bot.run(strategy, store=tmp_path, exchange_log=log, **FAST)

    assert log.read_text() == ""
    actions = [e.data["record"] for e in read_journal(tmp_path / "journals" / "S")
               if e.kind == "doc" and e.data["doc_type"] == "player_action"]  # fmt: skip
    assert [action["state"] for action in actions] == ["NOT_SENT"]


class ChangesLater(Plain):
    """Another thread writes to the command after its intent is in the journal."""

    def then(self) -> None:
        import gc

        from vectra_bot.session.shell import Shell

        commands = [one for one in gc.get_objects() if type(one) is Command]
        (shell,) = (
            one for one in gc.get_objects() if type(one) is Shell and one.engine.strategy is self
        )
        before = shell.journal.sync

        def sync() -> None:
            before()
            for command in commands:
                object.__setattr__(command, "amount", Decimal(5))

        object.__setattr__(shell, "journal", _Journal(shell.journal, sync))


class _Journal:
    """A journal whose sync does something more."""

    def __init__(self, inner: Any, sync: Any) -> None:
        self._inner = inner
        self.sync = sync

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_command_changed_after_its_intent_is_not_sent(tmp_path: Path) -> None:
    """The command at the gateway is compared with the one in the journal."""
    log = tmp_path / "requests.jsonl"
    with pytest.raises(StrategyError, match=r"Command\.amount"):
        vectra_bot.run(ChangesLater, store=tmp_path, exchange_log=log, **SHORT)

    assert log.read_text() == ""
    actions = [e.data["record"] for e in read_journal(tmp_path / "journals" / "S")
               if e.kind == "doc" and e.data["doc_type"] == "player_action"]  # fmt: skip
    assert actions[0]["state"] == "NOT_SENT"
    assert actions[0]["outcome"]["error_reason"] == CHANGED


# ---- leaving


class Lone(BaseException):
    """An exception that no `except Exception` catches, and that cannot be shown."""

    def __str__(self) -> str:
        raise SystemExit(0)

    __repr__ = __str__


LEAVING: list[Any] = [SystemExit(0), SystemExit(None), GeneratorExit(), MemoryError(),
                      RecursionError(), Lone(), StopIteration()]  # fmt: skip


def _raising(error: BaseException, where: str) -> type[Strategy]:
    def leave(*_: Any) -> Any:
        raise error

    if where == "getattribute":

        class Leaves(Plain):
            def __getattribute__(self, name: str) -> Any:
                if name == "on_game_start":
                    raise error
                return object.__getattribute__(self, name)

        return Leaves
    if where == "property":

        class Reads(Plain):
            leaves = property(leave)

            def on_game_start(self, game: Any) -> None:
                print(self.leaves)  # noqa: T201

        return Reads
    if where == "getattr":

        class Gets(Plain):
            def __getattr__(self, name: str) -> Any:
                raise error

            def on_game_start(self, game: Any) -> None:
                print(self.missing)  # noqa: T201

        return Gets
    if where == "saved":

        class Saved(dict[str, Any]):
            def items(self) -> Any:
                raise error

        return type("Saves", (Plain,), {"save": lambda _: Saved(x=1)})
    return type("Leaves", (Plain,), {where: leave})


@pytest.mark.parametrize(
    ("error", "where"),
    [(error, "property") for error in LEAVING]
    + [
        (SystemExit(0), where)
        for where in ("getattribute", "getattr", "on_game_tick", "save", "saved")
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_a_strategy_that_leaves_ends_its_session(
    tmp_path: Path, error: BaseException, where: str
) -> None:
    """Whatever it raises, from a method or an attribute: one error that names it, and a complete session."""
    with pytest.raises(StrategyError, match="trading stopped") as caught:
        vectra_bot.run(_raising(error, where), store=tmp_path, **SHORT)

    assert caught.value.exit_code == 7
    entries = list(read_journal(tmp_path / "journals" / "S"))
    assert entries[-1].kind == "close"
    kinds = [
        e.data["record"]["kind"] for e in entries if e.kind == "doc" and "kind" in e.data["record"]
    ]
    assert kinds.count("strategy.error") == 1


def test_a_strategy_that_recurses_for_ever(tmp_path: Path) -> None:
    """Real recursion ends like any other exception."""

    class Deep(Plain):
        def on_game_start(self, game: Any) -> None:
            self.on_game_start(game)

    limit = sys.getrecursionlimit()
    with pytest.raises(StrategyError, match="RecursionError"):
        vectra_bot.run(Deep, store=tmp_path, **SHORT)
    assert sys.getrecursionlimit() == limit


def test_leaving_before_the_session_begins(tmp_path: Path) -> None:
    """A parameter that cannot be read, and attributes that cannot be written, are the strategy's error."""

    class Unreadable(Plain):
        stake: str = "0.01"

        def __getattribute__(self, name: str) -> Any:
            if name == "stake":
                raise SystemExit(0)
            return object.__getattribute__(self, name)

    class Unwritable(Plain):
        def __getattribute__(self, name: str) -> Any:
            if name == "__dict__":
                raise SystemExit(0)
            return object.__getattribute__(self, name)

    for strategy, text in ((Unreadable, "cannot be read"), (Unwritable, "cannot be")):
        with pytest.raises(StrategyError, match=text):
            vectra_bot.run(strategy, store=tmp_path, **SHORT)
