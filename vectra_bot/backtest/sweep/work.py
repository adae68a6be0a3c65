"""The work of a sweep's processes: a chunk of games played from a description that any process can read.

A task names the strategy, so that a worker on another machine loads it from its own file; it refuses to play
another version of the code than the one the task was made for.
Imports backtest, config, errors, loading and params; joblib, and distributed for Dask.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor
from functools import cache, lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, evolve, frozen

import vectra_bot
from vectra_bot.backtest.asked.config import BacktestOptions
from vectra_bot.backtest.asked.given import asked_games, digest_of_games
from vectra_bot.backtest.play import GivenGame, play_block
from vectra_bot.backtest.sweep.chunks import ChunkKey, ChunkResult
from vectra_bot.config import read_secret
from vectra_bot.errors import InputError, StrategyError
from vectra_bot.loading import StrategySource, resolve_strategy
from vectra_bot.params import WrittenText
from vectra_bot.serde import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable


_LOOK_S: Final = 0.5  # how soon a worker notices that its parent has ended
_CONNECT_S: Final = 10  # until a scheduler counts as unreachable


@frozen(kw_only=True)
class ChunkTask:
    """A chunk to play.

    Attributes:
        key: of the chunk.
        spec: the strategy, as :func:`~vectra_bot.loading.resolve_strategy` takes it.
        settings: parameters as they were given; text may refer to a secret.
        varied: those that the sweep varies, as messages show them.
        options: what the games are played under.
        games: how many games of ``--from`` the sweep plays.
        given: digest of all of them, "" if the games are those of the seed.
        local: the strategy, if only this process has it.
    """

    key: ChunkKey
    spec: str
    settings: Mapping[str, Any]
    varied: str
    options: BacktestOptions
    games: int = 0
    given: str = ""
    local: StrategySource | None = None

    def play(self) -> bytes:
        """Play the chunk and return it packed.

        Raises:
            InputError: this process has another version of the code, or finds other games.
            StrategyError: the strategy raised.
        """
        source = self.local or _loaded(self.spec, self.key.code)
        settings = given_settings(self.settings)
        block = evolve(
            self.options.played(source, settings, self._games()),
            settings=settings,
            first=self.key.first,
            games=self.key.games,
        )
        try:
            games = play_block(block)
        except StrategyError as error:
            raise StrategyError(f"with {self.varied}: {error}") from error
        return ChunkResult(
            pnl=games.pnl,
            expected=games.expected,
            entries=int(games.entries.sum()),
            bets=int(games.bets.sum()),
            stake=int(games.stake.sum()),
            prizes=int(games.prizes.sum()),
            denials=dict(games.denials),
            unknown=tuple(sorted(games.unknown)),
            unverified=games.unverified,
            engine=games.played.engine,
            why=games.played.why,
        ).pack(self.key)

    def _games(self) -> tuple[GivenGame, ...]:
        """Return the chunk's games of ``--from``."""
        if self.options.source is None:
            return ()
        found = _found_games(self.options.source, self.games, self.given)
        return found[self.key.first : self.key.first + self.key.games]


