"""Speed and size of the store, each figure measured together with what it is compared with.

    python benchmarks/store.py
    python benchmarks/store.py --only append,size --json
    python benchmarks/store.py --only frames --seconds 20 --frames capture.jsonl.gz
    python benchmarks/store.py --only sketches --rows 10000000 --latencies pareto

Both sides of a comparison alternate within one run, and the figure is the median over the rounds,
because the speed of a shared machine changes. `load` is its load average. The parts, each a module
`store_NAME.py` beside this one:

- append: 160 bytes that `kill -9` must not lose: journal, sqlite in WAL mode, a Parquet file that is flushed
- frames: 9 kB frames through decoder, engine, journal and parts; delay of the event loop; no frame lost
- socket: the same from a socket, compared with the bare client on the same source
- size: compacted tick and trade documents compared with pyarrow's defaults for the same rows
- sketches: p50 and p95 of latencies by sketches and by the exact query, on parts and on a single file
- recovery: recovering a killed session and building its files, seconds per GB of journal
- query: bytes read and time of a query, compared with plain DuckDB and with the reader of an earlier commit

One JSON object is printed, with `over_goal`, the goals that were missed; the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from store_common import load

PARTS = ("append", "frames", "socket", "size", "sketches", "recovery", "query")


def missed(
    figures: dict[str, Any], limits: dict[str, float], floors: dict[str, float]
) -> list[str]:
    """Return the figures that are above their limit, below their floor, or missing."""
    over = [name for name, most in limits.items() if not figures.get(name, float("inf")) <= most]
    return over + [name for name, least in floors.items() if not figures.get(name, -1.0) >= least]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    found.add_argument("--json", action="store_true", help="print the object on one line")
    found.add_argument(
        "--dir", type=Path, help="where to write [default: the system's temporary folder]"
    )
    found.add_argument("--seed", type=int, default=5)
    found.add_argument("--rounds", type=int, help="rounds of each comparison")
    found.add_argument("--kills", type=int, default=10, help="append: writers killed")
    found.add_argument("--seconds", type=float, default=20.0, help="frames, socket: duration")
    found.add_argument("--rate", type=float, default=10_300.0, help="frames: paced frames a second")
    found.add_argument("--games", type=int, default=12, help="frames, socket: games of one lap")
    found.add_argument(
        "--frames", type=Path, help="frames, socket: a capture, or one raw frame a line"
    )
    found.add_argument("--documents", type=Path, help="size: a store with ticks and trades")
    found.add_argument("--rows", type=int, default=10_000_000, help="sketches: actions")
    found.add_argument(
        "--latencies",
        default="bimodal",
        help="sketches: bimodal, pareto, equal, or a file of numbers",
    )
    found.add_argument("--gigabytes", type=float, default=1.0, help="recovery: size of the journal")
    found.add_argument("--megabytes", type=int, default=220, help="query: size of the frames")
    found.add_argument(
        "--ticks", type=int, default=2_000_000, help="query: ticks of the price query"
    )
    return found


def main() -> int:
    """Run the requested parts and print the figures."""
    args = parser().parse_args()
    names = [name.strip() for name in args.only.split(",") if name.strip()]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser().error(f"--only was {unknown[0]!r}: choose from {', '.join(PARTS)}")
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load_before": load()}
    over: list[str] = []
    for name in names:
        part = importlib.import_module(f"store_{name}")
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=args.dir, prefix=f"store-{name}-") as folder:
            found = part.measure(args, Path(folder))
        found["seconds_taken"] = round(time.perf_counter() - started, 1)
        found["load"] = load()
        figures[name] = found
        misses = missed(found, part.LIMITS, getattr(part, "FLOORS", {}))
        over += [f"{name}.{miss}" for miss in misses]
    figures["over_goal"] = over
    sys.stdout.write(json.dumps(figures, indent=None if args.json else 1) + "\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
