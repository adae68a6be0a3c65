"""What plugins learn about the session they run in."""

from collections.abc import Mapping
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
class HookTime:
    """How long one hook of one plugin has taken so far."""

    plugin: str
    """Name of the plugin."""
    hook: str
    """Name of the hook."""
    calls: int
    """Calls so far. Unit: count."""
    total_ns: int
    """Time of all calls. Unit: ns."""
    longest_ns: int = 0
    """Time of the longest call. Unit: ns."""


@frozen(kw_only=True)
class SessionFigures:
    """What the host of a running session knows; figures without a connection or a login are None."""

    pnl: Decimal | None = None
    """Change of our cash with what is open at the last price; None before the account is known. Unit: SOL."""
    data_age_ms: float | None = None
    """Age of the newest frame of the feed; None without a connection. Unit: ms."""
    rtt_ms: float | None = None
    """Round trip of the connection's last ping; None without one. Unit: ms."""
    queue_depth: int | None = None
    """Frames received and not processed yet; None if the feed has no queue. Unit: count."""
    lost_frames: int = 0
    """Frames that found the queue full. Unit: count."""
    quarantined_frames: int = 0
    """Frames that could not be decoded. Unit: count."""
    frames: int = 0
    """Frames received. Unit: count."""
    parts_behind: int = 0
    """Closed segments of the journal whose Parquet files are not built yet. Unit: count."""
    alerts_queued: int = 0
    """Alerts that wait in the queues of sinks. Unit: count."""
    alert_sinks: Mapping[str, Mapping[str, int]] = field(factory=dict)
    """Alerts by sink, and by outcome: delivered, failed, late, dropped, expired."""
    hook_times: tuple[HookTime, ...] = ()
    """Time that plugins took, by plugin and hook."""


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
