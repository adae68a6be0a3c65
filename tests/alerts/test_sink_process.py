"""A sink in a separate process: made from its parameters, ended when it does not return."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vectra_bot import AlertNotice, AlertSink, param
from vectra_bot.alerts.sink_process import (
    SinkFailed,
    SinkProcess,
    SinkTooSlow,
    can_be_made_again,
    notice_of,
)
from vectra_bot.alerts.sink_runner import SinkRunner
from vectra_bot.clock import VirtualClock, WallClock
from vectra_plugins.alerts.sinks import AlertFile, Services, Toast, Webhook

SINKS = '''
import os, time
from decimal import Decimal
from importlib import import_module
from vectra_bot import AlertSink, param

class Writes(AlertSink):
    """Do what the title says, after noting who does it."""

    name = "writes"
    deadline_s = 2.0
    path: str = param()
    token: str = param("", secret=True)
    share: Decimal = param("0.5")
    often: int | None = param(None)

    def deliver(self, notice):
        print("noise on standard output")
        with open(self.path, "a") as out:
            out.write(f"{os.getpid()} {notice.title} {self.token} {self.share!r} {self.often!r}\\n")
        if notice.title == "raise":
            raise OSError("no route to host")
        if notice.title == "exit":
            os._exit(3)
        while notice.title == "spin":
            pass
        if notice.title == "hang":
            time.sleep(1_000)

    def close(self):
        with open(self.path, "a") as out:
            out.write("closed\\n")
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return an installed module with a sink."""
    (tmp_path / "own_sinks.py").write_text(SINKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield import_module("own_sinks")
    del sys.modules["own_sinks"]


def notice(title: str = "plain") -> AlertNotice:
    """Return a notice."""
    return AlertNotice(
        alert_id="alert-1", kind="my.alert", severity="warning", title=title, message="",
        triggered_at=datetime(2026, 1, 1, tzinfo=UTC), data={"a": [1, {"b": None}]}, sound=True,
    )  # fmt: skip


@pytest.fixture
def process(module: Any, tmp_path: Path) -> Iterator[SinkProcess]:
    """Return the process of a sink, ended after the test."""
    sink = module.Writes(path=str(tmp_path / "out"), token="s3cret-token", share="0.25")
    assert can_be_made_again(sink)
    made = SinkProcess(sink, WallClock())
    made.start()
    yield made
    made.close()


def lines(tmp_path: Path) -> list[str]:
    """Return what the sink wrote."""
    return (tmp_path / "out").read_text().splitlines()


def until_written(folder: Path) -> str:
    """Wait for the first line that the sink writes, and return it."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        if (folder / "out").exists() and (found := lines(folder)):
            return found[0]
        time.sleep(0.005)
    raise AssertionError("the sink has written nothing")


def test_the_sink_has_its_parameters_and_another_process(
    process: SinkProcess, tmp_path: Path
) -> None:
    """Secrets too, which are not arguments of the process."""
    process.deliver(notice())
    process.deliver(notice("again"))
    pid = int(lines(tmp_path)[0].split()[0])

    assert lines(tmp_path) == [
        f"{pid} plain s3cret-token Decimal('0.25') None",
        f"{pid} again s3cret-token Decimal('0.25') None",
    ]
    assert pid != os.getpid()
    if Path("/proc").is_dir():
        assert b"s3cret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"s3cret" not in Path(f"/proc/{pid}/environ").read_bytes()
    process.close()
    assert lines(tmp_path)[-1] == "closed"


def test_what_it_raises_is_said_and_it_goes_on(process: SinkProcess, tmp_path: Path) -> None:
    """The next notice goes to the same process."""
    with pytest.raises(SinkFailed, match="OSError: no route to host"):
        process.deliver(notice("raise"))
    process.deliver(notice())

    assert len({line.split()[0] for line in lines(tmp_path)}) == 1


@pytest.mark.parametrize("title", ["spin", "hang"])
def test_what_does_not_return_is_ended(process: SinkProcess, tmp_path: Path, title: str) -> None:
    """Whatever it does; the next notice goes to another process."""
    policies: set[int] = set()

    def deliver() -> None:
        with pytest.raises(SinkTooSlow):
            process.deliver(notice(title))

    delivering = threading.Thread(target=deliver)
    delivering.start()
    first = int(until_written(tmp_path).split()[0])
    while delivering.is_alive():
        if sys.platform == "linux":
            with contextlib.suppress(ProcessLookupError):
                policies.add(os.sched_getscheduler(first))
        time.sleep(0.005)
    if sys.platform == "linux":
        # It gives way to everybody if it computes, and not if it waits.
        assert (os.SCHED_IDLE in policies) == (title == "spin")
        assert os.SCHED_OTHER not in policies
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    process.deliver(notice())

    assert int(lines(tmp_path)[-1].split()[0]) != first


def test_a_process_that_dies_is_started_again(process: SinkProcess, tmp_path: Path) -> None:
    """The notice that it had is lost, and that is said."""
    with pytest.raises(SinkFailed, match="its process ended"):
        process.deliver(notice("exit"))
    process.deliver(notice())
    os.kill(int(lines(tmp_path)[-1].split()[0]), signal.SIGKILL)
    with pytest.raises(SinkFailed, match="its process ended"):
        process.deliver(notice())
    process.deliver(notice("last"))

    assert lines(tmp_path)[-1].split()[1] == "last"


def test_a_process_ends_with_its_session(process: SinkProcess, tmp_path: Path) -> None:
    """Also while a call does not return."""
    process.deliver(notice())
    pid = int(lines(tmp_path)[0].split()[0])
    child = process._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.write(b'{"type": "x"}\n')
    child.stdin.close()

    assert child.wait(30) is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


class Local(AlertSink):
    """Is in a module of tests."""

    name = "local"
    often: int = param(1)


def test_which_sinks_get_a_process() -> None:
    """Those whose class is found by its module, unless they need the session's."""

    class Inner(Local):
        """Is in a function."""

    webhook = Webhook(url="https://host/x")
    assert can_be_made_again(webhook)
    assert not can_be_made_again(Inner())
    assert not can_be_made_again(Toast())
    assert not can_be_made_again(AlertFile(path="x"))
    Local.__module__ = "__main__"
    assert not can_be_made_again(Local())
    assert Services.in_process is False


def test_a_notice_survives_the_pipe() -> None:
    """With everything it has."""
    assert notice_of(notice().to_json()) == notice()


def test_a_runner_names_what_its_process_does(module: Any, tmp_path: Path) -> None:
    """And counts it: delivered, failed, late."""
    said: list[tuple[str, str, str]] = []
    sink = module.Writes(path=str(tmp_path / "out"))
    runner = SinkRunner(sink, WallClock(), lambda *words: said.append(words))
    runner.start()
    for title in ("plain", "raise", "spin", "plain"):
        runner.put(notice(title), float("inf"))
    runner.close()
    assert runner.wait(60) == 0
    while any(thread.name == "alerts-writes" for thread in threading.enumerate()):
        time.sleep(0.01)

    assert runner.counts.to_json() == {
        "delivered": 2, "failed": 1, "late": 1, "dropped": 0, "expired": 0
    }  # fmt: skip
    assert said == [
        ("writes", "failed", "OSError: no route to host"),
        ("writes", "late", "a call did not return within 2 s"),
    ]
    assert Decimal(sink.share) == Decimal("0.5")


def test_a_process_that_is_not_ready_is_named(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, when an alert waits for it; a class that cannot be made is named with the reason."""
    said: list[tuple[str, str, str]] = []
    clock = VirtualClock(0)
    runner = SinkRunner(module.Writes(path=str(tmp_path / "out")), clock, lambda *w: said.append(w))
    runner._process = SinkProcess(runner.sink, WallClock())  # never started
    runner.look()
    runner.put(notice(), float("inf"))
    for _ in range(3):
        runner.look()
        clock.advance_to(clock.now_ns() + 3 * 10**9)
    runner.look()
    assert said == [("writes", "late", "its process is not ready, and alerts wait for it")]

    monkeypatch.delattr(module, "Writes")
    (tmp_path / "own_sinks.py").write_text("raise ImportError('no library')")
    made = SinkRunner(runner.sink, WallClock(), lambda *words: said.append(words))
    made.start()
    made.close()
    made.wait(60)
    while any(thread.name == "alerts-writes" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert said[1:] == [("writes", "failed", "its process cannot make it: ImportError: no library")]
