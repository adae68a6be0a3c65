"""Limits and stops: checked before anything is sent to the venue.

Entries (buys, sidebets and whatever else adds risk) must pass every limit, with unproven actions counted as
if executed with the worst result. Exits are never blocked by a money limit: selling the whole position is
always allowed except after STOP. A reason is a dotted code and a sentence with the value and the limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum

from attrs import define, field, frozen

from vectra_bot.actions.arming import Arming, ArmingState, Standing
from vectra_bot.actions.freshness import Freshness
from vectra_bot.actions.limits import LEAST, MOST, Limits
from vectra_bot.game import rules
from vectra_bot.game.account import Account
from vectra_bot.game.amounts import to_lamports, to_sol
from vectra_bot.game.rounds import Round
from vectra_bot.game.state import GameView
from vectra_bot.models import ActionState, ActionType, Actor, Command, GamePhase, PlayerAction
from vectra_bot.models.times import NS_PER_MS, NS_PER_S

# Most undecided actions at a time; a strategy that needs more does not wait for answers.
MAX_IN_FLIGHT = 8

_ONE_AT_A_TIME = (ActionType.SIDEBET, ActionType.SHORT_OPEN)


class HaltCause(str, Enum):
    """Why entries are halted; each cause is lifted separately."""

    LINK = "link"
    OPERATOR = "operator"
    REDUCE = "reduce"
    FLATTEN = "flatten"
    DEAD_MAN = "dead_man"
    POSITION = "position"
    EXTERNAL = "external"
    LOSS = "loss"
    MONEY = "money"
    CONTRADICTION = "contradiction"


_DAY_NS = 86_400 * NS_PER_S
_MINUTE_NS = 60 * NS_PER_S
_NEVER = 1 << 63
_REDUCING = frozenset({HaltCause.REDUCE, HaltCause.FLATTEN})


@frozen
class Ask:
    """What is about to be requested; ``amount`` in lamports, ``round`` a side game's.

    ``asked``: the same request is already sent and undecided, for this round or for a short.
    """

    action_type: ActionType
    amount: int | None = None
    percentage: int | None = None
    leverage: int = 1
    choice: str | None = None
    round: Round | None = None
    asked: bool = False

    @property
    def is_full_exit(self) -> bool:
        if self.action_type is ActionType.SHORT_CLOSE:
            return True
        return self.action_type is ActionType.SELL and self.percentage == 100


@define
class RiskGate:
    """Denies requests, with a reason.

    Attributes:
        arming: what a live session may send.
        freshness: the age of the newest price; None without a limit of it.
        sent_this_game: actions sent in the running game.
        external_this_game: what other clients did with our account in it.
        sent_ns: when the last actions were sent, oldest first, as many as the limit of a minute counts.
        day_pnl: lamports won or lost on this day before the session.
        day_start: lamports at the start of the day, None on the day on which the session began.
        day_end_ns: when the day ends; no event is as late without a limit of a day.
        rugged_game: the game whose rug our own forced sale has shown, before the venue's frame does.
    """

    limits: Limits
    arming: Arming = field(factory=Arming)
    halts: dict[HaltCause, str] = field(factory=dict)
    stopped: str | None = None
    sent_this_game: int = 0
    external_this_game: int = 0
    sent_ns: tuple[int, ...] = ()
    freshness: Freshness | None = None
    day_pnl: int = 0
    day_start: int | None = None
    day_end_ns: int = 0
    rugged_game: str = ""
    _stake: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self._stake = to_lamports(limits.stake)
        if limits.price_age_ms is not None:
            self.freshness = Freshness(limits.price_age_ms * NS_PER_MS)
        if limits.day_loss is None:
            self.day_end_ns = _NEVER
        elif self.arming.terms is not None:
            self.day_pnl = to_lamports(self.arming.terms.day_start_pnl)

    @property
    def depends_on_time(self) -> bool:
        """Whether anything but a request must be looked at with every event."""
        return (
            self.arming.terms is not None
            or self.freshness is not None
            or self.limits.day_loss is not None
        )

    def open_game(self) -> None:
        """Reset the counts for a new game."""
        self.sent_this_game = self.external_this_game = 0
        if self.freshness is not None:
            self.freshness.reset()

    def on_sent(self, now_ns: int) -> None:
        """Count an action that is sent."""
        self.sent_this_game += 1
        self._count(now_ns)

    def on_external(self, now_ns: int) -> None:
        """Count what another client did with our account; too much of it halts entries."""
        self.external_this_game += 1
        self._count(now_ns)
        limit = self.limits.external_per_game
        if limit is not None and self.external_this_game > limit:
            self.halt(
                HaltCause.EXTERNAL,
                f"another client did {self.external_this_game} things with our account in this game, the "
                f"limit external_per_game is {limit}",
            )

    def _count(self, now_ns: int) -> None:
        limit = self.limits.actions_per_minute
        if limit is not None:
            self.sent_ns = (*self.sent_ns[-limit + 1 :], now_ns) if limit > 1 else (now_ns,)

    def on_day(self, account: Account) -> None:
        """Begin a day (UTC): what is open now counts as money that the day can lose."""
        now_ns = account.now_ns
        if self.day_end_ns:
            self.day_pnl = 0
            self.day_start = account.cash + _committed(account) if account.known else None
        self.day_end_ns = now_ns - now_ns % _DAY_NS + _DAY_NS

    def halt(self, cause: HaltCause, reason: str) -> None:
        """Deny entries while *cause* is active."""
        self.halts.setdefault(cause, reason)

    def lift(self, cause: HaltCause) -> None:
        """End the halt of *cause*."""
        self.halts.pop(cause, None)

    def resume(self) -> None:
        """End every halt that an operator can end; a lost link ends only with a new connection."""
        self.halts = {c: r for c, r in self.halts.items() if c is HaltCause.LINK}

    def stop_all(self, reason: str) -> None:
        """Deny everything from now on; final."""
        if self.stopped is None:
            self.stopped = reason

    @property
    def state(self) -> ArmingState:
        """Return what the session may send."""
        arming = self.arming
        if self.stopped is not None:
            return ArmingState.STOPPED
        if arming.terms is not None:
            if not arming.armed:
                return ArmingState.DISARMED if arming.missing else ArmingState.READY
            if arming.missing:
                return ArmingState.HALTED
        if not self.halts:
            return ArmingState.ARMED
        reduces = self.halts.keys() <= _REDUCING
        return ArmingState.REDUCING if reduces else ArmingState.HALTED

    def standing(self, account: Account, unknown: int) -> Standing:
        """Return what the session may do now; *unknown* actions have no proven outcome."""
        state = self.state
        if self.stopped is not None:
            return Standing(state, "blocked", (f"stop: {self.stopped}",))
        missing = self.arming.missing
        reasons = [*missing, *(f"halt.{c.value}: {r}" for c, r in self.halts.items())]
        if self.arming.terms is not None and not self.arming.armed:
            unarmed = () if missing else ("arming.disarmed: the session is not armed",)
            return Standing(state, "blocked", (*unarmed, *reasons))
        if not account.known:
            return Standing(state, "unknown", ("account.unknown: the venue has not stated it yet",))
        old = None if self.freshness is None else self.freshness.denies(account.now_ns)
        if old is not None:
            reasons.append(old)
        if unknown:
            reasons.append(f"unknown: the outcome of {unknown} action(s) is unknown")
        if self.halts or missing:
            return Standing(state, "close_only", tuple(reasons))
        return Standing(state, "reduced" if reasons else "allowed", tuple(reasons))

    def check(
        self,
        ask: Ask,
        game: GameView,
        account: Account,
        *,
        pending: Sequence[PlayerAction],
        unknown: int,
        at_risk: int,
    ) -> str | None:
        """Return why *ask* is denied, None if it is allowed.

        Args:
            ask: the request.
            game: the running game.
            account: our money.
            pending: our undecided actions.
            unknown: those of them whose outcome is not known.
            at_risk: lamports that undecided entries may have spent already.
        """
        is_entry = ask.action_type.is_entry
        return (
            self._check_stops(ask, account, _of_the_bot(pending), unknown)
            or _check_phase(ask, game, account)
            or self._check_rugged(ask, game)
            or self._check_position(ask, game)
            or self._check_flatten(ask, pending)
            or _check_pending(ask, pending)
            or (self._check_entry(ask, game, account, at_risk) if is_entry else None)
            or self._check_count(ask, account.now_ns)
        )

    def _check_rugged(self, ask: Ask, game: GameView) -> str | None:
        """Deny entries in a game that has rugged for us already (protocol 10)."""
        if ask.action_type.is_side_game or not ask.action_type.is_entry:
            return None
        if not self.rugged_game or self.rugged_game != game.game_id:
            return None
        return "phase: the game has rugged, as the sale of our position shows"

    def allows(self, command: Command) -> bool:
        """Return whether *command*, about to leave, is within the limits that do not depend on time."""
        if not command.action_type.is_entry:
            return True
        return (
            command.amount is not None
            and 0 < to_lamports(command.amount) <= self._stake
            and command.leverage <= self.limits.leverage
        )

    def _check_stops(self, ask: Ask, account: Account, in_flight: int, unknown: int) -> str | None:
        if self.stopped is not None:
            return f"stop: trading is stopped ({self.stopped})"
        closed = self.arming.denies(
            is_entry=ask.action_type.is_entry, flattening=HaltCause.FLATTEN in self.halts
        )
        if closed is not None:
            return closed
        if not account.known:
            return "account.unknown: the venue has not stated our account yet"
        if in_flight >= MAX_IN_FLIGHT and not ask.is_full_exit:
            return f"in_flight: {in_flight} actions are undecided, the maximum is {MAX_IN_FLIGHT}"
        if not ask.action_type.is_entry:
            return None
        if self.halts:
            return f"halt: entries are halted ({'; '.join(self.halts.values())})"
        if unknown:
            return f"unknown: the outcome of {unknown} action(s) is unknown, no new risk until it is known"
        return None

    def _check_position(self, ask: Ask, game: GameView) -> str | None:
        """Deny what would touch a position that is not ours: the venue sells shares of the whole."""
        if self.arming.ignored is None or self.arming.ignored != game.game_id:
            return None
        if ask.action_type.is_side_game or ask.action_type is ActionType.SIDEBET:
            return None
        return "position.ignored: this game has a position that is not ours, nothing is traded beside it"

    def _check_flatten(self, ask: Ask, pending: Sequence[PlayerAction]) -> str | None:
        """Deny a second exit while the operator's flatten has one in progress."""
        if HaltCause.FLATTEN not in self.halts or ask.action_type.is_entry:
            return None
        for action in pending:
            if action.action_type is ask.action_type and action.state is not ActionState.UNKNOWN:
                return f"flatten.pending: action {action.action_id} closes the position already"
        return None

    def _check_entry(self, ask: Ask, game: GameView, account: Account, at_risk: int) -> str | None:
        if self.freshness is not None and game.phase is GamePhase.ACTIVE:
            old = self.freshness.denies(account.now_ns)
            if old is not None:
                return old
        if ask.leverage > self.limits.leverage:
            return f"limit.leverage: {ask.leverage} is above the limit of {self.limits.leverage}"
        amount = ask.amount or 0
        if amount > self._stake:
            limit = self.limits.stake
            return f"limit.stake: {to_sol(amount)} SOL is above the limit of {limit} SOL"
        if not LEAST <= amount <= MOST:
            return (
                f"venue.stake: {to_sol(amount)} SOL is outside the venue's "
                f"{rules.MIN_STAKE} to {rules.MAX_STAKE} SOL"
            )
        free = account.cash - at_risk
        if amount > free:
            return f"cash: {to_sol(amount)} SOL is above the free cash of {to_sol(free)} SOL"
        return self._check_losses(account, free - amount) or self._check_exposure(
            account, at_risk + amount
        )

    def _check_losses(self, account: Account, left: int) -> str | None:
        """Deny an entry that could lose too much: of our money *left* lamports may be all that remains."""
        for words, limit, start in (*self._losses(account), self._loss_of_game(account)):
            if limit is not None and start - left > to_lamports(limit):
                return f"{words} could be down {to_sol(start - left)} SOL, the limit is {limit} SOL"
        return None

    def _losses(self, account: Account) -> tuple[tuple[str, Decimal | None, int], ...]:
        """Return the limits of losses that outlast a game, with the lamports that each began with."""
        limits, start = self.limits, account.session_start_cash or 0
        return (
            ("limit.session_loss: the session", limits.session_loss, start),
            ("limit.day_loss: the day", limits.day_loss, self._start_of_day(account)),
        )

    def _loss_of_game(self, account: Account) -> tuple[str, Decimal | None, int]:
        return ("limit.game_loss: the game", self.limits.game_loss, account.game_start_cash)

    def _start_of_day(self, account: Account) -> int:
        if self.day_start is not None:
            return self.day_start
        return (account.session_start_cash or 0) - self.day_pnl

    def _check_exposure(self, account: Account, more: int) -> str | None:
        limit = self.limits.exposure
        if limit is None:
            return None
        exposed = _exposed(account) + more
        if exposed > to_lamports(limit):
            return f"limit.exposure: {to_sol(exposed)} SOL would be open, the limit is {limit} SOL"
        return None

    def used(
        self, account: Account, at_risk: int
    ) -> dict[str, tuple[Decimal | int, Decimal | int]]:
        """Return how much of each limit that counts something is used, and the limit, by name.

        Args:
            account: our money.
            at_risk: lamports that undecided entries may have spent already.
        """
        limits, left = self.limits, account.cash - at_risk
        found: dict[str, tuple[Decimal | int, Decimal | int | None]] = {
            "exposure": (to_sol(_exposed(account) + at_risk), limits.exposure)
        }
        for words, limit, start in (*self._losses(account), self._loss_of_game(account)):
            name = words.split(":")[0].removeprefix("limit.")
            found[name] = (to_sol(max(0, start - left)), limit)
        found["actions_per_game"] = (self._in_game, limits.actions_per_game)
        found["actions_per_minute"] = (self._sent_within(account.now_ns), limits.actions_per_minute)
        found["external_per_game"] = (self.external_this_game, limits.external_per_game)
        return {name: (used, limit) for name, (used, limit) in found.items() if limit is not None}

    def spent(self, account: Account) -> str | None:
        """Return which loss limit leaves no room for any entry, what is open not counted; None if none."""
        left = account.cash + _committed(account) - LEAST
        for words, limit, start in self._losses(account):
            if limit is not None and start - left > to_lamports(limit):
                return f"{words} has lost its limit of {limit} SOL"
        return None

    @property
    def _in_game(self) -> int:
        return self.sent_this_game + self.external_this_game

    def _sent_within(self, now_ns: int) -> int:
        """Return the actions of the last 60 s, as many as the limit counts."""
        return sum(1 for at in self.sent_ns if now_ns - at < _MINUTE_NS)

    def _check_count(self, ask: Ask, now_ns: int) -> str | None:
        if ask.is_full_exit:
            return None
        sent = self._in_game
        if sent >= self.limits.actions_per_game:
            return (
                f"limit.actions_per_game: {sent} actions were sent in this game, "
                f"the limit is {self.limits.actions_per_game}"
            )
        limit = self.limits.actions_per_minute
        if limit is not None and self._sent_within(now_ns) >= limit:
            return f"limit.actions_per_minute: {limit} actions were sent within 60 s, the limit"
        return None


