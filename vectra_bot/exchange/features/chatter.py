"""Made-up chat: a few regulars with a few phrases; no text is from a real person (protocol 5.9)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from attrs import frozen

from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.calendar import Person
from vectra_bot.exchange.identities import Identities
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.notices import ChatMessage, ReplyTo

_REGULARS = 14
_REMEMBERED = 20
_MODS = 9  # one in 9 is a moderator
_UNVERIFIED = 5  # one in 5 has no linked name
_REPLIES = 0.13
_TAGS = ("ghoul", "ogplayer", "whale", "turtle")
_OPENERS = ("well", "ok", "hm", "wow", "lol", "so", "and", "no way,", "as i said,", "again")
_SAYINGS = (
    "that was quick", "one more candle", "sold too early", "sold too late", "the dip is deep today",
    "who bought up there", "waiting for two", "out at break even", "green again", "red again",
    "forty ticks and nothing", "the sidebet was close", "small stakes tonight", "good morning all",
    "gone for coffee", "back from coffee", "nice exit", "that hurt", "what a climb", "flat as a table",
    "in for the presale", "skipping this one", "my hands are shaking", "see you at ten",
)  # fmt: skip


@frozen
class _Regular:
    person: Person
    role: str | None
    tag: str | None
    verified: bool


class Chatter:
    """Generate chat messages and sometimes replies."""

    def __init__(self, identities: Identities, people: Sequence[Person]) -> None:
        self._dice = dice = Dice(identities.dice("chat"))
        named = [person for person in people if person.username is not None]
        step = max(1, len(named) // _REGULARS)
        self._regulars = [
            _Regular(
                person=person,
                role="mod" if place % _MODS == 1 else None,
                tag=_TAGS[dice.index(len(_TAGS))] if place % 2 else None,
                verified=place % _UNVERIFIED != _UNVERIFIED - 1,
            )
            for place, person in enumerate(named[::step][:_REGULARS])
        ]
        self._said: deque[ChatMessage] = deque(maxlen=_REMEMBERED)

    @property
    def anybody(self) -> bool:
        """Return whether there are any players to write messages."""
        return bool(self._regulars)

    def say(self, at_ns: int) -> ChatMessage:
        """Return the next message; a few regulars write most of them."""
        dice = self._dice
        share = dice.roll()
        regular = self._regulars[int(share * share * len(self._regulars))]
        words = _SAYINGS[dice.index(len(_SAYINGS))]
        if dice.chance(0.4):
            words = f"{_OPENERS[dice.index(len(_OPENERS))]} {words}"
        person = regular.person
        message = ChatMessage(
            player_id=person.player_id,
            username=person.username,
            level=person.level,
            message=words,
            timestamp=at_ns // NS_PER_MS,
            role=regular.role,
            tag="mod" if regular.role else regular.tag,
            verified=regular.verified,
            discord_username=f"{person.username}." if regular.verified else None,
            reply_to=self._reply() if dice.chance(_REPLIES) else None,
        )
        self._said.append(message)
        return message

    def _reply(self) -> ReplyTo | None:
        if not self._said:
            return None
        earlier = self._said[self._dice.index(len(self._said))]
        return ReplyTo(
            key=f"{earlier.player_id}-{earlier.timestamp}",
            username=earlier.username,
            message=earlier.message,
        )
