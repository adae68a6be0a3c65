"""Secrets: nothing that is written or printed contains one, and nobody else can read what is written."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vectra_bot.cli.main import main
from vectra_bot.errors import StoreError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.fsio.modes import SHARED_MARK, is_shared
from vectra_bot.server import ExchangeServer
from vectra_bot.store.api import share

CANARY = "kAnary-7Q"
SECRETS = {
    name: f"{CANARY}{name}/x+y=1"
    for name in ("strategy", "plugin", "url", "environment", "misplaced")
}
VISIBLE = "vIsible-7Q"

BOT = f'''
import logging
from vectra_bot import Strategy, param

class Bot(Strategy):
    """Tell everybody."""
    token: str = param(secret=True, help="for the scorer")
    label: str = param("{VISIBLE}")
    fail: bool = param(False)

    def on_game_start(self, game):
        logging.getLogger("bot").warning("token is %s (%s)", self.token, game.game_id)

    def on_game_tick(self, tick, game):
        header = f"Bearer {{self.token}}"
        if game.tick == 3:
            self.actions.buy("0.01")
        if self.fail and game.tick == 5:
            raise ValueError(f"no login with {{header!r}} and {{self.token!r}} {{vars(self)}}")

    def save(self):
        return {{"token": self.token, "label": self.label}}
'''
PLUGIN = '''
from vectra_bot import Plugin, hookimpl, param

class Canary(Plugin):
    """Fail and refuse with the secret."""
    enabled_by_default = False
    key: str = param(secret=True)

    @hookimpl
    def on_game_start(self, game):
        raise RuntimeError(f"cannot post to https://x.example/{self.key}")

    @hookimpl
    def review_action(self, action):
        return f"not with {self.key}"
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the strategy, the plugin as an installed distribution, and a configuration."""
    site = tmp_path / "site"
    info = site / "canary_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: canary-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vectra_bot.plugins]\ncanary = canary_plugin:Canary\n")
    (site / "canary_plugin.py").write_text(PLUGIN)
    (tmp_path / "bot.py").write_text(BOT)
    key = tmp_path / "key"
    key.write_text(SECRETS["plugin"] + "\n")
    key.chmod(0o600)
    (tmp_path / "bot.toml").write_text(
        '[strategy]\ntoken = { env = "BOT_TOKEN" }\n[plugins.canary]\nkey = { file = "key" }\n'
    )
    return tmp_path


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder, with this process in it as a command is."""
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home / "site"))
    monkeypatch.setenv("BOT_TOKEN", SECRETS["strategy"])
    monkeypatch.setenv("VECTRA_STORE", str(home / "store"))
    return home


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a command."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(home / "site"), str(Path(__file__).parents[2])]),
        "BOT_TOKEN": SECRETS["strategy"],
        "AWS_SECRET_ACCESS_KEY": SECRETS["environment"],
        "OTHER": SECRETS["environment"],
        "VECTRA_STORE": str(home / "store"),
    }


def start(home: Path, *arguments: str, umask: int = -1) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *arguments],
        cwd=home, env=environment(home), umask=umask, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def call(home: Path, *arguments: str, umask: int = -1) -> tuple[int, str]:
    """Run a command; return its exit code, and all that it printed."""
    process = start(home, *arguments, umask=umask)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


RUN = ("run", "./bot.py", "--config", "bot.toml", "--games", "2", "--seed", "7", "--speed", "max",
       "--crowd", "5")  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    """Return all text of all files in *folder* by name, decompressed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
        elif path.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str)
        found[str(path.relative_to(folder))] = text
    return found


def hits(texts: dict[str, str]) -> list[str]:
    """Return where a secret is."""
    return [name for name, text in texts.items() if CANARY in text or "kAnary" in text]


def arguments_of_children(process: subprocess.Popen[str]) -> str:
    """Return the command lines of *process* and all that it starts, as seen until it ends."""
    seen: dict[bytes, None] = {}
    family = {process.pid}
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                line = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if parent in family or int(path.name) in family:
                family.add(int(path.name))
                seen[line] = None
        time.sleep(0.02)
    return b"\n".join(seen).decode("utf-8", "replace")


