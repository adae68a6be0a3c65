"""The leaderboard compared with a plain sort, with leverage, shorts, bets and both coins."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.exchange.driver import ME, Client, config, state
from tests.exchange.scenario import LONG, OTHER, SOL, account_of, ask, joined, law
from vectra_bot.exchange import EvidenceDelays
from vectra_bot.exchange.accounts import VenueAccount
from vectra_bot.game.ledger import lamports_from_double
from vectra_bot.game.shorts import ShortPayoff
from vectra_bot.wire.states import WireFormat

GAME = law()


def busy(payoff: ShortPayoff) -> Client:
    """Return a client among a crowd that short, buy with leverage, bet and practise."""
    return joined(config(seed=LONG, crowd=120, short_payoff=payoff), bonus=SOL)


def plainly_ranked(client: Client) -> list[tuple[int, VenueAccount]]:
    """Return the game's players with their PnL, best first; the order of joining breaks ties."""
    market = client.exchange._market
    pnls = [
        (account.ledger.cumulative_pnl(market.price, market.terms), account)
        for account in market.players
    ]
    return sorted(pnls, key=lambda entry: -entry[0])


@pytest.mark.parametrize("payoff", [ShortPayoff.TEXTBOOK, ShortPayoff.COMPOUNDING])
def test_every_table_is_the_plain_sort(payoff: ShortPayoff) -> None:
    """At every tick the ten best and the client's own rank are those of a full sort by PnL."""
    client = busy(payoff)
    client.until_presale()
    ask(client, "buyOrder", amount=0.05, leverage=2)
    ticks = moves = 0
    last = None
    while not client.exchange.games_rugged:
        seen = client.step()
        frame = next((f for s in seen if (f := state(s)) and f.get("active")), None)
        if frame is None or frame["rugged"] or not frame["tickCount"]:
            continue
        ticks += 1
        ranked = plainly_ranked(client)
        board = client.exchange._board
        rows = json.loads(bytes(board._staged_table))
        assert [lamports_from_double(row["pnl"]) for row in rows] == [pnl for pnl, _ in ranked[:10]]
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        own = next(pnl for pnl, account in ranked if account.player_id == ME)
        better = sum(pnl > own for pnl, _ in ranked)
        equal = sum(pnl == own for pnl, _ in ranked)
        rank = board._staged_rows[ME].position
        assert better < rank <= better + equal
        moves += rank != last
        last = rank
        if ticks % 7 == 3:
            for event in ("buyOrder", "shortOrder", "requestSidebet"):
                client.send(
                    event, {"amount": 0.01, "xPayout": 5, "leverage": 1 + ticks % 5}, after_ms=0
                )
        if ticks % 11 == 5:
            client.send("sellOrder", {"percentage": 60}, after_ms=0)
            client.send("closeShort", {}, after_ms=0)
    assert ticks == 143
    assert moves > 5


def test_parts_of_every_row_add_up() -> None:
    """In every frame ``pnl`` is the sum of its three parts, and the percentage is the venue's double."""
    client = busy(ShortPayoff.TEXTBOOK)
    client.until_tick(GAME.prices.index(max(GAME.prices)))
    ask(client, "shortOrder", amount=5)
    client.games(1)
    rows = [
        row
        for seen in client.seen
        for row in state(seen).get("leaderboard", ())
        if "regularPnl" in row
    ]
    assert len(rows) > 500
    shorts = 0
    for row in rows:
        parts = (row["regularPnl"], row["sidebetPnl"], row["shortPnl"])
        assert lamports_from_double(row["pnl"]) == sum(map(lamports_from_double, parts))
        invested = row["totalInvested"]
        assert row["pnlPercent"] == (row["pnl"] / invested * 100 if invested else 0)
        shorts += row["shortPosition"] is not None
    assert shorts


def _presale_tables(wire_format: WireFormat) -> tuple[list[list[dict[str, Any]]], str]:
    """Return the tables of the second game's presale and who placed a sidebet in the first game."""
    client = joined(config(seed=LONG, fmt=wire_format.value))
    client.exchange.connect(OTHER, "other", 100 * SOL, delays=EvidenceDelays.none())
    client.until_tick(3)
    client.exchange.request(
        client.exchange.now_ns, OTHER, '421["requestSidebet",{"amount":0.01,"xPayout":5}]'
    )
    client.games(1)
    client.seen.clear()
    client.until_presale()
    ask(client, "buyOrder", amount=0.02)
    client.until_tick(1)
    frames = [frame for seen in client.seen if (frame := state(seen))]
    tables = [
        frame["leaderboard"]
        for frame in frames
        if frame.get("allowPreRoundBuys") and "leaderboard" in frame
    ]
    return tables, account_of(client).player_id


@pytest.mark.parametrize("wire_format", list(WireFormat))
def test_a_presale_shows_buyers_and_then_the_last_games_bettors(wire_format: WireFormat) -> None:
    """Players with a sidebet in the game before follow the buyers as rows of zeros (protocol 5.2)."""
    tables, me = _presale_tables(wire_format)
    first, last = tables[0], tables[-1]
    if wire_format is WireFormat.FEB:
        assert [row["id"] for row in first] == [OTHER]
    assert [row["id"] for row in last] == [me, OTHER]
    (zero,) = [row for row in last if row["id"] == OTHER]
    assert (zero["pnl"], zero["positionQty"], zero["totalInvested"], zero["position"]) == (
        0, 0, 0, 2,
    )  # fmt: skip
    assert "regularPnl" not in zero
