"""What a session may do: state, word and reasons beside a table, for every combination of causes."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.arming import Arming, ArmingState, LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.actions.risk import Ask, HaltCause, RiskGate
from vectra_bot.errors import ConfigError
from vectra_bot.game.account import Account
from vectra_bot.game.holdings import SidebetView
from vectra_bot.models import ActionState, ActionType, DocType, PlayerAction
from vectra_bot.testing import Bench

SOL, NOW = 10**9, 10**18
TERMS = LiveTerms(account="me", fresh_ticks=2)
SEEN = ("connected", "framed", "logged_in", "stated", "ticks")
CODES = ("arming.link", "arming.snapshot", "arming.login", "arming.update", "arming.ticks")
SHOWN = {"connected": True, "framed": True, "logged_in": True, "stated": True, "ticks": 2}


@cache
def a_bench() -> Bench:
    """Return a bench in a running game, with a buy that is undecided."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    return bench


def an_account(*, known: bool = True) -> Account:
    """Return an account with a SOL, whose newest event is now."""
    account = Account(cash=SOL, now_ns=NOW)
    account.stated = a_bench().engine.account.stated if known else None
    return account


def arming(*missing: str, live: bool = True, armed: bool = True) -> Arming:
    """Return what the venue has shown, without what is *missing*."""
    shown: dict[str, Any] = {**SHOWN, **{name: type(SHOWN[name])() for name in missing}}
    return Arming(terms=TERMS if live else None, armed=armed, **shown)


def codes(reasons: tuple[str, ...]) -> list[str]:
    """Return the codes of reasons."""
    return [reason.split(":")[0] for reason in reasons]


