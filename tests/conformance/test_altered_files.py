"""Copies of right files with one value, key or row altered: each alteration is named.

What is not named is listed here with its reason: nothing else in the file states it.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_verification import CAPTURES, write
from vectra_bot.conformance.findings import FileDifference
from vectra_bot.conformance.verification import verify_file
from vectra_bot.errors import InputError

Rows = list[dict[str, Any]]
Place = tuple[Any, ...]
Change = Callable[[Any, Any], None]

STATED_ONCE = {
    "seeded_games": {
        "source": "where the row is from",
        "globalSidebets.id": "a random id",
        "globalSidebets.playerId": "a lost bet of the presale has one row",
        "globalSidebets.username": "a bet of the presale has one row",
        "globalSidebets.level": "a player's level is nowhere else",
        "globalSidebets.timestamp": "rows are in its order, its value is nowhere else",
        "timestamp": "not before the last sidebet, its value is nowhere else",
    },
    "recorded_prices": {
        "game_id": "a random id",
        "recv_ms": "times at the receiver",
        "rug_recv_ms": "times at the receiver",
        "settle_recv_ms": "times at the receiver",
        "settle_tick": "counts on after the rug",
        "dup_frames": "a fact about the recorder",
        "trade_count": "there is no complete record of trades",
        "rug_trade_count": "there is no complete record of trades",
    },
    "real_trades": {
        "id": "a random id",
        "gameId": "a trade alone does not say which prices a game has",
        "tickIndex": "a trade alone does not say which prices a game has",
        "playerId": "a trade alone does not say whose it is",
        "username": "a trade alone does not say whose it is",
        "level": "a player's level is nowhere else",
        "leverage": "not in the quantity",
        "_recv": "a fact about the recorder",
        "_capture": "a fact about the recorder",
    },
    "leaderboard_rows": {
        "gameId": "a random id",
        "capture": "a fact about the recorder",
        "row.id": "a random id",
        "row.username": "a name",
        "row.level": "a player's level is nowhere else",
        "row.shortPosition": "the payoff of shorts is unknown",
        "row.sideBet": "sidebets are not complete in a leaderboard",
        "row.sideBet.betAmount": "sidebets are not complete in a leaderboard",
        "row.sideBet.bonusPortion": "sidebets are not complete in a leaderboard",
        "row.sideBet.realPortion": "sidebets are not complete in a leaderboard",
        "row.sideBet.coinAddress": "sidebets are not complete in a leaderboard",
        "row.selectedCoin": "does not change the arithmetic",
        "row.position": "a frame may have more rows than the file",
        "row.avgCost": "a trade may change it from one row to the next",
    },
}
"""Fields by kind of file that one altered value cannot contradict, each with the reason."""
OPTIONAL = {
    "pricesOnWire", "row.sidebetActive", "coinAddress", "price", "coin", "row.hasActiveTrades",
}  # fmt: skip
SHORTS = ("short_open", "short_close")


def leaves(value: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the path of every value that is neither an object nor a list."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def other(value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return "x" + value[1:]
    return 1 if value is None else value + 1 if isinstance(value, int) else value * 1.5 + 1


def put(target: Any, key: Any) -> None:
    target[key] = other(target[key])


def delete(target: Any, key: Any) -> None:
    del target[key]


def empty(target: Any, key: Any) -> None:
    target[key] = None


def named(folder: Path, rows: Rows) -> list[FileDifference] | str:
    """Return the differences of a file of *rows*, or the line that refuses it."""
    try:
        return verify_file(write(folder, rows)).differences
    except InputError as error:
        return str(error)


def field_of(path: Place) -> str:
    return ".".join(key for key in path if isinstance(key, str))


def sampled(rows: Rows, kind: str, most: int) -> Iterator[tuple[int, Place]]:
    """Yield places of values: at most *most* of each field and type of row, those stated once excluded."""
    groups: defaultdict[tuple[Any, ...], list[tuple[int, Place]]] = defaultdict(list)
    for index, row in enumerate(rows):
        if row.get("type") in SHORTS:
            continue
        for path in leaves(row):
            name = field_of(path)
            once = STATED_ONCE[kind]
            if not any(name == field or name.startswith(f"{field}.") for field in once):
                inner = row["globalSidebets"][path[1]] if path[0] == "globalSidebets" else row
                groups[name, inner.get("type"), bool(inner.get("payout"))].append((index, path))
    rng = random.Random(5)
    for places in groups.values():
        yield from rng.sample(places, min(most, len(places)))


def check_values(folder: Path, rows: Rows, kind: str, most: int) -> None:
    """Alter, delete and empty values one at a time, and require that each copy is refused or differs."""
    assert named(folder, rows) == []
    silent = []
    for index, path in sampled(rows, kind, most):
        for change in (put, delete, empty):
            changed = copy.deepcopy(rows)
            target: Any = changed[index]
            for key in path[:-1]:
                target = target[key]
            if change is empty and target[path[-1]] is None:
                continue
            if change is delete and (path[-1] in OPTIONAL or field_of(path) in OPTIONAL):
                continue
            change(target, path[-1])
            if named(folder, changed) == []:
                silent.append((change.__name__, index, path))
    assert silent == []


@pytest.mark.parametrize("kind", CAPTURES)
def test_altered_value_is_named(tmp_path: Path, kind: str) -> None:
    """Whatever value of a file is changed, missing or null, verify names a difference or refuses the line."""
    rows = CAPTURES[kind]
    if kind in ("seeded_games", "recorded_prices"):
        rows = sorted(rows, key=lambda row: row.get("rugTick", row.get("rug_tick")))[:1]
    check_values(tmp_path, rows, kind, 8)


@pytest.mark.parametrize("kind", CAPTURES)
def test_repeated_row_is_named(tmp_path: Path, kind: str) -> None:
    """A row that is in the file twice is named."""
    rows = copy.deepcopy(CAPTURES[kind])
    for row in rows:
        if kind == "real_trades":
            row["id"] = f"trade {row['tickIndex']} {row['type']}"
    for index in range(1, len(rows)):
        (found,) = named(tmp_path, [*rows[: index + 1], *rows[index:]])
        assert found.line in (index + 1, index + 2)


# ---- sidebets: exactly one payout row for each placed row


def bets_without(
    rows: Rows, wanted: Callable[[dict[str, Any]], bool], *, times: int
) -> tuple[Rows, str]:
    """Return the games with the first bet row that is *wanted* there *times* times, and its id."""
    changed = copy.deepcopy(rows)
    bets = changed[0]["globalSidebets"]
    index = next(i for i, bet in enumerate(bets) if wanted(bet))
    bet = bets[index]
    copies = [{**bet, "id": f"{bet['id']}{'+' * n}"} for n in range(times)]
    bets[index : index + 1] = copies
    return changed, bet["id"]


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize(
    ("kind", "times", "what", "found"),
    [
        ("payout", 0, "payout rows", 0),
        ("payout", 2, "payout rows", 2),
        ("placed", 0, "placed rows", 0),
        ("placed", 2, "placed rows", 2),
    ],
)
def test_sidebet_rows_that_are_missing_or_repeated_are_named(
    tmp_path: Path, won: bool, kind: str, times: int, what: str, found: int
) -> None:
    """Every placed sidebet has exactly one payout row, every payout after the presale one placed row."""
    rows = CAPTURES["seeded_games"]
    rug = rows[0]["rugTick"]

    def wanted(bet: dict[str, Any]) -> bool:
        start = bet.get("startTick", bet.get("startedAtTick"))
        return bool(bet["type"] == kind and start > 0 and (start + 40 >= rug) is won)

    changed, _ = bets_without(rows, wanted, times=times)
    (difference,) = named(tmp_path, changed)
    assert (difference.difference.what, difference.difference.found) == (what, found)
    assert difference.difference.expected == 1


def test_repeated_sidebet_is_named(tmp_path: Path) -> None:
    """A player has one sidebet at a time: a bet with all its rows repeated overlaps itself."""
    changed = copy.deepcopy(CAPTURES["seeded_games"])
    bets = changed[0]["globalSidebets"]
    start = next(bet["startTick"] for bet in bets if bet["type"] == "payout" and bet["startTick"])
    mine = [b for b in bets if start in (b.get("startTick"), b.get("startedAtTick"))]
    bets += [{**bet, "id": f"{bet['id']}+"} for bet in mine]
    (difference,) = named(tmp_path, changed)
    assert difference.difference.what == "open sidebets"


# ---- leaderboard: what the row itself cannot contradict


def with_pnl(row: dict[str, Any], lamports: int) -> None:
    """Change the PnL of a row with its parts and its percentage."""
    inner = row["row"]
    inner["regularPnl"] = round(inner["regularPnl"] + lamports / 1e9, 9)
    inner["pnl"] = inner["regularPnl"] + inner["sidebetPnl"] + inner["shortPnl"]
    inner["pnlPercent"] = inner["pnl"] / inner["totalInvested"] * 100


@pytest.mark.parametrize("lamports", [30, -30, 5_000, -5_000, 10**7, -(10**7)])
def test_pnl_of_an_open_position_beyond_its_tolerance_is_named(
    tmp_path: Path, lamports: int
) -> None:
    """A PnL whose sum and percentage are right is compared with the price and the position's other rows."""
    for index, row in enumerate(CAPTURES["leaderboard_rows"]):
        if not row["row"]["positionQty"]:
            continue
        changed = copy.deepcopy(CAPTURES["leaderboard_rows"])
        with_pnl(changed[index], lamports)
        (found,) = named(tmp_path, changed)
        assert (found.line, found.difference.what) == (index + 1, "regularPnl")


