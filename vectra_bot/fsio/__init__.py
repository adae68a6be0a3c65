"""The one way to the file system: every write, sync and rename of journals and stores goes through here.

:mod:`~vectra_bot.fsio.files` changes files and names so that a crash leaves the old or the new version, and
calls an observer before each operation: tests inject full disks, kills and power failures there.
:mod:`~vectra_bot.fsio.modes` says who may read new files, :mod:`~vectra_bot.fsio.private` reads files that
only their owner may read. :mod:`~vectra_bot.fsio.disk` finds what a file system supports,
:mod:`~vectra_bot.fsio.locks` excludes other processes, :mod:`~vectra_bot.fsio.forks` what forked children
must not keep. None of them interprets the content of a file.
Imports errors only.
"""

from vectra_bot.fsio import disk, files, forks
from vectra_bot.fsio.disk import warn_if_unsafe
from vectra_bot.fsio.files import TEMPORARY, Op, copy_file, copy_folder, observing

__all__ = [
    "TEMPORARY",
    "Op",
    "copy_file",
    "copy_folder",
    "disk",
    "files",
    "forks",
    "observing",
    "warn_if_unsafe",
]
