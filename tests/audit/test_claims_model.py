"""One thing in a feed that the revealed seed contradicts: it is the one thing that is found."""

from __future__ import annotations

from functools import cache
from math import nextafter
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.game.fair import FairGame, play_game, server_seed_hash
from vectra_bot.models import AlertTrigger, FinishedGame, FrameKind, GameFrame

GAME, NEXT = "20260101-aaaa", "20260101-bbbb"


@cache
def seeded() -> tuple[str, FairGame]:
    """Return a seed and its game, a short one that lives longer than a window of prices."""
    for number in range(10_000):
        seed = f"{number:064x}"
        game = play_game(seed, GAME)
        if 8 <= game.rug_tick <= 20 and game.peak > 1:
            return seed, game
    raise AssertionError("no such seed")


def feed() -> list[GameFrame]:
    """Return an honest feed of the game: every tick, rug, settlement, and the next game's first frame."""
    seed, game = seeded()
    common: dict[str, Any] = {"game_id": GAME, "server_seed_hash": server_seed_hash(seed)}
    ticks = [
        GameFrame(
            recv_ns=tick, kind=FrameKind.TICK, active=True, rugged=False, tick=tick, price=price,
            partial_prices=tuple(enumerate(game.prices))[max(0, tick - 4) : tick + 1],
            version="v3", **common,
        )
        for tick, price in enumerate(game.prices)
    ]  # fmt: skip
    rug = GameFrame(
        recv_ns=99, kind=FrameKind.TICK, active=True, rugged=True, tick=game.rug_tick,
        price=game.rug_price, **common,
    )  # fmt: skip
    past = attrs.evolve(rug, kind=FrameKind.SETTLEMENT, tick=game.rug_tick + 3)
    entry = FinishedGame(
        game_id=GAME, peak=game.peak, server_seed=seed, server_seed_hash=server_seed_hash(seed),
        version="v3", timestamp_ms=1,
    )  # fmt: skip
    after = GameFrame(
        recv_ns=100, kind=FrameKind.SETTLEMENT, game_id=NEXT, active=False, rugged=False,
        price=1.0, tick=0, history=(entry,),
    )  # fmt: skip
    return [*ticks, rug, past, after]


def verdict(frames: list[GameFrame]) -> tuple[int, list[Any]]:
    """Return how many games were verified, and the differences of the alerts."""
    auditor = FairAuditor("S")
    findings = [finding for frame in frames for finding in auditor.on_frame(frame)]
    alerts = [f.record for f in findings if isinstance(f.record, AlertTrigger)]
    assert len(alerts) == auditor.counts.failed <= 1
    return auditor.counts.verified, [alert.source_data["differences"] for alert in alerts]


def changed(frames: list[GameFrame], place: int, **changes: Any) -> list[GameFrame]:
    """Return *frames* with one of them changed."""
    return [*frames[:place], attrs.evolve(frames[place], **changes), *frames[place + 1 :]]


def test_an_honest_feed_is_verified() -> None:
    """Nothing is found."""
    assert verdict(feed()) == (1, [])


@given(st.data(), st.sampled_from(["live", "window", "beyond"]), st.booleans())
def test_a_price_that_is_off_by_one_bit_is_found(data: Any, kind: str, up: bool) -> None:
    """In the price of a tick, in the window of prices, or of a tick that the game does not have."""
    _, game = seeded()
    frames = feed()
    tick = data.draw(st.integers(1, game.rug_tick - 1))
    wrong = nextafter(game.prices[tick], 1e9 if up else 0)
    if kind == "live":
        frames = changed(frames, tick, price=wrong)
    elif kind == "window":
        later = data.draw(st.integers(tick, min(tick + 4, game.rug_tick - 1)))
        window = [(t, wrong if t == tick else p) for t, p in frames[later].partial_prices]
        frames = changed(frames, later, partial_prices=tuple(window))
    else:
        tick = data.draw(st.integers(game.rug_tick, game.rug_tick + 5))
        window = (*frames[game.rug_tick - 1].partial_prices, (tick, wrong))
        frames = changed(frames, game.rug_tick - 1, partial_prices=window)

    verified, (differences,) = verdict(frames)
    assert verified == 0
    assert [(d["what"], d["tick"], d["found"]) for d in differences] == [("price", tick, wrong)]


@given(st.integers(-5, 5).filter(bool))
def test_a_rug_at_another_tick_is_found(off: int) -> None:
    """The public rug frame says when it was; frames that count past the rug say nothing of it."""
    _, game = seeded()
    rug = game.rug_tick + off
    verified, (differences,) = verdict(changed(feed(), game.rug_tick, tick=rug))

    assert verified == 0
    assert [(d["what"], d["expected"], d["found"]) for d in differences] == [
        ("rugTick", game.rug_tick, rug)
    ]


@pytest.mark.parametrize("place", [0, 1])
@given(st.booleans())
def test_a_rug_at_another_price_is_found(place: int, up: bool) -> None:
    """In the rug's own frame and in the settlement's."""
    _, game = seeded()
    wrong = nextafter(game.rug_price, 1 if up else 0)
    verified, (differences,) = verdict(changed(feed(), game.rug_tick + place, price=wrong))

    assert verified == 0
    assert [(d["what"], d["expected"], d["found"]) for d in differences] == [
        ("rugPrice", game.rug_price, wrong)
    ]


@pytest.mark.parametrize("place", [0, 3, -3])
def test_a_hash_that_is_not_the_seeds_is_found(place: int) -> None:
    """Said first or later, by one frame only."""
    verified, (differences,) = verdict(changed(feed(), place, server_seed_hash="ab" * 32))

    assert verified == 0
    assert [(d["what"], d["found"]) for d in differences] == [("serverSeedHash", "ab" * 32)]


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("peak", 1e9, "peakMultiplier"),
        ("peak", 1.0, "peakMultiplier"),
        ("server_seed_hash", "cd" * 32, "serverSeedHash"),
    ],
)
def test_a_history_that_does_not_fit_its_seed_is_found(name: str, value: Any, what: str) -> None:
    """The entry of the finished game states peak and hash too."""
    frames = feed()
    entry = attrs.evolve(frames[-1].history[0], **{name: value})
    verified, (differences,) = verdict(changed(frames, -1, history=(entry,)))

    assert verified == 0
    assert [(d["what"], d["found"]) for d in differences] == [(what, value)]


@given(st.data(), st.booleans())
def test_a_published_list_is_compared_to_its_last_price(data: Any, longer: bool) -> None:
    """One wrong price of the list is found at its tick, the rug's included; so is a list too long."""
    _, game = seeded()
    frames, prices = feed(), list(game.published_prices)
    tick = data.draw(st.integers(0, len(prices) - 1))
    if longer:
        prices.append(0.5)
    else:
        prices[tick] += 1
    entry = attrs.evolve(frames[-1].history[0], prices=tuple(prices))
    verified, (differences,) = verdict(changed(frames, -1, history=(entry,)))

    expected = ("price count", len(prices) - 1) if longer else ("price", tick)
    assert verified == 0
    assert [(d["what"], d["tick"]) for d in differences] == [expected]
