"""Full and failing disks under a session that buys and sells: what the exchange saw is in the journal."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from tests.store.samples import HEADER
from vectra_bot.errors import StoreError
from vectra_bot.fsio import files
from vectra_bot.journal import Journal
from vectra_bot.testing.faults import disk_faults
from vectra_bot.testing.faults.processes import folder

SEED = 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(
    "at", [7, *(pytest.param(at, marks=pytest.mark.slow) for at in (1, 12, 40, 200))]
)
def test_the_nth_call_fails(at: int, code: int) -> None:
    """The command ends with exit code 6 and one line, sends nothing more, and its store recovers."""
    with folder() as root:
        said = disk_faults.run_session(root, SEED, at, code, mapped=False)
        assert said["broken"] is not None
        assert disk_faults.judge(root, said) == []


def test_a_store_into_a_map_fails() -> None:
    """The same where the bytes of an entry cannot be written, in the middle of a game."""
    with folder() as root:
        said = disk_faults.run_session(root, SEED, 2_001, errno.EIO, mapped=True)
        assert said["broken"] == "write 000001.log"
        assert said["requests"] > 5
        assert disk_faults.judge(root, said) == []


def test_a_session_without_a_fault_is_not_taken_for_one() -> None:
    """The judge complains about a command that ends as if nothing had happened."""
    with folder() as root:
        said = disk_faults.run_session(root, SEED, 0, 0, mapped=False)
        assert (said["exit_code"], said["broken"]) == (0, None)
        assert disk_faults.judge(root, said)[0].startswith("exit: code 0")
        # A request without a decision is found as well.
        log = root / "exchange.log"
        log.write_text(log.read_text() + '{"trace_id":"' + "f" * 32 + '"}\n')
        assert any(
            problem.startswith("lost: 1 requests") for problem in disk_faults.judge(root, said)
        )


@pytest.mark.slow
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """The same on a separate small file system, where one may be mounted."""
    full = disk_faults.full_disk(SEED)
    if "skipped" in full:
        pytest.skip(full["skipped"])
    assert full["problems"] == []
    assert full["requests"] > 100
    assert "No space left on device" in full["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_a_segment_that_cannot_be_ended_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """The next segment is closed with it, and the journal continues."""

    def refuse(op: files.Op) -> None:
        if op.kind == "truncate":
            raise OSError(errno.EIO, "refused")

    before = len(list(Path("/proc/self/fd").iterdir()))
    journal = Journal.create(tmp_path / "journals" / "s", HEADER)
    with files.observing(refuse), pytest.raises(StoreError, match="refused"):
        journal.roll()
    journal.abandon()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert Journal.resume(journal.directory).last_seq == 0
