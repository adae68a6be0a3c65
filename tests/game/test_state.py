"""The next tick of a running game is folded in a short way, which gives what the general way gives."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vectra_bot.errors import RecordError
from vectra_bot.game.state import MAX_TICK, GameState
from vectra_bot.models import FrameKind, GameFrame, GamePhase, GameTick

GAMES = ("a", "b", "")
PRICES = st.sampled_from((0.0, 0.5, 1.0, 1.5, 2.0))


def frame(**values: Any) -> GameFrame:
    """Return a live tick with *values*."""
    usual = {"recv_ns": 0, "kind": FrameKind.TICK, "game_id": "a", "active": True, "rugged": False}
    return GameFrame(**{**usual, "price": 1.0, "tick": 0, **values})


@st.composite
def frames(draw: st.DrawFn) -> list[GameFrame]:
    """Return frames of which most are the next tick of their game; any of them may be anything else."""
    found: list[GameFrame] = []
    tick = draw(st.integers(0, 2))
    for _ in range(draw(st.integers(1, 14))):
        usual = draw(st.integers(0, 9)) > 3
        one: dict[str, Any] = {"tick": tick, "price": draw(PRICES)}
        one["trade_count"] = draw(st.sampled_from((None, 1, 2)))
        one["connected_players"] = draw(st.integers(0, 3))
        one["server_seed_hash"] = draw(st.sampled_from((None, "x")))
        if not usual:
            one["game_id"] = draw(st.sampled_from(GAMES))
            one["kind"] = draw(st.sampled_from(FrameKind))
            one["active"] = draw(st.sampled_from((True, True, False, None)))
            one["rugged"] = draw(st.sampled_from((False, False, True, None)))
            one["tick"] = draw(st.sampled_from((None, 0, tick, tick + 1, tick + 2, MAX_TICK + 1)))
            one["price"] = draw(st.one_of(st.none(), PRICES))
            one["cooldown_timer_ms"] = draw(st.sampled_from((0, 0, 500)))
            one["allow_pre_round_buys"] = draw(st.booleans())
            one["prices"] = draw(st.one_of(st.none(), st.tuples(PRICES, PRICES)))
            one["partial_prices"] = draw(st.sampled_from(((), ((0, 1.0), (1, 1.5), (2, 0.5)))))
        found.append(frame(**one))
        tick = (one["tick"] if isinstance(one["tick"], int) else tick) + 1
    return found


def shown(state: GameState) -> str:
    """Return everything that a state contains, prices that are not known included."""
    return repr(attrs.asdict(state))


@given(frames())
@example([frame(tick=None, price=None), frame()])
@example([frame(), frame(tick=2), frame(tick=3, kind=FrameKind.SNAPSHOT, prices=(1.0, 1.5, 1.0))])
def test_the_short_way_gives_what_the_general_way_gives(given_frames: list[GameFrame]) -> None:
    """Changes and state are the same after every frame."""
    short, general = GameState(), GameState()
    for one in given_frames:
        assert repr(short.fold(one)) == repr(general._fold(one))
        assert shown(short) == shown(general)


def test_the_next_tick_is_the_one_that_the_constructor_makes() -> None:
    """It has the same fields, in the same order, and no other."""
    state = GameState()
    state.fold(frame(trade_count=3))
    (tick,) = state.fold(frame(tick=1, price=1.25, connected_players=7))

    made = GameTick("a", 1, 1.25, GamePhase.ACTIVE, 0, False, 7, 3)
    assert tick == made
    assert list(vars(tick).items()) == list(vars(made).items())


@pytest.mark.parametrize("price", [math.nan, math.inf, 1])
def test_a_price_that_is_no_finite_double_is_refused(price: Any) -> None:
    """A frame that was not made by the wire may have one."""
    state = GameState()
    state.fold(frame())

    with pytest.raises(RecordError, match="price"):
        state.fold(frame(tick=1, price=price))
