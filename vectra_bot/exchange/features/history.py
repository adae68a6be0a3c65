"""Finished games in the venue's frames: history, averages, records."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import fsum
from typing import Any

from attrs import field, frozen
from msgspec import UNSET, Raw

from vectra_bot.exchange.accounts import Coin
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import EndedSidebet, Placed
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame, server_seed_hash
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import god_candle_keys, highest_keys, raw_part
from vectra_bot.wire.payloads import HistoryGame, PayoutRow, PlacedRow, RevealedSeed
from vectra_bot.wire.states import WireFormat

_DAY_MS = 86_400_000  # records are those of the last 24 hours: no capture has an older one
_TIERS = ((50, 50.0), (10, 10.0), (2, 2.0))


@frozen(kw_only=True)
class Finished:
    """A finished game: its secret seed and the game the law gives for it."""

    game_id: str
    server_seed: str
    game: FairGame
    timestamp_ms: int
    prices: Raw = field(repr=False)

    @classmethod
    def of(cls, game_id: str, server_seed: str, game: FairGame, timestamp_ms: int) -> Finished:
        """Return the record with its published price list encoded once."""
        prices = raw_part([number(price) for price in game.published_prices])
        return cls(
            game_id=game_id,
            server_seed=server_seed,
            game=game,
            timestamp_ms=timestamp_ms,
            prices=prices,
        )


def _god_jump(game: FairGame) -> tuple[float, float] | None:
    """Return the two prices around a god candle; no other move is much larger than 25 %."""
    for before, after in pairwise(game.prices):
        if after > 2 * before:
            return before, after
    return None


class History:
    """The last games in the venue's shapes; memory is bounded whatever the number of games.

    ``games`` is the encoded ``gameHistory``, newest first. ``averages`` and ``records`` are keys that a frame
    copies unchanged.
    """

    def __init__(self, wire_format: WireFormat, identities: Identities) -> None:
        self._format = wire_format
        self._identities = identities
        self._entries: deque[bytes] = deque(maxlen=rules.HISTORY_GAMES)
        self._peaks: deque[float] = deque(maxlen=rules.AVERAGE_GAMES)
        self._best: deque[Finished] = deque()  # of the last day: each better than all after it
        self._gods: dict[int, tuple[int, dict[str, Any]]] = {}
        self._no_gods = {tier: god_candle_keys(wire_format, tier) for tier, _ in _TIERS}
        self.games = Raw(b"[]")
        self.averages: dict[str, Any] = {}
        self.records: dict[str, Any] = {}

    def finish(self, ended: Finished, bets: list[Placed | EndedSidebet]) -> None:
        """Add the game that has just rugged, as the new-game frame shows it (protocol 3.3)."""
        self._entries.appendleft(bytes(raw_part(self._entry(ended, bets))))
        self._peaks.append(ended.game.peak)
        self.games = Raw(b"[" + b",".join(self._entries) + b"]")
        self._state_averages()
        self._state_records(ended)

    def _state_averages(self) -> None:
        peaks = self._peaks
        self.averages = {
            "average_multiplier": number(fsum(peaks) / len(peaks)),
            "count_2x": sum(1 for peak in peaks if peak >= 2),
            "count_10x": sum(1 for peak in peaks if peak >= 10),
            "count_50x": sum(1 for peak in peaks if peak >= 50),
            "count_100x": sum(1 for peak in peaks if peak >= 100),
        }

    def remember(self, ended: Finished) -> None:
        """Add the records of a game that is older than history and averages."""
        self._state_records(ended)

    def _state_records(self, ended: Finished) -> None:
        self._note_best(ended)
        jump = _god_jump(ended.game)
        if jump is not None:
            self._note_god_candle(ended, jump)
        best = self._best[0]
        self.records = {
            "highest_today": number(best.game.peak),
            "highest_today_timestamp": best.timestamp_ms,
            **highest_keys(
                self._format,
                game_id=best.game_id,
                server_seed=best.server_seed,
                prices=best.prices,
            ),
        }
        for tier, no_keys in self._no_gods.items():
            seen_ms, keys = self._gods.get(tier, (0, no_keys))
            fresh = ended.timestamp_ms - seen_ms < _DAY_MS
            self.records.update(keys if fresh else no_keys)

    def _note_best(self, ended: Finished) -> None:
        best = self._best
        while best and best[-1].game.peak <= ended.game.peak:
            best.pop()
        best.append(ended)
        while ended.timestamp_ms - best[0].timestamp_ms >= _DAY_MS:
            best.popleft()

    def _note_god_candle(self, ended: Finished, jump: tuple[float, float]) -> None:
        """Store the game under its tier, with its own seed: the venue leaks the next game's seed here."""
        for tier, least in _TIERS:
            if ended.game.peak >= least:
                keys = god_candle_keys(
                    self._format,
                    tier,
                    peak=number(ended.game.peak),
                    timestamp_ms=ended.timestamp_ms,
                    jump=(number(jump[0]), number(jump[1])),
                    game_id=ended.game_id,
                    server_seed=ended.server_seed,
                    prices=ended.prices,
                )
                self._gods[tier] = (ended.timestamp_ms, keys)
                return

    def _entry(self, ended: Finished, bets: list[Placed | EndedSidebet]) -> HistoryGame:
        december = self._format is WireFormat.DEC
        return HistoryGame(
            id=ended.game_id,
            timestamp=ended.timestamp_ms,
            prices=ended.prices if december else UNSET,  # type: ignore[arg-type]
            peak_multiplier=number(ended.game.peak),
            rugged=True,
            global_sidebets=raw_part(self._rows(ended.game_id, bets)),
            provably_fair=RevealedSeed(
                server_seed=ended.server_seed, server_seed_hash=server_seed_hash(ended.server_seed)
            ),
            game_version=rules.LAW_VERSION,
        )

    def _rows(self, game_id: str, bets: list[Placed | EndedSidebet]) -> list[PlacedRow | PayoutRow]:
        rows: list[PlacedRow | PayoutRow] = []
        for item in bets:
            if isinstance(item, EndedSidebet):
                rows.append(_payout_row(item, game_id, self._identities.uuid()))
            elif not item.presale:
                rows.append(_placed_row(item, game_id, self._identities.uuid()))
        return rows


