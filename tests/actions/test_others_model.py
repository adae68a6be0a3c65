"""Events about other players, games and rounds change nothing in our account."""

from __future__ import annotations

import hashlib
import uuid
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.actions.strategies import Scripted
from vectra_bot.actions.ids import ActionIds
from vectra_bot.models import (
    ActionState,
    Actor,
    Command,
    ConnectionChanged,
    DocType,
    FrameKind,
    GameFrame,
    Link,
    PlayerGameUpdate,
    SendResult,
    ShortInfo,
    SidebetPlaced,
    SidebetResult,
    SideGameKind,
    StateCause,
)
from vectra_bot.testing import Bench

OTHER = "did:privy:somebody"
CENT = Decimal("0.01")
ACTS: dict[str, Any] = {
    "buy": lambda a: a.buy(CENT),
    "sidebet": lambda a: a.sidebet(CENT),
    "short": lambda a: a.short_open(CENT),
    "bbc": lambda a: a.bbc_predict("BULL", CENT),
    "flip": lambda a: a.candleflip_bet("RED", CENT),
}
ROUNDS = {"bbc": SideGameKind.BBC, "flip": SideGameKind.CANDLEFLIP}
kinds = st.sampled_from(sorted(ACTS))


def started(**options: Any) -> Bench:
    """Return a bench at tick 1 with a round of each side game open."""
    bench = Bench(Scripted(), **{"cash": 3, **options})
    bench.start_game((1.0, 1.1))
    for name, side_game in ROUNDS.items():
        bench.rounds.open(side_game, name)
    return bench


def act(bench: Bench, *acts: Any) -> list[Command]:
    """Let the strategy do *acts* at the next tick; return their commands."""
    strategy: Any = bench.engine.strategy
    before = len(bench.commands)
    strategy.todo = list(acts)
    bench.tick(1.2)
    return bench.commands[before:]


def evidence(bench: Bench, kind: str, command: Command) -> Any:
    """Execute *command* in the venue's ledger; return the event that says so."""
    if kind == "sidebet":
        bet = bench.ledger.place_sidebet(10_000_000, 2)
        return bench.sidebet_event(command, bet.start_tick, bet.end_tick)
    if kind in ROUNDS:
        return bench.rounds.place(command)
    return bench.fill_event(command, bench.carry_out(command))


def shown(bench: Bench) -> tuple[Any, ...]:
    """Return everything that is ours."""
    account = bench.engine.account
    return (
        account.cash, account.bonus, tuple(account.lots), account.sidebet, account.short,
        dict(account.stakes), account.pending, bench.engine.tracker.book.pending,
        len(bench.actions), bench.engine.counts["settlements"],
    )  # fmt: skip


@given(kinds, st.sampled_from(["flight", "held"]), st.booleans())
def test_events_of_other_players_are_not_ours(kind: str, when: str, named: bool) -> None:
    """Even with our trace id, our amount and our round: a bet, a trade or a result is its player's."""
    bench = started()
    (command,) = act(bench, ACTS[kind])
    event = evidence(bench, kind, command)
    if when == "held":
        bench.feed(event)
        bench.update()
    before = shown(bench)
    bench.feed(attrs.evolve(event, player_id=OTHER, trace_id=command.trace_id if named else None))
    if kind in ROUNDS:
        result = bench.rounds.settle(ROUNDS[kind], kind, "BULL" if kind == "bbc" else "RED")
        bench.feed(attrs.evolve(result, player_id=OTHER))
    else:
        bench.feed(
            SidebetResult(
                recv_ns=bench.now_ns, game_id=bench.game_id, player_id=OTHER, amount=CENT,
                payout=5 * CENT, profit=4 * CENT, start_tick=2, end_tick=42,
            )
        )  # fmt: skip

    assert shown(bench) == before


def test_the_public_message_of_our_bet_proves_nothing() -> None:
    """Everybody gets it; what is ours comes in a private one."""
    bench = started()
    (command,) = act(bench, ACTS["sidebet"])
    event = evidence(bench, "sidebet", command)
    before = shown(bench)
    bench.feed(attrs.evolve(event, private=False))
    assert shown(bench) == before
    bench.feed(event)
    assert shown(bench) != before


