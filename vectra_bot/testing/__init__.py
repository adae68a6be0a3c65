"""A bench for authors of strategies and plugins, and a contract suite for authors of venues.

The bench lets a test choose what the venue sends and check what the bot asks for; the suite drives a venue as
a session does and names the promises that it does not keep. What is listed in ``__all__`` is public.

Example::

    bench = Bench(TakeProfit(target=1.2))
    bench.start_game([1.0] * 11)
    buy = bench.commands[-1]
    bench.execute(buy)
    bench.tick(1.3)
    assert bench.commands[-1].action_type is ActionType.SELL
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vectra_bot.testing.bench import Bench
from vectra_bot.testing.rounds import BenchRounds

if TYPE_CHECKING:
    from vectra_bot.testing.venue.check import check_venue
    from vectra_bot.testing.venue.embedded import embedded_rig
    from vectra_bot.testing.venue.promises import VenueReport
    from vectra_bot.testing.venue.rig import VenueParts, VenueRig

# Imported when they are used: the bench needs no event loop and no exchange.
_HOMES = {
    "VenueParts": "rig",
    "VenueReport": "promises",
    "VenueRig": "rig",
    "check_venue": "check",
    "embedded_rig": "embedded",
}

__all__ = [
    "Bench",
    "BenchRounds",
    "VenueParts",
    "VenueReport",
    "VenueRig",
    "check_venue",
    "embedded_rig",
]

if not TYPE_CHECKING:  # a type checker would give every misspelt name the type Any

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'vectra_bot.testing' has no attribute {name!r}")
        value = getattr(import_module(f"vectra_bot.testing.venue.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
