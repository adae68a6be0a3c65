"""Queries that a store knows by name: the three of the schema, word for word, and ours."""

from __future__ import annotations

from typing import Final

import attrs

SEED_PATH: Final = "~/rugs_data/events_parquet"
"""The store's path as the schema's queries write it."""


@attrs.frozen
class NamedQuery:
    """SQL with a name.

    Attributes:
        summary: one line that says what it returns.
        sql: over the views, or over :data:`SEED_PATH`, which is replaced by the store's path.
    """

    name: str
    summary: str
    sql: str


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

# Buys, stakes and sells come from our own actions, everything else from the venue's statements, so a
# residual of 0 means that two independent accounts agree. What our account did without us (a liquidation)
# stands in the statements alone. Bonus money is no cash.
_CASH_PER_GAME = """\
WITH states AS (
    SELECT session_id, game_id, min(seq) AS first_seq, max(seq) AS last_seq,
        arg_min(cash - delta_cash, seq) AS cash_start,
        arg_max(cash, seq) AS cash_end,
        coalesce(sum(delta_cash) FILTER (cause = 'forced_sell'), 0) AS forced_sells,
        coalesce(sum(delta_cash) FILTER (cause = 'stake_settled'), 0) AS settlements,
        coalesce(sum(delta_cash) FILTER (cause IN ('external', 'unexplained')), 0) AS external
    FROM server_state WHERE game_id IS NOT NULL GROUP BY ALL
),
acts AS (
    SELECT session_id, game_id, min(seq) AS first_seq, max(seq) AS last_seq, count(*) AS actions,
        coalesce(sum(executed) FILTER (action_type = 'BUY'), 0) AS buys,
        coalesce(sum(executed) FILTER (action_type = 'SIDEBET'), 0) AS sidebets,
        coalesce(sum(executed) FILTER (action_type = 'SELL'), 0) AS sells,
        coalesce(sum(executed) FILTER (action_type = 'SHORT_OPEN'), 0) AS shorts,
        coalesce(sum(executed) FILTER (action_type = 'SHORT_CLOSE'), 0) AS short_closes,
        coalesce(sum(executed) FILTER (action_type IN ('BBC_PREDICT', 'CANDLEFLIP_BET')), 0) AS side_games
    FROM (
        SELECT *, CASE WHEN state IN ('CONFIRMED', 'EXECUTED_LATE') AND actor <> 'external'
            THEN outcome_executed_amount - coalesce(outcome_executed_bonus, 0) END AS executed
        FROM player_action
    ) GROUP BY session_id, game_id
),
ticks AS (
    SELECT session_id, game_id, min(seq) AS first_seq, max(seq) AS last_seq
    FROM game_tick GROUP BY ALL
),
games AS (
    SELECT session_id, game_id, min(first_seq) AS first_seq
    FROM (
        SELECT session_id, game_id, first_seq FROM states
        UNION ALL SELECT session_id, game_id, first_seq FROM acts
        UNION ALL SELECT session_id, game_id, first_seq FROM ticks
    ) GROUP BY ALL
),
joined AS (
    SELECT g.session_id, g.game_id, g.first_seq, coalesce(a.actions, 0) AS actions,
        s.cash_start, s.cash_end,
        last_value(s.cash_end IGNORE NULLS) OVER (
            PARTITION BY g.session_id ORDER BY g.first_seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS cash_before,
        coalesce(a.buys, 0)::DECIMAL(38,9) AS buys,
        coalesce(a.sidebets, 0)::DECIMAL(38,9) AS sidebets,
        coalesce(a.sells, 0)::DECIMAL(38,9) AS sells,
        coalesce(a.shorts, 0)::DECIMAL(38,9) AS shorts,
        coalesce(a.short_closes, 0)::DECIMAL(38,9) AS short_closes,
        coalesce(a.side_games, 0)::DECIMAL(38,9) AS side_games,
        coalesce(s.forced_sells, 0)::DECIMAL(38,9) AS forced_sells,
        coalesce(s.settlements, 0)::DECIMAL(38,9) AS settlements,
        coalesce(s.external, 0)::DECIMAL(38,9) AS external
    FROM games g
    LEFT JOIN states s USING (session_id, game_id)
    LEFT JOIN acts a USING (session_id, game_id)
),
filled AS (
    SELECT * REPLACE (
        coalesce(cash_start, cash_before) AS cash_start,
        coalesce(cash_end, cash_before) AS cash_end
    ) FROM joined
)
SELECT session_id, game_id, actions, cash_start, buys, sidebets, sells, forced_sells, settlements,
    external, shorts, short_closes, side_games, cash_end,
    ((cash_end - (cash_start - buys - sidebets - shorts - side_games
        + sells + short_closes + forced_sells + settlements + external))
        * 1000000000)::BIGINT AS residual_lamports
FROM filled ORDER BY session_id, first_seq
"""

