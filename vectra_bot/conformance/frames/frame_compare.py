"""Compare two sets of frames: what a capture shows must be possible in ours, and vice versa.

What ours show must be in the capture too, unless its absence can be chance: a fact in the share p of our
games is missing in n games of the capture with the chance (1-p)^n, and is reported if that is below one in
a million. Games are counted, not frames, because frames of one game are not independent; facts that outlast
a game (schedules, records, the last drawing) are not judged this way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from vectra_bot.conformance.frames.frame_capture import ACK, Seen
from vectra_bot.conformance.frames.frame_possible import Possible
from vectra_bot.conformance.frames.frame_shapes import (
    STATE,
    Fact,
    KeyShape,
    ObjectShape,
    Shapes,
    kind_of,
)

CHANCE_LIMIT = 1e-6
"""A fact of our frames that a capture lacks is reported if the chance of that is below this."""

# Protocol 2.2: which events carry a trace object in front, and which never do.
TRACED = frozenset(
    {
        "standard/newTrade", "newChatMessage", "battleEventUpdate", "goldenHourUpdate", "goldenHourDrawing",
        "sidebetEventUpdate", "maintenanceUpdate", "newSideBet", "usernameStatus", "mutedPlayers",
        "leaderboardData", "playerLeaderboardPosition", "playerCosmetics", "inboxMessages", "rugpassStatus",
        "rugpoolDrawing", "rugpoolStatus", "gameNotification", "chatHistory", "currentSidebet",
        "currentSidebetResult", "> authenticate", "> buyOrder", "> requestSidebet",
    }
)  # fmt: skip
UNTRACED = frozenset(
    {
        STATE, "gameStatePlayerUpdate", "playerUpdate", "rugRoyaleUpdate", "> chatHistory",
        "> getLeaderboard", "> getPlayerLeaderboardPosition", "> getPlayerCosmetics", "> checkUsername",
        "> ping",
    }
)  # fmt: skip

_LASTING = (
    "rugRoyale",
    "godCandle",
    "highestToday",
    "lastDrawing",
    "currentEvent",
    "events",
    "history",
)


@frozen(kw_only=True)
class FrameDifference:
    """One difference between the capture and our frames.

    Attributes:
        what: the class of difference, e.g. ``missing-key``.
        kind: the kind of message.
        path: path within the message, empty for the message itself.
        expected: what our frames (or the automaton) have.
        found: what the capture has.
        count: number of occurrences.
        place: line or entry of the first occurrence.
        capture: the recording it was first found in.
        game_id: the game, for a finding about order.
        side: ``capture``, or ``ours`` for an error in our frames.
    """

    what: str
    kind: str
    path: str = ""
    expected: str = ""
    found: str = ""
    count: int = 1
    place: int = 0
    capture: str = ""
    game_id: str = ""
    side: str = "capture"

    def line(self) -> str:
        """Return the difference as one line of text."""
        where = f"{self.kind}: {self.path}" if self.path else self.kind
        at = f" ({self.capture or 'capture'}, line {self.place})" if self.place else ""
        return f"{self.what}: {where}: expected {self.expected}, found {self.found}{at}"


@define
class Learned:
    """What was learned of one side in one format."""

    shapes: Shapes = field(factory=Shapes)
    traces: dict[tuple[str, bool], Fact] = field(factory=dict)
    captures: dict[int, str] = field(factory=dict)

    def add(self, seen: Seen, game: int) -> None:
        """Learn one event."""
        self.captures.setdefault(seen.place, seen.capture)
        kind = kind_of(seen)
        name = f"> {seen.event}" if seen.outbound else seen.event
        if seen.event != ACK and not seen.excerpt:  # single samples were stored without it
            self.traces.setdefault((name, seen.traced), Fact()).add(1, 1 << game, seen.place)
        if seen.truncated:
            self.shapes.note(kind, game, seen.place)
        else:
            self.shapes.add(kind, seen.bodies, game, seen.place)


def compare(capture: Learned, ours: Learned) -> Iterator[FrameDifference]:
    """Yield every difference of shapes and trace arguments."""
    yield from _compare_traces(capture)
    possible = Possible(ours.shapes)
    names = {kind.split(" ")[0] for kind in ours.shapes.kinds if kind[0] != ">"}
    for kind, fact in capture.shapes.kinds.items():
        if kind in names and kind not in ours.shapes.kinds:
            continue  # only the trace argument was stored: the variant is unknown
        if kind not in ours.shapes.kinds:
            yield _difference(
                capture,
                fact,
                what="unknown-kind",
                kind=kind,
                expected="no such message",
                found="some",
            )
            continue
        mine = possible.paths(kind)
        named: list[str] = []
        for path, shape in capture.shapes.paths(kind):
            known = mine.get(path) or possible.shared(kind, path)
            if known is not None:
                for difference in _compare_objects(capture, kind, path, shape, known):
                    named.append(difference.path)
                    yield difference
            elif not path.removeprefix("payload").removeprefix(".").startswith(tuple(named)):
                difference = _difference(
                    capture, shape.objects, what="unknown-object", kind=kind, path=path,
                    expected="nothing there", found=_objects(shape),
                )  # fmt: skip
                named.append(difference.path)
                yield difference


def _compare_traces(capture: Learned) -> Iterator[FrameDifference]:
    for (name, traced), fact in capture.traces.items():
        wanted = True if name in TRACED else False if name in UNTRACED else None
        if wanted is not None and traced is not wanted:
            yield _difference(
                capture, fact, what="trace", kind=name,
                expected="a trace object first" if wanted else "no trace object",
                found="none" if wanted else "one",
            )  # fmt: skip


def _objects(shape: ObjectShape) -> str:
    return f"an object with {', '.join(shape.keys)}"


def _compare_objects(
    capture: Learned, kind: str, path: str, shape: ObjectShape, known: ObjectShape
) -> Iterator[FrameDifference]:
    """Yield the differences in keys and types of the objects at one path."""
    for key in {**shape.keys, **known.keys}:
        place = path if key == "*" else f"{path}.{key}".strip(".")
        found, mine = shape.keys.get(key), known.keys.get(key)
        for what, fact, expected, seen in _compare_key(found, mine, shape, known, place):
            yield _difference(
                capture, fact, what=what, kind=kind, path=place, expected=expected, found=seen
            )


_Fault = tuple[str, Fact, str, str]


def _compare_key(
    found: KeyShape | None, mine: KeyShape | None, shape: ObjectShape, known: ObjectShape, path: str
) -> Iterator[_Fault]:
    """Yield class of difference, occurrences, our value and the capture's, for one key."""
    if mine is None:
        if found is not None:
            yield "unknown-key", found.present, "no such key", " or ".join(found.types)
        return

    def surprising(fact: Fact) -> bool:
        return _surprising(fact, known.objects, shape.objects, path)

    if found is None:
        if not (mine.absent.count or mine.optional):
            yield "missing-key", shape.objects, "always there", "not there"
        elif surprising(mine.present):
            yield "never-there", shape.objects, "sometimes there", "never there"
        return
    if found.absent.count and not (mine.absent.count or mine.optional):
        yield "missing-key", found.absent, "always there", "not there"
    elif not found.absent.count and surprising(mine.absent):
        yield "always-there", found.present, "sometimes absent", "always there"
    types = " or ".join(found.types)
    for type_name, fact in found.types.items():
        if not _type_allowed(type_name, mine.types):
            yield "type", fact, " or ".join(mine.types), type_name
    yield from (
        ("never-of-type", found.present, type_name, types)
        for type_name, fact in mine.types.items()
        if type_name not in found.types and surprising(fact)
    )