def test_rounding_of_an_open_position_is_no_difference(tmp_path: Path) -> None:
    """A few lamports are the rounding of lots."""
    changed = copy.deepcopy(CAPTURES["leaderboard_rows"])
    with_pnl(changed[3], 3)
    assert named(tmp_path, changed) == []


def test_rugged_is_compared_with_the_fall_of_the_price(tmp_path: Path) -> None:
    """A live row that says rugged, and a rug row that does not, are named."""
    rows = CAPTURES["leaderboard_rows"]
    for index, row in enumerate(rows[1:], start=1):
        changed = copy.deepcopy(rows)
        changed[index]["rugged"] = not row["rugged"]
        (found,) = named(tmp_path, changed)
        assert (found.line, found.difference.what) == (index + 1, "rugged")
        assert found.difference.expected is row["rugged"]


@pytest.mark.parametrize("key", ["positionQty", "avgCost", "totalInvested"])
def test_position_that_differs_from_the_rows_around_it_is_named(tmp_path: Path, key: str) -> None:
    """A position that is the same before and after a row is the same in it."""
    changed = copy.deepcopy(CAPTURES["leaderboard_rows"])
    index = next(
        i for i, row in enumerate(changed) if (row["tick"], row["row"]["id"]) == (6, "holder")
    )
    inner = changed[index]["row"]
    inner[key] = inner[key] * 2
    inner["pnlPercent"] = inner["pnl"] / inner["totalInvested"] * 100
    first = named(tmp_path, changed)[0]
    assert (first.line, first.difference.what) == (index + 1, key)


