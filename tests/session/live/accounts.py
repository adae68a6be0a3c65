"""Live sessions against a server in this process, and what they need."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.session.test_record import QUICK, resume_when_joined, serve
from vectra_bot import Strategy
from vectra_bot.models import ActionState
from vectra_bot.report.results import Report
from vectra_bot.server import ExchangeServer, Login
from vectra_bot.session import Snapshot, StopFlag
from vectra_bot.session.live.config import LiveConfig
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.session.live.run import run_live

ACCOUNT = "did:privy:cm0000000000000000000test"
TOKEN = "canary-7f3a9c-token"
STATEMENT = "2026-01-31 I have read the venue's terms and may run a bot"
LIMITS = {"stake": "0.02", "session_loss": "0.5", "day_loss": "2"}
SPEED = 5.0
"""Times faster than the venue: what was decided two ticks ago is not sent, and a busy machine is late."""


class Enough:
    """Stop a session when so many of its actions are confirmed: an observer."""

    def __init__(self, stop: StopFlag, confirmed: int) -> None:
        self.stop = stop
        self.confirmed = confirmed

    def update(self, snapshot: Snapshot) -> None:
        """Look at the state of the session."""
        if snapshot.actions.get("CONFIRMED", 0) >= self.confirmed:
            self.stop.set("enough")


class Ready:
    """Stop a session when it knows its account, and some ticks later: an observer."""

    def __init__(self, stop: StopFlag) -> None:
        self.stop = stop
        self.seen = 0

    def update(self, snapshot: Snapshot) -> None:
        """Look at the state of the session."""
        self.seen += snapshot.cash > 0 and "arming." not in snapshot.standing
        if self.seen >= 3:
            self.stop.set("ready")


def until_ready() -> dict[str, Any]:
    """Return the options of a session that ends when it is ready to trade."""
    stop = StopFlag()
    return {"stop": stop, "observer": Ready(stop)}


class Counted(Strategy):
    """Buy and sell as often as the venue answers, until so many requests are executed."""

    most: int = 1_000
    asked = 0

    def on_action_outcome(self, action: Any) -> None:
        self.asked -= not (action.state.is_executed or action.state is ActionState.DENIED)

    def on_game_tick(self, tick: Any, game: Any) -> None:
        if self.actions.pending or self.asked >= self.most:
            return
        action = self.actions.sell() if self.position else self.actions.buy("0.002")
        self.asked += action.state is ActionState.INTENT


def until_confirmed(number: int) -> dict[str, Any]:
    """Return the options of a session that ends after so many confirmed actions, when none is undecided."""
    stop = StopFlag()
    return {"stop": stop, "observer": Enough(stop, number), "settings": {"most": number}}


def token_file(folder: Path, text: str = TOKEN) -> Path:
    """Return a private file with a token."""
    path = folder / "login.token"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def account_of(folder: Path, **changes: Any) -> LiveOptions:
    """Return the options of the test account, whose token is in *folder*."""
    given = {
        "enabled": True,
        "account": ACCOUNT,
        "terms": STATEMENT,
        "token": f"file:{token_file(folder)}",
        **changes,
    }
    return LiveOptions(**given)


def config_of(folder: Path, venue: str, **changes: Any) -> LiveConfig:
    """Return a live session that lacks nothing, with *changes*."""
    given = {
        "strategy": "take-profit",
        "venue": venue,
        "account": ACCOUNT,
        "live": account_of(folder),
        "limits": LIMITS,
        "link": QUICK,
        "session_id": "L",
        "store": folder / "live",
        **changes,
    }
    return LiveConfig(**given)


def venue(**options: Any) -> ExchangeServer:
    """Return a server that knows the test account, paused until a client is connected."""
    logins = {TOKEN: Login(player_id=ACCOUNT, username="bot"), "other": Login(player_id="other")}
    return serve(
        **{"seed": 7, "crowd": 3, "speed": SPEED, "paused": True, "tokens": logins, **options}
    )


async def lived(server: ExchangeServer, config: LiveConfig) -> Report:
    """Run a live session on a server whose time begins with the connection."""
    beginning = asyncio.create_task(resume_when_joined(server))
    try:
        async with asyncio.timeout(100):
            return await run_live(config)
    finally:
        beginning.cancel()
