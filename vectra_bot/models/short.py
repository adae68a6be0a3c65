"""Short positions (protocol 8: seen on the wire, payoff not determined)."""

from decimal import Decimal

from attrs import frozen

from vectra_bot.models import _fields as f


@frozen
class ShortPositionState:
    """Our short position at its opening, at a change that the venue stated, and at its close.

    Shorts profit when the price falls. ``short_qty`` is the stake over the entry price, rounded down to
    nine places, so that :attr:`short_value` is the stake. ``short_pnl`` is the venue's statement, after the
    close the profit of the short. The liquidation rule is unknown: those columns stay None.
    """

    has_short: bool = f.boolean(default=False)
    """Whether a short is open."""
    short_qty: Decimal = f.sol(default=Decimal(0))
    """Stake over entry price, rounded down; 0 once closed. Unit: units."""
    short_entry_price: Decimal = f.price(default=Decimal(0))
    """Price at which it was opened."""
    short_pnl: Decimal = f.sol(default=Decimal(0))
    """Profit as the venue states it; once closed, proceeds less the stake (0 if not stated). Unit: SOL."""
    liquidation_price: Decimal | None = f.opt_price(default=None)
    """Always null: what liquidates a short is not known."""
    margin_ratio: Decimal | None = f.opt_sol(default=None)
    """Always null: what liquidates a short is not known. Unit: share."""
    at_risk: bool = f.boolean(default=False)
    """Whether the short is worth less than half of its stake."""
    unverified: bool = f.boolean(default=True)
    """Always true: the payoff of a short is not determined."""

    @property
    def short_value(self) -> Decimal:
        """Return quantity times entry price."""
        return self.short_qty * self.short_entry_price
