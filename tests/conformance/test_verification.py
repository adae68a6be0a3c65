"""Verification of capture files: kinds by content, one difference for one wrong fact, clear errors."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.analysis import odds
from vectra_bot.conformance.crowd.recorded_games import possible_step, recorded_differences
from vectra_bot.conformance.findings import Verification
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.settled_sidebets import sidebet_differences
from vectra_bot.conformance.verification import verify_file, verify_seed
from vectra_bot.errors import InputError, UsageError
from vectra_bot.game.fair import play_game, server_seed_hash
from vectra_bot.game.ledger import Ledger, to_sol

SEEDS = [("fedde170", "20250701-a"), ("6500cdbe", "20251218-b"), ("2ac3bb0a", "20251215-c")]
Alter = Callable[[list[dict[str, Any]]], None]


# ---- small made-up captures, right in every field


def sidebet_rows(game_id: str, player: str, start: int, stake: float, rug: tuple) -> list[dict]:
    """Return the rows of one bet; a presale bet has no placed row."""
    rug_tick, rug_price = rug
    won = rug_tick <= start + 40
    payout = stake * 5 if won else 0
    common = {"playerId": player, "gameId": game_id, "betAmount": stake, "xPayout": 5}
    name = f"{player}-{start}"
    rows = [{**common, "type": "placed", "startedAtTick": start, "end": start + 40, "id": name}]
    settled = {
        **common,
        "type": "payout",
        "id": f"{name}-settled",
        "startTick": start,
        "endTick": start + 40,
        "tickIndex": rug_tick if won else start,
        "payout": payout,
        "profit": payout - stake,
    }
    if won:
        settled["price"] = rug_price
    return [*rows[: int(start > 0)], settled]


def seeded_row(seed: str, game_id: str, *, listed: bool = True) -> dict[str, Any]:
    """Return a finished game of the law as the capture has it."""
    game = play_game(seed, game_id)
    rug = (game.rug_tick, game.rug_price)
    bets: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, game.rug_tick, 23)):
        stake = (0.007, 0.001, 0.123)[number % 3]
        bets += sidebet_rows(game_id, f"player{number % 4}", start, stake, rug)
    return {
        "id": game_id,
        "gameVersion": "v3",
        "serverSeed": seed,
        "serverSeedHash": server_seed_hash(seed),
        "peakMultiplier": game.peak,
        "rugged": True,
        "rugTick": game.rug_tick,
        "rugPrice": game.rug_price,
        "prices": game.published_prices if listed else None,
        "globalTrades": [],
        "globalSidebets": bets,
    }


def recorded_row(seed: str, game_id: str) -> dict[str, Any]:
    """Return a game recorded from tick 0 to the rug."""
    game = play_game(seed, game_id)
    return {
        "game_id": game_id,
        "prices": list(game.prices),
        "rug_tick": game.rug_tick,
        "rug_price": game.rug_price,
        "complete": True,
        "recv_ms": [250 * tick for tick in range(game.rug_tick)],
    }


def trade_rows() -> list[dict[str, Any]]:
    """Return buys and sells of a ledger, and a short."""
    ledger = Ledger(10**10)
    fills = [ledger.buy(10**8, 1.2345678901, 3), ledger.buy(123_456_789, 0.98765432101, 7)]
    fills += [ledger.sell(25, 1.5123456789, 9), ledger.sell(100, 0.7123456789, 12)]
    rows = [
        {
            "gameId": "g",
            "type": fill.kind,
            "tickIndex": fill.tick,
            "price": fill.price,
            "qty": float(to_sol(fill.qty)),
            "amount": float(to_sol(fill.amount)),
            "bonusPortion": 0,
            "realPortion": float(to_sol(fill.amount)),
        }
        for fill in fills
    ]
    short = {"gameId": "g", "type": "short_open", "tickIndex": 3, "price": 1.1, "qty": 0}
    return [*rows, {**short, "amount": 0.2}]


def leaderboard_rows() -> list[dict[str, Any]]:
    """Return rows of the presale, of a holder and of a trader with a sidebet, up to the rug."""
    game = play_game(*SEEDS[0])
    holder, trader = Ledger(10**10), Ledger(10**10)
    presale = _leaderboard_row("holder", Ledger(1), 0, (1.0, 1.0))
    for part in ("regularPnl", "sidebetPnl", "shortPnl"):
        del presale["row"][part]
    holder.buy(10**8, game.prices[3], 3)
    trader.buy(10**8, game.prices[3], 3)
    trader.place_sidebet(2_000_000, 5)
    rows = [presale]
    for tick in range(4, 12):
        if tick == 8:
            trader.sell(50, game.prices[7], 7)
        both = (game.prices[tick], game.prices[tick - 1])
        rows += _frame({"holder": holder, "trader": trader}, tick, both)
    both = (game.rug_price, game.prices[-1])
    for ledger in (holder, trader):
        ledger.sell(100, game.rug_price, game.rug_tick)
    return rows + _frame({"holder": holder, "trader": trader}, game.rug_tick, both, rugged=True)


def _frame(
    ledgers: dict[str, Ledger], tick: int, both: tuple[float, float], *, rugged: bool = False
) -> list[dict[str, Any]]:
    """Return the rows of a frame in the order of PnL."""
    rows = [
        _leaderboard_row(name, ledger, tick, both, rugged=rugged)
        for name, ledger in ledgers.items()
    ]
    rows.sort(key=lambda row: -row["row"]["pnl"])
    for rank, row in enumerate(rows, start=1):
        row["row"]["position"] = rank
    return rows


def _leaderboard_row(
    player: str, ledger: Ledger, tick: int, both: tuple[float, float], *, rugged: bool = False
) -> dict[str, Any]:
    price, previous = both
    regular, sidebets = ledger.regular_pnl(previous), ledger.sidebet_pnl
    open_bet = player == "trader" and 5 <= tick < 46
    bet = {"startedAtTick": 5, "end": 45, "gameId": "g", "xPayout": 5}
    row = {
        "id": player,
        "pnl": float(to_sol(regular)) + float(to_sol(sidebets)) + 0,
        "regularPnl": float(to_sol(regular)),
        "sidebetPnl": float(to_sol(sidebets)),
        "shortPnl": 0,
        "sidebetActive": True if open_bet else None,
        "sideBet": bet if open_bet else None,
        "shortPosition": None,
        "positionQty": float(to_sol(ledger.position_qty)),
        "avgCost": float(to_sol(ledger.avg_cost)),
        "totalInvested": float(to_sol(ledger.total_invested)),
    }
    invested = row["totalInvested"]
    row["pnlPercent"] = row["pnl"] / invested * 100 if invested else 0
    facts = {"gameId": "g", "tick": tick, "rugged": rugged, "price": price, "pricePrev": previous}
    return {**facts, "row": row}


CAPTURES: dict[str, list[dict[str, Any]]] = {
    "seeded_games": [seeded_row(*key, listed=key != SEEDS[1]) for key in SEEDS],
    "recorded_prices": [recorded_row(*key) for key in SEEDS],
    "real_trades": trade_rows(),
    "leaderboard_rows": leaderboard_rows(),
}


def write(folder: Path, rows: list[dict[str, Any]], name: str = "capture.dat") -> Path:
    """Write rows as a capture; a name that ends in .gz packs them."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def altered(folder: Path, kind: str, alter: Alter) -> Verification:
    """Verify a copy of a capture with something altered."""
    rows = copy.deepcopy(CAPTURES[kind])
    alter(rows)
    return verify_file(write(folder, rows))


