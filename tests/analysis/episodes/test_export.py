"""Datasets: tables, card, formats, leaks found in files; whole or not at all; the same bytes each time."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.analysis.episodes.games import law_documents, law_game
from tests.models.strategies import any_document
from tests.store.samples import SESSION, memory_folder, tick_document, trade_document
from tests.store.stores import write_documents
from vectra_bot.analysis.episodes.card import readme_of
from vectra_bot.analysis.episodes.check import check_folder
from vectra_bot.analysis.episodes.columns import ACTION, OBSERVATION, STEPS
from vectra_bot.analysis.episodes.export import ExportOptions, export_dataset
from vectra_bot.analysis.episodes.leaks import by_episode
from vectra_bot.analysis.episodes.minari_format import dataset_id
from vectra_bot.analysis.episodes.source import StoreSource
from vectra_bot.analysis.episodes.split import Shares
from vectra_bot.analysis.episodes.staging import staged
from vectra_bot.analysis.episodes.tables import TABLES, schema_of
from vectra_bot.errors import CheckFailed, InputError, StoreError, UnknownNameError, UsageError
from vectra_bot.models import (
    ActionState,
    ActionType,
    Actor,
    DocType,
    Document,
    MLEpisode,
    Mode,
    PlayerAction,
)
from vectra_bot.store.query.catalog import open_store

SPLIT = Shares.of("0.5,0.25,0.25")
OPTIONS = ExportOptions(shares=SPLIT)
Steps: TypeAlias = dict[str, list[Any]]

needs_minari = pytest.mark.skipif(
    importlib.util.find_spec("minari") is None, reason="needs the extra rl: Minari is not installed"
)


def _export(store: Path, out: Path, options: ExportOptions = OPTIONS) -> dict[str, Any]:
    with open_store(store) as catalog:
        return export_dataset(catalog, out, options)


@pytest.fixture(scope="module")
def dataset(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Parquet dataset; tests change copies only."""
    out = tmp_path_factory.mktemp("datasets") / "parquet"
    _export(played, out)
    return out


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _sum(folder: Path, sql: str) -> Any:
    text = sql.replace("DATASET", str(folder))
    with duckdb.connect() as connection:
        return connection.execute(text).fetchall()


def test_returns_equal_the_ledger(dataset: Path, played: Path) -> None:
    """By game, to the lamport: rewards of the steps, and the profit that the engine stored."""
    steps = _sum(
        dataset, "SELECT game_id, sum(reward) FROM 'DATASET/*/steps.parquet' GROUP BY 1 ORDER BY 1"
    )
    with open_store(played) as catalog:
        stored = catalog.sql(
            "SELECT game_id, sum(final_pnl) * 1000000000 FROM ml_episode GROUP BY 1 ORDER BY 1"
        ).rows
    assert steps == stored
    assert len(steps) >= 7


def test_every_column_is_documented(dataset: Path) -> None:
    """Schema, unit and meaning are in the files."""
    for table in TABLES:
        schema = pq.read_schema(dataset / "train" / f"{table}.parquet")
        assert schema.equals(schema_of(table))
    schema = pq.read_schema(dataset / "train" / "steps.parquet")
    for column in STEPS:
        about = schema.field(column.name).metadata
        assert about == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
    names = set(pq.read_schema(dataset / "train" / "episodes.parquet").names)
    assert {attribute.name for attribute in attrs.fields(MLEpisode)} <= names


def test_steps_join_the_store_by_action(dataset: Path, played: Path) -> None:
    """Each action that was asked for is in one step, with what was asked."""
    ids = _sum(
        dataset,
        "SELECT unnest(action_ids), count(*) FROM 'DATASET/*/steps.parquet' GROUP BY 1 ORDER BY 1",
    )
    with open_store(played) as catalog:
        asked = catalog.sql(
            "SELECT action_id, 1 FROM player_action WHERE state NOT IN ('DENIED', 'NOT_SENT') ORDER BY 1"
        ).rows
    assert ids == asked
    bought = _sum(
        dataset,
        "SELECT sum(action_buy), (SELECT sum(amount) FROM 'DATASET/*/actions.parquet' "
        "WHERE action_type = 'BUY')"
        " FROM 'DATASET/*/steps.parquet'",
    )
    assert bought[0][0] == bought[0][1] > 0


