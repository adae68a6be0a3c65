"""The journal's first entry: what determines a session, so that replay can build the same engine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from attrs import field, frozen

from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.audit.auditor import FairAuditor
from vectra_bot.engine import STATE_KIND, Engine
from vectra_bot.errors import ConfigError, InputError, JournalError, StrategyError, safe_error
from vectra_bot.game.fair import FairGame
from vectra_bot.game.sidegames import SideGame
from vectra_bot.journal import (
    JOURNAL_VERSION,
    check_new_id,
    journal_directory,
    read_header,
    read_journal,
)
from vectra_bot.loading import StrategySource, installed_as, is_unchanged, origin_of
from vectra_bot.models import SCHEMA_VERSION, Mode
from vectra_bot.params import RECORDED, configure, masked, settings_of
from vectra_bot.params.saved import state_of_json
from vectra_bot.plugins import PluginManager
from vectra_bot.report.session import assumed_rounds
from vectra_bot.serde import canonical_json
from vectra_bot.session.config import SessionConfig
from vectra_bot.store.api import Place
from vectra_bot.strategy import Strategy
from vectra_bot.wire.profile import Profile, default_profile

# Keys of the header that may differ between two runs of the same session.
_INCIDENTAL = ("versions.python", "exchange.speed")


def new_session_id() -> str:
    """Return a random session id."""
    return str(uuid.uuid4())


def new_seed() -> int:
    """Return a random seed that is short enough to type."""
    return uuid.uuid4().int % 2**31


@frozen(kw_only=True)
class SessionPlan:
    """Everything a session needs, loaded and checked; nothing has been written yet.

    Attributes:
        venue: column ``venue`` of its documents.
        source: where the strategy came from.
        place: where the store is.
        limits: what the session may do.
        start_ns: start of the session's clock, nanoseconds since the epoch.
        seed: seed of the embedded exchange; None if there is none.
        config: config of a session on the embedded exchange; None for other sessions.
        restored: the state restored by *strategy*.
        profile: the venue's names on the wire.
        auditor: verifies every game against its seed, if given.
        terms: the conditions of a live session; None for any other.
        about: more keys of the header.

    Raises:
        InputError: the session id looks like a number.
    """

    session_id: str
    mode: Mode
    venue: str
    source: StrategySource
    strategy: Strategy
    place: Place
    plugins: PluginManager = field(factory=PluginManager)
    limits: Limits = field(factory=Limits)
    start_ns: int = 0
    seed: int | None = None
    config: SessionConfig | None = None
    restored: Any = None
    profile: Profile = field(factory=default_profile)
    auditor: FairAuditor | None = None
    terms: LiveTerms | None = None
    about: Mapping[str, Any] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        check_new_id(self.session_id)

    @cached_property
    def header(self) -> dict[str, Any]:
        """The header of the session's journal, as JSON-serializable data.

        Raises:
            ConfigError: a parameter of the strategy or of a plugin cannot be written as JSON.
        """
        config = self.config
        header = {
            "journal_version": JOURNAL_VERSION,
            "schema_version": SCHEMA_VERSION,
            "session_id": self.session_id,
            "mode": self.mode.value,
            "venue": self.venue,
            "wire_format": config.wire_format if config else None,
            "seed": self.seed,
            "start_ns": self.start_ns,
            "strategy": {
                "spec": self.source.spec,
                "name": self.source.name,
                "source_sha256": self.source.source_sha256,
                "sources": self.source.origin.sources,
                "requires": self.source.origin.requires,
                "settings": _plain_settings(self.source.name, settings_of(self.strategy)),
            },
            "plugins": [*_plugin_entries(self.plugins)],
            "limits": self.limits.to_json(),
            "protocol": {
                "requests": {kind: dict(names) for kind, names in self.profile.requests.items()},
                "events": dict(self.profile.events),
                "choices": dict(self.profile.choices),
            },
            "restored": self.restored,
            "exchange": None if config is None else _exchange(config),
            "versions": {
                "vectra-bot": metadata.version("vectra-bot"),
                "python": platform.python_version(),
            },
            **self.about,
        }
        if self.auditor is not None:
            header["audit"] = True
        if self.terms is not None:
            header["terms"] = self.terms.to_json()
        return header

    def engine(self, plugins: PluginManager | None = None) -> Engine:
        """Return a new engine of the session, with other *plugins* if given."""
        return Engine(
            session_id=self.session_id,
            mode=self.mode,
            strategy=self.strategy,
            plugins=plugins or self.plugins,
            limits=self.limits,
            auditor=self.auditor,
            terms=self.terms,
        )


def _plugin_entries(plugins: PluginManager) -> Iterator[dict[str, Any]]:
    """Yield what the header has of each plugin; ``spec`` says where one is that is not installed."""
    modules, parameters, specs = plugins.modules, plugins.parameters, plugins.specs
    for name, version in plugins.names:
        entry = {
            "name": name,
            "version": version,
            "sources": origin_of(modules[name]).sources,
            "settings": _plain_settings(name, masked(parameters[name], plugins.settings[name])),
        }
        yield {**entry, "spec": specs[name]} if name in specs else entry


def _exchange(config: SessionConfig) -> dict[str, Any]:
    made = {"made_games": [_digest(game) for game in config.made_games]}
    return {
        **(made if config.made_games else {}),
        "games": config.games,
        "speed": config.speed,
        "cash": str(config.cash),
        "latency_ms": config.latency_ms,
        "crowd": config.crowd,
        "short_payoff": config.short_payoff,
        "short_at_rug": config.short_at_rug,
        "side_games": config.side_games,
        "countdown_step": config.countdown_step,
        "rounds": [_round_terms(config.bbc), _round_terms(config.candleflip)],
    }


def _digest(game: FairGame) -> str:
    """Return the SHA-256 of a game's prices, which are doubles."""
    prices = ",".join(map(float.hex, game.published_prices))
    return hashlib.sha256(prices.encode()).hexdigest()


