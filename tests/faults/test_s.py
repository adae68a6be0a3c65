"""Faults S: what the venue may do to actions, evidence and frames. Each test is named after its fault."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from tests.faults.rig import Rig
from tests.venues.live_kit import quick
from tests.venues.scripted import JOINED, Peer, ScriptedServer, tick
from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.errors import WireError
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.game import rules
from vectra_bot.game.state import GameState
from vectra_bot.models import (
    Ack,
    ActionType,
    Actor,
    AlertTrigger,
    ConnectionChanged,
    DocType,
    Frame,
    FrameKind,
    FrameRejected,
    GameFrame,
    GamePhase,
    Link,
    StateCause,
    UnknownEvent,
)
from vectra_bot.session.shell import read_frame
from vectra_bot.testing import Bench
from vectra_bot.venues.live import LiveFeed
from vectra_bot.wire.decode import decode

BUY = "0.02"
LAMPORTS = 20_000_000


def bought() -> Rig:
    """Return a rig with one buy in flight."""
    return Rig.of(lambda a: a.buy(BUY))


def silent() -> Rig:
    """Return a rig whose buy became UNKNOWN without evidence."""
    rig = bought()
    rig.bench.wait(2.5)
    assert rig.pending == ["UNKNOWN"]
    return rig


def test_s01_an_executed_order_without_acknowledgement_is_proven_later() -> None:
    """The trade, or the account alone, proves it after the timeout; nothing is sent again."""
    for trade in (True, False):
        rig = silent()
        rig.bench.fill(rig.command, trade=trade)
        assert rig.states == ["EXECUTED_LATE"]
        assert rig.proofs == ["trade" if trade else "update"]
        assert len(rig.bench.commands) == 1


def test_s02_only_a_ledger_that_balances_proves_that_nothing_happened() -> None:
    """The settled game proves it; a game that was not settled proves nothing."""
    rig = silent()
    rig.bench.rug()
    rig.bench.new_game()
    unproven = silent()
    unproven.bench.rug(settle=False)
    unproven.bench.new_game()
    unproven.bench.wait(10.1)

    assert (rig.states, rig.proofs) == (["NOT_EXECUTED"], ["ledger"])
    assert (unproven.states, unproven.proofs) == (["UNRESOLVED"], [None])


@pytest.mark.parametrize("order", list(itertools.permutations(["trade", "update", "ack"])))
def test_s03_evidence_in_any_order_confirms(order: tuple[str, ...]) -> None:
    """The effect usually comes before the acknowledgement, which adds nothing."""
    rig = bought()
    fill = rig.bench.carry_out(rig.command)
    pieces = {
        "trade": lambda: rig.bench.feed(rig.bench.fill_event(rig.command, fill)),
        "update": rig.bench.update,
        "ack": lambda: rig.bench.ack(rig.command),
    }
    for piece in order:
        pieces[piece]()

    assert rig.states == ["CONFIRMED"]
    assert rig.proofs[0] in {"trade", "update"}
    assert rig.bench.engine.account.cash == rig.bench.ledger.cash


def test_s04_an_acknowledgement_without_effect_is_unknown() -> None:
    """After 2 s without a trade or a change of the account nothing new is risked."""
    rig = bought()
    rig.bench.ack(rig.command)
    rig.bench.wait(2.5)

    assert rig.pending == ["UNKNOWN"]
    assert rig.why() == "unknown"


@pytest.mark.parametrize(
    ("payload", "state", "words"),
    [
        ('[{"success":false,"message":"no \\u001b[2Jfunds"}]', "REJECTED", "no "),
        ('[{"success":false}]', "REJECTED", "no reason given"),
        ('["no funds"]', "UNKNOWN", ""),
        ("[]", "UNKNOWN", ""),
        ('[{"success":"false"}]', "UNKNOWN", ""),
        ('[{"error":"no funds"}]', "UNKNOWN", ""),
    ],
)
def test_s05_only_an_explicit_refusal_is_one(payload: str, state: str, words: str) -> None:
    """A refusal ends an action with the venue's words; an unknown shape leaves it open."""
    rig = bought()
    rig.bench.feed(decode(Frame(rig.bench.now_ns, f"431{payload}")))

    if state == "REJECTED":
        (action,) = rig.bench.actions
        assert (rig.states, rig.proofs) == (["REJECTED"], ["ack"])
        assert action.outcome is not None
        assert str(action.outcome.error_reason).startswith(words)
    else:
        assert (rig.states, rig.pending) == ([], [state])


