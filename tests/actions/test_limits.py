"""Each limit one lamport, action or nanosecond below, at and above what it allows; what a limit accepts."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.arming import Arming, LiveTerms
from vectra_bot.actions.limits import LIVE_LIMITS, Limits
from vectra_bot.actions.risk import Ask, HaltCause, RiskGate
from vectra_bot.errors import ConfigError
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_sol
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import Lot
from vectra_bot.models import ActionType, SideGameKind
from vectra_bot.testing import Bench

SOL = 10**9
DAY = 86_400 * SOL
MOST = Decimal(100_000)
AMOUNT = 10_000_000
HUGE = {"stake": MOST, "session_loss": MOST}
sums = st.integers(1, SOL)


@cache
def a_bench() -> Bench:
    """Return a bench in a running game."""
    bench = Bench(Scripted())
    bench.start_game((1.0, 1.1))
    return bench


@st.composite
def accounts(draw: st.DrawFn) -> tuple[Account, int]:
    """Draw an account with things open, and what they cost in all."""
    account = Account(cash=10 * SOL)
    account.stated = a_bench().engine.account.stated
    total = 0
    for _ in range(draw(st.integers(0, 2))):
        cost = draw(sums)
        account.lots.append(Lot(5, cost, 0, 1.0, 1, draw(st.integers(0, cost))))
        total += cost
    if draw(st.booleans()):
        amount = draw(sums)
        account.sidebet = SidebetView(to_sol(amount), 0, 40)
        total += amount
    if draw(st.booleans()):
        amount = draw(sums)
        account.short = ShortView(to_sol(amount), 1.0, 0, to_sol(amount))
        total += amount
    for number in range(draw(st.integers(0, 2))):
        amount = draw(sums)
        key = (SideGameKind.BBC, str(number))
        account.stakes[key] = StakeView(*key, "BULL", to_sol(amount))
        total += amount
    return account, total


def checked(gate: RiskGate, account: Account, at_risk: int = 0, kind: Any = ActionType.BUY) -> Any:
    """Return the code with which the gate denies an entry, None if it does not."""
    reason = gate.check(
        Ask(kind, amount=AMOUNT if kind.is_entry else None, percentage=50),
        a_bench().engine.game,
        account,
        pending=(),
        unknown=0,
        at_risk=at_risk,
    )
    return None if reason is None else reason.split(":")[0]


@given(accounts(), sums, st.sampled_from([-1, 0, 1]))
def test_exposure_counts_everything_open(drawn: tuple[Account, int], at_risk: int, by: int) -> None:
    """Position, sidebet, short, stakes, entries without an outcome, and the new stake: to the lamport."""
    account, total = drawn
    gate = RiskGate(Limits(exposure=to_sol(total + at_risk + AMOUNT + by), **HUGE))

    assert checked(gate, account, at_risk) == ("limit.exposure" if by < 0 else None)


@given(st.integers(-SOL, SOL), sums, st.sampled_from([-1, 0, 1]))
def test_game_loss_counts_from_the_games_start(lost: int, at_risk: int, by: int) -> None:
    """Whatever was won or lost in the game, open and undecided entries are counted as lost."""
    account = Account(cash=10 * SOL)
    account.stated = a_bench().engine.account.stated
    account.game_start_cash = account.cash + lost
    worst = lost + at_risk + AMOUNT
    limit = max(1, worst + by)
    gate = RiskGate(Limits(game_loss=to_sol(limit), **HUGE))

    assert checked(gate, account, at_risk) == ("limit.game_loss" if worst > limit else None)


@given(st.integers(-SOL, SOL), st.integers(-SOL, SOL), st.sampled_from([-1, 0, 1]))
def test_day_loss_counts_earlier_sessions(before: int, lost: int, by: int) -> None:
    """The day's loss is that of earlier sessions and of this one; at midnight it begins again."""
    account = Account(cash=10 * SOL, session_start_cash=10 * SOL + lost, now_ns=5 * DAY + 7)
    account.stated = a_bench().engine.account.stated
    worst = lost - before + AMOUNT
    limit = max(AMOUNT, worst + by)
    terms = LiveTerms(account="a", day_start_pnl=to_sol(before))
    arming = Arming(
        terms=terms, armed=True, connected=True, framed=True, logged_in=True, stated=True, ticks=8
    )
    gate = RiskGate(Limits(day_loss=to_sol(limit), **HUGE), arming)
    gate.on_day(account)
    assert gate.day_end_ns == 6 * DAY
    assert checked(gate, account) == ("limit.day_loss" if worst > limit else None)
    account.now_ns = 6 * DAY
    gate.on_day(account)

    assert gate.day_end_ns == 7 * DAY
    assert checked(gate, account) is None


