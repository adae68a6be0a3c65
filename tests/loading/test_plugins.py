"""Plugins that no distribution installs, and what decides which plugins a session has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot import Plugin, Strategy, hookimpl, param
from vectra_bot.cli.main import main
from vectra_bot.errors import InputError, PluginError, StoreError, UnknownNameError
from vectra_bot.journal import journal_directory, read_header
from vectra_bot.loading.plugins import (
    PluginChoice,
    PluginState,
    calling_order,
    list_plugins,
    load_plugins,
)
from vectra_bot.session.check import check_journal
from vectra_bot.testing import Bench

FILE = '''
from vectra_bot import Plugin, hookimpl, param

__version__ = "2.1"


class Guard(Plugin):
    """Deny all entries but the first."""

    most: int = param(1, low=0)
    seen = 0

    @hookimpl
    def review_action(self, action):
        print("reviewed")
        if action.action_type.is_entry:
            self.seen += 1
            return "enough" if self.seen > self.most else None
'''
TWO = FILE + "\n\nclass Other(Guard):\n    enabled_by_default = False\n"
FUNCTIONS = "from vectra_bot import hookimpl\n\n@hookimpl\ndef on_phase(game): ...\n"
RUN: dict[str, Any] = {"games": 3, "seed": 7, "crowd": 0}


class Counter(Plugin):
    """Count ticks by a step."""

    step: int = param(1, low=1)
    ticks = 0

    @hookimpl
    def on_game_tick(self, tick: Any) -> None:
        self.ticks += self.step


class Early(Counter):
    @hookimpl(tryfirst=True)
    def on_game_tick(self, tick: Any) -> None: ...


@pytest.fixture
def guard(tmp_path: Path) -> Path:
    """Return a file with one plugin."""
    path = tmp_path / "guard_in_a_file.py"
    path.write_text(FILE)
    return path


def named(*enable: Any, **choice: Any) -> list[tuple[str, str]]:
    """Return names and versions of what is loaded besides the installed plugins that are on by default."""
    chosen = PluginChoice(enable=enable, disable=("session-log",), **choice)
    return load_plugins(chosen).names


def test_a_file_a_module_a_class_and_an_object(guard: Path) -> None:
    """Each is called by its class; another one of the same name is numbered; the same one is loaded once."""
    counter = Counter(step=2)
    given = (str(guard), f"{guard}:Guard", Counter, counter, f"{__name__}:Early", Counter)

    manager = load_plugins(PluginChoice(enable=given, disable=("session-log",)))

    assert manager.names == [("Guard", "2.1"), ("Counter", ""), ("Counter-2", ""), ("Early", "")]
    assert manager.specs["Guard"] == f"{guard}:Guard"
    assert manager.settings["Counter-2"] == {"step": 2}
    assert [one.name for one, _ in manager.calls["on_game_tick"]] == [
        "Early",
        "Counter",
        "Counter-2",
    ]


def test_a_module_of_functions_is_a_plugin(tmp_path: Path) -> None:
    """It is called by the file's name."""
    path = tmp_path / "plain_functions.py"
    path.write_text(FUNCTIONS)
    assert named(str(path)) == [("plain_functions", "")]


def test_an_installed_plugin_keeps_its_name() -> None:
    """Also as a class or as an object, which replaces the installed one."""
    from vectra_plugins.stake_guard import StakeGuard

    ((name, version),) = named(StakeGuard)
    assert (name, version != "") == ("stake-guard", True)
    assert named("vectra_plugins.stake_guard:StakeGuard", "stake-guard") == [(name, version)]
    manager = load_plugins(PluginChoice(enable=(StakeGuard(max_share=0.5),)))
    assert manager.settings["stake-guard"] == {"max_share": 0.5}
    assert manager.specs == {}


