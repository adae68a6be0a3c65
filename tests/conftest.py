"""Fixtures and hypothesis profiles shared by every test."""

from __future__ import annotations

import gc
import os
import secrets
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# For this process, the workers and the processes that tests start; numpy is not loaded yet.
# One thread of linear algebra each: the workers fill the cores, and idle threads of OpenBLAS spin.
# Compiled files are kept even where the environment says not to: hundreds of short processes
# would each compile the package again.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# `default` is what `pytest` runs, also in `.ci/run`; others are asked for by
# `pytest --hypothesis-profile NAME` or HYPOTHESIS_PROFILE=NAME. No deadline: machines differ.
_COMMON = {
    "deadline": None,
    "derandomize": False,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.register_profile("default", max_examples=40, **_COMMON)
settings.register_profile("deep", max_examples=20_000, **_COMMON)
settings.register_profile("few", max_examples=20, **_COMMON)  # which lines run, not what they do
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw one hypothesis seed for the whole run, workers included, unless one was given."""
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))
    if not config.pluginmanager.has_plugin(
        "vectra-bot"
    ):  # the installation is older than this tree
        config.pluginmanager.import_plugin("vectra_bot.testing.pytest_plugin")
    if _profile(config) == "deep":
        config.option.timeout = 0  # 20,000 examples take as long as they take
    # For properties whose examples cost more than 5 ms each: `@settings(settings.get_profile("costly"))`.
    most = settings.get_profile(_profile(config)).max_examples
    settings.register_profile("costly", max_examples=min(most, max(25, most // 3)), **_COMMON)
    # For properties whose examples play whole games by the engine.
    games = {**_COMMON, "suppress_health_check": list(HealthCheck)}
    settings.register_profile("games", max_examples=max(4, most // 10), **games)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start a worker more than there are cores: tests wait for disks and processes a fifth of their time."""
    return (os.cpu_count() or 1) + 1


def _profile(config: pytest.Config) -> str:
    given = config.getoption("hypothesis_profile")
    return str(given or PROFILE)


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to repeat this run's property tests."""
    profile = _profile(config)
    seed = config.getoption("hypothesis_seed")
    return f"property tests: --hypothesis-profile={profile} --hypothesis-seed={seed}"


def pytest_collection_finish() -> None:
    """Keep the garbage collector away from thousands of tests and modules that stay to the end."""
    gc.collect()
    gc.freeze()


CAPTURES = (
    "leaderboard_rows.jsonl.gz",
    "raw_frames.jsonl.gz",
    "real_trades.jsonl",
    "recorded_prices.jsonl.gz",
    "seeded_games.jsonl.gz",
)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real captures; tests that need it are skipped where it is absent."""
    given = os.environ.get("VECTRA_DATA")
    if not given:
        pytest.skip("needs real captures: set VECTRA_DATA to a folder that has them")
    folder = Path(given)
    lacking = [name for name in CAPTURES if not (folder / name).is_file()]
    if lacking:
        pytest.skip(f"VECTRA_DATA was {given}, which lacks {', '.join(lacking)}: set another")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _games_played_once() -> Iterator[None]:
    """Compute each game of an exchange once per worker: every exchange begins with a hundred past ones.

    The law itself and what verifies games call their own name of the function, without the cache.
    """
    from vectra_bot.exchange import exchange

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "play_game", lru_cache(maxsize=5_000)(exchange.play_game))
        yield


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty store folder that is also the default store of the test."""
    folder = tmp_path / "store"
    monkeypatch.setenv("VECTRA_STORE", str(folder))
    return folder
