"""Stop commands that hang: time from a signal to the exit, the exit code, and what is left in the store.

    python benchmarks/stopping.py --json
    python benchmarks/stopping.py --only loop,native

Each kind of hang is a separate process on the loopback, twice: with one signal, and with a second one 0.5 s
after the first. Signals are SIGINT, SIGTERM and SIGHUP in turn. Then the store is recovered by `vectra-bot
store recover`, and must be as the process left its journal: every document that was there at the exit has its
row (`lost`), every request in the exchange's log its action (`unproven`), `store check` finds no problem.

`first_signal_to_exit_s` must be at most 5, `second_signal_to_exit_s` at most 0.2 (null: the process ended
before). The exit code is 128 plus the signal's number; where native code keeps the interpreter lock the
process is killed (137). `left` is what the process said to be unfinished. One JSON object is printed, with
`over_goal`; the exit code is 1 if that is not empty.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from attrs import frozen

from vectra_bot.errors import InputError
from vectra_bot.journal import journal_directory, read_journal

FIRST_GOAL_S = 5.0
SECOND_GOAL_S = 0.2
BETWEEN_S = 0.5
START_S = 90
EXIT_S = 30
KILLED = 137
SESSION = "stopped"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HERE = Path(__file__).resolve().parent
HANGS = str(HERE / "stopping_hangs.py")
RUN = ["run", f"{HANGS}:Hanging", "--games", "50", "--seed", "7", "--json", "--session-id", SESSION,
       "--store", "{store}", "--exchange-log", "{root}/requests"]  # fmt: skip
WATCH = ["run", "watch", "--seed", "7", "--json", "--session-id", SESSION, "--store", "{store}"]


@frozen(kw_only=True)
class Case:
    """One kind of hang.

    Attributes:
        command: arguments of the command line; `{store}`, `{root}` and `{port}` are filled in.
        hang: `$HANG` of the process.
        ready: returns whether it hangs, called until it does; by default when the mark is there.
        slow_disk: whether syncs hang once the mark is there.
        before: prepares the folder.
        pipe: whether standard output is a pipe that is full and not read.
        code: the exit code, if it is not 128 plus the signal's number.
    """

    command: list[str]
    hang: str = ""
    ready: Callable[[Trial], bool] | None = None
    slow_disk: bool = False
    before: Callable[[Trial], None] | None = None
    pipe: bool = False
    code: int | None = None


@frozen(kw_only=True)
class Trial:
    """One process of a case, and its folder."""

    case: Case
    root: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> Path:
        """The store."""
        return self.root / "store"

    @property
    def mark(self) -> Path:
        """The file that is there when it hangs."""
        return self.root / "mark"

    def run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command that does not hang."""
        return subprocess.run(
            [sys.executable, "-m", "vectra_bot", *self.filled(arguments)],
            capture_output=True, text=True, timeout=300, check=False, env=self.environment(""),
        )  # fmt: skip

    def filled(self, arguments: list[str]) -> list[str]:
        """Fill in the places of a command."""
        return [
            argument.format(store=self.store, root=self.root, port=self.port)
            for argument in arguments
        ]

    def environment(self, hang: str) -> dict[str, str]:
        """Return the environment of a process."""
        paths = [str(self.root), str(HERE), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "HANG": hang,
            "HANG_MARK": str(self.mark),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "VECTRA_STORE": str(self.store),
            "VECTRA_SPOOL": str(self.root / "spool"),
        }


def entries(trial: Trial) -> int:
    """Return the number of entries in the session's journal."""
    try:
        return sum(1 for _ in read_journal(journal_directory(trial.store, SESSION)))
    except InputError:
        return 0


def marked(trial: Trial) -> bool:
    """Return whether it says that it hangs."""
    return trial.mark.exists()


def recorded(trial: Trial) -> bool:
    """Return whether a session is running."""
    return entries(trial) > 1


def syncing(trial: Trial) -> bool:
    """Make the disk hang when the session runs; return whether a sync hangs."""
    if not trial.mark.exists() and (entries(trial) > 300 or "run" not in trial.case.command):
        trial.mark.touch()
    return Path(f"{trial.mark}.sync").exists()