def _type_allowed(type_name: str, known: Mapping[str, Fact]) -> bool:
    return type_name in known or (type_name.startswith("text (") and "text" in known)


def _surprising(fact: Fact, objects: Fact, captured: Fact, path: str) -> bool:
    """Return whether a fact of our frames cannot be missing in the capture by chance."""
    if not fact.count or any(word in path for word in _LASTING):
        return False
    ours = objects.games.bit_count()
    share = (fact.games & objects.games).bit_count() / (ours + 1)
    return bool((1 - share) ** captured.games.bit_count() < CHANCE_LIMIT)


def _difference(
    capture: Learned, fact: Fact, *, what: str, kind: str, path: str = "", expected: str, found: str
) -> FrameDifference:
    return FrameDifference(
        what=what,
        kind=kind,
        path=path.removeprefix("payload").removeprefix("."),
        expected=expected,
        found=found,
        count=fact.count,
        place=fact.place,
        capture=capture.captures.get(fact.place, ""),
    )


def unseen(capture: Learned, ours: Learned) -> Iterator[str]:
    """Yield what our messages show and the capture's messages of the same kind never do."""
    for kind in capture.shapes.kinds:
        theirs = dict(capture.shapes.paths(kind))
        if not theirs:
            continue
        for path, shape in ours.shapes.paths(kind):
            there = theirs.get(path)
            name = f"{kind}: {path.removeprefix('payload').removeprefix('.')}".rstrip(": ")
            if there is None:
                yield name
                continue
            for key, known in shape.keys.items():
                found = there.keys.get(key)
                if found is None:
                    yield f"{name}.{key}"
                elif types := sorted(known.types.keys() - found.types.keys() - _NUMBERS):
                    yield f"{name}.{key}: {', '.join(types)}"


_NUMBERS = frozenset({"int", "float"})