def test_no_artifact_of_a_session_contains_a_secret(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Header, journal, state, outcomes, faults, logs, output and tracebacks only say that it is set."""
    process = start(here, *RUN, "--session-id", "good")
    lines = arguments_of_children(process)
    out, err = process.communicate()
    texts = {"ps": lines, "run": out + err}
    codes = {"run": process.returncode}
    failing = (*RUN, "--set", "fail=true", "--session-id", "failed", "--json", "--debug")
    codes["fail"], texts["fail"] = call(here, *failing)
    for name, arguments in {
        "check": (
            "replay",
            str(here / "store" / "journals" / "good"),
            "--check",
            "--json",
            "--strategy",
            "./bot.py",
        ),
        "plugins": ("plugins", "--json"),
        "events": ("query", "select * from system_event", "--json"),
        "store": ("store", "check", "--json"),
    }.items():
        codes[name] = main(list(arguments))
        said = capsys.readouterr()
        texts[name] = said.out + said.err
    stored = contents(here / "store")

    assert codes == {"run": 0, "fail": 7, "check": 0, "plugins": 0, "events": 0, "store": 0}
    assert hits(texts) == []
    assert hits(stored) == []
    assert texts["ps"].count("vectra") > 1  # the session, and a process that it starts
    # The search finds what is there: a plain parameter, and what is shown in place of a secret.
    assert VISIBLE in "".join(text for name, text in stored.items() if name.startswith("journals"))
    assert "<secret>" in "".join(text for name, text in stored.items() if "parquet" in name)
    assert '"token":{"secret":"set"}' in "".join(stored.values())
    assert "token is <secret>" in texts["run"]
    assert "no login with 'Bearer <secret>' and '<secret>'" in texts["fail"]
    listed = {plugin["name"]: plugin for plugin in json.loads(texts["plugins"])["plugins"]}
    assert listed["canary"]["parameters"][0]["secret"] is True


def test_a_check_is_given_the_secret_that_decisions_depend_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it, the difference says what to give; with it, the commands are equal."""
    (here / "coded.py").write_text(
        "from vectra_bot import Strategy, param\n"
        "class Coded(Strategy):\n"
        "    token: str = param(secret=True)\n"
        "    label: str = param('')\n"
        "    def on_game_tick(self, tick, game):\n"
        "        if game.tick == len(self.token) % 5:\n"
        "            self.actions.buy('0.01')\n"
    )
    give = ("--set", "token=env:BOT_TOKEN")
    run = ("run", "./coded.py", "--games", "2", "--seed", "7", "--speed", "max", "--crowd", "0")
    journal = str(here / "store" / "journals" / "one")
    check = ("replay", journal, "--check", "--strategy", "./coded.py", "--json")
    codes = [
        main([*run, *give, "--session-id", "one", "--json"]),
        main([*check]),
        main([*check, *give]),
    ]
    lacking, given = (json.loads(line) for line in capsys.readouterr().out.splitlines()[1:])
    plain = main([*check, "--set", "label=x"])

    assert len(SECRETS["strategy"]) % 5 != len("secret not recorded") % 5
    assert codes == [0, 1, 0]
    assert "give --set token=env:NAME" in lacking["first_difference"]["reason"]
    assert given["equal"]
    assert plain == 4
    assert "give its secret parameters only (token)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "token={}"),
        ("--set", "tokn={}"),
        ("--set", "{}"),
        ("--set", "token:{}"),
        ("--set", "token=env:{}"),
        ("--set", "token=file:/none/../{}x"),
        ("--plugin-set", "canary.key={}"),
        ("--plugin-set", "key={}"),
        ("--plugin-set", "canary.kee={}"),
    ],
)
def test_a_secret_on_the_command_line_is_refused_without_repeating_it(
    here: Path, arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says how to give it; what was given is not shown, except as the name of a variable or file."""
    flag, text = arguments
    code = main([*RUN, flag, text.format(SECRETS["misplaced"])])
    said = capsys.readouterr().err

    assert code in (2, 3, 4)
    assert len(said.splitlines()) == 1
    if "env:" not in text and "file:" not in text:
        assert hits({"said": said}) == []
    if text == "token={}":
        assert "token=env:NAME or token=file:PATH" in said
    assert not (here / "store").exists()


@pytest.mark.parametrize(
    "text",
    [
        'strategy = "{}"',
        '[strategy]\ntoken = "{}"',
        '[strategy]\ntoken = ["{}"]',
        '[strategy]\ntoken = {{ value = "{}" }}',
        '[strategy]\ntoken = {{ env = "BOT_TOKEN", also = "{}" }}',
        '[strategy]\nlabel = {{ env = "BOT_TOKEN" }}\ntoken = {{ env = "BOT_TOKEN" }}',
        '[plugins]\ncanary = "{}"',
        '[plugins.canary]\nkey = "{}"',
        '[plugins.canary]\nkee = "{}"',
        '[run]\nstrategy = ["./bot.py"]\n[plugins.canary]\nkey = "{}',
    ],
)
def test_a_secret_in_a_configuration_is_refused_without_repeating_it(
    here: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration holds references only; its errors show none of its secrets."""
    (here / "bot.toml").write_text(text.format(SECRETS["misplaced"]))
    code = main(list(RUN))
    said = capsys.readouterr()

    assert code in (3, 4)
    assert hits({"said": said.out + said.err}) == []
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"kAnary-one\n", 0o644, "chmod 600"),
        (b"kAnary-one\n", 0o620, "chmod 600"),
        (b"", 0o600, "has 0 characters"),
        (b"\n", 0o600, "has 0 characters"),
        (b"kAnary" * 2_000, 0o600, "has 12000 characters"),
        (b"kAnary\0x", 0o600, "U+0000 at position 7"),
        (b"kAnary\r\nnext", 0o600, "U+000D at position 7"),
        (b"kAnary\nnext\n", 0o600, "U+000A at position 7"),
        (b"\xef\xbb\xbfkAnary", 0o600, "byte order mark"),
        (b"kAnary\xff", 0o600, "not UTF-8"),
        (b"kAnary\xed\xa0\x80", 0o600, "not UTF-8"),
    ],
)
def test_a_secret_file_is_read_strictly(
    here: Path, content: bytes, mode: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Modes, encoding, line ends and length are checked; no message shows the content."""
    path = here / "token"
    path.write_bytes(content)
    path.chmod(mode)
    code = main(["run", "./bot.py", "--set", "token=file:token", "--games", "1"])
    said = capsys.readouterr().err

    assert code in (3, 4)
    assert says in said
    assert hits({"said": said}) == []
    assert len(said.splitlines()) == 1


def modes(folder: Path) -> dict[str, str]:
    """Return the modes of everything in *folder* that is not for this user only."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode != (0o700 if path.is_dir() else 0o600):
            found[str(path.relative_to(folder))] = oct(mode)
    return found


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_what_a_session_writes_is_for_this_user_only(here: Path, umask: int) -> None:
    """Journals, parts, locks, logs and manifests have mode 0600, folders 0700, whatever the umask."""
    extra = ("--plugin", "session-log", "--exchange-log", "requests.jsonl", "--session-id", "one")
    before = os.umask(umask)
    try:
        assert main([*RUN, *extra]) == 0
    finally:
        os.umask(before)

    assert modes(here / "store") == {}
    assert len(list((here / "store").rglob("*.parquet"))) > 3
    assert (here / "store" / "sessions" / "one" / "session.log").stat().st_size > 100
    assert oct(stat.S_IMODE((here / "requests.jsonl").stat().st_mode)) == "0o600"


def test_what_repairs_a_store_writes_for_this_user_only(here: Path) -> None:
    """A killed session, its recovery, a compaction and an import leave nothing that others can read."""
    killed = start(here, *RUN, "--session-id", "killed", "--games", "1000", umask=0)
    journal = here / "store" / "journals" / "killed"
    assert killed.stderr is not None
    lines = [killed.stderr.readline() for _ in range(4)]  # two games at least
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = modes(here / "store")
    before = os.umask(0)
    try:
        codes = [
            main(["store", "recover"]),
            main(["store", "compact", "--all"]),
            main(["store", "import", str(journal), "--store", "imported"]),
        ]
    finally:
        os.umask(before)

    assert any("token is <secret>" in line for line in lines)
    assert codes == [0, 0, 0]
    assert left == {}
    assert modes(here / "store") == {}
    assert modes(here / "imported") == {}
    assert len(list((here / "imported").rglob("*.parquet"))) > 3


def test_a_shared_store_follows_the_umask_and_later_writers_follow_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--shared is a choice made with a new store and recorded in it; check notes what everybody can read."""
    first = call(
        here, *RUN, "--plugin", "session-log", "--session-id", "one", "--shared", umask=0o027
    )
    second = call(here, *RUN, "--plugin", "session-log", "--session-id", "two", umask=0o027)
    paths = list((here / "store").rglob("*"))
    found = {(path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode))) for path in paths}
    quiet = main(["store", "check", "--quick", "--json"]), json.loads(capsys.readouterr().out)
    (here / "store").chmod(0o755)
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
    noted = main(["store", "check", "--quick", "--json"]), json.loads(capsys.readouterr().out)

    assert (first[0], second[0]) == (0, 0)
    assert found == {(True, "0o750"), (False, "0o640")}
    assert (quiet[0], quiet[1]["skipped"], quiet[1]["notes"]) == (0, [], [])
    assert (noted[0], len(noted[1]["notes"])) == (0, 1)


def test_an_existing_store_is_shared_by_its_owner_only(here: Path) -> None:
    """--shared changes nothing of an existing store; a foreign mark in an open folder does not count."""
    store = here / "store"
    store.mkdir()
    share(store)
    share(store)
    private = here / "private"
    (private / "journals").mkdir(parents=True)
    with pytest.raises(StoreError, match="exists and is not shared"):
        share(private)

    assert is_shared(store / "journals" / "x")
    assert not is_shared(private)
    if os.geteuid() == 0:
        here.chmod(0o777)
        (here / SHARED_MARK).touch()
        os.chown(here / SHARED_MARK, 12345, 12345)
        assert not is_shared(private)


def test_a_store_that_others_can_read_is_noted_and_not_changed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older store keeps its modes; check says that others can read it, and that is not a problem."""
    assert main([*RUN, "--session-id", "one"]) == 0
    for path in [here / "store", *(here / "store").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = {p: p.stat().st_mode for p in (here / "store").rglob("*")}
    assert main([*RUN, "--session-id", "two"]) == 0
    capsys.readouterr()
    code = main(["store", "check"])
    after = {p: p.stat().st_mode for p in before}
    codes = [main(["store", "compact", "one"]), main(["store", "recover", "one", "--rebuild"])]

    assert after == before
    assert codes == [0, 0]
    replaced = list((here / "store").glob("doc_type=*/session_id=one/*"))
    assert len(replaced) > 10
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in replaced} == {"0o644"}
    assert code == 0
    assert re.search(
        r"note: other users can read \d+ files .*chmod -R go= ", capsys.readouterr().out
    )


async def test_no_artifact_of_a_recording_contains_the_secret_of_its_address(home: Path) -> None:
    """The query of an address is used and never shown or stored, whether the venue answers or not."""
    async with ExchangeServer(ExchangeConfig(seed=11, crowd=5), speed=100.0) as server:
        url = f"{server.url}?token={SECRETS['url']}"
        good = await asyncio.to_thread(
            call, home, "record", "--venue", url, "--games", "1", "--session-id", "good"
        )
    bad = await asyncio.to_thread(
        call, home, "record", "--venue", url, "--attempts", "1", "--session-id", "bad"
    )
    user = await asyncio.to_thread(
        call, home, "record", "--venue", f"ftp://me:{SECRETS['url']}@x.example/{SECRETS['url']}?a"
    )
    stored: dict[str, Any] = contents(home / "store")

    assert (good[0], bad[0], user[0]) == (0, 3, 4)
    assert hits({"good": good[1], "bad": bad[1], "user": user[1], **stored}) == []
    assert any("127.0.0.1" in text for text in stored.values())
