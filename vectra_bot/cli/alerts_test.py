"""What ``vectra-bot alerts test`` does: one alert to every sink, each with its own result."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vectra_bot.alerts.delivery import AlertDelivery, SessionFacts, sinks_of
from vectra_bot.alerts.preferences import check_severity, check_type
from vectra_bot.cli.options import plugin_options
from vectra_bot.clock import WallClock
from vectra_bot.config import FileConfig, load_config
from vectra_bot.errors import PluginError
from vectra_bot.loading.options import ALERT_SINKS
from vectra_bot.loading.plugins import PluginChoice, load_plugins
from vectra_bot.models import AlertTrigger, AlertType
from vectra_bot.models.times import NS_PER_S
from vectra_bot.plugins import PluginManager

_MARGIN_S = 1.0


def try_sinks(kind: str, severity: str, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Send an alert to every sink of the plugins; return what each did, and what the preferences say.

    Raises:
        PluginError: a plugin cannot be used, or none registers a sink.
        ConfigError: the type, the severity, a parameter or a preference is not allowed.
    """
    check_type(kind)
    check_severity(severity)
    clock = WallClock()
    now_ns = clock.now_ns()
    alert = _alert(kind, severity, now_ns)
    sinks = sinks_of(_plugins(options))
    delivery = AlertDelivery.open(sinks, path, clock, SessionFacts(session_id="test"))
    try:
        decision = delivery.policy.decide(alert, now_ns, now_ns)
        return {
            "alert_id": alert.alert_id,
            "type": kind,
            "severity": decision.severity,
            "sinks": _results(delivery, alert),
            "decision": decision.reason,
            "to": list(decision.sinks),
        }
    finally:
        delivery.close()


def _plugins(options: Mapping[str, Any]) -> PluginManager:
    from vectra_bot.cli.run import SECTIONS

    file = options["config_file"]
    config = load_config(Path(file), SECTIONS) if file else FileConfig()
    chosen = plugin_options(config, options)
    plugins = load_plugins(
        PluginChoice(
            settings=chosen["plugins"],
            enable=chosen["enable_plugins"],
            disable=chosen["disable_plugins"],
            block=chosen["block_plugins"],
            usual=(ALERT_SINKS,),
        )
    )
    if not plugins.calls["register_alert_sinks"]:
        raise PluginError(
            f"no plugin registers a sink of alerts: enable one, such as {ALERT_SINKS}"
        )
    return plugins


def _alert(kind: str, severity: str, now_ns: int) -> AlertTrigger:
    known = {one.value: one for one in AlertType}
    return AlertTrigger(
        alert_id=str(uuid.uuid4()),
        alert_type=known.get(kind, kind),
        severity=severity,
        triggered_at=datetime.fromtimestamp(now_ns // NS_PER_S, UTC),
        expires_at=None,
        game_id=None,
        player_id=None,
        title="Test",
        message="an alert of `vectra-bot alerts test`",
    )


def _results(delivery: AlertDelivery, alert: AlertTrigger) -> list[dict[str, Any]]:
    """Give *alert* to every sink, and wait for each as long as it may take."""
    delivery.send_to_all(alert)
    found = []
    for name, runner in delivery.runners.items():
        runner.close()
        began_ns = runner.clock.monotonic_ns()
        left = runner.wait(runner.sink.deadline_s + _MARGIN_S)
        took_ms = (runner.clock.monotonic_ns() - began_ns) // 1_000_000
        delivered = runner.counts.delivered == 1 and not left
        found.append({"sink": name, "delivered": delivered, "took_ms": took_ms})
    said = [event.message for event in delivery.look(0)]
    for one in found:
        trouble = [line for line in said if line.startswith(f"alert sink {one['sink']!r}")]
        one["result"] = "delivered" if one["delivered"] else "; ".join(trouble) or "not delivered"
    return found
