"""Figures of a running session for Prometheus; a dashboard for Grafana is in the file beside this one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from vectra_bot import GameView, Plugin, PluginError, hookimpl, param
from vectra_bot.models import (
    GameSummary,
    GameTick,
    Link,
    PlayerAction,
    PlayerState,
    SessionFigures,
    SessionInfo,
    SessionSummary,
)

HOST = "127.0.0.1"
_MS = 1_000
_NS = 1_000_000_000
_BUCKETS_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)

log = logging.getLogger(__name__)


class Metrics(Plugin):
    """Serve figures of the session at http://127.0.0.1:PORT/metrics, for this machine only.

    Needs vectra-bot[metrics]. The dashboard of Grafana is the file metrics_dashboard.json of this package.
    """

    enabled_by_default = False

    port: int = param(9464, low=0, high=65_535, help="port; 0: any that is free, see the log")

    def __attrs_post_init__(self) -> None:
        try:
            import prometheus_client
            import prometheus_client.core
        except ImportError:
            raise PluginError(
                "metrics needs prometheus_client, which is not installed: pip install 'vectra-bot[metrics]'"
            ) from None
        self.families = Families(prometheus_client)
        self.server: WSGIServer | None = None

    @hookimpl
    def session_started(self, info: SessionInfo) -> None:
        """Begin to serve."""
        self.families.session.info(
            {
                "session_id": info.session_id,
                "mode": info.mode.value,
                "venue": info.venue,
                "strategy": info.strategy,
            }
        )
        self.server = make_server(HOST, self.port, _guarded(self.families.app), _Server, _Quiet)
        Thread(target=self.server.serve_forever, name="metrics", daemon=True).start()
        log.info("metrics=http://%s:%s/metrics", HOST, self.server.server_port)

    @hookimpl
    def session_finished(self, info: SessionInfo, report: SessionSummary) -> None:
        """Stop serving."""
        server, self.server = self.server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    @hookimpl
    def on_game_tick(self, tick: GameTick) -> None:
        self.families.ticks.inc()
        self.families.price.set(tick.price)

    @hookimpl
    def on_game_end(self, game: GameView, summary: GameSummary) -> None:
        self.families.games.inc()

    @hookimpl
    def on_action_outcome(self, action: PlayerAction) -> None:
        proof = "none" if action.proof is None else action.proof.value
        kind, state = action.action_type.value, action.state.value
        self.families.actions.labels(kind, state, proof).inc()
        latency_ms = action.total_latency_ms
        if latency_ms is not None and latency_ms >= 0:
            self.families.latency.observe(latency_ms / _MS)

    @hookimpl
    def on_player_update(self, state: PlayerState) -> None:
        self.families.cash.set(float(state.cash))
        self.families.position.set(float(state.position_qty))

    @hookimpl
    def on_connection(self, status: Link) -> None:
        self.families.link.set(status is Link.CONNECTED)

    @hookimpl
    def on_session_figures(self, figures: SessionFigures) -> None:
        self.families.told.figures = figures
        self.families.heartbeat.set_to_current_time()


class Families:
    """The families of a session, in a separate registry."""

    def __init__(self, client: Any) -> None:
        registry = client.CollectorRegistry()
        own = {"registry": registry, "namespace": "vectra"}
        self.session = client.Info("session", "The session that these figures are of.", **own)
        self.ticks = client.Counter("ticks", "New ticks of running games.", **own)
        self.games = client.Counter("games", "Games that ended.", **own)
        self.price = client.Gauge("price", "Newest price, as a multiple of the start.", **own)
        self.actions = client.Counter(
            "actions", "Complete actions, by type, terminal state and what proved it.",
            ("type", "outcome", "proof"), **own,
        )  # fmt: skip
        self.latency = client.Histogram(
            "action_latency_seconds", "Intent to the account update that showed the effect.",
            buckets=_BUCKETS_S, **own,
        )  # fmt: skip
        self.cash = client.Gauge("cash_sol", "Free cash by the last statement of the venue.", **own)
        self.position = client.Gauge("position_units", "Position by the last statement.", **own)
        self.link = client.Gauge("link_up", "1 while the venue is connected, else 0.", **own)
        self.heartbeat = client.Gauge(
            "heartbeat_timestamp_seconds", "When the session's loop last ran, since 1970.", **own
        )
        self.told = Told(client.core)
        registry.register(self.told)
        self.app: _App = client.make_wsgi_app(registry)


class Told:
    """Families of the host's last figures; none before the first, and none for a figure that is not known."""

    def __init__(self, core: Any) -> None:
        self.figures: SessionFigures | None = None
        self._core = core

    def collect(self) -> Iterator[Any]:
        """Yield the families with their values."""
        figures = self.figures
        if figures is None:
            return
        gauges: dict[str, tuple[str, float | Decimal | None]] = {
            "profit_sol": ("Change of cash, with what is open at the last price.", figures.pnl),
            "feed_age_seconds": ("Age of the newest game frame.", _seconds(figures.data_age_ms)),
            "round_trip_seconds": ("Smoothed round trip of pings.", _seconds(figures.rtt_ms)),
            "queue_depth_frames": ("Frames received, not processed yet.", figures.queue_depth),
            "parts_behind_segments": (
                "Closed segments without Parquet files.",
                figures.parts_behind,
            ),
            "alerts_queued": ("Alerts that wait in queues of sinks.", figures.alerts_queued),
        }
        for name, (text, value) in gauges.items():
            if value is not None:
                yield self._core.GaugeMetricFamily(f"vectra_{name}", text, value=float(value))
        counters = {
            "frames": ("Frames received.", figures.frames),
            "lost_frames": ("Frames that found the queue full.", figures.lost_frames),
            "quarantined_frames": ("Frames that could not be decoded.", figures.quarantined_frames),
        }
        for name, (text, number) in counters.items():
            yield self._core.CounterMetricFamily(f"vectra_{name}", text, value=number)
        yield self._hooks(figures)
        yield self._calls(figures)
        yield self._alerts(figures.alert_sinks)

    def _hooks(self, figures: SessionFigures) -> Any:
        family = self._core.CounterMetricFamily(
            "vectra_hook_seconds", "Time that hooks of plugins took.", labels=("plugin", "hook")
        )
        for time in figures.hook_times:
            family.add_metric((time.plugin, time.hook), time.total_ns / _NS)
        return family

    def _calls(self, figures: SessionFigures) -> Any:
        family = self._core.CounterMetricFamily(
            "vectra_hook_calls", "Calls of hooks of plugins.", labels=("plugin", "hook")
        )
        for time in figures.hook_times:
            family.add_metric((time.plugin, time.hook), time.calls)
        return family

    def _alerts(self, sinks: Mapping[str, Mapping[str, int]]) -> Any:
        family = self._core.CounterMetricFamily(
            "vectra_alerts", "Alerts by sink and outcome.", labels=("sink", "outcome")
        )
        for sink, counts in sinks.items():
            for outcome, number in counts.items():
                family.add_metric((sink, outcome), number)
        return family


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread, so that a slow reader delays nobody."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Logs no requests: a scrape every few seconds is not news."""

    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        return


_App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def _guarded(app: _App) -> _App:
    """Return *app* for requests that name this machine: a page in a browser uses another name."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "").partition(":")[0]
        if host not in (HOST, "localhost"):
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this address is for 127.0.0.1 only\n"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start("405 Method Not Allowed", [("Content-Type", "text/plain")])
            return [b"GET only\n"]
        return app(environ, start)

    return answer


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / _MS
