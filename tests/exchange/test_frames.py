"""Frames of the exchange: same seed, same bytes; their order; every price follows the law."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.exchange.driver import ME, MS, STATE, Client, config, connected, frames, kind_of, state
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.game import rules
from vectra_bot.game.fair import play_game
from vectra_bot.models import (
    Ack,
    FrameKind,
    GameFrame,
    LoginStatus,
    PlayerGameUpdate,
    PlayerUpdate,
    RoundUpdate,
    SidebetPlaced,
    SidebetResult,
    Trade,
    VenueNotice,
)
from vectra_bot.wire.decode import NOTICES

TYPES = {
    STATE: GameFrame,
    "gameStatePlayerUpdate": PlayerGameUpdate,
    "playerUpdate": PlayerUpdate,
    "standard/newTrade": Trade,
    "usernameStatus": LoginStatus,
    "currentSidebet": SidebetPlaced,
    "currentSidebetResult": SidebetResult,
    "bbcRound": RoundUpdate,
    "candleflipRound": RoundUpdate,
    "ack": Ack,
}
FOLLOWS = {
    "snapshot": {"countdown"},
    "countdown": {"countdown", "presale", "start"},
    "presale": {"presale-countdown"},
    "presale-countdown": {"countdown"},
    "start": {"tick", "rug"},
    "tick": {"tick", "rug"},
    "rug": {"settlement"},
    "settlement": {"new-game"},
    "new-game": {"countdown"},
}


def sha256_of_run(cfg: ExchangeConfig, games: int) -> str:
    """Return the digest of everything an exchange sends in some games, bets and trades included."""
    client = connected(cfg)
    digest = hashlib.sha256()
    while client.exchange.games_opened < games:
        for message in client.exchange.step():
            digest.update(f"{message.at_ns} {message.player_id} {message.text}\n".encode())
            if '"tickCount":5,' in message.text and '"tradeCount"' in message.text:
                client.buy(0.01)
                client.sidebet(0.002)
    return digest.hexdigest()


@pytest.fixture(scope="module", params=["feb", "dec"])
def played(request: pytest.FixtureRequest) -> Client:
    """Return a client that has seen six games with a crowd, betting and trading in each."""
    client = connected(config(seed=5, crowd=120, fmt=request.param))
    for _ in range(6):
        client.until_presale()
        client.sidebet(0.002)
        client.buy(0.01)
        client.buy(7)
        client.until_rug()
        client.games(1)
    return client


def test_same_seed_gives_the_same_bytes() -> None:
    """Two exchanges with one seed send the same messages at the same times."""
    assert sha256_of_run(config(seed=7, crowd=60), 3) == sha256_of_run(config(seed=7, crowd=60), 3)


def test_another_process_gives_the_same_bytes() -> None:
    """Nothing depends on the process: hash seed, time zone or wall clock."""
    code = (
        "from tests.exchange import test_frames as t;"
        "print(t.sha256_of_run(t.config(seed=7, crowd=60), 2))"
    )
    root = Path(__file__).resolve().parents[2]
    env = {
        **os.environ,
        "PYTHONHASHSEED": "4711",
        "TZ": "Pacific/Auckland",
        "PYTHONPATH": str(root),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == sha256_of_run(config(seed=7, crowd=60), 2)


def test_another_seed_gives_other_bytes() -> None:
    """Another seed gives other games."""
    assert sha256_of_run(config(seed=7), 1) != sha256_of_run(config(seed=8), 1)


def test_every_frame_decodes_to_its_type(played: Client) -> None:
    """Every frame of the exchange is decoded as the event it was written from."""
    for seen in played.seen:
        expected = TYPES.get(seen.name, SidebetPlaced if seen.name == "newSideBet" else VenueNotice)
        assert type(seen.event) is expected, seen.text[:200]
    names = {seen.name for seen in played.seen}
    assert set(TYPES) <= names
    assert names - set(TYPES) - {"newSideBet"} <= NOTICES


def test_frames_come_in_the_venues_order(played: Client) -> None:
    """State frames follow the automaton of protocol 3.1, countdowns run from 14900 to 100."""
    seen = list(frames(played))
    kinds = [kind_of(frame) for frame in seen]
    assert kinds[0] == "snapshot"
    for before, after in pairwise(kinds):
        assert after in FOLLOWS[before], (before, after)
    timers = [
        frame["cooldownTimer"]
        for frame, kind in zip(seen, kinds, strict=True)
        if "countdown" in kind
    ]
    assert (
        timers
        == list(range(14_900, 0, -100)) * (len(timers) // 149) + timers[len(timers) // 149 * 149 :]
    )
    assert kinds.count("rug") == kinds.count("settlement") == kinds.count("new-game") == 6


def test_phases_are_shown_as_the_venue_shows_them(played: Client) -> None:
    """``active`` stays true through rug and settlement; ids change at the start of the cooldown."""
    for before, frame in pairwise(frames(played)):
        kind = kind_of(frame)
        if kind == "rug":
            assert (frame["active"], frame["tickCount"]) == (True, before["tickCount"] + 1)
        if kind == "settlement":
            assert frame["active"]
            assert frame["tickCount"] - before["tickCount"] in {1, 2}
            assert frame["gameId"] == before["gameId"]
        if kind == "new-game":
            assert (frame["active"], frame["price"], frame["cooldownTimer"]) == (False, 1, 15_000)
            assert frame["gameId"] != before["gameId"]
        if kind == "start":
            assert (frame["tickCount"], frame["price"], frame["leaderboard"]) == (0, 1, [])
            assert frame["gameId"] == before["gameId"]


def test_prices_are_the_laws_bit_for_bit(played: Client) -> None:
    """Every price, including the rug's, follows from the seed revealed afterwards; the hash was committed."""
    prices: dict[str, list[float]] = {}
    hashes: dict[str, str] = {}
    checked = 0
    for frame in frames(played):
        kind = kind_of(frame)
        if kind in {"start", "tick", "rug"}:
            prices.setdefault(frame["gameId"], []).append(frame["price"])
        hashes[frame["gameId"]] = frame["provablyFair"]["serverSeedHash"]
        assert "serverSeed" not in frame["provablyFair"]
        if kind == "settlement":
            assert frame["gameHistory"][0]["id"] != frame["gameId"]
        if kind == "new-game":
            ended = frame["gameHistory"][0]
            seed = ended["provablyFair"]["serverSeed"]
            game = play_game(seed, ended["id"])
            assert prices[ended["id"]] == game.published_prices
            assert hashes[ended["id"]] == hashlib.sha256(seed.encode()).hexdigest()
            assert ended["peakMultiplier"] == game.peak
            if "prices" in ended:
                assert ended["prices"] == game.published_prices
            checked += 1
    assert checked == 6


