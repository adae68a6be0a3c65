"""The control of a running session: its status, and the commands of an operator.

A thread serves a Unix socket of mode 0600 in the folder of the session's journal, so that status and stop
work while a callback of the strategy hangs. A request is one line of JSON, ``{"do": "halt", "reason": ""}``;
and so is the answer. Commands wait for the session's loop, which journals each as an
:class:`~vectra_bot.models.OperatorCommand`; a stop acts at once: from then on the gateway sends nothing, and
if the loop has not closed the link within 50 ms, the link is cut. An empty file ``STOP`` in the folder is a
stop as well, for where no socket can be used.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from attrs import define, field, frozen

from vectra_bot.clock import Clock, WallClock
from vectra_bot.errors import InputError, StoreError, safe_text
from vectra_bot.fsio import forks
from vectra_bot.journal import journal_directory
from vectra_bot.models import OperatorCommand, OperatorKind
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.session.flags import StopFlag
from vectra_bot.store.location import default_live_store, default_store
from vectra_bot.store.remote.address import RemoteStore, parse_store

SOCKET_NAME: Final = "control.sock"
STOP_NAME: Final = "STOP"
CUT_AFTER_S: Final = 0.05
"""Time in which the loop of a stopped session must close its link."""
STALE_MS: Final = 2_000
"""Age from which a status says nothing about now."""
UNKNOWN: Final = "unknown"
"""Word for telemetry that is missing."""

# What an old status says nothing about.
_PASSING: Final = frozenset(
    {
        "link",
        "data_age_ms",
        "rtt_ms",
        "token_left_s",
        "phase",
        "tick",
        "price",
        "pending",
        "unknown",
    }
)
_LOOK_S: Final = 0.1
_IO_S: Final = 1.0
_ANSWER_S: Final = 1.0
_ASK_S: Final = 5.0
_MAX_LINE: Final = 4_096
_MAX_ANSWER: Final = 1 << 20
_MAX_WAITING: Final = 64
_MAX_CLIENTS: Final = 16
_MAX_REASON: Final = 200
# The system's limit on the length of a socket's address is 104 to 108 bytes.
_MAX_PATH: Final = 100

log = logging.getLogger(__name__)


@define(eq=False)
class OperatorRequest:
    """A command that waits for the session's loop; ``done`` is set when the engine has processed it."""

    kind: OperatorKind
    reason: str
    done: threading.Event = field(factory=threading.Event)


@frozen(eq=False)
class Controlled:
    """What a control acts on.

    Attributes:
        directory: the journal's folder.
        stop: the flag that ends the session.
        cut: closes the session's link at once, in any thread.
        woken: called in the thread of a stop, to wake the session's loop.
    """

    directory: Path
    stop: StopFlag
    cut: Callable[[], object] = lambda: None
    woken: Callable[[], object] = lambda: None


