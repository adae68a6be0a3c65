"""What a live session needs: options of the account, and the checks before anything is connected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import frozen

from vectra_bot.actions.limits import LIVE_LIMITS, Limits
from vectra_bot.alerts.sink import AlertSink
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.exchange.config import ExchangeOptions
from vectra_bot.models.times import NS_PER_S
from vectra_bot.params import Refused, declared, like, option, options_of
from vectra_bot.session.config import (
    FlushFlag,
    Observer,
    SessionConfig,
    StopFlag,
    made_of,
)
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.store.api import StoreOptions
from vectra_bot.store.location import LIVE_STORE_SHOWN
from vectra_bot.strategy import Strategy
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.credentials import Token, TokenSource, token_source
from vectra_bot.venues.embedded import EmbeddedOptions
from vectra_bot.venues.endpoint import Endpoint
from vectra_bot.venues.patience import LiveSettings
from vectra_bot.wire.profile import Profile

LOGIN_S: Final = 20.0
"""Time in which a venue must confirm the first login, seconds from the connection."""

OWN_LIMITS: Final = ("stake", "session_loss", "day_loss")
"""Limits that the operator of a live session must choose."""

_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})\s+\S")


def _own_limits(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Refused
    known = [limit.name for limit in attrs.fields(Limits)]
    for key in value:
        if key not in known:
            raise Refused(message=f"no limit is named {key!r}: the limits are {', '.join(known)}")
    return dict(value)


@frozen(kw_only=True, field_transformer=declared)
class LiveConfig:
    """A live session at a venue, with real money.

    Attributes:
        strategy: as in SessionConfig.
        live: the account.
        account: the account's id again, as typed by the operator for this session.
        limits: limits that the operator chose, by name; of the others those of live sessions hold.
        games: end when this many games are over; None for no such end.
        browser: whether a page logs in and carries the orders, and how it is reached.
        store: as in SessionConfig; by default the store of live sessions.

    The other attributes are as in SessionConfig.
    """

    strategy: str | type[Strategy] = like(SessionConfig, "strategy")
    venue: str = option(
        "",
        key=None,
        secret=True,
        words="an address, as text",
        metavar="URL",
        help="Address of the venue: https://HOST[:PORT].",
    )
    account: str | None = option(
        None,
        key=None,
        metavar="ID",
        shown="asked for on a terminal",
        help="Id of the account, typed again: it must be the one in [live].",
    )
    live: LiveOptions = option(factory=LiveOptions, take=made_of(LiveOptions), flag=None)
    limits: Mapping[str, Any] = option(
        factory=dict, take=_own_limits, flag=None, words='a dict such as {"stake": "0.01"}'
    )
    games: int | None = like(EmbeddedOptions, "games", default=None, shown="unlimited")
    link: LiveSettings = like(SessionConfig, "link")
    browser: BrowserSettings = option(
        factory=BrowserSettings, take=made_of(BrowserSettings), flag=None
    )
    protocol: Profile = like(ExchangeOptions, "protocol")
    settings: Mapping[str, Any] = like(SessionConfig, "settings")
    session_id: str | None = like(SessionConfig, "session_id")
    restore_from: str | None = like(SessionConfig, "restore_from")
    store: Path | str | None = like(StoreOptions, "store", shown=LIVE_STORE_SHOWN)
    shared: bool = like(SessionConfig, "shared")
    enable_plugins: tuple[str, ...] = like(SessionConfig, "enable_plugins")
    disable_plugins: tuple[str, ...] = like(SessionConfig, "disable_plugins")
    block_plugins: tuple[str, ...] = like(SessionConfig, "block_plugins")
    plugins_dir: Path | None = like(SessionConfig, "plugins_dir")
    alerts: bool = like(SessionConfig, "alerts", default=True)
    plugins: Mapping[str, Mapping[str, Any]] | Sequence[Any] = like(SessionConfig, "plugins")
    alerts_config: Path | None = like(SessionConfig, "alerts_config")
    alert_sinks: tuple[AlertSink, ...] = like(SessionConfig, "alert_sinks")
    observer: Observer | None = like(SessionConfig, "observer")
    stop: StopFlag = like(SessionConfig, "stop")
    flush: FlushFlag = like(SessionConfig, "flush")
    recover: bool = like(SessionConfig, "recover")

    def all_limits(self) -> Limits:
        """Return the limits of the session.

        Raises:
            ConfigError: a limit has a wrong value.
        """
        return attrs.evolve(LIVE_LIMITS, **self.limits)


@frozen
class CheckedAccount:
    """A checked account: its id, and where its token is read; None if a browser's page logs in."""

    account: str
    source: TokenSource | None

    def other(self, seen: str) -> str:
        """Return the message for a venue that logged in account *seen*."""
        if self.source is None:
            return (
                f"the page is logged in as account {seen!r} and [live] account is {self.account!r}: log in "
                "as that account on the page"
            )
        return (
            f"the token in {self.source.where} logs in account {seen!r} and [live] account is "
            f"{self.account!r}: give that account's token"
        )

    def unconfirmed(self, venue: str, what: str = "the login of") -> str:
        """Return the message for a *venue* that did not confirm the login."""
        if self.source is None:
            return (
                f"the page of {venue} did not log in account {self.account!r} within {LOGIN_S:.0f} s: log in "
                "on the page (`vectra-bot browser login`)"
            )
        return (
            f"{venue} did not confirm {what} account {self.account!r} within {LOGIN_S:.0f} s: the token in "
            f"{self.source.where} may be expired or revoked, store a new one"
        )


