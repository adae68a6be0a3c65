"""Write docs/reference/python.md: every public name with its signature, meaning and an example that runs.

The examples are the cells of ``python_examples.py``, and for records one line that is generated here. Run by
``generate.py``.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
from generate_json import sections
from generate_records import member_doc, shared_doc
from generate_text import as_sentence, data

import vectra_bot
import vectra_bot.testing
from vectra_bot import models

EXAMPLES = Path(__file__).resolve().parent / "python_examples.py"
MODULES = {"vectra_bot": vectra_bot, "models": models, "testing": vectra_bot.testing}

GROUPS = {
    "Run, replay, record": (
        "run", "run_session", "SessionConfig", "RunOptions", "replay", "replay_session", "check_journal",
        "ReplayConfig", "ReplayOptions", "record", "record_session", "RecordConfig", "RecordOptions",
        "run_live", "LiveConfig", "LiveOptions", "control_session",
        "LiveSettings", "Limits", "WireFormat", "ShortPayoff", "ShortAtRug", "ShortTerms", "Profile",
        "StopFlag", "FlushFlag", "Observer", "Snapshot",
    ),
    "Their results": (
        "Report", "Latency", "SendLatency", "Standing", "ReplayReport", "ReplayCheck", "Divergence",
        "RecordReport",
    ),
    "Backtest, compare and sweep": (
        "backtest", "BacktestReport", "compare", "Comparison", "Variant", "sweep", "SweepReport", "TriedSet",
    ),
    "Write a strategy": (
        "Strategy", "param", "parameters", "Parameter", "configure", "BotActionInterface", "AccountView",
        "PositionView", "SidebetView", "ShortView", "StakeView", "SideGamesView", "Round", "GameView",
    ),
    "Write a plugin": ("Plugin", "hookimpl"),
    "Write an alert rule": ("AlertRule", "AlertDraft", "AlertModel"),
    "Show alerts": ("AlertSink", "AlertNotice", "AlertFeed"),
    "Query a store": (
        "open_store", "Catalog", "Result", "Stream", "CorruptFile", "CorruptRowsWarning",
    ),
    "Maintain a store": (
        "check_store", "CheckReport", "Problem", "recover_store", "RecoveryReport", "compact_store",
        "CompactionReport", "CompactedFolder", "import_files", "ImportReport", "FileReport", "BadRow",
    ),
    "Verify games, compute odds": (
        "verify_seed", "SeedVerification", "verify", "Verification", "FileDifference", "Difference", "odds",
        "OddsReport", "CheckedFigure", "Figure",
    ),
    "Judge other players": (
        "players", "PlayersReport", "PlayersSeen", "JudgedPlayer", "RuleFigures", "PlantedTruth", "Imitation",
    ),
    "Read journals, serialize records": (
        "Journal", "JournalReader", "Entry", "write_journal", "record_to_json", "record_from_json",
    ),
    "Catch errors": (
        "VectraError", "UsageError", "InputError", "ConfigError", "UnknownNameError", "StoreError",
        "JournalError", "StrategyError", "NotInCallback", "PluginError", "RecordError", "WireError",
        "CheckFailed",
    ),
}  # fmt: skip
"""The names of ``vectra_bot`` by what a user wants to do."""

CONSTANTS = {
    "hookimpl": "Marks a method of a plugin as the implementation of the hook of its name; "
    "[hooks.md](hooks.md) has every hook. `@hookimpl(tryfirst=True)` and `trylast=True` change the order.",
    "models.RECORDS": "A mapping from each `DocType` to the record that its documents hold.",
    "models.SCHEMA_VERSION": f"Version of the schema of all records: `{models.SCHEMA_VERSION!r}`.",
}

INTRO = """\
What is listed here, in `vectra_bot`, `vectra_bot.models` and `vectra_bot.testing`, is public; everything
else is private. All of it is typed, and `import vectra_bot` imports a name when it is first used. A function
that does what a command does raises the errors of the command and returns the object that the command
prints with `--json`: `report.to_json()` gives the same keys, without those of the command itself
(`seconds`).

Ctrl-C during `run`, `replay` or `record` raises `KeyboardInterrupt`, and the next session of the store
recovers the session. To end one with a complete store, set its `stop` flag from a signal handler or a
thread.

