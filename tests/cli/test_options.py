"""Options of session, recorder, replay and exchange: declared once, the same however they are set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click
import pytest

from vectra_bot.actions.risk import Limits
from vectra_bot.alerts.preference_file import AlertOptions
from vectra_bot.cli.main import COMMANDS, LazyGroup, main
from vectra_bot.cli.options import DeclaredOption, destination
from vectra_bot.cli.run import SECTIONS
from vectra_bot.cli.serve import ServeConfig
from vectra_bot.config import load_config
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.exchange import ExchangeConfig, ExchangeOptions
from vectra_bot.game.shorts import ShortPayoff
from vectra_bot.params import Heading, Option, options_of
from vectra_bot.session import RecordConfig, ReplayConfig, SessionConfig
from vectra_bot.store.api import StoreOptions
from vectra_bot.store.location import default_store
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.states import WireFormat

OWNERS: dict[str, tuple[type, ...]] = {
    "run": (SessionConfig, Limits, LiveSettings),
    "serve": (ServeConfig,),
    "record": (RecordConfig, LiveSettings, BrowserSettings),
    "replay": (ReplayConfig,),
}
REQUIRED: dict[type, dict[str, Any]] = {
    SessionConfig: {"strategy": "watch"},
    RecordConfig: {"venue": "http://h"},
    ReplayConfig: {"path": "recording"},
}
ARGUMENTS = {
    "run": ["watch"],
    "serve": ["--port", "0"],
    "record": ["--venue", "http://h"],
    "replay": ["."],
}
OF_THE_COMMAND = {"config_file", "as_json", "page"}
"""What a command takes beside its configs' options: where they are read from, how it prints."""

DECLARED = [
    (name, owner, option)
    for name, owners in OWNERS.items()
    for owner in owners
    for option in options_of(owner)
]
FLAGS = [entry for entry in DECLARED if entry[2].flag is not None]
TESTED: dict[str, Any] = {
    "wire_format": "xml",
    "protocol": "/no/such/file.toml",
    "bbc_odds": "1/2,1/2",
    "bbc_payouts": "2,2,much",
    "candleflip_odds": "1/2",
    "candleflip_payouts": "two",
    "short_payoff": "magic",
    "short_at_rug": "hold",
    "start_ns": "yesterday",
    "store": "s3://",
    "speed": "0",
    "stake": "-1",
    "session_loss": "-1",
}
"""Values out of range, of options whose declaration has no bounds."""


def command_of(name: str) -> click.Command:
    command = LazyGroup().get_command(click.Context(LazyGroup()), name)
    assert command is not None
    return command


def wrong_value(option: Option) -> Any:
    """Return a value that *option* does not accept, None if it accepts any text."""
    if option.name in TESTED:
        return TESTED[option.name]
    if option.above is not None:
        return option.above
    return None if option.high is None else option.high + 1


OUT_OF_RANGE = [
    pytest.param(name, owner, option, wrong_value(option), id=f"{name} {option.flag}")
    for name, owner, option in FLAGS
    if wrong_value(option) is not None
]


def made(owner: type, **values: Any) -> Any:
    return owner(**{**REQUIRED.get(owner, {}), **values})


@pytest.mark.parametrize("name", OWNERS)
def test_every_option_of_a_command_comes_from_a_declaration(name: str) -> None:
    """Name, default, choices and help of a flag are those of its declaration, and none is missing."""
    flags = {p.name: p for p in command_of(name).params if isinstance(p, click.Option)}
    for owner in OWNERS[name]:
        for option in options_of(owner):
            if option.flag is None:
                continue
            flag = flags.pop(destination(option))
            assert isinstance(flag, DeclaredOption)
            assert flag.declaration == option
            assert option.help
            assert (flag.help or "").startswith(option.help)
            assert option.default_shown in (flag.help or "")
            assert option.flag in flag.opts
    assert flags.keys() <= OF_THE_COMMAND


def test_a_flag_reads_the_same_in_every_command() -> None:
    """Its metavar, heading and help do not depend on the command, except for two flags."""
    seen: dict[str, dict[str, tuple[str, Heading, str]]] = {}
    for name, _, option in FLAGS:
        about = (option.metavar, option.heading, option.help)
        seen.setdefault(str(option.flag), {})[name] = about
    for flag, by_command in seen.items():
        if flag == "--format":
            by_command.pop("record")
        if flag == "--latency-ms":
            by_command.pop("serve")
        assert len(set(by_command.values())) == 1, flag


@pytest.mark.parametrize("owner", [*OWNERS["run"], ServeConfig, RecordConfig, ReplayConfig])
def test_a_default_is_taken_by_its_own_declaration(owner: type) -> None:
    """The Python class has the declared default, and the declaration accepts it."""
    config = made(owner)
    for option in options_of(owner):
        value = getattr(config, option.name)
        if option.name in REQUIRED.get(owner, {}):
            continue
        if not isinstance(option.default, attrs.Factory):  # type: ignore[arg-type]
            assert value == option.default
        assert option.check(value, option.name) == value


