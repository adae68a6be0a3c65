"""Configuration files: their content, and the messages about their errors."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from vectra_bot.actions.risk import Limits
from vectra_bot.cli.run import SECTIONS
from vectra_bot.config import FileConfig, load_config
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.params import option_of, options_of, parse_options
from vectra_bot.venues.embedded import EmbeddedOptions


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bot.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _load(path: Path) -> FileConfig:
    return load_config(path, SECTIONS)


def test_all_sections_are_read(tmp_path: Path) -> None:
    """Each section ends up where it belongs."""
    config = _load(
        _file(
            tmp_path,
            '[run]\nstrategy = "watch"\ngames = 3\n[exchange]\ncrowd = 9\n[strategy]\nstake = 0.1\n'
            "[limits]\nstake = 0.2\n[plugins.a]\nenabled = false\n[plugins.b]\nx = 1\n",
        )
    )

    assert config.strategy == "watch"
    assert config.options == {"games": 3, "crowd": 9}
    assert config.settings == {"stake": 0.1}
    assert config.limits == {"stake": Decimal("0.2")}
    assert config.plugins["a"].enabled is False
    assert config.plugins["b"].enabled is None
    assert config.plugins["b"].settings == {"x": 1}


def test_empty_file_says_nothing(tmp_path: Path) -> None:
    """No section is required."""
    config = _load(_file(tmp_path, ""))

    assert (config.strategy, config.options, config.plugins) == (None, {}, {})


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("[rum]\n", ["'rum'", "did you mean run"]),
        ("run = 3\n", ["run is not a section", "[run]"]),
        ("[run]\ngame = 3\n", ["[run] game", "did you mean games"]),
        ("[run]\ngames = 'x'\n", ["[run] games was 'x'", "whole number"]),
        ("[run]\ngames = 2.5\n", ["[run] games was 2.5"]),
        ("[run]\ngames = true\n", ["[run] games was True"]),
        ("[run]\nspeed = 'quick'\n", ["[run] speed was 'quick'", "max"]),
        ("[run]\nstrategy = 3\n", ["[run] strategy was 3"]),
        ("[run]\nstart = 'noon'\n", ["[run] start was 'noon'"]),
        ("[exchange]\ngames = 3\n", ["[exchange] games is unknown"]),
        ("[run]\ncrowd = 1\n[exchange]\ncrowd = 1\n", ["crowd is in [run] and [exchange]"]),
        ("[limits]\nstakes = 1\n", ["[limits] stakes", "did you mean stake"]),
        ("[limits]\nstake = -1\n", ["[limits] stake was -1", "positive"]),
        ("[limits]\nactions_per_game = 1.5\n", ["actions_per_game was 1.5", "whole number"]),
        ("[plugins]\nx = 1\n", ["[plugins.x] is not a section"]),
        ("[plugins.x]\nenabled = 'no'\n", ["[plugins.x] enabled was 'no'", "true or false"]),
    ],
)
def test_wrong_key_or_value_is_named(text: str, fragments: list[str], tmp_path: Path) -> None:
    """An error names the file, the key, the value and what is allowed."""
    path = _file(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        _load(path)

    assert str(path) in str(caught.value)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    """A file that is not TOML is refused with the place of the error."""
    with pytest.raises(InputError, match="line 2"):
        _load(_file(tmp_path, "[run]\ngames = \n"))


def test_binary_file_is_refused(tmp_path: Path) -> None:
    """A file that is not text is refused as such."""
    path = tmp_path / "bot.toml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InputError, match="UTF-8"):
        _load(path)


def test_limits_take_text_and_numbers() -> None:
    """A limit is the same from the command line and from a file."""
    texts, numbers = (
        Limits(**parse_options(options_of(Limits), values, "[limits] "))
        for values in (
            {"stake": "0.2", "actions_per_game": "3"},
            {"stake": 0.2, "actions_per_game": 3},
        )
    )
    assert texts == numbers
    assert numbers.stake == Decimal("0.2")


@pytest.mark.parametrize(
    ("text", "factor"), [("max", None), ("1", 1.0), ("2.5", 2.5)], ids=["max", "1", "2.5"]
)
def test_speed(text: str, factor: float | None) -> None:
    """A speed is `max` or a factor."""
    assert option_of(EmbeddedOptions, "speed").parse(text, "speed") == factor


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T02:00:00+02:00"]
)
def test_start_is_utc_unless_it_says_otherwise(text: str) -> None:
    """A time without an offset is UTC."""
    parsed = option_of(EmbeddedOptions, "start_ns").parse(text, "start")
    assert parsed == 1_767_225_600_000_000_000


@pytest.mark.parametrize(
    "text",
    ["2150", "1900", "1970-12-31", "9999-12-31", "2200-01-02", "0001-01-01T00:00+14:00",
     "2200-12-31T23:59-23:59", "2026-01-01T00:00:00-24:00", ""],
)  # fmt: skip
def test_a_start_outside_the_years_it_may_have_says_which_ones(text: str) -> None:
    """Years alone, moments that int64 nanoseconds lack, wrong zones: the message is the same."""
    with pytest.raises(ConfigError) as caught:
        option_of(EmbeddedOptions, "start_ns").parse(text, "start")
    assert str(caught.value) == (
        f"start was {text!r}: give a time from 1971 to 2199 such as 2026-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "start_ns"),
    [
        ("2150-01-01", 5_680_281_600_000_000_000),
        ("2199-12-31T23:59:59+00:00", 7_258_118_399_000_000_000),
        ("1971-01-01T00:00+14:00", 31_485_600_000_000_000),
        ("2026-W01-1T00:00:00-05:30:15.5", 1_766_986_215_500_000_000),
    ],
)
def test_a_start_with_any_offset_is_its_moment(text: str, start_ns: int) -> None:
    """Week dates and offsets of seconds are ISO 8601 as well."""
    assert option_of(EmbeddedOptions, "start_ns").parse(text, "start") == start_ns
