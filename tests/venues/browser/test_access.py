"""What a session on a page gives away: no port or pipe to another process, and no login to anybody."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_secrets import arguments_of_children, contents
from tests.session.live.accounts import LIMITS, STATEMENT
from tests.session.live.test_canary import SPY
from tests.venues.browser.chrome import descendants, keeper_of
from tests.venues.browser.kit import is_fresh, opened
from tests.venues.live_kit import PLAYER, TOKEN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NOBODY = 65_534
# Another process: which TCP ports of these processes answer, which of their Unix sockets and pipes open.
INTRUDER = """
import json, os, socket, sys

pids, pipes, user = json.loads(sys.argv[1])
inodes = set()
for pid in pids:
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
            except OSError:
                pass
    except OSError:
        pass
ports, paths = [], []
for table in ("tcp", "tcp6"):
    with open(f"/proc/net/{table}") as lines:
        for line in list(lines)[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                ports.append(int(words[1].rpartition(":")[2], 16))
with open("/proc/net/unix") as lines:
    for line in list(lines)[1:]:
        words = line.split()
        if int(words[3], 16) & 0x10000 and f"socket:[{words[6]}]" in inodes:
            paths.append(words[7] if len(words) > 7 else "")
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
opened = []
for port in ports:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        opened.append(f"port {port}")
    except OSError:
        pass
for path in paths:
    one = socket.socket(socket.AF_UNIX)
    try:
        one.connect("\\0" + path[1:] if path.startswith("@") else path)
        opened.append(f"socket {path}")
    except OSError:
        pass
    one.close()
for path in pipes if user else []:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        opened.append(f"pipe {path}")
    except OSError:
        pass
print(json.dumps([len(inodes), ports, opened]))
"""


@contextmanager
def folder_of_all() -> Iterator[tuple[Path, Path]]:
    """Yield a folder that every user may enter, and a named pipe in it that every user may open."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        control = folder / "open-to-all"
        os.mkfifo(control)
        control.chmod(0o666)
        yield folder, control


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_another_process_finds_nothing_to_connect_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The browser listens on no port, and another user can open neither its sockets nor the pipes."""
    user = NOBODY if os.getuid() == 0 else 0
    with folder_of_all() as (folder, control):
        async with opened(folder, monkeypatch) as page, page.watched() as seen:
            await seen.until(lambda: is_fresh(seen), 60)
            pids = descendants(keeper_of(page.profile) or 0)
            pipes = [page.profile.inward, page.profile.outward]
            modes = {path.stat().st_mode & 0o777 for path in pipes}
            given = json.dumps([pids, [str(path) for path in (*pipes, control)], user])
            intruder = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", INTRUDER, given],
                capture_output=True,
                text=True,
                check=True,
            )
            looked_at, ports, opened_by_it = json.loads(intruder.stdout)

    assert len(pids) > 2
    assert looked_at > 10
    assert ports == []
    assert modes == {0o600}
    if user:
        assert opened_by_it == [f"pipe {control}"]


async def test_the_login_typed_into_the_page_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Journals, Parquet, output, logs, command lines, pipes, and all that a strategy can reach: no hit."""
    (tmp_path / "spy.py").write_text(SPY)
    (tmp_path / "live.toml").write_text(
        f'[live]\nenabled = true\naccount = "{PLAYER}"\nterms = "{STATEMENT}"\n[limits]\n'
        + "".join(f'{name} = "{value}"\n' for name, value in LIMITS.items())
    )
    async with opened(tmp_path, monkeypatch, speed=8) as page:
        process = subprocess.Popen(  # noqa: ASYNC220 - waited for in a thread
            [
                sys.executable, "-m", "vectra_bot", "live", "./spy.py", "--config", "live.toml",
                "--venue", page.site.url, "--account", PLAYER, "--games", "2", "--store", "store",
                "--browser", "--browser-profile", str(page.profile.folder), "--debug",
            ],
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "SPY_LOOKS_FOR": TOKEN[:-1], "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        family = asyncio.create_task(asyncio.to_thread(arguments_of_children, process))
        talking = asyncio.create_task(asyncio.to_thread(process.communicate, None, 200))
        while not talking.done():
            # The person logs in again and again: the frame passes by while the session runs.
            await page.site.ask("login", TOKEN)
            await asyncio.wait([talking], timeout=1)
        out, err = await talking
        lines = await family
        around = {
            path.name: path.read_bytes() for path in page.profile.folder.iterdir() if path.is_file()
        }
    stored = contents(tmp_path / "store")

    assert process.returncode == 0, (out + err)[-2_000:]
    assert " 0 hits" in err
    assert int(err.split("spy: ")[1].split()[0]) > 200
    assert TOKEN not in out + err
    assert TOKEN not in lines
    assert [name for name, text in stored.items() if TOKEN in text] == []
    assert [name for name, data in around.items() if TOKEN.encode() in data] == []
    assert any("buyOrder" in text for text in stored.values())
