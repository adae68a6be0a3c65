"""Mistakes in a first strategy or plugin: each is refused before play, or said with advice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from attrs import frozen

from vectra_bot import Strategy, run
from vectra_bot.cli.main import main
from vectra_bot.errors import ConfigError, PluginError, StrategyError


@frozen
class Mistake:
    """A body of a strategy's class, and what the user must read.

    Attributes:
        body: what is in the class.
        code: exit code.
        advice: pattern of the line.
        before: lines before the class.
        plays: whether it can only be noticed in play.
    """

    body: str
    code: int
    advice: str
    before: str = ""
    plays: bool = False


TICK = "def on_game_tick(self, tick, game): "
ACT = TICK + "game.tick == 2 and "

MISTAKES = {
    # names of other frameworks
    "next": Mistake("def next(self): ...", 4, r"here it is on_game_tick\(self, tick, game\)"),
    "init": Mistake("def init(self): ...\n" + TICK + "...", 4, r"__attrs_post_init__\(self\), which runs"),
    "on_tick": Mistake("def on_tick(self, tick): ...", 4, r"here it is on_game_tick\("),
    "on_bar": Mistake("def on_bar(self, bar): ...", 4, r"here it is on_game_tick\("),
    "on_fill": Mistake("def on_fill(self, fill): ...", 4, r"on_action_outcome\(self, action\)"),
    "on_order": Mistake("def on_order(self, order): ...", 4, r"on_action_outcome\("),
    "on_start": Mistake("def on_start(self): ...", 4, r"on_game_start\(self, game\)"),
    "notify_order": Mistake("def notify_order(self, order): ...", 4, r"on_action_outcome\("),
    "on_trade": Mistake("def on_trade(self, trade): ...", 4, r"on_other_player_trade\(self, trade, game\)"),
    "populate": Mistake("def populate_indicators(self, frame, meta): ...", 4, r"on_game_tick\("),
    # our names, mistyped
    "on_gametick": Mistake("def on_gametick(self, tick, game): ...", 4, "did you mean on_game_tick"),
    "on_game_ended": Mistake("def on_game_ended(self, game): ...", 4, "did you mean on_game_end"),
    "on_else": Mistake("def on_zebra(self): ...", 4, "the callbacks are on_phase, on_game_start"),
    "no callback": Mistake("x: int = 1", 4, "has no callback, so it would never act"),
    "helper only": Mistake("def decide(self): ...", 4, "has no callback"),
    # signatures and kinds
    "too few": Mistake("def on_game_tick(self, tick): ...", 4, r"write def on_game_tick\(self, tick, game\)"),
    "too many": Mistake("def on_game_tick(self, tick, game, more): ...", 4, "missing a required argument"),
    "no self": Mistake("def on_game_start(): ...", 4, r"write def on_game_start\(self, game\)"),
    "keyword": Mistake("def on_game_start(self, game, *, x): ...", 4, "'x'"),
    "end": Mistake("def on_game_end(self, game): ...", 4, r"on_game_end\(self, game, summary\)"),
    "async": Mistake("async def on_game_tick(self, tick, game): ...", 4, "write a plain def"),
    "yield": Mistake(TICK + "yield", 4, "write a plain function"),
    "no method": Mistake("on_game_tick = 5", 4, "is not a method"),
    "property": Mistake("@property\ndef on_game_tick(self): ...", 4, "is not a method"),
    # what every strategy has
    "hides history": Mistake("history = []\n" + TICK + "...", 4, "hides history .* such as my_history"),
    "hides actions": Mistake("def actions(self): ...\n" + TICK + "...", 4, "hides actions"),
    "hides position": Mistake("position: int = 0\n" + TICK + "...", 4, "position"),
    "assigns": Mistake(TICK + "self.account = 1", 7, "such as self.my_account", plays=True),
    "own init": Mistake("x: int = 1\ndef __init__(self): ...\n" + TICK + "...", 4, "__attrs_post_init__"),
    # parameters
    "no type": Mistake("x = param(1)\n" + TICK + "...", 4, "has no type: annotate it"),
    "default": Mistake("x: int = param(1.5)\n" + TICK + "...", 4, "'x'"),
    "range": Mistake("x: int = param(9, high=5)\n" + TICK + "...", 4, "'x'"),
    "needed": Mistake("x: int = param()\n" + TICK + "...", 4, "'x' was not given"),
    "of a list": Mistake("x: list = param([1])\n" + TICK + "...", 4, "give it one of bool, int, float"),
    # values
    "negative": Mistake(ACT + "self.actions.buy(-1)", 7, "amount was -1: give a positive", plays=True),
    "nan": Mistake(ACT + "self.actions.buy(float('nan'))", 7, "amount was nan", plays=True),
    "text": Mistake(ACT + "self.actions.buy('1,5')", 7, "amount was '1,5'", plays=True),
    "percent": Mistake(ACT + "self.actions.sell(0.5)", 7, "whole number from 1 to 100", plays=True),
    "stop": Mistake(ACT + "self.actions.buy(1, stop_loss='1.1')", 7, "it would sell at once", plays=True),
    "profit": Mistake(ACT + "self.actions.buy(1, take_profit='high')", 7, "take_profit was", plays=True),
    "leverage": Mistake(ACT + "self.actions.buy(1, leverage='x')", 7, "leverage was 'x'", plays=True),
    # what does nothing in play
    "returns text": Mistake(TICK + "return 'BUY'", 0, "returned 'BUY', which does nothing", plays=True),
    "returns more": Mistake("def on_phase(self, game): return ('BUY', 1)", 0, "does nothing", plays=True),
    "writes": Mistake(TICK + "game.price = 1", 7, "price", plays=True),
    "raises": Mistake(TICK + "1 / 0", 7, "ZeroDivisionError", plays=True),
    # places
    "module": Mistake(TICK + "...", 3, "line 1", before="def broken(:"),
    "import": Mistake(TICK + "...", 7, "no_such_module", before="import no_such_module"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_never_silent(
    name: str,
    tmp_path: Path,
    store: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line names what is wrong and what to write; nothing was played if it can be known before."""
    mistake = MISTAKES[name]
    body = "\n".join("    " + line for line in mistake.body.splitlines())
    path = tmp_path / "mistaken.py"
    path.write_text(
        f"{mistake.before}\nfrom vectra_bot import Strategy, param\nclass Mistaken(Strategy):\n{body}\n"
    )

    code = main(["run", str(path), "--games", "1", "--seed", "7", "--crowd", "0", "--json"])

    error = capsys.readouterr().err + caplog.text
    assert (code, bool(re.search(mistake.advice, error))) == (mistake.code, True), error
    assert list(store.glob("journals/*")) == [] or mistake.plays