@given(st.booleans(), st.integers(0, 10**9))
def test_a_row_values_the_short_of_its_own_game(same: bool, value: int) -> None:
    """A row of another game comes late, or early."""
    bench = started()
    (command,) = act(bench, ACTS["short"])
    bench.execute(command)
    info = ShortInfo(
        amount=CENT, entry_price=1.2, entry_tick=2, value=Decimal(value).scaleb(-9), pnl=Decimal(0)
    )
    game_id = bench.game_id if same else "20260101-other"
    bench.feed(PlayerGameUpdate(recv_ns=bench.now_ns, game_id=game_id, short=info))
    short = bench.engine.account.short
    assert short is not None
    assert short.value == (info.value if same else CENT)


@given(st.integers(2, 30), st.integers(2, 30), st.booleans())
def test_a_bet_that_we_did_not_place_is_one_action(first: int, second: int, again: bool) -> None:
    """A bet is known by the tick at which it starts; one that starts at another tick is another bet."""
    bench = started()
    for number, start in enumerate([first, *[first] * again, second], 1):
        bench.feed(
            SidebetPlaced(
                recv_ns=bench.now_ns,
                game_id=bench.game_id,
                player_id=bench.player_id,
                username=None,
                amount=CENT,
                start_tick=start,
                end_tick=start + 40,
                trace_id=f"{number:032x}",
            )
        )
    bench.end()
    external = [a for a in bench.actions if a.actor is Actor.EXTERNAL]
    assert len(external) == 1 + (first != second)
    assert all(a.outcome is not None and a.outcome.executed_amount == CENT for a in external)
    assert bench.engine.account.cash == 3 * 10**9 - 10**7 * len(external)


# ---- rounds


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(ROUNDS)), st.sampled_from(["1", "2"])),
        min_size=1,
        max_size=5,
    )
)
def test_one_stake_in_a_round_is_asked_for_at_a_time(asked: list[tuple[str, str]]) -> None:
    """A round is its side game and its id: another room, or the other game, takes its own stake."""
    bench = started()
    for name, side_game in ROUNDS.items():
        for number in "12":
            bench.rounds.open(side_game, number)
        assert name in ACTS
    calls: dict[str, Any] = {
        "bbc": lambda a, n: a.bbc_predict("BULL", CENT, round_id=n),
        "flip": lambda a, n: a.candleflip_bet("RED", CENT, round_id=n),
    }
    commands = act(bench, *(lambda a, k=kind, n=number: calls[k](a, n) for kind, number in asked))

    found = [(c.action_type.value, c.round_id) for c in commands]
    names = {"bbc": "BBC_PREDICT", "flip": "CANDLEFLIP_BET"}
    assert found == [(names[kind], number) for kind, number in dict.fromkeys(asked)]


@pytest.mark.parametrize(
    ("call", "known"),
    [("bbc_predict", "give BULL, BEAR or CRAB"), ("candleflip_bet", "give GREEN or RED")],
)
def test_a_choice_that_is_not_offered_is_named(call: str, known: str) -> None:
    """With the ones that are."""
    bench = started()
    with pytest.raises(Exception, match=f"was 'UP': {known}$"):
        act(bench, lambda a: getattr(a, call)("UP", CENT))


# ---- what an action's life leaves behind


@given(kinds, st.sampled_from(["ack", "trade", "update"]), st.integers(1, 900))
def test_the_first_evidence_is_the_first(kind: str, first: str, later_ms: int) -> None:
    """Later pieces do not move its time; the amount is what was asked for, also without a trade."""
    bench = started()
    (command,) = act(bench, ACTS[kind])
    event = evidence(bench, kind, command)
    pieces: dict[str, Any] = {
        "ack": lambda: bench.ack(command),
        "trade": lambda: bench.feed(attrs.evolve(event, recv_ns=bench.now_ns)),
        "update": bench.update,
    }
    began = bench.now_ns // 1_000_000
    confirmed = None
    for name in (first, *(name for name in pieces if name != first)):
        pieces[name]()
        confirmed = bench.now_ns // 1_000_000 if name == "update" else confirmed
        bench.now_ns += later_ms * 1_000_000

    (action,) = bench.actions
    assert action.first_evidence_ts == began
    assert action.timestamps.confirmed_ts == confirmed
    assert action.outcome is not None
    assert action.outcome.executed_amount == CENT


