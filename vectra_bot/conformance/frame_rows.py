"""Verify the trades and leaderboard rows inside a recording's frames, as those of row files.

A row is compared when its game is over: then the seed gives every price, and the history every sidebet. Of a
game whose seed the recording does not show, rows are compared with the prices of its frames; what nothing
states (the price at a tick that was missed, the payout of a sidebet) is counted as not checked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import Factory, define, evolve

from vectra_bot.conformance.findings import FileDifference, Verification
from vectra_bot.conformance.frames.capture_rows import Row
from vectra_bot.conformance.leaderboard_rows import LeaderboardRows, leaderboard_difference
from vectra_bot.conformance.trade_rows import (
    PORTIONS_TOLERANCE_LAMPORTS,
    lamports_of,
    trade_difference,
)
from vectra_bot.errors import InputError
from vectra_bot.game import rules
from vectra_bot.game.fair import Difference
from vectra_bot.game.ledger import sell_value
from vectra_bot.models import FrameKind, GameFrame, Trade

COUNTS: Final = ("trades", "trades_exact", "leaderboard_rows", "leaderboard_exact", "not_checked")
_TRADE: Final = "standard/newTrade"
_OPEN_GAMES: Final = 4
"""Games that wait for their seed; the venue shows it with the next game's first frame."""
_PARTS: Final = "regularPnl"
_VISIBLE: Final = 1e-3
"""Share of a sale by which leverage changes it, unless the price is the one of the buy."""


@define
class _Game:
    """What the frames of one game stated; each row with its line."""

    prices: dict[int, float] = Factory(dict)
    rug_tick: int | None = None
    trades: list[tuple[int, Row]] = Factory(list)
    boards: list[tuple[int, Row]] = Factory(list)
    bets: dict[tuple[str, int], int] = Factory(dict)
    names: dict[str, object] = Factory(dict)
    ids: dict[str, str] = Factory(dict)


