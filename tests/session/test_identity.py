"""A session id is reused only by the same run: everything that the strategy is made of is compared."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import pytest

import vectra_bot
from tests.imports.samples import trade_row, write_lines
from tests.session.strategies import Busy, Counting, Raising
from vectra_bot.errors import StoreError, StrategyError
from vectra_bot.imports.run import import_paths
from vectra_bot.journal import Entry, read_header, read_journal, write_journal
from vectra_bot.loading import origin_of, resolve_strategy
from vectra_bot.loading.origin import _distributions
from vectra_bot.session.header import source_changed
from vectra_bot.session.recovery.killed import REASON, recover_store
from vectra_bot.session.replay import check_journal

FAST: dict[str, Any] = {"games": 2, "seed": 7, "crowd": 0, "session_id": "S"}
BOT = """
from pathlib import Path
from identity_rules import TICK
from vectra_bot import Strategy

STAKE = Path(__file__).with_name("stake.txt").read_text()


class Bot(Strategy):
    def on_game_tick(self, tick, game):
        from identity_late import wanted
        if wanted(game.tick, TICK):
            self.actions.buy(STAKE)
"""
FILES = {
    "bot.py": BOT,
    "stake.txt": "0.01",
    "identity_rules/__init__.py": "from .ticks import TICK\n",
    "identity_rules/ticks.py": "TICK = 4\n",
    "identity_late.py": "def wanted(now, tick):\n    return now == tick\n",
    "identity_other.py": "raise RuntimeError('nobody imports this')\n",
}


def forget() -> None:
    """Let the next import read the files again, as in a new process."""
    invalidate_caches()
    for name in [name for name in sys.modules if name.startswith("identity_")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a strategy that imports a package, a module in a callback, and reads a file."""
    for name, text in FILES.items():
        path = tmp_path / "bots" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "bots"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file changes twice within a second
    forget()
    yield tmp_path / "bots"
    forget()


def run(folder: Path) -> None:
    forget()
    vectra_bot.run(str(folder / "bot.py"), store=folder.parent / "store", **FAST)


