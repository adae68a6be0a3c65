"""Which stakes the venue accepts, beside a model of its rules: limits, free and bonus money, full rounds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.driver import ME, config
from tests.exchange.scenario import LONG, SOL, account_of, ask, balanced, joined, ledger_of
from vectra_bot.exchange.features.sidegames import MAX_STAKES

LEAST, MOST = SOL // 1000, 5 * SOL
EVENTS = ("buyOrder", "requestSidebet", "shortOrder")

# At the venue's limits and at the free money, one lamport off each, and anywhere.
amounts = st.one_of(
    st.tuples(st.sampled_from(["least", "most", "free", "cash"]), st.integers(-1, 1)),
    st.tuples(st.just("plain"), st.integers(LEAST, SOL)),
)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), amounts), min_size=2, max_size=8),
    st.sampled_from([SOL // 2, 2 * SOL, 12 * SOL]),
    st.sampled_from([0, 1, SOL // 3, 6 * SOL]),
)
def test_a_stake_is_accepted_if_limits_and_free_money_allow_it(
    requests: list[tuple[str, Any]], cash: int, bonus: int
) -> None:
    """Bonus money can be staked like cash and is spent first; a refusal changes nothing."""
    client = joined(config(seed=LONG), cash, bonus=bonus)
    client.until_tick(5)
    taken: set[str] = set()
    for event, (base, off) in requests:
        free = cash + bonus
        known = {"least": LEAST, "most": MOST, "free": free, "cash": cash, "plain": 0}
        amount = known[base] + off
        answer = ask(client, event, amount=float(Decimal(amount).scaleb(-9)))
        allowed = LEAST <= amount <= min(MOST, free)
        # A bet or a short is open from its first stake on.
        allowed = allowed and not (event != "buyOrder" and event in taken)
        assert answer["success"] is allowed
        if allowed:
            taken.add(event)
            part = min(bonus, amount)
            bonus, cash = bonus - part, cash - (amount - part)
        assert (ledger_of(client).cash, ledger_of(client).bonus) == (cash, bonus)
    assert balanced(client)


def test_a_full_round_accepts_no_more_stakes() -> None:
    """The last place in a round is given away, the one after it does not exist."""
    client = joined(config(seed=LONG, candleflip_rooms=1))
    client.until(lambda seen: "candleflipRound" in seen.text and '"open"' in seen.text)
    assert ask(client, "candleflipBet", amount=0.01, choice="red")["success"]
    (room,) = client.exchange.sidegames.open_rooms("candleflip")
    stake = room.stakes.pop(ME)
    room.stakes.update({f"other{n}": stake for n in range(MAX_STAKES - 1)})
    assert ask(client, "candleflipBet", amount=0.01, choice="red")["success"]
    room.stakes["other"] = room.stakes.pop(ME)
    before = account_of(client).sol.cash
    answer = ask(client, "candleflipBet", amount=0.01, choice="red")
    assert answer["success"] is False
    assert "is full" in answer["message"]
    assert (len(room.stakes), account_of(client).sol.cash) == (MAX_STAKES, before)
