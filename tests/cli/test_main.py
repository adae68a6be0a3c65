"""The root command: help, unknown commands, errors and exit codes."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from vectra_bot import errors
from vectra_bot.cli import main as shell


def _subclasses(base: type[errors.VectraError]) -> list[type[errors.VectraError]]:
    return [base, *(found for child in base.__subclasses__() for found in _subclasses(child))]


def test_help_lists_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names all commands, all exit codes and an example."""
    assert shell.main(["--help"]) == 0

    text = capsys.readouterr().out
    for name, (_, summary) in shell.COMMANDS.items():
        assert f"  {name} " in text
        assert summary in text
    for code, meaning in shell.EXIT_CODES.items():
        assert f"{code} " in text
        assert meaning in text
    assert "vectra-bot run take-profit" in text


def test_help_imports_no_command() -> None:
    """Listing the commands imports neither them nor anything heavy."""
    program = (
        "import sys; from vectra_bot.cli.main import main; main(['--help']);"
        "heavy = [m for m in ('rich', 'pyarrow', 'duckdb', 'attrs', 'asyncio', 'msgspec', 'pluggy',"
        "'vectra_bot.session', 'vectra_bot.cli.run') if m in sys.modules];"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["frames-check", "crowd-check", "money-check"])
def test_checks_for_maintainers_are_in_a_group(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check of the exchange is a command of `dev`, with an example, and not a command of the root."""
    assert shell.main(["dev", name, "--help"]) == 0
    assert f"vectra-bot dev {name}" in capsys.readouterr().out

    assert shell.main([name]) == 2
    assert f"no command is named '{name}'" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(shell.COMMANDS))
def test_every_command_has_an_example_and_json(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help of each command shows an example and the option --json."""
    assert shell.main([name, "--help"]) == 0

    text = capsys.readouterr().out
    assert f"vectra-bot {name}" in text
    assert "--json" in text
    assert "Example" in text


def test_without_arguments_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """`vectra-bot` alone prints the help."""
    assert shell.main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the installed version."""
    assert shell.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vectra-bot {version('vectra-bot')}\n"


def test_unknown_command_suggests_close_names(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command gets one line with the close names and exit code 2."""
    assert shell.main(["rnu"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: no command is named 'rnu': did you mean run?\n"


def test_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt option gets one line and exit code 2."""
    assert shell.main(["run", "watch", "--gmaes", "3"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "--gmaes" in lines[0]
    assert "--games" in lines[0]


@pytest.mark.parametrize("error", _subclasses(errors.VectraError), ids=lambda e: e.__name__)
def test_every_error_of_ours_has_a_documented_code(error: type[errors.VectraError]) -> None:
    """Exit codes of the error tree are in the documented table."""
    assert error.exit_code in shell.EXIT_CODES


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """Install a command `fail` that raises what the test put into its class attribute."""

    class Failure(Exception):
        raised: BaseException = RuntimeError("boom\nsecond line")

    @click.command()
    def fail() -> None:
        raise Failure.raised

    monkeypatch.setitem(shell.COMMANDS, "fail", (f"{__name__}:unused", "Fail."))
    original = shell.LazyGroup.get_command

    def get_command(
        self: shell.LazyGroup, ctx: click.Context, cmd_name: str
    ) -> click.Command | None:
        return fail if cmd_name == "fail" else original(self, ctx, cmd_name)

    monkeypatch.setattr(shell.LazyGroup, "get_command", get_command)
    return Failure


def test_unexpected_error_is_one_line(
    failing: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect gives one line that names --debug, and exit code 70."""
    assert shell.main(["fail"]) == 70

    assert capsys.readouterr().err == (
        "error: unexpected RuntimeError: boom; second line; repeat with --debug for the traceback\n"
    )


@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_shows_the_traceback(
    arguments: list[str], failing: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """--debug works before and after the command."""
    assert shell.main(arguments) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_deliberate_error_has_no_traceback(
    failing: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of the SDK is its message and its code."""
    failing.raised = errors.InputError("file 'x' was empty: give another")  # type: ignore[attr-defined]

    assert shell.main(["fail"]) == 3
    assert capsys.readouterr().err == "error: file 'x' was empty: give another\n"


def test_interrupt_gives_130(
    failing: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C outside a run ends with the shell's code."""
    failing.raised = KeyboardInterrupt()  # type: ignore[attr-defined]

    assert shell.main(["fail"]) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["strategies"], ["plugins", "--json"]], ids=" ".join
)
def test_reader_that_goes_away_is_no_error(arguments: list[str]) -> None:
    """A closed pipe ends the program quietly with 141."""
    program = (
        "import os, sys; from vectra_bot.cli.main import main;"
        f"r, w = os.pipe(); os.close(r); os.dup2(w, 1); sys.exit(main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (141, "")
