"""One play of a strategy: games of the exchange through the engine, and what was seen and decided in them.

Imports engine, exchange, venues and wire. The venue's objects are those of a session, so that a strategy that
reaches for them finds here what it finds there; there is no journal and no store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from time import monotonic, process_time
from typing import TypeGuard

import attrs
import msgspec
from attrs import define, field, frozen

from vectra_bot.actions.exits import NO_EXITS, ExitPlan
from vectra_bot.actions.limits import Limits
from vectra_bot.config import read_secret
from vectra_bot.engine import Engine
from vectra_bot.engine.callbacks import StrategyFailure
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.exchange.exchange import Staging
from vectra_bot.game import rules
from vectra_bot.game.fair import FairGame
from vectra_bot.models import (
    ActionState,
    Command,
    DocType,
    Document,
    Event,
    Frame,
    Mode,
    PlayerAction,
)
from vectra_bot.params import WrittenText, configure
from vectra_bot.plugins import PluginManager
from vectra_bot.strategy import Strategy
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.wire.decode import decode

CROWD = 30
"""Other players on the exchange: enough that trades of others are seen in every game."""

PLAY_LIMIT_S = 4
"""A play ends after this time of the processor; plays of slow strategies are compared as far as they go."""

WAIT_LIMIT_S = 20
"""A play ends after this time in any case."""

_LONG_STEP_MS = 5_000


class AskedAction(msgspec.Struct, frozen=True):
    """What a strategy asked for.

    Attributes:
        after: messages of the venue that it had seen.
        game: number of the game in the play, from 1.
        what: the action as text, such as ``BUY 0.01``.
        denied: why it was denied, empty if it was sent.
    """

    after: int
    game: int
    game_id: str
    tick: int
    what: str
    denied: str = ""


class Failure(msgspec.Struct, frozen=True):
    """An exception of a strategy."""

    callback: str
    error: str
    trace: str
    game: int
    game_id: str
    tick: int


class PlayRecord(msgspec.Struct, frozen=True):
    """What was seen and decided in a play.

    Attributes:
        seen: a digest of each message of the venue, in order.
        decisions: what was asked for, in order.
        failure: the exception that ended it, None if there was none.
        rejected: actions that the venue refused.
        lengths: the last tick seen, by number of the game.
        cut: whether it was ended by :data:`PLAY_LIMIT_S`.
    """

    seen: list[str]
    decisions: list[AskedAction]
    failure: Failure | None = None
    rejected: int = 0
    lengths: dict[int, int] = {}
    cut: bool = False


@frozen(kw_only=True)
class Terms:
    """What is played.

    Attributes:
        seed: seed of the exchange.
        games: games to play.
        settings: parameters of the strategy, as text.
        cash: SOL at the start.
        brief: without other players, and with few frames before each game.
        made_games: the first games; the rest are those of the seed.
        staging: chooses the games in place of both.
        until: ends the play after a message, if it returns True for the play.
        on_message: called before each message, with the number of those before it.
    """

    seed: int
    games: int
    settings: Mapping[str, str] = field(factory=dict)
    cash: Decimal = Decimal(1)
    brief: bool = False
    made_games: tuple[FairGame, ...] = ()
    staging: Staging | None = None
    until: Callable[[RunningPlay], bool] | None = None
    on_message: Callable[[int], None] | None = None


def play(cls: type[Strategy], terms: Terms) -> PlayRecord:
    """Play *cls* by *terms*.

    Raises:
        ConfigError: a parameter is wrong.
        StrategyError: the strategy could not be created.
    """
    settings = {key: WrittenText(text, read_secret) for key, text in terms.settings.items()}
    config = ExchangeConfig(
        seed=terms.seed,
        crowd=0 if terms.brief else CROWD,
        countdown_step=_LONG_STEP_MS if terms.brief else rules.COUNTDOWN_STEP_MS,
        past_games=rules.HISTORY_GAMES,
        made_games=terms.made_games,
    )
    venue = EmbeddedVenue(
        Exchange(config, staging=terms.staging), cash=terms.cash, games=terms.games
    )
    engine = Engine(
        session_id="check",
        mode=Mode.PAPER,
        strategy=configure(cls, settings),
        plugins=PluginManager(),
        limits=Limits(),
    )
    running = RunningPlay(engine, venue)
    asyncio.run(running.run(terms))
    return running.played()


@define
class RunningPlay:
    """A play that is not over."""

    engine: Engine
    venue: EmbeddedVenue
    seen: list[str] = field(factory=list)
    decisions: list[AskedAction] = field(factory=list)
    failure: Failure | None = None
    lengths: dict[int, int] = field(factory=dict)
    cut: bool = False

    async def run(self, terms: Terms) -> None:
        """Bring the venue's messages to the engine until the games are over, or the time."""
        end, latest = process_time() + PLAY_LIMIT_S, monotonic() + WAIT_LIMIT_S
        async with contextlib.aclosing(aiter(self.venue.feed)) as items:
            async for item in items:
                if terms.on_message is not None:
                    terms.on_message(len(self.seen))
                if isinstance(item, Frame):
                    self.seen.append(hashlib.blake2b(item.raw.encode(), digest_size=6).hexdigest())
                await self._take(decode(item) if isinstance(item, Frame) else item)
                self.lengths[self.number] = self.engine.game.tick
                self.cut = process_time() > end or monotonic() > latest
                if (
                    self.cut
                    or self.failure is not None
                    or (terms.until is not None and terms.until(self))
                ):
                    return

    @property
    def number(self) -> int:
        """Return the number of the game that is played, from 1."""
        return self.venue.exchange.games_opened + 1

    def played(self) -> PlayRecord:
        """Return the play as far as it went."""
        return PlayRecord(
            self.seen,
            self.decisions,
            self.failure,
            self.engine.states[ActionState.REJECTED],
            self.lengths,
            self.cut,
        )

    async def _take(self, event: Event) -> None:
        waiting = [event]
        while waiting:
            for effect in self.engine.process(waiting.pop(0)):
                if isinstance(effect, Command):
                    tracked = self.engine.tracker.book.get(effect.action_id)
                    plan = NO_EXITS if tracked is None else tracked.plan
                    self._note(effect, text_of(effect, plan))
                    waiting.append(await self.venue.gateway.send(effect))
                elif _is_denial(effect):
                    action: PlayerAction = effect.record
                    outcome = action.outcome
                    why = "" if outcome is None else outcome.error_reason or ""
                    self._note(action, text_of(action, NO_EXITS), why)
        if self.engine.failure is not None and self.failure is None:
            self._fail(self.engine.failure)

    def _note(self, asked: Command | PlayerAction, what: str, denied: str = "") -> None:
        game = self.engine.game
        self.decisions.append(
            AskedAction(len(self.seen), self.number, asked.game_id, game.tick, what, denied)
        )

    def _fail(self, failure: StrategyFailure) -> None:
        game = self.engine.game
        self.failure = Failure(
            failure.callback, failure.error, failure.trace, self.number, game.game_id, game.tick
        )


def text_of(asked: Command | PlayerAction, plan: ExitPlan) -> str:
    """Return what was asked for as text, declared exits included: ``BUY 0.01 take_profit=1.5``."""
    words = [asked.action_type.value]
    if asked.amount is not None:
        words.append(f"{asked.amount.normalize():f}")
    if asked.percentage is not None:
        words.append(f"{asked.percentage}%")
    if asked.leverage != 1:
        words.append(f"x{asked.leverage}")
    words += [text for text in (asked.choice, asked.round_id) if text]
    exits = attrs.asdict(plan)
    return " ".join([*words, *(f"{k}={v}" for k, v in exits.items() if v is not None)])


def _is_denial(effect: Command | Document) -> TypeGuard[Document]:
    return (
        isinstance(effect, Document)
        and effect.doc_type is DocType.PLAYER_ACTION
        and effect.record.state is ActionState.DENIED
    )
