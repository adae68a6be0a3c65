"""Look without touching: for recordings, and to see the crowd."""

from __future__ import annotations

from vectra_bot import Strategy


class Watch(Strategy):
    """Do nothing; everything seen is stored all the same.

    Description:
        Takes no action. Used to bring a recording into a store and to watch a feed.

    Parameters:
        None.

    Entry:
        None.

    Exit:
        None.

    Expected value:
        0: nothing is staked.
    """