def test_partial_prices_are_the_last_five(played: Client) -> None:
    """The window slides with the tick and ends with the frame's own price."""
    for frame in frames(played):
        if kind_of(frame) in {"tick", "rug"}:
            window = frame["partialPrices"]
            tick = frame["tickCount"]
            assert (window["startTick"], window["endTick"]) == (max(0, tick - 4), tick)
            assert list(window["values"]) == [str(t) for t in range(max(0, tick - 4), tick + 1)]
            assert window["values"][str(tick)] == frame["price"]


def test_ids_have_the_venues_shape(played: Client) -> None:
    """Game ids carry the exchange's date, seeds are 64 hex digits, players are Privy ids."""
    last = list(frames(played))[-1]
    assert re.fullmatch(r"20260101-[0-9a-f]{16}", last["gameId"])
    history = next(frame for frame in frames(played) if kind_of(frame) == "new-game")["gameHistory"]
    assert len(history) == 10
    for game in history:
        assert re.fullmatch(r"[0-9a-f]{64}", game["provablyFair"]["serverSeed"])
    assert history[1]["id"].startswith("20251231-")
    rows = [row for frame in frames(played) for row in frame["leaderboard"]]
    assert all(re.fullmatch(r"did:privy:[a-z0-9]{25,26}", row["id"]) for row in rows)