def check_live(config: LiveConfig, now_ns: int) -> CheckedAccount:
    """Check everything that a live session needs; nothing is connected, written or sent.

    Args:
        config: the session.
        now_ns: the time, nanoseconds since the epoch.

    Raises:
        ConfigError: something is missing or wrong; the message names the first such thing.
        UsageError: the account was not typed.
        InputError: the token's file cannot be read, or others have access to it.
    """
    live = config.live
    if not live.enabled:
        raise ConfigError(
            "live sessions are not enabled: set `enabled = true` in [live] of the configuration file"
        )
    account = _account(live)
    if config.account is None:
        raise UsageError(
            "the account was not typed: give --account ID, which must be the account in [live]"
        )
    if config.account != account:
        raise ConfigError(
            f"--account was {config.account!r} and [live] account is {account!r}: give the account that "
            "this session is to trade for in both"
        )
    _check_terms(live.terms, now_ns)
    missing = [name for name in OWN_LIMITS if name not in config.limits]
    if missing:
        flag = _flag_of(missing[0])
        raise ConfigError(
            f"limit {missing[0]} was not given: choose it yourself, in [limits] or by {flag} "
            f"(a live session needs {', '.join(OWN_LIMITS)})"
        )
    config.all_limits()
    check_address(config.venue)
    source = None if config.browser.browser else checked_source(live, account, now_ns)
    return CheckedAccount(account, source)


def check_shadow(live: LiveOptions, venue: str, now_ns: int) -> CheckedAccount:
    """Check what a login without orders needs; nothing is connected.

    Raises:
        ConfigError: the account or the token is missing or wrong.
        InputError: the token's file cannot be read, or others have access to it.
    """
    account = _account(live)
    check_address(venue)
    return CheckedAccount(account, checked_source(live, account, now_ns))


def _account(live: LiveOptions) -> str:
    if not live.account:
        raise ConfigError(
            'account is missing: set `account = "did:privy:..."` in [live] of the configuration file'
        )
    return live.account


def _flag_of(limit: str) -> str:
    return next(str(known.flag) for known in options_of(Limits) if known.name == limit)


def _check_terms(terms: str | None, now_ns: int) -> None:
    advice = (
        "give your own dated statement, such as terms = \"2026-01-31 I have read the venue's terms and may "
        'run a bot"'
    )
    if not terms:
        raise ConfigError(f"terms is missing in [live]: {advice}")
    found = _DATED.match(terms)
    try:
        said = date.fromisoformat(found[1]) if found else None
    except ValueError:
        said = None
    if said is None:
        raise ConfigError(f"[live] terms was {terms[:80]!r}, without date and text: {advice}")
    today = datetime.fromtimestamp(now_ns / NS_PER_S, tz=UTC).date()
    if said > today + timedelta(days=1):  # it may be tomorrow already where the operator is
        raise ConfigError(f"[live] terms was dated {said}, which is in the future: {advice}")


def check_address(venue: str) -> Endpoint:
    """Return the endpoint of a venue that gets a token: encrypted, unless it is on this machine.

    Raises:
        ConfigError: it is not such an address.
    """
    endpoint = Endpoint.parse(venue)
    name = endpoint.host
    if endpoint.url.startswith("http:") and not _is_this_machine(name):
        raise ConfigError(
            f"venue was {endpoint.address!r}, without encryption: a token is sent over https:// only, "
            "except to your own machine"
        )
    return endpoint


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_source(live: LiveOptions, account: str, now_ns: int) -> TokenSource:
    """Return the source of the account's token, after reading it once.

    Raises:
        ConfigError: it is missing, expired, or another account's.
        InputError: its file cannot be read, or others have access to it.
    """
    if not live.token:
        raise ConfigError(
            'token is missing in [live]: give where it is, token = "env:NAME", "file:PATH" or '
            '"keyring:SERVICE/USER"'
        )
    source = token_source(live.token)
    check_token(source.read(), source, account, now_ns)
    return source


def check_token(token: Token, source: TokenSource, account: str, now_ns: int) -> None:
    """Check what a token says of itself; an opaque one says nothing.

    Raises:
        ConfigError: it is expired, or another account's.
    """
    if token.expires_ns is not None and token.expires_ns <= now_ns:
        minutes = (now_ns - token.expires_ns) / NS_PER_S / 60
        raise ConfigError(
            f"the token in {source.where} ended {minutes:.0f} minutes ago: log in at the venue again and "
            "store the new one"
        )
    if token.subject is not None and token.subject != account:
        raise ConfigError(
            f"the token in {source.where} is of account {token.subject!r} and [live] account is "
            f"{account!r}: give that account's token"
        )


__all__ = [
    "OWN_LIMITS",
    "CheckedAccount",
    "LiveConfig",
    "check_address",
    "check_live",
    "check_shadow",
]
