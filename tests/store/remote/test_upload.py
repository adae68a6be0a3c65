"""Uploads: whatever interrupts one, no manifest lists a missing object, and a retry uploads the rest."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from tests.store.remote.s3_server import CREDENTIALS, S3Server
from tests.store.remote.samples import (
    TICKS,
    at_once,
    expected_ticks,
    listed,
    parts_of,
    record,
    recording_process,
    remote,
    server,
    ticks_of,
    unlisted,
    uploading_process,
    url,
)
from tests.store.samples import memory_folder
from vectra_bot.errors import InputError, StoreError, UnknownNameError
from vectra_bot.journal import journal_directory
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.rebuild import rebuild_session
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import MANIFEST, part_folder, read_manifest, write_manifest
from vectra_bot.store.parquet.writer import part_of
from vectra_bot.store.query.catalog import open_store
from vectra_bot.store.remote import objects
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import Uploader, upload_all, upload_lock

S = "s-1"


__all__ = ["at_once", "server", "url"]  # the fixtures


@pytest.fixture
def spool() -> Iterator[Path]:
    with memory_folder() as folder:
        yield Path(folder) / "spool"


def test_an_upload_is_the_spool_and_a_second_one_does_nothing(spool: Path, url: str) -> None:
    record(spool, S, 3)
    done = Uploader(spool, url).upload(S)
    assert (done.parts, done.removed) == (len(parts_of(spool)), 0)
    assert {part.path for part in listed(url)} == parts_of(spool)
    assert done.bytes == sum(part.bytes for part in listed(url))
    assert attrs.astuple(Uploader(spool, url).upload(S)) == (S, 0, 0, 0)


def test_only_what_is_new_is_uploaded_as_segments_close(spool: Path, url: str) -> None:
    ticks = record(spool, S, 4, url=url)
    assert {part.path for part in listed(url)} == parts_of(spool)
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks


def test_compaction_removes_the_old_objects_last(spool: Path, url: str) -> None:
    ticks = record(spool, S, 3, url=url)
    before = {part.path for part in listed(url)}
    compact_all(spool)
    done = Uploader(spool, url).upload(S)
    now = {part.path for part in listed(url)}
    assert done.removed == len(before - now) > 0
    assert now == parts_of(spool)
    assert not unlisted(url)
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks


@pytest.mark.slow
@pytest.mark.parametrize("action", ["before", "after"])
@pytest.mark.parametrize("compacted", [False, True], ids=["new", "compacted"])
def test_killed_at_a_request_and_uploaded_again(
    spool: Path, server: S3Server, action: str, compacted: bool, request: pytest.FixtureRequest
) -> None:
    """At every request under the profile ``deep``, else at every fifth, each case at others."""
    every = settings.default.max_examples >= 20_000
    ticks = record(spool, S, 2)
    if compacted:
        shutil.copytree(spool, spool.parent / "before")
        compact_all(spool)
    step = 0 if every else 2 * (action == "after") + compacted
    killed = 0
    while True:
        url = server.url(f"killed-{request.node.callspec.id}-{step}")
        if compacted:
            Uploader(spool.parent / "before", url).upload(S)
        process, go = uploading_process(spool, url, S)
        assert process.pid is not None
        server.spoil(step, 1, action, process.pid)
        go.send("go")
        process.join(30)
        server.spoil(0, 0)
        listed(url)  # checks that every object exists
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        Uploader(spool, url).upload(S)
        assert {part.path for part in listed(url)} == parts_of(spool)
        assert not unlisted(url)
        step += 1 if every else 5
    assert killed >= 4
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks


def test_requests_to_a_busy_server_are_retried(spool: Path, url: str, server: S3Server) -> None:
    record(spool, S)
    server.spoil(3, 4)  # no request fails in all its attempts
    assert Uploader(spool, url).upload(S).parts == len(parts_of(spool))
    assert {part.path for part in listed(url)} == parts_of(spool)


@pytest.mark.parametrize("after", [0, 4, 9, 15])
def test_a_server_that_stays_busy_is_an_error(
    spool: Path, url: str, server: S3Server, after: int
) -> None:
    record(spool, S)
    before = parts_of(spool)
    server.spoil(after, 10_000)
    with pytest.raises(StoreError) as caught:
        Uploader(spool, url).upload(S)
    # The first request is retried, later ones are not: 8 folders in parallel, each 5 times at most.
    assert server.seen() - after <= 8 * objects.ATTEMPTS
    server.spoil(0, 0)
    text = str(caught.value)
    assert "\n" not in text
    assert f"vectra-bot store recover --store '{remote(url).url}'" in text
    listed(url)
    assert parts_of(spool) == before
    recovery = upload_all(spool, url)
    assert [done.session_id for done in recovery.uploaded] == [S]
    assert {part.path for part in listed(url)} == before


def test_a_server_that_dies_is_a_clean_error_and_comes_back(spool: Path, tmp_path: Path) -> None:
    ticks = record(spool, S)
    with S3Server() as first:
        url = first.url("dies")
        first.spoil(9, 1, "before", first.pid)
        with pytest.raises(StoreError, match=f"not uploaded yet of session '{S}'"):
            Uploader(spool, url).upload(S)
    with S3Server(first.port):
        done = upload_all(spool, url)
        assert (len(done.uploaded), done.failed) == (1, ())
        with open_store(url) as catalog:
            assert ticks_of(catalog) == ticks


def test_a_stop_ends_the_pauses(spool: Path, url: str, server: S3Server) -> None:
    record(spool, S)
    stop = threading.Event()
    stop.set()
    server.spoil(0, 10_000)
    with pytest.raises(StoreError, match="nothing is lost"):
        Uploader(spool, url, stop=stop).upload(S)
    assert server.seen() == 1


def test_no_bucket_and_no_permission_are_not_retried(
    spool: Path, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(spool, S)
    url = server.url("x").replace("s3://bucket/", "s3://no-such-bucket/")
    server.spoil(0, 0)
    with pytest.raises(StoreError, match="NO_SUCH_BUCKET"):
        Uploader(spool, url).upload(S)
    assert server.seen() <= 2


def test_two_recorders_with_one_session_id(tmp_path: Path, url: str) -> None:
    """The second is refused, and nothing of the first is changed."""
    record(tmp_path / "a", S, 2, url=url)
    before = listed(url)
    record(tmp_path / "b", S, 3, venue="elsewhere")
    with pytest.raises(StoreError, match="another recorder"):
        Uploader(tmp_path / "b", url).upload(S)
    assert listed(url) == before


def test_a_spool_that_lost_parts_removes_none(spool: Path, url: str) -> None:
    record(spool, S, 3, url=url)
    before = listed(url)
    folder = part_folder(spool, DocType.GAME_TICK, S)
    write_manifest(spool, folder.relative_to(spool), read_manifest(folder)[:1])
    Uploader(spool, url).upload(S)
    assert listed(url) == before
    # Not even for a part that it lacks.
    build = read_manifest(folder)[0]
    other = attrs.evolve(build, sha256="0" * 64)
    write_manifest(spool, folder.relative_to(spool), [other])
    with pytest.raises(StoreError, match="nothing was changed"):
        Uploader(spool, url).upload(S)
    assert listed(url) == before


def test_a_listed_object_is_never_overwritten(spool: Path, url: str) -> None:
    """A part that was rebuilt to other bytes gets another name, and the old object is removed last."""
    record(spool, S, 1, url=url)
    (path,) = (p for p in parts_of(spool) if "game_tick" in p)
    old = next(part for part in listed(url) if part.path == path)
    pq.write_table(pq.read_table(spool / path, partitioning=None), spool / path)
    new = part_of(spool, spool / path)
    assert (new.path, new.rows) == (old.path, old.rows)
    assert new.sha256 != old.sha256
    write_manifest(spool, Path(path).parent, [new])
    done = Uploader(spool, url).upload(S)
    assert (done.parts, done.removed) == (1, 1)
    (found,) = (part for part in listed(url) if part.doc_type is DocType.GAME_TICK)
    assert found.path != old.path
    assert found.sha256 == new.sha256
    assert not unlisted(url)
    assert Uploader(spool, url).upload(S).parts == 0


def test_a_corrupt_local_part_is_not_uploaded(spool: Path, url: str) -> None:
    record(spool, S)
    path = spool / min(p for p in parts_of(spool) if "game_tick" in p)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is corrupt"):
        Uploader(spool, url).upload(S)
    assert not [part for part in listed(url) if part.doc_type is DocType.GAME_TICK]
    path.write_bytes(bytes(data[:10]))
    with pytest.raises(StoreError, match="is corrupt"):
        Uploader(spool, url).upload(S)
    path.unlink()
    with pytest.raises(StoreError, match="is missing"):
        Uploader(spool, url).upload(S)
    rebuild_session(journal_directory(spool, S), spool)
    Uploader(spool, url).upload(S)
    assert {part.path for part in listed(url)} == parts_of(spool)


def test_a_corrupt_remote_manifest_is_rewritten(spool: Path, url: str, server: S3Server) -> None:
    record(spool, S, url=url)
    before = listed(url)
    name = f"doc_type=game_tick/session_id={S}/{MANIFEST}"
    Objects(remote(url)).write(name, b"no manifest")
    with pytest.raises(StoreError, match="is corrupt"):
        listed(url)
    Uploader(spool, url).upload(S)
    assert listed(url) == before


def test_two_uploaders_of_one_session_exclude_each_other(spool: Path, url: str) -> None:
    record(spool, S)
    with (
        upload_lock(journal_directory(spool, S)),
        pytest.raises(StoreError, match="another process"),
    ):
        Uploader(spool, url).upload(S)
    Uploader(spool, url).upload(S)


def test_invalid_uploads_are_errors(spool: Path, url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        Uploader(spool, str(tmp_path))
    with pytest.raises(UnknownNameError, match="no session is named"):
        Uploader(spool, url).upload("nobody")


def test_an_unfinished_session_is_uploaded_as_far_as_it_is_written(spool: Path, url: str) -> None:
    ticks = record(spool, S, 3, url=url, close=False)
    told: list[tuple[str, int, int]] = []
    recovery = upload_all(spool, url, progress=lambda *news: told.append(news))
    assert (len(recovery.uploaded), recovery.failed, recovery.running) == (1, (), ())
    assert told == [(S, 0, 1), ("", 1, 1)]
    with open_store(url) as catalog:
        assert ticks_of(catalog) == ticks[: 2 * TICKS]


# ------------------------------------------------------------------------------------ many writers


@pytest.mark.long
def test_eight_recorders_write_to_one_remote_store_at_once(spool: Path, url: str) -> None:
    names = [f"s-{n}" for n in range(8)]
    running = [
        recording_process(spool / f"{n % 4}", name, 2 + n % 3, url) for n, name in enumerate(names)
    ]
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 8
    with open_store(url) as catalog:
        assert catalog.sessions == tuple(names)
        assert ticks_of(catalog) == expected_ticks(names)
        assert not catalog.corrupt
    assert not unlisted(url)


@pytest.mark.long
def test_eight_recorders_write_to_one_local_store_at_once(spool: Path) -> None:
    names = [f"s-{n}" for n in range(8)]
    running = [recording_process(spool, name, 2 + n % 3) for n, name in enumerate(names)]
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 8
    with open_store(spool) as catalog:
        assert ticks_of(catalog) == expected_ticks(names)
        assert not catalog.corrupt


# ------------------------------------------------------------------------------------ secrets


def test_no_secret_is_written_anywhere(
    spool: Path, url: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(spool, S)
    server.spoil(5, 10_000)
    uploader = Uploader(spool, url)
    with pytest.raises(StoreError) as caught:
        uploader.upload(S)
    server.spoil(0, 0)
    uploader.upload(S)
    written = [path.read_bytes() for path in spool.rglob("*") if path.is_file()]
    stored = Objects(remote(url))
    written += [stored.read(name) or b"" for name in stored.listing()]
    said = f"{caught.value} {uploader!r} {remote(url)!r} {stored!r}".encode()
    for secret in CREDENTIALS.values():
        assert not [data for data in [*written, said] if secret.encode() in data]
