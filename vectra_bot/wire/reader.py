"""Read one payload: first strictly, which is fast for the usual frame; then tolerantly.

The strict decoder rejects unknown keys. Only a frame that has one is re-read tolerantly, and its unknown
keys are kept as JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from vectra_bot.errors import WireError

P = TypeVar("P", bound=Struct)

_UNKNOWN_FIELD = "Object contains unknown field"
_MISSING = re.compile(r"missing required field `([^`]*)`")
_PATH = re.compile(r"`\$([^`]*)`$")
_INDEX = re.compile(r"\[[^\]]*\]")
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class Reader(Generic[P]):
    """Decoder of one event's payload.

    Args:
        event_name: the venue's name of the event.
        payload: the struct of its payload.
        money: paths of fields without which the event is unusable, e.g. ``cash``, ``sideBet.betAmount``.

    Attributes:
        decode_strict: decodes a payload without unknown keys, else raises msgspec's error.
    """

    def __init__(self, event_name: str, payload: type[P], money: tuple[str, ...] = ()) -> None:
        self.event_name = event_name
        self.strict: type[P] = msgspec.defstruct(  # type: ignore[assignment]
            f"Strict{payload.__name__}",
            [],
            bases=(payload,),
            forbid_unknown_fields=True,
            gc=False,
            kw_only=True,
        )
        self._money = frozenset(money)
        self._known = frozenset(payload.__struct_encode_fields__)
        self.decode_strict = msgspec.json.Decoder(self.strict).decode
        self._decode_tolerant = msgspec.json.Decoder(payload).decode

    def read(self, data: Raw | None) -> tuple[P, Mapping[str, str]]:
        """Return the payload and the unknown top-level keys as JSON text.

        Raises:
            WireError: the payload is missing, or a field is missing, of the wrong type or out of range.
        """
        if data is None:
            raise self.error("no-payload", "the frame has no payload", money=bool(self._money))
        try:
            return self.decode_strict(data), {}
        except msgspec.ValidationError as error:
            if not str(error).startswith(_UNKNOWN_FIELD):
                raise self.invalid(error) from None
        try:
            return self._decode_tolerant(data), self._extra(data)
        except msgspec.ValidationError as error:
            raise self.invalid(error) from None

    def _extra(self, data: Raw) -> dict[str, str]:
        extra: dict[str, str] = {}
        for key, value in _decode_object(data).items():
            if key not in self._known:
                msgspec.json.decode(value)
                extra[key] = bytes(value).decode()
        return extra

    def invalid(self, error: msgspec.ValidationError) -> WireError:
        """Return the error for a payload that is valid JSON but of the wrong type."""
        text = str(error)
        found = _PATH.search(text)
        path = _INDEX.sub("", found[1]).lstrip(".") if found else ""
        missing = _MISSING.search(text)
        if missing:
            path = f"{path}.{missing[1]}" if path else missing[1]
            return self.missing(path)
        return self.error(f"bad:{path or 'payload'}", text, money=not path or path in self._money)

    def missing(self, field: str) -> WireError:
        """Return the error for a missing field."""
        return self.error(f"missing:{field}", f"{field} is missing", money=field in self._money)

    def error(self, reason: str, text: str, *, money: bool = False) -> WireError:
        """Return an error about this event."""
        money = money and bool(self._money)
        advice = "the event is not used" if money else "the frame is skipped"
        return WireError(
            reason, f"{self.event_name}: {text}; {advice}", event_name=self.event_name, money=money
        )


class RepeatedPart:
    """An undecoded part that repeats from frame to frame, searched for numbers outside a double's range.

    Comparing it with the last one costs a tenth of decoding it again.
    """

    def __init__(self) -> None:
        self._last = Raw(b"null")

    def check(self, part: Raw) -> None:
        """Raise msgspec's error if there is such a number."""
        if part != self._last:
            msgspec.json.decode(part)
            self._last = part.copy()  # of the part alone, not of the whole frame


class RepeatedEnd(Generic[P]):
    """The last keys of a payload, which repeat from frame to frame, decoded again only when they change.

    A frame is cut before these keys. If what is before the cut is an object once it is closed, the cut is
    between two keys of the payload itself, and its parts say together what the whole says: a key that both
    have counts as the end says it, because the last one counts.

    Args:
        first: the key with which the end begins.
        read: returns what an end says, made an object, or raises. No key may be optional, because
            the start could say it.
    """

    def __init__(self, first: str, read: Callable[[str], P]) -> None:
        self._mark = f',"{first}":'
        self._read = read
        self._last: tuple[str, P | None] = (self._mark, None)  # no frame ends with the mark

    def cut(self, raw: str) -> tuple[int, P | None]:
        """Return where the end begins in a frame whose last character closes its array, and what it says.

        Both are 0 and None if there is no such end. What *read* raises is passed on.
        """
        text, end = self._last
        if raw.endswith(text):
            return len(raw) - len(text), end
        at = raw.rfind(self._mark)
        if at < 0:
            return 0, None
        text = raw[at:]
        end = self._read(f"{{{text[1:-1]}")
        self._last = text, end
        return at, end


@lru_cache(maxsize=64)
def check_numbers(data: bytes) -> None:
    """Raise msgspec's error if a part that was seen among many has such a number."""
    msgspec.json.decode(data)


def strict_array(*types: Any) -> Any:
    """Return the decode function of a fixed array, for frames whose shape is known in advance."""
    return msgspec.json.Decoder(tuple[types]).decode  # type: ignore[valid-type]