# ---- kinds and counts


@pytest.mark.parametrize("name", ["capture.dat", "misleading.json", "packed.gz"])
@pytest.mark.parametrize("kind", CAPTURES)
def test_kind_is_known_by_content(tmp_path: Path, kind: str, name: str) -> None:
    """Every kind is recognised whatever the file's name, plain or gzipped, and has no differences."""
    found = verify_file(write(tmp_path, CAPTURES[kind], name))
    assert (found.kind, found.ok, found.differences) == (kind, True, [])
    assert found.to_json()["file"].endswith(name)


def test_counts_of_right_captures(tmp_path: Path) -> None:
    """The counts say how many were checked and how many were exact."""
    counts = {
        kind: verify_file(write(tmp_path, rows, kind)).counts for kind, rows in CAPTURES.items()
    }
    bets = sum(b["type"] == "payout" for g in CAPTURES["seeded_games"] for b in g["globalSidebets"])
    assert counts["seeded_games"] == {
        "games": 3,
        "exact": 3,
        "sidebets": bets,
        "sidebets_exact": bets,
    }
    assert counts["recorded_prices"] == {"games": 3, "complete": 3, "exact": 3}
    assert (counts["real_trades"]["buys"], counts["real_trades"]["buys_exact"]) == (2, 2)
    assert (counts["real_trades"]["sells"], counts["real_trades"]["shorts"]) == (2, 1)
    assert counts["real_trades"]["sells_max_diff_lamports"] <= 3
    assert counts["leaderboard_rows"] == {
        "rows": 19,
        "percent_exact": 19,
        "sum_rows": 18,
        "sum_exact": 18,
        "open_positions": 8,
        "open_within_3_lamports": 8,
        "open_rows": 16,
        "open_compared": 16,
    }


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("seeded_games.jsonl.gz", [("exact", "games"), ("sidebets_exact", "sidebets")]),
        ("recorded_prices.jsonl.gz", [("exact", "complete")]),
        ("real_trades.jsonl", [("buys_exact", "buys")]),
        ("leaderboard_rows.jsonl.gz", [("percent_exact", "rows"), ("sum_exact", "sum_rows")]),
    ],
)
def test_real_captures_are_exact(real_data: Path, name: str, counts: list[tuple[str, str]]) -> None:
    """Every real capture agrees with the law in every row."""
    found = verify_file(real_data / name)
    assert found.ok, found.differences[:3]
    for exact, all_of_them in counts:
        assert found.counts[exact] == found.counts[all_of_them] > 0


