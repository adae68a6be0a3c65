"""A journal is data: nothing that its header names runs, unless a person names it or has installed it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.cli.main import main
from vectra_bot.errors import InputError, JournalError, PluginError, StrategyError
from vectra_bot.journal import Entry, read_header, read_journal, write_journal
from vectra_bot.session import RecordConfig, ReplayConfig, replay_session
from vectra_bot.session.check import check_journal
from vectra_bot.session.recorder import record_session
from vectra_bot.venues.patience import LiveSettings

FAST: dict[str, Any] = {"games": 1, "seed": 7, "crowd": 0}
NOTE = """
from pathlib import Path
with Path(__file__).with_name("marker").open("a") as marker:
    marker.write("x")
"""
BOT = """
from vectra_bot import Strategy

class Bot(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 3:
            self.actions.buy("0.01")
"""
# Counts outside of the session, and vetoes every second action: both must happen once.
COUNTER = """
from pathlib import Path
from vectra_bot import Plugin, hookimpl

class Counter(Plugin):
    seen = 0

    @hookimpl
    def on_game_tick(self, tick):
        with Path(__file__).with_name("counted").open("a") as counted:
            counted.write("x")

    @hookimpl
    def review_action(self, action):
        self.seen += 1
        return None if self.seen % 2 else "every second one"
"""
REPEATS = COUNTER.replace("seen = 0", "seen = 0\n    replays = True")


def install(site: Path, group: str, name: str, text: str, made: str) -> None:
    """Install module *name* with *text* in *site*; its object *made* is an entry point of that name."""
    (site / f"{name}.py").write_text(text)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vectra_bot.{group}]\n{name} = {name}:{made}\n")
    invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder of installed packages, for this process and its children."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("foreign_")]:
        del sys.modules[name]


def written(store: Path, name: str, entries: list[Entry], spec: str) -> Path:
    """Write a journal whose header names *spec*, with a digest that agrees, and return its folder."""
    header = json.loads(json.dumps(entries[0].data["header"]))
    digest = hashlib.sha256((NOTE + BOT).encode()).hexdigest()
    header |= {"session_id": name}
    header["strategy"] |= {"spec": spec, "source_sha256": digest, "sources": {"bot.py": digest}}
    folder = store / "journals" / name
    folder.mkdir(parents=True)
    first = Entry.of(0, "header", entries[0].ts_ns, {"header": header})
    own = f'"session_id":"{name}"'.encode()
    rest = [
        Entry(e.seq, e.kind, e.ts_ns, e.payload.replace(b'"session_id":"S"', own))
        for e in entries[1:]
    ]
    write_journal(folder / "000001.log", [first, *rest])
    return folder


@pytest.fixture
def named(request: pytest.FixtureRequest, site: Path) -> tuple[Path, str]:
    """Return the file of a strategy that writes a marker when it is loaded, and a header's name for it."""
    path = site / "foreign_marked.py"
    if request.param == "entry point":
        install(site, "strategies", "foreign_marked", NOTE + BOT + "# since\n", "Bot")
        return path, "foreign_marked"
    path.write_text(NOTE + BOT)
    return path, "foreign_marked:Bot" if request.param == "module" else str(path)


@pytest.mark.parametrize("named", ["file", "module", "entry point"], indirect=True)
def test_nothing_that_a_header_names_is_loaded(
    named: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closed, open and corrupt journals are imported, recovered and queried without their strategy."""
    path, spec = named
    store, marker = tmp_path / "store", path.with_name("marker")
    (tmp_path / "bot.py").write_text(BOT)
    vectra_bot.run(str(tmp_path / "bot.py"), store=tmp_path / "full", session_id="S", **FAST)
    entries = list(read_journal(tmp_path / "full" / "journals" / "S"))
    intent = next(n for n, entry in enumerate(entries) if entry.kind == "intent")
    closed = written(store, "closed", entries, spec)
    left = [
        written(store, name, entries[: intent + 1], spec) for name in ("open", "killed", "more")
    ]
    corrupt = written(store, "corrupt", entries[:-1], spec) / "000001.log"
    data = bytearray(corrupt.read_bytes())
    data[len(data) // 2] ^= 1
    corrupt.write_bytes(data)
    kept = tmp_path / "kept"
    shutil.copytree(left[0], kept / "journals" / "open")
    shutil.copytree(closed, kept / "journals" / "closed")

    def call(*arguments: str | Path) -> int:
        code = main([str(each) for each in arguments])
        assert not marker.exists(), arguments
        return code

    # The next session recovers what it finds: one of a run, one of a record, one of a recovery.
    for name in ("killed", "more"):
        shutil.move(store / "journals" / name, tmp_path / name)
    vectra_bot.run("watch", store=store, games=1, seed=1, crowd=0)
    shutil.move(tmp_path / "killed", store / "journals" / "killed")
    venue = RecordConfig(venue="http://127.0.0.1:9", store=store, settings=LiveSettings(attempts=1))
    with pytest.raises(InputError):
        asyncio.run(record_session(venue))
    shutil.move(tmp_path / "more", store / "journals" / "more")
    assert call("store", "recover", "--store", store) == 1  # the corrupt one
    for name in ("open", "killed", "more"):
        assert list(read_journal(store / "journals" / name))[-1].kind == "close"

    assert call("store", "import", kept / "journals" / "open", "--store", tmp_path / "other") == 0
    assert call("store", "import", kept / "journals" / "closed", "--store", tmp_path / "other") == 0
    assert call("store", "recover", "--salvage", "--rebuild", "--store", store) in (0, 1)
    for command in (("query", "sessions"), ("store", "check"), ("store", "stats")):
        assert call(*command, "--store", store) == 0
    assert call("replay", closed, "--store", tmp_path / "replayed") == 0
    capsys.readouterr()
    for journal in (closed, kept / "journals" / "open", corrupt.parent):
        assert call("replay", journal, "--check") == 2
        printed = capsys.readouterr()
        (line,) = printed.err.splitlines()
        assert "nothing was checked: " in line
        assert "--strategy" in line
        assert call("replay", journal, "--check", "--json") == 2
        result = json.loads(capsys.readouterr().out)
        assert (result["equal"], result["commands"]) == (None, 0)
        assert result["not_checked"]
        assert result["recorded"] == 1

    # The strategy does write its marker, if a person names it.
    own = tmp_path / "full" / "journals" / "S"
    assert main(["replay", str(own), "--check", "--strategy", str(path)]) == 0
    assert marker.read_text() == "x"


def test_an_installed_strategy_is_checked_while_it_is_unchanged(site: Path, tmp_path: Path) -> None:
    """Its own check needs no name for it; a change of its source does, and is said."""
    install(site, "strategies", "foreign_bot", BOT, "Bot")
    vectra_bot.run("foreign_bot", store=tmp_path, session_id="S", **FAST)
    journal = tmp_path / "journals" / "S"
    same = check_journal(journal)
    assert (same.equal, same.commands, same.not_checked) == (True, 1, "")
    del sys.modules["foreign_bot"]
    path = site / "foreign_bot.py"
    path.write_text(BOT.replace("game.tick == 3", "game.tick == 33"))
    invalidate_caches()

    changed = check_journal(journal)
    assert (changed.equal, "foreign_bot" in sys.modules) == (None, False)
    assert "is not the one that ran" in changed.not_checked
    differs = check_journal(journal, "foreign_bot")
    assert (differs.equal, differs.source_changed) == (False, True)


def killed(store: Path, entries: list[Entry], name: str) -> Path:
    """Leave *entries* as a killed session of *store*, and return its journal."""
    folder = store / "journals" / name
    folder.mkdir(parents=True)
    write_journal(folder / "000001.log", entries)
    return folder


def test_a_plugin_acts_once(site: Path, tmp_path: Path) -> None:
    """Its hooks run in the session, and not in its recovery, its check, a replay or a comparison of runs."""
    install(site, "plugins", "foreign_counter", COUNTER, "Counter")
    store, counted = tmp_path / "store", site / "counted"
    run: dict[str, Any] = {**FAST, "games": 4, "store": store, "session_id": "S"}
    report = vectra_bot.run("sidebet", **run)
    assert counted.stat().st_size == report.ticks > 100
    denied = report.actions["DENIED"]
    assert denied >= 2
    journal = store / "journals" / "S"
    entries = list(read_journal(journal))

    checked = check_journal(journal)  # with the vetoes of the journal
    assert checked.equal is True
    assert checked.commands == sum(report.actions.values()) - denied
    folder = killed(tmp_path / "killed", entries[: len(entries) // 2], "S")
    vectra_bot.run(
        "watch", store=folder.parent.parent, disable_plugins=("foreign_counter",), **FAST
    )
    assert list(read_journal(folder))[-1].kind == "close"
    assert check_journal(folder).equal is True
    replayed = ReplayConfig(path=journal, store=tmp_path / "replayed", strategy="sidebet")
    assert asyncio.run(replay_session(replayed)).to_json()["plugin_errors"] == {}
    assert counted.stat().st_size == report.ticks

    # The same run again is a session again: its comparison with the stored one does not count.
    assert vectra_bot.run("sidebet", **run).digest == report.digest
    assert counted.stat().st_size == 2 * report.ticks


def test_a_plugin_that_wants_replays_has_them(site: Path, tmp_path: Path) -> None:
    """With ``replays = True`` hooks run in replays and checks, where vetoes are compared; not in recovery."""
    install(site, "plugins", "foreign_repeats", REPEATS, "Counter")
    store, counted = tmp_path / "store", site / "counted"
    report = vectra_bot.run("sidebet", store=store, session_id="S", **{**FAST, "games": 4})
    journal = store / "journals" / "S"
    entries = list(read_journal(journal))
    assert read_header(journal)["plugins"][0]["name"] == "foreign_repeats"

    assert check_journal(journal).equal is True
    assert counted.stat().st_size == 2 * report.ticks
    asyncio.run(replay_session(ReplayConfig(path=journal, store=tmp_path / "replayed")))
    assert counted.stat().st_size == 3 * report.ticks
    folder = killed(tmp_path / "killed", entries[:-1], "S")
    assert vectra_bot.recover_store(folder.parent.parent).finished == ["S"]
    assert counted.stat().st_size == 3 * report.ticks
    source = (site / "foreign_repeats.py").read_text()
    (site / "foreign_repeats.py").write_text(source.replace("self.seen % 2", "True"))
    del sys.modules["foreign_repeats"]
    invalidate_caches()
    assert check_journal(journal).equal is False


def test_a_plugin_that_is_asked_for_in_a_replay_must_want_it(site: Path, tmp_path: Path) -> None:
    """A plugin that would not run is an error if it was named, not silence."""
    install(site, "plugins", "foreign_counter", COUNTER, "Counter")
    vectra_bot.run("watch", store=tmp_path, session_id="S", **FAST)
    config = ReplayConfig(
        path=tmp_path / "journals" / "S", store=tmp_path, enable_plugins=("foreign_counter",)
    )
    with pytest.raises(PluginError, match="does not run in replays"):
        asyncio.run(replay_session(config))


def test_a_named_strategy_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    """A check that a person asked for says what is wrong with the strategy."""
    vectra_bot.run("watch", store=tmp_path, session_id="S", **FAST)
    (tmp_path / "bad.py").write_text("raise OSError('no')\n")
    with pytest.raises(StrategyError, match="raised OSError"):
        check_journal(tmp_path / "journals" / "S", str(tmp_path / "bad.py"))


@pytest.mark.parametrize(
    "about",
    [None, [], "watch", {}, {"name": "x", "spec": "watch", "source_sha256": "", "sources": ["x"]}],
)
def test_a_header_that_says_nonsense_is_an_error(about: Any, tmp_path: Path) -> None:
    """What a header says of its strategy may have any form: no check is made, and none crashes."""
    header = {"session_id": "S", "mode": "paper", "venue": "x", "strategy": about}
    write_journal(tmp_path / "odd.log", [Entry.of(0, "header", 0, {"header": header})])
    with pytest.raises(JournalError, match="header cannot be used"):
        check_journal(tmp_path / "odd.log")
