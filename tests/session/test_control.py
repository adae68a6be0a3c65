"""The control socket: answers while the session's loop hangs, and a stop acts within its time."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.errors import InputError
from vectra_bot.models import OperatorKind
from vectra_bot.session import StopFlag
from vectra_bot.session.control import (
    CUT_AFTER_S,
    STALE_MS,
    Controlled,
    ControlSocket,
    _address,
    ask,
    running_sessions,
)


def in_background(call: Callable[..., Any], *arguments: Any) -> tuple[threading.Thread, list[Any]]:
    """Start *call* in a thread and return it with the list that gets its result."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(call(*arguments))
        except Exception as error:  # noqa: BLE001 - a test looks at it
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, found


def folder(root: Path, name: str = "s") -> Path:
    """Return the folder of a journal."""
    path = root / "journals" / name
    path.mkdir(parents=True)
    return path


def test_a_status_is_answered_with_its_age(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        assert ask(directory, "status")["standing"] == "unknown"
        control.publish({"session_id": "s", "standing": "allowed", "reasons": [], "tick": 3})
        answer = ask(directory, "status")
        assert (answer["standing"], answer["tick"]) == ("allowed", 3)
        assert 0 <= answer["age_ms"] < STALE_MS
        assert running_sessions(tmp_path) == [directory]
        assert (directory / "control.sock").stat().st_mode & 0o777 == 0o600
    assert running_sessions(tmp_path) == []
    assert not (directory / "control.sock").exists()
    with pytest.raises(InputError, match=r"session 's' cannot be reached .* not running"):
        ask(directory, "status")


def test_an_old_status_says_that_it_is_unknown(tmp_path: Path) -> None:
    """What was true seconds ago is never shown as healthy."""
    directory = folder(tmp_path)
    clock = FakeClock()
    with ControlSocket(Controlled(directory, StopFlag()), clock) as control:
        control.publish({"standing": "allowed", "reasons": ["r"], "link": "FRESH", "cash": 1.0})
        clock.ns += (STALE_MS + 500) * 10**6
        answer = ask(directory, "status")
    assert (answer["standing"], answer["link"], answer["cash"]) == ("unknown", "unknown", 1.0)
    assert answer["reasons"] == [
        "the session's loop has not run for 2.5 s: a callback may hang",
        "r",
    ]


class FakeClock:
    """A clock that a test moves."""

    ns = 0

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def test_a_command_waits_for_the_loop(tmp_path: Path) -> None:
    """It is answered when the engine has processed it, in order with others."""
    directory = folder(tmp_path)
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        thread, found = in_background(ask, directory, "halt", "a\nreason")
        commands: list[Any] = []
        while not commands:
            commands = control.take(7)
        assert [(c.kind, c.recv_ns, c.reason) for c in commands] == [
            (OperatorKind.HALT, 7, "a\nreason")
        ]
        control.publish({"standing": "close_only", "reasons": ["halt"], "pid": 1})
        control.processed()
        thread.join()
    assert found == [
        {"do": "halt", "done": True, "hangs": False, "session_id": "s", "pid": 1,
         "standing": "close_only", "reasons": ["halt"]}
    ]  # fmt: skip


def test_a_command_is_not_done_while_the_loop_hangs(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        control.publish({"standing": "allowed"})
        answer = ask(directory, "halt")
        assert (answer["done"], answer["hangs"]) == (False, True)
        assert ask(directory, "status")["standing"] == "allowed"
        assert [c.kind for c in control.take(0)] == [OperatorKind.HALT]


def test_a_stop_cuts_the_link_of_a_loop_that_hangs(tmp_path: Path) -> None:
    """The flag is set at once; the link is cut when the loop has not closed it in time."""
    # Other processes may keep the thread waiting: one of a few times must be undisturbed.
    assert min(cut_by_a_stop(tmp_path, f"s{number}") for number in range(5)) < 2 * CUT_AFTER_S


def cut_by_a_stop(root: Path, name: str) -> float:
    """Stop a session whose loop hangs, and return how long it took until its link was cut."""
    directory, stop, at = folder(root, name), StopFlag(), dict[str, float]()
    cut = threading.Event()

    def cut_now() -> None:
        at["cut"] = time.monotonic()
        cut.set()

    of = Controlled(directory, stop, cut_now, lambda: at.setdefault("set", time.monotonic()))
    with ControlSocket(of) as control:
        answer = ask(directory, "stop", "enough")
        assert cut.is_set()
        assert (answer["done"], answer["hangs"]) == (True, True)
        assert stop.reason == "enough"
        assert [(c.kind, c.reason) for c in control.take(0)] == [(OperatorKind.STOP, "enough")]
        with pytest.raises(InputError, match="the session is stopping"):
            ask(directory, "resume")
    return at["cut"] - at["set"]


def test_a_stop_does_not_cut_a_link_that_the_loop_closes(tmp_path: Path) -> None:
    directory, cut = folder(tmp_path), threading.Event()
    of = Controlled(directory, StopFlag(), cut.set)
    with ControlSocket(of) as control:
        thread, found = in_background(ask, directory, "stop")
        while of.stop.reason is None:
            time.sleep(0.001)
        control.link_closed()
        thread.join()
    time.sleep(2 * CUT_AFTER_S)
    assert found[0]["hangs"] is False
    assert not cut.is_set()


def test_a_venue_that_is_slow_to_close_is_not_a_callback_that_hangs(tmp_path: Path) -> None:
    """The loop ends the link at once, and the venue's answer takes a round trip."""
    of = Controlled(folder(tmp_path), StopFlag())
    with ControlSocket(of) as control:
        thread, found = in_background(ask, of.directory, "stop")
        while of.stop.reason is None:
            time.sleep(0.001)
        time.sleep(6 * CUT_AFTER_S)
        control.link_closed()
        thread.join()
    assert found[0]["hangs"] is False


def test_a_process_without_files_left_is_controlled_when_it_has_some_again(tmp_path: Path) -> None:
    """One refused client ends neither the socket nor the watch of the stop file."""
    directory, limits = folder(tmp_path), resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        ControlSocket(Controlled(directory, StopFlag())) as control,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
    ):
        control.publish({"standing": "allowed"})
        held = [os.open(os.devnull, os.O_RDONLY)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 64, limits[1]))
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            client.connect(str(directory / "control.sock"))
            time.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for number in held:
                os.close(number)
        assert ask(directory, "status")["standing"] == "allowed"


