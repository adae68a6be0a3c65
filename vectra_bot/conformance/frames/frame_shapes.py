"""Shapes of frames: the keys an object always or sometimes has, and the types of their values.

A shape is learned from many frames. Objects are distinguished by their path (``leaderboard[active]``)
and, where the venue sends one list of several row shapes, by the row's variant. The order of keys is not
part of a shape (protocol 5.2). Every fact knows in which games it was seen, because frames of one game are
not independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field

from vectra_bot.conformance.frames.frame_capture import Seen

STATE = "gameStateUpdate"
TRADE = "standard/newTrade"

# Objects whose keys are data (ticks, ranks, coin addresses), not names.
_MAPS = frozenset({"values", "customPrizes", "prizeTiers", "shitcoinBalances"})
_ROWS = frozenset({"leaderboard", "leaderboardEntry"})
_PNL_PARTS = ("regularPnl", "sidebetPnl", "shortPnl")
_HEX = frozenset("0123456789abcdef")
_GAME_ID = 25
_HASH = 64
_UUID = 36
_TIME = 24

Signature = tuple[tuple[str, str], ...]
"""The keys of an object with the types of their values."""


def kind_of(seen: Seen) -> str:
    """Return the kind of a message: the event's name, and its variant if shapes differ."""
    name, body = seen.event, seen.body
    if seen.outbound:
        return f"> {name}"
    if not isinstance(body, dict):
        return name
    if name == STATE:
        return f"{name} {state_kind(body)}"
    if name == TRADE:
        return f"{name} {body.get('type')}"
    if name == "sidebetEventUpdate" and not _has(body, 1, "leaderboard", "history", "config"):
        return f"{name} brief"
    return name


def state_kind(body: dict[str, Any]) -> str:
    """Return which of the shapes of protocol 5.1 a ``gameStateUpdate`` has.

    Several keys determine it, so that one wrong key does not make it another kind.
    """
    if _has(body, 2, "gameHistory", "availableShitcoins", "highestToday", "godCandle50x"):
        return _record_kind(body)
    if _has(body, 2, "tradeCount", "rugpool", "averageMultiplier", "count2x"):
        if body.get("rugged") is True:
            return "rug"
        return "presale-opening" if body.get("cooldownTimer") or _presale(body) else "tick"
    if _has(body, 3, "price", "active", "tickCount", "gameVersion", "partialPrices"):
        return "start"
    return "countdown"


def _record_kind(body: dict[str, Any]) -> str:
    if "prices" in body:
        return "snapshot"
    if body.get("rugged") is True:
        return "settlement"
    if body.get("cooldownTimer") and not _presale(body):
        return "new-game"
    return "golden-start" if "partialPrices" in body else "snapshot"


def _presale(body: dict[str, Any]) -> bool:
    return body.get("allowPreRoundBuys") is True


def _has(body: dict[str, Any], least: int, *keys: str) -> bool:
    return sum(key in body for key in keys) >= least


def type_of(value: Any) -> str:
    """Return the JSON type of a value, with the form of a text that has one (an id, a hash, a time)."""
    kind = type(value)
    if kind is float:
        return "float" if not value.is_integer() else "float written with .0"
    if kind is str:
        return _text_form(value)
    return _TYPES[kind]


_TYPES: dict[type, str] = {
    int: "int",
    bool: "bool",
    type(None): "null",
    dict: "object",
    list: "list",
}


def _text_form(text: str) -> str:
    size = len(text)
    if size == _GAME_ID and text[8] == "-" and text[:8].isdigit():
        return "text (game id)"
    if size == _HASH and _HEX.issuperset(text):
        return "text (64 hex digits)"
    if size == _UUID and text[8] == text[13] == "-":
        return "text (UUID)"
    if size == _TIME and text[10] == "T" and text[-1] == "Z":
        return "text (UTC time)"
    if text.startswith("did:privy:") and text.isascii() and size == _PLAYER_ID:
        return "text (player id)"
    return "text"


_PLAYER_ID = 35


@define
class Fact:
    """Occurrences of something: count, games (a bit each), and place of the first."""

    count: int = 0
    games: int = 0
    place: int = 0

    def add(self, count: int, games: int, place: int) -> None:
        """Add occurrences."""
        if not self.count or place < self.place:
            self.place = place
        self.count += count
        self.games |= games


@define
class KeyShape:
    """Presence and types of one key of an object; ``optional`` if it may be absent although it never was."""

    present: Fact = field(factory=Fact)
    absent: Fact = field(factory=Fact)
    types: dict[str, Fact] = field(factory=dict)
    optional: bool = False

    def allow(self, type_name: str) -> None:
        """Add a type that values can have, whether or not one was seen."""
        self.types.setdefault(type_name, Fact())


