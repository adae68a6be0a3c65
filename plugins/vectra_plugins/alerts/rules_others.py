"""Rules about other players, the connection and latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from vectra_bot import AlertDraft, AlertRule, ConfigError
from vectra_bot.models import AlertType, Link, OtherPlayerAction, PlayerAction

if TYPE_CHECKING:
    from vectra_plugins.alerts.rules import Alerts

MAX_PLAYERS = 1_000
MAX_BYTES = 256 * 1024


def players_of(path: Path) -> str:
    """Return the ids in a text file, one on each line, separated by commas; ``#`` begins a comment.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"exceptional_players names {str(path)!r}, which cannot be read ({error}): "
            "give a text file with one id on each line"
        ) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{str(path)!r} is larger than {MAX_BYTES} bytes: give fewer players")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return ",".join(filter(None, lines))


class ExceptionalPlayers(AlertRule):
    """A player of `exceptional_players` traded; each player once per game and side.

    EXCEPTIONAL_PLAYER_ENTRY: a listed player bought or opened a short. Info.
    EXCEPTIONAL_PLAYER_EXIT: a listed player sold or closed a short. Info.
    """

    alert_types: ClassVar = (
        AlertType.EXCEPTIONAL_PLAYER_ENTRY,
        AlertType.EXCEPTIONAL_PLAYER_EXIT,
    )

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        listed = self.settings.exceptional_players.split(",")
        self.players = frozenset(one.strip() for one in listed if one.strip())
        if len(self.players) > MAX_PLAYERS:
            raise ConfigError(
                f"exceptional_players has {len(self.players)} ids: give at most {MAX_PLAYERS}"
            )
        self.game_id = ""
        self.given: set[tuple[str, AlertType]] = set()

    def on_other_player_trade(self, trade: OtherPlayerAction) -> AlertDraft | None:
        if trade.player_id not in self.players or trade.practice:
            return None
        if trade.game_id != self.game_id:
            self.game_id, self.given = trade.game_id, set()
        entered = trade.action_type in ("BUY", "SHORT_OPEN")
        kind = AlertType.EXCEPTIONAL_PLAYER_ENTRY if entered else AlertType.EXCEPTIONAL_PLAYER_EXIT
        if (trade.player_id, kind) in self.given:
            return None
        self.given.add((trade.player_id, kind))
        name = trade.username or trade.player_id
        return self.alert(
            f"{name} {'entered' if entered else 'left'}",
            f"{name}: {trade.action_type} {trade.amount} SOL at tick {trade.tick}, {trade.price}x. Under the "
            "law nobody can know the next tick.",
            alert_type=kind,
            data={
                "action": trade.action_type,
                "amount": str(trade.amount),
                "tick": trade.tick,
                "price": str(trade.price),
            },
            player_id=trade.player_id,
            expires_s=10,
        )


class LinkAndLatency(AlertRule):
    """The connection was lost or restored; an action took long to be confirmed.

    CONNECTION_LOST: the connection to the venue was lost. Error, priority 10, with a sound.
    CONNECTION_RESTORED: it is back. Success, priority 5.
    LATENCY_WARNING: an action was confirmed after `latency_ms` or more, once per game. Warning.
    """

    alert_types: ClassVar = (
        AlertType.CONNECTION_LOST,
        AlertType.CONNECTION_RESTORED,
        AlertType.LATENCY_WARNING,
    )

    def __init__(self, settings: Alerts) -> None:
        self.settings = settings
        self.lost = False
        self.slow = False

    def on_connection(self, status: Link) -> AlertDraft | None:
        if status is Link.DISCONNECTED and not self.lost:
            self.lost = True
            return self.alert(
                "Connection lost",
                "The connection to the venue is lost: actions in flight are unknown until it is back.",
                alert_type=AlertType.CONNECTION_LOST,
                severity="error",
                priority=10,
                sound=True,
            )
        if status is Link.CONNECTED and self.lost:
            self.lost = False
            return self.alert(
                "Connection restored",
                "The connection to the venue is back.",
                alert_type=AlertType.CONNECTION_RESTORED,
                severity="success",
                priority=5,
                expires_s=60,
            )
        return None

    def on_game_end(self) -> None:
        self.slow = False

    def on_action_outcome(self, action: PlayerAction) -> AlertDraft | None:
        took = action.total_latency_ms
        if self.slow or took is None or took < self.settings.latency_ms:
            return None
        self.slow = True
        return self.alert(
            "High latency",
            f"{action.action_type.value} was confirmed after {took} ms.",
            alert_type=AlertType.LATENCY_WARNING,
            severity="warning",
            data={"latency_ms": took, "action_id": action.action_id},
            expires_s=60,
        )
