"""Comparisons of strategies over the same games: variants, their differences, pages."""

from __future__ import annotations

import json

import pytest

import vectra_bot
from tests.backtest.strategies import BUYER
from vectra_bot.backtest.asked.variants import variants_of
from vectra_bot.backtest.results.comparison import Comparison
from vectra_bot.backtest.results.comparison_text import about_pairs, table_rows
from vectra_bot.backtest.results.text import backtest_pairs
from vectra_bot.errors import ConfigError, UsageError
from vectra_bot.session import StopFlag


@pytest.fixture(scope="module")
def buyer(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("compare") / "buyer.py"
    path.write_text(BUYER)
    return str(path)


@pytest.fixture(scope="module")
def found(buyer: str) -> Comparison:
    """Return a comparison of three parameter sets over 150 games."""
    sets = [{"entry": 5}, {"entry": 30}, {"entry": 5, "target": 1.05}]
    return vectra_bot.compare(buyer, settings=sets, games=150, seed=7)


def test_each_variant_is_compared_with_the_first(found: Comparison) -> None:
    first, second, _ = found.variants

    assert (found.baseline, found.comparisons, found.games) == ("entry=5", 2, 150)
    assert (first.difference, first.p, first.p_corrected) == (None, None, None)
    assert second.mean is not None
    assert first.mean is not None
    assert float(second.difference or 0) == pytest.approx(float(second.mean - first.mean), abs=2e-9)
    assert second.p is not None
    assert second.p <= (second.p_corrected or 0) <= 1


def test_a_variant_is_a_backtest_of_the_same_games(buyer: str, found: Comparison) -> None:
    alone = vectra_bot.backtest(buyer, games=150, seed=7, settings={"entry": 30})

    assert found.variants[1].pnl == alone.pnl
    assert found.variants[1].interval == alone.pnl_interval


def test_json_page_and_text(found: Comparison) -> None:
    """The JSON has what is promised for each variant, the page its numbers and no script."""
    data = json.loads(json.dumps(found.to_json()))
    keys = {"name", "mean", "interval", "difference", "p", "p_corrected"}

    assert all(keys <= set(variant) for variant in data["variants"])
    assert "<script" not in found.to_html()
    assert 'data-key="variants[1].difference"' in found.to_html()
    assert "entry=30" in str(found)


def test_a_real_difference_is_said(buyer: str) -> None:
    """A strategy that only loses is found worse than one that does nothing."""
    found = vectra_bot.compare(
        "watch", buyer, settings=[{}], games=400, seed=7, limits={"stake": "0.01"}
    )

    assert found.variants[0].bets == 0
    assert found.variants[1].bets > 300


@pytest.mark.parametrize(
    ("specs", "texts", "names"),
    [
        (["s"], ["a=1", "a=2"], ["a=1", "a=2"]),
        (["s"], ["a=1", "b=9", "a=2"], ["a=1", "a=2"]),
        (["s"], ["a=1", "a=2", "b=3", "b=4"], ["a=1 b=3", "a=1 b=4", "a=2 b=3", "a=2 b=4"]),
        (["s", "t"], ["a=1"], ["s", "t"]),
        (["s", "t"], ["a=1", "a=2"], ["s a=1", "s a=2", "t a=1", "t a=2"]),
    ],
)
def test_names_of_variants(specs: list[str], texts: list[str], names: list[str]) -> None:
    """Variants are every combination, named by what distinguishes them, the last key fastest."""
    assert [name for name, _, _ in variants_of(specs, texts)] == names


@pytest.mark.parametrize(
    ("specs", "texts", "message"),
    [
        (["s"], ["a=1"], "s is one variant only: give another strategy"),
        (["s", "s"], [], "variant s was given twice"),
        (["s"], ["a=1", "a=1"], "variant a=1 was given twice"),
        (["s"], [f"a={n}" for n in range(201)], "201 variants were given: give at most 200"),
    ],
)
def test_refused_variants(specs: list[str], texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        variants_of(specs, texts)


def test_one_variant_in_python_is_refused() -> None:
    with pytest.raises(ConfigError, match="compare\\(\\) got 1 variants: give two or more"):
        vectra_bot.compare("watch", games=1, seed=1)


def answer(found: Comparison) -> list[object]:
    return [value for name, value in about_pairs(found) if name == "Answer"]


def test_nothing_is_said_of_games_that_were_not_played() -> None:
    """A comparison that was stopped before every variant has a game says that it compares nothing."""
    stop = StopFlag()
    stop.set("SIGINT")
    found = vectra_bot.compare("take-profit", "watch", "sidebet", games=5, seed=7, stop=stop)

    assert (found.games, found.not_played) == (0, 5)
    assert answer(found) == ["nothing was compared: there is no game that all variants played"]
    assert [row[4] for row in table_rows(found)] == ["baseline", "unknown", "unknown"]
    assert str(found).count("baseline") == 1


def test_few_games_are_no_answer(buyer: str) -> None:
    """Where too few games differ for an interval it is not said that there is no difference."""
    few = vectra_bot.compare(buyer, "watch", games=3, seed=7)
    some = vectra_bot.compare(
        buyer, settings=[{"entry": 5}, {"entry": 30}, {"entry": 5, "target": 1.5}], games=60, seed=7
    )

    assert answer(few) == [f"too few games differ from those of {buyer} to judge the variants"]
    assert some.variants[2].difference_interval is None
    assert answer(some)[-1] == (
        "too few games differ from those of entry=5 to judge entry=5 target=1.5"
    )


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [("leveraged", "leverage"), ("short", "shorts"), ("bbc", "side games"), ("sidebet", None)],
)
def test_assumed_payoffs_are_marked(strategy: str, kind: str | None) -> None:
    """Text, page and JSON of a backtest and a comparison name what no capture shows the venue pay."""
    report = vectra_bot.backtest(strategy, games=3, seed=7)
    found = vectra_bot.compare("watch", strategy, games=3, seed=7)
    kinds = [] if kind is None else [kind]

    assert report.to_json()["unverified"] == kinds
    assert [one["unverified"] for one in found.to_json()["variants"]] == [[], kinds]
    line = f"{kind}, whose terms no capture shows"
    for text in (str(report), report.to_html(), str(found), found.to_html()):
        assert (line in text) == (kind is not None)
    unknown = f"unknown: the payoff of {kind} is unverified"
    assert (dict(backtest_pairs(report))["Expected"] == unknown) == (
        kind in report.expected_without
    )
