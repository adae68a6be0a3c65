"""What operators ask and what a live session's start and losses lead to, on the real engine."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from tests.actions.strategies import Scripted
from vectra_bot import hookimpl
from vectra_bot.actions.arming import ArmingState, LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.engine.flatten import MAX_UNSENT
from vectra_bot.errors import ConfigError
from vectra_bot.models import (
    ActionType,
    DocType,
    OperatorKind,
)
from vectra_bot.testing import Bench

OURS = Bench.player_id


def terms(**changes: Any) -> LiveTerms:
    """Return the terms of the bench's account, with *changes*."""
    return LiveTerms(**{"account": OURS, "fresh_ticks": 2, **changes})


def events(bench: Bench, kind: str) -> list[dict[str, Any]]:
    """Return the details of the system events of *kind*."""
    return [
        json.loads(record.detail_json)
        for record in bench.of_type(DocType.SYSTEM_EVENT)
        if record.kind == kind
    ]


def armed(strategy: Scripted | None = None, **about: Any) -> tuple[Bench, Scripted]:
    """Return a live bench that is armed, in a running game."""
    strategy = strategy or Scripted()
    changes = {"live": terms(), "cash": 1, **about}
    bench = Bench(strategy, **changes)
    bench.start_game((1.0, 1.0, 1.0))
    bench.operate("arm")
    return bench, strategy


def act(bench: Bench, strategy: Scripted, what: Any, price: float = 1.0) -> Any:
    """Do *what* at the next tick and return the action."""
    strategy.todo = [what]
    bench.tick(price)
    return strategy.returned[-1]


def denial(action: Any) -> str:
    """Return the code of a denial."""
    return str(action.outcome.error_reason).split(":")[0]


def hold(bench: Bench, strategy: Scripted, amount: str = "0.05") -> None:
    """Buy and let it be executed."""
    act(bench, strategy, lambda a: a.buy(amount))
    bench.execute(bench.commands[-1])


# Arming.


@pytest.mark.parametrize("lacking", ["link", "snapshot", "login", "update", "ticks", "disarmed"])
def test_each_missing_condition_is_named(lacking: str) -> None:
    """A session without one of the conditions sends nothing and says which one."""
    strategy = Scripted()
    bench = Bench(strategy, live=terms())
    bench.start_game((1.0,))
    bench.disconnect()
    if lacking != "link":
        bench.connect()
    if lacking != "login":
        bench.login()
    if lacking != "update":
        bench.update()
    if lacking != "snapshot":
        bench.tick(1.0)
        if lacking != "ticks":
            bench.tick(1.0)
            bench.tick(1.0)
    expected = f"arming.{lacking}"

    reasons = bench.engine.standing.reasons
    assert next(reason.split(":")[0] for reason in reasons) == expected
    assert bench.engine.standing.word == "blocked"
    bench.operate("arm")
    if lacking == "disarmed":
        assert bench.engine.standing.state is ArmingState.ARMED
        bench.operate("disarm")
        assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == expected
    else:
        assert expected in events(bench, "arming.refused")[0].get("missing", [])
    assert bench.commands == []


def test_s25_an_account_that_is_logged_out_is_not_said_to_trade() -> None:
    """The link may continue; nothing can be sent on it, and the standing says so until a login."""
    bench, strategy = armed()
    bench.feed(evolve(bench.update_event(), authenticated=False))
    standing = bench.engine.standing
    assert (standing.state, standing.word) == (ArmingState.HALTED, "close_only")
    assert [reason.split(":")[0] for reason in standing.reasons] == ["arming.login"]
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "arming.login"
    bench.login()
    assert bench.engine.standing.state is ArmingState.ARMED


def test_every_state_is_entered_and_stored() -> None:
    """The documents show each change of the state with what led to it."""
    bench, _ = armed()
    bench.operate("reduce")
    bench.tick(1.0)
    bench.operate("halt")
    bench.operate("resume")
    bench.disconnect()
    bench.connect()
    bench.operate("disarm")
    bench.operate("stop")

    changes = [(e["before"], e["after"]) for e in events(bench, "arming.changed")]
    assert changes == [
        ("disarmed", "ready"),
        ("ready", "armed"),
        ("armed", "reducing"),
        ("reducing", "halted"),
        ("halted", "armed"),
        ("armed", "halted"),
        ("halted", "disarmed"),
        ("disarmed", "stopped"),
    ]


