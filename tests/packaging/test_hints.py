"""What messages and pages name as installable can be installed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from vectra_bot.errors import PluginError, StrategyError
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.given import installed_plugins

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
TEXTS = [
    path
    for pattern in ("vectra_bot/**/*.py", "plugins/**/*.py", "docs/**/*.md", "*.md")
    for path in ROOT.glob(pattern)
]


def test_every_extra_that_is_named_exists() -> None:
    """In code, docs and README: `vectra-bot[NAME]`."""
    named = {
        (extra, str(path.relative_to(ROOT)))
        for path in TEXTS
        for group in re.findall(r"vectra-bot\[([\w,-]+)\]", path.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }

    assert named
    assert {place for place in named if place[0] not in EXTRAS} == set()


def test_a_broken_distribution_is_named_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to reinstall is a distribution, not the module and class of its entry point."""
    folder = tmp_path / "broken_bots-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-bots\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[vectra_bot.strategies]\nbroken-bot = no_such_module:Bot\n"
        "[vectra_bot.plugins]\nbroken-plugin = no_such_module:Plugin\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert metadata.version("broken-bots") == "1.0"

    with pytest.raises(StrategyError, match=r"reinstall broken-bots$"):
        resolve_strategy("broken-bot")
    with pytest.raises(PluginError, match=r"reinstall or uninstall broken-bots$"):
        installed_plugins()["broken-plugin"].load()