def test_s06_a_trade_beats_a_refusal() -> None:
    """What was executed stays executed; the contradiction is stored and halts entries."""
    rig = bought()
    rig.bench.fill(rig.command, update=False)
    rig.bench.ack(rig.command, success=False, message="no")
    rig.bench.update()

    assert rig.states == ["CONFIRMED"]
    assert "action.contradiction" in rig.kinds
    assert not rig.enters()


def test_s07_repeated_evidence_counts_once() -> None:
    """A trade, an account update and an acknowledgement that come three times change nothing more."""
    rig = bought()
    trade = rig.bench.fill_event(rig.command, rig.bench.carry_out(rig.command))
    for _ in range(3):
        rig.bench.feed(trade)
        rig.bench.update()
        rig.bench.ack(rig.command)

    assert rig.states == ["CONFIRMED"]
    assert rig.bench.engine.account.cash == rig.bench.ledger.cash == 10**9 - LAMPORTS
    assert "action.contradiction" not in rig.kinds


def test_s08_an_answer_to_nothing_answers_nothing() -> None:
    """An id that was never sent, or was answered already, decides no action; id 0 is not read."""
    rig = bought()
    for ack_id in (99, 2**53 - 1):
        rig.bench.feed(Ack(recv_ns=rig.bench.now_ns, ack_id=ack_id, success=False))
    with pytest.raises(WireError):
        decode(Frame(rig.bench.now_ns, '430[{"success":false}]'))
    assert rig.pending == ["SENT"]
    rig.bench.execute(rig.command)
    rig.bench.ack(rig.command, success=False)

    assert rig.states == ["CONFIRMED"]


def test_s09_evidence_after_the_end_changes_no_state() -> None:
    """What comes after an action was decided is a contradiction or nothing, never a second end."""
    rig = silent()
    rig.bench.rug()
    rig.bench.new_game()
    assert rig.states == ["NOT_EXECUTED"]
    rig.bench.ack(rig.command)
    rig.bench.trade("buy", LAMPORTS, LAMPORTS, trace_id=rig.command.trace_id)

    assert rig.states == ["NOT_EXECUTED"]
    assert len({action.action_id for action in rig.bench.actions if action.actor is Actor.BOT}) == 1


def test_s10_a_tick_that_was_overtaken_is_stored_and_not_shown() -> None:
    """The strategy sees increasing ticks; the store has all in the order of receipt."""
    rig = Rig.of()
    seen = rig.bench.engine.game.tick
    rig.bench.tick(1.4, tick=4)
    rig.bench.tick(1.3, tick=3)

    assert (seen, rig.bench.engine.game.tick) == (2, 4)
    assert list(rig.bench.engine.game.prices)[3:] == [1.3, 1.4]
    assert [tick.tick for tick in rig.bench.of_type(DocType.GAME_TICK)][-2:] == [4, 3]


def test_s11_missing_ticks_are_filled_or_reported() -> None:
    """The price window fills a gap, marked as such; what it lacks is a gap."""
    rig = Rig.of()
    window = tuple((tick, 1.0 + tick / 10) for tick in range(6))
    rig.frame(tick=5, price=1.5, partial_prices=window)
    rig.frame(tick=8, price=1.8)

    ticks = rig.bench.of_type(DocType.GAME_TICK)
    assert [t.tick for t in ticks if t.backfilled] == [3, 4]
    assert rig.kinds.count("game.gap") == 1


