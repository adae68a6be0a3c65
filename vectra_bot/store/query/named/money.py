"""Queries about money: cash by game to the lamport, profit and loss by game, stakes and their results."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.query.named.query import SESSION, Chart, NamedQuery

# Buys, stakes and sells come from our own actions, everything else from the venue's statements, so a
# residual of 0 means that two independent accounts agree. What happened without our action (a
# liquidation) is in the statements only. Bonus money is not cash.
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
FROM filled WHERE $session::VARCHAR IS NULL OR session_id = $session
ORDER BY session_id, first_seq
"""

# From the venue's statements only: what our actions, forced sells and settled stakes did to the cash.
# Money from elsewhere is not profit of a game. A position still open when the session ended counts as
# lost.
_PNL_BY_GAME = """\
WITH ticks AS (
    SELECT session_id, game_id, min(seq) AS first_seq, min(ts_ns) AS ts_ns,
        max(price) FILTER (phase = 'active') AS peak,
        min(tick) FILTER (phase = 'rugged') AS rug_tick
    FROM game_tick GROUP BY ALL
),
acts AS (
    SELECT session_id, game_id, count(*) AS actions,
        count(*) FILTER (outcome_success) AS executed
    FROM player_action GROUP BY ALL
),
money AS (
    SELECT session_id, game_id, min(seq) AS first_seq, min(ts_ns) AS ts_ns,
        coalesce(-sum(delta_cash) FILTER (own AND delta_cash < 0), 0) AS spent,
        coalesce(sum(delta_cash) FILTER (own AND delta_cash > 0), 0) AS received,
        coalesce(sum(delta_cash) FILTER (own), 0) AS pnl,
        coalesce(sum(delta_cash) FILTER (NOT own), 0) AS external,
        bool_or(unverified) AS unverified
    FROM (
        SELECT *, cause IN ('action', 'forced_sell', 'stake_settled') AS own
        FROM server_state WHERE game_id IS NOT NULL AND cause IS NOT NULL
    ) GROUP BY session_id, game_id
),
games AS (
    SELECT session_id, game_id, coalesce(t.first_seq, m.first_seq) AS first_seq,
        coalesce(t.ts_ns, m.ts_ns) AS ts_ns, t.peak, t.rug_tick,
        coalesce(a.actions, 0) AS actions, coalesce(a.executed, 0) AS executed,
        coalesce(m.spent, 0)::DECIMAL(38,9) AS spent,
        coalesce(m.received, 0)::DECIMAL(38,9) AS received,
        coalesce(m.pnl, 0)::DECIMAL(38,9) AS pnl,
        coalesce(m.external, 0)::DECIMAL(38,9) AS external,
        coalesce(m.unverified, false) AS unverified
    FROM ticks t FULL JOIN money m USING (session_id, game_id)
    LEFT JOIN acts a USING (session_id, game_id)
)
SELECT session_id, row_number() OVER run AS game, game_id, make_timestamp(ts_ns // 1000) AS started,
    actions, executed, spent, received, pnl, sum(pnl) OVER run AS running_pnl, external, peak, rug_tick,
    unverified
FROM games WHERE $session::VARCHAR IS NULL OR session_id = $session
WINDOW run AS (PARTITION BY session_id ORDER BY first_seq, game_id)
ORDER BY session_id, game
"""

# A settled stake has a statement with its action's id, even of 0; without one it is open, or was when
# the session ended.
_STAKES = """\
WITH settled AS (
    SELECT session_id, action_id, sum(delta_cash) AS payout, max(seq) AS seq, max(ts_ns) AS ts_ns
    FROM server_state WHERE cause = 'stake_settled' AND action_id IS NOT NULL GROUP BY ALL
)
SELECT a.session_id, a.game_id, a.action_id, a.action_type, a.choice, a.game_context_tick AS tick,
    a.game_context_price AS price, a.outcome_executed_amount AS stake,
    coalesce(a.outcome_executed_bonus, 0)::DECIMAL(38,9) AS bonus,
    CASE WHEN s.action_id IS NULL THEN 'open' WHEN s.payout > 0 THEN 'won' ELSE 'lost' END AS result,
    s.payout, (s.payout - (a.outcome_executed_amount - coalesce(a.outcome_executed_bonus, 0)))::DECIMAL(38,9)
        AS pnl,
    make_timestamp(s.ts_ns // 1000) AS settled_at, a.unverified
FROM player_action a LEFT JOIN settled s
    ON s.session_id = a.session_id AND s.action_id = a.action_id
WHERE a.action_type IN ('SIDEBET', 'BBC_PREDICT', 'CANDLEFLIP_BET')
    AND a.state IN ('CONFIRMED', 'EXECUTED_LATE')
    AND ($session::VARCHAR IS NULL OR a.session_id = $session)
ORDER BY a.session_id, a.seq
"""

QUERIES: Final = (
    NamedQuery(
        "cash-per-game",
        "cash by game: start - buys - sidebets + sells + forced sells + settlements = end",
        _CASH_PER_GAME,
        SESSION,
        Chart("game_id", ("cash_end",)),
    ),
    NamedQuery(
        "pnl-by-game",
        "profit and loss of every game in SOL, and their running sum",
        _PNL_BY_GAME,
        SESSION,
        Chart("game", ("pnl", "running_pnl"), by="session_id"),
    ),
    NamedQuery(
        "stakes",
        "every sidebet and side game's stake: tick, stake, result, payout, profit",
        _STAKES,
        SESSION,
        Chart("tick", ("pnl",)),
    ),
)
