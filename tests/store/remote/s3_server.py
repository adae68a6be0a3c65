"""A real S3 server for the tests: moto's, in a separate process on a free port of the loopback.

Run as a program it serves, prints its port, and ends when its standard input ends, so that it never
outlives the tests. Requests to ``/__faults__`` (no bucket has that name) inject faults: ``{"after": N,
"count": M, "action": A, "pid": P}`` lets N more requests pass and fails the M after them:

========  ======================================================================
503       is returned instead of a response
before    process P is killed, the request is not carried out
after     the request is carried out, then process P is killed
========  ======================================================================

A GET there returns the number of requests since.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Self

FAULTS = "/__faults__"
BUCKET = "bucket"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+of=the/tests",
    "AWS_SESSION_TOKEN": "canary-token-of-the-tests",
}
"""Credentials accepted by the server; they must never be written anywhere."""


class _Faulty:
    """A WSGI wrapper that makes requests fail."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._plan: dict[str, Any] = {"after": 0, "count": 0, "action": "", "pid": 0}
        self._seen = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == FAULTS:
            return self._control(environ, start)
        with self._lock:
            number = self._seen
            self._seen += 1
            plan = self._plan
        spoiled = plan["after"] <= number < plan["after"] + plan["count"]
        action = plan["action"] if spoiled else ""
        if action == "before":
            os.kill(plan["pid"], signal.SIGKILL)
        if action in ("before", "503"):
            start("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        answer: Iterable[bytes] = self._app(environ, start)
        if action == "after":
            answer = [b"".join(answer)]
            os.kill(plan["pid"], signal.SIGKILL)
        return answer

    def _control(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        with self._lock:
            if environ["REQUEST_METHOD"] == "POST":
                self._plan = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                self._seen = 0
            body = json.dumps({"seen": self._seen}).encode()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]


def serve(port: int) -> None:
    """Serve until the standard input ends."""
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = _Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, app, threaded=True)

    def end() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


def why_not() -> str:
    """Return why no server can be started here, "" if one can."""
    missing = [name for name in ("moto", "flask", "flask_cors") if find_spec(name) is None]
    return f"the test server is not installed: no {missing[0]}" if missing else ""


class S3Server:
    """A running server; use it as a context manager."""

    def __init__(self, port: int = 0) -> None:
        environment = {**os.environ, **CREDENTIALS}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.make_bucket()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def url(self, prefix: str = "") -> str:
        """Return the address of a store in this server."""
        return f"s3://{BUCKET}/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def make_bucket(self) -> None:
        """Create the bucket if the server is new."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT")
        with urllib.request.urlopen(request, timeout=20):
            pass

    def spoil(self, after: int, count: int = 1, action: str = "503", pid: int = 0) -> None:
        """Let *after* more requests pass and fail *count* after them; count requests from 0 again."""
        plan = {"after": after, "count": count, "action": action, "pid": pid}
        self._faults(json.dumps(plan).encode())

    def seen(self) -> int:
        """Return how many requests there were since :meth:`spoil`."""
        return int(self._faults(None)["seen"])

    def _faults(self, data: bytes | None) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}{FAULTS}"
        with urllib.request.urlopen(url, data=data, timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stop(self) -> None:
        """Kill the server: its data is lost."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


if __name__ == "__main__":
    threading.Timer(600, os._exit, (1,)).start()  # whatever happens, it ends
    serve(int(sys.argv[1]))