def test_s12_an_order_that_meets_the_rug_is_decided_by_the_venue() -> None:
    """A refusal after the rug is one; without an answer the settled ledger decides."""
    rig = bought()
    rig.bench.rug()
    rig.bench.ack(rig.command, success=False, message="Game has rugged")
    late = bought()
    late.bench.rug()
    late.bench.new_game()

    assert rig.states == ["REJECTED"]
    assert late.states == ["NOT_EXECUTED"]


@pytest.mark.parametrize("sign", ["rugged", "forced sale", "next game"])
def test_s13_the_first_sign_of_a_rug_ends_entries(sign: str) -> None:
    """The flag, our forced sale at the rug's price, or another game: whichever comes first."""
    rig = Rig.holding()
    sent = len(rig.bench.commands)
    if sign == "rugged":
        rig.bench.rug()
    elif sign == "forced sale":
        fill = rig.bench.ledger.forced_sell(0.02, 4)
        assert fill is not None
        rig.bench._price = 0.02
        rig.bench.trade("sell", fill.amount, fill.qty, trace_id="f" * 32)
    else:
        rig.frame(
            game_id="20260101-00000000000000ff", kind=FrameKind.SETTLEMENT, active=False, tick=0,
            price=1.0, cooldown_timer_ms=rules.COOLDOWN_MS,
        )  # fmt: skip
    rig.strategy.todo = [lambda a: a.buy("0.01")]
    for number in (5, 6):  # frames that were overtaken
        rig.frame(tick=number)

    assert len(rig.bench.commands) == sent


def test_s14_a_sale_that_nobody_asked_for_is_external() -> None:
    """The rug's sale with our sale in flight is never our sale."""
    rig = Rig.holding()
    rig.do(lambda a: a.sell())
    fill = rig.bench.ledger.forced_sell(0.02, 4)
    assert fill is not None
    rig.bench._price = 0.02
    rig.bench.trade("sell", fill.amount, fill.qty, trace_id="f" * 32)
    rig.bench.update()

    assert rig.pending == ["SENT"]
    assert rig.bench.of_type(DocType.SERVER_STATE)[-1].cause is StateCause.FORCED_SELL


def test_s15_another_client_on_our_account_is_recorded() -> None:
    """Its trade is an external action with its own row; the account follows."""
    rig = Rig.of()
    fill = rig.bench.ledger.buy(30_000_000, 1.2, 2)
    rig.bench.trade("buy", fill.amount, fill.qty, trace_id="a" * 32)
    rig.bench.update()

    (action,) = rig.bench.actions
    assert (action.actor, rig.states) == (Actor.EXTERNAL, [])
    assert rig.bench.engine.account.cash == rig.bench.ledger.cash


def test_s16_an_update_that_shows_no_effect_confirms_nothing() -> None:
    """Three statements of the account in a row leave an action open."""
    rig = bought()
    for _ in range(3):
        rig.bench.update()

    assert (rig.states, rig.pending) == ([], ["SENT"])


def test_s17_an_older_row_changes_no_money() -> None:
    """Our row of the game state is recorded; money follows the account's statements alone."""
    rig = Rig.holding()
    cash = rig.bench.engine.account.cash
    rig.bench.show_row()

    assert rig.bench.engine.account.cash == cash == rig.bench.ledger.cash
    assert "account.unexplained" not in rig.kinds


def test_s18_the_venue_has_the_last_word_and_repeated_surprises_halt() -> None:
    """Cash that nothing explains is taken over and stored; three in succession halt entries."""
    rig = Rig.of()
    rig.bench.ledger.cash -= 7
    rig.bench.update()
    assert rig.enters()
    rig.bench.execute(rig.command)
    for _ in range(3):
        rig.bench.ledger.cash -= 7
        rig.bench.update()

    assert rig.bench.engine.account.cash == rig.bench.ledger.cash
    assert not rig.enters()


