"""docs/reference/python.md: every public name is there, typed, explained and in an example that runs."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

import vectra_bot
import vectra_bot.models
import vectra_bot.testing

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (vectra_bot, vectra_bot.models, vectra_bot.testing)
    for name in module.__all__
}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}


def section(name: str) -> str:
    """Return the section of a public name."""
    module, _, own = name.rpartition(".")
    page = PAGE if module == "vectra_bot" else PAGE.partition(f"\n## {module}\n")[2]
    found = re.search(rf"^### {own}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_its_section(name: str) -> None:
    """It says what the name is, and has an example or names the section that has it."""
    text = section(name)
    own = name.rpartition(".")[2]

    assert text
    shared = re.search(r"^Example: under \[`(\w+)`\]", text, re.MULTILINE)
    example = section(f"vectra_bot.{shared[1]}") if shared else text
    assert any(re.search(rf"\b{own}\b", block) for block in BLOCK.findall(example))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_typed_and_explained(name: str) -> None:
    """Each parameter and the result have a type; each parameter is in the docstring."""
    function = FUNCTIONS[name]
    found = inspect.signature(function)
    text = inspect.getdoc(function) or ""

    assert found.return_annotation is not found.empty
    for parameter in found.parameters.values():
        assert parameter.annotation is not parameter.empty, parameter.name
        assert re.search(rf"^    {parameter.name}: \S", text, re.MULTILINE), parameter.name
    if found.return_annotation not in ("None", "Any"):
        assert re.search(r"^Returns:$|\b[Rr]eturn\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_typed_and_explained(name: str) -> None:
    """It has a docstring; its fields, methods and properties have types."""
    kind = CLASSES[name]

    assert vars(kind).get("__doc__")
    fields = () if issubclass(kind, Enum) or not attrs.has(kind) else attrs.fields(kind)
    assert [field.name for field in fields if field.type is None] == []
    assert [member for member in _members(kind) if not _is_typed(member)] == []


def _members(kind: type) -> list[Any]:
    found = []
    for name, member in vars(kind).items():
        if name.startswith("_") or getattr(member, "__module__", "attr").startswith("attr"):
            continue
        if isinstance(member, property):
            found.append(member.fget)
        elif isinstance(member, staticmethod | classmethod):
            found.append(member.__func__)
        elif inspect.isfunction(member):
            found.append(member)
    return found


def _is_typed(function: Any) -> bool:
    found = inspect.signature(function)
    parameters = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    return found.return_annotation is not found.empty and all(
        parameter.annotation is not parameter.empty for parameter in parameters
    )


def test_every_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The blocks of the page run one after the other; one that catches an error prints it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECTRA_STORE", str(tmp_path / "default"))
    path = tmp_path / "examples.py"
    path.write_text(PAGE, encoding="utf-8")
    module = _module(path, monkeypatch)

    ran = 0
    for block in BLOCK.finditer(PAGE):
        above = PAGE[: block.start(1)].count("\n")
        exec(compile("\n" * above + block[1], str(path), "exec"), vars(module))
        printed = capsys.readouterr().out
        assert printed or "except vectra_bot" not in block[1], block[1]
        ran += 1
    assert ran > 100


def _module(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("examples_of_the_page", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module
