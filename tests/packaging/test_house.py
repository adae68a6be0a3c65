"""The house: where code is, how long it is, and that every name has one owner."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vectra_bot"
SOURCES = (PACKAGE, ROOT / "plugins" / "vectra_plugins", ROOT / "strategies" / "vectra_strategies")
PACKAGES = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))

MODULES_OF_A_FOLDER = 15
LINES_OF_A_FUNCTION = 60
LINES_OF_A_MODULE = 500

MANY_MODULES = {"cli": "one module for each command"}
LONG_MODULES: dict[str, str] = {}
ONE_CHILD = {
    "AccountView": "the fast driver's view, for the same strategies",
    "DeclaredExits": "as AccountView: the fast driver skips ticks, and looks at their prices later",
    "EngineActions": "as AccountView",
    "GameTick": "as AccountView",
    "GameView": "as AccountView",
    "PlayerAction": "as AccountView: made where it is read",
    "PositionView": "as AccountView",
    "FastBlock": "whole without rounds; a block with them has steps between those of the games",
    "FastBot": "as FastBlock: stakes in rounds besides",
    "FastDesk": "as FastBlock: requests of stakes besides",
    "FastVenue": "as FastBlock: the exchange's rounds besides",
    "GameState": "frames of 2025 have keys and gaps besides; `OlderState` adds them",
    "PlayerUpdatePayload": "an update of 2025 has a key besides",
    "TradePayload": "a trade of 2025 has numbers as ids and may lack its price",
    "BotActionInterface": "what strategies are typed against; the engine has the one implementation",
    "BacktestKeywords": "as BacktestOptions",
    "BacktestOptions": "options of a backtest; a sweep has more",
    "EmbeddedOptions": "what the embedded venue takes; `serve` refers to its options one by one",
    "Parameter": "what a strategy declares; an option is one with a flag and a key besides",
    "RoundBet": "a result of a side game repeats its bet",
    "RoundBetPayload": "as on the wire",
    "SidebetPayload": "a result of a sidebet repeats the bet on the wire",
    "Tree": "a store as a folder; the one behind an address answers the same questions",
    "LinkLogin": "a page logs in by itself: its login is followed and never sent",
    "LinkSupervisor": "the connection is a page's: found and watched instead of made",
    "LiveFeed": "the same queue and waits, over the link of a page",
    "LiveGateway": "the same last look; a browser's report is the proof that a frame left",
    "StrategyError": "an action outside a callback is the strategy's error, with a class users can catch",
    "VenueNotice": "a drawing is a notice that names a winner",
}
TESTS_OF_NO_ROOM = {
    "docs": "the pages",
    "faults": "what may go wrong in a session, by its id in docs/reference/faults.md",
    "imports/released": "files as released versions wrote them",
    "model": "the tracker against every short history",
    "mutants": "planted bugs, and the tests that notice them",
    "packaging": "the distribution and its tree",
    "strategies": "the bundled strategies",
    "testing/checks/honest": "strategies in which a check finds nothing",
    "testing/checks/planted": "strategies in which a check finds something",
}


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a module's syntax."""
    return tuple(ast.walk(tree_of(path)))


def modules_of(*folders: Path) -> list[Path]:
    """Return every module below *folders*."""
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def named(path: Path) -> str:
    """Return a path as the repository names it."""
    return path.relative_to(ROOT).as_posix()


def classes_of(*folders: Path) -> list[tuple[Path, ast.ClassDef]]:
    """Return every class with the module that defines it."""
    return [
        (path, node)
        for path in modules_of(*folders)
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef)
    ]


def our_names(path: Path) -> set[str]:
    """Return the names of classes that a module defines, or imports from our packages."""
    names = {node.name for node in nodes_of(path) if isinstance(node, ast.ClassDef)}
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vectra_"):
            names |= {alias.name for alias in node.names}
    return names


def rooms() -> set[str]:
    """Return the rooms that have a floor."""
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    floors = parser["importlinter:contract:floors"]
    return {*floors["layers"].replace("|", " ").split(), *floors["exhaustive_ignores"].split()}


