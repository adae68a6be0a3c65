"""The paper desk against the exchange: the same requests over the same frames have the same answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import example, given, note
from hypothesis import strategies as st

from tests.exchange.driver import MS, STATE, Client, Seen, config, connected
from vectra_bot.errors import InputError
from vectra_bot.exchange import EvidenceDelays
from vectra_bot.exchange.paper_desk import PaperDesk
from vectra_bot.game.ledger import to_lamports
from vectra_bot.models import GameFrame

CASH = to_lamports(20)
# Answers whose text is about the account alone; rows of the leaderboard have a rank among others.
COMPARED = ("standard/newTrade", "playerUpdate", "currentSidebet", "currentSidebetResult", "ack")
# Ids differ; of experience nothing follows within a game.
OURS = {
    "id", "playerId", "username", "level", "levelInfo", "crateKeys", "recentCrateRewards", "tradeId",
    "shitcoinBalances",
}  # fmt: skip


def essence(text: str) -> Any:
    """Return an answer without its ids and times."""
    name = Seen(0, text, private=True).name
    body = json.loads(text[text.index("[") :])
    payload = body[-1]
    if isinstance(payload, dict):
        payload = {k: v for k, v in payload.items() if k not in OURS and k != "timestamp"}
        for part in ("sidebet", "bet"):
            if isinstance(payload.get(part), dict):
                inner = payload[part]
                payload[part] = {
                    k: v for k, v in inner.items() if k not in OURS and k != "timestamp"
                }
    return name, payload


class Pair:
    """A client on an exchange, and a paper desk that observes the exchange's public frames."""

    def __init__(self, client: Client, desk: PaperDesk) -> None:
        self.client = client
        self.desk = desk
        self.answers: list[Any] = []
        self.lose: Callable[[Seen], bool] = lambda seen: False
        desk.connect()

    def step(self) -> list[Seen]:
        """Take one step of the exchange and show it to the desk."""
        seen = self.client.step()
        for message in seen:
            if message.private or not message.text.startswith(f'42["{STATE}"'):
                continue
            event = message.event
            assert isinstance(event, GameFrame)
            if self.lose(message):
                continue
            mail = self.desk.observe(event, message.at_ns)
            self._keep(*mail.before, *mail.after)
        self._keep(*(text for _, text in self.desk.advance(self.client.exchange.now_ns)))
        return seen

    def _keep(self, *texts: str) -> None:
        self.answers += [essence(t) for t in texts if Seen(0, t, private=True).name in COMPARED]

    def expected(self, started: int = 0) -> list[Any]:
        return [
            essence(seen.text)
            for seen in self.client.seen[started:]
            if seen.private and seen.name in COMPARED
        ]

    def send(self, event: str, payload: dict[str, Any], after_ms: float) -> None:
        at_ns = self.client.exchange.now_ns + int(after_ms * MS)
        self.client.send(event, payload, at_ns=at_ns)
        number = self.client.requests
        trace = {"__trace": True, "traceparent": f"00-{number:032x}-{number:016x}-01"}
        self.desk.request(at_ns, f"42{number}{json.dumps([event, trace, payload])}")


def pair(seed: int, *, delays: EvidenceDelays | None = None, **more: Any) -> Pair:
    client = connected(
        config(seed=seed, side_games=False, notices=False, countdown_step=5000, **more), cash=CASH
    )
    desk = PaperDesk(
        attrs.evolve(client.exchange.config, seed="paper"), "paper", CASH, delays=delays
    )
    return Pair(client, desk)


REQUESTS = st.one_of(
    st.tuples(
        st.just("buyOrder"),
        st.builds(lambda a: {"amount": a}, st.sampled_from([0.001, 0.1, 4.9, 6])),
    ),
    st.tuples(
        st.just("sellOrder"), st.builds(lambda p: {"percentage": p}, st.sampled_from([1, 33, 100]))
    ),
    st.tuples(
        st.just("requestSidebet"),
        st.builds(lambda a: {"amount": a, "xPayout": 5}, st.sampled_from([0.001, 0.25])),
    ),
)
PLAN = st.lists(
    st.tuples(st.integers(0, 400), st.floats(0, 400, allow_nan=False), REQUESTS), max_size=60
)


# The last request arrives exactly at the moment at which the rug is decided.
@example(
    seed=1725,
    plan=[(0, 0.0, ("buyOrder", {"amount": 0.001}))] * 3
    + [(362, 0.0, ("buyOrder", {"amount": 0.001}))],
)
@given(seed=st.integers(0, 10_000), plan=PLAN)
def test_the_same_requests_have_the_same_fills(seed: int, plan: Sequence[Any]) -> None:
    """Whenever a request arrives, even between the decision of a rug and its frame, all answers are equal.

    Only the order of answers to different requests may differ: a verdict waits for the next tick.
    """
    note(f"seed {seed}")
    both = pair(seed)
    while not both.answers:
        both.step()
    started, steps = len(both.client.seen), 0
    pending = sorted(plan, key=lambda planned: planned[0])
    while both.client.exchange.games_opened < 1:
        while pending and pending[0][0] <= steps:
            _, after_ms, (event, payload) = pending.pop(0)
            both.send(event, payload, after_ms)
        both.step()
        steps += 1
    end_ns = both.client.exchange.now_ns + 600 * MS  # later than any answer
    while both.client.exchange.next_ns() <= end_ns:
        both.step()
    assert cash_flow(both.answers) == cash_flow(both.expected(started))
    assert both.desk.unsettled == 0
    assert list(both.desk.books.differences()) == []


