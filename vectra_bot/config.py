"""Settings of a session: what the command line and a TOML file may say, checked in one place.

A file has the sections ``[run]``, ``[strategy]``, ``[limits]`` and ``[plugins.NAME]``. The command line
wins over the file, the file over the defaults. Every message names the file, the key, the value and what
is allowed.

Example::

    [run]
    strategy = "take-profit"
    games = 50

    [strategy]
    target = 2.0

    [plugins.stake-guard]
    enabled = true
    max_share = 0.05
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import evolve, field, fields_dict, frozen

from vectra_bot.actions.risk import Limits
from vectra_bot.errors import ConfigError, InputError
from vectra_bot.game.shorts import ShortAtRug, ShortPayoff
from vectra_bot.models.times import ns_from_utc
from vectra_bot.params import Configurable, convert, param, parameters

SECTIONS = ("run", "strategy", "limits", "plugins")
DEFAULT_GAMES = 20


class RunSettings(Configurable):
    """What ``vectra-bot run`` can be told, as options and as keys of ``[run]``; None: the default."""

    games: int = param(DEFAULT_GAMES, low=1, high=10_000_000, help="Games to play.")
    seed: int | None = param(
        None, low=0, high=2**63 - 1, help="Seed of the exchange; random unless given."
    )
    speed: str = param("max", help="max, or how many times faster than the venue (1: real time).")
    session_id: str | None = param(None, help="Name of the session; random unless given.")
    store: str | None = param(
        None,
        help="Folder of the store, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX."
        "  [default: $VECTRA_STORE, else ~/rugs_data/events_parquet]",
    )
    cash: Decimal = param("1", low="0", high="1000000", help="SOL at the start.")
    latency_ms: int = param(70, low=0, high=60_000, help="One-way latency of a request, in ms.")
    crowd: int | None = param(
        None, low=0, high=3_000, help="Other players on the exchange; 300 unless given."
    )
    format: str = param("feb", choices=("feb", "dec"), help="Wire format: February or December.")
    start: str | None = param(
        None, help="Where the exchange's clock starts, ISO 8601.  [default: 2026-01-01T00:00:00Z]"
    )
    exchange_log: str | None = param(None, help="File that gets a line for every request.")
    countdown_step: int = param(
        100, low=100, high=5_000, help="Distance of countdown frames in ms, a divisor of 5000."
    )
    side_games: bool = param(
        True, help="Run Bull/Bear/Crab and Candleflip rounds beside the game (unverified)."
    )
    bbc_odds: str = param(
        "7/15,7/15,1/15", help="Chances of BULL, BEAR and CRAB in a round (unverified)."
    )
    bbc_payouts: str = param(
        "2,2,14", help="What BULL, BEAR and CRAB pay, times the stake (unverified)."
    )
    candleflip_odds: str = param(
        "1/2,1/2", help="Chances of GREEN and RED in a round (unverified)."
    )
    candleflip_payouts: str = param(
        "1.94,1.94", help="What GREEN and RED pay, times the stake (unverified)."
    )
    short_payoff: str = param(
        "textbook",
        choices=tuple(payoff.value for payoff in ShortPayoff),
        help="How a short's value follows the price (unverified).",
    )
    short_at_rug: str = param(
        "settle",
        choices=tuple(end.value for end in ShortAtRug),
        help="What an open short receives at the rug (unverified).",
    )
    protocol: str | None = param(
        None, help="TOML file with the venue's own names of requests and side games' events."
    )


LIMITS_HELP = {
    "stake": "Largest stake of one entry, in SOL.",
    "session_loss": "Largest loss of the session, in SOL, open stakes counted as lost.",
    "actions_per_game": "Most actions in one game.",
    "leverage": "Highest leverage of one buy (unverified feature of the venue).",
}
"""What each field of Limits means, as help texts say it."""


@frozen(kw_only=True)
class PluginSettings:
    """What a file or command line says about one plugin; ``enabled`` None leaves its own default."""

    enabled: bool | None = None
    settings: dict[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class FileConfig:
    """A checked TOML file; keys that it does not have are absent."""

    strategy: str | None = None
    run: dict[str, Any] = field(factory=dict)
    settings: dict[str, Any] = field(factory=dict)
    limits: dict[str, Any] = field(factory=dict)
    plugins: dict[str, PluginSettings] = field(factory=dict)


def load_config(path: Path) -> FileConfig:
    """Return the checked content of the TOML file at *path*.

    Raises:
        InputError: the file cannot be read or is not TOML.
        ConfigError: a section, key or value is not allowed.
    """
    document = _read(path)
    for section, table in document.items():
        if section not in SECTIONS:
            raise ConfigError(f"{path}: section {section!r} {_unknown(section, SECTIONS)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} was {table!r}: make it a section [{section}]")
    run = dict(document.get("run", {}))
    strategy = run.pop("strategy", None)
    if strategy is not None and not isinstance(strategy, str):
        raise ConfigError(f"{path}: [run] strategy was {strategy!r}: give a name or ./file.py")
    for key, value in run.items():
        check_setting(key, value, f"{path}: [run] {key}")
    limits = document.get("limits", {})
    make_limits(limits, f"{path}: [limits] ")
    return FileConfig(
        strategy=strategy,
        run=run,
        settings=dict(document.get("strategy", {})),
        limits=limits,
        plugins={name: _plugin(path, name, t) for name, t in document.get("plugins", {}).items()},
    )


def check_setting(key: str, value: Any, where: str, known: type[Configurable] = RunSettings) -> Any:
    """Return *value* as setting *key* takes it; *where* names its source in the message.

    Raises:
        ConfigError: no such setting, or a value it does not take.
    """
    settings = {parameter.name: parameter for parameter in parameters(known)}
    if key not in settings:
        raise ConfigError(f"{where} {_unknown(key, settings)}")
    converter: Any = fields_dict(known)[key].converter
    try:
        converted = converter(value)
    except ConfigError:
        raise ConfigError(f"{where} was {value!r}: give {settings[key].allowed}") from None
    if key == "speed":
        parse_speed(converted, where)
    if key == "start" and converted is not None:
        parse_start(converted, where)
    return converted


def parse_speed(value: str, where: str = "speed") -> float | None:
    """Return a speed as a factor, None for ``max``.

    Raises:
        ConfigError: neither ``max`` nor a positive number.
    """
    if value == "max":
        return None
    try:
        factor = convert(value, float)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1_000_000:
        raise ConfigError(f"{where} was {value!r}: give max, or a number above 0 (1 is real time)")
    return float(factor)


def parse_start(value: str, where: str = "start") -> int:
    """Return an ISO 8601 time as nanoseconds since the epoch; without an offset it is UTC.

    Raises:
        ConfigError: not a time, or before 1970.
    """
    moment: datetime | None = None
    with suppress(ValueError):
        moment = datetime.fromisoformat(value)
    if moment is None or not 1971 <= moment.year <= 2200:
        raise ConfigError(f"{where} was {value!r}: give a time such as 2026-01-01T00:00:00Z")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return ns_from_utc(moment)


def make_limits(values: Mapping[str, Any], where: str = "limit ") -> Limits:
    """Return the limits with *values* in place of the defaults.

    Raises:
        ConfigError: no such limit, or a value it does not take.
    """
    known = fields_dict(Limits)
    limits = Limits()
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{where}{key} {_unknown(key, known)}")
        kind = type(getattr(limits, key))
        try:
            limits = evolve(limits, **{key: convert(value, kind)})
        except (ValueError, ConfigError):
            allowed = "a whole number from 1" if kind is int else "a positive amount of SOL"
            raise ConfigError(f"{where}{key} was {value!r}: give {allowed}") from None
    return limits


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"config {str(path)!r} cannot be read ({reason}): check the path"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"config {str(path)!r} is not UTF-8 ({error}): save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"config {str(path)!r} is not TOML ({error}): mend that line") from None


def _plugin(path: Path, name: str, table: Any) -> PluginSettings:
    where = f"{path}: [plugins.{name}]"
    if not isinstance(table, dict):
        raise ConfigError(f"{where} was {table!r}: make it a section")
    settings = dict(table)
    enabled = settings.pop("enabled", None)
    if enabled is not None and not isinstance(enabled, bool):
        raise ConfigError(f"{where} enabled was {enabled!r}: give true or false")
    return PluginSettings(enabled=enabled, settings=settings)


def _unknown(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if close:
        return f"is not known: did you mean {' or '.join(close)}?"
    return f"is not known: give one of {', '.join(known)}"
