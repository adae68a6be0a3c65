"""Planted lookahead, chance and clocks are found, with tick and decision; honest strategies pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from vectra_bot.exchange import ExchangeConfig
from vectra_bot.exchange.config import START_NS
from vectra_bot.exchange.identities import Identities
from vectra_bot.kernel.play import play_game
from vectra_bot.testing.checks.check import check_strategy
from vectra_bot.testing.checks.report import CheckKind

HERE = Path(__file__).parent
PLANTED = sorted(path.stem for path in (HERE / "planted").glob("*.py"))
HONEST = sorted(path.stem for path in (HERE / "honest").glob("*.py"))
KNOW_THE_FUTURE = {
    "computes_games",
    "file_of_prices",
    "file_of_rugs",
    "listens_to_law",
    "peeks_frames",
    "peeks_gc",
    "peeks_seed",
    "runs_ahead",
    "table_of_games",
    "take_profit_at_peak",
}
USUAL = {
    *(
        "adaptive",
        "caches_past",
        "others",
        "presale",
        "pure_cache",
        "reads_weights",
        "seeded_by_game",
    ),
    *("seeded_global", "seeded_in_start", "sorted_set", "times_itself", "verifies_games"),
    *(
        "clock_hour",
        "clock_monotonic",
        "computes_games",
        "file_of_prices",
        "hash_order",
        "peeks_frames",
    ),
    *(
        "peeks_gc",
        "random_global",
        "random_uuid",
        "remembers_in_class",
        "remembers_in_file",
        "thread_flag",
    ),
}
"""Twelve of each kind; the others are variations of them, and long because they are many."""

SEED = 1
GAMES = 4


def marked(names: list[str]) -> list[ParameterSet]:
    """Return the names, with those marked that are not usual."""
    return [pytest.param(n, marks=() if n in USUAL else pytest.mark.long, id=n) for n in names]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for copies of strategies, which is also that of their temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def played_games() -> dict[str, tuple[float, ...]]:
    """Return the prices of the games that are played with the seed, by id."""
    ids = Identities(ExchangeConfig(seed=SEED).seed)
    games = {}
    for number in range(GAMES):
        game_id = ids.game_id(number, START_NS)
        games[game_id] = play_game(ids.server_seed(number), game_id).prices
    return games


@pytest.mark.parametrize("name", marked(PLANTED))
def test_planted_is_found(name: str, beside: Path) -> None:
    """Its problem is of the right kind, and has the tick and the decision that gave it away."""
    games = played_games()
    text = (HERE / "planted" / f"{name}.py").read_text(encoding="utf-8")
    path = beside / f"{name}.py"
    path.write_text(text.replace("GAME_ID", next(iter(games))), encoding="utf-8")
    rugs = [len(prices) for prices in games.values()]
    (beside / "rugs.json").write_text(json.dumps(rugs), encoding="utf-8")
    (beside / "prices.json").write_text(json.dumps(list(games.values())), encoding="utf-8")

    found = check_strategy(str(path), games=GAMES, seed=SEED, examples=0)

    wanted = CheckKind.LOOKAHEAD if name in KNOW_THE_FUTURE else CheckKind.DETERMINISM
    first = next((problem for problem in found.problems if problem.check is wanted), None)
    assert first is not None, found
    assert first.tick is not None
    assert first.game_id in games
    assert first.decision or first.expected


@pytest.mark.parametrize("name", marked(HONEST))
def test_honest_is_not_planted(name: str, beside: Path) -> None:
    """What only looks like chance, a clock or a memory is not a problem."""
    for file in (f"{name}.py", "weights.json"):
        shutil.copy(HERE / "honest" / file, beside / file)

    found = check_strategy(str(beside / f"{name}.py"), games=GAMES, seed=SEED, examples=0)

    assert found.problems == ()
    assert found.decisions > 0
