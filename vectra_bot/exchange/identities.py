"""Identifiers on the venue: seeds, game ids, trace ids, players; all derived from one seed."""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vectra_bot.kernel.sampled import SampledGames

_SYLLABLES = (
    "ba", "be", "bo", "da", "de", "do", "fi", "ga", "go", "ha", "jo", "ka", "ki", "ko", "la", "le",
    "lu", "ma", "mi", "mo", "na", "ni", "no", "pa", "pe", "ra", "ri", "ro", "sa", "si", "ta", "zu",
)  # fmt: skip
_ID_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 25
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NS_PER_DAY = 86_400_000_000_000


@lru_cache(maxsize=8)
def _day(number: int) -> str:
    """Return the date of a day since the epoch, ``YYYYMMDD``."""
    return f"{date.fromordinal(_EPOCH_DAY + number):%Y%m%d}"


class Identities:
    """Derive ids from the session's seed; two instances with one seed give the same ids in the same order."""

    def __init__(self, seed: int | str) -> None:
        self._root = hashlib.sha256(f"vectra-exchange/{seed}".encode()).hexdigest()
        self._issued = 0

    def derive(self, kind: str, number: int) -> str:
        """Return 64 hex digits for the *number*-th thing of a *kind*."""
        return hashlib.sha256(f"{self._root}/{kind}/{number}".encode()).hexdigest()

    def dice(self, kind: str, number: int = 0) -> Random:
        """Return a separate generator for one purpose; only its ``random()`` may be used."""
        return Random(int(self.derive(kind, number), 16))

    def server_seed(self, number: int) -> str:
        """Return the secret seed of the *number*-th game: 64 hex digits (protocol 4.1)."""
        return self.derive("server-seed", number)

    def secret(self, number: int, at_ns: int, *, sampled: bool = False) -> tuple[str, str]:
        """Return seed and id of the *number*-th game; a *sampled* one has no seed and no other game's id."""
        if sampled:
            return "", self._dated_id("sampled-game-id", number, at_ns)
        return self.server_seed(number), self.game_id(number, at_ns)

    def sampled_games(self) -> SampledGames:
        """Return the games that are drawn from the law where none is computed from a server seed."""
        from vectra_bot.kernel.sampled import SampledGames  # imports numpy, which little else needs

        return SampledGames(int(self.derive("sampled-games", 0)[:16], 16))

    def game_id(self, number: int, at_ns: int) -> str:
        """Return ``YYYYMMDD-`` and 16 hex digits, with the UTC date of *at_ns*."""
        return self._dated_id("game-id", number, at_ns)

    def round_id(self, kind: str, number: int, at_ns: int) -> str:
        """Return the id of a side game's round, in the shape of a game's (protocol 11)."""
        return self._dated_id(kind, number, at_ns)

    def _dated_id(self, kind: str, number: int, at_ns: int) -> str:
        return f"{_day(at_ns // _NS_PER_DAY)}-{self.derive(kind, number)[:16]}"

    def issue(self) -> str:
        """Return 64 fresh hex digits for a trace, span or row id."""
        self._issued += 1
        return self.derive("issued", self._issued)

    def trace(self) -> tuple[str, str]:
        """Return a fresh trace id (32 hex) and span id (16 hex) of the venue (protocol 2.2)."""
        fresh = self.issue()
        return fresh[:32], fresh[32:48]

    def uuid(self) -> str:
        """Return a fresh id in the shape of a random UUID."""
        return self._uuid(self.issue())

    def trade_id(self, number: int) -> str:
        """Return the UUID of the *number*-th trade, the same for every recipient."""
        return self._uuid(self.derive("trade", number))

    @staticmethod
    def _uuid(fresh: str) -> str:
        variant = "89ab"[int(fresh[16], 16) & 3]
        return f"{fresh[:8]}-{fresh[8:12]}-4{fresh[13:16]}-{variant}{fresh[17:20]}-{fresh[20:32]}"

    def player_id(self, number: int) -> str:
        """Return ``did:privy:`` and 25 letters or digits (protocol 2.5)."""
        value = int(self.derive("player", number), 16)
        letters = []
        for _ in range(_ID_LENGTH - 2):
            value, rest = divmod(value, len(_ID_LETTERS))
            letters.append(_ID_LETTERS[rest])
        return "did:privy:cm" + "".join(letters)

    def username(self, number: int) -> str:
        """Return a made-up name, unique by its number."""
        value = int(self.derive("name", number)[:8], 16)
        syllables = []
        for _ in range(2 + value % 2):
            value, rest = divmod(value // 2, len(_SYLLABLES))
            syllables.append(_SYLLABLES[rest])
        return "".join(syllables) + str(number)
