"""Rounds of Bull/Bear/Crab and Candleflip on the exchange (protocol 11; wire unverified)."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import pytest

from tests.exchange.driver import ME, Client, config
from tests.exchange.scenario import LONG, SOL, account_of, ask, balanced, joined, law, received
from vectra_bot.errors import ConfigError
from vectra_bot.exchange import EvidenceDelays, ExchangeConfig
from vectra_bot.exchange.accounts import BookEntry, Money
from vectra_bot.exchange.features.sidegames import BETTING_S, PAUSE_S, ROLL_S
from vectra_bot.game.sidegames import BBC, bbc_game, candleflip_game
from vectra_bot.wire.profile import parse_profile

SURE = "1/999999999,1/999999999,999999997/999999999"  # CRAB
S = 1_000_000_000


def rounds(client: Client, event: str = "bbcRound") -> list[dict[str, Any]]:
    return [seen.payload for seen in client.seen if seen.name == event]


def until_round(client: Client, status: str, event: str = "bbcRound") -> dict[str, Any]:
    """Run until a round of *event* is in *status* and return its payload."""
    payload: dict[str, Any] = client.until(
        lambda seen: seen.name == event and seen.payload["status"] == status
    ).payload
    return payload


def crab(client: Client, **more: Any) -> dict[str, Any]:
    return ask(client, "bbcPredict", **{"amount": 0.1, "prediction": "crab", **more})


def test_a_round_goes_open_closed_result_pause() -> None:
    """Each round has its three frames at its times, then the next opens; ids are never used twice."""
    client = joined()
    client.games(1)
    seen = [s for s in client.seen if s.name == "bbcRound"]
    statuses = [s.payload["status"] for s in seen]
    assert statuses[:6] == ["open", "closed", "result"] * 2
    gaps = [(b.at_ns - a.at_ns) / S for a, b in pairwise(seen[:7])]
    assert gaps == [BETTING_S[BBC], ROLL_S, PAUSE_S] * 2
    ids = [s.payload["roundId"] for s in seen]
    assert [len(set(ids[n : n + 3])) for n in range(0, len(ids) - 3, 3)] == [1] * (len(ids) // 3)
    assert len(set(ids[::3])) == len(ids[::3])
    opened = seen[0]
    assert opened.payload["closesAt"] * 1_000_000 == opened.at_ns + BETTING_S[BBC] * S


def test_a_rounds_seed_is_committed_to_and_revealed() -> None:
    """Hash from the opening, seed with the result alone; hash and result follow from the seed."""
    client = joined()
    client.games(2)
    for event, game in (("bbcRound", bbc_game()), ("candleflipRound", candleflip_game())):
        by_id: dict[str, list[dict[str, Any]]] = {}
        for payload in rounds(client, event):
            by_id.setdefault(payload["roundId"], []).append(payload)
        whole = [frames for frames in by_id.values() if len(frames) == 3]
        assert len(whole) > 3
        for frames in whole:
            seed = frames[-1]["serverSeed"]
            digest = hashlib.sha256(seed.encode()).hexdigest()
            assert [frame["serverSeedHash"] for frame in frames] == [digest] * 3
            assert not any({"serverSeed", "result"} & set(frame) for frame in frames[:2])
            assert frames[-1]["result"] == game.result(seed, frames[-1]["roundId"]).lower()
        assert len({frames[-1]["serverSeed"] for frames in whole}) == len(whole)


def test_a_stake_goes_into_the_open_round_and_is_paid_with_its_result() -> None:
    """Account, own event, acknowledgement; with the result the payout and the account again."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    opened = until_round(client, "open")
    client.seen.clear()
    answer = crab(client, roundId=opened["roundId"])
    names = [seen.name for seen in client.seen if seen.private]
    assert names == ["playerUpdate", "currentBbcBet", "ack"]
    assert answer == {
        "success": True,
        "message": "Bet placed",
        "bet": received(client, "currentBbcBet")[0],
    }
    assert (answer["bet"]["betAmount"], answer["bet"]["choice"]) == (0.1, "crab")
    assert account_of(client).sol.cash == 100 * SOL - SOL // 10
    client.seen.clear()
    until_round(client, "result")
    client.drain()
    names = [seen.name for seen in client.seen if seen.private]
    at = names.index("currentBbcResult")
    assert names[at + 1] == "playerUpdate"
    (result,) = received(client, "currentBbcResult")
    assert (result["payout"], result["profit"], result["result"]) == (1.4, 1.3, "crab")
    assert account_of(client).sol.cash == 100 * SOL - SOL // 10 + 14 * SOL // 10
    assert received(client, "playerUpdate")[-1]["cash"] == 101.3
    assert balanced(client)


