"""vectra-bot: an SDK for bots on crash-trading games.

Subclass :class:`Strategy`, run it with :func:`run` or ``vectra-bot run``, and every action is tracked from
intent to proven outcome. Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectra_bot.actions.interface import BotActionInterface
    from vectra_bot.actions.risk import Limits
    from vectra_bot.errors import VectraError
    from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
    from vectra_bot.game.rounds import Round, SideGamesView
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView, PositionView
    from vectra_bot.hookspecs import hookimpl
    from vectra_bot.journal import Journal
    from vectra_bot.params import configure, param, parameters
    from vectra_bot.plugins import Plugin
    from vectra_bot.report.session import Report
    from vectra_bot.session import ReplayConfig, SessionConfig, replay_session, run, run_session
    from vectra_bot.store.query.catalog import Catalog, open_store
    from vectra_bot.strategy import Strategy

_HOMES = {
    "AccountView": "vectra_bot.game.view",
    "BotActionInterface": "vectra_bot.actions.interface",
    "Catalog": "vectra_bot.store.query.catalog",
    "GameView": "vectra_bot.game.state",
    "Journal": "vectra_bot.journal.journal",
    "Limits": "vectra_bot.actions.risk",
    "Plugin": "vectra_bot.plugins",
    "PositionView": "vectra_bot.game.view",
    "ReplayConfig": "vectra_bot.session",
    "Report": "vectra_bot.report.session",
    "Round": "vectra_bot.game.rounds",
    "SessionConfig": "vectra_bot.session",
    "ShortView": "vectra_bot.game.holdings",
    "SideGamesView": "vectra_bot.game.rounds",
    "SidebetView": "vectra_bot.game.holdings",
    "StakeView": "vectra_bot.game.holdings",
    "Strategy": "vectra_bot.strategy",
    "VectraError": "vectra_bot.errors",
    "configure": "vectra_bot.params",
    "hookimpl": "vectra_bot.hookspecs",
    "open_store": "vectra_bot.store.query.catalog",
    "param": "vectra_bot.params",
    "parameters": "vectra_bot.params",
    "replay_session": "vectra_bot.session",
    "run": "vectra_bot.session",
    "run_session": "vectra_bot.session",
}

__all__ = [
    "AccountView",
    "BotActionInterface",
    "Catalog",
    "GameView",
    "Journal",
    "Limits",
    "Plugin",
    "PositionView",
    "ReplayConfig",
    "Report",
    "Round",
    "SessionConfig",
    "ShortView",
    "SideGamesView",
    "SidebetView",
    "StakeView",
    "Strategy",
    "VectraError",
    "configure",
    "hookimpl",
    "open_store",
    "param",
    "parameters",
    "replay_session",
    "run",
    "run_session",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vectra-bot")
    if name not in _HOMES:
        raise AttributeError(f"module 'vectra_bot' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
