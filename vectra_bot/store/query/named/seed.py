"""The three queries of the schema, word for word."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.query.named.query import Chart, NamedQuery

_ACTIONS = """\
-- Action with before/after state
SELECT
    pa.action_id,
    pa.action_type,
    pa.amount,
    pa.timestamps_client_ts,
    pa.timestamps_server_ts,
    pa.timestamps_total_latency_ms,
    pa.state_before_cash,
    pa.state_after_cash,
    pa.state_after_cash - pa.state_before_cash AS pnl_delta,
    pa.game_context_tick,
    pa.game_context_price
FROM '~/rugs_data/events_parquet/doc_type=player_action/**/*.parquet' pa
WHERE pa.action_type IN ('BUY', 'SELL')
ORDER BY pa.timestamps_client_ts;
"""

_EXCEPTIONAL = """\
-- Find players with > 60% win rate
WITH player_games AS (
    SELECT
        player_id,
        username,
        game_id,
        SUM(CASE WHEN action_type = 'SELL' THEN amount * price ELSE -amount * price END) AS game_pnl
    FROM '~/rugs_data/events_parquet/doc_type=other_player/**/*.parquet'
    GROUP BY player_id, username, game_id
),
player_stats AS (
    SELECT
        player_id,
        MAX(username) AS username,
        COUNT(*) AS total_games,
        SUM(CASE WHEN game_pnl > 0 THEN 1 ELSE 0 END) AS winning_games,
        AVG(game_pnl) AS avg_pnl
    FROM player_games
    GROUP BY player_id
    HAVING COUNT(*) >= 10  -- Minimum sample size
)
SELECT *,
    winning_games::FLOAT / total_games AS win_rate
FROM player_stats
WHERE win_rate > 0.6
ORDER BY avg_pnl DESC;
"""

_LATENCY = """\
-- Latency distribution by action type
SELECT
    action_type,
    COUNT(*) AS count,
    AVG(timestamps_total_latency_ms) AS avg_latency,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY timestamps_total_latency_ms) AS p50,
    PERCENTILE_CONT(0.95) WITHIN GROUP (ORDER BY timestamps_total_latency_ms) AS p95,
    MAX(timestamps_total_latency_ms) AS max_latency
FROM '~/rugs_data/events_parquet/doc_type=player_action/**/*.parquet'
WHERE timestamps_total_latency_ms IS NOT NULL
GROUP BY action_type;
"""

QUERIES: Final = (
    NamedQuery("actions", "every buy and sell with the state before and after", _ACTIONS),
    NamedQuery(
        "exceptional-players",
        "other players who win more than 60 % of 10 games or more (biased: amount times price)",
        _EXCEPTIONAL,
    ),
    NamedQuery(
        "latency",
        "latency of our actions by type: mean, p50, p95, max, in ms",
        _LATENCY,
        chart=Chart("action_type", ("p50", "p95"), unit="ms"),
    ),
)
