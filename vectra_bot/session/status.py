"""What a running session says of itself: one JSON-ready object, the same for every mode."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from vectra_bot.engine import Engine
from vectra_bot.game.ledger import to_sol
from vectra_bot.models import ActionState
from vectra_bot.session.control import UNKNOWN
from vectra_bot.session.shell import Shell


class LinkFigures(Protocol):
    """What a link says of itself; None where it is not known."""

    @property
    def epoch(self) -> int:
        """Return the number of the connection."""

    @property
    def rtt_ms(self) -> float | None:
        """Return the time to the venue and back."""

    def data_age_ms(self) -> float | None:
        """Return the age of the newest game frame."""

    def token_left_s(self) -> float | None:
        """Return how long the token is valid."""


def status_of(
    header: Mapping[str, Any], shell: Shell, link: LinkFigures | None = None, link_state: str = ""
) -> dict[str, Any]:
    """Return the state of the session of *header*; what is not known reads ``unknown``.

    Args:
        header: the first entry of its journal.
        shell: runs it.
        link: its connection, if it has one with figures.
        link_state: the state of that connection.
    """
    engine = shell.engine
    standing = engine.standing
    return {
        "session_id": header["session_id"],
        "pid": os.getpid(),
        "mode": header["mode"],
        "shadow": bool(header.get("shadow")),
        "venue": header["venue"],
        "strategy": header["strategy"]["name"],
        "account": engine.account.player_id or UNKNOWN,
        "standing": standing.word,
        "arming": standing.arming.value,
        "reasons": list(standing.reasons),
        **_link(link, link_state),
        **_game(engine),
        **_money(engine),
        "games": shell.stats.games,
        "actions": shell.stats.actions(),
    }


def _link(link: LinkFigures | None, state: str) -> dict[str, Any]:
    if link is None:
        return {"link": UNKNOWN, "epoch": UNKNOWN, "data_age_ms": UNKNOWN, "rtt_ms": UNKNOWN,
                "token_left_s": UNKNOWN}  # fmt: skip
    return {
        "link": state.lower() or UNKNOWN,
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


__all__ = ["LinkFigures", "status_of"]