Every example runs as it is, in this order, in an empty folder, after these lines:
"""

_SAMPLES: dict[Any, str] = {
    bool: "True",
    int: "1",
    float: "1.5",
    str: '"text"',
    Decimal: 'Decimal("0.01")',
    Any: "None",
    datetime: "datetime(2026, 1, 1, tzinfo=UTC)",
}
# What no type says: the values that a record accepts.
_VALUES = {
    ("Document", "record"): "game_tick",
    ("SystemEvent", "detail_json"): '"{}"',
    ("WsEvent", "raw_json"): '"[]"',
}


def examples() -> dict[str, tuple[str, ...]]:
    """Return the names of each cell by its text, in order; the first cell is for no name."""
    cells = EXAMPLES.read_text(encoding="utf-8").split("# %% ")[1:]
    found: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        names, _, text = cell.partition("\n")
        found[text.strip("\n")] = tuple(name.strip() for name in names.split(","))
    return found


def public_names() -> list[str]:
    """Return every public name, those of ``vectra_bot`` by group, the others as ``models.NAME``."""
    own = [name for names in GROUPS.values() for name in names]
    if sorted(own) != sorted(vectra_bot.__all__):
        raise SystemExit(f"GROUPS differs from __all__: {set(own) ^ set(vectra_bot.__all__)}")
    models_first = sorted(models.__all__, key=lambda name: (name.isupper(), name))
    return [
        *own,
        *(f"models.{name}" for name in models_first),
        *(f"testing.{name}" for name in vectra_bot.testing.__all__),
    ]


def resolve(name: str) -> Any:
    """Return the object of a public name."""
    module, _, inner = name.rpartition(".")
    return getattr(MODULES[module or "vectra_bot"], inner)


# ---- examples of records


def record_example(name: str) -> str:
    """Return lines that construct a record of ``models`` and serialize it, or that use an enum."""
    kind = getattr(models, name)
    if issubclass(kind, Enum):
        member = next(iter(kind))
        return f"assert models.{name}({member.value!r}) is models.{name}.{member.name}".replace(
            "'", '"'
        )
    variable = re.sub(r"(?<!^)(?<![A-Z])(?=[A-Z])", "_", name).lower()
    lines = [f"{variable} = {_construction(kind)}"]
    if name == "Document":
        lines.insert(0, f"game_tick = {_construction(models.GameTick)}")
    if kind in set(models.RECORDS.values()):
        lines += [
            f"as_json = vectra_bot.record_to_json({variable})",
            f"assert vectra_bot.record_from_json(models.{name}, as_json) == {variable}",
        ]
    else:
        lines.append(f"assert attrs.evolve({variable}) == {variable}")
    return "\n".join(lines)


def _construction(kind: type) -> str:
    hints = typing.get_type_hints(kind)
    given = [
        f"{field.alias}={_sample(kind.__name__, field, hints[field.name])}"
        for field in attrs.fields(kind)
        if field.default is attrs.NOTHING and field.init
    ]
    line = f"models.{kind.__name__}({', '.join(given)})"
    if len(line) <= 75:
        return line
    return f"models.{kind.__name__}(\n" + "".join(f"    {one},\n" for one in _indented(given)) + ")"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (line.replace("\n", "\n    ") for line in lines)


def _sample(owner: str, field: attrs.Attribute[Any], hint: Any) -> str:
    if (owner, field.name) in _VALUES:
        return _VALUES[owner, field.name]
    if hasattr(field.validator, "options"):
        return f'"{field.validator.options[0]}"'
    if hint in _SAMPLES:
        return _SAMPLES[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"models.{hint.__name__}.{next(iter(hint)).name}"
    if attrs.has(hint):
        return _construction(hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return "()"
    if origin in (dict, Mapping):
        return "{}"
    return _sample(owner, field, inner[0])


# ---- the page


def python_api(
    doc: Callable[[object], str],
    table: Callable[[Iterable[str], Iterable[Iterable[object]]], Iterator[str]],
) -> Iterator[str]:
    """Yield the page; *doc* gives a docstring as Markdown, *table* a table."""
    cells = examples()
    setup, *_ = cells
    where = {name: cell for cell, names in cells.items() for name in names}
    yield "# Python API\n"
    yield INTRO
    yield f"```python\n{setup}\n```\n"
    for title, names in GROUPS.items():
        yield f"- {title}: " + ", ".join(f"[`{name}`](#{name.lower()})" for name in names)
    yield "- [Records, events and enums](#vectra_botmodels): `vectra_bot.models`"
    yield "- [Test a strategy](#vectra_bottesting): `vectra_bot.testing`\n"
    public_names()
    shown: dict[str, str] = {}
    for title, names in GROUPS.items():
        yield f"## {title}\n"
        for name in names:
            yield from _section(name, doc, table)
            yield from _example(name, where, shown)
    yield "## vectra_bot.models\n"
    yield f"{doc(models)}\n"
    yield "[records.md](records.md) has the columns of every kind of document.\n"
    for name in public_names():
        if name.startswith("models."):
            yield from _section(name, doc, table)
            yield from _example(name, where, shown)
    yield "## vectra_bot.testing\n"
    yield f"{_without('Example', doc(vectra_bot.testing))}\n"
    for name in public_names():
        if name.startswith("testing."):
            yield from _section(name, doc, table)
            yield from _example(name, where, shown)


def _example(name: str, where: dict[str, str], shown: dict[str, str]) -> Iterator[str]:
    if name in where:
        cell = where[name]
        if cell in shown:
            yield f"Example: under [`{shown[cell]}`](#{shown[cell].lower()}).\n"
            return
        shown[cell] = name
    elif name.startswith("models."):
        cell = record_example(name.partition(".")[2])
    else:
        raise SystemExit(f"docs/python_examples.py has no example of {name}")
    yield f"```python\n{cell}\n```\n"


def _section(
    name: str,
    doc: Callable[[object], str],
    table: Callable[[Iterable[str], Iterable[Iterable[object]]], Iterator[str]],
) -> Iterator[str]:
    value = resolve(name)
    yield f"### {name.rpartition('.')[2]}\n"
    if inspect.isfunction(value):
        kind = "async def" if inspect.iscoroutinefunction(value) else "def"
        yield f"```text\n{kind} {name}{signature(value)}\n```\n"
        yield f"{_without('Example', doc(value))}\n"
    elif inspect.isclass(value):
        bases = "TypedDict" if typing.is_typeddict(value) else ", ".join(_bases(value))
        yield f"```text\nclass {name}{f'({bases})' if bases else ''}\n```\n"
        rows = list(fields_of(value))
        text = _without("Example", doc(value))
        yield f"{_without('Attributes', text) if rows else text}\n"
        if issubclass(value, vectra_bot.VectraError):
            yield f"Exit code of the command line: {value.exit_code}.\n"
        yield from _members(value, rows, table)
    else:
        yield f"{CONSTANTS[name]}\n"


def _bases(value: type) -> Iterator[str]:
    return (base.__name__ for base in value.__bases__ if base is not object)


def _without(title: str, text: str) -> str:
    """Return a docstring in Markdown without a section that the page itself has."""
    start = rf"(?:\*\*{title}\*\*|^{title}:)\n"
    return re.sub(rf"{start}.*?(?=\n\*\*|\Z)", "", text, flags=re.DOTALL | re.MULTILINE).strip()


def _members(
    value: type,
    rows: list[tuple[str, str, str, str]],
    table: Callable[[Iterable[str], Iterable[Iterable[object]]], Iterator[str]],
) -> Iterator[str]:
    if issubclass(value, Enum):
        members = ", ".join(f"`{member.name}` = `{member.value!r}`" for member in value)
        yield f"Members: {members}.\n"
    elif typing.is_typeddict(value):
        yield from table(("key", "type"), (row[:2] for row in rows))
    elif rows:
        yield from table(("field", "type", "default", "meaning"), rows)
    methods = [
        (
            f"`{name}{text}`",
            _markdown((inspect.getdoc(member) or "").split("\n")[0]) or described(value, name),
        )
        for name, text, member in members_of(value)
    ]
    if methods:
        yield from table(("member", "meaning"), methods)


def fields_of(value: type) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, default and meaning of each field of a record, config or TypedDict."""
    kinds = annotations_of(value)
    if typing.is_typeddict(value):
        yield from ((f"`{key}`", f"`{kind}`", "", "") for key, kind in kinds.items())
    elif attrs.has(value):
        meanings = meanings_of(value)
        for field in attrs.fields(value):
            if field.init and not field.name.startswith("_"):
                meaning = meanings.get(field.name, "") or described(value, field.name)
                yield f"`{field.name}`", f"`{kinds[field.name]}`", _default(field), meaning


