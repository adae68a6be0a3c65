"""``vectra-bot store``: each command's output, exit code and JSON, on stores made by sessions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.store.maintenance.test_check import make_store, part, snapshot, ticks_of
from vectra_bot.cli import main as shell
from vectra_bot.cli.progress import Steps
from vectra_bot.journal import Journal
from vectra_bot.store.maintenance.check import KINDS, check_store
from vectra_bot.store.parquet.manifest import MANIFEST

COMMANDS = ("check", "recover", "compact", "migrate", "import", "stats", "drop")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    make_store(root)
    make_store(root, "s-2", close=True)
    return root


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "store")


class Console:
    """Runs the program's commands and keeps their output."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.err = ""

    def run(self, *arguments: object) -> tuple[int, str]:
        """Return exit code and standard output."""
        code = shell.main(["store", *map(str, arguments)])
        out, self.err = self._capsys.readouterr()
        return code, out

    def json(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """Return the one object that a command prints."""
        found, out = self.run(*arguments, "--json")
        assert found == code, (out, self.err)
        assert out.count("\n") == 1
        value: dict[str, Any] = json.loads(out)
        return value


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


def test_help_names_the_commands_and_their_json(console: Console) -> None:
    """The group lists its commands; each has an example and lists its JSON keys."""
    assert console.run()[0] == 0
    code, text = console.run("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"  {name} " in text
        code, own = console.run(name, "--help")
        assert code == 0
        for word in (f"vectra-bot store {name}", "--store DIR|URL", "--json", "JSON:", "Example"):
            assert word in own, (name, word)


def test_help_is_fast() -> None:
    """No help of the group or its commands imports heavy packages."""
    program = (
        "import sys; from vectra_bot.cli.main import main\n"
        f"for name in {COMMANDS!r}: main(['store', name, '--help'])\n"
        "heavy = {'pyarrow', 'duckdb', 'numpy', 'rich', 'attrs', 'msgspec', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_check_reports_whether_the_store_is_whole(store: Path, console: Console) -> None:
    """Exit code 0 and no problem; 1 with the file, the rows and the next command after corruption."""
    found = console.json("check", "--store", store)
    assert (found["ok"], found["problems"], found["sessions"]) == (True, [], ["s-1", "s-2"])
    assert {"segments", "entries", "parts", "rows", "bytes", "bytes_read", "seconds"} < found.keys()
    assert "no problems" in console.run("check", "--store", store, "--quick")[1]
    part(store).unlink()
    code, text = console.run("check", "--store", store)
    assert code == 1
    assert "part_missing: doc_type=game_tick/session_id=s-1/part-000002.parquet is missing" in text
    assert f"next: vectra-bot store recover --store {store}" in text
    (problem,) = console.json("check", "--store", store, code=1)["problems"]
    assert problem["kind"] in KINDS
    assert set(problem) == {
        "kind", "message", "advice", "session_id", "path", "doc_type", "first_seq", "last_seq",
    }  # fmt: skip
    assert console.json("check", "--store", store, "--session", "s-2")["sessions"] == ["s-2"]


def test_errors_have_their_exit_codes(tmp_path: Path, store: Path, console: Console) -> None:
    """No store 3, no such session 5, a wrong command line 2; one line each on standard error."""
    for command in ("check", "stats", "recover", "migrate"):
        assert console.run(command, "--store", tmp_path / "none")[0] == 3
        assert console.err.startswith("error: no store at")
    assert console.run("compact", "--all", "--store", tmp_path / "none")[0] == 3
    assert console.run("compact", "s-3", "--store", store)[0] == 5
    assert console.run("check", "--session", "s-3", "--store", store)[0] == 5
    assert console.run("drop", "s-3", "--yes", "--store", store)[0] == 5
    assert console.run("compact", "--store", store)[0] == 2
    assert console.run("compact", "s-1", "--all", "--store", store)[0] == 2
    assert console.run("drop", "s-1", "--store", store)[0] == 2  # nobody can confirm
    assert console.run("chek")[0] == 2
    assert console.run("migrate", "--to", "1.0.0", "--store", store)[0] == 6
    assert console.run("compact", "--all", "--store", "s3://bucket/store")[0] == 3
    assert console.run("import", tmp_path / "none", "--store", store)[0] == 3


@pytest.mark.parametrize("damage", ["bit", "cut", "lost", "manifest", "folder", "record", "line"])
def test_recover_rebuilds_what_was_lost(store: Path, console: Console, damage: str) -> None:
    """Files are rebuilt from the journal to the same bytes; then there is nothing to do."""
    before = snapshot(store)
    record = store / "journals" / "s-1" / "000002.parts.json"
    if damage == "bit":
        data = bytearray(part(store).read_bytes())
        data[99] ^= 4
        part(store).write_bytes(bytes(data))
    elif damage == "cut":
        part(store).write_bytes(part(store).read_bytes()[:80])
    elif damage == "lost":
        part(store).unlink()
    elif damage == "manifest":
        (ticks_of(store) / MANIFEST).unlink()
    elif damage == "folder":
        shutil.rmtree(ticks_of(store))
    elif damage == "record":
        record.write_bytes(record.read_bytes()[:-9])
    else:
        path = ticks_of(store) / MANIFEST
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert console.run("check", "--store", store)[0] == 1
    found = console.json("recover", "--store", store)
    assert (found["ok"], found["failed"], found["problems"]) == (True, [], [])
    assert check_store(store).ok
    files = {name: digest for name, digest in snapshot(store).items() if name.endswith(".parquet")}
    assert files == {name: digest for name, digest in before.items() if name.endswith(".parquet")}
    again = console.json("recover", "--store", store)
    assert (again["built"], again["rebuilt"], again["removed"]) == ([], [], [])


def test_recover_of_a_healthy_store_changes_nothing(store: Path, console: Console) -> None:
    """It may be run at any time."""
    before = snapshot(store)
    assert console.json("recover", "--store", store)["ok"]
    assert snapshot(store) == before
    assert "no problems left" in console.run("recover", "--store", store)[1]


def test_recover_rebuilds_on_request(store: Path, console: Console) -> None:
    """All files of the given session are rebuilt, to the same bytes."""
    before = snapshot(store)
    found = console.json("recover", "s-1", "--rebuild", "--store", store)
    assert found["rebuilt"]
    assert all("session_id=s-1" in path for path in found["rebuilt"])
    assert (
        snapshot(store).items()
        >= {k: v for k, v in before.items() if k.endswith(".parquet")}.items()
    )


def test_a_corrupt_journal_is_salvaged_on_request_only(store: Path, console: Console) -> None:
    """Without --salvage it is only reported; with it, valid entries are kept and no row is removed."""
    segment = store / "journals" / "s-1" / "000002.log.zst"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 255
    segment.write_bytes(bytes(data))
    rows = check_store(store).rows
    assert "--salvage" in console.run("check", "--store", store)[1]
    before = snapshot(store)
    # The files are whole and do not need the journal; it is reported all the more.
    (problem,) = console.json("recover", "--store", store, code=1)["problems"]
    assert (problem["kind"], problem["session_id"]) == ("journal_damaged", "s-1")
    assert snapshot(store) == before
    found = console.json("recover", "s-1", "--salvage", "--store", store)
    (saved,) = found["salvaged"]
    assert saved["session_id"] == "s-1"
    assert saved["lost"]
    assert saved["entries"] == sum(1 for _ in Journal.open(store / "journals" / "s-1"))
    report = check_store(store)
    assert (report.ok, report.rows) == (True, rows)
    # What the journal lost cannot be rebuilt: no file that has it is replaced without --rebuild.
    part(store, 3).unlink()
    found = console.json("recover", "--store", store, code=1)
    assert "lost entries" in found["failed"][0]
    assert [problem["kind"] for problem in found["problems"]] == ["part_missing"]


@pytest.mark.parametrize("how", ["flip", "add", "gone"])
@pytest.mark.parametrize("also", [False, True])
def test_a_corrupt_manifest_is_repaired(
    store: Path, console: Console, how: str, also: bool
) -> None:
    """Whatever happened to it, and to files beside it, the folder is rebuilt."""
    before = {k: v for k, v in snapshot(store).items() if k.endswith(".parquet")}
    manifest = part(store).with_name(MANIFEST)
    lines = manifest.read_bytes()
    if how == "gone":
        manifest.unlink()
    else:
        manifest.write_bytes(lines + b"garbage\n" if how == "add" else b"0" + lines[1:])
    if also:
        part(store).write_bytes(b"PAR1")
    assert console.run("check", "--store", store)[0] == 1
    assert console.json("recover", "--store", store)["problems"] == []
    assert console.run("check", "--store", store)[0] == 0
    after = {k: v for k, v in snapshot(store).items() if k.endswith(".parquet")}
    assert after == before
    assert not list((store / "compacting").glob("*/*"))


def test_files_without_a_journal_cannot_be_built(store: Path, console: Console) -> None:
    """That is reported, with what to do, and the other sessions are repaired."""
    shutil.rmtree(store / "journals" / "s-2")
    for session_id in ("s-1", "s-2"):
        (store / "doc_type=game_tick" / f"session_id={session_id}" / "part-000002.parquet").unlink()
    found = console.json("recover", "--store", store, code=1)
    assert found["rebuilt"]
    assert ["has no journal" in line for line in found["failed"]] == [True]
    assert [problem["session_id"] for problem in found["problems"]] == ["s-2"]


def test_compact_reports_before_and_after(store: Path, console: Console) -> None:
    """One file of each kind is left, and nothing is left to do."""
    rows = check_store(store).rows
    before = len(list(store.glob("doc_type=*/*/*.parquet")))
    found = console.json("compact", "--all", "--store", store)
    after = len(list(store.glob("doc_type=*/*/*.parquet")))
    merged = list(store.glob("doc_type=*/*/data.parquet"))
    assert (found["rows"], found["failed"]) == (rows, [])
    assert found["files_before"] - found["files_after"] == before - after > 0
    assert found["files_after"] == len(merged)
    assert found["bytes_after"] == sum(path.stat().st_size for path in merged)
    assert check_store(store).ok
    assert console.json("compact", "s-1", "--store", store)["folders"] == []


def test_stats_for_people_and_programs(store: Path, console: Console) -> None:
    """The table lists the sessions and kinds; the object has every figure."""
    text = console.run("stats", "--store", store)[1]
    for word in ("s-1", "s-2", "game_tick", "closed", "Journals"):
        assert word in text
    found = console.json("stats", "--store", store)
    assert found["documents"] == sum(kind["documents"] for kind in found["by_doc_type"].values())
    assert {session["session_id"] for session in found["sessions"]} == {"s-1", "s-2"}


def test_drop_removes_one_session(store: Path, console: Console) -> None:
    """Its files and journal are gone, the other session's are not."""
    assert console.json("drop", "s-1", "--yes", "--store", store)["dropped"] is True
    assert console.json("check", "--store", store)["sessions"] == ["s-2"]
    assert not list(store.glob("**/*s-1*"))


def test_import_counts_every_row(tmp_path: Path, console: Console) -> None:
    """A capture becomes a session; a bad line is reported with its number, and the exit code is 1."""
    capture = tmp_path / "capture.jsonl"
    line = {
        "ts": "2025-12-06T00:00:00Z", "dir": "in", "raw": '42["gameStateUpdate",{"gameId":"g"}]',
    }  # fmt: skip
    capture.write_text(json.dumps(line) + "\nnot a line\n" + json.dumps(line) + "\n")
    code, text = console.run("import", capture, "--store", tmp_path / "store", "--json")
    found = json.loads(text)
    totals = found["totals"]
    assert code == 1
    assert totals["rows"] == totals["imported"] + totals["duplicates"] + totals["bad"] == 3
    assert totals["bad"] >= 1
    assert 2 in [bad["row"] for bad in found["files"][0]["bad_rows"]]
    assert "3 rows" in console.run("import", capture, "--store", tmp_path / "other")[1]


def test_migrate_of_a_current_store_has_nothing_to_do(store: Path, console: Console) -> None:
    """It is not changed."""
    found = console.json("migrate", "--store", store)
    assert (found["ok"], found["schema_version"]) == (True, "2.0.0")
    assert check_store(store).ok


def test_progress_is_for_people_only(
    store: Path,
    console: Console,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A bar on a terminal, lines with --verbose elsewhere, nothing otherwise; never on standard output."""
    console.run("check", "--store", store)
    assert console.err == ""
    found = console.json("check", "--store", store, "--verbose")
    assert found["ok"]
    assert "check s-1 0%" in console.err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Steps() as progress:
        progress("look [1]\x1b[2J", 1, 2)
        progress("look further", 0, 0)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b[2J" not in err


@pytest.mark.slow
def test_a_killed_session_is_finished(tmp_path: Path) -> None:
    """After `kill -9` the check reports it, and the recovery leaves a whole store."""
    command = [
        sys.executable, "-m", "vectra_bot", "run", "take-profit", "--games", "100000", "--speed", "max",
        "--seed", "7", "--store", str(tmp_path), "--session-id", "killed",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "journals" / "killed"
    try:
        while not (journal / "000001.log").exists() or sum(1 for _ in Journal.open(journal)) < 500:
            assert child.poll() is None
            time.sleep(0.05)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    seen = sum(1 for _ in Journal.open(journal))

    def store(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "vectra_bot", "store", *arguments, "--store", str(tmp_path), "--json"],
            capture_output=True, text=True, check=False, env={**os.environ, "VECTRA_STORE": "/none"},
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    code, found = store("check")
    assert code == 1
    assert "session_unfinished" in [problem["kind"] for problem in found["problems"]]
    code, found = store("recover")
    assert (code, found["finished"], found["failed"]) == (0, ["killed"], [])
    code, found = store("check")
    assert (code, found["problems"]) == (0, [])
    assert found["entries"] >= seen
