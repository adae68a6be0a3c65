"""Made-up frames in the venue's shapes, and Hypothesis strategies that generate more of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from vectra_bot.models import Direction, Frame
from vectra_bot.wire.amounts import number, sol_number
from vectra_bot.wire.frames import god_candle_keys, highest_keys
from vectra_bot.wire.payloads import (
    Coin,
    HistoryGame,
    LeaderboardRow,
    LevelInfo,
    PartialPrices,
    PlayerGamePayload,
    PlayerUpdatePayload,
    ProvablyFair,
    RevealedSeed,
    Rugpool,
    RugRoyale,
    ShortPosition,
    SideBet,
    SidebetPayload,
    SidebetResultPayload,
    TradePayload,
    UsernameStatusPayload,
)
from vectra_bot.wire.states import (
    CountdownState,
    SettlementState,
    SnapshotState,
    StartState,
    TickState,
    WireFormat,
)

RECV_NS = 1_767_225_600_123_456_789
GAME = "20260101-00112233445566aa"
OLD_GAME = "20260101-ffeeddccbbaa9988"
PLAYER = "did:privy:cmplayer0000000000000ours"
SEED = "ab" * 32
HASH = "cd" * 32
TRACE_ID = "0123456789abcdef0123456789abcdef"
TRACE = {"__trace": True, "traceparent": f"00-{TRACE_ID}-1122334455667788-01"}

ROW: dict[str, Any] = {
    "id": PLAYER, "username": "ours", "level": 7, "pnl": 0.25, "regularPnl": 0.25, "sidebetPnl": 0,
    "shortPnl": 0, "sidebetActive": None, "sideBet": None, "shortPosition": None, "pnlPercent": 125,
    "hasActiveTrades": True, "positionQty": 0.1, "avgCost": 1.5, "totalInvested": 0.2,
    "selectedCoin": None, "position": 1,
}  # fmt: skip
PRESALE_ROW: dict[str, Any] = {
    key: value for key, value in ROW.items() if key not in ("regularPnl", "sidebetPnl", "shortPnl")
}
TICK: dict[str, Any] = {
    "active": True, "price": 1.25,
    "partialPrices": {"startTick": 3, "endTick": 7,
                      "values": {"3": 1, "4": 1.1, "5": 1.15, "6": 1.2, "7": 1.25}},
    "tradeCount": 31, "rugged": False, "tickCount": 7, "cooldownTimer": 0, "cooldownPaused": False,
    "pauseMessage": "", "allowPreRoundBuys": False, "averageMultiplier": 4.5, "count2x": 44,
    "count10x": 7, "count50x": 1, "count100x": 0, "leaderboard": [ROW], "gameId": GAME,
    "connectedPlayers": 211,
    "rugpool": {"instarugCount": 2, "threshold": 10, "rugpoolAmount": 1.5},
    "rugRoyale": {"status": "INACTIVE", "activeEventId": None, "currentEvent": None,
                  "upcomingEvents": [], "events": []},
    "provablyFair": {"serverSeedHash": HASH, "version": "v3"},
}  # fmt: skip
START: dict[str, Any] = {
    "active": True, "price": 1, "rugged": False, "tickCount": 0, "cooldownTimer": 0,
    "cooldownPaused": False, "pauseMessage": "", "allowPreRoundBuys": False, "leaderboard": [],
    "gameId": GAME, "connectedPlayers": 211, "gameVersion": "v3",
    "partialPrices": {"startTick": 0, "endTick": 0, "values": {"0": 1}},
    "provablyFair": {"serverSeedHash": HASH, "version": "v3"},
}  # fmt: skip
COUNTDOWN: dict[str, Any] = {
    "gameId": GAME, "cooldownTimer": 9900, "cooldownPaused": False, "allowPreRoundBuys": True,
    "leaderboard": [PRESALE_ROW], "connectedPlayers": 210,
    "provablyFair": {"serverSeedHash": HASH, "version": "v3"},
}  # fmt: skip
_GAME_ENTRY: dict[str, Any] = {
    "id": OLD_GAME, "timestamp": 1767225590000, "peakMultiplier": 1.5, "rugged": True,
    "globalTrades": [], "globalSidebets": [], "gameVersion": "v3",
    "provablyFair": {"serverSeed": SEED, "serverSeedHash": HASH},
}  # fmt: skip


def _big(wire_format: WireFormat) -> dict[str, Any]:
    december = wire_format is WireFormat.DEC
    entry = _GAME_ENTRY | ({"prices": [1, 1.5, 0.02]} if december else {})
    keys: dict[str, Any] = {
        "gameHistory": [entry], "averageMultiplier": 4.5, "count2x": 44, "count10x": 7,
        "count50x": 1, "count100x": 0, "highestToday": 50.5, "highestTodayTimestamp": 1767225500000,
    }  # fmt: skip
    if december:
        keys["highestTodayPrices"] = [1, 50.5, 0.02]
    else:
        keys |= {"highestTodayGameId": OLD_GAME, "highestTodayServerSeed": SEED}
    for tier in (2, 10, 50):
        name = f"godCandle{tier}x"
        keys |= {name: None, f"{name}Timestamp": None, f"{name}MassiveJump": None}
        keys |= (
            {f"{name}Prices": []}
            if december
            else {f"{name}GameId": None, f"{name}ServerSeed": None}
        )
    coin = {"address": "0xPractice", "ticker": "FREE", "name": "Practice SOL",
            "max_bet": 10000, "max_win": 100000}  # fmt: skip
    return keys | {
        "availableShitcoins": [coin], "active": True, "price": 0.02, "rugged": True,
        "tickCount": 9, "cooldownTimer": 0, "cooldownPaused": False, "pauseMessage": "",
        "allowPreRoundBuys": False, "leaderboard": [ROW], "gameId": GAME,
        "connectedPlayers": 211, "gameVersion": "v3",
        "provablyFair": {"serverSeedHash": HASH, "version": "v3"},
    }  # fmt: skip


_WINDOW = {"startTick": 7, "endTick": 8, "values": {"7": 1.25, "8": 0.02}}
SETTLEMENT = {form: _big(form) | {"partialPrices": _WINDOW} for form in WireFormat}
SNAPSHOT = {form: _big(form) | {"prices": [1, 1.1, 1.25]} for form in WireFormat}

TRADE: dict[str, Any] = {
    "id": "11111111-2222-4333-8444-555555555555", "gameId": GAME, "playerId": PLAYER,
    "price": 1.25, "type": "buy", "qty": 0.08, "tickIndex": 7, "coin": "solana", "amount": 0.1,
    "leverage": 1, "bonusPortion": 0, "realPortion": 0.1, "username": None, "level": 7,
}  # fmt: skip
PLAYER_UPDATE: dict[str, Any] = {
    "id": PLAYER, "role": None, "cash": 0.06890460799999999, "bonusBalance": 0, "bonusWagerReq": 0,
    "bonusWagered": 0, "positionQty": 0.08, "avgCost": 1.25, "cumulativePnL": -0.000988856,
    "sidebetPnl": -0.001, "pnlPercent": -1.5, "totalInvested": 0.1, "hasInteracted": True,
    "selectedCoin": None,
    "levelInfo": {"level": 7, "xp": 10, "xpForNextLevel": 100, "totalXP": 1010},
    "crateKeys": {"gold": 0, "diamond": 0, "coal": 1, "iron": 0, "tier0": 0},
    "recentCrateRewards": [], "shitcoinBalances": {"0xPractice": 100}, "authenticated": True,
    "hitMaxWin": False, "xpBoost": {"active": False, "activeUntil": 0, "available": 0},
    "sideBet": {"startedAtTick": 5, "gameId": GAME, "end": 45, "betAmount": 0.002, "xPayout": 5,
                "coinAddress": "So11111111111111111111111111111111111111112"},
    "sidebets": [], "shortPosition": None, "leveragedPositions": [], "autobuysEnabled": False,
    "autosellPrice": None,
}  # fmt: skip
PLAYER_GAME: dict[str, Any] = {
    "gameId": GAME, "leaderboardEntry": ROW, "rugpool": {"instarugCount": 2}, "trades": [],
}  # fmt: skip
SIDEBET: dict[str, Any] = {
    "playerId": PLAYER, "gameId": GAME, "username": "ours", "level": 7, "price": 1.25,
    "betAmount": 0.002, "xPayout": 5,
    "coinAddress": "So11111111111111111111111111111111111111112", "startTick": 5, "endTick": 45,
    "tickIndex": 5, "timestamp": 1767225600000, "type": "placed",
}  # fmt: skip
SIDEBET_RESULT: dict[str, Any] = SIDEBET | {"payout": 0.01, "profit": 0.008, "type": "payout"}
LOGIN: dict[str, Any] = {"id": PLAYER, "hasUsername": True, "username": "ours"}

EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("gameStateUpdate", TICK),
    ("gameStateUpdate", START),
    ("gameStateUpdate", COUNTDOWN),
    ("gameStateUpdate", SETTLEMENT[WireFormat.DEC]),
    ("gameStateUpdate", SETTLEMENT[WireFormat.FEB]),
    ("gameStateUpdate", SNAPSHOT[WireFormat.DEC]),
    ("gameStateUpdate", SNAPSHOT[WireFormat.FEB]),
    ("gameStatePlayerUpdate", PLAYER_GAME),
    ("playerUpdate", PLAYER_UPDATE),
    ("standard/newTrade", TRADE),
    ("currentSidebet", SIDEBET),
    ("newSideBet", SIDEBET),
    ("currentSidebetResult", SIDEBET_RESULT),
    ("usernameStatus", LOGIN),
]
"""One payload of every typed event, in both formats where they differ."""


def inbound(raw: str) -> Frame:
    """Return *raw* as a received frame."""
    return Frame(RECV_NS, raw)


def event(name: str, *arguments: Any) -> Frame:
    """Return a received event with these arguments, without spaces like the venue's."""
    text = json.dumps([name, *arguments], separators=(",", ":"), ensure_ascii=False)
    return Frame(RECV_NS, f"42{text}", Direction.IN)


