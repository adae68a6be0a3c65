"""Queries about the feed of a session: games, sessions, alerts, and missed ticks."""

from __future__ import annotations

from typing import Final

from vectra_bot.store.query.named.query import SESSION, Chart, NamedQuery

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

# A tick is missed when the live feed skipped it; some are read later from another frame's price window
# (filled), the others are lost. The connection's events during the gap are listed as causes.
_FEED_GAPS = """\
WITH ticks AS (
    SELECT session_id, game_id, tick, min(seq) AS seq, min(ts_ns) AS ts_ns,
        bool_and(coalesce(backfilled, false)) AS backfilled
    FROM game_tick
    WHERE phase = 'active' AND ($session::VARCHAR IS NULL OR session_id = $session)
    GROUP BY ALL
),
steps AS (
    SELECT *, lag(tick) OVER run AS tick_before, lag(seq) OVER run AS seq_before,
        lag(ts_ns) OVER run AS ns_before
    FROM ticks WHERE NOT backfilled
    WINDOW run AS (PARTITION BY session_id, game_id ORDER BY tick)
),
gaps AS (SELECT * FROM steps WHERE tick - tick_before > 1),
filled AS (
    SELECT g.session_id, g.game_id, g.tick, count(*) AS filled
    FROM gaps g JOIN ticks t ON t.session_id = g.session_id AND t.game_id = g.game_id
        AND t.backfilled AND t.tick > g.tick_before AND t.tick < g.tick
    GROUP BY ALL
),
causes AS (
    SELECT g.session_id, g.game_id, g.tick,
        string_agg(DISTINCT e.kind, ', ' ORDER BY e.kind) AS causes
    FROM gaps g JOIN system_event e ON e.session_id = g.session_id
        AND e.kind LIKE 'connection.%' AND e.seq > g.seq_before AND e.seq < g.seq
    GROUP BY ALL
)
SELECT g.session_id, g.game_id, g.tick_before + 1 AS first_tick, g.tick - 1 AS last_tick,
    g.tick - g.tick_before - 1 AS missed, coalesce(f.filled, 0) AS filled,
    g.tick - g.tick_before - 1 - coalesce(f.filled, 0) AS lost,
    round((g.ts_ns - g.ns_before) / 1e9, 3) AS silence_s,
    make_timestamp(g.ns_before // 1000) AS since, c.causes
FROM gaps g
LEFT JOIN filled f USING (session_id, game_id, tick)
LEFT JOIN causes c USING (session_id, game_id, tick)
ORDER BY g.session_id, g.seq
"""

_ALERTS = """\
SELECT session_id, seq, triggered_at, severity, alert_type, priority, game_id, title, message, source_event,
    expires_at
FROM alert_trigger WHERE $session::VARCHAR IS NULL OR session_id = $session
ORDER BY session_id, seq
"""

# An alert without a decision is of a session that had no sinks.
_ALERT_HISTORY = """\
WITH decided AS (
    SELECT session_id, seq, detail_json->>'alert_id' AS alert_id, detail_json->>'reason' AS reason,
        detail_json->>'alert_severity' AS sent_severity,
        (detail_json->>'escalated')::BOOLEAN AS escalated, (detail_json->>'again')::BOOLEAN AS again,
        array_to_string(from_json(detail_json->'sinks', '["VARCHAR"]'), ', ') AS sinks
    FROM system_event
    WHERE kind = 'alert.delivery' AND ($session::VARCHAR IS NULL OR session_id = $session)
)
SELECT a.session_id, a.seq, a.triggered_at, a.alert_type, a.severity, d.sent_severity, d.reason, d.sinks,
    d.escalated, d.again, a.title, a.message, a.game_id, a.alert_id
FROM alert_trigger a LEFT JOIN decided d ON d.session_id = a.session_id AND d.alert_id = a.alert_id
WHERE $session::VARCHAR IS NULL OR a.session_id = $session
ORDER BY a.session_id, a.seq, d.seq
"""

QUERIES: Final = (
    NamedQuery(
        "alert-history", "the outcome of every alert: reason, sinks", _ALERT_HISTORY, SESSION
    ),
    NamedQuery("alerts", "every alert: time, severity, kind, text", _ALERTS, SESSION),
    NamedQuery(
        "feed-gaps",
        "ticks that the live feed skipped, how many were read later, how long it was silent",
        _FEED_GAPS,
        SESSION,
        Chart("since", ("missed", "lost")),
    ),
    NamedQuery(
        "games",
        "every game: ticks, peak, rug, our actions",
        _GAMES,
        chart=Chart("started", ("peak",)),
    ),
    NamedQuery(
        "sessions",
        "every session: mode, venue, times, games, actions, cash",
        _SESSIONS,
        chart=Chart("session_id", ("pnl",)),
    ),
)