@pytest.mark.parametrize("phase", ["paused", "unknown", "cooldown"])
def test_s19_no_entry_in_a_phase_that_is_none(phase: str) -> None:
    """A pause, a phase that cannot be determined, and a countdown without presale allow no entry."""
    rig = Rig.of()
    rig.bench.rug()
    rig.bench.new_game()
    rig.strategy.todo = [lambda a: a.buy("0.01")]
    frames: dict[str, dict[str, Any]] = {
        "paused": {"kind": FrameKind.SETTLEMENT, "active": False, "cooldown_timer_ms": 9_000},
        "unknown": {"kind": FrameKind.TICK, "active": False, "cooldown_timer_ms": 0},
        "cooldown": {"kind": FrameKind.COUNTDOWN, "active": None, "cooldown_timer_ms": 12_000},
    }
    rig.frame(tick=0, price=1.0, **frames[phase])

    assert rig.bench.engine.game.phase is not GamePhase.ACTIVE
    assert rig.bench.commands == []


@pytest.mark.parametrize("price", [0.0, 1e-3, 1_122.0, 1e6, 1e300])
def test_s20_extreme_prices_and_lengths_are_processed(price: float) -> None:
    """No division by zero and no overflow; a tick beyond the law is refused."""
    rig = Rig.holding()
    rig.bench.tick(price)
    rig.bench.tick(1.0, tick=rules.MAX_TICKS + 1_000_000)

    assert "game.frame_refused" in rig.kinds
    assert rig.bench.engine.account.known


def test_s21_a_missing_money_field_halts_and_an_unknown_field_does_not() -> None:
    """The frame without its cash is quarantined with its reason; one with something new is read."""
    rig = Rig.of()
    update = '42["playerUpdate",{"id":"did:privy:bench","positionQty":0}]'
    event = read_frame(Frame(rig.bench.now_ns, update))
    assert isinstance(event, FrameRejected)
    assert event.money
    rig.bench.feed(event)

    assert "frame.quarantined" in rig.kinds
    assert not rig.enters()
    new = '42["usernameStatus",{"id":"x","hasUsername":true,"username":"x","somethingNew":[1]}]'
    assert not isinstance(read_frame(Frame(1, new)), FrameRejected)
    assert not isinstance(read_frame(Frame(1, new[:-1] + ',"Q85_xh5"]')), FrameRejected)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "[" * 5_000, '"\\ud800"', "9" * 400])
def test_s22_values_that_are_none_are_refused_and_the_next_frame_is_read(value: str) -> None:
    """Quarantined, counted, kept raw; entries continue unless it was money."""
    rig = Rig.of()
    text = f'42["gameStateUpdate",{{"gameId":"g","active":true,"rugged":false,"price":{value}}}]'
    event = read_frame(Frame(rig.bench.now_ns, text))
    rig.bench.feed(event)

    assert isinstance(event, FrameRejected)
    assert event.raw[:30] == text[:30]
    assert rig.bench.engine.game.price == 1.2
    rig.bench.tick(1.3)
    assert rig.bench.engine.game.price == 1.3


def test_s23_without_trace_ids_evidence_is_matched_to_the_only_action() -> None:
    """An unknown event is reported once; a trade without a trace belongs to the one action in flight."""
    rig = bought()
    for _ in range(3):
        rig.bench.feed(UnknownEvent(recv_ns=rig.bench.now_ns, name="renamed", payload_json="{}"))
    fill = rig.bench.carry_out(rig.command)
    rig.bench.feed(attrs.evolve(rig.bench.fill_event(rig.command, fill), trace_id=None))
    rig.bench.update()

    assert rig.kinds.count("wire.unknown_event") == 1
    assert rig.states == ["CONFIRMED"]


