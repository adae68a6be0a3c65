"""run(), replay() and record() as functions: their options are the fields of their configs."""

from __future__ import annotations

import asyncio
import signal
import threading
import typing
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from vectra_bot import AlertFeed, GameView, LiveSettings, ReplayReport, Report, Strategy
from vectra_bot.errors import ConfigError, InputError, StrategyError
from vectra_bot.exchange.config import START_NS
from vectra_bot.models import GameTick
from vectra_bot.params import option_of
from vectra_bot.session.config import RecordConfig, ReplayConfig, SessionConfig
from vectra_bot.session.options import RecordOptions, ReplayOptions, RunOptions
from vectra_bot.wire.states import WireFormat

CONFIGS: list[tuple[type[Any], type[Any], dict[str, Any], set[str]]] = [
    (RunOptions, SessionConfig, {"strategy": "watch"}, {"strategy"}),
    (ReplayOptions, ReplayConfig, {"path": "capture"}, {"path", "check"}),
    (RecordOptions, RecordConfig, {"venue": "http://127.0.0.1:1"}, {"venue"}),
]
IDS = ["run", "replay", "record"]

PLUGINS: list[Any] = [
    None,
    {"stake-guard": None},
    {"stake-guard": {"max_share": "0.1"}},
    ["watch"],
    (5,),
]
NAMES: list[Any] = [["stake-guard"], ("stake-guard",)]
ACCEPTED: dict[str, list[Any]] = {
    "protocol": [None],
    "speed": ["max", 2, 0.5, None],
    "cash": ["0.5", 0.5, 1, Decimal(1)],
    "exchange_log": ["log", Path("log"), None],
    "settings": [None, {"stake": "0.1"}],
    "limits": [None, {"stake": "0.05"}],
    "enable_plugins": NAMES,
    "disable_plugins": NAMES,
    "block_plugins": NAMES,
    "plugins_dir": ["plugins", Path("plugins"), None],
    "plugins": PLUGINS,
    "alerts_config": ["alerts.toml", Path("alerts.toml"), None],
    "alert_sinks": [[AlertFeed()], (AlertFeed(),), ()],
}
"""Values that the declared type of an option allows and the type of its field does not."""


@pytest.mark.parametrize(("options", "config", "given", "positional"), CONFIGS, ids=IDS)
def test_options_are_the_fields_of_the_config(
    options: type[Any], config: type[Any], given: dict[str, Any], positional: set[str]
) -> None:
    """Each key has the type of its field, or a wider one of which every further value is accepted."""
    hints = typing.get_type_hints(options)
    fields = {field.name: field.type for field in attrs.fields(config)}
    assert sorted(hints) == sorted(set(fields) - positional)

    for name, hint in hints.items():
        if _literals(hint) - {"max"}:
            assert _literals(hint) == set(option_of(config, name).choices or ()), name
            values: list[Any] = sorted(_literals(hint))
        elif hint != fields[name]:
            assert _kinds(fields[name]) <= _kinds(hint), name
            values = ACCEPTED[name]
        else:
            values = []
        for value in values:
            config(**given, **{name: value})


def _literals(hint: Any) -> set[str]:
    """Return the texts that a type allows one by one."""
    return {
        text
        for part in (hint, *typing.get_args(hint))
        if typing.get_origin(part) is typing.Literal
        for text in typing.get_args(part)
    }


def _kinds(hint: Any) -> set[Any]:
    """Return the classes of a union; a tuple of names may be any sequence of names."""
    parts = typing.get_args(hint) if "Union" in type(hint).__name__ else (hint,)
    kinds = {typing.get_origin(part) or part for part in parts} - {typing.Literal}
    return {Sequence if kind is tuple else kind for kind in kinds}


@pytest.mark.parametrize(
    ("call", "argument"),
    [("run", "watch"), ("replay", "capture"), ("record", "http://127.0.0.1:1")],
)
def test_an_unknown_option_is_named_with_close_ones(call: str, argument: str) -> None:
    """A misspelt keyword is an error of the configuration, with advice; nothing runs."""
    function = getattr(vectra_bot, call)
    pattern = rf"{call}\(\) has no option 'storee': did you mean store"
    with pytest.raises(ConfigError, match=pattern):
        function(argument, storee="x")


