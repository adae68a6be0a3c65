"""The export command: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.analysis.episodes.games import law_documents
from tests.store.stores import write_documents
from vectra_bot.cli.export import export
from vectra_bot.cli.main import main
from vectra_bot.errors import UsageError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_documents(tmp_path / "store", law_documents(12), "s-law")
    return tmp_path / "store"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(export, [str(a) for a in arguments])


def test_export_prints_the_sets(store: Path, tmp_path: Path) -> None:
    """Games, episodes, steps and return of each, and what was checked."""
    result = _run(tmp_path / "out", "--store", store)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["train", "validation", "test"]
    assert "9 games, 9 episodes," in lines[0]
    assert "records     0 as the engine stored them, 12 computed, 0 not confirmed" in result.stdout
    assert "leak check  passed" in result.stdout
    assert (tmp_path / "out" / "card.json").is_file()


def test_json_is_the_card(store: Path, tmp_path: Path) -> None:
    """One object, with where it was written."""
    out = tmp_path / "out"
    printed = json.loads(_run(out, "--store", store, "--licence", "CC0", "--json").stdout)
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert printed == {"out": str(out), "files_skipped": 0, **card}
    assert card["licence"] == "CC0"


def test_check_finds_what_was_changed(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the column; 0 without a leak."""
    out = tmp_path / "out"
    assert main(["export", str(out), "--store", str(store)]) == 0
    assert main(["export", "--check", str(out)]) == 0
    assert "no leaks" in capsys.readouterr().out
    for table in ("steps", "episodes", "actions"):
        copied = (out / "train" / f"{table}.parquet").read_bytes()
        (out / "test" / f"{table}.parquet").write_bytes(copied)
    assert main(["export", "--check", str(out)]) == 1
    assert "leak: split: game" in capsys.readouterr().out
    assert main(["export", "--check", str(out), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["leaks"][0]["column"] == "split"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--force",), "--force was given with --check, which reads OUT only: leave it out"),
        (("--format", "parquet"), "--format was given with --check"),
        (("--session", "a"), "--session was given with --check"),
    ],
)
def test_check_takes_no_other_option(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """They would have no effect."""
    result = _run("--check", tmp_path, *arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_a_corrupt_file_is_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with exit code 1; the rest is exported."""
    path = next((store / "doc_type=server_state").rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(bytes(data))
    assert main(["export", str(tmp_path / "out"), "--store", str(store), "--json"]) == 1
    printed = capsys.readouterr()
    assert "rows may be missing" in printed.err
    assert json.loads(printed.out)["files_skipped"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("out", "--split", "1,1"), 2, "--split was '1,1'"),
        (("out", "--store", "nowhere"), 3, "no store at"),
        (("out", "--session", "nobody"), 5, "no session is named 'nobody'"),
        (("--check", "store"), 3, "is not a dataset: it has no card.json that can be read"),
        (("store", "--force"), 2, "is not a dataset that was exported"),
    ],
    ids=["split", "store", "session", "check", "force"],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what is wrong, the value and what to do."""
    monkeypatch.chdir(store.parent)
    monkeypatch.setenv("VECTRA_STORE", str(store))
    assert main(["export", *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_package_that_is_missing_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    result = _run(tmp_path / "out", "--store", store, "--format", "minari")
    assert isinstance(result.exception, UsageError)
    assert "--format minari needs gymnasium: pip install 'vectra-bot[rl]'" in str(result.exception)
    assert not (tmp_path / "out").exists()