prices = st.floats(0, 1e7, allow_subnormal=False).map(number) | st.sampled_from([0, 1, 0.02])
entry_prices = prices.filter(bool)
money = st.integers(-(10**15), 10**15).map(sol_number)
ticks = st.integers(0, 5001)
counts = st.integers(0, 10**6)
names = st.text(max_size=8)
hashes = st.sampled_from([HASH, SEED])
times_ms = st.integers(0, 2**45)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a value or null."""
    return st.none() | values


def absent(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a value or no key."""
    return st.just(UNSET) | values


coins = st.builds(
    Coin, address=st.just("0xPractice") | names, ticker=maybe(names), name=maybe(names)
)
side_bets = st.builds(
    SideBet, started_at_tick=ticks, game_id=st.just(GAME), end=ticks, bet_amount=money,
    x_payout=st.just(5), coin_address=maybe(names), bonus_portion=absent(money),
    real_portion=absent(money),
)  # fmt: skip
shorts = st.builds(
    ShortPosition, amount=money, entry_price=entry_prices, entry_tick=ticks, current_value=money,
    pnl=money, coin_address=maybe(names),
)  # fmt: skip
rows = st.builds(
    LeaderboardRow, id=names, username=maybe(names), level=counts, pnl=money,
    regular_pnl=absent(money), sidebet_pnl=absent(money), short_pnl=absent(money),
    sidebet_active=st.sampled_from([None, True]), side_bet=maybe(side_bets),
    short_position=maybe(shorts), pnl_percent=money, position_qty=money, avg_cost=money,
    total_invested=money, selected_coin=maybe(coins), position=counts,
)  # fmt: skip
fairs = st.builds(ProvablyFair, server_seed_hash=hashes, version=st.just("v3"))
windows = st.builds(
    lambda start, values: PartialPrices(
        start_tick=start,
        end_tick=start + len(values) - 1,
        values={start + index: value for index, value in enumerate(values)},
    ),
    ticks,
    st.lists(prices, min_size=1, max_size=5),
)
tables = st.lists(rows, max_size=2).map(tuple)
price_lists = st.lists(prices, max_size=6).map(tuple)

