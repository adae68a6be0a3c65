"""`vectra-bot replay`: recordings into a store, journals against themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.journal import Entry, Journal, write_journal


@pytest.fixture
def journal(store: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the journal of a short session."""
    assert (
        main(["run", "take-profit", "--games", "3", "--seed", "7", "--crowd", "0", "--json"]) == 0
    )
    return Path(json.loads(capsys.readouterr().out)["journal"])


def test_check_of_an_unchanged_journal_is_equal(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same inputs give the same commands."""
    assert main(["replay", str(journal), "--check", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert result["equal"] is True
    assert result["commands"] == result["recorded"] > 0
    assert result["first_difference"] is None
    assert len(result["sha256"]) == 64


def test_check_is_readable(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the result of the check is printed as text."""
    assert main(["replay", str(journal), "--check"]) == 0
    assert "Equal     yes" in capsys.readouterr().out


def test_check_names_the_first_difference(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed price before a buy is found: exit 1, the command and its tick named."""
    changed = tmp_path / "changed.log"
    _rewrite(journal, changed)

    assert main(["replay", str(changed), "--check", "--json"]) == 1

    captured = capsys.readouterr()
    first = json.loads(captured.out)["first_difference"]
    assert (first["index"], first["tick"]) == (0, 10)
    assert "tick 10" in captured.err
    assert len(captured.err.splitlines()) == 1


def _rewrite(journal: Path, target: Path) -> None:
    """Copy a journal as one plain file, with the price of tick 5 of the first game changed."""
    done = []

    def changed(entry: Entry) -> Entry:
        raw = entry.data.get("raw", "")
        if done or '"tickCount":5,' not in raw or '"price":' not in raw:
            return entry
        done.append(entry.seq)
        head, _, tail = raw.partition('"price":')
        data = {**entry.data, "raw": f'{head}"price":1{tail}'}
        return Entry.of(entry.seq, entry.kind, entry.ts_ns, data)

    write_journal(target, map(changed, Journal.open(journal)))
    assert done


def test_recording_is_stored_as_a_session(
    journal: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal shown to another strategy becomes a session of mode replay."""
    arguments = ["--strategy", "watch", "--session-id", "again", "--json"]
    assert main(["replay", str(journal), *arguments]) == 0

    result = json.loads(capsys.readouterr().out)
    assert (result["mode"], result["games"], result["quarantined"]) == ("replay", 3, 0)
    assert list(store.glob("doc_type=game_tick/session_id=again/*.parquet"))


def test_game_that_disagrees_with_its_seed_is_shown_and_fails(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A false price is on the screen, in JSON and in the exit code, and the session is stored."""
    changed = tmp_path / "changed.log"
    _rewrite(journal, changed)

    assert main(["replay", str(changed), "--json"]) == 1

    captured = capsys.readouterr()
    result = json.loads(captured.out)
    (failed,) = result["failed_games"]
    assert (result["games_failed"], result["games_verified"], result["alerts"]) == (1, 2, 1)
    assert failed["message"].startswith(f"game {failed['game_id']}: price at tick 5 should be ")
    assert captured.err.count("\n") == 1
    assert failed["message"] in captured.err

    assert main(["replay", str(changed)]) == 1
    captured = capsys.readouterr()
    assert f"FAILED {failed['message']}" in captured.out
    assert "2 verified, 1 failed, 0 unverified, 0 missed completely" in captured.out


def test_right_games_of_a_replay_are_verified(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every game of a right journal agrees with its seed."""
    assert main(["replay", str(journal), "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert (result["games_verified"], result["alerts"], result["failed_games"]) == (3, 0, [])
    assert result["history_games"] > 3


def test_unknown_strategy_is_named(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt strategy gets the close names."""
    assert main(["replay", str(journal), "--strategy", "wach"]) == 5
    assert "did you mean watch" in capsys.readouterr().err


def test_real_capture_is_counted_whole(
    real_data: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every line of the real capture is counted once; nothing is invented for truncated ones."""
    path = real_data / "raw_frames.jsonl.gz"
    assert main(["replay", str(path), "--strategy", "watch", "--json"]) == 0

    result = json.loads(capsys.readouterr().out)
    assert [result[key] for key in ("lines", "inbound", "outbound", "local")] == [1210, 1202, 7, 1]
    assert [result[key] for key in ("decoded", "truncated", "unknown_events", "quarantined")] == [
        1167,
        35,
        0,
        0,
    ]
    assert sum(result["by_event"].values()) == 1202


def test_summary_of_a_recording_is_readable(
    real_data: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json the counts are printed as text."""
    assert main(["replay", str(real_data / "raw_frames.jsonl.gz")]) == 0
    assert "1202 inbound, 7 outbound, 1 local" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["./nowhere.gz"], 3, "does not exist"),
        (["{text}"], 3, "not a captured event"),
        (["{text}", "--check", "--store", "x"], 2, "--store"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    code: int,
    fragment: str,
    tmp_path: Path,
    store: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An input that cannot be replayed is reported in one line, with nothing half-written."""
    text = tmp_path / "notes.txt"
    text.write_text("notes, not a recording\n", encoding="utf-8")

    assert main(["replay", *(part.format(text=text) for part in arguments)]) == code

    captured = capsys.readouterr()
    assert captured.out == ""
    assert fragment in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not list(store.glob("**/*.parquet"))
