"""Broken plugins and strategies: nothing they raise escapes, and every message names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.actions.strategies import Scripted
from vectra_bot import Plugin, hookimpl, param
from vectra_bot.errors import (
    ConfigError,
    PluginError,
    StrategyError,
    UnknownNameError,
    safe_error,
    safe_repr,
    safe_text,
    safe_trace,
)
from vectra_bot.loading.plugins import PluginChoice, PluginInfo, list_plugins, load_plugins
from vectra_bot.models import DocType
from vectra_bot.plugins import MAX_FAULTS, PluginManager
from vectra_bot.testing import Bench

SURROGATE = "bad \ud800 text"


class Mute(Exception):
    """Cannot be turned into text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Liar(str):
    """Text with misleading methods."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError("no bytes")

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


def events(bench: Bench, kind: str) -> list[Any]:
    """Return the stored system events of one kind."""
    return [e for e in bench.of_type(DocType.SYSTEM_EVENT) if e.kind == kind]


# Text of foreign code.


@pytest.mark.parametrize(
    "value",
    [Mute(), ValueError(SURROGATE), "x" * 10_000, SURROGATE, Liar("lie"), object()],
    ids=["mute", "surrogate error", "long", "surrogate", "liar", "object"],
)
def test_foreign_text_can_always_be_stored(value: object) -> None:
    """The text of any foreign object is short, without surrogates, and never raises."""
    for text in (safe_text(value), safe_repr(value)):
        assert text
        assert len(text) <= 2_000
        assert text.encode("utf-8").decode("utf-8") == text


def test_an_error_that_has_no_text_is_named_by_its_type() -> None:
    """The type is reported for an exception whose __str__ raises."""
    assert safe_error(Mute()) == "Mute"
    assert safe_error(ValueError("x")) == "ValueError: x"


def test_a_traceback_is_cut_at_its_beginning() -> None:
    """The end of a traceback has the cause, so the beginning is dropped."""
    assert safe_trace(ValueError("x" * 100), 10) == "x" * 9 + "\n"

    class Unshowable(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise SystemExit

    assert "Unshowable" in safe_trace(Unshowable("x"))


@pytest.mark.parametrize(
    "error",
    [Mute(), ValueError(SURROGATE), ValueError("x" * 10**6)],
    ids=["mute", "surrogate", "long"],
)
def test_a_plugins_unprintable_exception_is_a_fault(error: BaseException) -> None:
    """An exception that cannot be shown or stored unchanged becomes a fault like any other."""

    class Broken:
        @hookimpl
        def on_game_tick(self, tick: Any) -> None:
            raise error

    bench = Bench(Scripted(), plugins={"mine": Broken()})
    bench.start_game((1.0,))

    (event,) = events(bench, "plugin.error")
    assert type(error).__name__ in event.message
    assert "mine" in event.message
    event.message.encode()
    json.loads(event.detail_json)["traceback"].encode()


@pytest.mark.parametrize(
    "error",
    [Mute(), ValueError(SURROGATE), ValueError("x" * 10**6)],
    ids=["mute", "surrogate", "long"],
)
def test_a_strategys_unprintable_exception_ends_trading(error: BaseException) -> None:
    """An exception that cannot be shown or stored unchanged stops trading like any other."""

    class Failing(Scripted):
        def on_game_tick(self, tick: Any, game: Any) -> None:
            raise error

    bench = Bench(Failing())
    with pytest.raises(StrategyError, match=type(error).__name__):
        bench.start_game((1.0,))

    (event,) = events(bench, "strategy.error")
    for text in json.loads(event.detail_json).values():
        text.encode()
        assert len(text) <= 32_000


@pytest.mark.parametrize(
    ("answer", "word"),
    [(SURROGATE, "bad"), (Liar("lie"), "lie"), ("x" * 10**6, "xxx"), ("", "denied")],
    ids=["surrogate", "liar", "long", "empty"],
)
def test_a_veto_is_a_veto_whatever_its_reason_looks_like(answer: str, word: str) -> None:
    """A reason that cannot be stored unchanged still denies, and the engine continues."""

    class Guard:
        @hookimpl
        def review_action(self, action: Any) -> str:
            return answer

    strategy = Scripted()
    bench = Bench(strategy, plugins={"guard": Guard()})
    bench.start_game((1.0,))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)

    assert bench.commands == []
    outcome = bench.actions[-1].outcome
    assert outcome is not None
    assert outcome.error_reason is not None
    assert outcome.error_reason.startswith("plugin.guard: ")
    assert word in outcome.error_reason


def test_a_quarantined_plugin_stays_quarantined() -> None:
    """A fault of its veto does not bring back the hooks of a quarantined plugin."""

    class Guard:
        calls = 0

        @hookimpl
        def on_game_tick(self, tick: Any) -> None:
            self.calls += 1
            raise ValueError("x")

        @hookimpl
        def review_action(self, action: Any) -> str | None:
            raise ValueError("y")

    guard, strategy = Guard(), Scripted()
    bench = Bench(strategy, plugins={"guard": guard})
    bench.start_game([1.0] * (MAX_FAULTS + 1))
    strategy.todo = [lambda a: a.buy("0.01")]
    bench.tick(1.2)
    manager = bench.engine.plugins
    manager.register("other", Guard())  # every hook is reordered
    bench.tick(1.2)

    assert guard.calls == MAX_FAULTS
    assert len(events(bench, "plugin.quarantined")) == 1


# Plugins that cannot work.


class Typo:
    @hookimpl
    def on_game_tik(self, tick: Any) -> None: ...


class KeywordOnly:
    @hookimpl
    def on_game_tick(self, *, tick: Any) -> None: ...


class AnyArguments:
    @hookimpl
    def on_game_tick(self, *game: Any) -> None: ...


class Generator:
    @hookimpl
    def on_game_tick(self, tick: Any) -> Any:
        yield


class NoSelf:
    @hookimpl
    def on_game_tick(tick: Any, game: Any) -> None: ...  # noqa: N805


class NoArguments:
    @hookimpl
    def on_game_tick() -> None: ...  # type: ignore[misc]


class Property:
    @property
    @hookimpl
    def on_game_tick(self) -> Any:
        raise RuntimeError("read")


class OtherName:
    @hookimpl(specname="on_game_tick")
    def tick(self, tick: Any) -> None: ...


CLASS_FAULTS: list[tuple[type, str]] = [
    (Typo, "did you mean on_game_tick"),
    (KeywordOnly, "plain name"),
    (AnyArguments, "plain name"),
    (Generator, "yield"),
    (NoSelf, "lacks self"),
    (NoArguments, "lacks self"),
    (Property, "property"),
    (OtherName, "tick"),
]


@pytest.mark.parametrize(("plugin", "words"), CLASS_FAULTS, ids=lambda v: getattr(v, "__name__", v))
def test_hooks_that_cannot_be_called_are_refused(plugin: type, words: str) -> None:
    """A hook with a wrong name, shape or argument is a PluginError that names plugin and advice."""
    with pytest.raises(PluginError, match=words) as caught:
        PluginManager().register("mine", plugin)
    assert "'mine'" in str(caught.value)


class BadInit:
    def __init__(self) -> None:
        raise ZeroDivisionError("init")


class BadPost(Plugin):
    def __attrs_post_init__(self) -> None:
        raise ZeroDivisionError("post init")


class BadDir:
    def __dir__(self) -> Any:
        raise ZeroDivisionError("dir")


@pytest.mark.parametrize("plugin", [BadInit, BadPost, BadDir])
def test_a_plugin_that_cannot_be_made_is_refused(plugin: Any) -> None:
    """What a plugin's own code raises at construction is a PluginError that names it."""
    with pytest.raises(PluginError, match=r"'mine'.*ZeroDivisionError"):
        PluginManager().register("mine", plugin)


