"""Bundled sinks of alerts: terminal, desktop, file, webhook, and any service that Apprise knows."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from vectra_bot import AlertNotice, AlertSink, Plugin, PluginError, hookimpl, param

_HERE = ("127.0.0.1", "localhost", "::1")
_ROTATE_BYTES = 10 << 20


class Toast(AlertSink):
    """Print one line on stderr, with the terminal's bell if the alert has a sound."""

    name = "terminal"
    in_process = True  # above the table of a session that runs
    marks: ClassVar[dict[str, str]] = {"info": "i", "success": "+", "warning": "!", "error": "!!"}

    def deliver(self, notice: AlertNotice) -> None:
        """Print *notice*."""
        bell = "\a" if notice.sound and sys.stderr.isatty() else ""
        sys.stderr.write(f"{bell}[{self.marks[notice.severity]}] {notice.line}\n")
        sys.stderr.flush()


class Desktop(AlertSink):
    """Show a notification of the desktop, on Linux (D-Bus) and macOS."""

    name = "desktop"

    def __attrs_post_init__(self) -> None:
        # Where markup is understood, a name in it must not be.
        self._escape: Callable[[str], str] = html.escape if sys.platform == "linux" else str
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notifier: Any = None

    def deliver(self, notice: AlertNotice) -> None:
        """Show *notice*."""
        from desktop_notifier import DEFAULT_SOUND, DesktopNotifier, Urgency

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._notifier = DesktopNotifier("vectra-bot")
        shown: list[bool] = []
        urgency = Urgency.Critical if notice.is_urgent else Urgency.Normal
        self._loop.run_until_complete(
            self._notifier.send(
                title=notice.title,
                message=self._escape(notice.message),
                urgency=urgency,
                sound=DEFAULT_SOUND if notice.sound else None,
                on_dispatched=lambda: shown.append(True),
            )
        )
        if not shown:  # the library only logs why
            raise RuntimeError("the desktop did not accept it: is a notification service running?")

    def close(self) -> None:
        """Close the connection to the desktop."""
        if self._loop is not None:
            bus = getattr(getattr(self._notifier, "_backend", None), "bus", None)
            if bus is not None:
                bus.disconnect()
                self._loop.run_until_complete(bus.wait_for_disconnect())
            self._loop.close()


class Services(AlertSink):
    """Send to services by Apprise: chat, mail, push, SMS; see its list of addresses."""

    name = "apprise"
    deadline_s = 10.0

    urls: str = param(secret=True, help="Apprise addresses, separated by spaces")

    def __attrs_post_init__(self) -> None:
        import apprise

        # Its messages have addresses, and with them tokens.
        logging.getLogger("apprise").disabled = True
        asset = apprise.AppriseAsset(
            interpret_escapes=False, interpret_emojis=False, async_mode=False
        )
        self._services: Any = apprise.Apprise(asset=asset)
        for number, url in enumerate(self.urls.split(), 1):
            if not self._services.add(url):
                raise PluginError(
                    f"address {number} of apprise is not one that Apprise knows: correct it"
                )
        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "success": apprise.NotifyType.SUCCESS,
            "warning": apprise.NotifyType.WARNING,
            "error": apprise.NotifyType.FAILURE,
        }
        self._format = apprise.NotifyFormat.MARKDOWN

    def deliver(self, notice: AlertNotice) -> None:
        """Send *notice* to every service."""
        sent = self._services.notify(
            body=notice.markdown(),
            notify_type=self._kinds[notice.severity],
            body_format=self._format,
        )
        if not sent:
            raise RuntimeError("not every service accepted it")


class Webhook(AlertSink):
    """Post a JSON object to an address."""

    name = "webhook"
    deadline_s = 10.0

    url: str = param(secret=True, help="address, https://... or http:// on this machine")

    def __attrs_post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, scheme = parts.hostname or "", parts.scheme
        except ValueError:
            host = scheme = ""
        if not host or not (scheme == "https" or (scheme == "http" and host in _HERE)):
            raise PluginError(
                "the webhook's address is not https://HOST/..., nor http:// on this machine"
            )

    def deliver(self, notice: AlertNotice) -> None:
        """Post *notice*."""
        asyncio.run(self._post({"text": notice.line, **notice.to_json()}))

    async def _post(self, body: dict[str, Any]) -> None:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=self.deadline_s - 1)
        async with (
            aiohttp.ClientSession(timeout=limit) as http,
            # A redirection could lead the secret in the address elsewhere.
            http.post(self.url, json=body, allow_redirects=False) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise RuntimeError(f"the webhook answered {answer.status}")


class AlertFile(AlertSink):
    """Append one JSON object a line to a file; one of 10 MB is moved to `FILE.1`."""

    name = "file"
    interrupts = False
    in_process = True

    path: str = param(help="file to append to")

    def deliver(self, notice: AlertNotice) -> None:
        """Append *notice*."""
        path = Path(self.path).expanduser()
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "a", encoding="utf-8") as file:
            file.write(json.dumps(notice.to_json()) + "\n")
            size = file.tell()
        if size >= _ROTATE_BYTES:
            path.replace(path.with_name(path.name + ".1"))


class AlertSinks(Plugin):
    """Show alerts in the terminal and, where it is set, on the desktop, in a file, or by a service.

    Which alerts reach them is in your preferences, see `vectra-bot alerts list`.
    """

    enabled_by_default = False

    terminal: bool = param(True, help="print alerts on stderr")
    desktop: bool = param(False, help="notify on the desktop; needs vectra-bot[notify]")
    file: str = param("", help="append alerts as JSON lines to this file")
    webhook: str = param("", secret=True, help="post alerts as JSON to this address")
    apprise: str = param(
        "", secret=True, help="Apprise addresses, separated by spaces; needs vectra-bot[notify]"
    )

    @hookimpl
    def register_alert_sinks(self, register: Callable[[AlertSink], None]) -> None:
        """Register those that are set."""
        if self.terminal:
            register(Toast())
        if self.desktop:
            register(_extra(Desktop, "desktop_notifier"))
        if self.file:
            register(AlertFile(path=self.file))
        if self.webhook:
            register(Webhook(url=self.webhook))
        if self.apprise:
            register(_extra(Services, "apprise", urls=self.apprise))


def _extra(kind: type[AlertSink], module: str, **settings: Any) -> AlertSink:
    """Return a sink whose library is an extra."""
    if find_spec(module) is None:
        raise PluginError(
            f"the alert sink {kind.name!r} needs {module}, which is not installed: "
            "pip install 'vectra-bot[notify]'"
        )
    return kind(**settings)