def test_a_days_start_counts_what_is_open_at_cost() -> None:
    """A position held over midnight is money that the new day can lose."""
    account = Account(cash=SOL, session_start_cash=SOL, now_ns=1)
    account.stated = a_bench().engine.account.stated
    gate = RiskGate(Limits(day_loss=to_sol(AMOUNT + 4), **HUGE))
    gate.on_day(account)
    account.lots.append(Lot(5, 5, 0, 1.0))
    account.now_ns = DAY
    gate.on_day(account)
    assert checked(gate, account) == "limit.day_loss"
    account.lots.clear()
    gate.day_end_ns, account.now_ns = 2 * DAY, 2 * DAY
    gate.on_day(account)

    assert checked(gate, account) is None


def test_the_loss_of_yesterday_is_over_before_the_account_is_known() -> None:
    """A session whose money is first stated after midnight begins the day with it."""
    account = Account(now_ns=1)
    gate = RiskGate(Limits(day_loss=to_sol(AMOUNT), **HUGE))
    gate.day_pnl = -1
    gate.on_day(account)
    account.now_ns = DAY
    gate.on_day(account)
    account.stated = a_bench().engine.account.stated
    account.cash = account.session_start_cash = SOL

    assert checked(gate, account) is None


@given(st.integers(1, 5), st.lists(st.integers(0, 40), max_size=12))
def test_actions_of_a_minute(limit: int, gaps_s: list[int]) -> None:
    """No window of sixty seconds has more; a partial exit counts, a full one is always allowed."""
    account = Account(cash=10 * SOL)
    account.stated = a_bench().engine.account.stated
    account.lots.append(Lot(5, 5, 0, 1.0))
    gate = RiskGate(Limits(actions_per_minute=limit, actions_per_game=1_000, **HUGE))
    sent: list[int] = []
    for gap_s in gaps_s:
        account.now_ns += gap_s * SOL
        recent = [at for at in sent if account.now_ns - at < 60 * SOL]
        full = len(recent) >= limit
        expected = "limit.actions_per_minute" if full else None
        assert checked(gate, account) == expected
        assert checked(gate, account, kind=ActionType.SELL) == expected
        close = gate.check(
            Ask(ActionType.SELL, percentage=100), a_bench().engine.game, account,
            pending=(), unknown=0, at_risk=0,
        )  # fmt: skip
        assert close is None
        if not full:
            gate.on_sent(account.now_ns)
            sent.append(account.now_ns)
    assert len(gate.sent_ns) <= limit


@pytest.mark.parametrize("age_ms", [1_499, 1_500, 1_501])
def test_an_old_price_denies_entries_alone(age_ms: int) -> None:
    """At the limit an entry is allowed, a nanosecond later not; exits do not ask for the price."""
    strategy = Scripted()
    bench = Bench(strategy, limits=Limits(price_age_ms=1_500))
    bench.start_game((1.0, 1.0))
    bench.wait(age_ms / 1000)
    account = bench.engine.account
    gate = bench.engine.tracker.book.gate
    account.lots.append(Lot(5, 5, 0, 1.0))
    reason = gate.check(
        Ask(ActionType.BUY, amount=AMOUNT), bench.engine.game, account,
        pending=(), unknown=0, at_risk=0,
    )  # fmt: skip
    sale = gate.check(
        Ask(ActionType.SELL, percentage=100), bench.engine.game, account,
        pending=(), unknown=0, at_risk=0,
    )  # fmt: skip

    assert (reason is not None) is (age_ms > 1_500)
    assert reason is None or reason.startswith("limit.price_age: the newest price is 1501 ms old")
    assert sale is None
    assert bench.engine.standing.word == ("reduced" if age_ms > 1_500 else "allowed")


def test_n02_n03_a_silent_feed_is_reported_once() -> None:
    """Entries are denied from 1.5 s of silence on, with one document then and one when ticks are back."""
    bench = Bench(Scripted(), limits=Limits(price_age_ms=1_500))
    bench.start_game((1.0, 1.0))
    for _ in range(30):
        bench.wait(0.1)
    for tick in range(14, 22):
        bench.tick(1.0, tick)
    kinds = [
        d.record.kind
        for d in bench.documents
        if str(getattr(d.record, "kind", "")).startswith("price.")
    ]

    assert kinds == ["price.stale", "price.fresh"]


def test_external_limit_halts_above_it() -> None:
    """As many as the limit are allowed; what the venue itself did does not count."""
    gate = RiskGate(Limits(external_per_game=1))
    gate.on_external(0)
    assert gate.halts == {}
    gate.on_external(0)

    assert set(gate.halts) == {HaltCause.EXTERNAL}


# What a limit accepts.

AMOUNTS = ("stake", "exposure", "game_loss", "session_loss", "day_loss")


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize(
    "value",
    [0, -1, "1,5", "1e9", "NaN", float("inf"), True, 10_000_000, "0.0000000001", "", "1_0", []],
)
def test_u02_an_amount_that_is_none_is_refused(name: str, value: Any) -> None:
    """Zero, negative, huge (an amount in lamports), mistyped: refused with name, value and range."""
    with pytest.raises(ConfigError, match=rf"^limit '{name}'.* was ") as caught:
        Limits(**{name: value})

    assert "\n" not in str(caught.value)
    assert "100000" in str(caught.value) or "one lamport" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actions_per_minute", 0),
        ("actions_per_minute", 6_001),
        ("actions_per_minute", 1.5),
        ("external_per_game", -1),
        ("price_age_ms", 249),
        ("price_age_ms", 60_001),
        ("price_age_ms", "1500"),
    ],
)
def test_u02_a_number_out_of_range_is_refused(name: str, value: Any) -> None:
    """One line with the name, the value and the range."""
    with pytest.raises(ConfigError, match=rf"^limit '{name}' was .*: give "):
        Limits(**{name: value})


