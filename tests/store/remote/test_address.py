"""Addresses of stores."""

from __future__ import annotations

import os
import socket
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot.cli.store_options import local
from vectra_bot.errors import InputError, VectraError
from vectra_bot.imports import import_paths, migrate_store
from vectra_bot.session.config import SessionConfig
from vectra_bot.store.api import Place, folder_to_write, store_place
from vectra_bot.store.location import default_store
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.query.catalog import open_store
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
def test_an_address_describes_a_store_completely(store: RemoteStore) -> None:
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


def test_the_environment_sets_the_place_of_a_spool(
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
        ("file:/data", "/data"),
        ("FILE:///data", "/data"),
        ("./s3:bucket", str(Path.cwd() / "s3:bucket")),
        ("data/s3:bucket", str(Path.cwd() / "data/s3:bucket")),
        (Path("s3:bucket"), str(Path.cwd() / "s3:bucket")),
        ("relative", str(Path.cwd() / "relative")),
        (Path("/data"), "/data"),
    ],
)
def test_paths_are_local_stores(text: str | Path, path: str) -> None:
    assert parse_store(text) == LocalStore(Path(path))
    assert not is_remote(text)


ADDRESSES = (
    "gcs://bucket/prefix", "az://container", "abfs://container@account/x", "https://host/store", "s3:bucket",
    "gs:bucket/prefix", "s3:/bucket", "S3:bucket", "file:store", "file:", "hdfs://host/store", "memory:x",
)  # fmt: skip


def _uses(text: str, tmp_path: Path) -> dict[str, Callable[[], object]]:
    """Return every place that takes the address of a store."""
    return {
        "parse": lambda: parse_store(text),
        "run": lambda: store_place(SessionConfig(strategy="watch", store=text).store),
        "import": lambda: import_paths(tmp_path, text),
        "migrate": lambda: migrate_store(tmp_path, text),
        "open": lambda: open_store(text),
        "check": lambda: check_store(text),
        "environment": default_store,
        "command": lambda: local(text),
    }


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_unknown_address_is_refused_everywhere(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address of another kind is refused by whatever takes a store, and no folder of its name is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECTRA_STORE", text)
    for place, use in _uses(text, tmp_path).items():
        with pytest.raises(VectraError, match="address") as caught:
            use()
        assert "\n" not in str(caught.value), place
    assert list(tmp_path.iterdir()) == []


def test_a_file_address_is_a_folder_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``file://`` names the same folder wherever a store is given."""
    store = tmp_path / "my store"
    (store / "doc_type=game_tick").mkdir(parents=True)
    text = f"file://{tmp_path}/my%20store"
    monkeypatch.setenv("VECTRA_STORE", text)
    uses = _uses(text, tmp_path)
    assert uses["parse"]() == LocalStore(store)
    assert uses["run"]() == Place(store)
    assert uses["environment"]() == uses["command"]() == folder_to_write(text) == store
    with open_store(text) as catalog:
        assert catalog.location == str(store)
    assert check_store(text).ok


def test_an_address_in_a_path_is_refused() -> None:
    """A Path drops slashes: an address in one would be another folder."""
    for text in ("s3://bucket/prefix", "gs://bucket", "file:///data"):
        with pytest.raises(InputError, match="give it as text"):
            parse_store(Path(text))


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
def test_an_invalid_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_store(text)
    message = str(caught.value)
    assert "\n" not in message
    pieces = (SECRET, SECRET[:8], SECRET[-8:], "AKID", "user:")
    assert not [piece for piece in pieces if piece in message]
    assert SECRET not in str(caught.value.__cause__)


def test_credentials_of_the_environment_are_removed_from_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    text = without_secrets(OSError(f"signature of {SECRET}\nby AKIDEXAMPLE is wrong"))
    assert text == "signature of *** by *** is wrong"


def test_a_missing_region_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with pytest.raises(InputError, match="region of bucket 'bucket' is unknown"):
        RemoteStore("s3", "bucket").filesystem()


_ASKS = """
import sys
from vectra_bot.store.remote.address import parse_store
parse_store(sys.argv[1]).filesystem()
"""


@pytest.mark.parametrize("options", ["region=eu-west-1", "endpoint_override=127.0.0.1:1"])
def test_the_region_is_not_queried_over_the_network(options: str, tmp_path: Path) -> None:
    """The provider's library would query the machine's metadata service; here it would query this socket."""
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
