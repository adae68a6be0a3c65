"""Starting our browser, or finding the one that runs."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from vectra_bot.errors import InputError, safe_error
from vectra_bot.venues.browser.keeper import BUSY
from vectra_bot.venues.browser.profile import BrowserProfile
from vectra_bot.venues.browser.settings import START_S
from vectra_bot.venues.browser.transports import PipeTransport

NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "microsoft-edge",
)
_APPLICATIONS: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_FLAGS: Final = (
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    # A tab in the background must not be slowed down: its pings keep the connection alive.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
_LOOK_S: Final = 0.05


def find_browser() -> Path | None:
    """Return the program of an installed Chromium or Chrome, ``$VECTRA_BROWSER`` first; None without one."""
    given = os.environ.get("VECTRA_BROWSER")
    if given:
        found = shutil.which(given)
        return Path(found) if found else None
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    return next((Path(name) for name in _APPLICATIONS if Path(name).exists()), None)


def browser_program() -> Path:
    """Return the program of an installed browser.

    Raises:
        InputError: there is none.
    """
    found = find_browser()
    if found is None:
        given = os.environ.get("VECTRA_BROWSER")
        what = (
            f"$VECTRA_BROWSER was {given!r}, which is not a program"
            if given
            else "no browser was found"
        )
        raise InputError(
            f"{what}: install Chromium or Chrome, or set VECTRA_BROWSER to its program"
        )
    return found


def browser_command(profile: BrowserProfile, url: str) -> list[str]:
    """Return the command that starts a browser with *profile* at the page *url*.

    ``$VECTRA_BROWSER_FLAGS`` has more flags of the browser, such as ``--headless``.
    """
    more = shlex.split(os.environ.get("VECTRA_BROWSER_FLAGS", ""))
    own = f"--user-data-dir={profile.user_data}"
    return [str(browser_program()), *_FLAGS, own, *more, url]


def start_browser(profile: BrowserProfile, url: str) -> None:
    """Start the process that starts the browser and keeps it open; it outlives this one.

    Raises:
        InputError: there is no browser, or it ends at once.
    """
    keeper = "vectra_bot.venues.browser.keeper"
    command = [sys.executable, "-m", keeper, str(profile.folder), *browser_command(profile, url)]
    try:
        code = subprocess.run(  # noqa: S603 - the command is ours, no shell is involved
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_S,
        ).returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the browser cannot be started ({safe_error(error)})") from None
    if code not in (0, BUSY):
        raise InputError(
            f"the browser ended at once (exit code {code}): is there a display, or is another browser open "
            f"with the profile {str(profile.user_data)!r}?"
        )


async def open_pipes(profile: BrowserProfile, limit_s: float) -> PipeTransport:
    """Open the pipes of the browser, as soon as it has them.

    Raises:
        InputError: it did not have them in time.
    """
    loop = asyncio.get_running_loop()
    last_s = loop.time() + limit_s
    while True:
        try:
            return PipeTransport.open(profile.inward, profile.outward)
        except OSError:
            if loop.time() >= last_s:
                raise InputError(
                    f"the browser was not ready within {limit_s:g} s: close it and try again"
                ) from None
        await asyncio.sleep(_LOOK_S)


async def open_browser(profile: BrowserProfile, address: str) -> bool:
    """Open the browser at the page *address*; return False if it is open already.

    Raises:
        InputError: there is no browser, or it does not start.
        ConfigError: others have access to its folder.
    """
    profile.make()
    opened = not profile.is_open
    if opened:
        await asyncio.to_thread(start_browser, profile, address)
        transport = await open_pipes(profile, START_S)
        await transport.aclose()
    profile.remember(address)
    return opened


__all__ = [
    "browser_command",
    "browser_program",
    "find_browser",
    "open_browser",
    "open_pipes",
    "start_browser",
]
