"""The bundled sinks against real receivers: a file, a web server, a notification service, Apprise."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.samples import HOSTILE
from tests.alerts.test_sink import Tags, is_harmless
from tests.plugins.desktop_service import NotificationService
from vectra_bot import AlertNotice, AlertSink, PluginError, configure
from vectra_bot.alerts.sink import harmless
from vectra_bot.errors import ConfigError
from vectra_bot.redaction import redacted
from vectra_plugins.alerts.sinks import AlertFile, AlertSinks, Desktop, Services, Toast, Webhook

# Apprise imports what a later Python has not.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

CANARY = "canary-7f3a91"


def notice(title: str = "Title", severity: str = "warning", **more: Any) -> AlertNotice:
    """Return a notice as delivery makes it, about *title*."""
    return AlertNotice(
        alert_id="alert-1",
        kind="my.alert",
        severity=severity,
        title=harmless(title, 120),
        message=harmless(f"{title} bought"),
        triggered_at=datetime(2026, 1, 1, tzinfo=UTC),
        **more,
    )


def registered(**settings: Any) -> list[AlertSink]:
    """Return the sinks that the plugin registers with these parameters."""
    found: list[AlertSink] = []
    configure(AlertSinks, settings).register_alert_sinks(found.append)
    return found


def test_only_what_is_set_is_registered(tmp_path: Path) -> None:
    """The terminal unless it is switched off; services with their addresses."""
    everything = registered(
        desktop=True, file=str(tmp_path / "a"), webhook="https://host/x", apprise="json://localhost"
    )

    assert [one.name for one in registered()] == ["terminal"]
    assert registered(terminal=False) == []
    assert [one.name for one in everything] == ["terminal", "desktop", "file", "webhook", "apprise"]
    assert [one.name for one in everything if not one.interrupts] == ["file"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_toast_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a player is named; the bell only on a terminal, for an alert with sound."""
    out = StringIO()
    monkeypatch.setattr("sys.stderr", out)
    Toast().deliver(notice(HOSTILE[name], sound=True))

    line = out.getvalue()
    assert line.endswith("\n")
    assert is_harmless(line[:-1])
    assert line.startswith("[!] ")


