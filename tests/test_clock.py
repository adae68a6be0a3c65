"""The session clock: no step of the wall clock moves it, and each step is reported once."""

from __future__ import annotations

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.clock import SessionClock

S = 1_000_000_000


@define
class Machine:
    """Clocks that a test sets."""

    wall: int = 1_767_225_600 * S
    monotonic: int = 5 * S

    def now_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def run(self, elapsed_ns: int, step_ns: int = 0) -> None:
        self.wall += elapsed_ns + step_ns
        self.monotonic += elapsed_ns


def test_an_hour_back_and_an_hour_forward_change_no_time() -> None:
    """One step each, with its difference."""
    machine = Machine()
    clock = SessionClock(machine)
    start = clock.now_ns()
    assert start == machine.wall
    machine.run(S)
    assert clock.step_ns() is None
    machine.run(S, -3600 * S)
    assert clock.now_ns() == start + 2 * S
    assert clock.step_ns() == -3600 * S
    assert clock.step_ns() is None
    machine.run(S, 3600 * S)
    assert clock.now_ns() == start + 3 * S
    assert clock.step_ns() == 3600 * S
    assert clock.step_ns() is None


@given(st.lists(st.tuples(st.integers(0, 10 * S), st.integers(-7200 * S, 7200 * S)), max_size=30))
def test_time_follows_the_monotonic_clock_alone(runs: list[tuple[int, int]]) -> None:
    """And what was reported sums up to the departure of the wall clock, except less than a step."""
    machine = Machine()
    clock = SessionClock(machine)
    start, reported = clock.now_ns(), 0
    elapsed = 0
    for elapsed_ns, step_ns in runs:
        machine.run(elapsed_ns, step_ns)
        elapsed += elapsed_ns
        reported += clock.step_ns() or 0
        assert clock.now_ns() == start + elapsed
        assert abs(machine.wall - clock.now_ns() - reported) <= SessionClock.STEP_NS