def test_a_lost_stake_is_reported_and_pays_nothing() -> None:
    """The result says payout 0; the house keeps the stake."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    until_round(client, "open")
    crab(client, prediction="bull")
    until_round(client, "result")
    client.drain()
    (result,) = received(client, "currentBbcResult")
    assert (result["payout"], result["profit"], result["choice"]) == (0, -0.1, "bull")
    assert account_of(client).flows.counts[BookEntry.BBC_PAYOUT] == 1
    assert client.exchange.books.house.balance(Money.SOL) == SOL // 10


def test_one_stake_per_player_and_round() -> None:
    """A second one in the round is rejected; in the next round it is accepted."""
    client = joined()
    until_round(client, "open")
    assert crab(client)["success"]
    again = crab(client, prediction="bull")
    assert again["success"] is False
    assert "wait for the next one" in again["message"]
    until_round(client, "open")
    assert crab(client)["success"]
    assert account_of(client).flows.counts[BookEntry.BBC_STAKE] == 2


def test_another_room_takes_a_stake_when_the_first_has_one() -> None:
    """Without a round's id the stake goes to the room that closes first and has none of the player's."""
    client = joined(config(seed=LONG, candleflip_rooms=3))
    while len({r["room"] for r in rounds(client, "candleflipRound") if r["status"] == "open"}) < 3:
        client.step()
    open_now = client.exchange.sidegames.open_rooms("candleflip")
    assert len(open_now) > 1
    placed = []
    for _ in open_now:
        answer = ask(client, "candleflipBet", amount=0.01, choice="red")
        placed.append(answer["bet"]["roundId"])
    assert placed == [room.round_id for room in open_now]
    refused = ask(client, "candleflipBet", amount=0.01, choice="red")
    assert "wait for the next one" in refused["message"]


def test_a_round_that_is_closed_takes_nothing() -> None:
    """Between closing and the next opening, or for a round that has passed, stakes are refused."""
    client = joined()
    first = until_round(client, "open")
    until_round(client, "closed")
    assert "no round of bbc takes stakes now" in crab(client)["message"]
    until_round(client, "result")
    assert "no round of bbc" in crab(client)["message"]
    until_round(client, "open")
    assert "no round of bbc" in crab(client, roundId=first["roundId"])["message"]
    assert account_of(client).sol.cash == 100 * SOL


def test_a_stake_at_the_moment_of_closing_is_taken() -> None:
    """A request that arrives at the nanosecond of the closing is before it, one nanosecond later after it."""
    for late, success in ((0, True), (1, False)):
        client = joined()
        opened = until_round(client, "open")
        at_ns = opened["closesAt"] * 1_000_000 + late
        client.send("bbcPredict", {"amount": 0.1, "prediction": "bull"}, at_ns=at_ns)
        ack = client.until(lambda seen: seen.name == "ack").payload
        assert ack["success"] is success


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"prediction": "dragon"}, "give one of BULL, BEAR, CRAB"),
        ({"prediction": "green"}, "give one of BULL, BEAR, CRAB"),
        ({"prediction": 7}, "give one of BULL, BEAR, CRAB"),
        ({"prediction": None}, "give one of BULL, BEAR, CRAB"),
        ({"roundId": "20260101-0"}, "no round of bbc"),
        ({"roundId": 5}, "no round of bbc"),
        ({"roundId": ["x"]}, "no round of bbc"),
        ({"roundId": "x" * 500}, "no round of bbc"),
        ({"amount": 0.0001}, "between 0.001 and 5 SOL"),
        ({"amount": 6}, "between 0.001 and 5 SOL"),
        ({"amount": "0.1"}, "Invalid amount"),
        ({"amount": {}}, "Invalid amount"),
    ],
)
def test_stakes_that_make_no_sense_are_refused(payload: dict[str, Any], reason: str) -> None:
    """A wrong choice, round or amount is refused with its reason; nothing is staked elsewhere instead."""
    client = joined()
    until_round(client, "open")
    answer = crab(client, **payload)
    assert answer["success"] is False
    assert reason in answer["message"]
    assert account_of(client).sol.cash == 100 * SOL


def test_a_stake_needs_the_money() -> None:
    """Money that is already staked cannot be staked a second time."""
    client = joined(cash=SOL // 10)
    until_round(client, "open")
    assert crab(client)["success"]
    answer = ask(client, "candleflipBet", amount=0.001, choice="red")
    assert answer["message"] == "Insufficient funds: 0.000000000 SOL free"


def test_rounds_run_across_games_and_stakes_survive_the_rug() -> None:
    """A stake placed before a rug is paid after it; it is not in the game's books."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    rug_tick = law().rug_tick
    client.until_tick(rug_tick - 8)
    until_round(client, "open")
    game_id = crab(client)["bet"]["gameId"]
    client.games(1)
    client.until_presale()
    until_round(client, "result")
    client.drain()
    (result,) = received(client, "currentBbcResult")
    assert result["payout"] == 1.4
    assert game_id
    assert account_of(client).ledger.cumulative_pnl(1.0) == 0
    assert account_of(client).ledger.total_invested == 0
    assert balanced(client)


