"""Verify capture files and seeds against the law: one difference for each wrong fact.

Recordings of frames are verified by :mod:`.recordings`. Five more kinds of file are recognised by their
content: ``seeded_games`` (finished games with their seed), ``recorded_prices`` (prices by tick without a
seed), ``game_rows`` (one game tick by tick), ``real_trades`` and ``leaderboard_rows`` (protocol 15).
Redundant facts in a file are used to find which of two is the wrong one, so that one altered fact gives one
difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import Factory, define, evolve, fields, frozen

from vectra_bot.conformance.crowd.recorded_games import course_differences, recorded_differences
from vectra_bot.conformance.findings import FileDifference, Verification
from vectra_bot.conformance.frames.capture_rows import Row, read_prices, read_rows, shown
from vectra_bot.conformance.game_rows import GameRows
from vectra_bot.conformance.leaderboard_rows import (
    OPEN_TOLERANCE_LAMPORTS,
    LeaderboardRows,
    leaderboard_difference,
    open_position_error,
)
from vectra_bot.conformance.recordings import is_recording, verify_recording
from vectra_bot.conformance.settled_sidebets import sidebet_differences
from vectra_bot.conformance.trade_rows import (
    buy_difference,
    sell_difference,
    sell_error,
    trade_difference,
)
from vectra_bot.errors import InputError
from vectra_bot.game import rules
from vectra_bot.game.fair import (
    Difference,
    check_version,
    compare_prices,
    server_seed_hash,
    verify_game,
)
from vectra_bot.kernel.play import play_game

_KIND_KEYS = {
    "seeded_games": "serverSeed",
    "recorded_prices": "rug_price",
    "leaderboard_rows": "row",
    "real_trades": "tickIndex",
    "game_rows": "game_id",
}


@define
class _File:
    """What a file's earlier rows stated."""

    leaderboard: LeaderboardRows = Factory(LeaderboardRows)
    ids: set[str] = Factory(set)
    game: GameRows = Factory(GameRows)


def verify_file(path: Path | str) -> Verification:
    """Verify a capture file or a journal; the kind is recognised by the first row.

    Raises:
        InputError: the file cannot be read, is of an unknown kind, or a line lacks a required field.
    """
    path = Path(path)
    if is_recording(path):
        return verify_recording(path)
    found: Verification | None = None
    file = _File()
    for row in read_rows(path):
        if found is None:
            kind = _kind(row)
            found = Verification(kind, shown(path), dict.fromkeys(_COUNTS[kind], 0))
        elif _KIND_KEYS[found.kind] not in row.fields:
            row.fail(_KIND_KEYS[found.kind], f"every row of {found.kind} has it")
        _VERIFIERS[found.kind](row, found, file)
    assert found is not None, "read_rows refuses an empty file"
    found.report(file.game.game_id, row.line, file.game.close())
    found.differences.extend(file.leaderboard.finish())
    if found.kind == "leaderboard_rows":
        found.counts["open_rows"] = file.leaderboard.open_rows
        found.counts["open_compared"] = file.leaderboard.open_compared
    found.differences.sort(key=lambda difference: difference.line)
    return found


def _kind(row: Row) -> str:
    for kind, key in _KIND_KEYS.items():
        if key in row.fields:
            return kind
    keys = ", ".join(list(row.fields)[:4]) or "none"
    raise InputError(
        f"{row.place}: unknown kind of row (its keys: {shown(keys)}): give one of "
        f"{', '.join(_KIND_KEYS)}, a capture of frames, or a journal"
    )


def _verify_seeded(row: Row, found: Verification, file: _File) -> None:
    seed, game_id = row.text("serverSeed"), row.text("id")
    row.flag("rugged")
    version = row.text("gameVersion")
    if version not in rules.LAW_VERSIONS:
        row.fail("gameVersion", f"it must be one of {', '.join(rules.LAW_VERSIONS)}")
    bets = row.rows("globalSidebets")
    differences = _repeated(file, game_id) or law_differences(row, game_id)
    named = _most_named_game(bets)
    if _unknown_to_law(differences) and named not in (None, game_id):
        # The bets name another game: if the law confirms it, the id is the only wrong fact.
        again = law_differences(row, named)
        if not _unknown_to_law(again):
            differences = [Difference("id", None, named, game_id), *again]
    found.count("games")
    found.count("exact", not differences)
    found.report(game_id, row.line, differences)
    if _unknown_to_law(differences):
        # If the row is not the law's game, its bets are checked with the row's own facts.
        rug_tick, rug_price = row.integer("rugTick"), row.number("rugPrice")
    else:
        true_id = named if differences and differences[0].what == "id" else game_id
        game = play_game(seed, true_id or game_id, version)
        rug_tick, rug_price = game.rug_tick, game.rug_price
    settled, wrong = sidebet_differences(bets, named or game_id, rug_tick, rug_price)
    found.report(game_id, row.line, _end_differences(row, bets))
    found.count("sidebets", settled)
    found.count("sidebets_exact", settled - len({bet for bet, _ in wrong}))
    found.differences.extend(FileDifference(game_id, d, row.line, bet) for bet, d in wrong)


