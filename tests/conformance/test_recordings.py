"""Captures of frames and journals against the seeds they show: every false statement is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.conformance.frames.frame_rows import Rows, body_of, public, rows, save
from vectra_bot.conformance.recordings import verify_recording
from vectra_bot.conformance.verification import verify_file
from vectra_bot.errors import InputError
from vectra_bot.session import ReplayConfig, replay_session

Change = Callable[[Rows], None]


def states(taken: Rows, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Return the payloads of the game states that are *wanted*."""
    bodies = [body_of(row) for row in taken if row["event"] == "gameStateUpdate"]
    return [body for body in bodies if wanted(body)]


def live(body: dict[str, Any]) -> bool:
    return bool(body.get("active")) and not body["rugged"] and body["tickCount"] == 3


def revealing(body: dict[str, Any]) -> bool:
    """Return whether a frame opens a game, and so shows the seed of the one before."""
    return body.get("cooldownTimer") == 15_000 and "gameHistory" in body


def price(taken: Rows) -> None:
    body = states(taken, lambda body: live(body) and "tradeCount" in body)[0]
    body["price"] = body["partialPrices"]["values"]["3"] = 1.2345


def window(taken: Rows) -> None:
    states(taken, lambda body: live(body) and "tradeCount" in body)[0]["partialPrices"]["values"][
        "2"
    ] = 9.5


def rug_price(taken: Rows) -> None:
    states(taken, lambda body: bool(body.get("rugged")))[0]["price"] *= 1.0000001


def committed(taken: Rows) -> None:
    states(taken, lambda body: body.get("cooldownTimer") == 14_900)[0]["provablyFair"][
        "serverSeedHash"
    ] = "0" * 64


def entry_of(taken: Rows) -> dict[str, Any]:
    entry: dict[str, Any] = states(taken, revealing)[-1]["gameHistory"][0]
    return entry


def seed(taken: Rows) -> None:
    entry_of(taken)["provablyFair"]["serverSeed"] = "f" * 64


def seed_hash(taken: Rows) -> None:
    entry_of(taken)["provablyFair"]["serverSeedHash"] = "0" * 64


def peak(taken: Rows) -> None:
    entry_of(taken)["peakMultiplier"] += 1


def rugged(taken: Rows) -> None:
    entry_of(taken)["rugged"] = False


def bets_of(taken: Rows) -> list[dict[str, Any]]:
    """Return the sidebets of a game as first shown, one with a payout after the presale among them."""
    shown: set[str] = set()
    for body in states(taken, lambda body: "gameHistory" in body):
        for entry in body["gameHistory"]:
            bets: list[dict[str, Any]] = entry["globalSidebets"]
            if entry["id"] not in shown and any(bet.get("startTick") for bet in bets):
                return bets
            shown.add(entry["id"])
    raise AssertionError("the capture has no sidebet after a presale")


def payout_row(taken: Rows) -> None:
    bets = bets_of(taken)
    del bets[next(i for i, bet in enumerate(bets) if bet.get("startTick"))]


def payout(taken: Rows) -> None:
    next(bet for bet in bets_of(taken) if bet.get("startTick"))["profit"] += 1


def revealed_at(taken: Rows, game_id: str) -> int:
    """Return the line of the first history that shows a game."""
    return next(
        line
        for line, row in enumerate(taken, start=1)
        if row["event"] == "gameStateUpdate"
        and any(entry["id"] == game_id for entry in body_of(row).get("gameHistory", ()))
    )


@pytest.fixture(scope="module")
def capture() -> Rows:
    """Return a capture of three games."""
    return public(rows(games=3, seed=77))


def test_recording_is_compared_with_the_seeds_it_shows(tmp_path: Path, capture: Rows) -> None:
    """Every finished game and every sidebet of a right capture is exact."""
    found = verify_file(save(tmp_path / "c.jsonl", capture))

    counts = found.counts
    assert (found.kind, found.differences) == ("capture", [])
    assert counts["games"] == counts["exact"] >= 12
    assert counts["seen"] >= 2
    assert counts["sidebets"] == counts["sidebets_exact"] > 0
    assert (counts["failed"], counts["quarantined"]) == (0, 0)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (price, "price"),
        (window, "price"),
        (rug_price, "rugPrice"),
        (committed, "serverSeedHash"),
        (seed, "serverSeed"),
        (seed_hash, "serverSeedHash"),
        (peak, "peakMultiplier"),
        (rugged, "rugged"),
        (payout_row, "payout rows"),
        (payout, "profit"),
    ],
)
def test_recording_with_one_false_statement_names_it(
    tmp_path: Path, capture: Rows, change: Change, what: str
) -> None:
    """A price, a rug, a commitment, a seed, a peak or a sidebet that is false is one difference."""
    changed = json.loads(json.dumps(capture))
    change(changed)

    found = verify_file(save(tmp_path / "c.jsonl", changed))

    assert {d.difference.what for d in found.differences} == {what}
    assert {d.line for d in found.differences} <= {
        revealed_at(changed, d.game) for d in found.differences
    }
    assert len({d.game for d in found.differences}) == 1
    assert found.counts["failed"] == 1


def test_journal_is_compared_with_the_seeds_it_shows(tmp_path: Path) -> None:
    """A session's journal is verified like a capture."""
    vectra_bot.run("watch", games=2, seed=7, crowd=10, session_id="S", store=tmp_path)

    found = verify_file(tmp_path / "journals" / "S")

    assert (found.kind, found.ok, found.counts["seen"]) == ("journal", True, 2)


def test_recording_without_a_seed_is_refused(tmp_path: Path, capture: Rows) -> None:
    """Where no seed is shown, nothing was verified: that is not "no differences"."""
    kept = [row for row in capture if "gameHistory" not in str(row["args"])]
    with pytest.raises(InputError, match="shows no finished game with its seed"):
        verify_recording(save(tmp_path / "c.jsonl", kept))


@pytest.mark.parametrize("change", [price, seed, peak])
def test_replay_compares_each_game_with_its_seed(
    tmp_path: Path, capture: Rows, change: Change
) -> None:
    """A replay reports the games that fail; its other games are verified."""
    changed = json.loads(json.dumps(capture))
    change(changed)
    config = ReplayConfig(
        path=save(tmp_path / "c.jsonl", changed), strategy="watch", store=tmp_path / "store"
    )

    report = asyncio.run(replay_session(config)).to_json()

    assert (report["games_failed"], report["alerts"]) == (1, 1)
    (failed,) = report["failed_games"]
    assert failed["message"].startswith(f"game {failed['game_id']}: ")
    assert report["games_verified"] + report["games_unverified"] >= 1


def test_real_recording_agrees_with_its_seeds(real_data: Path) -> None:
    """All 54 games of the real frames are exact, and all their sidebets."""
    found = verify_file(real_data / "raw_frames.jsonl.gz")

    assert (found.ok, found.counts["games"], found.counts["exact"]) == (True, 54, 54)
    assert found.counts["sidebets"] == found.counts["sidebets_exact"] == 2013
