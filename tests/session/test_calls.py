"""run(), replay() and record() as functions: their options are the fields of their configs."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from vectra_bot import AlertFeed
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.exchange.config import START_NS
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

PLUGINS: list[Any] = [None, {"stake-guard": None}, {"stake-guard": {"max_share": "0.1"}}]
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


@pytest.mark.parametrize(
    ("call", "argument"),
    [("run", "watch"), ("replay", "capture"), ("record", "http://127.0.0.1:1")],
)
def test_a_call_inside_a_running_loop_names_the_coroutine(call: str, argument: str) -> None:
    """The message names what to await instead, and both names are public."""
    function = getattr(vectra_bot, call)

    async def inside() -> None:
        function(argument)

    with pytest.raises(UsageError) as caught:
        asyncio.run(inside())
    assert f"await vectra_bot.{call}_session(vectra_bot." in str(caught.value)
    assert f"{call}_session" in vectra_bot.__all__


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
