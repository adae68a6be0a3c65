"""Drawn mutants that no test can notice, each with the reason.

Keys are file, code and mutant as ``drawn.py`` lists them; a line that changes needs a new entry.
"""

from __future__ import annotations

_SET_FIRST = "the value is set before it is first read"
_GIVEN = "every caller gives the value"
_TWO = "there are two side games, and BBC is the smaller text"
_NOTHING_SOLD = "selling no tokens leaves the lots as they are"
_PRIVATE = "it only lets a private field be given to the constructor as well"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("actions/interface.py", "calls: int = 0", "calls: int = -1"): _SET_FIRST,
    ("actions/interface.py", "calls: int = 0", "calls: int = 1"): _SET_FIRST,
    ("actions/episode.py", "started_ns: int = 0", "started_ns: int = -1"): _SET_FIRST,
    ("actions/episode.py", "start_equity: int = 0", "start_equity: int = 1"): _SET_FIRST,
    ("actions/risk.py", "sent_this_game: int = 0", "sent_this_game: int = 1"): _SET_FIRST,
    ("game/account.py", "_stated_qty: int = 0", "_stated_qty: int = -1"): _SET_FIRST,
    ("game/account.py", "game_start_cash: int = 0", "game_start_cash: int = -1"): _SET_FIRST,
    (
        "game/account.py",
        "def shown(self, effect: Effect, tick: int, leverage: int = 1) -> None:",
        "def shown(self, effect: Effect, tick: int, leverage: int = 2) -> None:",
    ): _GIVEN,
    ("game/ledger.py", "bonus: int = 0", "bonus: int = 1"): _GIVEN,
    ("actions/notes.py", "unverified: bool = False", "unverified: bool = True"): _GIVEN,
    (
        "game/ledger.py",
        "_leveraged: int = field(default=0, init=False)",
        "_leveraged: int = field(default=0, init=True)",
    ): _PRIVATE,
    (
        "game/ledger.py",
        "_qty: int = field(default=0, init=False)",
        "_qty: int = field(default=0, init=True)",
    ): _PRIVATE,
    (
        "game/ledger.py",
        "_lots: list[Lot] = field(factory=list, init=False)",
        "_lots: list[Lot] = field(factory=list, init=True)",
    ): _PRIVATE,
    (
        "game/ledger.py",
        "return exact // bottom if exact >= 0 else -(-exact // bottom)",
        "return exact // bottom if exact > 0 else -(-exact // bottom)",
    ): "0 is rounded to 0 either way",
    (
        "game/ledger.py",
        "hit_max_win: bool = field(default=False, init=False)",
        "hit_max_win: bool = field(default=False, init=True)",
    ): "it only lets a field be given to the constructor as well",
    (
        "actions/book.py",
        "if t.action.action_type.is_entry and not t.booked",
        "if t.action.action_type.is_entry or not t.booked",
    ): "an undecided entry is never booked, and what is not an entry has no amount",
    ("game/account.py", "cash: int = 0", "cash: int = -1"): _SET_FIRST,
    ("game/account.py", "bonus: int = 0", "bonus: int = 1"): _SET_FIRST,
    ("game/ledger.py", "if lot.leverage == 1:", "if lot.leverage <= 1:"): "leverage is 1 or more",
    (
        "game/account.py",
        "elif effect.delta_qty < 0:",
        "elif effect.delta_qty < 1:",
    ): _NOTHING_SOLD,
    ("game/account.py", "if more < 0:", "if more < 1:"): _NOTHING_SOLD,
    (
        "actions/rounds.py",
        "DocType.BBC_ROUND if ended.side_game is SideGameKind.BBC else DocType.CANDLEFLIP_ROUND",
        "DocType.BBC_ROUND if ended.side_game <= SideGameKind.BBC else DocType.CANDLEFLIP_ROUND",
    ): _TWO,
    (
        "actions/book.py",
        "tracked = Tracked(action, None, recv_ns, booked=True)",
        "tracked = Tracked(action, None, recv_ns, booked=False)",
    ): "it is decided in the same call, so it never counts as at risk",
    (
        "actions/book.py",
        "to_lamports(t.action.amount or 0)",
        "to_lamports(t.action.amount or 1)",
    ): "an entry has an amount",
    (
        "actions/sidebets.py",
        "tracked = alone[0] if alone_fits and event.trace_id is None else None",
        "tracked = alone[ -1] if alone_fits and event.trace_id is None else None",
    ): "the list has one item",
}
