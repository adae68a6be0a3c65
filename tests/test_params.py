"""Parameters and strategy classes: what cannot work is refused when the class is made."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vectra_bot import Plugin, Strategy, configure, param, parameters
from vectra_bot.errors import ConfigError, InputError, PluginError, StrategyError
from vectra_bot.params import settings_of
from vectra_bot.params.values import convert
from vectra_bot.session import resolve_strategy

if TYPE_CHECKING:
    from elsewhere import Unknown  # type: ignore[import-not-found]


class Base(Strategy):
    """The parent of the classes below."""

    stake: Decimal = param("0.01", low="0.001", high="5", help="SOL")
    target: float = param(1.5, low=1.0)


# Types.


def test_a_parameter_of_another_type_is_refused_with_its_class() -> None:
    """Types that JSON cannot represent are not parameters; the message names class, field and type."""
    with pytest.raises(ConfigError, match=r"Listed parameter 'sizes'.*list\[int\].*Decimal"):

        class Listed(Strategy):
            sizes: list[int] = param([1])

    with pytest.raises(ConfigError, match=r"Pathy parameter 'file' is of type Path"):

        class Pathy(Strategy):
            file: Path = param(Path())

    with pytest.raises(ConfigError, match=r"Mixed parameter 'size'"):

        class Mixed(Strategy):
            size: int | str = param(1)

    with pytest.raises(ConfigError, match=r"Typo parameter 'size'"):

        class Typo(Strategy):
            size: Unknown = param(1)


def test_the_allowed_types_survive_json() -> None:
    """Every allowed type survives a round trip through a journal."""

    class All(Strategy):
        flag: bool = param(False)
        count: int = param(1)
        ratio: float = param(0.5)
        stake: Decimal = param("0.1")
        money: Decimal | None = param("0.2")
        name: str = param("x", choices=("x", "y"))
        maybe: int | None = param(None)
        perhaps: Optional[float] = param(None)  # noqa: UP045 - the old spelling
        level: int = param(2, choices=("1", "2"))

    given = {"flag": "yes", "count": "7", "ratio": 2, "stake": 0.3, "name": "y", "perhaps": "1.5"}
    first = configure(All, given)
    text = json.dumps({k: str(v) if isinstance(v, Decimal) else v for k, v in vars(first).items()})
    again = configure(All, json.loads(text))

    assert settings_of(again) == settings_of(first)
    assert (first.stake, first.money, first.flag) == (Decimal("0.3"), Decimal("0.2"), True)


def test_annotated_state_is_no_parameter() -> None:
    """A field of another type without param() is state: separate for every instance, and not settable."""

    class Stateful(Strategy):
        prices: list[float] = []  # noqa: RUF012 - copied for each instance
        where: Unknown = None
        shared: ClassVar[int] = 3

    first, second = Stateful(), Stateful()
    first.prices.append(1.0)
    assert second.prices == []
    assert parameters(Stateful) == []
    with pytest.raises(ConfigError, match="no parameter 'prices'"):
        configure(Stateful, {"prices": []})


@pytest.mark.parametrize("value", ["\ud800", 5, None, object()])
def test_text_that_cannot_be_stored_is_refused(value: Any) -> None:
    """A text parameter is text that UTF-8 can encode."""

    class Named(Strategy):
        name: str = param("x")

    with pytest.raises(ConfigError, match="Named parameter 'name'"):
        configure(Named, {"name": value})


def test_a_default_outside_its_range_is_found_at_once() -> None:
    """Range, choices and default are checked when the class is made."""
    with pytest.raises(ConfigError, match=r"High parameter 'stake' was '9'.*0.001 to 5"):

        class High(Strategy):
            stake: Decimal = param("9", low="0.001", high="5")

    with pytest.raises(ConfigError, match=r"Low parameter 'size': low was 'a bit'.*whole number"):

        class Low(Strategy):
            size: int = param(1, low="a bit")

    with pytest.raises(ConfigError, match=r"Computed parameter 'size'.*__attrs_post_init__"):

        class Computed(Strategy):
            size: int = attrs.field(default=attrs.Factory(lambda self: 1, takes_self=True))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_counts_by_its_shortest_decimal(value: float) -> None:
    """The amount is the decimal number that a user would write for the float."""

    class Money(Strategy):
        amount: Decimal = param("0")

    assert Money(amount=value).amount == Decimal(repr(value))  # type: ignore[arg-type]


# Inheritance.


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["int32", "int64", "longlong"]))
def test_a_whole_number_of_numpy_is_a_whole_number(number: int, kind: str) -> None:
    """It fits every numeric parameter, as the type that was declared."""
    np = pytest.importorskip("numpy")
    for declared in (int, float, Decimal):
        for text in (True, False):
            taken = convert(np.dtype(kind).type(number), declared, text=text)
            assert (type(taken), taken) == (declared, number)


@given(
    st.floats(-(2.0**99), 2.0**99, width=32), st.sampled_from(["float32", "float64", "longdouble"])
)
def test_a_float_of_numpy_counts_by_its_shortest_decimal(number: float, kind: str) -> None:
    """Whatever its width: 0.1 of 32 bits is a tenth."""
    np = pytest.importorskip("numpy")
    value = np.dtype(kind).type(str(np.float32(number)))

    assert convert(value, Decimal) == Decimal(str(np.float32(number)))
    assert convert(value, float) == float(str(np.float32(number)))


@given(st.fractions(-(10**9), 10**9))
def test_a_fraction_is_a_number(number: Fraction) -> None:
    """Rounded down in size to 28 digits where it has no end."""
    taken = convert(number, Decimal)

    assert abs(Fraction(taken)) <= abs(number)
    assert abs(Fraction(taken) - number) <= abs(number) / 10**27
    assert convert(number, float) == float(number)


@pytest.mark.parametrize("value", [True, False])
def test_a_bool_of_numpy_is_a_bool(value: bool) -> None:
    """An array is not one, nor is a number."""
    np = pytest.importorskip("numpy")

    assert convert(np.bool_(value), bool) is value
    for wrong in (np.array([value]), np.int64(value), int(value)):
        with pytest.raises(ValueError):  # noqa: PT011 - the caller says what was wrong
            convert(wrong, bool)


@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_what_is_not_a_finite_real_number_is_refused(kind: type) -> None:
    """Of Python and numpy alike; an array is not one number."""
    np = pytest.importorskip("numpy")
    for value in (
        True, np.True_, 1j, np.complex64(1), float("nan"), np.float32("nan"), np.float16("inf"),
        Decimal("sNaN"), np.array(1), np.array([1.0]), np.datetime64("2026-01-01"), object(), [1],
    ):  # fmt: skip
        with pytest.raises(ValueError):  # noqa: PT011 - the caller says what was wrong
            convert(value, kind)


def test_a_plain_assignment_is_the_new_default() -> None:
    """A subclass changes an inherited parameter's default without annotating it; type and range stay."""

    class Child(Base):
        stake = "0.02"  # type: ignore[assignment]

    class Grandchild(Child):
        """Inherits the changed default."""

    class Mixin:
        target = 2

    class Mixed(Mixin, Base):  # type: ignore[misc]
        """Takes a default from a class that is not a strategy."""

    for cls in (Child, Grandchild):
        assert configure(cls, {}).stake == Decimal("0.02")
        (stake,) = (p for p in parameters(cls) if p.name == "stake")
        assert (stake.default, stake.help, stake.high) == (Decimal("0.02"), "SOL", "5")
        with pytest.raises(ConfigError, match="Child parameter 'stake' was '9'"):
            configure(cls, {"stake": "9"})
    assert configure(Base, {}).stake == Decimal("0.01")
    assert configure(Mixed, {}).target == 2.0
    assert isinstance(configure(Mixed, {}).target, float)


