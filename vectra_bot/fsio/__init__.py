"""The only access to the file system: every write, sync and rename of journals and stores goes through here.

:mod:`~vectra_bot.fsio.files` changes files and names so that a crash leaves either the old or the new
one, and notifies an observer before each operation: tests use it to inject full disks, kills and power
loss. :mod:`~vectra_bot.fsio.disk` knows which file systems can be trusted. Neither knows what a file
contains.
"""

from vectra_bot.fsio import disk, files
from vectra_bot.fsio.disk import warn_if_unsafe
from vectra_bot.fsio.files import TEMPORARY, Op, copy_file, copy_folder, observing

__all__ = [
    "TEMPORARY",
    "Op",
    "copy_file",
    "copy_folder",
    "disk",
    "files",
    "observing",
    "warn_if_unsafe",
]
