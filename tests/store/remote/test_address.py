"""Addresses of stores, and the cache that files of remote stores are read from."""

from __future__ import annotations

import hashlib
import os
import socket
import string
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectra_bot.store.read_cache import DamagedObjectError, ReadCache, cache_directory, cache_limit

from tests.store.samples import memory_folder
from vectra_bot.errors import InputError, StoreError
from vectra_bot.models import DocType
from vectra_bot.store.parquet.manifest import Part
from vectra_bot.store.remote.address import LocalStore, RemoteStore, is_remote, parse_store
from vectra_bot.store.remote.objects import without_secrets

# ------------------------------------------------------------------------------------ addresses

_names = st.text(string.ascii_lowercase + string.digits, min_size=2, max_size=9)
_stores = st.builds(
    RemoteStore,
    service=st.sampled_from(["s3", "gs"]),
    bucket=_names,
    prefix=st.lists(_names, max_size=3).map("/".join),
    endpoint=st.sampled_from(["", "127.0.0.1:9000", "[::1]:9000", "minio.example"]),
    transport=st.sampled_from(["https", "http"]),
    region=st.sampled_from(["", "eu-west-1"]),
    anonymous=st.booleans(),
)


@given(_stores)
def test_an_address_says_all_of_a_store(store: RemoteStore) -> None:
    assert parse_store(store.url) == store
    assert is_remote(store.url)
    assert store.root == "/".join(filter(None, [store.bucket, store.prefix]))


@given(_stores, _stores)
def test_stores_share_a_spool_if_their_objects_are_the_same(
    one: RemoteStore, other: RemoteStore
) -> None:
    def place(store: RemoteStore) -> tuple[str, str, str]:
        return store.service, store.endpoint, store.root

    assert (one.spool == other.spool) == (place(one) == place(other))


def test_a_spool_lies_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RemoteStore("s3", "bucket", "a/b")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VECTRA_SPOOL", raising=False)
    assert store.spool.parent == tmp_path / ".local/state/vectra-bot/spool"
    monkeypatch.setenv("VECTRA_SPOOL", str(tmp_path / "spool"))
    assert store.spool.parent == tmp_path / "spool"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/data/store", "/data/store"),
        ("file:///data/my%20store", "/data/my store"),
        ("file://localhost/data", "/data"),
        ("relative", str(Path.cwd() / "relative")),
        (Path("/data"), "/data"),
    ],
)
def test_paths_are_local_stores(text: str | Path, path: str) -> None:
    assert parse_store(text) == LocalStore(Path(path))
    assert not is_remote(text)


SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        f"s3://AKID:{SECRET}@bucket/prefix",
        f"s3://{SECRET}@bucket",
        f"gs://user:{SECRET}@bucket/prefix",
        f"s3://bucket/prefix?access_key=AKID&secret_key={SECRET}",
        f"s3://bucket/prefix?session_token={SECRET}",
        f"s3://bucket/prefix?AWS_SECRET_ACCESS_KEY={SECRET}",
        f"s3://bucket/prefix?X-Amz-Signature={SECRET}",
        f"s3://bucket/prefix?endpoint_override=user:{SECRET}@host",
        f"s3://AKID:{SECRET}/bucket",
        f"s3://bucket/prefix?{SECRET}",
        f"s3://bucket/prefix?other={SECRET}",
        f"s3://bucket/prefix?region={SECRET}",
        f"s3://bucket/prefix?endpoint_override={SECRET}",
        f"s3://bucket/prefix?scheme={SECRET}",
        f"s3://bucket/prefix?anonymous={SECRET}",
        f"s3://bucket/prefix#{SECRET}",
        f"s3://bucket/../{SECRET}",
        f"s3:///{SECRET}",
        f"s3://[{SECRET}",
        f"file://host/{SECRET}",
        f"file:///data?key={SECRET}",
        f"https://user:{SECRET}@host/",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_store(text)
    message = str(caught.value)
    assert "\n" not in message
    pieces = (SECRET, SECRET[:8], SECRET[-8:], "AKID", "user:")
    assert not [piece for piece in pieces if piece in message]
    assert SECRET not in str(caught.value.__cause__)


def test_credentials_of_the_environment_are_taken_out_of_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    text = without_secrets(OSError(f"signature of {SECRET}\nby AKIDEXAMPLE is wrong"))
    assert text == "signature of *** by *** is wrong"


def test_the_region_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with pytest.raises(InputError, match="region of bucket 'bucket' is not known"):
        RemoteStore("s3", "bucket").filesystem()


_ASKS = """
import sys
from vectra_bot.store.remote.address import parse_store
parse_store(sys.argv[1]).filesystem()
"""