@define
class ObjectShape:
    """The keys of the objects at one path."""

    objects: Fact = field(factory=Fact)
    keys: dict[str, KeyShape] = field(factory=dict)


class Shapes:
    """Learned shapes by kind and path; a path reads ``leaderboard[active].sideBet``.

    Args:
        skip_repeats: count a part that is equal in consecutive messages only once per game, which
            changes only counts, not what was seen and where.
    """

    def __init__(self, *, skip_repeats: bool = False) -> None:
        self.kinds: dict[str, Fact] = {}
        self._last: dict[str, dict[str, tuple[int, Any]]] | None = {} if skip_repeats else None
        self._paths: dict[str, dict[str, dict[Signature, Fact]]] = {}

    def add(self, kind: str, bodies: tuple[Any, ...], game: int, place: int) -> None:
        """Learn from one message of a *kind*; *game* numbers the game it belongs to, from 0."""
        bit = 1 << game
        self.kinds.setdefault(kind, Fact()).add(1, bit, place)
        paths = self._paths.setdefault(kind, {})
        names = [
            "payload",
            *(f"argument {back} from the end" for back in range(2, len(bodies) + 1)),
        ]
        names = names[: len(bodies)]
        last = None if self._last is None else self._last.setdefault(kind, {})
        walk = _Walk(paths, bit, place, last)
        walk.object("", dict(zip(names, reversed(bodies), strict=True)))

    def note(self, kind: str, game: int, place: int) -> None:
        """Count a message whose body was not stored."""
        self.kinds.setdefault(kind, Fact()).add(1, 1 << game, place)

    def paths(self, kind: str) -> Iterator[tuple[str, ObjectShape]]:
        """Yield the path and the shape of every object that messages of *kind* had."""
        for path, signatures in self._paths.get(kind, {}).items():
            yield path, _shape(signatures)


def _shape(signatures: dict[Signature, Fact]) -> ObjectShape:
    shape = ObjectShape()
    for signature, fact in signatures.items():
        shape.objects.add(fact.count, fact.games, fact.place)
        for key, kind in signature:
            known = shape.keys.setdefault(key, KeyShape())
            known.types.setdefault(kind, Fact()).add(fact.count, fact.games, fact.place)
            known.present.add(fact.count, fact.games, fact.place)
    for signature, fact in signatures.items():
        for key in shape.keys.keys() - {key for key, _ in signature}:
            shape.keys[key].absent.add(fact.count, fact.games, fact.place)
    return shape


@define
class _Walk:
    """Adds one message to the known paths of its kind."""

    paths: dict[str, dict[Signature, Fact]]
    game: int
    place: int
    last: dict[str, tuple[int, Any]] | None

    def object(self, path: str, value: dict[str, Any]) -> None:
        """Record the signature of an object, then those of the objects in it."""
        self.note(path, tuple([(key, type_of(item)) for key, item in value.items()]))
        for key, item in value.items():
            if type(item) is dict:
                inner = f"{path}.{key}" if path else key
                if path != "payload" or not self._repeats(inner, item):
                    self._inner(inner, key, item)
            elif type(item) is list and item:
                inner = f"{path}.{key}" if path else key
                if path != "payload" or not self._repeats(inner, item):
                    self._items(inner, key, item)

    def _repeats(self, path: str, item: Any) -> bool:
        """Return whether the last message of this game had the same part."""
        if self.last is None:
            return False
        known = self.last.get(path)
        if known is not None and known[0] == self.game and known[1] == item:
            return True
        self.last[path] = (self.game, item)
        return False

    def _inner(self, path: str, key: str, item: dict[str, Any]) -> None:
        if key in _MAPS:
            for entry in item.values():
                self.note(path, (("*", type_of(entry)),))
            return
        self.object(path + _variant(key, item), item)

    def _items(self, path: str, key: str, items: list[Any]) -> None:
        for kind in {type_of(item) for item in items if type(item) is not dict}:
            self.note(f"{path}[]", (("*", kind),))
        for item in items:
            if type(item) is dict:
                self.object(path + (_variant(key, item) or "[]"), item)

    def note(self, path: str, signature: Signature) -> None:
        """Count an object's signature."""
        known = self.paths.setdefault(path, {})
        fact = known.get(signature)
        if fact is None:
            fact = known[signature] = Fact(0, 0, self.place)
        fact.count += 1
        fact.games |= self.game


def _variant(key: str, row: dict[str, Any]) -> str:
    """Return which of several row shapes a row of a list has (protocol 5.2, 5.4)."""
    if key in _ROWS and ("id" in row or "positionQty" in row):
        return "[active]" if any(part in row for part in _PNL_PARTS) else "[presale]"
    if key == "globalSidebets":
        if row.get("type") == "placed":
            return "[placed]"
        return "[won]" if "price" in row or "level" in row else "[lost]"
    return ""
