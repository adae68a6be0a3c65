"""The task that steps the exchange and sends its messages to the clients.

The exchange decides what happens when; this task only provides the wall-clock time. Between two
slices of a broadcast's round through the clients it checks whether something else is due: an acknowledgement
does not wait for a thousand sockets.
"""

from __future__ import annotations

import asyncio

from vectra_bot.exchange import Exchange, Outbound
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.server.clients import Client
from vectra_bot.server.pace import Pace
from vectra_bot.server.roster import Roster
from vectra_bot.server.transport import Prepared

_SLICE_NS = 3 * NS_PER_MS
_STEPS_AT_ONCE = 200
_ROOM_BYTES = 256 * 1024
_ROOM_PACKETS = 100
_LOOK_AGAIN_S = 0.002


class Driver:
    """Run the exchange at a given speed.

    Args:
        exchange: the exchange to run.
        pace: the speed of its time.
        roster: the connections that get its messages; notified of each step.
        patience_s: seconds that accelerated time waits for a client that does not read.
        games: number of games that may rug before time stops, None for no end.
        running: whether time runs from the start.

    Attributes:
        over: set when *games* games are over.
    """

    def __init__(
        self,
        exchange: Exchange,
        pace: Pace,
        *,
        roster: Roster,
        patience_s: float,
        games: int | None,
        running: bool,
    ) -> None:
        self._exchange = exchange
        self._pace = pace
        self._roster = roster
        self._patience_s = patience_s
        self._games = games
        self._line: list[Client] = []
        self._served = 0
        self._mark = 0
        self._snapshot: Prepared | None = None
        self._wakened = asyncio.Event()
        self.running = running
        self.over = asyncio.Event()

    def snapshot(self) -> Prepared:
        """Return the first frame of a connection, as of now."""
        if self._snapshot is None:
            self._snapshot = Prepared(self._exchange.snapshot())
        return self._snapshot

    def now_ns(self) -> int:
        """Return the venue's current time, nanoseconds since the epoch."""
        stepped_ns = self._exchange.now_ns
        return self._pace.venue_now_ns(stepped_ns) if self.running else stepped_ns

    def wake(self) -> None:
        """Check the schedule immediately: something was added to it."""
        self._wakened.set()

    def pause(self) -> None:
        """Stop the venue's time."""
        self.running = False

    def resume(self) -> None:
        """Resume the venue's time where it stopped."""
        if not self.running:
            self.running = True
            self._pace.begin(self._exchange.now_ns)
            self.wake()

    async def run(self) -> None:
        """Step the exchange until cancelled."""
        self._pace.begin(self._exchange.now_ns)
        while True:
            self._step_due()
            if self._serve_some():
                await asyncio.sleep(0)
            elif self._pace.speed is None or self._pace.speed > 1:
                await self._make_room()
                await self._idle()
            else:
                await self._idle()

    def _step_due(self) -> None:
        """Execute the steps that are due; at unlimited speed, up to the next message."""
        exchange, unbound = self._exchange, self._pace.speed is None
        for _ in range(_STEPS_AT_ONCE):
            if not self.running or self._is_over() or exchange.next_ns() > self._limit_ns():
                return
            messages = exchange.step()
            self._snapshot = None
            for message in messages:
                self._carry(message)
            self._roster.changed.set()
            if unbound and messages:
                return

    def _limit_ns(self) -> int:
        """Return the venue time up to which the exchange may step."""
        if self._pace.speed is None:
            return self._exchange.next_ns()
        return self._pace.venue_now_ns(self._exchange.now_ns)

    def _is_over(self) -> bool:
        exchange = self._exchange
        if self._games is None or exchange.games_opened < self._games:
            return False
        if exchange.next_ns() <= exchange.now_ns:
            return False
        self.over.set()
        self._roster.changed.set()
        return True

    def _carry(self, message: Outbound) -> None:
        if message.player_id is None:
            self._roster.broadcasts.add(Prepared(message.text, message.not_to))
            self._roster.counts.broadcasts += 1
            return
        client = self._roster.players.get(message.player_id)
        if client is not None:
            client.tell(Prepared(message.text))

    def _serve_some(self) -> bool:
        """Send missing broadcasts for one slice of time; return whether there is more to do."""
        if self._served >= len(self._line):
            self._roster.broadcasts.forget_before(self._mark)
            if self._mark == self._roster.broadcasts.next:
                return False
            self._mark = self._roster.broadcasts.next
            self._line = self._roster.in_turn()
            self._served = 0
        clock = self._pace.clock
        ends_ns = clock.monotonic_ns() + _SLICE_NS
        while self._served < len(self._line):
            self._line[self._served].catch_up()
            self._served += 1
            if clock.monotonic_ns() >= ends_ns:
                break
        return True

    async def _make_room(self) -> None:
        """Wait for clients that are behind, as accelerated time must lose nothing; disconnect dead ones."""
        waited_s = 0.0
        while True:
            behind = [client for client in self._roster.in_turn() if _is_behind(client)]
            if not behind:
                return
            if waited_s >= self._patience_s:
                for client in behind:
                    self._roster.give_up(client)
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
            waited_s += _LOOK_AGAIN_S

    async def _idle(self) -> None:
        """Sleep until the next step of the exchange, or until an earlier one is added."""
        if not self.running or self.over.is_set():
            await self._wakened.wait()
        else:
            wait_s = self._pace.wait_s(self._exchange.next_ns())
            if wait_s <= 0:
                await asyncio.sleep(0)
            else:
                timer = asyncio.get_running_loop().call_later(wait_s, self._wakened.set)
                await self._wakened.wait()
                timer.cancel()
        self._wakened.clear()


def _is_behind(client: Client) -> bool:
    outbox = client.outbox
    if outbox.muted or client.gone:
        return False
    return outbox.waiting_bytes > _ROOM_BYTES or (
        outbox.transport is None and outbox.qsize() > _ROOM_PACKETS
    )
