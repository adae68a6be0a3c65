"""The money check: a correct exchange passes in both formats, and every kind of error is reported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache

import attrs
import pytest

from vectra_bot.conformance.money_check import FrameBooks, MoneyReport, check_money
from vectra_bot.exchange import Exchange, Outbound
from vectra_bot.exchange.accounts import BookEntry, Money, VenueAccount
from vectra_bot.wire.profile import default_profile
from vectra_bot.wire.states import WireFormat

SEED, GAMES, CROWD = 28, 3, 40  # rugs at ticks 6, 42 and 9: the rugpool is fed and drawn
LAMPORT = 1e-9

Change = Callable[[Outbound], list[Outbound]]


@cache
def checked(seed: int, wire_format: WireFormat) -> MoneyReport:
    return check_money(seed, GAMES, crowd=CROWD, clients=8, wire_format=wire_format)


# ---- a right exchange


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize("seed", [SEED, 49])
def test_every_lamport_is_found(seed: int, wire_format: WireFormat) -> None:
    """Books, frames and statements agree for several seeds in both formats."""
    report = checked(seed, wire_format)
    assert report.differences == ()
    assert report.passed
    assert report.accounts == CROWD + 8
    assert report.frames > report.acks > report.refused > 0


@pytest.mark.parametrize("wire_format", WireFormat)
def test_every_feature_is_used(wire_format: WireFormat) -> None:
    """A short run uses everything that moves money at least once, and the cap on winnings too."""
    features = checked(SEED, wire_format).features
    moving = {entry.value for entry in BookEntry} - {BookEntry.DEPOSIT.value}
    assert set(features) == moving | {"max_win"}
    assert all(count > 0 for count in features.values())


def test_the_same_seed_gives_the_same_report() -> None:
    """The check is deterministic."""
    again = check_money(SEED, GAMES, crowd=CROWD, clients=8)
    assert again == checked(SEED, WireFormat.FEB)


def test_progress_is_reported_for_each_game() -> None:
    """After each game the number of games that are over, in order."""
    told: list[int] = []
    check_money(51, 2, crowd=0, clients=1, progress=told.append)
    assert told == [1, 2]


# ---- wrong exchanges


class Tampered(Exchange):
    """An exchange that sends or books something wrong, once."""

    changed = False

    def step(self) -> list[Outbound]:
        out = super().step()
        if not self.changed:
            self.tamper()
        return [sent for message in out for sent in self.sent(message)]

    def tamper(self) -> None:
        """Change the books, if this exchange is to."""

    def sent(self, message: Outbound) -> list[Outbound]:
        """Return what is sent for *message*."""
        return [message]


def wrong_frame(name: str, change: Callable[[str], str | None], times: int = 1) -> type[Tampered]:
    """Return an exchange whose first event *name* that *change* changes is sent so, *times* times."""

    class Wrong(Tampered):
        def sent(self, message: Outbound) -> list[Outbound]:
            if self.changed or not message.text.startswith(f'42["{name}"'):
                return [message]
            if message.player_id is None and name == "standard/newTrade":
                return [message]
            text = change(message.text)
            if text == message.text and times == 1:
                return [message]
            self.changed = True
            return [] if text is None else [attrs.evolve(message, text=text)] * times

    return Wrong


def wrong_books(change: Callable[[Exchange, VenueAccount], bool]) -> type[Tampered]:
    """Return an exchange whose books *change* changes as soon as it can, for the first account."""

    class Wrong(Tampered):
        def tamper(self) -> None:
            for account in self.books.all():
                if self.games_opened and change(self, account):
                    self.changed = True
                    return

    return Wrong


def more(key: str, amount: float = LAMPORT, only: str = "") -> Callable[[str], str]:
    """Return a change of a text: the number under *key* is *amount* more, if the text contains *only*."""

    def change(text: str) -> str:
        if only not in text:
            return text
        return re.sub(
            rf'"{key}":([0-9.e-]+)',
            lambda found: f'"{key}":{json.dumps(float(found[1]) + amount)}',
            text,
            count=1,
        )

    return change


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def lost(only: str) -> Callable[[str], str | None]:
    return lambda text: None if only in text else text


def same(text: str) -> str:
    return text


def more_cash(_: Exchange, account: VenueAccount) -> bool:
    account.sol.cash += 1
    return True


def bonus_for_cash(_: Exchange, account: VenueAccount) -> bool:
    account.sol.credit(0, 1)
    return account.sol.cash > 0


def more_practice(_: Exchange, account: VenueAccount) -> bool:
    account.practice.cash -= 1
    return True


def house_alone(exchange: Exchange, _: VenueAccount) -> bool:
    exchange.books.house.add(Money.SOL, BookEntry.BUY, 1)
    return True


def unbooked_gift(exchange: Exchange, account: VenueAccount) -> bool:
    """Pay a lamport from the house with entries on both sides, but send no frame."""
    exchange.books.pay(account, 1, BookEntry.GOLDEN_PRIZE)
    return True


def silent_deposit(exchange: Exchange, account: VenueAccount) -> bool:
    account.sol.cash += 1
    account.flows.add(Money.SOL, BookEntry.DEPOSIT, 1)
    return True


PLAYER = r"did:privy:\w+"
FRAMES = r"SOL is [\d.]+, the frames sum to [\d.]+"
ANY_MONEY = rf"{PLAYER}: (SOL|bonus|practice) is [\d.]+, the frames sum to [\d.]+"
TRADE, BET, UPDATE = "standard/newTrade", "currentSidebet", "playerUpdate"
SABOTAGES = {
    "cash of a lamport more": (
        wrong_books(more_cash),
        rf"{PLAYER}: SOL is \d+ lamports, its entries sum to \d+",
    ),
    "cash turned into bonus money": (
        wrong_books(bonus_for_cash),
        rf"{PLAYER}: bonus is \d+ lamports, its entries sum to -?\d+",
    ),
    "practice money gone": (wrong_books(more_practice), rf"{PLAYER}: practice is \d+ lamports"),
    "an entry of the house alone": (
        wrong_books(house_alone),
        r"all accounts have \d+ lamports of SOL, deposits were \d+",
    ),
    "a gift that no frame tells": (wrong_books(unbooked_gift), rf"{PLAYER}: {FRAMES}"),
    "a deposit that nobody was told of": (wrong_books(silent_deposit), rf"{PLAYER}: {FRAMES}"),
    "a buy not sent": (wrong_frame(TRADE, lost('"type":"buy"')), ANY_MONEY),
    "a sell not sent": (wrong_frame(TRADE, lost('"type":"sell"')), ANY_MONEY),
    "a short's close not sent": (
        wrong_frame(TRADE, lost('"type":"short_close"')),
        ANY_MONEY,
    ),
    "a trade sent twice": (wrong_frame(TRADE, same, times=2), ANY_MONEY),
    "a sell of a lamport more": (
        wrong_frame(TRADE, more("amount", only='"type":"sell"')),
        ANY_MONEY,
    ),
    "a portion of bonus money wrong": (
        wrong_frame(TRADE, more("bonusPortion", only='"coin":"solana"')),
        rf"{PLAYER}: bonus is [\d.]+, the frames sum to",
    ),
    "practice play shown as SOL": (
        wrong_frame(TRADE, instead('"coin":"0xPractice"', '"coin":"solana"')),
        rf"{PLAYER}: practice is [\d.]+, the frames sum to",
    ),
    "a trade of somebody else": (
        wrong_frame(TRADE, lambda text: re.sub(PLAYER, "did:privy:cmghost", text, count=1)),
        ANY_MONEY,
    ),
    "a sidebet not sent": (wrong_frame(BET, lost("")), ANY_MONEY),
    "a sidebet's payout wrong": (
        wrong_frame("currentSidebetResult", more("payout")),
        ANY_MONEY,
    ),
    "a round's payout wrong": (
        wrong_frame("currentCandleflipResult", more("payout")),
        ANY_MONEY,
    ),
    "a round's stake not sent": (
        wrong_frame("currentBbcBet", lost("")),
        ANY_MONEY,
    ),
    "a golden prize wrong": (
        wrong_frame("goldenHourDrawing", more("prizeAmount")),
        rf"{PLAYER}: {FRAMES}",
    ),
    "a golden drawing not sent": (
        wrong_frame("goldenHourDrawing", lost("")),
        rf"{PLAYER}: {FRAMES}",
    ),
    "a rugpool reward wrong": (
        wrong_frame("rugpoolDrawing", more("reward")),
        rf"{PLAYER}: {FRAMES}",
    ),
    "a stated cash wrong": (
        wrong_frame(UPDATE, more("cash")),
        rf"{PLAYER}: playerUpdate states [\d.]+ of SOL, which the frames never add up to",
    ),
    "a stated bonus balance wrong": (
        wrong_frame(UPDATE, more("bonusBalance")),
        rf"{PLAYER}: playerUpdate states [\d.]+ of bonus, which the frames never add up to",
    ),
    "a stated practice balance wrong": (
        wrong_frame(UPDATE, more("0xPractice")),
        rf"{PLAYER}: playerUpdate states [\d.]+ of practice, which the frames never add up to",
    ),
}


@pytest.mark.parametrize("what", SABOTAGES)
def test_a_wrong_exchange_is_named(what: str) -> None:
    """One lamport in the books or one frame is enough: the check fails and names player and kind of money."""
    venue, named = SABOTAGES[what]
    report = check_money(SEED, 2, crowd=0, clients=6, venue=venue)
    assert not report.passed
    assert any(re.fullmatch(f"{named}.*", line) for line in report.differences)
    assert len(report.differences) <= 8


def test_the_list_of_differences_is_bounded() -> None:
    """An exchange that is wrong everywhere gives 100 lines, not one per account and kind of money."""

    class Wrong(Exchange):
        def step(self) -> list[Outbound]:
            return [m for m in super().step() if '"standard/newTrade"' not in m.text]

    report = check_money(SEED, 2, crowd=300, clients=2, venue=Wrong)
    assert len(report.differences) == 100


# ---- the reader alone


def own(name: str, payload: dict[str, object]) -> Outbound:
    return Outbound(0, "p", f"42{json.dumps([name, payload], separators=(',', ':'))}")


def test_a_statement_may_come_before_its_reason() -> None:
    """A sidebet's update precedes the event that states the stake (protocol 10): no difference."""
    books = FrameBooks(default_profile())
    books.give("p", Money.SOL, 10**9)
    state = {
        "id": "p",
        "cash": 0.9,
        "bonusBalance": 0,
        "shitcoinBalances": {"0xPractice": 0},
        "shortPosition": None,
    }
    books.read(own("playerUpdate", state))
    assert [line.split(",")[0] for line in books.unreached()] == [
        "p: playerUpdate states 0.900000000 of SOL"
    ]
    books.read(own("currentSidebet", {"playerId": "p", "coinAddress": "x", "betAmount": 0.1}))
    assert list(books.unreached()) == []
    assert books.money[("p", Money.SOL)] == 9 * 10**8


def test_what_everybody_is_shown_is_nobodys_money() -> None:
    """Public trades are a sample of what was already sent to owners: they are not counted twice."""
    books = FrameBooks(default_profile())
    trade = {"playerId": "p", "type": "buy", "amount": 1, "coin": "solana", "bonusPortion": 0}
    books.read(attrs.evolve(own("standard/newTrade", trade), player_id=None))
    assert books.money == {}
    books.read(own("standard/newTrade", trade))
    assert books.money == {("p", Money.SOL): -(10**9)}


def test_a_report_is_json() -> None:
    """Amounts are text with nine places, and everything survives a round trip."""
    report = checked(SEED, WireFormat.FEB)
    data = json.loads(json.dumps(report.to_json()))
    assert data["passed"] is True
    assert set(data["house"]) == {"SOL", "bonus", "practice"}
    assert all(re.fullmatch(r"-?\d+\.\d{9}", amount) for amount in data["house"].values())
