"""The columns of the tables of a dataset: name, type, unit and meaning, once.

Amounts are lamports (1e-9 SOL) and quantities 1e-9 units, both as integers, so that sums are exact.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

NEXT: Final = "next_"
"""Prefix of the columns that hold the observation after the step."""


@frozen
class TableColumn:
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
    TableColumn("episode_id", "text", "", "Episode of the step."),
    TableColumn("game_id", "text", "", "The game."),
    TableColumn("step", "int", "count", "Number of the step in its episode, from 0."),
)
"""What names a step."""

OBSERVATION: Final = (
    TableColumn(
        "obs_presale", "bool", "", "Whether the step is the presale, before the first tick."
    ),
    TableColumn("obs_tick", "int", "ticks of 250 ms", "Newest tick; 0 in the presale."),
    TableColumn("obs_starts_in_ms", "int", "ms", "Countdown to the start; 0 while the game runs."),
    TableColumn("obs_price", "double", "SOL per unit", "Newest price, bit for bit as received."),
    TableColumn("obs_peak", "double", "SOL per unit", "Highest price so far, at least 1."),
    TableColumn("obs_low", "double", "SOL per unit", "Lowest price so far, at most 1."),
    TableColumn(
        "obs_volatility",
        "double",
        "log return per tick",
        "Standard deviation of the log returns of the last 240 ticks; null below 20 returns.",
        optional=True,
    ),
    TableColumn(
        "obs_connected_players", "int", "count", "Players connected, as the venue counts them."
    ),
    TableColumn(
        "obs_trade_count",
        "int",
        "count",
        "Trades of the game so far, as the venue stated them last; null before it did.",
        optional=True,
    ),
    TableColumn("obs_cash", "int", "lamports", "Free cash, with effects that evidence has shown."),
    TableColumn("obs_bonus", "int", "lamports", "Bonus money, which is not part of the cash."),
    TableColumn("obs_position_qty", "int", "1e-9 units", "Position held."),
    TableColumn("obs_position_cost", "int", "lamports", "What the position cost."),
    TableColumn(
        "obs_position_value", "int", "lamports", "What selling all of it brings at `obs_price`."
    ),
    TableColumn("obs_held_ticks", "int", "ticks of 250 ms", "Age of the oldest lot; 0 when flat."),
    TableColumn("obs_sidebet", "int", "lamports", "Stake of the open sidebet; 0 without one."),
    TableColumn(
        "obs_sidebet_ticks", "int", "ticks of 250 ms", "Ticks since the sidebet was proven."
    ),
    TableColumn("obs_short", "int", "lamports", "Stake of the open short; 0 without one."),
    TableColumn(
        "obs_short_value", "int", "lamports", "Value of the short as the venue stated it last."
    ),
    TableColumn("obs_staked", "int", "lamports", "Open stakes in rounds of side games."),
    TableColumn("obs_equity", "int", "lamports", "Cash, position at `obs_price`, and open stakes."),
    TableColumn("obs_pnl", "int", "lamports", "`obs_equity` less the equity at the game's start."),
    TableColumn("obs_undecided", "int", "count", "Actions that were sent and are not decided yet."),
)
"""What is known when the step's tick was processed, before the strategy acts."""

ACTION: Final = (
    TableColumn("action_buy", "int", "lamports", "SOL to buy for, added up; 0 without a buy."),
    TableColumn(
        "action_leverage", "int", "multiple", "Largest leverage of the buys; 0 without a buy."
    ),
    TableColumn(
        "action_sell",
        "int",
        "percent",
        "Share of the position to sell, sales of one step added up to at most 100; 0 without one.",
    ),
    TableColumn("action_sidebet", "int", "lamports", "Stake of a sidebet; 0 without one."),
    TableColumn("action_short_open", "int", "lamports", "Stake of a short; 0 without one."),
    TableColumn("action_short_close", "int", "0 or 1", "Whether the short is to be closed."),
    TableColumn("action_bbc", "int", "lamports", "Stake in a Bull/Bear/Crab round; 0 without one."),
    TableColumn("action_bbc_choice", "int", "", "1 BULL, 2 BEAR, 3 CRAB; 0 without a stake."),
    TableColumn(
        "action_candleflip", "int", "lamports", "Stake in a Candleflip round; 0 without one."
    ),
    TableColumn("action_candleflip_choice", "int", "", "1 GREEN, 2 RED; 0 without a stake."),
)
"""What the bot asked of the venue after this tick and before the next one; not the outcome."""

