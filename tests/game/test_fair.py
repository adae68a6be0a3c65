"""The price law: published vectors, the generator against a naive one, and properties of every game."""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterator
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.errors import UsageError
from vectra_bot.game import rules
from vectra_bot.game.fair import (
    Difference,
    compare_prices,
    draws,
    expected_return,
    next_price,
    play_game,
    rug_price,
    server_seed_hash,
    verify_game,
)

# Published: seed, game id, law, rug tick, rug price, peak, last live price, first draws.
VECTORS = [
    (
        "fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4",
        "20250701-55b97a42871f441f",
        "v1",
        83,
        0.020000000000000018,
        3.8474620187013504,
        3.171216815854395,
        [0.8233815804716037, 0.7850176703033073],
    ),
    (
        "fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4",
        "20250701-55b97a42871f441f",
        "v2",
        83,
        0.020000000000000018,
        3.8474620187013504,
        3.171216815854395,
        [0.8233815804716037, 0.7850176703033073],
    ),
    (
        "fedde170f25570df546c5c16de6f571b8253221f9307e977c4f5354a5aa078a4",
        "20250701-55b97a42871f441f",
        "v3",
        179,
        0.012726842207266201,
        4.38082767954252,
        4.38082767954252,
        [0.8233815804716037, 0.7850176703033073],
    ),
    (
        "6500cdbe92a642aac84b178756ceea75665fd5f82ced512ecadb30fefed15755",
        "20251218-831db215e62e461e",
        "v3",
        71,
        0.020000000000000018,
        3.3201366548143785,
        3.2774446091397698,
        [0.9108690007566967, 0.12875122017820595],
    ),
    (
        "2ac3bb0af32b2d908d8b19ae3c45920926bd5663b13690694c71daa953d10a42",
        "20251215-206ea330cf7f4f5d",
        "v3",
        920,
        0.016783263011329402,
        1885.8381019066592,
        218.51692987513658,
        [0.24249350277892262, 0.5982378962071089],
    ),
    (
        "4253506d6763ac0c08b8a3fd886a2fc0422ac193854bea2ba9fb9cd224c6b636",
        "20251215-7233f8519253401d",
        "v3",
        735,
        0.010128796912237807,
        886.7452275532253,
        203.40348831735065,
        [0.7939907103298349, 0.6725902105654157],
    ),
    (
        "9e649823d9a61a537c71df872c4931ab8ab4709e6e4eaeeae1a36c9264f98c0a",
        "20251215-031ad4b575ac4f4d",
        "v3",
        132,
        0.011956883279168369,
        8.683700450527626,
        7.199787743600211,
        [0.3207801529792787, 0.7591906646703258],
    ),
    (
        "ce08d4c8673e66d8cb07774cc91b4808d8ffc6e902a3d6705a7e64560908c17d",
        "20251214-1c6d638364354f20",
        "v3",
        215,
        0.004399365576712601,
        1.0,
        0.3114555545744352,
        [0.9275612107457528, 0.0222953726403452],
    ),
]
V1, V2, V3 = VECTORS[0], VECTORS[1], VECTORS[2]
CANDLE = VECTORS[6]  # a real game with a god candle at tick 109

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
versions = st.sampled_from(rules.LAW_VERSIONS)


def naive_draws(seed: str) -> Iterator[float]:
    """Port the library line by line, in doubles as JavaScript has them, with no shortcut."""
    data = seed.encode("utf-16-le", "surrogatepass")
    units = struct.unpack(f"<{len(data) // 2}H", data)
    key: dict[int, int] = {}
    smear = 0
    for j, unit in enumerate(units):
        smear ^= key.get(j & 255, 0) * 19
        key[j & 255] = 255 & (smear + unit)
    table = [key[k] for k in sorted(key)] or [0]
    s = list(range(256))
    j = 0
    for i in range(256):
        j = 255 & (j + table[i % len(table)] + s[i])
        s[i], s[j] = s[j], s[i]
    place = [0, 0]

    def g(number: int) -> int:
        r = 0
        for _ in range(number):
            place[0] = 255 & (place[0] + 1)
            t = s[place[0]]
            place[1] = 255 & (place[1] + t)
            s[place[0]], s[place[1]] = s[place[1]], t
            r = r * 256 + s[255 & (s[place[0]] + t)]
        return r

    g(256)
    while True:
        n, d, x = float(g(6)), 2.0**48, 0
        while n < 2**52:
            n, d, x = (n + x) * 256, d * 256, g(1)
        while n >= 2**53:
            n, d, x = n / 2, d / 2, x >> 1
        yield (n + x) / d


