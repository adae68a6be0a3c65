"""Golden Hour: windows in which some games are golden and end with a drawing (protocol 5.9, 12).

Times and prize of the windows, the level and the most entries are the venue's own as captured. Which games
of a window are golden is unverified: here each with a fixed chance. What gives an entry is a model of the
counts seen (protocol 12): 4 per 0.001 SOL of a live sidebet, none for one of the presale, and for a long 1
per 0.001 SOL, up to 4 by how long it was held.
"""

from __future__ import annotations

from attrs import frozen

from vectra_bot.exchange.accounts import BookEntry, Books, VenueAccount
from vectra_bot.exchange.config import GoldenPlan
from vectra_bot.exchange.dice import Dice
from vectra_bot.exchange.features.rugpool import pick
from vectra_bot.game import rules
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models.times import NS_PER_S
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.drawings import GoldenDrawingPayload, GoldenEntry


@frozen(kw_only=True)
class GoldenEvent:
    """One window: its number from 0, and its bounds in nanoseconds since the epoch."""

    number: int
    start_ns: int
    end_ns: int


@frozen
class GoldenDrawing:
    """The drawing of a golden game: entries and prizes (lamports) by player."""

    entries: tuple[tuple[VenueAccount, int], ...]
    winner_index: int
    prize: int

    @property
    def winner(self) -> VenueAccount:
        return self.entries[self.winner_index][0]

    def payload(self, drawing_id: str, game_id: str, timestamp_ms: int) -> GoldenDrawingPayload:
        """Return the payload of the drawing's frame."""
        total = sum(count for _, count in self.entries)
        return GoldenDrawingPayload(
            id=drawing_id,
            timestamp=timestamp_ms,
            game_id=game_id,
            entries=[
                GoldenEntry(
                    player_id=account.player_id,
                    username=account.username,
                    entry_count=count,
                    entry_percentage=number(count / total * 100),
                )
                for account, count in self.entries
            ],
            winner_index=self.winner_index,
            prize_amount=sol_number(self.prize),
            winner_player_id=self.winner.player_id,
        )


class GoldenHour:
    """Compute the windows, decide which games are golden, and draw."""

    def __init__(self, plan: GoldenPlan, start_ns: int, books: Books, dice: Dice) -> None:
        self._plan = plan
        self._start_ns = start_ns
        self._books = books
        self._dice = dice
        self.is_golden = False
        self.drawings = 0

    def event_at(self, now_ns: int) -> GoldenEvent | None:
        """Return the window at *now_ns*, None between two."""
        event = self._event(self._number(now_ns))
        return event if event is not None and event.start_ns <= now_ns < event.end_ns else None

    def begin_game(self, now_ns: int) -> None:
        """Decide whether the game that is announced now is golden."""
        self.is_golden = self.event_at(now_ns) is not None and self._dice.chance(self._plan.chance)

    def draw(self, players: list[VenueAccount]) -> GoldenDrawing | None:
        """Draw among those who have entries in the golden game; None if these are fewer than two."""
        entries = {
            account.player_id: (account, count)
            for account in players
            if account.level >= rules.GOLDEN_LEVEL and (count := _entries(account))
        }
        if len(entries) < rules.DRAWING_MIN_PLAYERS:
            return None
        winner = list(entries).index(pick(self._dice, entries))
        drawing = GoldenDrawing(tuple(entries.values()), winner, to_lamports(rules.GOLDEN_PRIZE))
        self._books.pay(drawing.winner, drawing.prize, BookEntry.GOLDEN_PRIZE)
        self.drawings += 1
        return drawing

    def _number(self, now_ns: int) -> int:
        """Return the number of the last window that has started, -1 before the first."""
        plan = self._plan
        first_ns = self._start_ns + plan.after_min * 60 * NS_PER_S
        if not plan.every_min or now_ns < first_ns:
            return -1
        return (now_ns - first_ns) // (plan.every_min * 60 * NS_PER_S)

    def _event(self, number: int) -> GoldenEvent | None:
        plan = self._plan
        if number < 0 or not plan.every_min:
            return None
        start = self._start_ns + (plan.after_min + number * plan.every_min) * 60 * NS_PER_S
        return GoldenEvent(
            number=number, start_ns=start, end_ns=start + plan.length_min * 60 * NS_PER_S
        )


def _entries(account: VenueAccount) -> int:
    return min(rules.GOLDEN_MAX_ENTRIES, account.golden // rules.GOLDEN_LAMPORTS_PER_ENTRY)
