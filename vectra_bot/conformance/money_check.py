"""Reconcile money with frames: every player's balance must follow from the sent frames (protocol 5, 6).

The exchange runs with its crowd and with this check's clients, every feature on and some of them more
frequent than usual, so that each is used often. The check parses the frames' JSON itself, adds up every
player's money from own trades, stakes, results and drawings only, and compares it with the venue's books:
per player, per kind of money, to the lamport. What the venue states in between (``playerUpdate``) must be a
sum that the frames reach. The books must also balance with the house.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from attrs import define, field, frozen

from vectra_bot.exchange import Exchange, ExchangeConfig, Outbound
from vectra_bot.exchange.accounts import BookEntry, Money
from vectra_bot.exchange.config import GoldenPlan
from vectra_bot.exchange.dice import Choice, Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import rules
from vectra_bot.game.ledger import lamports_from_double, to_lamports, to_sol
from vectra_bot.models import ActionType, Command
from vectra_bot.models.times import NS_PER_S
from vectra_bot.wire.encode import encode_request
from vectra_bot.wire.profile import Profile
from vectra_bot.wire.states import WireFormat

T = TypeVar("T")

CLIENTS = 12
_CASH = to_lamports(50)
_BONUS = to_lamports("0.5")
_LATENCY_NS = 70_000_000
_MAX_DIFFERENCES = 100
_REMEMBERED = 16  # latest sums of a player that a statement in flight may refer to

# Features that must be used, and how their uses are counted from the venue's entries.
_ENTRIES = {entry.value: entry for entry in BookEntry if entry is not BookEntry.DEPOSIT}


def check_config(seed: int, *, crowd: int, wire_format: WireFormat) -> ExchangeConfig:
    """Return a config with every feature on, rare ones more frequent so that they are used often."""
    return ExchangeConfig(
        seed=seed,
        crowd=crowd,
        wire_format=wire_format,
        past_games=rules.HISTORY_GAMES,
        max_win=Decimal("0.5"),
        candleflip_rooms=3,
        golden=GoldenPlan(every_min=60, after_min=0, length_min=60, chance=1.0),
        rugpool_threshold=1,
        instarug_ticks=50,
        crowd_mail=True,
    )


@frozen(kw_only=True)
class MoneyReport:
    """What the check found.

    Attributes:
        accounts: accounts compared, each in three kinds of money.
        features: number of uses of each feature.
        frames: frames that were read.
        differences: one line for each difference, at most 100.
    """

    seed: int
    games: int
    accounts: int
    frames: int
    acks: int
    refused: int
    features: dict[str, int]
    house: dict[str, Decimal]
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there are no differences."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data; amounts are text with nine places."""
        return {
            "seed": self.seed,
            "games": self.games,
            "accounts": self.accounts,
            "frames": self.frames,
            "acks": self.acks,
            "refused": self.refused,
            "features": self.features,
            "house": {money: f"{amount:f}" for money, amount in self.house.items()},
            "differences": list(self.differences),
            "passed": self.passed,
        }


def _sol(value: float | None) -> int:
    return lamports_from_double(value or 0.0)


