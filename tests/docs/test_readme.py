"""The README: short before its first command, and its server can be recorded as written."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SCREEN = 45
"""Lines of a terminal or page that are seen at once."""


def test_the_first_command_is_on_the_first_screen() -> None:
    """What the project is, what the game costs and both commands can be read without scrolling."""
    before, _, after = TEXT.partition("\n```sh\n")

    assert len(before.splitlines()) <= SCREEN
    assert "before prizes" in before
    assert "Linux or macOS" in before
    assert re.search(r"two minutes to install.*twelve minutes on two cores", after, re.DOTALL)


@pytest.mark.slow
def test_the_venue_on_your_own_machine(tmp_path: Path) -> None:
    """The server of the page starts, and the recording of the page takes three verified games from it."""
    (body,) = re.findall(r"^```text\n(vectra-bot serve.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    serve, record = [shlex.split(line, comments=True)[1:] for line in body.splitlines()]
    port = serve[serve.index("--port") + 1]
    serve[serve.index("--port") + 1] = "0"  # 8080 may be taken here
    program = [sys.executable, "-m", "vectra_bot"]

    with subprocess.Popen(
        [*program, *serve, "--json"], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            arguments = [word.replace(f":{port}", f":{ready['port']}") for word in record]
            done = subprocess.run(
                [*program, *arguments, "--json"],
                capture_output=True,
                text=True,
                check=False,
                cwd=tmp_path,
            )
        finally:
            server.terminate()

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["games"], report["games_failed"]) == (3, 0)
    assert (tmp_path / "recorded").is_dir()