def test_a_new_default_is_checked() -> None:
    """It must be of the inherited type and range."""
    with pytest.raises(ConfigError, match="Greedy parameter 'stake' was '9'"):

        class Greedy(Base):
            stake = "9"  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="Method parameter 'stake'"):

        class Method(Base):
            def stake(self) -> None: ...  # type: ignore[misc,override]


def test_a_field_must_not_hide_a_method() -> None:
    """A parameter with the name of a Strategy attribute would break it."""
    with pytest.raises(ConfigError, match=r"Hiding field 'position' hides Strategy.position"):

        class Hiding(Strategy):
            position: int = 3  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="'save'"):

        class Saving(Strategy):
            save: bool = True  # type: ignore[assignment]


# Classes that would fail late or silently.


@pytest.mark.parametrize("base", [Strategy, Plugin])
def test_a_parameter_without_annotation_is_refused(base: type) -> None:
    """It would be ignored, and every annotated one with it."""
    with pytest.raises(ConfigError, match="Bare parameter 'stake' has no type"):
        type("Bare", (base,), {"stake": param("0.01"), "__annotations__": {"other": int}})
    with pytest.raises(ConfigError, match="Shared parameter 'stake' has no type"):
        type("Shared", (base,), {"stake": param(1), "__annotations__": {"stake": ClassVar[int]}})