def test_a_public_class_name_has_one_owner() -> None:
    """No two modules define a public class of the same name; the wire has the venue's own names."""
    owners = defaultdict(set)
    for path, node in classes_of(PACKAGE):
        if not node.name.startswith("_") and PACKAGE / "wire" not in path.parents:
            owners[node.name].add(named(path))

    assert {name: sorted(paths) for name, paths in owners.items() if len(paths) > 1} == {}


def test_no_folder_is_too_full() -> None:
    """A room with many modules is divided into rooms."""
    sizes = {
        folder.relative_to(PACKAGE).as_posix(): len(list(folder.glob("*.py"))) - 1
        for folder in PACKAGES
    }

    assert {
        name: size
        for name, size in sizes.items()
        if size > MODULES_OF_A_FOLDER and name not in MANY_MODULES
    } == {}


def test_functions_can_be_read_at_once() -> None:
    """No function is longer than sixty lines, its docstring included."""
    long = {
        f"{named(path)}:{node.lineno} {node.name}": lines
        for path in modules_of(*SOURCES)
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LINES_OF_A_FUNCTION
    }

    assert long == {}


def test_modules_can_be_read_at_once() -> None:
    """No module is longer than five hundred lines, except a few, each with its reason."""
    long = {
        named(path): lines
        for path in modules_of(*SOURCES)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES_OF_A_MODULE
    }

    assert {name: lines for name, lines in long.items() if name not in LONG_MODULES} == {}
    assert set(LONG_MODULES) <= set(long)
    assert len(LONG_MODULES) <= 3


def test_a_base_class_has_more_than_one_child() -> None:
    """No class is cut in two by inheritance; interfaces are apart."""
    classes = classes_of(*SOURCES)
    interfaces = {
        node.name for _, node in classes if {"Protocol", "Enum"} & set(map(ast.unparse, node.bases))
    }
    children = Counter(
        base.id
        for path, node in classes
        for base in node.bases
        if isinstance(base, ast.Name) and base.id in our_names(path)
    )
    single = {name for name, number in children.items() if number == 1} - interfaces

    assert sorted(single - set(ONE_CHILD)) == []
    assert sorted(set(ONE_CHILD) - single) == []


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_package_says_its_purpose(folder: Path) -> None:
    """The docstring of a package is a sentence."""
    text = ast.get_docstring(tree_of(folder / "__init__.py")) or ""

    assert len(text.split()) >= 3


def test_tests_stand_where_the_code_does() -> None:
    """Each folder of tests is named like the room it tests."""
    folders = {
        path.parent.relative_to(ROOT / "tests").as_posix()
        for path in modules_of(ROOT / "tests")
        if path.parent != ROOT / "tests"
    }
    strange = {
        name
        for name in folders - set(TESTS_OF_NO_ROOM)
        if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").is_file()
    }

    assert strange == set()
    assert set(TESTS_OF_NO_ROOM) <= folders


def test_every_import_names_a_room() -> None:
    """No module, test, benchmark or page's script imports a room without a floor."""
    found = defaultdict(set)
    for path in modules_of(*SOURCES, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs"):
        for node in nodes_of(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                if name.startswith("vectra_bot."):
                    found[name.split(".")[1]].add(named(path))

    assert {room: sorted(paths) for room, paths in found.items() if room not in rooms()} == {}


def test_the_architecture_page_names_every_room() -> None:
    """Each package and each module beside them has one line in the table, and no line is of another."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = [line.split("|") for line in page.splitlines() if line.startswith("| `vectra_bot/")]
    told = Counter(cells[1].strip().strip("`") for cells in lines)
    there = {f"{named(folder)}/" for folder in PACKAGES if folder != PACKAGE}
    there |= {named(path) for path in PACKAGE.glob("*.py")}

    assert told == Counter(there)
    assert all(len(cells[2].split()) >= 2 for cells in lines)
