"""Players of a store: the trade stream joined with prices, final leaderboards and sidebets."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from tests.imports.samples import GAME, SEED, seeded_row, trade_row, write_lines
from tests.store.samples import SESSION, tick_document, trade_document
from tests.store.stores import write_documents
from vectra_bot.analysis.players.games import FinalRow, ObservedGame, ObservedSidebet
from vectra_bot.analysis.players.judge import PlayerJudge, Standards
from vectra_bot.analysis.players.simulated import SimulatedGames
from vectra_bot.analysis.players.stored import StoredGames
from vectra_bot.game.fair import play_game
from vectra_bot.models import DocType, GamePhase
from vectra_bot.models.envelope import Document
from vectra_bot.models.system import WsEvent
from vectra_bot.store.query.catalog import open_store

GAMES = 3


def games_of(store: Path) -> tuple[dict[str, ObservedGame], int]:
    """Return the games of a store by id, and how much could not be read."""
    stored = StoredGames()
    with open_store(store) as catalog:
        found = list(stored.read(catalog))
    assert len({game.game_id for game in found}) == len(found)
    return {game.game_id: game for game in found}, stored.unreadable


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a session that watches three games."""
    folder = tmp_path_factory.mktemp("players")
    vectra_bot.run(
        "watch", games=GAMES, seed=5, side_games=False, store=folder, session_id="S", speed="max"
    )
    return folder


def test_a_store_says_what_happened(store: Path) -> None:
    """Sidebets, final leaderboard and prices are those of the games as played; trades are among them."""
    found, unreadable = games_of(store)
    assert unreadable == 0
    judged = 0
    for game in SimulatedGames(5).play(GAMES - 1):
        seen = found[game.game_id]
        assert list(seen.prices) == list(game.prices)
        assert (seen.rug_tick, seen.rug_price) == (game.rug_tick, game.rug_price)
        assert sorted(seen.sidebets, key=str) == sorted(game.sidebets, key=str)
        assert sorted(row.pnl for row in seen.table) == sorted(row.pnl for row in game.table)
        assert {trade.player_id for trade in seen.trades} <= {t.player_id for t in game.trades}
        whole = {attrs.astuple(trade) for trade in game.trades}
        assert {attrs.astuple(trade) for trade in seen.trades} <= whole
        assert seen.trade_count is not None
        assert len(seen.trades) < seen.trade_count <= len(game.trades)
        assert seen.names.items() <= game.names.items()
        judged += len(seen.trades)
    assert judged > 10


def test_two_sessions_of_one_game_count_once(store: Path, tmp_path: Path) -> None:
    """A trade, price or list that several sessions saw is the same one."""
    one, _ = games_of(store)
    for session in ("A", "B"):
        vectra_bot.run(
            "watch", games=1, seed=5, side_games=False, store=tmp_path, session_id=session, speed="max"
        )  # fmt: skip
    both, unreadable = games_of(tmp_path)
    assert unreadable == 0
    assert both.keys() < one.keys()
    for game_id, game in both.items():
        assert game == one[game_id]


def test_imported_games_and_trades_are_joined(tmp_path: Path) -> None:
    """Finished games with their sidebets, and trades from another file, are one game."""
    bet = {
        "type": "payout", "playerId": "did:privy:z", "username": "zoe", "gameId": GAME, "betAmount": 0.01,
        "payout": 0.05, "profit": 0.04, "xPayout": 5, "startTick": 140, "endTick": 180, "tickIndex": 179,
        "coinAddress": "So11111111111111111111111111111111111111112", "timestamp": 1, "id": "b-1",
        "price": 0.01,
    }  # fmt: skip
    placed = {**bet, "type": "placed", "startedAtTick": 140, "end": 180}
    rows = [bet, placed, {**bet, "coinAddress": "0xPractice"}]
    games = write_lines(tmp_path / "games.jsonl", [seeded_row(globalSidebets=rows)])
    trades = write_lines(tmp_path / "trades.jsonl", [trade_row(1), trade_row(2, username="yves")])
    vectra_bot.import_files([games, trades], tmp_path / "store")
    found, unreadable = games_of(tmp_path / "store")
    game = found[GAME]
    law = play_game(SEED, GAME)
    assert unreadable == 0
    assert (list(game.prices), game.rug_tick, game.rug_price) == (
        list(law.prices), law.rug_tick, law.rug_price,
    )  # fmt: skip
    assert game.sidebets == [
        ObservedSidebet("did:privy:z", 140, 180, 10_000_000, 50_000_000),
        ObservedSidebet("did:privy:z", 140, 180, 10_000_000, 50_000_000, practice=True),
    ]
    assert game.names == {"did:privy:z": "zoe", "did:privy:y": "yves"}
    assert [(trade.kind, trade.tick, trade.amount) for trade in game.trades] == [
        ("BUY", 127, 100_000_000)
    ] * 2


