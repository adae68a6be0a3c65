"""Options of live sessions and recordings that use a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from attrs import frozen

from vectra_bot.params import Heading, Refused, declared, option
from vectra_bot.venues.browser.profile import PROFILES_SHOWN

FIRST_ACK_ID: Final = 900_000
"""Our first acknowledgement id on the page's connection; the page counts its own from 0."""

START_S: Final = 30.0
"""Longest wait for our browser to start, in seconds."""


def _folder(value: Any) -> Path | None:
    if value is not None and not isinstance(value, str | Path):
        raise Refused
    return None if value is None else Path(value)


@frozen(kw_only=True, field_transformer=declared)
class BrowserSettings:
    """How the browser is reached.

    Attributes:
        browser: whether the venue is reached through a browser at all.
        browser_profile: folder of our browser's profile; by default one for each venue.
        browser_port: debugging port of a browser that somebody else started, None for ours.
        start_s: longest wait for our browser to start, in seconds.
        leave_s: a page that is busy for longer does not send a request any more, in seconds.
        send_s: longest wait for the proof that a request left, in seconds.
        renew_s: least time between two renewals of the page's connection, in seconds.
        held_frames: frames of a new connection of the page that are held until the session takes it.
    """

    browser: bool = option(
        False,
        key=None,
        help="Use the venue's page in the browser of `vectra-bot browser login`.",
        heading=Heading.LINK,
    )
    browser_profile: Path | None = option(
        None,
        key=None,
        take=_folder,
        words="a path, as text or Path",
        metavar="DIR",
        shown=f"one for each venue in {PROFILES_SHOWN}",
        help="Folder of the browser's profile.",
        heading=Heading.LINK,
    )
    browser_port: int | None = option(
        None,
        key=None,
        low=1,
        high=65_535,
        metavar="N",
        help="Attach to the debugging port of a running browser (any local program could, too).",
        heading=Heading.LINK,
    )
    start_s: float = START_S
    leave_s: float = 0.1
    send_s: float = 1.0
    renew_s: float = 10.0
    held_frames: int = 2_000


__all__ = ["FIRST_ACK_ID", "BrowserSettings"]
