"""The players of the crowd: identities, and habits that persist from game to game.

Everything about a player is drawn once, from a separate stream, so that a player is the same in every session
with one seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from attrs import define, frozen

from vectra_bot.exchange.accounts import Books, Coin, Money, VenueAccount
from vectra_bot.exchange.crowd import tables
from vectra_bot.exchange.dice import Choice, Dice
from vectra_bot.exchange.identities import Identities
from vectra_bot.game import rules
from vectra_bot.game.ledger import to_lamports


class Style(StrEnum):
    """Playing style; independent of prices, except for peekers planted by a test."""

    PRESALE_BUYER = "presale_buyer"
    SCALPER = "scalper"
    DIAMOND_HANDS = "diamond_hands"
    SIDEBETTOR = "sidebettor"
    MARTINGALE = "martingale"
    LOCKSTEP = "lockstep"
    PEEKER = "peeker"


@frozen
class Habits:
    """Habits of a style: weights of being drawn, and the chance to keep a position when drawn."""

    presale: int
    trades: int
    bets: int
    keeps: float


HABITS = {
    Style.PRESALE_BUYER: Habits(presale=8, trades=2, bets=1, keeps=0.3),
    Style.SCALPER: Habits(presale=2, trades=8, bets=1, keeps=0.05),
    Style.DIAMOND_HANDS: Habits(presale=4, trades=2, bets=1, keeps=0.85),
    Style.SIDEBETTOR: Habits(presale=1, trades=1, bets=8, keeps=0.3),
    Style.MARTINGALE: Habits(presale=1, trades=1, bets=8, keeps=0.3),
    Style.LOCKSTEP: Habits(presale=0, trades=0, bets=0, keeps=0.0),
    Style.PEEKER: Habits(presale=0, trades=0, bets=0, keeps=0.0),
}
_STYLES = Choice[Style](
    (
        (Style.PRESALE_BUYER, 24),
        (Style.SCALPER, 26),
        (Style.DIAMOND_HANDS, 16),
        (Style.SIDEBETTOR, 20),
        (Style.MARTINGALE, 14),
    )
)


@define(eq=False, kw_only=True)
class CrowdPlayer:
    """One member of the crowd: account, habits, and plans for the running game.

    Amounts are lamports. ``buys`` is the fixed amount of every buy after the presale, ``presale_buys`` that
    of every buy in it; both are None if they vary. ``base_stake`` is the usual sidebet, ``stake`` the next
    one; ``varies`` is the chance to change it, ``stays`` the chance to bet again after a loss.
    ``trades`` says whether the player trades or only bets.
    """

    account: VenueAccount
    style: Style
    bankroll: int
    bonus: int
    buys: int | None
    presale_buys: int | None
    base_stake: int
    varies: float
    stays: float
    stake: int
    trades: bool = True
    doublings: int = 0
    holding: bool = False
    bet_this_game: bool = False

    @property
    def practice(self) -> bool:
        """Whether the player uses practice money."""
        return self.account.is_practice

    def can_pay(self, amount: int) -> bool:
        """Return whether *amount* lamports can be staked."""
        return self.account.ledger.free >= amount

    def refill(self, books: Books) -> None:
        """Deposit what is missing to the initial balance."""
        account = self.account
        if self.practice:
            missing = to_lamports(rules.PRACTICE_START) - account.practice.cash
            money = Money.PRACTICE
        elif self.bonus:
            missing, money = self.bonus - account.sol.bonus, Money.BONUS
        else:
            missing, money = self.bankroll - account.sol.cash, Money.SOL
        if missing > 0:
            books.deposit(account, missing, money)


def make_players(
    books: Books, identities: Identities, size: int, lockstep: set[int], peekers: int
) -> list[CrowdPlayer]:
    """Open the accounts of a crowd; the last *peekers* of it are planted.

    Within each style, kinds of money, fixed amounts and sidebet stakes are spread evenly over their tables;
    otherwise the few who play for most would dominate a session's stakes.
    """
    styles: list[Style] = []
    ordinary = size - peekers - len(lockstep)
    drawn = _spread(identities, "styles", ordinary)
    for number in range(size):
        if number >= size - peekers:
            styles.append(Style.PEEKER)
        elif number in lockstep:
            styles.append(Style.LOCKSTEP)
        else:
            styles.append(_STYLES.at(drawn.pop()))
    rolls = {
        (style, what): _spread(identities, f"{style}-{what}", styles.count(style))
        for style in Style
        for what in ("money", "buys", "stakes")
    }
    return [
        _make_player(
            books,
            identities,
            number,
            style=style,
            money_roll=rolls[style, "money"].pop(),
            buy_roll=rolls[style, "buys"].pop(),
            stake_roll=rolls[style, "stakes"].pop(),
        )
        for number, style in enumerate(styles)
    ]


def _spread(identities: Identities, kind: str, count: int) -> list[float]:
    """Return *count* numbers in [0, 1), one in each of *count* equal parts, in random order."""
    dice = Dice(identities.dice(kind))
    order = sorted(range(count), key=lambda _: dice.roll())
    return [(part + dice.roll()) / count for part in order]


def _make_player(
    books: Books,
    identities: Identities,
    number: int,
    *,
    style: Style,
    money_roll: float,
    buy_roll: float,
    stake_roll: float,
) -> CrowdPlayer:
    dice = Dice(identities.dice("habits", number))
    planned = style in (Style.LOCKSTEP, Style.PEEKER)
    is_practice = not planned and money_roll > 1 - tables.PRACTICE_PLAYERS
    buys, presale_buys = (
        buy_table(is_practice, presale).at(buy_roll / tables.ALWAYS_EQUAL) * tables.MILLI
        if buy_roll < tables.ALWAYS_EQUAL
        else None
        for presale in (False, True)
    )
    money = int(tables.BANKROLLS.at(dice.roll()) * 1000) * tables.MILLI
    if not is_practice:
        money = max(money, tables.BUYS_COVERED * max(buys or 0, presale_buys or 0))
    bonus = money if not planned and money_roll < tables.BONUS_PLAYERS else 0
    name = None if dice.chance(tables.NO_NAME) else identities.username(number)
    level = int(tables.LEVELS.at(dice.roll()))
    account = books.open(identities.player_id(number), name, level, money - bonus, bonus)
    if is_practice:
        account.select(Coin.PRACTICE)
    stakes = tables.PRACTICE_STAKES if is_practice else tables.STAKES
    stake = stakes.at(stake_roll) * tables.MILLI
    return CrowdPlayer(
        account=account,
        style=style,
        bankroll=money,
        bonus=bonus,
        buys=buys,
        presale_buys=presale_buys,
        base_stake=stake,
        varies=tables.VARIES_MARTINGALE
        if style is Style.MARTINGALE
        else dice.roll() * tables.VARIES,
        stays=tables.BETS_AGAIN + (dice.roll() - 0.5) * 0.2,
        stake=stake,
        trades=not is_practice or dice.chance(tables.PRACTICE_TRADERS),
    )


def buy_table(practice: bool, presale: bool) -> Choice[int]:
    """Return the amounts of buys, in 0.001 of the coin."""
    if practice:
        return tables.PRACTICE_BUYS
    return tables.PRESALE_BUYS if presale else tables.BUYS


def weighted(players: Sequence[CrowdPlayer], weight: str) -> list[CrowdPlayer]:
    """Return a pool that contains each player as often as the *weight* of their style says."""
    return [player for player in players for _ in range(getattr(HABITS[player.style], weight))]
