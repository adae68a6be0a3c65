"""Alerts of sessions: stored, the same in every replay and process, on by default where it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from vectra_bot.engine import Engine
from vectra_bot.journal import journal_directory, read_header, read_journal
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.options import plugin_choice
from vectra_bot.models import DocType, Document
from vectra_bot.serde import canonical_json, record_to_json
from vectra_bot.session.check import _plugins_of
from vectra_bot.session.config import RecordConfig, ReplayConfig, SessionConfig
from vectra_bot.session.header import engine_of, profile_of
from vectra_bot.session.live.config import LiveConfig
from vectra_bot.session.shell import read_frame

SETTINGS = {"alerts": {"custom_1": "price > 1.2 and tick > 5", "latency_ms": 1}}
RUN = """
import sys, vectra_bot
vectra_bot.run("take-profit", games=3, seed=7, session_id="s", store=sys.argv[1], alerts=True,
               plugins={"alerts": {"custom_1": "price > 1.2 and tick > 5", "latency_ms": 1}},
               disable_plugins=sys.argv[2:])
"""


def played(store: Path, **options: Any) -> list[str]:
    """Run a session and return its alerts."""
    vectra_bot.run(
        "take-profit", games=3, seed=7, session_id="s", store=store, alerts=True, plugins=SETTINGS,
        **options,
    )  # fmt: skip
    return stored(store)


def stored(store: Path) -> list[str]:
    """Return the alerts in a journal, as text."""
    with closing(read_journal(journal_directory(store, "s"))) as journal:
        documents = [entry.document() for entry in journal if entry.kind == "doc"]
    return list(texts(documents))


def texts(documents: list[Document]) -> Iterator[str]:
    """Yield the alerts among *documents* as text, with the game each is about."""
    for document in documents:
        if document.doc_type is DocType.ALERT_TRIGGER:
            yield canonical_json(
                [document.ts_ns, document.game_id, record_to_json(document.record)]
            )


def replayed(store: Path) -> list[str]:
    """Return the alerts of the journal's inputs in a new engine, as ``replay --check`` makes it."""
    path = journal_directory(store, "s")
    header = read_header(path)
    source = resolve_strategy(header["strategy"]["spec"])
    engine: Engine = engine_of(header, source, _plugins_of(path, header).manager)
    profile, found = profile_of(header), []
    with closing(read_journal(path)) as journal:
        for entry in journal:
            if entry.kind == "frame" and entry.frame().direction.value == "in":
                found += engine.process(read_frame(entry.frame(), profile))
            elif entry.kind == "input":
                found += engine.process(entry.input())
    return list(texts([one for one in found if isinstance(one, Document)]))


def test_a_replay_gives_the_same_alerts(tmp_path: Path) -> None:
    """Byte for byte: ids, times, texts, data; also those about our own actions."""
    alerts = played(tmp_path)
    kinds = {json.loads(text)[2]["alert_type"] for text in alerts}

    assert replayed(tmp_path) == alerts
    assert {"trade_success", "latency_warning", "custom_signal_1", "short_entry_signal"} <= kinds
    assert vectra_bot.check_journal(journal_directory(tmp_path, "s")).equal


def test_another_process_and_other_plugins_give_the_same_alerts(tmp_path: Path) -> None:
    """What else is enabled, such as what shows alerts, has no effect."""
    alerts = played(tmp_path / "a")
    for name, disabled in (("b", []), ("c", ["session-log"])):
        command = [sys.executable, "-c", RUN, str(tmp_path / name), *disabled]
        subprocess.run(command, check=True, capture_output=True)

        assert stored(tmp_path / name) == alerts


def test_alerts_change_no_decision(tmp_path: Path) -> None:
    """The digest of a session is that of one without."""
    options: dict[str, Any] = {"games": 3, "seed": 7, "session_id": "s"}
    plain = vectra_bot.run("take-profit", store=tmp_path / "a", **options)
    loud = vectra_bot.run("take-profit", store=tmp_path / "b", alerts=True, **options)

    assert loud.digest == plain.digest
    assert stored(tmp_path / "a") == []
    assert stored(tmp_path / "b")


def test_a_list_of_players_is_in_the_header(tmp_path: Path) -> None:
    """The file may change afterwards."""
    path = tmp_path / "players.txt"
    path.write_text("did:a\ndid:b\n", encoding="utf-8")
    settings = {"alerts": {"exceptional_players": f"@{path}"}}
    store = tmp_path / "store"
    vectra_bot.run("watch", games=1, seed=7, session_id="s", store=store, plugins=settings)
    path.unlink()
    (about,) = [
        one
        for one in read_header(journal_directory(store, "s"))["plugins"]
        if one["name"] == "alerts"
    ]

    assert about["settings"] == {"exceptional_players": "did:a,did:b"}
    assert vectra_bot.check_journal(journal_directory(store, "s")).equal


def test_the_log_of_a_session_has_its_alerts(tmp_path: Path) -> None:
    """One line for each, with type and severity."""
    alerts = played(tmp_path)
    text = (tmp_path / "sessions" / "s" / "session.log").read_text(encoding="utf-8")

    assert text.count("] alert ") == len(alerts)
    assert "alert game_start (info): Game started" in text


def test_a_replay_as_a_new_session_can_have_alerts(tmp_path: Path) -> None:
    """The same ones, where it has the same id, but those about our own actions."""
    market = [
        text
        for text in played(tmp_path / "a")
        if json.loads(text)[2]["alert_type"] in ("game_start", "game_rug", "rug_warning")
    ]
    journal = journal_directory(tmp_path / "a", "s")
    vectra_bot.replay(journal, strategy="watch", session_id="s", store=tmp_path / "b", alerts=True)
    again = stored(tmp_path / "b")

    def bare(texts: list[str]) -> list[Any]:
        return [{**json.loads(text)[2], "alert_id": ""} for text in texts]

    assert bare(market) == [
        one for one in bare(again) if one["alert_type"] in ("game_start", "game_rug", "rug_warning")
    ]


@pytest.mark.parametrize(
    ("config", "alerts", "wanted"),
    [
        (SessionConfig(strategy="watch"), False, False),
        (SessionConfig(strategy="watch", venue="https://rugs.example"), True, True),
        (SessionConfig(strategy="watch", alerts=True), False, True),
        (SessionConfig(strategy="watch", alerts=False), True, False),
        (RecordConfig(venue="https://rugs.example"), False, False),
        (ReplayConfig(path=Path("x")), False, False),
        (LiveConfig(strategy="watch"), True, True),
    ],
    ids=["embedded", "feed", "asked", "refused", "record", "replay", "live"],
)
def test_where_alerts_are_on(config: Any, alerts: bool, wanted: bool) -> None:
    """On the feed of a venue and live, unless an option says otherwise."""
    assert ("alerts" in plugin_choice(config, alerts=alerts).usual) is wanted


def test_the_auditors_alerts_reach_plugins_too(tmp_path: Path) -> None:
    """The same hook receives them."""
    from tests.conformance.frames.frame_rows import public, rows
    from tests.docs.json_runs import Commands

    capture = Commands(tmp_path).false_capture(public(rows()))
    report = vectra_bot.replay(capture, session_id="s", store=tmp_path / "store")
    text = (tmp_path / "store" / "sessions" / "s" / "session.log").read_text(encoding="utf-8")

    assert report.alerts == text.count("alert vectra.integrity (error)") == 1