@given(
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(SEEN)),
    st.lists(st.sampled_from(list(HaltCause)), unique=True, max_size=3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_state_word_and_reasons_are_the_tables(
    live: bool,
    armed: bool,
    missing: set[str],
    halts: list[HaltCause],
    stopped: bool,
    known: bool,
    old: bool,
    unknown: int,
) -> None:
    """From the strictest cause down; what is allowed has no reason against it."""
    limits = Limits(price_age_ms=1_500)
    gate = RiskGate(limits, arming(*missing, live=live, armed=armed))
    for cause in halts:
        gate.halt(cause, cause.value)
    if stopped:
        gate.stop_all("first")
        gate.stop_all("second")
    assert gate.freshness is not None
    gate.freshness.on_tick(5, NOW - (1_501 if old else 1_500) * 10**6)
    standing = gate.standing(an_account(known=known), unknown)

    lacking = [code for name, code in zip(SEEN, CODES, strict=True) if live and name in missing]
    stops = lacking + [f"halt.{cause.value}" for cause in halts]
    reducing = bool(halts) and set(halts) <= {HaltCause.REDUCE, HaltCause.FLATTEN}
    if stopped:
        state, word, reasons = ArmingState.STOPPED, "blocked", ["stop"]
        assert standing.reasons == ("stop: first",)
    elif live and not armed:
        state = ArmingState.DISARMED if lacking else ArmingState.READY
        word, reasons = "blocked", ([] if lacking else ["arming.disarmed"]) + stops
    else:
        halted = bool(lacking) or (bool(halts) and not reducing)
        state = ArmingState.HALTED if halted else ArmingState.ARMED
        state = ArmingState.REDUCING if reducing and not halted else state
        soft = (["limit.price_age"] if old else []) + (["unknown"] if unknown else [])
        word = "close_only" if stops else "reduced" if soft else "allowed"
        reasons = stops + soft
        if not known:
            word, reasons = "unknown", ["account.unknown"]
    assert gate.state is state
    assert (standing.state, standing.word, codes(standing.reasons)) == (state, word, reasons)


@given(st.sets(st.sampled_from(SEEN)), st.booleans(), st.booleans(), st.booleans())
def test_what_is_missing_denies_entries_and_the_login_exits(
    missing: set[str], armed: bool, is_entry: bool, flattening: bool
) -> None:
    """The first missing condition is the reason; a flatten needs no arming, an exit the login alone."""
    lacking = [code for name, code in zip(SEEN, CODES, strict=True) if name in missing]
    reason = arming(*missing, armed=armed).denies(is_entry=is_entry, flattening=flattening)
    found = None if reason is None else reason.split(":")[0]
    if not armed and (is_entry or not flattening):
        assert found == (lacking[0] if lacking else "arming.disarmed")
    elif is_entry:
        assert found == (lacking[0] if lacking else None)
    else:
        assert found == (lacking[0] if "logged_in" in missing else None)
    paper = arming(*missing, live=False, armed=False)
    assert paper.denies(is_entry=is_entry, flattening=flattening) is None
    assert paper.missing == ()


def test_a_connection_begins_at_nothing() -> None:
    """What was seen on the last one counts no more; what the operator said does."""
    before = attrs.evolve(arming(), beat_ns=7, started=True, ignored="g")
    after = before.on_link(connected=True)
    assert after == Arming(
        terms=TERMS, armed=True, connected=True, beat_ns=7, started=True, ignored="g"
    )
    assert not before.on_link(connected=False).connected


def test_every_event_is_noted_once() -> None:
    """Frames, ticks, login, money; the same object where nothing changes."""
    fresh = Arming(terms=TERMS, connected=True)
    framed = fresh.on_frame("g")
    assert framed == attrs.evolve(fresh, framed=True)
    assert framed.on_frame("h") is framed
    waiting = attrs.evolve(framed, ignored="")
    assert waiting.on_frame("h").ignored == "h"
    assert waiting.on_frame("h").on_frame("i").ignored == "h"
    assert attrs.evolve(fresh, ignored="").on_frame("g").ignored == "g"
    assert fresh.on_ignored("g").ignored == "g"
    assert fresh.on_tick().ticks == 1
    done = fresh.on_tick().on_tick()
    assert done.ticks == 2
    assert done.on_tick() is done
    paper = Arming()
    assert paper.on_tick() is paper
    assert fresh.on_login() == attrs.evolve(fresh, logged_in=True)
    stated = fresh.on_update()
    assert (stated.stated, stated.started) == (True, True)
    assert stated.on_update() is stated
    again = attrs.evolve(stated, stated=False).on_update()
    assert (again.stated, again.started) == (True, True)


def test_arming_needs_that_nothing_is_missing() -> None:
    """It is the operator's first sign as well; disarming ends it."""
    ready = arming(armed=False)
    assert ready.on_arm(9) == attrs.evolve(ready, armed=True, beat_ns=9)
    for name in SEEN:
        lacking = arming(name, armed=False)
        assert lacking.on_arm(9) is lacking
    assert ready.on_arm(9).on_disarm() == attrs.evolve(ready, beat_ns=9)
    assert ready.on_beat(8).beat_ns == 8


@given(st.sampled_from([None, 1, 1.5, 60]), st.integers(-1, 1), st.booleans())
def test_the_operator_is_gone_after_the_limit(limit_s: float | None, by: int, armed: bool) -> None:
    """To the nanosecond, and only of an armed session with such a limit."""
    terms = LiveTerms(account="me", dead_man_s=limit_s)
    at = Arming(terms=terms, armed=armed, beat_ns=100)
    assert at.is_alone(100 + int((limit_s or 1) * SOL) + by) is (
        limit_s is not None and armed and by > 0
    )
    assert not Arming(armed=True).is_alone(NOW)


@pytest.mark.parametrize(
    ("name", "least", "most", "beyond"),
    [("dead_man_s", 1, 86_400, (0, 0.999, 86_400.1)), ("fresh_ticks", 1, 1_000, (0, 1_001, 1.0))],
)
def test_terms_include_the_ends_of_their_range(
    name: str, least: int, most: int, beyond: tuple[Any, ...]
) -> None:
    """And nothing beyond; the message says the range."""
    for value in (least, most):
        changes: dict[str, Any] = {name: value}
        assert getattr(LiveTerms(account="me", **changes), name) == value
    for value in beyond:
        changes = {name: value}
        with pytest.raises(ConfigError, match=f"give {least} to {most}"):
            LiveTerms(account="me", **changes)


def pending(kind: ActionType, state: ActionState) -> PlayerAction:
    """Return an undecided action."""
    return attrs.evolve(a_bench().engine.tracker.book.pending[0], action_type=kind, state=state)


@pytest.mark.parametrize("flattening", [False, True])
@pytest.mark.parametrize("kind", [ActionType.SELL, ActionType.SHORT_CLOSE])
@pytest.mark.parametrize("state", [ActionState.SENT, ActionState.UNKNOWN])
def test_a_flatten_waits_for_the_exit_under_way(
    flattening: bool, kind: ActionType, state: ActionState
) -> None:
    """A second exit of the same kind is denied meanwhile; an unknown one and an entry do not count."""
    gate = RiskGate(Limits())
    if flattening:
        gate.halt(HaltCause.FLATTEN, "operator")
    denied = gate._check_flatten(Ask(kind, percentage=100), [pending(kind, state)])
    wanted = flattening and state is ActionState.SENT
    assert (denied is not None and denied.startswith("flatten.pending: ")) is wanted
    other = ActionType.SELL if kind is ActionType.SHORT_CLOSE else ActionType.SHORT_CLOSE
    assert gate._check_flatten(Ask(other), [pending(kind, state)]) is None
    buy = pending(ActionType.BUY, state)
    assert gate._check_flatten(Ask(ActionType.BUY, 1), [buy]) is None
    both = [buy, pending(kind, state)]
    assert (gate._check_flatten(Ask(kind), both) is not None) is wanted


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_of_a_minute_as_many_are_kept_as_are_counted(limit: int) -> None:
    """The newest ones; without the limit none."""
    gate = RiskGate(Limits(actions_per_minute=limit))
    for number in range(5):
        gate.on_sent(NOW + number)
    assert gate.sent_ns == tuple(NOW + number for number in range(5 - limit, 5))
    assert (gate.sent_this_game, gate.external_this_game) == (5, 0)
    gate.on_external(NOW + 9)
    assert (gate.sent_ns[-1], gate.external_this_game) == (NOW + 9, 1)
    gate.open_game()
    assert (gate.sent_this_game, gate.external_this_game) == (0, 0)
    assert len(gate.sent_ns) == limit
    free = RiskGate(Limits())
    free.on_sent(NOW)
    assert free.sent_ns == ()


def test_a_resumed_session_keeps_the_halt_of_its_link() -> None:
    """The first reason of a cause stays, and each is lifted alone."""
    gate = RiskGate(Limits())
    for cause in HaltCause:
        gate.halt(cause, "first")
        gate.halt(cause, "second")
    gate.lift(HaltCause.MONEY)
    gate.lift(HaltCause.MONEY)
    assert list(gate.halts) == [cause for cause in HaltCause if cause is not HaltCause.MONEY]
    assert set(gate.halts.values()) == {"first"}
    gate.resume()
    assert gate.halts == {HaltCause.LINK: "first"}


def test_only_limits_of_time_make_a_session_depend_on_it() -> None:
    """Live terms, the age of a price, or the loss of a day."""
    assert not RiskGate(Limits()).depends_on_time
    assert RiskGate(Limits(price_age_ms=1_500)).depends_on_time
    assert RiskGate(Limits(day_loss=Limits().stake)).depends_on_time
    assert RiskGate(Limits(), arming()).depends_on_time


@pytest.mark.parametrize("known", [False, True])
def test_a_day_begins_with_what_is_there(known: bool) -> None:
    """The first look sets its end; the next day forgets the losses before it."""
    terms = LiveTerms(account="me", day_start_pnl=Decimal("-0.000000005"))
    gate = RiskGate(Limits(day_loss=Decimal("0.1")), Arming(terms=terms))
    account = an_account(known=known)
    account.sidebet = SidebetView(Decimal("0.000000009"), 0, 40, None, Decimal("0.000000002"))
    assert (gate.day_pnl, gate.day_start, gate.day_end_ns) == (-5, None, 0)
    gate.on_day(account)
    day = 86_400 * SOL
    midnight = NOW // day * day + day
    assert (gate.day_pnl, gate.day_start, gate.day_end_ns) == (-5, None, midnight)
    account.now_ns = midnight
    gate.on_day(account)
    assert (gate.day_pnl, gate.day_start) == (0, SOL + 7 if known else None)
    assert gate.day_end_ns == midnight + day
    free = RiskGate(Limits(), Arming(terms=terms))
    assert (free.day_pnl, free.day_end_ns) == (0, 2**63)


def test_a_flatten_asks_for_nothing_while_a_sale_has_no_answer() -> None:
    """No second sale is asked for and denied; when the first is refused, the flatten sells."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0, 1.1))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    bench.execute(bench.commands[0])
    strategy.todo = [lambda a: a.sell()]
    bench.tick(1.2)
    bench.operate("flatten")
    bench.tick(1.2)
    bench.update()  # it still shows the position
    bench.tick(1.2)
    assert [action.state for action in bench.actions] == [ActionState.CONFIRMED]
    assert len(bench.commands) == 2
    bench.ack(bench.commands[1], success=False, message="no")
    bench.tick(1.2)
    assert len(bench.commands) == 3
    bench.execute(bench.commands[2])
    kinds = [event.kind for event in bench.of_type(DocType.SYSTEM_EVENT)]
    assert kinds.count("flatten.done") == 1
    assert "flatten.last_try" not in kinds
