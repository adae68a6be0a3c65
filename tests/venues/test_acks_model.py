"""Acknowledgement ids and the budget of requests, in virtual time, against the plainest model of each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vectra_bot.clock import VirtualClock
from vectra_bot.venues.acks import KEPT, AckKind, AckTable
from vectra_bot.venues.patience import SendBucket, SendBudget

MS = 1_000_000

steps = st.lists(
    st.one_of(
        st.tuples(st.just("ping"), st.just(0)),
        st.tuples(st.just("order"), st.just(0)),
        st.tuples(st.just("reconnect"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 3_000)),
        st.tuples(st.just("answer"), st.integers(0, 30)),
    ),
    max_size=60,
)


@example([("ping", 0), ("order", 0), ("wait", 7), ("answer", 1), ("answer", 2), ("answer", 1)])
@example([("ping", 0), ("order", 0), ("reconnect", 0), ("answer", 1), ("answer", 2), ("ping", 0)])
@example([("ping", 0), ("wait", 5), ("ping", 0), ("answer", 2), ("answer", 1)])
@given(steps)
def test_each_answer_belongs_to_its_request_on_its_connection(todo: list[Any]) -> None:
    """Ids count up over connections; a ping is answered once, an order's answers are all passed on."""
    clock, epoch, last, now = VirtualClock(0), 1, 0, 0
    table = AckTable(clock)
    sent: dict[int, tuple[str, int, int]] = {}
    answered: set[int] = set()
    for kind, value in todo:
        if kind == "wait":
            now += value * MS
            clock.advance_to(now)
        elif kind == "reconnect":
            epoch += 1
        elif kind == "answer":
            what, when, at_ns = sent.get(value, ("", 0, 0))
            found = table.answered(f"43{value}[]", epoch)
            if not what or value in answered:
                assert found is AckKind.UNKNOWN
            elif when != epoch:
                assert found is AckKind.STRAY
            elif what == "order":
                assert found is AckKind.REQUEST
                assert table.action_of(value) == f"action-{value}"
            else:
                assert found is AckKind.PING
                assert table.last_ms == (now - at_ns) / MS
                answered.add(value)
        else:
            last += 1
            action = f"action-{last}" if kind == "order" else None
            assert table.next_id(epoch, action) == last
            sent[last] = (kind, epoch, now)
        newest = max(answered, default=0)
        open_pings = [
            at for ack_id, (what, when, at) in sent.items()
            if what == "ping" and when == epoch and ack_id > newest
        ]  # fmt: skip
        waiting = (now - min(open_pings)) / MS if open_pings else 0.0
        assert table.waiting_ms(epoch) == waiting
        slowest = 0.0 if table.rtt_ms is None else max(table.rtt_ms, waiting)
        assert table.slowness_ms(epoch) == slowest
    assert table.pongs == len(answered)


def test_the_round_trip_is_smoothed() -> None:
    """The first one counts whole, each later one an eighth."""
    clock = VirtualClock(0)
    table = AckTable(clock)
    for at_ms, rtt_ms in ((0, 80), (1_000, 160), (2_000, 0)):
        clock.advance_to(at_ms * MS)
        ack_id = table.next_id(1)
        clock.advance_to((at_ms + rtt_ms) * MS)
        table.answered(f"43{ack_id}[]", 1)

    assert table.rtt_ms == pytest.approx((80 + (160 - 80) / 8) * 7 / 8)
    assert (table.last_ms, table.pings, table.pongs) == (0, 3, 3)


def test_what_is_remembered_is_bounded() -> None:
    """The oldest requests are forgotten; their answers belong to nothing then."""
    table = AckTable(VirtualClock(0))
    for number in range(KEPT + 10):
        table.next_id(1, f"action-{number}")

    assert table.answered("4310[]", 1) is AckKind.UNKNOWN
    assert table.answered("4311[]", 1) is AckKind.REQUEST
    assert (table.action_of(10), table.action_of(11)) == (None, "action-10")


@pytest.mark.parametrize(
    "raw", ["43[]", "430[]", "43x[]", "43", "43-1[]", "431", "43²[]", "43" + "9" * 40 + "[]", "43 1[]"]
)  # fmt: skip
def test_what_has_no_id_belongs_to_nothing(raw: str) -> None:
    """It is passed on as it is, for the decoder to refuse."""
    table = AckTable(VirtualClock(0))
    table.next_id(1)

    assert table.answered(raw, 1) is AckKind.UNKNOWN


moves = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 2_000)),
        st.tuples(st.sampled_from(["entry", "exit"]), st.just(0)),
    ),
    max_size=60,
)


@example([("entry", 0)] * 8 + [("exit", 0)] * 4 + [("wait", 125), ("exit", 0), ("entry", 0)])
@given(moves)
def test_a_budget_is_never_exceeded(todo: list[Any]) -> None:
    """Within any time no more than the burst and the rate; entries leave two for exits."""
    clock, now, left = VirtualClock(0), 0, 8.0
    bucket = SendBucket(SendBudget(), clock)
    for kind, value in todo:
        if kind == "wait":
            now += value * MS
            clock.advance_to(now)
            left = min(8.0, left + value / 1000 * 8)
            continue
        entry = kind == "entry"
        allowed = bucket.allows(entry=entry)
        assert bucket.left() == pytest.approx(left)
        if abs(left - (3 if entry else 1)) > 1e-6:
            assert allowed is (left >= (3 if entry else 1))
        if allowed:
            bucket.take()
            left -= 1
        assert bucket.left() >= -1e-9