def test_init_beside_parameters_is_refused() -> None:
    """A custom __init__ would keep parameters from being set; the message says what to use."""
    with pytest.raises(ConfigError, match=r"Own has parameters \(stake\).*__attrs_post_init__"):

        class Own(Strategy):
            stake: Decimal = param("0.01")

            def __init__(self) -> None:
                self.seen = 0

    with pytest.raises(ConfigError, match=r"Inheriting.*__attrs_post_init__"):

        class Inheriting(Base):
            def __init__(self) -> None:
                self.seen = 0


def test_init_without_parameters_runs() -> None:
    """A strategy without parameters may have a custom __init__, which its subclasses run too."""

    class Own(Strategy):
        def __init__(self) -> None:
            self.seen = 5

    class Sub(Own):
        """Inherits it."""

    assert configure(Own, {}).seen == configure(Sub, {}).seen == 5
    with pytest.raises(ConfigError, match=r"Late has parameters \(stake\)"):

        class Late(Own):
            stake: Decimal = param("0.01")


async def _coroutine(self: Any, *_: Any) -> None: ...


async def _async_generator(self: Any, *_: Any) -> Any:
    yield


def _generator(self: Any, *_: Any) -> Any:
    yield


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (_coroutine, "async"),
        (staticmethod(_coroutine), "async"),
        (_async_generator, "async"),
        (_generator, "yield"),
        (property(_generator), "is not a method"),
        (None, "is not a method"),
    ],
)
@pytest.mark.parametrize("name", ["on_game_tick", "on_action_outcome", "save"])
def test_callbacks_that_would_never_run_are_refused(name: str, callback: Any, words: str) -> None:
    """The message names class, callback and reason."""
    with pytest.raises(ConfigError, match=rf"Silent\.{name} .*{words}"):
        type("Silent", (Strategy,), {name: callback})


def test_an_exception_while_configuring_is_one_of_ours() -> None:
    """It says which class, what, and where; a ConfigError raised by the class stays one."""

    class Dividing(Base):
        def __attrs_post_init__(self) -> None:
            self.ratio = 1 / 0

    class Choosy(Base):
        def __attrs_post_init__(self) -> None:
            raise ConfigError("stake and target do not fit")

    with pytest.raises(StrategyError, match=r"Dividing cannot be created: ZeroDivisionError.*line"):
        configure(Dividing, {})
    with pytest.raises(PluginError, match="Dividing"):
        configure(Dividing, {}, PluginError)
    with pytest.raises(ConfigError, match="do not fit"):
        configure(Choosy, {})


@pytest.mark.parametrize("key", ["stak", 5, "\ud800"])
def test_an_unknown_key_is_refused_whatever_it_is(key: Any) -> None:
    """An unknown key is named, and the known ones are listed."""
    with pytest.raises(ConfigError, match="Base has no parameter"):
        configure(Base, {key: 1})


# Files and modules.