def test_timing_of_a_game_is_the_venues(played: Client) -> None:
    """Ticks come at the venue's mean, the game starts about 15.67 s after the rug (protocol 3.1)."""
    times = [(seen.at_ns, kind_of(frame)) for seen in played.seen if (frame := state(seen))]
    gaps = [(b - a) / MS for (a, _), (b, kind) in pairwise(times) if kind == "tick"]
    assert min(gaps) > 0
    assert abs(sum(gaps) / len(gaps) - rules.TICK_MS) < 5
    rugs = [at for at, kind in times if kind == "rug"]
    starts = [at for at, kind in times if kind == "start"]
    for rug, start in zip(rugs, starts[1:], strict=False):
        assert 15_300 < (start - rug) / MS < 18_500


def test_a_link_without_delays_keeps_the_venues_clock() -> None:
    """Without jitter ticks are 200 ms apart or more, and the game starts 15.67 s after the rug."""
    client = connected(config(seed=5, jitter=False))
    client.games(4)
    times = [(seen.at_ns, kind_of(frame)) for seen in client.seen if (frame := state(seen))]
    gaps = [(b - a) / MS for (a, _), (b, kind) in pairwise(times) if kind == "tick"]
    rugs = [at for at, kind in times if kind == "rug"]
    starts = [at for at, kind in times if kind == "start"]

    assert min(gaps) >= 200
    assert abs(sum(gaps) / len(gaps) - rules.TICK_MS) < 4
    assert all(abs((b - a) / MS - 15_670) < 5 for a, b in zip(rugs, starts[1:], strict=False))


def test_a_row_follows_every_state_frame(played: Client) -> None:
    """A client gets ``gameStatePlayerUpdate`` after each ``gameStateUpdate`` but the snapshot."""
    names = [seen.name for seen in played.seen]
    for index, name in enumerate(names[1:], 1):
        if name == STATE:
            assert names[index + 1] == "gameStatePlayerUpdate"


def test_leaderboard_lags_one_tick_and_adds_up(played: Client) -> None:
    """Rows in the frame of tick N use the price of tick N-1, are sorted by PnL, and add up."""
    rows = lagging = current = 0
    for before, frame in pairwise(frames(played)):
        if kind_of(frame) != "tick" or kind_of(before) != "tick":
            continue
        table = frame["leaderboard"]
        assert [row["position"] for row in table] == list(range(1, len(table) + 1))
        assert [row["pnl"] for row in table] == sorted((row["pnl"] for row in table), reverse=True)
        for row in table:
            parts = row["regularPnl"] + row["sidebetPnl"] + row["shortPnl"]
            assert abs(row["pnl"] - parts) < 5e-9
            if row["totalInvested"]:
                assert row["pnlPercent"] == row["pnl"] / row["totalInvested"] * 100
            cost = row["positionQty"] * row["avgCost"]
            if row["positionQty"] and abs(row["totalInvested"] - cost) < 2e-9:
                rows += 1
                lagging += (
                    abs(row["positionQty"] * before["price"] - cost - row["regularPnl"]) < 1e-8
                )
                current += (
                    abs(row["positionQty"] * frame["price"] - cost - row["regularPnl"]) < 1e-8
                )
    assert rows > 1000
    assert lagging > 0.9 * rows  # the others have sold and bought again from the proceeds
    assert current < 0.1 * rows


def test_public_trades_are_a_sample(played: Client) -> None:
    """Others' trades come on a grid of two seconds and never in a presale (protocol 5.5)."""
    times = [
        seen.at_ns for seen in played.seen if seen.name == "standard/newTrade" and not seen.private
    ]
    start = ExchangeConfig().start_ns
    assert len(times) > 20
    assert all((at - start) % (2_000 * MS) == 0 for at in times)
    presale = False
    for seen in played.seen:
        frame = state(seen)
        presale = frame.get("allowPreRoundBuys", presale) if frame else presale
        assert not (presale and seen.name == "standard/newTrade" and not seen.private)


def test_own_trades_are_not_sent_twice(played: Client) -> None:
    """A client sees its own trade once, however big it is."""
    ids = [seen.payload["id"] for seen in played.seen if seen.name == "standard/newTrade"]
    assert len(ids) == len(set(ids))


