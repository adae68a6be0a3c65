"""The end of a game as public frames state it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vectra_bot.analysis.players.ends import DecidedSidebet, decided_sidebets, read_ends
from vectra_bot.errors import WireError

ROW: dict[str, Any] = {
    "id": "p", "username": None, "level": 1, "pnl": 0.5, "pnlPercent": 1.0, "positionQty": 0, "avgCost": 0,
    "totalInvested": 1, "position": 1, "selectedCoin": {"address": "0xPractice"},
}  # fmt: skip
BET: dict[str, Any] = {
    "type": "payout", "playerId": "p", "betAmount": 0.01, "payout": 0, "startTick": 3, "endTick": 43,
}  # fmt: skip


def frame(**payload: Any) -> str:
    """Return a ``gameStateUpdate`` frame."""
    return f'42["gameStateUpdate",{json.dumps({"gameId": "g", **payload})}]'


def test_a_rugged_game_has_its_final_leaderboard() -> None:
    """Rows count only after the rug; a broken row is counted and the others are read."""
    ends = read_ends(frame(rugged=True, leaderboard=[ROW, {"id": "q"}, 3]))
    assert [(row.id, row.pnl, row.practice) for row in ends.final] == [("p", 0.5, True)]
    assert (ends.game_id, ends.unreadable, ends.sidebets) == ("g", 2, [])
    assert read_ends(frame(rugged=False, leaderboard=[ROW])).final == []


def test_the_history_has_every_games_sidebets() -> None:
    """Each finished game is given with its rows, encoded."""
    games = [{"id": "a", "globalSidebets": [BET]}, {"id": "b"}]
    ends = read_ends(frame(gameHistory=games))
    assert [game for game, _ in ends.sidebets] == ["a", "b"]
    assert decided_sidebets(ends.sidebets[0][1])[0][0].end_tick == 43
    assert decided_sidebets(ends.sidebets[1][1]) == ([], 0)


def test_only_decided_sidebets_are_returned() -> None:
    """Placed rows are skipped; rows that cannot be read are counted."""
    rows = [BET, {**BET, "type": "placed"}, {**BET, "betAmount": 0}, {**BET, "endTick": 3}, 5, None]
    found, unreadable = decided_sidebets(json.dumps(rows).encode())
    assert found == [
        DecidedSidebet(type="payout", player_id="p", bet_amount=0.01, start_tick=3, end_tick=43)
    ]
    assert unreadable == 4


@pytest.mark.parametrize("rows", [b"", b"{}", b"null", b"[" * 5_000])
def test_a_list_that_cannot_be_read_counts_once(rows: bytes) -> None:
    """Anything else than a list of rows is one unreadable thing."""
    assert decided_sidebets(rows) == ([], 1)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "42[]",
        '42["gameStateUpdate"]',
        '42["gameStateUpdate",5]',
        '42["gameStateUpdate",{"gameId":5}]',
        '42["gameStateUpdate",{"gameId":"g","gameHistory":{}}]',
        '42["gameStateUpdate",{"gameId":"g","leaderboard":' + "[" * 5_000 + "]}]",
    ],
    ids=["empty", "no-name", "no-payload", "number", "game-id", "history", "deep"],
)
def test_other_frames_are_refused(raw: str) -> None:
    """A frame that does not state the end of games is an error, never half an answer."""
    with pytest.raises(WireError):
        read_ends(raw)
