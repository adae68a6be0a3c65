"""The stock JavaScript socket.io-client against the server, with its default transports and by websocket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server.stock_client import stock_client
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.server import ExchangeServer, Login

SCRIPT = Path(__file__).with_name("stock_client.cjs")
PLAYER = "did:privy:stock"
LONG_GAME = 12


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the stock client; skip with a reason without node or a registry."""
    if shutil.which("node") is None:
        pytest.skip("the stock client needs node, which is absent")
    found = stock_client(tmp_path_factory.getbasetemp().parent / "stock-client")
    if isinstance(found, str):
        pytest.skip(found)
    return found.parents[2]


async def play(node_modules: Path, transports: str) -> dict[str, Any]:
    """Let the stock client play on a server and return what it saw."""
    config = ExchangeConfig(seed=LONG_GAME, crowd=30, past_games=10)
    tokens = {"secret": Login(player_id=PLAYER, username="stock")}
    async with ExchangeServer(config, tokens=tokens, speed=10) as server:
        process = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), server.url, "secret", transports,
            env={**os.environ, "NODE_PATH": str(node_modules)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


def between(log: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """Return the messages from the sending of a request to its acknowledgement, inclusive."""
    marks = [index for index, row in enumerate(log) if row.get("order") == order]
    return log[marks[0] : marks[1] + 1]


def in_order(rows: list[dict[str, Any]], *wanted: dict[str, Any]) -> bool:
    """Return whether rows with the given values come in this order, possibly with others between them."""
    rest = iter(rows)
    return all(any(want.items() <= row.items() for row in rest) for want in wanted)


@pytest.mark.parametrize("transports", ["polling,websocket", "websocket", "polling"])
async def test_the_stock_client_plays(node_modules: Path, transports: str) -> None:
    """It connects, logs in, buys, sells and sidebets; everything comes in the order of protocol 10."""
    seen = await play(node_modules, transports)
    log, orders = seen["log"], seen["orders"]
    names = [row["event"] for row in log]
    sold = 1 - 0.25
    rows = {"event": "gameStatePlayerUpdate"}

    assert log[0] == {"event": "gameStateUpdate", "traced": False, "snapshot": True}
    assert names.index("playerUpdate") < names.index("usernameStatus") < names.index("sent")
    assert in_order(
        between(log, "buy"),
        {"event": "sent"},
        {"event": "standard/newTrade", "player": PLAYER, "type": "buy", "trace": "1" * 32},
        {"event": "playerUpdate", "cash": sold},
        rows,
        {"event": "ack"},
    )
    assert in_order(
        between(log, "sell"),
        {"event": "standard/newTrade", "player": PLAYER, "type": "sell", "trace": "2" * 32},
        {"event": "playerUpdate"},
        rows,
        {"event": "ack"},
    )
    assert in_order(
        between(log, "sidebet"),
        {"event": "playerUpdate"},
        {"event": "currentSidebet", "trace": "3" * 32},
        {"event": "ack"},
    )
    assert orders["buy"] == orders["sell"] == [{"success": True}]
    assert orders["sidebet"][0]["success"] is True
    assert orders["sidebet"][0]["message"] == "Side bet placed"
    assert orders["sidebet"][0]["sidebet"]["playerId"] == PLAYER
    assert orders["ping"] == []
    assert orders["refused"][0]["success"] is False
    assert isinstance(orders["refused"][0]["message"], str)
    assert seen["transports"][-1] == transports.rpartition(",")[2]


async def test_the_stock_client_gets_the_trace_argument_where_the_venue_has_it(
    node_modules: Path,
) -> None:
    """Trades, sidebets and the name have it; states and player updates never do (protocol 2.2)."""
    log = (await play(node_modules, "websocket"))["log"]
    never = {"gameStateUpdate", "gameStatePlayerUpdate", "playerUpdate", "rugRoyaleUpdate"}
    traced = {row["event"]: row["traced"] for row in log if "traced" in row}

    assert {event for event, has in traced.items() if not has} == never
    assert {"standard/newTrade", "currentSidebet", "usernameStatus"} <= set(traced)
