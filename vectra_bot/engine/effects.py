"""The effects of the current input: commands and documents, in order of cause."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import define, field

from vectra_bot.actions.interface import BotActionInterface, desk_of
from vectra_bot.engine.auditing import Findings
from vectra_bot.game.account import Account
from vectra_bot.game.state import GameState
from vectra_bot.models import (
    AlertTrigger,
    Command,
    ConnectionChanged,
    DocType,
    Document,
    FrameRejected,
    GameTick,
    SystemEvent,
    UnknownEvent,
)

if TYPE_CHECKING:
    from vectra_bot.actions.desk import ActionDesk

# Distinct names of unknown events that are reported; later ones are still stored as raw frames.
MAX_UNKNOWN_NAMES = 256

Effect: TypeAlias = Command | Document

# A tick's document is made without its constructor, which takes longer than all else of it.
_new, _set_values = object.__new__, vars(Document)["__dict__"].__set__

_GAME_TICK = DocType.GAME_TICK  # a name of the module costs half as much


@define
class Effects:
    """Collects the effects of an input.

    Args:
        game: the game a document is about, unless given otherwise.
        account: the player of a document, and the time of the input.
        alerted: called with each alert that was stored.
    """

    game: GameState
    account: Account
    alerted: Callable[[AlertTrigger], None] | None = None
    _found: list[Effect] = field(factory=list)
    _unknown: set[str] = field(factory=set)

    def begin(self) -> list[Effect]:
        """Start a new input and return the list that collects its effects."""
        self._found = []
        return self._found

    def command(self, command: Command) -> None:
        """Add *command*."""
        self._found.append(command)

    def keep(self, wanted: tuple[Command, ...]) -> bool:
        """Make *wanted* the commands of this input; return False if they were not."""
        found = [effect for effect in self._found if isinstance(effect, Command)]
        if len(found) == len(wanted) and all(map(is_, found, wanted)):
            return True
        self._found[:] = [effect for effect in self._found if not isinstance(effect, Command)]
        self._found += wanted
        return False

    def document(
        self,
        doc_type: DocType,
        record: Any,
        source: str,
        *,
        game_id: str | None = None,
        player_id: str | None = None,
    ) -> None:
        """Store *record*; by default it is about the running game and our account."""
        self._found.append(
            Document(
                doc_type,
                record,
                self.account.now_ns,
                source,
                self.game.now.game_id if game_id is None else game_id,
                self.account.player_id if player_id is None else player_id,
            )
        )

    def tick(self, tick: GameTick) -> None:
        """Store a tick: as :meth:`document`, for nearly all of them."""
        account, document = self.account, _new(Document)
        _set_values(
            document,
            {
                "doc_type": _GAME_TICK,
                "record": tick,
                "ts_ns": account.now_ns,
                "source": "engine",
                "game_id": tick.game_id,
                "player_id": account.player_id,
            },
        )
        self._found.append(document)

    def findings(self, findings: Findings) -> None:
        """Store the auditor's findings."""
        for finding in findings:
            if isinstance(finding.record, AlertTrigger):
                self.alert(finding.record, "auditor", finding.game_id)
            else:
                self.document(
                    DocType.SYSTEM_EVENT, finding.record, "auditor", game_id=finding.game_id
                )

    def alert(self, alert: AlertTrigger, source: str, game_id: str) -> None:
        """Store an alert of a rule or of the auditor, and report it."""
        self.document(DocType.ALERT_TRIGGER, alert, source, game_id=game_id)
        if self.alerted is not None:
            self.alerted(alert)

    def system(self, kind: str, severity: str, message: str, **detail: Any) -> None:
        """Store a system event; *detail* is for programs that act on it."""
        record = SystemEvent.of(kind, severity, message, **detail)
        self.document(DocType.SYSTEM_EVENT, record, "engine")

    def unknown(self, event: UnknownEvent) -> None:
        """Store that an event has a name that is not known, once for each name."""
        if event.name in self._unknown or len(self._unknown) >= MAX_UNKNOWN_NAMES:
            return
        self._unknown.add(event.name)
        self.system(
            "wire.unknown_event",
            "info",
            "an event that the protocol reference does not list",
            name=event.name,
        )

    def rejected(self, rejected: FrameRejected) -> None:
        """Store that a frame could not be read."""
        self.system(
            "frame.quarantined",
            "error" if rejected.money else "warning",
            rejected.message,
            reason=rejected.reason,
            event=rejected.event_name,
            raw=rejected.raw,
        )

    def connection(self, change: ConnectionChanged) -> None:
        """Store a change of the connection, and the frames lost by it."""
        self.system("connection." + change.link.value, "info", change.reason or change.link.value)
        if change.lost_frames:
            self.system(
                "connection.overflow",
                "error",
                f"{change.lost_frames} frames were lost: they came faster than they were processed",
                lost_frames=change.lost_frames,
            )


def only_documents(effects: list[Effect]) -> bool:
    """Return whether there is no command."""
    for effect in effects:  # noqa: SIM110 - nearly always one: all() takes several times as long
        if type(effect) is not Document:
            return False
    return True


class EngineActions(BotActionInterface):
    """Adds commands to the effects of the current input."""

    __slots__ = ()

    def _submit(self, command: Command) -> None:
        # The one desk that calls this; the fast driver's keeps its orders itself.
        cast("ActionDesk", desk_of(self)).hand_over(command)
