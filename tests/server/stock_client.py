"""The stock JavaScript socket.io-client, installed by npm once for all workers of a test run.

`VECTRA_SOCKET_IO_JS` names its `socket.io.min.js` where it is installed already.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

INSTALL = ("install", "--no-package-lock", "--no-save", "--no-audit", "--no-fund")
_SCRIPT = Path("node_modules/socket.io-client/dist/socket.io.min.js")
_LIMIT_S = 180


def stock_client(shared: Path) -> Path | str:
    """Return the file of the stock client, or why there is none.

    Args:
        shared: a folder that every worker of this run has.
    """
    given = os.environ.get("VECTRA_SOCKET_IO_JS")
    if given:
        return Path(given)
    npm = shutil.which("npm")
    if npm is None:
        return "the stock client needs npm, which is absent"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be at it
        failed = shared / "failed"
        if not (shared / _SCRIPT).is_file() and not failed.is_file():
            reason = _install(npm, shared)
            if reason:
                failed.write_text(reason, encoding="utf-8")
        return failed.read_text(encoding="utf-8") if failed.is_file() else shared / _SCRIPT


def _install(npm: str, folder: Path) -> str:
    """Install it; return why that failed, "" if it did not."""
    try:
        done = subprocess.run(
            [npm, *INSTALL, "socket.io-client@4"],
            cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"socket.io-client could not be installed in {_LIMIT_S} s"
    return (
        f"socket.io-client could not be installed: {done.stderr[-300:]}" if done.returncode else ""
    )
