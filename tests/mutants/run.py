"""Plant each bug of ``bugs.py`` in a copy of the tree and run the tests that claim it.

    python tests/mutants/run.py [--only NAME] [--json]

A bug is killed if one of its tests fails with it. Exit code 0 if all are killed, 1 if one survives, 2 if the
run says nothing: a text is not in its file exactly once, or a test fails without a bug.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bugs import BUGS, Bug
from trees import ROOT, Outcome, Tree, Unusable, check_unchanged, each, trees


def planted(bug: Bug, folder: Path = ROOT) -> str:
    """Return the text of the bug's file with the bug in it.

    Raises:
        Unusable: the text that it replaces is not in the file exactly once.
    """
    text = (folder / bug.file).read_text(encoding="utf-8")
    count = text.count(bug.old)
    if count != 1:
        raise Unusable(
            f"{bug.name}: {bug.old!r} is {count} times in {bug.file}, not once: correct the bug"
        )
    return text.replace(bug.old, bug.new)


def test(tree: Tree, bug: Bug) -> Outcome:
    """Run the bug's tests with the bug in *tree*."""
    with tree.changed(bug.file, planted(bug, tree.folder)):
        return tree.test(bug.tests)


def run(bugs: Sequence[Bug], *, progress: bool) -> dict[str, Any]:
    """Test all of *bugs*; return the report."""
    for bug in bugs:
        planted(bug)
    began = time.monotonic()
    rows = []
    with trees() as copies:
        cpu_seconds = check_unchanged(copies, sorted({name for bug in bugs for name in bug.tests}))
        for bug, outcome in each(copies, bugs, test):
            rows.append(
                {
                    "name": bug.name,
                    "file": bug.file,
                    "killed": outcome.killed,
                    "by": outcome.by,
                    "seconds": round(outcome.seconds, 1),
                }
            )
            cpu_seconds += outcome.cpu_seconds
            if progress:
                word = "killed" if outcome.killed else "SURVIVED"
                print(f"{word:8} {bug.name:36} {outcome.seconds:6.1f} s  {outcome.by}", flush=True)
    killed = sum(row["killed"] for row in rows)
    return {
        "bugs": rows,
        "total": len(rows),
        "killed": killed,
        "survived": len(rows) - killed,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(cpu_seconds, 1),
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="this bug alone; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    bugs = [bug for bug in BUGS if not arguments.only or bug.name in arguments.only]
    unknown = set(arguments.only or ()) - {bug.name for bug in bugs}
    if unknown:
        parser.error(f"no such bug: {', '.join(sorted(unknown))}")
    try:
        report = run(bugs, progress=not arguments.json)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print(
            f"{report['killed']} of {report['total']} killed in {report['seconds']} s,"
            f" {report['cpu_seconds']} s of CPU"
        )
    return 1 if report["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