HEAD = "from decimal import Decimal\nfrom vectra_bot import Strategy, param\n"
MY_BOT = "class MyBot(Strategy):\n    "


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (HEAD + MY_BOT + "stake = param('0.01')\n", ConfigError, "MyBot parameter 'stake'"),
        (HEAD + MY_BOT + "async def on_game_tick(self, t, g): ...\n", ConfigError, "async"),
        (HEAD + MY_BOT + "sizes: list = param([])\n", ConfigError, "'sizes' is of type list"),
        (HEAD + MY_BOT + "x: int = 1\n    def __init__(self): ...\n", ConfigError, "__init__"),
        ("x = 1 / 0\n", StrategyError, "line 1 raised ZeroDivisionError"),
        ("raise SystemExit(3)\n", StrategyError, "line 1 raised SystemExit: 3"),
        ("raise KeyboardInterrupt\n", StrategyError, "KeyboardInterrupt"),
        ("class E(Exception):\n  def __str__(self): 1 / 0\nraise E\n", StrategyError, "raised E"),
        ("import no_such_module_here\n", StrategyError, "no_such_module_here"),
        ("x = = 1\n", InputError, "line 1"),
        ("x = '\0'\n", InputError, "cannot be read"),
    ],
)
@pytest.mark.parametrize("way", ["file", "module"])
def test_foreign_code_that_raises_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    error: type[Exception],
    words: str,
    way: str,
) -> None:
    """Whatever a user's file raises becomes one clear line; class errors stay as they are."""
    path = tmp_path / "broken_bot.py"
    path.write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_bot", raising=False)
    if way == "file":
        with pytest.raises(error, match=words) as caught:
            resolve_strategy(str(path))
    else:
        with pytest.raises((error, InputError, StrategyError)) as caught:
            resolve_strategy("broken_bot:MyBot")
        if error is ConfigError:
            assert isinstance(caught.value, ConfigError)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (dict, InputError),
        (5, ConfigError),
        (None, ConfigError),
        (":X", InputError),
        (".x:Y", InputError),
        ("no_such_module_here:X", InputError),
        ("json:loads", InputError),
        ("json:loads.nothing", InputError),
        ("~no-such-user-here/bot.py", InputError),
        ("./\ud800.py", InputError),
        ("./\0.py", InputError),
        (__file__.removesuffix(".py"), InputError),
    ],
)
def test_a_strategy_that_is_none_is_refused(spec: Any, error: type[Exception]) -> None:
    """Only a strategy class, its name or its file is accepted."""
    with pytest.raises(error):
        resolve_strategy(spec)


def test_a_file_that_failed_can_be_corrected(tmp_path: Path) -> None:
    """In a notebook the same path is retried after an error."""
    path = tmp_path / "bot.py"
    path.write_text("x = 1 / 0\n", encoding="utf-8")
    with pytest.raises(StrategyError):
        resolve_strategy(str(path))
    path.write_text(HEAD + MY_BOT + "stake: Decimal = param('0.01')\n", encoding="utf-8")
    assert resolve_strategy(str(path)).name == "MyBot"


def test_choices_keep_their_words() -> None:
    """Help shows choices as they were written."""

    class Chosen(Strategy):
        level: int = param(2, choices=("1", "2"))

    assert parameters(Chosen)[0].allowed == "one of 1, 2"


def test_types_imported_for_type_checkers_only_are_known(tmp_path: Path) -> None:
    """Linters move imports under TYPE_CHECKING; the usual types are parameters anyway."""
    path = tmp_path / "checked_bot.py"
    source = (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"
        "from vectra_bot import Strategy, param\n"
        "if TYPE_CHECKING:\n    from decimal import Decimal\n"
        "class MyBot(Strategy):\n    stake: Decimal | None = param('0.1')\n"
    )
    path.write_text(source, encoding="utf-8")
    assert parameters(resolve_strategy(str(path)).cls)[0].default == Decimal("0.1")


def test_a_misspelt_callback_is_named() -> None:
    """A method that looks like a callback and would never run is refused with the right name."""
    with pytest.raises(ConfigError, match="did you mean on_game_tick"):

        class Typo(Strategy):
            def on_gametick(self, tick: Any, game: Any) -> None: ...
