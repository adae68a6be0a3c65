"""``vectra-bot dev frames-check`` as a user runs it: output, exit codes, our own journal."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.conformance.frames.frame_rows import public, rows, save
from vectra_bot.cli.main import main

GAMES = "6"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Return a public capture of two games, gzipped."""
    plain = save(tmp_path / "capture.jsonl", public(rows()))
    packed = tmp_path / "capture.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    return packed


def test_a_capture_like_ours_is_told_in_one_object(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json prints one object: recordings, kinds, no difference; the exit code is 0."""
    assert main(["dev", "frames-check", str(capture), "--games", GAMES, "--json"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert captured.err == ""
    assert result["ok"] is True
    assert result["differences"] == []
    assert result["games_per_format"] == int(GAMES)
    assert {part["format"] for part in result["captures"]} == {"feb"}
    assert {part["logged_in"] for part in result["captures"]} == {False}
    assert result["kinds"]["gameStateUpdate tick"] > 10
    assert result["own_frames"]["feb"]["gameStateUpdate tick"] > 10


def test_a_difference_is_exit_code_1_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first difference is on stderr in one line, all of them in the object."""
    taken = public(rows())
    del taken[30]
    taken[40]["args"][-1]["leaderBoard"] = []
    path = save(tmp_path / "altered.jsonl", taken)
    assert main(["dev", "frames-check", str(path), "--games", GAMES, "--json"]) == 1
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["ok"] is False
    assert {"unknown-key", "order-missing"} <= {d["what"] for d in result["differences"]}
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1


def test_a_table_is_printed_for_people(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json there is a table of recordings and a verdict."""
    assert main(["dev", "frames-check", str(capture), "--games", GAMES]) == 0
    text = capsys.readouterr().out
    assert "logged in" in text
    assert text.rstrip().endswith("no differences")


def test_a_journal_of_a_session_is_a_capture(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal directory is checked like a capture, acknowledgements included."""
    assert main(["run", "take-profit", "--games", "2", "--seed", "7", "--json"]) == 0
    journal = json.loads(capsys.readouterr().out)["journal"]
    assert Path(journal).is_relative_to(store)
    code = main(["dev", "frames-check", journal, "--games", "12", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["differences"] == []
    assert code == 0
    assert result["captures"][0]["logged_in"] is True
    assert result["kinds"]["(acknowledgement)"] > 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("missing.jsonl", None, "does not exist"), ("prose.txt", "hello\n", "line 1")],
)
def test_a_file_that_is_no_capture_is_exit_code_3(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str | None,
    message: str,
) -> None:
    """A wrong file is one clear line and exit code 3."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert main(["dev", "frames-check", str(path)]) == 3
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_wrong_number_of_games_is_exit_code_2(capture: Path) -> None:
    """--games must be a count from 1."""
    assert main(["dev", "frames-check", str(capture), "--games", "0"]) == 2