def _committed(account: Account) -> int:
    """Return the lamports of real money in everything open, at cost."""
    own = account.staked + sum(lot.cost - lot.bonus for lot in account.lots)
    bet, short = account.sidebet, account.short
    if bet is not None:
        own += to_lamports(bet.amount - bet.bonus)
    if short is not None:
        own += to_lamports(short.stake - short.bonus)
    return own


def _exposed(account: Account) -> int:
    """Return the lamports in everything open, at cost, bonus money included."""
    stakes = [stake.amount for stake in account.stakes.values()]
    if account.sidebet is not None:
        stakes.append(account.sidebet.amount)
    if account.short is not None:
        stakes.append(account.short.stake)
    return account.cost + sum(map(to_lamports, stakes))


def _check_phase(ask: Ask, game: GameView, account: Account) -> str | None:
    """Deny what the venue's rules do not allow now (protocol 6.1, 7, 8, 9, 11; from 8 on unverified)."""
    if ask.action_type.is_side_game:
        return _check_round(ask, account)
    if not rules.MIN_LEVERAGE <= ask.leverage <= rules.MAX_LEVERAGE:
        return f"venue.leverage: {ask.leverage} is outside {rules.MIN_LEVERAGE} to {rules.MAX_LEVERAGE}"
    if ask.action_type is ActionType.SELL:
        if game.phase is not GamePhase.ACTIVE:
            return f"phase: no sale in phase {game.phase.value}"
        if not account.lots:
            return "position: there is nothing to sell"
        return None
    if ask.action_type in (ActionType.SHORT_OPEN, ActionType.SHORT_CLOSE):
        return _check_short(ask, game, account)
    if game.phase not in (GamePhase.ACTIVE, GamePhase.PRESALE):
        return f"phase: no entry in phase {game.phase.value}"
    if ask.action_type is ActionType.SIDEBET and account.sidebet is not None:
        return f"sidebet.open: a sidebet runs until tick {account.sidebet.end_tick}"
    return None


