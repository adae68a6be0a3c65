"""errors.md: every class and code of the code has its cause and remedy, and nothing else has one."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vectra_bot.alerts.sink_runner import TROUBLES
from vectra_bot.cli.main import EXIT_CODES
from vectra_bot.models import ActionType, Link, OperatorKind
from vectra_bot.store.maintenance.check import KINDS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

import generate_errors
from generate_text import data

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "vectra_bot"
TEXTS = data("errors")
PROBES = {"never-captured"}
"""Codes of listed exceptions that no difference has."""


def trees(*parts: str) -> Iterator[ast.Module]:
    """Yield the syntax of the modules below folders and files of the package."""
    for part in parts:
        path = PACKAGE / part
        for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield ast.parse(module.read_text(encoding="utf-8"), str(module))


def texts_of(node: ast.AST | None) -> Iterator[str]:
    """Yield the texts that an expression can be; what is formatted into one is ``*``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts_of(node.body), *texts_of(node.orelse))
    elif isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "*" for p in node.values]
        yield "".join(map(str, parts))


def arguments(tree: ast.Module, names: set[str], keyword: str = "") -> Iterator[str]:
    """Yield the texts given as first argument, or as *keyword*, to functions of these names."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in names:
            given = [k.value for k in node.keywords if k.arg == keyword] or node.args[:1]
            for value in given:
                yield from texts_of(value)


def function(tree: ast.Module, name: str) -> ast.FunctionDef:
    """Return a function of a module."""
    return next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)


def verify_codes() -> set[str]:
    """Return every ``what`` of a difference of facts."""
    found: set[str] = set()
    for tree in trees("game/fair.py", "conformance", "audit"):
        found.update(arguments(tree, {"Difference"}))
    (fair,) = trees("game/fair.py")
    facts = [n.elts[0] for n in ast.walk(function(fair, "_compare")) if isinstance(n, ast.Tuple)]
    found.update(text for fact in facts for text in texts_of(fact))
    (bets,) = trees("conformance/settled_sidebets.py")
    compared = function(bets, "_compare")
    for node in ast.walk(compared):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            if isinstance(node.targets[0], ast.Name) and node.targets[0].id == "placed":
                continue  # its keys have the prefix
            found.update(text for key in node.value.keys for text in texts_of(key))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            found.update(texts_of(node.targets[0].slice))
    found.update(f"{text}*" for text in texts_in_calls(compared, "_wrong_fields") if text)
    return found


def texts_in_calls(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield every text argument of calls of a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
            for value in node.args:
                yield from texts_of(value)


def frames_codes() -> set[str]:
    """Return every ``what`` of a difference of frames."""
    found: set[str] = set()
    for tree in trees("conformance/frames"):
        found.update(arguments(tree, {"_difference", "FrameDifference"}, "what"))
    (compare,) = trees("conformance/frames/frame_compare.py")
    for node in ast.walk(function(compare, "_compare_key")):
        if isinstance(node, ast.Tuple) and len(node.elts) == 4:
            found.update(texts_of(node.elts[0]))
    orders: set[str] = set()
    (order,) = trees("conformance/frames/frame_order.py")
    orders.update(arguments(order, {"_find"}))
    (cycle,) = trees("conformance/frames/frame_cycle.py")
    fault = function(cycle, "fault")
    for node in ast.walk(fault):
        if isinstance(node, ast.Return):
            for pair in ast.walk(node):
                if isinstance(pair, ast.Tuple):
                    orders.update(texts_of(pair.elts[0]))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "kind":
            orders.update(texts_of(node.value))
    assert "order-*" in found
    return {code for code in found if code != "order-*"} - PROBES | {f"order-{k}" for k in orders}


def wire_codes() -> set[str]:
    """Return every reason of a frame that cannot be used."""
    found: set[str] = set()
    for tree in trees("wire"):
        found.update(arguments(tree, {"WireError", "error"}))
    return {re.sub(r"^(bad|missing):.*", r"\1:*", code) for code in found}


def denied_codes() -> set[str]:
    """Return what the reasons of denials begin with."""
    found: set[str] = set()
    modules = ("actions/risk.py", "actions/arming.py", "actions/freshness.py")
    for node in (node for tree in trees(*modules) for node in ast.walk(tree)):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            for text in texts_of(node):
                match = re.match(r"^([a-z][a-z_.]*|\*\.[a-z]+): ", text)
                if match:
                    found.add(match[1])
    single = (ActionType.SIDEBET, ActionType.SHORT_OPEN)
    return {code for code in found if "*" not in code} | {
        f"{kind.value.lower()}.{code[2:]}" for code in found if "*" in code for kind in single
    }


def event_kinds() -> set[str]:
    """Return every kind of system event."""
    found = {f"connection.{link.value}" for link in Link}
    found |= {f"operator.{kind.value}" for kind in OperatorKind}
    found |= {f"alerts.sink_{kind}" for kind in TROUBLES}
    for tree in trees("actions", "alerts", "engine", "audit", "session", "imports"):
        found.update(arguments(tree, {"find", "system", "of", "SystemEvent", "_whole_row"}, "kind"))
        for node in ast.walk(tree):
            target = node.target if isinstance(node, ast.AnnAssign) else None
            if isinstance(node, ast.Assign):
                target = node.targets[0]
            if isinstance(target, ast.Name) and target.id.endswith("_KIND"):
                found.update(texts_of(node.value))  # type: ignore[union-attr]
    return {kind for kind in found if re.fullmatch(r"[a-z]+\.[a-z_]+", kind)}


def constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values of a module's names, those local to its functions included."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            found.update({t.id: node.value for t in node.targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            found[node.target.id] = node.value
    return found


REASONS = {"RowRefused": 0, "refuse": 1, "_refuse": -2, "TextRow": 3}
"""Functions that are given why a row is refused, with the place of that argument."""


def import_reasons() -> set[str]:
    """Return every reason for which an import or a migration refuses a row."""
    found: set[str] = set()
    for tree in trees("imports", "venues"):
        given = [
            node.args[place]
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in REASONS
            and len(node.args) > (place := REASONS[name])
        ]
        own = constants(tree)
        given = [part for v in given for part in (v.values if isinstance(v, ast.BoolOp) else [v])]
        given += [own[v.id] for v in given if isinstance(v, ast.Name) and v.id in own]
        for node in ast.walk(tree):
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            if given and isinstance(target, ast.Name) and target.id in ("fault", "reason"):
                given.append(node.value)  # type: ignore[union-attr]
            if isinstance(node, ast.FunctionDef) and node.name == "_json_fault":
                given += [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
        found.update(text for value in given for text in texts_of(value))
    return found - {""}


def event_details() -> dict[str, set[str]]:
    """Return the keys of ``detail_json`` of the system events whose keys are arguments."""
    found: dict[str, set[str]] = {}
    places = {"find": 0, "system": 0, "of": 0, "_event": 1}
    for tree in trees("actions", "alerts", "engine", "audit", "session"):
        own = constants(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name not in places or len(node.args) <= places[name]:
                continue
            kind = node.args[places[name]]
            value = own.get(kind.id) if isinstance(kind, ast.Name) else kind
            for text in texts_of(value):
                if re.fullmatch(r"[a-z]+\.[a-z_]+", text):
                    found.setdefault(text, set()).update(k.arg for k in node.keywords if k.arg)
    return {kind: keys for kind, keys in found.items() if keys}


def test_every_detail_of_an_event_is_explained() -> None:
    """Keys of `detail_json` are those of the code, and each has a meaning."""
    documented = {kind: set(keys) for kind, keys in TEXTS["details"].items()}

    assert documented == event_details()
    assert set(TEXTS["keys"]) == set().union(*documented.values())
    assert set(TEXTS["detail_texts"]) <= set(TEXTS["events"]) - set(documented)


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ("exit", lambda: set(map(str, EXIT_CODES))),
        ("store", lambda: set(KINDS)),
        ("verify", verify_codes),
        ("frames", frames_codes),
        ("denied", denied_codes),
        ("wire", wire_codes),
        ("import", import_reasons),
        ("events", event_kinds),
        ("classes", lambda: {error.__name__ for error in generate_errors.own_classes()}),
    ],
)
def test_every_code_is_explained(section: str, codes: Callable[[], set[str]]) -> None:
    """Codes of the code and of the page are the same; each has a cause and a remedy."""
    in_code, in_page = codes(), set(TEXTS[section])

    assert sorted(in_code - in_page) == [], "not explained"
    assert sorted(in_page - in_code) == [], "not in the code"
    assert all(len(pair) == 2 and all(pair) for pair in TEXTS[section].values())


def test_a_flag_that_a_remedy_names_exists() -> None:
    """Options in the texts are options of some command."""
    help_texts = (ROOT / "docs/reference/command-line.md").read_text(encoding="utf-8")
    named = {
        flag
        for texts in TEXTS.values()
        for pair in texts.values()
        for text in pair
        for flag in re.findall(r"--[a-z-]+", text)
    }

    assert [flag for flag in sorted(named) if flag not in help_texts] == []