def test_a_toast_rings_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and only for an alert with sound."""
    out = StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", out)
    Toast().deliver(notice("x", "error", sound=True))
    Toast().deliver(notice("y", "success"))

    assert out.getvalue() == "\a[!!] x: x bought\n[+] y: y bought\n"


def test_the_file_has_one_object_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable for its owner only; a large one is moved aside; a symbolic link is refused."""
    path = tmp_path / "logs" / "alerts.jsonl"
    sink = AlertFile(path=str(path))
    for text in HOSTILE.values():
        sink.deliver(notice(text))

    lines = path.read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["my.alert"] * len(HOSTILE)
    assert all(is_harmless(line) and line.isascii() for line in lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setattr("vectra_plugins.alerts.sinks._ROTATE_BYTES", 1)
    sink.deliver(notice())
    assert not path.exists()
    assert len((tmp_path / "logs" / "alerts.jsonl.1").read_text().splitlines()) == len(HOSTILE) + 1
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        sink.deliver(notice())


class Receiver(ThreadingHTTPServer):
    """A web server that keeps what is posted to it, and answers with a status by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, Any]] = []

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers a post."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        status = int(self.path.strip("/").split("-")[0])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url("200-other"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Serve on loopback."""
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_webhook_gets_json(receiver: Receiver) -> None:
    """With a text for services that show one; every text is harmless."""
    sink = Webhook(url=receiver.url("200"))
    for text in HOSTILE.values():
        sink.deliver(notice(text))

    for (_, body), text in zip(receiver.got, HOSTILE.values(), strict=True):
        assert body == {"text": body["text"], **notice(text).to_json()}
        assert is_harmless(body["text"])
        assert "@" not in body["text"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_a_failure(receiver: Receiver, status: int) -> None:
    """A redirection is not followed: the address is a secret; no message has it."""
    sink = Webhook(url=receiver.url(f"{status}-{CANARY}"))

    with pytest.raises(RuntimeError, match=f"the webhook answered {status}") as raised:
        sink.deliver(notice())

    assert CANARY not in str(raised.value)
    assert len(receiver.got) == 1


def test_addresses_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, a message of an error, or a log."""
    url = f"http://127.0.0.1:9/{CANARY}"
    hook = Webhook(url=url)
    plugin = configure(AlertSinks, {"webhook": url, "apprise": f"json://{CANARY}@127.0.0.1:9/"})
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(OSError, match="Cannot connect to host 127") as raised:
            hook.deliver(notice())
        with pytest.raises(RuntimeError, match="not every service accepted it"):
            registered(apprise=f"json://{CANARY}@127.0.0.1:9/")[-1].deliver(notice())
        with pytest.raises(PluginError) as unknown:
            registered(apprise=f"json://localhost nosuch://{CANARY}")
        with pytest.raises(PluginError) as unsafe:
            registered(webhook=f"http://example.org/{CANARY}")
    with pytest.raises(ConfigError, match="env:NAME"):
        configure(AlertSinks, {"webhook": written(url)})

    assert "address 2 of apprise" in str(unknown.value)
    texts = [repr(hook), repr(plugin), str(raised.value), str(unknown.value), str(unsafe.value)]
    assert CANARY not in "".join(texts)
    assert CANARY not in "".join(redacted(record.getMessage()) for record in caplog.records)


def written(text: str) -> Any:
    """Return *text* as the command line gives it."""
    from vectra_bot.config import read_secret
    from vectra_bot.params import WrittenText

    return WrittenText(text, read_secret)


@pytest.fixture
def services() -> Iterator[dict[str, list[str]]]:
    """Register services of Apprise that keep what they are sent, for text, HTML and Markdown."""
    import apprise

    got: dict[str, list[str]] = {}

    def keep(kind: str) -> None:
        class Keeper(apprise.NotifyBase):
            """Keeps bodies."""

            service_name = f"keep {kind}"
            protocol = f"keep{kind}"
            notify_format = kind
            templates = ("{schema}://",)

            def send(self, body: str, title: str = "", **_: Any) -> bool:
                got.setdefault(kind, []).append(f"{title}{body}")
                return True

            def url(self, *_: Any, **__: Any) -> str:
                return f"keep{kind}://"

            @staticmethod
            def parse_url(url: str) -> dict[str, Any] | None:
                return apprise.NotifyBase.parse_url(url, verify_host=False)

        apprise.NotificationManager().add(Keeper, schemas=f"keep{kind}", force=True)

    for kind in ("text", "html", "markdown"):
        keep(kind)
    yield got
    for kind in ("text", "html", "markdown"):
        apprise.NotificationManager().remove(f"keep{kind}")


def test_services_get_what_is_harmless_in_their_format(services: dict[str, list[str]]) -> None:
    """Markup of a name is text in plain text, in HTML and in Markdown."""
    (sink,) = registered(terminal=False, apprise="keeptext:// keephtml:// keepmarkdown://")
    for text in HOSTILE.values():
        sink.deliver(notice(text))

    assert {kind: len(got) for kind, got in services.items()} == dict.fromkeys(
        ("text", "html", "markdown"), len(HOSTILE)
    )
    parser = Tags()
    for kind, got in services.items():
        for text in got:
            assert is_harmless(text.replace("\n", " ")), kind
            assert "@" not in html.unescape(text)
            assert "://" not in html.unescape(text)
            parser.feed(text)
    assert set(parser.tags) <= {"p", "b", "strong", "br", "html", "body"}


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a message bus of this test's own, and return its address."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("needs dbus-daemon")
    address = f"unix:path={tmp_path / 'bus'}"
    process = subprocess.Popen(
        [daemon, "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    yield address
    process.kill()
    process.wait()
    process.stdout.close()


async def test_the_desktop_gets_escaped_markup(bus: str) -> None:
    """A notification service takes HTML in the text: a name in it is text."""
    from dbus_fast.aio import MessageBus

    got = (receiver := NotificationService()).got
    service = await MessageBus().connect()
    service.export("/org/freedesktop/Notifications", receiver)
    await service.request_name("org.freedesktop.Notifications")
    sink = Desktop()

    def deliver() -> None:
        for text in HOSTILE.values():
            sink.deliver(notice(text, "error"))
        sink.close()

    await asyncio.to_thread(deliver)
    service.disconnect()
    await service.wait_for_disconnect()

    assert len(got) == len(HOSTILE)
    parser = Tags()
    for (summary, body), text in zip(got, HOSTILE.values(), strict=True):
        assert summary == notice(text).title
        assert html.unescape(body) == notice(text).message
        parser.feed(body)
    assert parser.tags == []


def test_a_desktop_without_a_service_is_a_failure(bus: str) -> None:
    """The library only logs it; here it counts."""
    sink = Desktop()

    with pytest.raises(RuntimeError, match="is a notification service running"):
        sink.deliver(notice())
    sink.close()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr("vectra_plugins.alerts.sinks.find_spec", lambda _: None)

    with pytest.raises(PluginError, match=r"pip install 'vectra-bot\[notify\]'"):
        registered(desktop=True)
    assert isinstance(registered()[0], Toast)
    assert Services.deadline_s == Webhook.deadline_s == 10.0
