"""A bench for authors of strategies and plugins, and a contract suite for authors of venues.

The bench lets a test choose what the venue sends and check what the bot asks for; games made from prices run
on it or through a whole session; the suite drives a venue as a session does and names the promises that it
does not keep. What is listed in ``__all__`` is public, and imported when it is first used.

Example::

    bench = Bench(TakeProfit, target=1.2)
    bench.play(make_game([1.0] * 11 + [1.3, 1.1]))
    assert [action.action_type for action in bench.actions] == [ActionType.BUY, ActionType.SELL]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vectra_bot.game.fair import FairGame
    from vectra_bot.testing.bench import Bench
    from vectra_bot.testing.games import make_game, play_games
    from vectra_bot.testing.rounds import BenchRounds
    from vectra_bot.testing.venue.check import check_venue
    from vectra_bot.testing.venue.embedded import embedded_rig
    from vectra_bot.testing.venue.promises import VenueReport
    from vectra_bot.testing.venue.rig import VenueParts, VenueRig

# The pytest plugin is in every run of pytest, and the bench needs no event loop and no exchange.
_HOMES = {
    "Bench": "vectra_bot.testing.bench",
    "BenchRounds": "vectra_bot.testing.rounds",
    "FairGame": "vectra_bot.game.fair",
    "VenueParts": "vectra_bot.testing.venue.rig",
    "VenueReport": "vectra_bot.testing.venue.promises",
    "VenueRig": "vectra_bot.testing.venue.rig",
    "check_venue": "vectra_bot.testing.venue.check",
    "embedded_rig": "vectra_bot.testing.venue.embedded",
    "make_game": "vectra_bot.testing.games",
    "play_games": "vectra_bot.testing.games",
}

__all__ = [
    "Bench",
    "BenchRounds",
    "FairGame",
    "VenueParts",
    "VenueReport",
    "VenueRig",
    "check_venue",
    "embedded_rig",
    "make_game",
    "play_games",
]

if not TYPE_CHECKING:  # a type checker would give every misspelt name the type Any

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'vectra_bot.testing' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
