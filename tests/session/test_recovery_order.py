"""A recovery stops trading before it reports the result of the last commands: it decides nothing new."""

from __future__ import annotations

from pathlib import Path

import vectra_bot
from vectra_bot.journal import read_journal, write_journal
from vectra_bot.models import ActionState, DocType
from vectra_bot.session.recovery.killed import REASON, recover_store

BOT = """
from vectra_bot import Strategy


class Bot(Strategy):
    def on_game_tick(self, tick, game):
        if game.tick == 2:
            self.actions.buy("0.01")

    def on_action_outcome(self, action):
        if action.state.value == "NOT_SENT":
            self.actions.buy("0.02")
"""


def test_a_bot_that_tries_again_is_denied_by_a_recovery(tmp_path: Path) -> None:
    """A command that was never sent is NOT_SENT; what the bot answers to that finds trading stopped."""
    bot = tmp_path / "bot.py"
    bot.write_text(BOT)
    full, store = tmp_path / "full", tmp_path / "store"
    vectra_bot.run(str(bot), session_id="K", store=full, games=1, seed=7, crowd=0)
    entries = list(read_journal(full / "journals" / "K"))
    place = next(n for n, entry in enumerate(entries) if entry.kind == "intent")
    # The input that led to the command is there, and nothing that followed from it.
    cause = max(n for n, entry in enumerate(entries[:place]) if entry.kind == "frame")
    folder = store / "journals" / "K"
    folder.mkdir(parents=True)
    write_journal(folder / "000001.log", entries[: cause + 1])
    assert recover_store(store) == ["K"]

    found = list(read_journal(folder))
    assert found[-1].data["reason"] == REASON
    records = [
        entry.document().record
        for entry in found
        if entry.kind == "doc" and entry.data["doc_type"] == DocType.PLAYER_ACTION.value
    ]
    assert [record.state for record in records] == [ActionState.NOT_SENT, ActionState.DENIED]
    assert records[1].outcome.error_reason.startswith("stop: ")
    assert len([entry for entry in found if entry.kind == "intent"]) == 1