@define
class FrameRows:
    """Collects the rows of a recording's frames and compares them, a game at a time."""

    found: Verification
    _games: dict[str, _Game] = Factory(dict)
    _trade_ids: set[str] = Factory(set)

    def take(self, line: int, event: object, name: str, body: Any) -> None:
        """Add the rows of a frame: the *event* it was decoded to, its name and its payload."""
        if not isinstance(body, dict):
            return
        if isinstance(event, Trade):
            self.found.count("trades")
            if name == _TRADE:
                self._game(event.game_id).trades.append((line, self._row(line, body)))
            else:
                self.found.count("not_checked")
        elif isinstance(event, GameFrame):
            self._take_state(line, event, body)

    def waits_for(self, game_id: str) -> bool:
        """Return whether a game has rows that are not compared yet."""
        return game_id in self._games

    def close(
        self,
        game_id: str,
        prices: Sequence[float] | None = None,
        bets: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Compare the rows of a game that is over.

        Args:
            game_id: the game; nothing happens if it has no rows.
            prices: its prices by tick, the rug's last; None if its seed is not known.
            bets: the sidebet rows of its history; None if it was not shown.
        """
        game = self._games.pop(game_id, None)
        if game is None:
            return
        if prices is not None:
            game.prices = dict(enumerate(prices))
        _name_players(game)
        self._compare_trades(game_id, game)
        self._compare_boards(game_id, game)
        self._compare_bets(game_id, game, bets)

    def end(self) -> None:
        """Compare the rows of the games whose seed was not shown."""
        for game_id in list(self._games):
            self.close(game_id)

    def _game(self, game_id: str) -> _Game:
        if game_id not in self._games:
            while len(self._games) >= _OPEN_GAMES:
                self.close(next(iter(self._games)))
            self._games[game_id] = _Game()
        return self._games[game_id]

    def _row(self, line: int, fields: dict[str, Any]) -> Row:
        return Row(fields, f"{self.found.file}, line {line}", line)

    def _take_state(self, line: int, event: GameFrame, body: dict[str, Any]) -> None:
        """Add the prices and the leaderboard of a game that runs, rugs or waits for its start."""
        tick, price = event.tick, event.price
        if event.kind is FrameKind.SETTLEMENT:
            return
        presale = tick is None
        if presale and not 0 < event.cooldown_timer_ms <= rules.PRESALE_MS:
            return  # the leaderboard is of the game before (protocol 14)
        game = self._game(event.game_id)
        if tick is not None and price is not None:
            game.prices.setdefault(tick, price)
            for at, known in event.partial_prices:
                game.prices.setdefault(at, known)
            if event.rugged:
                if game.rug_tick not in (None, tick):
                    return
                game.rug_tick = tick
        for inner in body.get("leaderboard") or ():
            self.found.count("leaderboard_rows")
            facts = {"gameId": event.game_id, "tick": tick or 0, "rugged": bool(event.rugged)}
            game.boards.append((line, self._row(line, {**facts, "row": inner})))

    def _compare_trades(self, game_id: str, game: _Game) -> None:
        for line, row in game.trades:
            try:
                wrong = self._trade(row, game)
            except InputError as error:
                wrong = _unreadable("trade", None, error, row)
            self.found.count("trades_exact", wrong is None)
            self.found.report(game_id, line, [wrong] if wrong else [])

    def _trade(self, row: Row, game: _Game) -> Difference | None:
        """Return what is wrong with a trade: its price, its own arithmetic, or that it is there twice."""
        tick, price = row.integer("tickIndex"), row.positive("price")
        right = game.prices.get(tick)
        self.found.count("not_checked", right is None)
        if right is not None and price != right:
            return Difference("price", tick, right, price)
        wrong = trade_difference(row)
        if wrong is not None and right is not None and _is_leveraged_sale(row, wrong):
            self.found.count("not_checked")
            wrong = None
        if wrong is not None and wrong.what == "tickIndex" and price == rules.START_PRICE:
            wrong = None  # the first 250 ms of a game have tick 0 too
        wrong = wrong or _owner(row, game)
        if wrong is None and row.text("id") in self._trade_ids:
            return Difference("rows with this id", tick, 1, 2)
        self._trade_ids.add(row.text("id"))
        return wrong

    def _compare_boards(self, game_id: str, game: _Game) -> None:
        board = LeaderboardRows(unstated=True)
        lines: dict[int, int] = {}
        rows: list[tuple[int, Row]] = []
        wrong_rows: set[int] = set()
        for number, (line, row) in enumerate(self._placed(game), start=1):
            lines[number] = line
            placed = evolve(row, line=number)
            try:
                wrong, _, _ = leaderboard_difference(placed)
                board.add(placed, wrong=wrong is not None)
                rows.append((line, placed))
            except InputError as error:
                wrong = _unreadable("leaderboard row", row.fields["tick"], error, row)
            if wrong is not None:
                wrong_rows.add(number)
                self.found.report(game_id, line, [wrong])
        for difference in board.finish():
            wrong_rows.add(difference.line)
            self.found.differences.append(evolve(difference, line=lines[difference.line]))
        for line, row in rows:
            if row.line not in wrong_rows:
                _note_bet(row, line, game)
        multiplied = board.open_rows - board.open_compared
        self.found.count("not_checked", multiplied)
        self.found.count("leaderboard_exact", len(lines) - len(wrong_rows))

    def _placed(self, game: _Game) -> Iterator[tuple[int, Row]]:
        """Yield the rows that can be compared, with the prices of their tick and of the one before."""
        for line, row in game.boards:
            tick, inner = row.fields["tick"], row.fields["row"]
            before, price = game.prices.get(tick - 1), game.prices.get(tick)
            if isinstance(inner, dict) and _PARTS not in inner and tick:
                self.found.count("not_checked")  # a format without the parts (protocol 12.1)
            elif tick and (before is None or price is None):
                self.found.count("not_checked")
            elif not tick:
                yield (
                    line,
                    evolve(
                        row,
                        fields={
                            **row.fields,
                            "price": rules.START_PRICE,
                            "pricePrev": rules.START_PRICE,
                        },
                    ),
                )
            else:
                yield line, evolve(row, fields={**row.fields, "price": price, "pricePrev": before})

    def _compare_bets(
        self, game_id: str, game: _Game, bets: Sequence[Mapping[str, Any]] | None
    ) -> None:
        """Report open sidebets of which the finished game has neither a placed nor a payout row."""
        if bets is None:
            self.found.count("not_checked", len(game.bets))
            return
        known = {
            (bet.get("playerId"), bet.get("startTick", bet.get("startedAtTick"))) for bet in bets
        }
        for (player, start), line in game.bets.items():
            if (player, start) not in known:
                self.found.differences.append(
                    FileDifference(game_id, Difference("payout rows", start, 1, 0), line, player)
                )


def _note_bet(row: Row, line: int, game: _Game) -> None:
    """Note the open sidebet of a leaderboard row."""
    inner = row.row("row")
    if inner.fields.get("sideBet") is not None:
        start = inner.row("sideBet").integer("startedAtTick")
        game.bets.setdefault((inner.text("id"), start), line)


def _name_players(game: _Game) -> None:
    """Note the name of each player of the leaderboard and the id of each name, as most rows have them."""
    names: defaultdict[str, Counter[object]] = defaultdict(Counter)
    ids: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, row in game.boards:
        inner = row.fields["row"]
        player, name = (
            (inner.get("id"), inner.get("username")) if isinstance(inner, dict) else (0, 0)
        )
        if isinstance(player, str) and isinstance(name, str):
            names[player][name] += 1
            ids[name][player] += 1
    game.names = {player: found for player, counted in names.items() if (found := _most(counted))}
    game.ids = {name: str(found) for name, counted in ids.items() if (found := _most(counted))}


def _most(counted: Counter[Any]) -> object:
    """Return what more than one row states, more than anything else."""
    value, times = counted.most_common(1)[0]
    return value if times > 1 else None


def _owner(row: Row, game: _Game) -> Difference | None:
    """Return a difference if the game's leaderboard has another name for a trade's player, or another id."""
    player, name, tick = row.text("playerId"), row.fields.get("username"), row.integer("tickIndex")
    known = game.names.get(player, name)
    if known != name:
        return Difference("username", tick, known, name)
    right = game.ids.get(name, player) if isinstance(name, str) else player
    return None if right == player else Difference("playerId", tick, right, player)


def _is_leveraged_sale(row: Row, wrong: Difference) -> bool:
    """Return whether leverage explains the amount of a sale, of which nothing else is wrong.

    A sale does not state its leverage, whose payoff is unknown (protocol 9); the portions it pays confirm
    the amount.
    """
    if row.text("type") != "sell" or wrong.what != "amount" or "realPortion" not in row.fields:
        return False
    paid = lamports_of(row, "realPortion") + lamports_of(row, "bonusPortion")
    amount, value = (
        lamports_of(row, "amount"),
        sell_value(lamports_of(row, "qty"), row.number("price")),
    )
    visible = abs(amount - value) > value * _VISIBLE
    confirmed = 0 <= amount - paid <= PORTIONS_TOLERANCE_LAMPORTS
    return confirmed and visible and 0 <= amount < value * rules.MAX_LEVERAGE


def _unreadable(what: str, tick: int | None, error: InputError, row: Row) -> Difference:
    reason = str(error).removeprefix(f"{row.place}: ").partition(",")[0]
    return Difference(what, tick, "a row that can be read", reason)
