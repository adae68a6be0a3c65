"""Two sessions compared decision by decision, from their journals: what differs first, and why.

Theory of operation. The decisions of a game are aligned by what was asked for; a pair is then compared by how
it ended and at what price and amount. A decision that was handed to the gateway much later than it was made,
or not at all because it, its price or the disk was late, was delayed by the machine and not by the strategy:
it is listed apart with everything in the same game that differs after it. Games that only one of the sessions
saw whole are listed and not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import attrs
from attrs import define, field, frozen

from vectra_bot.errors import InputError
from vectra_bot.journal import Entry, read_header, read_journal
from vectra_bot.models import (
    ActionState,
    Actor,
    Command,
    DocType,
    GamePhase,
    PlayerAction,
    SendResult,
)
from vectra_bot.models.times import NS_PER_MS
from vectra_bot.serde import canonical_json

DELAYED_MS = 200
"""A decision that waited longer for its gateway was delayed by the machine, in ms."""

DELAYS = (
    "limit.price_age:", "price.old:", "price.stalled:",  # denied
    "late:", "behind:", "stale:", "the journal was not on the disk",  # not sent
)  # fmt: skip
"""How the reasons begin by which an action was not sent because it, its price or the disk was late."""

MAX_LISTED = 1_000
_STATE = ("cash", "position_qty", "avg_cost", "cumulative_pnl")


@frozen(kw_only=True)
class Decision:
    """One action as one session decided it, and its outcome.

    Attributes:
        game_id: the game in which it was asked for.
        tick: the tick at which it was asked for.
        action_type, amount, percentage, leverage, choice: what was asked for.
        state: its terminal state, or the last known one.
        executed_price, executed_amount: of its fill, as text; None if none is known.
        latency_ms: from the request to the first evidence; None without.
        delayed_ms: from the decision to its hand-over to the gateway; None if it was not handed over.
        context_sha256: digest of what the decision could see; empty if it was denied.
        before: the account when it was asked for.
        reason: why it was not executed.
    """

    game_id: str
    tick: int
    action_type: str
    amount: str | None
    percentage: int | None
    leverage: int
    choice: str | None
    state: str
    executed_price: str | None
    executed_amount: str | None
    latency_ms: int | None
    delayed_ms: int | None
    context_sha256: str
    before: Mapping[str, str]
    reason: str | None

    @property
    def request(self) -> tuple[Any, ...]:
        """Return what must be equal for two decisions to be the same request."""
        return (
            self.tick,
            self.action_type,
            self.amount,
            self.percentage,
            self.leverage,
            self.choice,
        )

    @property
    def result(self) -> tuple[Any, ...]:
        """Return what must be equal for two equal requests to have ended alike."""
        executed = self.state in (ActionState.CONFIRMED.value, ActionState.EXECUTED_LATE.value)
        return (executed or self.state, self.executed_price, self.executed_amount)

    @property
    def delay(self) -> str | None:
        """Return how the machine delayed it, None if it did not."""
        if self.delayed_ms is not None and self.delayed_ms > DELAYED_MS:
            return f"handed over {self.delayed_ms} ms after the decision"
        reason = self.reason or ""
        return reason if reason.startswith(DELAYS) else None


@frozen(kw_only=True)
class DecisionDifference:
    """One decision that differs: ``a`` or ``b`` is None where that session did not make it.

    ``cause`` is one of: ``fill`` (the same request was executed at another price or amount), ``outcome`` (it
    ended in another state), ``delayed`` (the machine was late), ``follows`` (an earlier difference of the
    game), ``account`` (the account differed), ``seen`` (other prices or messages), ``decision`` (everything
    known was equal).
    """

    game_id: str
    tick: int
    cause: str
    detail: str
    a: Decision | None
    b: Decision | None


@frozen(kw_only=True)
class SessionDiff:
    """The comparison of two sessions.

    Attributes:
        a, b: the sessions.
        equal: whether every compared decision is equal in request and result.
        games: games that were compared.
        games_only_a, games_only_b: games that only one of them saw from their start to their end.
        compared: pairs of decisions that are equal, and differences.
        differing: the first 1,000 differences; ``differing_count`` is how many there are.
        excluded: the first 1,000 that the machine delayed or that follow such a one.
        settings: what differs in the sessions' headers: ``key``, ``a``, ``b``.
    """

    a: str
    b: str
    equal: bool
    games: int
    games_only_a: list[str]
    games_only_b: list[str]
    compared: int
    differing_count: int
    differing: list[DecisionDifference]
    excluded_count: int
    excluded: list[DecisionDifference]
    settings: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON-serializable data."""
        return attrs.asdict(self)


