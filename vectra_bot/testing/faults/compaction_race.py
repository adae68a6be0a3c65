"""Readers while sessions are compacted: the schema's own SQL through the SDK, and raw patterns in DuckDB."""

from __future__ import annotations

import json
import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vectra_bot.store.query.catalog import open_store
from vectra_bot.testing.faults.processes import folder, read_all, start
from vectra_bot.testing.faults.scenarios import SmallSession, Step, compact, without_exchange

QUERIES = ("actions", "exceptional-players", "latency")
_READY = b"."
KINDS = ("player_action", "other_player", "game_tick")


def _quiet(_step: Step) -> None:
    """Observe nothing."""


def make_sessions(root: Path, number: int, seed: int) -> list[str]:
    """Write *number* closed sessions of several parts each."""
    names = [f"s{index:04d}" for index in range(number)]
    for name in names:
        session = SmallSession(
            root, name, random.Random(f"{seed}:{name}"), _quiet, 4096, actions=0.7
        )
        journal = session.begin()
        for _ in range(12):
            session.step(journal)
        session.close(journal)
    return names


def compactor(store: str, names: list[str], exchange: bool, pipe: Connection) -> None:
    """Compact one session after the other, and report each."""
    with without_exchange(not exchange):
        for name in names:
            compact(Path(store), name)
            os.write(pipe.fileno(), b".")


def sdk_reader(store: str, expected: dict[str, int], stop: str, pipe: Connection) -> None:
    """Run the schema's queries and count rows through one new store after another, until *stop* exists."""
    counts: Counter[str] = Counter()
    first = ""
    for _ in _turns(stop, pipe):
        try:
            with open_store(store) as catalog, warnings.catch_warnings():
                warnings.simplefilter("error")
                for _ in range(5):
                    wrong = _sdk_round(catalog, expected)
                    counts.update(["rounds", *wrong])
                    first = first or ", ".join(wrong)
        except Exception as error:  # noqa: BLE001 - any exception in a reader is a finding
            counts["errors"] += 1
            first = first or f"{type(error).__name__}: {error}"
    _say(pipe, counts, first)


def _turns(stop: str, pipe: Connection) -> Iterator[None]:
    """Yield until *stop* exists; report the end of the first turn, which the compactor waits for."""
    yield
    os.write(pipe.fileno(), _READY)
    while not Path(stop).exists():
        yield


def _sdk_round(catalog: Any, expected: dict[str, int]) -> list[str]:
    wrong = []
    if len(catalog.run("actions").rows) != expected["player_action"]:
        wrong.append("actions missing or twice")
    catalog.run("exceptional-players")
    if sum(row[1] for row in catalog.run("latency").rows) != expected["player_action"]:
        wrong.append("latencies missing or twice")
    for kind in KINDS:
        text = f"SELECT count(*), count(DISTINCT (session_id, seq)) FROM {kind}"
        if catalog.sql(text).rows != [(expected[kind], expected[kind])]:
            wrong.append(f"{kind} missing or twice")
    return wrong


def raw_reader(store: str, expected: dict[str, int], stop: str, pipe: Connection) -> None:
    """Count rows by a glob in plain DuckDB, until *stop* exists."""
    import duckdb

    counts: Counter[str] = Counter()
    first = ""
    with duckdb.connect() as connection:
        for _ in _turns(stop, pipe):
            for kind in KINDS:
                text = (
                    "SELECT count(*), count(DISTINCT (session_id, seq)) "
                    f"FROM '{store}/doc_type={kind}/**/*.parquet'"
                )
                try:
                    rows, distinct = connection.execute(text).fetchall()[0]
                except duckdb.Error as error:
                    counts["transient errors"] += 1
                    first = first or str(error)[:200]
                    continue
                counts["answers"] += 1
                counts["twice"] += rows != distinct
                counts["missing"] += distinct < expected[kind]
    _say(pipe, counts, first)


def _say(pipe: Connection, counts: Counter[str], first: str) -> None:
    os.write(pipe.fileno(), json.dumps({**counts, "first": first}).encode())


def race(compactions: int, seed: int, *, exchange: bool) -> dict[str, Any]:
    """Compact that many sessions while two readers run, which have read the store before."""
    with folder() as root:
        store, stop = root / "store", root / "stop"
        names = make_sessions(store, compactions, seed)
        expected = _counted(store)
        readers = {
            "sdk": start(sdk_reader, str(store), expected, str(stop)),
            "raw": start(raw_reader, str(store), expected, str(stop)),
        }
        for _, pipe in readers.values():
            os.read(pipe.fileno(), len(_READY))
        process, pipe = start(compactor, str(store), names, exchange)
        done = len(read_all(pipe))
        process.join()
        stop.touch()
        found = {name: json.loads(read_all(pipe) or b"{}") for name, (_, pipe) in readers.items()}
        for reader, _ in readers.values():
            reader.join()
        after = _counted(store)
    return {
        "compactions": done,
        "files_before": expected.pop("files"),
        "files_after": after.pop("files"),
        "rows": expected,
        "same_rows_after": after == expected,
        **found,
    }


def _counted(store: Path) -> dict[str, int]:
    import duckdb

    counts = {}
    with duckdb.connect() as connection:
        for kind in KINDS:
            text = f"SELECT count(*) FROM '{store}/doc_type={kind}/**/*.parquet'"
            counts[kind] = connection.execute(text).fetchall()[0][0]
    counts["files"] = sum(1 for _ in store.glob("doc_type=*/*/*.parquet"))
    return counts


def run(compactions: int, seed: int) -> dict[str, Any]:
    """Race with atomic exchange of names, and, for a fifth as long, on a system without it."""
    one_step = race(compactions, seed, exchange=True)
    fallback = race(max(1, compactions // 5), seed, exchange=False)
    return {
        "exchange": one_step,
        "fallback": fallback,
        "over_goal": over(one_step, compactions, exchange=True)
        + [f"fallback: {name}" for name in over(fallback, compactions // 5, exchange=False)],
    }


def over(figures: dict[str, Any], compactions: int, *, exchange: bool) -> list[str]:
    """Return the violations: a raw glob may fail, and without exchange miss rows, for an instant."""
    sdk, raw = figures["sdk"], figures["raw"]
    over = [name for name in sdk if name not in ("rounds", "first")]
    over += ["raw: twice"] if raw.get("twice") else []
    over += ["raw: missing"] if raw.get("missing") and exchange else []
    over += [] if sdk.get("rounds") and raw.get("answers") else ["a reader never ran"]
    over += [] if figures["same_rows_after"] else ["rows afterwards"]
    return over + ([] if figures["compactions"] >= compactions else ["compactions"])
