"""The venue's price law, written for readability: generator, prices, rug price, verification.

Every game is a pure function of ``serverSeed`` and ``gameId`` (protocol 4). The generator is David
Bau's ``seedrandom`` 3.0.5: ARC4 keyed with the seed's UTF-16 code units, 52-bit doubles.
The arithmetic keeps the venue's own order of operations, since only then is every double equal bit
for bit; do not simplify ``0.03 - -0.02`` or ``1 - 0.98``.

This module is the reference: fast enough to verify thousands of games, not to simulate millions.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt

from attrs import frozen

from vectra_bot.errors import UsageError
from vectra_bot.game import rules

_WIDTH = 256  # ARC4 works on bytes
_SIGNIFICANCE = 2**52  # a draw has at least this many steps
_SCALE = {bits: 2.0**-bits for bits in range(56, 1024, 8)}
_CYCLE = (*range(1, _WIDTH), 0)  # the indices ARC4 walks through, repeatedly

# The law's constants under short local names, because they are read a thousand times per game.
_RUG_CHANCE = rules.RUG_CHANCE
_GOD_CHANCE = rules.GOD_CANDLE_CHANCE
_BIG_CHANCE = rules.BIG_MOVE_CHANCE
_BIG_MIN = rules.BIG_MOVE_MIN
_BIG_SPAN = rules.BIG_MOVE_MAX - rules.BIG_MOVE_MIN
_DRIFT_MIN = rules.DRIFT_MIN
_DRIFT_SPAN = rules.DRIFT_MAX - rules.DRIFT_MIN
_NOISE = rules.NOISE
# Noise and big moves are symmetric: the drift alone has a mean.
_MEAN_MOVE = 1 + (1 - rules.BIG_MOVE_CHANCE) * ((rules.DRIFT_MIN + rules.DRIFT_MAX) / 2)
_ROOT_CAP = rules.NOISE_ROOT_CAP


def code_units(text: str) -> Iterator[int]:
    """Yield the UTF-16 code units of *text*, as JavaScript's ``charCodeAt`` sees them.

    Characters beyond U+FFFF give two units; lone surrogates give themselves.
    """
    for character in text:
        point = ord(character)
        if point > 0xFFFF:
            point -= 0x10000
            yield 0xD800 + (point >> 10)
            yield 0xDC00 + (point & 0x3FF)
        else:
            yield point


def mix_key(seed: str) -> list[int]:
    """Return the ARC4 key of *seed*: up to 256 bytes, later characters mixed into earlier ones."""
    if len(seed) <= _WIDTH and seed.isascii():  # nothing to mix, as for every seed of the venue
        return list(seed.encode("ascii"))
    key: list[int] = []
    smear = 0
    for index, unit in enumerate(code_units(seed)):
        slot = index % _WIDTH
        if slot == len(key):
            key.append((smear + unit) % _WIDTH)
        else:
            smear ^= key[slot] * 19
            key[slot] = (smear + unit) % _WIDTH
    return key


def keystream(seed: str) -> Iterator[bytes]:
    """Yield the ARC4 keystream of *seed* in blocks of 256 bytes.

    The first block is dropped, as the library does (RC4-drop[256]), so every block starts with the
    generator's index back at its start.
    """
    key = mix_key(seed) or [0]
    state = list(range(_WIDTH))
    j = 0
    for i, k in zip(range(_WIDTH), itertools.cycle(key), strict=False):
        t = state[i]
        j = (j + k + t) & 255
        state[i] = state[j]
        state[j] = t
    j = 0
    block = bytearray(_WIDTH)
    for drop in itertools.chain((True,), itertools.repeat(False)):
        for i in _CYCLE:
            t = state[i]
            j = (j + t) & 255
            state[i] = u = state[j]
            state[j] = t
            block[i] = state[(t + u) & 255]
        if not drop:
            yield bytes(block[1:] + block[:1])


def draws(seed: str) -> Iterator[float]:
    """Yield the doubles in [0, 1) that JavaScript's ``seedrandom(seed)`` returns.

    The library's two loops are equivalent to this: read seven bytes as one number, then more bytes as long
    as it is below 2**52, and keep the upper 53 bits. One draw in sixteen needs more than seven.
    """
    blocks = keystream(seed)
    buffer = next(blocks)
    at = 0
    read = int.from_bytes
    while True:
        if at + 7 > len(buffer):
            buffer = buffer[at:] + next(blocks)
            at = 0
        n = read(buffer[at : at + 7])
        at += 7
        bits = 56
        while n < _SIGNIFICANCE:
            if at == len(buffer):
                buffer = next(blocks)
                at = 0
            n = n << 8 | buffer[at]
            at += 1
            bits += 8
        surplus = n.bit_length() - 53
        if surplus > 0:
            n = n >> surplus << surplus
        yield n * _SCALE[bits]


@frozen
class FairGame:
    """One game: its prices and its rug, as the law decides them (protocol 4.5) or as a test makes them.

    Attributes:
        prices: live prices by tick, ``prices[0]`` is 1; the rug price is not among them.
        rug_tick: number of the tick that rugs, always ``len(prices)``.
        rug_price: price at which open positions are sold at the rug.
        peak: highest live price, at least 1.
        rugged: False only for a game that reaches the law's limit of 5000 ticks; it ends there like a rug.
    """

    prices: tuple[float, ...]
    rug_tick: int
    rug_price: float
    peak: float
    rugged: bool = True

    @property
    def published_prices(self) -> list[float]:
        """The finished game's price list as the venue publishes it: live prices, then the rug price."""
        return [*self.prices, self.rug_price]