def after(seconds: float) -> Callable[[Trial], bool]:
    """Return a check that is true some seconds after its first call."""
    started: dict[Path, float] = {}

    def check(trial: Trial) -> bool:
        return time.monotonic() - started.setdefault(trial.root, time.monotonic()) > seconds

    return check


def ended(trial: Trial) -> bool:
    """Return whether the session's journal is closed and what follows has had time to hang."""
    with contextlib.suppress(InputError):
        if any(e.kind == "close" for e in read_journal(journal_directory(trial.store, SESSION))):
            return ENDED(trial)
    return False


def spooled(trial: Trial) -> bool:
    """Return whether a session for the object store runs, and has had time to reach its end."""
    return any(trial.root.glob("spool/**/journals/*")) and SPOOLED(trial)


ENDED = after(2)
SPOOLED = after(3)
HELD: list[socket.socket] = []


def serving(trial: Trial) -> bool:
    """Return whether the server is up, and hold it: half a request, and one that is answered late."""
    with contextlib.suppress(ValueError):
        port = json.loads((trial.root / "out").read_text())["port"]
        for text in (
            "GET /socket.io/?EIO=4",
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            HELD.append(socket.create_connection(("127.0.0.1", port)))
            HELD[-1].sendall(text.encode())
        return True
    return False


def computing(trial: Trial) -> bool:
    """Return whether the process has used four seconds of CPU time: what it imports is imported."""
    assert trial.process is not None
    fields = Path(f"/proc/{trial.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") > 4


def builder_stopped(trial: Trial) -> bool:
    """Flush, stop the process that builds the files, and return whether that is done."""
    assert trial.process is not None
    if not recorded(trial):
        return False
    trial.process.send_signal(signal.SIGUSR1)
    children = Path(f"/proc/{trial.process.pid}/task/{trial.process.pid}/children").read_text()
    for child in children.split():
        if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGSTOP)
            return True
    return False


def with_session(trial: Trial) -> None:
    """Write a session, with files to compact, before the command that hangs."""
    done = trial.run([*WATCH, "--games", "3"])
    assert done.returncode == 0, done.stderr


def with_capture(trial: Trial) -> None:
    """Write a capture to import: the journal's folder of a session elsewhere."""
    with_session(trial)
    shutil.copytree(trial.store, trial.root / "other")
    shutil.rmtree(trial.store)


def with_killed(trial: Trial) -> None:
    """Leave a session that was killed."""
    command = [sys.executable, "-m", "vectra_bot", *trial.filled([*WATCH, "--games", "100000"])]
    with subprocess.Popen(command, env=trial.environment(""), stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: recorded(trial), process)
        process.kill()


def with_plugin(trial: Trial) -> None:
    """Install the plugin by its entry point."""
    info = trial.root / "hanging-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[vectra_bot.plugins]\nhanging = stopping_hangs:HangingPlugin\n"
    )


