"""Sessions that are recorded into spools and uploaded, by this process and by others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.store.remote.s3_server import CREDENTIALS, S3Server, why_not
from tests.store.samples import HEADER, action_document, tick_document
from vectra_bot.journal import Entry, Journal, journal_directory
from vectra_bot.models import ActionType
from vectra_bot.store.parquet.builder import build_parts
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import MANIFEST, Part
from vectra_bot.store.query.catalog import Catalog
from vectra_bot.store.remote import objects
from vectra_bot.store.remote.address import RemoteStore, parse_store
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import Uploader, read_remote_manifest

TICKS = 5
"""Ticks of a segment."""

processes = multiprocessing.get_context("forkserver")
"""Processes start with their imports done, and not as a fork of one that used a server."""

processes.set_forkserver_preload(
    ["pyarrow.fs", "pyarrow.parquet", "vectra_bot.store.remote.upload", __name__]
)


@contextlib.contextmanager
def running_server() -> Iterator[S3Server]:
    """Yield a server, with the environment that its clients need; skip if none can be started."""
    if reason := why_not():
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, S3Server() as server:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield server


def remote(url: str) -> RemoteStore:
    """Return the remote store at *url*."""
    store = parse_store(url)
    assert isinstance(store, RemoteStore)
    return store


def record(
    store: Path,
    session_id: str,
    segments: int = 2,
    *,
    url: str = "",
    close: bool = True,
    venue: str = "embedded",
) -> list[tuple[str, int]]:
    """Record a session of a few ticks and one action a segment; build parts and upload as segments close.

    Returns:
        session and number of every tick.
    """
    directory = journal_directory(store, session_id)
    journal = Journal.create(directory, {**HEADER, "session_id": session_id, "venue": venue})
    uploader = Uploader(store, url) if url else None
    seq, ticks = 0, []
    for segment in range(segments):
        if segment:
            journal.roll()
            build_parts(directory, store)
            if uploader is not None:
                uploader.upload(session_id)
        documents = [tick_document(n, 1 + segment / 8 + n / 64) for n in range(TICKS)]
        bought = action_document(
            f"{session_id}-{segment}", ActionType.BUY, "0.01", before="1", after="0.99"
        )
        bought = attrs.evolve(bought, record=attrs.evolve(bought.record, session_id=session_id))
        entries = [
            Entry.of_document(seq + 1 + n, one) for n, one in enumerate([*documents, bought])
        ]
        ticks += [(session_id, entry.seq) for entry in entries[:TICKS]]
        seq += len(entries)
        journal.append(entries)
    if close:
        journal.close("done")
        build_parts(directory, store)
        if uploader is not None:
            uploader.upload(session_id)
    else:
        journal.abandon()
    return ticks


def expected_ticks(names: list[str]) -> list[tuple[str, int]]:
    """Return what ``recording_process(store, names[n], 2 + n % 3)`` records."""
    return [
        (name, segment * (TICKS + 1) + 1 + number)
        for n, name in enumerate(names)
        for segment in range(2 + n % 3)
        for number in range(TICKS)
    ]


def ticks_of(catalog: Catalog) -> list[tuple[Any, ...]]:
    """Return session and number of every tick in a store."""
    return catalog.sql("SELECT session_id, seq FROM game_tick ORDER BY ALL").rows


def listed(url: str) -> list[Part]:
    """Return what the manifests of a remote store list, after checking that every listed object exists."""
    objects = Objects(remote(url))
    there = objects.listing()
    found = []
    for name in there:
        if name.endswith(MANIFEST):
            found += read_remote_manifest(objects, name.rpartition("/")[0])
    assert {part.path: part.bytes for part in found}.items() <= {
        name: stat.size for name, stat in there.items()
    }.items()
    assert len({part.path for part in found}) == len(found)
    return found


def unlisted(url: str) -> set[str]:
    """Return the Parquet objects that no manifest lists."""
    names = {name for name in Objects(remote(url)).listing() if name.endswith(".parquet")}
    return names - {part.path for part in listed(url)}


def parts_of(store: Path) -> set[str]:
    """Return the names of the Parquet files in a local store."""
    return {path.relative_to(store).as_posix() for path in store.rglob("doc_type=*/*/*.parquet")}


def uploading_process(
    spool: Path, url: str, session_id: str
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Return a process that uploads a session once it gets a message."""
    ours, its = processes.Pipe()
    process = processes.Process(target=_upload, args=(spool, url, session_id, its), daemon=True)
    process.start()
    its.close()
    return process, ours


def _upload(spool: Path, url: str, session_id: str, go: Connection) -> None:
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    go.recv()
    Uploader(spool, url).upload(session_id)


def recording_process(
    store: Path, session_id: str, segments: int, url: str = ""
) -> multiprocessing.process.BaseProcess:
    """Return a started process that records a session, and uploads it as its segments close."""
    process = processes.Process(
        target=_record, args=(store, session_id, segments, url), daemon=True
    )
    process.start()
    return process


def _record(store: Path, session_id: str, segments: int, url: str) -> None:
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    record(store, session_id, segments, url=url)


def compacting_process(
    spool: Path, url: str, sessions: list[str]
) -> multiprocessing.process.BaseProcess:
    """Return a started process that compacts sessions one after another and uploads each."""
    process = processes.Process(target=_compact, args=(spool, url, sessions), daemon=True)
    process.start()
    return process


def _compact(spool: Path, url: str, sessions: list[str]) -> None:
    os.environ.update(CREDENTIALS, AWS_EC2_METADATA_DISABLED="true")
    for session_id in sessions:
        report = compact_all(spool, sessions=[session_id])
        assert not report.failed
        Uploader(spool, url).upload(session_id)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, server: S3Server) -> None:
    monkeypatch.setattr(objects, "PAUSE_S", 0.001)
    server.spoil(0, 0)


@pytest.fixture
def url(server: S3Server, request: pytest.FixtureRequest) -> str:
    return server.url(request.node.name.replace("[", "-").replace("]", ""))
