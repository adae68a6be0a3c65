"""The risk gate beside a table of its rules: every limit one below, at, and one above."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.risk import Ask, HaltCause, Limits, RiskGate
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.holdings import ShortView, SidebetView, StakeView
from vectra_bot.game.lots import Lot
from vectra_bot.game.rounds import Round
from vectra_bot.models import ActionType, GamePhase, PlayerAction, SideGameKind
from vectra_bot.testing import Bench

SOL = 10**9
LEAST, MOST = SOL // 1000, 5 * SOL
IN_FLIGHT = 8
NEAR = st.sampled_from([-1, 0, 1])
money = st.sampled_from([0, 1, SOL])
KINDS = st.sampled_from(
    [
        ActionType.BUY,
        ActionType.SELL,
        ActionType.SIDEBET,
        ActionType.SHORT_OPEN,
        ActionType.SHORT_CLOSE,
        ActionType.BBC_PREDICT,
    ]
)
ENTRIES = {ActionType.BUY, ActionType.SIDEBET, ActionType.SHORT_OPEN, ActionType.BBC_PREDICT}


@cache
def benches() -> dict[GamePhase, Bench]:
    """Return one bench for each phase that matters, with our account stated."""
    found = {}
    for phase in (GamePhase.PRESALE, GamePhase.ACTIVE, GamePhase.RUGGED):
        bench = Bench(Scripted())
        bench.new_game()
        bench.presale()
        if phase is not GamePhase.PRESALE:
            bench.start_game((1.0, 1.1))
        if phase is GamePhase.RUGGED:
            bench.rug()
        found[phase] = bench
    return found


@cache
def an_action(kind: ActionType) -> PlayerAction:
    """Return one of our actions, of *kind*."""
    bench = Bench(Scripted())
    bench.start_game((1.0,))
    strategy: Any = bench.engine.strategy
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.1)
    return evolve(bench.engine.tracker.book.pending[0], action_type=kind)


def code_of(reason: str | None) -> str | None:
    """Return the dotted code of a reason."""
    return None if reason is None else reason.split(":")[0]


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a question that all rules allow, then change up to three things; amounts stay near limits."""
    stake, loss, at_risk = draw(st.sampled_from([SOL, 2 * LEAST, MOST + 2])), 2 * SOL, draw(money)
    amount = draw(st.sampled_from([stake, LEAST, MOST]))
    case: dict[str, Any] = {
        "stake": stake, "loss": loss, "amount": amount, "at_risk": at_risk,
        "cash": amount + at_risk, "start": loss, "per_game": 2, "leverage": 3, "sent": 0,
        "asked_leverage": 1, "kind": draw(KINDS), "percentage": draw(st.sampled_from([1, 99, 100])),
        "pending": [], "unknown": 0, "halted": 0, "stopped": 0, "known": 1,
        "phase": GamePhase.ACTIVE, "held": frozenset({"lot"}), "asked": 0, "round": 1, "open": 1,
        "choice": "BULL",
    }  # fmt: skip
    if case["kind"] is ActionType.SHORT_CLOSE:
        case["held"] = frozenset({"lot", "short"})
    changes: dict[str, st.SearchStrategy[Any]] = {
        "amount": NEAR.map(lambda by: amount + by),
        "cash": NEAR.map(lambda by: max(0, case["amount"] + at_risk + by)),
        "start": NEAR.map(lambda by: loss + case["cash"] - at_risk - case["amount"] + by),
        "sent": NEAR.map(lambda by: 2 + by),
        "asked_leverage": st.sampled_from([0, 2, 3, 4, 5, 6]),
        "leverage": st.integers(1, 5),
        "percentage": st.sampled_from([1, 99, 100]),
        "pending": st.tuples(KINDS, st.sampled_from([1, 7, 8, 9])).map(lambda p: [p[0]] * p[1]),
        "unknown": st.just(1), "halted": st.just(1), "stopped": st.just(1), "known": st.just(0),
        "phase": st.sampled_from([*benches()]),
        "held": st.frozensets(st.sampled_from(["lot", "bet", "short", "stake"])),
        "asked": st.just(1), "round": st.just(0), "open": st.just(0), "choice": st.just("X"),
    }  # fmt: skip
    wanted = draw(st.sets(st.sampled_from(sorted(changes)), max_size=3))
    for name in (name for name in changes if name in wanted):  # amount, cash, start: in this order
        case[name] = draw(changes[name])
    return case


