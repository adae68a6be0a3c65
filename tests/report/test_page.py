"""The page of a report: every number is the JSON's, nothing comes from elsewhere, names are escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import attrs
import pytest

import vectra_bot
from vectra_bot import Limits, Report
from vectra_bot.cli.main import main
from vectra_bot.fsio import files
from vectra_bot.report.charts import Axis, wide_axis

HOSTILE = "<script>alert(1)</script>\"'&</td></style>\x1b[31m\u202e"
STEP = re.compile(r"\[(\d+)\]|\['([^']*)'\]|([^.\[]+)")
# Digits of the page that are not figures: ids and paths, axes, and these words.
FIXED = ("95 %",)


class Numbers(HTMLParser):
    """Collects the elements `data` of a page, and the text that is outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[tuple[str, str, str]] = []
        self.other: list[str] = []
        self.tags: list[str] = []
        self._inside: list[str] = []
        self._classes: list[str] = []
        self._now: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append(tag)
        if tag in ("meta", "path"):
            return
        self._inside.append(tag)
        self._classes.append(given.get("class") or "")
        if tag == "data":
            self._now = (given["data-key"] or "", given["value"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self._inside.pop() == tag
            self._classes.pop()
        if tag == "data":
            self._now = None

    def handle_data(self, data: str) -> None:
        if self._now is not None:
            self.data.append((*self._now, data))
        elif not {"style", "code", "title"} & set(self._inside) and not any(
            "axis" in name for name in self._classes
        ):
            self.other.append(data)


def read(page: str) -> Numbers:
    """Return what a page has."""
    numbers = Numbers()
    numbers.feed(page)
    return numbers


def at(value: Any, key: str) -> Any:
    """Return the part of a JSON value at a path."""
    for index, quoted, name in STEP.findall(key):
        value = value[int(index)] if index else value[quoted or name]
    return value


def shown(text: str) -> tuple[float, int]:
    """Return the number that a text shows, and its decimals."""
    number = text.removesuffix(" %").lstrip("+")
    digits = len(number.partition(".")[2])
    return (float(number) / 100, digits + 2) if text.endswith(" %") else (float(number), digits)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return a report with trades, denials, a limit that was met, and the end of entries."""
    return vectra_bot.run(
        "take-profit", games=20, seed=7, crowd=0, limits=Limits(session_loss="0.02"),
        store=tmp_path_factory.mktemp("page"),
    )  # fmt: skip


@pytest.mark.parametrize("part", ["page", "notebook", "bound", "normal"])
def test_every_number_is_the_jsons(report: Report, part: str) -> None:
    """Each has its path and value, its text is that value, and no other number is in the text."""
    if part in ("bound", "normal"):
        report = attrs.evolve(report, luck=0.25, luck_method=part, luck_error=0.1)
    html = report._repr_html_() if part == "notebook" else report.to_html()
    found, data = read(html), json.loads(json.dumps(report.to_json()))
    assert len(found.data) > 80
    for key, value, text in found.data:
        assert json.loads(value) == at(data, key), key
        number, digits = shown(text)
        if "e" in text or key.endswith(("price", "peak", ".low", "limit")):
            assert number == pytest.approx(at(data, key), rel=1e-5), key
        else:
            assert number == pytest.approx(at(data, key), abs=0.51 * 10**-digits), key
    others = " ".join(found.other)
    for words in (*FIXED, report.no_entries_from.reason if report.no_entries_from else ""):
        others = others.replace(words, "")
    assert re.findall(r"\S*\d\S*", others) == []


def test_the_figures_of_the_report_are_on_the_page(report: Report) -> None:
    keys = {key for key, _, _ in read(report.to_html()).data}
    assert keys >= {
        "trades.count", "trades.won", "trades.win_rate", "best_game.pnl", "worst_game.pnl",
        "drawdown.amount", "drawdown.share", "return_on_stake", "staked", "exposure.ticks",
        "exposure.mean", "exposure.max", "denials['limit.session_loss']", "no_entries_from.game",
        "limits_met['session_loss'].denied", "latency.p50_ms", "latency.p95_ms", "latency.max_ms",
    }  # fmt: skip


def test_the_page_needs_nothing_from_elsewhere(report: Report) -> None:
    """No script, no font, no picture, no link, no import; light and dark are in its own style."""
    page = report.to_html()
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(read(page).tags)
    assert not re.search(r"https?:|//|url\(|@import|@font-face|src=|href=|\son\w+=", page)
    assert "@media (prefers-color-scheme:dark)" in page
    assert page.count("<svg") == 1 + len(report.charts)


def test_names_of_others_are_text(report: Report) -> None:
    """A strategy's name, a reason, a plugin's name, a venue: escaped, without control characters."""
    plain = read(report.to_html()).tags
    hostile = attrs.evolve(
        report,
        strategy=HOSTILE,
        venue=HOSTILE,
        ended=HOSTILE,
        error=HOSTILE,
        store=HOSTILE,
        unfinished=(HOSTILE,),
        plugin_errors={HOSTILE.replace("'", ""): 1},
        expected_without=(HOSTILE,),
    )
    page = hostile.to_html()
    found = read(page)
    assert not {"script"} & set(found.tags)
    assert found.tags.count("style") == plain.count("style")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert all(character.isprintable() or character == "\n" for character in page)


def test_the_command_writes_the_page_and_says_where(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--report FILE: the same numbers as --json of the same run; an old file is replaced."""
    page = tmp_path / "r.html"
    page.write_text("old")
    run = [
        "run",
        "take-profit",
        "--games",
        "3",
        "--seed",
        "7",
        "--crowd",
        "0",
        "--store",
        str(store),
    ]
    assert main([*run, "--report", str(page), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    found = read(page.read_text(encoding="utf-8")).data
    assert found
    assert all(json.loads(value) == at(result, key) for key, value, _ in found)
    assert main([*run, "--report", str(page)]) == 0
    assert f"Page      {page}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("r.pdf", 2, "give a name that ends in .html, .htm"),
        ("none/r.html", 3, "give a file in a folder that exists"),
        ("folder.html", 3, "give a file in a folder that exists"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    store: Path, tmp_path: Path, name: str, code: int, says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "folder.html").mkdir()
    assert main(["run", "watch", "--games", "1", "--report", str(tmp_path / name)]) == code
    assert says in capsys.readouterr().err
    assert not store.exists()


def test_a_page_is_whole_or_not_written(
    report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str], store: Path
) -> None:
    """A disk that fails at the rename leaves the old page; the session is complete."""
    page = tmp_path / "r.html"
    page.write_text("old")

    def failing(op: files.Op) -> None:
        if op.target == page:
            raise OSError(5, "Input/output error")

    with files.observing(failing):
        assert main(["run", "watch", "--games", "1", "--seed", "7", "--report", str(page)]) == 3
    assert page.read_text() == "old"
    assert list(tmp_path.glob(".r.html*")) == []
    assert "everything else is done" in capsys.readouterr().err
    with vectra_bot.open_store(store) as catalog:
        assert len(catalog.sessions) == 1


def test_a_replay_has_a_page(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = vectra_bot.run("watch", games=2, seed=7, crowd=0, store=store)
    page = tmp_path / "r.html"
    code = main([
        "replay", first.journal, "--strategy", "take-profit", "--paper", "--store", str(store),
        "--report", str(page), "--json",
    ])  # fmt: skip
    assert code == 0
    result = json.loads(capsys.readouterr().out)
    found = read(page.read_text(encoding="utf-8")).data
    assert ("trades.count", "2", "2") in found
    assert all(json.loads(value) == at(result, key) for key, value, _ in found)


def test_the_page_of_a_session_whose_strategy_raised(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(
        "from vectra_bot import Strategy\nclass Bot(Strategy):\n"
        "    def on_game_end(self, game, summary):\n        raise ValueError('<boom>')\n"
    )
    page = tmp_path / "r.html"
    assert main(["run", str(bot), "--games", "2", "--seed", "7", "--report", str(page)]) == 7
    assert "ValueError: &lt;boom&gt;" in page.read_text(encoding="utf-8")


def test_axes_have_round_values_inside_their_ends() -> None:
    assert Axis(0, 50).ticks(6) == [0, 10, 20, 30, 40, 50]
    assert Axis(0.1, 12, log=True).ticks(5) == [0.1, 0.2, 0.5, 1, 2, 5, 10]
    assert Axis(0.1, 10, log=True).place(1.0) == pytest.approx(0.5)
    for low, high in ((0.0, 0.0), (-1e-9, 1e-9), (3.0, 3.0), (-5.0, 1e6)):
        axis = wide_axis([low, high])
        assert axis.low < low <= high < axis.high
        assert all(axis.low <= value <= axis.high for value in axis.ticks(5))
        assert 2 <= len(axis.ticks(5)) <= 12
