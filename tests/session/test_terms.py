"""The header of a live session: its limits and terms make the same engine in a replay and a recovery."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vectra_bot.actions.arming import LiveTerms
from vectra_bot.actions.limits import LIVE_LIMITS, Limits
from vectra_bot.engine import Engine
from vectra_bot.errors import JournalError
from vectra_bot.loading import resolve_strategy
from vectra_bot.models import Command, DocType, Mode, OperatorCommand, OperatorKind
from vectra_bot.params import configure
from vectra_bot.plugins import PluginManager
from vectra_bot.session.header import (
    SessionPlan,
    differing,
    engine_of,
    same_session,
    terms_of,
    watching_engine,
)
from vectra_bot.store.api import Place
from vectra_bot.testing import Bench

TERMS = LiveTerms(account=Bench.player_id, fresh_ticks=1, day_start_pnl=Decimal("-0.01"))
SOURCE = resolve_strategy("take-profit")


def header_of(path: Path, **about: Any) -> dict[str, Any]:
    """Return the header of a session, as a journal has it."""
    plan = SessionPlan(
        session_id="live-1",
        mode=Mode.LIVE,
        venue="venue.example",
        source=SOURCE,
        strategy=configure(SOURCE.cls, {}),
        place=Place(path),
        **about,
    )
    found: dict[str, Any] = json.loads(json.dumps(plan.header))
    return found


def engine_in(bench: Bench, engine: Engine) -> Bench:
    """Put *engine* into a bench whose session has not begun."""
    bench.engine = engine
    return bench


def held(engine: Engine) -> Bench:
    """Return a live session with a position, which was flattened; its venue answers nothing after that."""
    bench = engine_in(Bench(configure(SOURCE.cls, {}), connected=False), engine)
    bench.connect()
    bench.login()
    bench.start_game((1.0,))
    bench.ledger.buy(10_000_000, 1.0, 0)
    bench.update()
    bench.tick(1.0)
    bench.operate("arm")
    bench.operate("flatten")
    bench.tick(1.0)
    return bench


def test_a_header_makes_the_same_engine(tmp_path: Path) -> None:
    """Limits and terms of the session are those of its replay."""
    header = header_of(tmp_path, limits=LIVE_LIMITS, terms=TERMS)
    engine = engine_of(header, SOURCE, PluginManager())
    gate = engine.tracker.book.gate

    assert gate.limits == LIVE_LIMITS
    assert gate.arming.terms == TERMS == terms_of(header)
    assert gate.day_pnl == -10_000_000
    bench = held(engine)
    assert [command.action_type.value for command in bench.commands] == ["SELL"]


def test_p12_a_header_without_the_newer_keys_is_that_of_an_older_version(tmp_path: Path) -> None:
    """A paper session on defaults has the header that versions before these limits wrote."""
    header = header_of(tmp_path)

    assert header["limits"] == {
        "stake": "0.1",
        "session_loss": "0.5",
        "actions_per_game": 20,
        "leverage": 5,
    }
    assert "terms" not in header
    assert terms_of(header) is None
    older = {**header, "limits": {k: v for k, v in header["limits"].items() if k != "leverage"}}
    assert engine_of(older, SOURCE, PluginManager()).tracker.book.gate.limits == Limits()
    assert same_session(header, header_of(tmp_path))


def test_a_session_with_another_limit_is_another_session(tmp_path: Path) -> None:
    """The difference is named."""
    header = header_of(tmp_path, limits=LIVE_LIMITS, terms=TERMS)
    other = header_of(tmp_path, limits=Limits(day_loss="0.06"), terms=TERMS)

    assert not same_session(header, other)
    assert "limits.actions_per_minute was '60'" in differing(header, other)


@pytest.mark.parametrize(
    "wrong", [{"account": "a", "positions": "x"}, {"account": ""}, {"unknown": 1}, [], "x"]
)
def test_terms_that_cannot_be_used_are_the_journals_error(wrong: Any, tmp_path: Path) -> None:
    """One line, as for any other corrupt header."""
    with pytest.raises(JournalError, match="the journal's header cannot be used"):
        terms_of({**header_of(tmp_path), "terms": wrong})


def test_p01_a_recovery_flattens_nothing(tmp_path: Path) -> None:
    """The operator's command is an input of the journal; the sales it led to are read from it."""
    header = header_of(tmp_path, limits=LIVE_LIMITS, terms=TERMS)
    bench = held(watching_engine(header))
    effects = bench.engine.process(
        OperatorCommand(recv_ns=bench.now_ns, kind=OperatorKind.FLATTEN, reason="again")
    )

    assert bench.commands == []
    assert not [effect for effect in effects if isinstance(effect, Command)]
    assert [d for d in bench.documents if d.doc_type is DocType.PLAYER_ACTION] == []