RESULTS = {
    "Report": ("run", ""),
    "Latency": ("run", "latency."),
    "Divergence": ("replay --check", "first_difference."),
    "RecordReport": ("record", ""),
    "CheckReport": ("store check", ""),
    "RecoveryReport": ("store recover", ""),
    "CompactedFolder": ("store compact", "folders[]."),
    "FileReport": ("store import", "files[]."),
    "Verification": ("verify (seeded_games)", ""),
    "FileDifference": ("verify (seeded_games)", "differences[]."),
    "Difference": ("verify (seeded_games)", "differences[]."),
}
"""Sections of the JSON page, and the place in them, of classes that commands print."""


def described(value: type, name: str) -> str:
    """Return what the data of the reference pages says of a field or member, "" where nothing does."""
    section, place = RESULTS.get(value.__name__, ("", ""))
    if section:
        for key in sections()[section][1]:
            if key.path == f"{place}{name}":
                return key.meaning
    own = as_sentence(data("public").get(f"{value.__name__}.{name}", ""))
    return own or member_doc(value, name) or shared_doc(value, name, "views", "fields")


def meanings_of(value: type) -> dict[str, str]:
    """Return what the docstrings of a class and of its bases say of each attribute, else an option's help."""
    options = [f for f in attrs.fields(value) if "vectra_option" in f.metadata]
    found: dict[str, str] = {f.name: f.metadata["vectra_option"]["help"] for f in options}
    for base in reversed(value.__mro__):
        section = (inspect.cleandoc(base.__doc__ or "")).partition("\nAttributes:\n")[2]
        section = re.split(r"\n(?=\S)", section)[0]
        for entry in re.split(r"\n(?=    \S)", "\n" + section)[1:]:
            names, _, text = " ".join(entry.split()).partition(": ")
            found |= {name.strip("`"): _markdown(text) for name in names.split(", ")}
    return found