_GAMES = """\
WITH ticks AS (
    SELECT session_id, game_id, min(seq) AS first_seq, min(ts_ns) AS started_ns,
        count(*) FILTER (phase = 'active') AS ticks,
        max(tick) FILTER (phase IN ('active', 'rugged')) AS last_tick,
        max(price) FILTER (phase = 'active') AS peak,
        min(tick) FILTER (phase = 'rugged') AS rug_tick,
        arg_min(price, tick) FILTER (phase = 'rugged') AS rug_price,
        count(*) FILTER (backfilled) AS backfilled
    FROM game_tick GROUP BY ALL
),
acts AS (
    SELECT session_id, game_id, count(*) AS actions,
        count(*) FILTER (outcome_success) AS executed,
        sum(cash_delta) AS cash_delta
    FROM player_action GROUP BY ALL
)
SELECT t.session_id, t.game_id, make_timestamp(t.started_ns // 1000) AS started, t.ticks, t.last_tick,
    t.peak, t.rug_tick, t.rug_price, t.backfilled,
    coalesce(a.actions, 0) AS actions, coalesce(a.executed, 0) AS executed
FROM ticks t LEFT JOIN acts a USING (session_id, game_id)
ORDER BY t.session_id, t.first_seq
"""

_SESSIONS = """\
WITH documents AS (
    SELECT session_id, mode, venue, ts_ns, 1 AS frame FROM ws_event
    UNION ALL SELECT session_id, mode, venue, ts_ns, 0 FROM game_tick
    UNION ALL SELECT session_id, mode, venue, ts_ns, 0 FROM server_state
    UNION ALL SELECT session_id, mode, venue, ts_ns, 0 FROM player_action
    UNION ALL SELECT session_id, mode, venue, ts_ns, 0 FROM system_event
),
frames AS (
    SELECT session_id, any_value(mode) AS mode, any_value(venue) AS venue, min(ts_ns) AS first_ns,
        max(ts_ns) AS last_ns, sum(frame)::BIGINT AS frames
    FROM documents GROUP BY session_id
),
ticks AS (
    SELECT session_id, count(DISTINCT game_id) FILTER (phase = 'rugged') AS games,
        count(*) FILTER (phase = 'active' AND NOT backfilled) AS ticks
    FROM game_tick GROUP BY session_id
),
acts AS (SELECT session_id, count(*) AS actions FROM player_action GROUP BY session_id),
money AS (
    SELECT session_id, arg_min(cash - delta_cash, seq) AS cash_start, arg_max(cash, seq) AS cash_end
    FROM server_state GROUP BY session_id
)
SELECT f.session_id, f.mode, f.venue, make_timestamp(f.first_ns // 1000) AS started,
    make_timestamp(f.last_ns // 1000) AS ended, f.frames, coalesce(t.games, 0) AS games,
    coalesce(t.ticks, 0) AS ticks, coalesce(a.actions, 0) AS actions, m.cash_start, m.cash_end,
    m.cash_end - m.cash_start AS pnl
FROM frames f LEFT JOIN ticks t USING (session_id) LEFT JOIN acts a USING (session_id)
LEFT JOIN money m USING (session_id)
ORDER BY f.first_ns, f.session_id
"""

QUERIES: Final[tuple[NamedQuery, ...]] = (
    NamedQuery("actions", "every buy and sell with the state before and after", _ACTIONS),
    NamedQuery(
        "cash-per-game",
        "cash by game: start - buys - sidebets + sells + forced sells + settlements = end",
        _CASH_PER_GAME,
    ),
    NamedQuery(
        "exceptional-players",
        "other players who win more than 60 % of 10 games or more (biased: amount times price)",
        _EXCEPTIONAL,
    ),
    NamedQuery("games", "every game: ticks, peak, rug, our actions", _GAMES),
    NamedQuery("latency", "latency of our actions by type: mean, p50, p95, max, in ms", _LATENCY),
    NamedQuery("sessions", "every session: mode, venue, times, games, actions, cash", _SESSIONS),
)
"""All named queries, sorted by name."""
