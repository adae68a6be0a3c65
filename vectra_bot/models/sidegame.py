"""Rounds of the side games (protocol 11: rules documented, wire never captured)."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f


class SideGameKind(str, Enum):
    """The side games."""

    BBC = "bbc"
    """Bull/Bear/Crab."""
    CANDLEFLIP = "candleflip"
    """Candleflip."""


class BBCPrediction(str, Enum):
    """What a Bull/Bear/Crab stake predicts."""

    BULL = "BULL"
    """Bull wins."""
    BEAR = "BEAR"
    """Bear wins."""
    CRAB = "CRAB"
    """Crab wins."""


@frozen
class BBCRound:
    """One round of Bull/Bear/Crab, at its result.

    Ticks and prices are the main game's when the round was first seen and when its result came;
    ``duration_ticks`` counts the ticks seen in between, of one game or of several. ``volatility_during``
    is None: the round uses its own seed, not the game's price.
    """

    round_id: str = f.text()
    """Venue's id of the round."""
    game_id: str = f.text()
    """Main game when the result came."""
    session_id: str = f.text()
    """Session that saw the round."""
    start_tick: int = f.integer()
    """Main game's tick when the round was first seen. Unit: ticks of 250 ms."""
    end_tick: int = f.integer()
    """Main game's tick when the result came. Unit: ticks of 250 ms."""
    duration_ticks: int = f.integer()
    """Ticks seen between the two, of one game or of several. Unit: ticks of 250 ms."""
    our_prediction: BBCPrediction | None = f.opt_kind(BBCPrediction, default=None)
    """What our stake was on; null without one."""
    our_bet_amount: Decimal | None = f.opt_sol(default=None)
    """Our stake; null without one. Unit: SOL."""
    actual_result: BBCPrediction | None = f.opt_kind(BBCPrediction, default=None)
    """Result of the round."""
    won: bool | None = f.opt_boolean(default=None)
    """Whether our stake won; null without a stake or a known result of it."""
    payout: Decimal | None = f.opt_sol(default=None)
    """What our stake paid, the stake included; null if not known. Unit: SOL."""
    prediction_ts: int | None = f.opt_integer(default=None)
    """Venue's time of our stake; null without one. Unit: ms since 1970-01-01 UTC."""
    result_ts: int | None = f.opt_integer(default=None)
    """Venue's time of the result; null where it sent none. Unit: ms since 1970-01-01 UTC."""
    price_at_start: Decimal | None = f.opt_price(default=None)
    """Main game's price when the round was first seen."""
    price_at_end: Decimal | None = f.opt_price(default=None)
    """Main game's price when the result came."""
    volatility_during: Decimal | None = f.opt_sol(default=None)
    """Always null: the round does not follow the main game's price. Unit: log return per tick."""
    unverified: bool = f.boolean(default=True)
    """Always true: no capture shows a round."""


class CandleflipChoice(str, Enum):
    """The two sides of a Candleflip stake."""

    GREEN = "GREEN"
    """Green wins."""
    RED = "RED"
    """Red wins."""


@frozen
class CandleflipRound:
    """One round of Candleflip, at its result.

    ``current_streak`` counts equal results in a row in the same room, this one included.
    """

    round_id: str = f.text()
    """Venue's id of the round."""
    game_id: str = f.text()
    """Main game when the result came."""
    session_id: str = f.text()
    """Session that saw the round."""
    our_choice: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    """What our stake was on; null without one."""
    our_bet_amount: Decimal | None = f.opt_sol(default=None)
    """Our stake; null without one. Unit: SOL."""
    result: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    """Side that won."""
    won: bool | None = f.opt_boolean(default=None)
    """Whether our stake won; null without a stake or a known result of it."""
    payout: Decimal | None = f.opt_sol(default=None)
    """What our stake paid, the stake included; null if not known. Unit: SOL."""
    current_streak: int = f.integer(default=0)
    """Results like this one in a row in the same room, this one included. Unit: count."""
    streak_direction: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    """Side of that streak."""
    bet_ts: int | None = f.opt_integer(default=None)
    """Venue's time of our stake; null without one. Unit: ms since 1970-01-01 UTC."""
    result_ts: int | None = f.opt_integer(default=None)
    """Venue's time of the result; null where it sent none. Unit: ms since 1970-01-01 UTC."""
    unverified: bool = f.boolean(default=True)
    """Always true: no capture shows a round."""
