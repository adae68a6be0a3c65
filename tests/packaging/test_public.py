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
from vectra_bot import errors, exchange, fsio, journal, server, session

ROOT = Path(__file__).resolve().parents[2]


def test_public_names_are_pinned() -> None:
    """The names that users may rely on, sorted; each can be imported."""
    assert vectra_bot.__all__ == [
        "AccountView",
        "AlertDraft",
        "AlertFeed",
        "AlertModel",
        "AlertNotice",
        "AlertRule",
        "AlertSink",
        "BacktestReport",
        "BadRow",
        "BotActionInterface",
        "Catalog",
        "CheckFailed",
        "CheckReport",
        "CheckedFigure",
        "CompactedFolder",
        "CompactionReport",
        "Comparison",
        "ConfigError",
        "CorruptFile",
        "CorruptRowsWarning",
        "Difference",
        "Divergence",
        "Entry",
        "Figure",
        "FileDifference",
        "FileReport",
        "FlushFlag",
        "GameView",
        "Imitation",
        "ImportReport",
        "InputError",
        "Journal",
        "JournalError",
        "JournalReader",
        "JudgedPlayer",
        "Latency",
        "Limits",
        "LiveConfig",
        "LiveOptions",
        "LiveSettings",
        "NotInCallback",
        "Observer",
        "OddsReport",
        "Parameter",
        "PlantedTruth",
        "PlayersReport",
        "PlayersSeen",
        "Plugin",
        "PluginError",
        "PositionView",
        "Problem",
        "Profile",
        "RecordConfig",
        "RecordError",
        "RecordOptions",
        "RecordReport",
        "RecoveryReport",
        "ReplayCheck",
        "ReplayConfig",
        "ReplayOptions",
        "ReplayReport",
        "Report",
        "Result",
        "Round",
        "RuleFigures",
        "RunOptions",
        "SeedVerification",
        "SendLatency",
        "SessionConfig",
        "ShortAtRug",
        "ShortPayoff",
        "ShortTerms",
        "ShortView",
        "SideGamesView",
        "SidebetView",
        "Snapshot",
        "StakeView",
        "Standing",
        "StopFlag",
        "StoreError",
        "Strategy",
        "StrategyError",
        "Stream",
        "SweepReport",
        "TriedSet",
        "UnknownNameError",
        "UsageError",
        "Variant",
        "VectraError",
        "Verification",
        "WireError",
        "WireFormat",
        "backtest",
        "check_journal",
        "check_store",
        "compact_store",
        "compare",
        "configure",
        "control_session",
        "hookimpl",
        "import_files",
        "odds",
        "open_store",
        "param",
        "parameters",
        "players",
        "record",
        "record_from_json",
        "record_session",
        "record_to_json",
        "recover_store",
        "replay",
        "replay_session",
        "run",
        "run_live",
        "run_session",
        "sweep",
        "verify",
        "verify_seed",
        "write_journal",
    ]
    assert list(vectra_bot._HOMES) == vectra_bot.__all__
    assert [name for name in vectra_bot.__all__ if not hasattr(vectra_bot, name)] == []
    assert set(vectra_bot.__all__) <= set(dir(vectra_bot))


def test_every_error_can_be_caught_by_a_public_name() -> None:
    """Each class of the error tree is public."""
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.VectraError)
    }

    assert classes <= set(vectra_bot.__all__)


@pytest.mark.parametrize(
    "module",
    [vectra_bot.models, vectra_bot.testing, exchange, fsio, journal, server, session],
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
