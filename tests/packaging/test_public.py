"""What a user of the distribution gets: public names, quick imports, the wheel's content."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vectra_bot
import vectra_bot.models
import vectra_bot.testing
from vectra_bot import exchange, fsio, journal, server

ROOT = Path(__file__).resolve().parents[2]


def test_public_names_are_pinned() -> None:
    """The names strategies and plugins may rely on, sorted; each can be had."""
    assert vectra_bot.__all__ == [
        "AccountView",
        "BotActionInterface",
        "Catalog",
        "GameView",
        "Journal",
        "Limits",
        "Plugin",
        "PositionView",
        "ReplayConfig",
        "Report",
        "Round",
        "SessionConfig",
        "ShortView",
        "SideGamesView",
        "SidebetView",
        "StakeView",
        "Strategy",
        "VectraError",
        "configure",
        "hookimpl",
        "open_store",
        "param",
        "parameters",
        "replay_session",
        "run",
        "run_session",
    ]
    assert all(getattr(vectra_bot, name) for name in vectra_bot.__all__)
    assert set(vectra_bot.__all__) <= set(dir(vectra_bot))


@pytest.mark.parametrize(
    "module",
    [vectra_bot.models, vectra_bot.testing, exchange, fsio, journal, server],
    ids=lambda m: m.__name__,
)
def test_exports_exist(module: object) -> None:
    """Each name that a package lists for others can be imported from it."""
    names: list[str] = module.__all__  # type: ignore[attr-defined]

    assert sorted(set(names)) == sorted(names)
    assert [name for name in names if not hasattr(module, name)] == []


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as names do."""
    with pytest.raises(AttributeError, match="no attribute 'Stratgy'"):
        _ = vectra_bot.Stratgy


def test_import_is_light() -> None:
    """`import vectra_bot` brings no library with it."""
    program = (
        "import sys, vectra_bot;"
        "heavy = [m for m in ('attrs', 'click', 'pyarrow', 'duckdb', 'asyncio', 'msgspec', 'rich')"
        " if m in sys.modules]; sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_test_kit_is_light() -> None:
    """`import vectra_bot.testing` brings neither tables nor sockets nor the fault lab with it."""
    program = (
        "import sys, vectra_bot.testing;"
        "heavy = [m for m in ('click', 'pyarrow', 'duckdb', 'asyncio', 'numpy', 'rich', 'socketio',"
        " 'vectra_bot.testing.faults') if m in sys.modules]; sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


def test_wheel_holds_three_packages_and_nothing_else(tmp_path: Path) -> None:
    """The wheel has the SDK, plugins and strategies, typed, with licence; no tests, no docs."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
            "--no-index", "--wheel-dir", str(tmp_path), str(ROOT),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    wheel = next(tmp_path.glob("vectra_bot-*.whl"))
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    packages = {"vectra_bot", "vectra_plugins", "vectra_strategies"}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert any(name.endswith("LICENSE") for name in names)
