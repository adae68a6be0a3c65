"""The public frames: ``gameStateUpdate`` in its five shapes, and the trade stream (protocol 5.1, 5.5)."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, UnsetType

from vectra_bot.exchange.features.calendar import Royales
from vectra_bot.exchange.features.history import History
from vectra_bot.exchange.features.leaderboard import Leaderboard
from vectra_bot.exchange.features.rugpool import Pool
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Market
from vectra_bot.game import rules
from vectra_bot.wire.amounts import number
from vectra_bot.wire.frames import event_text, is_plain, raw_part
from vectra_bot.wire.payloads import Coin, PartialPrices, ProvablyFair, RugRoyale
from vectra_bot.wire.states import (
    CountdownState,
    SettlementState,
    SnapshotState,
    StartState,
    TickState,
)

_STATE = "gameStateUpdate"
_NO_EVENT = raw_part(RugRoyale())
_COINS = raw_part(
    [
        Coin(
            address=rules.PRACTICE_ADDRESS,
            ticker="FREE",
            name="Practice SOL",
            max_bet=10_000,
            max_win=100_000,
        )
    ]
)


class Broadcast:
    """Write frames from the current state; unchanged parts are encoded once.

    ``timer_ms`` is the countdown's value, 0 while a game is on; ``rugged`` and ``active`` are as in
    protocol 3.1.
    """

    def __init__(
        self,
        identities: Identities,
        *,
        market: Market,
        history: History,
        board: Leaderboard,
        pool: Pool,
        royales: Royales,
    ) -> None:
        self._market = market
        self._history = history
        self._board = board
        self._pool = pool
        self._identities = identities
        self._fair: Raw = Raw(b"{}")
        self._prices: list[float] = []
        self._plain = True  # the encoder writes every price so far as JavaScript does
        self.timer_ms = 0
        self.active = False
        self.rugged = False
        self.connected = 0
        self._royales = royales

    def begin_game(self, seed_hash: str) -> None:
        """Commit to the next game's seed and start its price list."""
        self._fair = raw_part(ProvablyFair(server_seed_hash=seed_hash, version=rules.LAW_VERSION))
        self._prices = [number(rules.START_PRICE)]
        self._plain = True

    def note_price(self, price: float) -> None:
        """Add the price of the next tick, the rug price included."""
        self._prices.append(number(price))
        self._plain = self._plain and is_plain(price)

    def tick(self) -> str:
        """Return a tick-type frame: a live tick, the rug, or the opening of the presale."""
        market = self._market
        return event_text(
            _STATE,
            TickState(
                active=self.active,
                price=self._prices[-1],
                partial_prices=self._window(),
                trade_count=market.trade_count,
                rugged=self.rugged,
                tick_count=len(self._prices) - 1,
                cooldown_timer=self.timer_ms,
                allow_pre_round_buys=market.presale,
                **self._history.averages,
                leaderboard=self._board.table,
                game_id=market.game_id,
                connected_players=self.connected,
                rugpool=self._pool.brief,
                rug_royale=self._royales.part,
                provably_fair=self._fair,
            ),
            prepared=self._plain,
        )

    def countdown(self) -> str:
        """Return a countdown frame."""
        market = self._market
        return event_text(
            _STATE,
            CountdownState(
                game_id=market.game_id,
                cooldown_timer=self.timer_ms,
                allow_pre_round_buys=market.presale,
                leaderboard=self._board.table,
                connected_players=self.connected,
                provably_fair=self._fair,
            ),
            prepared=self._plain,
        )

    def start(self) -> str:
        """Return the frame of tick 0."""
        return event_text(
            _STATE,
            StartState(
                leaderboard=self._board.table,
                game_id=self._market.game_id,
                connected_players=self.connected,
                game_version=rules.LAW_VERSION,
                partial_prices=self._window(),
                provably_fair=self._fair,
            ),
            prepared=self._plain,
        )

    def settlement(self, tick_count: int) -> str:
        """Return a settlement or new-game frame; *tick_count* runs past the rug in the former."""
        state = SettlementState(**self._records(tick_count), partial_prices=self._window())
        return event_text(_STATE, state, prepared=self._plain)

    def snapshot(self) -> str:
        """Return the first frame of a connection, with every price of the running game (protocol 2.6)."""
        tick_count = len(self._prices) - 1
        state = SnapshotState(**self._records(tick_count), prices=tuple(self._prices))
        return event_text(_STATE, state, prepared=self._plain)

    def _records(self, tick_count: int) -> dict[str, Any]:
        """Return the keys shared by the frames with the history."""
        market = self._market
        return {
            "game_history": self._history.games,
            **self._history.averages,
            **self._history.records,
            "available_shitcoins": _COINS,
            "active": self.active,
            "price": self._prices[-1],
            "rugged": self.rugged,
            "tick_count": tick_count,
            "cooldown_timer": self.timer_ms,
            "allow_pre_round_buys": market.presale,
            "leaderboard": self._board.table,
            "game_id": market.game_id,
            "connected_players": self.connected,
            "game_version": rules.LAW_VERSION,
            "rug_royale": self._scheduled(),
            "provably_fair": self._fair,
        }

    def _scheduled(self) -> Raw | UnsetType:
        """Return the rug royales for the big frames, which have that key only if any is scheduled."""
        return self._royales.part if self._royales.scheduled else UNSET

    def _window(self) -> PartialPrices:
        """Return the sliding window of the last five prices (protocol 5.1)."""
        end = len(self._prices) - 1
        start = max(0, end - rules.PARTIAL_PRICE_WINDOW + 1)
        return PartialPrices(
            start_tick=start,
            end_tick=end,
            values={tick: self._prices[tick] for tick in range(start, end + 1)},
        )