@pytest.mark.parametrize(
    ("hostile", "ends"),
    [
        ("41", True),
        ('44{"message":"gone"}', True),
        ("430[]", False),
        ('451-["x",{"_placeholder":true,"num":0}]', False),
        ('45999999999-["x"]', False),
        ('42["disconnect"]', False),
    ],
)
async def test_s24_packets_that_break_clients_cost_no_frame(hostile: str, ends: bool) -> None:
    """A kick or a lost namespace is noticed at once and reconnected; the others change nothing."""

    async def first(peer: Peer) -> None:
        await peer.say(JOINED, tick(1), hostile, *([] if ends else [tick(2)]))

    async def second(peer: Peer) -> None:
        await peer.say(JOINED, tick(2))

    async with ScriptedServer(first, second) as venue:
        feed = LiveFeed(venue.url, settings=quick())
        items: list[Any] = []
        async with asyncio.timeout(3 if ends else 20):
            while tick(2) not in (getattr(item, "raw", None) for item in items):
                item = await feed.next_item(0.5)
                items += [] if item is None else [item]
        await feed.aclose()

    links = [item.link for item in items if isinstance(item, ConnectionChanged)]
    assert links.count(Link.CONNECTED) == (2 if ends else 1)
    assert [i.raw for i in items if isinstance(i, Frame) and i.raw in {tick(1), tick(2)}] == [
        tick(1),
        tick(2),
    ]


def test_s26_another_coin_or_account_stops_trading() -> None:
    """Practice money and another player's account are never ours."""
    for change in ({"selected_coin": "0xPractice"}, {"player_id": "did:privy:else"}):
        rig = Rig.of()
        rig.bench.feed(attrs.evolve(rig.bench.update_event(), **change))
        assert not rig.enters()
        assert rig.bench.engine.standing.word == "blocked"


def test_s27_times_of_the_venue_decide_nothing() -> None:
    """A trade stamped decades off is matched alike, and its negative latency is kept, not invented."""
    rig = bought()
    fill = rig.bench.carry_out(rig.command)
    event = attrs.evolve(rig.bench.fill_event(rig.command, fill), server_ts=1)
    rig.bench.feed(event)
    rig.bench.update()

    (action,) = rig.bench.actions
    assert rig.states == ["CONFIRMED"]
    assert action.timestamps.client_ts == rig.command.created_ns // 10**6
    assert action.timestamps.server_ts == 1
    assert action.total_latency_ms == 0


def test_s28_a_refusal_for_rate_is_not_repeated() -> None:
    """The action is REJECTED with the words; the strategy may ask again, the engine does not."""
    rig = bought()
    rig.bench.ack(rig.command, success=False, message="Too many requests")
    for _ in range(5):
        rig.bench.tick(1.2)

    assert rig.states == ["REJECTED"]
    assert len(rig.bench.commands) == 1


def test_s29_a_declared_exit_that_is_refused_is_repeated_three_times() -> None:
    """Only full sales are repeated, and at most three times a game."""
    rig = Rig(Bench(Scripted()))
    rig.bench.start_game((1.0, 1.0))
    rig.do(lambda a: a.buy(BUY, take_profit=1.5), price=1.0)
    rig.bench.execute(rig.command)
    for _ in range(8):
        rig.bench.tick(2.0)
        if rig.command.action_type is ActionType.SELL and rig.pending:
            rig.bench.ack(rig.command, success=False, message="no")

    sells = [c for c in rig.bench.commands if c.action_type is ActionType.SELL]
    assert [c.percentage for c in sells] == [100, 100, 100]


def test_s30_a_history_that_contradicts_is_recorded() -> None:
    """A revealed seed that does not give the prices seen is one finding, and nothing ends."""
    exchange = Exchange(ExchangeConfig(seed=7, crowd=0, past_games=10, countdown_step=5000))
    auditor, state, findings = FairAuditor("S"), GameState(), []
    seed = ""
    while exchange.games_opened < 3:
        for message in exchange.step():
            text = message.text
            if not text.startswith('42["gameStateUpdate"') or message.player_id is not None:
                continue
            if exchange.games_opened == 1 and not seed and '"gameHistory"' in text:
                seed = json.loads(text[2:])[1]["gameHistory"][0]["provablyFair"]["serverSeed"]
            if seed:
                text = text.replace(seed, ("1" if seed[0] == "0" else "0") + seed[1:])
            frame = decode(Frame(message.at_ns, text))
            assert isinstance(frame, GameFrame)
            for change in state.fold(frame):
                auditor.on_change(change)
            findings += auditor.on_frame(frame)

    assert sum(isinstance(finding.record, AlertTrigger) for finding in findings) == 1
