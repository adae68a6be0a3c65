"""Decimal contexts for code that is not ours, which runs at every tick.

Such code may change the context it runs in: precision, traps, flags. A copy for every tick would cost more
than the call of a small plugin. So one copy is lent again and again: it notes what is written to it, its
flags and traps are compared, and what was changed is restored before it is lent the next time.
"""

from __future__ import annotations

from decimal import Context, setcontext
from typing import Any

_write = Context.__setattr__


class _Lent(Context):
    """A context that notes the attributes written to it; what else it has are its flags and traps."""

    __slots__ = ("_written",)

    def __setattr__(self, name: str, value: Any) -> None:
        _write(self, name, value)
        getattr(self, "_written", []).append(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Context, *super().__reduce__()[1:])


class LentContext:
    """Lends a context that equals the engine's to code that may change it.

    Args:
        ours: the engine's context.
    """

    __slots__ = ("_context", "_flags", "_our_flags", "_our_traps", "_ours", "_traps", "_written")

    def __init__(self, ours: Context) -> None:
        # The flags of a context are valid as long as it is, so it is kept with them.
        self._ours, self._our_flags, self._our_traps = ours, ours.flags, ours.traps
        self._renew()

    def _renew(self) -> None:
        ours = self._ours
        self._written: list[str] = []
        self._context = context = _Lent(
            ours.prec, ours.rounding, ours.Emin, ours.Emax, ours.capitals, ours.clamp
        )
        _write(context, "flags", ours.flags)
        _write(context, "traps", ours.traps)
        _write(context, "_written", self._written)
        self._flags, self._traps = context.flags, context.traps

    def lend(self) -> None:
        """Make it the current context, as the engine's is now."""
        if self._written or self._traps != self._our_traps:
            self._renew()
        elif self._flags != self._our_flags:  # nearly any result that is not exact sets one
            _write(self._context, "flags", self._our_flags)
        setcontext(self._context)


__all__ = ["LentContext"]
