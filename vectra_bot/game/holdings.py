"""Our holdings other than the long position: sidebet, short, stakes in rounds. Amounts in SOL."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from vectra_bot.models import SideGameKind

_NOTHING = Decimal(0)


@frozen
class SidebetView:
    """A running sidebet; it wins if the game rugs by ``end_tick`` (protocol 7).

    ``bonus`` is the part of the amount that was bonus money.
    """

    amount: Decimal
    start_tick: int
    end_tick: int
    action_id: str | None = None
    bonus: Decimal = _NOTHING


@frozen
class ShortView:
    """Our short position (protocol 8; its payoff is unverified).

    ``value`` is what closing it would pay, as the venue last stated; the stake until the venue has stated
    a value. It is never computed here, because the payoff is not known. Inside ``on_game_tick`` it is that of
    the previous tick.
    """

    stake: Decimal
    entry_price: float
    entry_tick: int
    value: Decimal
    action_id: str | None = None
    bonus: Decimal = _NOTHING

    @property
    def pnl(self) -> Decimal:
        """Return value minus stake."""
        return self.value - self.stake

    @property
    def multiple(self) -> float:
        """Return value over stake."""
        return float(self.value / self.stake) if self.stake else 0.0


@frozen
class StakeView:
    """Our stake in a side game's round that has no result yet (protocol 11; unverified)."""

    side_game: SideGameKind
    round_id: str
    choice: str
    amount: Decimal
    action_id: str | None = None
    bonus: Decimal = _NOTHING
    placed_ts: int | None = None
