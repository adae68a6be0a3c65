"""A strategy without actions: for recordings, and to observe a feed."""

from __future__ import annotations

from typing import ClassVar

from vectra_bot import Strategy


class Watch(Strategy):
    """Take no action; everything seen is stored anyway.

    Description:
        Takes no action. Used to import a recording into a store and to observe a feed.

    Parameters:
        None.

    Entry:
        None.

    Exit:
        None.

    Expected value:
        0: nothing is staked.
    """

    watches: ClassVar[bool] = True
