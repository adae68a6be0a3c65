"""The bench: an engine, a strategy, and a venue whose messages the caller chooses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.engine import Engine
from vectra_bot.errors import StrategyError
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame
from vectra_bot.game.ledger import Fill, Ledger, LedgerError, to_lamports, to_sol
from vectra_bot.game.shorts import ShortTerms
from vectra_bot.models import (
    Ack,
    ActionType,
    ClockAdvanced,
    Command,
    ConnectionChanged,
    DocType,
    Document,
    Event,
    FrameKind,
    GameFrame,
    Link,
    LoginStatus,
    Mode,
    OperatorCommand,
    OperatorKind,
    PlayerAction,
    PlayerGameUpdate,
    PlayerUpdate,
    SendResult,
    SessionEnding,
    SidebetPlaced,
    Trade,
)
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import Strategy
from vectra_bot.testing.arguments import by_name, instance_of
from vectra_bot.testing.rounds import BenchRounds
from vectra_bot.testing.statements import player_update, short_info, sidebet_result

PLAYER_ID = "did:privy:bench"
START_NS = 1_767_225_600_000_000_000
TICK_NS = 250_000_000


class Bench:
    """Drives one strategy through the real engine.

    Attributes:
        engine: the engine under the strategy.
        ledger: the venue's own record of our account, in lamports.
        commands: the commands sent to the venue, oldest first.
        documents: what a session would have stored.
        rounds: the side games' rounds (unverified), which the caller opens and ends.
        terms: the payoff of shorts (unverified).

    Args:
        strategy: the strategy to drive, or its class.
        plugins: plugin objects or classes, in a list or by name; no other plugin takes part.
        cash: SOL at the start.
        limits: limits of the session.
        live: conditions of a live session, which must be armed; None for a session on paper.
        send: whether commands are sent; if False each is reported as not sent.
        terms: the payoff of shorts, the textbook one if None.
        bonus: SOL of bonus money at the start.
        connected: whether it begins connected, with our account logged in and stated.
        parameters: parameters of the strategy, where its class is given: ``Bench(TakeProfit, target=1.2)``.

    Raises:
        ConfigError: a parameter is unknown or its value not allowed, or parameters came with an instance.
    """

    player_id = PLAYER_ID

    def __init__(
        self,
        strategy: Strategy | type[Strategy],
        *,
        plugins: Mapping[str, Any] | Iterable[Any] = (),
        cash: Decimal | str | int = 1,
        limits: Limits | None = None,
        live: LiveTerms | None = None,
        send: bool = True,
        terms: ShortTerms | None = None,
        bonus: Decimal | str | int = 0,
        connected: bool = True,
        **parameters: Any,
    ) -> None:
        manager = PluginManager()
        for name, plugin in by_name(plugins).items():
            manager.register(name, plugin)
        self.engine: Engine = Engine(
            session_id="bench",
            mode=Mode.PAPER if live is None else Mode.LIVE,
            strategy=instance_of(strategy, parameters),
            plugins=manager,
            limits=limits or Limits(),
            terms=live,
        )
        self.ledger: Ledger = Ledger(to_lamports(cash), bonus=to_lamports(bonus))
        self.terms: ShortTerms = terms or ShortTerms()
        self.rounds: BenchRounds = BenchRounds(self)
        self.commands: list[Command] = []
        self.documents: list[Document] = []
        self.now_ns: int = START_NS
        self._send = send
        self._ack_ids: dict[str, int] = {}
        self._games = self._answered = 0
        self._tick = 0
        self._price = rules.START_PRICE
        if connected:
            self.connect()
            self.login()
            self.update()

    # Inputs.

    def feed(self, event: Event) -> list[Command]:
        """Process *event*; hand its commands over immediately and return them.

        Raises:
            StrategyError: the strategy raised; the original exception is the cause.
        """
        effects = self.engine.process(event)
        asked = [effect for effect in effects if isinstance(effect, Command)]
        self.documents += [effect for effect in effects if isinstance(effect, Document)]
        failure = self.engine.failure
        if failure is not None:
            raise StrategyError(f"{failure.callback} raised {failure.error}") from failure.exception
        for command in asked:
            self.commands.append(command)
            ack_id = len(self.commands)
            self._ack_ids[command.action_id] = ack_id
            self.feed(
                SendResult(
                    recv_ns=self.now_ns,
                    action_id=command.action_id,
                    sent=self._send,
                    ack_id=ack_id if self._send else None,
                    reason=None if self._send else "the bench sends nothing",
                )
            )
        return asked

    def wait(self, seconds: float) -> None:
        """Advance the time without a frame."""
        self.now_ns += int(seconds * 1e9)
        self.feed(ClockAdvanced(recv_ns=self.now_ns))

    def disconnect(self, reason: str = "test") -> None:
        """Drop the connection."""
        self.feed(ConnectionChanged(recv_ns=self.now_ns, link=Link.DISCONNECTED, reason=reason))

    def connect(self) -> None:
        """Restore the connection."""
        self.feed(ConnectionChanged(recv_ns=self.now_ns, link=Link.CONNECTED))

    def login(self, player_id: str = PLAYER_ID) -> None:
        """State which account is logged in."""
        self.feed(
            LoginStatus(
                recv_ns=self.now_ns, player_id=player_id, username="bench", has_username=True
            )
        )

    def end(self) -> None:
        """End the session."""
        self.feed(SessionEnding(recv_ns=self.now_ns, reason="bench"))

    def operate(self, kind: OperatorKind | str, reason: str = "bench") -> None:
        """Give an operator's command, such as ``halt`` or ``flatten``."""
        kind = OperatorKind(kind)
        self.feed(OperatorCommand(recv_ns=self.now_ns, kind=kind, reason=reason))

    # The game.

    def play(self, *games: FairGame) -> None:
        """Play *games* from presale to rug, and announce the next one, by which :meth:`on_game_end` runs.

        Every command is executed at the price in force when it was sent; one that the venue's ledger does
        not allow is refused. What an outcome makes the strategy ask for is executed at the next tick.
        """
        for game in games:
            if self._tick or not self._games:
                self.new_game()
            self._answer()
            self.presale()
            self._answer()
            for tick, price in enumerate(game.prices):
                self._advance(tick, price)
                self._answer()
            self.rug(game.rug_price)
            self.new_game()

    def _answer(self) -> None:
        """Execute or refuse the commands that have no answer yet."""
        waiting, self._answered = self.commands[self._answered :], len(self.commands)
        for command in waiting:
            try:
                self.fill(command)
            except LedgerError as error:
                self.ack(command, success=False, message=str(error))
            else:
                self.ack(command)

    @property
    def game_id(self) -> str:
        """Return the id of the bench's current game."""
        return f"20260101-{self._games:016x}"

    def new_game(self) -> None:
        """Announce the next game: its countdown begins."""
        self._games += 1
        self._tick, self._price = 0, rules.START_PRICE
        self.ledger.begin_game()
        self._frame(FrameKind.SETTLEMENT, active=False, cooldown=rules.COOLDOWN_MS)

    def presale(self) -> None:
        """Open the presale."""
        self._frame(FrameKind.TICK, active=False, cooldown=rules.PRESALE_MS, presale=True)

    def start_game(self, prices: Iterable[float] = (rules.START_PRICE,)) -> None:
        """Announce a game, open its presale and play *prices* from tick 0."""
        self.new_game()
        self.presale()
        for tick, price in enumerate(prices):
            self._advance(tick, price)

    def _advance(self, tick: int, price: float) -> None:
        if tick:
            self.tick(price)
        else:
            self._frame(FrameKind.START, active=True)

    def tick(self, price: float, tick: int | None = None) -> None:
        """Send the next tick at *price* (or tick number *tick*); the venue liquidates what falls too far."""
        self._tick = self._tick + 1 if tick is None else tick
        before, self._price = self._price, price
        self.now_ns += TICK_NS
        self.ledger.move_short(before, price)
        self._frame(FrameKind.TICK, active=True)
        self._liquidate()

    def _liquidate(self) -> None:
        """Sell leveraged lots that have fallen too far, and close a short that is worth nothing."""
        fills = self.ledger.liquidate(self._price, self._tick)
        for number, fill in enumerate(fills):
            self._sold(fill, f"{number:x}" * 32)
        if fills:  # one statement for all that was sold at one moment, as the venue sends it
            self.update()
        short = self.ledger.short
        if short is not None and not short.value(self._price, self.terms):
            self.ledger.close_short(self._price, self._tick, 0)
            self.trade("short_close", 0, 0, trace_id="b" * 32)
            self.update()

    def rug(self, price: float | None = None, *, settle: bool = True) -> None:
        """Rug the game: settle what is open, send our private events, then broadcast the rug."""
        self._tick += 1
        low = self.engine.game.low
        self._price = low * (1 - rules.RUG_DROP) if price is None else price
        if settle:
            self._settle()
        self.now_ns += TICK_NS
        self._frame(FrameKind.TICK, active=True, rugged=True)
        if settle:
            self.update()

    def _settle(self) -> None:
        if self.ledger.sidebet is not None:
            self.settle_sidebet(self._tick)
        short = self.ledger.short
        if short is not None:
            value = short.value(self._price, self.terms)
            closed = self.ledger.close_short(self._price, self._tick, value)
            self.trade("short_close", closed.amount, 0, trace_id="e" * 32)
            self.update()
        fill = self.ledger.forced_sell(self._price, self._tick)
        if fill is not None:
            self._sold(fill, "f" * 32)
            self.update()

    def _sold(self, fill: Fill, trace_id: str) -> None:
        """Report a sale by the venue, with the bonus part of its amount."""
        event = self.trade_event("sell", fill.amount, fill.qty, trace_id=trace_id)
        self.feed(attrs.evolve(event, bonus_portion=to_sol(fill.bonus)))

    def settle_sidebet(self, rug_tick: int | None) -> None:
        """Settle the open sidebet at the current tick and send us the result."""
        bet = self.ledger.settle_sidebet(rug_tick, self._tick)
        if bet is None:
            return
        self.feed(sidebet_result(bet, self._tick, self.game_id, PLAYER_ID, self.now_ns))
        self.update()

    def _frame(
        self,
        kind: FrameKind,
        *,
        active: bool,
        rugged: bool = False,
        cooldown: int = 0,
        presale: bool = False,
    ) -> None:
        self.feed(
            GameFrame(
                recv_ns=self.now_ns,
                kind=kind,
                game_id=self.game_id,
                active=active,
                rugged=rugged,
                price=self._price,
                tick=self._tick,
                cooldown_timer_ms=cooldown,
                allow_pre_round_buys=presale,
                connected_players=1,
            )
        )

    # The venue's answers.

    def execute(self, command: Command) -> None:
        """Execute *command* at the current price and send all evidence in the usual order."""
        self.fill(command)
        self.ack(command)

    def fill(self, command: Command, *, trade: bool = True, update: bool = True) -> None:
        """Execute *command* in the venue's ledger; send a trade and a player update as requested."""
        if command.action_type is ActionType.SIDEBET:
            bet = self.ledger.place_sidebet(to_lamports(command.amount or 0), self._tick)
            if update:
                self.update()
            if trade:
                self.feed(self.sidebet_event(command, bet.start_tick, bet.end_tick))
            return
        if command.action_type.is_side_game:
            placed = self.rounds.place(command)
            if update:
                self.update()
            if trade:
                self.feed(placed)
            return
        fill = self.carry_out(command)
        if trade:
            self.feed(self.fill_event(command, fill))
        if update:
            self.update()

    def carry_out(self, command: Command) -> Fill:
        """Execute a trade in the venue's ledger at the current price and send nothing."""
        price, tick, kind = self._price, self._tick, command.action_type
        amount = to_lamports(command.amount or 0)
        if kind is ActionType.BUY:
            return self.ledger.buy(amount, price, tick, command.leverage)
        if kind is ActionType.SELL:
            return self.ledger.sell(command.percentage or 100, price, tick)
        if kind is ActionType.SHORT_OPEN:
            return self.ledger.open_short(amount, price, tick, self.terms)
        short = self.ledger.short
        value = 0 if short is None else short.value(price, self.terms)
        return self.ledger.close_short(price, tick, value)

    def fill_event(self, command: Command, fill: Fill) -> Trade:
        """Return the event of *fill*, the fill of *command*."""
        event = self.trade_event(fill.kind, fill.amount, fill.qty, trace_id=command.trace_id)
        if command.action_type in (ActionType.SHORT_OPEN, ActionType.SHORT_CLOSE):
            return event
        return attrs.evolve(
            event,
            leverage=fill.leverage if command.action_type is ActionType.BUY else None,
            bonus_portion=to_sol(fill.bonus),
            real_portion=to_sol(fill.amount - fill.bonus),
        )

    def sidebet_event(self, command: Command, start: int, end: int) -> SidebetPlaced:
        """Return the event by which the venue confirms our sidebet."""
        return SidebetPlaced(
            recv_ns=self.now_ns,
            game_id=self.game_id,
            player_id=PLAYER_ID,
            username="bench",
            amount=command.amount or Decimal(0),
            start_tick=start,
            end_tick=end,
            price=self._price,
            trace_id=command.trace_id,
        )

    def trade(
        self,
        kind: str,
        amount: int,
        qty: int,
        *,
        trace_id: str | None = None,
        player_id: str = PLAYER_ID,
        trade_id: str | None = None,
    ) -> None:
        """Broadcast a trade at the current price; *amount* and *qty* in lamports."""
        self.feed(
            self.trade_event(
                kind, amount, qty, trace_id=trace_id, player_id=player_id, trade_id=trade_id
            )
        )

    def trade_event(
        self,
        kind: str,
        amount: int,
        qty: int,
        *,
        trace_id: str | None = None,
        player_id: str = PLAYER_ID,
        trade_id: str | None = None,
    ) -> Trade:
        """Return the event of a trade at the current price."""
        return Trade(
            recv_ns=self.now_ns,
            trade_id=trade_id or f"{trace_id}-{kind}-{amount}-{qty}-{self._tick}",
            game_id=self.game_id,
            player_id=player_id,
            username=None,
            level=None,
            kind=kind,
            price=self._price,
            amount=to_sol(amount),
            qty=to_sol(qty),
            tick=self._tick,
            trace_id=trace_id,
        )

    def ack(
        self, command: Command, *, success: bool | None = True, message: str | None = None
    ) -> None:
        """Acknowledge *command*."""
        self.feed(
            Ack(
                recv_ns=self.now_ns,
                ack_id=self._ack_ids[command.action_id],
                success=success,
                message=message,
            )
        )

    def update(self) -> None:
        """Send our account as the venue's ledger has it."""
        self.feed(self.update_event())

    def update_event(self) -> PlayerUpdate:
        """Return the event that states our account as the venue's ledger has it."""
        return player_update(
            self.ledger,
            self.terms,
            price=self._price,
            game_id=self.game_id,
            player_id=PLAYER_ID,
            recv_ns=self.now_ns,
        )

    def show_row(self) -> None:
        """Send our current row, with the venue's value of a short."""
        self.feed(
            PlayerGameUpdate(
                recv_ns=self.now_ns,
                game_id=self.game_id,
                short=short_info(self.ledger, self.terms, self._price),
            )
        )

    # Results.

    @property
    def actions(self) -> list[PlayerAction]:
        """Return the completed actions, in order of completion."""
        return [d.record for d in self.documents if d.doc_type is DocType.PLAYER_ACTION]

    def of_type(self, doc_type: DocType) -> list[Any]:
        """Return the records of one kind of document, oldest first."""
        return [d.record for d in self.documents if d.doc_type is doc_type]
