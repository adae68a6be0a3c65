"""Limits: what a session may risk, each declared once with its range, flag and help."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
from attrs import frozen

from vectra_bot.game import rules
from vectra_bot.game.amounts import LedgerError, to_lamports
from vectra_bot.params import Heading, Refused, convert, declared, option

MAX_ACTIONS = 1_000_000
MAX_PER_MINUTE = 6_000
# More SOL than any account here has: a larger number is an amount in lamports.
MAX_SOL = Decimal(100_000)
# Smallest and largest stake that the venue takes, in lamports.
LEAST, MOST = to_lamports(rules.MIN_STAKE), to_lamports(rules.MAX_STAKE)
SOL = f"a positive amount of SOL, at most {MAX_SOL}"


def _amount(value: Any) -> Decimal:
    amount: Decimal = convert(value, Decimal)
    if not 0 < amount <= MAX_SOL:
        raise Refused
    try:
        to_lamports(amount)
    except LedgerError as error:
        raise Refused(message=str(error)) from None
    return amount


def _amount_or_none(value: Any) -> Decimal | None:
    return None if value is None else _amount(value)


_MONEY: dict[str, Any] = {
    "take": _amount,
    "words": SOL,
    "metavar": "SOL",
    "heading": Heading.LIMITS,
}
_MAYBE_MONEY: dict[str, Any] = {**_MONEY, "take": _amount_or_none, "shown": "no limit"}


@frozen(kw_only=True, field_transformer=partial(declared, where="limit {!r}"))
class Limits:
    """What a session may do; enforced in every mode. Amounts also accept int, float and text.

    Losses and exposure count everything open, and every action without a proven outcome, as lost. A limit
    that is None does not apply. All are fixed for a session; :data:`LIVE_LIMITS` are those of a live one.

    Attributes:
        stake: largest amount of one entry, SOL.
        exposure: largest sum of everything open, SOL: the cost of the position, the stakes of sidebet, short
            and side games, and entries whose outcome is not known yet.
        game_loss: largest loss in one game, SOL.
        session_loss: largest loss of the session, SOL.
        day_loss: largest loss of a day (UTC), SOL; a live session counts what earlier live sessions of the
            day lost.
        actions_per_game: actions sent in one game; selling the whole position and closing a short remain
            allowed.
        actions_per_minute: actions sent within 60 s; the same remain allowed.
        external_per_game: what another client does with our account in one game; one more halts entries.
        price_age_ms: oldest price at which an entry is allowed while a game runs, ms.
        leverage: highest leverage of one buy. By default the venue's own limit: a leveraged position loses at
            most its stake, and the stake has a limit.
    """

    stake: Decimal = option(
        Decimal("0.1"),
        flag="--limit-stake",
        help="Largest stake of one entry, in SOL.",
        **_MONEY,
    )
    exposure: Decimal | None = option(
        None,
        flag="--limit-exposure",
        help="Largest sum of everything open, in SOL.",
        **_MAYBE_MONEY,
    )
    game_loss: Decimal | None = option(
        None,
        flag="--limit-game-loss",
        help="Largest loss in one game, in SOL, open stakes counted as lost.",
        **_MAYBE_MONEY,
    )
    session_loss: Decimal = option(
        Decimal("0.5"),
        flag="--limit-session-loss",
        help="Largest loss of the session, in SOL, open stakes counted as lost.",
        **_MONEY,
    )
    day_loss: Decimal | None = option(
        None,
        flag="--limit-day-loss",
        help="Largest loss of a day (UTC), in SOL, open stakes counted as lost.",
        **_MAYBE_MONEY,
    )
    actions_per_game: int = option(
        20,
        low=1,
        high=MAX_ACTIONS,
        flag="--limit-actions-per-game",
        help="Most actions in one game.",
        heading=Heading.LIMITS,
    )
    actions_per_minute: int | None = option(
        None,
        low=1,
        high=MAX_PER_MINUTE,
        flag="--limit-actions-per-minute",
        shown="no limit",
        help="Most actions within 60 s.",
        heading=Heading.LIMITS,
    )
    external_per_game: int | None = option(
        None,
        low=0,
        high=MAX_ACTIONS,
        flag="--limit-external-per-game",
        shown="no limit",
        help="Most actions of other clients on our account in one game; one more halts entries.",
        heading=Heading.LIMITS,
    )
    price_age_ms: int | None = option(
        None,
        low=250,
        high=60_000,
        flag="--limit-price-age-ms",
        shown="no limit",
        help="Oldest price at which an entry is allowed, in ms.",
        heading=Heading.LIMITS,
    )
    leverage: int = option(
        rules.MAX_LEVERAGE,
        low=rules.MIN_LEVERAGE,
        high=rules.MAX_LEVERAGE,
        flag="--limit-leverage",
        help="Highest leverage of one buy (unverified feature of the venue).",
        heading=Heading.LIMITS,
    )

    def to_json(self) -> dict[str, Any]:
        """Return the limits for a header: those that every version knows, and those that apply."""
        return {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in attrs.asdict(self).items()
            if value is not None
        }

    @classmethod
    def of_json(cls, written: Mapping[str, Any]) -> Limits:
        """Return the limits of a header; what an older version did not know does not apply.

        Raises:
            ConfigError: a value cannot be used.
            TypeError: one is missing that every version writes, or this version does not know one.
        """
        lacking = _ALWAYS - written.keys()
        if lacking:
            raise TypeError(f"no limit {', '.join(sorted(lacking))}")
        return cls(**written)


_ALWAYS = frozenset({"stake", "session_loss", "actions_per_game"})

LIVE_LIMITS = Limits(
    stake=Decimal("0.01"),
    session_loss=Decimal("0.05"),
    day_loss=Decimal("0.05"),
    actions_per_minute=60,
    external_per_game=3,
    price_age_ms=1_500,
)
"""The limits of a live session that the operator does not set: amounts a tenth of those on paper.

A loss of a game and what is open count in the loss of the session, which every operator must limit.
"""