# ---- one wrong fact, one difference


def test_four_wrong_facts_give_four_differences(tmp_path: Path) -> None:
    """A price, a hash, a rug tick and a payout altered are named, with game, tick and both values."""

    def alter(rows: list[dict[str, Any]]) -> None:
        rows[0]["prices"][7] = 9.5
        rows[1]["serverSeedHash"] = "0" * 64
        rows[2]["rugTick"] += 1
        payout = next(b for b in rows[2]["globalSidebets"] if b["type"] == "payout")
        payout["payout"] = 77

    right = CAPTURES["seeded_games"]
    bet = next(b for b in right[2]["globalSidebets"] if b["type"] == "payout")
    found = [d.to_json() for d in altered(tmp_path, "seeded_games", alter).differences]
    told = [(d["game"], d["line"], d["tick"], d["what"], d["expected"], d["found"]) for d in found]
    rug_tick = right[2]["rugTick"]
    assert told == [
        (right[0]["id"], 1, 7, "price", right[0]["prices"][7], 9.5),
        (right[1]["id"], 2, None, "serverSeedHash", right[1]["serverSeedHash"], "0" * 64),
        (right[2]["id"], 3, rug_tick, "rugTick", rug_tick, rug_tick + 1),
        (right[2]["id"], 3, bet["tickIndex"], "payout", bet["payout"], 77),
    ]
    assert found[3]["sidebet"] == bet["id"]


