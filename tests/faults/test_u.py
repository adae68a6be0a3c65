"""Faults U: input, configuration. Each test is named after its fault; the page of faults names others."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.actions.strategies import Scripted
from tests.faults.rig import Rig
from tests.session.live.accounts import ACCOUNT, TOKEN, account_of, config_of, token_file
from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import Limits
from vectra_bot.errors import ConfigError, InputError, VectraError
from vectra_bot.models import OperatorKind
from vectra_bot.session.live.config import check_live
from vectra_bot.store.location import default_live_store, default_store
from vectra_bot.testing import Bench
from vectra_bot.venues.credentials import token_source

VENUE = "http://127.0.0.1:9"
NOW_NS = 1_800_000_000_000_000_000


@pytest.mark.parametrize(
    ("account", "live", "words"),
    [
        (ACCOUNT, {"enabled": False}, "enabled"),
        (None, {}, "--account"),
        ("did:privy:another", {}, "--account"),
        (ACCOUNT, {"account": None}, "account"),
        (ACCOUNT, {"terms": None}, "terms"),
        (ACCOUNT, {"terms": "yes, read"}, "terms"),
    ],
)
def test_u01_a_copied_configuration_is_not_enough(
    tmp_path: Path, account: str | None, live: dict[str, Any], words: str
) -> None:
    """Flag, account, the account typed again, the dated statement: each missing one is named in one line."""
    config = config_of(tmp_path, VENUE, account=account, live=account_of(tmp_path, **live))
    with pytest.raises(VectraError, match=words) as caught:
        check_live(config, NOW_NS)

    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("value", ["1,5", "0", "-1", "NaN", "1e9", "5000000000", None, True, "a"])
def test_u02_a_limit_that_is_none_is_refused(value: Any) -> None:
    """Field, value and range are in one line; amounts in lamports are too large to be SOL."""
    with pytest.raises(ConfigError, match="limit 'stake' was") as caught:
        Limits(stake=value)

    assert "SOL" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_u03_limits_are_fixed_for_a_session() -> None:
    """No attribute of the limits and of the gate's limits can be set while a session runs."""
    rig = Rig.of(limits=Limits(stake=Decimal("0.01")))
    limits = rig.bench.engine.tracker.book.gate.limits
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        limits.stake = Decimal(5)  # type: ignore[misc]
    (denied,) = rig.do(lambda a: a.buy("0.02"))

    assert denied.outcome is not None
    assert str(denied.outcome.error_reason).startswith("limit.stake")


def test_u04_at_the_largest_loss_entries_end_and_exits_continue() -> None:
    """What is open counts as lost; the position can be sold."""
    rig = Rig.of(lambda a: a.buy("0.05"), limits=Limits(session_loss=Decimal("0.05")))
    rig.bench.execute(rig.command)
    assert rig.why() == "limit.session_loss"
    rig.do(lambda a: a.sell())

    assert rig.command.percentage == 100


def test_u05_nothing_leaves_after_a_stop_and_a_halt_allows_exits() -> None:
    """HALT denies entries, STOP everything, permanently."""
    rig = Rig.holding()
    rig.operate(OperatorKind.HALT)
    assert not rig.enters()
    rig.do(lambda a: a.sell(50))
    sent = len(rig.bench.commands)
    rig.operate(OperatorKind.STOP)
    rig.operate(OperatorKind.RESUME)
    rig.do(lambda a: a.sell(), lambda a: a.buy("0.001"))

    assert (sent, len(rig.bench.commands)) == (2, 2)
    assert rig.bench.engine.standing.word == "blocked"


def test_u06_without_a_sign_of_the_operator_entries_are_halted() -> None:
    """After the time in the terms a session halts; a heartbeat in time keeps it armed."""
    terms = LiveTerms(account=Bench.player_id, fresh_ticks=2, dead_man_s=2.0)
    bench = Bench(Scripted(), live=terms)
    bench.start_game((1.0, 1.0, 1.0))
    bench.operate("arm")
    rig = Rig(bench)
    for _ in range(6):
        bench.tick(1.0)
    bench.operate("beat")
    for _ in range(6):
        bench.tick(1.0)
    assert rig.enters()
    for _ in range(9):
        bench.tick(1.0)

    assert not rig.enters()
    assert any("dead" in reason for reason in bench.engine.standing.reasons)


def test_u07_paper_and_live_have_separate_stores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By default and by environment; every document has its mode."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VECTRA_STORE", "VECTRA_LIVE_STORE"):
        monkeypatch.delenv(name, raising=False)
    assert default_live_store() != default_store()
    monkeypatch.setenv("VECTRA_STORE", str(tmp_path / "paper"))
    monkeypatch.setenv("VECTRA_LIVE_STORE", str(tmp_path / "live"))

    assert (default_store(), default_live_store()) == (tmp_path / "paper", tmp_path / "live")


@pytest.mark.parametrize("name", ["späß", "a b", "x" * 120, "linked", "{brace}", "-dash"])
def test_u08_odd_names_of_folders_work(tmp_path: Path, name: str) -> None:
    """A store in a folder with any name, also behind a link, keeps a session."""
    import vectra_bot

    folder = tmp_path / name
    if name == "linked":
        (tmp_path / "real").mkdir()
        folder.symlink_to(tmp_path / "real")
    report = vectra_bot.run("watch", games=1, seed=7, crowd=0, store=folder)

    assert report.games == 1
    assert any(folder.glob("doc_type=game_tick/*/*.parquet"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("file:{open}", "600"),
        ("file:{missing}", "cannot be read"),
        ("canary-7f3a9c-token", "env:NAME"),
        ("literal:canary-7f3a9c-token", "env:NAME"),
        ("env:VECTRA_NO_SUCH_TOKEN", "VECTRA_NO_SUCH_TOKEN"),
    ],
)
def test_u09_a_token_that_others_can_read_is_refused(tmp_path: Path, spec: str, words: str) -> None:
    """From a private file, the environment or a keyring alone; no message repeats a token."""
    path = token_file(tmp_path)
    path.chmod(0o644)
    text = spec.format(open=path, missing=tmp_path / "none")
    with pytest.raises((ConfigError, InputError), match=words) as caught:
        token_source(text).read()

    assert TOKEN not in str(caught.value)
