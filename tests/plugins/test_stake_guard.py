"""The bundled plugin stake-guard."""

from __future__ import annotations

from pathlib import Path

import vectra_bot
from vectra_bot.loading.plugins import list_plugins


def test_guard_is_off_unless_asked_for(store: Path) -> None:
    """Installed, listed, and off by default."""
    (info,) = [found for found in list_plugins() if found.name == "stake-guard"]

    report = vectra_bot.run("sidebet", games=1, seed=7, crowd=0)

    assert info.enabled_by_default is False
    assert set(report.actions) == {"CONFIRMED"}


def test_entry_above_the_share_is_denied(store: Path) -> None:
    """A stake above the share of the cash is never sent."""
    report = vectra_bot.run(
        "sidebet", games=2, seed=7, crowd=0, plugins={"stake-guard": {"max_share": 0.009}}
    )

    assert set(report.actions) == {"DENIED"}
    assert report.cash_end == report.cash_start


def test_entry_at_the_share_passes(store: Path) -> None:
    """The limit itself is allowed: 0.01 of 1 SOL."""
    report = vectra_bot.run(
        "sidebet",
        games=1,
        seed=7,
        crowd=0,
        settings={"start_tick": 1},
        plugins={"stake-guard": {"max_share": 0.01}},
    )

    assert report.actions["CONFIRMED"] >= 1


def test_exits_always_pass(store: Path) -> None:
    """A guard that allows entries of 1 % never stops a sale of everything."""
    report = vectra_bot.run(
        "take-profit",
        games=4,
        seed=7,
        crowd=0,
        settings={"target": 1.01},
        plugins={"stake-guard": {"max_share": 0.02}},
    )

    assert set(report.actions) == {"CONFIRMED"}
    assert report.actions["CONFIRMED"] > 4