def check_version(version: str) -> None:
    """Raise UsageError unless *version* is a known version of the law."""
    if version not in rules.LAW_VERSIONS:
        known = ", ".join(rules.LAW_VERSIONS)
        raise UsageError(f"the law's version was {version!r}: give one of {known}")


def generator_key(server_seed: str, game_id: str) -> str:
    """Return the string that seeds the generator of a game (protocol 4.1)."""
    return f"{server_seed}-{game_id}"


def server_seed_hash(server_seed: str) -> str:
    """Return the public hash of a seed: SHA-256 over its text, not over the bytes the hex digits encode.

    A lone surrogate is hashed as U+FFFD, as in JavaScript.
    """
    units = server_seed.encode("utf-16-le", "surrogatepass")
    return hashlib.sha256(units.decode("utf-16-le", "replace").encode()).hexdigest()


def rug_price(prices: float | Iterable[float]) -> float:
    """Return the price at the rug, from the live prices or from their minimum (protocol 4.4)."""
    low = prices if isinstance(prices, (int, float)) else min(prices)
    return low * (1 - rules.RUG_DROP)


def play_game(server_seed: str, game_id: str, version: str = rules.LAW_VERSION) -> FairGame:
    """Return the game that *server_seed* and *game_id* decide (protocol 4.2, 4.3, 4.4, 4.5).

    Args:
        server_seed: the venue's 64 hex characters; any text works.
        game_id: the venue's id of the game; any text works.
        version: version of the law: ``v1`` (noise without a cap), ``v2`` (cap), ``v3`` (cap and god candle).

    Raises:
        UsageError: *version* is not a known version of the law.

    Example:
        >>> play_game("fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4",
        ...           "20250701-55b97a42871f441f").rug_tick
        179
    """
    check_version(version)
    sys.audit("vectra_bot.play_game", server_seed, game_id)
    r = draws(generator_key(server_seed, game_id)).__next__
    price = rules.START_PRICE
    prices = [price]
    rugged = False
    for _ in range(rules.MAX_TICKS):
        if r() < _RUG_CHANCE:
            rugged = True
            break
        price = next_price(price, r, version)
        prices.append(price)
    return FairGame(
        prices=tuple(prices),
        rug_tick=len(prices),
        rug_price=rug_price(prices),
        peak=max(prices),
        rugged=rugged,
    )


def next_price(price: float, r: Callable[[], float], version: str = rules.LAW_VERSION) -> float:
    """Return the price after one tick that does not rug, drawing from *r* in the venue's order."""
    if version == "v3" and r() < _GOD_CHANCE and price <= rules.GOD_CANDLE_MAX_PRICE:
        return price * rules.GOD_CANDLE_FACTOR  # above the limit the draw is made and ignored
    if r() < _BIG_CHANCE:
        size = _BIG_MIN + r() * _BIG_SPAN
        change = size if r() > 0.5 else -size
    else:
        drift = _DRIFT_MIN + r() * _DRIFT_SPAN
        root = sqrt(price)
        if root > _ROOT_CAP and version != "v1":
            root = _ROOT_CAP
        change = drift + _NOISE * root * (2 * r() - 1)
    moved = price * (1 + change)
    return moved if moved > 0 else 0.0


def expected_return(price: float, low: float) -> float:
    """Return the exact expectation of ``next/price - 1`` over one tick of the v3 law, rug included.

    Args:
        price: the price now.
        low: the lowest price of the game so far, which determines the rug price.
    """
    mean = _MEAN_MOVE
    if price <= rules.GOD_CANDLE_MAX_PRICE:
        mean += rules.GOD_CANDLE_CHANCE * (rules.GOD_CANDLE_FACTOR - mean)
    at_rug = rug_price(low) / price
    return (1 - rules.RUG_CHANCE) * mean + rules.RUG_CHANCE * at_rug - 1


