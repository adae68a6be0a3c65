"""Every constant of the game. No other module writes these numbers (protocol 3, 4, 6, 7)."""

from __future__ import annotations

from decimal import Decimal

# Money: 1 SOL is 10^9 lamports; the venue rounds down to a lamport (protocol 6).
LAMPORTS_PER_SOL = 1_000_000_000
SOL_PLACES = 9
LAMPORT = Decimal("0.000000001")

# Price law, v3 (protocol 4.2). Written as the venue's own source writes them, so that the derived
# doubles (0.03 - -0.02, 0.25 - 0.15, 1 - 0.98) are equal bit for bit.
START_PRICE = 1.0
RUG_CHANCE = 0.005
DRIFT_MIN = -0.02
DRIFT_MAX = 0.03
BIG_MOVE_CHANCE = 0.125
BIG_MOVE_MIN = 0.15
BIG_MOVE_MAX = 0.25
NOISE = 0.005
NOISE_ROOT_CAP = 10.0
GOD_CANDLE_CHANCE = 0.00001
GOD_CANDLE_FACTOR = 10.0
GOD_CANDLE_MAX_PRICE = 100.0
MAX_TICKS = 5000
RUG_DROP = 0.98
LAW_VERSIONS = ("v1", "v2", "v3")
LAW_VERSION = "v3"

# A live tick falls by 25 % at most and a rug by 98 % at least (protocol 3.2): any own sale below this
# share of the last price is the rug's forced sale.
FORCED_SELL_SHARE = 0.1

# Phases and timing (protocol 3.1), milliseconds.
TICK_MS = 250.75
FIRST_TICK_MS = 267
RUG_AFTER_TICK_MS = 292
PRIVATE_BEFORE_RUG_MS = 150
SETTLEMENT_AFTER_RUG_MS = 624
NEW_GAME_AFTER_RUG_MS = 735
COOLDOWN_MS = 15_000
COUNTDOWN_STEP_MS = 100
PRESALE_MS = 10_000
PARTIAL_PRICE_WINDOW = 5
HISTORY_GAMES = 10
AVERAGE_GAMES = 100
LEADERBOARD_ROWS = 10

# Sidebets (protocol 7): a bet at tick s wins for rug ticks s+1 .. s+40.
SIDEBET_WINDOW_TICKS = 40
SIDEBET_PAYOUT_X = 5

# Limits of the venue (protocol 6.1).
MIN_STAKE = Decimal("0.001")
MAX_STAKE = Decimal(5)
MIN_LEVERAGE = 1
MAX_LEVERAGE = 5
MAX_WIN = Decimal(20)  # winnings of a player in one game (notes only: unverified)

# Leverage (protocol 9, documented only: unverified): who may use it, and how far the price may fall below
# the entry.
LEVERAGE_LEVEL = 10
LIQUIDATION_FALL = {2: 0.20, 3: 0.10, 4: 0.025, 5: 0.01}
STAKE_STEP = Decimal("0.001")
BET_PERCENTAGES = (10, 25, 50, 100)

# Coins (protocol 5.2, 10).
SOL_ADDRESS = "So11111111111111111111111111111111111111112"
PRACTICE_ADDRESS = "0xPractice"
PRACTICE_START = Decimal(100)
PRACTICE_MAX_STAKE = Decimal(10_000)
PRACTICE_MAX_WIN = Decimal(100_000)

INSTARUG_TICKS = 6

# Experience (protocol 6.1: stakes held for a number of ticks, or into a rug, count; amounts unverified).
VALID_BET_TICKS = 20
LAMPORTS_PER_XP = 1_000_000
XP_PER_LEVEL = 1_500
MAX_LEVEL = 100

# Rugpool (protocol 12): an instarug feeds it with a share of what is lost there. 31 % is a model: the venue
# shows 50 % of an unknown base.
RUGPOOL_INSTARUGS = 10
RUGPOOL_PERCENT_OF_LOSS = 31
RUGPOOL_SHOWN_SHARE = 0.5
RUGPOOL_LAMPORTS_PER_ENTRY = 1_000_000
RUGPOOL_MAX_ENTRIES = 5_000
RUGPOOL_WINNERS = 3

# Side games (protocol 11, documented only: unverified).
CANDLEFLIP_ROOMS = 10

# Drawings: a model of the venue without other players would give its only player every prize.
DRAWING_MIN_PLAYERS = 2

# Golden Hour (protocol 12): prize of a golden game, entries a player can have, and the level from which a
# player has any. What gives an entry is a model: a live sidebet counts four times, a long by how long it was
# held.
GOLDEN_PRIZE = Decimal("0.05")
GOLDEN_MAX_ENTRIES = 50
GOLDEN_LEVEL = 10
GOLDEN_LAMPORTS_PER_ENTRY = 1_000_000
GOLDEN_SIDEBET_X = 4
GOLDEN_LONG_TICKS = 30
GOLDEN_LONG_MAX_X = 4

# Measured timing that the modelled venue keeps (protocol 2.3, 3.1, 5.5), milliseconds.
MEASURED_COUNTDOWN_STEP_MS = 99.95
START_AFTER_PRESALE_MS = 10_035
TRADE_STREAM_MS = 2_000
UPDATE_AFTER_ARRIVAL_MS = 128
ROW_AFTER_ARRIVAL_MS = 143
ACK_AFTER_ARRIVAL_MS = 149
