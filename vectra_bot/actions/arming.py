"""Arming: whether a live session may send anything, as a pure state machine.

Theory of operation. A live session begins DISARMED. With every connection the venue must show again what
trading depends on: a game frame, the login of the expected account, our money, and a few fresh ticks. When
all of it was seen the session is READY, and only then can it be armed. ARMED is the only state in which an
entry is sent. After a lost connection an armed session is HALTED until all of it was seen again; it need not
be armed again. Sessions without terms, on paper and in replays, are armed from the start.

::

    DISARMED ──► READY ──► ARMED ◄──► REDUCING    exits only: the operator's reduce or flatten
        ▲                    ▲
        │ disarm             └──────► HALTED      no entries: halts of the gate, or something is missing
                                                  STOPPED: nothing is sent any more, from any state

Every input is an event of the session, so a replay passes through the same states. No clock is read: the
time is that of the newest event.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import attrs
from attrs import field, frozen

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.models.times import NS_PER_S

FRESH_TICKS = 8
POSITIONS = ("adopt", "ignore", "halt")


class ArmingState(str, Enum):
    """What a session may send."""

    DISARMED = "disarmed"
    """Nothing: something is missing that the venue must show first."""
    READY = "ready"
    """Nothing: it waits for being armed."""
    ARMED = "armed"
    """Entries and exits, within the limits."""
    REDUCING = "reducing"
    """Exits only, as the operator asked."""
    HALTED = "halted"
    """Exits only, until what halts entries ends."""
    STOPPED = "stopped"
    """Nothing any more."""


@frozen
class Standing:
    """What a session may do now, for people and programs alike.

    Attributes:
        state: the state of arming.
        word: ``allowed``, ``reduced`` (entries are denied for now, by something that ends by itself),
            ``close_only``, ``blocked``, or ``unknown`` while the venue has not stated our account.
        reasons: why it is not more, one line each.
    """

    state: ArmingState
    word: str
    reasons: tuple[str, ...] = ()


def _positions(_: Any, __: Any, value: Any) -> None:
    if value not in POSITIONS:
        raise ConfigError(f"positions was {safe_repr(value)}: give {', '.join(POSITIONS)}")


def _dead_man(_: Any, __: Any, value: Any) -> None:
    if value is not None and not 1 <= value <= 86_400:
        raise ConfigError(f"dead_man_s was {safe_repr(value)}: give 1 to 86400 seconds, or none")


def _account(_: Any, __: Any, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"account was {safe_repr(value)}: give the id of the account")


def _fresh_ticks(_: Any, __: Any, value: Any) -> None:
    if type(value) is not int or not 1 <= value <= 1_000:
        raise ConfigError(f"fresh_ticks was {safe_repr(value)}: give 1 to 1000 ticks")


@frozen(kw_only=True)
class LiveTerms:
    """The conditions of a live session; part of its header.

    Attributes:
        account: id of the account that must be logged in.
        positions: what a position found at the start means: ``adopt`` it as ours, ``ignore`` it (it is never
            sold, and nothing is bought beside it), or ``halt`` until the operator resumes.
        dead_man_s: seconds without a sign of the operator after which entries are halted; None for no limit.
        fresh_ticks: ticks, or frames of a countdown, that must be seen after each connection.
        day_start_pnl: what earlier live sessions of the day won or lost, SOL.
    """

    account: str = field(validator=_account)
    positions: str = field(default="halt", validator=_positions)
    dead_man_s: float | None = field(default=None, validator=_dead_man)
    fresh_ticks: int = field(default=FRESH_TICKS, validator=_fresh_ticks)
    day_start_pnl: Decimal = field(default=Decimal(0), converter=Decimal)

    def to_json(self) -> dict[str, Any]:
        """Return the terms for a header."""
        return {**attrs.asdict(self), "day_start_pnl": str(self.day_start_pnl)}

    @classmethod
    def of_json(cls, written: Mapping[str, Any]) -> LiveTerms:
        """Return the terms of a header.

        Raises:
            ConfigError, TypeError, ValueError: they cannot be used.
        """
        return cls(**written)


@frozen(kw_only=True)
class Arming:
    """What the venue has shown on this connection, and what the operator asked for.

    Attributes:
        terms: the conditions; None for a session that needs none.
        armed: whether the operator has armed the session.
        connected: whether there is a connection.
        framed: whether a game frame was seen on it.
        logged_in: whether the venue named the expected account on it.
        stated: whether it stated our money on it.
        ticks: fresh ticks, or frames of a countdown, seen on it, counted up to those needed.
        beat_ns: the operator's last sign, nanoseconds since the epoch.
        started: whether our money was ever stated in this session.
        ignored: the game with a position that is not ours, empty until it is known; None without one.
    """

    terms: LiveTerms | None = None
    armed: bool = False
    connected: bool = False
    framed: bool = False
    logged_in: bool = False
    stated: bool = False
    ticks: int = 0
    beat_ns: int = 0
    started: bool = False
    ignored: str | None = None

    def on_link(self, *, connected: bool) -> Arming:
        """Begin a connection, or end it: what was seen before counts no more."""
        return attrs.evolve(
            self, connected=connected, framed=False, logged_in=False, stated=False, ticks=0
        )

    def on_frame(self, game_id: str) -> Arming:
        """Note a frame of the game *game_id*."""
        if self.framed and self.ignored != "":
            return self
        ignored = game_id if self.ignored == "" else self.ignored
        return attrs.evolve(self, framed=True, ignored=ignored)

    def on_tick(self) -> Arming:
        """Count a fresh tick, or a frame of a countdown."""
        if self.terms is None or self.ticks >= self.terms.fresh_ticks:
            return self
        return attrs.evolve(self, ticks=self.ticks + 1)

    def on_login(self) -> Arming:
        """Note that the expected account is logged in."""
        return attrs.evolve(self, logged_in=True)

    def on_logout(self) -> Arming:
        """Note that the venue logged us out on a connection that continues."""
        return attrs.evolve(self, logged_in=False) if self.logged_in else self

    def on_update(self) -> Arming:
        """Note that the venue stated our money."""
        if self.stated and self.started:
            return self
        return attrs.evolve(self, stated=True, started=True)

    def on_ignored(self, game_id: str) -> Arming:
        """Note that *game_id* has a position that is not ours."""
        return attrs.evolve(self, ignored=game_id)

    def on_arm(self, now_ns: int) -> Arming:
        """Arm the session, if nothing is missing."""
        return self if self.missing else attrs.evolve(self, armed=True, beat_ns=now_ns)

    def on_disarm(self) -> Arming:
        """Allow nothing until the session is armed again."""
        return attrs.evolve(self, armed=False)

    def on_beat(self, now_ns: int) -> Arming:
        """Note that the operator is there."""
        return attrs.evolve(self, beat_ns=now_ns)

    def is_alone(self, now_ns: int) -> bool:
        """Return whether the operator gave no sign for too long."""
        limit_s = None if self.terms is None else self.terms.dead_man_s
        return (
            limit_s is not None and self.armed and now_ns - self.beat_ns > int(limit_s * NS_PER_S)
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what the venue must still show on this connection, one line each, with a code."""
        terms = self.terms
        if terms is None:
            return ()
        found = []
        if not self.connected:
            found.append("arming.link: the venue is not connected")
        if not self.framed:
            found.append("arming.snapshot: no game frame was seen since the connection")
        if not self.logged_in:
            found.append(f"arming.login: the venue has not logged in account {terms.account}")
        if not self.stated:
            found.append("arming.update: the venue has not stated our money since the connection")
        if self.ticks < terms.fresh_ticks:
            found.append(
                f"arming.ticks: {self.ticks} of {terms.fresh_ticks} fresh ticks were seen since the "
                "connection"
            )
        return tuple(found)

    def denies(self, *, is_entry: bool, flattening: bool) -> str | None:
        """Return why nothing of this kind may be sent, None if it may be.

        Args:
            is_entry: whether it adds risk.
            flattening: the operator asked to sell everything, which needs no arming.
        """
        if self.terms is None:
            return None
        missing = self.missing
        if not self.armed and (is_entry or not flattening):
            return missing[0] if missing else "arming.disarmed: the session is not armed"
        if is_entry:
            return missing[0] if missing else None
        # An exit needs the login alone: it adds no risk.
        return None if self.logged_in else missing[0]


__all__ = [
    "FRESH_TICKS",
    "POSITIONS",
    "Arming",
    "ArmingState",
    "LiveTerms",
    "Standing",
]