@pytest.mark.parametrize("options", ["region=eu-west-1", "endpoint_override=127.0.0.1:1"])
def test_nobody_is_asked_for_the_region_over_the_network(options: str, tmp_path: Path) -> None:
    """The provider's library would ask the machine's own service; here it would ask this socket."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{service.getsockname()[1]}",
        }
        done = subprocess.run(
            [sys.executable, "-c", _ASKS, f"s3://bucket/prefix?{options}"],
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        service.setblocking(False)
        with pytest.raises(BlockingIOError):
            service.accept()


# ------------------------------------------------------------------------------------ the cache


def part_of_bytes(data: bytes) -> Part:
    """Return the description of a file with these bytes."""
    return Part(
        doc_type=DocType.GAME_TICK,
        path="doc_type=game_tick/session_id=s/part-000001.parquet",
        rows=1,
        first_seq=1,
        last_seq=1,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        crc32=zlib.crc32(data),
    )


class Origin:
    """Hands out an object's bytes in pieces and counts how often."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched = 0

    def __call__(self, take: Callable[[Iterator[bytes]], Any]) -> Any:
        self.fetched += 1
        return take(self.data[n : n + 3] for n in range(0, len(self.data), 3))


@given(
    st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 5), max_size=15),
    st.integers(0, 60),
)
def test_the_cache_gives_the_bytes_and_keeps_its_limit(
    objects: list[bytes], order: list[int], limit: int
) -> None:
    with memory_folder() as folder:
        cache = ReadCache(Path(folder) / "cache", limit)
        held = []
        for number in order:
            data = objects[number % len(objects)]
            held.append((cache.buffer(part_of_bytes(data), Origin(data)), data))
            files = list((Path(folder) / "cache").iterdir())
            assert sum(path.stat().st_size for path in files) <= limit
        # What went from the disk is whole in the hands of who reads it.
        assert all(buffer.to_pybytes() == data for buffer, data in held)


@given(st.binary(min_size=1, max_size=50), st.data())
def test_no_changed_byte_passes(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    flip = draw.draw(st.integers(1, 255))
    bad = draw.draw(
        st.sampled_from(
            [
                data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :],
                data[:at],
                data + bytes([flip]),
            ]
        )
    )
    part = part_of_bytes(data)
    with memory_folder() as folder:
        directory = Path(folder) / "cache"
        with pytest.raises(DamagedObjectError):
            ReadCache(directory).buffer(part, Origin(bad))
        assert not list(directory.iterdir())
        # A file that was damaged in the cache is fetched again.
        (directory / part.sha256).write_bytes(bad)
        origin = Origin(data)
        assert ReadCache(directory).buffer(part, origin).to_pybytes() == data
        assert origin.fetched == 1
        assert (directory / part.sha256).read_bytes() == data


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = ReadCache(tmp_path / "cache", 30)
    a, b, c, d = (part_of_bytes(name * 10) for name in (b"a", b"b", b"c", b"d"))
    for age, (part, name) in enumerate([(a, b"a"), (b, b"b"), (c, b"c")]):
        cache.buffer(part, Origin(name * 10))
        os.utime(tmp_path / "cache" / part.sha256, ns=(age, age))
    cache.buffer(a, Origin(b""))  # is there: not fetched
    cache.buffer(d, Origin(b"d" * 10))
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert left == {part.sha256 for part in (a, c, d)}


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = ReadCache(tmp_path / "cache", 100)
    data = [bytes([n]) * 40 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        wanted = [data[n % 8] for n in range(200)]
        found = pool.map(lambda one: cache.buffer(part_of_bytes(one), Origin(one)), wanted)
        assert [buffer.to_pybytes() for buffer in found] == wanted
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 100


def test_a_cache_that_takes_nothing_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    data = b"x" * 100
    buffer = ReadCache(tmp_path / "cache").buffer(part_of_bytes(data), Origin(data))
    assert buffer.to_pybytes() == data
    with pytest.raises(DamagedObjectError):
        ReadCache(tmp_path / "cache").buffer(part_of_bytes(data), Origin(data[1:]))


def test_what_killed_processes_left_is_taken_away(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (directory / f"{child.pid}-0.tmp").write_bytes(b"left")
    (directory / f"{os.getpid()}-99.tmp").write_bytes(b"mine")
    ReadCache(directory).buffer(part_of_bytes(b"abc"), Origin(b"abc"))
    assert {path.name for path in directory.iterdir()} == {
        f"{os.getpid()}-99.tmp",
        part_of_bytes(b"abc").sha256,
    }


def test_the_cache_is_where_and_as_large_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VECTRA_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.setenv("VECTRA_CACHE_BYTES", "12")
    assert cache_limit() == 12
    for wrong in ("-1", "1e3", "1 GiB", "²"):
        monkeypatch.setenv("VECTRA_CACHE_BYTES", wrong)
        with pytest.raises(InputError, match="VECTRA_CACHE_BYTES was"):
            cache_limit()
    with pytest.raises(StoreError, match="reads 12 bytes of files at once"):
        ReadCache(tmp_path, 11).require_room([part_of_bytes(b"x" * 12)], "game_tick")


def test_nothing_waits_for_a_lock_while_it_fetches(tmp_path: Path) -> None:
    """Two files are fetched at once: each waits here until the other is under way."""
    cache = ReadCache(tmp_path / "cache")
    both = threading.Barrier(2, timeout=30)

    def fetch(data: bytes) -> bytes:
        def meet(take: Callable[[Iterator[bytes]], Any]) -> Any:
            both.wait()
            return take(iter([data]))

        found: bytes = cache.buffer(part_of_bytes(data), meet).to_pybytes()
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetch, [b"one", b"two"])) == [b"one", b"two"]
