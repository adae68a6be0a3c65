"""Who is connected, who of them plays, and how a connection ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from vectra_bot.errors import InputError
from vectra_bot.exchange import Exchange
from vectra_bot.server.clients import Broadcasts, Client
from vectra_bot.server.counts import Counts
from vectra_bot.server.transport import Prepared


class Roster:
    """The connections that last, and their players.

    Attributes:
        clients: connections by the library's id, in the order in which they were made.
        players: connections of those who are logged in, by player id.
        broadcasts: what some of them still lack.
        counts: what happened so far.
        changed: set whenever somebody came, went or logged in, and after each step of the exchange.
    """

    def __init__(
        self,
        exchange: Exchange,
        counts: Counts,
        close_polling: Callable[[Client], Coroutine[Any, Any, None]],
    ) -> None:
        """Begin without anybody.

        Args:
            exchange: whose accounts are connected.
            counts: where ends are counted.
            close_polling: tells a client that has no websocket that it is over.
        """
        self.clients: dict[str, Client] = {}
        self.players: dict[str, Client] = {}
        self.changed = asyncio.Event()
        self._exchange = exchange
        self.counts = counts
        self.broadcasts = Broadcasts()
        self._close_polling = close_polling
        self._closing: set[asyncio.Task[None]] = set()

    def joined(self) -> tuple[Client, ...]:
        """Return the clients in the namespace, by the order of their connections."""
        return tuple(client for client in self.clients.values() if client.joined)

    def in_turn(self) -> list[Client]:
        """Return the clients in the order in which a broadcast reaches them: players first."""
        return sorted(self.joined(), key=lambda client: client.login is None)

    def note_change(self) -> None:
        """Count who only watches among the connected, and wake whoever waits for a change of clients."""
        self._exchange.viewers = max(0, len(self.joined()) - len(self.players))
        self.changed.set()

    def log_out(self, client: Client) -> None:
        """Let the exchange forget the connection; the account stays."""
        login, client.login = client.login, None
        if login is not None and self.players.get(login.player_id) is client:
            del self.players[login.player_id]
            self._exchange.disconnect(login.player_id)

    def leave(self, client: Client) -> None:
        """Take note that a client left the namespace; its connection may last."""
        client.joined = False
        self.log_out(client)
        self.note_change()

    def end(self, client: Client, reason: str, *, flush: bool = True) -> None:
        """End a connection for *reason*; with *flush*, what was written still reaches a client that reads."""
        if client.gone:
            return
        client.gone = reason
        self.counts.ended[reason] += 1
        self.leave(client)
        if client.outbox.transport is None:
            task = asyncio.get_running_loop().create_task(self._close_polling(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        else:
            client.outbox.hang_up(flush=flush)

    def give_up(self, client: Client) -> None:
        """End the connection of a client that does not read what it is sent."""
        self.end(client, "does not read", flush=False)

    async def end_all(self, reason: str) -> None:
        """End every connection, and return when those that poll were told."""
        for client in list(self.clients.values()):
            self.end(client, reason)
        while self._closing:
            await asyncio.wait(list(self._closing))

    def kick(self, target: Client | str | None, how: str) -> int:
        """End the connection of a client or player, of all if None; return how many.

        Raises:
            InputError: *how* is not close, disconnect or abort.
        """
        if how not in ("close", "disconnect", "abort"):
            raise InputError(f"how was {how!r}: give close, disconnect or abort")
        chosen = self._chosen(target)
        for client in chosen:
            if how == "disconnect":
                client.tell(Prepared("41"))
            self.end(client, "kicked", flush=how != "abort")
        return len(chosen)

    def half_open(self, target: Client | str | None) -> int:
        """Write nothing more to a client or player, to all if None; return how many."""
        chosen = self._chosen(target)
        for client in chosen:
            client.outbox.muted = True
        return len(chosen)

    def _chosen(self, target: Client | str | None) -> list[Client]:
        return [
            client
            for client in list(self.clients.values())
            if not client.gone and (target is None or target in (client, client.player_id))
        ]