def naive_seedrandom(seed: str, count: int) -> list[float]:
    """Return the first draws of the naive port."""
    return list(itertools.islice(naive_draws(seed), count))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v[1]}-{v[2]}")
def test_published_games(vector: tuple) -> None:
    """Every published game is reproduced bit for bit."""
    seed, game_id, version, rug_tick, rug, peak, last, first = vector
    game = play_game(seed, game_id, version)
    assert (game.rug_tick, game.rug_price, game.peak, game.prices[-1]) == (
        rug_tick,
        rug,
        peak,
        last,
    )
    assert game.rugged
    assert game.published_prices == [*game.prices, rug]
    assert list(itertools.islice(draws(f"{seed}-{game_id}"), 2)) == first


@pytest.mark.parametrize(
    ("seed", "first"),
    [
        ("hello.", [0.9282578795792454, 0.3752569768646784, 0.7316977468919549]),
        ("hello", [0.5463663768140734]),
        ("", [0.23144008215179881]),
    ],
)
def test_documented_draws(seed: str, first: list[float]) -> None:
    """The library's documented draws are reproduced, including those of the empty seed."""
    assert list(itertools.islice(draws(seed), len(first))) == first


@pytest.mark.parametrize(
    "seed", ["", "a" * 255, "a" * 256, "a" * 257, "ab" * 400, "\U0001f600é", "\ud83d", "\udc80x"]
)
def test_seed_of_any_length_and_character(seed: str) -> None:
    """Long seeds wrap around the key, and characters count as UTF-16 code units."""
    assert list(itertools.islice(draws(seed), 40)) == naive_seedrandom(seed, 40)


def test_a_pair_of_surrogates_is_its_character() -> None:
    """Strings that JavaScript cannot distinguish give the same draws and the same hash."""
    assert next(draws("\ud83d\ude00")) == next(draws("\U0001f600"))
    assert server_seed_hash("\ud83d\ude00") == server_seed_hash("\U0001f600")


def test_rare_draws_of_more_than_eight_bytes() -> None:
    """Draws with many leading zero bits, which read further bytes, are exact as well."""
    slow = naive_seedrandom("rare", 40_000)
    assert list(itertools.islice(draws("rare"), 40_000)) == slow
    assert min(slow) < 2**-12


@given(any_text)
def test_draws_equal_a_naive_port(seed: str) -> None:
    """The generator equals a naive port for any text, with draws in [0, 1)."""
    expected = naive_seedrandom(seed, 5)
    assert list(itertools.islice(draws(seed), 5)) == expected
    assert all(0 <= x < 1 for x in expected)


@given(any_text)
def test_a_draw_is_a_multiple_of_its_smallest_step(seed: str) -> None:
    """A draw carries 53 bits at most and at least 52 unless it is tiny."""
    x = next(draws(seed))
    assert (x * 2.0**64).is_integer() or x < 2**-11


@given(any_text)
def test_hash_is_of_the_text(seed: str) -> None:
    """The hash is SHA-256 of the seed's text; what UTF-8 cannot carry counts as U+FFFD."""
    expected = None
    try:
        expected = hashlib.sha256(seed.encode()).hexdigest()
    except UnicodeEncodeError:
        pair_free = seed.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        expected = hashlib.sha256(pair_free.encode()).hexdigest()
    assert server_seed_hash(seed) == expected


def naive_prices(seed: str, game_id: str, version: str) -> tuple[list[float], int]:
    """Implement the law a second time, like the venue's page, with literal numbers."""
    r = naive_draws(f"{seed}-{game_id}")
    prices = [1.0]
    for iterations in range(25):
        if next(r) < 0.005:
            return prices, iterations + 1
        p = prices[-1]
        if version == "v3" and next(r) < 0.00001 and p <= 100:
            prices.append(p * 10)
            continue
        if next(r) < 0.125:
            size = 0.15 + next(r) * (0.25 - 0.15)
            change = size if next(r) > 0.5 else -size
        else:
            drift = -0.02 + next(r) * (0.03 - (-0.02))
            root = sqrt(p) if version == "v1" else min(10, sqrt(p))
            change = drift + 0.005 * root * (2 * next(r) - 1)
        prices.append(max(p * (1 + change), 0))
    return prices, 0


