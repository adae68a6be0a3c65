"""Blocks of a backtest in this process, or several at a time in others; always in the same order.

Each process begins with an empty interpreter and gets blocks by config. It shares two things with this
one: an array with the number of games played in each block, and a flag that ends all after the running game.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_bool, c_int64
from multiprocessing.resource_tracker import ensure_running
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any, Final

from vectra_bot.backtest.games import Games
from vectra_bot.backtest.play import PlayConfig, Progress, play_block
from vectra_bot.errors import StrategyError
from vectra_bot.loading import resolve_strategy
from vectra_bot.loading.files import is_file_spec
from vectra_bot.session.flags import StopFlag

_LOOK_S: Final = 0.1

_shared: dict[str, Any] = {}


def play_blocks(
    blocks: Sequence[PlayConfig], jobs: int, progress: Progress, stop: StopFlag
) -> Generator[Games, None, None]:
    """Yield the table of each block, in order; after one that *stop* ended early perhaps no more.

    Args:
        blocks: what to play.
        jobs: processes; 1 plays here.
        progress: called with the games played and all of them.
        stop: ends all blocks after their running game when it is set.

    Raises:
        StrategyError: the strategy raised in a block, or its process died; blocks before it were yielded.
    """
    return _beside(blocks, jobs, progress, stop) if jobs > 1 else _here(blocks, progress, stop)


def _here(
    blocks: Sequence[PlayConfig], progress: Progress, stop: StopFlag
) -> Generator[Games, None, None]:
    total, before = sum(block.games for block in blocks), 0

    def watch(played: int) -> bool:
        progress(before + played, total)
        return stop.reason is not None

    for block in blocks:
        if stop.reason is not None:
            return
        yield play_block(block, watch)
        before += block.games


def _beside(
    blocks: Sequence[PlayConfig], jobs: int, progress: Progress, stop: StopFlag
) -> Generator[Games, None, None]:
    total = sum(block.games for block in blocks)
    counts, ending = RawArray(c_int64, len(blocks)), RawValue(c_bool, False)
    specs = tuple({block.source.spec for block in blocks})
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), _begin, (counts, ending, specs)
    )
    try:
        with _out_of_reach():
            waiting = deque(
                pool.submit(_play, number, block) for number, block in enumerate(blocks)
            )
        while waiting:
            playing = waiting.popleft()  # a table that was taken is not kept
            while not playing.done():
                wait([playing], timeout=_LOOK_S)
                progress(sum(counts), total)
                ending.value = stop.reason is not None
                if ending.value and playing.cancel():
                    return
            yield playing.result()
    except BrokenProcessPool as error:
        raise StrategyError(
            "a process that played games died: give fewer jobs if memory is short, and call from below "
            'if __name__ == "__main__" in a script'
        ) from error
    finally:
        ending.value = True
        pool.shutdown(cancel_futures=True)


@contextmanager
def _out_of_reach() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, not even while they import: they inherit the mask."""
    ensure_running()  # starting the tracker of resources would end the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(counts: Any, ending: Any, specs: Sequence[str]) -> None:
    """Prepare a process: Ctrl-C is the first process's business, also for what a strategy starts.

    Strategies are loaded from their files: one whose file has the name of another module is not found by it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.update(counts=counts, ending=ending)
    for spec in specs:
        if is_file_spec(spec):
            resolve_strategy(spec)


def _play(number: int, block: PlayConfig) -> Games:
    counts, ending = _shared["counts"], _shared["ending"]

    def watch(played: int) -> bool:
        counts[number] = played
        return bool(ending.value)

    return play_block(block, watch)
