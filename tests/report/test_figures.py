"""The figures of a report, each recomputed from the documents of the store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from vectra_bot import Catalog, GameView, Limits, Report, Strategy
from vectra_bot.game.fair import expected_return, return_variance
from vectra_bot.models import GameTick
from vectra_bot.report.figures import MAX_CURVE, EquityTally, curve_point
from vectra_bot.report.session import sidebet

Z_95 = 1.959963984540054
SOL = 10**9
ROUNDING = 4  # lamports: a position is a few lots, each rounded down


class Scalper(Strategy):
    """Several positions in a game, of several lots, sold in parts; and a sidebet."""

    def on_game_tick(self, tick: GameTick, game: GameView) -> None:
        """Act at fixed ticks."""
        if game.tick in (5, 12, 40):
            self.actions.buy("0.01")
        elif game.tick == 8:
            self.actions.sidebet("0.002")
        elif game.tick == 20 and self.position:
            self.actions.sell(50)
        elif game.tick in (30, 60) and self.position:
            self.actions.sell()


@attrs.define
class Replayed:
    """What frames and ticks of a stored session say, followed independently of the engine."""

    cash: int
    lots: list[list[int]] = attrs.field(factory=list)
    bet: int = 0
    price: float = 1.0
    low: float = 1.0
    peak: int = 0
    fall: int = 0
    open_ticks: int = 0
    open_sum: int = 0
    expected: float = 0.0
    variance: float = 0.0
    trades: list[int] = attrs.field(factory=list)
    _flow: int = 0

    @property
    def qty(self) -> int:
        """The position."""
        return sum(qty for qty, _ in self.lots)

    @property
    def equity(self) -> int:
        """Cash, what the position is worth, and the stake of the bet."""
        return self.cash + self.bet + sum(int(qty * self.price) for qty, _ in self.lots)

    def mark(self) -> None:
        """Follow the peak and the largest fall from it."""
        self.peak = max(self.peak, self.equity)
        self.fall = max(self.fall, self.peak - self.equity)

    def risk(self) -> None:
        """Count a tick over which the position was held."""
        value = self.qty * self.price
        self.expected += value * expected_return(self.price, self.low)
        self.variance += value * value * return_variance(self.price, self.low)

    def tick(self, number: int, price: float) -> None:
        """Process a live price."""
        if number and self.lots:
            self.risk()
        if number == 0:
            self.low = 1.0
        self.price, self.low = price, min(self.low, price)
        if self.lots or self.bet:
            self.open_ticks += 1
            self.open_sum += sum(cost for _, cost in self.lots) + self.bet
        self.mark()

    def trade(self, kind: str, amount: int, qty: int, price: float) -> None:
        """Process one of our fills."""
        if kind == "buy":
            self.lots.append([qty, amount])
            self.cash, self._flow = self.cash - amount, self._flow - amount
        else:
            if price <= self.price * 0.5:  # the rug's
                self.risk()
            self.cash, self._flow = self.cash + amount, self._flow + amount
            while qty:
                lot = self.lots[0]
                part = min(qty, lot[0])
                lot[1] -= lot[1] * part // lot[0]
                lot[0] -= part
                qty -= part
                if not lot[0]:
                    self.lots.pop(0)
            if not self.lots:
                self.trades.append(self._flow)
                self._flow = 0
        self.mark()


def happened(catalog: Catalog, session: str) -> Iterator[tuple[str, Any]]:
    """Yield the live ticks, our fills and our bets of a session, in the order of their arrival."""
    rows = catalog.sql(
        """
        SELECT seq, 'tick' AS kind, tick, price, NULL AS raw, NULL AS amount FROM game_tick
        WHERE session_id = $s AND phase = 'active' AND NOT backfilled
        UNION ALL SELECT seq, 'frame', NULL, NULL, raw_json, NULL FROM ws_event
        WHERE session_id = $s AND direction = 'in' AND event_name = 'standard/newTrade'
            AND raw_json LIKE '%"username":"vectra"%'
        UNION ALL SELECT seq, 'settled', NULL, NULL, NULL, delta_cash FROM server_state
        WHERE session_id = $s AND cause = 'stake_settled'
        UNION ALL SELECT s.seq, 'bet', NULL, NULL, NULL, s.delta_cash FROM server_state s
        JOIN player_action a ON a.action_id = s.action_id AND a.session_id = s.session_id
        WHERE s.session_id = $s AND a.action_type = 'SIDEBET' AND s.cause = 'action'
        ORDER BY seq
        """,
        {"s": session},
    )
    for _, kind, tick, price, raw, amount in rows.rows:
        if kind == "tick":
            yield kind, (tick, price)
        elif kind == "frame":
            body = json.loads(raw[2:], parse_float=Decimal, parse_int=Decimal)[-1]
            yield kind, body
        else:
            yield kind, int(amount * SOL)


def replayed(report: Report, *, strict: bool = True) -> Replayed:
    """Return what the store of *report* says."""
    state = Replayed(cash=int((report.cash_start or 0) * SOL))
    with vectra_bot.open_store(report.store) as catalog:
        for kind, what in happened(catalog, report.session_id):
            if kind == "tick":
                state.tick(*what)
            elif kind == "frame":
                state.trade(
                    what["type"], int(what["amount"] * SOL), int(what["qty"] * SOL),
                    float(what["price"]),
                )  # fmt: skip
            elif kind == "bet":
                state.cash, state.bet = state.cash + what, -what
                state.expected += sidebet(-what).expected
                state.variance += sidebet(-what).variance
            else:
                state.cash, state.bet = state.cash + what, 0
                state.mark()
    assert not strict or state.cash == int((report.cash_end or 0) * SOL)
    return state


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of a session with every kind of risk that the law knows."""
    store = tmp_path_factory.mktemp("figures")
    return vectra_bot.run(Scalper, games=30, seed=11, crowd=0, store=store, cash=Decimal(3))


