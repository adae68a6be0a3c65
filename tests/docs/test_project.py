"""Pages and files for those who change the project: true, and of one mind with the code."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from vectra_bot.game.rules import LAW_VERSIONS
from vectra_bot.journal import JOURNAL_VERSION
from vectra_bot.models import SCHEMA_VERSION
from vectra_bot.wire.states import WireFormat

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(_text("pyproject.toml"))["project"]
    return found


def _workflow() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_text(".github/workflows/ci.yml"))
    return found


def _steps() -> list[dict[str, Any]]:
    return [step for job in _workflow()["jobs"].values() for step in job["steps"]]


def _floors() -> list[list[str]]:
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    layers = parser["importlinter:contract:floors"]["layers"].split("\n")
    return [sorted(layer.replace("|", " ").split()) for layer in layers if layer.strip()]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_floors_are_drawn_as_they_are_checked(page: str) -> None:
    """The picture has the lines of `.importlinter`, from the top down."""
    pictures = [body for kind, body in FENCE.findall(_text(page)) if kind == "text"]
    drawn = [
        # On the architecture page, words explain the rooms from column 55 on.
        [sorted(re.findall(r"[a-z]+", line[:55])) for line in picture.splitlines()]
        for picture in pictures
    ]

    assert _floors() in [[floor for floor in lines if floor] for lines in drawn]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/releasing.md"])
def test_paths_exist(page: str) -> None:
    """Files and folders that a page names are there."""
    spans = re.findall(r"`([^`\n ]+)`", FENCE.sub("", _text(page)))
    paths = [s for s in spans if s.startswith(".") or re.search(r"/|\.(md|py|toml)$", s)]

    assert len(paths) > 3
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_versions_are_the_codes() -> None:
    """The table of versions has today's."""
    rows = re.findall(r"^\| ([\w ]+) \| ([^|]*) \|", _text("docs/releasing.md"), re.MULTILINE)
    table = {what: now.strip() for what, now in rows}

    assert table["package"] == _project()["version"]
    assert table["schema of documents"] == SCHEMA_VERSION
    assert table["journal"] == str(JOURNAL_VERSION)
    assert table["wire formats"].split(", ") == [form.value for form in WireFormat]
    assert table["price law"].split(", ") == list(LAW_VERSIONS)


def test_the_changelog_has_versions() -> None:
    """Unreleased, then versions with their days, newest first, down to this one and the first."""
    found = re.findall(r"^## \[([^\]]+)\](.*)$", _text("CHANGELOG.md"), re.MULTILINE)
    (unreleased, nothing), *versions = found
    numbers = [tuple(map(int, name.split("."))) for name, _ in versions]

    assert (unreleased, nothing) == ("Unreleased", "")
    assert versions[0][0] == _project()["version"]
    assert numbers == sorted(numbers, reverse=True)
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", day) for _, day in versions)


def test_a_change_has_one_checklist() -> None:
    """The template of a change asks for what the page lists."""
    boxes = re.compile(r"^- \[ \] .*$", re.MULTILINE)
    listed = boxes.findall(_text("CONTRIBUTING.md"))

    assert len(listed) > 5
    assert boxes.findall(_text(".github/pull_request_template.md")) == listed


def test_the_bug_template_asks_for_what_helps() -> None:
    """Command, JSON, version and the check of the store."""
    text = _text(".github/ISSUE_TEMPLATE/bug.md")

    for asked in ("Command or code", "--json", "vectra-bot --version", "vectra-bot store check"):
        assert asked in text


def test_hosted_actions_are_pinned_and_may_only_read() -> None:
    """Each action is named by its commit; the token reads the repository; old runs of a change end."""
    workflow = _workflow()

    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in str(workflow["jobs"])
    assert "pull_request" in workflow["concurrency"]["cancel-in-progress"]
    used = [step["uses"] for step in _steps() if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name)] == []
    assert all(job["timeout-minutes"] <= 350 for job in workflow["jobs"].values())


def test_hosted_checks_run_what_the_readme_says() -> None:
    """Every check on the oldest Python, both commands of the README on the others and on macOS."""
    jobs = _workflow()["jobs"]
    body = next(body for kind, body in FENCE.findall(_text("README.md")) if kind == "sh")
    commands = [line.split(" #")[0].rstrip() for line in body.splitlines()]

    assert [step["run"] for step in jobs["checks"]["steps"] if "run" in step] == ["bash .ci/run"]
    assert [step["run"] for step in jobs["tests"]["steps"] if "run" in step] == commands
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert any(extra["os"].startswith("macos") for extra in matrix["include"])
    minors = {int(name[2:]) for name in ("3.11", *matrix["python"])}
    promised = re.findall(r"Python :: 3\.(\d+)", "\n".join(_project()["classifiers"]))
    assert set(map(int, promised)) <= minors
    assert f"3.{min(minors)}" == _project()["requires-python"].removeprefix(">=")


def test_properties_are_tried_longer_once_a_week() -> None:
    """The schedule runs every test with the marker of hypothesis, with a profile that exists."""
    workflow = _workflow()
    job = workflow["jobs"]["properties"]
    profile = "deep"

    assert [list(entry) for entry in workflow[True]["schedule"]] == [
        ["cron"]
    ]  # YAML 1.1: on is true
    assert "'schedule'" in job["if"]
    assert job["steps"][-1]["run"] == f"pytest -m hypothesis --hypothesis-profile {profile}"
    assert f'register_profile("{profile}", max_examples=20_000' in _text("tests/conftest.py")
