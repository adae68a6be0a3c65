"""``vectra-bot alerts``: preferences by command, a test of the sinks, the history."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.cli.main import main


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the user's preferences are."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "vectra-bot" / "alerts.toml"


def told(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    """Return the JSON value that a command prints."""
    assert main(["alerts", *map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def table(path: Path) -> dict[str, Any]:
    """Return what the file says."""
    return tomllib.loads(path.read_text())


def test_preferences_are_changed_by_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each change is said, written, and shown by the list."""
    assert main(["alerts", "disable", "game_rug", "vectra.integrity"]) == 0
    assert capsys.readouterr().out == (
        'preferences: types.game_rug.mode = "off", types.vectra.integrity.mode = "off"; '
        "running sessions use it within a second\n"
    )
    told(capsys, "enable", "game_start")
    told(capsys, "enable", "--silent", "trade_success")
    told(capsys, "set", "warning", "escalate_after=3", "dedupe=type,player")
    told(capsys, "set", "quiet", "start=22:00", "end=07:00", "zone=Europe/Vienna")
    told(capsys, "set", "do-not-disturb", "on=true")
    told(capsys, "set", "limit", "burst=5")
    told(capsys, "set", "sink:webhook", "severity=error")
    told(capsys, "set", "default", "dedupe_s=5")

    assert table(path) == {
        "version": 2,
        "default": {"dedupe_s": 5.0},
        "limit": {"burst": 5},
        "quiet": {"start": "22:00", "end": "07:00", "zone": "Europe/Vienna"},
        "do_not_disturb": {"on": True},
        "severity": {"warning": {"dedupe": ["type", "player"], "escalate_after": 3}},
        "types": {
            "game_rug": {"mode": "off"},
            "game_start": {"mode": "on"},
            "trade_success": {"mode": "silent"},
            "vectra.integrity": {"mode": "off"},
        },
        "sinks": {"webhook": {"severity": "error"}},
    }
    shown = told(capsys, "list")
    by_type = {one["type"]: one for one in shown["types"]}
    assert (shown["path"], shown["exists"]) == (str(path), True)
    assert by_type["vectra.integrity"]["mode"] == "off"
    assert by_type["game_start"]["mode"] == "on"
    assert by_type["survival_milestone"]["mode"] == "silent"
    assert {one["dedupe_s"] for one in shown["types"]} == {5.0}
    assert shown["others"]["sink:webhook"] == {"on": True, "severity": "error"}
    assert shown["others"]["warning"]["escalate_after"] == 3


def test_a_key_without_a_value_is_reset(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To what holds without it."""
    told(capsys, "set", "game_rug", "mode=off", "sound=true")
    changed = told(capsys, "set", "game_rug", "mode=")

    assert changed["changed"] == "preferences: types.game_rug.mode = default"
    assert table(path) == {"version": 2, "types": {"game_rug": {"sound": True}}}


def test_a_person_sees_tables(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every type, the other preferences, and the file."""
    assert main(["alerts", "list"]) == 0
    out = capsys.readouterr().out

    assert "exceptional_entry" in out
    assert "do-not-disturb" in out
    assert "(not written yet)" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("disable", "gamerug"), 4, "alert type 'gamerug' is unknown: did you mean game_rug"),
        (("set", "game_rug", "mode=loud"), 4, "mode was 'loud': give one of on, silent, off"),
        (("set", "game_rug", "moed=on"), 4, "moed is unknown: did you mean mode?"),
        (("set", "sink:A B", "on=true"), 4, "a sink's name has lower-case letters"),
        (("set", "quiet", "zone=Nowhere/City"), 4, "give a time zone such as Europe/Vienna"),
        (("set", "game_rug", "mode"), 2, "give KEY=VALUE"),
        (("test", "--plugin-set", "alert-sinks.webhook=https://host/secret"), 4, "env:NAME"),
        (("test", "--no-plugin", "alert-sinks"), 8, "no plugin registers a sink of alerts"),
        (("test", "--severity", "fatal"), 4, "severity 'fatal' is unknown"),
        (("acknowledge", "--store", "/nowhere"), 6, "no store at /nowhere"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_one_line(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """With a stable exit code; nothing is written."""
    assert main(["alerts", *arguments]) == code
    error = capsys.readouterr().err

    assert message in error
    assert error.count("\n") == 1
    assert not path.exists()


def test_every_sink_is_tried(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what each did, and what the preferences say; a failure is the exit code."""
    told(capsys, "disable", "game_rug")
    file = f"alert-sinks.file={tmp_path / 'alerts.jsonl'}"
    found = told(capsys, "test", "game_rug", "--severity", "error", "--plugin-set", file)
    assert [(one["sink"], one["result"]) for one in found["sinks"]] == [
        ("terminal", "delivered"), ("file", "delivered"),
    ]  # fmt: skip
    assert (found["decision"], found["to"]) == ("off", [])
    assert json.loads((tmp_path / "alerts.jsonl").read_text())["severity"] == "error"

    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/canary-91b2")
    arguments = ("test", "--plugin-set", "alert-sinks.webhook=env:HOOK")
    assert main(["alerts", *arguments]) == 1
    out, err = capsys.readouterr()
    assert "webhook: alert sink 'webhook': " in out
    assert "Cannot connect to host" in out
    assert "by your preferences: delivered (to terminal, webhook)" in out
    assert "webhook did not deliver it" in err
    assert "canary-91b2" not in out + err


def test_the_history_is_filtered(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By type and reason; the last ones."""
    store = tmp_path / "store"
    report = vectra_bot.run("take-profit", games=2, seed=7, alerts=True, store=store)
    capsys.readouterr()
    everything = told(capsys, "history", "--store", store, "--last", 10_000)
    shown = told(capsys, "history", "--store", store, "--reason", "delivered", "--last", 2)
    starts = told(capsys, "history", "--store", store, "--type", "game_start")

    assert everything["count"] == len(everything["alerts"]) > 10
    assert shown["count"] == report.alert_sinks["terminal"]["delivered"] > 2
    assert len(shown["alerts"]) == 2
    assert {one["reason"] for one in starts["alerts"]} == {"silent"}
    assert main(["alerts", "history", "--store", str(store)]) == 0
    assert f"{everything['count']} of {everything['count']} alerts" in capsys.readouterr().out


def test_a_session_uses_the_file_that_is_named(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the command line, and in the section [alerts] of a configuration file."""
    own = tmp_path / "own.toml"
    told(capsys, "set", "default", "mode=off", "--alerts-config", own)
    config = tmp_path / "bot.toml"
    config.write_text(f'[run]\nstrategy = "watch"\ngames = 1\n[alerts]\npreferences = "{own}"\n')
    common = ["--seed", "7", "--speed", "max", "--alerts", "--json"]
    for name, given in (
        ("a", ["watch", "--games", "1", "--alerts-config", str(own)]),
        ("b", ["--config", str(config)]),
    ):
        assert main(["run", *given, *common, "--store", str(tmp_path / name)]) == 0
        assert json.loads(capsys.readouterr().out)["alert_sinks"]["terminal"]["delivered"] == 0
        found = told(capsys, "history", "--store", tmp_path / name)
        assert {one["reason"] for one in found["alerts"]} == {"off"}
    assert not path.exists()