def test_the_card_says_what_is_there(dataset: Path, played: Path) -> None:
    """Counts, hashes, law, licence, versions, coverage, seeds; the same in card.json and README.md."""
    card = json.loads((dataset / "card.json").read_text(encoding="utf-8"))
    assert card["law_versions"] == ["v3"]
    assert card["licence"] == "MIT"
    assert {session["seed"] for session in card["sessions"]} == {40, 41, 42}
    assert {session["venue"] for session in card["sessions"]} == {"embedded"}
    assert card["coverage"]["records"]["stored"] == sum(
        s["episodes"] for s in card["sets"].values()
    )
    assert card["coverage"]["rows_skipped"] == {}
    described = {entry["path"] for entry in card["files"]}
    assert described == _files(dataset).keys() - {"card.json", "README.md"}
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert card["content_sha256"] in text
    assert all(f"`{column.name}`" in text for column in (*OBSERVATION, *ACTION))
    assert str(played) not in json.dumps(card)


def test_sets_are_by_time(dataset: Path) -> None:
    """No game is in two, and later sets have later games."""
    spans = _sum(
        dataset,
        "SELECT split_part(filename, '/', -2), min(game_started_ns), max(game_started_ns), count(*) "
        "FROM read_parquet('DATASET/*/episodes.parquet', filename=true) GROUP BY 1 ORDER BY 2",
    )
    assert [span[0] for span in spans] == ["train", "validation", "test"]
    assert all(before[2] < after[1] for before, after in pairwise(spans))


def test_the_same_store_gives_the_same_bytes(dataset: Path, played: Path, tmp_path: Path) -> None:
    """Wherever it is written to."""
    _export(played, tmp_path / "again")
    assert _files(tmp_path / "again") == _files(dataset)


def test_one_session_alone(played: Path, tmp_path: Path) -> None:
    """Others are skipped; a name that the store does not have is an error."""
    with open_store(played) as catalog:
        session = catalog.sessions[0]
    card = _export(played, tmp_path / "one", attrs.evolve(OPTIONS, sessions=(session,)))
    assert [entry["session_id"] for entry in card["sessions"]] == [session]
    with pytest.raises(UnknownNameError, match="no session is named 'nobody'"):
        _export(played, tmp_path / "two", attrs.evolve(OPTIONS, sessions=("nobody",)))
    assert not (tmp_path / "two").exists()


def test_many_games_are_read_in_parts(played: Path) -> None:
    """One game at a time gives the same episodes."""
    with open_store(played) as catalog:
        whole, parts = StoreSource(catalog), StoreSource(catalog, span=1)
        for session in whole.sessions():
            one, other = list(whole.episodes(session)), list(parts.episodes(session))
            assert [e.record for e in one] == [e.record for e in other]
            assert [e.observations for e in one] == [e.observations for e in other]
            assert [e.actions for e in one] == [e.actions for e in other]
        assert whole.coverage == parts.coverage


# Leaks in files.


def _changed(
    dataset: Path, folder: Path, column: str, change: Callable[[Steps], list[Any]]
) -> Path:
    """Return a copy of a dataset in which *change* gives a column of each episode's steps."""
    copy = folder / "changed"
    shutil.copytree(dataset, copy)
    for path in copy.glob("*/steps.parquet"):
        schema, steps = pq.read_schema(path), pq.read_table(path).to_pydict()
        steps[column] = [value for episode in by_episode(steps) for value in change(episode)]
        pq.write_table(pa.table(steps, schema=schema), path)
    return copy


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("obs_peak", lambda s: [max(s["obs_peak"])] * len(s["step"]), "obs_peak: does not follow"),
        ("obs_price", lambda s: s["next_obs_price"], "obs_price: is not 1 at tick 0"),
        (
            "next_obs_cash",
            lambda s: s["obs_cash"],
            "next_obs_cash: is not the observation of the next",
        ),
        ("reward", lambda s: [value + 1 for value in s["reward"]], "reward: is not the change"),
        ("game_id", lambda s: ["other"] * len(s["step"]), "game_id: is not that of episode"),
    ],
    ids=["peak", "price", "cash", "reward", "game"],
)
def test_a_leak_in_a_file_is_found(
    column: str,
    change: Callable[[Steps], list[Any]],
    message: str,
    dataset: Path,
    tmp_path: Path,
) -> None:
    """By the check of a dataset that somebody changed."""
    assert check_folder(dataset).leaks == []
    found = check_folder(_changed(dataset, tmp_path, column, change))
    assert any(message in str(leak) for leak in found.leaks)


def test_a_column_that_is_not_documented_is_found(dataset: Path, tmp_path: Path) -> None:
    """Whatever it holds."""
    copy = tmp_path / "more"
    shutil.copytree(dataset, copy)
    path = copy / "train" / "steps.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("rug_tick", pa.array([1] * table.num_rows)), path)
    (leak,) = check_folder(copy).leaks
    assert str(leak) == "rug_tick: is not a documented column of steps.parquet"


