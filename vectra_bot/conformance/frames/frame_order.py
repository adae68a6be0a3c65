"""The order of frames as an automaton (protocol 3.1, 3.3, 10): what may follow what.

Theory of operation. One :class:`OrderCheck` follows one connection. After each ``gameStateUpdate`` it knows
which frames may come next (:mod:`vectra_bot.conformance.frames.frame_cycle`); anything else is a finding
that says what was missing, repeated, late or out of place, and the automaton continues from the frame that
came, so that one lost frame is one finding. Big frames (hundreds of kilobytes) may be overtaken by a few
small ones in recordings of a threaded client (protocol 2.7): such a pair is reported as tolerated, unless
the check is strict.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen

from vectra_bot.conformance.frames.frame_capture import ACK, CONNECTED, Seen
from vectra_bot.conformance.frames.frame_cycle import StateFrame, big_after, fault, follows, integer
from vectra_bot.conformance.frames.frame_shapes import STATE, TRADE
from vectra_bot.game import rules

PLAYER = "playerUpdate"
PLAYER_GAME = "gameStatePlayerUpdate"

_BIG = frozenset({"snapshot", "settlement", "new-game", "golden-start"})
_OVERTAKERS = 3
"""One more than the most small frames seen before the big one they overtook (protocol 2.7)."""
_REMEMBERED = 1_000
_ANSWER_S = 0.3  # seconds: slightly more than a request's evidence takes (protocol 2.3)


@frozen
class OrderFinding:
    """One deviation from the venue's order of frames.

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


@define
class OrderCheck:
    """Check one connection and collect findings.

    Args:
        capture: the recording's name.
        strict: whether overtaking counts as a finding like any other.
    """

    capture: str
    strict: bool = False
    findings: list[OrderFinding] = field(factory=list)
    logged_in: bool = False
    _marked: bool = False
    _last: StateFrame | None = None
    _waiting: list[StateFrame] = field(factory=list)
    _game_id: str = ""
    _earlier_id: str = ""
    _presale: bool = False
    _owed: StateFrame | None = None
    _rugged: set[str] = field(factory=set)
    _prices: dict[int, Any] = field(factory=dict)
    _trades: int = 0
    _trade_ids: dict[str, None] = field(factory=dict)
    _pending: dict[str, _Order] = field(factory=dict)
    _at_s: float = float("-inf")
    _answered_s: float = float("-inf")

    def see(self, seen: Seen) -> None:
        """Check one event; excerpts have no order and are skipped."""
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

    def close(self) -> list[OrderFinding]:
        """Return every finding; call it after the last event."""
        if self._waiting:
            self._give_up()
        return self.findings

    def _reconnect(self) -> None:
        self._marked = True
        self._last = self._owed = None
        self._waiting = []
        self.logged_in = self._presale = False
        self._pending = {}
        self._prices = {}

    def _find(self, kind: str, what: str, place: int, *, tolerated: bool = False) -> None:
        self.findings.append(
            OrderFinding(
                kind, what, place, self.capture, self._game_id, tolerated and not self.strict
            )
        )

    # Public frames: the cycle.

    def _state(self, seen: Seen) -> None:
        frame = StateFrame.of(seen.body, seen.place)
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

    def _allowed(self, frame: StateFrame) -> bool:
        last = self._last
        return frame.kind == "snapshot" if last is None else follows(last, frame)

    def _overtakes(self, frame: StateFrame) -> bool:
        """Return whether a small frame may have overtaken the big one that is expected."""
        if frame.kind in _BIG or self.logged_in:
            return False
        last = self._last
        if last is None:
            return True
        return any(follows(big, frame) for big in big_after(last, frame.game_id)) or (
            last.kind == "rug" and frame.kind == "countdown" and frame.game_id != last.game_id
        )

    def _is_late_start(self, frame: StateFrame) -> bool:
        """Return whether it is a golden start that was overtaken by the first ticks."""
        last = self._last
        return (
            frame.kind == "golden-start"
            and last is not None
            and last.kind == "tick"
            and last.tick <= _OVERTAKERS
            and last.game_id == frame.game_id
            and not self.logged_in
        )

    def _late_big(self, frame: StateFrame) -> None:
        """Process the frame after early small ones: the big one they overtook, or another small one."""
        waiting = self._waiting
        if frame.kind in _BIG:
            due = [frame.kind == "snapshot"] if self._last is None else [follows(self._last, frame)]
            if due[0]:
                self._find(
                    "overtaken",
                    f"{frame} came after {' and '.join(map(str, waiting))}, which were sent later",
                    frame.place,
                    tolerated=True,
                )
                self._last, self._waiting = frame, []
                self._enter(frame)
                for early in waiting:
                    if follows(self._last, early) or frame.kind == "snapshot":
                        self._go(early)
                    else:
                        self._waiting.append(early)
                return
        elif follows(waiting[-1], frame) and len(waiting) < _OVERTAKERS:
            waiting.append(frame)
            return
        self._give_up()
        if self._allowed(frame):
            self._go(frame)
        else:
            self._wrong(frame)
            self._go(frame)

    def _give_up(self) -> None:
        """Report the big frame that never came, and continue from the small ones."""
        waiting, self._waiting = self._waiting, []
        self._wrong(waiting[0])
        for early in waiting:
            self._go(early)

    def _wrong(self, frame: StateFrame) -> None:
        last = self._last
        if last is None:
            # A part of a capture may begin anywhere; one with a connection marker begins there.
            what = f"the snapshot before {frame}"
            self._find("missing", what, frame.place, tolerated=not self._marked)
            return
        kind, what = fault(last, frame)
        self._find(kind, what, frame.place)

    def _go(self, frame: StateFrame) -> None:
        self._last = frame
        self._enter(frame)

    def _enter(self, frame: StateFrame) -> None:
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

    # Values that must be consistent across frames.

    def _values(self, body: dict[str, Any], frame: StateFrame) -> None:
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
            trades = integer(body.get("tradeCount"))
            if trades < self._trades:
                self._find("value", f"tradeCount fell from {self._trades} to {trades}", frame.place)
            self._trades = trades
        rows = body.get("leaderboard")
        if isinstance(rows, list):
            places = [row.get("position") for row in rows if isinstance(row, dict)]
            if places != list(range(1, len(rows) + 1)):
                self._find("value", f"leaderboard positions {places} in {frame}", frame.place)

    def _window(self, window: dict[str, Any], body: dict[str, Any], frame: StateFrame) -> None:
        """Check the sliding window of prices against itself and the prices seen (protocol 5.1)."""
        values = window["values"]
        end = integer(window.get("endTick"))
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
            waits = self._pending or seen.at_s - self._answered_s < _ANSWER_S
            if not waits:  # evidence of a request in progress comes first
                self._find(
                    "late", "a won sidebet was reported after the public rug frame", seen.place
                )

    # Own requests (protocol 10).

    def _request(self, seen: Seen) -> None:
        if seen.packet_id is not None and seen.event in _STEPS:
            self._pending[_trace_id(seen)] = _Order(seen.event, seen.packet_id)

    def _order_of(self, seen: Seen) -> _Order | None:
        return self._pending.get(_trace_id(seen))

    def _answer(self, seen: Seen) -> None:
        for trace_id, order in self._pending.items():
            if order.packet_id == seen.packet_id:
                del self._pending[trace_id]
                self._answered_s = seen.at_s
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
    """A request without an answer so far, and the frames since."""

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
