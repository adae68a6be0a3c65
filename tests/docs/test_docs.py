"""The documentation: complete, true, and runnable as written."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import vectra_bot
from vectra_bot.cli.main import COMMANDS, EXIT_CODES
from vectra_bot.models import RECORDS, ActionState, DocType
from vectra_bot.plugins import HOOKS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(_generator().PAGES))
def test_generated_reference_is_up_to_date(name: str) -> None:
    """The page is what `python docs/generate.py` writes from the code as it is."""
    assert _text(f"docs/reference/{name}") == _generator().render(name)


def test_every_hook_has_its_section() -> None:
    """Hooks, with arguments."""
    text = _text("docs/reference/hooks.md")
    for hook, arguments in HOOKS.items():
        section = text.partition(f"\n## {hook}\n")[2].partition("\n## ")[0]
        assert section
        assert all(f"- `{argument}`: " in section for argument in arguments)


def test_every_document_has_its_section() -> None:
    """Kinds of documents, with the record they hold."""
    text = _text("docs/reference/records.md")
    for doc_type in DocType:
        section = text.partition(f"\n## {doc_type.value}\n")[2].partition("\n## ")[0]
        assert RECORDS[doc_type].__name__ in section


def test_every_state_of_an_action_is_explained() -> None:
    """The explanation of an action's life names all its states."""
    text = _text("docs/explanation/actions.md")
    assert [state.value for state in ActionState if state.value not in text] == []


@pytest.mark.parametrize("page", ["README.md", "docs/reference/command-line.md"])
def test_every_exit_code_is_documented(page: str) -> None:
    """The table is the program's own."""
    text = _text(page)
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in text


def test_every_command_is_documented() -> None:
    """README's table and the reference have each command."""
    for name in COMMANDS:
        assert f"| `vectra-bot {name}` |" in _text("README.md")
        assert f"\n## {name}\n" in _text("docs/reference/command-line.md")


def test_changelog_is_kept() -> None:
    """Keep a Changelog's form, with something under Unreleased or a version."""
    text = _text("CHANGELOG.md")
    assert "## [Unreleased]" in text
    assert re.search(r"^### (Added|Changed|Deprecated|Removed|Fixed|Security)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [
        link for link in links if "://" not in link and not (page.parent / link).resolve().exists()
    ]

    assert missing == []


def test_readme_begins_with_the_two_commands() -> None:
    """The first sh block is what .ci/run takes its commands from."""
    lines = next(body for kind, body in BLOCK.findall(_text("README.md")) if kind == "sh")
    first, second = [line.split(" #")[0].rstrip() for line in lines.strip().split("\n")]

    assert first == "pip install -e . && vectra-bot run take-profit --games 20 --speed max"
    assert second == "pip install -e '.[dev]' && pytest"


def test_readme_says_what_the_game_costs() -> None:
    """Not affiliated, loses on average, with the figures."""
    text = _text("README.md")
    assert "Not affiliated" in text
    assert "0.05 %" in text
    assert "9.16 %" in text


FILES = {
    "README.md": ["my_bot.py", "test_my_bot.py", "calm.py", None, None],
    "docs/tutorial.md": ["look.py", "buyer.py", "test_buyer.py"],
    "docs/how-to.md": [None, "moon.py", None],
    "docs/plugins.md": ["whales.py", None],
    "docs/datasets.md": [None, None, None],
    "docs/alerts.md": [None],
    "docs/check.md": [],
    "docs/testing.md": ["dip.py", "test_dip.py", "test_guard.py"],
}
"""What each Python block of a page is saved as; None: it is run, or made a module, unchanged."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("README.md", marks=pytest.mark.slow),
        pytest.param("docs/tutorial.md", marks=pytest.mark.slow),
        "docs/how-to.md",
        "docs/plugins.md",
        pytest.param(
            "docs/datasets.md",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("minari") is None,
                reason="needs the extra rl: Minari is not installed",
            ),
        ),
        "docs/alerts.md",
        pytest.param("docs/check.md", marks=pytest.mark.slow),
        "docs/testing.md",
    ],
)
def test_page_runs_as_written(page: str, tmp_path: Path, store: Path) -> None:
    """Blocks are saved and commands run in the order of the page, in an empty folder."""
    names = iter(FILES[page])
    for kind, body in BLOCK.findall(_text(page)):
        if kind == "python":
            name = next(names)
            if name is None:
                _run([sys.executable, "-c", body], tmp_path)
            else:
                (tmp_path / name).write_text(body, encoding="utf-8")
        elif kind == "toml" and body.startswith("[run]"):
            (tmp_path / "bot.toml").write_text(body, encoding="utf-8")
        elif kind == "sh":
            for line in body.strip().split("\n"):
                if line.startswith("vectra-bot "):
                    arguments = shlex.split(line, comments=True)[1:]
                    _run([sys.executable, "-m", "vectra_bot", *arguments], tmp_path)
                elif line.startswith("pytest "):
                    _run([sys.executable, "-m", *shlex.split(line, comments=True)], tmp_path)
    assert next(names, "all used") == "all used"


def test_the_steps_of_an_action_are_found(tmp_path: Path) -> None:
    """The query of the page gives request, trade, account, acknowledgement and changes of state, in order."""
    vectra_bot.run("take-profit", games=1, seed=7, store=tmp_path)
    sql = next(
        body for kind, body in BLOCK.findall(_text("docs/explanation/actions.md")) if kind == "sql"
    )
    with vectra_bot.open_store(tmp_path) as store:
        ((action_id,), *_) = store.sql("SELECT action_id FROM player_action ORDER BY seq").rows
        steps = [row[1] for row in store.sql(sql.replace("ID", action_id)).rows]

    assert steps == [
        "connection.connected", "frame", "action.state", "frame", "action.state", "server_state",
        "acknowledgement",
    ]  # fmt: skip


def test_the_sample_of_a_capture_is_imported(tmp_path: Path) -> None:
    """The line that the guide shows is a row that an import accepts, and decodes."""
    blocks = BLOCK.findall(_text("docs/store-guide.md"))
    (line,) = [body for kind, body in blocks if kind == "json"]
    capture = tmp_path / "capture.jsonl"
    capture.write_text(line, encoding="utf-8")
    found = vectra_bot.import_files(capture, tmp_path / "store").to_json()

    assert found["ok"]
    assert (found["totals"]["imported"], found["totals"]["quarantined"]) == (1, 0)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "XDG_CONFIG_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
