"""A comparison as text, for the terminal and ``print(comparison)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectra_bot.backtest.results.text import not_played_pairs, played_pairs
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


def table_row(variant: Variant) -> tuple[str, ...]:
    """Return the cells of a variant."""
    return (
        variant.name,
        str(variant.bets),
        signed_sol(variant.mean),
        interval_text(variant.interval),
        "baseline" if variant.difference is None else signed_sol(variant.difference),
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
        (variant.name, f"{signed_sol(variant.mean)} SOL per game, {_against(variant)}")
        for variant in found.variants
    ]
    return [*rows, *about_pairs(found)]


def _against(variant: Variant) -> str:
    if variant.difference is None:
        return f"baseline, {variant.bets} bets"
    return (
        f"difference {signed_sol(variant.difference)}, {interval_text(variant.difference_interval)}, "
        f"corrected p {chance_text(variant.p_corrected)}, {variant.bets} bets"
    )


def about_pairs(found: Comparison) -> Pairs:
    """Return what applies to all variants: the answer, the games, how they were played."""
    rows: Pairs = [("Answer", line) for line in answers(found)]
    rows.append(("Games", f"{found.games}, the same for all variants (ended: {found.ended})"))
    rows += not_played_pairs(found.not_played, found.ended, found.unplayable)
    played = dict.fromkeys(pair for v in found.variants for pair in played_pairs(v.played))
    return [*rows, *played, ("Latency", f"{found.latency_ms} ms one way"), ("Seed", found.seed)]


def answers(found: Comparison) -> list[str]:
    """Return a sentence for each variant that differs, or one that says that none does."""
    from vectra_bot.backtest.results.comparison import LEVEL

    lines = [
        f"{variant.name} makes {'more' if variant.difference > 0 else 'less'} than {found.baseline} "
        f"(corrected p {chance_text(variant.p_corrected)})"
        for variant in found.variants
        if variant.p_corrected is not None
        and variant.difference is not None
        and variant.p_corrected <= LEVEL
    ]
    return lines or ["no variant differs from the first by more than luck alone would make"]