def test_n08_an_armed_session_goes_on_when_all_was_seen_again() -> None:
    """After a reconnect entries wait for login, statement and fresh ticks; nobody needs to arm again."""
    bench, strategy = armed()
    bench.disconnect()
    bench.connect()
    assert bench.engine.standing.state is ArmingState.HALTED
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "arming.login"
    bench.login()
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "arming.update"
    bench.update()
    act(bench, strategy, lambda a: a.buy("0.01"))

    assert len(bench.commands) == 1
    assert bench.engine.standing.word == "allowed"


def test_frames_of_a_countdown_are_as_fresh_as_ticks() -> None:
    """A session that joins before a game starts may enter at its first tick."""
    bench = Bench(Scripted(), live=terms(fresh_ticks=3))
    bench.new_game()
    bench.presale()
    bench.operate("arm")
    assert bench.engine.standing.reasons[0].startswith("arming.ticks: 2 of 3")
    bench.presale()
    bench.operate("arm")
    assert bench.engine.standing.word == "allowed"


def test_an_exit_after_a_reconnect_needs_the_login_alone() -> None:
    """A position can be sold before the ticks are counted, but not before the account is known."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.disconnect()
    bench.connect()
    assert denial(act(bench, strategy, lambda a: a.sell())) == "arming.login"
    bench.login()
    act(bench, strategy, lambda a: a.sell())

    assert bench.commands[-1].action_type is ActionType.SELL


@pytest.mark.parametrize("by", ["login", "update"])
def test_s25_s26_another_account_than_the_terms_name_stops(by: str) -> None:
    """The first account that the venue names must be the expected one."""
    bench = Bench(Scripted(), live=terms(account="did:privy:mine"), connected=False)
    bench.connect()
    if by == "login":
        bench.login("did:privy:other")
    else:
        bench.feed(evolve(bench.update_event(), player_id="did:privy:other"))
    bench.start_game((1.0, 1.0, 1.0))
    bench.operate("arm")

    (event,) = events(bench, "account.other")
    assert (event["expected"], event["seen"]) == ("did:privy:mine", "did:privy:other")
    assert bench.engine.standing.state is ArmingState.STOPPED
    assert bench.engine.standing.word == "blocked"


def test_paper_is_armed_from_the_start() -> None:
    """A session without terms needs no arming and says so when asked to arm."""
    strategy = Scripted()
    bench = Bench(strategy)
    bench.start_game((1.0,))
    bench.operate("disarm")
    act(bench, strategy, lambda a: a.buy("0.01"))
    bench.operate("arm")

    assert len(bench.commands) == 1
    assert bench.engine.standing.word == "allowed"
    assert events(bench, "arming.refused")[0]["missing"] == ["arming.paper"]
    assert events(bench, "arming.changed") == []


# The operator's words.


@pytest.mark.parametrize("live", [True, False])
def test_reduce_allows_exits_only(live: bool) -> None:
    """After reduce entries are denied, exits sent; resume ends it."""
    bench, strategy = armed(live=terms() if live else None)
    hold(bench, strategy)
    bench.operate("reduce")
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"
    assert bench.engine.standing.word == "close_only"
    assert bench.engine.standing.state is ArmingState.REDUCING
    act(bench, strategy, lambda a: a.sell(50))
    bench.execute(bench.commands[-1])
    bench.operate("resume")
    act(bench, strategy, lambda a: a.buy("0.01"))

    assert [c.action_type for c in bench.commands] == [
        ActionType.BUY,
        ActionType.SELL,
        ActionType.BUY,
    ]


def test_u06_no_sign_of_the_operator_halts() -> None:
    """After dead_man_s without a beat entries are halted until the operator resumes."""
    bench, strategy = armed(live=terms(dead_man_s=5))
    for _ in range(3):
        bench.wait(4)
        bench.operate("beat")
    assert bench.engine.standing.word == "allowed"
    bench.wait(5.1)
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"
    assert bench.engine.standing.reasons[0].startswith("halt.dead_man: ")
    assert "`vectra-bot resume` ends it" in bench.engine.standing.reasons[0]
    bench.operate("beat")
    assert bench.engine.standing.state is ArmingState.HALTED
    bench.operate("resume")
    act(bench, strategy, lambda a: a.buy("0.01"))

    assert len(bench.commands) == 1
    assert events(bench, "operator.beat") == []


def test_u06_the_tick_after_a_long_silence_is_denied() -> None:
    """The dead-man's time is looked at before a strategy acts on the event that brings it."""
    bench, strategy = armed(live=terms(dead_man_s=5))
    bench.now_ns += 6 * 10**9

    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"


# Flatten.


