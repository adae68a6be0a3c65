"""The commands of live sessions as processes: what they need, control from outside, and stops."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.cli.main import main
from vectra_bot.exchange.identities import Identities

ACCOUNT = Identities("dev-tokens").player_id(1)
NOBODY = "http://127.0.0.1:9"
WAIT_S = 60

HANGING = '''
import os, time
from pathlib import Path
from vectra_bot import Strategy

class Hanging(Strategy):
    """Ask all the time, and hang in a callback once the position is open."""

    def on_game_tick(self, tick, game):
        for _ in range(50):
            self.actions.buy("0.001")
        if self.position:
            Path(os.environ["HANG_MARK"]).touch()
            end = time.monotonic() + 120
            while time.monotonic() < end:
                pass
'''

HOLDING = '''
from vectra_bot import Strategy

class Holding(Strategy):
    """Keep a position."""

    def on_game_tick(self, tick, game):
        if not self.position and not self.actions.pending:
            self.actions.buy("0.005")
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Serve the exchange in a separate process; `log` has its requests."""
    log = tmp_path_factory.mktemp("serve") / "requests.jsonl"
    command = [sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--seed", "7"]
    command += ["--crowd", "0", "--speed", "2", "--json", "--exchange-log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield {**json.loads(process.stdout.readline()), "log": log}
        process.send_signal(signal.SIGTERM)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with everything that a live session needs."""
    monkeypatch.setenv("VECTRA_LIVE_STORE", str(tmp_path / "live"))
    monkeypatch.setenv("VECTRA_STORE", str(tmp_path / "paper"))
    monkeypatch.setenv("HANG_MARK", str(tmp_path / "mark"))
    (tmp_path / "token").write_text("dev-1")
    (tmp_path / "token").chmod(0o600)
    write_config(tmp_path)
    (tmp_path / "hanging.py").write_text(HANGING)
    (tmp_path / "holding.py").write_text(HOLDING)
    return tmp_path


def write_config(home: Path, more: str = "") -> None:
    """Write the configuration file of a live session."""
    (home / "live.toml").write_text(
        f'[live]\nenabled = true\naccount = "{ACCOUNT}"\ntoken = "file:{home}/token"\n'
        'terms = "2026-01-31 I have read them"\npositions = "adopt"\n' + more + "\n"
        '[limits]\nstake = "0.01"\nsession_loss = "0.5"\nday_loss = "2"\n'
    )


def live(home: Path, server: dict[str, Any], strategy: str, *more: str) -> list[str]:
    """Return the arguments of a live session."""
    return ["live", strategy, "--config", str(home / "live.toml"), "--venue", server["url"],
            "--account", ACCOUNT, "--session-id", "L", *more]  # fmt: skip


def started(arguments: list[str]) -> subprocess.Popen[str]:
    """Start the command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "vectra_bot", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(check: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until *check* is true, while the process lives."""
    end = time.monotonic() + WAIT_S
    while not check():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command in this process prints as JSON."""
    assert main([*arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def holds(home: Path) -> bool:
    """Return whether the session says that it holds a position."""
    from vectra_bot.session.control import ask

    with suppress(Exception):
        status = ask(home / "live" / "journals" / "L", "status")
        return bool(status["position"]["qty"])
    return False


def requests_of(server: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the requests of the account that the exchange has seen."""
    lines = [json.loads(line) for line in server["log"].read_text().splitlines()]
    return [line for line in lines if line["player_id"] == ACCOUNT]


def test_a_session_is_controlled_from_outside(
    home: Path, server: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Status and halts without naming it; a second instance is refused; stop has its exit code."""
    with started(live(home, server, str(home / "holding.py"), "--json")) as process:
        try:
            wait_for(lambda: holds(home), process)
            status = said(capsys, "status")
            assert (status["session_id"], status["mode"], status["pid"]) == (
                "L",
                "live",
                process.pid,
            )
            assert status["account"] == ACCOUNT
            assert said(capsys, "halt", "--reason", "look")["standing"] == "close_only"
            assert main(["status", "L"]) == 0
            out = capsys.readouterr().out
            assert "close_only (halted)" in out
            assert "the operator asked for no entries: look" in out
            assert said(capsys, "resume")["standing"] == "allowed"
            assert main(["status", "--beat", "L", "--store", str(home / "live")]) == 0
            capsys.readouterr()
            assert main(live(home, server, "watch")[:-2]) == 6
            assert "is traded by another session" in capsys.readouterr().err
            assert said(capsys, "stop")["done"]
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 10, err
    report = json.loads(out)
    assert (report["mode"], report["ended"]) == ("live", "stopped: by the operator")
    assert main(["status"]) == 3
    assert "no session runs in" in capsys.readouterr().err
    assert main(["status", "L"]) == 3
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["status", "X"]) == 3
    assert "no session 'X'" in capsys.readouterr().err


def test_a_flatten_is_asked_for_and_not_done_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The answer comes before the venue's: it does not say that everything is sold."""
    from vectra_bot.session import StopFlag
    from vectra_bot.session.control import Controlled, ControlSocket

    directory = tmp_path / "journals" / "s"
    directory.mkdir(parents=True)
    over = threading.Event()
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        control.publish({"standing": "close_only", "reasons": []})

        def loop() -> None:
            while not over.wait(0.01):
                control.take(0)
                control.processed()

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            assert main(["flatten", "s", "--store", str(tmp_path)]) == 0
        finally:
            over.set()
            thread.join()
    assert "flatten asked for, `vectra-bot status` shows" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["stop", "SIGTERM"])
def test_nothing_is_sent_after_a_stop_although_a_callback_hangs(
    home: Path, server: dict[str, Any], capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """The connection ends while the strategy hangs, and the process can be ended."""
    mark = home / "mark"
    with started(live(home, server, str(home / "hanging.py"), "--json")) as process:
        try:
            wait_for(mark.exists, process)
            if how == "stop":
                assert main(["stop"]) == 0
                assert "a callback of the strategy hangs" in capsys.readouterr().err
            else:
                process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            before = len(requests_of(server))
            # The venue ends with the connection what it knows of it: nothing more can arrive.
            time.sleep(1.0)
            assert len(requests_of(server)) == before
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    if out:
        assert json.loads(out)["unfinished"]


def test_flatten_on_exit_sells_before_a_signal_ends_the_session(
    home: Path, server: dict[str, Any]
) -> None:
    write_config(home, "flatten_on_exit = true")
    with started(live(home, server, str(home / "holding.py"), "--json")) as process:
        try:
            wait_for(lambda: holds(home), process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["ended"] == "stopped: SIGINT"
    assert report["open_value"] == 0, report
    assert requests_of(server)[-1]["type"] == "sell"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["live", "watch", "--venue", NOBODY], 4, "not enabled"),
        (["live", "watch"], 2, "--venue"),
        (["live", "--venue", NOBODY], 2, "no strategy was given"),
        (["live", "watch", "--venue", NOBODY, "--limit-stake", "1,5"], 2, "--limit-stake was '1,5'"),
        (["run", "watch", "--shadow"], 4, "without venue"),
        (["stop", "--store", "/no/such"], 6, "no store at /no/such"),
        (["doctor", "--venue", "ftp://x", "--store", "/tmp"], 1, "url was"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main(arguments) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_copied_file_is_not_enough(
    home: Path, server: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal the account must be given; paper ignores the section of the account."""
    arguments = live(home, server, "watch")
    del arguments[arguments.index("--account") : arguments.index("--account") + 2]
    assert main(arguments) == 2
    assert "the account was not typed: give --account ID" in capsys.readouterr().err
    config = home / "live.toml"
    config.write_text(config.read_text().replace("[live]", "[live]\nshadows = true"))
    assert main(arguments) == 4
    assert "[live] shadows is unknown" in capsys.readouterr().err
    write_config(home)
    assert main(["run", "watch", "--config", str(config), "--games", "1", "--speed", "max",
                 "--crowd", "0", "--json"]) == 0  # fmt: skip
    report = json.loads(capsys.readouterr().out)
    assert (report["mode"], report["venue"], report["shadow"]) == ("paper", "embedded", False)
    assert not (home / "live").exists()


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        return True


def test_a_person_types_the_account(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal it is asked for, and must be the one in the file; without [live] nobody is asked."""
    server = {"url": NOBODY}
    arguments = live(home, server, "watch")
    del arguments[arguments.index("--account") : arguments.index("--account") + 2]
    monkeypatch.setattr("sys.stdin", Terminal("did:privy:typo\n"))
    assert main(arguments) == 4
    err = capsys.readouterr().err
    assert "Real money. Type the id of the account to trade for" in err
    assert "--account was 'did:privy:typo'" in err
    (home / "live.toml").write_text("[live]\nenabled = false\n")
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert main(arguments) == 4
    assert "not enabled" in capsys.readouterr().err


def test_the_token_is_in_no_argument_and_no_environment_of_a_child(
    home: Path, server: dict[str, Any]
) -> None:
    """What other users see of the process does not have it."""
    with started(live(home, server, str(home / "holding.py"), "--json")) as process:
        try:
            wait_for(lambda: holds(home), process)
            seen = b""
            for path in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    status = (path / "status").read_text()
                    if f"PPid:\t{process.pid}\n" in status or path.name == str(process.pid):
                        seen += (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert str(home / "live.toml").encode() in seen
    assert b"dev-1" not in seen
    assert os.environ.get("VECTRA_TOKEN") is None
