"""What an exchange is made from, and the small records that cross its boundary."""

from __future__ import annotations

from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.game import rules
from vectra_bot.wire.states import WireFormat

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z: where the exchange's clock starts unless told otherwise."""

DEFAULT_CROWD = 300
MAX_CROWD = 3_000
DEFAULT_CASH = rules.LAMPORTS_PER_SOL


@frozen(kw_only=True)
class EvidenceDelays:
    """When the venue's answers leave it after a request has arrived, milliseconds (protocol 2.3).

    The owner's trade leaves at once; a sidebet's ``currentSidebet`` takes the place of the row.
    """

    update_ms: int = rules.UPDATE_AFTER_ARRIVAL_MS
    row_ms: int = rules.ROW_AFTER_ARRIVAL_MS
    ack_ms: int = rules.ACK_AFTER_ARRIVAL_MS

    @classmethod
    def none(cls) -> EvidenceDelays:
        """Answer everything at the moment of arrival, in the same order."""
        return cls(update_ms=0, row_ms=0, ack_ms=0)


@frozen(kw_only=True)
class ExchangeConfig:
    """Everything that decides what an exchange does; the same config gives the same frames, byte for byte.

    Attributes:
        seed: the session's seed; seeds, ids, jitter and crowd are derived from it by SHA-256.
        start_ns: where the exchange's clock starts, nanoseconds since the epoch, UTC.
        wire_format: December 2025 or February 2026 shapes (protocol 0.2).
        crowd: size of the population that plays beside the clients; 0 for none.
        past_games: finished games that history, averages and counters start with, at least 10.
        countdown_step_ms: distance of countdown frames, a divisor of 5000 (the venue's is 100).
    """

    seed: int | str = 1
    start_ns: int = START_NS
    wire_format: WireFormat = WireFormat.FEB
    crowd: int = field(default=DEFAULT_CROWD)
    past_games: int = field(default=rules.AVERAGE_GAMES)
    countdown_step_ms: int = field(default=rules.COUNTDOWN_STEP_MS)

    @crowd.validator
    def _check_crowd(self, _: object, value: int) -> None:
        if not 0 <= value <= MAX_CROWD:
            raise ConfigError(f"crowd must be a count from 0 to {MAX_CROWD}, was {value!r}")

    @past_games.validator
    def _check_past(self, _: object, value: int) -> None:
        if not rules.HISTORY_GAMES <= value <= rules.AVERAGE_GAMES:
            raise ConfigError(
                f"past_games must lie between {rules.HISTORY_GAMES} and {rules.AVERAGE_GAMES}, was {value!r}"
            )

    @countdown_step_ms.validator
    def _check_step(self, _: object, value: int) -> None:
        if value < rules.COUNTDOWN_STEP_MS or (rules.COOLDOWN_MS - rules.PRESALE_MS) % value:
            raise ConfigError(
                f"countdown_step_ms must divide 5000 and be at least 100, was {value!r}: try 100 or 5000"
            )


@frozen
class Outbound:
    """One message that leaves the venue at ``at_ns``.

    ``player_id`` is the one player it is for, None for everybody. ``not_to`` is the one player that does
    not get a broadcast, because the same fact was already sent to him alone.
    """

    at_ns: int
    player_id: str | None
    text: str
    not_to: str | None = None


@frozen(kw_only=True)
class RequestRecord:
    """A client's request as judged at its arrival, told to the hook before the exchange acts on it.

    ``amount`` is in lamports: the stake of a buy or sidebet, what a sell brings (0 if it is refused).
    ``price`` and ``tick`` are those in force at ``at_ns``.
    """

    trace_id: str | None
    kind: str
    amount: int
    percentage: int | None
    game_id: str
    tick: int
    price: float
    accepted: bool
    reason: str
    at_ns: int
    player_id: str