@define
class FrameBooks:
    """Money by player, added up from frames only; ``given`` is money deposited from outside."""

    profile: Profile
    money: dict[tuple[str, Money], int] = field(factory=dict)
    frames: int = 0
    acks: int = 0
    refused: int = 0
    _short_bonus: dict[str, tuple[int, int]] = field(factory=dict)
    _reached: dict[tuple[str, Money], deque[int]] = field(factory=dict)
    _waiting: dict[tuple[str, Money], list[int]] = field(factory=dict)
    _readers: dict[str, Callable[[dict[str, Any]], None]] = field(init=False)

    @_readers.default
    def _make_readers(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        events = self.profile.events
        return {
            "standard/newTrade": self._trade,
            "playerUpdate": self._state,
            "currentSidebet": self._placed,
            "currentSidebetResult": self._result,
            "goldenHourDrawing": self._golden,
            "rugpoolDrawing": self._pool,
            events["bbc_bet"]: self._placed,
            events["candleflip_bet"]: self._placed,
            events["bbc_result"]: self._result,
            events["candleflip_result"]: self._result,
        }

    def give(self, player_id: str, kind: Money, amount: int) -> None:
        """Count a player's deposit."""
        self._add(player_id, kind, amount)

    def read(self, message: Outbound) -> None:
        """Process one message of the venue."""
        text = message.text
        self.frames += 1
        if text.startswith("43"):
            self._ack(text)
            return
        name = text[4 : text.index('"', 4)]
        reader = self._readers.get(name)
        if reader is None or (message.player_id is None and name not in _PUBLIC):
            return
        reader(msgspec.json.decode(text[2:])[-1])

    def unreached(self) -> Iterator[str]:
        """Yield statements of the venue that the frames never add up to, the first for each player and money.

        Later statements to the same player are wrong by the same amount.
        """
        for (player_id, kind), amounts in self._waiting.items():
            for amount in amounts[:1]:
                yield (
                    f"{player_id}: playerUpdate states {to_sol(amount):f} of {kind}, which the frames "
                    "never add up to"
                )

    def _add(self, player_id: str, kind: Money, amount: int) -> None:
        key = (player_id, kind)
        total = self.money[key] = self.money.get(key, 0) + amount
        self._reached.setdefault(key, deque(maxlen=_REMEMBERED)).append(total)
        waiting = self._waiting.get(key)
        if waiting:
            self._waiting[key] = [other for other in waiting if other != total]

    def _state_money(self, player_id: str, kind: Money, amount: int) -> None:
        """Compare a statement of the venue with the latest sums, or keep it for later.

        A stake's update comes before the event that states the stake, and a prize is announced to all
        while an older update is in flight: so it may be a sum shortly before or after this moment.
        """
        key = (player_id, kind)
        if amount not in self._reached.get(key, (0,)):
            waiting = self._waiting.setdefault(key, [])
            if len(waiting) < _REMEMBERED:
                waiting.append(amount)

    def _ack(self, text: str) -> None:
        answer = msgspec.json.decode(text[text.index("[") :])
        if answer:
            self.acks += 1
            self.refused += answer[0]["success"] is False

    def _move(self, owner: str, coin: str | None, payload: dict[str, Any], sign: int) -> None:
        """Book a stake or payout whose portions are in the frame, if it has bonus money."""
        amount = _sol(payload["payout"] if "payout" in payload else _stake(payload))
        if coin == rules.PRACTICE_ADDRESS:
            self._add(owner, Money.PRACTICE, sign * amount)
            return
        bonus = _sol(payload.get("bonusPortion"))
        if bonus:
            self._add(owner, Money.BONUS, sign * bonus)
        self._add(owner, Money.SOL, sign * (amount - bonus))

    def _trade(self, payload: dict[str, Any]) -> None:
        owner, kind = payload["playerId"], payload["type"]
        if kind == "short_close":
            self._short_closed(owner, payload)
            return
        if kind == "short_open":
            self._short_bonus[owner] = (_sol(payload["amount"]), 0)
        self._move(owner, payload["coin"], payload, 1 if kind == "sell" else -1)

    def _short_closed(self, owner: str, payload: dict[str, Any]) -> None:
        """Split a short's payout like its stake: these frames have no portions."""
        amount = _sol(payload["amount"])
        stake, bonus = self._short_bonus.pop(owner, (0, 0))
        back = amount * bonus // stake if stake else 0
        practice = payload["coin"] == rules.PRACTICE_ADDRESS
        self._add(owner, Money.PRACTICE if practice else Money.SOL, amount - back)
        if back:
            self._add(owner, Money.BONUS, back)

    def _state(self, payload: dict[str, Any]) -> None:
        """Process an account statement; an open short says how its stake was paid."""
        owner = payload["id"]
        short = payload["shortPosition"]
        if short is not None and self._short_bonus.get(owner, (0, 1))[1] == 0:
            bonus = _sol(short["bonusPortion"])
            if bonus:
                self._short_bonus[owner] = (_sol(short["amount"]), bonus)
                self._add(owner, Money.SOL, bonus)
                self._add(owner, Money.BONUS, -bonus)
        balances = payload["shitcoinBalances"]
        self._state_money(owner, Money.SOL, _sol(payload["cash"]))
        self._state_money(owner, Money.BONUS, _sol(payload["bonusBalance"]))
        self._state_money(owner, Money.PRACTICE, _sol(balances[rules.PRACTICE_ADDRESS]))

    def _placed(self, payload: dict[str, Any]) -> None:
        self._move(payload["playerId"], payload["coinAddress"], payload, -1)

    def _result(self, payload: dict[str, Any]) -> None:
        self._move(payload["playerId"], payload["coinAddress"], payload, 1)

    def _golden(self, payload: dict[str, Any]) -> None:
        self._add(payload["winnerPlayerId"], Money.SOL, _sol(payload["prizeAmount"]))

    def _pool(self, payload: dict[str, Any]) -> None:
        for winner in payload["winners"]:
            self._add(winner["playerId"], Money.SOL, _sol(winner["reward"]))


def _stake(payload: dict[str, Any]) -> float:
    amount: float = payload["betAmount"] if "betAmount" in payload else payload["amount"]
    return amount


_PUBLIC = ("goldenHourDrawing", "rugpoolDrawing")

_STAKES = tuple(Decimal(text) for text in ("0.001", "0.005", "0.02", "0.1", "0.5"))
_CHOICES = {
    ActionType.BBC_PREDICT: ("BULL", "BEAR", "CRAB"),
    ActionType.CANDLEFLIP_BET: ("GREEN", "RED"),
}
_KINDS = Choice[ActionType]((
    (ActionType.BUY, 8), (ActionType.SELL, 6), (ActionType.SIDEBET, 4), (ActionType.SHORT_OPEN, 3),
    (ActionType.SHORT_CLOSE, 2), (ActionType.BBC_PREDICT, 2), (ActionType.CANDLEFLIP_BET, 2),
))  # fmt: skip


@define
class Clients:
    """Logged-in players that send random requests, many of which are rejected."""

    exchange: Exchange
    dice: Dice
    ids: list[str] = field(factory=list)
    practising: set[str] = field(factory=set)
    _asked: int = 0

    def connect(self, count: int) -> None:
        """Log in *count* players, every second one with bonus money, every fourth in practice coin."""
        for number in range(count):
            player_id = self.exchange.client_id(number)
            self.ids.append(player_id)
            self.exchange.connect(player_id, f"client{number}", _CASH, bonus=_BONUS * (number % 2))
            if number % 4 == 3:
                self.practising.add(player_id)
                self._send(player_id, self._select(rules.PRACTICE_ADDRESS))

    def act(self) -> None:
        """Send a request sometimes."""
        for player_id in self.ids:
            if self.dice.chance(0.15):
                text = self._request()
                if player_id in self.practising:
                    text = text.replace(rules.SOL_ADDRESS, rules.PRACTICE_ADDRESS)
                self._send(player_id, text)

    def _send(self, player_id: str, text: str) -> None:
        self._asked += 1
        self.exchange.request(self.exchange.now_ns + _LATENCY_NS, player_id, text)

    def _select(self, address: str) -> str:
        names = self.exchange.config.protocol.requests["select_coin"]
        return f'42{self._asked + 1}["{names["event"]}",{{"{names["coin"]}":"{address}"}}]'

    def _one_of(self, values: Sequence[T]) -> T:
        return values[self.dice.index(len(values))]

    def _request(self) -> str:
        kind = _KINDS.at(self.dice.roll())
        choices = _CHOICES.get(kind)
        trace_id = hashlib.sha256(f"money-check/{self._asked}".encode()).hexdigest()[:32]
        command = Command(
            action_id="",
            trace_id=trace_id,
            action_type=kind,
            game_id="",
            tick=0,
            price=1.0,
            amount=self._one_of(_STAKES),
            percentage=1 + self.dice.index(100),
            leverage=1 + self.dice.index(rules.MAX_LEVERAGE),
            choice=None if choices is None else self._one_of(choices),
            round_id=self._one_of([room.round_id or "-" for room in self.exchange.sidegames.rooms]),
        )
        return encode_request(command, self._asked + 1, self.exchange.config.protocol)


def check_money(
    seed: int,
    games: int,
    *,
    crowd: int,
    clients: int = CLIENTS,
    wire_format: WireFormat = WireFormat.FEB,
    progress: Callable[[int], None] | None = None,
    venue: type[Exchange] = Exchange,
) -> MoneyReport:
    """Play *games* games and compare every player's money with the frames.

    Args:
        seed: seed of the exchange and of the clients.
        games: games to play.
        crowd: size of the crowd.
        clients: number of logged-in players.
        wire_format: December or February frames.
        progress: called after each game with the number of finished games.
        venue: the exchange to check; tests pass a wrong one.
    """
    config = check_config(seed, crowd=crowd, wire_format=wire_format)
    books = FrameBooks(config.protocol)
    exchange = venue(config, on_deposit=books.give)
    players = Clients(exchange, Dice(Identities(seed).dice("money-check")))
    players.connect(clients)
    done = 0
    end_ns = None
    # Effects of the last requests are in flight for a moment after the last game.
    while end_ns is None or exchange.next_ns() <= end_ns:
        sent = exchange.step()
        for message in sent:
            books.read(message)
        if end_ns is None and any(message.player_id is None for message in sent):
            players.act()
        if end_ns is None and exchange.games_opened > done:
            done = exchange.games_opened
            if progress is not None:
                progress(done)
            if done >= games:
                end_ns = exchange.now_ns + NS_PER_S
    return _report(seed, done, exchange, books)


def _report(seed: int, games: int, exchange: Exchange, books: FrameBooks) -> MoneyReport:
    differences = [*exchange.books.differences(), *books.unreached()]
    accounts = exchange.books.all()
    for account in accounts:
        for money in Money:
            held = account.held(money)
            found = books.money.get((account.player_id, money), 0)
            if held != found:
                differences.append(
                    f"{account.player_id}: {money} is {to_sol(held):f}, the frames sum to {to_sol(found):f}"
                )
    house = exchange.books.house
    features = {name: house.counts.get(entry, 0) for name, entry in _ENTRIES.items()}
    features["rugpool_prize"] = exchange.books.pool.counts.get(BookEntry.RUGPOOL_PRIZE, 0)
    features["max_win"] = exchange.capped
    return MoneyReport(
        seed=seed,
        games=games,
        accounts=len(accounts),
        frames=books.frames,
        acks=books.acks,
        refused=books.refused,
        features=features,
        house={money.value: to_sol(house.balance(money)) for money in Money},
        differences=tuple(differences[:_MAX_DIFFERENCES]),
    )
