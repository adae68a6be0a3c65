"""Rounds of the side games (protocol 11: rules documented, wire never captured)."""

from decimal import Decimal
from enum import Enum

from attrs import frozen

from vectra_bot.models import _fields as f


class SideGameKind(str, Enum):
    """The side games."""

    BBC = "bbc"
    CANDLEFLIP = "candleflip"


class BBCPrediction(str, Enum):
    """What a Bull/Bear/Crab stake predicts."""

    BULL = "BULL"
    BEAR = "BEAR"
    CRAB = "CRAB"


@frozen
class BBCRound:
    """One round of Bull/Bear/Crab, at its result.

    Ticks and prices are the main game's when the round was first seen and when its result came;
    ``duration_ticks`` counts the ticks seen in between, of one game or of several. ``volatility_during``
    is None: the round uses its own seed, not the game's price.
    """

    round_id: str = f.text()
    game_id: str = f.text()
    session_id: str = f.text()
    start_tick: int = f.integer()
    end_tick: int = f.integer()
    duration_ticks: int = f.integer()
    our_prediction: BBCPrediction | None = f.opt_kind(BBCPrediction, default=None)
    our_bet_amount: Decimal | None = f.opt_sol(default=None)
    actual_result: BBCPrediction | None = f.opt_kind(BBCPrediction, default=None)
    won: bool | None = f.opt_boolean(default=None)
    payout: Decimal | None = f.opt_sol(default=None)
    prediction_ts: int | None = f.opt_integer(default=None)
    result_ts: int | None = f.opt_integer(default=None)
    price_at_start: Decimal | None = f.opt_price(default=None)
    price_at_end: Decimal | None = f.opt_price(default=None)
    volatility_during: Decimal | None = f.opt_sol(default=None)
    unverified: bool = f.boolean(default=True)


class CandleflipChoice(str, Enum):
    """The two sides of a Candleflip stake."""

    GREEN = "GREEN"
    RED = "RED"


@frozen
class CandleflipRound:
    """One round of Candleflip, at its result.

    ``current_streak`` counts equal results in a row in the same room, this one included.
    """

    round_id: str = f.text()
    game_id: str = f.text()
    session_id: str = f.text()
    our_choice: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    our_bet_amount: Decimal | None = f.opt_sol(default=None)
    result: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    won: bool | None = f.opt_boolean(default=None)
    payout: Decimal | None = f.opt_sol(default=None)
    current_streak: int = f.integer(default=0)
    streak_direction: CandleflipChoice | None = f.opt_kind(CandleflipChoice, default=None)
    bet_ts: int | None = f.opt_integer(default=None)
    result_ts: int | None = f.opt_integer(default=None)
    unverified: bool = f.boolean(default=True)
