"""The compiled law in the distribution: in a wheel where a compiler is, and never required."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from vectra_bot.kernel.build import NO_COMPILER, find_compiler
from vectra_bot.kernel.sources import LIBRARY, source_files

ROOT = Path(__file__).resolve().parents[2]


def wheel_of(folder: Path, **variables: str) -> Path:
    """Return the wheel that pip builds with *variables* in the environment."""
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
            "--wheel-dir", str(folder), str(ROOT),
        ],
        env={**os.environ, "VECTRA_KERNEL": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def names_in(wheel: Path) -> set[str]:
    """Return the names of a wheel's files of the kernel."""
    files = map(Path, zipfile.ZipFile(wheel).namelist())
    return {path.name for path in files if path.parent == Path("vectra_bot/kernel")}


def test_a_wheel_with_a_compiler(tmp_path: Path) -> None:
    """It is for this platform, for every Python, and has the library beside its sources."""
    if find_compiler() is None:
        pytest.skip(NO_COMPILER)

    wheel = wheel_of(tmp_path)

    assert "-py3-none-" in wheel.name
    assert "any" not in wheel.name
    assert {LIBRARY, *(path.name for path in source_files())} <= names_in(wheel)
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "installed")
    done = subprocess.run(
        [sys.executable, "-c", "from vectra_bot.kernel import library as l; print(l.status().message)"],
        env={**os.environ, "VECTRA_KERNEL": "", "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.startswith("the law is compiled for ")


@pytest.mark.parametrize(
    "variables", [{"CC": "false"}, {"VECTRA_KERNEL": "off"}], ids=["fails", "off"]
)
def test_a_wheel_without_a_compiler(variables: dict[str, str], tmp_path: Path) -> None:
    """It is pure, so that it can be installed anywhere, and has no library, also of the source folder."""
    wheel = wheel_of(tmp_path, **variables)

    assert wheel.name.endswith("-py3-none-any.whl")
    assert not any(name.endswith(".lib") for name in names_in(wheel))
    assert {path.name for path in source_files()} <= names_in(wheel)


def test_the_source_distribution_can_be_built_again(tmp_path: Path) -> None:
    """It has the C sources and the build hook, and no library."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as files:
        names = {Path(name).name for name in files.getnames()}

    assert {"hatch_build.py", *(path.name for path in source_files())} <= names
    assert not any(name.endswith(".lib") for name in names)