def content(store: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def edit(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)

    return change


CODE = {
    "package": edit("identity_rules/ticks.py", "TICK = 5\n"),
    "comment": edit("identity_rules/__init__.py", FILES["identity_rules/__init__.py"] + "# more\n"),
    "late": edit("identity_late.py", "def wanted(now, tick):\n    return now == tick + 1\n"),
    "own": edit("bot.py", BOT + "# more\n"),
}
DATA = {"data": edit("stake.txt", "0.02")}


@pytest.mark.parametrize("change", [*CODE.values(), *DATA.values()], ids=[*CODE, *DATA])
def test_identity_covers_all_that_a_strategy_reads(
    folder: Path, change: Callable[[Path], None]
) -> None:
    """After a change of an imported module or of a file it reads, the old session remains as it is."""
    run(folder)
    before = content(folder.parent / "store")
    change(folder)
    with pytest.raises(StoreError, match=r"another run .*: give another --session-id"):
        run(folder)
    assert content(folder.parent / "store") == before


@pytest.mark.parametrize("change", CODE.values(), ids=CODE)
def test_identity_in_a_check(folder: Path, change: Callable[[Path], None]) -> None:
    """``source_changed`` is true exactly if a module of the strategy has changed."""
    run(folder)
    journal = folder.parent / "store" / "journals" / "S"
    edit("identity_other.py", "# not part of it\n")(folder)
    bot = str(folder / "bot.py")
    forget()
    same = check_journal(journal, bot)
    assert (same.source_changed, same.equal) == (False, True)
    change(folder)
    forget()
    assert check_journal(journal, bot).source_changed


def test_identity_in_a_recovery(folder: Path) -> None:
    """A changed strategy does not matter: the session is finished from its journal alone."""
    run(folder)
    whole = list(read_journal(folder.parent / "store" / "journals" / "S"))
    killed = folder.parent / "killed" / "journals" / "S"
    killed.mkdir(parents=True)
    write_journal(killed / "000001.log", whole[: len(whole) // 2])
    CODE["comment"](folder)
    forget()
    assert recover_store(folder.parent / "killed") == ["S"]
    *_, last = read_journal(killed)
    assert last.data == {"reason": REASON}


def test_identity_of_an_unchanged_run(folder: Path) -> None:
    """The same run replaces itself, whatever else is in its folder, also after a kill."""
    run(folder)
    edit("identity_other.py", "# not part of it\n")(folder)
    run(folder)
    store = folder.parent / "store"
    journal = store / "journals" / "S"
    sources = read_header(journal)["strategy"]["sources"]
    assert list(sources) == ["bot.py", "identity_late", "identity_rules", "identity_rules.ticks"]
    half = list(read_journal(journal))[:200]
    for path in journal.iterdir():
        path.unlink()
    write_journal(journal / "000001.log", half)
    run(folder)
    assert [entry.kind for entry in read_journal(journal)][-1] == "close"


@pytest.mark.parametrize("kind", [Raising, Busy, Counting, "sidebet", "short"])
def test_identity_of_any_strategy(tmp_path: Path, kind: Any) -> None:
    """A run of the same strategy replaces itself, also one that raised, with the same journal.

    Entry 1 says when the session really began.
    """
    before: list[Any] = []
    for _ in range(2):
        with suppress(StrategyError):
            vectra_bot.run(kind, store=tmp_path, **FAST)
        entries = read_journal(tmp_path / "journals" / "S")
        journal = [entry for entry in entries if entry.seq != 1]
        assert before in ([], journal)
        before = journal


def test_identity_of_an_import(tmp_path: Path) -> None:
    """No strategy ran in an imported session: none has changed."""
    path = write_lines(tmp_path / "trades.jsonl", [trade_row(1)])
    import_paths(path, tmp_path / "store")
    (journal,) = (tmp_path / "store" / "journals").iterdir()
    assert check_journal(journal).source_changed is False


@pytest.mark.parametrize("what", ["version", "plugin", "older"])
def test_identity_covers_versions_and_plugins(
    folder: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, a changed plugin, or a header without digests of modules: the old session remains."""
    run(folder)
    journal = folder.parent / "store" / "journals" / "S"
    if what == "version":
        monkeypatch.setattr("vectra_bot.session.header.metadata.version", lambda _: "0.0.1")
    else:
        entries = list(read_journal(journal))
        header = json.loads(json.dumps(read_header(journal)))
        if what == "plugin":
            header["plugins"][0]["sources"] = {"session_log.py": "0" * 64}
        else:
            del header["strategy"]["sources"]
        for path in journal.iterdir():
            path.unlink()
        entries[0] = Entry.of(0, "header", entries[0].ts_ns, {"header": header})
        write_journal(journal / "000001.log", entries)
    with pytest.raises(StoreError, match="give another --session-id"):
        run(folder)
    assert source_changed(read_header(journal), resolve_strategy(str(folder / "bot.py"))) is False


def test_identity_of_an_installed_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of the strategy's distribution are digested, those of others are named by their version."""
    site = tmp_path / "site-packages"
    files = {
        "identity_acme/__init__.py": "",
        "identity_acme/bot.py": "import identity_tools\nimport identity_math.sub\nfrom . import odds\n",
        "identity_acme/odds.py": "import decimal, vectra_bot\n",
        "identity_tools.py": "",
        "identity_math/__init__.py": "",
        "identity_math/sub.py": "x = 1\n",
        "acme-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
        "acme-1.0.dist-info/top_level.txt": "identity_acme\nidentity_tools\n",
        "quick_math-2.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: quick-math\nVersion: 2.5\n",
        "quick_math-2.5.dist-info/top_level.txt": "identity_math\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.syspath_prepend(str(site))
    _distributions.cache_clear()
    forget()
    __import__("identity_acme.bot")
    origin = origin_of("identity_acme.bot")
    forget()
    assert list(origin.sources) == [
        "bot.py", "identity_acme", "identity_acme.odds", "identity_tools",
    ]  # fmt: skip
    assert origin.requires == {"quick-math": "2.5"}


def test_identity_does_not_depend_on_what_else_the_process_has_imported() -> None:
    """A sibling strategy that is loaded too becomes a global of the package, but is not imported by it."""
    code = (
        "import json, sys; from importlib import import_module\n"
        "for name in sys.argv[2:]: import_module(name)\n"
        "from vectra_bot.loading import origin_of, resolve_strategy\n"
        "found = resolve_strategy(sys.argv[1])\n"
        "print(json.dumps(origin_of(found.cls.__module__).sources))"
    )

    def sources(*imported: str) -> dict[str, str]:
        command = [sys.executable, "-c", code, "watch", *imported]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    alone = sources()
    assert "watch.py" in alone
    assert sources("vectra_strategies.sidebet", "vectra_strategies.short") == alone
