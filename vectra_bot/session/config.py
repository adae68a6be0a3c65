"""What a session is started with, and what it shows while it runs."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import attrs
from attrs import define, field, frozen

from vectra_bot.actions.risk import Limits
from vectra_bot.errors import ConfigError, InputError, safe_repr
from vectra_bot.exchange.config import MAX_CROWD
from vectra_bot.game import rules
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff
from vectra_bot.game.sidegames import BBC, CANDLEFLIP, SideGame, side_game
from vectra_bot.params import convert
from vectra_bot.store.remote.address import is_remote, parse_store
from vectra_bot.strategy import Strategy
from vectra_bot.wire.profile import Profile, default_profile, parse_profile

MAX_GAMES = 10_000_000
MAX_SEED = 2**63 - 1
MAX_SPEED = 1_000_000
MAX_CASH = 1_000_000
MAX_LATENCY_MS = 60_000
# Beyond the year 2200, which no clock of ours reaches and int64 nanoseconds still hold.
MAX_START_NS = 7_258_118_400_000_000_000


@define
class StopFlag:
    """Asks a running session to end between two inputs; set by a signal handler or another task."""

    reason: str | None = None

    def set(self, reason: str) -> None:
        """Ask for the end; the first reason stays."""
        if self.reason is None:
            self.reason = reason


@define
class FlushFlag:
    """Asks a running session to bring all documents so far into the store's parts."""

    asked: bool = False

    def ask(self) -> None:
        """Ask for it."""
        self.asked = True


@frozen(kw_only=True)
class Snapshot:
    """A running session as a live table shows it; amounts in SOL."""

    games_done: int
    games_total: int
    game_id: str
    tick: int
    price: float
    phase: str
    cash: Decimal
    position_qty: Decimal
    avg_cost: Decimal
    position_value: Decimal
    pnl: Decimal
    actions: dict[str, int]
    elapsed_s: float


class Observer(Protocol):
    """Sees a running session about ten times a second."""

    def update(self, snapshot: Snapshot) -> None:
        """Show *snapshot*."""


_optional: Callable[[Callable[[Any], Any]], Callable[[Any], Any]] = attrs.converters.optional


def _wrong(name: str, value: Any, advice: str) -> ConfigError:
    return ConfigError(f"option {name} was {safe_repr(value)}: give {advice}")


def _strategy(value: Any) -> str | type[Strategy]:
    if isinstance(value, str) or (isinstance(value, type) and issubclass(value, Strategy)):
        return value
    if isinstance(value, Strategy):
        name = type(value).__name__
        raise ConfigError(
            f"strategy was an instance of {name}: give the class {name} itself, "
            "and its parameters as settings={...}"
        )
    if isinstance(value, os.PathLike):
        path = os.fspath(value)
        if isinstance(path, str):
            return path
    raise ConfigError(
        f"strategy was {safe_repr(value)}: give a class that inherits vectra_bot.Strategy, "
        "the name of an installed strategy, or ./file.py[:Class]"
    )