@pytest.mark.parametrize("live", [True, False])
def test_flatten_sells_everything_and_closes_the_short(live: bool) -> None:
    """Both exits leave at once, with nobody's callback; then it is reported that nothing is open."""
    bench, strategy = armed(live=terms() if live else None)
    hold(bench, strategy)
    act(bench, strategy, lambda a: a.short_open("0.01"))
    bench.execute(bench.commands[-1])
    before = len(bench.commands)
    bench.operate("flatten")
    sent = bench.commands[before:]
    assert [c.action_type for c in sent] == [ActionType.SELL, ActionType.SHORT_CLOSE]
    assert sent[0].percentage == 100
    assert events(bench, "flatten.done") == []
    for command in sent:
        bench.execute(command)
    bench.tick(1.0)

    assert len(events(bench, "flatten.done")) == 1
    assert len(bench.commands) == before + 2
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"


def test_flatten_says_what_cannot_be_closed() -> None:
    """An open sidebet runs on, and the operator reads until when."""
    bench, strategy = armed()
    act(bench, strategy, lambda a: a.sidebet("0.01"))
    bench.execute(bench.commands[-1])
    bench.operate("flatten")

    (remaining,) = events(bench, "flatten.remaining")
    assert remaining["amount"] == "0.010000000"
    assert len(bench.commands) == 1


def test_s29_a_refused_flatten_is_repeated_three_times() -> None:
    """The venue refuses every sale: three are sent in the game, and the last try is reported."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.operate("flatten")
    for _ in range(10):
        if bench.engine.tracker.book.pending:
            bench.ack(bench.commands[-1], success=False, message="no")
        bench.tick(1.0)

    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 3
    assert len(events(bench, "flatten.last_try")) == 1
    assert len({c.trace_id for c in bench.commands}) == len(bench.commands)


def test_s29_an_unknown_flatten_waits_for_a_statement_that_shows_the_position() -> None:
    """Ticks alone repeat nothing; a later statement with the position does, one without ends it."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.operate("flatten")
    for _ in range(12):  # 3 s without evidence
        bench.tick(1.0)
    assert bench.engine.tracker.book.unknown_count == 1
    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 1
    bench.update()
    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 2
    bench.execute(bench.commands[-1])
    for _ in range(12):
        bench.tick(1.0)

    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 2
    assert bench.engine.account.lots == []


def test_a_flatten_that_was_not_sent_is_no_try() -> None:
    """What never left is repeated at later ticks, so often, and nothing else is lost by it."""
    strategy = Scripted()
    bench, strategy = armed(strategy)
    hold(bench, strategy)
    bench._send = False
    bench.operate("flatten")
    for _ in range(5):
        bench.tick(1.0)
    bench._send = True
    bench.tick(1.0)
    sells = [c for c in bench.commands if c.action_type is ActionType.SELL]
    assert len(sells) == 7
    bench.execute(sells[-1])

    assert bench.engine.account.lots == []
    assert events(bench, "flatten.last_try") == []
    bench.tick(1.0)
    assert len(events(bench, "flatten.done")) == 1


def test_a_flatten_that_cannot_be_sent_says_so_and_can_be_asked_for_again() -> None:
    """It stops with a critical event; another request of the operator tries as often again."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench._send = False
    bench.operate("flatten")
    for _ in range(MAX_UNSENT + 5):
        bench.tick(1.0)
    sells = [c for c in bench.commands if c.action_type is ActionType.SELL]
    assert len(sells) == MAX_UNSENT
    assert [e["unsent"] for e in events(bench, "flatten.last_try")] == [MAX_UNSENT]
    bench._send = True
    bench.operate("flatten")
    bench.execute(bench.commands[-1])
    bench.tick(1.0)

    assert bench.engine.account.lots == []
    assert len(events(bench, "flatten.done")) == 1


def test_a_strategy_cannot_double_the_operators_sale() -> None:
    """While the sale of a flatten is in progress, the strategy's is denied."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.operate("flatten")
    assert denial(act(bench, strategy, lambda a: a.sell())) == "flatten.pending"
    bench.ack(bench.commands[-1], success=False, message="no")
    act(bench, strategy, lambda a: a.sell())

    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 2


