"""What a running session says of itself: one JSON-ready object, the same for every mode."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from vectra_bot.clock import Clock
from vectra_bot.engine import Engine
from vectra_bot.game.ledger import to_sol
from vectra_bot.models import ActionState, OperatorCommand, SessionFigures
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.config import Observer, Snapshot
from vectra_bot.session.control import UNKNOWN, ControlSocket
from vectra_bot.session.hosting import HostedSession
from vectra_bot.session.shell import Shell

if TYPE_CHECKING:
    from vectra_bot.venues.live import LinkState, LiveFeed

SNAPSHOT_EVERY_NS: Final = NS_PER_S // 10
FIGURES_EVERY_NS: Final = NS_PER_S


def status_of(
    header: Mapping[str, Any], shell: Shell, link: LinkState | None = None
) -> dict[str, Any]:
    """Return the state of the session of *header*; what is not known reads ``unknown``.

    Args:
        header: the first entry of its journal.
        shell: runs it.
        link: its connection, if it has one.
    """
    engine = shell.engine
    standing, shadowed = engine.standing, header.get("shadow") or {}
    return {
        "session_id": header["session_id"],
        "pid": os.getpid(),
        "mode": header["mode"],
        "shadow": bool(shadowed),
        "venue": header["venue"],
        "strategy": header["strategy"]["name"],
        "account": shadowed.get("account") or engine.account.player_id or UNKNOWN,
        "standing": standing.word,
        "arming": standing.state.value,
        "reasons": list(standing.reasons),
        **_link(link),
        **_game(engine),
        **_money(engine),
        "games": shell.stats.games,
        "actions": shell.stats.actions(),
        "limits": _limits(engine),
    }


def _link(link: LinkState | None) -> dict[str, Any]:
    if link is None:
        return {"link": UNKNOWN, "epoch": UNKNOWN, "data_age_ms": UNKNOWN, "rtt_ms": UNKNOWN,
                "token_left_s": UNKNOWN}  # fmt: skip
    return {
        "link": link.state.value,
        "epoch": link.epoch,
        "data_age_ms": _whole(link.data_age_ms()),
        "rtt_ms": _whole(link.rtt_ms),
        "token_left_s": _whole(link.token_left_s()),
    }


def _whole(value: float | None) -> int | str:
    return UNKNOWN if value is None else round(value)


def _game(engine: Engine) -> dict[str, Any]:
    game = engine.game
    return {
        "game_id": game.game_id or UNKNOWN,
        "phase": game.phase.value,
        "tick": game.tick,
        "price": game.price,
    }


def _money(engine: Engine) -> dict[str, Any]:
    account, tracker = engine.account, engine.tracker
    undecided = tracker.book.pending
    unknown = [action for action in undecided if action.state is ActionState.UNKNOWN]
    counts = {"pending": len(undecided), "unknown": len(unknown)}
    if not account.known:
        return {"cash": UNKNOWN, "position": UNKNOWN, "pnl": UNKNOWN, **counts}
    start = account.session_start_cash or 0
    position = account.view.position
    return {
        "cash": float(to_sol(account.cash)),
        "position": {
            "qty": float(position.qty),
            "avg_cost": float(position.avg_cost),
            "value": float(position.value(engine.game.price)),
        },
        "pnl": float(to_sol(account.equity(engine.game.price) - start)),
        **counts,
    }


def _limits(engine: Engine) -> dict[str, Any]:
    """Return the limits that count something, with how much of each is used, everything open as lost."""
    account, book = engine.account, engine.tracker.book
    if not account.known:
        return {}
    return {
        name: {"used": _number(used), "limit": _number(limit)}
        for name, (used, limit) in book.gate.used(account, book.at_risk).items()
    }


def _number(value: Decimal | int) -> float | int:
    return float(value) if isinstance(value, Decimal) else value


def snapshot(shell: Shell, games: int, elapsed_s: float) -> Snapshot:
    """Return the current state of the session."""
    engine = shell.engine
    game, account = engine.game, engine.account
    start = account.session_start_cash or 0
    return Snapshot(
        games_done=shell.stats.games,
        games_total=games,
        game_id=game.game_id,
        tick=game.tick,
        price=game.price,
        phase=game.phase.value,
        cash=to_sol(account.cash),
        position_qty=to_sol(account.qty),
        avg_cost=account.view.position.avg_cost,
        position_value=account.view.position.value(game.price),
        pnl=to_sol(account.equity(game.price) - start),
        actions=shell.stats.actions(),
        elapsed_s=elapsed_s,
        standing="; ".join((engine.standing.word, *engine.standing.reasons)),
    )


def figures_of(shell: Shell, feed: LiveFeed | None) -> SessionFigures:
    """Return what only the host of a running session knows."""
    alerts, counts = shell.alerts, shell.counts
    engine, account = shell.engine, shell.engine.account
    start = account.session_start_cash or 0
    return SessionFigures(
        pnl=to_sol(account.equity(engine.game.price) - start) if account.known else None,
        data_age_ms=None if feed is None else feed.supervisor.data_age_ms(),
        rtt_ms=None if feed is None else feed.supervisor.acks.rtt_ms,
        queue_depth=None if feed is None else feed.waiting,
        lost_frames=0 if feed is None else feed.counts.lost_frames,
        quarantined_frames=counts.quarantined,
        frames=counts.inbound,
        parts_behind=shell.parts.lag,
        alerts_queued=0 if alerts is None else alerts.queued,
        alert_sinks={} if alerts is None else alerts.counts(),
        hook_times=shell.engine.plugins.hook_times,
    )


@define(eq=False)
class FiguresTeller:
    """Calls ``on_session_figures`` once a second, if a plugin has it."""

    shell: Shell
    clock: Clock
    feed: LiveFeed | None = None
    _told_ns: int = field(init=False)
    _asked: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        plugins = self.shell.engine.plugins
        self._asked = bool(plugins.calls["on_session_figures"])
        self._told_ns = self.clock.monotonic_ns()

    def look(self) -> None:
        """Call the hook if it is time to."""
        if not self._asked:
            return
        now_ns = self.clock.monotonic_ns()
        if now_ns - self._told_ns >= FIGURES_EVERY_NS:
            self._told_ns = now_ns
            figures = figures_of(self.shell, self.feed)
            self.shell.engine.plugins.call("on_session_figures", figures)


@define(eq=False)
class Monitor:
    """Shows and publishes the state of a running session, about ten times a second.

    Attributes:
        observer: shown the state, if given.
        control: its status is what was published last, if given.
        games: when the session ends, 0 for no such end.
        link: the session's connection, if it has one.
        feed: the live feed of the session, if it has one.
    """

    session: HostedSession
    clock: Clock
    observer: Observer | None
    control: ControlSocket | None
    games: int
    link: LinkState | None = None
    feed: LiveFeed | None = None
    _started_ns: int = field(init=False)
    _shown_ns: int = field(init=False)
    _figures: FiguresTeller = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._figures = FiguresTeller(self.session.shell, self.clock, self.feed)
        self._started_ns = self._shown_ns = self.clock.monotonic_ns()
        self.publish()

    def look(self, *, force: bool = False) -> None:
        """Show and publish the state if it is time to, or if *force*."""
        self._figures.look()
        if self.observer is None and self.control is None:
            return
        now_ns = self.clock.monotonic_ns()
        if not force and now_ns - self._shown_ns < SNAPSHOT_EVERY_NS:
            return
        self._shown_ns = now_ns
        self.publish()
        if self.observer is not None:
            elapsed_s = (now_ns - self._started_ns) / NS_PER_S
            self.observer.update(snapshot(self.session.shell, self.games, elapsed_s))

    def publish(self) -> None:
        """Publish the state now."""
        if self.control is not None:
            self.control.publish(status_of(self.session.header, self.session.shell, self.link))


@define(eq=False)
class SessionOperator:
    """The operator of a session: commands of its control socket; what they lead to is published at once."""

    control: ControlSocket
    monitor: Monitor

    def take(self, now_ns: int) -> list[OperatorCommand]:
        """Return the commands that wait, as inputs at *now_ns*."""
        return self.control.take(now_ns)

    def processed(self) -> None:
        """Publish the state that follows, and answer those whose commands were processed."""
        self.monitor.publish()
        self.control.processed()

    def link_closed(self) -> None:
        """Record that the link is closed."""
        self.control.link_closed()


__all__ = ["FiguresTeller", "Monitor", "SessionOperator", "snapshot", "status_of"]