def test_a_game_that_was_copied_to_another_set_is_found(dataset: Path, tmp_path: Path) -> None:
    """Both sets are named."""
    copy = tmp_path / "copied"
    shutil.copytree(dataset, copy)
    for table in TABLES:
        shutil.copy(copy / "train" / f"{table}.parquet", copy / "test" / f"{table}.parquet")
    messages = [leak.message for leak in check_folder(copy).leaks]
    assert any("is in test and train" in message for message in messages)


@pytest.mark.parametrize(
    "harm", ["no card", "no file", "truncated", "column missing", "format", "flipped"]
)
def test_what_cannot_be_read_is_an_error(harm: str, dataset: Path, tmp_path: Path) -> None:
    """One line with the file and what to do."""
    copy = tmp_path / "broken"
    shutil.copytree(dataset, copy)
    path = copy / "train" / "steps.parquet"
    if harm == "no card":
        (copy / "card.json").unlink()
    elif harm == "no file":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif harm == "flipped":
        data = bytearray(path.read_bytes())
        data[1000] ^= 255
        path.write_bytes(bytes(data))
    elif harm == "format":
        (copy / "card.json").write_text('{"format": "hdf5", "kind": "episodes"}', encoding="utf-8")
    else:
        pq.write_table(pq.read_table(path).drop_columns(["reward"]), path)
    with pytest.raises(InputError) as caught:
        check_folder(copy)
    assert "\n" not in str(caught.value)
    assert "broken" in str(caught.value)


# Whole or not at all.


def _read_beside(folder: Path) -> None:
    """Write half of a dataset and fail."""
    (folder / "half").write_text("half", encoding="utf-8")
    (folder / "missing").read_bytes()