def test_a_call_inside_a_running_loop_waits_for_the_session(store: Path) -> None:
    """The session has a separate thread with its own loop; report and errors are the same."""
    threads: list[str] = []

    class Where(Strategy):
        """Notes its thread."""

        def on_game_start(self, game: GameView) -> None:
            threads.append(threading.current_thread().name)
            self.actions.buy("0.01")

    async def inside() -> tuple[Report, ReplayReport]:
        played = vectra_bot.run(Where, games=1, seed=7, crowd=0, store=store)
        return played, vectra_bot.replay(played.journal, store=store)

    played, replayed = asyncio.run(inside())
    outside = vectra_bot.run(Where, games=1, seed=7, crowd=0, store=store)
    assert threads[0].startswith("vectra-bot-session")
    assert threads[1] == threading.main_thread().name
    assert played.pnl == outside.pnl != 0
    assert replayed.session.ticks == played.ticks

    async def refused() -> None:
        vectra_bot.record("http://127.0.0.1:1", settings=LiveSettings(attempts=1), store=store)

    with pytest.raises(InputError):
        asyncio.run(refused())


def test_an_interrupt_of_a_running_loop_ends_the_session_in_order(store: Path) -> None:
    """Ctrl-C in a notebook: the session is closed, its store is complete, the interrupt is raised."""
    interrupted: list[int] = []

    class Long(Strategy):
        """Interrupts the main thread once."""

        def on_game_tick(self, tick: GameTick, game: GameView) -> None:
            if not interrupted:
                interrupted.append(game.tick)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    async def inside() -> None:
        vectra_bot.run(Long, games=10_000, seed=7, crowd=0, store=store, session_id="L")

    loop = asyncio.new_event_loop()  # not asyncio.run(), which handles the signal itself
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(inside())
    finally:
        loop.close()
    with vectra_bot.open_store(store) as catalog:
        ending = catalog.sql("SELECT message FROM system_event WHERE kind = 'session.ending'").rows
    assert ending == [("stopped: KeyboardInterrupt",)]
    assert vectra_bot.check_store(store).ok


def test_no_store_keeps_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is that of a stored session; neither the default store nor the temporary folder is there."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    seen: list[str] = []

    class Looks(Strategy):
        """Notes what is in the temporary folder while it runs."""

        def on_game_start(self, game: GameView) -> None:
            seen.extend(folder.name for folder in temporary.iterdir())
            self.actions.buy("0.01")

    report = vectra_bot.run(Looks, games=2, seed=7, crowd=0, no_store=True)
    stored = vectra_bot.run(Looks, games=2, seed=7, crowd=0, store=store)
    assert (report.kept, report.store, report.journal) == (False, "", "")
    assert seen
    assert [f.name for f in temporary.iterdir() if f.name.startswith("vectra-bot-run-")] == []
    assert report.trades == stored.trades
    assert report.curve == stored.curve


@pytest.mark.parametrize(
    "given",
    [{"store": "x"}, {"shared": True}, {"restore_from": "S"}],
    ids=lambda given: next(iter(given)),
)
def test_no_store_with_what_needs_a_store_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"together with no_store.*: remove one of the two"):
        vectra_bot.run("watch", games=1, no_store=True, **given)


def test_an_error_without_a_store_says_that_nothing_was_kept() -> None:
    class Raises(Strategy):
        """Raises."""

        def on_game_start(self, game: GameView) -> None:
            raise ValueError("boom")

    with pytest.raises(StrategyError, match="boom; trading stopped, nothing was kept") as caught:
        vectra_bot.run(Raises, games=1, seed=7, crowd=0, no_store=True)
    assert caught.value.report.error == "Raises.on_game_start: ValueError: boom"


def test_replay_stores_what_the_report_says(tmp_path: Path) -> None:
    """replay() returns the counts and the report of the stored session; JSON has the keys of both."""
    report = vectra_bot.run("watch", games=1, seed=7, crowd=5, start_ns=START_NS, store=tmp_path)
    replayed = vectra_bot.replay(report.journal, session_id="R", store=tmp_path)

    assert replayed.session.session_id == "R"
    assert replayed.session.ticks == report.ticks
    assert replayed.inbound == report.frames
    assert set(replayed.to_json()) > set(report.to_json())
    with vectra_bot.open_store(tmp_path) as catalog:
        assert set(catalog.sessions) == {report.session_id, "R"}


def test_types_of_options_hold_at_run_time() -> None:
    """An enum may be given as a member, too."""
    config = SessionConfig(strategy="watch", wire_format=WireFormat.DEC)
    assert config.wire_format is WireFormat.DEC
