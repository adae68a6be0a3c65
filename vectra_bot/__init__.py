"""vectra-bot: an SDK for bots on crash-trading games.

Subclass :class:`Strategy`, run it with :func:`run` or ``vectra-bot run``, and every action is tracked from
intent to proven outcome. What is listed in ``__all__`` here, in :mod:`vectra_bot.models` and in
:mod:`vectra_bot.testing` is public; everything else is private. A name is imported when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectra_bot.actions.arming import Standing
    from vectra_bot.actions.interface import BotActionInterface
    from vectra_bot.actions.risk import Limits
    from vectra_bot.alerts import AlertDraft, AlertModel, AlertNotice, AlertRule, AlertSink
    from vectra_bot.alerts.feed import AlertFeed
    from vectra_bot.analysis.odds.check import CheckedFigure
    from vectra_bot.analysis.odds.figures import Figure
    from vectra_bot.analysis.odds.report import OddsReport, odds
    from vectra_bot.analysis.players.findings import (
        Imitation,
        JudgedPlayer,
        PlantedTruth,
        PlayersReport,
        PlayersSeen,
        RuleFigures,
    )
    from vectra_bot.analysis.players.report import players
    from vectra_bot.api import (
        check_store,
        compact_store,
        control_session,
        import_files,
        recover_store,
        verify,
    )
    from vectra_bot.backtest.asked.calls import backtest, compare
    from vectra_bot.backtest.results.comparison import Comparison, Variant
    from vectra_bot.backtest.results.report import BacktestReport
    from vectra_bot.backtest.sweep.calls import sweep
    from vectra_bot.backtest.sweep.report import SweepReport, TriedSet
    from vectra_bot.conformance.findings import FileDifference, Verification
    from vectra_bot.conformance.verification import SeedVerification, verify_seed
    from vectra_bot.errors import (
        CheckFailed,
        ConfigError,
        InputError,
        JournalError,
        NotInCallback,
        PluginError,
        RecordError,
        StoreError,
        StrategyError,
        UnknownNameError,
        UsageError,
        VectraError,
        WireError,
    )
    from vectra_bot.game.fair import Difference
    from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
    from vectra_bot.game.rounds import Round, SideGamesView
    from vectra_bot.game.shorts import ShortAtRug, ShortPayoff, ShortTerms
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView, PositionView
    from vectra_bot.hookspecs import hookimpl
    from vectra_bot.imports.config import ImportReport
    from vectra_bot.imports.report import BadRow, FileReport
    from vectra_bot.journal import Entry, Journal, JournalReader, write_journal
    from vectra_bot.params import Parameter, configure, param, parameters
    from vectra_bot.plugins import Plugin
    from vectra_bot.report.latencies import Latency, SendLatency
    from vectra_bot.report.results import Report
    from vectra_bot.serde import record_from_json, record_to_json
    from vectra_bot.session import (
        Divergence,
        FlushFlag,
        Observer,
        RecordConfig,
        RecordOptions,
        ReplayCheck,
        ReplayConfig,
        ReplayOptions,
        ReplayReport,
        RunOptions,
        SessionConfig,
        Snapshot,
        StopFlag,
        check_journal,
        replay_session,
        run_session,
    )
    from vectra_bot.session.calls import record, replay, run
    from vectra_bot.session.live.config import LiveConfig
    from vectra_bot.session.live.options import LiveOptions
    from vectra_bot.session.live.run import run_live
    from vectra_bot.session.recorder import RecordReport, record_session
    from vectra_bot.session.recovery.stores import RecoveryReport
    from vectra_bot.store.maintenance.check import CheckReport
    from vectra_bot.store.maintenance.check_parts import Problem
    from vectra_bot.store.parquet.compaction import CompactedFolder, CompactionReport
    from vectra_bot.store.query.catalog import Catalog, open_store
    from vectra_bot.store.query.results import CorruptFile, CorruptRowsWarning, Result, Stream
    from vectra_bot.strategy import Strategy
    from vectra_bot.venues.patience import LiveSettings
    from vectra_bot.wire.profile import Profile
    from vectra_bot.wire.states import WireFormat

    __version__: str

_HOMES = {
    "AccountView": "vectra_bot.game.view",
    "AlertDraft": "vectra_bot.alerts",
    "AlertFeed": "vectra_bot.alerts.feed",
    "AlertModel": "vectra_bot.alerts",
    "AlertNotice": "vectra_bot.alerts",
    "AlertRule": "vectra_bot.alerts",
    "AlertSink": "vectra_bot.alerts",
    "BacktestReport": "vectra_bot.backtest.results.report",
    "BadRow": "vectra_bot.imports.report",
    "BotActionInterface": "vectra_bot.actions.interface",
    "Catalog": "vectra_bot.store.query.catalog",
    "CheckFailed": "vectra_bot.errors",
    "CheckReport": "vectra_bot.store.maintenance.check",
    "CheckedFigure": "vectra_bot.analysis.odds.check",
    "CompactedFolder": "vectra_bot.store.parquet.compaction",
    "CompactionReport": "vectra_bot.store.parquet.compaction",
    "Comparison": "vectra_bot.backtest.results.comparison",
    "ConfigError": "vectra_bot.errors",
    "CorruptFile": "vectra_bot.store.query.results",
    "CorruptRowsWarning": "vectra_bot.store.query.results",
    "Difference": "vectra_bot.game.fair",
    "Divergence": "vectra_bot.session",
    "Entry": "vectra_bot.journal",
    "Figure": "vectra_bot.analysis.odds.figures",
    "FileDifference": "vectra_bot.conformance.findings",
    "FileReport": "vectra_bot.imports.report",
    "FlushFlag": "vectra_bot.session",
    "GameView": "vectra_bot.game.state",
    "Imitation": "vectra_bot.analysis.players.findings",
    "ImportReport": "vectra_bot.imports.config",
    "InputError": "vectra_bot.errors",
    "Journal": "vectra_bot.journal",
    "JournalError": "vectra_bot.errors",
    "JournalReader": "vectra_bot.journal",
    "JudgedPlayer": "vectra_bot.analysis.players.findings",
    "Latency": "vectra_bot.report.latencies",
    "Limits": "vectra_bot.actions.risk",
    "LiveConfig": "vectra_bot.session.live.config",
    "LiveOptions": "vectra_bot.session.live.options",
    "LiveSettings": "vectra_bot.venues.patience",
    "NotInCallback": "vectra_bot.errors",
    "Observer": "vectra_bot.session",
    "OddsReport": "vectra_bot.analysis.odds.report",
    "Parameter": "vectra_bot.params",
    "PlantedTruth": "vectra_bot.analysis.players.findings",
    "PlayersReport": "vectra_bot.analysis.players.findings",
    "PlayersSeen": "vectra_bot.analysis.players.findings",
    "Plugin": "vectra_bot.plugins",
    "PluginError": "vectra_bot.errors",
    "PositionView": "vectra_bot.game.view",
    "Problem": "vectra_bot.store.maintenance.check_parts",
    "Profile": "vectra_bot.wire.profile",
    "RecordConfig": "vectra_bot.session",
    "RecordError": "vectra_bot.errors",
    "RecordOptions": "vectra_bot.session",
    "RecordReport": "vectra_bot.session.recorder",
    "RecoveryReport": "vectra_bot.session.recovery.stores",
    "ReplayCheck": "vectra_bot.session",
    "ReplayConfig": "vectra_bot.session",
    "ReplayOptions": "vectra_bot.session",
    "ReplayReport": "vectra_bot.session",
    "Report": "vectra_bot.report.results",
    "Result": "vectra_bot.store.query.results",
    "Round": "vectra_bot.game.rounds",
    "RuleFigures": "vectra_bot.analysis.players.findings",
    "RunOptions": "vectra_bot.session",
    "SeedVerification": "vectra_bot.conformance.verification",
    "SendLatency": "vectra_bot.report.latencies",
    "SessionConfig": "vectra_bot.session",
    "ShortAtRug": "vectra_bot.game.shorts",
    "ShortPayoff": "vectra_bot.game.shorts",
    "ShortTerms": "vectra_bot.game.shorts",
    "ShortView": "vectra_bot.game.holdings",
    "SideGamesView": "vectra_bot.game.rounds",
    "SidebetView": "vectra_bot.game.holdings",
    "Snapshot": "vectra_bot.session",
    "StakeView": "vectra_bot.game.holdings",
    "Standing": "vectra_bot.actions.arming",
    "StopFlag": "vectra_bot.session",
    "StoreError": "vectra_bot.errors",
    "Strategy": "vectra_bot.strategy",
    "StrategyError": "vectra_bot.errors",
    "Stream": "vectra_bot.store.query.results",
    "SweepReport": "vectra_bot.backtest.sweep.report",
    "TriedSet": "vectra_bot.backtest.sweep.report",
    "UnknownNameError": "vectra_bot.errors",
    "UsageError": "vectra_bot.errors",
    "Variant": "vectra_bot.backtest.results.comparison",
    "VectraError": "vectra_bot.errors",
    "Verification": "vectra_bot.conformance.findings",
    "WireError": "vectra_bot.errors",
    "WireFormat": "vectra_bot.wire.states",
    "backtest": "vectra_bot.backtest.asked.calls",
    "check_journal": "vectra_bot.session",
    "check_store": "vectra_bot.api",
    "compact_store": "vectra_bot.api",
    "compare": "vectra_bot.backtest.asked.calls",
    "configure": "vectra_bot.params",
    "control_session": "vectra_bot.api",
    "hookimpl": "vectra_bot.hookspecs",
    "import_files": "vectra_bot.api",
    "odds": "vectra_bot.analysis.odds.report",
    "open_store": "vectra_bot.store.query.catalog",
    "param": "vectra_bot.params",
    "parameters": "vectra_bot.params",
    "players": "vectra_bot.analysis.players.report",
    "record": "vectra_bot.session.calls",
    "record_from_json": "vectra_bot.serde",
    "record_session": "vectra_bot.session.recorder",
    "record_to_json": "vectra_bot.serde",
    "recover_store": "vectra_bot.api",
    "replay": "vectra_bot.session.calls",
    "replay_session": "vectra_bot.session",
    "run": "vectra_bot.session.calls",
    "run_live": "vectra_bot.session.live.run",
    "run_session": "vectra_bot.session",
    "sweep": "vectra_bot.backtest.sweep.calls",
    "verify": "vectra_bot.api",
    "verify_seed": "vectra_bot.conformance.verification",
    "write_journal": "vectra_bot.journal",
}

__all__ = [
    "AccountView",
    "AlertDraft",
    "AlertFeed",
    "AlertModel",
    "AlertNotice",
    "AlertRule",
    "AlertSink",
    "BacktestReport",
    "BadRow",
    "BotActionInterface",
    "Catalog",
    "CheckFailed",
    "CheckReport",
    "CheckedFigure",
    "CompactedFolder",
    "CompactionReport",
    "Comparison",
    "ConfigError",
    "CorruptFile",
    "CorruptRowsWarning",
    "Difference",
    "Divergence",
    "Entry",
    "Figure",
    "FileDifference",
    "FileReport",
    "FlushFlag",
    "GameView",
    "Imitation",
    "ImportReport",
    "InputError",
    "Journal",
    "JournalError",
    "JournalReader",
    "JudgedPlayer",
    "Latency",
    "Limits",
    "LiveConfig",
    "LiveOptions",
    "LiveSettings",
    "NotInCallback",
    "Observer",
    "OddsReport",
    "Parameter",
    "PlantedTruth",
    "PlayersReport",
    "PlayersSeen",
    "Plugin",
    "PluginError",
    "PositionView",
    "Problem",
    "Profile",
    "RecordConfig",
    "RecordError",
    "RecordOptions",
    "RecordReport",
    "RecoveryReport",
    "ReplayCheck",
    "ReplayConfig",
    "ReplayOptions",
    "ReplayReport",
    "Report",
    "Result",
    "Round",
    "RuleFigures",
    "RunOptions",
    "SeedVerification",
    "SendLatency",
    "SessionConfig",
    "ShortAtRug",
    "ShortPayoff",
    "ShortTerms",
    "ShortView",
    "SideGamesView",
    "SidebetView",
    "Snapshot",
    "StakeView",
    "Standing",
    "StopFlag",
    "StoreError",
    "Strategy",
    "StrategyError",
    "Stream",
    "SweepReport",
    "TriedSet",
    "UnknownNameError",
    "UsageError",
    "Variant",
    "VectraError",
    "Verification",
    "WireError",
    "WireFormat",
    "backtest",
    "check_journal",
    "check_store",
    "compact_store",
    "compare",
    "configure",
    "control_session",
    "hookimpl",
    "import_files",
    "odds",
    "open_store",
    "param",
    "parameters",
    "players",
    "record",
    "record_from_json",
    "record_session",
    "record_to_json",
    "recover_store",
    "replay",
    "replay_session",
    "run",
    "run_live",
    "run_session",
    "sweep",
    "verify",
    "verify_seed",
    "write_journal",
]


class _Names(ModuleType):
    """The package, in which ``backtest`` is the function although a room has the same name."""

    def __setattr__(self, name: str, value: object) -> None:
        """Set an attribute, except the room, which the import system sets when it is loaded."""
        if name != "backtest" or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Names

if not TYPE_CHECKING:  # a type checker would give every misspelt name the type Any

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("vectra-bot")
        if name not in _HOMES:
            raise AttributeError(f"module 'vectra_bot' has no attribute {name!r}")
        module, _, own_name = _HOMES[name].partition(":")
        value = getattr(import_module(module), own_name or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