def _end_differences(row: Row, bets: list[Row]) -> list[Difference]:
    """Return a difference if the game ended before a sidebet of it was settled."""
    times = [bet.number("timestamp") for bet in bets if "timestamp" in bet.fields]
    if not times or row.number("timestamp") >= max(times):
        return []
    return [Difference("timestamp", None, f"at least {max(times)}", row.number("timestamp"))]


def law_differences(row: Row, game_id: str) -> list[Difference]:
    """Return where a row of ``seeded_games`` differs from the game of its seed, *game_id* and version.

    Raises:
        InputError: the row lacks a field that a game needs.
    """
    prices, rug_tick = row.optional_numbers("prices"), row.integer("rugTick")
    found = verify_game(
        row.text("serverSeed"),
        game_id,
        row.text("gameVersion"),
        seed_hash=row.text("serverSeedHash"),
        prices=prices,
        rug_tick=rug_tick,
        rug_price=row.number("rugPrice"),
        peak=row.number("peakMultiplier"),
        play=play_game,
    )
    # What else the row states about itself. Only a game that reaches the last tick ends without a rug.
    rugged, listed = rug_tick <= rules.MAX_TICKS, prices is not None
    stated = (
        Difference("rugged", None, rugged, row.fields.get("rugged", rugged)),
        Difference("pricesOnWire", None, listed, row.fields.get("pricesOnWire", listed)),
    )
    return found + [fact for fact in stated if fact.found is not fact.expected]


def _repeated(file: _File, text: str) -> list[Difference]:
    """Return a difference if an earlier row of the file has the same id."""
    if text in file.ids:
        return [Difference("rows with this id", None, 1, 2)]
    file.ids.add(text)
    return []


def _unknown_to_law(differences: list[Difference]) -> bool:
    """Return whether seed, id and version together give another game than the row's."""
    return any(d.what in {"serverSeed", "gameVersion", "prices", "game"} for d in differences)


def _most_named_game(bets: list[Row]) -> str | None:
    names = Counter(bet.text("gameId") for bet in bets).most_common(1)
    return names[0][0] if names else None


def _verify_recorded(row: Row, found: Verification, file: _File) -> None:
    differences = _repeated(file, row.text("game_id")) or recorded_differences(row)
    differences = differences or course_differences(row)
    complete = row.flag("complete")
    found.count("games")
    found.count("complete", complete)
    found.count("exact", complete and not differences)
    found.report(row.text("game_id"), row.line, differences)


def _verify_game_row(row: Row, found: Verification, file: _File) -> None:
    if row.text("type") == "game_start":
        found.report(file.game.game_id, row.line, file.game.close())
    differences = file.game.add(row)
    found.count("ticks", row.text("type") == "tick")
    if row.text("type") == "game_end":
        found.count("games")
        found.count("exact", file.game.complete and not differences)
    found.report(row.text("game_id"), row.line, differences)


def _verify_trade(row: Row, found: Verification, file: _File) -> None:
    kind, game_id = row.text("type"), row.text("gameId")
    difference = trade_difference(row)
    found.count("trades")
    if kind == "buy":
        found.count("buys")
        found.count("buys_exact", buy_difference(row) is None)
    elif kind == "sell":
        error = sell_error(row)
        found.count("sells")
        found.count("sells_exact", error == 0)
        if sell_difference(row) is None:
            worst = max(found.counts["sells_max_diff_lamports"], abs(error))
            found.counts["sells_max_diff_lamports"] = worst
    else:
        found.count("shorts")
    if difference is None and "id" in row.fields:
        difference = next(iter(_repeated(file, row.text("id"))), None)
    if difference is not None:
        found.report(game_id, row.line, [difference])


