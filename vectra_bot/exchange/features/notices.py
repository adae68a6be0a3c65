"""Events other than the game's: chat, schedules, drawings, answers to a login (protocol 2.5, 5.9).

Theory of operation. :class:`Notices` writes full frame texts, the trace argument where protocol 2.2 has it,
and has its own clock for repeated events: :attr:`Notices.next_ns` says when :meth:`Notices.due` has
something. It moves no money: the exchange passes winners and amounts as plain values. Bodies that were never
captured are as small as possible and ``unverified``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from vectra_bot.exchange.dice import Curve, Dice
from vectra_bot.exchange.features.calendar import (
    MINUTE_NS,
    Contests,
    Person,
    Royales,
    utc_text,
    uuid_of,
)
from vectra_bot.exchange.features.chatter import Chatter
from vectra_bot.exchange.features.golden import GoldenEvent as GoldenWindow
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.amounts import number
from vectra_bot.wire.frames import event_text, raw_part
from vectra_bot.wire.notices import (
    BattleUpdate,
    CrateKeys,
    CrateReward,
    GameNotification,
    GoldenEvent,
    GoldenHourUpdate,
    InboxMessages,
    MaintenanceUpdate,
    MutedPlayers,
    RecentCrate,
    RugpassStatus,
)

_EVERY_NS = 15_050 * NS_PER_MS  # interval of schedules that are not empty
_BATTLES_EVERY_NS = 60_000 * NS_PER_MS
_MAINTENANCE_EVERY = 20  # battle updates for each maintenance update; no maintenance is in progress
# Pause between two chat messages, seconds: 15 messages in 161 s of captures.
_PAUSES = Curve(((0.0, 0.2), (0.25, 3.0), (0.5, 7.0), (0.75, 14.0), (0.95, 32.0), (1.0, 70.0)))
_NEVER = 1 << 62
_BATTLES = raw_part(BattleUpdate())
INBOX_AFTER_LOGIN_MS = 2_800
RUGPASS_AFTER_LOGIN_MS = 9_100
"""Delays of ``inboxMessages`` and ``rugpassStatus`` after a login."""


class Notices:
    """Write the events other than the game's.

    Args:
        identities: the source of ids and random numbers.
        people: the players who chat and are listed in tables; without any there is no chat.
        start_ns: start of the venue, nanoseconds since the epoch.

    Attributes:
        royales: the schedule that tick frames carry.
        next_ns: when :meth:`due` has the next event, nanoseconds since the epoch.
    """

    def __init__(self, identities: Identities, people: Sequence[Person], start_ns: int) -> None:
        self._identities = identities
        self._people = people
        self._dice = Dice(identities.dice("notices"))
        self._chatter = Chatter(identities, people)
        self.royales = Royales(identities, people)
        self._contests = Contests(identities, people)
        self._golden_body = Raw(b"{}")
        self._golden = False
        self._window: GoldenEvent | None = None
        self.golden_hour(None, golden=False)
        self._chat_ns = start_ns + self._pause_ns() if self._chatter.anybody else _NEVER
        self._battles_ns = start_ns + _BATTLES_EVERY_NS // 2
        self._battles_sent = 0
        self._schedules_ns = start_ns + _EVERY_NS // 2
        self.look(start_ns)

    @property
    def next_ns(self) -> int:
        """Return when :meth:`due` has the next event, nanoseconds since the epoch."""
        return min(self._chat_ns, self._battles_ns, self._schedules_ns)

    def look(self, at_ns: int) -> None:
        """Update the schedules to *at_ns*, so that the next frame shows the current state."""
        self.royales.look(at_ns)
        self._contests.look(at_ns)

    def due(self, at_ns: int) -> list[str]:
        """Return the events to send to everybody by *at_ns*."""
        texts: list[str] = []
        if at_ns >= self._chat_ns:
            texts.append(self._traced("newChatMessage", self._chatter.say(at_ns)))
            self._chat_ns = at_ns + self._pause_ns()
        if at_ns >= self._battles_ns:
            texts.append(self._traced("battleEventUpdate", _BATTLES))
            self._battles_sent += 1
            if self._battles_sent % _MAINTENANCE_EVERY == 1:
                texts.append(self._traced("maintenanceUpdate", MaintenanceUpdate()))
            self._battles_ns = at_ns + _BATTLES_EVERY_NS
        if at_ns >= self._schedules_ns:
            texts += self._scheduled(at_ns)
            self._schedules_ns = at_ns + _EVERY_NS
        return texts

    def _scheduled(self, at_ns: int) -> list[str]:
        """Return the schedules that are not empty; the others are not repeated."""
        self.look(at_ns)
        texts: list[str] = []
        if self.royales.scheduled:
            texts.append(event_text("rugRoyaleUpdate", self.royales.update))
        if self._contests.scheduled:
            texts.append(self._traced("sidebetEventUpdate", self._contests.brief))
        if self._golden:
            texts.append(self._traced("goldenHourUpdate", self._golden_body))
        return texts

    def _pause_ns(self) -> int:
        return int(_PAUSES.at(self._dice.roll()) * 1_000) * NS_PER_MS

    def _traced(self, name: str, payload: Any, trace_id: str | None = None) -> str:
        fresh, span_id = self._identities.trace()
        return event_text(name, payload, trace_id=trace_id or fresh, span_id=span_id)

    # Events for a new connection and a login.

    def login(self, at_ns: int, trace_id: str | None = None) -> list[str]:
        """Return what follows ``usernameStatus`` after a login, in the order of protocol 2.5.

        *trace_id* is that of ``authenticate``, used for its answers.
        """
        self.look(at_ns)
        return [
            self._traced("mutedPlayers", MutedPlayers(), trace_id),
            self._traced("goldenHourUpdate", self._golden_body, trace_id),
            self._traced("battleEventUpdate", _BATTLES, trace_id),
            event_text("rugRoyaleUpdate", self.royales.update),
            self._traced("sidebetEventUpdate", self._contests.full, trace_id),
            self._traced("battleEventUpdate", _BATTLES),
        ]

    def rugpass_status(self) -> str:
        """Return ``rugpassStatus`` (unverified)."""
        return self._traced("rugpassStatus", RugpassStatus())

    def inbox(self) -> str:
        """Return ``inboxMessages``, which comes twice after a login (unverified)."""
        return self._traced("inboxMessages", InboxMessages())

    def crates(self, player_id: str, start_ns: int) -> tuple[Raw, Raw]:
        """Return ``crateKeys`` and ``recentCrateRewards`` of a player: past crates, without money."""
        dice = Dice(self._identities.dice(f"crates-{player_id}"))
        keys = raw_part(CrateKeys(tier0=1))
        opened_ns = start_ns - dice.index(86_400) * 1_000 * NS_PER_MS
        return keys, raw_part(
            [
                RecentCrate(
                    crate_type="tier0",
                    crate_name="Iron Crate",
                    reward=CrateReward(type="cash", amount=0.001, probability=0.9492),
                    cooldown_ends=opened_ns // NS_PER_MS + 3_600_000,
                    remaining_seconds=3_600,
                )
            ]
        )

    # Golden Hour: the exchange moves the money, the texts are here.

    def golden_hour(self, window: GoldenWindow | None, *, golden: bool) -> str:
        """Return ``goldenHourUpdate``; while there is a *window* it is repeated every 15 s.

        Args:
            window: the running Golden Hour; None for none, or when one is over.
            golden: whether the current game is golden.
        """
        if window is not None:
            self._window = _golden_event(window, self._identities)
        self._golden = window is not None
        event = self._window
        status = "ACTIVE" if self._golden else "INACTIVE" if event is None else "COMPLETED"
        self._golden_body = raw_part(
            GoldenHourUpdate(
                status=status,
                active_event_id=None if event is None else event.id,
                current_event=event,
                events=() if event is None else (event,),
                current_game_is_golden=golden,
            )
        )
        return self._traced("goldenHourUpdate", self._golden_body)

    def golden_game(self, window: GoldenWindow | None, *, golden: bool) -> list[str]:
        """Return the events of a game in a Golden Hour: the running one, or once that it is over."""
        if window is None and not self._golden:
            return []
        texts = [self.golden_hour(window, golden=golden)]
        if window is None:
            texts.append(
                self.notification("Golden Hour has ended! Thanks for taking part.", "goldenhour")
            )
        return texts

    def notification(self, message: str, kind: str) -> str:
        """Return ``gameNotification`` of a *kind* (``goldenhour`` or ``event``)."""
        return self._traced("gameNotification", GameNotification(message=message, type=kind))


def _golden_event(window: GoldenWindow, identities: Identities) -> GoldenEvent:
    length_ns = window.end_ns - window.start_ns
    return GoldenEvent(
        id=f"admin-{uuid_of(identities.derive('golden-event', window.number))}",
        start_time=utc_text(window.start_ns),
        end_time=utc_text(window.end_ns),
        prep_time_minutes=0,
        level_required=rules.GOLDEN_LEVEL,
        status="SCHEDULED",
        created_at=utc_text(window.start_ns - 4 * MINUTE_NS),
        created_by="admin",
        prize_amount=number(float(rules.GOLDEN_PRIZE)),
        max_entries=rules.GOLDEN_MAX_ENTRIES,
        duration_minutes=length_ns // MINUTE_NS,
    )