@pytest.mark.parametrize(
    ("kind", "path", "value", "expected"),
    [
        ("seeded_games", (0, "peakMultiplier"), 3.5, ("peakMultiplier", None)),
        ("seeded_games", (0, "rugPrice"), 0.5, ("rugPrice", "rug")),
        ("seeded_games", (0, "serverSeed"), "x", ("serverSeed", None)),
        ("seeded_games", (0, "gameVersion"), "v2", ("gameVersion", None)),
        ("seeded_games", (0, "id"), "20250701-z", ("id", None)),
        ("seeded_games", (1, "id"), "20250701-z", ("id", None)),
        ("seeded_games", (1, "serverSeed"), "x", ("serverSeed", None)),
        ("recorded_prices", (0, "rug_tick"), 7, ("rug_tick", "rug")),
        ("recorded_prices", (0, "rug_price"), 0.0123, ("rug_price", "rug")),
        ("recorded_prices", (0, "prices", 0), 1.5, ("price", 0)),
        ("recorded_prices", (0, "prices", 5), 4.5, ("price", 5)),
        ("recorded_prices", (0, "prices", 5), 0.01, ("price", 5)),
        ("recorded_prices", (0, "prices", 5), None, ("price", 5)),
        ("real_trades", (0, "qty"), 0.5, ("qty", 3)),
        ("real_trades", (0, "amount"), 0.11, ("amount", 3)),
        ("real_trades", (0, "realPortion"), 0.11, ("realPortion + bonusPortion", 3)),
        ("real_trades", (2, "amount"), 0.5, ("amount", 9)),
        ("real_trades", (2, "realPortion"), 0.01, ("realPortion + bonusPortion", 9)),
        ("leaderboard_rows", (1, "row", "pnl"), 0.5, ("pnl", 4)),
        ("leaderboard_rows", (1, "row", "pnlPercent"), 0.5, ("pnlPercent", 4)),
        (
            "leaderboard_rows",
            (1, "row", "shortPnl"),
            0.5,
            ("regularPnl + sidebetPnl + shortPnl", 4),
        ),
    ],
)
def test_one_wrong_fact_is_named_alone(
    tmp_path: Path, kind: str, path: tuple, value: object, expected: tuple
) -> None:
    """One altered fact gives exactly one difference, by its name and tick."""

    def alter(rows: list[dict[str, Any]]) -> None:
        target: Any = rows
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    (found,) = altered(tmp_path, kind, alter).differences
    what, tick = expected
    rug_tick = len(CAPTURES["recorded_prices"][0]["prices"])
    assert (found.difference.what, found.difference.tick) == (
        what,
        rug_tick if tick == "rug" else tick,
    )
    assert found.line == path[0] + 1


def test_a_shifted_list_is_said_once(tmp_path: Path) -> None:
    """A missing or added entry is one difference in both kinds that list prices."""

    def drop(rows: list[dict[str, Any]]) -> None:
        del rows[0]["prices"][4]

    def add(rows: list[dict[str, Any]]) -> None:
        rows[0]["prices"].insert(4, 55.5)

    for kind in ("seeded_games", "recorded_prices"):
        for alter in (drop, add):
            (found,) = altered(tmp_path, kind, alter).differences
            assert found.difference.what == "price count"


PAYOUT_KEYS = ("startTick", "endTick", "tickIndex", "payout", "profit", "xPayout", "betAmount")
PLACED_KEYS = ("startedAtTick", "end", "betAmount", "xPayout")


@given(st.data())
def test_one_wrong_field_of_a_sidebet_is_named_alone(data: st.DataObject) -> None:
    """Whatever field of whatever bet is wrong, one difference names its row."""
    game = CAPTURES["seeded_games"][data.draw(st.sampled_from([0, 2]))]
    bets = [dict(bet) for bet in game["globalSidebets"]]
    bet = data.draw(st.sampled_from(bets))
    placed = bet["type"] == "placed"
    key = data.draw(st.sampled_from(PLACED_KEYS if placed else PAYOUT_KEYS))
    right = bet[key]
    ticks = ("startTick", "endTick", "tickIndex", "startedAtTick", "end")
    by = data.draw(st.integers(1, 60)) if key in ticks else 0.0625
    bet[key] = right + by
    rows = [Row(row, "capture, line 1", 1) for row in bets]
    settled, wrong = sidebet_differences(rows, game["id"], game["rugTick"], game["rugPrice"])
    assert settled == sum(row["type"] == "payout" for row in bets)
    ((_, found),) = wrong
    if key == "betAmount" and not placed and bet["startTick"] == 0 and not bet["payout"]:
        # A lost presale bet states its stake twice and no more: either may be the wrong one.
        assert found.what in ("betAmount", "profit")
    else:
        assert found.what == ("placed " if placed else "") + key
        assert (found.expected, found.found) == (right, right + by)


@pytest.mark.parametrize("rug_tick", [49, 50, 51])
def test_a_bet_is_decided_at_its_end(rug_tick: int) -> None:
    """A paid bet of tick 10 is correct up to a rug at tick 50 and wrong from 51 on."""
    paid = sidebet_rows("g", "p", 10, 0.01, (min(rug_tick, 50), 0.02))
    rows = [Row(row, "capture, line 1", 1) for row in paid]
    _, wrong = sidebet_differences(rows, "g", rug_tick, 0.02)
    assert bool(wrong) == (rug_tick > 50)


