"""Connections, logged-in players, and the end of a connection."""

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
    """The open connections, and their players.

    Attributes:
        clients: connections by the library's id, in the order in which they were opened.
        players: connections of logged-in players, by player id.
        broadcasts: broadcasts that some of them have not got yet.
        counts: counters since the start.
        changed: set whenever a client connects, disconnects or logs in, and after each step of the exchange.
    """

    def __init__(
        self,
        exchange: Exchange,
        counts: Counts,
        close_polling: Callable[[Client], Coroutine[Any, Any, None]],
    ) -> None:
        """Start without connections.

        Args:
            exchange: the exchange with the accounts.
            counts: counters of ended connections.
            close_polling: closes the connection of a client without a websocket.
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
        """Return the clients in the namespace, in the order of their connections."""
        return tuple(client for client in self.clients.values() if client.joined)

    def in_turn(self) -> list[Client]:
        """Return the clients in the order in which a broadcast reaches them: players first."""
        return sorted(self.joined(), key=lambda client: client.login is None)

    def note_change(self) -> None:
        """Update the exchange's count of viewers, and wake tasks that wait for a change of clients."""
        self._exchange.viewers = max(0, len(self.joined()) - len(self.players))
        self.changed.set()

    def log_out(self, client: Client) -> None:
        """Disconnect the player from the exchange; the account remains."""
        login, client.login = client.login, None
        if login is not None and self.players.get(login.player_id) is client:
            del self.players[login.player_id]
            self._exchange.disconnect(login.player_id)

    def leave(self, client: Client) -> None:
        """Record that a client left the namespace; its connection may stay open."""
        client.joined = False
        self.log_out(client)
        self.note_change()

    def end(self, client: Client, reason: str, *, flush: bool = True) -> None:
        """End a connection for *reason*; with *flush*, a client that reads still gets buffered messages."""
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
        """End every connection, and return when polling clients were notified."""
        for client in list(self.clients.values()):
            self.end(client, reason)
        while self._closing:
            await asyncio.wait(list(self._closing))

    def kick(self, target: Client | str | None, how: str) -> int:
        """End the connection of a client or player, of all if None; return the number of connections.

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
        """Stop writing to a client or player, to all if None; return the number of connections."""
        chosen = self._chosen(target)
        for client in chosen:
            client.outbox.muted = True
        return len(chosen)

    def forget_login(self, target: Client | str | None) -> int:
        """Log a client or player out, all if None, and keep the connection; return how many there were."""
        chosen = [client for client in self._chosen(target) if client.login is not None]
        for client in chosen:
            self.log_out(client)
        self.note_change()
        return len(chosen)

    def _chosen(self, target: Client | str | None) -> list[Client]:
        return [
            client
            for client in list(self.clients.values())
            if not client.gone and (target is None or target in (client, client.player_id))
        ]
