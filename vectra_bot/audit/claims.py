"""The claims of a feed about one game, and their differences from the revealed seed.

Claims are compared with the law, never with each other, and only existing claims are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from attrs import define, field

from vectra_bot.game import fair, rules
from vectra_bot.models import FinishedGame

MAX_ODD = 64  # claims about one game that differ from the first one about the same tick


@define
class Claims:
    """The claims of the feed about one game; ``end`` is the tick of its rug, None if not known (yet)."""

    game_id: str
    seed_hash: str | None = None
    other_hash: str | None = None
    version: str | None = None
    prices: list[float] = field(factory=list)
    odd: list[tuple[int, float]] = field(factory=list)
    live_to: int = -1
    rug_tick: int | None = None
    rug_prices: list[tuple[int | None, float]] = field(factory=list)
    stored: set[int] = field(factory=set)
    marked: set[int] = field(factory=set)
    end: int | None = None
    ended: bool = False
    histories: int = 0

    def price(self, tick: int, price: float) -> None:
        """Store the claimed price of *tick*; one that differs from the first is stored additionally."""
        if not 0 <= tick <= rules.MAX_TICKS:
            self._odd(tick, price)
            return
        prices = self.prices
        if tick >= len(prices):
            prices.extend([math.nan] * (tick + 1 - len(prices)))
        known = prices[tick]
        if known != known:
            prices[tick] = price
        elif known != price:
            self._odd(tick, price)

    def _odd(self, tick: int, price: float) -> None:
        if len(self.odd) < MAX_ODD and (tick, price) not in self.odd:
            self.odd.append((tick, price))

    def rug(self, tick: int | None, price: float) -> None:
        """Store the claimed rug; *tick* is None in a frame that counts past it."""
        if tick is not None and self.rug_tick is None:
            self.rug_tick = tick
        if len(self.rug_prices) < MAX_ODD and (tick, price) not in self.rug_prices:
            self.rug_prices.append((tick, price))

    def all_prices(self) -> Iterator[tuple[int, float]]:
        """Yield every claimed price, by tick."""
        said = [(tick, price) for tick, price in enumerate(self.prices) if price == price]
        yield from sorted(said + self.odd)

    @property
    def known_to(self) -> int:
        """The last live tick that the feed has shown, -1 if none."""
        return max(self.live_to, max(self.stored, default=-1))

    def missing(self) -> list[int]:
        """Return the live ticks that are not stored, to the rug or else to the last one that was shown."""
        end = self.known_to + 1 if self.end is None else self.end
        return [tick for tick in range(end) if tick not in self.stored]


def differences_of(
    entry: FinishedGame, claims: Claims | None, game: fair.FairGame | None
) -> list[fair.Difference]:
    """Return where the feed and the seed disagree: commitments, then ticks, then the rug and the peak."""
    digest = fair.server_seed_hash(entry.server_seed)
    found: list[fair.Difference] = []
    said = () if claims is None else (claims.seed_hash, claims.other_hash)
    hashes = [text for text in (*said, entry.server_seed_hash) if text is not None]
    found += [
        fair.Difference("serverSeedHash", None, digest, text)
        for text in dict.fromkeys(hashes)
        if text != digest
    ]
    if claims is not None and claims.version not in (None, entry.version):
        found.append(fair.Difference("gameVersion", None, claims.version, entry.version))
    if game is None:
        return found
    if claims is not None:
        found += _price_differences(claims, game)
        found += _rug_differences(claims, game)
    if entry.prices is not None:
        found += fair.compare_prices(game.published_prices, entry.prices)
    if game.rugged and not entry.rugged:  # what the venue says of a game without a rug is unknown
        found.append(fair.Difference("rugged", None, True, False))
    if entry.peak != game.peak:
        found.append(fair.Difference("peakMultiplier", None, game.peak, entry.peak))
    return found


def _price_differences(claims: Claims, game: fair.FairGame) -> Iterator[fair.Difference]:
    for tick, price in claims.all_prices():
        if tick >= game.rug_tick:
            yield fair.Difference("price", tick, f"none: the rug is at {game.rug_tick}", price)
        elif price != game.prices[tick]:
            yield fair.Difference("price", tick, game.prices[tick], price)


def _rug_differences(claims: Claims, game: fair.FairGame) -> Iterator[fair.Difference]:
    for tick, price in claims.rug_prices:
        if tick is not None and tick != game.rug_tick:
            yield fair.Difference("rugTick", tick, game.rug_tick, tick)
        if price != game.rug_price:
            yield fair.Difference("rugPrice", tick, game.rug_price, price)


def ranges(ticks: Iterable[int]) -> list[tuple[int, int]]:
    """Return ascending *ticks* as ranges (first, last)."""
    found: list[tuple[int, int]] = []
    for tick in ticks:
        if found and found[-1][1] == tick - 1:
            found[-1] = (found[-1][0], tick)
        else:
            found.append((tick, tick))
    return found