# ---- the real files


def real_rows(folder: Path, name: str) -> Rows:
    opened = gzip.open if name.endswith(".gz") else open
    with opened(folder / name, "rt") as lines:
        return [json.loads(line) for line in lines]


def test_altered_value_of_real_files_is_named(tmp_path: Path, real_data: Path) -> None:
    """The same of real games with and without prices, of real trades, recordings and leaderboards."""
    games = [g for g in real_rows(real_data, "seeded_games.jsonl.gz") if g["rugTick"] > 60]
    games.sort(key=lambda game: len(game["globalSidebets"]))
    for game in (next(g for g in games if g["prices"]), next(g for g in games if not g["prices"])):
        check_values(tmp_path, [game], "seeded_games", 3)
    check_values(tmp_path, real_rows(real_data, "real_trades.jsonl"), "real_trades", 4)
    recorded = real_rows(real_data, "recorded_prices.jsonl.gz")
    short = sorted((game for game in recorded if game["complete"]), key=lambda g: g["rug_tick"])
    check_values(tmp_path, short[90:92], "recorded_prices", 3)


def test_pnl_of_real_open_positions_is_compared(tmp_path: Path, real_data: Path) -> None:
    """Nearly all real rows of open positions are contradicted by another fact if their PnL is altered."""
    leaders = real_rows(real_data, "leaderboard_rows.jsonl.gz")
    counts = verify_file(write(tmp_path, leaders)).counts
    assert counts["open_rows"] - counts["open_compared"] <= 20
    game_id, _ = Counter(row["gameId"] for row in leaders).most_common(1)[0]
    rows = [row for row in leaders if row["gameId"] == game_id]
    places = [index for index, row in enumerate(rows) if row["row"]["positionQty"]]
    silent = 0
    for index in random.Random(3).sample(places, 40):
        changed = list(rows)
        changed[index] = copy.deepcopy(rows[index])
        with_pnl(changed[index], 10**7)
        silent += named(tmp_path, changed) == []
    assert silent <= 1


