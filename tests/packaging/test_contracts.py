"""The import contracts: complete, without exceptions, and able to fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "importlinter:contract:"


def _contracts() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    return parser


def _lines(text: str) -> list[str]:
    return text.split()


def test_no_contract_has_exceptions() -> None:
    """Imports are mended, not ignored; typing imports alone are free."""
    parser = _contracts()

    assert parser["importlinter"].getboolean("include_external_packages")
    assert parser["importlinter"].getboolean("exclude_type_checking_imports")
    assert parser[f"{CONTRACT}floors"].getboolean("exhaustive")
    assert _lines(parser[f"{CONTRACT}floors"]["exhaustive_ignores"]) == ["__main__"]
    assert [name for name in parser.sections() if "ignore_imports" in parser[name]] == []


def test_examples_are_closed_to_every_room_but_the_public_ones() -> None:
    """A new room is closed to bundled plugins and strategies, as the insides of the public ones are."""
    parser = _contracts()
    floors = parser[f"{CONTRACT}floors"]["layers"].replace("|", " ")
    closed = {f"vectra_bot.{room}" for room in _lines(floors)}
    for public in ("vectra_bot.models", "vectra_bot.testing"):
        closed = closed - {public} | {f"{public}.*"}

    assert set(_lines(parser[f"{CONTRACT}public"]["forbidden_modules"])) == closed


def test_contracts_can_fail(tmp_path: Path) -> None:
    """A module without a floor, a step up, a way around and a look inside are each named."""
    for source in ("vectra_bot", "plugins/vectra_plugins", "strategies/vectra_strategies"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, tmp_path / Path(source).name, ignore=ignored)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    planted = {
        "vectra_bot/attic.py": "",
        "vectra_bot/models/upward.py": "import vectra_bot.wire.decode",
        "vectra_bot/game/around.py": "from vectra_bot.params import param\nimport os",
        "vectra_strategies/inside.py": "from vectra_bot.models.action import PlayerAction",
    }
    for name, line in planted.items():
        (tmp_path / name).write_text(f'"""Planted."""\n\n{line}\n')

    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "COLUMNS": "200"},
    )

    assert done.returncode == 1, done.stdout + done.stderr
    for found in ("attic", "models.upward", "game.around -> os", "inside"):
        assert found in done.stdout
