"""The columns of the tables of a dataset: name, type, unit and meaning, once.

Amounts are lamports (1e-9 SOL) and quantities 1e-9 units, both as integers, so that sums are exact.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

NEXT: Final = "next_"
"""Prefix of the columns that hold the observation after the step."""


@frozen
class Column:
    """A column of a table; ``kind`` is ``bool``, ``int``, ``double``, ``text`` or ``texts``."""

    name: str
    kind: str
    unit: str
    meaning: str
    optional: bool = False

    @property
    def is_number(self) -> bool:
        """Whether a learner can use the column as it is."""
        return self.kind in ("bool", "int", "double")


KEYS: Final = (
    Column("episode_id", "text", "", "Episode of the step."),
    Column("game_id", "text", "", "The game."),
    Column("step", "int", "count", "Number of the step in its episode, from 0."),
)
"""What names a step."""

OBSERVATION: Final = (
    Column("obs_presale", "bool", "", "Whether the step is the presale, before the first tick."),
    Column("obs_tick", "int", "ticks of 250 ms", "Newest tick; 0 in the presale."),
    Column("obs_starts_in_ms", "int", "ms", "Countdown to the start; 0 while the game runs."),
    Column("obs_price", "double", "SOL per unit", "Newest price, bit for bit as received."),
    Column("obs_peak", "double", "SOL per unit", "Highest price so far, at least 1."),
    Column("obs_low", "double", "SOL per unit", "Lowest price so far, at most 1."),
    Column(
        "obs_volatility",
        "double",
        "log return per tick",
        "Standard deviation of the log returns of the last 240 ticks; null below 20 returns.",
        optional=True,
    ),
    Column("obs_connected_players", "int", "count", "Players connected, as the venue counts them."),
    Column(
        "obs_trade_count",
        "int",
        "count",
        "Trades of the game so far, as the venue stated them last; null before it did.",
        optional=True,
    ),
    Column("obs_cash", "int", "lamports", "Free cash, with effects that evidence has shown."),
    Column("obs_bonus", "int", "lamports", "Bonus money, which is not part of the cash."),
    Column("obs_position_qty", "int", "1e-9 units", "Position held."),
    Column("obs_position_cost", "int", "lamports", "What the position cost."),
    Column(
        "obs_position_value", "int", "lamports", "What selling all of it brings at `obs_price`."
    ),
    Column("obs_held_ticks", "int", "ticks of 250 ms", "Age of the oldest lot; 0 when flat."),
    Column("obs_sidebet", "int", "lamports", "Stake of the open sidebet; 0 without one."),
    Column("obs_sidebet_ticks", "int", "ticks of 250 ms", "Ticks since the sidebet was proven."),
    Column("obs_short", "int", "lamports", "Stake of the open short; 0 without one."),
    Column("obs_short_value", "int", "lamports", "Value of the short as the venue stated it last."),
    Column("obs_staked", "int", "lamports", "Open stakes in rounds of side games."),
    Column("obs_equity", "int", "lamports", "Cash, position at `obs_price`, and open stakes."),
    Column("obs_pnl", "int", "lamports", "`obs_equity` less the equity at the game's start."),
    Column("obs_undecided", "int", "count", "Actions that were sent and are not decided yet."),
)
"""What is known when the step's tick was processed, before the strategy acts."""

ACTION: Final = (
    Column("action_buy", "int", "lamports", "SOL to buy for, added up; 0 without a buy."),
    Column("action_leverage", "int", "multiple", "Largest leverage of the buys; 0 without a buy."),
    Column(
        "action_sell",
        "int",
        "percent",
        "Share of the position to sell, sales of one step added up to at most 100; 0 without one.",
    ),
    Column("action_sidebet", "int", "lamports", "Stake of a sidebet; 0 without one."),
    Column("action_short_open", "int", "lamports", "Stake of a short; 0 without one."),
    Column("action_short_close", "int", "0 or 1", "Whether the short is to be closed."),
    Column("action_bbc", "int", "lamports", "Stake in a Bull/Bear/Crab round; 0 without one."),
    Column("action_bbc_choice", "int", "", "1 BULL, 2 BEAR, 3 CRAB; 0 without a stake."),
    Column("action_candleflip", "int", "lamports", "Stake in a Candleflip round; 0 without one."),
    Column("action_candleflip_choice", "int", "", "1 GREEN, 2 RED; 0 without a stake."),
)
"""What the bot asked of the venue after this tick and before the next one; not what became of it."""

