"""Telling plugins that a session begins and that it has ended, however it ended.

A replay that checks a journal or finishes a killed session tells nothing: the world must not be acted on
twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from vectra_bot.errors import safe_error
from vectra_bot.models import Mode, SessionInfo, SessionSummary
from vectra_bot.report.session import Report
from vectra_bot.session.shell import Shell

log = logging.getLogger(__name__)


def tell_started(shell: Shell, header: Mapping[str, Any]) -> None:
    """Call ``session_started``, before the first input."""
    shell.engine.plugins.call("session_started", _info(shell, header))


def tell_finished(
    shell: Shell, header: Mapping[str, Any], report: Report, error: BaseException | None = None
) -> None:
    """Call ``session_finished``; *error* is what broke the session off, if something did."""
    summary = SessionSummary(
        games=report.games,
        ticks=report.ticks,
        actions=report.actions,
        cash_start=report.cash_start,
        cash_end=report.cash_end,
        pnl=report.pnl,
        error=report.error if error is None else safe_error(error),
    )
    plugins = shell.engine.plugins
    plugins.call("session_finished", _info(shell, header), summary)
    for fault in plugins.faults:
        log.warning("plugin=%s hook=%s error=%s", fault.plugin, fault.hook, fault.error)


def _info(shell: Shell, header: Mapping[str, Any]) -> SessionInfo:
    return SessionInfo(
        session_id=header["session_id"],
        mode=Mode(header["mode"]),
        venue=header["venue"],
        strategy=header["strategy"]["name"],
        store=str(shell.store),
        folder=str(shell.store / "sessions" / header["session_id"]),
    )
