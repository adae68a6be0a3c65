"""The configuration of sessions."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
from attrs import frozen

from vectra_bot.actions.risk import Limits
from vectra_bot.alerts.preference_file import AlertOptions
from vectra_bot.alerts.sink import AlertSink
from vectra_bot.errors import ConfigError, safe_repr
from vectra_bot.exchange.config import ExchangeOptions, path_of
from vectra_bot.loading.options import PluginOptions, settings_given
from vectra_bot.models import Document
from vectra_bot.params import Heading, Refused, declared, like, option
from vectra_bot.redaction import shown_url
from vectra_bot.session.flags import FlushFlag, Observer, Snapshot, StopFlag
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.store.api import StoreOptions
from vectra_bot.strategy import Strategy
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.captures import offset_text, parse_offset
from vectra_bot.venues.embedded import EmbeddedOptions
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.profile import Profile

FLUSH_SECONDS = 300.0
"""Longest time, in seconds, until a document of a real-time session is queued for a part."""

C = TypeVar("C", bound=attrs.AttrsInstance)

# Options of the embedded exchange that a paper desk on a venue's feed has too.
_ON_A_FEED = frozenset(
    {"games", "cash", "latency_ms", "exchange_log", "protocol", "short_payoff", "short_at_rug"}
)
_FOREVER_S = 10 * 365 * 86_400


WATCH: Final = "watch"
"""The bundled strategy that takes no action."""


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


def _limits(value: Any) -> Limits:
    if isinstance(value, Limits):
        return value
    if value is None:
        return Limits()
    if not isinstance(value, Mapping):
        raise Refused
    known = [limit.name for limit in attrs.fields(Limits)]
    for key in value:
        if key not in known:
            raise ConfigError(f"limits has no {safe_repr(key)}: {_advice(key, known)}")
    return Limits(**value)


def made_of(kind: type) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if not isinstance(value, kind):
            raise Refused(f"a {kind.__name__}")
        return value

    return take


def _sinks(value: Any) -> tuple[AlertSink, ...]:
    found = (value,) if isinstance(value, AlertSink) else value
    if not isinstance(found, list | tuple) or not all(isinstance(one, AlertSink) for one in found):
        raise Refused
    return tuple(found)


def _offset(value: Any) -> str:
    try:
        return offset_text(parse_offset(value))
    except (ConfigError, AttributeError):
        raise Refused("hours and minutes east of UTC, such as -05:00") from None


def _calls(value: Any) -> Any:
    if value is not None and not callable(value):
        raise Refused("a function, or None")
    return value


def _observer(value: Any) -> Observer | None:
    if value is not None and not callable(getattr(value, "update", None)):
        raise Refused("an object with a method update(snapshot), or None")
    observer: Observer | None = value
    return observer


@frozen(kw_only=True, field_transformer=declared)
class SessionConfig(EmbeddedOptions):
    """A paper session, on the embedded exchange or on the feed of a venue.

    Attributes:
        venue: address of a venue whose feed the session runs on, ``https://HOST``; the embedded exchange if
            None. Options that describe the embedded exchange are refused with it.
        link: timeouts, retries and queue limits of the connection to it.
        shadow: on a venue's feed, log in to the account of *live* and start the paper desk with its cash; no
            order is sent.
        live: the account of a shadow session.
        latency_from: on a venue's feed, session of the same store whose measured latencies are used in place
            of *latency_ms*.
        strategy: entry-point name, ``./file.py[:Class]``, or the class itself.
        settings: the strategy's parameters by name.
        session_id: name of the session; random if None.
        store: folder of the store, text or Path; the default store if None.
        no_store: keep nothing: the session runs in a temporary folder that is removed at its end.
        shared: make a new store whose files follow the umask; without it they are this user's only.
        limits: what the session may do; Limits or a dict of them.
        plugins: plugins as classes, objects, names, ``./file.py[:Class]`` or ``module:Class``; or parameters
            by plugin name, where naming a plugin enables it.
        enable_plugins: plugins to enable although they are off by default: names, ``./file.py[:Class]``,
            ``module:Class``.
        disable_plugins: names of plugins not to load.
        block_plugins: names of plugins that nothing can load.
        plugins_dir: folder of Python files whose plugins are loaded.
        alerts: whether the rules of the plugin ``alerts`` give alerts; None: on the feed of a venue.
        alerts_config: file of the preferences of alerts; the user's if None.
        alert_sinks: what shows or forwards alerts, besides the sinks that plugins register.
        restore_from: session of the same store whose last :meth:`Strategy.save` state is restored.
        recover: first recover the sessions in the store that were killed.
    """

    strategy: str | type[Strategy] = option(flag=None, take=_strategy)
    venue: str | None = option(
        None,
        metavar="URL",
        shown="embedded",
        help="Address of the venue: https://HOST[:PORT].",
    )
    link: LiveSettings = option(factory=LiveSettings, take=made_of(LiveSettings), flag=None)
    shadow: bool = option(
        False,
        help="Log in with [live] of --config and send no orders: paper starts with the account's cash.",
        heading=Heading.PAPER,
    )
    live: LiveOptions = option(factory=LiveOptions, take=made_of(LiveOptions), flag=None)
    latency_from: str | None = option(
        None,
        metavar="SESSION",
        help="Draw latencies on paper from those measured in this session.",
        heading=Heading.PAPER,
    )
    settings: Mapping[str, Any] = option(
        factory=dict,
        secret=True,
        take=settings_given,
        flag="--set",
        metavar="KEY=VALUE",
        repeatable=True,
        words="a dict of values by parameter name",
        help="A strategy parameter.",
    )
    session_id: str | None = option(None, metavar="ID", shown="random", help="Name of the session.")
    store: Path | str | None = like(StoreOptions, "store")
    no_store: bool = option(
        False, help="Keep nothing: run in a temporary folder that is removed at the end."
    )
    shared: bool = option(
        False,
        help="Make a new store that other users may read, as the umask allows (else 0600 and 0700).",
    )
    limits: Limits = option(
        factory=Limits,
        take=_limits,
        flag=None,
        words='Limits(...), or a dict such as {"stake": "0.05"}',
    )
    enable_plugins: tuple[str, ...] = like(PluginOptions, "enable_plugins")
    disable_plugins: tuple[str, ...] = like(PluginOptions, "disable_plugins")
    block_plugins: tuple[str, ...] = like(PluginOptions, "block_plugins")
    plugins_dir: Path | None = like(PluginOptions, "plugins_dir")
    alerts: bool | None = like(PluginOptions, "alerts")
    plugins: Mapping[str, Mapping[str, Any]] | Sequence[Any] = like(PluginOptions, "plugins")
    alerts_config: Path | None = like(AlertOptions, "alerts_config", key=None)
    alert_sinks: tuple[AlertSink, ...] = option(
        (), take=_sinks, flag=None, words="objects of classes that inherit AlertSink"
    )
    observer: Observer | None = option(None, take=_observer, flag=None)
    stop: StopFlag = option(factory=StopFlag, take=made_of(StopFlag), flag=None)
    flush: FlushFlag = option(factory=FlushFlag, take=made_of(FlushFlag), flag=None)
    restore_from: str | None = option(
        None,
        key="resume",
        metavar="SESSION",
        help="Restore the state that the strategy saved in this session of the store.",
    )
    recover: bool = option(True, flag=None)

    def __attrs_post_init__(self) -> None:
        if self.venue is None:
            if self.latency_from is not None:
                raise ConfigError(
                    f"option latency_from was {self.latency_from!r} without venue: the embedded exchange has "
                    "latency_ms, give that"
                )
            if self.shadow:
                raise ConfigError(
                    "option shadow was given without venue: name the venue that the account is at"
                )
            return
        for given in attrs.fields(EmbeddedOptions):
            value = getattr(self, given.name)
            if given.name not in _ON_A_FEED and value != given.default:
                raise ConfigError(
                    f"option {given.name} was {value!r} together with venue {shown_url(self.venue)}: it "
                    "describes the embedded exchange, remove one of the two"
                )


@frozen(kw_only=True, field_transformer=declared)
class RecordConfig:
    """What to record, where to, and for how long.

    Attributes:
        venue: the venue's address, ``https://HOST`` or ``http://127.0.0.1:PORT``.
        games: end when this many games are over and reported; None for no such end.
        seconds: end after this many seconds; None for no such end.
        session_id: name of the session; random if None.
        store: folder of the store, or the address of a remote one; the default store if None.
        shared: as in SessionConfig.
        flush_seconds: documents are in the store's parts after this many seconds at the latest.
        wire_format: ``auto`` accepts both of the venue's formats; ``dec`` or ``feb`` expects one of them, and
            the report says if another one was seen.
        settings: timeouts, retries and queue limits of the connection.
        browser: whether a page in a browser is recorded, with what the person does there.
        plugins: as in SessionConfig.
        recover: first recover the sessions in the store that were killed.
        flush: requests an immediate flush.
        flushed: called after a requested flush with the number of the last entry that is in a part.
        ``told``: called with every alert and system event that is stored.
    """

    venue: str = option(
        secret=True,
        words="an address, as text",
        metavar="URL",
        help="Address of the venue: https://HOST[:PORT].",
    )
    games: int | None = like(EmbeddedOptions, "games", default=None, shown="unlimited")
    seconds: float | None = option(
        None, above=0, high=_FOREVER_S, metavar="S", shown="unlimited", help="End after S seconds."
    )
    session_id: str | None = like(SessionConfig, "session_id")
    store: Path | str | None = like(StoreOptions, "store")
    shared: bool = like(SessionConfig, "shared")
    flush_seconds: float = option(
        FLUSH_SECONDS,
        above=0,
        high=_FOREVER_S,
        metavar="S",
        help="Documents can be queried after S seconds at the latest; SIGUSR1 flushes now.",
    )
    wire_format: str = like(
        ExchangeOptions,
        "wire_format",
        default="auto",
        choices=("auto", "feb", "dec"),
        help="Wire format: February or December; auto accepts both.",
    )
    settings: LiveSettings = option(factory=LiveSettings, take=made_of(LiveSettings), flag=None)
    browser: BrowserSettings = option(
        factory=BrowserSettings, take=made_of(BrowserSettings), flag=None
    )
    enable_plugins: tuple[str, ...] = like(SessionConfig, "enable_plugins")
    disable_plugins: tuple[str, ...] = like(SessionConfig, "disable_plugins")
    block_plugins: tuple[str, ...] = like(SessionConfig, "block_plugins")
    plugins_dir: Path | None = like(SessionConfig, "plugins_dir")
    alerts: bool = like(SessionConfig, "alerts", default=False, shown="")
    plugins: Mapping[str, Mapping[str, Any]] | Sequence[Any] = like(SessionConfig, "plugins")
    alerts_config: Path | None = like(SessionConfig, "alerts_config")
    alert_sinks: tuple[AlertSink, ...] = like(SessionConfig, "alert_sinks")
    stop: StopFlag = like(SessionConfig, "stop")
    recover: bool = like(SessionConfig, "recover")
    flush: FlushFlag = like(SessionConfig, "flush")
    flushed: Callable[[int], None] | None = option(None, take=_calls, flag=None)
    told: Callable[[Document], None] | None = option(None, take=_calls, flag=None)


@frozen(kw_only=True, field_transformer=declared)
class ReplayConfig:
    """A replay of a recording or a journal.

    Attributes:
        path: a capture file, a journal's folder, or one journal file.
        strategy: the strategy that processes the recording; nothing it requests is sent. With ``check``, the
            one whose commands are compared; by default the journal's, if it is installed and unchanged.
        settings: the strategy's parameters by name.
        check: compare a journal's commands instead of storing a new session.
        session_id: name of the replayed session; random if None.
        store: where the replayed session is stored; the default store if None.
        shared: as in SessionConfig.
        protocol: names of the side games' events in a recording; a journal contains its own.
        utc_offset: zone of the recording's times that have none, as ``+HH:MM``.
        paper: let a paper desk fill what the strategy asks for, at the recording's prices; the private frames
            of the recorded account are dropped.
        cash: SOL of the paper account at the start.
        latency_ms: time from a request to its execution, in ms.
        latency_from: session of the same store whose measured latencies are used in place of *latency_ms*.
    """

    path: Path = option(flag=None, take=path_of, words="a path, as text or Path")
    strategy: str | type[Strategy] = like(
        SessionConfig,
        "strategy",
        default=WATCH,
        flag="--strategy",
        metavar="NAME|FILE",
        help="Strategy that processes the recording; with --check, the journal's if not given.",
    )
    settings: Mapping[str, Any] = like(SessionConfig, "settings")
    check: bool = option(False, help="Compare a journal's commands; store nothing.")
    session_id: str | None = like(SessionConfig, "session_id")
    store: Path | str | None = like(StoreOptions, "store")
    shared: bool = like(SessionConfig, "shared")
    protocol: Profile = like(ExchangeOptions, "protocol")
    utc_offset: str = option(
        "+00:00", take=_offset, metavar="+HH:MM", help="Zone of a recording's times that have none."
    )
    paper: bool = option(
        False,
        help="Fill what the strategy asks for at the recording's prices.",
        heading=Heading.PAPER,
    )
    cash: Decimal = like(EmbeddedOptions, "cash")
    latency_ms: int = like(EmbeddedOptions, "latency_ms")
    latency_from: str | None = like(SessionConfig, "latency_from")
    limits: Limits = like(SessionConfig, "limits")
    enable_plugins: tuple[str, ...] = like(SessionConfig, "enable_plugins")
    disable_plugins: tuple[str, ...] = like(SessionConfig, "disable_plugins")
    block_plugins: tuple[str, ...] = like(SessionConfig, "block_plugins")
    plugins_dir: Path | None = like(SessionConfig, "plugins_dir")
    alerts: bool = like(SessionConfig, "alerts", default=False, shown="")
    plugins: Mapping[str, Mapping[str, Any]] | Sequence[Any] = like(SessionConfig, "plugins")
    stop: StopFlag = like(SessionConfig, "stop")

    def __attrs_post_init__(self) -> None:
        if self.paper and self.check:
            raise ConfigError(
                "option check was given together with paper: a check compares the recorded commands, remove "
                "one of the two"
            )


def config_of(kind: type[C], call: str, options: Mapping[str, Any], **given: Any) -> C:
    """Return a config from the keyword options of the function *call*.

    Args:
        kind: the config's class.
        call: name of the function, for messages.
        options: what the caller gave by keyword.
        given: the fields that the function sets itself.

    Raises:
        ConfigError: an option is unknown or wrong.
    """
    fields = sorted(attrs.fields(kind), key=lambda field: bool(field.inherited))
    known = [field.name for field in fields if field.name not in given]
    for name in options:
        if name not in known:
            raise ConfigError(f"{call}() has no option {name!r}: {_advice(name, known)}")
    return kind(**given, **options)


def _advice(name: Any, known: Collection[str]) -> str:
    close = difflib.get_close_matches(str(name), known, n=2, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"the options are {', '.join(known)}"


__all__ = [
    "FLUSH_SECONDS",
    "WATCH",
    "FlushFlag",
    "Observer",
    "RecordConfig",
    "ReplayConfig",
    "SessionConfig",
    "Snapshot",
    "StopFlag",
    "config_of",
    "made_of",
]
