"""The law on arm64, in an emulator: the same doubles as on this machine, and as in Python."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kernel.test_play import seeds
from vectra_bot.game import fair
from vectra_bot.kernel.batch import GameBatch, draw_games, play_games
from vectra_bot.kernel.build import zig
from vectra_bot.kernel.library import LoadedLaw
from vectra_bot.kernel.sources import FLAGS, FOLDER, definitions, source_files

GAMES = 2_000
MAIN = Path(__file__).with_name("replay_main.c")


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


def test_arm64_plays_the_same_games(compiled: LoadedLaw, tmp_path: Path) -> None:
    """Exact and drawn games, every price."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("no emulator of arm64: install qemu-user")
    program = tmp_path / "replay"
    flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]
    sources = [path for path in source_files() if path.suffix == ".c"]
    subprocess.run(
        [
            *cross_compiler(), *flags, *definitions(), '-DKERNEL_DIGEST=""', f"-I{FOLDER}", "-static",
            "-o", program, MAIN, *sources, "-lm",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    games = seeds(GAMES, 8)

    done = subprocess.run(
        [emulator, program],
        input="".join(f"{fair.generator_key(*game)}\n" for game in games),
        capture_output=True,
        text=True,
        check=True,
    )

    printed = done.stdout.splitlines()
    exact, drawn = play_games(games, prices=True), draw_games(GAMES, 7, prices=True)
    assert len(printed) == 2 * GAMES
    for number in range(0, GAMES, 7):
        assert printed[number] == line(exact, number)
        assert printed[GAMES + number] == line(drawn, number)
    assert len(set(printed)) > 3_900  # games that rug at once are the same