HOOKED = "@hookimpl\ndef on_phase(self, game): ...\n"

PLUGIN_MISTAKES = {
    # marks
    "no mark": Mistake("def on_game_tick(self, tick): ...", 8, "not marked; write @hookimpl above its def"),
    "one mark": Mistake(HOOKED + "def on_game_tick(self, tick): ...", 8, "on_game_tick would never run"),
    "override": Mistake("def on_phase(self, game): ...", 8, "overrides that of Base, which is; write @hook",
                        before="class Base(Plugin):\n    @hookimpl\n    def on_phase(self, game): ..."),
    "no method": Mistake(HOOKED + "on_game_tick = 5", 8, "write @hookimpl def on_game_tick"),
    "property": Mistake("@property\n@hookimpl\ndef on_phase(self): ...", 8, "hooks are plain functions"),
    # names
    "unknown": Mistake("@hookimpl\ndef on_game_tik(self, tick): ...", 8, r"did you mean on_game_tick"),
    "unmarked": Mistake(HOOKED + "def on_game_tik(self, tick): ...", 8, r"did you mean on_game_tick\?"),
    "on_tick": Mistake(HOOKED + "def on_tick(self, tick): ...", 8, "is not a hook and would never run"),
    "on_else": Mistake(HOOKED + "def on_zebra(self): ...", 8, "the hooks are session_started"),
    "no hook": Mistake("x: int = 1", 8, "has no hook and would never run: mark a method"),
    # signatures
    "argument": Mistake("@hookimpl\ndef on_phase(self, tick): ...", 8, r"it may take \['game'\]"),
    "no self": Mistake("@hookimpl\ndef on_phase(game): ...", 8, r"write def on_phase\(self, ...\)"),
    "async": Mistake("@hookimpl\nasync def on_phase(self, game): ...", 8, "hooks are plain functions"),
    "yield": Mistake("@hookimpl\ndef on_phase(self, game): yield", 8, "would never run: write a plain"),
    # versions and parameters
    "newer": Mistake("api_version = 2\n" + HOOKED, 8, "install a newer version of vectra-bot"),
    "older": Mistake("api_version = 0\n" + HOOKED, 8, "install a newer version of the plugin"),
    "text": Mistake("api_version = '1'\n" + HOOKED, 8, "api_version was '1': give a whole number, 1"),
    "annotated": Mistake("api_version: int = 1\n" + HOOKED, 4, "write api_version = 1"),
    "needed": Mistake("x: int = param()\n" + HOOKED, 4, "'x' was not given"),
    # code
    "broken": Mistake(HOOKED, 3, "line 1", before="def broken(:"),
    "import": Mistake(HOOKED, 8, "no_such_module", before="import no_such_module"),
    "created": Mistake("def __attrs_post_init__(self): 1 / 0\n" + HOOKED, 8, "cannot be created"),
    "several": Mistake(HOOKED, 3, r"say which one, as in .*:Base",
                       before="class Base(Plugin):\n    @hookimpl\n    def on_phase(self, game): ..."),
}  # fmt: skip