countdowns = st.builds(
    CountdownState, game_id=names, cooldown_timer=counts, allow_pre_round_buys=st.booleans(),
    leaderboard=tables, connected_players=counts, provably_fair=fairs,
)  # fmt: skip
starts = st.builds(
    StartState, game_id=names, connected_players=counts, game_version=st.just("v3"),
    partial_prices=windows, provably_fair=fairs,
)  # fmt: skip
tick_states = st.builds(
    TickState, active=st.booleans(), price=prices, partial_prices=windows, trade_count=counts,
    rugged=st.booleans(), tick_count=ticks, average_multiplier=prices, count_2x=counts,
    count_10x=counts, count_50x=counts, count_100x=counts, leaderboard=tables, game_id=names,
    connected_players=counts, provably_fair=fairs, rug_royale=st.just(RugRoyale()),
    rugpool=st.builds(Rugpool, instarug_count=counts, threshold=counts, rugpool_amount=money),
)  # fmt: skip


@st.composite
def big_states(draw: st.DrawFn, wire_format: WireFormat) -> SettlementState | SnapshotState:
    """Return a settlement frame or a snapshot in one of the formats."""
    december = wire_format is WireFormat.DEC
    games = tuple(
        HistoryGame(
            id=OLD_GAME,
            timestamp=draw(times_ms),
            prices=draw(price_lists) if december else UNSET,
            peak_multiplier=draw(prices),
            provably_fair=RevealedSeed(server_seed=draw(hashes), server_seed_hash=draw(hashes)),
            game_version="v3",
        )
        for _ in range(draw(st.integers(0, 2)))
    )
    keys: dict[str, Any] = highest_keys(
        wire_format, game_id=OLD_GAME, server_seed=SEED, prices=(1, 2.5)
    )
    for tier in (2, 10, 50):
        keys |= god_candle_keys(wire_format, tier, peak=draw(maybe(prices)), jump=(1.5, 15))
    keys |= {
        "game_history": games, "average_multiplier": 4.5, "count_2x": 44, "count_10x": 7,
        "count_50x": 1, "count_100x": 0, "highest_today": draw(prices),
        "highest_today_timestamp": draw(times_ms), "available_shitcoins": (Coin(address="0xPractice"),),
        "active": draw(st.booleans()), "price": draw(prices), "rugged": draw(st.booleans()),
        "tick_count": draw(ticks), "cooldown_timer": draw(counts),
        "allow_pre_round_buys": draw(st.booleans()), "leaderboard": draw(tables),
        "game_id": draw(names), "connected_players": draw(counts), "game_version": "v3",
        "provably_fair": draw(fairs), "rug_royale": draw(absent(st.just(RugRoyale()))),
    }  # fmt: skip
    if draw(st.booleans()):
        return SettlementState(partial_prices=draw(windows), **keys)
    return SnapshotState(prices=draw(price_lists), **keys)


