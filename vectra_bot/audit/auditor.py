"""Verify a feed's statements about every game against the seed that the venue reveals afterwards.

Theory of operation. Before a game the venue publishes the hash of its seed; the seed itself comes with the
first frame of the next game, in ``gameHistory``, and stays there for ten games (protocol 3.3, 4.1, 5.3).
From the seed the law gives every price. So each statement of the feed about a game is kept as a *claim*
until then: the hash, the price of every tick, live or filled in later, the rug. When the seed is known the
claims are compared with the law, bit for bit, and the finished game is reported in one ``game.finished``
event. If anything differs, one alert for that game names the first difference, however many there are.

Only claims are compared: a gap, a game joined late, ticks that repeat or come in another order are not
differences. Versions of the law other than v3 reproduce none of our real games (protocol 4.6), so for such
a game only the hash is checked, and its verdict is ``unverified``.

Memory does not grow with the length of a session: games that wait for their seed and games already decided
are kept in small numbers.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from attrs import define, field, frozen

from vectra_bot.audit.claims import Claims, differences_of, ranges
from vectra_bot.audit.findings import MAX_TEXT, FailedGame, disagreement, finished_game
from vectra_bot.engine.auditing import AuditFinding, Findings
from vectra_bot.errors import safe_text
from vectra_bot.game import fair, rules
from vectra_bot.game.changes import Change, GameOpened, GapSeen, Rugged, TickSeen
from vectra_bot.kernel.play import play_game
from vectra_bot.models import (
    FinishedGame,
    FrameKind,
    GameFrame,
    GamePhase,
    GameTick,
    SystemEvent,
)

MISSED_KIND: Final = "game.missed"
"""Kind of the system event that marks a whole game of which no frame was seen."""
GAP_KIND: Final = "game.gap"
LOST_KIND: Final = "history.gap"
"""Kind of the system event that says that games are missing which the history no longer shows."""
UNVERIFIED_KIND: Final = "game.unverified"

MAX_ENTRIES = 64  # of one gameHistory; the venue's has 10
MAX_WAITING = 16  # games without a seed yet
MAX_DECIDED = 256
MAX_FAILED = 100
MAX_WINDOW = 64  # of one frame's price window; the venue's has 5
# A seed missing in three consecutive histories will not come: each has the ten games before it.
MAX_HISTORIES = 3
_FACTS: Final = (
    "serverSeed", "serverSeedHash", "peakMultiplier", "gameVersion", "timestamp", "rugged", "prices",
    "globalSidebets",
)  # fmt: skip
_DIGITS: Final = 16


@frozen
class _Decided:
    """A finished game that was reported, as the history first showed it."""

    facts: tuple[object, ...]
    verdict: str
    alerted: bool
    counted: bool = False


@define
class AuditCounts:
    """Games and findings so far.

    ``games`` are those that ended while the session ran, whole games missed among them; each of them is
    verified, failed or unverified. ``history_games`` are distinct finished games, those before the session
    included.
    """

    games: int = 0
    verified: int = 0
    failed: int = 0
    unverified: int = 0
    missed: int = 0
    alerts: int = 0
    gaps: int = 0
    missing_ticks: int = 0
    history_games: int = 0
    sidebet_rows: int = 0


@define
class FairAuditor:
    """The audit of a session; satisfies :class:`vectra_bot.engine.auditing.Auditor`.

    Args:
        session_id: the ids of alerts are derived from it.

    Attributes:
        failed: the first games that disagree with their seed; ``counts.alerts`` is their total number.
    """

    session_id: str
    counts: AuditCounts = field(factory=AuditCounts)
    failed: list[FailedGame] = field(factory=list)
    wire_format: str | None = None
    _games: OrderedDict[str, Claims] = field(factory=OrderedDict)
    _decided: OrderedDict[str, _Decided] = field(factory=OrderedDict)
    _now_ns: int = 0
    _based: bool = False
    _current: str = ""

    # Claims.

    def on_change(self, change: Change) -> None:
        """Record the ticks that are stored, and the gaps that are marked."""
        if isinstance(change, GameOpened):
            self._current = change.game_id
        elif isinstance(change, GameTick | TickSeen):
            tick = change if isinstance(change, GameTick) else change.tick
            if tick.game_id in self._decided or tick.phase is not GamePhase.ACTIVE:
                return
            claims = self._claims(tick.game_id)
            claims.stored.add(tick.tick)
            claims.price(tick.tick, tick.price)
        elif isinstance(change, GapSeen):
            self.counts.gaps += 1
            claims = self._claims(self._current)
            claims.marked.update(range(change.first, min(change.last, rules.MAX_TICKS) + 1))
        elif isinstance(change, Rugged) and self._current not in self._decided:
            self._claims(self._current).end = change.rug_tick

    def on_frame(self, frame: GameFrame) -> Findings:
        """Record the claims of *frame*, and report the games whose seeds it reveals."""
        self._now_ns = max(self._now_ns, frame.recv_ns)
        if frame.game_id not in self._decided and len(frame.game_id) <= MAX_TEXT:
            self._note(self._claims(frame.game_id), frame)
        findings = list(self._read_history(frame)) if frame.history else []
        while len(self._games) > MAX_WAITING:  # no history has the oldest
            findings += self._give_up(next(iter(self._games.values())))
        return findings

    def on_ending(self, now_ns: int) -> Findings:
        """Report the games whose seed was not shown before the session ended; the running one is not over."""
        self._now_ns = max(self._now_ns, now_ns)
        return [
            finding
            for claims in list(self._games.values())
            for finding in (self._give_up(claims) if claims.ended else self._missed(claims))
        ]

    def _claims(self, game_id: str) -> Claims:
        claims = self._games.get(game_id)
        if claims is None:
            for known in self._games.values():
                known.ended = True
            claims = self._games[game_id] = Claims(game_id)
        return claims

    def _note(self, claims: Claims, frame: GameFrame) -> None:
        seed_hash = frame.server_seed_hash
        if claims.seed_hash is None:
            claims.seed_hash = seed_hash
        elif seed_hash is not None and seed_hash != claims.seed_hash and claims.other_hash is None:
            claims.other_hash = seed_hash
        claims.version = claims.version or frame.version
        price, tick = frame.price, frame.tick
        if price is None or tick is None:
            return
        if frame.rugged:
            known = frame.kind is FrameKind.TICK and claims.rug_tick is None
            claims.rug(tick if known else None, price)
        elif frame.active:
            claims.live_to = max(claims.live_to, tick)
            claims.price(tick, price)
            if frame.prices is not None:
                for index, value in enumerate(frame.prices[: rules.MAX_TICKS + 1]):
                    claims.price(index, value)
        else:
            return
        # A settlement frame's window lags behind its own tick count (protocol 5.1).
        if frame.kind is FrameKind.TICK:
            for index, value in frame.partial_prices[:MAX_WINDOW]:
                if frame.rugged and index >= tick:  # the rug's price is not a live one
                    claims.rug(index, value)
                else:
                    claims.price(index, value)

    # Revealed seeds.

    def _read_history(self, frame: GameFrame) -> Iterator[AuditFinding]:
        entries = [e for e in frame.history[:MAX_ENTRIES] if len(e.game_id) <= MAX_TEXT]
        if not entries:
            return
        if self.wire_format is None:
            self.wire_format = "feb" if entries[0].prices is None else "dec"
        known = any(e.game_id in self._decided or e.game_id in self._games for e in entries)
        if self._based and not known:
            yield self._lost(len(entries))
        for entry in reversed(entries):
            decided = self._decided.get(entry.game_id)
            claims = self._games.get(entry.game_id)
            if decided is not None and decided.facts:
                yield from self._again(entry, decided)
            elif claims is None or claims.ended:
                counted = decided is None and (claims is not None or self._based)
                yield from self._decide(entry, claims, counted=counted)
        self._based = True
        yield from self._age({entry.game_id for entry in entries})

    def _lost(self, shown: int) -> AuditFinding:
        self.counts.gaps += 1
        return _event(
            "", LOST_KIND, "warning",
            f"none of the {shown} games of the history is known: others before them were missed",
            shown=shown,
        )  # fmt: skip

    def _age(self, shown: set[str]) -> Iterator[AuditFinding]:
        for claims in list(self._games.values()):
            if claims.ended and claims.game_id not in shown:
                claims.histories += 1
                if claims.histories > MAX_HISTORIES:
                    yield from self._give_up(claims)

    def _give_up(self, claims: Claims) -> Iterator[AuditFinding]:
        """Report a game whose seed will not come."""
        del self._games[claims.game_id]
        self._remember(claims.game_id, _Decided((), "unverified", alerted=False))
        self.counts.games += 1
        self.counts.unverified += 1
        yield from self._missed_without_seed(claims)
        yield _event(
            claims.game_id, UNVERIFIED_KIND, "warning",
            "the seed of a finished game was never shown: its prices are not verified",
            ticks=len(claims.stored),
        )  # fmt: skip

    def _remember(self, game_id: str, decided: _Decided) -> None:
        self._decided[game_id] = decided
        while len(self._decided) > MAX_DECIDED:
            self._decided.popitem(last=False)

    def _again(self, entry: FinishedGame, decided: _Decided) -> Iterator[AuditFinding]:
        """Compare an entry with its earlier version: a history does not change."""
        if decided.alerted or not decided.facts or _facts(entry) == decided.facts:
            return
        differences = [
            fair.Difference(f"{name} in an earlier gameHistory", None, before, now)
            for name, before, now in zip(_FACTS, decided.facts, _facts(entry), strict=True)
            if before != now
        ]
        self._remember(entry.game_id, _Decided(decided.facts, "failed", alerted=True))
        if decided.counted:
            self.counts.verified -= decided.verdict == "verified"
            self.counts.unverified -= decided.verdict == "unverified"
            self.counts.failed += 1
        yield self._alert(entry, differences)

    def _decide(
        self, entry: FinishedGame, claims: Claims | None, *, counted: bool
    ) -> Iterator[AuditFinding]:
        """Report a finished game: its gaps, its facts, and whether the feed agreed with its seed."""
        counts = self.counts
        counts.history_games += 1
        usable = len(entry.server_seed) <= MAX_TEXT
        lawful = usable and entry.version == rules.LAW_VERSION
        game = play_game(entry.server_seed, entry.game_id) if lawful else None
        differences = differences_of(entry, claims, game) if usable else []
        verdict = "failed" if differences else "unverified" if game is None else "verified"
        if claims is not None:
            del self._games[entry.game_id]
        alerted = bool(differences)
        self._remember(entry.game_id, _Decided(_facts(entry), verdict, alerted, counted))
        if counted:
            counts.games += 1
            counts.verified += verdict == "verified"
            counts.failed += verdict == "failed"
            counts.unverified += verdict == "unverified"
            yield from self._gaps(entry.game_id, claims, game)
        yield self._finished(entry, claims, game, verdict)
        if differences:
            yield self._alert(entry, differences)

    def _gaps(
        self, game_id: str, claims: Claims | None, game: fair.FairGame | None
    ) -> Iterator[AuditFinding]:
        """Mark missed ticks that are not marked yet."""
        last = None if game is None else game.rug_tick - 1
        if claims is None:
            self.counts.missed += 1
            self.counts.gaps += 1
            yield _event(
                game_id, MISSED_KIND, "warning", "the whole game was missed", first=0, last=last
            )
            return
        if game is None:
            yield from self._missed_without_seed(claims)
            return
        claims.end = game.rug_tick
        yield from self._missed(claims)
        if not claims.rug_prices:
            yield self._gap(game_id, "the rug was missed", game.rug_tick, game.rug_tick, rug=True)

    def _missed(self, claims: Claims) -> Iterator[AuditFinding]:
        """Count the missed ticks of a game, and mark those that are not marked yet."""
        missing = claims.missing()
        self.counts.missing_ticks += len(missing)
        for first, last in ranges(tick for tick in missing if tick not in claims.marked):
            yield self._gap(claims.game_id, f"ticks {first} to {last} were missed", first, last)

    def _missed_without_seed(self, claims: Claims) -> Iterator[AuditFinding]:
        """Mark what was missed of a game that is over, as far as the feed shows it."""
        yield from self._missed(claims)
        rug = not claims.rug_prices
        if claims.end is None:
            first = claims.known_to + 1
            what = f"ticks from {first} on were missed{', and the rug' if rug else ''}"
            yield self._gap(claims.game_id, what, first, None, rug=rug)

    def _gap(
        self, game_id: str, what: str, first: int, last: int | None, *, rug: bool = False
    ) -> AuditFinding:
        self.counts.gaps += 1
        return _event(game_id, GAP_KIND, "warning", what, first=first, last=last, rug=rug)

    def _finished(
        self,
        entry: FinishedGame,
        claims: Claims | None,
        game: fair.FairGame | None,
        verdict: str,
    ) -> AuditFinding:
        sidebets = _rows(entry.sidebets_json)
        self.counts.sidebet_rows += len(sidebets)
        game_id = safe_text(entry.game_id)
        detail: dict[str, Any] = {
            "seen": claims is not None,
            "ticks_seen": 0 if claims is None else len(claims.stored),
            "server_seed": safe_text(entry.server_seed),
            "server_seed_hash": safe_text(entry.server_seed_hash),
            "version": safe_text(entry.version),
            "peak": entry.peak,
            "timestamp_ms": entry.timestamp_ms,
            "rug_tick": None if game is None else game.rug_tick,
            "rug_price": None if game is None else game.rug_price,
            "sidebets": sidebets,
        }
        return AuditFinding(game_id, finished_game(verdict, _of_game(game_id, detail)))

    def _alert(self, entry: FinishedGame, differences: list[fair.Difference]) -> AuditFinding:
        self.counts.alerts += 1
        if len(self.failed) < MAX_FAILED:
            self.failed.append(FailedGame(entry.game_id, tuple(differences)))
        alert = disagreement(
            self.session_id, entry.game_id, self._now_ns, differences,
            title="Feed and seed disagree", source_event="gameHistory",
        )  # fmt: skip
        return AuditFinding(safe_text(entry.game_id), alert)


def _facts(entry: FinishedGame) -> tuple[object, ...]:
    """Return the values of ``_FACTS``; of the two lists, their digests."""
    prices = None if entry.prices is None else _digest(array("d", entry.prices).tobytes())
    return (
        entry.server_seed, entry.server_seed_hash, entry.peak, entry.version, entry.timestamp_ms,
        entry.rugged, prices, _digest(_canonical(entry.sidebets_json)),
    )  # fmt: skip


def _canonical(data: bytes) -> bytes:
    """Return JSON text without its spaces and the order of its keys, which may differ between frames."""
    return msgspec.json.encode(msgspec.json.decode(data), order="sorted")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _rows(data: bytes) -> list[Any]:
    """Return the sidebet rows of a finished game; a value that is not a list is kept as one entry."""
    value = msgspec.json.decode(data)
    return value if isinstance(value, list) else [value]


def _event(game_id: str, kind: str, severity: str, message: str, **detail: Any) -> AuditFinding:
    game_id = safe_text(game_id)
    return AuditFinding(
        game_id,
        SystemEvent(
            kind=kind,
            severity=severity,
            message=message,
            detail_json=json.dumps(_of_game(game_id, detail), sort_keys=True),
        ),
    )


def _of_game(game_id: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"game_id": game_id, **detail} if game_id else detail