@frozen
class Workers:
    """Processes that play tasks, by joblib.

    Attributes:
        backend: ``loky``, ``dask``, or another backend that is registered with joblib, such as ``ray``.
        jobs: processes; those of a running Dask cluster are as many as it has.
        scheduler: address of a running Dask scheduler; without one, a cluster of *jobs* workers on this
            machine is started for the sweep.
    """

    backend: str = "loky"
    jobs: int = 1
    scheduler: str | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[Workers]:
        """Have the processes ready during the block.

        Raises:
            InputError: joblib or Dask is not installed, or the scheduler cannot be reached.
        """
        joblib = needed("joblib", "sweep")
        with contextlib.ExitStack() as stack:
            if self.backend == "dask":
                stack.enter_context(self._client())
            try:
                config = joblib.parallel_config(self.backend, n_jobs=self._width)
            except ValueError:
                raise InputError(
                    f"--backend was {self.backend!r}: give loky, dask or one that is registered with joblib"
                ) from None
            stack.enter_context(config)
            yield self

    def results(self, tasks: Iterable[ChunkTask]) -> Iterator[tuple[ChunkKey, bytes]]:
        """Yield each task's key and packed chunk, as they are finished; a few tasks are read ahead.

        Raises:
            StrategyError: the strategy raised, or a worker died.
        """
        import joblib

        parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        if self.backend == "loky":
            play = partial(joblib.delayed(_played_by_child), parent=os.getpid())
        else:  # workers of a cluster are not this process's children
            play = joblib.delayed(_played)
        with warnings.catch_warnings():
            # That a stopped sweep cancels tasks: its report says what is unfinished.
            warnings.filterwarnings("ignore", r"\d+ tasks which were still", UserWarning)
            try:
                with contextlib.closing(parallel(play(task) for task in tasks)) as found:
                    yield from found
            except self._lost() as error:
                raise StrategyError(
                    f"a worker died or was lost ({type(error).__name__}): is there enough memory? What was "
                    "finished is kept; the same command continues"
                ) from error

    def _lost(self) -> tuple[type[Exception], ...]:
        """Return what backends raise where a worker died."""
        if self.backend != "dask":
            return (BrokenExecutor,)
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        return (KilledWorker, CommClosedError)

    @property
    def _width(self) -> int:
        return -1 if self.scheduler is not None else self.jobs

    @contextlib.contextmanager
    def _client(self) -> Iterator[None]:
        distributed = needed("distributed", "dask")
        if self.scheduler is None:
            with _without_interrupts():
                cluster: Any = distributed.LocalCluster(
                    n_workers=self.jobs,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                )
        else:
            cluster = contextlib.nullcontext(self.scheduler)
        with cluster as address:
            try:
                client = distributed.Client(address, timeout=_CONNECT_S)
            except (OSError, TimeoutError, ValueError) as error:
                raise InputError(
                    f"--scheduler {self.scheduler!r} cannot be reached ({error}): give the address of a "
                    "running Dask scheduler, e.g. tcp://127.0.0.1:8786"
                ) from error
            with client:
                yield


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, as it is for the process that waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def needed(module: str, extra: str) -> Any:
    """Return a module that an extra of this project installs.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module} is not installed, which this needs: pip install 'vectra-bot[{extra}]'"
        ) from error


def given_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* whose text may refer to a secret, as on a command line."""
    return {
        name: WrittenText(value, read_secret) if isinstance(value, str) else value
        for name, value in settings.items()
    }


def is_local(source: StrategySource) -> bool:
    """Return whether only this process has the class: one of a notebook, a script or a function."""
    cls = source.cls
    return (
        not source.source_sha256 or cls.__module__ == "__main__" or "<locals>" in cls.__qualname__
    )


def code_of(source: StrategySource) -> str:
    """Return the digest of everything that a strategy's results follow from, except its parameters.

    It is "" for a local one: what its code uses is not known.
    """
    if is_local(source):
        return ""
    origin = asdict(source.origin) | {"spec": source.name, "class": source.cls.__qualname__}
    return hashlib.sha256(
        canonical_json(origin | {"package": package_digest()}).encode()
    ).hexdigest()


@cache
def package_digest() -> str:
    """Return the digest of this package's own sources."""
    digest = hashlib.sha256()
    root = Path(vectra_bot.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _loaded(spec: str, code: str) -> StrategySource:
    source = resolve_strategy(spec)
    if code_of(source) != code:
        raise InputError(
            f"a worker has another version of {spec} or of vectra-bot than this process: install the same"
        )
    return source


@lru_cache(maxsize=1)
def _found_games(source: str, games: int, given: str) -> tuple[GivenGame, ...]:
    """Return the games of a sweep, which each process reads itself: they are many to send for each chunk."""
    found, _ = asked_games(source, games)
    if digest_of_games(found) != given:
        raise InputError(
            f"{source} has other games here than where the sweep began: give a file that does not change "
            "and is the same on all machines. What was finished is kept"
        )
    return found


def _played(task: ChunkTask) -> tuple[ChunkKey, bytes]:
    return task.key, task.play()


def _played_by_child(task: ChunkTask, parent: int) -> tuple[ChunkKey, bytes]:
    """Play in a process that the process *parent* started, or in *parent* itself."""
    if os.getpid() != parent:
        _belong_to(parent)
    return _played(task)


@cache
def _belong_to(parent: int) -> None:
    """Let this process end with its *parent*, however that ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(_LOOK_S)
    os._exit(1)


__all__ = [
    "ChunkTask",
    "Workers",
    "code_of",
    "given_settings",
    "is_local",
    "needed",
    "package_digest",
]
