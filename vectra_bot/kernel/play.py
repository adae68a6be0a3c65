"""One game replayed exactly, compiled where that is possible."""

from __future__ import annotations

import ctypes
import sys

from vectra_bot.game import fair, rules
from vectra_bot.game.fair import FairGame
from vectra_bot.kernel.library import GameArrays, LoadedLaw, loaded

_MAX_PRICES = rules.MAX_TICKS + 1


def play_game(server_seed: str, game_id: str, version: str = rules.LAW_VERSION) -> FairGame:
    """Return the game that *server_seed* and *game_id* decide: the result of ``fair.play_game``, sooner.

    Args:
        server_seed: the venue's 64 hex characters; any text works.
        game_id: the venue's id of the game; any text works.
        version: version of the law: ``v1``, ``v2`` or ``v3``.

    Raises:
        UsageError: *version* is not a known version of the law.
    """
    law = loaded()
    if law is None:
        return fair.play_game(server_seed, game_id, version)
    fair.check_version(version)
    sys.audit("vectra_bot.play_game", server_seed, game_id)
    return _played(law, key_bytes(server_seed, game_id), version)


def key_bytes(server_seed: str, game_id: str) -> bytes:
    """Return the ARC4 key of a game, 1 to 256 bytes (protocol 4.1)."""
    return bytes(fair.mix_key(fair.generator_key(server_seed, game_id)))


def _played(law: LoadedLaw, key: bytes, version: str) -> FairGame:
    peak, rug, last = ctypes.c_double(), ctypes.c_double(), ctypes.c_double()
    tick, start = ctypes.c_int32(), ctypes.c_int64()
    prices = (ctypes.c_double * _MAX_PRICES)()
    arrays = (ctypes.addressof(array) for array in (peak, rug, last, tick, start, prices))
    key_at = (ctypes.c_int64 * 2)(0, len(key))
    if (
        law.replay(
            1, key, key_at, version == "v3", version != "v1", GameArrays(*arrays, _MAX_PRICES)
        )
        < 0
    ):
        raise MemoryError
    return FairGame(
        prices=tuple(prices[: tick.value]),
        rug_tick=tick.value,
        rug_price=rug.value,
        peak=peak.value,
        rugged=tick.value < _MAX_PRICES,
    )
