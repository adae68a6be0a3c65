"""Sweeps from end to end: resumed, on changed sources, by Optuna, by other processes and on Dask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from vectra_bot.analysis.reality import RealityCheck
from vectra_bot.backtest import play
from vectra_bot.backtest.sweep import SweepConfig, SweepReport, run_sweep
from vectra_bot.backtest.sweep.chunks import SUFFIX
from vectra_bot.backtest.sweep.optimizer import JOURNAL
from vectra_bot.backtest.sweep.space import shown
from vectra_bot.backtest.sweep.text import luck_line, sweep_pairs
from vectra_bot.errors import ConfigError, InputError, StrategyError, UsageError, VectraError
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.game import rules
from vectra_bot.models.times import NS_PER_S

SOURCE = '''
from vectra_bot import ConfigError, Strategy, param


class Timed(Strategy):
    """Buy at one tick, sell at another."""

    entry: int = param(2, low=1, high=4)
    held: int = param(3, low=1, high=30)

    def __attrs_post_init__(self):
        if self.entry == 3:
            raise ConfigError("entry was 3: give another")

    def on_game_tick(self, tick, game):
        if game.tick == self.entry:
            self.actions.buy("0.01")
        elif game.tick == self.entry + self.held:
            self.actions.sell()
'''


@pytest.fixture(scope="module")
def strategy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a strategy."""
    path = tmp_path_factory.mktemp("own") / "timed_in_sweep.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def config(strategy: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepConfig:
    """Return a small sweep in this process: 4 sets, one of them refused, 3 chunks each."""
    return SweepConfig(
        strategy=str(strategy),
        ranges=("entry=2,3", "held=3,9"),
        games=5,
        chunk=2,
        seed=11,
        jobs=1,
        walk_forward="2",
        out=tmp_path_factory.mktemp("sweep") / "out",
    )


@pytest.fixture(scope="module")
def report(config: SweepConfig) -> SweepReport:
    """Return the sweep's report, played once."""
    return run_sweep(config)


def chunk_files(folder: Path | None) -> list[Path]:
    """Return the finished chunks in *folder*."""
    assert folder is not None
    return sorted(folder.rglob(f"*{SUFFIX}"))


def counts(report: SweepReport) -> tuple[int, int, int, int]:
    """Return the chunks of a report: needed, played, reused, corrupt."""
    found = report.chunks
    return found.total, found.played, found.reused, found.corrupt


