"""The folder of a browser of our own: its profile, the named pipes to it, and the locks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen

from vectra_bot.errors import ConfigError, InputError, StoreError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_locked

PROFILES: Final = "~/rugs_data/browser"
PROFILES_SHOWN: Final = f"$VECTRA_BROWSER_PROFILES, else {PROFILES}"
_MODE: Final = 0o700
_NAME = re.compile(r"[^a-z0-9.-]")


class ProfileBusyError(StoreError):
    """Another session uses the profile."""


@frozen
class BrowserProfile:
    """The folder of a browser of our own, which only its owner may read: it contains the venue's login.

    Attributes:
        folder: the folder.
    """

    folder: Path

    @classmethod
    def of(cls, host: str, folder: Path | None = None) -> BrowserProfile:
        """Return the profile for the venue at *host*, in *folder* or in the default one."""
        if folder is not None:
            return cls(folder.expanduser())
        return cls(profiles_folder() / _NAME.sub("_", host.lower()))

    @property
    def user_data(self) -> Path:
        """Return the browser's own folder."""
        return self.folder / "chrome"

    @property
    def inward(self) -> Path:
        """Return the named pipe that carries calls to the browser."""
        return self.folder / "to-browser"

    @property
    def outward(self) -> Path:
        """Return the named pipe that carries its replies and events."""
        return self.folder / "from-browser"

    @property
    def session_lock(self) -> Path:
        """Return the lock of the session that uses the browser."""
        return self.folder / "session.lock"

    @property
    def keeper_lock(self) -> Path:
        """Return the lock of the process that keeps the browser open."""
        return self.folder / "keeper.lock"

    def make(self) -> None:
        """Create the folder, or check that others have no access to it.

        Raises:
            ConfigError: others have access to it.
            InputError: it cannot be created.
        """
        try:
            files.make_directories(self.folder.parent)
            self.folder.mkdir(mode=_MODE, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            raise InputError(
                f"the browser's folder {str(self.folder)!r} cannot be used ({error.strerror}): give another "
                "one, --browser-profile DIR"
            ) from None
        if status.st_mode & 0o077 or status.st_uid != os.geteuid():
            raise ConfigError(
                f"the browser's folder {str(self.folder)!r} is open to others, and a login is kept in it: "
                "chmod 700 it"
            )

    @property
    def is_open(self) -> bool:
        """Return whether its browser runs."""
        return self.keeper_lock.exists() and bool(is_locked(self.keeper_lock))

    @property
    def is_used(self) -> bool:
        """Return whether a session uses the browser."""
        return self.session_lock.exists() and bool(is_locked(self.session_lock))

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep other sessions from the browser during the block.

        Raises:
            ProfileBusyError: another session uses it.
            StoreError: the lock cannot be taken.
        """
        with files.store_errors(f"cannot lock {self.session_lock}"):
            lock = FileLock.of(self.session_lock)
        if lock is None:
            raise ProfileBusyError(
                f"the browser in {str(self.folder)!r} is used by another session: stop that one first "
                "(`vectra-bot status` shows it)"
            )
        try:
            lock.sign()
            yield
        finally:
            lock.release()


def profiles_folder() -> Path:
    """Return the folder of the profiles."""
    return Path(os.environ.get("VECTRA_BROWSER_PROFILES") or PROFILES).expanduser()


__all__ = ["PROFILES_SHOWN", "BrowserProfile", "ProfileBusyError", "profiles_folder"]
