"""Draw mutants of the code that handles actions and money by seed, and run its tests against each.

    pip install 'cosmic-ray>=8.3'
    python tests/mutants/drawn.py [--seed N] [--count N] [--json]

The operators are Cosmic Ray's; places are drawn here, each at most once until all are used, so that the same
seed and sources give the same mutants. What cannot change anything is not drawn: annotations, and ``is`` for
``==``. Stars of signatures and of displays such as ``{**values}`` are not drawn either: they do not compute,
and most of their mutants cannot be compiled and would count as killed. Survivors that ``equivalent.py``
explains are listed with the reason, and count as survivors. Exit code 0 if at least 90 % are killed, 1 if
fewer, 2 if the run says nothing.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from attrs import frozen
from equivalent import EQUIVALENT
from trees import ROOT, Outcome, Tree, Unusable, check_unchanged, each, trees

try:
    import cosmic_ray.plugins
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
except ImportError:
    raise SystemExit("drawn.py needs Cosmic Ray: pip install 'cosmic-ray>=8.3'") from None

LEAST_KILLED = 0.9
GAME = (
    "tests/game/test_ledger_model.py",
    "tests/game/test_ledger.py",
    "tests/game/test_lots.py",
    "tests/actions/test_defaults.py",
)
ACCOUNT = "tests/game/test_account_model.py"
TESTS = (
    "tests/actions/test_defaults.py",
    "tests/actions/test_rare.py",
    "tests/actions/test_proof_model.py",
    "tests/actions/test_money_model.py",
    "tests/actions/test_others_model.py",
    "tests/actions/test_settlements_model.py",
    "tests/actions/test_edges.py",
    "tests/actions/test_interface.py",
    "tests/actions/test_rounds_model.py",
    "tests/actions/test_rounds.py",
    "tests/actions/test_shorts_model.py",
    "tests/actions/test_shorts.py",
    "tests/actions/test_leverage.py",
    "tests/actions/test_ends_model.py",
    "tests/actions/test_parts_model.py",
    "tests/actions/test_limits_model.py",
    "tests/actions/test_limits.py",
    "tests/actions/test_human.py",
    "tests/actions/test_desk_parts.py",
    "tests/actions/test_names.py",
    "tests/actions/test_round_parts.py",
    "tests/actions/test_short_parts.py",
    "tests/actions/test_exits.py",
    "tests/actions/test_standing.py",
    "tests/actions/test_freshness.py",
    "tests/actions/reconcile/test_change.py",
    "tests/actions/reconcile/test_missed.py",
    "tests/actions/reconcile/test_parts.py",
    "tests/actions/reconcile/test_engine.py",
    "tests/engine/test_control.py",
    "tests/engine/test_order_model.py",
    "tests/engine/test_engine.py",
    "tests/actions/test_tracker.py",
    "tests/model/test_tracker.py",
)
RECONCILE = (
    "tests/actions/reconcile/test_change.py",
    "tests/actions/reconcile/test_missed.py",
    "tests/actions/reconcile/test_parts.py",
    "tests/actions/reconcile/test_engine.py",
    "tests/model/test_tracker.py",
)
# What notices most comes first: a run ends with the first test that fails.
FIRST = {
    "account.py": (ACCOUNT,),
    "risk.py": (
        "tests/actions/test_standing.py",
        "tests/actions/test_limits_model.py",
    ),
    "arming.py": (
        "tests/actions/test_standing.py",
        "tests/engine/test_control.py",
    ),
    "limits.py": ("tests/actions/test_limits.py", "tests/actions/test_defaults.py"),
    "freshness.py": ("tests/actions/test_freshness.py",),
    "change.py": RECONCILE,
    "ends.py": RECONCILE,
    "fills.py": RECONCILE,
    "rounds.py": (
        "tests/actions/test_round_parts.py",
        "tests/actions/test_rounds_model.py",
        "tests/actions/test_rounds.py",
    ),
    "shorts.py": (
        "tests/actions/test_short_parts.py",
        "tests/actions/test_shorts_model.py",
        "tests/actions/test_shorts.py",
    ),
    "sidebets.py": ("tests/actions/test_settlements_model.py",),
    "ids.py": ("tests/actions/test_others_model.py",),
    "interface.py": ("tests/actions/test_interface.py",),
    "desk.py": (
        "tests/actions/test_desk_parts.py",
        "tests/engine/test_threads.py",
    ),
    "exits.py": (
        "tests/actions/test_rare.py",
        "tests/actions/test_parts_model.py",
    ),
    "episode.py": ("tests/actions/test_episode_model.py", "tests/engine/test_order_model.py"),
}
# One comparison for its twin: the same answer for None, enumerations and small numbers.
_SAME = ("Is_Eq", "IsNot_NotEq", "Eq_Is", "NotEq_IsNot")
# What parso calls the parents of stars that do not compute.
_NOT_COMPUTED = ("parameters", "lambdef", "dictorsetmaker", "atom")

Place = tuple[tuple[int, int], tuple[int, int]]


@frozen
class Mutant:
    """One change: *operator* at its *occurrence* in *file*, which is at *line*."""

    file: str
    line: int
    operator: str
    occurrence: int

    def text(self, source: str) -> str:
        """Return *source* with the change."""
        mutated: str | None = mutate_code(source, _operator(self.operator), self.occurrence)
        if mutated is None:
            raise Unusable(f"{self.operator} {self.occurrence} changes nothing in {self.file}")
        return mutated


def _operator(name: str) -> Any:
    return cosmic_ray.plugins.get_operator(name)()


def sources() -> list[Path]:
    """Return the files whose mutants are drawn."""
    package = ROOT / "vectra_bot"
    game = package / "game"
    return [*sorted((package / "actions").rglob("*.py")), game / "ledger.py", game / "account.py"]


def tests_of(file: str) -> tuple[str, ...]:
    """Return the tests of a file, those that notice most first."""
    name = Path(file).name
    if name == "ledger.py":
        return (*GAME, "tests/game/test_shorts.py", "tests/exchange/test_money.py")
    return tuple(dict.fromkeys((*FIRST.get(name, ()), *TESTS, ACCOUNT)))


def _annotations(source: str) -> list[Place]:
    """Return the places that are only read by type checkers."""
    found = []
    for node in ast.walk(ast.parse(source)):
        parts = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            parts.append(node.value)
        found += [
            ((p.lineno, p.col_offset), (p.end_lineno or 0, p.end_col_offset or 0))
            for p in parts
            if isinstance(p, ast.expr)
        ]
    return found


def _stars(source: str) -> list[Place]:
    """Return the stars that do not compute: of signatures and of displays."""
    return [
        (node.start_pos, node.end_pos)
        for node in ast_nodes(get_ast(source))
        if node.type == "operator"
        and node.value in ("*", "**")
        and node.parent.type in _NOT_COMPUTED
    ]


def candidates(path: Path) -> Iterator[tuple[Place, Mutant]]:
    """Yield every mutant of a file, with its place."""
    source = path.read_text(encoding="utf-8")
    nodes, ignored = list(ast_nodes(get_ast(source))), _annotations(source) + _stars(source)
    file = path.relative_to(ROOT).as_posix()
    for name in sorted(cosmic_ray.plugins.operator_names()):
        kind = cosmic_ray.plugins.get_operator(name)
        # What takes arguments names variables; a class without its decorator cannot be made at all.
        if kind.arguments() or name.endswith((*_SAME, "RemoveDecorator")):
            continue
        operator = kind()
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, place in enumerate(places):
            if not any(first <= place[0] and place[1] <= last for first, last in ignored):
                yield place, Mutant(file, place[0][0], name, occurrence)


def draw(seed: int, count: int) -> list[Mutant]:
    """Return *count* mutants, or all there are: places in random order, one operator at each."""
    by_place: dict[tuple[str, Place], list[Mutant]] = defaultdict(list)
    for path in sources():
        for place, mutant in candidates(path):
            by_place[mutant.file, place].append(mutant)
    chance = random.Random(seed)
    places = sorted(by_place)
    drawn: list[Mutant] = []
    while places and len(drawn) < count:
        chance.shuffle(places)
        for key in places[: count - len(drawn)]:
            mutants = by_place[key]
            drawn.append(mutants.pop(chance.randrange(len(mutants))))
        places = sorted(key for key in places if by_place[key])
    return drawn


def test(tree: Tree, mutant: Mutant) -> Outcome:
    """Run the tests of the mutant's file with the mutant in *tree*."""
    text = mutant.text((tree.folder / mutant.file).read_text(encoding="utf-8"))
    with tree.changed(mutant.file, text):
        return tree.test(tests_of(mutant.file))


