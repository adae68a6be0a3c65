"""Stores as people handle them: each command gives the right answer or one clear line, and loses nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from tests.store.odd import ROWS, Answer, ask, make_sessions
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import part_folder
from vectra_bot.store.query.catalog import open_store

KILLED = "killed: the session was killed and not recovered since"
LEFT = "session 'killed' was killed after entry"


@attrs.frozen
class Case:
    """An odd store.

    Attributes:
        make: makes a store odd; the second folder is outside of it.
        answers: exit code, and a part of what is printed, of each command.
        rows: what a query finds, in ticks by session.
        under: a command that runs another one, which is followed by the store and the other command, in
            an environment where the store is odd.
        after_drop: ticks of the dropped session in files that are not the store's.
    """

    make: Callable[[Path, Path], object]
    answers: dict[str, tuple[int, str]]
    rows: dict[str, int] = ROWS
    under: tuple[str, ...] = ()
    after_drop: int = 0


def _nothing(_store: Path, _outside: Path) -> None:
    """Leave the store as it is."""


def _link(name: str) -> Callable[[Path, Path], object]:
    """Return what moves a folder of the store out of it, and puts a link in its place."""

    def make(store: Path, outside: Path) -> None:
        shutil.move(store / name, outside / "moved")
        (store / name).symlink_to(outside / "moved")

    return make


def _loop(name: str) -> Callable[[Path, Path], object]:
    return lambda store, _: (store / name).symlink_to(Path(name).name)


def _copy(name: str, other: str) -> Callable[[Path, Path], object]:
    return lambda store, _: shutil.copytree(store / name, store / other)


def _remove(*patterns: str) -> Callable[[Path, Path], object]:
    def make(store: Path, _outside: Path) -> None:
        for path in [path for pattern in patterns for path in sorted(store.glob(pattern))]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return make


def _rename(old: str, new: str) -> Callable[[Path, Path], object]:
    def make(store: Path, _outside: Path) -> None:
        for path in sorted(store.glob(f"*/{old}")):
            path.rename(path.with_name(new))

    return make


def _foreign(store: Path, _outside: Path) -> None:
    ticks = part_folder(store, DocType.GAME_TICK, "closed")
    part = ticks / "part-000002.parquet"
    (ticks.parent / "mine").mkdir()
    shutil.copy(part, ticks.parent / "mine" / "copy.parquet")
    (ticks / "notes.txt").write_text("mine")
    (store / "README").write_text("mine")
    (store / "doc_type=other").mkdir()
    (store / "journals" / "closed" / "mine.log").write_text("mine")


def _other_owner(*unreadable: str) -> Callable[[Path, Path], object]:
    """Return what gives a store to another user, who lets us read all of it except *unreadable*."""

    def make(store: Path, _outside: Path) -> None:
        for path in [store, *store.rglob("*")]:
            os.chown(path, 65534, 65534)
            path.chmod(0o755 if path.is_dir() else 0o644)
        for name in unreadable:
            (store / name).chmod(0)

    return make


def _mounted(commands: str) -> tuple[str, ...]:
    """Return what runs a command after shell *commands*, with mounts that nobody else sees."""
    return ("unshare", "-rm", "sh", "-ec", f'{commands}; exec "$@"')


_READ_ONLY = _mounted('mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"')
_TICKS = '"$0/doc_type=game_tick"'
_DEVICE = _mounted(
    f'cp -a {_TICKS} "$0.ticks"; mount -t tmpfs tmpfs {_TICKS}; cp -a "$0.ticks/." {_TICKS}'
)
_FULL = _mounted(
    'cp -a "$0" "$0.copy"; mount -t tmpfs -o size=16m tmpfs "$0"; cp -a "$0.copy/." "$0"; '
    'dd if=/dev/zero of="$0/fill" bs=4k 2>/dev/null || true'
)
# Root without the right to pass over permissions.
_CAPABILITIES = "-dac_override,-dac_read_search,-fowner"
_UNPRIVILEGED = ("sh", "-ec", f'exec setpriv --bounding-set={_CAPABILITIES} "$@"')
_LINKED = "is a symbolic link to"
_MANIFEST = "doc_type=game_tick/session_id=closed/_manifest.jsonl"
_COPIED = "was copied or renamed"

CASES: dict[str, Case] = {
    "whole": Case(
        _nothing,
        {"query": (1, KILLED), "check": (1, LEFT), "recover": (0, "finished killed"), "run": (0, ""),
         "drop": (0, "dropped closed")},
    ),
    "read-only": Case(
        _nothing,
        {"query": (1, KILLED), "check": (1, LEFT), "recover": (1, "Read-only file system"),
         "run": (6, "cannot be written: it is read-only"), "drop": (6, "Read-only file system")},
        under=_READ_ONLY,
    ),
    "a folder on another device": Case(
        _nothing,
        {"query": (1, KILLED), "check": (1, "doc_type=game_tick is on another device"),
         "recover": (1, "nothing was changed"), "run": (6, "on another device than the store"),
         "drop": (6, "on another device than the store")},
        under=_DEVICE,
    ),
    "a full disk": Case(
        _nothing,
        {"query": (1, KILLED), "check": (1, LEFT), "recover": (1, "fill: not a file of a store"),
         "run": (6, "No space left"), "drop": (0, "dropped closed")},
        under=_FULL,
    ),
    "linked as a whole": Case(
        lambda store, outside: (
            store.rename(outside.with_name("real")), store.symlink_to(outside.with_name("real")),
        ),
        {"query": (1, KILLED), "check": (1, LEFT), "recover": (0, "finished killed"), "run": (0, ""),
         "drop": (0, "dropped closed")},
    ),
    "a kind linked": Case(
        _link("doc_type=game_tick"),
        {"query": (1, KILLED), "check": (1, f"doc_type=game_tick {_LINKED}"), "recover": (1, _LINKED),
         "run": (6, _LINKED), "drop": (6, _LINKED)},
    ),
    "the journals linked": Case(
        _link("journals"),
        {"query": (1, KILLED), "check": (1, f"journals {_LINKED}"), "recover": (1, _LINKED),
         "run": (6, _LINKED), "drop": (6, _LINKED)},
    ),
    "a session linked": Case(
        _link("doc_type=game_tick/session_id=closed"),
        {"query": (1, KILLED), "check": (1, f"session_id=closed {_LINKED}"), "recover": (1, _LINKED),
         "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a journal linked": Case(
        _link("journals/closed"),
        {"query": (1, KILLED), "check": (1, f"journals/closed {_LINKED}"), "recover": (1, _LINKED),
         "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a journal linked to itself": Case(
        _loop("journals/loop"),
        {"query": (1, "journals/loop: the journal cannot be read"), "check": (1, LEFT),
         "recover": (1, "finished killed"), "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a manifest linked to itself": Case(
        lambda store, outside: (
            (store / _MANIFEST).unlink(), _loop(_MANIFEST)(store, outside),
        ),
        {"query": (1, "rows may be missing"), "check": (1, "_manifest.jsonl: Too many levels of"),
         "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a plugin's files linked": Case(
        lambda store, outside: (
            (store / "sessions" / "closed").mkdir(parents=True),
            _link("sessions/closed")(store, outside),
            (outside / "moved" / "mine.txt").write_text("mine"),
        ),
        {"query": (1, KILLED), "check": (1, f"sessions/closed {_LINKED}"), "recover": (1, _LINKED),
         "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a folder copied": Case(
        _copy("doc_type=game_tick/session_id=closed", "doc_type=game_tick/session_id=copy"),
        {"query": (1, _COPIED), "check": (1, _COPIED), "recover": (1, _COPIED), "run": (0, ""),
         "drop": (0, "dropped closed")},
    ),
    "a journal copied": Case(
        _copy("journals/killed", "journals/copy"),
        {"query": (1, KILLED), "check": (1, f"journals/copy {_COPIED}"), "recover": (1, _COPIED),
         "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "a session renamed": Case(
        _rename("*closed", "session_id=renamed"),
        {"query": (1, _COPIED), "check": (1, _COPIED), "recover": (1, _COPIED), "run": (0, ""),
         "drop": (5, "no session is named 'closed'")},
        rows={"killed": ROWS["killed"]},
    ),
    "without journals": Case(
        _remove("journals"),
        {"query": (0, ""), "check": (0, "no problems"), "recover": (0, "no problems"), "run": (0, ""),
         "drop": (0, "dropped closed")},
    ),
    "without segments": Case(
        _remove("journals/closed/*.log*"),
        {"query": (1, KILLED), "check": (1, "segments 000001 to 000002 are missing at its end"),
         "recover": (1, "journal_gap"), "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "without the last segment": Case(
        _remove("journals/closed/000002.log*"),
        {"query": (1, KILLED), "check": (1, "segments 000002 to 000002 are missing at its end"),
         "recover": (1, "journal_gap"), "run": (0, ""), "drop": (0, "dropped closed")},
    ),
    "without a part": Case(
        _remove("doc_type=game_tick/session_id=closed/part-000002.parquet"),
        {"query": (1, "the file is missing"), "check": (1, "is missing"), "recover": (0, "rebuilt"),
         "run": (0, ""), "drop": (0, "dropped closed")},
        rows={"killed": ROWS["killed"], "closed": 11},
    ),
    "with foreign files": Case(
        _foreign,
        {"query": (1, "mine/copy.parquet: its rows are of session 'closed'"),
         "check": (1, "skipped: doc_type=game_tick/session_id=closed/notes.txt: not a file of a store"),
         "recover": (1, "skipped: README: not a file of a store"), "run": (0, ""),
         "drop": (0, "dropped closed")},
        after_drop=10,
    ),
    "of another owner": Case(
        _other_owner(),
        {"query": (1, KILLED), "check": (1, LEFT), "recover": (1, "Permission denied"),
         "run": (6, "belongs to another user"), "drop": (6, "Permission denied")},
        under=_UNPRIVILEGED,
    ),
    "with an unreadable lock": Case(
        _other_owner("journals/killed/lock"),
        {"query": (1, "whether it is being written cannot be determined"),
         "check": (1, "session_unknown: whether session 'killed'"), "recover": (1, "session_unknown"),
         "run": (6, "belongs to another user"), "drop": (6, "Permission denied")},
        under=_UNPRIVILEGED,
    ),
    "with an unreadable journal": Case(
        _other_owner("journals/killed"),
        {"query": (1, "journals/killed: the journal cannot be read: Permission denied"),
         "check": (1, "unreadable: cannot read"), "recover": (1, "unreadable: cannot read"),
         "run": (6, "belongs to another user"), "drop": (6, "Permission denied")},
        under=_UNPRIVILEGED,
    ),
    "with an unreadable part": Case(
        _other_owner("doc_type=game_tick/session_id=closed/part-000001.parquet"),
        {"query": (1, "Permission denied"), "check": (1, "unreadable: "), "recover": (1, "unreadable: "),
         "run": (6, "belongs to another user"), "drop": (6, "Permission denied")},
        rows={"killed": ROWS["killed"], "closed": 10},
        under=_UNPRIVILEGED,
    ),
    "unreadable as a whole": Case(
        _other_owner("."),
        {"query": (6, "Permission denied"), "check": (6, "Permission denied"),
         "recover": (6, "Permission denied"), "run": (6, "belongs to another user"),
         "drop": (6, "Permission denied")},
        under=_UNPRIVILEGED,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    make_sessions(folder)
    return folder


def _snapshot(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _asked(case: Case, store: Path) -> dict[str, Answer]:
    """Return the answers of all commands, one after another, where the store is odd."""
    done = subprocess.run(
        [*case.under, str(store), sys.executable, "-m", "tests.store.odd", str(store), *case.answers],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {
        name: Answer(**found)
        for name, found in zip(case.answers, json.loads(done.stdout), strict=True)
    }


def _skip_if_refused(case: Case) -> None:
    """Skip a case that needs what this user or this system does not allow."""
    if case.under == _UNPRIVILEGED and os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    if case.under[:1] == ("unshare",):
        done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounts are not allowed here")


def _left(store: Path) -> dict[str, int]:
    """Return the ticks of each session that a query finds."""
    with open_store(store, on_corrupt=lambda _: None) as catalog:
        rows = catalog.sql("SELECT session_id, count(*) FROM game_tick GROUP BY 1").rows
    return dict(rows)


@pytest.mark.parametrize(
    ("name", "command"),
    [(name, command) for name, case in CASES.items() if not case.under for command in case.answers],
)
def test_odd_store(name: str, command: str, base: Path, tmp_path: Path) -> None:
    """Each command answers rightly or in one clear line; no row and nothing outside the store is lost."""
    case, store, outside = CASES[name], tmp_path / "store", tmp_path / "outside"
    shutil.copytree(base, store)
    outside.mkdir()
    case.make(store, outside)
    before, kept = _snapshot(outside), _left(store)
    answer = ask(command, store)
    _compare(case, command, answer)
    assert _snapshot(outside) == before
    left = _left(store)
    if command == "drop" and answer.code == 0:
        assert left.get("closed", 0) == case.after_drop
        del kept["closed"]
    assert all(left[session] >= ticks for session, ticks in kept.items())


def _compare(case: Case, command: str, answer: Answer) -> None:
    code, text = case.answers[command]
    assert answer.code == code, answer
    assert text in answer.out + answer.err
    assert "unexpected" not in answer.err
    if code not in (0, 1):
        (line,) = [line for line in answer.err.splitlines() if line.startswith("error: ")]
        assert text in line
    if command == "query" and code in (0, 1):
        assert answer.rows == case.rows


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.under])
def test_odd_store_in_an_odd_place(name: str, base: Path, tmp_path: Path) -> None:
    """The same, for one process that runs all commands where the store cannot be changed."""
    case, store = CASES[name], tmp_path / "store"
    _skip_if_refused(case)
    shutil.copytree(base, store)
    case.make(store, tmp_path)
    before = _snapshot(store)
    answers = _asked(case, store)
    for command, answer in answers.items():
        _compare(case, command, answer)
    assert _snapshot(store) == before


HOLD = [sys.executable, "-m", "tests.store.odd", "fork"]


@pytest.mark.parametrize("how", ["ended", "killed"])
def test_forked_holder(how: str, base: Path, tmp_path: Path) -> None:
    """A lock does not outlive the process that took it, though a child that it forked lives on."""
    store = shutil.copytree(base, tmp_path / "store")
    done = subprocess.run([*HOLD, str(store), how], stdout=subprocess.PIPE, check=False)
    child = int(done.stdout)
    try:
        os.kill(child, 0)
        assert LEFT in ask("check", store).out
        assert KILLED in ask("query", store).err
        assert ask("recover", store).code == 0
        assert ask("drop", store).code == 0
        assert _left(store) == {"killed": ROWS["closed"]}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