def _whole(name: str, low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(name, value, f"a whole number from {low} to {high}")
        return value

    return check


def _text(name: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise _wrong(name, value, "text")
        return value

    return check


def _speed(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and value == "max"):
        return None
    try:
        factor = 0.0 if isinstance(value, str) else convert(value, float)
    except (ValueError, OverflowError):
        factor = 0.0
    if not 0 < factor <= MAX_SPEED:
        raise _wrong("speed", value, "None for as fast as it goes, or a number above 0")
    return float(factor)


def _cash(value: Any) -> Decimal:
    try:
        amount: Decimal | None = convert(value, Decimal)
    except (ValueError, OverflowError):
        amount = None
    if amount is None or not 0 <= amount <= MAX_CASH or amount != round(amount, 9):
        raise _wrong("cash", value, f"SOL from 0 to {MAX_CASH} with at most nine places")
    return amount


def _folder(name: str) -> Callable[[Any], Path]:
    def check(value: Any) -> Path:
        try:
            return Path(value).expanduser()
        except (TypeError, RuntimeError):
            raise _wrong(name, value, "a path, as text or Path") from None

    return check


def _store(value: Any) -> Path | str:
    if isinstance(value, str) and is_remote(value):
        try:
            parse_store(value)
        except InputError as error:
            raise ConfigError(f"option store: {error}") from None
        return value
    return _folder("store")(value)


def _limits(value: Any) -> Limits:
    if isinstance(value, Limits):
        return value
    if value is None:
        return Limits()
    if not isinstance(value, Mapping):
        raise _wrong("limits", value, 'Limits(...), or a dict such as {"stake": "0.05"}')
    known = [limit.name for limit in attrs.fields(Limits)]
    for key in value:
        if key not in known:
            raise ConfigError(f"limits has no {safe_repr(key)}: {_advice(key, known)}")
    return Limits(**value)


def _settings(name: str) -> Callable[[Any], dict[str, Any]]:
    def check(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _wrong(name, value, "a dict of values by parameter name")
        return dict(value)

    return check


def _plugins(value: Any) -> dict[str, dict[str, Any]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(
            "plugins", value, "a dict of parameters by plugin name (enable_plugins takes names)"
        )
    return {name: _settings(f"plugins[{name!r}]")(given) for name, given in value.items()}


def _names(name: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: Any) -> tuple[str, ...]:
        found = (value,) if isinstance(value, str) else value
        found = tuple(found) if isinstance(found, Iterable) else (None,)
        if not all(isinstance(entry, str) for entry in found):
            raise _wrong(name, value, "plugin names")
        return found

    return check


def _flag(name: str) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if type(value) is not bool:
            raise _wrong(name, value, "True or False")
        return value

    return check


def _observer(value: Any) -> Observer | None:
    if value is not None and not callable(getattr(value, "update", None)):
        raise _wrong("observer", value, "an object with a method update(snapshot), or None")
    observer: Observer | None = value
    return observer


def _stop(value: Any) -> StopFlag:
    if not isinstance(value, StopFlag):
        raise _wrong("stop", value, "a StopFlag")
    return value


def _flush(value: Any) -> FlushFlag:
    if not isinstance(value, FlushFlag):
        raise _wrong("flush", value, "a FlushFlag")
    return value


def _wire_format(value: Any) -> str:
    if not isinstance(value, str) or value not in ("feb", "dec"):
        raise _wrong("wire_format", value, "feb or dec")
    return str(value)


def _one_of(name: str, kind: type[ShortPayoff | ShortAtRug]) -> Callable[[Any], str]:
    names = [member.value for member in kind]

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise _wrong(name, value, f"one of {', '.join(names)}")
        return str(value)

    return check


def _of_rounds(name: str, game: str, what: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str:
        text = _text(name)(value)
        side_game(game, **{what: text})
        return text

    return _optional(check)


def _countdown_step(value: Any) -> int:
    longest = rules.COOLDOWN_MS - rules.PRESALE_MS
    if type(value) is not int or value < rules.COUNTDOWN_STEP_MS or longest % value:
        raise _wrong("countdown_step", value, f"a divisor of {longest} from 100, e.g. 100 or 5000")
    return value


def load_profile(path: Path) -> Profile:
    """Return the protocol profile that the TOML file at *path* corrects.

    Raises:
        ConfigError: the file cannot be read, or is no profile.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"protocol {str(path)!r} cannot be read ({reason}): give a TOML file in UTF-8"
        ) from None
    return parse_profile(text, f"protocol {str(path)!r}")


def _protocol(value: Any) -> Profile:
    if value is None:
        return default_profile()
    return value if isinstance(value, Profile) else load_profile(_folder("protocol")(value))


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "strategy": _strategy,
    "settings": _settings("settings"),
    "games": _whole("games", 1, MAX_GAMES),
    "seed": _optional(_whole("seed", 0, MAX_SEED)),
    "speed": _speed,
    "session_id": _optional(_text("session_id")),
    "store": _optional(_store),
    "cash": _cash,
    "latency_ms": _whole("latency_ms", 0, MAX_LATENCY_MS),
    "crowd": _optional(_whole("crowd", 0, MAX_CROWD)),
    "wire_format": _wire_format,
    "limits": _limits,
    "plugins": _plugins,
    "enable_plugins": _names("enable_plugins"),
    "disable_plugins": _names("disable_plugins"),
    "exchange_log": _optional(_folder("exchange_log")),
    "start_ns": _optional(_whole("start_ns", 0, MAX_START_NS)),
    "observer": _observer,
    "stop": _stop,
    "flush": _flush,
    "restore_from": _optional(_text("restore_from")),
    "recover": _flag("recover"),
    "protocol": _protocol,
    "short_payoff": _one_of("short_payoff", ShortPayoff),
    "short_at_rug": _one_of("short_at_rug", ShortAtRug),
    "side_games": _flag("side_games"),
    "countdown_step": _countdown_step,
    "bbc_odds": _of_rounds("bbc_odds", BBC, "odds"),
    "bbc_payouts": _of_rounds("bbc_payouts", BBC, "payouts"),
    "candleflip_odds": _of_rounds("candleflip_odds", CANDLEFLIP, "odds"),
    "candleflip_payouts": _of_rounds("candleflip_payouts", CANDLEFLIP, "payouts"),
}
"""What every option goes through, wherever it comes from."""


def _with_checks(_: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    return [option.evolve(converter=_CHECKS[option.name]) for option in fields]


@frozen(kw_only=True, field_transformer=_with_checks)
class SessionConfig:
    """A paper session on the embedded exchange.

    Attributes:
        strategy: entry-point name, ``./file.py[:Class]``, or the class itself.
        settings: the strategy's parameters by name.
        games: games to play.
        seed: seed of the exchange; random if None.
        speed: None or ``max`` for as fast as it goes, else times real time; 1 runs by the wall clock.
        session_id: name of the session; random if None.
        store: folder of the store, text or Path; the default store if None.
        cash: SOL at the start.
        latency_ms: one way from us to the exchange, milliseconds.
        crowd: size of the crowd; the exchange's default if None.
        wire_format: ``feb`` or ``dec``.
        limits: what may be asked of the venue; Limits or a dict of them.
        plugins: parameters by plugin name; naming a plugin enables it.
        enable_plugins: plugins to enable although they are off by default.
        disable_plugins: plugins not to load.
        exchange_log: file that gets a line for every request before the exchange acts on it.
        start_ns: where the exchange's clock starts; its own default if None.
        restore_from: session of the same store whose strategy's last :meth:`Strategy.save` is taken up.
        recover: finish the sessions that a crash left open in the store first.
        protocol: what requests and side games are called on the wire: a TOML file that corrects the default
            names, or a profile.
        short_payoff: how a short's value follows the price (unverified).
        short_at_rug: what an open short receives at the rug (unverified).
        side_games: whether Bull/Bear/Crab and Candleflip rounds run beside the game (unverified).
        countdown_step: distance of countdown frames, ms; the venue's is 100, 5000 is quickest.
        bbc_odds, bbc_payouts: chances and payouts of BULL, BEAR and CRAB, such as ``"7/15,7/15,1/15"`` and
            ``"2,2,14"``, the defaults (unverified).
        candleflip_odds, candleflip_payouts: those of GREEN and RED, ``"1/2,1/2"`` and ``"1.94,1.94"`` by
            default (unverified).
    """

    strategy: str | type[Strategy]
    settings: Mapping[str, Any] = field(factory=dict)
    games: int = 20
    seed: int | None = None
    speed: float | None = None
    session_id: str | None = None
    store: Path | str | None = None
    cash: Decimal = Decimal(1)
    latency_ms: int = 70
    crowd: int | None = None
    wire_format: str = "feb"
    limits: Limits = field(factory=Limits)
    plugins: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    enable_plugins: tuple[str, ...] = ()
    disable_plugins: tuple[str, ...] = ()
    exchange_log: Path | None = None
    start_ns: int | None = None
    observer: Observer | None = None
    stop: StopFlag = field(factory=StopFlag)
    flush: FlushFlag = field(factory=FlushFlag)
    restore_from: str | None = None
    recover: bool = True
    protocol: Profile = field(factory=default_profile)
    short_payoff: str = ShortPayoff.TEXTBOOK.value
    short_at_rug: str = ShortAtRug.SETTLE.value
    side_games: bool = True
    countdown_step: int = rules.COUNTDOWN_STEP_MS
    bbc_odds: str | None = None
    bbc_payouts: str | None = None
    candleflip_odds: str | None = None
    candleflip_payouts: str | None = None

    @property
    def bbc(self) -> SideGame:
        """Return Bull/Bear/Crab as it is played in the session."""
        return side_game(BBC, self.bbc_odds, self.bbc_payouts)

    @property
    def candleflip(self) -> SideGame:
        """Return Candleflip as it is played in the session."""
        return side_game(CANDLEFLIP, self.candleflip_odds, self.candleflip_payouts)


def make_config(strategy: str | type[Strategy], options: Mapping[str, Any]) -> SessionConfig:
    """Return a config from plain options.

    Raises:
        ConfigError: an option is unknown or wrong.
    """
    known = [option.name for option in attrs.fields(SessionConfig) if option.name != "strategy"]
    for name in options:
        if name not in known:
            raise ConfigError(f"run() has no option {name!r}: {_advice(name, known)}")
    return SessionConfig(strategy=strategy, **options)


def _advice(name: Any, known: Collection[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"it takes {', '.join(known)}"