def test_trades_are_positions_from_first_buy_until_flat(played: Report) -> None:
    """Their number, wins, profits, best and worst follow from the frames of our fills alone."""
    trades = replayed(played).trades
    found = played.trades
    assert found.count == len(trades) > played.games_traded
    assert found.won == sum(pnl > 0 for pnl in trades)
    assert found.win_rate == found.won / found.count
    assert int(found.pnl * SOL) == sum(trades)
    assert (int((found.best or 0) * SOL), int((found.worst or 0) * SOL)) == (
        max(trades),
        min(trades),
    )
    assert (found.open, found.unknown) == (0, 0)


def test_bets_are_the_settled_stakes(played: Report) -> None:
    """Their number, wins and profit are those that the query of stakes finds in the store."""
    with vectra_bot.open_store(played.store) as catalog:
        stakes = catalog.run("stakes", session=played.session_id).as_dicts()
    settled = [stake for stake in stakes if stake["result"] != "open"]
    assert played.bets.count == len(settled) > 0
    assert played.bets.won == sum(stake["result"] == "won" for stake in settled)
    assert played.bets.pnl == sum(stake["pnl"] for stake in settled)
    assert played.trades.pnl + played.bets.pnl == played.pnl_before_prizes


def test_best_and_worst_game_are_those_of_the_store(played: Report) -> None:
    with vectra_bot.open_store(played.store) as catalog:
        games = catalog.run("pnl-by-game", session=played.session_id).as_dicts()
    games = [game for game in games if game["actions"]]
    best = max(games, key=lambda game: game["pnl"])
    worst = min(games, key=lambda game: game["pnl"])
    assert played.best_game is not None
    assert played.worst_game is not None
    assert attrs.astuple(played.best_game) == (best["game"], best["game_id"], best["pnl"])
    assert attrs.astuple(played.worst_game) == (worst["game"], worst["game_id"], worst["pnl"])


def test_stake_return_drawdown_and_exposure(played: Report) -> None:
    """Recomputed from fills and ticks, to the lamports that rounding of lots leaves open."""
    state = replayed(played)
    with vectra_bot.open_store(played.store) as catalog:
        staked = catalog.sql(
            "SELECT sum(outcome_executed_amount) FROM player_action WHERE outcome_success "
            "AND action_type IN ('BUY', 'SIDEBET') AND session_id = $s",
            {"s": played.session_id},
        ).rows[0][0]
    assert played.staked == staked
    assert played.return_on_stake == float((played.pnl_before_prizes or 0) / staked)
    assert abs(int(played.drawdown.amount * SOL) - state.fall) <= ROUNDING
    assert played.drawdown.share == pytest.approx(state.fall / int(played.drawdown.peak * SOL))
    exposure = played.exposure
    assert exposure.share == exposure.ticks / played.ticks
    # A bet is open from its own event on, which the store shows with the statement that follows.
    assert abs(exposure.ticks - state.open_ticks) <= 2 * played.games
    assert exposure.mean is not None
    assert float(exposure.mean) == pytest.approx(state.open_sum / state.open_ticks / SOL, rel=0.02)
    assert exposure.max == Decimal("0.022")


