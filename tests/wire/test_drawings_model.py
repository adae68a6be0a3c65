"""A drawing names every one of its winners, each with the prize to the lamport."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.models import DrawingResult, Frame, VenueNotice
from vectra_bot.wire.decode import decode

prizes = st.integers(1, 4 * 10**9)
players = st.text("abcdefghij", min_size=1, max_size=8)


@given(st.lists(st.tuples(players, prizes), min_size=1, max_size=4), st.integers(0, 2**50))
def test_a_rugpool_has_all_its_winners(winners: list[tuple[str, int]], timestamp: int) -> None:
    """In the venue's order; the drawing is known by its time."""
    payload = {
        "timestamp": timestamp,
        "winners": [
            {"playerId": who, "username": None, "entries": 3, "reward": prize / 10**9}
            for who, prize in winners
        ],
        "rewardPerWinner": winners[0][1] / 10**9,
        "totalPoolAmount": sum(prize for _, prize in winners) / 10**9,
    }
    event = decode(Frame(1, f"42{json.dumps(['rugpoolDrawing', payload])}"))

    assert isinstance(event, DrawingResult)
    found = [(who, int(prize.scaleb(9))) for who, prize in event.winners]
    assert found == winners
    assert (event.name, event.drawing_id) == ("rugpoolDrawing", str(timestamp))


@given(players, prizes, st.integers(1, 3))
def test_a_golden_hour_has_one_winner(who: str, prize: int, players_: int) -> None:
    """The one it names, however many have entries; without a winner it is a notice like others."""
    payload = {
        "id": "d1",
        "timestamp": 5,
        "gameId": "g",
        "entries": [
            {"playerId": f"p{n}", "username": None, "entryCount": 1, "entryPercentage": 50}
            for n in range(players_)
        ],
        "winnerIndex": 0,
        "prizeAmount": prize / 10**9,
        "winnerPlayerId": who,
    }
    event = decode(Frame(1, f"42{json.dumps(['goldenHourDrawing', payload])}"))
    assert isinstance(event, DrawingResult)
    assert [(w, int(p.scaleb(9))) for w, p in event.winners] == [(who, prize)]
    assert event.drawing_id == "d1"

    del payload["winnerPlayerId"]
    other = decode(Frame(1, f"42{json.dumps(['goldenHourDrawing', payload])}"))
    assert isinstance(other, VenueNotice)
    assert not isinstance(other, DrawingResult)