ACTION_IDS: Final = TableColumn(
    "action_ids",
    "texts",
    "",
    "Ids of these actions, in the order in which they were asked for: `action_id` in actions.parquet "
    "and in the store.",
)

REWARD: Final = TableColumn(
    "reward",
    "int",
    "lamports",
    "Change of equity until the next step; the first one also has what changed since the game's start, "
    "the last one what the end of the game settles.",
)

END: Final = (
    TableColumn(
        "terminated", "bool", "", "Whether the game ended after the step; only in a last step."
    ),
    TableColumn("truncated", "bool", "", "Whether the session ended first; only in a last step."),
)

NEXT_OBSERVATION: Final = tuple(
    TableColumn(
        NEXT + column.name, column.kind, column.unit, "The same after the step.", column.optional
    )
    for column in OBSERVATION
)

STEPS: Final = (*KEYS, *OBSERVATION, *ACTION, ACTION_IDS, REWARD, *NEXT_OBSERVATION, *END)
"""Columns of steps.parquet."""

ACTIONS: Final = (
    TableColumn("action_id", "text", "", "Id of the action, as in the store."),
    TableColumn("episode_id", "text", "", "Its episode."),
    TableColumn("step", "int", "count", "Step in which it was asked for."),
    TableColumn("action_type", "text", "", "BUY, SELL, SIDEBET and so on."),
    TableColumn("amount", "int", "lamports", "SOL asked for; null where none is.", optional=True),
    TableColumn(
        "percentage", "int", "percent", "Share asked for; null where none is.", optional=True
    ),
    TableColumn("leverage", "int", "multiple", "Leverage asked for; 1 without."),
    TableColumn(
        "choice", "text", "", "What a side game's stake is on; null otherwise.", optional=True
    ),
    TableColumn("later_state", "text", "", "Terminal state; known after the step."),
    TableColumn(
        "later_executed_price",
        "double",
        "SOL per unit",
        "Price of the execution; null if no trade stated one.",
        optional=True,
    ),
    TableColumn(
        "later_executed_amount",
        "int",
        "lamports",
        "SOL paid or received; null if not executed.",
        optional=True,
    ),
)
"""Columns of actions.parquet; `later_` marks what is known after the step only."""

TRADES: Final = (
    TableColumn("session_id", "text", "", "Session that saw the trade."),
    TableColumn("game_id", "text", "", "Game of the trade."),
    TableColumn("player_id", "text", "", "Player who traded, as the venue names it."),
    TableColumn(
        "number", "int", "count", "Number of the trade among those seen of the player, from 0."
    ),
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
    TableColumn(
        "obs_level", "int", "level", "The player's level; null if not sent.", optional=True
    ),
    TableColumn(
        "obs_seen_qty",
        "int",
        "1e-9 units",
        "Position by the trades of the player seen before this one, at least 0; buys that were not in the "
        "stream are missing.",
    ),
    TableColumn(
        "obs_rank",
        "int",
        "rank",
        "Rank in the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    TableColumn(
        "obs_position_qty",
        "int",
        "1e-9 units",
        "Position by the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    TableColumn(
        "obs_pnl",
        "int",
        "lamports",
        "Profit in this game by the leaderboard, one tick old; null if not in its ten rows.",
        optional=True,
    ),
    TableColumn("action_type", "text", "", "BUY, SELL, SHORT_OPEN or SHORT_CLOSE."),
    TableColumn("action_amount", "int", "lamports", "SOL paid for a buy, received for a sale."),
    TableColumn(
        "action_qty", "int", "1e-9 units", "Units traded; null if not sent.", optional=True
    ),
    TableColumn("action_price", "double", "SOL per unit", "Price of the trade."),
    TableColumn("action_tick", "int", "ticks of 250 ms", "Tick whose price was used."),
    TableColumn("action_leverage", "int", "multiple", "Leverage; null if not sent.", optional=True),
    TableColumn("practice", "bool", "", "Whether the leaderboard shows the practice coin."),
)
"""Columns of trades.parquet, the imitation dataset."""