def test_nothing_is_overwritten_unless_asked(dataset: Path, played: Path, tmp_path: Path) -> None:
    """And only a dataset is replaced."""
    copy = tmp_path / "data"
    shutil.copytree(dataset, copy)
    with pytest.raises(UsageError, match="exists: give another folder, or --force"):
        _export(played, copy)
    one = attrs.evolve(OPTIONS, force=True, shares=Shares.of("1,0,0"))
    assert _export(played, copy, one)["sets"]["test"]["episodes"] == 0
    assert json.loads((copy / "card.json").read_text(encoding="utf-8"))["shares"] == ["1", "0", "0"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("keep", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a dataset that was exported"):
        _export(played, tmp_path / "mine", one)
    assert _names(tmp_path) == ["data", "mine"]
    assert _names(tmp_path / "mine") == ["letter"]


def test_a_failed_export_leaves_nothing(played: Path, tmp_path: Path) -> None:
    """Neither a folder nor a temporary one."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError):
        _export(played, tmp_path / "file" / "data")
    with (
        pytest.raises(FileNotFoundError, match="missing"),
        staged(tmp_path / "x", force=False, replaceable=bool) as folder,
    ):
        _read_beside(folder)
    assert _names(tmp_path) == ["file"]


def test_two_exports_to_one_folder_do_not_mix(tmp_path: Path) -> None:
    """The second is refused while the first is writing, and what a killed one left is removed."""
    (tmp_path / ".x.tmp" / "new").mkdir(parents=True)
    (tmp_path / ".x.tmp" / "new" / "old").write_text("left", encoding="utf-8")
    with staged(tmp_path / "x", force=False, replaceable=bool) as folder:
        assert _names(folder) == []
        (folder / "part").write_text("one", encoding="utf-8")
        with (
            pytest.raises(UsageError, match="is being written by another process"),
            staged(tmp_path / "x", force=False, replaceable=bool),
        ):
            raise AssertionError
    assert _names(tmp_path) == ["x"]
    assert _names(tmp_path / "x") == ["part"]


# Hostile stores.


def test_a_store_in_which_nobody_acted(tmp_path: Path) -> None:
    """Is an error that says what to do."""
    write_documents(tmp_path / "store", [])
    (tmp_path / "store" / "doc_type=game_tick").mkdir(parents=True)
    for imitation, message in ((False, "run a strategy first"), (True, "record a feed first")):
        options = attrs.evolve(OPTIONS, imitation=imitation)
        with pytest.raises(InputError, match=message):
            _export(tmp_path / "store", tmp_path / "out", options)


_KINDS = st.sampled_from([kind for kind in ActionType if not kind.is_local])
_STATES = st.sampled_from(
    [ActionState.CONFIRMED, ActionState.EXECUTED_LATE, ActionState.UNRESOLVED]
)
_MINE = {"session_id": SESSION, "player_id": "me", "mode": Mode.PAPER}


@st.composite
def _documents(draw: st.DrawFn) -> list[Document]:
    """Draw documents of every kind about two games, in any order."""
    found = []
    for _ in range(draw(st.integers(1, 25))):
        doc_type, record = draw(any_document())
        game = draw(st.sampled_from(["g-1", "g-2"]))
        own = {
            name: value
            for name, value in {**_MINE, "game_id": game}.items()
            if hasattr(record, name)
        }
        record = attrs.evolve(record, **own)
        if isinstance(record, PlayerAction):
            kind, state = draw(_KINDS), draw(_STATES)
            record = attrs.evolve(record, actor=Actor.BOT, action_type=kind, state=state)
        now = draw(st.integers(-(2**62), 2**62))
        about = {"ts_ns": now, "source": "engine", "game_id": game, "player_id": "me"}
        found.append(Document(doc_type=doc_type, record=record, **about))
    return found


@settings(max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(_documents())
def test_any_documents_are_exported_or_refused(documents: list[Document]) -> None:
    """A record of any valid values ends in a dataset that passes its check, or in one of our errors."""
    with memory_folder() as folder:
        store, out = Path(folder) / "store", Path(folder) / "out"
        write_documents(store, documents)
        for imitation in (False, True):
            try:
                _export(store, out, attrs.evolve(OPTIONS, force=True, imitation=imitation))
            except InputError:
                continue
            assert check_folder(out).leaks == []


@settings(max_examples=5)
@given(st.data())
def test_any_order_of_a_session_is_exported(data: st.DataObject) -> None:
    """Documents of games of the law, some of them lost, twice or in another order."""
    chosen = data.draw(st.lists(st.sampled_from(law_documents(3)), min_size=40, max_size=80))
    with memory_folder() as folder:
        store, out = Path(folder) / "store", Path(folder) / "out"
        write_documents(store, [*law_documents(1), *chosen], "s-law")
        _export(store, out)
        assert check_folder(out).leaks == []


def test_hostile_texts_are_harmless(dataset: Path) -> None:
    """A venue named by Markdown, and a licence with line feeds, stay text in the card for people."""
    card = json.loads((dataset / "card.json").read_text(encoding="utf-8"))
    card["sessions"][0]["venue"] = "](http://x) <script>\x1b[2J"
    card["licence"] = "one\n# two"
    text = readme_of(card)
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\n# two" not in text


def test_games_of_the_law_are_exported(tmp_path: Path) -> None:
    """Of a store that has no episodes of the engine."""
    write_documents(tmp_path / "store", law_documents(30), "s-law")
    card = _export(tmp_path / "store", tmp_path / "out")
    assert card["coverage"]["records"] == {"stored": 0, "different": 0, "computed": 30}
    assert card["leak_check"]["tests"] > 0


def test_a_dataset_with_a_leak_is_not_written(tmp_path: Path) -> None:
    """The export ends with the column, and there is no folder."""
    ends = {game_id: game.rug_tick for game_id, game in map(law_game, range(60))}
    documents = [
        attrs.evolve(d, record=attrs.evolve(d.record, connected_players=ends[d.game_id]))
        if d.doc_type is DocType.GAME_TICK
        else d
        for d in law_documents(60)
    ]
    write_documents(tmp_path / "store", documents, "s-law")
    message = "the dataset was not written: obs_connected_players: says what comes after the step"
    with pytest.raises(CheckFailed, match=message):
        _export(tmp_path / "store", tmp_path / "out")
    assert _names(tmp_path) == ["store"]


# Trades of other players.


def test_trades_have_what_was_known(played: Path, tmp_path: Path) -> None:
    """One row a trade, with the market at its tick or before; coverage is stated."""
    out = tmp_path / "trades"
    card = _export(played, out, attrs.evolve(OPTIONS, imitation=True))
    rows = _sum(
        out,
        "SELECT count(*), count(*) FILTER (obs_tick > action_tick) FROM 'DATASET/*/trades.parquet'",
    )
    with open_store(played) as catalog:
        seen = catalog.sql("SELECT count(*) FROM other_player").rows
    assert rows == [(seen[0][0], 0)]
    coverage = card["coverage"]
    assert coverage["trades"] == seen[0][0] > 20
    assert 0 < coverage["share_seen"] <= 1
    assert coverage["trades_seen_of_stated"] <= coverage["trades_stated"]
    assert check_folder(out).leaks == []
    assert "is a sample" in (out / "README.md").read_text(encoding="utf-8")
    priced = _sum(
        out,
        "SELECT count(*) FROM 'DATASET/*/trades.parquet' "
        "WHERE obs_tick = action_tick AND obs_price <> action_price",
    )
    assert priced == [(0,)]


def test_a_game_that_two_sessions_saw_counts_once(tmp_path: Path) -> None:
    """By the session that saw most of its trades; a trade that comes twice counts once."""
    ticks = [tick_document(number, 1.0 + number / 100) for number in range(20)]
    trades = [trade_document(f"p{n}", "BUY", "0.01", "1.1", "g-1") for n in range(3)]
    for index, trade in enumerate(trades):
        trades[index] = attrs.evolve(trade, record=attrs.evolve(trade.record, trade_id=f"t{index}"))
    write_documents(tmp_path / "store", [*ticks, *trades[:2]], "s-1")
    own = [attrs.evolve(t, record=attrs.evolve(t.record, session_id="s-2")) for t in trades]
    write_documents(tmp_path / "store", [*ticks, *own, own[0]], "s-2")
    card = _export(tmp_path / "store", tmp_path / "out", attrs.evolve(OPTIONS, imitation=True))
    assert [session["session_id"] for session in card["sessions"]] == ["s-2"]
    assert card["coverage"]["trades"] == 3
    assert card["coverage"]["rows_skipped"] == {"other_player": 1}
    assert card["coverage"]["share_seen"] is None


# Minari.


@needs_minari
def test_minari_loads_what_parquet_has(
    dataset: Path, played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Episodes, steps, observations, actions and returns are the same, to the lamport."""
    import minari

    out = tmp_path / "minari"
    card = _export(played, out, attrs.evolve(OPTIONS, form="minari"))
    other = json.loads((dataset / "card.json").read_text(encoding="utf-8"))
    assert card["content_sha256"] == other["content_sha256"]
    assert card["sets"] == other["sets"]
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(out))
    for name in ("train", "validation", "test"):
        data = minari.load_dataset(dataset_id(name))
        table = pq.read_table(dataset / name / "steps.parquet").to_pydict()
        assert (data.total_episodes, data.total_steps) == (
            card["sets"][name]["episodes"],
            len(table["step"]),
        )
        rewards: list[int] = []
        asked: list[Any] = []
        seen: list[Any] = []
        for episode in data.iterate_episodes():
            rewards += [int(reward) for reward in episode.rewards]
            asked += episode.actions.tolist()
            seen += episode.observations[:-1].tolist()
            assert set(episode.infos) == {"equity_lamports", "tick"}
            assert len(episode.infos["tick"]) == len(episode.rewards) + 1
            assert data.observation_space.contains(episode.observations[-1])
            assert data.action_space.contains(episode.actions[0])
        assert rewards == table["reward"]
        assert asked == [list(row) for row in zip(*(table[c.name] for c in ACTION), strict=True)]
        rows = zip(*(table[c.name] for c in OBSERVATION), strict=True)
        assert seen == [[float(value or 0) for value in row] for row in rows]
        records = list(data.storage.get_episode_metadata(range(data.total_episodes)))
        assert [Decimal(r["final_pnl"]) * 10**9 for r in records] == [
            r["return_lamports"] for r in records
        ]


@needs_minari
def test_minari_is_the_same_each_time_and_checked(played: Path, tmp_path: Path) -> None:
    """Byte for byte; a leak in its files is found."""
    options = attrs.evolve(OPTIONS, form="minari")
    _export(played, tmp_path / "one", options)
    _export(played, tmp_path / "two", options)
    assert _files(tmp_path / "one") == _files(tmp_path / "two")
    checked = check_folder(tmp_path / "one")
    assert (checked.leaks, checked.episodes > 6) == ([], True)
    path = next((tmp_path / "one").glob("train-v0/data/*/metadata.json"))
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "return_lamports": 7}), encoding="utf-8")
    assert [leak.column for leak in check_folder(tmp_path / "one").leaks] == ["reward"]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        check_folder(tmp_path / "one")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ExportOptions(form="csv"), "--format was 'csv': give parquet or minari"),
        (
            ExportOptions(form="minari", imitation=True),
            "--imitation was given with --format minari",
        ),
        (ExportOptions(licence="x" * 201), "--licence had 201 characters"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: ExportOptions, message: str, played: Path, tmp_path: Path
) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match=message):
        _export(played, tmp_path / "out", options)
    assert _names(tmp_path) == []
