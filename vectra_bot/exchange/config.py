"""What an exchange is made from, and the small records that cross its boundary."""

from __future__ import annotations

from decimal import Decimal

from attrs import field, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.game import rules
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.game.sidegames import BBC, CANDLEFLIP, SideGame, bbc_game, candleflip_game
from vectra_bot.wire.profile import Profile, default_profile
from vectra_bot.wire.states import WireFormat

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z: where the exchange's clock starts unless told otherwise."""

DEFAULT_CROWD = 300
MAX_CROWD = 3_000
DEFAULT_CASH = rules.LAMPORTS_PER_SOL
DEFAULT_LEVEL = 25  # the crowd's median is 20 to 30 (protocol 13)


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
class GoldenPlan:
    """When Golden Hours are, counted from the exchange's start.

    Attributes:
        every_min: distance of two windows' starts, minutes; 0 for none.
        after_min: start of the first window.
        length_min: length of a window.
        chance: share of a window's games that are golden (unverified).
    """

    every_min: int = field(default=180)
    after_min: int = field(default=60)
    length_min: int = field(default=60)
    chance: float = field(default=1 / 6)

    def __attrs_post_init__(self) -> None:
        minutes = (self.every_min, self.after_min, self.length_min)
        if not all(type(m) is int and 0 <= m <= 100_000 for m in minutes) or not self.length_min:
            raise ConfigError(
                f"a golden plan of {minutes} minutes: give whole minutes, 0 to 100000"
            )
        if self.every_min and self.length_min > self.every_min:
            raise ConfigError(
                f"golden windows of {self.length_min} min every {self.every_min} min overlap: give "
                "a length of at most the distance"
            )
        if not 0 <= self.chance <= 1:
            raise ConfigError(f"share of golden games was {self.chance!r}: give 0 to 1")


@frozen(kw_only=True)
class ExchangeConfig:
    """Everything that decides what an exchange does; the same config gives the same frames, byte for byte.

    Attributes:
        seed: the session's seed; seeds, ids, jitter and crowd are derived from it by SHA-256.
        start_ns: where the exchange's clock starts, nanoseconds since the epoch, UTC.
        wire_format: December 2025 or February 2026 shapes (protocol 0.2).
        crowd: size of the population that plays beside the clients; 0 for none.
        planted: how many of the crowd, for tests of analyses, see each next price before it is in force;
            without them nobody in the crowd has any skill.
        past_games: finished games that history, averages and counters start with, at least 10.
        countdown_step_ms: distance of countdown frames, a divisor of 5000 (the venue's is 100).
        max_win: SOL a player can win in one game (notes only: unverified).
        leverage_level: level from which leverage is offered (documented only: unverified).
        short_terms: payoff of shorts (unverified).
        side_games: whether Bull/Bear/Crab and Candleflip rounds run (unverified).
        bbc: odds and payouts of Bull/Bear/Crab (unverified).
        candleflip: odds and payouts of Candleflip (unverified).
        candleflip_rooms: Candleflip rooms that run side by side (unverified).
        golden: when Golden Hours are.
        rugpool_threshold: instarugs that fill the rugpool.
        instarug_ticks: a game that rugs by this tick is an instarug.
        profile: what requests and side games are called on the wire.
        crowd_mail: send every member of the crowd what concerns him alone, as if he were logged in: for
            audits of money by frames; a Golden Hour and its drawings are public anyway.
        jitter: whether frames come with the delays of a real link (protocol 13), or at their mean times.
        notices: whether chat and what else goes on beside the game is sent.
        past_records: seeds and ids of games before the *past_games*, oldest first: records know them.
    """

    seed: int | str = 1
    start_ns: int = START_NS
    wire_format: WireFormat = WireFormat.FEB
    crowd: int = field(default=DEFAULT_CROWD)
    planted: int = 0
    past_games: int = field(default=rules.AVERAGE_GAMES)
    countdown_step_ms: int = field(default=rules.COUNTDOWN_STEP_MS)
    max_win: Decimal = field(default=rules.MAX_WIN)
    leverage_level: int = field(default=rules.LEVERAGE_LEVEL)
    short_terms: ShortTerms = field(factory=ShortTerms)
    side_games: bool = True
    bbc: SideGame = field(factory=bbc_game)
    candleflip: SideGame = field(factory=candleflip_game)
    candleflip_rooms: int = field(default=1)
    golden: GoldenPlan = field(factory=GoldenPlan)
    rugpool_threshold: int = field(default=rules.RUGPOOL_INSTARUGS)
    instarug_ticks: int = field(default=rules.INSTARUG_TICKS)
    profile: Profile = field(factory=default_profile)
    crowd_mail: bool = False
    jitter: bool = True
    notices: bool = True
    past_records: tuple[tuple[str, str], ...] = ()

    def __attrs_post_init__(self) -> None:
        for name, low, high in (
            ("planted", 0, self.crowd),
            ("leverage_level", 0, rules.MAX_LEVEL),
            ("candleflip_rooms", 1, rules.CANDLEFLIP_ROOMS),
            ("rugpool_threshold", 1, 1_000),
            ("instarug_ticks", 1, rules.MAX_TICKS),
        ):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ConfigError(
                    f"{name} must be a whole number from {low} to {high}, was {value!r}"
                )
        if not 0 < self.max_win <= 1_000_000:
            raise ConfigError(
                f"max_win must lie above 0 and up to 1000000 SOL, was {self.max_win!r}"
            )
        if set(self.bbc.odds) != set(bbc_game().odds) or self.bbc.name != BBC:
            raise ConfigError(
                f"bbc has the choices {', '.join(bbc_game().odds)}: give odds for these"
            )
        if (
            set(self.candleflip.odds) != set(candleflip_game().odds)
            or self.candleflip.name != CANDLEFLIP
        ):
            raise ConfigError(
                f"candleflip has the choices {', '.join(candleflip_game().odds)}: give odds for these"
            )

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