@define
class _Recorded:
    """The decisions of one session by game, in the order in which they were made."""

    header: Mapping[str, Any]
    games: dict[str, list[Decision]] = field(factory=dict)
    whole: set[str] = field(factory=set)
    _started: set[str] = field(factory=set)

    @classmethod
    def of(cls, journal: Path) -> _Recorded:
        """Read a journal.

        Raises:
            InputError: there is no journal.
            JournalError: it is corrupt.
        """
        found = cls(read_header(journal))
        order: dict[str, tuple[int, Command]] = {}
        sent_ns: dict[str, int] = {}
        actions: list[tuple[int, PlayerAction]] = []
        with closing(read_journal(journal)) as entries:
            for entry in entries:
                found._take(entry, order, sent_ns, actions)
        made = sorted(actions, key=lambda pair: _made(pair, order))
        for _, action in made:
            known = order.get(action.action_id)
            command = None if known is None else known[1]
            decision = _decision(action, command, sent_ns.get(action.action_id))
            found.games.setdefault(action.game_id, []).append(decision)
        return found

    def _take(
        self,
        entry: Entry,
        order: dict[str, tuple[int, Command]],
        sent_ns: dict[str, int],
        actions: list[tuple[int, PlayerAction]],
    ) -> None:
        if entry.kind == "intent":
            command = entry.command()
            order[command.action_id] = (entry.seq, command)
        elif entry.kind == "input":
            event = entry.input()
            if isinstance(event, SendResult) and event.sent:
                sent_ns[event.action_id] = event.recv_ns
        elif entry.kind == "doc":
            self._document(entry, actions)

    def _document(self, entry: Entry, actions: list[tuple[int, PlayerAction]]) -> None:
        doc_type = entry.data.get("doc_type")
        if doc_type == DocType.PLAYER_ACTION:
            action = entry.document().record
            if isinstance(action, PlayerAction) and action.actor is Actor.BOT:
                actions.append((entry.seq, action))
        elif doc_type == DocType.GAME_TICK:
            record = entry.data["record"]
            game_id, phase = record["game_id"], record["phase"]
            if phase == GamePhase.ACTIVE.value and record["tick"] == 0 and not record["backfilled"]:
                self.games.setdefault(game_id, [])
                self._started.add(game_id)
            elif phase == GamePhase.RUGGED.value and game_id in self._started:
                self.whole.add(game_id)


def _made(pair: tuple[int, PlayerAction], order: Mapping[str, tuple[int, Command]]) -> Any:
    """Return the sort key of an action: when it was asked for, then the order of the intents."""
    seq, action = pair
    known = order.get(action.action_id)
    return action.timestamps.client_ts, seq if known is None else known[0]


def _decision(action: PlayerAction, command: Command | None, sent_ns: int | None) -> Decision:
    outcome, times = action.outcome, action.timestamps
    latency = None
    if action.first_evidence_ts is not None:
        latency = action.first_evidence_ts - times.client_ts
    delayed = None
    if command is not None and sent_ns is not None:
        delayed = (sent_ns - command.created_ns) // NS_PER_MS
    return Decision(
        game_id=action.game_id,
        tick=action.game_context.tick,
        action_type=action.action_type.value,
        amount=_text(action.amount),
        percentage=action.percentage,
        leverage=action.leverage,
        choice=action.choice,
        state=action.state.value,
        executed_price=None if outcome is None else _text(outcome.executed_price),
        executed_amount=None if outcome is None else _text(outcome.executed_amount),
        latency_ms=latency,
        delayed_ms=delayed,
        context_sha256="" if command is None else command.context_sha256,
        before={name: _text(getattr(action.state_before, name)) or "" for name in _STATE},
        reason=None if outcome is None else outcome.error_reason,
    )


def _text(value: Any) -> str | None:
    return None if value is None else f"{value.normalize():f}"


def latencies_of(journal: Path) -> list[int]:
    """Return how long the actions of a session took from hand-over to first evidence, in ms, sorted.

    Raises:
        InputError: there is no journal, or no action of it was executed.
        JournalError: it is corrupt.
    """
    found = sorted(
        max(0, decision.latency_ms - decision.delayed_ms)
        for decisions in _Recorded.of(journal).games.values()
        for decision in decisions
        if decision.latency_ms is not None and decision.delayed_ms is not None
    )
    if not found:
        raise InputError(f"journal {journal} has no executed action: its latency is not known")
    return found