@define(eq=False)
class ControlSocket(AbstractContextManager["ControlSocket"]):
    """Serves the control socket of one session while its context is open.

    Its methods are called by the session's loop.
    """

    of: Controlled
    clock: Clock = field(factory=WallClock)
    _waiting: deque[OperatorRequest] = field(factory=deque)
    _taken: list[OperatorRequest] = field(factory=list)
    _status: Mapping[str, Any] = field(factory=dict)
    _status_ns: int | None = None
    _link_closed: threading.Event = field(factory=threading.Event)
    _over: threading.Event = field(factory=threading.Event)
    _clients: threading.Semaphore = field(factory=lambda: threading.Semaphore(_MAX_CLIENTS))
    _listener: socket.socket | None = None
    _thread: threading.Thread | None = None
    _refused: bool = False

    def __enter__(self) -> Self:
        self.of.stop.on_set = self._on_stop
        if self.of.stop.reason is not None:
            self._on_stop()
        try:
            self._listener = _listen(self.of.directory)
        except OSError as error:
            log.warning(
                "session=%s has no control socket (%s): stop it by the file %s or a signal",
                self.of.directory.name, error.strerror or error, self.of.directory / STOP_NAME,
            )  # fmt: skip
        forks.left_by_children(self)
        self._thread = threading.Thread(target=self._serve, name="session-control", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._link_closed.set()
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * _IO_S)
        for request in (*self._taken, *self._waiting):
            request.done.set()

    def leave(self) -> None:
        """Close a forked child's copy of the socket."""
        listener = self._listener
        if listener is not None and listener.fileno() >= 0:
            forks.close_copy(listener.fileno())

    # The session's loop.

    def take(self, now_ns: int) -> list[OperatorCommand]:
        """Return the commands that wait, as inputs at *now_ns*; earlier ones count as processed."""
        self.processed()
        found = []
        while self._waiting:
            request = self._waiting.popleft()
            self._taken.append(request)
            found.append(OperatorCommand(recv_ns=now_ns, kind=request.kind, reason=request.reason))
        return found

    def processed(self) -> None:
        """Answer those whose commands were taken."""
        for request in self._taken:
            request.done.set()
        self._taken.clear()

    def submit(self, kind: OperatorKind, reason: str) -> None:
        """Queue a command of the session itself."""
        self._waiting.append(OperatorRequest(kind, reason))

    def publish(self, status: Mapping[str, Any]) -> None:
        """Make *status* what the session says of itself from now on."""
        self._status, self._status_ns = status, self.clock.monotonic_ns()

    def link_closed(self) -> None:
        """Record that the loop has closed the link: a stop need not cut it."""
        self._link_closed.set()

    # The threads.

    def status(self) -> dict[str, Any]:
        """Return the last status with its age; what is too old to be true now is unknown."""
        status, at_ns = dict(self._status), self._status_ns
        if at_ns is None:
            return {"session_id": self.of.directory.name, "pid": os.getpid(), "standing": UNKNOWN,
                    "reasons": ["the session is starting"], "age_ms": UNKNOWN}  # fmt: skip
        age_ms = (self.clock.monotonic_ns() - at_ns) // NS_PER_MS
        status["age_ms"] = age_ms
        if age_ms > STALE_MS:
            status["standing"] = UNKNOWN
            late = f"the session's loop has not run for {age_ms / 1000:.1f} s: a callback may hang"
            status["reasons"] = [late, *status.get("reasons", ())]
            status |= dict.fromkeys(_PASSING & status.keys(), UNKNOWN)
        return status

    def _on_stop(self) -> None:
        """Wake the loop, and cut the link if it does not close it in time; called by who sets the flag."""
        self.of.woken()
        if not self._link_closed.is_set():
            threading.Thread(target=self._cut_if_late, name="session-cut", daemon=True).start()

    def _cut_if_late(self) -> None:
        if not self._link_closed.wait(CUT_AFTER_S):
            self.of.cut()

    def _serve(self) -> None:
        listener, stop_file = self._listener, self.of.directory / STOP_NAME
        try:
            while not self._over.is_set():
                if self.of.stop.reason is None and stop_file.exists():
                    self._stop(f"the file {STOP_NAME}")
                if listener is None:
                    self._over.wait(_LOOK_S)
                elif select.select([listener], [], [], _LOOK_S)[0]:
                    self._accept_if_possible(listener)
        except (OSError, ValueError) as error:
            log.warning("session=%s control socket: %s", self.of.directory.name, error)
        finally:
            if listener is not None:
                listener.close()
                with contextlib.suppress(OSError):
                    (self.of.directory / SOCKET_NAME).unlink()

    def _accept_if_possible(self, listener: socket.socket) -> None:
        """Serve a client; without a file or a thread left it waits, and the stop file still works."""
        try:
            self._accept(listener)
        except (OSError, RuntimeError) as error:
            if not self._refused:
                log.warning("session=%s control socket: %s", self.of.directory.name, error)
            self._refused = True
            self._over.wait(_LOOK_S)
        else:
            self._refused = False

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        if not self._clients.acquire(blocking=False):
            client.close()
            return
        try:
            threading.Thread(
                target=self._converse, args=(client,), name="session-control", daemon=True
            ).start()
        except RuntimeError:
            client.close()
            self._clients.release()
            raise

    def _converse(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(_IO_S)
                answer = self._answer(_read_line(client, _MAX_LINE))
                client.sendall(json.dumps(answer, default=str, allow_nan=False).encode() + b"\n")
        except (OSError, ValueError):
            return  # who asked has left, or did not ask in time
        finally:
            self._clients.release()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            word, reason = request["do"], safe_text(request.get("reason", ""), _MAX_REASON)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {"error": 'a request is one line of JSON: {"do": "status"}'}
        if word == "status":
            return self.status()
        try:
            kind = OperatorKind(word)
        except ValueError:
            known = ", ".join(("status", *(kind.value for kind in OperatorKind)))
            return {"error": f"no request is named {safe_text(word, 40)!r}: give one of {known}"}
        if kind is OperatorKind.STOP:
            return self._stop(reason)
        return self._command(OperatorRequest(kind, reason))

    def _command(self, request: OperatorRequest) -> dict[str, Any]:
        if self.of.stop.reason is not None:
            return {"error": f"the session is stopping ({self.of.stop.reason})"}
        if len(self._waiting) >= _MAX_WAITING:
            return {"error": f"{_MAX_WAITING} commands wait already: the session's loop may hang"}
        self._waiting.append(request)
        done = request.done.wait(_ANSWER_S)
        return self._after(request.kind, done=done, hangs=not done)

    def _stop(self, reason: str) -> dict[str, Any]:
        request = OperatorRequest(OperatorKind.STOP, reason)
        if self.of.stop.reason is None:
            self._waiting.append(request)
        self.of.stop.set(reason or "by the operator")
        # The gateway reads the flag already. A venue far away takes a while to answer the end of the link,
        # which says nothing of the loop.
        in_order = self._link_closed.wait(_ANSWER_S)
        return self._after(request.kind, done=True, hangs=not in_order)

    def _after(self, kind: OperatorKind, *, done: bool, hangs: bool) -> dict[str, Any]:
        status = self.status()
        found = {
            "do": kind.value,
            "done": done,
            "hangs": hangs,
            "session_id": self.of.directory.name,
        }
        return found | {key: status.get(key, UNKNOWN) for key in ("pid", "standing", "reasons")}


def _listen(directory: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path = directory / SOCKET_NAME
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # of a process that was killed
        with _address(directory) as address:
            listener.bind(address)
        path.chmod(0o600)  # before anybody can connect
        listener.listen(_MAX_CLIENTS)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def _address(directory: Path) -> Iterator[str]:
    """Yield an address of the socket in *directory* that is short enough for the system."""
    path = str((directory / SOCKET_NAME).absolute())
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield path
        return
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def _read_line(peer: socket.socket, most: int) -> bytes:
    found = b""
    while not found.endswith(b"\n") and len(found) < most:
        more = peer.recv(4_096)
        if not more:
            break
        found += more
    return found


def ask(directory: Path, word: str, reason: str = "") -> dict[str, Any]:
    """Send a request to the session whose journal is in *directory* and return its answer.

    Args:
        directory: the journal's folder.
        word: ``status``, or the value of an :class:`~vectra_bot.models.OperatorKind`.
        reason: what the journal says of the reason.

    Raises:
        InputError: no session with a control socket runs there, or it refused the request.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with peer:
        peer.settimeout(_ASK_S)
        try:
            with _address(directory) as address:
                peer.connect(address)
            peer.sendall(json.dumps({"do": word, "reason": reason}).encode() + b"\n")
            line = _read_line(peer, _MAX_ANSWER)
            answer = json.loads(line)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it did not answer"
            raise InputError(
                f"session {directory.name!r} cannot be reached ({why}): it is not running, or runs without "
                "a control socket"
            ) from None
    if not isinstance(answer, dict) or "error" in answer:
        why = answer.get("error") if isinstance(answer, dict) else "an unreadable answer"
        raise InputError(f"session {directory.name!r} refused {word}: {why}")
    return answer


def running_sessions(store: Path) -> list[Path]:
    """Return the journal folders of the sessions of *store* that answer on their control sockets."""
    found = []
    for path in sorted((store / "journals").glob(f"*/{SOCKET_NAME}")):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with peer, contextlib.suppress(OSError), _address(path.parent) as address:
            peer.settimeout(_IO_S)
            peer.connect(address)
            found.append(path.parent)
    return found


def find_session(session: str | None = None, store: Path | str | None = None) -> Path:
    """Return the journal's folder of a running session.

    Args:
        session: its id; None for the only one that runs.
        store: folder of its store; None for the stores of live and of other sessions.

    Raises:
        InputError: no such session, none runs, or several run and none was named.
        StoreError: there is no such store.
    """
    folders = _folders(store)
    where = " or ".join(map(str, folders))
    if session is not None:
        for folder in folders:
            directory = journal_directory(folder, session)
            if directory.is_dir():
                return directory
        raise InputError(f"no session {session!r} in {where}: name one that runs, or its --store")
    running = [directory for folder in folders for directory in running_sessions(folder)]
    if len(running) == 1:
        return running[0]
    if not running:
        raise InputError(f"no session runs in {where}: start one, or give its --store")
    names = ", ".join(directory.name for directory in running)
    raise InputError(f"{len(running)} sessions run ({names}): name one")


def _folders(store: Path | str | None) -> list[Path]:
    """Return the folders of the stores in which a running session may be."""
    given = [store] if store is not None else [default_live_store(), default_store()]
    found = []
    for where in given:
        parsed = parse_store(where)
        found.append(parsed.spool if isinstance(parsed, RemoteStore) else parsed.path)
    if store is not None and not found[0].is_dir():
        raise StoreError(f"no store at {found[0]}: give the --store of the session")
    return list(dict.fromkeys(found))


__all__ = [
    "ControlSocket",
    "Controlled",
    "OperatorRequest",
    "ask",
    "find_session",
    "running_sessions",
]