def test_flatten_on_a_lost_link_begins_when_the_account_is_back() -> None:
    """Nothing is requested and no try is used up while the login is missing."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.disconnect()
    bench.operate("flatten")
    for _ in range(5):
        bench.tick(1.0)
    assert [c.action_type for c in bench.commands] == [ActionType.BUY]
    assert bench.engine.states.total() == 1
    bench.connect()
    bench.tick(1.0)
    bench.login()
    bench.tick(1.0)
    bench.execute(bench.commands[-1])

    assert bench.engine.account.lots == []
    assert [c.action_type for c in bench.commands] == [ActionType.BUY, ActionType.SELL]


def test_flatten_waits_for_a_sale_under_way() -> None:
    """A strategy's own sale in flight is not doubled."""
    bench, strategy = armed()
    hold(bench, strategy)
    act(bench, strategy, lambda a: a.sell())
    bench.operate("flatten")
    bench.tick(1.0)
    bench.update()  # it still shows the position: the sale has not reached the venue
    assert [c.action_type for c in bench.commands].count(ActionType.SELL) == 1
    bench.execute(bench.commands[-1])

    assert len(events(bench, "flatten.done")) == 1


def test_a_plugin_cannot_deny_the_operators_flatten() -> None:
    """A veto is for what the strategy asks."""

    class No:
        @hookimpl
        def review_action(self, action: Any) -> str | None:
            return "no exits" if action.action_type is ActionType.SELL else None

    bench, strategy = armed(plugins={"no": No()})
    hold(bench, strategy)
    assert "no exits" in str(act(bench, strategy, lambda a: a.sell()).outcome.error_reason)
    bench.operate("flatten")

    assert bench.commands[-1].action_type is ActionType.SELL


def test_flatten_needs_no_arming_but_the_account() -> None:
    """A position found by a session that is not armed yet can be sold by its operator."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.operate("disarm")
    assert denial(act(bench, strategy, lambda a: a.sell())) == "arming.disarmed"
    bench.operate("flatten")

    assert bench.commands[-1].action_type is ActionType.SELL


def test_nothing_is_flattened_after_a_stop() -> None:
    """Stop is final: not even the operator's flatten leaves."""
    bench, strategy = armed()
    hold(bench, strategy)
    bench.operate("stop")
    bench.operate("flatten")
    bench.tick(1.0)

    assert [c.action_type for c in bench.commands] == [ActionType.BUY]


# What is open at the start.


@pytest.mark.parametrize("what", ["position", "sidebet"])
@pytest.mark.parametrize("policy", ["halt", "adopt", "ignore"])
def test_p11_what_is_open_at_the_start(policy: str, what: str) -> None:
    """Halt waits for the operator, adopt trades on, ignore neither sells nor buys beside it."""
    strategy = Scripted()
    bench = Bench(strategy, live=terms(positions=policy), connected=False)
    bench.connect()
    bench.start_game((1.0, 1.0))
    bench.login()
    if what == "sidebet":
        bench.ledger.place_sidebet(10_000_000, 1)
    else:
        bench.ledger.buy(50_000_000, 1.0, 1)
    bench.update()
    bench.tick(1.0)
    bench.tick(1.0)
    bench.operate("arm")
    (found,) = events(bench, "position.found")
    assert found["policy"] == policy
    state = bench.engine.standing.state
    assert (state is ArmingState.HALTED) is (policy == "halt")

    if policy == "halt":
        assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"
        bench.operate("resume")
    if what == "position":
        sold = act(bench, strategy, lambda a: a.sell())
        ignored = policy == "ignore"
        assert (denial(sold) == "position.ignored") if ignored else sold.outcome is None
        if ignored:
            assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "position.ignored"
            bench.operate("flatten")
            assert bench.commands == []
            bench.operate("resume")
            bench.rug()
            bench.start_game((1.0,))
            act(bench, strategy, lambda a: a.buy("0.01"))
            assert len(bench.commands) == 1
    else:
        assert denial(act(bench, strategy, lambda a: a.sidebet("0.01"))) == "sidebet.open"


# Losses.


def lose(bench: Bench, strategy: Scripted, amount: str) -> None:
    """Buy and be rugged; then begin the next game."""
    act(bench, strategy, lambda a: a.buy(amount))
    bench.execute(bench.commands[-1])
    bench.rug(price=1e-9)
    bench.start_game((1.0, 1.0))


def test_u04_a_session_that_lost_its_limit_stops_when_flat() -> None:
    """With no room for the smallest stake nothing is entered; what is open can be sold; then it stops."""
    limits = Limits(stake=Decimal("0.05"), session_loss=Decimal("0.1"))
    bench, strategy = armed(limits=limits)
    lose(bench, strategy, "0.05")
    assert bench.engine.standing.word == "allowed"
    act(bench, strategy, lambda a: a.buy("0.05"))
    bench.execute(bench.commands[-1])
    assert denial(act(bench, strategy, lambda a: a.buy("0.001"))) == "limit.session_loss"
    assert bench.engine.standing.word == "allowed"  # what is open may still be worth its cost
    act(bench, strategy, lambda a: a.sell(), price=0.0001)
    bench.execute(bench.commands[-1])

    assert bench.engine.standing.state is ArmingState.STOPPED
    assert "limit.session_loss" in bench.engine.standing.reasons[0]


