"""Files for this user only: the mode of what is created, and the folder of temporary files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vectra_bot.fsio import files
from vectra_bot.fsio.private import scratch_folder
from vectra_bot.store.query.database import connected

SPILL = """
import os, duckdb, pathlib
os.umask(0)
from vectra_bot.store.query.database import connected
from vectra_bot.fsio.private import scratch_folder
with connected() as c:
    c.execute("SET memory_limit='60MB'")
    c.execute("SET threads=1")
    c.execute("SET enable_progress_bar=false")
    c.execute("CREATE TABLE t AS SELECT hash(i)::varchar || repeat('x', 40) s FROM range(1500000) r(i)")
    spilt = [p.name for p in scratch_folder().rglob("*.tmp")]
print(scratch_folder(), oct(scratch_folder().stat().st_mode & 0o777), len(spilt), flush=True)
if os.fork() == 0:
    raise SystemExit
os.wait()
print(scratch_folder().is_dir(), len(os.listdir()), *os.listdir())
"""


def test_a_query_spills_to_a_private_folder_that_ends_with_the_process(tmp_path: Path) -> None:
    """Nothing is spilt into the current folder, and a forked child does not remove its parent's files."""
    done = subprocess.run(
        [sys.executable, "-c", SPILL], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path.parent)},
    )  # fmt: skip
    folder, mode, spilt, kept, *here = done.stdout.split()

    assert mode == "0o700"
    assert int(spilt) > 0
    assert (kept, here) == ("True", ["0"])
    assert not Path(folder).exists()


def test_every_connection_uses_it() -> None:
    """The setting of the connection is the folder of this process."""
    with connected() as connection:
        row = connection.execute("SELECT current_setting('temp_directory')").fetchone()

    assert row == (str(scratch_folder()),)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_new_files_and_folders_are_private_and_replaced_files_keep_their_mode(
    tmp_path: Path, umask: int
) -> None:
    """Whatever the umask; the mode of an existing file is its owner's choice."""
    before = os.umask(umask)
    try:
        files.make_directories(tmp_path / "a" / "b")
        path = tmp_path / "a" / "b" / "c"
        files.write_durably(path, b"1")
        os.close(files.create(tmp_path / "made"))
        new = [oct(stat.S_IMODE(p.stat().st_mode)) for p in (tmp_path / "a", path.parent, path)]
        path.chmod(0o640)
        files.write_durably(path, b"2")
        files.append_line(path.with_name("lines"), b"x\n")
    finally:
        os.umask(before)

    assert new == ["0o700", "0o700", "0o600"]
    assert (path.read_bytes(), oct(stat.S_IMODE(path.stat().st_mode))) == (b"2", "0o640")
    assert oct(stat.S_IMODE((tmp_path / "made").stat().st_mode)) == "0o600"
    assert oct(stat.S_IMODE(path.with_name("lines").stat().st_mode)) == "0o600"
