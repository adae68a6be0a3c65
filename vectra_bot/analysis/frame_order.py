"""The order of frames as an automaton (protocol 3.1, 3.3, 10): what may follow what.

Theory of operation. One :class:`OrderCheck` follows one connection. After each ``gameStateUpdate`` it knows
which frames may come next (:meth:`_Public.expected`); anything else is a finding that says what was
missing, repeated, late or out of place, and the automaton goes on from the frame that came, so that one lost
frame is one finding. Big frames (hundreds of kilobytes) may be overtaken by a few small ones in recordings
of a threaded client (protocol 2.7): such a pair is reported as tolerated, unless the check is strict.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen

from vectra_bot.analysis.frame_capture import ACK, CONNECTED, Seen
from vectra_bot.analysis.frame_shapes import STATE, TRADE, state_kind
from vectra_bot.game import rules

PLAYER = "playerUpdate"
PLAYER_GAME = "gameStatePlayerUpdate"

_BIG = frozenset({"snapshot", "settlement", "new-game", "golden-start"})
_OVERTAKERS = 3
"""As many small frames have been seen in front of the big one they overtook (protocol 2.7), and one more."""
_EXTRA_TICKS = 4
_REMEMBERED = 1_000


@frozen
class Finding:
    """One place where the order is not the venue's.

    Attributes:
        kind: ``missing``, ``repeated``, ``late``, ``unexpected``, ``value`` or ``overtaken``.
        what: what happened, in words.
        place: the line or entry.
        capture: the recording.
        game_id: the game it happened in.
        tolerated: whether it is the documented overtaking of a threaded client.
    """

    kind: str
    what: str
    place: int
    capture: str
    game_id: str
    tolerated: bool = False


@frozen
class _Frame:
    """What the automaton needs of a ``gameStateUpdate``."""

    kind: str
    game_id: str
    tick: int
    timer: int
    place: int

    @classmethod
    def of(cls, body: dict[str, Any], place: int) -> _Frame:
        """Return the frame; what is missing or of a wrong type counts as -1 and is a matter of shapes."""
        return cls(
            state_kind(body),
            str(body.get("gameId")),
            _integer(body.get("tickCount")),
            _integer(body.get("cooldownTimer")),
            place,
        )

    def __str__(self) -> str:
        if self.kind in ("countdown", "presale-opening", "new-game"):
            return f"{self.kind} {self.timer}"
        if self.kind in ("tick", "rug"):
            return f"{self.kind} {self.tick}"
        return self.kind


def _integer(value: Any) -> int:
    return value if type(value) is int else -1


@define
class OrderCheck:
    """Follow one connection and collect findings.

    Args:
        capture: the recording's name.
        strict: whether overtaking counts as a finding like any other.
    """

    capture: str
    strict: bool = False
    findings: list[Finding] = field(factory=list)
    logged_in: bool = False
    _last: _Frame | None = None
    _waiting: list[_Frame] = field(factory=list)
    _game_id: str = ""
    _earlier_id: str = ""
    _presale: bool = False
    _owed: _Frame | None = None
    _rugged: set[str] = field(factory=set)
    _prices: dict[int, Any] = field(factory=dict)
    _trades: int = 0
    _trade_ids: dict[str, None] = field(factory=dict)
    _pending: dict[str, _Order] = field(factory=dict)
    _at_s: float = float("-inf")

    def see(self, seen: Seen) -> None:
        """Follow one event; excerpts have no order and are passed over."""
        if seen.excerpt:
            return
        if seen.at_s < self._at_s:
            self._find("late", f"{seen.event} is older than the line before it", seen.place)
        self._at_s = max(self._at_s, seen.at_s)
        if seen.outbound:
            self._request(seen)
        elif seen.event == CONNECTED:
            self._reconnect()
        elif seen.event == STATE and isinstance(seen.body, dict):
            self._state(seen)
        elif seen.event == TRADE:
            self._trade(seen)
        elif seen.event == PLAYER_GAME:
            self._own_row(seen)
        elif seen.event in (PLAYER, "usernameStatus"):
            self._private(seen)
        elif seen.event in ("currentSidebet", "currentSidebetResult"):
            self._sidebet(seen)
        elif seen.event == ACK:
            self._answer(seen)

    def close(self) -> list[Finding]:
        """Return every finding; call it after the last event."""
        if self._waiting:
            self._give_up()
        return self.findings

    def _reconnect(self) -> None:
        self._last = self._owed = None
        self._waiting = []
        self.logged_in = self._presale = False
        self._pending = {}
        self._prices = {}

    def _find(self, kind: str, what: str, place: int, *, tolerated: bool = False) -> None:
        self.findings.append(
            Finding(kind, what, place, self.capture, self._game_id, tolerated and not self.strict)
        )

    # Public frames: the cycle.

    def _state(self, seen: Seen) -> None:
        frame = _Frame.of(seen.body, seen.place)
        if self._owed is not None and self.logged_in:
            self._find("missing", f"{PLAYER_GAME} after {self._owed}", seen.place)
        self._owed = frame
        if self._waiting:
            self._late_big(frame)
        elif self._allowed(frame):
            self._go(frame)
        elif self._overtakes(frame):
            self._waiting = [frame]
        elif self._is_late_start(frame):
            what = f"golden-start came after {self._last}, which was sent later"
            self._find("overtaken", what, frame.place, tolerated=True)
        else:
            self._wrong(frame)
            self._go(frame)
        self._values(seen.body, frame)

    def _allowed(self, frame: _Frame) -> bool:
        last = self._last
        return frame.kind == "snapshot" if last is None else _follows(last, frame)

    def _overtakes(self, frame: _Frame) -> bool:
        """Return whether a small frame may have come before the big one that is due."""
        if frame.kind in _BIG or self.logged_in:
            return False
        last = self._last
        if last is None:
            return True
        return any(_follows(big, frame) for big in _big_after(last, frame.game_id)) or (
            last.kind == "rug" and frame.kind == "countdown" and frame.game_id != last.game_id
        )

    def _is_late_start(self, frame: _Frame) -> bool:
        """Return whether it is a golden start that the first ticks have overtaken."""
        last = self._last
        return (
            frame.kind == "golden-start"
            and last is not None
            and last.kind == "tick"
            and last.tick <= _OVERTAKERS
            and last.game_id == frame.game_id
            and not self.logged_in
        )

    def _late_big(self, frame: _Frame) -> None:
        """Take the frame after small ones came too early: the big one they overtook, or one more."""
        waiting = self._waiting
        if frame.kind in _BIG:
            due = (
                [frame.kind == "snapshot"] if self._last is None else [_follows(self._last, frame)]
            )
            if due[0]:
                self._find(
                    "overtaken",
                    f"{frame} came after {_and(waiting)}, which were sent later",
                    frame.place,
                    tolerated=True,
                )
                self._last, self._waiting = frame, []
                self._enter(frame)
                for early in waiting:
                    if _follows(self._last, early) or frame.kind == "snapshot":
                        self._go(early)
                    else:
                        self._waiting.append(early)
                return
        elif _follows(waiting[-1], frame) and len(waiting) < _OVERTAKERS:
            waiting.append(frame)
            return
        self._give_up()
        if self._allowed(frame):
            self._go(frame)
        else:
            self._wrong(frame)
            self._go(frame)

    def _give_up(self) -> None:
        """Report the big frame that never came, and go on from the small ones."""
        waiting, self._waiting = self._waiting, []
        self._wrong(waiting[0])
        for early in waiting:
            self._go(early)

    def _wrong(self, frame: _Frame) -> None:
        last = self._last
        if last is None:
            self._find("missing", f"the snapshot before {frame}", frame.place)
            return
        kind, what = _fault(last, frame)
        self._find(kind, what, frame.place)

    def _go(self, frame: _Frame) -> None:
        self._last = frame
        self._enter(frame)

    def _enter(self, frame: _Frame) -> None:
        if frame.game_id != self._game_id:
            self._earlier_id, self._game_id = self._game_id, frame.game_id
        if frame.kind == "rug":
            self._rugged.add(frame.game_id)
        if frame.kind == "presale-opening":
            self._presale = True
        elif frame.kind in ("start", "tick", "new-game"):
            self._presale = False
        if frame.kind in ("start", "new-game", "snapshot"):
            self._prices, self._trades = {}, 0

    # Values that tie frames together.

    def _values(self, body: dict[str, Any], frame: _Frame) -> None:
        window = body.get("partialPrices")
        if isinstance(window, dict) and isinstance(window.get("values"), dict):
            self._window(window, body, frame)
        if frame.timer > 0 and frame.timer % rules.COUNTDOWN_STEP_MS:
            self._find("value", f"cooldownTimer {frame.timer} of {frame}", frame.place)
        history = body.get("gameHistory")
        if isinstance(history, list) and len(history) != rules.HISTORY_GAMES:
            self._find("value", f"gameHistory of {len(history)} games in {frame}", frame.place)
        prices = body.get("prices")
        if isinstance(prices, list) and len(prices) != frame.tick + 1:
            self._find(
                "value", f"{len(prices)} prices in a snapshot of tick {frame.tick}", frame.place
            )
        if frame.kind in ("tick", "rug"):
            trades = _integer(body.get("tradeCount"))
            if trades < self._trades:
                self._find("value", f"tradeCount fell from {self._trades} to {trades}", frame.place)
            self._trades = trades
        rows = body.get("leaderboard")
        if isinstance(rows, list):
            places = [row.get("position") for row in rows if isinstance(row, dict)]
            if places != list(range(1, len(rows) + 1)):
                self._find("value", f"leaderboard positions {places} in {frame}", frame.place)

    def _window(self, window: dict[str, Any], body: dict[str, Any], frame: _Frame) -> None:
        """Check the sliding window of prices against itself and the prices seen (protocol 5.1)."""
        values = window["values"]
        end = _integer(window.get("endTick"))
        start = max(0, end - rules.PARTIAL_PRICE_WINDOW + 1)
        if list(values) != [str(tick) for tick in range(start, end + 1)]:
            self._find(
                "value", f"partialPrices has the ticks {', '.join(values)} at {end}", frame.place
            )
        elif values[str(end)] != body.get("price"):
            self._find("value", f"price is not partialPrices' of tick {end}", frame.place)
        if frame.kind in ("tick", "rug") and end != frame.tick:
            self._find("value", f"partialPrices ends at {end} in {frame}", frame.place)
        for tick, price in values.items():
            if self._prices.setdefault(tick, price) != price:
                self._find("value", f"the price of tick {tick} has changed", frame.place)

    # Trades.

    def _trade(self, seen: Seen) -> None:
        order = self._order_of(seen)
        if order is not None:
            order.steps.append("trade")
        body = seen.body
        if seen.truncated or not isinstance(body, dict):
            return
        trade_id = str(body.get("id"))
        if trade_id in self._trade_ids:
            self._find("repeated", f"trade {trade_id}", seen.place)
        self._trade_ids[trade_id] = None
        if len(self._trade_ids) > _REMEMBERED:
            del self._trade_ids[next(iter(self._trade_ids))]
        if order is None and self._presale and not self.logged_in:
            self._find("unexpected", "a public trade in the presale", seen.place)
        own_game = body.get("gameId") in (self._game_id, self._earlier_id)
        if self._last is not None and not self._waiting and not own_game:
            self._find("value", f"a trade of game {body.get('gameId')}", seen.place)

    # Private frames.

    def _own_row(self, seen: Seen) -> None:
        body = seen.body if isinstance(seen.body, dict) else {}
        owed, self._owed = self._owed, None
        if not self.logged_in:
            self.logged_in = True
            if "trades" not in body and self._last is not None:
                self._find("missing", f"trades in the first {PLAYER_GAME}", seen.place)
            return
        if "trades" in body:
            self._find("unexpected", f"trades in a later {PLAYER_GAME}", seen.place)
        if owed is not None and body.get("gameId") != owed.game_id:
            self._find("value", f"{PLAYER_GAME} of another game after {owed}", seen.place)
        for order in self._pending.values():
            order.steps.append(PLAYER_GAME)

    def _private(self, seen: Seen) -> None:
        if seen.event == "usernameStatus":
            if not self.logged_in and self._last is not None:
                self._find("late", f"{PLAYER_GAME} after usernameStatus", seen.place)
            return
        for order in self._pending.values():
            order.steps.append(PLAYER)

    def _sidebet(self, seen: Seen) -> None:
        body = seen.body
        if seen.event == "currentSidebet":
            order = self._order_of(seen)
            if order is not None:
                order.steps.append(seen.event)
        elif isinstance(body, dict) and body.get("payout") and body.get("gameId") in self._rugged:
            self._find("late", "a won sidebet was told after the public rug frame", seen.place)

    # Own orders (protocol 10).

    def _request(self, seen: Seen) -> None:
        if seen.packet_id is not None and seen.event in _STEPS:
            self._pending[_trace_id(seen)] = _Order(seen.event, seen.packet_id)

    def _order_of(self, seen: Seen) -> _Order | None:
        return self._pending.get(_trace_id(seen))

    def _answer(self, seen: Seen) -> None:
        for trace_id, order in self._pending.items():
            if order.packet_id == seen.packet_id:
                del self._pending[trace_id]
                body = seen.body
                if isinstance(body, dict) and body.get("success") is True:
                    self._judge(order, seen.place)
                return

    def _judge(self, order: _Order, place: int) -> None:
        wanted = _STEPS[order.event]
        steps = iter(order.steps)
        for step in wanted:
            if step not in steps:
                came = ", ".join(order.steps) or "nothing"
                self._find(
                    "missing", f"{step} between {order.event} and its answer ({came})", place
                )
                return


@define
class _Order:
    """A request that waits for its answer, and what came meanwhile."""

    event: str
    packet_id: int
    steps: list[str] = field(factory=list)


_STEPS: dict[str, tuple[str, ...]] = {
    "buyOrder": ("trade", PLAYER, PLAYER_GAME),
    "sellOrder": ("trade", PLAYER, PLAYER_GAME),
    "requestSidebet": (PLAYER, "currentSidebet"),
}


def _trace_id(seen: Seen) -> str:
    if not seen.traced:
        return ""
    return str(seen.args[0].get("traceparent"))[3:35]


def _follows(last: _Frame, new: _Frame) -> bool:
    """Return whether *new* may be the next ``gameStateUpdate`` after *last*."""
    return any(
        (kind is None or new.kind == kind)
        and (same is None or (new.game_id == last.game_id) is same)
        and (ticks is None or new.tick in ticks)
        and (timer is None or new.timer == timer)
        for kind, same, ticks, timer in _next(last)
    )


_Rule = tuple[str | None, bool | None, range | None, int | None]


def _next(last: _Frame) -> Iterator[_Rule]:
    """Yield what may follow: kind, same game, ticks, timer."""
    if last.kind in ("tick", "start", "golden-start"):
        yield from _play(last.tick + 1)
        if last.kind == "start":
            yield "golden-start", True, range(1), None
    elif last.kind == "rug":
        yield "settlement", True, range(last.tick, last.tick + _EXTRA_TICKS + 1), None
    elif last.kind == "settlement":
        yield "new-game", False, range(1), rules.COOLDOWN_MS
    elif last.kind == "snapshot":
        yield from _after_snapshot(last)
    elif last.kind == "presale-opening":
        yield "countdown", True, None, last.timer
    else:
        yield from _count(last.timer)


def _play(tick: int) -> Iterator[_Rule]:
    yield "tick", True, range(tick, tick + 1), None
    yield "rug", True, range(tick, tick + 1), None


def _count(timer: int) -> Iterator[_Rule]:
    due = timer - rules.COUNTDOWN_STEP_MS
    if due == rules.PRESALE_MS:
        yield "presale-opening", True, range(1), due
    elif due > 0:
        yield "countdown", True, None, due
    else:
        yield "start", True, range(1), 0


def _after_snapshot(last: _Frame) -> Iterator[_Rule]:
    """Yield what may follow a snapshot, which may be taken at any moment."""
    if last.timer > 0:
        yield from _count(last.timer)
        if last.timer == rules.PRESALE_MS:
            yield "countdown", True, None, last.timer
        return
    yield from _play(last.tick + 1)
    yield "settlement", True, range(last.tick, last.tick + _EXTRA_TICKS + 1), None
    yield "new-game", False, range(1), rules.COOLDOWN_MS
    if last.tick == 0:
        yield "golden-start", True, range(1), None


def _big_after(last: _Frame, game_id: str) -> Iterator[_Frame]:
    """Yield the big frames that are due after *last* where the next game is *game_id*."""
    if last.kind == "settlement" and game_id != last.game_id:
        yield _Frame("new-game", game_id, 0, rules.COOLDOWN_MS, last.place)
    elif last.kind == "start":
        yield _Frame("golden-start", last.game_id, 0, 0, last.place)


def _and(frames: list[_Frame]) -> str:
    return " and ".join(str(frame) for frame in frames)


def _fault(last: _Frame, frame: _Frame) -> tuple[str, str]:
    """Return the kind of fault and its words: what came instead of what."""
    same = frame.game_id == last.game_id
    if same and frame.kind == last.kind and frame.kind in ("tick", "countdown"):
        ahead = (
            frame.tick - last.tick
            if frame.kind == "tick"
            else (last.timer - frame.timer) // rules.COUNTDOWN_STEP_MS
        )
        if ahead > 1:
            lost = "frame" if ahead == 2 else f"{ahead - 1} frames"
            return "missing", f"{lost} between {last} and {frame}"
        if ahead < 1:
            return ("late", f"{frame} after {last}") if ahead else ("repeated", str(frame))
    due = " or ".join(_words(rule) for rule in _next(last))
    skipped = frame.kind not in ("tick", "countdown") and same and frame.kind == last.kind
    kind = "repeated" if skipped else "missing"
    return kind, f"{due} after {last}: {frame} came" if kind == "missing" else str(frame)


def _words(rule: _Rule) -> str:
    kind, _, ticks, timer = rule
    if timer:
        return f"{kind} {timer}"
    return f"{kind} {ticks.start}" if ticks is not None and kind in ("tick", "rug") else str(kind)
