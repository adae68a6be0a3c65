"""Trades of other players with what was known before each: data for imitation, not a full tape.

The public trade stream is a sample, and a game that several sessions saw counts once: by the session that
saw most of its trades. A row has the market at the tick whose price the trade used, never a later one, and
the leaderboard's row of the player, which is one tick old.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import define, field

from vectra_bot.analysis.episodes.fold import TickRow
from vectra_bot.analysis.episodes.market import PriceHistory
from vectra_bot.analysis.episodes.source import Game, SessionPart, StoreSource, parts
from vectra_bot.game.amounts import BadAmount, to_lamports
from vectra_bot.models import DocType, GamePhase, OtherPlayerAction

_SEEN: Final = """
SELECT game_id, session_id, count(*) FROM other_player WHERE game_id <> '' AND session_id IS NOT NULL
GROUP BY ALL ORDER BY game_id, 3 DESC, session_id
"""


LATE_TICKS: Final = 16
"""A trade that is received more ticks after its own is not used: what was known then is not kept."""


@define
class SeenTrades:
    """How much of the trades of the games was seen.

    ``stated`` is the sum of the venue's own counts at the end of each game, where it sent one.
    """

    seen: int = 0
    seen_where_stated: int = 0
    stated: int = 0
    games: int = 0
    games_with_count: int = 0

    @property
    def share(self) -> float | None:
        """Share of the stated trades that were seen; None if the venue stated no count."""
        return self.seen_where_stated / self.stated if self.stated else None


@define
class TradeSource:
    """Reads the trades of others that a store's sessions saw."""

    source: StoreSource
    coverage: SeenTrades = field(factory=SeenTrades)

    def games(self) -> dict[str, str]:
        """Return the session whose trades are used, by game."""
        found: dict[str, str] = {}
        wanted = self.source.wanted
        for game_id, session, _ in self.source.catalog.sql(_SEEN).rows:
            if not wanted or session in wanted:
                found.setdefault(game_id, session)
        return found

    def rows(self, session: str, games: set[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of each of *games* that *session* saw."""
        listed = self.source.games(session)
        for part, low, high, _ in parts(listed, self.source.span):
            reader = SessionPart(self.source, session, low, high)
            wanted = [game for game in part if game.game_id in games]
            yield from self._games(session, reader, wanted)

    def _games(
        self, session: str, reader: SessionPart, games: Sequence[Game]
    ) -> Iterator[list[dict[str, Any]]]:
        names = [game.game_id for game in games]
        folds = {name: _GameTrades(session) for name in names}
        trades = self.source.read(
            DocType.OTHER_PLAYER_ACTION, OtherPlayerAction, session, reader.low, reader.high
        )
        marked = ((row["seq"], 1, record) for row, record in trades)
        ticks = ((tick.seq, 0, tick) for tick in reader.ticks(names))
        seen: Iterator[tuple[int, int, TickRow | OtherPlayerAction]]
        seen = heapq.merge(ticks, marked, key=lambda entry: entry[:2])
        for _, _, item in seen:
            fold = folds.get(item.game_id)
            if fold is None:
                continue
            if isinstance(item, TickRow):
                fold.tick(item)
            elif not fold.trade(item):
                self.source.coverage.skipped_rows[DocType.OTHER_PLAYER_ACTION.value] += 1
        for name in names:
            self._count(folds[name])
            if folds[name].found:
                yield folds[name].found

    def _count(self, fold: _GameTrades) -> None:
        seen = len(fold.found)
        self.coverage.games += 1
        self.coverage.seen += seen
        if fold.stated is not None:
            self.coverage.games_with_count += 1
            self.coverage.stated += fold.stated
            self.coverage.seen_where_stated += seen


@define
class _GameTrades:
    """The trades of one game, in order."""

    session: str
    found: list[dict[str, Any]] = field(factory=list)
    stated: int | None = None
    _market: PriceHistory = field(factory=PriceHistory)
    _seen: deque[tuple[TickRow, dict[str, Any]]] = field(factory=lambda: deque(maxlen=LATE_TICKS))
    _held: defaultdict[str, int] = field(factory=lambda: defaultdict(int))
    _numbers: Counter[str] = field(factory=Counter)
    _ids: set[str] = field(factory=set)

    def tick(self, tick: TickRow) -> None:
        """Note a price."""
        if tick.trade_count is not None:
            self.stated = max(self.stated or 0, tick.trade_count)
        if tick.backfilled or tick.phase == GamePhase.ACTIVE.value:
            newest = self._market.see(tick.tick, tick.price)
            if tick.backfilled or not newest:
                return
        if tick.phase in (GamePhase.ACTIVE.value, GamePhase.PRESALE.value):
            self._seen.append((tick, self._observed(tick)))

    def _observed(self, tick: TickRow) -> dict[str, Any]:
        return {
            "obs_tick": tick.tick,
            "obs_price": tick.price,
            "obs_peak": self._market.peak,
            "obs_low": self._market.low,
            "obs_volatility": self._market.volatility,
            "obs_connected_players": tick.connected_players,
            "obs_trade_count": tick.trade_count,
        }

    def trade(self, trade: OtherPlayerAction) -> bool:
        """Add a trade; return whether it can be used."""
        if trade.trade_id is not None:
            if trade.trade_id in self._ids:
                return False
            self._ids.add(trade.trade_id)
        known = next((seen for at, seen in reversed(self._seen) if at.tick <= trade.tick), None)
        if known is None:
            return False
        try:
            self.found.append(self._row(trade, known))
        except BadAmount:
            return False
        return True

    def _row(self, trade: OtherPlayerAction, known: dict[str, Any]) -> dict[str, Any]:
        player = trade.player_id
        qty = None if trade.qty is None else to_lamports(trade.qty)
        row = {
            "session_id": self.session,
            "game_id": trade.game_id,
            "player_id": player,
            "number": self._numbers[player],
            **known,
            "obs_level": trade.player_level,
            "obs_seen_qty": self._held[player],
            "obs_rank": trade.leaderboard_rank,
            "obs_position_qty": _lamports(trade.player_position),
            "obs_pnl": _lamports(trade.player_pnl),
            "action_type": trade.action_type,
            "action_amount": to_lamports(trade.amount),
            "action_qty": qty,
            "action_price": float(trade.price),
            "action_tick": trade.tick,
            "action_leverage": trade.leverage,
            "practice": trade.practice,
        }
        self._numbers[player] += 1
        signs = {"BUY": 1, "SELL": -1}
        self._held[player] += signs.get(trade.action_type, 0) * (qty or 0)
        self._held[player] = max(self._held[player], 0)
        return row


def _lamports(amount: Any) -> int | None:
    return None if amount is None else to_lamports(amount)
