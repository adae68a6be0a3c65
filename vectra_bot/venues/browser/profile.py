"""The folder of our browser: its profile, the named pipes to it, and the locks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from vectra_bot.errors import ConfigError, InputError, StoreError, UsageError
from vectra_bot.fsio import files
from vectra_bot.fsio.locks import FileLock, is_locked

if TYPE_CHECKING:
    from vectra_bot.venues.browser.settings import BrowserSettings

PROFILES: Final = "~/rugs_data/browser"
PROFILES_SHOWN: Final = f"$VECTRA_BROWSER_PROFILES, else {PROFILES}"
_VENUE: Final = "venue"
_MODE: Final = 0o700
_NAME = re.compile(r"[^a-z0-9.-]")


class ProfileBusyError(StoreError):
    """Another session uses the profile."""


@frozen
class BrowserProfile:
    """The folder of our browser, which only its owner may read: it contains the venue's login.

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
    def venue(self) -> str:
        """Return the address of the venue's page, "" if it was never opened."""
        try:
            return (self.folder / _VENUE).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def remember(self, address: str) -> None:
        """Store the address of the venue's page.

        Raises:
            StoreError: it cannot be written.
        """
        with files.store_errors(f"cannot write {self.folder / _VENUE}"):
            files.write_durably(self.folder / _VENUE, f"{address}\n".encode())

    @property
    def is_open(self) -> bool:
        """Return whether its browser runs."""
        return self.keeper_lock.exists() and bool(is_locked(self.keeper_lock))

    @property
    def is_used(self) -> bool:
        """Return whether a session uses the browser."""
        return self.session_lock.exists() and bool(is_locked(self.session_lock))

    def refuse_used(self) -> None:
        """Check that no session uses the browser.

        Raises:
            ProfileBusyError: one does.
        """
        if self.is_used:
            raise ProfileBusyError(
                f"the browser in {str(self.folder)!r} is used by another session: stop that one first "
                "(`vectra-bot status` shows it)"
            )

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
            self.refuse_used()
            raise ProfileBusyError(f"{self.session_lock} cannot be locked: try again")
        try:
            lock.sign()
            yield
        finally:
            lock.release()


def known_venue(settings: BrowserSettings) -> str:
    """Return the venue of the browser's profile, for a session that names none.

    Raises:
        UsageError: there is none, or more than one.
    """
    found: set[str] = set()
    if settings.browser and settings.browser_profile is not None:
        found = {BrowserProfile(settings.browser_profile.expanduser()).venue}
    elif settings.browser and profiles_folder().is_dir():
        found = {BrowserProfile(folder).venue for folder in profiles_folder().iterdir()}
    found.discard("")
    if len(found) == 1:
        return found.pop()
    advice = f"the browser knows {', '.join(sorted(found))}" if found else "--venue https://HOST"
    raise UsageError(f"no venue was given: name one, {advice}")


def profiles_folder() -> Path:
    """Return the folder of the profiles."""
    return Path(os.environ.get("VECTRA_BROWSER_PROFILES") or PROFILES).expanduser()


__all__ = ["PROFILES_SHOWN", "BrowserProfile", "ProfileBusyError", "known_venue", "profiles_folder"]