def test_a_stake_is_paid_into_the_purse_it_came_from() -> None:
    """Staked in practice money, then switched to SOL: the payout is practice money."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    until_round(client, "open")
    assert ask(client, "selectCoin", coinAddress="0xPractice")["success"]
    bet = crab(client, amount=50)["bet"]
    assert bet["coinAddress"] == "0xPractice"
    assert ask(client, "selectCoin", coinAddress=None)["success"]
    until_round(client, "result")
    client.drain()
    account = account_of(client)
    assert (account.practice.cash, account.sol.cash) == (100 * SOL + 650 * SOL, 100 * SOL)
    assert received(client, "currentBbcResult")[0]["coinAddress"] == "0xPractice"
    assert received(client, "playerUpdate")[-1]["shitcoinBalances"] == {"0xPractice": 750}
    assert balanced(client)


def test_bonus_money_in_a_round_comes_back_as_bonus_money() -> None:
    """0.05 of a stake of 0.1 was bonus money: half of the payout is."""
    client = joined(config(seed=LONG, bbc_odds=SURE), bonus=SOL // 20)
    until_round(client, "open")
    bet = crab(client)["bet"]
    assert (bet["bonusPortion"], bet["realPortion"]) == (0.05, 0.05)
    until_round(client, "result")
    client.drain()
    (result,) = received(client, "currentBbcResult")
    assert (result["bonusPortion"], result["realPortion"]) == (0.7, 0.7)
    assert received(client, "playerUpdate")[-1]["bonusBalance"] == 0.7
    assert balanced(client)


def test_a_player_who_left_is_paid() -> None:
    """The stake of a client that disconnects is settled; no message is kept for the client."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    until_round(client, "open")
    crab(client)
    client.exchange.disconnect(ME)
    until_round(client, "result")
    client.drain()
    assert account_of(client).sol.cash == 100 * SOL + 13 * SOL // 10
    assert received(client, "currentBbcResult") == []
    client.exchange.connect(ME, delays=EvidenceDelays.none())
    assert client.until(lambda seen: seen.name == "playerUpdate").payload["cash"] == 101.3


def test_odds_and_payouts_can_be_configured() -> None:
    """The frames show the payouts; another game's choices are refused."""
    client = joined(config(seed=LONG, bbc_odds=SURE))
    assert until_round(client, "open")["payouts"] == {"crab": 14, "bull": 2, "bear": 2}
    results = {until_round(client, "result")["result"] for _ in range(8)}
    assert results == {"crab"}
    with pytest.raises(ConfigError, match="each of BULL, BEAR, CRAB"):
        ExchangeConfig(bbc_odds="1/2,1/2")
    with pytest.raises(ConfigError, match="each of GREEN, RED"):
        ExchangeConfig(candleflip_payouts="2,2,14")
    with pytest.raises(ConfigError, match="candleflip_rooms"):
        ExchangeConfig(candleflip_rooms=11)


def test_without_side_games_there_are_no_rounds() -> None:
    """When switched off, no frame is sent and no stake is accepted."""
    client = joined(config(seed=LONG, side_games=False))
    client.until_tick(5)
    assert "no round of bbc takes stakes now" in crab(client)["message"]
    assert not any("Round" in seen.name for seen in client.seen)


def test_rounds_do_not_depend_on_who_plays() -> None:
    """The same seed gives the same rounds with and without stakes: no player can influence them."""
    facts = []
    for stakes in (False, True):
        client, told_of = joined(), []
        while len(told_of) < 6:
            for seen in client.step():
                if not seen.private and seen.name == "bbcRound":
                    told_of.append(seen.payload)
                    if stakes:
                        crab(client, amount=5)
        facts.append([(r["roundId"], r["serverSeedHash"], r.get("result")) for r in told_of])
    assert facts[0] == facts[1]


CORRECTED = """
[requests.bbc_predict]
event = "pinpoint"
amount = "wager"
choice = "pick"

[requests.short_open]
event = "openShort"
amount = "size"

[requests.select_coin]
event = "useCoin"
coin = "coin"

[events]
bbc_round = "pinpointRound"
bbc_result = "pinpointResult"

[choices]
CRAB = "krabbe"
"""


def test_a_corrected_profile_works_from_request_to_result() -> None:
    """Names from a TOML file are used for requests, events and choices; the old ones are unknown."""
    client = joined(config(seed=LONG, bbc_odds=SURE, protocol=parse_profile(CORRECTED)))
    opened = until_round(client, "open", "pinpointRound")
    assert set(opened["payouts"]) == {"krabbe", "bull", "bear"}
    answer = ask(client, "pinpoint", wager=0.1, pick="krabbe", roundId=opened["roundId"])
    assert answer["bet"]["choice"] == "krabbe"
    assert received(client, "currentBbcBet")[0]["choice"] == "krabbe"
    assert until_round(client, "result", "pinpointRound")["result"] == "krabbe"
    client.drain()
    assert received(client, "pinpointResult")[0]["payout"] == 1.4
    assert ask(client, "useCoin", coin="0xPractice")["success"]
    assert ask(client, "useCoin", coin=None)["success"]
    client.send("bbcPredict", {"amount": 1, "prediction": "crab"}, after_ms=0)
    client.drain()
    assert client.records[-1].kind == "bbc_predict"
    assert len(client.records) == 1
    client.until_tick(2)
    assert ask(client, "openShort", size=1)["success"]
    assert received(client, "standard/newTrade")[-1]["type"] == "short_open"
    assert not any(seen.name == "bbcRound" for seen in client.seen)
