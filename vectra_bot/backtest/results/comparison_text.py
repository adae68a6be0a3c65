"""A comparison as text, for the terminal and ``print(comparison)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectra_bot.backtest.results.text import not_played_pairs, played_pairs, unverified_pairs
from vectra_bot.report.text import Pairs, signed_sol

if TYPE_CHECKING:
    from vectra_bot.backtest.results.comparison import Comparison, Interval, Variant

COLUMNS = (
    "variant",
    "bets",
    "SOL per game",
    "95 % interval",
    "difference",
    "95 % interval",
    "p",
    "corrected",
)
"""Columns of the table of variants."""


def table_rows(found: Comparison) -> list[tuple[str, ...]]:
    """Return the cells of each variant."""
    return [_row(variant, found.baseline) for variant in found.variants]


def _row(variant: Variant, baseline: str) -> tuple[str, ...]:
    return (
        variant.name,
        str(variant.bets),
        signed_sol(variant.mean),
        interval_text(variant.interval),
        "baseline" if variant.name == baseline else signed_sol(variant.difference),
        "" if variant.difference is None else interval_text(variant.difference_interval),
        chance_text(variant.p),
        chance_text(variant.p_corrected),
    )


def interval_text(interval: Interval | None) -> str:
    """Return an interval in SOL as text."""
    if interval is None:
        return "too few bets"
    return f"{signed_sol(interval[0])} to {signed_sol(interval[1])}"


def chance_text(p: float | None) -> str:
    """Return a *p* as text, empty without one."""
    return "" if p is None else f"{p:.4f}"


def comparison_pairs(found: Comparison) -> Pairs:
    """Return names and values of *found*, a row for each variant."""
    rows: Pairs = [
        (
            variant.name,
            f"{signed_sol(variant.mean)} SOL per game, {_against(variant, found.baseline)}",
        )
        for variant in found.variants
    ]
    return [*rows, *about_pairs(found)]


def _against(variant: Variant, baseline: str) -> str:
    if variant.difference is None:
        return f"{'baseline' if variant.name == baseline else 'not compared'}, {variant.bets} bets"
    return (
        f"difference {signed_sol(variant.difference)}, {interval_text(variant.difference_interval)}, "
        f"corrected p {chance_text(variant.p_corrected)}, {variant.bets} bets"
    )


def about_pairs(found: Comparison) -> Pairs:
    """Return what applies to all variants: the answer, the games, how they were played."""
    rows: Pairs = [("Answer", line) for line in answers(found)]
    rows.append(("Games", f"{found.games}, the same for all variants (ended: {found.ended})"))
    rows += not_played_pairs(found.not_played, found.ended, found.unplayable)
    rows += unverified_pairs(dict.fromkeys(kind for v in found.variants for kind in v.unverified))
    played = dict.fromkeys(pair for v in found.variants for pair in played_pairs(v.played))
    return [*rows, *played, ("Latency", f"{found.latency_ms} ms one way"), ("Seed", found.seed)]


def answers(found: Comparison) -> list[str]:
    """Return a sentence for each variant that differs, and one for the rest."""
    from vectra_bot.backtest.results.comparison import LEVEL

    if not found.games:
        return ["nothing was compared: there is no game that all variants played"]
    others = found.variants[1:]
    different = [one for one in others if one.p_corrected is not None and one.p_corrected <= LEVEL]
    unsure = [one for one in others if one not in different and one.difference_interval is None]
    lines = [
        f"{one.name} makes {'more' if (one.difference or 0) > 0 else 'less'} than {found.baseline} "
        f"(corrected p {chance_text(one.p_corrected)})"
        for one in different
    ]
    if unsure:
        names = "the variants" if len(unsure) == len(others) else ", ".join(v.name for v in unsure)
        lines.append(f"too few games differ from those of {found.baseline} to judge {names}")
    return lines or ["no variant differs from the first by more than luck alone would make"]