def test_live_limits_are_a_tenth_of_those_on_paper() -> None:
    """The defaults of a live session, and that every limit of risk applies there."""
    paper = Limits()

    assert LIVE_LIMITS.stake * 10 == paper.stake
    assert LIVE_LIMITS.session_loss * 10 == paper.session_loss
    assert (LIVE_LIMITS.day_loss, LIVE_LIMITS.price_age_ms) == (Decimal("0.05"), 1_500)
    assert LIVE_LIMITS.actions_per_minute == 60
    assert LIVE_LIMITS.exposure is None
    assert LIVE_LIMITS.game_loss is None
    assert LIVE_LIMITS.to_json() == {
        "stake": "0.01", "session_loss": "0.05", "day_loss": "0.05", "actions_per_game": 20,
        "actions_per_minute": 60, "external_per_game": 3, "price_age_ms": 1_500, "leverage": 5,
    }  # fmt: skip


def limits_with(name: str, value: Any) -> Limits:
    """Return limits of which one is given."""
    return Limits(**{name: value})


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("actions_per_game", 1, 1_000_000),
        ("actions_per_minute", 1, 6_000),
        ("external_per_game", 0, 1_000_000),
        ("price_age_ms", 250, 60_000),
        ("leverage", 1, 5),
    ],
)
def test_a_range_includes_its_ends_and_nothing_beyond(name: str, low: int, high: int) -> None:
    """From the lowest to the highest number, and no further."""
    for value in (low, high):
        limits = limits_with(name, value)
        assert getattr(limits, name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=rf"^limit '{name}' was {value}"):
            limits_with(name, value)


@pytest.mark.parametrize("name", ["stake", "exposure", "game_loss", "session_loss", "day_loss"])
def test_an_amount_is_at_most_a_hundred_thousand(name: str) -> None:
    """The highest amount is allowed; what may have no limit takes none."""
    most, least = limits_with(name, MOST), limits_with(name, "0.000000001")
    assert (getattr(most, name), getattr(least, name)) == (MOST, Decimal("1e-9"))
    for value in (MOST + Decimal("1e-9"), 0):
        with pytest.raises(ConfigError, match=rf"^limit '{name}' was "):
            limits_with(name, value)
    if name in ("stake", "session_loss"):
        with pytest.raises(ConfigError):
            limits_with(name, None)
    else:
        assert getattr(limits_with(name, None), name) is None


@pytest.mark.parametrize("limits", [Limits(), LIVE_LIMITS, Limits(exposure="0.5", leverage=1)])
def test_limits_survive_a_header(limits: Limits) -> None:
    """A header has what applies, so that older headers and newer ones without it are equal."""
    written = json.loads(json.dumps(limits.to_json()))

    assert Limits.of_json(written) == limits


def test_a_header_of_an_older_version_is_read() -> None:
    """Versions before leverage, and before the newer limits, wrote fewer keys."""
    old = {"stake": "0.1", "session_loss": "0.5", "actions_per_game": 20}

    assert Limits.of_json(old) == Limits()
    assert Limits().to_json() == {**old, "leverage": 5}
    with pytest.raises(TypeError, match="session_loss"):
        Limits.of_json({"stake": "0.1", "actions_per_game": 20})


@given(accounts(), sums)
def test_what_is_used_of_a_limit_is_what_its_denial_counts(
    drawn: tuple[Account, int], at_risk: int
) -> None:
    """One stake more than what is left of any limit is denied by that limit, and no more than it allows."""
    account, total = drawn
    account.session_start_cash = account.cash + SOL
    account.game_start_cash = account.cash + SOL // 2
    gate = RiskGate(
        Limits(
            stake=MOST, exposure=MOST, game_loss=MOST, session_loss=MOST, day_loss=MOST,
            actions_per_minute=5, external_per_game=3,
        )
    )  # fmt: skip
    gate.on_sent(0)
    gate.on_external(0)
    used = gate.used(account, at_risk)

    assert used["exposure"] == (to_sol(total + at_risk), MOST)
    assert used["session_loss"] == used["day_loss"] == (to_sol(SOL + at_risk), MOST)
    assert used["game_loss"] == (to_sol(SOL // 2 + at_risk), MOST)
    assert used["actions_per_game"] == (2, 20)
    assert used["actions_per_minute"] == (2, 5)
    assert used["external_per_game"] == (1, 3)
    assert set(RiskGate(Limits()).used(account, 0)) == {"session_loss", "actions_per_game"}