def _round_terms(game: SideGame) -> dict[str, Any]:
    return {
        "side_game": game.name,
        "odds": {choice: str(chance) for choice, chance in game.odds.items()},
        "payouts": dict(game.payouts),
    }


def rounds_of(header: Mapping[str, Any]) -> dict[str, SideGame]:
    """Return the side games of the session of *header* by name, with default odds where it has none.

    Raises:
        JournalError: the header's odds cannot be used.
    """
    rounds = assumed_rounds()
    with _header_errors():
        for terms in (header.get("exchange") or {}).get("rounds", ()):
            game = SideGame(name=terms["side_game"], odds=terms["odds"], payouts=terms["payouts"])
            rounds[game.name] = game
    return rounds


def profile_of(header: Mapping[str, Any]) -> Profile:
    """Return the wire names that the session of *header* used.

    Raises:
        JournalError: the header's profile cannot be used.
    """
    names = header.get("protocol")
    if names is None:
        return default_profile()
    with _header_errors():
        return Profile(requests=names["requests"], events=names["events"], choices=names["choices"])


def terms_of(header: Mapping[str, Any]) -> LiveTerms | None:
    """Return the conditions of the live session of *header*, None if it is not one.

    Raises:
        JournalError: the header's terms cannot be used.
    """
    written = header.get("terms")
    if written is None:
        return None
    with _header_errors():
        return LiveTerms.of_json(written)