def _markdown(text: str) -> str:
    return re.sub(r":[a-z]+:`~?\.?([^`]+)`", r"`\1`", text).replace("``", "`")


def _default(field: attrs.Attribute[Any]) -> str:
    default = field.default
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return ""
    return f"`{default.value!r}`" if isinstance(default, Enum) else f"`{default!r}`"


def members_of(value: type) -> Iterator[tuple[str, str, Any]]:
    """Yield the public methods and properties of a class: name, signature or type, the object."""
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if isinstance(member, property):
            yield name, f": {_plain(inspect.signature(member.fget).return_annotation)}", member
        elif inspect.isfunction(function):
            yield name, signature(function, member=True), function


def annotations_of(value: type) -> dict[str, str]:
    """Return the annotations of a class and of its bases, as they are written."""
    found: dict[str, str] = {}
    for base in reversed(value.__mro__):
        for name, kind in inspect.get_annotations(base).items():
            found[name] = _plain(kind)
    return found


def signature(function: Callable[..., Any], *, member: bool = False) -> str:
    """Return the signature: of a function on several lines if it is long, of a member without ``self``."""
    found = inspect.signature(function)
    hidden = ("self", "cls") if member else ()
    kept = [p for p in found.parameters.values() if p.name not in hidden]
    parts = [_parameter(parameter) for parameter in kept]
    for at, parameter in enumerate(kept):
        if parameter.kind is parameter.KEYWORD_ONLY:
            if not any(p.kind is p.VAR_POSITIONAL for p in kept[:at]):
                parts.insert(at, "*")
            break
    returns = _plain(found.return_annotation)
    line = f"({', '.join(parts)}) -> {returns}"
    if len(line) <= 90 or member:
        return line
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f") -> {returns}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}: {_plain(parameter.annotation)}"
    default = parameter.default
    if default is parameter.empty:
        return text
    if default is attrs.NOTHING:
        return f"{text} = ..."
    if callable(default):
        return f"{text} = {default.__name__}"
    return f"{text} = {default!r}"


def _plain(annotation: Any) -> str:
    """Return an annotation as it is written, without the names of modules."""
    if annotation is inspect.Signature.empty:
        return ""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    plain_type = isinstance(annotation, type) and not typing.get_args(annotation)
    text = annotation.__name__ if plain_type else " ".join(str(annotation).split())
    text = re.sub(
        r"\b(?:vectra_bot|typing|collections\.abc|pathlib|decimal|datetime)(?:\.\w+)*\.(?=\w)",
        "",
        text,
    )
    return re.sub(r"^\( ?(.*?) ?\)$", r"\1", text)