ACTION_IDS: Final = Column(
    "action_ids",
    "texts",
    "",
    "Ids of these actions, in the order in which they were asked for: `action_id` in actions.parquet "
    "and in the store.",
)

REWARD: Final = Column(
    "reward",
    "int",
    "lamports",
    "Change of equity until the next step; the first one also has what changed since the game's start, "
    "the last one what the end of the game settles.",
)

END: Final = (
    Column("terminated", "bool", "", "Whether the game ended after the step; only in a last step."),
    Column("truncated", "bool", "", "Whether the session ended first; only in a last step."),
)

NEXT_OBSERVATION: Final = tuple(
    Column(
        NEXT + column.name, column.kind, column.unit, "The same after the step.", column.optional
    )
    for column in OBSERVATION
)

STEPS: Final = (*KEYS, *OBSERVATION, *ACTION, ACTION_IDS, REWARD, *NEXT_OBSERVATION, *END)
"""Columns of steps.parquet."""

ACTIONS: Final = (
    Column("action_id", "text", "", "Id of the action, as in the store."),
    Column("episode_id", "text", "", "Its episode."),
    Column("step", "int", "count", "Step in which it was asked for."),
    Column("action_type", "text", "", "BUY, SELL, SIDEBET and so on."),
    Column("amount", "int", "lamports", "SOL asked for; null where none is.", optional=True),
    Column("percentage", "int", "percent", "Share asked for; null where none is.", optional=True),
    Column("leverage", "int", "multiple", "Leverage asked for; 1 without."),
    Column("choice", "text", "", "What a side game's stake is on; null otherwise.", optional=True),
    Column("later_state", "text", "", "Terminal state; known after the step."),
    Column(
        "later_executed_price",
        "double",
        "SOL per unit",
        "Price of the execution; null if no trade stated one.",
        optional=True,
    ),
    Column(
        "later_executed_amount",
        "int",
        "lamports",
        "SOL paid or received; null if not executed.",
        optional=True,
    ),
)
"""Columns of actions.parquet; `later_` marks what is known after the step only."""

TRADES: Final = (
    Column("session_id", "text", "", "Session that saw the trade."),
    Column("game_id", "text", "", "Game of the trade."),
    Column("player_id", "text", "", "Player who traded, as the venue names it."),
    Column("number", "int", "count", "Number of the trade among those seen of the player, from 0."),
    *(
        column
        for column in OBSERVATION
        if column.name
        in {
            "obs_tick",
            "obs_price",
            "obs_peak",
            "obs_low",
            "obs_volatility",
            "obs_connected_players",
            "obs_trade_count",
        }
    ),
    Column("obs_level", "int", "level", "The player's level; null if not sent.", optional=True),
    Column(
        "obs_seen_qty",
        "int",
        "1e-9 units",
        "Position by the trades of the player seen before this one, at least 0; buys that were not in the "
        "stream are missing.",
    ),
    Column(
        "obs_rank",
        "int",
        "rank",
        "Rank in the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    Column(
        "obs_position_qty",
        "int",
        "1e-9 units",
        "Position by the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    Column(
        "obs_pnl",
        "int",
        "lamports",
        "Profit in this game by the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    Column("action_type", "text", "", "BUY, SELL, SHORT_OPEN or SHORT_CLOSE."),
    Column("action_amount", "int", "lamports", "SOL paid for a buy, received for a sale."),
    Column("action_qty", "int", "1e-9 units", "Units traded; null if not sent.", optional=True),
    Column("action_price", "double", "SOL per unit", "Price of the trade."),
    Column("action_tick", "int", "ticks of 250 ms", "Tick whose price was used."),
    Column("action_leverage", "int", "multiple", "Leverage; null if not sent.", optional=True),
    Column("practice", "bool", "", "Whether the leaderboard shows the practice coin."),
)
"""Columns of trades.parquet, the imitation dataset."""
