"""Loading and building: a library is used only if it is today's, and one line says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.game.test_fair import V3
from vectra_bot.game import fair
from vectra_bot.kernel import build as building
from vectra_bot.kernel import library
from vectra_bot.kernel.library import LoadedLaw
from vectra_bot.kernel.play import play_game
from vectra_bot.kernel.sources import LIBRARY, LIBRARY_V3, digest, source_files


def in_use(monkeypatch: pytest.MonkeyPatch, switch: str) -> library.KernelStatus:
    """Return what is in use with a value of the switch, after a game was played."""
    monkeypatch.setenv(library.SWITCH, switch)
    assert play_game(*V3[:2]) == fair.play_game(*V3[:2])
    return library.status()


def test_todays_library_is_used(compiled: LoadedLaw) -> None:
    """The processor's best library, with the digest of the sources."""
    status = library.status()

    assert status.message.startswith("the law is compiled for ")
    assert not status.broken
    assert compiled.path.name in (LIBRARY, LIBRARY_V3)
    assert digest().encode() in compiled.path.read_bytes()


def test_it_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one variable."""
    status = in_use(monkeypatch, "off")

    assert status.law is None
    assert status.message == "excluded by VECTRA_KERNEL=off: the law runs in Python"


def test_a_folder_without_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that was named and has no library is a fault."""
    status = in_use(monkeypatch, str(tmp_path))

    assert status.broken
    assert status.message == (
        f"{tmp_path / LIBRARY} does not exist: set VECTRA_KERNEL to a folder with {LIBRARY}"
    )


def test_a_library_of_other_sources_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale one could play another law."""
    for name in (LIBRARY, LIBRARY_V3):
        if (folder / name).exists():
            old = (folder / name).read_bytes()
            (tmp_path / name).write_bytes(old.replace(digest().encode(), b"0" * 64))

    status = in_use(monkeypatch, str(tmp_path))

    assert status.law is None
    assert status.broken
    assert "was built from other sources and is not used: `python -m" in status.message


@pytest.mark.parametrize("content", [b"", b"not a library"])
def test_a_corrupt_library(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be loaded, and Python plays."""
    (tmp_path / LIBRARY).write_bytes(content)

    status = in_use(monkeypatch, str(tmp_path))

    assert status.law is None
    assert status.broken
    assert "cannot be loaded" in status.message


def test_the_digest_covers_sources_and_constants() -> None:
    """All C files are there, and every constant that they use is passed."""
    texts = "".join(path.read_text() for path in source_files())

    assert {path.suffix for path in source_files()} == {".c", ".h"}
    used = {word for word in texts.replace("(", " ").replace(",", " ").split() if "LAW_" in word}
    names = {part.split("=")[0].removeprefix("-D") for part in building.definitions()}
    assert all(name in texts for name in names)
    assert {word for word in names if word in "".join(used)} == names
    assert len(digest()) == 64


def test_build_by_hand(compiler: list[str], tmp_path: Path) -> None:
    """`python -m vectra_bot.kernel.build FOLDER` compiles what the loader takes."""
    done = subprocess.run(
        [sys.executable, "-m", "vectra_bot.kernel.build", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(tmp_path / LIBRARY)
    assert library._loaded(tmp_path).law is not None
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lib"] == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PATH": "/nowhere", "CC": ""}, building.NO_COMPILER),
        ({"CC": "false"}, "false failed with exit code 1: no message"),
        ({"CC": "/nowhere/cc"}, "/nowhere/cc: No such file or directory"),
    ],
)
def test_a_build_that_fails(
    variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One line says why, and nothing is left."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    code = building.main([str(tmp_path)])

    if "ziglang" in message and building.find_compiler() is not None:
        pytest.skip("the package ziglang is installed here")
    assert (code, capsys.readouterr().err) == (1, f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_compiler_are_shown(compiler: list[str], tmp_path: Path) -> None:
    """Its first error, not its whole output."""
    with pytest.raises(building.BuildFailed, match=r"exit code 1: .*error"):
        building.build(tmp_path, compiler, target=["-include", "/nowhere.h"])

    assert list(tmp_path.iterdir()) == []
