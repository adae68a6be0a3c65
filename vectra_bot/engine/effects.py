"""The effects of the current input: commands and documents, in order of cause."""

from __future__ import annotations

from typing import Any, TypeAlias

from attrs import define, field

from vectra_bot.actions.interface import ActionContext, BotActionInterface
from vectra_bot.engine.auditing import Findings
from vectra_bot.game.account import Account
from vectra_bot.game.state import GameView
from vectra_bot.models import AlertTrigger, Command, DocType, Document, SystemEvent

Effect: TypeAlias = Command | Document


@define
class Effects:
    """Collects the effects of an input.

    Args:
        game: the game a document is about, unless given otherwise.
        account: the player of a document, and the time of the input.
    """

    game: GameView
    account: Account
    _found: list[Effect] = field(factory=list)

    def begin(self) -> list[Effect]:
        """Start a new input and return the list that collects its effects."""
        self._found = []
        return self._found

    def command(self, command: Command) -> None:
        """Add *command*."""
        self._found.append(command)

    def withhold(self) -> list[Command]:
        """Remove the commands of this input and return them."""
        commands = [effect for effect in self._found if isinstance(effect, Command)]
        self._found[:] = [effect for effect in self._found if not isinstance(effect, Command)]
        return commands

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
                doc_type=doc_type,
                record=record,
                ts_ns=self.account.now_ns,
                source=source,
                game_id=self.game.game_id if game_id is None else game_id,
                player_id=self.account.player_id if player_id is None else player_id,
            )
        )

    def findings(self, findings: Findings) -> None:
        """Store the auditor's findings."""
        for finding in findings:
            alert = isinstance(finding.record, AlertTrigger)
            doc_type = DocType.ALERT_TRIGGER if alert else DocType.SYSTEM_EVENT
            self.document(doc_type, finding.record, "auditor", game_id=finding.game_id)

    def system(self, kind: str, severity: str, message: str, **detail: Any) -> None:
        """Store a system event; *detail* is for programs that act on it."""
        record = SystemEvent.of(kind, severity, message, **detail)
        self.document(DocType.SYSTEM_EVENT, record, "engine")


class EngineActions(BotActionInterface):
    """Adds commands to the effects of the current input."""

    def __init__(self, desk: ActionContext, effects: Effects) -> None:
        super().__init__(desk)
        self._effects = effects

    def _submit(self, command: Command) -> None:
        self._effects.command(command)