@given(kinds, st.booleans(), st.booleans())
def test_what_was_about_to_be_sent_is_unknown_without_a_link(
    kind: str, sent: bool, lost: bool
) -> None:
    """A lost link leaves every undecided action unknown, also one that is not known to be sent."""
    bench = started()
    strategy: Any = bench.engine.strategy
    strategy.todo = [ACTS[kind]]
    process, now_ns = bench.engine.process, bench.now_ns
    found = process(
        GameFrame(
            recv_ns=now_ns,
            kind=FrameKind.TICK,
            game_id=bench.game_id,
            active=True,
            rugged=False,
            price=1.2,
            tick=2,
        )
    )
    (command,) = [effect for effect in found if isinstance(effect, Command)]
    if lost:
        process(ConnectionChanged(recv_ns=now_ns, link=Link.DISCONNECTED, reason="x"))
    (pending,) = bench.engine.tracker.book.pending
    assert pending.state is (ActionState.UNKNOWN if lost else ActionState.INTENT)
    process(SendResult(recv_ns=now_ns, action_id=command.action_id, sent=sent, ack_id=9))
    states = [a.state for a in bench.engine.tracker.book.pending]
    assert states == ([ActionState.UNKNOWN if lost else ActionState.SENT] if sent else [])


@given(kinds, st.sampled_from(["rejected", "not sent", "unknown", "confirmed"]))
def test_trouble_is_a_warning(kind: str, end: str) -> None:
    """A change of state to what an operator should look at is a warning, any other is not."""
    bench = started(send=end != "not sent")
    (command,) = act(bench, ACTS[kind])
    if end == "rejected":
        bench.ack(command, success=False)
    elif end == "unknown":
        bench.disconnect()
    elif end == "confirmed":
        bench.execute(command)
    seen = {
        event.kind: event.severity
        for event in bench.of_type(DocType.SYSTEM_EVENT)
        if event.kind == "action.state"
    }
    assert seen == {"action.state": "debug" if end == "confirmed" else "warning"}


@given(st.text(min_size=1, max_size=20), st.integers(1, 4))
def test_ids_follow_from_session_and_number(session_id: str, count: int) -> None:
    """The first 16 bytes of SHA-256 over both: the same journal gives the same ids anywhere."""
    ids = ActionIds(session_id)
    for number in range(1, count + 1):
        parts = [
            hashlib.sha256(f"{session_id}:{what}:{number}".encode()).digest()[:16]
            for what in ("action", "trace")
        ]
        assert ids.next() == (str(uuid.UUID(bytes=parts[0], version=4)), parts[1].hex())


# ---- what the rug sells


@given(
    st.sampled_from(["buy", "short"]),
    st.sampled_from([0.02, 0.12, 0.1201, 1.0]),
    st.booleans(),
)
def test_a_close_at_the_rugs_price_is_the_rugs(kind: str, price: float, after: bool) -> None:
    """Before its frame, what fell by nine tenths or more; after it, what has exactly its price."""
    bench = started()
    (command,) = act(bench, ACTS[kind])
    bench.execute(command)
    if after:
        bench.rug(0.02, settle=False)
    bench._price = price
    qty = bench.ledger.position_qty
    if kind == "buy":
        bench.ledger.sell_qty(qty, price, 3)
        bench.trade("sell", 1_000_000, qty, trace_id="f" * 32)
    else:
        bench.ledger.close_short(price, 3, 1_000_000)
        bench.trade("short_close", 1_000_000, 0, trace_id="e" * 32)

    rugs = price == 0.02 if after else price <= 1.2 * 0.1
    assert (bench.engine.tracker.book._open == {}) is rugs
    if kind == "buy":
        assert bench.engine.counts["forced_sells"] == int(rugs)
    assert bench.engine.account.lots == []
    assert bench.engine.account.short is None
    cause = StateCause.EXTERNAL
    if rugs:
        cause = StateCause.FORCED_SELL if kind == "buy" else StateCause.STAKE_SETTLED
    assert bench.engine.account.pending[-1].cause is cause
