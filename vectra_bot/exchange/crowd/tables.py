"""Frequencies, amounts and durations of the crowd's play, all from real games (protocol 13).

Amounts are in 0.001 SOL (or 0.001 of the practice coin), rates in events per tick for a crowd of
:data:`~vectra_bot.exchange.config.DEFAULT_CROWD`.
"""

from __future__ import annotations

from vectra_bot.exchange.dice import Choice, Curve

MILLI = 1_000_000
"""Lamports of 0.001 SOL."""

# Who they are.

LEVELS = Curve(((0.0, 0.0), (0.1, 4.0), (0.5, 25.0), (0.9, 62.0), (1.0, 101.0)))
BANKROLLS = Curve(((0.0, 0.2), (0.5, 2.0), (0.9, 15.0), (1.0, 60.0)))
BUYS_COVERED = 8  # the fixed amount of a player's buys is at most 1/8 of the bankroll
NO_NAME = 0.03
BONUS_PLAYERS = 0.042
PRACTICE_PLAYERS = 0.055
PRACTICE_TRADERS = 0.15  # of the practice players: the others only bet

# Trades.

BUYS = Choice[int](
    (
        (1, 14), (2, 6), (3, 3), (5, 11), (10, 17), (15, 4), (20, 11), (25, 4), (30, 6), (50, 9), (60, 1.5),
        (100, 7), (150, 1), (200, 2), (250, 1), (300, 0.8), (500, 1), (1000, 0.6), (2000, 0.3),
        (3000, 0.15), (5000, 0.12),
    )
)  # fmt: skip
PRESALE_BUYS = Choice[int](
    (
        (1, 4), (5, 3), (10, 7), (20, 9), (25, 8), (30, 8), (50, 10), (60, 4), (100, 16), (130, 4), (150, 6),
        (200, 6), (250, 4), (300, 4), (500, 4.5), (700, 2), (1000, 2.7), (2000, 0.9), (3000, 0.5),
        (5000, 0.35),
    )
)  # fmt: skip
"""Larger than later buys: in four of six captured presales somebody has 0.7 to 5 SOL."""
PRACTICE_BUYS = Choice[int](((1_000, 3), (5_000, 3), (10_000, 3), (20_000, 1), (50_000, 0.5)))
SHARES = Choice[int](((100, 62), (50, 14), (25, 16), (75, 6), (10, 2)))
LEVERAGES = Choice[int](((2, 45), (3, 25), (4, 18), (5, 12)))
LEVERAGED = 0.033  # 1 in 39 buys, of which the low levels make none
SHORT_OPENS = 0.02  # 6 opens and 3 closes in a game of 306 trades
SHORT_CLOSES = 0.008
SIDE_STAKES = 0.02  # stakes in a side game per tick: the real rate is unknown
ALWAYS_EQUAL = 0.4  # players who always buy for the same amount
ADDS = 0.1
PRESALE_ADDS = 0.06

MOODS = Choice[float](
    tuple(
        (mood, 1.0)
        for mood in (
            0.42, 0.52, 0.58, 0.63, 0.67, 0.71, 0.76, 0.80, 0.85, 0.90,
            0.95, 1.00, 1.06, 1.12, 1.18, 1.26, 1.36, 1.49, 1.68, 2.08,
        )
    )
)  # fmt: skip
"""Activity factors of a game; within a game the trades of a tick are a Poisson count."""

PRESALE_TRADES = 11.1
PRESALE_TRADES_SINGLE = 13.4
RATES = (
    (2, 0.42), (3, 1.3), (4, 1.0), (8, 0.92), (20, 1.05), (25, 1.03), (80, 1.18), (160, 1.1), (320, 0.99),
    (640, 0.945),
)  # fmt: skip
"""Trades per tick up to a tick, without the lockstep accounts'."""
RATE_LATE = 1.0
HOLDERS = ((20, 12.6), (40, 10.6), (80, 9.7), (160, 9.2), (320, 8.5))
"""Number of holders (without lockstep accounts) at which every second trade is a sale, up to a tick."""
HOLDERS_LATE = 7.6
HOLDERS_SINGLE = 1.25
"""Factor of that number in the shift of one lockstep group."""

# Lockstep accounts: two groups of one owner each, that play in shifts (counted in games).

DOUBLE_SHIFT = (27, 33)
SINGLE_SHIFT = (12, 15)
LOCKSTEP_BUYS = Choice[int](((10, 1), (15, 2), (20, 3)))
FIRST_GROUP = 0.10
SECOND_GROUP = 0.08
SECOND_GROUP_PART = 0.62  # share of the second group that plays while the first plays too
FIRST_COMES = Choice[float](((1.0, 89), (0.75, 2), (0.6, 2), (0.45, 2), (0.0, 5)))
SECOND_COMES = 0.87
SECOND_COMES_ALONE = 0.98
FIRST_HALF_SALE = 2
"""The tick at which the first group sells one half; it sells the other half at the next."""
SECOND_SALES = Choice[int](
    (
        (2, 95), (3, 55), (4, 50), (5, 50), (6, 33), (7, 37), (8, 30), (9, 30), (10, 25), (11, 12), (12, 12),
        (13, 12), (14, 12), (15, 12), (16, 12), (17, 12), (18, 12), (19, 11), (20, 490),
    )
)  # fmt: skip

# Sidebets.

STAKES = Choice[int](
    (
        (1, 37), (2, 8), (3, 5), (4, 2.5), (5, 13), (6, 1.5), (7, 2), (8, 2), (10, 12.5), (12, 1), (13, 1.5),
        (15, 2), (16, 1), (17, 2), (20, 4), (25, 4), (30, 2.5), (36, 1.2), (40, 1), (50, 4.5), (72, 0.6),
        (80, 0.8),
    )
)  # fmt: skip
PLUNGES = Choice[int]((
    (50, 2), (90, 1), (100, 5), (111, 1), (144, 1), (150, 1), (200, 1.5), (250, 2.5), (400, 0.4), (500, 0.6),
    (1000, 0.6), (2048, 0.6), (5000, 0.2),
))  # fmt: skip
PLUNGE = 0.053
"""The chance that a sidebet is far larger than the player's usual one."""
PRACTICE_STAKES = Choice[int](
    ((6, 3), (50, 3), (1_000, 3), (5_000, 7), (7_250, 4), (9_001, 8), (50_000, 4), (100_000, 4))
)
PRESALE_BETTORS = 3.6
FIRST_BETS = ((5, 0.24), (20, 0.133), (40, 0.064), (80, 0.054), (160, 0.036), (320, 0.026))
"""Players per tick who place their first bet of a game, up to a tick."""
FIRST_BETS_LATE = 0.018
BETTOR_MOODS = Choice[float](((0.75, 1), (0.9, 1), (1.0, 1), (1.1, 1), (1.25, 1)))
PAUSES = Curve(
    ((0.0, 0.0), (0.04, 1.0), (0.25, 3.5), (0.5, 11.0), (0.72, 45.0), (0.88, 130.0), (0.96, 290.0),
     (1.0, 600.0))
)  # fmt: skip
BETS_AGAIN = 0.85
QUIET_HOURS = (30, 38)
BUSY_HOURS = (5, 7)
BUSY_PRESALE = 3.4
BUSY = 2.3
"""Factors of the number of bettors in busy hours, in the presale and later."""
VARIES = 0.7
VARIES_MARTINGALE = 0.05
DOUBLES = 0.2
MOST_DOUBLINGS = 6
HALVES = 0.25  # share of stake changes that halve it
STAKE_LIMIT = 5_000