def _row(mutant: Mutant, outcome: Outcome) -> dict[str, Any]:
    source = (ROOT / mutant.file).read_text(encoding="utf-8")
    before, after = source.splitlines(), mutant.text(source).splitlines()
    changed = next((new for old, new in zip(before, after, strict=False) if old != new), "").strip()
    code = before[mutant.line - 1].strip()
    key = (mutant.file.removeprefix("vectra_bot/"), code, changed)
    return {
        "file": mutant.file,
        "line": mutant.line,
        "operator": mutant.operator.removeprefix("core/"),
        "code": code,
        "mutant": changed,
        "killed": outcome.killed,
        "reason": None if outcome.killed else EQUIVALENT.get(key),
        "by": outcome.by,
        "seconds": round(outcome.seconds, 1),
    }


def run(mutants: Sequence[Mutant], *, progress: bool) -> dict[str, Any]:
    """Test all of *mutants*; return the report."""
    began = time.monotonic()
    rows = []
    with trees() as copies:
        cpu_seconds = check_unchanged(
            copies, sorted({t for m in mutants for t in tests_of(m.file)})
        )
        for mutant, outcome in each(copies, mutants, test):
            rows.append(_row(mutant, outcome))
            cpu_seconds += outcome.cpu_seconds
            if progress:
                row = rows[-1]
                word = "killed" if row["killed"] else "SURVIVED"
                where = f"{row['file']}:{row['line']}"
                why = f" ({row['reason']})" if row["reason"] else ""
                print(f"{word:8} {where:34} {row['operator']}: {row['mutant']}{why}", flush=True)
    killed = sum(row["killed"] for row in rows)
    return {
        "survivors": [row for row in rows if not row["killed"]],
        "mutants": rows,
        "total": len(rows),
        "killed": killed,
        "share": round(killed / max(len(rows), 1), 4),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(cpu_seconds, 1),
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1, help="draws the mutants (1)")
    parser.add_argument("--count", type=int, default=300, help="how many (300)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    try:
        report = run(draw(arguments.seed, arguments.count), progress=not arguments.json)
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
    return 0 if report["share"] >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
