"""Drawn mutants that no test can notice, each with the reason.

Keys are file, code and mutant as ``drawn.py`` lists them; a line that changes needs a new entry.
"""

from __future__ import annotations

_TWO = "there are two side games, and BBC is the smaller text"
_BUY = "of BUY and SELL, the only kinds here, BUY is the smaller text"
_ONE = "the list has one item"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "game/ledger.py",
        "return exact // bottom if exact >= 0 else -(-exact // bottom)",
        "return exact // bottom if exact > 0 else -(-exact // bottom)",
    ): "0 is rounded to 0 either way",
    ("game/ledger.py", "if lot.leverage == 1:", "if lot.leverage <= 1:"): "leverage is 1 or more",
    (
        "actions/rounds.py",
        "DocType.BBC_ROUND if ended.side_game is SideGameKind.BBC else DocType.CANDLEFLIP_ROUND",
        "DocType.BBC_ROUND if ended.side_game <= SideGameKind.BBC else DocType.CANDLEFLIP_ROUND",
    ): _TWO,
    (
        "actions/tracker.py",
        "signed = bonus - amount if kind is ActionType.BUY else amount - bonus",
        "signed = bonus - amount if kind <= ActionType.BUY else amount - bonus",
    ): _BUY,
    (
        "actions/book.py",
        "matches = len(alone) == 1 and fits(alone[0].action, kind, trade.amount)",
        "matches = len(alone) == 1 and fits(alone[ -1].action, kind, trade.amount)",
    ): _ONE,
    (
        "actions/book.py",
        "return alone[0] if matches else None",
        "return alone[ -1] if matches else None",
    ): _ONE,
    (
        "actions/book.py",
        "matches = matches and alone[0].action.game_id == trade.game_id",
        "matches = matches and alone[ -1].action.game_id == trade.game_id",
    ): _ONE,
    (
        "actions/reconcile/change.py",
        "return explained[0] if len(explained) == 1 else None",
        "return explained[ -1] if len(explained) == 1 else None",
    ): _ONE,
    ("actions/reconcile/ends.py", "chosen = found[0]", "chosen = found[ -1]"): _ONE,
    (
        "actions/rounds.py",
        "return found[0] if len(found) == 1 else None",
        "return found[ -1] if len(found) == 1 else None",
    ): _ONE,
    (
        "actions/tracker.py",
        "rugged=self.game.phase is GamePhase.RUGGED,",
        "rugged=self.game.phase >= GamePhase.RUGGED,",
    ): "it is asked for a short alone, and in the phases with a larger text there is none",
    (
        "actions/sidebets.py",
        "alone_fits = len(alone) == 1 and fits(alone[0].action, ActionType.SIDEBET, event.amount)",
        "alone_fits = len(alone) == 1 and fits(alone[ -1].action, ActionType.SIDEBET, event.amount)",
    ): _ONE,
    (
        "actions/sidebets.py",
        "alone_fits = alone_fits and alone[0].action.game_id == event.game_id",
        "alone_fits = alone_fits and alone[ -1].action.game_id == event.game_id",
    ): _ONE,
    (
        "actions/sidebets.py",
        "self._unseen(fitting[0], event, Proof.SIDEBET)",
        "self._unseen(fitting[ -1], event, Proof.SIDEBET)",
    ): _ONE,
    (
        "actions/sidebets.py",
        "tracked = alone[0] if alone_fits and event.trace_id is None else None",
        "tracked = alone[ -1] if alone_fits and event.trace_id is None else None",
    ): _ONE,
}
