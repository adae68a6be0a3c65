"""A bench for authors of strategies and plugins: choose what the venue sends, check what the bot asks for.

What is listed in ``__all__`` is public.

Example::

    bench = Bench(TakeProfit(target=1.2))
    bench.start_game([1.0] * 11)
    buy = bench.commands[-1]
    bench.execute(buy)
    bench.tick(1.3)
    assert bench.commands[-1].action_type is ActionType.SELL
"""

from vectra_bot.testing.bench import Bench
from vectra_bot.testing.rounds import BenchRounds

__all__ = ["Bench", "BenchRounds"]
