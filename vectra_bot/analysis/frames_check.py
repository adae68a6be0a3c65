"""Frames of a capture against our own: shapes, trace arguments and order (protocol 2.2, 3, 5, 10).

Every difference is named unless the one list of exceptions (``frame_exceptions.toml``) has it with a reason.
What the capture shows must be possible in our frames: kinds, keys, types. What ours show must be in the
capture too where its absence could not be chance: a fact that the share p of our games shows is missed in n
games of the capture with the chance (1-p)^n, and that is named below one in a million. Games are counted, not
frames, because frames of one game are not independent; facts that outlast a game (schedules, records, the
last drawing) are not judged that way at all.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from vectra_bot.analysis.frame_capture import ACK, CONNECTED, Seen, read_capture
from vectra_bot.analysis.frame_order import Finding, OrderCheck
from vectra_bot.analysis.frame_reference import own_frames
from vectra_bot.analysis.frame_shapes import STATE, Fact, KeyShape, ObjectShape, Shapes, kind_of
from vectra_bot.errors import InputError
from vectra_bot.wire.states import WireFormat

DEFAULT_GAMES = 200
CHANCE_LIMIT = 1e-6
"""A fact of ours that a capture lacks is named if that has a smaller chance than this."""
WELL_SAMPLED = 5_000
"""A number that was never whole in so many of our frames is not whole in a capture either."""

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

_PRIVATE = ("playerUpdate", "gameStatePlayerUpdate", "usernameStatus", "currentSidebet", ACK, ">")
_LASTING = (
    "rugRoyale",
    "godCandle",
    "highestToday",
    "lastDrawing",
    "currentEvent",
    "events",
    "history",
)
_FEB_KEY = "highestTodayGameId"
_DEC_KEY = "highestTodayPrices"


@frozen(kw_only=True)
class Difference:
    """One thing that is not the same in the capture and in our frames.

    Attributes:
        what: the class of difference, e.g. ``missing-key``.
        kind: the kind of message.
        path: where in it, empty for the message itself.
        expected: what our frames (or the automaton) have.
        found: what the capture has.
        count: how often.
        place: the first line or entry.
        capture: the recording it was first found in.
        game_id: the game, for a finding of order.
        side: ``capture``, or ``ours`` for a fault of our own frames.
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


@frozen(kw_only=True)
class Known:
    """A difference that is listed, with its reason; ``*`` stands for anything in its patterns."""

    kind: str
    path: str = "*"
    what: str = "*"
    game_id: str = "*"
    reason: str

    def covers(self, difference: Difference) -> bool:
        """Return whether it speaks of *difference*."""
        return (
            fnmatchcase(difference.kind, self.kind)
            and fnmatchcase(difference.path, self.path.replace("[", "[[]"))
            and fnmatchcase(difference.what, self.what)
            and fnmatchcase(difference.game_id, self.game_id)
        )


def exceptions() -> tuple[Known, ...]:
    """Return the packaged list of known differences."""
    text = files("vectra_bot.analysis").joinpath("frame_exceptions.toml").read_text("utf-8")
    return tuple(Known(**entry) for entry in tomllib.loads(text)["exception"])


@define
class Slice:
    """One recording of a capture: what was counted in it, and its format."""

    name: str
    order: OrderCheck
    frames: int = 0
    truncated: int = 0
    excerpts: int = 0
    games: dict[str, int] = field(factory=dict)
    marks: set[str] = field(factory=set)
    wire_format: WireFormat | None = None
    private: bool = False

    @property
    def label(self) -> str:
        """Return the name of the format."""
        return self.wire_format.value if self.wire_format else "unknown"


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
        if seen.event != ACK and not seen.excerpt:  # single samples were kept without it
            self.traces.setdefault((name, seen.traced), Fact()).add(1, 1 << game, seen.place)
        if seen.truncated:
            self.shapes.note(kind, game, seen.place)
        else:
            self.shapes.add(kind, seen.bodies, game, seen.place)


