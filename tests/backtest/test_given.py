"""Games of files: seeds are computed, prices played as recorded, the rest counted by reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import vectra_bot
from vectra_bot.backtest.asked.given import digest_of_games, given_games
from vectra_bot.backtest.play import GivenGame
from vectra_bot.errors import InputError, VectraError
from vectra_bot.exchange.identities import Identities
from vectra_bot.kernel.play import play_game
from vectra_bot.testing import make_game

SEED = Identities(5).server_seed(0)


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def seeded(game_id: str, version: str = "v3") -> dict[str, Any]:
    game = play_game(SEED, game_id)
    return {
        "id": game_id, "serverSeed": SEED, "gameVersion": version, "rugTick": game.rug_tick,
        "prices": None,
    }  # fmt: skip


def test_seeded_games_are_computed(tmp_path: Path) -> None:
    """Each game is the one of its seed and id; what is there twice or of an unknown law is counted."""
    rows = seeded("20260101-a"), seeded("20260101-b"), seeded("20260101-a"), seeded("x", "v99")
    found = given_games(written(tmp_path / "games.jsonl", *rows))

    assert [one.game_id for one in found.games] == ["20260101-a", "20260101-b"]
    assert found.games[1].game == play_game(SEED, "20260101-b")
    assert sum(found.unplayable.values()) == 2


def test_recorded_prices_are_played_as_they_are(tmp_path: Path) -> None:
    """A position bought at tick 5 is sold at the recorded price; a game with a hole is counted."""
    prices = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.1, 1.2, 1.3, 2.0, 2.0, 2.0, 1.5]
    row = {"game_id": "g1", "prices": prices, "rug_price": 0.02}
    hole = {"game_id": "g2", "prices": [1.0, None, 1.1], "rug_price": 0.02}
    path = written(tmp_path / "recorded.jsonl", row, hole)
    report = vectra_bot.backtest(
        "take-profit", source=path, games=3, seed=1, settings={"target": 1.5}
    )

    assert (report.games, report.not_played) == (1, 0)
    assert report.unplayable == {
        "a recorded price is missing": 1,
        "the source has no more games": 2,
    }
    assert report.table.game_ids() == ["g1"]
    assert (report.table.peak[0], report.table.rug_tick[0]) == (2.0, 13)
    assert (report.played.engine, report.played.why) == ("fast", {})


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"rug_tick": 4}, "a recorded price is missing"),
        ({"rug_price": None, "complete": False}, "the recording ends before the rug"),
        ({"prices": [1.0, 1e400]}, "a value of the row cannot be read"),
        ({"prices": [1, 10**400]}, "a recorded price is missing"),
        ({"prices": [1.0, True]}, "a recorded price is missing"),
    ],
)
def test_a_recording_that_is_cut_off_is_not_played_as_a_rug(
    more: dict[str, Any], why: str, tmp_path: Path
) -> None:
    """A game without its last ticks, or with what is not a price, is counted with the reason."""
    whole = {"game_id": "g1", "prices": [1.0, 1.1, 1.2], "rug_price": 0.02, "rug_tick": 3}
    cut = {**whole, "game_id": "g2", **more}
    path = tmp_path / "recorded.jsonl"
    text = json.dumps(cut).replace("Infinity", "1e400")
    path.write_text(f"{json.dumps(whole)}\n{text}\n")

    found = given_games(str(path))

    assert [one.game_id for one in found.games] == ["g1"]
    assert found.unplayable == {why: 1}


def test_recorded_prices_of_another_law_are_played(tmp_path: Path) -> None:
    """A row without a usable seed has the prices that were seen, unless one is missing."""
    seen = {"rugTick": 3, "rugPrice": 0.01, "prices": [1, 1.5, 1.25]}
    of_future = {**seeded("20260101-a", "v9"), **seen}
    unseeded = {**seeded("20260101-b"), **seen, "serverSeed": None}
    cut = {**seeded("20260101-c", "v9"), **seen, "rugTick": 4}

    found = given_games(written(tmp_path / "games.jsonl", of_future, unseeded, cut))

    assert [one.game_id for one in found.games] == ["20260101-a", "20260101-b"]
    assert {one.game for one in found.games} == {make_game([1, 1.5, 1.25], 0.01)}
    assert found.unplayable == {"the seed is missing or the law's version is unknown": 1}


def test_the_digest_of_games_is_that_of_all_that_is_played() -> None:
    """A changed price, rug, id or order is another digest."""
    one, other = play_game(SEED, "20260101-a"), play_game(SEED, "20260101-b")
    games = (GivenGame("a", one), GivenGame("b", other))
    changed = [
        (GivenGame("a", one),),
        (GivenGame("b", other), GivenGame("a", one)),
        (GivenGame("a", one), GivenGame("c", other)),
        (GivenGame("a", one), GivenGame("b", evolve(other, rug_price=0.01))),
        (GivenGame("a", one), GivenGame("b", evolve(other, prices=(*other.prices[:-1], 1.0)))),
    ]

    assert digest_of_games(games) == digest_of_games(list(games))
    assert digest_of_games(games) not in map(digest_of_games, changed)
    assert len(set(map(digest_of_games, changed))) == len(changed)


def test_games_of_a_store(tmp_path: Path) -> None:
    """The games whose seeds a session's frames showed are played again."""
    session = vectra_bot.run("watch", games=2, seed=7, crowd=0, store=tmp_path / "store")
    found = given_games(str(tmp_path / "store"))

    assert session.games == 2
    assert len(found.games) >= 1
    assert {one.game_id for one in found.games} == {
        one.game_id for one in given_games(session.journal).games
    }


def test_a_game_without_a_seed_is_counted(tmp_path: Path) -> None:
    """The last game of a session's frames was announced, and has no seed yet."""
    session = vectra_bot.run("watch", games=2, seed=7, crowd=0, store=tmp_path / "store")
    found = given_games(str(session.journal))

    assert found.unplayable == {"the recording does not show its seed": 1}


def test_a_file_without_a_game_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", {"game_id": "g", "prices": [], "rug_price": 0.02})

    with pytest.raises(
        InputError, match=r"no game that can be played .a recorded price is missing: 1"
    ):
        given_games(path)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("missing.jsonl", "which does not exist"),
        ("folder", "a folder without a journal"),
        ("chat.jsonl", "which has no game"),
        ("", "give a file of games"),
        (" ", "give a file of games"),
    ],
)
def test_what_is_no_source_is_named_with_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, why: str
) -> None:
    """A variable of a shell that is not set is not the same as no --from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    chat = {"event": "newChatMessage", "ts": "2025-12-06T10:00:00Z", "data": {"message": "hello"}}
    written(tmp_path / "chat.jsonl", chat)

    with pytest.raises(VectraError, match=f"was {re.escape(repr(source))}.*{why}"):
        vectra_bot.backtest("watch", source=source)
