"""The login of a link: the token is read for each connection, sent once, and kept nowhere.

A login counts when the venue names the account. One that is not answered in time is reported, and not
repeated on that connection. A token that ends soon is looked for at its source, and a newer one is used
between two games, by a new connection: whether the venue accepts a second login on the same one is not known.
While the venue has not logged us in, or has logged us out, any other token at the source is used like that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections import deque
from typing import Final

from attrs import define, field, frozen

from vectra_bot.clock import Clock
from vectra_bot.errors import InputError, VectraError, WireError
from vectra_bot.models import Frame, LoginStatus, PlayerUpdate
from vectra_bot.models.times import NS_PER_S
from vectra_bot.venues.connection import Connection
from vectra_bot.venues.credentials import Token, TokenSource
from vectra_bot.wire.decode import decode
from vectra_bot.wire.encode import encode_login
from vectra_bot.wire.profile import Profile, default_profile

log = logging.getLogger(__name__)

TOKEN_MARGIN_S: Final = 60.0
"""A token that ends sooner takes no entries any more, in seconds."""
# A token whose renewal is awaited is looked for this often, in seconds.
_RENEWAL_S: Final = 5.0
_NOTICES: Final = 100
_STATUS: Final = '42["usernameStatus"'
_LOGGED_OUT: Final = '"authenticated":false'


@frozen
class Credentials:
    """How to log in: where the token is, and the venue's names."""

    source: TokenSource
    profile: Profile = field(factory=default_profile)


@define(eq=False)
class LinkLogin:
    """Logs the connections of a link in.

    Attributes:
        credentials: how.
        clock: the session's clock.
        login_s: time for the venue's answer, in seconds.
        host: the venue, for log lines.
        player_id: the account that the venue named on this connection.
        token_ends_ns: when the token in use says it ends, None if it does not say.
        notices: what an operator should know, newest last, until it is taken.
    """

    credentials: Credentials
    clock: Clock
    login_s: float
    host: str
    player_id: str | None = None
    token_ends_ns: int | None = None
    notices: deque[str] = field(factory=lambda: deque(maxlen=_NOTICES))
    _sent: bool = False
    _reported: bool = False
    _tried_ns: int = 0
    # Distinguishes another token from the one that was sent, without keeping either.
    _salt: bytes = field(factory=lambda: os.urandom(16), repr=False)
    _mark: bytes = field(default=b"", repr=False)

    def start(self) -> None:
        """Forget what belonged to an earlier connection."""
        self.player_id, self._sent, self._reported, self._tried_ns = None, False, False, 0

    def usable_token(self) -> Token:
        """Return the token that its source has now.

        Raises:
            InputError: there is none, or it has expired.
        """
        source = self.credentials.source
        token, now_ns = source.read(), self.clock.now_ns()
        if token.expires_ns is not None and token.expires_ns <= now_ns:
            minutes = (now_ns - token.expires_ns) / NS_PER_S / 60
            raise InputError(
                f"the token in {source.where} expired {minutes:.0f} minutes ago: log in on the venue's "
                "page and put the new one there"
            )
        return token

    def token_left_s(self) -> float | None:
        """Return how long the token in use is valid, by what it says; None if that is not known."""
        if self.token_ends_ns is None:
            return None
        return (self.token_ends_ns - self.clock.now_ns()) / NS_PER_S

    async def send(self, connection: Connection) -> None:
        """Send the login with the token that its source has now; it is kept in no object."""
        wire = connection.socket
        self._tried_ns = self.clock.monotonic_ns()
        try:
            token = await self._read()
        except VectraError as error:
            self.token_ends_ns = None
            if not self._reported:
                self.notice(f"not logged in: {error}")
            self._reported = True
            return
        if wire is None or not wire.is_open or connection.ended.is_set():
            return
        self.token_ends_ns, self._sent, self._mark = token.expires_ns, True, self._mark_of(token)
        with contextlib.suppress(Exception):  # a connection that cannot carry it is about to end
            await wire.write(
                encode_login(token.value, os.urandom(16).hex(), self.credentials.profile)
            )

    async def look(self, connection: Connection) -> None:
        """Report an answer that is late, log in when there is a token again, and renew it in time."""
        waited_s = (self.clock.monotonic_ns() - self._tried_ns) / NS_PER_S
        if self.player_id is not None:
            if waited_s >= _RENEWAL_S and not connection.active:
                await self._look_for_renewal(connection)
        elif not self._sent:
            if waited_s >= _RENEWAL_S:
                await self.send(connection)
        elif not self._reported and waited_s >= self.login_s:
            self._reported, self._tried_ns = True, self.clock.monotonic_ns()
            self.notice(
                f"the venue did not confirm the login within {self.login_s:g} s: nothing can be sent; "
                "check the token and the profile's [login]"
            )
        elif self._reported and waited_s >= _RENEWAL_S:
            await self._look_for_another(connection)

    async def _read(self) -> Token:
        """Return the token in another thread: a keyring may take seconds, and the session continues."""
        return await asyncio.to_thread(self.usable_token)

    async def _look_for_another(self, connection: Connection) -> None:
        """Reconnect if the source has another token than the one that does not log us in."""
        self._tried_ns = self.clock.monotonic_ns()
        with contextlib.suppress(VectraError):  # there is none, which was reported already
            if self._mark_of(await self._read()) != self._mark:
                connection.end("there is another token: logging in again")

    def _mark_of(self, token: Token) -> bytes:
        return hashlib.blake2b(token.value.encode(), key=self._salt, digest_size=16).digest()

    async def _look_for_renewal(self, connection: Connection) -> None:
        """Reconnect if the token ends soon and a newer one is there."""
        left_s, ours_ns = self.token_left_s(), self.token_ends_ns
        if left_s is None or ours_ns is None or left_s > TOKEN_MARGIN_S:
            return
        self._tried_ns = self.clock.monotonic_ns()
        try:
            ends_ns = (await self._read()).expires_ns
        except VectraError:
            return  # entries are refused for this reason, which names it
        if ends_ns is not None and ends_ns > ours_ns and not connection.active:
            connection.end("the token was renewed: logging in again")

    def on_private(self, frame: Frame) -> None:
        """Follow what the venue says about the login."""
        if not frame.raw.startswith(_STATUS) and _LOGGED_OUT not in frame.raw:
            return  # most updates: the session decodes them
        try:
            event = decode(frame, self.credentials.profile)
        except WireError:
            return  # the session quarantines it
        if isinstance(event, LoginStatus):
            self.player_id = event.player_id
        elif isinstance(event, PlayerUpdate) and event.authenticated is False:
            if self.player_id is not None:
                self.notice("the venue says that we are no longer logged in: log in there again")
            self.player_id, self._reported = None, True

    def notice(self, text: str) -> None:
        """Report something to the operator."""
        log.warning("venue=%s %s", self.host, text)
        self.notices.append(text)


__all__ = ["TOKEN_MARGIN_S", "Credentials", "LinkLogin"]