def _of_the_bot(pending: Sequence[PlayerAction]) -> int:
    return sum(action.actor is Actor.BOT for action in pending)


def _check_pending(ask: Ask, pending: Sequence[PlayerAction]) -> str | None:
    """Deny a second stake where the venue accepts one at a time and has not answered the first yet.

    It would refuse one of the two, and until then only their trace ids distinguish them.
    """
    kind = ask.action_type
    if kind not in _ONE_AT_A_TIME:
        return None
    for action in pending:
        if action.action_type is kind:
            return (
                f"{kind.value.lower()}.pending: action {action.action_id} of this kind is undecided"
            )
    return None


def _check_short(ask: Ask, game: GameView, account: Account) -> str | None:
    """Deny a short outside a running game: the presale allows buys and sidebets only (protocol 6.1)."""
    if game.phase is not GamePhase.ACTIVE:
        return f"phase: a short cannot be opened or closed in phase {game.phase.value}"
    if ask.action_type is ActionType.SHORT_CLOSE:
        return None if account.short is not None else "short: there is no short to close"
    if account.short is not None:
        return f"short.open: a short is open since tick {account.short.entry_tick}"
    if ask.asked:
        return "short.asked: a request to open a short is not decided yet"
    return None


def _check_round(ask: Ask, account: Account) -> str | None:
    """Deny a stake without a round that accepts it; rounds run in any phase of the game."""
    asked = ask.round
    if asked is None:
        return "round: no such round is known"
    if not asked.is_open:
        return f"round.closed: round {asked.round_id} accepts no more stakes"
    if ask.choice not in asked.payouts:
        return f"round.choice: round {asked.round_id} does not offer {ask.choice}"
    if (asked.side_game, asked.round_id) in account.stakes:
        return f"round.staked: round {asked.round_id} already has our stake"
    if ask.asked:
        return f"round.asked: a stake in round {asked.round_id} is not decided yet"
    return None


__all__ = ["MAX_IN_FLIGHT", "Ask", "HaltCause", "Limits", "RiskGate"]
