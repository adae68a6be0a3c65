"""What plugins learn about the session they run in."""

from decimal import Decimal

from attrs import field, frozen

from vectra_bot.models.envelope import Mode


@frozen(kw_only=True)
class SessionInfo:
    """What a session is."""

    session_id: str
    """The session."""
    mode: Mode
    """How it runs: paper, live or replay."""
    venue: str
    """Where the feed comes from: `embedded`, or a host."""
    strategy: str
    """Name of the strategy."""
    store: str = ""
    """The store's folder as text, empty if nothing is stored."""
    folder: str = ""
    """Folder of this session where a plugin may write its own files, empty if nothing is stored."""


@frozen(kw_only=True)
class SessionSummary:
    """How a session ended; amounts in SOL."""

    games: int
    """Games that rugged while the session watched. Unit: count."""
    ticks: int
    """New ticks seen. Unit: count."""
    actions: dict[str, int] = field(factory=dict)
    """Number of actions by state. Unit: count."""
    cash_start: Decimal | None = None
    """Cash at the first statement of our account; None without one. Unit: SOL."""
    cash_end: Decimal | None = None
    """Cash at the end; None without a statement. Unit: SOL."""
    pnl: Decimal | None = None
    """Change of the cash; None without a statement. Unit: SOL."""
    error: str | None = None
    """One line if the session ended with an error, else None."""