def _plain_settings(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are after a round trip through a journal, so that headers can be compared."""
    result: dict[str, Any] = {}
    for key, value in settings.items():
        try:
            result[key] = json.loads(canonical_json(_plain(value)))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{owner} parameter {key!r} was {value!r}, which is not JSON-serializable ({error}): "
                "give numbers, text, true or false, or lists of them"
            ) from error
    return result


def _plain(value: Any) -> Any:
    """Return a setting as JSON-serializable data that :func:`configure` accepts."""
    if isinstance(value, Decimal | Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def restore(strategy: Strategy, state: Any) -> None:
    """Restore saved *state* into *strategy*, if there is any.

    Raises:
        StrategyError: the strategy's restore() raised.
    """
    if state is None:
        return
    try:
        strategy.restore(state_of_json(state))
    except BaseException as error:
        raise StrategyError(
            f"{type(strategy).__name__}.restore raised {safe_error(error)}; start without a "
            "saved state, or correct restore()"
        ) from error


def saved_state(store: Path, session_id: str) -> Any:
    """Return the state that the strategy of *session_id* saved last, as JSON data.

    A session that ended before its first save has the state that was restored in it.

    Raises:
        InputError: the session is not in the store, or its strategy saved nothing.
    """
    state: Any = read_header(journal_directory(store, session_id)).get("restored")
    for entry in read_journal(journal_directory(store, session_id)):
        record = entry.data.get("record", {}) if entry.kind == "doc" else {}
        if record.get("kind") == STATE_KIND:
            state = json.loads(record["detail_json"])
    if state is None:
        raise InputError(
            f"session {session_id!r} saved no state: restore one whose strategy implements save()"
        )
    return state


def same_session(header: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two headers describe the same reproducible run."""
    return _flat(header) == _flat(other)


def differing(existing: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """Return the first difference between two headers as text, e.g. ``games was 2, now 4``."""
    before, now = _flat(existing), _flat(header)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            return f"{key} was {before.get(key)!r}, now {now.get(key)!r}"
    return "it is not reproducible"


def _flat(header: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in header.items():
        path = f"{prefix}{key}"
        if path in _INCIDENTAL:
            continue
        if path == "plugins":
            found[path] = [plugin["name"] for plugin in value]
            found.update(_flat({plugin["name"]: plugin for plugin in value}, "plugins."))
        elif isinstance(value, Mapping):
            found.update(_flat(value, f"{path}."))
        else:
            found[path] = canonical_json(value)
    return found


def source_changed(header: Mapping[str, Any], source: StrategySource) -> bool:
    """Return whether the code of a strategy is not what it was in the session of *header*.

    All modules that it imports are compared; in sessions of earlier versions its file only, and nothing in
    imported sessions, of which no strategy ran.
    """
    about = header["strategy"]
    if "import" in header:
        return False
    before = about.get("sources", source.origin.sources)
    return bool(
        about["source_sha256"] != source.source_sha256 or dict(before) != source.origin.sources
    )


def unrecorded(header: Mapping[str, Any]) -> list[str]:
    """Return the secret parameters of the strategy that were set; the header does not have their values."""
    return [name for name, value in header["strategy"]["settings"].items() if value == RECORDED]


def why_not_run(header: Mapping[str, Any]) -> str:
    """Return why the strategy that *header* names is not run by itself, empty if it may be; loads nothing.

    A journal is data, which anyone may have written: of the strategies that it names, only an installed one
    runs, if its source is the one that ran.

    Raises:
        JournalError: the header lacks what is needed.
    """
    with _header_errors():
        about = header["strategy"]
        name, spec = str(about["name"]), str(about["spec"])
        digests = {about["source_sha256"], *about.get("sources", {}).values()}
    point = installed_as(spec)
    if point is None:
        return f"its strategy {name!r} is {spec!r}, not an installed strategy"
    # No strategy ran in an imported session.
    if "import" not in header and not is_unchanged(point.module, digests):
        return f"the source of strategy {name!r} is not the one that ran"
    return ""


def plugin_entries_of(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what *header* has of each plugin of its session, with ``name`` and ``settings``.

    Raises:
        JournalError: the header lacks what is needed.
    """
    with _header_errors():
        return [
            {**entry, "name": entry["name"], "settings": entry["settings"]}
            for entry in header["plugins"]
        ]


def engine_of(
    header: Mapping[str, Any],
    source: StrategySource,
    plugins: PluginManager,
    secrets: Mapping[str, Any] | None = None,
) -> Engine:
    """Return a new engine as *header* describes it, with the strategy of *source*.

    Args:
        header: the first entry of a journal.
        source: the strategy.
        plugins: the plugins that take part.
        secrets: secret parameters of the strategy, which the header lacks; without them each is a
            placeholder.

    Raises:
        JournalError: the header lacks what is needed.
        StrategyError, ConfigError: the strategy cannot be created as it was.
    """
    with _header_errors():
        about = header["strategy"]
        limits = Limits.of_json(header["limits"])
        terms = terms_of(header)
        mode, session_id, settings = Mode(header["mode"]), header["session_id"], about["settings"]
        lacking = unrecorded(header)
    for name in secrets or {}:
        if name not in lacking:
            raise ConfigError(
                f"parameter {name!r} is in the journal's header: give its secret parameters only "
                f"({', '.join(lacking) or 'it has none'})"
            )
    strategy = configure(source.cls, {**settings, **(secrets or {})})
    restore(strategy, header.get("restored"))
    return Engine(
        session_id=session_id,
        mode=mode,
        strategy=strategy,
        plugins=plugins,
        limits=limits,
        auditor=FairAuditor(session_id) if header.get("audit") else None,
        terms=terms,
    )


class _Watching(Strategy):
    """Takes no action."""


def watching_engine(header: Mapping[str, Any]) -> Engine:
    """Return an engine of the session that processes its inputs without its strategy and plugins.

    Raises:
        JournalError: the header lacks what is needed.
    """
    with _header_errors():
        mode, session_id = Mode(header["mode"]), str(header["session_id"])
        terms = terms_of(header)
    return Engine(
        session_id=session_id,
        mode=mode,
        strategy=_Watching(),
        plugins=PluginManager(),
        limits=Limits(),
        auditor=FairAuditor(session_id) if header.get("audit") else None,
        terms=terms,
        watches=True,
    )


@contextlib.contextmanager
def _header_errors() -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, ConfigError) as error:
        raise JournalError(
            f"the journal's header cannot be used ({type(error).__name__}: {error}): "
            "was it written by vectra-bot?"
        ) from error
