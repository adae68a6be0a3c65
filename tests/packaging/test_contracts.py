"""The import contracts: complete, and able to fail."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from grimp import ImportGraph
from importlinter.configuration import configure

from tests.packaging.import_contract import AllowedContract, ForbiddenApartContract

ROOT = Path(__file__).resolve().parents[2]
OPEN = ("vectra_bot", "vectra_bot.__main__", "vectra_bot.cli")


def _configuration() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    configuration: dict[str, Any] = tomllib.loads(text)["tool"]["importlinter"]
    return configuration


def _modules() -> list[str]:
    found = []
    for path in sorted((ROOT / "vectra_bot").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_every_module_has_a_contract() -> None:
    """A new module must be given its place in the table of arrows."""
    sources = [s for c in _configuration()["contracts"] for s in c["source_modules"]]
    packages = {"vectra_bot.venues", "vectra_bot.game"}

    missing = [
        module
        for module in _modules()
        if module not in OPEN[:2]
        and module not in packages
        and not _within(module, OPEN[2])
        and not any(_within(module, source) for source in sources)
    ]

    assert missing == []


def test_no_contract_has_exceptions() -> None:
    """Imports are mended, not ignored; typing imports alone are free."""
    configuration = _configuration()

    assert configuration["include_external_packages"]
    assert configuration["exclude_type_checking_imports"]
    assert [c["name"] for c in configuration["contracts"] if "ignore_imports" in c] == []


@pytest.mark.parametrize(
    ("imported", "kept"),
    [
        ("own.models", True),
        ("own.models.deep", True),
        ("own.exact", True),
        ("own.exact.below", False),
        ("own.store", False),
        ("own.room.sibling", True),
        ("foreign", True),
    ],
)
def test_allowed_contract_forbids_the_rest(imported: str, kept: bool) -> None:
    """What is not on the list is closed; a room itself and foreign packages are open."""
    graph = ImportGraph()
    for module in (
        "own", "own.room", "own.room.part", "own.room.sibling", "own.models", "own.models.deep",
        "own.exact", "own.exact.below", "own.store", "foreign",
    ):  # fmt: skip
        graph.add_module(module)
    graph.add_import(
        importer="own.room.part", imported=imported, line_number=3, line_contents="import it"
    )
    contract = AllowedContract(
        name="room",
        session_options={"root_packages": ["own"]},
        contract_options={
            "source_modules": ["own.room"],
            "allowed_modules": ["own.models", "own.exact!"],
        },
    )

    assert contract.check(graph, verbose=False).kept is kept


def _room_with_a_part_apart(importer: str, imported: str) -> ImportGraph:
    graph = ImportGraph()
    for module in ("own", "own.room", "own.room.core", "own.room.part", "own.clock"):
        graph.add_module(module)
    graph.add_module("socketio", is_squashed=True)
    graph.add_import(importer=importer, imported=imported, line_number=3, line_contents="import it")
    return graph


@pytest.mark.parametrize(
    ("importer", "imported", "kept"),
    [
        ("own.room.part", "own.clock", True),
        ("own.room.core", "own.clock", False),
        ("own.room.core", "own.room.part", False),
        ("own.room.part", "own.room.core", True),
    ],
)
def test_a_part_set_apart_is_closed_to_its_room(importer: str, imported: str, kept: bool) -> None:
    """A part with a contract of its own is not judged by its room's, and the room may not import it."""
    contract = AllowedContract(
        name="room",
        session_options={"root_packages": ["own"]},
        contract_options={
            "source_modules": ["own.room"],
            "allowed_modules": [],
            "apart_modules": ["own.room.part"],
        },
    )

    assert contract.check(_room_with_a_part_apart(importer, imported), verbose=False).kept is kept


@pytest.mark.parametrize(("importer", "kept"), [("own.room.part", True), ("own.room.core", False)])
def test_forbidden_apart_leaves_the_part_out(importer: str, kept: bool) -> None:
    """What only the part set apart reaches is no fault of its room."""
    configure()
    contract = ForbiddenApartContract(
        name="room",
        session_options={"root_packages": ["own"], "include_external_packages": "True"},
        contract_options={
            "source_modules": ["own.room"],
            "forbidden_modules": ["socketio"],
            "apart_modules": ["own.room.part"],
        },
    )

    assert contract.check(_room_with_a_part_apart(importer, "socketio"), verbose=False).kept is kept