@given(st.text(max_size=8), st.text(max_size=8), versions)
def test_the_law_equals_a_naive_one(seed: str, game_id: str, version: str) -> None:
    """Prices equal a second, literal implementation of the law, tick by tick."""
    prices, rug_tick = naive_prices(seed, game_id, version)
    game = play_game(seed, game_id, version)
    assert list(game.prices[: len(prices)]) == prices
    if rug_tick:
        assert game.rug_tick == rug_tick


@given(st.text(max_size=8), versions)
def test_facts_of_a_game(seed: str, version: str) -> None:
    """Rug tick, peak and rug price follow from the prices, and the law finds nothing wrong."""
    game = play_game(seed, "20260101-0", version)
    assert game.rug_tick == len(game.prices) >= 1
    assert game.prices[0] == 1
    assert game.peak == max(game.prices)
    assert game.rug_price == min(game.prices) * (1 - 0.98)
    assert game.rug_price <= 0.020000000000000018
    assert not verify_game(
        seed,
        "20260101-0",
        version,
        seed_hash=server_seed_hash(seed),
        prices=game.published_prices,
        rug_tick=game.rug_tick,
        rug_price=game.rug_price,
        peak=game.peak,
    )


def test_v2_has_a_cap_and_no_candle() -> None:
    """Below price 100 the laws v1 and v2 agree; v3 makes one more draw for the god candle."""
    assert play_game(*V1[:3]).prices == play_game(*V2[:3]).prices
    assert play_game(*V3[:3]).prices[1] != play_game(*V2[:3]).prices[1]


def test_noise_is_capped_from_v2_on() -> None:
    """At price 400 the noise of v1 is twice that of v2."""
    quiet = [0.9, 0.4, 1.0]  # no big move; drift 0; the greatest noise

    def moved(version: str) -> float:
        return next_price(400.0, iter(quiet).__next__, version)

    assert moved("v1") == pytest.approx(400 * 1.10)
    assert moved("v2") == pytest.approx(400 * 1.05)


def test_god_candle_multiplies_by_ten() -> None:
    """A real god candle is reproduced; above price 100 its draw is made and ignored."""
    prices = play_game(*CANDLE[:3]).prices
    assert prices[109] == prices[108] * 10
    assert next_price(100.0, iter([0.0]).__next__) == 1000
    assert next_price(100.5, iter([0.0, 0.1, 0.5, 0.9]).__next__) == 100.5 * (1 + 0.2)


def test_sign_of_a_big_move_is_down_at_one_half() -> None:
    """The sign is up only above one half."""
    down = iter([0.9, 0.1, 0.5, 0.5])
    assert next_price(1.0, down.__next__) == 1 - 0.2


def test_a_price_never_falls_below_zero() -> None:
    """A negative result counts as 0."""
    wild = iter([0.9, 0.9, 0.0, -1000.0])
    assert next_price(1.0, wild.__next__) == 0


def test_rug_price_keeps_the_odd_double() -> None:
    """The rug price is min * (1 - 0.98), which is not min * 0.02."""
    assert rug_price([1.0, 1.5]) == 0.020000000000000018
    assert rug_price([1.0, 0.5, 2.0]) == rug_price(0.5) == 0.010000000000000009


def test_unknown_law_is_refused() -> None:
    """An unknown version of the law is named in the error."""
    with pytest.raises(UsageError, match="'v4'"):
        play_game("seed", "game", "v4")


@given(st.floats(0.001, 5000), st.floats(0.0001, 1))
def test_expected_return_is_the_mean_of_the_law(price: float, low: float) -> None:
    """The expectation equals the probability-weighted mean of the law's branches."""
    candle = 1e-5 if price <= 100 else 0.0
    mean = candle * 10 + (1 - candle) * (0.125 * 1 + 0.875 * 1.005)
    expected = 0.995 * mean + 0.005 * (low * (1 - 0.98) / price) - 1
    assert expected_return(price, low) == pytest.approx(expected, abs=1e-15)