@pytest.mark.parametrize("name", PLUGIN_MISTAKES)
def test_a_mistake_in_a_plugin_is_refused_before_play(
    name: str, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the plugin or its file, what is wrong, and what to write."""
    mistake = PLUGIN_MISTAKES[name]
    body = "\n".join("    " + line for line in mistake.body.splitlines())
    base = "Base" if name == "override" else "Plugin"
    path = tmp_path / f"mistaken_{name.replace(' ', '_')}.py"
    head = mistake.before.partition("\n")[0] if "broken" in mistake.before else ""
    path.write_text(
        f"{head}\nfrom vectra_bot import Plugin, hookimpl, param\n{mistake.before}\n"
        f"class Mistaken({base}):\n{body}\n"
    )
    spec = f"{path}:Mistaken" if name == "override" else str(path)

    code = main(["run", "watch", "--games", "1", "--plugin", spec, "--json"])

    error = capsys.readouterr().err
    assert (code, bool(re.search(mistake.advice, error))) == (mistake.code, True), error
    assert "Mistaken" in error or path.name in error
    assert list(store.glob("journals/*")) == []


PLACES = {
    "no file": (["watch", "--plugin", "./missing.py"], 3, "plugin file './missing.py' does not exist"),
    "no module": (["watch", "--plugin", "missing:Class"], 3, "plugin missing:Class cannot be found"),
    "no class": (["watch", "--plugin", "json:Missing"], 3, "plugin json:Missing cannot be found"),
    "wrong class": (["watch", "--plugin", "./bot.py:Missing"], 5, "no plugin class is named 'Missing'"),
    "no folder": (["watch", "--plugins-dir", "missing"], 3, "plugin folder 'missing' cannot be read"),
    "empty folder": (["watch", "--plugins-dir", "empty"], 3, "has no file with a plugin"),
    "strategy": (["watch", "--plugin", "./bot.py"], 3, "Bot is a strategy, run it by"),
    "plugin": (["./plug.py"], 3, "defines no Strategy"),
    "unmarked": (["watch", "--plugin", "./plain.py"], 3, "Plain.on_phase is not marked, write @hookimpl"),
    "name": (["watch", "--plugin", "stake-gard"], 5, "did you mean stake-guard"),
    "setting": (["watch", "--plugin", "./plug.py", "--plugin-set", "Plug.x=1"], 4, "'x'"),
    "of another": (["watch", "--plugin", "./plug.py", "--plugin-set", "plug.x=1"], 5, "mean Plug?"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_plugin_in_a_wrong_place_is_refused(
    name: str,
    tmp_path: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line has what was given, and nothing was played."""
    command, code, advice = PLACES[name]
    monkeypatch.chdir(tmp_path)
    Path("bot.py").write_text(
        "from vectra_bot import Strategy\nclass Bot(Strategy):\n    def on_phase(self, game): ...\n"
    )
    Path("plug.py").write_text(
        "from vectra_bot import Plugin, hookimpl\nclass Plug(Plugin):\n"
        "    @hookimpl\n    def on_phase(self, game): ...\n"
    )
    Path("plain.py").write_text("class Plain:\n    def on_phase(self, game): ...\n")
    Path("empty").mkdir()

    found = main(["run", *command, "--games", "1"])

    error = capsys.readouterr().err
    assert (found, advice in error) == (code, True), error
    assert list(store.glob("journals/*")) == []


def test_a_strategys_name_that_two_distributions_took_is_refused(
    tmp_path: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither of them wins silently; the list has the error."""
    for name in ("acme", "other"):
        info = tmp_path / name / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[vectra_bot.strategies]\nshared = {name}_bots:Bot\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path / name))

    assert main(["run", "shared", "--games", "1"]) == 3
    assert main(["strategies", "--json"]) == 0

    output = capsys.readouterr()
    taken = "strategy name 'shared' is taken by acme (acme_bots:Bot) and by other (other_bots:Bot)"
    assert f"{taken}: uninstall all but one" in output.err
    (listed,) = [one for one in json.loads(output.out)["strategies"] if one["name"] == "shared"]
    assert taken in listed["error"]


def test_a_python_value_that_is_not_a_plugin_is_refused(store: Path) -> None:
    """By the options, before anything is loaded."""

    class Bot(Strategy):
        def on_phase(self, game: object) -> None: ...

    for given, words in (
        (5, "plugin 5 has no hook"),
        (Bot, "'Bot' is a strategy"),
        (Bot(), "'Bot' is a"),
    ):
        with pytest.raises(PluginError, match=words):
            run("watch", games=1, store=store, plugins=[given])
    with pytest.raises(ConfigError, match="option plugins was of type int: give a list of plugins"):
        run("watch", games=1, store=store, plugins=5)  # type: ignore[arg-type]


def test_lists_of_a_class_belong_to_the_instance() -> None:
    """Also in a class with its own constructor, and what a base class has."""

    class Base(Strategy):
        seen = ["start"]  # noqa: RUF012 - the mistake itself
        table = {"a": [1]}  # noqa: RUF012

        def on_game_start(self, game: object) -> None:
            self.seen.append("game")
            self.table["a"].append(2)

    class Own(Base):
        more = {1}  # noqa: RUF012

        def __init__(self) -> None:
            self.more.add(2)

    first, second, own = Base(), Base(), Own()
    first.on_game_start(None)
    assert (first.seen, first.table) == (["start", "game"], {"a": [1, 2]})
    assert (second.seen, second.table, Base.seen) == (["start"], {"a": [1]}, ["start"])
    assert (own.more, Own.more, own.seen) == ({1, 2}, {1}, ["start"])


def test_the_past_is_sliced_like_a_list(store: Path) -> None:
    """And what is given cannot be changed by it."""
    seen: list[int] = []

    class Past(Strategy):
        def on_game_start(self, game: object) -> None:
            seen.append(len(self.history[-3:]))

    run(Past, games=5, seed=7, crowd=0, store=store)
    assert seen == [0, 1, 2, 3, 3]


def test_what_a_strategy_returns_is_said_once_for_each_callback(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An action, true and false are not orders."""

    class Returning(Strategy):
        def on_game_tick(self, tick: object, game: object) -> object:
            return {"side": "buy"}

        def on_game_start(self, game: object) -> object:
            return self.actions.buy("0.001")

        def on_phase(self, game: object) -> object:
            return True

    run(Returning, games=2, seed=7, crowd=0, store=store)
    said = [record.getMessage() for record in caplog.records if "returned" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("Returning.on_game_tick returned {'side': 'buy'}, which does nothing")


def test_an_error_in_play_has_the_advice(store: Path) -> None:
    """A name that belongs to every strategy cannot be assigned."""

    class Assigning(Strategy):
        def on_game_start(self, game: object) -> None:
            self.position = 5  # type: ignore[assignment,method-assign,misc]

    with pytest.raises(StrategyError, match=r"such as self\.my_position"):
        run(Assigning, games=1, seed=7, crowd=0, store=store)
