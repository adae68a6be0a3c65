"""Bull/Bear/Crab and Candleflip: odds, payouts and provably fair results (protocol 11; unverified).

The rounds' rules are documented; their frames and their use of the generator are not. A round is decided like
a game: the generator of protocol 4.1 is keyed with ``serverSeed-roundId`` and its first draw is looked up
in the odds. The default odds of Bull/Bear/Crab are the only ones that give all three choices one edge at
2x, 2x and 14x, and they match the counts seen (46, 46, 8 of 100).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TypeVar

from attrs import field, frozen

from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.game.fair import draws, generator_key

BBC = "bbc"
CANDLEFLIP = "candleflip"
_MOST = 1_000  # times the stake
_MAX_TEXT = 40
_CHANCE = re.compile(r"\d{1,9}(?:/\d{1,9}|\.\d{1,9})?", re.ASCII)
_PAYOUT = re.compile(r"\d{1,4}(?:\.\d{1,9})?", re.ASCII)

N = TypeVar("N", Fraction, float)


def _fractions(odds: Mapping[str, Fraction | str | float]) -> Mapping[str, Fraction]:
    """Return *odds* exact and read-only; anything that is not a number becomes 0, which is rejected later."""
    return MappingProxyType({choice: _fraction(chance) for choice, chance in odds.items()})


def _fraction(chance: Fraction | str | float) -> Fraction:
    if isinstance(chance, str) and ("e" in chance.lower() or len(chance) > _MAX_TEXT):
        return Fraction(0)  # a large exponent would become a number with that many digits
    try:
        return Fraction(chance)
    except (ArithmeticError, TypeError, ValueError):
        return Fraction(0)


def _payouts(payouts: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType(dict(payouts))


def _can_be_paid(payout: object) -> bool:
    number = isinstance(payout, (int, float)) and not isinstance(payout, bool)
    return number and 0 < payout <= _MOST  # type: ignore[operator]


@frozen(kw_only=True)
class SideGame:
    """One side game: its choices, their chances and what they pay.

    Attributes:
        name: ``bbc`` or ``candleflip``.
        odds: exact chance of every choice, summing to 1; their order maps a draw to a choice.
        payouts: what one unit of stake pays, stake included.
    """

    name: str
    odds: Mapping[str, Fraction] = field(converter=_fractions)
    payouts: Mapping[str, float] = field(converter=_payouts)

    @odds.validator
    def _check_odds(self, _: object, value: Mapping[str, Fraction]) -> None:
        if sum(value.values()) != 1 or min(value.values(), default=Fraction(0)) <= 0:
            given = ", ".join(f"{choice} {chance}" for choice, chance in value.items())
            raise ConfigError(
                f"odds of {self.name} were {given}: give chances above 0 that sum to 1"
            )

    @payouts.validator
    def _check_payouts(self, _: object, value: Mapping[str, float]) -> None:
        if set(value) != set(self.odds) or not all(_can_be_paid(x) for x in value.values()):
            raise ConfigError(
                f"payouts of {self.name} were {dict(value)!r}: give one from 0 to 1000 for each of "
                f"{', '.join(self.odds)}"
            )

    def result(self, server_seed: str, round_id: str) -> str:
        """Return the winning choice, which follows from *server_seed* and *round_id*."""
        draw = Fraction(next(draws(generator_key(server_seed, round_id))))
        reached = Fraction(0)
        for choice, chance in self.odds.items():
            reached += chance
            if draw < reached:
                return choice
        raise AssertionError(f"a draw of {draw} is not below 1")

    def payout(self, amount: int, choice: str) -> int:
        """Return what a won stake of *amount* lamports on *choice* pays, floored to a lamport."""
        top, bottom = Fraction(str(self.payouts[choice])).as_integer_ratio()
        return amount * top // bottom

    def expected_return(self, choice: str) -> float:
        """Return the expected profit of one unit on *choice*."""
        return float(self.odds[choice] * Fraction(str(self.payouts[choice])) - 1)


def bbc_game() -> SideGame:
    """Return Bull/Bear/Crab with its default odds: 7/15, 7/15, 1/15 at 2x, 2x, 14x."""
    return SideGame(
        name=BBC,
        odds={"BULL": Fraction(7, 15), "BEAR": Fraction(7, 15), "CRAB": Fraction(1, 15)},
        payouts={"BULL": 2.0, "BEAR": 2.0, "CRAB": 14.0},
    )


def candleflip_game() -> SideGame:
    """Return Candleflip with its default odds: even, at 1.94x."""
    return SideGame(
        name=CANDLEFLIP,
        odds={"GREEN": Fraction(1, 2), "RED": Fraction(1, 2)},
        payouts={"GREEN": 1.94, "RED": 1.94},
    )


_DEFAULTS: Mapping[str, Callable[[], SideGame]] = {BBC: bbc_game, CANDLEFLIP: candleflip_game}


def side_game(name: str, odds: str | None = None, payouts: str | None = None) -> SideGame:
    """Return a side game, with its default odds and payouts unless others are given.

    Args:
        name: ``bbc`` or ``candleflip``.
        odds: a chance for each choice, in the default order: ``7/15,7/15,1/15`` or ``0.5,0.5``.
        payouts: multiple of the stake that each choice pays: ``2,2,14``.

    Raises:
        ConfigError: a text does not have one valid number for each choice.

    Example:
        >>> side_game("candleflip", odds="1/4,3/4", payouts="3.8,1.25").expected_return("RED")
        -0.0625
    """
    game = _DEFAULTS[name]()
    return SideGame(
        name=name,
        odds=game.odds if odds is None else _by_choice(game, "odds", odds, _CHANCE, Fraction),
        payouts=game.payouts
        if payouts is None
        else _by_choice(game, "payouts", payouts, _PAYOUT, float),
    )


def _by_choice(
    game: SideGame, what: str, text: str, form: re.Pattern[str], number: Callable[[str], N]
) -> dict[str, N]:
    """Return the comma-separated numbers of *text* by choice."""
    parts = [part.strip() for part in text.split(",", len(game.odds))]
    if len(parts) == len(game.odds) and all(form.fullmatch(part) for part in parts):
        try:
            return {choice: number(part) for choice, part in zip(game.odds, parts, strict=True)}
        except ZeroDivisionError:
            pass
    example = ",".join(f"{value:g}" if isinstance(value, float) else str(value)
                       for value in getattr(game, what).values())  # fmt: skip
    raise ConfigError(
        f"{what} of {game.name} were {safe_repr(text)}: give a number for each of "
        f"{', '.join(game.odds)}, such as {example}"
    )