@pytest.mark.parametrize(("name", "owner", "option"), FLAGS, ids=lambda v: getattr(v, "flag", None))
def test_bounds_are_inclusive(name: str, owner: type, option: Option) -> None:
    """The lowest and highest allowed values are accepted, by Python and by text alike."""
    for value in (option.low, option.high):
        if value is not None and option.name != "start_ns":
            assert getattr(made(owner, **{option.name: value}), option.name) == value
            assert option.parse(str(value), "x") == value


def test_keys_and_flags_correspond() -> None:
    """Each key of a section has one flag of `run` and each flag one key, spelled alike."""
    keys = {o.key: o for o in options_of(SECTIONS["run"]) if o.key is not None}
    flags = {o.flag for o in options_of(SessionConfig) if o.flag and not o.repeatable}
    flags -= {o.flag for o in options_of(AlertOptions)}  # their keys are in a section of that name
    assert {f"--{key.replace('_', '-')}" for key in keys} == flags
    assert {o.key for o in options_of(SECTIONS["exchange"])} <= keys.keys()
    assert SECTIONS["exchange"] is ExchangeOptions
    for option in options_of(Limits):
        assert option.flag == f"--limit-{str(option.key).replace('_', '-')}"


@pytest.mark.parametrize(("name", "owner", "option", "value"), OUT_OF_RANGE)
def test_a_flag_out_of_range_is_one_line(
    name: str, owner: type, option: Option, value: Any, store: Path, capsys: Any
) -> None:
    """The line names the flag and the value; nothing is written."""
    assert main([name, *ARGUMENTS[name], str(option.flag), str(value)]) == (
        4 if option.name == "protocol" else 2
    )

    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) == 1
    assert str(value) in captured.err
    assert option.name == "protocol" or str(option.flag) in captured.err
    assert not store.exists()


@pytest.mark.parametrize(("name", "owner", "option", "value"), OUT_OF_RANGE)
def test_a_keyword_out_of_range_is_one_line(
    name: str, owner: type, option: Option, value: Any
) -> None:
    """Python gets a ConfigError that names the option and the value."""
    with pytest.raises(ConfigError) as caught:
        made(owner, **{option.name: value})

    assert len(str(caught.value).splitlines()) == 1
    assert str(value) in str(caught.value)
    assert option.name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "owner", "option", "value"),
    [p for p in OUT_OF_RANGE if p.values[0] == "run" and p.values[1] is not LiveSettings],
)
def test_a_key_out_of_range_is_one_line(
    name: str, owner: type, option: Option, value: Any, tmp_path: Path
) -> None:
    """A file's value is refused with file, section, key and value."""
    section = "limits" if owner is Limits else "run"
    path = tmp_path / "bot.toml"
    path.write_text(f"[{section}]\n{option.key} = {str(value)!r}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, SECTIONS)

    assert len(str(caught.value).splitlines()) == 1
    assert str(value) in str(caught.value)
    if option.name != "protocol":
        assert f"{path}: [{section}] {option.key}" in str(caught.value)


def test_a_variable_out_of_range_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's one option names its variable."""
    monkeypatch.setenv("VECTRA_STORE", "s3://")
    with pytest.raises(InputError, match=r"^\$VECTRA_STORE: .* names no bucket") as caught:
        default_store()

    assert len(str(caught.value).splitlines()) == 1
    (option,) = options_of(StoreOptions)
    assert option.default_shown.startswith("$VECTRA_STORE")


def test_options_become_the_exchanges_config() -> None:
    """The exchange is made from what a user set; the rest is the exchange's own default."""
    options = SessionConfig(strategy="watch", wire_format="dec", short_payoff="charged", seed=3)  # type: ignore[arg-type]
    config = ExchangeConfig.of(options, seed=7, start_ns=5)

    assert config == attrs.evolve(
        ExchangeConfig(seed=7, start_ns=5), wire_format="dec", short_payoff="charged"
    )
    assert config.wire_format is WireFormat.DEC
    assert config.short_terms.payoff is ShortPayoff.CHARGED
    assert (options.crowd, config.crowd) == (None, 300)


@pytest.mark.parametrize("name", OWNERS)
def test_help_groups_options_under_headings(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The most needed options come first, side games last, and each option is under its heading."""
    assert main([name, "--help"]) == 0

    sections: dict[str, str] = {}
    heading = ""
    for line in capsys.readouterr().out.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            heading = line[:-1]
        sections[heading] = f"{sections.get(heading, '')}{line}\n"
    shown = [title for title in sections if title in list(Heading)]
    assert shown == [title for title in Heading if title in shown]
    for _, _, option in (entry for entry in FLAGS if entry[0] == name):
        assert f"  {option.flag}" in sections[option.heading]
    assert "--json" in sections[Heading.MAIN]


def test_store_reads_the_same_wherever_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`--store` of `query` and of the commands under `store` is the declared one."""
    (option,) = options_of(StoreOptions)
    for arguments in (["query"], ["store", "check"], ["run"], ["record"]):
        main([*arguments, "--help"])
        assert option.help in " ".join(capsys.readouterr().out.split())


def test_no_command_has_an_url_option() -> None:
    """`--venue` is the one name of an address."""
    for name in COMMANDS:
        assert "--url" not in [flag for p in command_of(name).params for flag in p.opts]
