"""Metrics: what a session serves is read by a Prometheus parser; the dashboard names what is served."""

from __future__ import annotations

import importlib.resources
import json
import re
import socket
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

import vectra_bot
from vectra_bot import PluginError, Snapshot
from vectra_bot.models import Mode, SessionInfo, SessionSummary
from vectra_plugins.metrics import Metrics

INFO = SessionInfo(session_id="S", mode=Mode.PAPER, venue="embedded", strategy="watch")


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Scraper:
    """Scrapes while a session runs, and keeps the last answer."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.text = ""
        self.number = 0

    def update(self, snapshot: Snapshot) -> None:
        """Scrape, as Prometheus does."""
        with urlopen(self.url, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            self.text = answer.read().decode()
        self.number += 1


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a session of some seconds served last, with its report."""
    port = free_port()
    scraper = Scraper(port)
    report = vectra_bot.run(
        "take-profit", games=3, seed=7, speed=60, store=tmp_path_factory.mktemp("store"),
        plugins={"metrics": {"port": port}}, observer=scraper,
    )  # fmt: skip
    return {"families": families(scraper.text), "report": report, "scraper": scraper}


def families(text: str) -> dict[str, Any]:
    """Return the families of a scrape by name."""
    return {one.name: one for one in text_string_to_metric_families(text)}


def test_every_family_is_typed_and_documented(session: dict[str, Any]) -> None:
    """And named as Prometheus recommends."""
    found = session["families"]

    assert session["scraper"].number > 3
    assert len(found) > 20
    for name, family in found.items():
        assert name.startswith("vectra_")
        assert family.type in ("counter", "gauge", "histogram"), name
        assert family.documentation.endswith("."), name


def test_figures_are_those_of_the_session(session: dict[str, Any]) -> None:
    """As the report has them."""
    found, report = session["families"], session["report"]

    def values(name: str) -> list[float]:
        return [
            sample.value for sample in found[name].samples if not sample.name.endswith("_created")
        ]

    assert found["vectra_session_info"].samples[0].labels["session_id"] == report.session_id
    assert values("vectra_ticks") == [report.ticks]
    assert sum(values("vectra_actions")) == sum(report.actions.values())
    proofs = {sample.labels["proof"] for sample in found["vectra_actions"].samples}
    assert proofs <= {*report.proofs, "none"}
    assert values("vectra_cash_sol") == [float(report.cash_end)]
    assert values("vectra_quarantined_frames") == values("vectra_lost_frames") == [0.0]
    assert 0 < values("vectra_frames")[0] <= report.frames
    hooks = {sample.labels["hook"] for sample in found["vectra_hook_calls"].samples}
    assert {"on_game_tick", "on_player_update"} <= hooks
    assert "vectra_queue_depth_frames" not in found  # the embedded exchange has no queue
    assert values("vectra_heartbeat_timestamp_seconds")[0] > 1.7e9


def test_nothing_is_served_after_the_session(session: dict[str, Any]) -> None:
    """The port is closed."""
    with pytest.raises(OSError, match="refused"):
        urlopen(session["scraper"].url, timeout=5)


def test_the_dashboard_names_metrics_that_exist(session: dict[str, Any]) -> None:
    """Those of a session on a live feed besides."""
    text = (
        importlib.resources.files("vectra_plugins").joinpath("metrics_dashboard.json").read_text()
    )
    dashboard = json.loads(text)
    live = {"vectra_feed_age_seconds", "vectra_round_trip_seconds", "vectra_queue_depth_frames"}
    samples = {
        sample.name for family in session["families"].values() for sample in family.samples
    } | {name + "_total" for name, one in session["families"].items() if one.type == "counter"}
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for text in expressions for name in re.findall(r"vectra_\w+", text)}

    assert len(dashboard["panels"]) == 12
    assert named - samples - live == set()
    assert live <= named
    assert len({panel["id"] for panel in dashboard["panels"]}) == 12


@pytest.fixture
def served() -> Any:
    """Return a plugin that serves, at a port of its choice."""
    plugin = Metrics(port=0)
    plugin.session_started(INFO)
    yield plugin
    plugin.session_finished(INFO, SessionSummary(games=0, ticks=0))
    plugin.session_finished(INFO, SessionSummary(games=0, ticks=0))  # twice does no harm


@pytest.mark.parametrize(
    ("host", "method", "status"),
    [
        (None, "GET", 200),
        ("localhost:1", "GET", 200),
        ("evil.example", "GET", 403),
        ("127.0.0.1.evil.example:9464", "GET", 403),
        (None, "POST", 405),
    ],
)
def test_only_this_machine_may_read(
    served: Metrics, host: str | None, method: str, status: int
) -> None:
    """A page in a browser that reaches the port by another name gets nothing; nothing can be changed."""
    assert served.server is not None
    address = f"http://127.0.0.1:{served.server.server_port}/metrics"
    request = Request(address, method=method, headers={} if host is None else {"Host": host})
    try:
        with urlopen(request, timeout=10) as answer:
            found, text = answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            found, text = error.code, error.read().decode()

    assert found == status
    assert ("vectra_ticks_total" in text) is (status == 200)


def test_before_the_first_second_there_are_no_figures_of_the_host(served: Metrics) -> None:
    """None is invented."""
    assert served.server is not None
    with urlopen(f"http://127.0.0.1:{served.server.server_port}/metrics", timeout=10) as answer:
        found = families(answer.read().decode())

    assert "vectra_ticks" in found
    assert "vectra_frames" not in found


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)

    with pytest.raises(PluginError, match=r"pip install 'vectra-bot\[metrics\]'"):
        vectra_bot.run("watch", games=1, store=tmp_path, enable_plugins=["metrics"])
