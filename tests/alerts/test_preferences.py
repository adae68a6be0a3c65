"""Preferences of alerts: values, the file, its versions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.alerts.delivery import changed
from vectra_bot.alerts.preference_file import (
    default_path,
    open_preferences,
    read_preferences,
    signature,
    write_preferences,
)
from vectra_bot.alerts.preferences import VERSION, AlertPreferences
from vectra_bot.errors import ConfigError, InputError, StoreError
from vectra_bot.fsio import Op, observing

EVERYTHING: dict[str, Any] = {
    "version": VERSION,
    "default": {"dedupe": ["type", "message"], "dedupe_s": 1.5, "escalate_s": 10.0},
    "limit": {"burst": 5, "per_minute": 0.5, "reserve": 2},
    "quiet": {"start": "22:00", "end": "07:00", "zone": "Europe/Vienna"},
    "do_not_disturb": {"on": True, "until": "2026-12-01T07:00:00+00:00", "override": "never"},
    "severity": {"warning": {"mode": "silent", "sound": True}},
    "types": {
        "rug_warning": {"mode": "off", "min_priority": -1, "burst": 7, "per_minute": 3.0},
        "vectra.integrity": {"expire_s": 5.0, "escalate_after": 2, "unseen_s": 60.0},
    },
    "sinks": {"webhook": {"on": False, "severity": "error"}},
}


def test_a_file_has_what_was_written(tmp_path: Path) -> None:
    """Every preference survives the file, which TOML reads."""
    path = tmp_path / "new" / "alerts.toml"
    preferences = AlertPreferences.of_table(EVERYTHING)

    assert write_preferences(path, preferences) is None
    assert read_preferences(path) == open_preferences(path) == preferences
    assert tomllib.loads(path.read_text()) == EVERYTHING == preferences.to_table()


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """Nothing is written by reading."""
    path = tmp_path / "alerts.toml"

    assert open_preferences(path) == AlertPreferences()
    assert AlertPreferences().to_table() == {"version": VERSION}
    assert list(tmp_path.iterdir()) == []
    assert signature(path) == ()


def test_the_file_is_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the system's convention says; a relative folder is ignored, as it demands."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "vectra-bot" / "alerts.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".config" / "vectra-bot" / "alerts.toml"


WRONG = {
    "no version": ("", "version was None: begin the file with version = 2"),
    "version as text": ('version = "2"', "version was '2'"),
    "newer version": ("version = 3", "this program knows versions to 2: upgrade vectra-bot"),
    "unknown section": ("version = 2\n[quite]\n", "section 'quite' is unknown: did you mean quiet"),
    "not a section": ("version = 2\nquiet = 1", "quiet is not a section: write it as [quiet]"),
    "unknown type": ("version = 2\n[types.rug_warnin]\n", "did you mean rug_warning"),
    "unknown key": ("version = 2\n[types.rug_warning]\nmoed = 1", "moed is unknown: did you mean mode"),
    "wrong value": ('version = 2\n[default]\nmode = "loud"', "mode was 'loud': give one of on, silent"),
    "out of range": ("version = 2\n[default]\nburst = 0", "burst was 0: give"),
    "wrong hour": ('version = 2\n[quiet]\nstart = "24:00"', "start was '24:00': give a time of day"),
    "wrong zone": ('version = 2\n[quiet]\nzone = "Europe/Wien"', "zone was 'Europe/Wien': give a time zone"),
    "no zone": ('version = 2\n[do_not_disturb]\nuntil = "2026-12-01T07:00:00"', "a time with its zone"),
    "wrong parts": ('version = 2\n[default]\ndedupe = ["typ"]', "some of type, game, player"),
    "unknown severity": ("version = 2\n[severity.fatal]\n", "'fatal' is unknown: give one of info"),
    "wrong sink": ('version = 2\n[sinks."A b"]\n', "a sink's name has lower-case letters"),
    "type is no section": ("version = 2\n[types]\nrug_warning = 1", "is not a section"),
    "version 1, other keys": ("version = 1\nmood = 1", "version 1 has the keys modes, quiet, version"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG, ids=lambda name: name.replace(" ", "-"))
def test_what_is_wrong_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    """With the file, the value, and what to do."""
    text, message = WRONG[name]
    path = tmp_path / "alerts.toml"
    path.write_text(text)

    with pytest.raises(ConfigError) as raised:
        open_preferences(path)

    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.read_text() == text


@pytest.mark.parametrize("data", [b"version = ", b"\xff\xfe", b"x" * 300_000])
def test_what_is_no_toml_is_refused(data: bytes, tmp_path: Path) -> None:
    """Truncated text, another encoding, another file."""
    path = tmp_path / "alerts.toml"
    path.write_bytes(data)

    with pytest.raises(InputError, match=r"alerts\.toml"):
        read_preferences(path)


def test_an_older_version_is_upgraded_without_loss(tmp_path: Path) -> None:
    """What it says holds from then on, and a copy of it is kept; another upgrade keeps another copy."""
    path, old = tmp_path / "alerts.toml", 'version = 1\nquiet = "22:00-07:00"\n[modes]\n'
    for number, (name, more) in enumerate((("rug_warning", ""), ("game_rug", "-2"))):
        text = f'{old}{name} = "silent"\n"vectra.integrity" = "off"\n'
        path.write_text(text)

        found = open_preferences(path)

        assert found.of(name, "info").mode == "silent"
        assert found.of("vectra.integrity", "error").mode == "off"
        assert (found.quiet.start, found.quiet.end, found.quiet.zone) == ("22:00", "07:00", "UTC")
        assert (tmp_path / f"alerts.toml.v1{more}").read_text() == text
        assert tomllib.loads(path.read_text())["version"] == VERSION
        assert read_preferences(path) == found
        assert len(list(tmp_path.iterdir())) == number + 2


def test_comments_are_kept_in_a_copy(tmp_path: Path) -> None:
    """A file that a person commented is not lost when a command writes it."""
    path = tmp_path / "alerts.toml"
    path.write_text('version = 2\n# at night\n[quiet]\nstart = "22:00"\n')

    kept = write_preferences(path, read_preferences(path))

    assert kept is not None
    assert "# at night" in kept.read_text()
    assert write_preferences(path, AlertPreferences()) is None


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Whichever step of the write fails."""
    path = tmp_path / "alerts.toml"
    write_preferences(path, AlertPreferences())
    old, operations = path.read_bytes(), []
    with observing(operations.append):
        write_preferences(path, AlertPreferences())

    for number in range(
        len(operations) - 1
    ):  # the last is the sync of the folder, after the rename
        seen: list[Op] = []

        def fail(operation: Op, number: int = number, seen: list[Op] = seen) -> None:
            seen.append(operation)
            if len(seen) == number + 1:
                raise OSError(28, "No space left on device")

        with observing(fail), pytest.raises(StoreError, match="No space left"):
            write_preferences(path, AlertPreferences.of_table(EVERYTHING))

        assert path.read_bytes() == old
        assert list(tmp_path.iterdir()) == [path]


def test_a_change_is_said_in_few_words() -> None:
    """The new values of what differs, cut to what an operator's reason may have."""
    before = AlertPreferences.of_table({"types": {"rug_warning": {"mode": "off"}}})
    after = AlertPreferences.of_table({"types": {"game_rug": {"mode": "on"}}})

    assert changed(before, after) == (
        'preferences: types.game_rug.mode = "on", types.rug_warning.mode = default'
    )
    assert len(changed(before, AlertPreferences.of_table(EVERYTHING))) == 200
