"""Other players by profit: the trades that were seen, with confidence interval and coverage."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.query.named.query import Chart, NamedQuery

# An amount is SOL already: a buy pays it, a sell returns it. The public stream is a sample (about the
# largest trade of every two seconds), so a profit is known only for games in which every token seen
# bought was also seen sold. That selection is biased: a position lost without a trade never closes.
# coverage is the share of a player's games that count, stream_share the share of the venue's trades of
# those games that was seen. A trade that several sessions saw counts once. win_rate_low is the lower end
# of Wilson's 95 % confidence interval.
_BY_PNL = """\
WITH trades AS (
    SELECT venue, game_id, player_id, username, action_type, amount, coalesce(qty, 0) AS qty, ts_ns
    FROM other_player WHERE NOT coalesce(practice, false)
    QUALIFY row_number() OVER (
        PARTITION BY venue, game_id, coalesce(trade_id, session_id || ' ' || seq) ORDER BY session_id, seq
    ) = 1
),
counted AS (
    SELECT venue, game_id, max(trade_count) AS trade_count FROM (
        SELECT venue, session_id, game_id, arg_max(trade_count, seq) AS trade_count
        FROM game_tick WHERE phase IN ('active', 'rugged') GROUP BY ALL
    ) GROUP BY ALL
),
shown AS (
    SELECT venue, game_id, least(1, t.trades / nullif(c.trade_count, 0)) AS share
    FROM (SELECT venue, game_id, count(*) AS trades FROM trades GROUP BY ALL) t
    LEFT JOIN counted c USING (venue, game_id)
),
player_games AS (
    SELECT venue, game_id, player_id, arg_max(username, ts_ns) AS username, count(*) AS trades,
        coalesce(sum(amount) FILTER (action_type IN ('BUY', 'SHORT_OPEN')), 0) AS spent,
        coalesce(sum(amount) FILTER (action_type IN ('SELL', 'SHORT_CLOSE')), 0) AS received,
        coalesce(sum(qty) FILTER (action_type = 'BUY'), 0)
            - coalesce(sum(qty) FILTER (action_type = 'SELL'), 0) AS left_over,
        count(*) FILTER (action_type = 'SHORT_OPEN')
            - count(*) FILTER (action_type = 'SHORT_CLOSE') AS open_shorts
    FROM trades GROUP BY ALL
),
judged AS (
    SELECT *, received - spent AS pnl, abs(left_over) <= 0.00000001 AND open_shorts = 0 AS closed
    FROM player_games
),
players AS (
    SELECT venue, player_id, arg_max(username, game_id) FILTER (username IS NOT NULL) AS username,
        count(*) AS games_seen, count(*) FILTER (closed) AS games,
        count(*) FILTER (closed AND pnl > 0) AS wins,
        sum(spent) FILTER (closed) AS spent, sum(received) FILTER (closed) AS received,
        sum(pnl) FILTER (closed) AS pnl, min(pnl) FILTER (closed) AS worst_game,
        avg(share) FILTER (closed) AS stream_share
    FROM judged LEFT JOIN shown USING (venue, game_id) GROUP BY ALL
)
SELECT player_id, username, venue, games_seen, games, wins, round(wins / games, 4) AS win_rate,
    round((wins / games + 1.9208 / games
        - 1.96 * sqrt((wins / games * (1 - wins / games) + 0.9604 / games) / games))
        / (1 + 3.8416 / games), 4) AS win_rate_low,
    spent::DECIMAL(38,9) AS spent, received::DECIMAL(38,9) AS received, pnl::DECIMAL(38,9) AS pnl,
    (pnl / games)::DECIMAL(38,9) AS avg_pnl, worst_game::DECIMAL(38,9) AS worst_game,
    round(games / games_seen, 4) AS coverage, round(stream_share, 4) AS stream_share
FROM players WHERE games >= $min_games AND wins > $min_win_rate * games
ORDER BY win_rate_low DESC, pnl DESC, player_id, venue
"""

QUERIES: Final = (
    NamedQuery(
        "exceptional-players-by-pnl",
        "players who win often, by SOL out minus SOL in; coverage is the share of games seen closed",
        _BY_PNL,
        {"min_games": 10, "min_win_rate": 0.6},
        Chart("username", ("pnl",)),
    ),
)
