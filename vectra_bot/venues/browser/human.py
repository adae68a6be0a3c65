"""What the page says of the person at it: the account that is logged in, and requests (protocol 2.5, 10).

The page logs in by itself, with a login that never reaches us. What the venue answers names the account.
"""

from __future__ import annotations

from typing import Self

from attrs import define

from vectra_bot.clock import Clock
from vectra_bot.errors import WireError
from vectra_bot.game.amounts import to_sol
from vectra_bot.models import ActionType, Frame, PlayerRequest, PlayerUpdate
from vectra_bot.venues.connection import Connection
from vectra_bot.venues.credentials import Token
from vectra_bot.venues.login import Credentials, LinkLogin
from vectra_bot.wire.decode import decode
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.requests import decode_request

_TYPES = {kind.value.lower(): kind for kind in ActionType}


class NoToken:
    """In place of a token's source: the page has the login, and we have none."""

    where = "the browser's page"

    def read(self) -> Token:
        """Return an empty token."""
        return Token("")


@define(eq=False)
class PageLogin(LinkLogin):
    """Follows the login of a page.

    Attributes:
        named: whether a statement of money names the account too: a page that was open before does not log in
            again.
    """

    named: bool = False

    @classmethod
    def of(cls, profile: Profile, clock: Clock, host: str, *, named: bool) -> Self:
        """Return the login of the page at *host*."""
        return cls(Credentials(NoToken(), profile), clock, 0.0, host, named=named)

    def usable_token(self) -> Token:
        """Return an empty token: the page has the login."""
        return self.credentials.source.read()

    async def send(self, connection: Connection) -> None:
        """Do nothing: the page logs in."""

    def on_private(self, frame: Frame) -> None:
        """Follow what the venue says about the login."""
        LinkLogin.on_private(self, frame)
        if self.named and self.player_id is None:
            try:
                event = decode(frame, self.credentials.profile)
            except WireError:
                return  # the session quarantines it
            if isinstance(event, PlayerUpdate) and event.authenticated is not False:
                self.player_id = event.player_id


def player_request(raw: str, recv_ns: int, profile: Profile) -> PlayerRequest | None:
    """Return the request in a frame that the page sent, None if it asks for no action or cannot be read."""
    try:
        request = decode_request(raw, profile)
    except WireError:
        return None
    kind = _TYPES.get(request.kind)
    if kind is None:
        return None
    return PlayerRequest(
        recv_ns=recv_ns,
        action_type=kind,
        amount=None if request.amount is None else to_sol(request.amount),
        percentage=request.percentage,
        leverage=request.leverage or 1,
        choice=request.choice,
        round_id=request.round_id,
        # The page counts from 0, and an answer to 0 cannot be read: the trace id decides.
        ack_id=request.ack_id or None,
        trace_id=request.trace_id,
    )


__all__ = ["NoToken", "PageLogin", "player_request"]
