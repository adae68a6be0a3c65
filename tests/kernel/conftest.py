"""The compiled library of these tests: the one beside the sources, or one that is compiled here."""

from __future__ import annotations

from pathlib import Path

import pytest

from vectra_bot.kernel import library
from vectra_bot.kernel.build import NO_COMPILER, build, find_compiler
from vectra_bot.kernel.library import LoadedLaw


@pytest.fixture(scope="session")
def compiler() -> list[str]:
    """Return the command of a C compiler; tests that compile are skipped without."""
    found = find_compiler()
    if found is None:
        pytest.skip(NO_COMPILER)
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with today's library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(library.SWITCH, raising=False)
        there = library.loaded()
    if there is not None:
        return there.path.parent
    found = find_compiler()
    if found is None:
        pytest.skip(NO_COMPILER)
    made = tmp_path_factory.mktemp("kernel")
    build(made, found)
    return made


@pytest.fixture
def compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedLaw:
    """Return the compiled law, which is in use during the test."""
    monkeypatch.setenv(library.SWITCH, str(folder))
    law = library.loaded()
    assert law is not None, library.status().message
    return law
