"""New distributions: whole, tested by their own tests, under names that are free."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.errors import InputError, UsageError
from vectra_bot.scaffold import Project, ProjectKind, write_project


@pytest.mark.parametrize("kind", list(ProjectKind))
def test_its_own_tests_pass(kind: ProjectKind, tmp_path: Path) -> None:
    """Without an installation: pytest finds the package beside the tests."""
    made = write_project(Project(kind, "fresh-one"), tmp_path)

    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    found = subprocess.run(run, cwd=made, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout + found.stderr
    assert " passed" in found.stdout


@pytest.mark.parametrize("kind", list(ProjectKind))
def test_its_entry_point_names_its_class(kind: ProjectKind, tmp_path: Path) -> None:
    """The name on the command line is that of the distribution; every template is filled."""
    made = write_project(Project(kind, "fresh-one"), tmp_path)

    about = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))
    assert about["project"]["entry-points"] == {
        kind.group: {"fresh-one": f"fresh_one.{kind.value}:FreshOne"}
    }
    files = [path for path in made.rglob("*") if path.is_file()]
    assert {path.relative_to(made).as_posix() for path in files} == {
        ".gitignore",
        "README.md",
        "fresh_one/__init__.py",
        f"fresh_one/{kind.value}.py",
        "pyproject.toml",
        f"tests/test_{kind.value}.py",
    }
    assert [path.name for path in files if "$" in path.read_text(encoding="utf-8")] == []


@pytest.mark.slow
def test_their_code_passes_the_type_checker(tmp_path: Path) -> None:
    """What a user learns from is typed strictly, tests included; one run, of half a minute, for both."""
    made = [write_project(Project(kind, f"fresh-{kind}"), tmp_path) for kind in ProjectKind]
    packages = [f"{folder}/{folder.name.replace('-', '_')}" for folder in made]
    tests = [str(path) for folder in made for path in folder.glob("tests/*.py")]
    check = [sys.executable, "-m", "mypy", "--strict", *packages, *tests]
    paths = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, made))}

    found = subprocess.run(
        check, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("My-Bot", "lower-case"),
        ("my_bot", "hyphens"),
        ("my--bot", "hyphens"),
        ("1bot", "a letter first"),
        ("-bot", "a letter first"),
        ("../bot", "letters"),
        ("a" * 51, "at most 50"),
        ("class", "keyword"),
        ("match", "keyword"),
        ("json", "module"),
        ("tests", "module"),
        ("numpy", "installed"),
        ("take-profit", "an installed strategy"),
        ("vectra-bot", "installed"),
        ("strategy", "class 'Strategy'"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, why: str, tmp_path: Path) -> None:
    """In one line with the name; nothing is written."""
    with pytest.raises(UsageError, match=why) as refused:
        write_project(Project(ProjectKind.STRATEGY, name), tmp_path)

    assert repr(name) in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_changed(tmp_path: Path) -> None:
    """Not even an empty one."""
    (tmp_path / "fresh-one").mkdir()

    with pytest.raises(InputError, match="exists"):
        write_project(Project(ProjectKind.PLUGIN, "fresh-one"), tmp_path)

    assert list(tmp_path.rglob("*")) == [tmp_path / "fresh-one"]


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    """A folder that cannot be written is one line."""
    locked = tmp_path / "file"
    locked.touch()

    with pytest.raises(InputError, match="cannot be written"):
        write_project(Project(ProjectKind.PLUGIN, "fresh-one"), locked / "below")

    assert list(tmp_path.iterdir()) == [locked]


def test_the_command_says_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And fails with exit code 3 the second time."""
    command = ["new", "strategy", "fresh-one", "--dir", str(tmp_path)]

    assert main(command) == 0
    assert "pip install -e '.[test]'" in capsys.readouterr().out
    assert main(command) == 3
    assert "exists" in capsys.readouterr().err
