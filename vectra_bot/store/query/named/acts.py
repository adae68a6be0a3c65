"""Queries about our actions: their latency, their context, and how well they were filled."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.query.named.query import SESSION, Chart, NamedQuery

# The legs of an action: intent to the venue's time, from there to the player update that showed the
# effect, the total, and intent to the first evidence of any kind.
_LATENCY_BY_TYPE = """\
WITH acts AS (
    SELECT * FROM player_action WHERE $session::VARCHAR IS NULL OR session_id = $session
),
legs AS (
    SELECT action_type, 'send' AS leg, timestamps_send_latency_ms AS ms FROM acts
    UNION ALL SELECT action_type, 'confirm', timestamps_confirm_latency_ms FROM acts
    UNION ALL SELECT action_type, 'total', timestamps_total_latency_ms FROM acts
    UNION ALL SELECT action_type, 'evidence', first_evidence_ts - timestamps_client_ts FROM acts
)
SELECT action_type, leg, count(*) AS count, round(avg(ms), 3) AS mean_ms,
    quantile_cont(ms, 0.5) AS p50_ms, quantile_cont(ms, 0.95) AS p95_ms,
    quantile_cont(ms, 0.99) AS p99_ms, min(ms) AS min_ms, max(ms) AS max_ms
FROM legs WHERE ms IS NOT NULL
GROUP BY action_type, leg ORDER BY action_type, leg
"""

_CONTEXT = """\
WITH acts AS (
    SELECT * FROM player_action WHERE $session::VARCHAR IS NULL OR session_id = $session
),
prices AS (
    SELECT session_id, game_id, tick, arg_min(price, seq) AS price
    FROM game_tick WHERE phase = 'active' GROUP BY ALL
),
ticks AS (
    SELECT *, max(price) OVER run AS peak, price / lag(price, 10) OVER run - 1 AS change
    FROM prices
    WINDOW run AS (PARTITION BY session_id, game_id ORDER BY tick)
)
SELECT a.session_id, a.game_id, a.action_id, make_timestamp(a.timestamps_client_ts * 1000) AS at,
    a.action_type, a.button, a.state, a.actor, a.amount, a.percentage,
    a.game_context_phase AS phase, a.game_context_tick AS tick, a.game_context_price AS price,
    t.peak, round(100 * t.change, 3) AS change_10_ticks_percent,
    a.game_context_volatility_1m AS volatility_1m, a.game_context_connected_players AS players,
    a.state_before_cash AS cash_before, a.state_before_position_qty AS position_before,
    a.state_before_avg_cost AS avg_cost_before, a.outcome_executed_price AS executed_price,
    a.outcome_executed_amount AS executed_amount, a.outcome_error AS error,
    a.outcome_error_reason AS error_reason, a.state_after_cash AS cash_after, a.cash_delta, a.reward,
    a.timestamps_total_latency_ms AS latency_ms
FROM acts a
LEFT JOIN ticks t ON t.session_id = a.session_id AND t.game_id = a.game_id
    AND t.tick = a.game_context_tick AND a.game_context_phase = 'active'
ORDER BY a.session_id, a.seq
"""

# The price an action saw is that of its decision; the venue uses the one of the tick at which the order
# arrives. That tick is not stated: it is taken as the first tick, from the decision on, with the
# executed price.
_FILLS = """\
WITH prices AS (
    SELECT session_id, game_id, tick, arg_min(price, seq) AS price
    FROM game_tick WHERE phase IN ('active', 'rugged') GROUP BY ALL
),
fills AS (
    SELECT *, CASE WHEN action_type IN ('BUY', 'SHORT_CLOSE') THEN 1 ELSE -1 END AS sign
    FROM player_action
    WHERE state IN ('CONFIRMED', 'EXECUTED_LATE') AND outcome_executed_price > 0
        AND action_type IN ('BUY', 'SELL', 'SHORT_OPEN', 'SHORT_CLOSE')
        AND ($session::VARCHAR IS NULL OR session_id = $session)
),
hits AS (
    SELECT f.session_id, f.action_id, min(p.tick) AS fill_tick
    FROM fills f JOIN prices p ON p.session_id = f.session_id AND p.game_id = f.game_id
        AND p.tick BETWEEN f.game_context_tick AND f.game_context_tick + 240
        AND abs(p.price / f.outcome_executed_price - 1) < 1e-9
    GROUP BY ALL
)
SELECT f.session_id, f.game_id, f.action_id, f.action_type, f.actor, f.game_context_tick AS tick,
    f.game_context_price AS seen_price, p.price AS tick_price, h.fill_tick,
    h.fill_tick - f.game_context_tick AS delay_ticks,
    f.outcome_executed_price AS executed_price, f.outcome_executed_amount AS executed_amount,
    round(100 * f.sign * (f.outcome_executed_price / nullif(f.game_context_price, 0) - 1), 6) + 0
        AS slippage_percent,
    (f.sign * (f.outcome_executed_price / nullif(f.game_context_price, 0) - 1)
        * f.outcome_executed_amount)::DECIMAL(38,9) AS slippage_sol
FROM fills f
LEFT JOIN prices p ON p.session_id = f.session_id AND p.game_id = f.game_id
    AND p.tick = f.game_context_tick
LEFT JOIN hits h ON h.session_id = f.session_id AND h.action_id = f.action_id
ORDER BY f.session_id, f.seq
"""

QUERIES: Final = (
    NamedQuery(
        "action-context",
        "every action with game and account at its decision, and its outcome",
        _CONTEXT,
        SESSION,
        Chart("tick", ("reward",)),
    ),
    NamedQuery(
        "fills",
        "executed price compared with the price seen and the tick's; slippage above 0 is a loss",
        _FILLS,
        SESSION,
        Chart("tick", ("slippage_percent",)),
    ),
    NamedQuery(
        "latency-by-type",
        "latency by type of action and leg: mean, p50, p95, p99, min, max, in ms",
        _LATENCY_BY_TYPE,
        SESSION,
        Chart("action_type", ("p50_ms", "p95_ms", "p99_ms"), {"leg": "total"}),
    ),
)
