"""The report on a terminal and as JSON: copyable at any width, JSON alone on standard output."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import vectra_bot
from vectra_bot.cli.main import main

PRINTS = """
import atexit, os, subprocess, sys
from vectra_bot import Strategy
print("at import")

class Prints(Strategy):
    def on_game_start(self, game):
        print("printed")
        os.write(1, b"written\\n")
        subprocess.run(["echo", "by a child"], check=True)
        sys.__stdout__.write("past the redirection\\n")
        sys.__stdout__.flush()
"""
RAISES = PRINTS + '        raise ValueError("boom")\n'


def on_terminal(columns: int, arguments: list[str], store: Path) -> str:
    """Return what a command prints on a terminal that says it has *columns*; 0 for unknown."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    environment |= {"VECTRA_STORE": str(store), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *arguments],
        stdin=its, stdout=its, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(its)
    found = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        found += part
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found.decode()).replace("\r", "")


@pytest.mark.parametrize("columns", [0, 1, 20, 60, 300])
def test_ids_paths_and_the_next_command_are_whole_at_any_width(
    tmp_path: Path, columns: int
) -> None:
    """Each is on one line, so that a click copies it; the next command is about this session alone."""
    store = tmp_path / "a folder with a long name, and spaces"
    vectra_bot.run("watch", games=1, seed=1, crowd=0, store=store)
    text = on_terminal(columns, ["run", "watch", "--games", "1", "--seed", "7"], store)
    lines = text.splitlines()
    with vectra_bot.open_store(store) as catalog:
        session = catalog.run("sessions").as_dicts()[0]["session_id"]
    for whole in (session, str(store), str(store / "journals" / session)):
        assert any(whole in line for line in lines), whole
    command = next(line for line in lines if line.startswith("Next ")).removeprefix("Next").strip()
    program, *arguments = shlex.split(command)
    assert program == "vectra-bot"
    shown = on_terminal(columns, [*arguments, "--json"], store)
    assert {row["session_id"] for row in json.loads(shown)} == {session}
    rows = on_terminal(columns, ["query", "sessions"], store)
    assert any(session in line for line in rows.splitlines())


@pytest.mark.parametrize(("code", "program"), [(0, PRINTS), (7, RAISES)], ids=["prints", "raises"])
def test_standard_output_is_one_json_object(tmp_path: Path, code: int, program: str) -> None:
    """What a strategy prints, writes or lets a child write goes to stderr, also if it raises."""
    bot = tmp_path / "bot.py"
    bot.write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "vectra_bot", "run", str(bot), "--games", "1", "--seed", "7",
         "--crowd", "0", "--no-store", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    report = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    for words in ("at import", "printed", "written", "by a child", "past the redirection"):
        assert words in done.stderr
    if code:
        assert "ValueError: boom" in report["error"]
        assert report["ended"] == "strategy error"
    else:
        assert report["error"] is None
    assert report["kept"] is False


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "no-such-strategy"], 5),
        (["run", "./none.py"], 3),
        (["run", "watch", "--games", "0"], 2),
        (["run", "watch", "--no-store", "--store", "x"], 4),
        (["replay", "FILE", "--strategy", "no-such-strategy"], 5),
        (["live", "watch"], 2),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else str(value),
)
def test_an_error_before_the_session_is_an_object_with_error_alone(
    store: Path, tmp_path: Path, arguments: list[str], code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The exit code and the line on stderr are as without --json."""
    capture = tmp_path / "capture.jsonl"
    capture.write_text('{"event": "gameStateUpdate", "data": {}}\n')
    given = [str(capture) if argument == "FILE" else argument for argument in arguments]
    assert main([*given, "--json"]) == code
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert list(found) == ["error"]
    assert captured.err == f"error: {found['error']}\n"


def test_no_store_is_said_and_overrides_the_file(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bot.toml"
    config.write_text(f'[run]\nstrategy = "watch"\ngames = 1\nseed = 7\nstore = "{store}"\n')
    assert main(["run", "--config", str(config), "--no-store"]) == 0
    shown = capsys.readouterr().out
    assert "nothing of this session was kept (--no-store)" in shown
    assert "Journal" not in shown
    assert "Next" not in shown
    assert not store.exists()


def test_sessions_say_what_ran_and_when_newest_first(store: Path) -> None:
    """Virtual time does not hide when a session really ran."""
    for seed in (1, 2, 3):
        vectra_bot.run(
            "take-profit",
            games=1,
            seed=seed,
            crowd=0,
            store=store,
            settings={"target": f"{seed}.5"},
        )
    with vectra_bot.open_store(store) as catalog:
        rows = catalog.run("sessions").as_dicts()
    assert [row["seed"] for row in rows] == [3, 2, 1]
    assert [row["began"] for row in rows] == sorted((row["began"] for row in rows), reverse=True)
    assert {str(row["started"])[:10] for row in rows} == {"2026-01-01"}
    assert {row["strategy"] for row in rows} == {"take-profit"}
    assert {row["version"] for row in rows} == {vectra_bot.__version__}
    assert [json.loads(row["parameters"])["target"] for row in rows] == [3.5, 2.5, 1.5]


def test_a_report_as_text_is_what_the_command_prints(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = vectra_bot.run("take-profit", games=2, seed=7, crowd=0, store=store, session_id="S")
    assert main(
        ["run", "take-profit", "--games", "2", "--seed", "7", "--crowd", "0", "--session-id", "S"]
    ) == 0  # fmt: skip
    printed = " ".join(capsys.readouterr().out.split())
    assert " ".join(str(report).split()) == printed
