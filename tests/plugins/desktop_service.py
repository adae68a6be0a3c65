"""A notification service of a desktop, on a message bus; annotations are types of D-Bus."""
# ruff: noqa: F722, F821, N802, UP037

from __future__ import annotations

from dbus_fast.service import ServiceInterface, dbus_method


class NotificationService(ServiceInterface):
    """Keeps the summary and text of each notification."""

    def __init__(self) -> None:
        super().__init__("org.freedesktop.Notifications")
        self.got: list[tuple[str, str]] = []

    @dbus_method()
    def Notify(
        self,
        app: "s",
        replaces: "u",
        icon: "s",
        summary: "s",
        body: "s",
        actions: "as",
        hints: "a{sv}",
        timeout: "i",
    ) -> "u":
        """Keep a notification."""
        self.got.append((summary, body))
        return len(self.got)

    @dbus_method()
    def GetCapabilities(self) -> "as":
        """Say that texts are markup."""
        return ["body", "body-markup"]

    @dbus_method()
    def GetServerInformation(self) -> "ssss":
        """Say who this is."""
        return ["test", "test", "1", "1.2"]
