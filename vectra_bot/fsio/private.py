"""What only its owner may read: files with secrets and login tokens, and a folder for temporary files."""

from __future__ import annotations

import atexit
import functools
import os
import stat
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError

MOST_BYTES: Final = 4 << 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_CONTROLS: Final = frozenset(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029, 0xFEFF]))


def read_private(path: Path, what: str) -> str:
    """Return the text of a file that belongs to this user and that nobody else can read or write.

    Args:
        path: the file.
        what: its name in messages, which never contain its text.

    Raises:
        InputError: it cannot be read, is not a regular file, belongs to another user, others have access to
            it, it is longer than 4 MiB, or it is not UTF-8 (a byte order mark is refused too).
    """
    try:
        # Not blocking: a pipe without a writer would wait for one.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            _check(status, f"{what} {str(path)!r}")
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise InputError(
            f"{what} {str(path)!r} cannot be read ({reason}): check the path"
        ) from None
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{what} {str(path)!r} is longer than {MOST_BYTES} bytes: is it the right file?"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"{what} {str(path)!r} cannot be read (not UTF-8): save it as UTF-8"
        ) from None
    if text.startswith("\ufeff"):
        raise InputError(
            f"{what} {str(path)!r} begins with a byte order mark: save it as UTF-8 without"
        )
    return text


def _check(status: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{what} is not a file: give the path of one")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise InputError(f"{what} has mode {mode:o}, so others have access: chmod 600 it")
    if status.st_uid not in (os.geteuid(), 0):
        raise InputError(f"{what} belongs to another user: give one of your own")


@functools.cache
def scratch_folder() -> Path:
    """Return a folder for temporary files that is this user's only, removed at the end of the process."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="vectra-bot-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    import shutil

    if os.getpid() == owner:  # a forked child must not remove its parent's
        shutil.rmtree(folder, ignore_errors=True)


def bad_character(text: str) -> str | None:
    """Return a description of the first character that a token or name cannot contain, None if all can.

    These are control characters (NUL and line ends among them), byte order marks, and lone surrogates, which
    are not UTF-8.
    """
    for place, character in enumerate(text, 1):
        if character in _CONTROLS or "\ud800" <= character <= "\udfff":
            return f"U+{ord(character):04X} at position {place}"
    return None


__all__ = ["MOST_BYTES", "bad_character", "read_private", "scratch_folder"]