def frame(payload: dict[str, Any] | str) -> Document:
    """Return a stored ``gameStateUpdate`` frame."""
    raw = payload if isinstance(payload, str) else f'42["gameStateUpdate",{json.dumps(payload)}]'
    event = WsEvent(direction="in", event_name="gameStateUpdate", trace_id=None, raw_json=raw)
    return Document(doc_type=DocType.WS_EVENT, record=event, ts_ns=1, source="wire", game_id="g-1")


ROW = {
    "id": "p", "username": "paul", "level": 1, "pnl": 0.5, "pnlPercent": 1.0, "positionQty": 0,
    "avgCost": 0, "totalInvested": 1, "position": 1,
}  # fmt: skip


def test_only_the_end_of_a_game_has_its_final_leaderboard(tmp_path: Path) -> None:
    """The first leaderboard after the rug counts; one of a running game, or broken rows, do not."""
    running = {"gameId": "g-1", "rugged": False, "leaderboard": [ROW], "gameHistory": []}
    ended = {"gameId": "g-1", "rugged": True, "leaderboard": [ROW, {"id": 5}], "gameHistory": []}
    later = {**ended, "leaderboard": [{**ROW, "pnl": 9.0}]}
    documents = [
        frame(running),
        frame(ended),
        frame(later),
        frame('42["gameStateUpdate",{"gameHistory":'),
        frame('42["gameStateUpdate",{"gameId":1,"gameHistory":[]}]'),
        frame({"gameId": "g-2", "gameHistory": [{"id": "g-3", "globalSidebets": {}}]}),
        trade_document("p", "BUY", "0.1", "1.5", "g-1"),
    ]
    write_documents(tmp_path, documents)
    found, unreadable = games_of(tmp_path)
    assert found["g-1"].table == [FinalRow("p", 500_000_000)]
    assert found["g-1"].names == {"p": "name of p"}
    assert unreadable == 4
    assert found.keys() == {"g-1"}


def test_a_missed_price_stays_missing(tmp_path: Path) -> None:
    """Prices that no session saw are None; those of the rug are apart."""
    ticks = [
        tick_document(0, 1.0),
        tick_document(2, 1.2),
        tick_document(3, 0.02, phase=GamePhase.RUGGED, trade_count=9),
        tick_document(5, 0.02, phase=GamePhase.RUGGED, trade_count=9),
    ]
    write_documents(tmp_path, ticks)
    game = games_of(tmp_path)[0]["g-1"]
    assert game.prices == [1.0, None, 1.2]
    assert (game.rug_tick, game.rug_price, game.trade_count) == (3, 0.02, 9)


def test_an_empty_store_has_no_players(tmp_path: Path) -> None:
    """Without documents there are no games."""
    write_documents(tmp_path, [tick_document(0, 1.0)], SESSION)
    judge = PlayerJudge()
    for game in games_of(tmp_path)[0].values():
        judge.add(game)
    report = judge.report(Standards())
    assert report.players == ()
    assert (report.seen.games, report.win_rate_mean, report.edge_of_all) == (1, None, None)
    assert report.rules[0].expected_by_luck is None
    assert Decimal(str(report.level)) == Decimal("0.01")


def test_nobody_beats_the_law_in_real_captures(real_data: Path, tmp_path: Path) -> None:
    """Of 2,246 real sidebets of 239 players luck explains every player, as the law says."""
    names = ("seeded_games.jsonl.gz", "raw_frames.jsonl.gz", "real_trades.jsonl")
    vectra_bot.import_files([real_data / name for name in names], tmp_path)
    report = vectra_bot.players(tmp_path)
    assert (report.seen.sidebets, report.seen.trades, report.seen.unreadable) == (2_246, 72, 0)
    assert (report.tested, report.anomalies) == (239, 0)
    assert report.players[0].log10_e < 2
    assert report.records > 20