def test_a_folder_has_the_plugins_of_its_files(tmp_path: Path) -> None:
    """Those that are on by default, by file; one of a later file is numbered; private files are skipped."""
    (tmp_path / "b_two.py").write_text(TWO)
    (tmp_path / "a_one.py").write_text(FILE)
    (tmp_path / "_private.py").write_text("raise SystemExit")
    assert [name for name, _ in named(folder=tmp_path)] == ["Guard", "Guard-2"]
    assert [name for name, _ in named("Other", folder=tmp_path)] == ["Guard", "Guard-2", "Other"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), ("", "no file with a plugin"), ("1 / 0", "ZeroDivisionError")],
    ids=["no folder", "no plugin", "raises"],
)
def test_a_folder_without_a_plugin_is_refused(
    tmp_path: Path, content: str | None, words: str
) -> None:
    """It was asked for, so that nothing runs without it."""
    folder = tmp_path / "plugins"
    if content is not None:
        folder.mkdir()
        (folder / "one.py").write_text(content)
    with pytest.raises((InputError, PluginError), match=words):
        load_plugins(PluginChoice(folder=folder))


def test_an_object_is_used_as_it_is(store: Path) -> None:
    """So that it can be read afterwards; a class is created for each session."""
    counter = Counter(step=2)
    report = vectra_bot.run("watch", store=store, plugins=[counter, Counter], **RUN)
    assert counter.ticks == 2 * report.ticks > 0
    assert Counter.ticks == 0


def test_a_strategy_and_a_plugin_of_one_file_share_its_module(tmp_path: Path, store: Path) -> None:
    """The file is imported once for both, and again for the next session."""
    path = tmp_path / "both_in_one.py"
    path.write_text(
        "from vectra_bot import Plugin, Strategy, hookimpl\n"
        "SEEN = []\n"
        "class Both(Strategy):\n"
        "    def on_game_tick(self, tick, game): SEEN.append(tick.tick)\n"
        "class Teller(Plugin):\n"
        "    @hookimpl\n"
        "    def session_finished(self, info, report): assert len(SEEN) == report.ticks\n"
    )
    for _ in range(2):
        report = vectra_bot.run(str(path), store=store, plugins=[path], **RUN)
        assert (report.plugin_errors, report.ticks > 0) == ({}, True)