def cash_flow(answers: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the answers by name, each in its order; of the account only what it ended with."""
    found: dict[str, list[Any]] = {}
    for name, payload in answers:
        found.setdefault(name, []).append(payload)
    found["playerUpdate"] = found.get("playerUpdate", [])[-1:]
    return found


def test_a_request_after_the_rug_is_decided_is_refused() -> None:
    """The venue refuses it 150 ms before anybody can see the rug (protocol 3.1); so does the desk."""
    for before_ms, success in ((149, False), (151, True)):
        rug_ns = _rug_of(seed=3)
        both = pair(3)
        while not both.answers:
            both.step()
        while both.client.exchange.next_ns() < rug_ns - 160 * MS:
            both.step()
        after_ms = (rug_ns - before_ms * MS - both.client.exchange.now_ns) / MS
        both.send("buyOrder", {"amount": 0.5}, after_ms)
        while both.client.exchange.games_opened < 1:
            both.step()
        (answer,) = [payload for name, payload in both.answers if name == "ack"]
        assert answer["success"] is success
        assert answer == next(payload for name, payload in both.expected() if name == "ack")


def _rug_of(seed: int) -> int:
    """Return when the exchange of *seed* shows its first rug."""
    client = pair(seed).client
    return client.until_rug().at_ns


def test_a_rug_that_was_missed_is_settled_by_the_law() -> None:
    """The venue reveals the seed with the next game: position and sidebet end as on the exchange."""
    both = pair(3)
    while not both.answers:
        both.step()
    _buy_and_bet(both)
    both.lose = lambda seen: bool(seen.payload.get("rugged")) or seen.payload.get("active") is True
    while both.client.exchange.games_opened < 1:
        both.step()
    both.lose = lambda seen: False
    for _ in range(8):
        both.step()
    assert both.desk.unsettled == 0
    cash = [payload["cash"] for name, payload in both.answers if name == "playerUpdate"][-1]
    assert (
        cash == [payload["cash"] for name, payload in both.expected() if name == "playerUpdate"][-1]
    )
    assert cash not in (20, 19.25)


def test_a_game_whose_seed_is_never_shown_is_counted_as_lost() -> None:
    """Nothing of it is guessed to be a gain, and it is counted."""
    both = pair(3)
    while not both.answers:
        both.step()
    _buy_and_bet(both)
    both.lose = lambda seen: True
    while both.client.exchange.games_opened < 12:
        both.step()
    both.lose = lambda seen: False
    while both.client.exchange.games_opened < 13:
        both.step()
    assert both.desk.unsettled == 1
    account = both.desk.books.get(both.desk.player_id)
    assert account is not None
    assert account.ledger.position_qty == 0
    assert account.ledger.sidebet is None
    assert CASH - to_lamports(0.75) <= account.sol.cash < CASH - to_lamports(0.73)
    assert list(both.desk.books.differences()) == []


def _buy_and_bet(both: Pair) -> None:
    """Hold a position and a sidebet at tick 10."""
    while not any(
        seen.name == STATE and seen.payload.get("tickCount") == 10 for seen in both.step()
    ):
        pass
    both.send("buyOrder", {"amount": 0.5}, 1)
    both.send("requestSidebet", {"amount": 0.25, "xPayout": 5}, 2)
    while sum(name == "ack" for name, _ in both.answers) < 2:
        both.step()


def test_what_is_on_its_way_is_lost_with_the_link() -> None:
    """Neither the request nor its answer arrives on the next connection, as at the venue."""
    both = pair(3)
    while not both.answers:
        both.step()
    while not any(
        seen.name == STATE and seen.payload.get("tickCount") == 5 for seen in both.step()
    ):
        pass
    both.send("buyOrder", {"amount": 0.5}, 90)
    both.desk.disconnect()
    with pytest.raises(InputError, match="not connected"):
        both.desk.request(both.client.exchange.now_ns, '42["buyOrder",{"amount":0.1}]')
    seen = len(both.answers)
    for _ in range(20):
        both.step()
    assert both.answers[seen:] == []
    both.desk.connect()
    for _ in range(5):
        both.step()
    names = [name for name, _ in both.answers[seen:]]
    assert names == ["playerUpdate"]
    assert both.answers[-1][1]["cash"] == 20


@pytest.mark.parametrize("leverage", [1, 5])
def test_shorts_and_leverage_follow_the_exchange(leverage: int) -> None:
    """Liquidations and a short's end are answered alike."""
    both = pair(11)
    while not both.answers:
        both.step()
    started = len(both.client.seen)
    while not any(
        seen.name == STATE and seen.payload.get("tickCount") == 2 for seen in both.step()
    ):
        pass
    both.send("buyOrder", {"amount": 0.5, "leverage": leverage}, 20)
    both.send("shortOrder", {"amount": 0.2}, 40)
    while both.client.exchange.games_opened < 1:
        both.step()
    assert cash_flow(both.answers) == cash_flow(both.expected(started))
    assert len(cash_flow(both.answers)["standard/newTrade"]) >= 2