REMOTE = "s3://bucket/prefix?endpoint_override=127.0.0.1:{port}&scheme=http&region=none"
LONG_QUERY = (
    "SELECT count(*) FROM range(99999) a, range(99999) b, range(99999) c "
    "WHERE a.range * b.range % 7 = c.range"
)
STORE = ["--store", "{store}", "--json"]
CASES: dict[str, Case] = {
    "loop": Case(command=RUN, hang="loop"),
    "sleep": Case(command=RUN, hang="sleep"),
    "swallow": Case(command=RUN, hang="swallow"),
    "native": Case(command=RUN, hang="native", code=KILLED),
    "native-lock": Case(command=RUN, hang="native-lock"),
    "import": Case(command=RUN, hang="import"),
    "thread": Case(command=RUN, hang="thread"),
    "child": Case(command=RUN, hang="child"),
    "replay": Case(
        command=["replay", "{store}/journals/" + SESSION, "--strategy", f"{HANGS}:Hanging",
                 "--store", "{root}/second", "--json"],
        hang="loop", before=with_session,
    ),
    "plugin": Case(command=[*RUN, "--plugin", "hanging"], hang="plugin", before=with_plugin),
    "plugin-end": Case(
        command=[*RUN, "--plugin", "hanging", "--games", "1"], hang="plugin-end", before=with_plugin
    ),
    "disk": Case(command=[*WATCH, "--games", "100000"], ready=syncing, slow_disk=True),
    "builder": Case(command=[*WATCH, "--games", "100000"], ready=builder_stopped),
    "object-store": Case(
        command=["run", "watch", "--games", "3", "--json", "--store", REMOTE], ready=spooled
    ),
    "output": Case(command=[*WATCH, "--games", "1"], ready=ended, pipe=True),
    "pace": Case(command=[*RUN, "--speed", "1e-9"], ready=recorded),
    "venue": Case(
        command=["record", "--venue", "http://127.0.0.1:{port}", "--session-id", SESSION, *STORE],
        ready=recorded,
    ),
    "serve": Case(command=["serve", "--port", "0", "--json"], ready=serving),
    "query": Case(command=["query", LONG_QUERY, *STORE], before=with_session, ready=computing),
    "compact": Case(
        command=["store", "compact", "--all", *STORE], before=with_session, ready=syncing,
        slow_disk=True,
    ),
    "recover": Case(
        command=["store", "recover", *STORE], before=with_killed, ready=syncing, slow_disk=True
    ),
    "store-import": Case(
        command=["store", "import", "{root}/other/journals", *STORE], before=with_capture,
        ready=syncing, slow_disk=True,
    ),
    "odds": Case(command=["odds", "--simulate", "100000000", "--json"], ready=computing),
}  # fmt: skip


