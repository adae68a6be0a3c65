"""Compare a capture's frames with ours: shapes, trace arguments and order (protocol 2.2, 3, 5, 10).

Every difference is reported unless the list of exceptions (``frame_exceptions.toml``) has it with a reason.
The comparison of shapes is described in :mod:`vectra_bot.conformance.frames.frame_compare`, that of order in
:mod:`vectra_bot.conformance.frames.frame_order`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen

from vectra_bot.conformance.frames.capture_rows import shown
from vectra_bot.conformance.frames.frame_capture import ACK, CONNECTED, Seen, read_capture
from vectra_bot.conformance.frames.frame_compare import FrameDifference, Learned, compare, unseen
from vectra_bot.conformance.frames.frame_order import OrderCheck, OrderFinding
from vectra_bot.conformance.frames.frame_reference import own_frames
from vectra_bot.conformance.frames.frame_shapes import STATE, Shapes
from vectra_bot.errors import InputError
from vectra_bot.models.times import NS_PER_S
from vectra_bot.venues.captures.times import RELATIVE
from vectra_bot.wire.older import format_of
from vectra_bot.wire.states import WireFormat

DEFAULT_GAMES = 200
_PRIVATE = ("playerUpdate", "gameStatePlayerUpdate", "usernameStatus", "currentSidebet", ACK, ">")
_FEB_KEY = "highestTodayGameId"
_DEC_KEY = "highestTodayPrices"


@frozen(kw_only=True)
class Known:
    """A listed exception with its reason; ``*`` in its patterns matches anything."""

    kind: str
    path: str = "*"
    what: str = "*"
    game_id: str = "*"
    found: str = "*"
    reason: str

    def covers(self, difference: FrameDifference) -> bool:
        """Return whether the exception matches *difference*."""
        if difference.what == "trace":  # for every event it is known whether it has one
            return False
        return (
            fnmatchcase(difference.kind, self.kind)
            and fnmatchcase(difference.path, self.path.replace("[", "[[]"))
            and fnmatchcase(difference.what, self.what)
            and fnmatchcase(difference.game_id, self.game_id)
            and fnmatchcase(difference.found, self.found)
        )


def exceptions() -> tuple[Known, ...]:
    """Return the packaged list of exceptions."""
    text = (
        files("vectra_bot.conformance.frames").joinpath("frame_exceptions.toml").read_text("utf-8")
    )
    return tuple(Known(**entry) for entry in tomllib.loads(text)["exception"])


@define
class Slice:
    """One recording of a capture: its counts and its format."""

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


@frozen(kw_only=True)
class FramesResult:
    """The result of a check.

    Attributes:
        file: the checked capture.
        slices: the recordings in it.
        games: number of our games in each format.
        own: number of our messages by format and kind.
        seen: number of the capture's messages by kind.
        differences: differences that are not listed as exceptions.
        excepted: differences that are listed, with the reason.
        tolerated: frames overtaken because of a threaded client.
        only_ours: kinds that the capture lacks, with the reason where one is listed.
        unseen: keys and types of our frames that the capture never shows, in kinds it has: not verified.
    """

    file: str
    slices: list[Slice]
    games: int
    own: dict[str, dict[str, int]]
    seen: dict[str, int]
    differences: list[FrameDifference]
    excepted: list[tuple[FrameDifference, str]]
    tolerated: list[OrderFinding]
    only_ours: dict[str, str]
    unseen: list[str]

    @property
    def ok(self) -> bool:
        """Return whether there are no differences except listed ones."""
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
            "unseen": self.unseen,
        }


@define
class Own:
    """Our frames in one format: shapes, and errors in the order of our frames."""

    learned: Learned
    findings: list[OrderFinding]


class Reference:
    """Our frames, played when a format is first requested and then cached.

    Args:
        games: number of games in each format.
        seed: seed of our exchange.
        progress: called with the format and the number of games played.
    """

    def __init__(
        self,
        games: int = DEFAULT_GAMES,
        seed: int = 1,
        progress: Callable[[WireFormat, int], None] | None = None,
    ) -> None:
        self.games = games
        self._seed = seed
        self._progress = progress
        self._own: dict[WireFormat, Own] = {}

    def of(self, wire_format: WireFormat) -> Own:
        """Return our frames in a format."""
        own = self._own.get(wire_format)
        if own is None:
            own = self._own[wire_format] = _own(wire_format, self.games, self._seed, self._progress)
        return own


def check_frames(
    path: str | Path, reference: Reference | None = None, *, strict: bool = False
) -> FramesResult:
    """Compare the frames of a capture with those of our exchange.

    Args:
        path: a capture file, a journal directory or a journal segment.
        reference: our frames, by default of 200 games in each format the capture has.
        strict: whether frames overtaken because of a threaded client count as differences.

    Raises:
        InputError: *path* is not a capture, or has no events.
    """
    reference = reference or Reference()
    slices = _slices(path, strict=strict)
    formats = _formats(slices.values())
    differences, found = _best_match(path, slices, formats, reference)
    tolerated = []
    for part in slices.values():
        for finding in part.order.close():
            if finding.tolerated:
                tolerated.append(finding)
            else:
                differences.append(_of_order(finding, "capture"))
    for wire_format in formats:
        differences += [_of_order(item, "ours") for item in reference.of(wire_format).findings]
    own = {wire_format: reference.of(wire_format).learned for wire_format in formats}
    listed = exceptions()
    left, excepted = _sort_out(differences, listed)
    return FramesResult(
        file=str(path),
        slices=list(slices.values()),
        games=reference.games,
        own={fmt.value: _counts([learned]) for fmt, learned in own.items()},
        seen=_counts(found.values()),
        differences=left,
        excepted=excepted,
        tolerated=tolerated,
        only_ours=_only_ours(found, own, listed),
        unseen=sorted({line for fmt in found for line in unseen(found[fmt], own[fmt])}),
    )


def _best_match(
    path: str | Path,
    slices: Mapping[str, Slice],
    formats: list[WireFormat],
    reference: Reference,
) -> tuple[list[FrameDifference], dict[WireFormat, Learned]]:
    """Compare shapes; recordings of unknown format are taken as the format that fits better."""
    best: tuple[list[FrameDifference], dict[WireFormat, Learned]] | None = None
    for choice in _choices(slices.values(), formats):
        found = _learn(path, choice)
        differences = [
            difference
            for wire_format, learned in found.items()
            for difference in compare(learned, reference.of(wire_format).learned)
        ]
        if best is None or len(differences) < len(best[0]):
            best = differences, found
    if best is None:
        raise AssertionError("a capture without a format")
    return best


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
        _refuse_older(path, seen)
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
        raise InputError(f"{path} has no events: give a capture of frames")
    for part in slices.values():
        if len(part.marks) == 1:
            part.wire_format = WireFormat.FEB if _FEB_KEY in part.marks else WireFormat.DEC
    return slices


def _refuse_older(path: str | Path, seen: Seen) -> None:
    """Refuse a frame of a format that our exchange does not write."""
    body = seen.body if isinstance(seen.body, dict) else {}
    dated = seen.at_s >= RELATIVE and format_of(round(seen.at_s * NS_PER_S), b"") is not None
    if dated or seen.event == "newTrade" or "candles" in body:
        raise InputError(
            f"{shown(path)}, line {seen.place}: a frame of an older format than December 2025, which the "
            "embedded exchange does not write: use vectra-bot replay or vectra-bot store import"
        )


def _formats(slices: Iterable[Slice]) -> list[WireFormat]:
    """Return the formats to compare with; both if a recording does not show its format."""
    known = {part.wire_format for part in slices}
    return [fmt for fmt in WireFormat if fmt in known or None in known]


def _choices(slices: Iterable[Slice], formats: list[WireFormat]) -> Iterator[dict[str, WireFormat]]:
    """Yield the format of every recording; those of unknown format are tried as each."""
    slices = list(slices)
    for other in formats:
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
) -> Own:
    """Learn our frames, and check their order as received by the player and by the public."""
    learned = Learned(shapes=Shapes(skip_repeats=True))
    checks: dict[tuple[str, bool], OrderCheck] = {}
    game = 0

    def report(done: int) -> None:
        nonlocal game
        game = done
        if progress is not None:
            progress(wire_format, done)

    for seen, everybody in own_frames(wire_format, games, seed, report):
        learned.add(seen, game)
        for public in (False, True) if everybody else (False,):
            key = seen.capture, public
            check = checks.get(key)
            if check is None:
                name = f"{seen.capture}, public" if public else seen.capture
                check = checks[key] = OrderCheck(name, strict=True)
            check.see(seen)
    return Own(learned, [finding for check in checks.values() for finding in check.close()])


def _of_order(finding: OrderFinding, side: str) -> FrameDifference:
    return FrameDifference(
        what=f"order-{finding.kind}",
        kind="order",
        expected="the order of protocol 3.1, 3.3, 10",
        found=finding.what,
        place=finding.place,
        capture=finding.capture,
        game_id=finding.game_id,
        side=side,
    )


def _sort_out(
    differences: Iterable[FrameDifference], listed: Iterable[Known]
) -> tuple[list[FrameDifference], list[tuple[FrameDifference, str]]]:
    left: list[FrameDifference] = []
    excepted: list[tuple[FrameDifference, str]] = []
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
                probe = FrameDifference(what="never-captured", kind=kind)
                reason = next((item.reason for item in listed if item.covers(probe)), "")
                lacking[kind] = reason
    return dict(sorted(lacking.items()))