def test_a_stop_file_is_a_stop(tmp_path: Path) -> None:
    directory, stop = folder(tmp_path), StopFlag()
    with ControlSocket(Controlled(directory, stop)):
        (directory / "STOP").touch()
        end = time.monotonic() + 5
        while stop.reason is None and time.monotonic() < end:
            time.sleep(0.01)
    assert stop.reason == "the file STOP"


def test_a_flag_that_is_set_already_cuts_too(tmp_path: Path) -> None:
    """A session that is stopped while it starts is not forgotten."""
    stop, cut = StopFlag(), threading.Event()
    stop.set("early")
    with ControlSocket(Controlled(folder(tmp_path), stop, cut.set)):
        assert cut.wait(5)


def test_a_path_longer_than_an_address_may_be(tmp_path: Path) -> None:
    """The system's limit of 108 bytes does not limit a store."""
    directory = folder(tmp_path / ("x" * 100), "s" * 60)
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        control.publish({"standing": "allowed"})
        assert ask(directory, "status")["standing"] == "allowed"
        assert running_sessions(tmp_path / ("x" * 100)) == [directory]


def test_the_socket_of_a_killed_session_is_replaced(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    left = socket.socket(socket.AF_UNIX)
    with _address(directory) as address:
        left.bind(address)
    left.close()
    with pytest.raises(InputError, match="Connection refused"):
        ask(directory, "status")
    with ControlSocket(Controlled(directory, StopFlag())):
        assert ask(directory, "status")["session_id"] == "s"


@pytest.mark.parametrize(
    "line",
    [b"", b"status\n", b"[1]\n", b'{"do": 1}\n', b'{"do": "sell"}\n', b"\xff\xfe\n", b"{" * 9000],
)
def test_what_is_not_a_request_is_refused(tmp_path: Path, line: bytes) -> None:
    """And the next one is answered."""
    directory = folder(tmp_path)
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        peer = socket.socket(socket.AF_UNIX)
        with peer:
            peer.settimeout(5)
            with _address(directory) as address:
                peer.connect(address)
            peer.sendall(line)
            peer.shutdown(socket.SHUT_WR)
            with peer.makefile("rb") as answer:
                found = json.loads(answer.readline())
        assert list(found) == ["error"]
        assert ask(directory, "status")["session_id"] == "s"
        assert control.take(0) == []


def test_a_client_that_says_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    directory = folder(tmp_path)
    with ControlSocket(Controlled(directory, StopFlag())):
        peers = [socket.socket(socket.AF_UNIX) for _ in range(8)]
        for peer in peers:
            with _address(directory) as address:
                peer.connect(address)
        started = time.monotonic()
        ask(directory, "status")
        assert time.monotonic() - started < 0.9
        for peer in peers:
            peer.close()


def test_a_forked_child_leaves_the_socket(tmp_path: Path) -> None:
    """When the parent is gone, a child that lives on does not answer for it."""
    directory = folder(tmp_path)
    read, write = os.pipe()
    with ControlSocket(Controlled(directory, StopFlag())) as control:
        assert control._listener is not None
        number = control._listener.fileno()
        if (child := os.fork()) == 0:
            try:
                target = Path(f"/proc/self/fd/{number}").readlink()
                os.write(write, bytes(target))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert os.read(read, 99) == b"/dev/null"
    os.close(read)
    os.close(write)