def test_trade_count_starts_again_after_the_presale_opens(played: Client) -> None:
    """The frame that opens the presale still shows the finished game's count (protocol 5.1)."""
    counts = [
        (kind_of(frame), frame["tradeCount"]) for frame in frames(played) if "tradeCount" in frame
    ]
    for (kind, count), (_, following) in pairwise(counts):
        if kind == "rug":
            assert following == count
        if kind == "tick":
            assert following >= count


def test_averages_are_of_the_last_games(played: Client) -> None:
    """The averages change with the new-game frame and are computed from the known peaks."""
    new = [frame for frame in frames(played) if kind_of(frame) == "new-game"]
    for before, after in pairwise(new):
        assert after["gameHistory"][1:] == before["gameHistory"][:9]
        assert after["averageMultiplier"] != before["averageMultiplier"]


def test_history_rows_of_sidebets_keep_the_venues_oddities(played: Client) -> None:
    """Presale bets have no placed row; lost rows lack level and price; sums follow the stakes."""
    new = [frame for frame in frames(played) if kind_of(frame) == "new-game"]
    rows = [row for frame in new for row in frame["gameHistory"][0]["globalSidebets"]]
    placed = [row for row in rows if row["type"] == "placed"]
    paid = [row for row in rows if row["type"] == "payout"]
    assert placed
    assert all(row["startedAtTick"] > 0 or row["end"] == 40 for row in placed)
    assert len(paid) > len(placed)
    for row in paid:
        won = row["payout"] > 0
        assert ("price" in row) == ("level" in row) == won
        assert row["endTick"] == row["startTick"] + 40
        assert row["tickIndex"] == (row["tickIndex"] if won else row["startTick"])
        assert row["payout"] == (row["betAmount"] * 5 if won else 0)  # with the rounding of doubles
        assert row["profit"] == row["payout"] - row["betAmount"]


def test_snapshot_joins_a_running_game_without_a_gap() -> None:
    """A client that connects mid-game gets every price so far (protocol 2.6)."""
    exchange = Exchange(config(seed=2))
    watcher = Client(exchange)
    tick = watcher.until_tick(3)
    exchange.connect(ME, "me")
    snapshot = watcher.until(lambda seen: seen.private)
    payload = snapshot.payload
    assert payload["prices"] == [
        state(seen)["price"]
        for seen in watcher.seen
        if state(seen).get("active") and not seen.private
    ]
    assert payload["tickCount"] == len(payload["prices"]) - 1 == tick.payload["tickCount"]
    assert isinstance(event := snapshot.event, GameFrame)
    assert event.kind is FrameKind.SNAPSHOT


def test_a_quick_countdown_keeps_law_and_rules() -> None:
    """``countdown_step=5000`` sends two countdown frames a game and the same prices."""
    quick, full = (connected(config(seed=4, countdown_step=step)) for step in (5_000, 100))
    quick.games(2)
    full.games(2)
    assert sum(kind_of(frame).endswith("countdown") for frame in frames(quick)) == 4
    played_prices = [
        [(frame["gameId"], frame["price"]) for frame in frames(client) if frame.get("active")]
        for client in (quick, full)
    ]
    assert played_prices[0] == played_prices[1]


@pytest.mark.parametrize(
    "wrong", [{"crowd": -1}, {"past_games": 9}, {"past_games": 101}, {"countdown_step": 70}]
)
def test_a_wrong_config_is_refused(wrong: dict[str, int]) -> None:
    """A config says which value is out of range."""
    with pytest.raises(ConfigError, match=f"was {next(iter(wrong.values()))}"):
        ExchangeConfig(**wrong)


def test_a_player_connects_once() -> None:
    """A second connection of the same player is rejected; after a disconnect the account is reused."""
    client = connected()
    with pytest.raises(InputError, match="already connected"):
        client.exchange.connect(ME)
    client.exchange.disconnect(ME)
    with pytest.raises(InputError, match="not connected"):
        client.exchange.request(0, ME, '42["ping"]')
    client.exchange.connect(ME, cash=5)
    account = client.exchange.books.get(ME)
    assert account is not None
    assert account.ledger.cash == 10**9