def group_ends(group: int, within_s: float = 10) -> bool:
    """Return whether all processes of a group end within some seconds."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_every_set_is_played_and_ranked(report: SweepReport) -> None:
    """All sets but the refused ones have figures, the most profitable first; the refused ones are said."""
    assert counts(report) == (6, 6, 0, 0)
    assert [one.games for one in report.variants] == [5, 5]
    assert report.variants[0].profit.mean >= report.variants[1].profit.mean
    assert report.best is report.variants[0]
    assert [one.values["held"] for one in report.left_out] == [3, 9]
    assert "entry was 3" in report.left_out[0].why
    assert (report.unfinished, report.ended) == (0, "finished")


def test_a_set_makes_what_a_backtest_makes(report: SweepReport, config: SweepConfig) -> None:
    """Profit, expectation and actions are those of ``play`` with the same blocks."""
    best = report.variants[0]

    games = play(
        config.strategy,
        games=config.games,
        seed=config.seed,
        block=config.chunk,
        settings=best.parameters,
        latency_ms=config.latency_ms,
    )

    assert best.profit.mean == pytest.approx(
        float(games.pnl.sum()) / rules.LAMPORTS_PER_SOL / config.games, rel=1e-12
    )
    assert best.expected == pytest.approx(
        float(games.expected.sum()) / rules.LAMPORTS_PER_SOL / config.games, rel=1e-12
    )
    assert best.entries == int(games.entries.sum())
    assert best.traded == int(np.count_nonzero(games.pnl))


def test_walk_forward_chooses_before_it_judges(report: SweepReport) -> None:
    """Each step chooses by the games before those it is judged on, and all later games are judged."""
    assert report.walk is not None
    spans = [(step.judged_from, step.judged_to) for step in report.walk.steps]

    assert spans[0][1] == spans[1][0]
    assert spans[-1][1] == 5
    assert spans[0][0] >= 1
    assert report.walk.after.count == 5 - spans[0][0]


def test_a_finished_sweep_plays_nothing_again(report: SweepReport, config: SweepConfig) -> None:
    """The second run of a command reads what the first one kept, and reports the same."""
    before = {path: path.stat().st_mtime_ns for path in chunk_files(config.out)}

    again = run_sweep(config)

    assert counts(again) == (6, 0, 6, 0)
    assert again.digest == report.digest
    assert evolve(again, chunks=report.chunks).to_json() == report.to_json()
    assert {path: path.stat().st_mtime_ns for path in chunk_files(config.out)} == before


def test_corrupt_and_missing_chunks_are_played_again(
    report: SweepReport, config: SweepConfig
) -> None:
    """One file is flipped, one truncated, one removed: three chunks are played, two counted as corrupt."""
    flipped, truncated, removed, *_ = chunk_files(config.out)
    data = bytearray(flipped.read_bytes())
    data[-1] ^= 1
    flipped.write_bytes(data)
    truncated.write_bytes(truncated.read_bytes()[:100])
    removed.unlink()

    again = run_sweep(config)

    assert counts(again) == (6, 3, 3, 2)
    assert again.digest == report.digest


def test_a_changed_source_is_another_result(tmp_path: Path) -> None:
    """The chunks of the old source are kept and not used; the old source finds them again."""
    path = tmp_path / "changing.py"
    path.write_text(SOURCE)
    config = SweepConfig(
        strategy=str(path), ranges=("held=3,4",), games=2, jobs=1, out=tmp_path / "out"
    )

    first = run_sweep(config)
    path.write_text(SOURCE.replace('"0.01"', '"0.015"'))
    changed = run_sweep(config)
    path.write_text(SOURCE)
    back = run_sweep(config)

    assert counts(first) == counts(changed) == (2, 2, 0, 0)
    assert changed.digest != first.digest
    assert counts(back) == (2, 0, 2, 0)
    assert back.digest == first.digest


@pytest.mark.parametrize(
    "change", [{"seed": 12}, {"latency_ms": 20}, {"cash": "5"}, {"chunk": 5}, {"games": 4}]
)
def test_other_terms_are_other_chunks(
    change: dict[str, Any], report: SweepReport, config: SweepConfig
) -> None:
    """A chunk is reused only where seed, latency, cash and its games are the same."""
    from vectra_bot.backtest.sweep.runner import ParameterSet, SweepPlan

    assert report.digest
    plan, other = (SweepPlan.of(one) for one in (config, evolve(config, **change)))
    found = plan.set_of({"entry": 2, "held": 3})
    assert isinstance(found, ParameterSet)
    shared = set(plan.keys(found)) & set(other.keys(found))

    assert len(shared) == (2 if "games" in change else 0)


def test_optuna_trials_are_the_same_when_they_are_asked_again(
    strategy: Path, tmp_path: Path
) -> None:
    """A second run plays nothing, ends with the same best, and leaves a journal that Optuna reads."""
    optuna = pytest.importorskip("optuna")
    config = SweepConfig(
        strategy=str(strategy),
        ranges=("entry=1,2,3", "held"),
        games=1,
        jobs=1,
        optuna="tpe",
        trials=10,
        out=tmp_path / "out",
    )

    first, again = run_sweep(config), run_sweep(config)

    assert again.chunks.played == 0
    assert again.digest == first.digest
    assert first.best is not None
    journal = optuna.storages.journal.JournalFileBackend(str(tmp_path / "out" / JOURNAL))
    (study,) = optuna.get_all_study_summaries(optuna.storages.JournalStorage(journal))
    assert study.n_trials == 10
    assert study.best_trial.value == pytest.approx(first.best.profit.mean)
    failed = len(first.left_out)
    assert 1 <= len(first.variants) <= 10 - failed


def test_drawn_sets_are_played_on_parts_of_hours(strategy: Path, tmp_path: Path) -> None:
    """``random`` tries as many sets; a length of time splits the games by the exchange's clock."""
    config = SweepConfig(
        strategy=str(strategy), ranges=("entry=1,2", "held"), games=240, random=6, jobs=1,
        walk_forward="2h", out=tmp_path / "out",
    )  # fmt: skip

    found = run_sweep(config)

    clock = ExchangeConfig()
    hours = (clock.announced_ns(240) - clock.announced_ns(0)) / NS_PER_S / 3_600
    assert len(found.variants) == 6
    assert found.walk is not None
    assert len(found.walk.steps) == config.parts(240) - 1 == round(hours / 2) - 1  # type: ignore[operator]
    assert len({tuple(one.parameters.values()) for one in found.variants}) == 6