@frozen(kw_only=True)
class Result:
    """What a check found."""

    file: str
    slices: list[Slice]
    games: int
    own: dict[str, dict[str, int]]
    seen: dict[str, int]
    differences: list[Difference]
    excepted: list[tuple[Difference, str]]
    tolerated: list[Finding]
    only_ours: dict[str, str]

    @property
    def ok(self) -> bool:
        """Return whether nothing differs but what is listed."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "file": self.file,
            "ok": self.ok,
            "games_per_format": self.games,
            "captures": [
                {
                    "capture": part.name,
                    "format": part.label,
                    "frames": part.frames,
                    "excerpts": part.excerpts,
                    "truncated": part.truncated,
                    "games": len(part.games),
                    "logged_in": part.private,
                }
                for part in self.slices
            ],
            "own_frames": self.own,
            "kinds": self.seen,
            "differences": [asdict(difference) for difference in self.differences],
            "excepted": [
                {**asdict(difference), "reason": reason} for difference, reason in self.excepted
            ],
            "tolerated": [asdict(finding) for finding in self.tolerated],
            "only_ours": self.only_ours,
        }


def check_frames(
    path: str | Path,
    *,
    games: int = DEFAULT_GAMES,
    seed: int = 1,
    strict: bool = False,
    progress: Callable[[WireFormat, int], None] | None = None,
) -> Result:
    """Compare the frames of a capture with those of our exchange.

    Args:
        path: a capture file, a journal directory or a journal segment.
        games: how many games of ours to compare with, in each format the capture has.
        seed: seed of our exchange.
        strict: whether frames that a threaded client let overtake others count as differences.
        progress: told format and number of our games played.

    Raises:
        InputError: *path* is not a capture, or holds no event.
    """
    slices = _slices(path, strict=strict)
    own: dict[WireFormat, Learned] = {}
    listed = exceptions()
    own_findings: dict[WireFormat, list[Finding]] = {}
    for wire_format in _formats(slices.values()):
        own[wire_format], own_findings[wire_format] = _own(wire_format, games, seed, progress)
    best: tuple[list[Difference], list[Finding], dict[WireFormat, Learned]] | None = None
    for choice in _choices(slices.values(), own):
        found = _learn(path, choice)
        differences = [
            difference
            for wire_format, learned in found.items()
            for difference in _compare(learned, own[wire_format])
        ]
        if best is None or len(differences) < len(best[0]):
            best = differences, [], found
    assert best is not None
    differences, _, found = best
    tolerated = []
    for part in slices.values():
        for finding in part.order.close():
            if finding.tolerated:
                tolerated.append(finding)
            else:
                differences.append(_of_order(finding, "capture"))
    for findings in own_findings.values():
        differences += [_of_order(finding, "ours") for finding in findings]
    left, excepted = _sort_out(differences, listed)
    return Result(
        file=str(path),
        slices=list(slices.values()),
        games=games,
        own={
            wire_format.value: {kind: fact.count for kind, fact in learned.shapes.kinds.items()}
            for wire_format, learned in own.items()
        },
        seen=_counts(found.values()),
        differences=left,
        excepted=excepted,
        tolerated=tolerated,
        only_ours=_only_ours(found, own, listed),
    )


def _counts(found: Iterable[Learned]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for learned in found:
        for kind, fact in learned.shapes.kinds.items():
            counts[kind] = counts.get(kind, 0) + fact.count
    return dict(sorted(counts.items()))


def _slices(path: str | Path, *, strict: bool) -> dict[str, Slice]:
    """Read the capture once: its recordings, their formats and the order in them."""
    slices: dict[str, Slice] = {}
    for seen in read_capture(path):
        part = slices.get(seen.capture)
        if part is None:
            part = slices[seen.capture] = Slice(
                seen.capture, OrderCheck(seen.capture, strict=strict)
            )
        part.order.see(seen)
        if seen.event == CONNECTED:
            continue
        part.frames += 1
        part.truncated += seen.truncated
        part.excerpts += seen.excerpt
        body = seen.body
        if isinstance(body, dict):
            if seen.event == STATE:
                part.games.setdefault(str(body.get("gameId")), len(part.games))
                part.marks.update(key for key in (_FEB_KEY, _DEC_KEY) if key in body)
            part.private |= seen.event.startswith(_PRIVATE)
    if not any(part.frames for part in slices.values()):
        raise InputError(f"{path} holds no event: give a capture of frames")
    for part in slices.values():
        if len(part.marks) == 1:
            part.wire_format = WireFormat.FEB if _FEB_KEY in part.marks else WireFormat.DEC
    return slices


def _formats(slices: Iterable[Slice]) -> list[WireFormat]:
    """Return the formats to compare with; both where a recording does not show its own."""
    known = {part.wire_format for part in slices}
    return [fmt for fmt in WireFormat if fmt in known or None in known]


def _choices(
    slices: Iterable[Slice], own: Mapping[WireFormat, Learned]
) -> Iterator[dict[str, WireFormat]]:
    """Yield the format of every recording; those that do not show it are tried as each."""
    slices = list(slices)
    for other in own:
        yield {part.name: part.wire_format or other for part in slices}
        if all(part.wire_format for part in slices):
            return


def _learn(path: str | Path, choice: Mapping[str, WireFormat]) -> dict[WireFormat, Learned]:
    found: dict[WireFormat, Learned] = {}
    games: dict[tuple[str, str], int] = {}
    running: dict[str, int] = {}
    for seen in read_capture(path):
        if seen.event == CONNECTED:
            continue
        body = seen.body
        if isinstance(body, dict) and isinstance(body.get("gameId"), str):
            running[seen.capture] = games.setdefault((seen.capture, body["gameId"]), len(games))
        learned = found.setdefault(choice[seen.capture], Learned())
        learned.add(seen, running.get(seen.capture, 0))
    return found


def _own(
    wire_format: WireFormat,
    games: int,
    seed: int,
    progress: Callable[[WireFormat, int], None] | None,
) -> tuple[Learned, list[Finding]]:
    """Learn our own frames, and follow their order as the player and as the public see it."""
    learned = Learned(shapes=Shapes(skip_repeats=True))
    checks: dict[tuple[str, bool], OrderCheck] = {}
    game = 0

    def tell(done: int) -> None:
        nonlocal game
        game = done
        if progress is not None:
            progress(wire_format, done)

    for seen, everybody in own_frames(wire_format, games, seed, tell):
        learned.add(seen, game)
        for public in (False, True) if everybody else (False,):
            key = seen.capture, public
            check = checks.get(key)
            if check is None:
                name = f"{seen.capture}, public" if public else seen.capture
                check = checks[key] = OrderCheck(name, strict=True)
            check.see(seen)
    return learned, [finding for check in checks.values() for finding in check.close()]


def _compare(capture: Learned, ours: Learned) -> Iterator[Difference]:
    """Yield every difference of shapes and trace arguments."""
    yield from _compare_traces(capture)
    names = {kind.split(" ")[0] for kind in ours.shapes.kinds if kind[0] != ">"}
    for kind, fact in capture.shapes.kinds.items():
        if kind in names and kind not in ours.shapes.kinds:
            continue  # only the trace argument was kept: the variant is not known
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
        mine = dict(ours.shapes.paths(kind))
        named: list[str] = []
        for path, shape in capture.shapes.paths(kind):
            known = mine.get(path)
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


def _compare_traces(capture: Learned) -> Iterator[Difference]:
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
) -> Iterator[Difference]:
    """Yield what differs in the keys and types of the objects at one place."""
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
    """Yield class, sighting, what our frames have and what the capture has, for one key."""
    if mine is None:
        if found is not None:
            yield "unknown-key", found.present, "no such key", " or ".join(found.types)
        return

    def surprising(fact: Fact) -> bool:
        return _surprising(fact, known.objects, shape.objects, path)

    if found is None:
        if not mine.absent.count:
            yield "missing-key", shape.objects, "always there", "not there"
        elif surprising(mine.present):
            yield "never-there", shape.objects, "sometimes there", "never there"
        return
    if found.absent.count and not mine.absent.count:
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
    if type_name in known:
        return True
    if type_name.startswith("text ("):
        return "text" in known
    if type_name == "int" and "float" in known:
        return known["float"].count < WELL_SAMPLED
    return False


def _surprising(fact: Fact, objects: Fact, captured: Fact, path: str) -> bool:
    """Return whether a fact of ours that a capture never shows cannot be missing by chance."""
    if not fact.count or any(word in path for word in _LASTING):
        return False
    ours = objects.games.bit_count()
    share = (fact.games & objects.games).bit_count() / (ours + 1)
    return bool((1 - share) ** captured.games.bit_count() < CHANCE_LIMIT)


def _difference(
    capture: Learned, fact: Fact, *, what: str, kind: str, path: str = "", expected: str, found: str
) -> Difference:
    return Difference(
        what=what,
        kind=kind,
        path=path.removeprefix("payload").removeprefix("."),
        expected=expected,
        found=found,
        count=fact.count,
        place=fact.place,
        capture=capture.captures.get(fact.place, ""),
    )


def _of_order(finding: Finding, side: str) -> Difference:
    return Difference(
        what=f"order-{finding.kind}",
        kind="order",
        expected="the order of protocol 3.1, 3.3 and 10",
        found=finding.what,
        place=finding.place,
        capture=finding.capture,
        game_id=finding.game_id,
        side=side,
    )


def _sort_out(
    differences: Iterable[Difference], listed: Iterable[Known]
) -> tuple[list[Difference], list[tuple[Difference, str]]]:
    left: list[Difference] = []
    excepted: list[tuple[Difference, str]] = []
    for difference in differences:
        reason = next((item.reason for item in listed if item.covers(difference)), None)
        if reason is None:
            left.append(difference)
        else:
            excepted.append((difference, reason))
    return left, excepted


def _only_ours(
    found: Mapping[WireFormat, Learned],
    own: Mapping[WireFormat, Learned],
    listed: Iterable[Known],
) -> dict[str, str]:
    """Return the kinds that the capture lacks, with the reason where one is listed."""
    captured = {kind for learned in found.values() for kind in learned.shapes.kinds}
    lacking: dict[str, str] = {}
    for learned in own.values():
        for kind in learned.shapes.kinds:
            if kind not in captured:
                probe = Difference(what="never-captured", kind=kind)
                reason = next((item.reason for item in listed if item.covers(probe)), "")
                lacking[kind] = reason
    return dict(sorted(lacking.items()))
