"""Windows, which has no POSIX file locks: one clear line, whatever is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Libraries are imported before the platform is changed: on Windows they bring what they need there.
WINDOWS = """
import asyncio, attrs, click, msgspec, pathlib, sys
sys.platform = "win32"
sys.modules["fcntl"] = None
"""
LINE = "vectra-bot needs Linux or macOS; on Windows use WSL"


def _on_windows(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WINDOWS + program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["run", "take-profit"], ["store", "check", "--debug"]]
)
def test_the_command_line_says_that_windows_is_not_supported(arguments: list[str]) -> None:
    """Every command ends with the same line and exit code 69."""
    done = _on_windows("from vectra_bot.cli.main import main; sys.exit(main())", *arguments)

    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == f"error: {LINE}\n"


@pytest.mark.parametrize("name", ["run", "run_session", "Journal"])
def test_python_says_that_windows_is_not_supported(name: str) -> None:
    """The package can be imported; the first name that needs POSIX says what is missing."""
    done = _on_windows(f"import vectra_bot; vectra_bot.{name}")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {LINE}"
