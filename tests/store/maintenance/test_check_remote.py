"""Checking, counting and recovering a store in an object store, against a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.store.remote.s3_server import CREDENTIALS, S3Server
from tests.store.remote.samples import record, remote, running_server
from vectra_bot.cli import main as shell
from vectra_bot.errors import StoreError
from vectra_bot.models import DocType
from vectra_bot.store.maintenance.check import check_store
from vectra_bot.store.maintenance.check_parts import Problem
from vectra_bot.store.maintenance.stats import store_stats
from vectra_bot.store.parquet.manifest import MANIFEST
from vectra_bot.store.remote import objects
from vectra_bot.store.remote.objects import Objects
from vectra_bot.store.remote.upload import Uploader

SESSION = "s-1"
FOLDER = f"doc_type={DocType.GAME_TICK.value}/session_id={SESSION}"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with running_server() as running:
        yield running


@pytest.fixture
def url(
    server: S3Server,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Return the address of a store with one whole session."""
    monkeypatch.setattr(objects, "PAUSE_S", 0.001)
    monkeypatch.setenv("VECTRA_SPOOL", str(tmp_path / "spools"))
    server.spoil(0, 0)
    place = server.url(request.node.name)
    record(remote(place).spool, SESSION, 3)
    Uploader(remote(place).spool, place).upload(SESSION)
    return place


def _kinds(problems: list[Problem]) -> set[str]:
    return {problem.kind for problem in problems}


def test_a_whole_store_has_no_problem(url: str) -> None:
    """An upload is counted and checked like the local store it came from."""
    local = check_store(remote(url).spool)
    found = check_store(url)
    assert (found.ok, found.sessions, found.rows, found.bytes) == (
        True, [SESSION], local.rows, local.bytes,
    )  # fmt: skip
    assert found.bytes_read == found.bytes
    assert check_store(url, quick=True).ok
    counted = store_stats(url).to_json()
    assert (counted["documents"], counted["bytes"]) == (found.rows, found.bytes)
    assert counted["sessions"][0]["state"] == "no_journal"  # it is in the spool


def test_corruption_is_reported(url: str) -> None:
    """Missing, altered or truncated objects and manifests are problems; --quick compares sizes."""
    store = Objects(remote(url))
    parts = sorted(name for name in store.listing(FOLDER) if name.endswith(".parquet"))
    data = store.read(parts[0])
    assert data is not None
    store.write(parts[0], data[:40] + bytes([data[40] ^ 1]) + data[41:])
    store.delete(parts[1])
    problems = check_store(url).problems
    assert _kinds(problems) == {"part_damaged", "part_missing"}
    assert {problem.path for problem in problems} == {parts[0], parts[1]}
    assert _kinds(check_store(url, quick=True).problems) == {"part_missing"}
    manifest = store.read(f"{FOLDER}/{MANIFEST}")
    assert manifest is not None
    store.write(f"{FOLDER}/{MANIFEST}", manifest.replace(b"game_tick", b"game_tack", 1))
    assert "manifest_damaged" in _kinds(check_store(url).problems)


def test_a_server_that_does_not_answer_is_not_corruption(server: S3Server, url: str) -> None:
    """The state is unknown then: an error, without a secret in it, and no report."""
    server.spoil(0, 10_000)
    with pytest.raises(StoreError) as caught:
        check_store(url)
    server.spoil(0, 0)
    assert not any(secret in str(caught.value) for secret in CREDENTIALS.values())
    assert check_store(url).ok


def test_recover_uploads_the_rest(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the spool has and the store lacks is uploaded; then there is nothing to do."""
    record(remote(url).spool, "s-2")
    store = Objects(remote(url))
    lost = next(name for name in store.listing(FOLDER) if name.endswith(".parquet"))
    store.delete(lost)

    def recover() -> dict[str, Any]:
        assert shell.main(["store", "recover", "--store", url, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    found = recover()
    assert {each["session_id"] for each in found["uploaded"]} == {SESSION, "s-2"}
    assert (found["store"], found["failed"], found["problems"]) == (remote(url).url, [], [])
    assert check_store(url).sessions == [SESSION, "s-2"]
    assert check_store(url).ok
    assert recover()["uploaded"] == []
