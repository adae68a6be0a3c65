"""The protocol profile: the venue's names of requests, events and choices (protocol 8, 10, 11).

Most of these names were never captured. They are in one TOML file, so that a user who sees the real ones
can correct them without code changes; the embedded exchange and the client read the same profile.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from attrs import field, frozen

from vectra_bot.errors import ConfigError

_MAX_NAME = 64

KNOWN_EVENTS = frozenset(
    {
        "currentSidebet",
        "currentSidebetResult",
        "gameStatePlayerUpdate",
        "gameStateUpdate",
        "goldenHourDrawing",
        "newSideBet",
        "playerUpdate",
        "rugpoolDrawing",
        "standard/newTrade",
        "usernameStatus",
    }
)
"""Events of the venue that the engine uses, under the names in real frames (protocol 5)."""

KNOWN_REQUESTS = frozenset(
    {
        "authenticate",
        "chatHistory",
        "checkUsername",
        "getLeaderboard",
        "getPlayerCosmetics",
        "getPlayerLeaderboardPosition",
        "ping",
    }
)
"""Requests other than actions, under the names in real frames (protocol 10)."""


@frozen(kw_only=True)
class Profile:
    """The names on the wire, by our own names.

    Attributes:
        requests: by kind of request (``buy``, ``short_open`` ...), the name of its ``event`` and of each of
            its payload's keys.
        login: the name of the login's ``event`` and of its payload's ``token``.
        events: names of the side games' events by ours (``bbc_round`` ...).
        choices: the side games' choices by ours (``BULL`` ... ``RED``).
    """

    requests: Mapping[str, Mapping[str, str]]
    events: Mapping[str, str]
    choices: Mapping[str, str]
    login: Mapping[str, str] = field(factory=lambda: {"event": "authenticate", "token": "token"})
    kinds: Mapping[str, str] = field(init=False, repr=False)
    choice_of: Mapping[str, str] = field(init=False, repr=False)
    event_of: Mapping[str, str] = field(init=False, repr=False)

    @kinds.default
    def _kinds(self) -> Mapping[str, str]:
        return {names["event"]: kind for kind, names in self.requests.items()}

    @choice_of.default
    def _choice_of(self) -> Mapping[str, str]:
        return {name: choice for choice, name in self.choices.items()}

    @event_of.default
    def _event_of(self) -> Mapping[str, str]:
        return {name: event for event, name in self.events.items()}

    def key(self, kind: str, name: str) -> str:
        """Return the wire name of the payload key *name* in a request of *kind*."""
        return self.requests[kind][name]


@lru_cache(maxsize=1)
def default_profile() -> Profile:
    """Return the profile packaged with the library."""
    return _profile(tomllib.loads(default_text()))


def default_text() -> str:
    """Return the TOML text of the default profile, which is also the template for a correction."""
    return files("vectra_bot.wire").joinpath("protocol.toml").read_text("utf-8")


def parse_profile(text: str, where: str = "protocol profile") -> Profile:
    """Return the default profile with the corrections in *text* (TOML).

    Raises:
        ConfigError: not TOML, an unknown key, two things with the same name, or a name the venue uses
            for something else.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where} is not TOML ({error}): see the default profile") from None
    merged = tomllib.loads(default_text())
    _merge(merged, given, where, "")
    return _profile(merged, where)


def _merge(base: dict[str, Any], given: Mapping[str, Any], where: str, path: str) -> None:
    for key, value in given.items():
        name = f"{path}{key}"
        if key not in base:
            raise ConfigError(f"{where}: {name} is not known; known are {', '.join(sorted(base))}")
        if isinstance(base[key], dict):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: {name} was {value!r}: give a table")
            _merge(base[key], value, where, f"{name}.")
        elif (
            not isinstance(value, str)
            or not 0 < len(value) <= _MAX_NAME
            or not value.isprintable()
            or set(value) & set('"\\')
        ):
            raise ConfigError(
                f"{where}: {name} was {value!r}: give 1 to {_MAX_NAME} printable characters, no quotes"
            )
        else:
            base[key] = value


def _profile(data: Mapping[str, Any], where: str = "protocol profile") -> Profile:
    profile = Profile(
        requests=data["requests"],
        events=data["events"],
        choices=data["choices"],
        login=data["login"],
    )
    for what, names, ours, taken in (
        ("requests", profile.kinds, profile.requests, KNOWN_REQUESTS),
        ("events", profile.event_of, profile.events, KNOWN_EVENTS),
        ("choices", profile.choice_of, profile.choices, frozenset[str]()),
    ):
        if len(names) < len(ours):
            raise ConfigError(f"{where}: two {what} have the same name; give different names")
        for name in sorted(taken & set(names)):
            raise ConfigError(
                f"{where}: {what}.{names[name]} was {name!r}, which the venue uses for something else: "
                "give another name"
            )
    _check_login(profile, where)
    return profile


def _check_login(profile: Profile, where: str) -> None:
    event = profile.login["event"]
    if event in profile.kinds or event in KNOWN_REQUESTS - {"authenticate"}:
        raise ConfigError(
            f"{where}: login.event was {event!r}, which is the name of another request: give another name"
        )
