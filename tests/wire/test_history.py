"""The history's sidebet rows, read as the results that they are, from frames of the exchange."""

from __future__ import annotations

from pathlib import Path

import pytest

from vectra_bot import run
from vectra_bot.journal import read_journal
from vectra_bot.models import Direction, Event, GameFrame, LoginStatus, SidebetResult
from vectra_bot.wire.builders import sidebets_of
from vectra_bot.wire.decode import decode


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Event]]:
    """Return our player and the events of a session that placed sidebets in four games."""
    store: Path = tmp_path_factory.mktemp("store")
    report = run("sidebet", games=4, seed=7, store=store)
    frames = [
        entry.frame() for entry in read_journal(Path(report.journal)) if entry.kind == "frame"
    ]
    events = [decode(frame) for frame in frames if frame.direction is Direction.IN]
    player_id = next(event.player_id for event in events if isinstance(event, LoginStatus))
    return player_id, events


def test_the_rows_of_a_game_are_the_results_that_we_were_sent(
    session: tuple[str, list[Event]],
) -> None:
    """Each of our sidebets is there once, won or lost, with its amounts and ticks."""
    player_id, events = session
    games = {
        game.game_id: game
        for event in events
        if isinstance(event, GameFrame)
        for game in event.history
    }
    sent: dict[str, list[SidebetResult]] = {}
    for event in events:
        if isinstance(event, SidebetResult) and event.game_id in games:
            sent.setdefault(event.game_id, []).append(event)

    assert len(sent) >= 3
    for game_id, results in sent.items():
        read = games[game_id].sidebets_of
        assert read is not None
        rows = read(player_id, 1)
        assert rows is not None
        assert [row.recv_ns for row in rows] == [1] * len(results)
        assert _amounts(rows) == _amounts(results)
        assert read("did:privy:nobody", 1) == ()


def _amounts(results: list[SidebetResult] | tuple[SidebetResult, ...]) -> list[tuple[object, ...]]:
    names = ("game_id", "player_id", "amount", "payout", "profit", "start_tick", "end_tick")
    return sorted(tuple(getattr(result, name) for name in names) for result in results)


@pytest.mark.parametrize(
    "rows", [b"", b"{}", b"[7]", b"[{}]", b'[{"playerId":"me","type":"payout"}]']
)
def test_rows_of_an_unknown_form_are_no_list(rows: bytes) -> None:
    """They do not say that there was no sidebet."""
    assert sidebets_of(b"[]", "me", 1) == ()
    assert sidebets_of(rows, "me", 1) is None
