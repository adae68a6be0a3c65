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
    short_qty: Decimal = f.sol(default=Decimal(0))
    short_entry_price: Decimal = f.price(default=Decimal(0))
    short_pnl: Decimal = f.sol(default=Decimal(0))
    liquidation_price: Decimal | None = f.opt_price(default=None)
    margin_ratio: Decimal | None = f.opt_sol(default=None)
    at_risk: bool = f.boolean(default=False)
    unverified: bool = f.boolean(default=True)

    @property
    def short_value(self) -> Decimal:
        """Return quantity times entry price."""
        return self.short_qty * self.short_entry_price
