"""Requests that need no account: answered by the server, logged in or not (protocol 10).

Bodies that were never captured are ``unverified``: ``chatHistory`` is empty, ``leaderboardData`` and
``playerCosmetics`` have the minimum a client can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vectra_bot.exchange import Exchange
from vectra_bot.exchange.accounts import BookEntry, Money, VenueAccount
from vectra_bot.exchange.identities import Identities
from vectra_bot.models.times import NS_PER_S
from vectra_bot.wire.amounts import sol_number
from vectra_bot.wire.frames import event_text

_SHOWN = 10
_AROUND = 2
_DEFAULT_PERIOD = "7d"
_MAX_PERIOD_LENGTH = 16

ANSWERED = frozenset(
    {
        "chatHistory",
        "checkUsername",
        "getLeaderboard",
        "getPlayerCosmetics",
        "getPlayerLeaderboardPosition",
        "ping",
    }
)
"""The requests this module answers; ``ping`` only by its acknowledgement."""


class Answers:
    """Write the answers, from the exchange's books, each with a new trace id."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._identities = Identities(f"{exchange.config.seed}/answers")
        self._ranking: list[tuple[VenueAccount, int]] = []
        self._ranked_at = -1

    def text(
        self, event: str, payload: Mapping[str, Any], player_id: str | None, trace_id: str | None
    ) -> str | None:
        """Return the event that answers *event*, None if the answer is only an acknowledgement."""
        if event == "chatHistory":
            return self._event("chatHistory", [], trace_id)
        if event == "getPlayerCosmetics":
            return self._event("playerCosmetics", {"cosmetics": []}, trace_id)
        if event == "checkUsername" and player_id is not None:
            return self._event("usernameStatus", self._username(player_id), trace_id)
        if event == "getLeaderboard":
            return self._event("leaderboardData", self._leaderboard(payload), trace_id)
        if event == "getPlayerLeaderboardPosition":
            return self._event(
                "playerLeaderboardPosition", self._position(payload, player_id), trace_id
            )
        return None

    def notice(self, message: str, trace_id: str | None = None) -> str:
        """Return a ``gameNotification`` with the reason of a rejection."""
        return self._event("gameNotification", {"message": message, "type": "error"}, trace_id)

    def _event(self, name: str, payload: Any, trace_id: str | None) -> str:
        fresh, span_id = self._identities.trace()
        return event_text(name, payload, trace_id=trace_id or fresh, span_id=span_id)

    def _username(self, player_id: str) -> dict[str, Any]:
        account = self._exchange.books.get(player_id)
        username = None if account is None else account.username
        return {"id": player_id, "hasUsername": username is not None, "username": username}

    def _ranked(self) -> list[tuple[VenueAccount, int]]:
        """Return the accounts with a profit or loss since the start, best first, with lamports.

        Sorted at most once a second of the exchange: there may be thousands of accounts.
        """
        second = self._exchange.now_ns // NS_PER_S
        if second == self._ranked_at:
            return self._ranking
        gains = [
            (account, account.flows.balance(Money.SOL) - account.flows.total(BookEntry.DEPOSIT))
            for account in self._exchange.books.all()
            if account.interacted
        ]
        self._ranking = sorted(gains, key=lambda row: (-row[1], row[0].player_id))
        self._ranked_at = second
        return self._ranking

    def _leaderboard(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        rows = [_entry(account, gain) for account, gain in self._ranked()[:_SHOWN]]
        return {"period": _period(payload), "leaderboard": rows}

    def _position(self, payload: Mapping[str, Any], player_id: str | None) -> dict[str, Any]:
        wanted = payload.get("playerId", player_id)
        ranked = self._ranked()
        place = next((i for i, row in enumerate(ranked) if row[0].player_id == wanted), None)
        around = [] if place is None else ranked[max(0, place - _AROUND) : place + _AROUND + 1]
        return {
            "success": True,
            "period": _period(payload),
            "sortDirection": "highest",
            "playerFound": place is not None,
            "rank": None if place is None else place + 1,
            "total": len(ranked),
            "playerEntry": None if place is None else _entry(*ranked[place]),
            "surroundingEntries": [_entry(account, gain) for account, gain in around],
        }


def _entry(account: VenueAccount, gain: int) -> dict[str, Any]:
    return {
        "playerId": account.player_id,
        "username": account.username,
        "pnl": sol_number(gain),
    }


def _period(payload: Mapping[str, Any]) -> str:
    period = payload.get("period", _DEFAULT_PERIOD)
    return period[:_MAX_PERIOD_LENGTH] if isinstance(period, str) else _DEFAULT_PERIOD
