"""Configuration of an exchange, and the small records that cross its boundary."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from attrs import field, fields, frozen

from vectra_bot.errors import ConfigError
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff, ShortTerms
from vectra_bot.game.sidegames import BBC, CANDLEFLIP, SideGame, side_game
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.params import Heading, Refused, convert, declared, like, option
from vectra_bot.wire.profile import Profile, default_profile, parse_profile
from vectra_bot.wire.states import WireFormat

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z: the default start of the exchange's clock."""

GAME_MS = 66_000
"""Mean time from one game's announcement to the next one's: what dates the games of a seed."""

MAX_FIRST_GAME = 50_000_000  # with the games after it, still before the year 2200

DEFAULT_CROWD = 300
MAX_CROWD = 3_000
DEFAULT_CASH = rules.LAMPORTS_PER_SOL
DEFAULT_LEVEL = 25  # the crowd's median is 20 to 30 (protocol 13)


@frozen(kw_only=True)
class EvidenceDelays:
    """Delays of the venue's answers after a request has arrived, milliseconds (protocol 2.3).

    The owner's trade is sent immediately; for a sidebet ``currentSidebet`` replaces the row.
    """

    update_ms: int = rules.UPDATE_AFTER_ARRIVAL_MS
    row_ms: int = rules.ROW_AFTER_ARRIVAL_MS
    ack_ms: int = rules.ACK_AFTER_ARRIVAL_MS

    @classmethod
    def none(cls) -> EvidenceDelays:
        """Return delays of 0: everything is answered at the moment of arrival, in the same order."""
        return cls(update_ms=0, row_ms=0, ack_ms=0)


@frozen(kw_only=True)
class GoldenPlan:
    """Times of the Golden Hours, from the exchange's start.

    Attributes:
        every_min: minutes between the starts of two windows; 0 for none.
        after_min: start of the first window, minutes.
        length_min: length of a window, minutes.
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
                "a length of at most that interval"
            )
        if not 0 <= self.chance <= 1:
            raise ConfigError(f"share of golden games was {self.chance!r}: give 0 to 1")


def path_of(value: Any) -> Path:
    """Return a config value (text or Path) as a path; ``~`` is the user's home."""
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError):
        raise Refused("a path, as text or Path") from None


