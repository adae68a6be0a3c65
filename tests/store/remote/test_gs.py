"""``gs://`` behaves like ``s3://``: against an emulator of Google Cloud Storage in a separate process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.store.remote.samples import listed, parts_of, record, ticks_of, unlisted
from tests.store.samples import memory_folder
from vectra_bot.errors import StoreError
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.parquet.compaction import compact_all
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.query.catalog import open_store
from vectra_bot.store.remote.address import RemoteStore
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import Uploader

S = "s-1"
# It ends with its standard input, so that it never outlives the tests.
_SERVE = """
import os, sys, threading
from gcp_storage_emulator.server import create_server
server = create_server("127.0.0.1", int(sys.argv[1]), in_memory=True, default_bucket="bucket")
server.start()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    if find_spec("gcp_storage_emulator") is None:
        pytest.skip("gcp-storage-emulator is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            assert any(line == "ready\n" for line in process.stdout)
            yield f"127.0.0.1:{port}"
        finally:
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def url(endpoint: str, request: pytest.FixtureRequest) -> str:
    return (
        f"gs://bucket/{request.node.name}?endpoint_override={endpoint}&scheme=http&anonymous=true"
    )


@pytest.fixture
def spool() -> Iterator[Path]:
    with memory_folder() as folder:
        yield Path(folder) / "spool"


def test_recorded_read_and_compacted(spool: Path, url: str) -> None:
    ticks = record(spool, S, 3, url=url)
    assert {part.path for part in listed(url)} == parts_of(spool)
    with open_store(url) as catalog:
        assert catalog.sessions == (S,)
        assert ticks_of(catalog) == ticks
        compact_all(spool)
        assert Uploader(spool, url).upload(S).removed > 0
        assert ticks_of(catalog) == ticks
        assert not catalog.corrupt
    assert not unlisted(url)
    assert check_store(url).ok
    assert {part.path for part in listed(url)} == parts_of(spool)


def test_a_missing_object_and_a_missing_bucket(spool: Path, url: str, endpoint: str) -> None:
    record(spool, S, 2, url=url)
    stored = Objects(RemoteStore("gs", "bucket", "nothing", endpoint, "http", anonymous=True))
    assert stored.read("x") is None
    assert stored.size("x") is None
    assert stored.listing() == {}
    stored.delete("x")
    other = url.replace("gs://bucket/", "gs://no-such-bucket/")
    with pytest.raises(StoreError, match="nothing is lost"):
        Uploader(spool, other).upload(S)


def test_a_corrupt_object_is_skipped(spool: Path, url: str) -> None:
    ticks = record(spool, S, 2, url=url)
    parts: list[Part] = [part for part in listed(url) if "game_tick" in part.path]
    store = url.partition("?")[0].partition("gs://bucket/")[2]
    endpoint = url.partition("endpoint_override=")[2].partition("&")[0]
    stored = Objects(RemoteStore("gs", "bucket", store, endpoint, "http", anonymous=True))
    stored.write(parts[0].path, bytes(parts[0].bytes))
    with open_store(url) as catalog:
        with pytest.warns(UserWarning, match=parts[0].path):
            found = ticks_of(catalog)
        assert found == ticks[len(ticks) // 2 :]
