"""A bench for authors of strategies and plugins: say what the venue sends, see what the bot asks for.

Example::

    bench = Bench(TakeProfit(target=1.2))
    bench.start_game([1.0] * 11)
    buy = bench.commands[-1]
    bench.execute(buy)
    bench.tick(1.3)
    assert bench.commands[-1].action_type is ActionType.SELL
"""

from vectra_bot.testing.bench import Bench

__all__ = ["Bench"]