def diff_sessions(a: Path, b: Path) -> SessionDiff:
    """Compare the sessions of two journals.

    Args:
        a: folder of one journal.
        b: folder of the other.

    Raises:
        InputError: there is no journal, or the sessions have no game in common.
        JournalError: a journal is corrupt.
    """
    first, second = _Recorded.of(a), _Recorded.of(b)
    games = [game for game in first.games if game in first.whole & second.whole]
    if not games:
        raise InputError(
            f"sessions {first.header['session_id']} and {second.header['session_id']} have no whole game "
            "in common: compare sessions of the same venue and time, or with the same seed"
        )
    differing: list[DecisionDifference] = []
    excluded: list[DecisionDifference] = []
    compared = 0
    for game in games:
        pairs = list(_aligned(first.games[game], second.games.get(game, [])))
        found, delayed = _differences(pairs)
        compared += len(pairs) - len(delayed)
        differing += found
        excluded += delayed
    return SessionDiff(
        a=first.header["session_id"],
        b=second.header["session_id"],
        equal=not differing,
        games=len(games),
        games_only_a=[game for game in first.games if game not in games],
        games_only_b=[game for game in second.games if game not in games],
        compared=compared,
        differing_count=len(differing),
        differing=differing[:MAX_LISTED],
        excluded_count=len(excluded),
        excluded=excluded[:MAX_LISTED],
        settings=_settings(first.header, second.header),
    )


Pair = tuple[Decision | None, Decision | None]


def _aligned(a: Sequence[Decision], b: Sequence[Decision]) -> Iterable[Pair]:
    """Yield the decisions of a game in pairs: equal requests together, what is left in its order."""
    ours, theirs = [d.request for d in a], [d.request for d in b]
    for kind, i, i_end, j, j_end in SequenceMatcher(None, ours, theirs, False).get_opcodes():
        if kind == "equal":
            yield from zip(a[i:i_end], b[j:j_end], strict=True)
            continue
        for offset in range(max(i_end - i, j_end - j)):
            left = a[i + offset] if i + offset < i_end else None
            right = b[j + offset] if j + offset < j_end else None
            yield left, right


def _differences(
    pairs: Iterable[Pair],
) -> tuple[list[DecisionDifference], list[DecisionDifference]]:
    """Return the differences of a game, and those that the machine's delay explains."""
    found: list[DecisionDifference] = []
    delayed: list[DecisionDifference] = []
    late = False
    for a, b in pairs:
        known = [decision for decision in (a, b) if decision is not None]
        same = a is not None and b is not None and a.request == b.request
        delays = [decision.delay for decision in known if decision.delay is not None]
        if delays:
            late = True
            delayed.append(_difference(a, b, "delayed", "; ".join(delays)))
        elif same and a is not None and b is not None and a.result == b.result:
            continue
        elif late:
            delayed.append(_difference(a, b, "delayed", "follows a delayed decision of the game"))
        else:
            found.append(_difference(a, b, *_cause(a, b, same=same, earlier=found)))
    return found, delayed


def _difference(
    a: Decision | None, b: Decision | None, cause: str, detail: str
) -> DecisionDifference:
    shown = a or b
    if shown is None:
        raise AssertionError("a pair has at least one decision")
    return DecisionDifference(
        game_id=shown.game_id, tick=shown.tick, cause=cause, detail=detail, a=a, b=b
    )


def _cause(
    a: Decision | None, b: Decision | None, *, same: bool, earlier: Sequence[DecisionDifference]
) -> tuple[str, str]:
    if same and a is not None and b is not None:
        return _result_cause(a, b)
    if earlier:
        first = earlier[0]
        return "follows", f"an earlier difference of this game: {first.cause} at tick {first.tick}"
    if a is None or b is None:
        only, name = (a, "a") if b is None else (b, "b")
        kind = "" if only is None else only.action_type
        return "decision", f"only session {name} decided this {kind}"
    if a.tick != b.tick:
        return "decision", f"at tick {a.tick} in a, {b.tick} in b"
    for key in _STATE:
        if a.before[key] != b.before[key]:
            return "account", f"{key} was {a.before[key]} in a, {b.before[key]} in b"
    if a.context_sha256 != b.context_sha256:
        return "seen", "other prices or messages had been seen"
    return "decision", "account and prices were equal"


def _result_cause(a: Decision, b: Decision) -> tuple[str, str]:
    """Return why two equal requests ended differently."""
    latency = f"first evidence after {_ms(a.latency_ms)} in a, {_ms(b.latency_ms)} in b"
    if a.result[0] != b.result[0]:
        said = [f"{d.state} ({d.reason})" if d.reason else d.state for d in (a, b)]
        return "outcome", f"{said[0]} in a, {said[1]} in b; {latency}"
    return "fill", latency


def _ms(value: int | None) -> str:
    return "no time" if value is None else f"{value} ms"


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what differs in two headers, by dotted key, without ids and times."""
    left, right = _flat(a), _flat(b)
    return [
        {"key": key, "a": left.get(key), "b": right.get(key)}
        for key in sorted(left.keys() | right.keys())
        if left.get(key) != right.get(key)
    ]


def _flat(header: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in header.items():
        path = f"{prefix}{key}"
        if path in ("session_id", "start_ns", "versions"):
            continue
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{path}."))
        else:
            found[path] = (
                value if isinstance(value, str | int | float | None) else canonical_json(value)
            )
    return found


__all__ = ["Decision", "DecisionDifference", "SessionDiff", "diff_sessions", "latencies_of"]