def _may_open(trade: TradePayload) -> bool:
    """Whether a trade that opens a position is valid: its price is above 0."""
    return trade.type not in ("buy", "short_open") or (
        trade.price > 0 and (trade.qty > 0 or trade.type != "buy")
    )


trades = st.builds(
    TradePayload, id=names, game_id=names, player_id=names, username=maybe(names),
    level=maybe(counts), price=prices, type=st.sampled_from(["buy", "sell", "short_open", "short_close"]),
    qty=money, tick_index=ticks, coin=maybe(names), amount=money, leverage=absent(st.integers(1, 5)),
    bonus_portion=absent(money), real_portion=absent(money), timestamp=absent(times_ms),
).filter(_may_open)  # fmt: skip
player_updates = st.builds(
    PlayerUpdatePayload, id=names, cash=money, position_qty=money, avg_cost=money,
    cumulative_pnl=money, total_invested=money, sidebet_pnl=maybe(money), bonus_balance=maybe(money),
    pnl_percent=maybe(money), selected_coin=maybe(coins), side_bet=maybe(side_bets),
    authenticated=maybe(st.booleans()), hit_max_win=maybe(st.booleans()),
    level_info=maybe(st.builds(LevelInfo, level=counts, xp=counts, total_xp=counts)),
)  # fmt: skip
player_games = st.builds(PlayerGamePayload, game_id=names, leaderboard_entry=absent(maybe(rows)))
_bet = {
    "player_id": names, "game_id": names, "bet_amount": money, "username": maybe(names),
    "price": absent(maybe(prices)), "x_payout": maybe(st.just(5)), "coin_address": maybe(names),
    "start_tick": ticks, "end_tick": ticks, "tick_index": absent(maybe(ticks)),
    "timestamp": absent(maybe(times_ms)),
}  # fmt: skip
placed_bets = st.builds(SidebetPayload, **_bet)
bet_results = st.builds(SidebetResultPayload, payout=money, profit=money, **_bet)
logins = st.builds(
    UsernameStatusPayload, id=names, has_username=maybe(st.booleans()), username=maybe(names)
)