def _verify_leaderboard(row: Row, found: Verification, file: _File) -> None:
    difference, sum_exact, percent_exact = leaderboard_difference(row)
    found.count("rows")
    found.count("sum_rows", sum_exact is not None)
    found.count("sum_exact", bool(sum_exact))
    found.count("percent_exact", percent_exact)
    error = open_position_error(row)
    if error is not None:
        found.count("open_positions")
        found.count("open_within_3_lamports", error <= OPEN_TOLERANCE_LAMPORTS)
    file.leaderboard.add(row, wrong=difference is not None)
    if difference is not None:
        found.report(row.text("gameId"), row.line, [difference])


_VERIFIERS: dict[str, Callable[[Row, Verification, _File], None]] = {
    "seeded_games": _verify_seeded,
    "recorded_prices": _verify_recorded,
    "game_rows": _verify_game_row,
    "real_trades": _verify_trade,
    "leaderboard_rows": _verify_leaderboard,
}
_COUNTS = {
    "seeded_games": ("games", "exact", "sidebets", "sidebets_exact"),
    "recorded_prices": ("games", "complete", "exact"),
    "game_rows": ("games", "ticks", "exact"),
    "real_trades": (
        "trades",
        "buys",
        "buys_exact",
        "sells",
        "sells_exact",
        "sells_max_diff_lamports",
        "shorts",
    ),
    "leaderboard_rows": (
        "rows",
        "percent_exact",
        "sum_rows",
        "sum_exact",
        "open_positions",
        "open_within_3_lamports",
        "open_rows",
        "open_compared",
    ),
}


@frozen(kw_only=True)
class SeedVerification:
    """The game of a server seed, compared with a list of prices if one was given.

    Attributes:
        game_id: id of the game.
        version: the law: ``v1``, ``v2`` or ``v3``.
        hash: SHA-256 of the seed, which is public before the game.
        rugged: whether the game rugs within the law's last tick.
        rug_tick: tick of the rug.
        rug_price: price at the rug.
        peak: highest live price.
        live_prices: number of live prices.
        prices: the finished game's list: live prices by tick, then the rug price at index ``rug_tick``.
        differences: prices of the list that are wrong; None if no list was given.
        first_difference: the first of them: ``tick, expected, found``; None if there is not one.
    """

    game_id: str
    version: str
    hash: str
    rugged: bool
    rug_tick: int
    rug_price: float
    peak: float
    live_prices: int
    prices: list[float]
    differences: list[Difference] | None = None
    first_difference: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def to_json(self) -> dict[str, Any]:
        """Return the verification as a JSON object."""
        names = [f.name for f in fields(SeedVerification)[:-2]]
        found = {"kind": "seed", "ok": self.ok, **{name: getattr(self, name) for name in names}}
        if self.differences is not None:
            found["prices_match"] = self.ok
            found["first_difference"] = self.first_difference
            found["differences"] = [
                {"tick": d.tick, "what": d.what, "expected": d.expected, "found": d.found}
                for d in self.differences
            ]
        return found


def verify_seed(
    server_seed: str,
    game_id: str,
    version: str = rules.LAW_VERSION,
    prices_file: Path | str | None = None,
) -> SeedVerification:
    """Compute the game of a seed, and compare a file of prices with it if one is given.

    Args:
        server_seed: the seed that the venue reveals after the game, any text.
        game_id: id of that game.
        version: the law: ``v1``, ``v2`` or ``v3``.
        prices_file: a JSON list of prices, or one number a line, plain or gzipped: the finished game's list,
            or its live prices alone.

    Returns:
        The game, and where the prices differ.

    Raises:
        UsageError: *version* is not a known version of the law.
        InputError: the file cannot be read.
    """
    check_version(version)
    game = play_game(server_seed, game_id, version)
    found = SeedVerification(
        game_id=game_id,
        version=version,
        hash=server_seed_hash(server_seed),
        rugged=game.rugged,
        rug_tick=game.rug_tick,
        rug_price=game.rug_price,
        peak=game.peak,
        live_prices=len(game.prices),
        prices=game.published_prices,
    )
    if prices_file is None:
        return found
    given = read_prices(Path(prices_file))
    expected = game.published_prices
    if len(given) == len(game.prices):
        expected = expected[:-1]
    differences = compare_prices(expected, given)
    return evolve(
        found,
        differences=differences,
        first_difference=_first(differences, expected, given),
    )


def _first(
    differences: list[Difference], expected: list[float], given: list[float]
) -> dict[str, Any] | None:
    if not differences:
        return None
    tick = differences[0].tick
    assert tick is not None, "prices differ at a tick"
    return {
        "tick": tick,
        "expected": expected[tick] if tick < len(expected) else None,
        "found": given[tick] if tick < len(given) else None,
    }
