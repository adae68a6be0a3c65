"""The bundled plugin session-log."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from vectra_bot.models import GamePhase, Mode, OtherPlayerAction, SessionInfo, SessionSummary
from vectra_plugins.session_log import SessionLog

TRADE = OtherPlayerAction(
    session_id="s",
    game_id="20260101-0123456789abcdef",
    player_id="did:1",
    username="eve",
    action_type="BUY",
    amount=Decimal("0.5"),
    price=Decimal("1.25"),
    tick=3,
    game_phase=GamePhase.ACTIVE,
    server_ts=None,
    ingested_ts=1,
)
INFO = SessionInfo(session_id="s", mode=Mode.PAPER, venue="embedded", strategy="watch")


def _log(store: Path, **options: Any) -> str:
    """Run a short session and return its log."""
    vectra_bot.run(
        options.pop("strategy", "sidebet"), games=2, seed=7, session_id="s", store=store, **options
    )
    return (store / "sessions" / "s" / "session.log").read_text(encoding="utf-8")


def test_log_has_a_line_for_everything_that_happened(store: Path) -> None:
    """Session, games, other players, our actions, their outcomes and stakes are all logged."""
    text = _log(store)

    for fragment in (
        "session s: sidebet, paper on embedded",
        "link connected",
        "started",
        "sent SIDEBET 0.010000000 SOL",
        "CONFIRMED SIDEBET 0.010000000 SOL",
        "SIDEBET lost: stake 0.010000000 SOL",
        "ended: rug at tick",
        "player ",
        "session s finished: 2 games",
    ):
        assert fragment in text
    assert "account:" not in text


def test_parameters_choose_what_is_told(store: Path) -> None:
    """Other players can be excluded, ticks and account statements included."""
    settings = {"session-log": {"trades": False, "ticks": True, "account": True}}

    text = _log(store, plugins=settings)

    assert "player " not in text
    assert "tick 1 price " in text
    assert "account: cash 1.000000000 SOL" in text


def test_path_parameter_wins(tmp_path: Path, store: Path) -> None:
    """A path set by the user is appended to."""
    target = tmp_path / "logs" / "all.log"
    settings = {"session-log": {"path": str(target)}}

    for session in ("a", "b"):
        vectra_bot.run("watch", games=1, seed=7, crowd=0, session_id=session, plugins=settings)

    text = target.read_text(encoding="utf-8")
    assert "session a finished" in text
    assert "session b finished" in text
    assert not list(store.glob("sessions/*/session.log"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb", "a\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("Zoë 🦀", "Zoë 🦀"),
    ],
)
def test_names_cannot_act_on_a_terminal(
    name: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters and direction marks of a player's name are escaped, letters are not."""
    log = SessionLog(path="-")
    log.session_started(INFO)
    log.on_other_player_trade(attrs.evolve(TRADE, username=name))
    log.session_finished(INFO, SessionSummary(games=0, ticks=0))

    lines = capsys.readouterr().err.split("\n")
    assert f"player {shown} BUY 0.5 SOL at tick 3 price 1.25" in lines[1]
    assert len(lines) == 4


def test_failed_session_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line has the error of a session that failed."""
    log = SessionLog(path="-")
    log.session_started(INFO)
    log.session_finished(INFO, SessionSummary(games=1, ticks=9, error="on_game_tick: boom"))

    assert "session s failed: on_game_tick: boom: 1 games" in capsys.readouterr().err


def test_without_a_store_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder and no path: the plugin writes nothing."""
    monkeypatch.chdir(tmp_path)
    log = SessionLog()
    log.session_started(INFO)
    log.on_other_player_trade(TRADE)
    log.session_finished(INFO, SessionSummary(games=0, ticks=0))

    assert list(tmp_path.iterdir()) == []
