"""The law and the times of games on arm64, in an emulator: the same as on this machine, and as in Python."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.kernel.test_play import seeds
from tests.kernel.test_times import BEGINS_NS
from vectra_bot.backtest.fast.timeline import DrawnClock, delay_tables
from vectra_bot.game import fair
from vectra_bot.kernel.batch import GameBatch, draw_games, play_games
from vectra_bot.kernel.build import zig
from vectra_bot.kernel.library import DelayCurve, DelayTables, LoadedLaw
from vectra_bot.kernel.sources import FLAGS, FOLDER, definitions, source_files
from vectra_bot.kernel.times import GameClock

GAMES = 2_000
MAIN = Path(__file__).with_name("replay_main.c")
TIMES = MAIN.with_name("times_main.c")


def cross_compiler() -> list[str]:
    """Return the command of a compiler for Linux on arm64; the test is skipped without."""
    found = shutil.which("aarch64-linux-gnu-gcc")
    if found:
        return [found]
    if subprocess.run([*zig(), "--version"], capture_output=True, check=False).returncode == 0:
        return [*zig(), "-target", "aarch64-linux-musl"]
    pytest.skip(
        "no compiler for arm64: install gcc-aarch64-linux-gnu, or the Python package ziglang"
    )


def line(batch: GameBatch, number: int) -> str:
    """Return what the program prints of a game."""
    digest = 0xCBF29CE484222325
    for byte in batch.prices_of(number).tobytes():
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    numbers = batch.peak[number], batch.rug_price[number], batch.last_price[number]
    return f"{batch.rug_tick[number]} {' '.join(_hex(n) for n in numbers)} {digest:016x}"


def _hex(number: float) -> str:
    """Write a double as C does: without zeros at the end."""
    mantissa, _, exponent = float(number).hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def emulated(main: Path, text: str, folder: Path) -> list[str]:
    """Return the lines that a program prints, the test is skipped where it cannot be made or run."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no emulator of arm64: install qemu-user")
    program = folder / "program"
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]
    sources = [path for path in source_files() if path.suffix == ".c"]
    subprocess.run(
        [
            *cross_compiler(), *flags, *definitions(), '-DKERNEL_DIGEST=""', f"-I{FOLDER}", "-static",
            "-o", program, main, *sources, "-lm",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        [emulator, program], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_arm64_plays_the_same_games(compiled: LoadedLaw, tmp_path: Path) -> None:
    """Exact and drawn games, every price."""
    games = seeds(GAMES, 8)

    printed = emulated(MAIN, "".join(f"{fair.generator_key(*game)}\n" for game in games), tmp_path)

    exact, drawn = play_games(games, prices=True), draw_games(GAMES, 7, prices=True)
    assert len(printed) == 2 * GAMES
    for number in range(0, GAMES, 7):
        assert printed[number] == line(exact, number)
        assert printed[GAMES + number] == line(drawn, number)
    assert len(set(printed)) > 3_900  # games that rug at once are the same


def values(item: Any) -> Iterator[float]:
    """Yield the numbers of a structure or an array, field by field."""
    if isinstance(item, ctypes.Array):
        for one in item:
            yield from values(one)
    elif isinstance(item, ctypes.Structure):
        for name, *_ in item._fields_:
            yield from values(getattr(item, name))
    else:
        yield item


def rows(pointer: Any, count: int) -> list[float]:
    """Return the numbers of the first rows of an array."""
    return [number for row in pointer[:count] for number in values(row)]


def tables_as_text(tables: DelayTables) -> str:
    """Return what the program reads of the tables."""
    found: list[float] = []

    def curve(one: DelayCurve) -> None:
        found.extend([one.count, *rows(one.pieces, one.count)])

    for name, kind in DelayTables._fields_:
        if kind is DelayCurve:
            curve(getattr(tables, name))
    chances = tables.settlement_chances
    found.extend([chances.count, *chances.edges[: chances.count]])
    for settlement in tables.settlements[: chances.count + 1]:
        curve(settlement)
    chances = tables.link_chances
    found.extend([chances.count, *chances.edges[: chances.count]])
    found.extend(rows(tables.links, chances.count + 1))
    found.extend([tables.frames, *tables.frame_due[: tables.frames], tables.opening])
    found.extend([tables.next_ms, tables.burst_ms, tables.below_one, tables.ns_per_ms])
    return " ".join(map(repr, [*found, tables.deck_size]))


def test_arm64_draws_the_same_times(compiled: LoadedLaw, tmp_path: Path) -> None:
    """Every time of every game, and the generator's words after them."""
    tables, lengths = delay_tables(range(14_900, 0, -100)), Random(5)
    rugs = [lengths.choice([1, 2, lengths.randrange(1, 400)]) for _ in range(GAMES // 4)]
    _, words, _ = lengths.getstate()
    more = map(str, (*words, BEGINS_NS, len(rugs), *rugs))

    printed = emulated(TIMES, " ".join([tables_as_text(tables), *more]), tmp_path)

    clock = GameClock(compiled, tables, words, BEGINS_NS)
    games = list(DrawnClock(clock).games(np.array(rugs, np.int32)))
    for game, shown in zip(games, printed, strict=False):
        numbers = game.presale_ns, game.decided_ns, game.rug_ns, game.next_ns, *game.ticks_ns
        assert shown == " ".join(map(str, numbers))
    assert [int(word) for word in printed[len(rugs) :]] == list(clock.words)