COURSE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a receive time too early": (lambda row: row["recv_ms"].__setitem__(9, 250), "recv_ms"),
    "a receive time is missing": (lambda row: row["recv_ms"].pop(), "recv_ms count"),
    "a rug before the last tick": (lambda row: row.update(rug_recv_ms=0), "rug_recv_ms"),
    "a settlement before the rug": (lambda row: row.update(settle_recv_ms=0), "settle_recv_ms"),
    "a settlement at an earlier tick": (lambda row: row.update(settle_tick=3), "settle_tick"),
    "a count of trades that falls": (
        lambda row: row["trade_count"].__setitem__(9, 1),
        "trade_count",
    ),
    "a total below the last count": (lambda row: row.update(rug_trade_count=1), "rug_trade_count"),
}


@pytest.mark.parametrize("name", COURSE)
def test_course_of_a_recorded_game_is_compared(tmp_path: Path, name: str) -> None:
    """Times and counts of a recorded game follow each other; frames may overtake by milliseconds."""
    row = copy.deepcopy(CAPTURES["recorded_prices"][0])
    end = 250 * row["rug_tick"]
    row["recv_ms"][7] -= 251
    row |= {
        "rug_recv_ms": end, "settle_recv_ms": end + 500, "settle_tick": row["rug_tick"] + 1,
        "trade_count": [50 + tick for tick in range(row["rug_tick"])], "rug_trade_count": 10_000,
    }  # fmt: skip
    assert named(tmp_path, [row]) == []
    change, what = COURSE[name]
    change(row)

    (found,) = named(tmp_path, [row])

    assert (found.difference.what, found.line) == (what, 1)


@pytest.mark.parametrize("key", ["positionQty", "avgCost", "totalInvested"])
def test_negative_amount_of_a_position_is_named(tmp_path: Path, key: str) -> None:
    """Below nothing there is no position."""
    rows = copy.deepcopy(CAPTURES["leaderboard_rows"])
    index = next(index for index, row in enumerate(rows) if row["row"]["positionQty"])
    rows[index]["row"][key] *= -1

    found = named(tmp_path, rows)

    assert index + 1 in {difference.line for difference in found}


@pytest.mark.parametrize("kind", ["leaderboard_rows", "real_trades"])
def test_negative_level_is_named(tmp_path: Path, kind: str) -> None:
    """Levels begin at 0."""
    rows = copy.deepcopy(CAPTURES[kind])
    rows[1].get("row", rows[1])["level"] = -1

    (found,) = named(tmp_path, rows)

    assert (found.difference.what, found.line) == ("level", 2)


@pytest.mark.parametrize("at", [0, 2, 4])
def test_username_that_one_row_of_a_player_has_alone_is_named(tmp_path: Path, at: int) -> None:
    """Also the first and the last row: a player keeps the name during a game."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    rows = copy.deepcopy(CAPTURES["leaderboard_rows"])
    for index, row in enumerate(rows):
        row["row"]["username"] = f"name of {row['row'].get('id')}"
        groups[row["gameId"], row["row"].get("id", "")].append(index)
    longest = max(groups.values(), key=len)
    index = longest[at * (len(longest) - 1) // 4]
    rows[index]["row"]["username"] = "another"

    (found,) = named(tmp_path, rows)

    assert (found.difference.what, found.line) == ("username", index + 1)


@pytest.mark.parametrize("leverage", [0, 6, 2.5, "2"])
def test_leverage_that_nobody_offers_is_named(tmp_path: Path, leverage: Any) -> None:
    """A buy has a whole leverage of 1 to 5."""
    rows = copy.deepcopy(CAPTURES["real_trades"])
    index = next(index for index, row in enumerate(rows) if row["type"] == "buy")
    rows[index]["leverage"] = leverage

    (found,) = named(tmp_path, rows)

    assert (found.difference.what, found.line) == ("leverage", index + 1)
