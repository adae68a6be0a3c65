"""Faults of a client's requests and logins: refused in many shapes, executed late, answered late or never.

No refusal of the venue was ever captured, so a client must be prepared for any shape. ``PROOFS`` has those
that prove one: an object whose ``success`` is false. Everything else, an error text included, proves nothing:
the request may have been executed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define

if TYPE_CHECKING:
    from vectra_bot.server.clients import Client

_HTML = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


class RefusalShape(str, Enum):
    """How a request that is not executed is answered."""

    MESSAGE = "message"
    REASON = "reason"
    ERROR = "error"
    NESTED = "nested"
    CODE = "code"
    BARE = "bare"
    TWO_ARGUMENTS = "two-arguments"
    NODE = "node"
    STATUS = "status"
    SUCCESS_TEXT = "success-text"
    TEXT = "text"
    HTML = "html"
    NUMBER = "number"
    FALSE = "false"
    NULL = "null"
    EMPTY = "empty"
    EVENT_ONLY = "event-only"
    NEVER = "never"
    LATE = "late"
    LIE = "lie"


PROOFS = frozenset(
    {
        RefusalShape.MESSAGE,
        RefusalShape.REASON,
        RefusalShape.ERROR,
        RefusalShape.NESTED,
        RefusalShape.CODE,
        RefusalShape.BARE,
        RefusalShape.TWO_ARGUMENTS,
        RefusalShape.LATE,
    }
)
"""The shapes that prove a refusal; the others leave it open whether the request was executed."""


def arguments_of(shape: RefusalShape, message: str) -> list[Any] | None:
    """Return the arguments of an acknowledgement that refuses in *shape*, None if there is none."""
    refused: dict[str, Any] = {"success": False}
    shapes: dict[RefusalShape, list[Any]] = {
        RefusalShape.MESSAGE: [refused | {"message": message}],
        RefusalShape.REASON: [refused | {"reason": message}],
        RefusalShape.ERROR: [refused | {"error": message}],
        RefusalShape.NESTED: [refused | {"error": {"code": 4001, "message": message}}],
        RefusalShape.CODE: [refused | {"code": 4001}],
        RefusalShape.BARE: [refused],
        RefusalShape.TWO_ARGUMENTS: [None, refused | {"message": message}],
        RefusalShape.NODE: [{"message": message}, None],
        RefusalShape.STATUS: [{"status": "error", "message": message}],
        RefusalShape.SUCCESS_TEXT: [{"success": "false", "message": message}],
        RefusalShape.TEXT: [message],
        RefusalShape.HTML: [_HTML],
        RefusalShape.NUMBER: [403],
        RefusalShape.FALSE: [False],
        RefusalShape.NULL: [None],
        RefusalShape.EMPTY: [],
        RefusalShape.LATE: [refused | {"message": message}],
        RefusalShape.LIE: [{"success": True}],
    }
    return shapes.get(shape)


def ack_of(shape: RefusalShape, ack_id: int, message: str) -> str | None:
    """Return the text of that acknowledgement."""
    arguments = arguments_of(shape, message)
    return None if arguments is None else f"43{ack_id}{msgspec.json.encode(arguments).decode()}"


class LoginFault(str, Enum):
    """The outcome of a login: answered late, never, for another account, or refused."""

    LATE = "late"
    NEVER = "never"
    OTHER_ACCOUNT = "other-account"
    REFUSED = "refused"


@define(eq=False, kw_only=True)
class _Counted:
    """A fault for the next ``count`` requests; ``hits`` counts them."""

    target: Client | str | None
    count: int
    hits: int = 0

    def takes(self, client: Client) -> bool:
        """Return whether this applies to a request of *client*, and count it if so."""
        if self.hits >= self.count or self.target not in (None, client, client.player_id):
            return False
        self.hits += 1
        return True


@define(eq=False, kw_only=True)
class Refusal(_Counted):
    """Requests that are answered in *shape* and not executed."""

    shape: RefusalShape
    kind: str | None
    message: str
    seconds: float


@define(eq=False, kw_only=True)
class Postponed(_Counted):
    """Requests that are executed ``seconds`` later than otherwise."""

    seconds: float


@define(eq=False, kw_only=True)
class LoginTrouble(_Counted):
    """Logins that end otherwise than the token says."""

    fault: LoginFault
    seconds: float
    player_id: str