def test_u04_the_day_counts_what_earlier_sessions_lost() -> None:
    """The loss of the day so far comes with the terms; a new day begins again."""
    limits = Limits(day_loss=Decimal("0.05"))
    bench, strategy = armed(limits=limits, live=terms(day_start_pnl=Decimal("-0.03")))
    assert denial(act(bench, strategy, lambda a: a.buy("0.021"))) == "limit.day_loss"
    act(bench, strategy, lambda a: a.buy("0.02"))
    bench.execute(bench.commands[-1])
    assert denial(act(bench, strategy, lambda a: a.buy("0.001"))) == "limit.day_loss"
    bench.wait(86_400)
    bench.tick(1.0)
    act(bench, strategy, lambda a: a.buy("0.03"))
    bench.execute(bench.commands[-1])

    # The position of 0.02 from yesterday is money that this day can lose.
    assert len(bench.commands) == 2
    assert denial(act(bench, strategy, lambda a: a.buy("0.001"))) == "limit.day_loss"


def test_a_day_already_lost_stops_at_once() -> None:
    """A session that starts with the day's loss used up sends nothing."""
    limits = Limits(day_loss=Decimal("0.05"))
    bench, _ = armed(limits=limits, live=terms(day_start_pnl=Decimal("-0.0495")))

    assert bench.engine.standing.state is ArmingState.STOPPED


def test_u03_limits_are_fixed_for_a_session() -> None:
    """No operator's command changes a limit, and none can be written: what the header says is what counts."""
    limits = Limits(stake=Decimal("0.02"))
    bench, strategy = armed(limits=limits)
    for kind in OperatorKind:
        if kind is not OperatorKind.STOP:
            bench.operate(kind)
    bench.operate("resume")
    bench.operate("arm")
    with pytest.raises(AttributeError):
        limits.stake = Decimal(1)  # type: ignore[misc]

    assert denial(act(bench, strategy, lambda a: a.buy("0.021"))) == "limit.stake"
    assert bench.engine.tracker.book.gate.limits is limits


# Other clients.


def test_s15_other_clients_count_and_halt() -> None:
    """What another client does counts as actions, and more than the limit halts entries."""
    limits = Limits(actions_per_game=4, external_per_game=2)
    bench, strategy = armed(limits=limits)
    for number in range(2):
        fill = bench.ledger.buy(1_000_000, 1.0, bench.engine.game.tick)
        bench.trade("buy", fill.amount, fill.qty, trade_id=f"human-{number}")
        bench.update()
    act(bench, strategy, lambda a: a.buy("0.01"))
    bench.execute(bench.commands[-1])
    assert bench.engine.standing.word == "allowed"
    fill = bench.ledger.buy(1_000_000, 1.0, bench.engine.game.tick)
    bench.trade("buy", fill.amount, fill.qty, trade_id="human-3")
    bench.update()
    assert bench.engine.standing.reasons[0].startswith("halt.external: ")
    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "halt"
    bench.operate("resume")

    assert denial(act(bench, strategy, lambda a: a.buy("0.01"))) == "limit.actions_per_game"


# Terms.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", ""),
        ("account", 5),
        ("positions", "keep"),
        ("dead_man_s", 0),
        ("dead_man_s", 1e9),
        ("dead_man_s", float("nan")),
        ("fresh_ticks", 0),
        ("fresh_ticks", True),
    ],
)
def test_u02_terms_refuse_nonsense(name: str, value: Any) -> None:
    """One line with the name, the value and what to give."""
    with pytest.raises(ConfigError, match=rf"^{name} was .*: give "):
        terms(**{name: value})


def test_terms_survive_the_header() -> None:
    """What a header says is what the session had."""
    given = terms(dead_man_s=60.0, positions="adopt", day_start_pnl=Decimal("-0.01"))

    assert LiveTerms.of_json(json.loads(json.dumps(given.to_json()))) == given


def test_every_operator_kind_is_handled_without_a_session() -> None:
    """Any command before the venue has said anything changes no money and raises nothing."""
    for kind in OperatorKind:
        bench = Bench(Scripted(), live=terms())
        bench.operate(kind)
        assert bench.commands == []