# ---- steps of the law


@settings(settings.get_profile("costly"))
@given(st.text(max_size=6))
def test_every_step_of_the_law_is_possible(seed: str) -> None:
    """No game of the law leaves the bands, and its recording has no differences."""
    game = play_game(seed, "bands")
    prices = game.prices[:400]
    assert all(possible_step(a, b) for a, b in pairwise(prices))
    row = recorded_row(seed, "bands")
    assert not recorded_differences(Row(row, "capture, line 1", 1))


@pytest.mark.parametrize(
    ("after", "possible"),
    [(1.0, True), (1.0349, True), (1.04, False), (1.15, True), (1.26, False), (0.7, False)],
)
def test_bands_of_a_step(after: float, possible: bool) -> None:
    """From price 1 a step is quiet (-2.5 to +3.5 %), big (15 to 25 %) or a candle (x10)."""
    assert possible_step(1.0, after) is possible
    assert possible_step(1.0, 10.0)
    assert not possible_step(101.0, 1010.0)


def test_an_incomplete_game_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    """A game with missed ticks counts as incomplete; its rug price must not be above the law's."""

    def hole(rows: list[dict[str, Any]]) -> None:
        rows[0]["complete"] = False
        rows[0]["prices"][3] = None

    def too_high(rows: list[dict[str, Any]]) -> None:
        hole(rows)
        rows[0]["rug_price"] = 0.9

    found = altered(tmp_path, "recorded_prices", hole)
    assert (found.ok, found.counts["complete"], found.counts["exact"]) == (True, 2, 2)
    (difference,) = altered(tmp_path, "recorded_prices", too_high).differences
    assert difference.difference.what == "rug_price"


# ---- what cannot be used


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: give a capture"),
        (b"\n\n", "is empty"),
        (b"[1, 2]\n", "line 1: was .*not an object"),
        (b"{\n", "line 1: not JSON"),
        (b"{}\xff\xfe\n", "line 1: not UTF-8"),
        (b"\xff\xfe{}\n", "line 1: the text is truncated"),
        (
            b'{"event": "gameStateUpdate"}\n',
            "line 1: unknown kind of row .*a capture of frames, or a journal",
        ),
        (b"[" * 100_000, "line 1: not JSON"),
        (b"\x1f\x8b\x08\x00corrupt", "gzip data is corrupt"),
        (gzip.compress(b'{"tickIndex": 1}\n' * 999, mtime=0)[:-9], "line 1: type is missing"),
        (b'{"serverSeed": 5}\n', "line 1: serverSeed was 5: it must be a text"),
        (b'{"row": [], "tick": 1}\n', "line 1: row was .*must be an object"),
    ],
)
def test_unusable_files_are_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """A file that cannot be used gives one line with file, line and remedy."""
    path = tmp_path / "capture.dat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        verify_file(path)
    assert "capture.dat" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("prices", [1, "x"]),
        ("prices", []),
        ("prices", [1, None]),
        ("rugTick", 1.5),
        ("rugTick", True),
        ("rugPrice", float("inf")),
        ("rugPrice", float("nan")),
        ("peakMultiplier", 10**400),
        ("gameVersion", "v9"),
        ("globalSidebets", [1]),
        ("globalSidebets", [{"type": "won"}]),
        ("rugTick", None),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, key: str, value: object) -> None:
    """A field of the wrong type is refused with its line, never taken for a difference."""

    def alter(rows: list[dict[str, Any]]) -> None:
        rows[1][key] = value

    with pytest.raises(InputError, match=f"line 2: {key}"):
        altered(tmp_path, "seeded_games", alter)