def expected(case: dict[str, Any]) -> str | None:
    """Return the code of the first rule that says no."""
    kind, phase, held = case["kind"], case["phase"], case["held"]
    entry = kind in ENTRIES
    full_exit = kind is ActionType.SHORT_CLOSE or (
        kind is ActionType.SELL and case["percentage"] == 100
    )
    leverage = case["asked_leverage"] if kind is ActionType.BUY else 1
    free = case["cash"] - case["at_risk"]
    amount = case["amount"]
    side_game = kind is ActionType.BBC_PREDICT
    shorts = kind in (ActionType.SHORT_OPEN, ActionType.SHORT_CLOSE)
    active = phase is GamePhase.ACTIVE
    single = kind in (ActionType.SIDEBET, ActionType.SHORT_OPEN)
    rules_in_order = [
        (case["stopped"], "stop"),
        (not case["known"], "account.unknown"),
        (len(case["pending"]) >= 8 and not full_exit, "in_flight"),
        (entry and case["halted"], "halt"),
        (entry and case["unknown"], "unknown"),
        (side_game and not case["round"], "round"),
        (side_game and not case["open"], "round.closed"),
        (side_game and case["choice"] != "BULL", "round.choice"),
        (side_game and "stake" in held, "round.staked"),
        (side_game and case["asked"], "round.asked"),
        (not side_game and not 1 <= leverage <= 5, "venue.leverage"),
        (kind is ActionType.SELL and not active, "phase"),
        (kind is ActionType.SELL and "lot" not in held, "position"),
        (shorts and not active, "phase"),
        (kind is ActionType.SHORT_CLOSE and "short" not in held, "short"),
        (kind is ActionType.SHORT_OPEN and "short" in held, "short.open"),
        (kind is ActionType.SHORT_OPEN and case["asked"], "short.asked"),
        (kind in (ActionType.BUY, ActionType.SIDEBET) and phase is GamePhase.RUGGED, "phase"),
        (kind is ActionType.SIDEBET and "bet" in held, "sidebet.open"),
        (single and kind in case["pending"], f"{kind.value.lower()}.pending"),
        (entry and leverage > case["leverage"], "limit.leverage"),
        (entry and amount > case["stake"], "limit.stake"),
        (entry and not LEAST <= amount <= MOST, "venue.stake"),
        (entry and amount > free, "cash"),
        (entry and case["start"] - free + amount > case["loss"], "limit.session_loss"),
        (case["sent"] >= case["per_game"] and not full_exit, "limit.actions_per_game"),
    ]
    return next((code for says_no, code in rules_in_order if says_no), None)


def account_of(case: dict[str, Any], bench: Bench) -> Account:
    """Return an account as the case has it."""
    account = Account(cash=case["cash"], session_start_cash=case["start"])
    account.stated = bench.engine.account.stated if case["known"] else None
    held = case["held"]
    if "lot" in held:
        account.lots.append(Lot(5, 5, 0, 1.0))
    if "bet" in held:
        account.sidebet = SidebetView(Decimal(1), 0, 40)
    if "short" in held:
        account.short = ShortView(Decimal(1), 1.0, 0, Decimal(1))
    if "stake" in held:
        key = (SideGameKind.BBC, "r")
        account.stakes[key] = StakeView(*key, "BULL", Decimal(1))
    return account


@cache
def a_round(is_open: bool) -> Round:
    """Return a round of the side game, open or not."""
    bench = Bench(Scripted())
    bench.start_game((1.0,))
    bench.rounds.open(SideGameKind.BBC, "r")
    if not is_open:
        bench.feed(bench.rounds.update_event(SideGameKind.BBC, "r", is_open=False))
    found = bench.engine.tracker.stakes.rounds.get(SideGameKind.BBC, "r")
    assert found is not None
    return found


# The corners are many and an example costs little.
@settings(max_examples=max(500, settings().max_examples))
@given(cases())
def test_the_first_rule_that_says_no_is_the_reason(case: dict[str, Any]) -> None:
    """One below and at a limit passes, one above does not, whichever limit and whatever else is drawn."""
    bench = benches()[case["phase"]]
    gate = RiskGate(
        Limits(
            stake=Decimal(case["stake"]).scaleb(-9),
            session_loss=Decimal(case["loss"]).scaleb(-9),
            actions_per_game=case["per_game"],
            leverage=case["leverage"],
        ),
        sent_this_game=case["sent"],
    )
    if case["halted"]:
        gate.halt(HaltCause.OPERATOR, "test")
    if case["stopped"]:
        gate.stop_all("test")
    kind = case["kind"]
    ask = Ask(
        kind,
        amount=case["amount"] if kind in ENTRIES else None,
        percentage=case["percentage"] if kind is ActionType.SELL else None,
        leverage=case["asked_leverage"] if kind is ActionType.BUY else 1,
        choice=case["choice"],
        round=a_round(bool(case["open"])) if case["round"] else None,
        asked=bool(case["asked"]),
    )
    reason = gate.check(
        ask,
        bench.engine.game,
        account_of(case, bench),
        pending=[an_action(kind) for kind in case["pending"]],
        unknown=case["unknown"],
        at_risk=case["at_risk"],
    )

    assert code_of(reason) == expected(case)


@given(st.lists(st.tuples(st.sampled_from(["halt", "lift"]), st.sampled_from(list(HaltCause)))))
def test_a_halt_lasts_until_its_own_cause_ends(steps: list[Any]) -> None:
    """A cause that ends lifts its own halt; resuming ends all but a lost link; a stop is final."""
    gate, halted = RiskGate(Limits()), {}
    for number, (what, cause) in enumerate(steps):
        if what == "halt":
            gate.halt(cause, str(number))
            halted.setdefault(cause, str(number))
        else:
            gate.lift(cause)
            halted.pop(cause, None)
        assert gate.halts == halted
    gate.resume()
    assert gate.halts == {c: r for c, r in halted.items() if c is HaltCause.LINK}
    gate.stop_all("first")
    gate.stop_all("second")
    gate.resume()
    assert gate.stopped == "first"


def test_the_table_has_the_venues_own_numbers() -> None:
    """The rules' constants are the protocol reference's, the limits' defaults those of the docs."""
    found = (rules.MIN_STAKE, rules.MAX_STAKE, rules.MIN_LEVERAGE, rules.MAX_LEVERAGE)
    assert found == (Decimal("0.001"), Decimal(5), 1, 5)
    limits = Limits()
    assert (limits.stake, limits.session_loss) == (Decimal("0.1"), Decimal("0.5"))
    assert (limits.actions_per_game, limits.leverage) == (20, 5)
