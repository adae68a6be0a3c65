"""Completion: in the shells themselves, and that an answer imports nothing heavy."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vectra_bot.cli import main as shell
from vectra_bot.cli.completion import completer_of

PROGRAM = Path(sys.executable).with_name("vectra-bot")
VARIABLE = "_VECTRA_BOT_COMPLETE"

ASKED = {
    "rec": ["record"],
    "run --deb": [],
    "run take-p": ["take-profit"],
    "run watch --plugin st": ["stake-guard"],
    "run watch --no-plugin st": ["stake-guard"],
    "run watch --plugin-set st": ["stake-guard."],
    "run watch --countdown": ["--countdown-step"],
    "run watch --format f": ["feb"],
    "query latency-p": ["latency-panel"],
    "store comp": ["compact"],
    "replay x --strategy sid": ["sidebet"],
    "no-such-command --h": ["--help"],
}
"""What was typed after the program's name, and all that can follow."""

IN_SHELLS = [
    "rec",
    "run take-p",
    "run watch --plugin st",
    "run watch --countdown",
    "query latency-p",
]


def needs(name: str) -> str:
    """Return the path of a shell, or skip."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name}, which is not installed")
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose path begins with the program, and an empty home folder."""
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "200"}


def asked(shell_path: str, script: str, environment: dict[str, str]) -> list[str]:
    """Return the lines that *script* prints."""
    done = subprocess.run(
        [shell_path, "-c", script],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def answer(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the words of an answer to bash."""
    lines = capsys.readouterr().out.split()
    assert all(line.startswith("plain,") for line in lines)
    return [line.removeprefix("plain,") for line in lines]


def test_what_follows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, options, strategies, plugins, their parameters, queries and choices."""
    for typed, expected in ASKED.items():
        words = f"vectra-bot {typed}"
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        monkeypatch.setenv(VARIABLE, "bash_complete")
        monkeypatch.setattr(sys, "argv", ["vectra-bot"])
        assert shell.main() == 0
        assert answer(capsys) == expected, typed


def test_sessions_of_the_named_store_follow(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first; a store that does not exist has none."""
    for age, name in enumerate(("newer", "older")):
        (store / "journals" / name).mkdir(parents=True)
        os.utime(store / "journals" / name, (1e9 - age, 1e9 - age))
    for place, expected in ((store, ["newer", "older"]), (store / "other", [])):
        monkeypatch.setenv("COMP_WORDS", f"vectra-bot store drop --store {place} ")
        monkeypatch.setenv("COMP_CWORD", "5")
        monkeypatch.setenv(VARIABLE, "bash_complete")
        assert shell.main() == 0
        assert answer(capsys) == expected


def test_bash_completes(environment: dict[str, str]) -> None:
    """The script of bash registers itself, and its function answers."""
    words = " ".join(f"'{typed}'" for typed in IN_SHELLS)
    script = f"""
        eval "$({VARIABLE}=bash_source vectra-bot)"
        complete -p vectra-bot >/dev/null || exit 1
        for typed in {words}; do
            COMP_WORDS=(vectra-bot $typed) COMPREPLY=()
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _vectra_bot_completion vectra-bot
            echo "${{COMPREPLY[@]}}"
        done
    """
    lines = asked(needs("bash"), script, environment)

    assert lines == [" ".join(ASKED[typed]) for typed in IN_SHELLS]


def test_fish_completes(environment: dict[str, str]) -> None:
    """Fish's own engine, asked for a line."""
    words = " ".join(f"'{typed}'" for typed in IN_SHELLS)
    script = f"""
        {VARIABLE}=fish_source vectra-bot | source
        for typed in {words}
            complete -C "vectra-bot $typed"
        end
    """
    lines = asked(needs("fish"), script, environment)

    assert [line.split("\t")[0] for line in lines] == [ASKED[typed][0] for typed in IN_SHELLS]


def test_zsh_completes(environment: dict[str, str]) -> None:
    """Typed at a prompt of zsh, with the tab key."""
    zsh = needs("zsh")
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(zsh, ["zsh", "-f", "-i"], environment)  # pragma: no cover
    try:
        setup = f'autoload -U compinit && compinit -u; eval "$({VARIABLE}=zsh_source vectra-bot)"'
        os.write(terminal, f'PS1="> "; {setup}; echo RE""ADY\n'.encode())
        assert "READY" in seen(terminal, "READY\r")
        for typed in IN_SHELLS:
            os.write(terminal, f"vectra-bot {typed}\t".encode())
            whole = f"vectra-bot {typed.rpartition(' ')[0]} {ASKED[typed][0]}".replace("  ", " ")
            assert whole in seen(terminal, re.escape(whole))
            os.write(terminal, b"\x15")  # removes the line
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(process, 0)


def seen(terminal: int, pattern: str) -> str:
    """Return what a terminal shows until *pattern* is there, or after half a minute."""
    shown, end = "", time.monotonic() + 30
    while not re.search(pattern, shown) and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


def test_an_answer_imports_nothing_heavy() -> None:
    """No table, database or socket is imported for names, and no command to list the commands."""
    program = """
import os, sys
from vectra_bot.cli.main import main
for words, number, heavy in (
    ("vectra-bot ru", 1, ("vectra_bot.session", "vectra_bot.cli.run", "asyncio", "rich", "pyarrow")),
    ("vectra-bot query lat", 2, ("vectra_bot.session", "asyncio", "rich", "pyarrow", "duckdb", "numpy")),
    ("vectra-bot run wat", 2, ("vectra_strategies", "pyarrow", "duckdb", "numpy", "socketio", "aiohttp")),
    ("vectra-bot run watch --plugin al", 4, ("vectra_plugins", "pyarrow", "duckdb", "numpy", "socketio")),
):
    os.environ.update(COMP_WORDS=words, COMP_CWORD=str(number), _VECTRA_BOT_COMPLETE="bash_complete")
    assert main() == 0
    found = [name for name in heavy if name in sys.modules]
    assert not found, f"{words}: {found}"
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "plain,run"


def parameters(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
    """Yield every parameter of a command and of those below it, with the command's name."""
    for parameter in command.params:
        yield path, parameter
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, f"{path} {name}")


@pytest.mark.parametrize("name", list(shell.COMMANDS))
def test_every_file_folder_and_session_is_completed(name: str) -> None:
    """A value whose placeholder says that it is one of these has a completer."""
    command = shell.cli.get_command(click.Context(shell.cli), name)
    assert command is not None
    lacking = [
        f"{path} {parameter.name} {parameter.metavar}"
        for path, parameter in parameters(command, name)
        if re.search(r"\b(FILE|DIR|SESSION(_[AB])?|PATH)\b", parameter.metavar or "")
        and not isinstance(parameter.type, click.Path | click.File)
        and completer_of(parameter) is None
    ]

    assert lacking == []
