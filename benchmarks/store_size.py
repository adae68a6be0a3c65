"""Compacted tick and trade documents, compared with pyarrow's default files of the same rows, with zstd."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vectra_bot import run as run_session
from vectra_bot.imports.run import import_paths
from vectra_bot.models import DocType
from vectra_bot.store.parquet.compaction import compact_all

LIMITS = {"ratio_to_pyarrow": 0.6}
KINDS = (DocType.GAME_TICK, DocType.OTHER_PLAYER_ACTION)
GAMES = 300
ENOUGH = 1_000
CAPTURES = ("recorded_prices.jsonl.gz", "raw_frames.jsonl.gz", "real_trades.jsonl")


def documents(args: argparse.Namespace, store: Path) -> str:
    """Write documents into *store* and return their origin.

    They are those of ``--documents``, a store or importable files; else the captures in
    ``$VECTRA_DATA``, if it is set; else games of the exchange, whose prices are as unique as the
    venue's.
    """
    given: Path | None = args.documents
    if given is not None and given.is_dir() and any(given.glob("doc_type=*")):
        shutil.copytree(given, store, dirs_exist_ok=True)
        return str(given)
    folder = os.environ.get("VECTRA_DATA")
    paths = [given] if given is not None else []
    if not paths and folder:
        paths = [path for name in CAPTURES if (path := Path(folder) / name).exists()]
    if paths:
        import_paths(paths, store)
        return "captures"
    run_session("watch", games=GAMES, seed=args.seed, store=store)
    return "exchange"


def by_default(path: Path, folder: Path) -> int:
    """Return the size of a file with the rows of *path*, written by pyarrow with zstd and its defaults."""
    target = folder / "default.parquet"
    pq.write_table(pq.ParquetFile(path).read(), target, compression="zstd")
    assert pq.ParquetFile(target).metadata.num_rows == pq.ParquetFile(path).metadata.num_rows
    return target.stat().st_size


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the figures."""
    store = folder / "store"
    source = documents(args, store)
    report = compact_all(store)
    assert not report.failed, report.failed
    figures: dict[str, Any] = {"source": source}
    ours = theirs = rows = 0
    for kind in KINDS:
        paths = [
            path
            for path in sorted(store.glob(f"doc_type={kind.value}/*/*.parquet"))
            if pq.ParquetFile(path).metadata.num_rows
        ]
        counts = [pq.ParquetFile(path).metadata.num_rows for path in paths]
        own = [path.stat().st_size for path in paths]
        default = [by_default(path, folder) for path in paths]
        figures[kind.value] = {
            "files": len(paths),
            "rows": sum(counts),
            "bytes": sum(own),
            "pyarrow_bytes": sum(default),
            "bytes_per_row": round(sum(own) / max(sum(counts), 1), 2),
            "pyarrow_bytes_per_row": round(sum(default) / max(sum(counts), 1), 2),
            "ratio": round(sum(own) / max(sum(default), 1), 4),
        }
        ours, theirs, rows = ours + sum(own), theirs + sum(default), rows + sum(counts)
    # A file with few rows is mostly footer.
    ratios = [found["ratio"] for kind in KINDS if (found := figures[kind.value])["rows"] >= ENOUGH]
    return {
        **figures,
        "rows": rows,
        "pyarrow": pa.__version__,
        "ratio_to_pyarrow": round(ours / max(theirs, 1), 4),
        "ratio_of_worst_kind": max(ratios, default=None),
    }
