"""configuration.md: every key that a file may have, every variable that the code reads, and no others."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from vectra_bot.cli.main import main
from vectra_bot.cli.run import SECTIONS, run
from vectra_bot.config import load_config
from vectra_bot.errors import ConfigError
from vectra_bot.game.amounts import to_lamports
from vectra_bot.params import options_of
from vectra_bot.server import tokens

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "docs"))

from generate_config import config_page
from generate_text import data

ROOT = Path(__file__).resolve().parents[2]
PAGE = "\n".join(config_page())
UNKNOWN = "zzzzzzzzzzzzzzzz"


def rows(section: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    text = re.split(r"^#+ ", PAGE.partition(f" {section}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def keys(section: str) -> list[str]:
    """Return the keys that the page has for a section."""
    return [row[0].strip("`") for row in rows(section)]


def accepted(tmp_path: Path, text: str) -> list[str]:
    """Return what the program says it accepts in place of an unknown name."""
    path = tmp_path / "bot.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, SECTIONS)
    return str(caught.value).partition("give one of ")[2].split(", ")


@pytest.mark.parametrize("section", ["run", "exchange", "limits"])
def test_keys_are_those_that_are_accepted(section: str, tmp_path: Path) -> None:
    """[run] accepts the exchange's keys as well, and the strategy."""
    found = accepted(tmp_path, f"[{section}]\n{UNKNOWN} = 1\n")
    page = keys(f"[{section}]")
    if section == "run":
        found = ["strategy", *(key for key in found if key not in keys("[exchange]"))]

    assert sorted(page) == sorted(found)


def test_sections_are_those_that_are_accepted(tmp_path: Path) -> None:
    """Each has its heading."""
    found = accepted(tmp_path, f"[{UNKNOWN}]\n")
    headings = re.findall(r"^### \[([a-z]+)", PAGE, re.MULTILINE)

    assert sorted(headings) == sorted(found)


@pytest.mark.parametrize(
    "section", ["[run]", "[exchange]", "[limits]", "[strategy]", "[plugins.NAME]"]
)
def test_every_row_is_complete(section: str) -> None:
    """Each key has what is allowed, a default and a meaning."""
    assert rows(section)
    assert [row for row in rows(section) if not all(row)] == []


def test_every_flag_is_one_of_the_command() -> None:
    """As the key's row has it."""
    flags = {flag for p in run.params for flag in (*p.opts, *p.secondary_opts)}
    named = {
        flag
        for section in ("[run]", "[exchange]", "[limits]", "[alerts]")
        for row in rows(section)
        for flag in re.findall(r"--[a-z-]+", row[1])
    }

    assert len(named) > 20
    assert named <= flags
    declared = {option.flag for owner in SECTIONS.values() for option in options_of(owner)}
    assert declared - {None, "--set", "--plugin", "--no-plugin", "--plugin-set"} <= named


def test_the_example_is_accepted(tmp_path: Path) -> None:
    """The file on the page loads."""
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "bot.toml"
    path.write_text(example, encoding="utf-8")

    assert load_config(path, SECTIONS).strategy == "take-profit"


def variables() -> set[str]:
    """Return the environment variables whose names the code reads."""
    found: set[str] = set()
    for path in (ROOT / "vectra_bot").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "environ" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and "os.environ." in ast.unparse(node.func):
                names: list[ast.expr] = node.args[:1]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                names = [node.slice] if isinstance(node.ctx, ast.Load) else []
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_SECRETS":
                assert isinstance(node.value, ast.Tuple)
                names = node.value.elts
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".startswith"):
                names = node.args[:1]
            else:
                continue
            found |= {str(n.value) for n in names if isinstance(n, ast.Constant)}
    return {name for name in found if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}


def test_every_variable_is_documented() -> None:
    """Those that the code reads, and those that it names for a provider's library."""
    documented, read = set(data("configuration")["environment"]), variables()
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "vectra_bot").rglob("*.py"))

    assert "VECTRA_STORE" in read
    assert sorted(read - documented) == []
    assert [name for name in sorted(documented) if name not in source] == []
    assert sorted(documented) == sorted(keys("Environment variables"))


def test_the_token_file_is_documented(tmp_path: Path) -> None:
    """Its keys, and the defaults of a player of whom only the token is given."""
    described = data("configuration")["tokens"]
    path = tmp_path / "players.toml"
    path.write_text('[[players]]\ntoken = "secret"\n', encoding="utf-8")
    path.chmod(0o600)
    (login,) = tokens.read_tokens(path).values()

    assert list(described) == list(tokens._KEYS)
    assert str(tokens.MAX_TOKEN_LENGTH) in described["token"][0]
    assert str(tokens.MAX_CASH) in described["cash"][0]
    assert login.cash == to_lamports(described["cash"][1])
    assert login.bonus == to_lamports(described["bonus"][1])
    assert str(login.level) == described["level"][1]


def test_a_wrong_key_has_the_exit_code_that_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """4, with file and key in the message."""
    path = tmp_path / "bot.toml"
    path.write_text("[run]\ngamess = 3\n", encoding="utf-8")

    assert main(["run", "watch", "--config", str(path)]) == 4
    assert f"{path}: [run] gamess" in capsys.readouterr().err