def _placed_row(placed: Placed, game_id: str, row_id: str) -> PlacedRow:
    practice = placed.coin is Coin.PRACTICE
    return PlacedRow(
        player_id=placed.account.player_id,
        username=placed.account.username,
        game_id=game_id,
        bet_amount=sol_number(placed.bet.amount),
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=_address(placed.coin),
        bonus_portion=sol_number(placed.bet.bonus),
        real_portion=0 if practice else sol_number(placed.bet.amount - placed.bet.bonus),
        timestamp=placed.at_ns // NS_PER_MS,
        started_at_tick=placed.bet.start_tick,
        end=placed.bet.end_tick,
        id=row_id,
    )


def _address(coin: Coin) -> str:
    return rules.PRACTICE_ADDRESS if coin is Coin.PRACTICE else rules.SOL_ADDRESS


def _payout_row(settled: EndedSidebet, game_id: str, row_id: str) -> PayoutRow:
    """Return the row of a decided bet: a lost one shows its start as ``tickIndex`` (protocol 5.4)."""
    bet = settled.bet
    stake = sol_number(bet.amount)
    # The venue calculates in doubles: their rounding is in its rows.
    full = bet.payout == bet.amount * rules.SIDEBET_PAYOUT_X
    payout = number(stake * rules.SIDEBET_PAYOUT_X) if full else sol_number(bet.payout)
    return PayoutRow(
        player_id=settled.account.player_id,
        game_id=game_id,
        username=settled.account.username,
        level=settled.account.level if bet.won else UNSET,
        bet_amount=stake,
        payout=payout,
        profit=number(payout - stake),
        x_payout=rules.SIDEBET_PAYOUT_X,
        coin_address=_address(settled.coin),
        end_tick=bet.end_tick,
        start_tick=bet.start_tick,
        tick_index=settled.tick if bet.won else bet.start_tick,
        price=number(settled.price) if bet.won else UNSET,
        timestamp=settled.at_ns // NS_PER_MS,
        id=row_id,
    )
