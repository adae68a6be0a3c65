"""Rounds of Bull/Bear/Crab and Candleflip (protocol 11; wire and timing unverified).

Every room has one round after another: open for stakes, closed, result, a pause. A round commits to the
hash of its seed when it opens and reveals the seed with its result. Rounds run in parallel to the games and
do not end with them; a stake is paid from the coin that was selected when it was placed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Protocol

import attrs
from attrs import define, field, frozen
from msgspec import UNSET

from vectra_bot.exchange.accounts import BookEntry, Coin, VenueAccount
from vectra_bot.exchange.config import ExchangeConfig
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import Market
from vectra_bot.exchange.schedule import Schedule
from vectra_bot.game.fair import server_seed_hash
from vectra_bot.game.ledger import BadAmount, Ledger, LedgerError
from vectra_bot.game.sidegames import BBC, SideGame
from vectra_bot.models.times import NS_PER_MS, NS_PER_S
from vectra_bot.wire.amounts import number
from vectra_bot.wire.sidegames import RoundPayload

BETTING_S = {BBC: 12, "candleflip": 10}
ROLL_S = 3
PAUSE_S = 5
MAX_STAKES = 5_000
_STAGGER_S = 3


class Announces(Protocol):
    """Where statements about rounds go: the exchange's outlet, or the fast driver's board."""

    def announce(self, name: str, payload: Any) -> None: ...


class RoundClosed(LedgerError):
    """No round accepts stakes now, or not the requested one."""

    reason: ClassVar[str] = "round_closed"


class StakePlaced(LedgerError):
    """The player already has a stake in this round; one each (unverified)."""

    reason: ClassVar[str] = "stake_placed"


@frozen(kw_only=True)
class RoundStake:
    """A stake in a round; ``payout`` is None before the result."""

    account: VenueAccount
    game: str
    round_id: str
    choice: str
    amount: int
    bonus: int
    coin: Coin
    ledger: Ledger = field(repr=False)
    placed_ms: int
    result: str | None = None
    payout: int | None = None
    payout_bonus: int = 0


@define(eq=False)
class Room:
    """One room of a side game and its running round."""

    game: SideGame
    number: int | None
    round_number: int = 0
    round_id: str = ""
    server_seed: str = ""
    closes_ns: int = 0
    is_open: bool = False
    stakes: dict[str, RoundStake] = field(factory=dict)


class SideGames:
    """Runs the rounds on the exchange's schedule.

    Args:
        config: odds, payouts and rooms.
        identities: source of seeds and ids.
        schedule: the schedule to which the rounds are added.
        outlet: where their frames are sent.
        market: the game that runs in parallel, and the books for the stakes.
        on_settled: called with every stake that ended.
        on_stake: called with every stake that was placed.

    Attributes:
        rounds: number of rounds with a result.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        identities: Identities,
        schedule: Schedule,
        outlet: Announces,
        *,
        market: Market,
        on_settled: Callable[[RoundStake], None],
        on_stake: Callable[[RoundStake], None] | None = None,
    ) -> None:
        self._config = config
        self._market = market
        self._books = market.books
        self._identities = identities
        self._schedule = schedule
        self._outlet = outlet
        self._on_settled = on_settled
        self._on_stake = on_stake
        self.rooms = [Room(config.bbc, None)]
        self.rooms += [Room(config.candleflip, n + 1) for n in range(config.candleflip_rooms)]
        self.rounds = 0
        if config.side_games:
            for place, room in enumerate(self.rooms):
                schedule.after(1000 + place * _STAGGER_S * 1000, partial(self._open, room))

    def open_rooms(self, game: str) -> list[Room]:
        """Return the rooms of *game* that accept stakes, sorted by closing time."""
        rooms = [room for room in self.rooms if room.is_open and room.game.name == game]
        return sorted(rooms, key=lambda room: room.closes_ns)

    def check(
        self, account: VenueAccount, game: str, choice: str | None, round_id: str | None
    ) -> Room:
        """Return the room for a stake: of several, the first that still accepts one of *account*.

        Raises:
            RoundClosed: no round of *game*, or not the requested one, accepts stakes now.
            BadAmount: *choice* is not one of the game's.
            StakePlaced: the player has a stake in the round.
        """
        rooms = self.open_rooms(game)
        if round_id is not None:
            rooms = [room for room in rooms if room.round_id == round_id]
        if not rooms:
            raise RoundClosed(f"no round of {game} takes stakes now: wait for the next one")
        free = [
            room
            for room in rooms
            if account.player_id not in room.stakes and len(room.stakes) < MAX_STAKES
        ]
        room = (free or rooms)[0]
        if choice not in room.game.odds:
            raise BadAmount(f"choice was {choice!r}: give one of {', '.join(room.game.odds)}")
        if account.player_id in room.stakes:
            raise StakePlaced(f"a stake in round {room.round_id} is placed: wait for the next one")
        if len(room.stakes) >= MAX_STAKES:
            raise RoundClosed(f"round {room.round_id} is full: wait for the next one")
        return room

    def bet(
        self,
        account: VenueAccount,
        game: str,
        choice: str,
        amount: int,
        round_id: str | None = None,
    ) -> RoundStake:
        """Stake *amount* lamports; raises what :meth:`check` and the ledger raise."""
        room = self.check(account, game, choice, round_id)
        bonus = account.ledger.stake(game, amount)
        entry = BookEntry.BBC_STAKE if game == BBC else BookEntry.CANDLEFLIP_STAKE
        self._books.post(account, entry, -amount, -bonus)
        account.touch()
        stake = RoundStake(
            account=account,
            game=game,
            round_id=room.round_id,
            choice=choice,
            amount=amount,
            bonus=bonus,
            coin=account.coin,
            ledger=account.ledger,
            placed_ms=self._schedule.now_ns // NS_PER_MS,
        )
        room.stakes[account.player_id] = stake
        if self._on_stake is not None:
            self._on_stake(stake)
        return stake

    def _open(self, room: Room) -> None:
        now_ns = self._schedule.now_ns
        kind = f"{room.game.name}-{room.number or 0}"
        room.round_number += 1
        room.round_id = self._identities.round_id(kind, room.round_number, now_ns)
        room.server_seed = self._identities.derive(f"{kind}-seed", room.round_number)
        room.closes_ns = now_ns + BETTING_S[room.game.name] * NS_PER_S
        room.is_open = True
        room.stakes = {}
        self._show(room, "open")
        self._schedule.after(BETTING_S[room.game.name] * 1000, partial(self._close, room))

    def _close(self, room: Room) -> None:
        room.is_open = False
        self._show(room, "closed")
        self._schedule.after(ROLL_S * 1000, partial(self._end, room))

    def _end(self, room: Room) -> None:
        result = room.game.result(room.server_seed, room.round_id)
        self.rounds += 1
        self._show(room, "result", result)
        for stake in room.stakes.values():
            self._pay(room, stake, result)
        room.stakes = {}
        self._schedule.after(PAUSE_S * 1000, partial(self._open, room))

    def _pay(self, room: Room, stake: RoundStake, result: str) -> None:
        payout = room.game.payout(stake.amount, stake.choice) if stake.choice == result else 0
        bonus = payout * stake.bonus // stake.amount
        stake.ledger.credit(payout, bonus)
        entry = BookEntry.BBC_PAYOUT if room.game.name == BBC else BookEntry.CANDLEFLIP_PAYOUT
        practice = stake.coin is Coin.PRACTICE
        self._books.post_coin(stake.account, entry, payout, bonus, practice=practice)
        stake.account.touch()
        self._on_settled(attrs.evolve(stake, result=result, payout=payout, payout_bonus=bonus))

    def _show(self, room: Room, status: str, result: str | None = None) -> None:
        profile = self._config.protocol
        payload = RoundPayload(
            round_id=room.round_id,
            status=status,
            room=UNSET if room.number is None else room.number,
            server_seed_hash=server_seed_hash(room.server_seed),
            closes_at=room.closes_ns // NS_PER_MS,
            payouts={
                profile.choices[choice]: number(payout)
                for choice, payout in room.game.payouts.items()
            },
            game_id=self._market.game_id,
            tick=self._market.tick,
            price=number(self._market.price),
            timestamp=self._schedule.now_ns // NS_PER_MS,
            result=UNSET if result is None else profile.choices[result],
            server_seed=UNSET if result is None else room.server_seed,
        )
        self._outlet.announce(profile.events[f"{room.game.name}_round"], payload)
