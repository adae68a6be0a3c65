"""Options of a session: each is accepted or refused with one clear error."""

from __future__ import annotations

import contextlib
import io
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectra_bot
from tests.session.strategies import Counting
from vectra_bot import Limits, SessionConfig
from vectra_bot.cli import main as shell
from vectra_bot.errors import ConfigError, InputError, StoreError, StrategyError
from vectra_bot.imports.run import import_paths
from vectra_bot.session.config import config_of


class Unprintable:
    """An object whose repr fails even in an error message."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strategy": Counting()}, ["Counting", "give the class", "settings="]),
        ({"strategy": dict}, ["<class 'dict'>", "inherits vectra_bot.Strategy"]),
        ({"strategy": None}, ["strategy was None"]),
        ({"strategy": Unprintable()}, ["Unprintable"]),
        ({"cash": "abc"}, ["cash was 'abc'", "nine places"]),
        ({"cash": float("nan")}, ["cash was nan"]),
        ({"cash": 1e-10}, ["cash was 1e-10"]),
        ({"cash": "-1"}, ["cash was '-1'", "from 0"]),
        ({"cash": Decimal("Infinity")}, ["cash was Decimal('Infinity')"]),
        ({"cash": None}, ["cash was None"]),
        ({"cash": True}, ["cash was True"]),
        ({"latency_ms": "70"}, ["latency_ms was '70'", "whole number"]),
        ({"latency_ms": -1}, ["latency_ms was -1"]),
        ({"latency_ms": 7.5}, ["latency_ms was 7.5"]),
        ({"speed": "fast"}, ["speed was 'fast'", "max"]),
        ({"speed": 0}, ["speed was 0"]),
        ({"speed": True}, ["speed was True"]),
        ({"speed": float("inf")}, ["speed was inf"]),
        ({"settings": [1]}, ["settings was of type list", "dict"]),
        ({"settings": {5: 1}}, ["settings: it has a key that is not text"]),
        ({"store": 3}, ["store was 3", "path"]),
        ({"store": "~no-such-user-here/x"}, ["no-such-user-here"]),
        ({"exchange_log": b"x"}, ["exchange_log was b'x'"]),
        ({"limits": {"stakes": 1}}, ["'stakes'", "did you mean stake"]),
        ({"limits": {5: 1}}, ["limits has no 5"]),
        ({"limits": {"stake": "much"}}, ["'stake' was 'much'"]),
        ({"limits": {"stake": "0.12345678901"}}, ["'stake'", "9 places"]),
        ({"limits": {"actions_per_game": "3"}}, ["actions_per_game"]),
        ({"limits": 3}, ["limits was 3", "Limits(...)"]),
        ({"games": True}, ["games was True"]),
        ({"games": "3"}, ["games was '3'"]),
        ({"seed": "x"}, ["seed was 'x'"]),
        ({"seed": 2**63}, ["seed was"]),
        ({"crowd": "many"}, ["crowd was 'many'"]),
        ({"crowd": 10**6}, ["crowd was 1000000", "3000"]),
        ({"plugins": 5}, ["plugins was of type int", "a list of plugins"]),
        ({"plugins": {"stake-guard": 3}}, ["plugins['stake-guard'] was of type int"]),
        ({"enable_plugins": 5}, ["enable_plugins was 5"]),
        ({"disable_plugins": [5]}, ["disable_plugins was [5]"]),
        ({"session_id": 5}, ["session_id was 5", "text"]),
        ({"restore_from": 5}, ["restore_from was 5"]),
        ({"start_ns": 1.5}, ["start_ns was 1.5"]),
        ({"wire_format": ["feb"]}, ["wire_format was ['feb']", "feb, dec"]),
        ({"observer": 5}, ["observer was 5", "update"]),
        ({"stop": "now"}, ["stop was 'now'"]),
        ({"recover": "no"}, ["recover was 'no'"]),
        ({"game": 3}, ["no option 'game'", "did you mean games"]),
        ({"zzz": 3}, ["no option 'zzz'", "the options are venue"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_wrong_option_is_one_clear_error(
    store: Path, options: dict[str, Any], words: list[str]
) -> None:
    """The message gives the option, the value, and what to give; nothing is written."""
    with pytest.raises(ConfigError) as caught:
        vectra_bot.run(**{"strategy": "watch", **options})

    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not store.exists()


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("cash", "0.5", Decimal("0.5")),
        ("cash", 0.1, Decimal("0.1")),
        ("cash", 2, Decimal(2)),
        ("speed", None, None),
        ("speed", "max", None),
        ("speed", 2, 2.0),
        ("settings", None, {}),
        ("plugins", None, {}),
        ("plugins", [Path("p.py"), str], ("p.py", str)),
        ("plugins", str, (str,)),
        ("plugins_dir", "plugins", Path("plugins")),
        ("block_plugins", ["a"], ("a",)),
        ("plugins", {"stake-guard": None}, {"stake-guard": {}}),
        ("enable_plugins", "stake-guard", ("stake-guard",)),
        ("enable_plugins", ["a", "b"], ("a", "b")),
        ("store", "some/where", Path("some/where")),
        ("exchange_log", None, None),
        ("limits", None, Limits()),
        ("limits", {"stake": 0.1}, Limits(stake=Decimal("0.1"))),
        ("limits", {"stake": "0.2", "session_loss": 1}, Limits(stake="0.2", session_loss=1)),
        ("strategy", Path("./bot.py"), "bot.py"),
    ],
)
def test_what_is_clear_is_taken(name: str, value: Any, taken: Any) -> None:
    """A value with one possible meaning is accepted, by run() and by SessionConfig alike."""
    given_options = {name: value} if name != "strategy" else {}
    strategy = value if name == "strategy" else "watch"
    for config in (
        config_of(SessionConfig, "run", given_options, strategy=strategy),
        SessionConfig(strategy=strategy, **given_options),
    ):
        assert getattr(config, name) == taken


def test_settings_are_the_configs_own() -> None:
    """Changing a dictionary afterwards does not change a config."""
    settings: dict[str, Any] = {"stake": "0.01"}
    plugins: dict[str, Any] = {"stake-guard": {"max_share": 0.1}}
    config = SessionConfig(strategy="watch", settings=settings, plugins=plugins)
    settings["stake"] = "9"
    plugins["stake-guard"]["max_share"] = 9
    assert config.settings == {"stake": "0.01"}
    assert config.plugins == {"stake-guard": {"max_share": 0.1}}


@pytest.mark.parametrize(
    ("value", "taken"),
    [(0.1, "0.1"), ("0.25", "0.25"), (2, "2"), (1e-9, "1E-9"), (Decimal("0.10"), "0.10")],
)
def test_limits_take_every_kind_of_number(value: Any, taken: str) -> None:
    """A float counts by its shortest decimal; text and whole numbers are accepted unchanged."""
    assert str(Limits(stake=value).stake) == taken


@pytest.mark.parametrize(
    "value",
    [Decimal("0.12345678901"), 1e-10, "1e30", "NaN", float("inf"), None, [1], True, Unprintable()],
    ids=["eleven", "tiny", "huge", "nan", "inf", "none", "list", "true", "unprintable"],
)
def test_limits_refuse_what_is_no_amount(value: Any) -> None:
    """An amount of SOL is positive, finite, and has at most nine places."""
    with pytest.raises(ConfigError, match="limit 'stake'"):
        Limits(stake=value)


@pytest.mark.parametrize("cash", [10**19, Decimal("1e40"), "1" * 60, Decimal("1e-10"), 1e300])
def test_cash_of_any_size_is_judged(cash: Any) -> None:
    """More digits than a decimal context has are out of range, not an arithmetic error."""
    with pytest.raises(ConfigError, match="cash"):
        SessionConfig(strategy="watch", cash=cash)


_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.decimals(),
    st.binary(max_size=4), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)  # fmt: skip


@given(name=st.sampled_from([a.name for a in SessionConfig.__attrs_attrs__]), value=_ANYTHING)
def test_no_option_raises_anything_else(name: str, value: Any) -> None:
    """For any value of an option, a config is made or a ConfigError says why not."""
    options = {"strategy": "watch", name: value}
    try:
        config = SessionConfig(**options)
    except ConfigError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
    else:
        assert config.games >= 1


def test_a_strategy_that_cannot_be_made_writes_nothing(store: Path) -> None:
    """What __attrs_post_init__ raises ends the run as a StrategyError before anything is stored."""

    class Dividing(vectra_bot.Strategy):
        watches = True

        def __attrs_post_init__(self) -> None:
            raise ZeroDivisionError("post init")

    with pytest.raises(StrategyError, match="Dividing cannot be created: ZeroDivisionError"):
        vectra_bot.run(Dividing, games=1)
    assert not store.exists()


def test_a_store_that_is_a_file_is_named(tmp_path: Path) -> None:
    """A file in place of the store is reported with its path, and does not change."""
    file = tmp_path / "plain"
    file.write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        vectra_bot.run("watch", games=1, store=file)

    assert file.read_text() == "mine"


def test_a_taken_session_id_names_what_differs(store: Path) -> None:
    """The error says in which fact the two runs differ."""
    vectra_bot.run("watch", games=1, seed=7, crowd=0, store=store, session_id="S")
    with pytest.raises(StoreError, match=r"games was '1', now '2'"):
        vectra_bot.run("watch", games=2, seed=7, crowd=0, store=store, session_id="S")


@pytest.mark.parametrize("session_id", ["7", "007", "1e5", "1.5", "10."])
def test_a_session_id_is_not_a_number(store: Path, tmp_path: Path, session_id: str) -> None:
    """An id that pandas reads as a number is refused in one line, by runs and imports; nothing is written."""
    with pytest.raises(InputError, match="which pandas reads as a number: begin it with a letter"):
        vectra_bot.run("watch", games=1, store=store, session_id=session_id)
    table = pa.table({"game_id": ["g-1"], "tick": [0], "price": [1.0]})
    (tmp_path / "doc_type=game_tick").mkdir()
    path = tmp_path / "doc_type=game_tick" / "a.parquet"
    pq.write_table(table, path)
    with pytest.raises(InputError, match="which pandas reads as a number"):
        import_paths(path, tmp_path / "imported", session_id=session_id)
    assert not list(tmp_path.rglob("session_id=*"))
    assert not store.exists()


def test_pandas_reads_the_ids_that_are_allowed(store: Path) -> None:
    """A folder of sessions whose ids begin with digits is read as text."""
    pandas = pytest.importorskip("pandas")
    for session_id in ("7a", "1e5x", "2026-01-01"):
        vectra_bot.run("watch", games=1, seed=7, crowd=0, store=store, session_id=session_id)
        frame = pandas.read_parquet(store / "doc_type=game_tick" / f"session_id={session_id}")
        assert set(frame["session_id"]) == {session_id}
    whole = pandas.read_parquet(store / "doc_type=game_tick")
    assert set(whole["session_id"]) == {"7a", "1e5x", "2026-01-01"}


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_store_is_an_error(
    blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset variable in `--store "$DIR"` is neither the default store nor the current folder."""
    monkeypatch.chdir(tmp_path)
    said = f"store was {blank!r}: give a folder"
    for command in (
        ["run", "watch", "--games", "1"], ["record", "--venue", "http://127.0.0.1:9"], ["store", "check"],
        ["store", "recover"], ["store", "stats"], ["store", "compact", "--all"],
        ["store", "drop", "S", "--yes"], ["store", "import", str(tmp_path)], ["store", "migrate"],
        ["query", "sessions"],
    ):  # fmt: skip
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            code = shell.main([*command, "--store", blank])
        assert (code in (2, 3, 4), said in err.getvalue()) == (True, True), (
            command,
            err.getvalue(),
        )
    for call in (vectra_bot.check_store, vectra_bot.recover_store, vectra_bot.compact_store):
        with pytest.raises(InputError, match="give a folder"):
            call(blank)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("file", "which is not a folder"),
        ("file/below", "file is not a folder"),
        ("fifo", "which is not a folder"),
        ("/dev/null", "which is not a folder"),
        ("loop", "which is a symbolic link that leads to itself"),
        ("loop/below", "loop is a symbolic link that leads to itself"),
        ("dangling", "which is a symbolic link that leads to nothing"),
    ],
)
def test_store_that_cannot_be_a_folder(name: str, said: str, tmp_path: Path) -> None:
    """Each is named in one line before anything is written; commands that read find no store there."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("missing")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=f"^store was '.*', .*{said}: give a folder's path$"):
        vectra_bot.run("watch", games=1, store=tmp_path / name)
    with pytest.raises(InputError, match="no store at"):
        vectra_bot.check_store(tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before
