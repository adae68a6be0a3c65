"""The command ``players`` as a function: judges the players of a store, or of simulated games."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vectra_bot.analysis.players.findings import Imitation, PlayersReport
from vectra_bot.analysis.players.games import ObservedGame
from vectra_bot.analysis.players.judge import PlayerJudge, Standards, judge
from vectra_bot.analysis.players.simulated import SimulatedGames
from vectra_bot.analysis.players.stored import StoredGames
from vectra_bot.errors import InputError, UsageError
from vectra_bot.exchange.config import DEFAULT_CROWD
from vectra_bot.store.location import default_store
from vectra_bot.store.maintenance.check import Progress, no_progress
from vectra_bot.store.query.catalog import open_store

MOST_GAMES = 1_000_000
"""Games that can be simulated at once."""


def players(
    store: Path | str | None = None,
    *,
    games: int | None = None,
    seed: int | None = None,
    peekers: int | None = None,
    sample: bool = False,
    level: float = 0.01,
    min_games: int = 10,
    imitation: Imitation | str = Imitation.NEVER,
    progress: Progress = no_progress,
) -> PlayersReport:
    """Judge the other players of a store, or the crowd of simulated games.

    Args:
        store: folder or address of the store; the default store if None.
        games: judge the crowd of so many simulated games instead of a store.
        seed: of the simulated games; 1 if None.
        peekers: simulated players who see each next price; none if None.
        sample: see only the simulated trades that the public stream shows, as in a store.
        level: expected share of false discoveries among the anomalies, at most.
        min_games: games with a known result that a player's record needs.
        imitation: who is marked as a target of imitation: ``never``, ``anomalies`` or ``seed-rule``.
        progress: called with a step, the simulated games that are done, and the games in all.

    Returns:
        The players, the most suspicious first, with how much of their play was seen.

    Raises:
        UsageError: an argument is out of range, or belongs to simulated games and was given without *games*.
        InputError: the store has no other player, or cannot be read.
        StoreError: the store cannot be read.
    """
    standards = _standards(level, min_games, imitation)
    if games is None:
        given = {"seed": seed is not None, "peekers": peekers is not None, "sample": sample}
        for name in (name for name, is_given in given.items() if is_given):
            raise UsageError(f"{name} was given without games: only simulated games have it")
        return _of_store(str(default_store() if store is None else store), standards)
    if store is not None:
        raise UsageError("a store and games were given: give one of them")
    for name, value, low, high in (
        ("games", games, 1, MOST_GAMES),
        ("peekers", peekers or 0, 0, DEFAULT_CROWD),
    ):
        if not low <= value <= high:
            raise UsageError(f"{name} was {value}: give {low} to {high}")
    simulated = SimulatedGames(1 if seed is None else seed, peekers=peekers or 0, sample=sample)

    def played() -> Iterator[ObservedGame]:
        for done, game in enumerate(simulated.play(games), start=1):
            yield game
            progress("games", done, games)

    return judge(played(), standards, planted=simulated.planted)


def _standards(level: float, min_games: int, imitation: Imitation | str) -> Standards:
    if not 0 < level < 1:
        raise UsageError(f"level was {level!r}: give a share above 0 and below 1, such as 0.01")
    if min_games < 1:
        raise UsageError(f"min_games was {min_games}: give 1 or more")
    try:
        return Standards(level=level, min_games=min_games, imitation=Imitation(imitation))
    except ValueError:
        known = ", ".join(each.value for each in Imitation)
        raise UsageError(f"imitation was {imitation!r}: give one of {known}") from None


def _of_store(location: str, standards: Standards) -> PlayersReport:
    stored, found = StoredGames(), PlayerJudge()
    with open_store(location) as catalog:
        for game in stored.read(catalog):
            found.add(game)
    report = found.report(standards, unreadable=stored.unreadable)
    if not report.players:
        raise InputError(
            f"no other player is recorded in {location}: record sessions of the venue, give another store, "
            "or judge simulated games"
        )
    return report