def wait_for(check: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until *check* is true; the process must not end meanwhile."""
    end = time.monotonic() + START_S
    while not check():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"it did not hang: exit code {process.poll()}")
        time.sleep(0.05)


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections on a port of the loopback and answer nothing; yield the port."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
    for connection in taken:
        connection.close()


@contextlib.contextmanager
def started(trial: Trial) -> Iterator[Trial]:
    """Start the process of a trial."""
    case = trial.case
    program = [HANGS] if case.slow_disk else ["-m", "vectra_bot"]
    output: int | None = None
    ends: tuple[int, ...] = ()
    if case.pipe:
        ends = os.pipe()
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
        os.write(ends[1], bytes(4096))
        output = ends[1]
    with (trial.root / "out").open("wb") as out, (trial.root / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *program, *trial.filled(case.command)],
            env=trial.environment(case.hang),
            stdout=out if output is None else output,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield Trial(case=case, root=trial.root, port=trial.port, process=process)
        finally:
            process.kill()
            process.wait()
            for end in ends:
                os.close(end)


def stop(trial: Trial, number: signal.Signals, *, twice: bool) -> tuple[float | None, int]:
    """Send the signals; return the seconds from the last one to the exit, and the exit code.

    The seconds are None if the first of two was enough.
    """
    process = trial.process
    assert process is not None
    sent = time.monotonic()
    process.send_signal(number)
    if twice:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return None, _shell_code(process.wait(BETWEEN_S))
        sent = time.monotonic()
        process.send_signal(number)
    try:
        code = process.wait(EXIT_S)
    except subprocess.TimeoutExpired:
        code = 0
    return time.monotonic() - sent, _shell_code(code)


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def left_in_journal(trial: Trial) -> Counter[str]:
    """Return the number of documents in the session's journal by type."""
    found: Counter[str] = Counter()
    with contextlib.suppress(InputError):
        for entry in read_journal(journal_directory(trial.store, SESSION)):
            if entry.kind == "doc":
                found[entry.data["doc_type"]] += 1
    return found


def rows(trial: Trial, doc_type: str, column: str = "seq") -> list[Any]:
    """Return a column of the session's documents."""
    found: list[Any] = []
    for path in sorted(trial.store.glob(f"**/doc_type={doc_type}/**/*.parquet")):
        found += pq.ParquetFile(path).read(columns=[column]).column(column).to_pylist()
    return found


def recover(trial: Trial) -> dict[str, Any]:
    """Recover the store, and compare it with what the process left."""
    if not (trial.store / "journals").is_dir():
        return {"recovered": None}
    before = left_in_journal(trial)
    recovery, check = (trial.run(["store", what, *STORE]) for what in ("recover", "check"))
    # Recovery decides open actions, so there may be more documents than before, never fewer.
    lost = sum(max(0, count - len(rows(trial, kind))) for kind, count in before.items())
    requests = trial.root / "requests"
    lines = requests.read_text().splitlines() if requests.exists() else []
    proven = set(rows(trial, "player_action", "trace_id"))
    unproven = sum(json.loads(line)["trace_id"] not in proven for line in lines)
    return {
        "recovered": recovery.returncode == 0 and check.returncode == 0,
        "documents": sum(before.values()),
        "lost": lost,
        "requests": len(lines),
        "unproven": unproven,
    }


def said(trial: Trial) -> str:
    """Return what the process said to be unfinished, or its last line."""
    with contextlib.suppress(ValueError, KeyError):
        report = json.loads((trial.root / "out").read_text())
        return "; ".join(report.get("unfinished", report.get("session", {}).get("unfinished", [])))
    lines = (trial.root / "err").read_text().splitlines()
    return lines[-1] if lines else ""


def measure(name: str, number: signal.Signals, folder: Path) -> dict[str, Any]:
    """Hang twice, and stop it by one signal and by two."""
    found: dict[str, Any] = {"case": name, "signal": number.name}
    for twice in (False, True):
        what = "second" if twice else "first"
        root = folder / f"{name}-{what}"
        root.mkdir()
        with silent_server() as port:
            trial = Trial(case=CASES[name], root=root, port=port)
            if trial.case.before is not None:
                trial.case.before(trial)
            with started(trial) as hanging:
                assert hanging.process is not None
                check = trial.case.ready or marked
                wait_for(lambda: check(hanging), hanging.process)  # noqa: B023 - called here
                seconds, code = stop(hanging, number, twice=twice)
        found[f"{what}_signal_to_exit_s"] = None if seconds is None else round(seconds, 3)
        found[f"{what}_exit_code"] = code
        found[f"{what}_left"] = said(trial).replace(str(root), "")
        found[f"{what}_store"] = recover(trial)
        shutil.rmtree(root, ignore_errors=True)
    return found


def over_goal(found: dict[str, Any]) -> list[str]:
    """Return the goals that a case missed."""
    case = CASES[found["case"]]
    code = case.code or 128 + signal.Signals[found["signal"]]
    over = []
    for what, goal in (("first", FIRST_GOAL_S), ("second", SECOND_GOAL_S)):
        store = found[f"{what}_store"]
        # A process that ended in order within the half second needed no second signal.
        codes = {code, 128 + signal.Signals[found["signal"]]}
        if (found[f"{what}_signal_to_exit_s"] or 0) > goal:
            over.append(f"{what}_signal_to_exit_s > {goal:g}")
        if found[f"{what}_exit_code"] not in codes:
            over.append(f"{what}_exit_code {found[f'{what}_exit_code']}")
        if store["recovered"] is False or store.get("lost") or store.get("unproven"):
            over.append(f"{what}_store")
    return [f"{found['case']}: {each}" for each in over]


def main() -> int:
    """Stop every kind of hang."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one line instead of many")
    parser.add_argument("--only", default="", metavar="CASE,...", help=f"of {', '.join(CASES)}")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(CASES)
    load, folder = os.getloadavg()[0], Path(tempfile.mkdtemp(prefix="vectra-stopping-"))
    try:
        found = []
        for position, name in enumerate(names):
            found.append(measure(name, SIGNALS[position % len(SIGNALS)], folder))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {
        "cases": found,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "over_goal": [line for each in found for line in over_goal(each)],
    }
    print(json.dumps(figures, indent=None if given.json else 2))
    return 1 if figures["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
