"""Checks of what a session needs from the machine, its store, the account and the venue; nothing is sent.

Each check has a word: ``ok``, ``warning`` (a session runs, but its operator should know), ``failed`` (it
would not run, or lose something), or ``unknown`` (it could not be determined).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import frozen

from vectra_bot.clock import WallClock
from vectra_bot.errors import VectraError
from vectra_bot.fsio import files
from vectra_bot.fsio.disk import filesystem_of, is_unsafe
from vectra_bot.kernel import library
from vectra_bot.models import ConnectionChanged, Frame, FrameRejected, Link, UnknownEvent
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.session.live.config import check_address, check_token
from vectra_bot.session.live.locks import is_account_locked
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.session.shell import read_frame
from vectra_bot.venues.credentials import token_source
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.live import LiveFeed
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.profile import Profile

OK: Final = "ok"
WARNING: Final = "warning"
FAILED: Final = "failed"
UNSURE: Final = "unknown"

FRAMES: Final = 20
"""Frames of the venue that are decoded."""

_VENUE_S: Final = 20.0
_LOW_BYTES: Final = 1 << 30
_NO_BYTES: Final = 50 << 20
_SYNCS: Final = 5
_SLOW_SYNC_MS: Final = 20.0
_LATE_SYNC_MS: Final = 50.0
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@frozen
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        word: ``ok``, ``warning``, ``failed`` or ``unknown``.
        message: what was found, and what to do, one line.
        figures: numbers behind it, for programs.
    """

    name: str
    word: str
    message: str
    figures: dict[str, Any] = attrs.field(factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return attrs.asdict(self)


@frozen(kw_only=True)
class Examination:
    """What is examined.

    Attributes:
        store: folder of the store of live sessions.
        live: the account; None if no configuration was given.
        venue: address of the venue, None if none was given.
        profile: the venue's names on the wire.
    """

    store: Path
    profile: Profile
    live: LiveOptions | None = None
    venue: str | None = None

    async def run(self) -> list[Check]:
        """Return every check, in the order in which a session needs them."""
        found = [*clock_checks(), *self._disk(), *self._permissions(), *self._account()]
        found.append(self._profile())
        if self.venue is not None:
            found.append(await self._venue(self.venue))
        kernel = library.status()
        found.append(Check("kernel", WARNING if kernel.broken else OK, kernel.message,
                           {"compiled": kernel.law is not None}))  # fmt: skip
        return found

    def _disk(self) -> Iterator[Check]:
        folder = _existing(self.store)
        free = shutil.disk_usage(folder).free
        word = FAILED if free < _NO_BYTES else WARNING if free < _LOW_BYTES else OK
        advice = "" if word == OK else ": free some space"
        yield Check("disk space", word, f"{free / 2**30:.1f} GiB free at {folder}{advice}",
                    {"free_bytes": free})  # fmt: skip
        try:
            worst_ms = _sync_ms(folder)
        except OSError as error:
            yield Check(
                "disk sync", FAILED, f"{folder} cannot be written ({error.strerror}): check it"
            )
            return
        kind = filesystem_of(folder)
        word, advice = OK, ""
        if worst_ms > _LATE_SYNC_MS:
            word, advice = (
                FAILED,
                "orders wait at most 50 ms for it and are denied then; use a faster disk",
            )
        elif worst_ms > _SLOW_SYNC_MS:
            word, advice = (
                WARNING,
                "near the 50 ms after which orders are denied; use a faster disk",
            )
        elif is_unsafe(kind):
            word, advice = WARNING, f"the {kind} file system may lose synced data; use a local disk"
        yield Check("disk sync", word, f"slowest of {_SYNCS} syncs {worst_ms:.1f} ms"
                    + (f": {advice}" if advice else ""), {"slowest_ms": round(worst_ms, 3)})  # fmt: skip

    def _permissions(self) -> Iterator[Check]:
        if not self.store.is_dir():
            yield Check(
                "store", OK, f"{self.store} does not exist yet: the first session creates it"
            )
            return
        status = self.store.stat()
        if not os.access(self.store, os.R_OK | os.W_OK | os.X_OK):
            yield Check(
                "store", FAILED, f"{self.store} cannot be written: check its owner and mode"
            )
        elif status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            yield Check(
                "store", WARNING, f"{self.store} has mode {mode:o}: others have access, chmod 700"
            )
        else:
            yield Check("store", OK, f"{self.store} is writable by this user only")

    def _account(self) -> Iterator[Check]:
        live = self.live
        if live is None:
            yield Check("account", UNSURE, "no configuration was given: give --config FILE")
            return
        if not live.account:
            yield Check("account", FAILED, "[live] has no account: set its id")
        else:
            yield Check("account", OK if live.enabled else WARNING,
                        f"{live.account}, live sessions are {'' if live.enabled else 'not '}on")  # fmt: skip
            yield self._lock(live.account)
        yield self._token(live)

    def _lock(self, account: str) -> Check:
        if self.venue is None:
            return Check("lock", UNSURE, "no venue was given: give --venue URL")
        try:
            host = Endpoint.parse(self.venue).host
        except VectraError as error:
            return Check("lock", UNSURE, str(error))
        locked = is_account_locked(self.store, host, account)
        if locked:
            return Check(
                "lock", WARNING, f"a session trades for {account}: see `vectra-bot status`"
            )
        return Check("lock", OK if locked is False else UNSURE, f"no session trades for {account}")

    def _token(self, live: LiveOptions) -> Check:
        if not live.token:
            return Check(
                "token", WARNING,
                "[live] has no token: give env:NAME, file:PATH or keyring:..., or run with --browser",
            )  # fmt: skip
        now_ns = WallClock().now_ns()
        try:
            source = token_source(live.token)
            token = source.read()
            check_token(token, source, live.account or token.subject or "", now_ns)
        except VectraError as error:
            return Check("token", FAILED, str(error))
        who = f"of {token.subject}" if token.subject else "opaque, so its account is not known"
        if token.expires_ns is None:
            return Check("token", WARNING, f"in {source.where}, {who}; its end is not known")
        left_min = (token.expires_ns - now_ns) / NS_PER_S / 60
        word = OK if left_min > 5 else WARNING
        return Check("token", word, f"in {source.where}, {who}, {left_min:.0f} minutes left",
                     {"minutes_left": round(left_min, 1)})  # fmt: skip

    def _profile(self) -> Check:
        unsure = [kind for kind in self.profile.requests if kind not in ("buy", "sell", "sidebet")]
        return Check(
            "profile", WARNING if unsure else OK,
            f"names never seen in real frames: {', '.join(unsure)}, login" if unsure else "all names known",
            {"unverified": [*unsure, "login"]},
        )  # fmt: skip

    async def _venue(self, url: str) -> Check:
        try:
            Endpoint.parse(url)
            if self.live is not None and self.live.token:
                check_address(url)
            feed = LiveFeed(url, settings=LiveSettings(attempts=1, connect_s=5.0))
        except VectraError as error:
            return Check("venue", FAILED, str(error))
        try:
            return await _bounded(partial_look(feed, self.profile))
        finally:
            await feed.aclose()


def partial_look(feed: LiveFeed, profile: Profile) -> Callable[[], Awaitable[Check]]:
    """Return a call that decodes the first frames of *feed*."""
    return lambda: _look(feed, profile)


async def _bounded(look: Callable[[], Awaitable[Check]]) -> Check:
    try:
        async with asyncio.timeout(_VENUE_S):
            return await look()
    except TimeoutError:
        return Check(
            "venue", FAILED, f"fewer than {FRAMES} frames within {_VENUE_S:.0f} s: is it up?"
        )
    except VectraError as error:
        return Check("venue", FAILED, str(error))


async def _look(feed: LiveFeed, profile: Profile) -> Check:
    seen, unknown, connected = 0, set[str](), False
    while seen < FRAMES:
        item = await feed.next_item(1.0)
        if isinstance(item, ConnectionChanged):
            if connected and item.link is Link.DISCONNECTED:
                return Check("venue", FAILED, f"the connection ended: {item.reason}")
            connected |= item.link is Link.CONNECTED
        if not isinstance(item, Frame):
            continue
        seen += 1
        event = read_frame(item, profile)
        if isinstance(event, FrameRejected):
            name = event.event_name or "a frame without a name"
            return Check(
                "venue", FAILED,
                f"frame {seen} of {FRAMES} ({name}) is not what the profile says ({event.reason}): "
                f"{event.message}",
                {"event": event.event_name, "reason": event.reason, "frames": seen},
            )  # fmt: skip
        if isinstance(event, UnknownEvent):
            unknown.add(event.name)
    more = (
        f"; events that the reference does not list: {', '.join(sorted(unknown))}"
        if unknown
        else ""
    )
    return Check("venue", WARNING if unknown else OK, f"{feed.venue} answers, {seen} frames decoded{more}",
                 {"frames": seen, "unknown_events": sorted(unknown)})  # fmt: skip


def clock_checks() -> Iterator[Check]:
    """Yield the checks of the machine's clocks."""
    clock = WallClock()
    wall, mono = clock.now_ns(), clock.monotonic_ns()
    drift_ms = abs((clock.now_ns() - wall) - (clock.monotonic_ns() - mono)) / NS_PER_MS
    now = datetime.fromtimestamp(wall / NS_PER_S, tz=UTC)
    plausible = 2025 <= now.year <= 2100
    yield Check(
        "clock", OK if plausible and drift_ms < 1 else WARNING,
        f"{now:%Y-%m-%d %H:%M:%S} UTC" + ("" if plausible else ": set the machine's clock"),
        {"wall_ns": wall},
    )  # fmt: skip
    synced = Path("/run/systemd/timesync/synchronized")
    if synced.exists():
        yield Check("time server", OK, "the clock is synchronized")
    else:
        yield Check("time server", UNSURE, "whether the clock is synchronized is not known here")


def _existing(path: Path) -> Path:
    return next(at for at in (path.absolute(), *path.absolute().parents) if at.is_dir())


def _sync_ms(folder: Path) -> float:
    """Return the slowest of a few writes with fsync in *folder*, milliseconds.

    Raises:
        OSError: the folder cannot be written.
    """
    clock, path, worst_ns = WallClock(), folder / f".doctor-{os.getpid()}.tmp", 0
    fd = files.open_file(path)
    try:
        for number in range(_SYNCS):
            started = clock.monotonic_ns()
            os.pwrite(fd, bytes(4_096), number * 4_096)
            files.sync_file(fd)
            worst_ns = max(worst_ns, clock.monotonic_ns() - started)
    finally:
        os.close(fd)
        files.unlink(path)
    return worst_ns / NS_PER_MS


__all__ = ["Check", "Examination"]
