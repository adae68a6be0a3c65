"""Games of a store as a client saw them: the trade stream joined with final leaderboards and sidebets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from attrs import define, field

from vectra_bot.analysis.players.ends import GameEnds, decided_sidebets, read_ends
from vectra_bot.analysis.players.games import (
    FinalRow,
    ObservedGame,
    ObservedSidebet,
    ObservedTrade,
)
from vectra_bot.errors import WireError
from vectra_bot.game import rules
from vectra_bot.game.amounts import lamports_from_double
from vectra_bot.store.query.catalog import Catalog

# A trade that several sessions saw counts once; so does a price, and the first session's is taken.
_TRADES: Final = """
    SELECT game_id, player_id, username, action_type, tick, price::DOUBLE,
        (amount * 1000000000)::BIGINT, (coalesce(qty, 0) * 1000000000)::BIGINT, coalesce(practice, false)
    FROM other_player
    QUALIFY row_number() OVER (
        PARTITION BY venue, game_id, coalesce(trade_id, session_id || ' ' || seq) ORDER BY session_id, seq
    ) = 1
    ORDER BY session_id, seq
"""
_PRICES: Final = """
    WITH seen AS (
        SELECT game_id, tick, phase = 'rugged' AS rugged, arg_min(price, (session_id, seq)) AS price,
            max(trade_count) AS trade_count
        FROM game_tick WHERE phase IN ('active', 'rugged') GROUP BY ALL
    )
    SELECT game_id, list(tick ORDER BY tick) FILTER (NOT rugged) AS ticks,
        list(price ORDER BY tick) FILTER (NOT rugged) AS prices,
        min(tick) FILTER (rugged) AS rug_tick, arg_min(price, tick) FILTER (rugged) AS rug_price,
        arg_max(trade_count, tick) AS trade_count
    FROM seen GROUP BY game_id ORDER BY game_id
"""
_FRAMES: Final = """
    SELECT raw_json FROM ws_event
    WHERE direction = 'in' AND event_name = 'gameStateUpdate' AND contains(raw_json, '"gameHistory"')
    ORDER BY session_id, seq
"""
# Imported games have the rows of their sidebets in the event that reports the game.
_FINISHED: Final = """
    SELECT game_id, detail_json FROM system_event
    WHERE kind = 'game.finished' AND contains(detail_json, '"sidebets"')
    ORDER BY session_id, seq
"""


class _Finished(msgspec.Struct, gc=False):
    sidebets: msgspec.Raw = msgspec.Raw(b"[]")


_decode_finished = msgspec.json.Decoder(_Finished).decode


@define
class StoredGames:
    """Reads the games of a store; what is kept of each until it is judged is some 20 kB.

    Attributes:
        unreadable: frames and rows that could not be read.
    """

    unreadable: int = 0
    _games: dict[str, ObservedGame] = field(factory=dict)
    _listed: set[str] = field(factory=set)

    def read(self, catalog: Catalog) -> Iterator[ObservedGame]:
        """Yield every game with a trade, a sidebet or a price, each once.

        Raises:
            InputError, StoreError: the store cannot be read.
        """
        for rows in catalog.stream(_FRAMES):
            for (raw,) in rows:
                self._read_frame(raw)
        for game_id, detail in catalog.sql(_FINISHED).rows:
            self._read_finished(game_id, detail)
        for rows in catalog.stream(_TRADES):
            for row in rows:
                self._add_trade(row)
        for rows in catalog.stream(_PRICES, rows=100):
            for game_id, *seen in rows:
                game = self._games.pop(game_id, None) or ObservedGame(game_id)
                _add_prices(game, seen)
                yield game
        while self._games:
            yield self._games.pop(next(iter(self._games)))
        self._listed.clear()

    def _game(self, game_id: str) -> ObservedGame:
        game = self._games.get(game_id)
        if game is None:
            game = self._games[game_id] = ObservedGame(game_id)
        return game

    def _read_frame(self, raw: str) -> None:
        try:
            ends = read_ends(raw)
        except WireError:
            self.unreadable += 1
            return
        self._add_table(ends)
        for game_id, rows in ends.sidebets:
            self._add_sidebets(game_id, rows)

    def _read_finished(self, game_id: str, detail: str) -> None:
        try:
            rows = bytes(_decode_finished(detail).sidebets)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            self.unreadable += 1
            return
        self._add_sidebets(game_id, rows)

    def _add_table(self, ends: GameEnds) -> None:
        self.unreadable += ends.unreadable
        if not ends.final:
            return
        game = self._game(ends.game_id)
        if game.table:
            return
        game.table = [
            FinalRow(row.id, lamports_from_double(row.pnl), row.practice) for row in ends.final
        ]
        for row in ends.final:
            _name(game, row.id, row.username)

    def _add_sidebets(self, game_id: str, rows: bytes) -> None:
        """Add a game's list once: ten frames repeat it."""
        if game_id in self._listed:
            return
        self._listed.add(game_id)
        bets, unreadable = decided_sidebets(rows)
        self.unreadable += unreadable
        if not bets:
            return
        game = self._game(game_id)
        game.sidebets = [
            ObservedSidebet(
                bet.player_id,
                bet.start_tick,
                bet.end_tick,
                lamports_from_double(bet.bet_amount),
                lamports_from_double(bet.payout),
                bet.coin_address == rules.PRACTICE_ADDRESS,
            )
            for bet in bets
        ]
        for bet in bets:
            _name(game, bet.player_id, bet.username)

    def _add_trade(self, row: tuple[Any, ...]) -> None:
        game_id, player, name, *seen = row
        game = self._game(game_id)
        game.trades.append(ObservedTrade(player, *seen))
        _name(game, player, name)


def _add_prices(game: ObservedGame, seen: list[Any]) -> None:
    ticks, prices, game.rug_tick, game.rug_price, game.trade_count = seen
    if not ticks:
        return
    known = dict(zip(ticks, prices, strict=True))
    last = min(max(ticks), rules.MAX_TICKS)
    game.prices = [known.get(tick) for tick in range(last + 1)]


def _name(game: ObservedGame, player: str, name: str | None) -> None:
    if name is not None:
        game.names[player] = name