def test_a_line_of_another_kind_is_named(tmp_path: Path) -> None:
    """A file of mixed kinds is refused at the first line that does not fit."""
    rows = [*CAPTURES["real_trades"], CAPTURES["leaderboard_rows"][0]]
    with pytest.raises(InputError, match="line 6: tickIndex is missing"):
        verify_file(write(tmp_path, rows))


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    """A gzipped file that is truncated is corrupt, not short."""
    whole = write(tmp_path, CAPTURES["seeded_games"], "c.gz").read_bytes()
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="gzip data is corrupt"):
        verify_file(cut)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    """A missing path and a directory are refused."""
    with pytest.raises(InputError, match="does not exist"):
        verify_file(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a directory"):
        verify_file(tmp_path)


# ---- a seed and a list of prices


def test_the_game_of_a_seed() -> None:
    """A seed gives the published list: live prices, then the rug price at index rug_tick."""
    found = verify_seed(*SEEDS[0])
    game = play_game(*SEEDS[0])
    assert found.ok
    assert found.prices == [*game.prices, game.rug_price]
    assert found.prices[found.rug_tick] == found.rug_price
    assert found.live_prices == found.rug_tick == game.rug_tick
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    with pytest.raises(UsageError, match="'v0'"):
        verify_seed(*SEEDS[0], version="v0")


@pytest.mark.parametrize("rug", [True, False])
@pytest.mark.parametrize("form", ["list", "lines", "packed"])
def test_prices_of_a_file(tmp_path: Path, form: str, rug: bool) -> None:
    """A list or lines, packed or not, with the rug price or without, are compared bit for bit."""
    game = play_game(*SEEDS[0])
    prices = game.published_prices if rug else list(game.prices)
    lines = "".join(f"{price!r}\n" for price in prices)
    path = tmp_path / "prices"
    text = json.dumps(prices, indent=1) if form == "list" else lines
    path.write_bytes(gzip.compress(text.encode()) if form == "packed" else text.encode())
    found = verify_seed(*SEEDS[0], prices_file=path)
    assert (found.to_json()["prices_match"], found.first_difference) == (True, None)
    path.write_text(json.dumps([*prices[:5], 7.5, *prices[6:]]))
    found = verify_seed(*SEEDS[0], prices_file=path)
    assert not found.ok
    assert found.first_difference == {"tick": 5, "expected": prices[5], "found": 7.5}
    path.write_text(json.dumps(prices[:5]))
    cut = verify_seed(*SEEDS[0], prices_file=path)
    assert cut.first_difference == {"tick": 5, "expected": prices[5], "found": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no prices"),
        ("[]", "has no prices"),
        ("[1, null]", "price 1: was null"),
        ("1\nx\n", "line 2: not JSON"),
        ("1\n1e999\n", "line 2: was Infinity"),
        ("[1, 2", "not JSON"),
    ],
)
def test_prices_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    """A list that is not of finite numbers is refused with the place."""
    path = tmp_path / "prices"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        verify_seed(*SEEDS[0], prices_file=path)
    with pytest.raises(InputError, match="does not exist"):
        verify_seed(*SEEDS[0], prices_file=tmp_path / "nothing")


# ---- odds


def test_exact_odds() -> None:
    """Survival, sidebet and holding follow the law's formulas."""
    assert odds.survival(0) == 1
    assert odds.survival(40) + odds.rug_within(40) == 1
    assert odds.sidebet_win_chance() == pytest.approx(0.18168, abs=1e-5)
    assert odds.sidebet_return() == pytest.approx(-0.0916, abs=1e-5)
    assert odds.median_rug_tick() == 139
    worst, best = odds.holding_return_range()
    assert worst == pytest.approx(-0.000646875, abs=1e-12)
    assert best == pytest.approx(-0.000457369, abs=1e-9)
    for bad in ((1.0, 2.0), (1.0, 0.0), (3.0, 1.5)):
        with pytest.raises(UsageError, match="low"):
            odds.holding_return(*bad)
    with pytest.raises(UsageError, match="-1"):
        odds.survival(-1)


@given(st.floats(0.001, 5000), st.floats(0.001, 1))
def test_holding_lies_within_its_range(price: float, share: float) -> None:
    """The expectation of one tick is never outside the range that odds states."""
    worst, best = odds.holding_return_range()
    assert worst <= odds.holding_return(price, min(price, 1.0) * share) <= best


@given(st.integers(0, 400), st.integers(0, 400))
def test_survival_forgets(first: int, second: int) -> None:
    """The chance to live does not depend on how long the game has lived."""
    both = odds.survival(first) * odds.survival(second)
    assert odds.survival(first + second) == pytest.approx(both, rel=1e-12)