def return_variance(price: float, low: float) -> float:
    """Return the exact variance of ``next/price - 1`` over one tick of the v3 law, rug included.

    Args:
        price: the price now.
        low: the lowest price of the game so far.
    """
    big = (_cube(rules.BIG_MOVE_MAX) - _cube(rules.BIG_MOVE_MIN)) / (3 * _BIG_SPAN)
    drift = (_cube(rules.DRIFT_MAX) - _cube(rules.DRIFT_MIN)) / (3 * _DRIFT_SPAN)
    noise = (_NOISE * min(_ROOT_CAP, sqrt(price))) ** 2 / 3
    square = _BIG_CHANCE * big + (1 - _BIG_CHANCE) * (drift + noise)
    if price <= rules.GOD_CANDLE_MAX_PRICE:
        square += _GOD_CHANCE * ((rules.GOD_CANDLE_FACTOR - 1) ** 2 - square)
    at_rug = rug_price(low) / price - 1
    return (1 - _RUG_CHANCE) * square + _RUG_CHANCE * at_rug**2 - expected_return(price, low) ** 2


def _cube(value: float) -> float:
    return value * value * value


@frozen
class Difference:
    """One fact that differs from the law.

    ``what`` is the fact's name as the venue writes it, ``tick`` is None if it belongs to the
    whole game, ``expected`` is the value from the law and ``found`` the given one.
    """

    what: str
    tick: int | None
    expected: object
    found: object


def compare_prices(expected: Sequence[float], found: Sequence[float]) -> list[Difference]:
    """Return the differences between *found* and *expected*, compared bit for bit, by tick.

    A list with missing or extra entries, which shift all that follow, is one difference
    ``price count`` at the first tick that differs. A list that is mostly wrong is
    one difference ``prices``: it belongs to another game.
    """
    wrong = [t for t, (e, f) in enumerate(zip(expected, found, strict=False)) if e != f]
    shorter = min(len(expected), len(found))
    first = wrong[0] if wrong else shorter
    if len(expected) != len(found):
        rest = shorter - first
        if rest == 0 or list(expected[-rest:]) == list(found[-rest:]):
            return [Difference("price count", first, len(expected), len(found))]
        return [Difference("prices", first, expected[first], found[first])]
    if len(wrong) > max(2, shorter // 2):
        return [Difference("prices", first, expected[first], found[first])]
    return [Difference("price", t, expected[t], found[t]) for t in wrong]


def verify_game(
    server_seed: str,
    game_id: str,
    version: str = rules.LAW_VERSION,
    *,
    seed_hash: str | None = None,
    prices: Sequence[float] | None = None,
    rug_tick: int | None = None,
    rug_price: float | None = None,
    peak: float | None = None,
    play: Callable[[str, str, str], FairGame] = play_game,
) -> list[Difference]:
    """Return every given fact that differs from the law; empty if all are right.

    One wrong fact gives one difference: each fact is compared with the law, never with another fact.
    A wrong seed, id or version also gives one difference, not one for every price.

    Args:
        server_seed: the revealed seed.
        game_id: the game's id.
        version: version of the law.
        seed_hash: the hash published before the game.
        prices: the finished game's published list, rug price at the end (protocol 4.5).
        rug_tick: tick of the rug.
        rug_price: price at the rug.
        peak: highest live price, at least 1.
        play: how the game is computed; the compiled law gives the same sooner.
    """
    game = play(server_seed, game_id, version)
    wrong, foreign = _compare(game, prices, rug_tick, rug_price, peak)
    digest = server_seed_hash(server_seed)
    if seed_hash is not None and seed_hash != digest:
        if foreign:
            return [Difference("serverSeed", None, seed_hash, digest)]
        return [Difference("serverSeedHash", None, digest, seed_hash), *wrong]
    if foreign:
        for other in rules.LAW_VERSIONS:
            again = play(server_seed, game_id, other)
            if not _compare(again, prices, rug_tick, rug_price, peak)[0]:
                return [Difference("gameVersion", None, other, version)]
        if prices is None:
            return [Difference("game", None, f"rug at tick {game.rug_tick}", f"at {rug_tick}")]
        return wrong[:1]
    return wrong


def _compare(
    game: FairGame,
    prices: Sequence[float] | None,
    rug_tick: int | None,
    rug_price: float | None,
    peak: float | None,
) -> tuple[list[Difference], bool]:
    """Return the differences from *game*, and whether there are so many that it is another game."""
    by_tick = [] if prices is None else compare_prices(game.published_prices, prices)
    facts = (
        ("rugTick", game.rug_tick, game.rug_tick, rug_tick),
        ("rugPrice", game.rug_tick, game.rug_price, rug_price),
        ("peakMultiplier", None, game.peak, peak),
    )
    given = [fact for fact in facts if fact[3] is not None]
    wrong = [Difference(*fact) for fact in given if fact[2] != fact[3]]
    if prices is None:
        foreign = len(wrong) == len(given) > 1
    else:
        foreign = any(difference.what == "prices" for difference in by_tick)
    return by_tick + wrong, foreign