def test_exposure_of_a_position_alone_is_exact(store: Path) -> None:
    report = vectra_bot.run("take-profit", games=12, seed=7, crowd=0, store=store)
    state = replayed(report)
    assert report.exposure.ticks == state.open_ticks > 0
    assert report.exposure.mean == Decimal(state.open_sum // state.open_ticks) / SOL
    assert abs(int(report.drawdown.amount * SOL) - state.fall) <= ROUNDING


def test_the_curve_ends_at_the_profit_and_has_the_band_of_the_law(played: Report) -> None:
    """Its last point is profit and expected value; the band is 1.96 deviations of the law around that."""
    state = replayed(played)
    first, last = played.curve[0], played.curve[-1]
    assert (first.game, first.pnl, first.low, first.high) == (0, 0, 0, 0)
    assert [point.game for point in played.curve] == list(range(31))
    assert last.pnl == played.pnl_before_prizes
    assert last.expected == played.expected
    assert float(last.expected) == pytest.approx(state.expected / SOL, abs=1e-9)
    reach = Z_95 * math.sqrt(state.variance) / SOL
    assert last.low is not None
    assert last.high is not None
    assert float(last.high - last.low) == pytest.approx(2 * reach, abs=5e-9)
    assert float(last.high + last.low) == pytest.approx(2 * state.expected / SOL, abs=5e-9)
    with vectra_bot.open_store(played.store) as catalog:
        games = catalog.run("pnl-by-game", session=played.session_id).as_dicts()
    assert [b.pnl - a.pnl for a, b in pairwise(played.curve)] == [g["pnl"] for g in games[:30]]


def test_a_long_curve_is_thinned_and_keeps_its_order() -> None:
    tally = EquityTally()
    for game in range(1, 5_001):
        tally.add_point(curve_point(game, game, 0.0, None))
    games = [point.game for point in tally.points]
    assert MAX_CURVE // 2 - 1 <= len(games) <= MAX_CURVE
    assert {b - a for a, b in pairwise(games)} == {tally.stride}


def test_charted_games_have_the_prices_and_fills_of_the_store(played: Report) -> None:
    """Best, worst and last are shown, each once; prices bit for bit, every fill at its tick and price."""
    assert sorted(name for chart in played.charts for name in chart.shown_as) == [
        "best", "last", "worst",
    ]  # fmt: skip
    with vectra_bot.open_store(played.store) as catalog:
        for chart in played.charts:
            key = {"s": played.session_id, "g": chart.game_id}
            where = "WHERE session_id = $s AND game_id = $g"
            ticks = catalog.sql(
                f"SELECT price FROM game_tick {where} AND phase = 'active' ORDER BY tick", key
            ).rows
            assert chart.prices == tuple(price for (price,) in ticks)
            assert chart.peak == max(1.0, *chart.prices)
            frames = catalog.sql(
                f"SELECT raw_json FROM ws_event {where} AND event_name = 'standard/newTrade' "
                "AND direction = 'in' ORDER BY seq",
                key,
            ).rows
            fills = [json.loads(raw[2:], parse_float=Decimal)[-1] for (raw,) in frames]
            ours = [fill for fill in fills if fill["username"] == "vectra"]
            assert [
                (mark.tick, mark.kind.replace("forced ", ""), mark.price, mark.amount)
                for mark in chart.marks
                if mark.kind != "sidebet"
            ] == [(f["tickIndex"], f["type"], float(f["price"]), f["amount"]) for f in ours]
            forced = [mark for mark in chart.marks if mark.kind == "forced sell"]
            assert all(mark.price == chart.rug_price for mark in forced)
    assert any(mark.kind == "sidebet" for chart in played.charts for mark in chart.marks)


def test_limits_met_are_named_with_their_value(store: Path) -> None:
    report = vectra_bot.run(
        "take-profit", games=30, seed=7, crowd=0, store=store, limits=Limits(session_loss="0.03")
    )
    assert report.no_entries_from is not None
    met = report.limits_met["session_loss"]
    assert list(report.limits_met) == ["session_loss"]
    assert met.limit == Decimal("0.03")
    assert met.denied == report.denials["limit.session_loss"]
    assert met.game == report.no_entries_from.game


def test_a_session_without_a_trade_has_no_figures_of_trades(store: Path) -> None:
    report = vectra_bot.run("watch", games=2, seed=7, crowd=0, store=store)
    assert (report.trades.count, report.trades.win_rate, report.bets.win_rate) == (0, None, None)
    assert (report.best_game, report.return_on_stake, report.charts) == (None, None, ())
    assert (report.drawdown.share, report.exposure.ticks, report.exposure.mean) == (None, 0, None)


def test_an_unknown_payoff_has_no_band(store: Path) -> None:
    report = vectra_bot.run("short", games=4, seed=7, crowd=0, store=store)
    assert report.expected_without == ("shorts",)
    assert {(point.low, point.high) for point in report.curve} == {(None, None)}
    assert report.bets.count == report.settlements > 0


def test_an_open_position_is_counted_apart(store: Path) -> None:
    """A session that is stopped in a game has an open trade, which neither wins nor loses."""
    stop = vectra_bot.StopFlag()

    class Holder(Strategy):
        """Buys, and stops the session while it holds."""

        def on_game_tick(self, tick: GameTick, game: GameView) -> None:
            if game.tick == 3:
                self.actions.buy("0.01")
            elif self.position:
                stop.set("test")

    report = vectra_bot.run(Holder, games=3, seed=7, crowd=0, store=store, stop=stop)
    assert (report.trades.count, report.trades.open, report.trades.unknown) == (0, 1, 0)
    assert report.open_value > 0
    assert report.curve[-1].pnl == (report.pnl_before_prizes or 0) + report.open_value
    assert report.return_on_stake == float(report.curve[-1].pnl / report.staked)
