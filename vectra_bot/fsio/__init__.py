"""The one way to the file system: every write, sync and rename of journals and stores goes through here.

:mod:`~vectra_bot.fsio.files` changes files and names so that a crash leaves the old or the new one, and tells
an observer of each operation before it is done: there tests play full disks, kills and losses of power.
:mod:`~vectra_bot.fsio.disk` knows what a file system can be trusted with. Neither knows what a file holds.
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