def test_other_processes_give_the_same_results(
    report: SweepReport, config: SweepConfig, tmp_path: Path
) -> None:
    """Two workers load the strategy from its file, and change nothing except the time (and start slowly)."""
    found = run_sweep(evolve(config, jobs=2, out=tmp_path / "out"))

    assert counts(found) == (6, 6, 0, 0)
    assert found.digest == report.digest


@pytest.mark.slow  # a cluster takes seconds to start
def test_a_dask_cluster_gives_the_same_results(
    report: SweepReport, config: SweepConfig, tmp_path: Path
) -> None:
    """Two Dask workers on loopback, started for the sweep or running before, give the same results."""
    distributed = pytest.importorskip("distributed")

    own = run_sweep(evolve(config, backend="dask", jobs=2, out=tmp_path / "own"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        given = evolve(config, backend="dask", scheduler=cluster.scheduler_address)
        running = run_sweep(evolve(given, out=tmp_path / "running"))

    assert counts(own) == counts(running) == (6, 6, 0, 0)
    assert own.digest == running.digest == report.digest


def test_a_strategy_that_raises_is_named_with_its_set(tmp_path: Path) -> None:
    """The error says which parameters; what was finished before stays."""
    path = tmp_path / "raising.py"
    path.write_text(SOURCE.replace('buy("0.01")', 'buy("0.01" if self.held < 9 else 1 / 0)'))
    config = SweepConfig(
        strategy=str(path), ranges=("held=3,9",), games=2, jobs=1, out=tmp_path / "out"
    )

    with pytest.raises(StrategyError, match=r"held=9.*ZeroDivisionError"):
        run_sweep(config)

    assert len(chunk_files(config.out)) == 1


def test_a_class_without_a_file_is_refused(tmp_path: Path) -> None:
    """No other process could load it."""
    with pytest.raises(VectraError, match=r"give|write the class"):
        run_sweep(SweepConfig(strategy="nowhere:Timed", out=tmp_path / "out"))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"grid": True, "random": 3}, UsageError, "--grid and --random were given together"),
        ({"optuna": "tpe"}, UsageError, "--optuna SAMPLER and --trials N belong together"),
        ({"trials": 3}, UsageError, "--optuna SAMPLER and --trials N belong together"),
        ({"scheduler": "tcp://x"}, UsageError, "without --backend dask"),
        ({"walk_forward": "x"}, ConfigError, "give a number of steps such as 4"),
        ({"games": 0}, ConfigError, "games"),
        ({"optuna": "best", "trials": 1}, ConfigError, "one of tpe, cmaes, nsga2"),
    ],
)
def test_a_wrong_config_is_refused(
    given: dict[str, Any], error: type[VectraError], words: str
) -> None:
    """Options that exclude each other, and values out of range, in one line."""
    with pytest.raises(error, match=words):
        SweepConfig(**{"strategy": "take-profit", **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"walk_forward": "30d"}, "at least two parts"),
        ({"walk_forward": "50", "games": 20}, "at least two parts"),
        ({"chunk": 1, "games": 1_000_000}, "a larger --chunk"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_before_it_begins(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Nothing is created."""
    config = SweepConfig(
        **{"strategy": "take-profit", "ranges": ("target=1.1:2",), "out": tmp_path / "out", **given}
    )

    with pytest.raises(UsageError, match=words):
        run_sweep(config)

    assert not (tmp_path / "out").exists()


def test_an_unknown_backend_is_refused(config: SweepConfig, tmp_path: Path) -> None:
    """What joblib does not know is an input that cannot be used."""
    with pytest.raises(InputError, match="backend was 'nothing'"):
        run_sweep(evolve(config, backend="nothing", out=tmp_path / "out"))


@pytest.mark.slow  # processes are started and killed
def test_a_worker_that_dies_ends_the_sweep_with_what_is_finished(tmp_path: Path) -> None:
    """The error says what to do; after the cause is gone the sweep continues."""
    path, mark = tmp_path / "dying.py", tmp_path / "mark"
    path.write_text(
        SOURCE.replace(
            "        if game.tick == self.entry:",
            "        import os\n"
            f"        if self.held == 9 and os.path.exists({str(mark)!r}):\n"
            "            os.kill(os.getpid(), 9)\n"
            "        if game.tick == self.entry:",
        )
    )
    config = SweepConfig(
        strategy=str(path), ranges=("held=3,4,5,9",), games=2, jobs=2, out=tmp_path / "out"
    )
    mark.touch()

    with pytest.raises(StrategyError, match="the same command continues"):
        run_sweep(config)
    kept = len(chunk_files(config.out))
    mark.unlink()
    found = run_sweep(config)

    assert kept < 4
    assert counts(found) == (4, 4 - kept, kept, 0)


@pytest.mark.slow  # a connection is tried for seconds
def test_a_scheduler_that_is_not_there_is_named(config: SweepConfig, tmp_path: Path) -> None:
    """The message has the address and an example of one."""
    pytest.importorskip("distributed")
    wrong = evolve(config, backend="dask", scheduler="tcp://127.0.0.1:1", out=tmp_path / "out")

    with pytest.raises(InputError, match=r"'tcp://127\.0\.0\.1:1' cannot be reached"):
        run_sweep(wrong)


@pytest.mark.slow  # processes are started and killed
def test_a_killed_sweep_continues(report: SweepReport, config: SweepConfig, tmp_path: Path) -> None:
    """After ``kill -9`` the same command plays the missing chunks alone, and reports the same."""
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "vectra_bot", "sweep", config.strategy, "--range", "entry=2,3",
        "--range", "held=3,9", "--games", "5", "--chunk", "2", "--seed", "11", "--jobs", "2",
        "--walk-forward", "2", "--out", str(out), "--json",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while len(chunk_files(out)) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert group_ends(process.pid)  # its workers end as well
    kept = {path: path.stat().st_ino for path in chunk_files(out)}

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    found = json.loads(done.stdout)
    assert len(kept) >= 2
    assert found["chunks"] == {
        "total": 6, "played": 6 - len(kept), "reused": len(kept), "corrupt": 0,
    }  # fmt: skip
    assert {path: path.stat().st_ino for path in kept} == kept
    assert found["digest"] == report.digest


def test_sets_that_never_act_come_last_and_unknown_payoffs_have_no_expectation(
    tmp_path: Path,
) -> None:
    """A set whose stakes are all denied is not the best, and the report says what is assumed."""
    usual: dict[str, Any] = {"games": 6, "seed": 7, "jobs": 1}
    denied = run_sweep(
        SweepConfig(
            strategy="take-profit", ranges=("stake=0.01,5",), out=tmp_path / "denied", **usual
        )
    )
    leveraged = run_sweep(
        SweepConfig(strategy="leveraged", ranges=("target=1.1,3",), out=tmp_path / "lever", **usual)
    )

    assert [one.traded > 0 for one in denied.variants] == [True, False]
    assert denied.variants[0].profit.mean < denied.variants[1].profit.mean == 0
    assert denied.unverified == ()
    rows = dict(sweep_pairs(leveraged))
    assert [one.expected for one in leveraged.variants] == [None, None]
    assert leveraged.to_json()["best"]["expected"] is None
    assert rows["Expected"] == "unknown: a payoff is unverified"
    assert str(rows["Unverified"]).startswith("leverage, whose terms no capture shows")
    assert rows["Seed"] == 7
    assert "unknown" in leveraged.to_html()


def test_the_luck_of_the_best_names_the_set_it_is_of(report: SweepReport) -> None:
    """The set furthest above its expectation need not be the most profitable one."""
    chances = np.array([0.9, 0.5])
    check = RealityCheck(p=0.5, p_each=chances, t=chances, t_by_luck=None, judged=2, resamples=99)
    sets = [evolve(one, p=p) for one, p in zip(report.variants, chances.tolist(), strict=True)]
    other = shown(sets[1].parameters)

    line = luck_line(evolve(report, check=check, variants=tuple(sets)))
    alone = luck_line(evolve(report, check=check, variants=tuple(sets[::-1])))

    assert line.startswith("p 0.500: in so many of all sweeps the best of 2")
    assert line.endswith(f"; that is {other}, the p of the best set is 0.900")
    assert "that is" not in alone
