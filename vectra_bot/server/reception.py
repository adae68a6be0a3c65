"""Messages from clients: checked, read, and answered or passed to the exchange (protocol 2.3, 2.5, 10).

A message that cannot be read ends its connection, as in the JavaScript server. One that can be read and is
not allowed is rejected with ``{"success":false,"message":...}`` in its acknowledgement; a request without
an acknowledgement id is rejected without an answer, except ``authenticate``, whose rejection is a
``gameNotification`` (the venue's answer to a wrong token was never captured: ``unverified``).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from attrs import define, field

from vectra_bot.errors import InputError, VectraError, WireError
from vectra_bot.exchange import EvidenceDelays, Exchange
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.server.answers import ANSWERED, Answers
from vectra_bot.server.clients import Client
from vectra_bot.server.driver import Driver
from vectra_bot.server.faults import Faults, LoginFault, Refusal, RefusalShape
from vectra_bot.server.faults.requests import ack_of
from vectra_bot.server.limits import MessageVerdict, ServerLimits, ack_id_of
from vectra_bot.server.roster import Roster
from vectra_bot.server.tokens import Login, TokenTable
from vectra_bot.server.transport import Prepared
from vectra_bot.wire.frames import ack_text
from vectra_bot.wire.payloads import AckPayload
from vectra_bot.wire.requests import Request, decode_request

_ENGINE = re.compile(r"4[0-6]|2probe\Z|[1356]\Z")
_JOIN_COST = 10
_UNUSABLE_COST = 10
_TOO_MANY = "Too many requests"
_NOT_LOGGED_IN = "Not logged in"


@define(kw_only=True)
class Reception:
    """Read messages from clients, and answer them or pass them to the exchange."""

    exchange: Exchange
    driver: Driver
    roster: Roster
    tokens: TokenTable
    limits: ServerLimits
    faults: Faults
    latency_ms: int | None = None
    _answers: Answers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._answers = Answers(self.exchange)

    def admit(self, client: Client, data: str | bytes) -> MessageVerdict:
        """Return the verdict on an Engine.IO message; a rejected request has been answered."""
        if client.gone:
            return MessageVerdict.LAST
        if not isinstance(data, str) or data[:2] in ("45", "46"):
            return self._last(client, "binary frame")
        if not _ENGINE.match(data):
            return self._last(client, "malformed frame")
        cost = _JOIN_COST if data.startswith("40") else 1
        verdict = client.take(cost)
        if verdict is MessageVerdict.LAST:
            return self._last(client, "flood")
        if verdict is MessageVerdict.REFUSED:
            if not data.startswith("4"):
                return MessageVerdict.TAKEN  # a heartbeat is charged, but never rejected
            self.refuse(client, ack_id_of(data), _TOO_MANY)
        return verdict

    def read(self, client: Client, text: str) -> None:
        """Read a client's event ``42...``."""
        self.roster.counts.requests += 1
        try:
            request = decode_request(text, self.exchange.config.protocol)
        except WireError as error:
            if error.event_name is None:
                self.roster.end(client, "malformed frame")
                return
            self.refuse(client, ack_id_of(text), "Unusable payload")
            if client.take(_UNUSABLE_COST) is MessageVerdict.LAST:
                self.roster.end(client, "flood")
            return
        self._act(client, request, text)

    def refuse(self, client: Client, ack_id: int | None, message: str) -> None:
        """Reject a request, with an answer if it has an acknowledgement id."""
        self.roster.counts.refused += 1
        if ack_id is not None:
            answer = AckPayload(success=False, message=message)
            client.tell(Prepared(ack_text(ack_id, answer)))

    def _last(self, client: Client, reason: str) -> MessageVerdict:
        self.roster.end(client, reason)
        return MessageVerdict.LAST

    def _act(self, client: Client, request: Request, text: str) -> None:
        if request.event == self.exchange.config.protocol.login["event"]:
            self._log_in(client, request)
        elif request.event in ANSWERED:
            self._answer(client, request)
        elif client.player_id is None:
            self._note_unknown(request)
            self.refuse(client, request.ack_id, _NOT_LOGGED_IN)
        else:
            self._note_unknown(request)
            refusal = self.faults.refusal_of(client, request)
            if refusal is None:
                self._hand_over(client, client.player_id, text)
            else:
                self._refuse_in_shape(client, request, refusal)

    def _note_unknown(self, request: Request) -> None:
        if not request.kind:
            self.roster.counts.unknown += 1

    def _hand_over(self, client: Client, player_id: str, text: str) -> None:
        try:
            at_ns = self._executed_ns() + int(self.faults.postponed_s(client) * NS_PER_S)
            self.exchange.request(at_ns, player_id, text, received=True)
        except (WireError, InputError):
            self.refuse(client, ack_id_of(text), "Unusable request")
        self.driver.wake()

    def _refuse_in_shape(self, client: Client, request: Request, refusal: Refusal) -> None:
        """Answer a request that is not executed as a test wants it."""
        self.roster.counts.refused += 1
        if refusal.shape is RefusalShape.EVENT_ONLY:
            client.tell(Prepared(self._answers.notice(refusal.message, request.trace_id)))
        elif request.ack_id is not None:
            text = ack_of(refusal.shape, request.ack_id, refusal.message)
            if text is not None:
                late_s = refusal.seconds if refusal.shape is RefusalShape.LATE else 0.0
                self._later(late_s, lambda: client.tell(Prepared(text)))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, act)
        else:
            act()

    def _executed_ns(self) -> int:
        """Return when a request received now is executed.

        At a latency of 0 that is the moment of the last step: at the price that was shown last, although a
        busy machine may be late with the next one.
        """
        if self.latency_ms == 0:
            return self.exchange.now_ns
        return self.driver.now_ns() + (self.latency_ms or 0) * NS_PER_MS

    def _answer(self, client: Client, request: Request) -> None:
        text = self._answers.text(
            request.event, request.payload, client.player_id, request.trace_id
        )
        if text is not None:
            client.tell(Prepared(text))
        if request.ack_id is not None:
            client.tell(Prepared(ack_text(request.ack_id)))

    def _log_in(self, client: Client, request: Request) -> None:
        """Log in; a second login of a player ends the older connection.

        A connection lost without notice must not lock its player out until the heartbeat times out.
        """
        key = self.exchange.config.protocol.login["token"]
        login = self.tokens.find(request.payload.get(key))
        trouble = self.faults.trouble_of(client)
        if trouble is None:
            self._log_in_by_token(client, request, login)
        elif trouble.fault is LoginFault.REFUSED:
            self._refuse_login(client, request, "Login refused: token expired")
        elif trouble.fault is not LoginFault.NEVER:
            if trouble.fault is LoginFault.OTHER_ACCOUNT:
                login = Login(player_id=trouble.player_id)
            late_s = trouble.seconds if trouble.fault is LoginFault.LATE else 0.0
            self._later(late_s, lambda: self._log_in_by_token(client, request, login))

    def _log_in_by_token(self, client: Client, request: Request, login: Login | None) -> None:
        if client.gone:
            return
        if login is None:
            self._refuse_login(client, request, "Login refused: unknown token")
            return
        if client.login is not None and client.player_id != login.player_id:
            self._refuse_login(client, request, "Login refused: logged in as another player")
            return
        older = self.roster.players.get(login.player_id)
        if older is client:
            self.roster.log_out(client)
        elif older is not None:
            self.roster.end(older, "taken over")
        try:
            self.exchange.connect(
                login.player_id,
                login.username,
                login.cash,
                bonus=login.bonus,
                level=login.level,
                delays=EvidenceDelays.none() if self.latency_ms == 0 else None,
                snapshot=False,
                trace_id=request.trace_id,
            )
        except VectraError:
            self._refuse_login(client, request, "Login refused")
            return
        client.login = login
        self.roster.players[login.player_id] = client
        self.roster.counts.logins += 1
        self.roster.note_change()
        if request.ack_id is not None:
            client.tell(Prepared(ack_text(request.ack_id, AckPayload(success=True))))
        self.driver.wake()

    def _refuse_login(self, client: Client, request: Request, message: str) -> None:
        client.failed_logins += 1
        client.tell(Prepared(self._answers.notice(message, request.trace_id)))
        self.refuse(client, request.ack_id, message)
        if client.failed_logins >= self.limits.failed_logins:
            self.roster.end(client, "failed logins")