def test_properties_of_a_plugin_are_left_alone() -> None:
    """Looking for hooks reads no property: one that raises is not a problem."""

    class Lazy(Plugin):
        seen: int = 0

        @property
        def started(self) -> Any:
            raise RuntimeError("not started")

        @staticmethod
        @hookimpl
        def on_phase(game: Any) -> None: ...

        @classmethod
        @hookimpl
        def on_game_start(cls, game: Any) -> None: ...

        @hookimpl
        def on_game_tick(self, game: Any, tick: Any) -> None:
            self.seen = tick.tick + 1

    manager = PluginManager()
    manager.register("mine", Lazy)
    assert manager.names == [("mine", "")]
    plugin = Lazy()
    Bench(Scripted(), plugins={"mine": plugin}).start_game((1.0, 1.1))
    assert plugin.seen == 2


class Hooked(Plugin):
    @hookimpl
    def on_phase(self, game: Any) -> None: ...


def test_a_refused_plugin_leaves_no_trace() -> None:
    """After a refusal the same name can be registered, and nothing of the refused one is called."""
    manager = PluginManager()
    with pytest.raises(PluginError):
        manager.register("mine", Typo)
    manager.register("mine", Hooked)
    with pytest.raises(PluginError, match=r"'mine'.*already"):
        manager.register("mine", Hooked)
    assert manager.names == [("mine", "")]