def test_prints_of_a_plugin_are_not_in_the_json(
    guard: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it prints when it is imported and when it is called goes to stderr."""
    guard.write_text("print('imported')\n" + FILE)
    command = ["run", "take-profit", "--games", "2", "--seed", "7", "--crowd", "0", "--json"]

    assert main([*command, "--plugin", str(guard), "--plugin-set", "Guard.most=0"]) == 0

    output = capsys.readouterr()
    assert set(json.loads(output.out)["denials"]) == {"plugin.Guard"}
    assert {"imported", "reviewed"} <= set(output.err.split())
    assert main(["plugins", "--plugin", str(guard), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (entry,) = [one for one in listed["plugins"] if one["name"] == "Guard"]
    assert (entry["state"], entry["version"], entry["source"]) == (
        "enabled",
        "2.1",
        f"{guard}:Guard",
    )
    assert listed["order"]["review_action"] == ["Guard"]


# A recorded session.


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the store of a session with a plugin that denied something, and the plugin's file."""
    folder = tmp_path_factory.mktemp("recorded")
    path = folder / "recorded_guard.py"
    path.write_text(FILE.replace("seen = 0", "seen = 0\n    replays = True"))
    report = vectra_bot.run(
        "take-profit", store=folder / "store", session_id="S", plugins=[str(path)], **RUN
    )
    assert report.denials == {"plugin.Guard": 2}
    return folder / "store", path


def test_the_header_has_the_digests_of_a_file(recorded: tuple[Path, Path]) -> None:
    """As it has those of a strategy's file."""
    store, path = recorded
    entry = read_header(journal_directory(store, "S"))["plugins"][-1]
    assert (entry["name"], entry["spec"]) == ("Guard", f"{path}:Guard")
    assert list(entry["sources"]) == ["recorded_guard.py"]


def test_a_check_runs_no_file_that_a_journal_names(recorded: tuple[Path, Path]) -> None:
    """The vetoes are read from the journal, which is said; a plugin that is given runs again."""
    store, path = recorded
    alone = check_journal(journal_directory(store, "S"))
    given = check_journal(journal_directory(store, "S"), plugins=[f"{path}:Guard"])
    assert (alone.equal, given.equal) == (True, True)
    (note,) = alone.plugin_notes
    assert f"plugin 'Guard' is {path}:Guard, not an installed plugin" in note
    assert given.plugin_notes == ()
    with pytest.raises(UnknownNameError, match="in the journal"):
        check_journal(journal_directory(store, "S"), plugins=[Counter])


def test_a_changed_plugin_is_said_and_makes_another_run(
    recorded: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line each; the check shows where it decides otherwise."""
    store, path = recorded
    before = path.read_text()
    path.write_text(before.replace("self.seen > self.most", "self.seen > 2"))
    try:
        checked = main(["replay", "--check", f"{store}/journals/S", "--plugin", str(path)])
        output = capsys.readouterr()
        with pytest.raises(StoreError, match=r"plugins\.Guard\.sources\.recorded_guard\.py was"):
            vectra_bot.run("take-profit", store=store, session_id="S", plugins=[str(path)], **RUN)
    finally:
        path.write_text(before)
    assert checked == 1
    assert "the source of plugin 'Guard' is not the one that ran" in output.out
    assert "(the source of plugin 'Guard' is not the one that ran)" in output.err


def test_a_repeated_run_finds_its_plugins(recorded: tuple[Path, Path]) -> None:
    """The same session replaces itself."""
    store, path = recorded
    again = vectra_bot.run("take-profit", store=store, session_id="S", plugins=[str(path)], **RUN)
    assert again.denials == {"plugin.Guard": 2}


# What decides.


def state_of(name: str, choice: PluginChoice) -> tuple[PluginState, str]:
    """Return state and reason of a plugin as the list has them, which a session agrees with."""
    (info,) = [info for info in list_plugins(choice) if info.name == name]
    loaded = name in dict(load_plugins(choice).names)
    assert loaded == (info.state is PluginState.ENABLED)
    return info.state, info.why


@pytest.mark.parametrize(
    ("choice", "variables", "state", "why"),
    [
        (PluginChoice(), {}, "disabled", "by default"),
        (PluginChoice(enable=("stake-guard",)), {}, "enabled", "asked for"),
        (PluginChoice(settings={"stake-guard": {"max_share": 0.2}}), {}, "enabled", "asked for"),
        (PluginChoice(), {"ENABLE": " stake-guard,"}, "enabled", "$VECTRA_PLUGINS_ENABLE"),
        (PluginChoice(), {"ENABLE": "stake-guard", "DISABLE": "stake-guard"}, "disabled", "DISABLE"),
        (PluginChoice(disable=("stake-guard",)), {"ENABLE": "stake-guard"}, "disabled", "--no-plugin"),
        (PluginChoice(enable=("stake-guard",)), {"DISABLE": "stake-guard"}, "enabled", "asked for"),
        (PluginChoice(), {"BLOCK": "stake-guard", "ENABLE": "stake-guard"}, "blocked", "BLOCK"),
        (PluginChoice(block=("stake-guard",)), {}, "blocked", "configuration"),
        (PluginChoice(usual=("stake-guard",)), {}, "enabled", "usual"),
        (PluginChoice(usual=("stake-guard",)), {"BLOCK": "stake-guard"}, "blocked", "BLOCK"),
    ],
)  # fmt: skip
def test_what_decides_about_a_plugin(
    monkeypatch: pytest.MonkeyPatch,
    choice: PluginChoice,
    variables: dict[str, str],
    state: str,
    why: str,
) -> None:
    """A block prevails, then what the session says, then the environment, then the class."""
    for name, value in variables.items():
        monkeypatch.setenv(f"VECTRA_PLUGINS_{name}", value)
    found, reason = state_of("stake-guard", choice)
    assert (found, why in reason) == (state, True), reason


def test_a_blocked_plugin_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by a session nor by the list; to ask for it is an error."""
    monkeypatch.setenv("VECTRA_PLUGINS_BLOCK", "stake-guard,not-here")
    monkeypatch.delitem(sys.modules, "vectra_plugins.stake_guard", raising=False)
    assert state_of("stake-guard", PluginChoice())[0] is PluginState.BLOCKED
    assert "vectra_plugins.stake_guard" not in sys.modules
    with pytest.raises(PluginError, match=r"is blocked by \$VECTRA_PLUGINS_BLOCK: remove it there"):
        load_plugins(PluginChoice(enable=("stake-guard",)))


def test_what_no_session_asked_for_stays_out_of_replays(
    guard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment and of a folder, like an installed plugin; the same given is an error."""
    (tmp_path / "in_folder").mkdir()
    (tmp_path / "in_folder" / "again.py").write_text(FILE)
    monkeypatch.setenv("VECTRA_PLUGINS_ENABLE", str(guard))
    choice = PluginChoice(folder=tmp_path / "in_folder")

    assert [name for name, _ in load_plugins(choice).names][-2:] == ["Guard", "Guard-2"]
    assert "Guard" not in dict(load_plugins(choice, replay=True).names)
    with pytest.raises(PluginError, match="'Guard' does not run in replays"):
        load_plugins(PluginChoice(enable=(str(guard),)), replay=True)
    monkeypatch.setenv("VECTRA_PLUGINS_BLOCK", "Guard-2")
    assert state_of("Guard-2", choice) == (PluginState.BLOCKED, "by $VECTRA_PLUGINS_BLOCK")


@pytest.mark.parametrize("variable", ["ENABLE", "DISABLE"])
def test_an_unknown_name_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """With the variable, where nobody looks first."""
    monkeypatch.setenv(f"VECTRA_PLUGINS_{variable}", "stake-gard")
    with pytest.raises(
        UnknownNameError, match=rf"stake-guard\? \(in \$VECTRA_PLUGINS_{variable}\)"
    ):
        load_plugins()


def test_a_missing_file_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the variable."""
    monkeypatch.setenv("VECTRA_PLUGINS_ENABLE", "./missing.py")
    with pytest.raises(InputError, match=r"'\./missing\.py'.*\(in \$VECTRA_PLUGINS_ENABLE\)"):
        load_plugins()


def test_a_configuration_file_enables_disables_and_blocks(
    guard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By lists in ``[plugins]``, beside the sections of single plugins; files are relative to it."""
    config = tmp_path / "bot.toml"
    config.write_text(
        f"[plugins]\nenable = ['./{guard.name}:Guard']\ndisable = ['session-log']\nblock = ['metrics']\n"
        "[plugins.Guard]\nmost = 5\n"
    )
    assert main(["plugins", "--config", str(config), "--json"]) == 0
    listed = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)["plugins"]}
    assert listed["Guard"] == "enabled"
    assert (listed["session-log"], listed["metrics"]) == ("disabled", "blocked")
    config.write_text("[plugins]\nblock = 'metrics'\n")
    assert main(["plugins", "--config", str(config)]) == 4
    config.write_text("[plugins]\nenable = ['x']\n[plugins.x]\nenabled = false\n")
    assert main(["plugins", "--config", str(config)]) == 4
    errors = capsys.readouterr().err
    assert "[plugins] block was 'metrics': give a list of names" in errors
    assert "[plugins] enable has 'x', which the file also says otherwise: keep one" in errors


def test_the_order_is_that_of_the_calls(guard: Path) -> None:
    """The list computes it without creating a plugin."""
    choice = PluginChoice(enable=("stake-guard", Counter, str(guard), Early))
    order = calling_order(list_plugins(choice))
    manager = load_plugins(choice)
    calls = {hook: [one.name for one, _ in calls] for hook, calls in manager.calls.items() if calls}
    assert order == calls
    assert order["on_game_tick"] == ["Early", "session-log", "Counter"]


def test_the_test_kit_loads_nothing_by_itself(guard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("VECTRA_PLUGINS_ENABLE", str(guard))

    class Idle(Strategy):
        def on_phase(self, game: object) -> None: ...

    assert Bench(Idle()).engine.plugins.names == []
    assert load_plugins().names[-1] == ("Guard", "2.1")