def test_expected_return_agrees_with_played_ticks() -> None:
    """The mean of many law ticks from price 2 lies within four standard errors of the formula."""
    r = draws("expectation").__next__
    total, squares, count, low = 0.0, 0.0, 30_000, 0.7
    for _ in range(count):
        moved = rug_price(low) if r() < 0.005 else next_price(2.0, r)
        total += moved / 2 - 1
        squares += (moved / 2 - 1) ** 2
    error = sqrt(squares) / count
    assert abs(total / count - expected_return(2.0, low)) < 4 * error


@given(st.floats(0.001, 5000), st.floats(0.0, 1.0))
def test_holding_is_never_favourable(price: float, share: float) -> None:
    """No price and no low make the expected return of a tick positive or better than -0.045 %."""
    assert -0.00065 < expected_return(price, price * share) < -0.00045


SEED, GAME = VECTORS[3][0], VECTORS[3][1]
RUG_TICK = VECTORS[3][3]
PLAYED = play_game(SEED, GAME)


def facts() -> dict:
    """Return every fact of one game, right."""
    return {
        "seed_hash": server_seed_hash(SEED),
        "prices": PLAYED.published_prices,
        "rug_tick": PLAYED.rug_tick,
        "rug_price": PLAYED.rug_price,
        "peak": PLAYED.peak,
    }


@given(st.integers(0, RUG_TICK), st.floats(0.001, 10))
def test_one_wrong_price_is_named_alone(tick: int, price: float) -> None:
    """A wrong price at any tick, the lowest and the rug's included, is the only difference."""
    given_facts = facts()
    right = given_facts["prices"][tick]
    given_facts["prices"][tick] = price
    expected = [] if right == price else [Difference("price", tick, right, price)]
    assert verify_game(SEED, GAME, **given_facts) == expected


@given(st.sampled_from(["seed_hash", "rug_tick", "rug_price", "peak"]), st.integers(1, 5))
def test_one_wrong_fact_is_named_alone(name: str, by: int) -> None:
    """A wrong hash, rug tick, rug price or peak is the only difference, with both values."""
    given_facts = facts()
    right = given_facts[name]
    given_facts[name] = "0" * by if name == "seed_hash" else right + by
    (difference,) = verify_game(SEED, GAME, **given_facts)
    names = ["serverSeedHash", "rugTick", "rugPrice", "peakMultiplier"]
    assert difference.what in names
    assert (difference.expected, difference.found) == (right, given_facts[name])


@given(st.integers(1, RUG_TICK - 1), st.booleans())
def test_a_missing_or_added_price_is_said_once(tick: int, missing: bool) -> None:
    """A shifted list is one difference, at the first tick that differs."""
    given_facts = facts()
    count = len(given_facts["prices"])
    if missing:
        del given_facts["prices"][tick]
    else:
        given_facts["prices"].insert(tick, 7.5)
    length = len(given_facts["prices"])
    assert verify_game(SEED, GAME, **given_facts) == [
        Difference("price count", tick, count, length)
    ]


def test_wrong_seed_id_and_version_are_said_once() -> None:
    """A wrong seed, id or version is one difference, not one for every price."""
    right = facts()
    (seed,) = verify_game(SEED[:-1] + "6", GAME, **right)
    assert (seed.what, seed.expected) == ("serverSeed", right["seed_hash"])
    (version,) = verify_game(SEED, GAME, "v1", **right)
    assert (version.what, version.expected, version.found) == ("gameVersion", "v3", "v1")
    (other,) = verify_game(SEED, GAME + "x", **right)
    assert (other.what, other.tick) == ("prices", 1)


def test_compare_prices_of_a_cut_list() -> None:
    """A truncated list differs at its end."""
    assert compare_prices([1.0, 2.0, 3.0], [1.0, 2.0]) == [Difference("price count", 2, 3, 2)]


def test_games_rug_at_the_law_s_rate() -> None:
    """About one tick in two hundred rugs, over many games."""
    ticks = [play_game("law", str(k)).rug_tick for k in range(150)]
    assert 0.003 < len(ticks) / sum(ticks) < 0.008


def test_a_game_ends_at_the_last_tick_of_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    """A game that reaches the law's last tick ends there and says that it did not rug."""
    monkeypatch.setattr(rules, "MAX_TICKS", 5)
    game = play_game(SEED, GAME)
    assert (game.rugged, game.rug_tick, len(game.prices)) == (False, 6, 6)