def load_profile(path: Path) -> Profile:
    """Return the default protocol profile with the corrections of the TOML file at *path*.

    Raises:
        ConfigError: the file cannot be read, or is not a profile.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"protocol {str(path)!r} cannot be read ({reason}): give a TOML file in UTF-8"
        ) from None
    return parse_profile(text, f"protocol {str(path)!r}")


def _protocol(value: Any) -> Profile:
    if value is None:
        return default_profile()
    return value if isinstance(value, Profile) else load_profile(path_of(value))


def _countdown_step(value: Any) -> int:
    step: int = convert(value, int, text=False)
    if step < rules.COUNTDOWN_STEP_MS or _COUNTDOWN_MS % step:
        raise Refused
    return step


def _of_rounds(game: str, what: str) -> Callable[[Any], str | None]:
    def take(value: Any) -> str | None:
        text: str | None = convert(value, str | None, text=False)
        try:
            side_game(game, **{what: text})
        except ConfigError as error:
            raise Refused(message=str(error)) from None
        return text

    return take


def _by_default(game: str, what: str) -> str:
    numbers = getattr(side_game(game), what).values()
    return ",".join(f"{n:g}" if isinstance(n, float) else str(n) for n in numbers)


def _made_games(value: Any) -> tuple[FairGame, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, FairGame) for one in value):
        raise Refused
    return tuple(value)


_COUNTDOWN_MS = rules.COOLDOWN_MS - rules.PRESALE_MS


@frozen(kw_only=True, field_transformer=declared)
class ExchangeOptions:
    """The options of the modelled venue that a user can set, wherever an exchange is started.

    Attributes:
        wire_format: December 2025 or February 2026 shapes (protocol 0.2).
        crowd: number of simulated players besides the clients, 0 for none; None for the default.
        countdown_step: interval of countdown frames, ms; the venue's is 100, 5000 is fastest to run.
        protocol: names of requests and side games' events on the wire: a TOML file that corrects the default
            names, or a profile.
        side_games: whether Bull/Bear/Crab and Candleflip rounds run in parallel to the game (unverified).
        bbc_odds, bbc_payouts: chances and payouts of BULL, BEAR and CRAB, such as ``"7/15,7/15,1/15"`` and
            ``"2,2,14"``, the defaults (unverified).
        candleflip_odds, candleflip_payouts: those of GREEN and RED, ``"1/2,1/2"`` and ``"1.94,1.94"`` by
            default (unverified).
        short_payoff: how a short's value follows the price (unverified).
        short_at_rug: what an open short receives at the rug (unverified).
    """

    wire_format: WireFormat = option(
        WireFormat.FEB,
        key="format",
        choices=("feb", "dec"),
        help="Wire format: February or December.",
        heading=Heading.EXCHANGE,
    )
    crowd: int | None = option(
        None,
        low=0,
        high=MAX_CROWD,
        shown=str(DEFAULT_CROWD),
        help="Other players on the exchange.",
        heading=Heading.EXCHANGE,
    )
    countdown_step: int = option(
        rules.COUNTDOWN_STEP_MS,
        take=_countdown_step,
        low=rules.COUNTDOWN_STEP_MS,
        high=_COUNTDOWN_MS,
        words=f"a divisor of {_COUNTDOWN_MS} from {rules.COUNTDOWN_STEP_MS}, e.g. 100 or 5000",
        metavar="MS",
        help=f"Interval of countdown frames in ms, a divisor of {_COUNTDOWN_MS}.",
        heading=Heading.EXCHANGE,
    )
    protocol: Profile = option(
        factory=default_profile,
        take=_protocol,
        metavar="FILE",
        words="a TOML file in UTF-8",
        help="TOML file with the venue's names of requests and side games' events.",
        heading=Heading.EXCHANGE,
    )
    side_games: bool = option(
        True,
        help="Run Bull/Bear/Crab and Candleflip rounds in parallel to the game (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    bbc_odds: str | None = option(
        None,
        take=_of_rounds(BBC, "odds"),
        metavar="P,P,P",
        shown=_by_default(BBC, "odds"),
        help="Chances of BULL, BEAR and CRAB in a round (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    bbc_payouts: str | None = option(
        None,
        take=_of_rounds(BBC, "payouts"),
        metavar="X,X,X",
        shown=_by_default(BBC, "payouts"),
        help="What BULL, BEAR and CRAB pay, times the stake (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    candleflip_odds: str | None = option(
        None,
        take=_of_rounds(CANDLEFLIP, "odds"),
        metavar="P,P",
        shown=_by_default(CANDLEFLIP, "odds"),
        help="Chances of GREEN and RED in a round (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    candleflip_payouts: str | None = option(
        None,
        take=_of_rounds(CANDLEFLIP, "payouts"),
        metavar="X,X",
        shown=_by_default(CANDLEFLIP, "payouts"),
        help="What GREEN and RED pay, times the stake (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    short_payoff: ShortPayoff = option(
        ShortPayoff.TEXTBOOK,
        help="How a short's value follows the price (unverified).",
        heading=Heading.SIDE_GAMES,
    )
    short_at_rug: ShortAtRug = option(
        ShortAtRug.SETTLE,
        help="What an open short receives at the rug (unverified).",
        heading=Heading.SIDE_GAMES,
    )

    @property
    def bbc(self) -> SideGame:
        """Return Bull/Bear/Crab with the configured odds and payouts."""
        return side_game(BBC, self.bbc_odds, self.bbc_payouts)

    @property
    def candleflip(self) -> SideGame:
        """Return Candleflip with the configured odds and payouts."""
        return side_game(CANDLEFLIP, self.candleflip_odds, self.candleflip_payouts)

    @property
    def short_terms(self) -> ShortTerms:
        """Return the terms of every short."""
        return ShortTerms(payoff=self.short_payoff, at_rug=self.short_at_rug)


@frozen(kw_only=True, field_transformer=declared)
class ExchangeConfig(ExchangeOptions):
    """Everything that determines what an exchange does; the same config gives the same frames, byte for byte.

    Attributes:
        seed: the session's seed; seeds, ids, jitter and crowd are derived from it by SHA-256.
        start_ns: start of the clock of an exchange that begins with game 0, nanoseconds since the epoch, UTC.
        first_game: number of the first game under the seed. A game has the same seed and id, so the same
            prices, whatever game the exchange begins with; its clock begins :data:`GAME_MS` later per game.
        crowd: number of simulated players besides the clients; 0 for none.
        planted: number of players of the crowd, for tests of analyses, who see each next price in advance;
            all other players have no skill.
        past_games: finished games that history, averages and counters start with, at least 10.
        max_win: SOL a player can win in one game (notes only: unverified).
        leverage_level: level from which leverage is offered (documented only: unverified).
        candleflip_rooms: Candleflip rooms that run in parallel (unverified).
        golden: times of the Golden Hours.
        rugpool_threshold: instarugs that fill the rugpool.
        instarug_ticks: a game that rugs by this tick is an instarug.
        crowd_mail: send every member of the crowd private messages too, as if logged in: for
            audits of money by frames; a Golden Hour and its drawings are public anyway.
        jitter: whether frames have the delays of a real link (protocol 13), or arrive at their mean times.
        notices: whether chat and other events outside the game are sent.
        past_records: seeds and ids of games before the *past_games*, oldest first: the records cover them.
        made_games: games to play first, in place of those that the seed decides: for tests.
        sampled: whether games are drawn from the law by a free generator, not computed from server seeds.
    """

    seed: int | str = 1
    start_ns: int = START_NS
    first_game: int = option(0, low=0, high=MAX_FIRST_GAME, flag=None)
    crowd: int = like(ExchangeOptions, "crowd", default=DEFAULT_CROWD)
    planted: int = option(0, low=0, high=MAX_CROWD, flag=None)
    past_games: int = option(
        rules.AVERAGE_GAMES, low=rules.HISTORY_GAMES, high=rules.AVERAGE_GAMES, flag=None
    )
    max_win: Decimal = option(rules.MAX_WIN, above=0, high=1_000_000, flag=None)
    leverage_level: int = option(rules.LEVERAGE_LEVEL, low=0, high=rules.MAX_LEVEL, flag=None)
    candleflip_rooms: int = option(1, low=1, high=rules.CANDLEFLIP_ROOMS, flag=None)
    golden: GoldenPlan = field(factory=GoldenPlan)
    rugpool_threshold: int = option(rules.RUGPOOL_INSTARUGS, low=1, high=1_000, flag=None)
    instarug_ticks: int = option(rules.INSTARUG_TICKS, low=1, high=rules.MAX_TICKS, flag=None)
    crowd_mail: bool = False
    jitter: bool = True
    notices: bool = True
    past_records: tuple[tuple[str, str], ...] = ()
    sampled: bool = False
    made_games: tuple[FairGame, ...] = option(
        (),
        take=_made_games,
        flag=None,
        words="a list of games that vectra_bot.testing.make_game returned",
    )

    def __attrs_post_init__(self) -> None:
        if self.planted > self.crowd:
            raise ConfigError(
                f"option planted was {self.planted}: give a whole number from 0 to {self.crowd}, the crowd"
            )

    @classmethod
    def of(cls, options: ExchangeOptions, *, seed: int, start_ns: int, first_game: int = 0) -> Self:
        """Return the config with a user's *options* and defaults for the rest."""
        given = {known.name: getattr(options, known.name) for known in fields(ExchangeOptions)}
        given = {name: value for name, value in given.items() if value is not None}
        return cls(**given, seed=seed, start_ns=start_ns, first_game=first_game)

    @property
    def begins_ns(self) -> int:
        """Return when the exchange's clock begins: with the announcement of its first game."""
        return self.announced_ns(self.first_game)

    def announced_ns(self, number: int) -> int:
        """Return the nominal time of the announcement of game *number*, which dates its id."""
        return self.start_ns + number * GAME_MS * NS_PER_MS


@frozen
class Outbound:
    """One message that the venue sends at ``at_ns``.

    ``player_id`` is the recipient, None for everybody. ``not_to`` is the one player that does
    not get a broadcast, because the same fact was already sent to that player privately.
    """

    at_ns: int
    player_id: str | None
    text: str
    not_to: str | None = None


@frozen(kw_only=True)
class RequestRecord:
    """A client's request and the verdict on it, passed to the hook before the exchange acts on it.

    ``amount`` is in lamports: the stake of a buy or sidebet, the proceeds of a sell (0 if it is rejected).
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