def test_annotating_enabled_by_default_is_refused() -> None:
    """Annotated it would be a parameter, and the plugin on by default against its author's intent."""
    with pytest.raises(ConfigError, match=r"Off.*enabled_by_default = False"):

        class Off(Plugin):
            enabled_by_default: bool = False


# Installed plugins.

INSTALLED = '''
from vectra_bot import Plugin, hookimpl, param
from vectra_bot.errors import ConfigError


class Good(Plugin):
    """Work."""

    @hookimpl
    def on_game_tick(self, tick): ...


class Typo(Plugin):
    @hookimpl
    def on_game_tik(self, tick): ...


class Post(Plugin):
    def __attrs_post_init__(self):
        raise ZeroDivisionError("post init")


class Needy(Plugin):
    size: int = param()


class Picky(Plugin):
    def __attrs_post_init__(self):
        raise ConfigError("picky is not configured")


class Odd(type(Plugin)):
    @property
    def enabled_by_default(cls):
        raise ZeroDivisionError("property")


class Meta(metaclass=Odd):
    @property
    def enabled_by_default(self): ...
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that installs a distribution with the given plugins."""

    def add(distribution: str, **plugins: str) -> None:
        site = tmp_path / distribution
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"{name.replace('_', '-')} = {target}" for name, target in plugins.items()]
        text = "[vectra_bot.plugins]\n" + "\n".join(lines) + "\n"
        (info / "entry_points.txt").write_text(text, encoding="utf-8")
        module = f"{distribution}_module"
        (site / f"{module}.py").write_text(INSTALLED, encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))

    return add


def info_of(name: str) -> PluginInfo:
    """Return the listing of one installed plugin."""
    return {info.name: info for info in list_plugins()}[name]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("acme_module:Typo", "did you mean on_game_tick"),
        ("acme_module:Post", "post init"),
        ("acme_module:Needy", "size"),
        ("acme_module:Picky", "not configured"),
        ("acme_module:Missing", "Missing"),
        ("no_such_module", "no_such_module"),
    ],
)
def test_a_broken_plugin_nobody_asked_for_is_a_fault(
    install: Callable[..., None], target: str, words: str
) -> None:
    """It is recorded and skipped, the others are loaded; requested by name it is an error."""
    install("acme", acme_broken=target, acme_good="acme_module:Good")
    manager = load_plugins()

    assert ("acme-good", "1.0") in manager.names
    (fault,) = manager.faults
    assert (fault.plugin, fault.hook, fault.quarantined) == ("acme-broken", "load", True)
    assert words in fault.error
    with pytest.raises((PluginError, ConfigError), match=words):
        load_plugins(PluginChoice(enable=("acme-broken",)))
    assert load_plugins(PluginChoice(disable=("acme-broken",))).faults == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("acme_module:Typo", "did you mean on_game_tick"),
        ("acme_module:Needy", "size"),
        ("acme_module:Meta", "property"),
        ("acme_module:Missing", "Missing"),
    ],
)
def test_broken_plugins_are_listed_with_their_error(
    install: Callable[..., None], target: str, words: str
) -> None:
    """The list runs the same checks as a session, without creating the plugin."""
    install("acme", acme_broken=target, acme_good="acme_module:Good")

    broken, good = info_of("acme-broken"), info_of("acme-good")
    assert broken.error is not None
    assert words in broken.error
    assert "'acme-broken'" in broken.error
    assert (good.error, tuple(good.hooks), good.summary) == (None, ("on_game_tick",), "Work.")


def test_two_distributions_with_one_name_are_both_named(install: Callable[..., None]) -> None:
    """Neither of them wins silently."""
    install("acme", shared="acme_module:Good")
    install("other", shared="other_module:Good")

    error = info_of("shared").error
    assert error is not None
    assert "acme (acme_module:Good)" in error
    assert "other (other_module:Good)" in error
    (fault,) = load_plugins().faults
    assert fault.plugin == "shared"
    with pytest.raises(PluginError, match=r"acme.*other"):
        load_plugins(PluginChoice(enable=("shared",)))


def test_a_plugin_that_is_not_installed_is_named() -> None:
    """A wrong name suggests close ones."""
    with pytest.raises(UnknownNameError, match="did you mean stake-guard"):
        load_plugins(PluginChoice(enable=("stake-gard",)))


def test_settings_for_a_plugin_without_parameters_are_refused() -> None:
    """They would be lost silently."""

    class Plain:
        pass

    with pytest.raises(PluginError, match=r"'mine'.*\['size'\]"):
        PluginManager().register("mine", Plain, {"size": 1})

    class Sized(Plugin):
        size: int = param(1, low=1)

    with pytest.raises(ConfigError, match="size"):
        PluginManager().register("mine", Sized, {"size": 0})
