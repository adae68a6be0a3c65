"""Vetoes of several plugins: all are asked, and the first reason in the order of calls is given."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import hookimpl
from vectra_bot.plugins import PluginManager

ANSWERS = st.sampled_from([None, None, "", "no", "too much", 5, ValueError])
ORDERS = st.sampled_from(["first", "plain", "last"])


def guard(number: int, answer: Any, order: str, asked: list[int]) -> Any:
    """Return a plugin that answers *answer*, or raises it."""

    class Guard:
        @hookimpl(tryfirst=order == "first", trylast=order == "last")
        def review_action(self, action: Any) -> Any:
            asked.append(number)
            if answer is ValueError:
                raise ValueError("broken")
            return answer

    return Guard()


@given(st.lists(st.tuples(ANSWERS, ORDERS), max_size=5))
def test_the_first_reason_counts_and_all_are_asked(guards: list[Any]) -> None:
    """A guard that raises or answers nonsense denies too; neither keeps the others from being asked."""
    manager, asked = PluginManager(), []
    for number, (answer, order) in enumerate(guards):
        manager.register(f"g{number}", guard(number, answer, order, asked))
    in_order = sorted(
        range(len(guards)), key=lambda n: (("first", "plain", "last").index(guards[n][1]), n)
    )
    reason = manager.review(None, None, None)  # type: ignore[arg-type]

    assert asked == in_order
    first = next((n for n in in_order if guards[n][0] is not None), None)
    if first is None:
        assert reason is None
    else:
        assert reason is not None
        assert reason.startswith(f"plugin.g{first}: ")
        answer = guards[first][0]
        assert not isinstance(answer, str) or not answer or reason.endswith(f": {answer}")
    broken = [number for number in in_order if guards[number][0] in {5, ValueError}]
    assert [fault.plugin for fault in manager.faults] == [f"g{number}" for number in broken]
