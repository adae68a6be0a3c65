"""A process that kills itself at its N-th operation on the disk."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_CHILD = """
import os, signal, sys
from vectra_bot.fsio import files
{imports}

left = int(sys.argv[1])
def die(op):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
with files.observing(die):
    {call}
"""


def killed_at(operation: int, imports: str, call: str, *arguments: Path) -> bool:
    """Run *call* in a separate process, and return whether it died at that operation on the disk.

    ``sys.argv[2:]`` of the call are *arguments*; it ends normally, or it is killed.
    """
    code = _CHILD.format(imports=imports, call=call)
    command = [sys.executable, "-c", code, str(operation), *map(str, arguments)]
    left = subprocess.run(command, check=False).returncode
    assert left in (0, -signal.SIGKILL)
    return left != 0
