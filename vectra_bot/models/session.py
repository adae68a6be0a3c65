"""What plugins learn about the session they run in."""

from decimal import Decimal

from attrs import field, frozen

from vectra_bot.models.envelope import Mode


@frozen(kw_only=True)
class SessionInfo:
    """What a session is.

    Attributes:
        store: the store's folder as text, empty if nothing is stored.
        folder: folder of this session where a plugin may write files of its own, empty if nothing is stored.
    """

    session_id: str
    mode: Mode
    venue: str
    strategy: str
    store: str = ""
    folder: str = ""


@frozen(kw_only=True)
class SessionSummary:
    """How a session ended; amounts in SOL.

    Attributes:
        actions: number of actions by state.
        error: one line if the session ended with an error, else None.
    """

    games: int
    ticks: int
    actions: dict[str, int] = field(factory=dict)
    cash_start: Decimal | None = None
    cash_end: Decimal | None = None
    pnl: Decimal | None = None
    error: str | None = None
