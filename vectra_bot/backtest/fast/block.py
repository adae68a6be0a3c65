"""The fast driver: a block of games with the exchange's own arithmetic, without frames and documents.

Theory of operation. The strategy's methods run in the order in which the engine runs them, and its requests
reach the market after the latency, among the steps of the game's clock. Two queues hold what is in progress:
requests, and the venue's answers. At nearly every tick both are empty and nothing is due, so that only the
strategy's method runs. Everything else is the business of an *alarm*, the next tick at which the venue or a
declared exit acts. Sums over ticks (exposure, what the law expects) are computed when a holding changes.

What cannot be played exactly raises :class:`NeedsEngine`: the engine then plays the block from its start.
Imports actions, exchange, game and strategy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Context, getcontext, setcontext
from functools import partial
from types import TracebackType
from typing import Final

from vectra_bot.actions.exits import NO_EXITS
from vectra_bot.actions.risk import RiskGate
from vectra_bot.backtest.fast.bot import NEVER, FastBot
from vectra_bot.backtest.fast.chunks import FastGameData, check_given, chunks_of, secret
from vectra_bot.backtest.fast.orders import (
    ACTIVE,
    PLAYS_ROUNDS,
    PRESALE,
    SENT,
    NeedsEngine,
    Order,
    Owner,
    Refusals,
)
from vectra_bot.backtest.fast.timeline import GameTimes, Timeline
from vectra_bot.backtest.fast.venue import FastVenue
from vectra_bot.backtest.fast.views import FastTick
from vectra_bot.backtest.games import FillRow, Games, OnFill, Played, ignore_fill
from vectra_bot.backtest.play import PlayConfig, Watch, never
from vectra_bot.errors import StrategyError, safe_error, safe_trace
from vectra_bot.exchange.config import EvidenceDelays
from vectra_bot.exchange.identities import Identities
from vectra_bot.exchange.market import EndedSidebet
from vectra_bot.game import rules
from vectra_bot.game.amounts import to_lamports
from vectra_bot.game.ledger import Fill
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.venues.embedded import DEFAULT_USERNAME

MAX_LATENCY_MS: Final = 100
"""Latency up to which every answer of a game comes before the next game is announced."""


def _refuse_config(config: PlayConfig) -> None:
    """Give to the engine what depends on other players or on the time of a tick, and games it alone can play.

    Raises:
        NeedsEngine: it does.
    """
    limits = config.limits
    check_given([one.game for one in config.given])
    if config.exchange.crowd:
        raise NeedsEngine("there is a crowd")
    if config.exchange.short_terms.waits_to_close:
        raise NeedsEngine("a short is settled at the tick after its close")
    if config.latency_ms > MAX_LATENCY_MS:
        raise NeedsEngine(f"the latency is above {MAX_LATENCY_MS} ms")
    for name in ("day_loss", "actions_per_minute", "price_age_ms"):
        if getattr(limits, name) is not None:
            raise NeedsEngine(f"the limit {name} depends on time")


class FastBlock:
    """One block: our side, the venue's, the messages between them, and the steps of each game."""

    def __init__(self, config: PlayConfig, on_fill: OnFill = ignore_fill) -> None:
        self.config, self._on_fill = config, on_fill
        _refuse_config(config)
        self.exchange = exchange = config.exchange_config()
        self._ids = ids = Identities(config.seed)
        self._refusals = refusals = Refusals()
        player_id, cash = ids.player_id(-1), to_lamports(config.cash)
        owner = Owner(config.session_id, player_id, DEFAULT_USERNAME, refusals.refuse)
        self.table = Games.empty(config.games, seed=config.seed, first=config.first)
        self.table.played = Played(engine="fast")
        self.venue = self._make_venue(player_id, cash)
        gate = RiskGate(config.limits)
        self.bot = self._make_bot(owner, gate)
        # Without latency the venue answers at once, and no time of the game's clock is needed.
        late = config.latency_ms > 0
        self._timeline = Timeline(exchange) if late else None
        self._times: GameTimes | None = None
        delays = EvidenceDelays() if late else EvidenceDelays.none()
        self._latency_ns = config.latency_ms * NS_PER_MS
        self._update_ns = delays.update_ms * NS_PER_MS
        self._row_ns = delays.row_ms * NS_PER_MS
        self._ack_ns = delays.ack_ms * NS_PER_MS
        self._now_ns = self._last_due_ns = self._acks = 0
        self._arriving: deque[Order] = deque()
        self._mail: deque[tuple[int, Callable[[], None]]] = deque()
        self._alarm = NEVER
        # Whether nothing can come between a request and its answers.
        self._immediate = not late and self.bot.hooks.submitted is None
        self._shown = FastTick("", 0, 0.0, refusals)

    def _make_venue(self, player_id: str, cash: int) -> FastVenue:
        return FastVenue(self.exchange, player_id, DEFAULT_USERNAME, cash)

    def _make_bot(self, owner: Owner, gate: RiskGate) -> FastBot:
        return FastBot(self.config.strategy(), owner, gate, self._refusals, self.table)

    @property
    def needs_rounds(self) -> bool:
        """Whether the strategy looked at side games, which a :class:`RoundsBlock` plays."""
        return self._refusals.reason == PLAYS_ROUNDS

    def play(self, watch: Watch = never) -> Games:
        """Play the games of the block until *watch* ends it, in the engine's decimal context."""
        ours = getcontext()
        setcontext(_CONTEXT.copy())
        try:
            return self._play(watch)
        finally:
            setcontext(ours)

    def _play(self, watch: Watch) -> Games:
        exchange, bot = self.exchange, self.bot
        ended: FastGameData | None = None
        seed, game_id = secret(exchange, self._ids, exchange.first_game)
        self._guarded(partial(bot.announced, game_id, seed, None))
        bot.log_in(self.venue.ledger.cash)
        for ended in chunks_of(exchange, self.config.games):
            if not ended.at:
                bot.holdings.fill(ended.chunk.games)
            self._guarded(partial(self._game, ended))
            self._check()
            if watch(bot.holdings.row):
                break
        bot.holdings.flush()
        self.venue.post_trades()
        self.table.capped = self.venue.market.capped
        return self.table.head(bot.holdings.row)

    def _check(self) -> None:
        """Look whether the strategy has hidden a refusal, or changed the decimal context permanently."""
        if self._refusals.reason:
            raise NeedsEngine(self._refusals.reason)
        context = getcontext()
        if (context.prec, context.rounding) != (_CONTEXT.prec, _CONTEXT.rounding):
            raise NeedsEngine("the strategy changes the decimal context")

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step in which the strategy may raise.

        Raises:
            StrategyError: it did.
        """
        try:
            step()
        except (Exception, SystemExit) as error:
            running = self.bot.running
            if not running:
                raise
            source, number = self.config.source, self.config.first + self.bot.holdings.row
            trace = safe_trace(error.with_traceback(_from_the_strategy(error.__traceback__)))
            raise StrategyError(
                f"strategy {source.name!r} raised in {source.cls.__name__}.{running}, game {number}, "
                f"tick {self.bot.game.tick}: {safe_error(error)}\n{trace}"
            ) from error

    # Requests and answers in progress.

    def _post(self, after_ns: int, deliver: Callable[[], None]) -> None:
        """Let our side receive an answer *after_ns* from now, and never before what was posted earlier."""
        due_ns = max(self._now_ns + after_ns, self._last_due_ns)
        self._last_due_ns = due_ns
        self._mail.append((due_ns, deliver))

    def _send(self) -> None:
        """Send what was asked for; a method that is called for it may ask for more."""
        desk, submitted = self.bot.desk, self.bot.hooks.submitted
        while desk.asked:
            order = desk.asked.popleft()
            desk.calls = 0
            self._acks += 1
            order.ack_id, order.state = self._acks, SENT
            order.arrives_ns = self._now_ns + self._latency_ns
            self._arriving.append(order)
            if submitted is not None:
                self.bot.call(submitted, "on_action_submitted", order.shown())
        desk.busy, desk.calls = False, 0

    def _run_until(self, until_ns: int) -> None:
        """Execute requests and deliver answers up to *until_ns*, in order; answers first."""
        mail, arriving, desk = self._mail, self._arriving, self.bot.desk
        while mail or arriving:
            due_ns = mail[0][0] if mail else NEVER
            arrives_ns = arriving[0].arrives_ns if arriving else NEVER
            if min(due_ns, arrives_ns) > until_ns:
                break
            if due_ns <= arrives_ns:
                self._now_ns, deliver = mail.popleft()
                deliver()
                if desk.busy:
                    self._send()
            else:
                self._now_ns = arrives_ns
                self._execute(arriving.popleft())
        self._now_ns = until_ns

    def _execute(self, order: Order) -> None:
        """Execute a request that arrived, and post the answers to it."""
        done, bot = self.venue.execute(order, self._now_ns), self.bot
        if done.reason:
            self._post(self._ack_ns, partial(bot.rejected, order, done.reason))
            return
        ledger = self.venue.ledger
        if done.fill is not None:
            self._filled(done.fill)
            self._post(0, partial(bot.filled, order, done.fill, ledger.cash, ledger.lots))
            self._post_update(self._update_ns, partial(bot.complete, order))
            self._post_update(self._row_ns)
        elif done.bet is not None:
            placed = partial(bot.placed, order, done.bet, ledger.cash, ledger.lots)
            self._post_update(self._update_ns, placed)
        self._post(self._ack_ns, _nothing)

    def _filled(self, fill: Fill) -> None:
        self.table.fills += 1
        if self._on_fill is ignore_fill:
            return
        kind = _TRADES.get(fill.kind, fill.kind)
        number = self.config.first + self.bot.holdings.row
        self._on_fill(FillRow(number, fill.tick, kind, fill.amount, fill.qty, fill.price))

    def _post_update(self, after_ns: int, then: Callable[[], None] | None = None) -> None:
        """Post a statement of our account: what it shows of a short is taken first."""
        short = self.venue.ledger.short
        if short is not None:
            value = partial(self.bot.value_short, short, self.venue.value(short))
            self._post(after_ns, value)
        if then is not None:
            self._post(after_ns, then)

    def _settled(self, settled: EndedSidebet, later: int = 0) -> None:
        """Post the result of our sidebet; *later* lamports were paid to us after it."""
        cash = self.venue.ledger.cash - later
        self._post(0, partial(self.bot.settled, settled.bet, settled.tick, cash))
        self._post_update(0)

    def _sold_by_venue(self, fills: list[Fill]) -> None:
        """Post the trades that the venue made with our holdings, each with the cash after it."""
        ledger, bot = self.venue.ledger, self.bot
        rugged = self.venue.market.rugged
        later = sum(fill.amount for fill in fills)
        for fill in fills:
            later -= fill.amount
            self._filled(fill)
            take = bot.force_sold if rugged else bot.sold
            self._post(0, partial(take, fill, ledger.cash - later, ledger.lots))
        if fills and not rugged:
            self._post_update(0, bot.stated_sales)

    # The steps of a game.

    def _game(self, data: FastGameData) -> None:
        """Play one game, from the announcement to that of the next one."""
        timeline = self._timeline
        self._times = times = None if timeline is None else timeline.game(data)
        self.venue.begin_game(data.game_id)
        self.bot.begin(data)
        self._presale(0 if times is None else times.presale_ns)
        self._start(0 if times is None else times.ticks_ns[0])
        if self.bot.hooks.tick is None:
            self._skip_ticks(data)
        else:
            self._ticks(data)
        self._rug(data, times)

    def _presale(self, at_ns: int) -> None:
        if at_ns:
            self._run_until(at_ns)
        bot, game = self.bot, self.bot.game
        self.venue.market.open_presale()
        game.phase, game.starts_in_ms = PRESALE, rules.PRESALE_MS
        if bot.hooks.phase is not None:
            bot.call(bot.hooks.phase, "on_phase", game)
        self._after_frame(at_ns)

    def _start(self, at_ns: int) -> None:
        if at_ns:
            self._run_until(at_ns)
        bot, game, hooks = self.bot, self.bot.game, self.bot.hooks
        self.venue.market.start()
        game.phase, game.starts_in_ms = ACTIVE, 0
        if hooks.phase is not None:
            bot.call(hooks.phase, "on_phase", game)
        if hooks.start is not None:
            bot.call(hooks.start, "on_game_start", game)
        if bot.desk.exits.plan is not NO_EXITS:
            bot.run_exits()
        if hooks.tick is not None:
            bot.call(hooks.tick, "on_game_tick", self._tick(0, game.price), game)
        self._after_frame(at_ns)
        self._set_alarm(0)

    def _tick(self, tick: int, price: float) -> FastTick:
        """Return the record of a tick: always the same one for a strategy that cannot keep it."""
        game_id = self.bot.game.game_id
        if self.bot.hooks.keeps_ticks:
            return FastTick(game_id, tick, price, self._refusals)
        values = self._shown.__dict__
        values["game_id"], values["tick"], values["price"] = game_id, tick, price
        return self._shown

    def _ticks(self, data: FastGameData) -> None:
        """Play the ticks after the first: nearly all of them are the strategy's method alone."""
        prices, tick, end = data.prices, 1, data.rug_tick
        while tick < end:
            if tick >= self._alarm:
                self._busy_tick(tick, prices[tick])
                tick += 1
            else:
                tick = self._quiet_ticks(prices, tick, min(self._alarm, end))

    def _quiet_ticks(self, prices: Sequence[float], tick: int, end: int) -> int:
        """Play ticks at which nothing is due, until the strategy asks for something; return the next tick."""
        bot, game, desk = self.bot, self.bot.game, self.bot.desk
        on_tick, new = bot.hooks.tick, bot.hooks.keeps_ticks
        assert on_tick is not None
        shown = self._tick(tick, game.price)
        its = shown.__dict__
        bot.running = "on_game_tick"
        for tick, price in enumerate(prices[tick:end], tick):  # noqa: B020, PLR1704 - the same count
            game.tick = tick
            game.price = price
            if new:
                shown = self._tick(tick, price)
            else:
                its["tick"] = tick
                its["price"] = price
            on_tick(shown, game)
            if desk.busy:
                bot.running = ""
                self._asked(tick, price)
                if self._alarm < end:
                    break
                bot.running = "on_game_tick"
        bot.running = ""
        return tick + 1

    def _skip_ticks(self, data: FastGameData) -> None:
        """Play the ticks of a strategy that does not look at them: those at which something is due."""
        while self._alarm < data.rug_tick:
            self._busy_tick(self._alarm, data.prices[self._alarm])
        game = self.bot.game
        game.tick, game.price = data.rug_tick - 1, data.prices[-1]

    def _asked(self, tick: int, price: float) -> None:
        """Take what the strategy asked for at a tick at which nothing was due."""
        market, bot = self.venue.market, self.bot
        market.tick, market.price = tick, price  # all of a move: nothing is due
        if self._immediate and self._at_once():
            self._alarm = bot.exit_at
            return
        if bot.desk.reports:
            bot.report()
        self._after_frame(0 if self._times is None else self._times.ticks_ns[tick])
        self._set_alarm(tick)

    def _at_once(self) -> bool:
        """Execute the only order and take the answers, if nothing can come between.

        Returns:
            whether the order was executed and the strategy asked for nothing more.
        """
        venue, desk = self.venue, self.bot.desk
        if len(desk.asked) != 1 or desk.reports:
            return False
        order = desk.asked[0]
        fill = venue.trade(order)
        if fill is None:
            return False
        desk.asked.clear()
        desk.busy, desk.calls = False, 0
        self._acks = order.ack_id = self._acks + 1
        if self._on_fill is ignore_fill:
            self.table.fills += 1
        else:
            self._filled(fill)
        self.bot.traded(order, fill, venue.ledger)
        return not desk.busy

    def _busy_tick(self, tick: int, price: float) -> None:
        """Play a tick at which something may be due, in the order of venue and engine."""
        at_ns = 0 if self._times is None else self._times.ticks_ns[tick]
        self._run_until(at_ns)
        market, bot, game = self.venue.market, self.bot, self.bot.game
        self._sold_by_venue(self.venue.move(tick, price))
        for settled in market.settle_lost(at_ns):
            self._settled(settled)
        game.tick, game.price = tick, price
        if tick >= bot.exit_at:
            bot.run_exits()
            bot.find_exit(tick + 1)
        bot.call(bot.hooks.tick, "on_game_tick", self._tick(tick, price), game)
        self._after_frame(at_ns)
        self._set_alarm(tick)

    def _after_frame(self, at_ns: int) -> None:
        """Send what a frame led to, and without latency take the answers."""
        if self.bot.desk.busy:
            if self._immediate and not self._mail and self._at_once():
                return
            self._now_ns = at_ns or self._now_ns
            self._send()
        elif at_ns:
            self._now_ns = at_ns
        if self.venue.shows_short:
            self.bot.value_short(*self.venue.published)
        if self._timeline is None and (self._mail or self._arriving):
            self._run_until(0)

    def _set_alarm(self, tick: int) -> None:
        """Set the next tick at which anything but the strategy's method may run."""
        venue = self.venue
        if self._mail or self._arriving or venue.ledger.leveraged or venue.shows_short:
            self._alarm = tick + 1
            return
        bet = venue.ledger.sidebet
        self._alarm = min(self.bot.exit_at, NEVER if bet is None else bet.end_tick)

    def _rug(self, data: FastGameData, times: GameTimes | None) -> None:
        """Settle our account, see the frame of the rug, and the announcement of the next game."""
        decided_ns, rug_ns, next_ns = (
            (0, 0, 0) if times is None else (times.decided_ns, times.rug_ns, times.next_ns)
        )
        if times is not None:
            self._run_until(decided_ns)
        venue = self.venue
        if times is None and venue.is_plain:
            fill = venue.sell_at_rug(data.rug_tick, data.rug_price)
            if fill is not None:
                self._filled(fill)
                self.bot.force_sold(fill, venue.ledger.cash, ())
        else:
            settled, fills = venue.settle_at_rug(data.rug_tick, data.rug_price, decided_ns)
            if settled is not None:
                self._settled(settled, sum(fill.amount for fill in fills))
            self._sold_by_venue(fills)
        if times is not None or self._mail:
            self._run_until(rug_ns)
        self.bot.rugged(data)
        self._after_frame(rug_ns)
        if times is not None:
            self._run_until(next_ns)
        seed, game_id = data.following
        self.bot.announced(game_id, seed, data)
        self._after_frame(next_ns)


_TRADES = {"forced_sell": "sell", "liquidation": "sell"}
"""The kinds of the venue's own sales on the wire."""

_DRIVER = __name__.rpartition(".")[0]

_CONTEXT = Context(prec=60)
"""The engine's decimal context, in which a strategy's methods run."""


def _from_the_strategy(trace: TracebackType | None) -> TracebackType | None:
    """Return *trace* without the driver's frames before the strategy's."""
    while (
        trace is not None
        and trace.tb_next is not None
        and str(trace.tb_frame.f_globals.get("__name__")).startswith(_DRIVER)
    ):
        trace = trace.tb_next
    return trace


def _nothing() -> None:
    """Receive an answer that changes nothing."""
