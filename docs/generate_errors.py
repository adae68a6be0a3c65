"""The page of errors: every class, exit code and code with its cause and what to do."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from generate_records import field_docs
from generate_text import anchor, as_sentence, data, doc, table

import vectra_bot
from vectra_bot.cli.main import EXIT_CODES
from vectra_bot.errors import VectraError
from vectra_bot.game.amounts import LedgerError
from vectra_bot.models import ActionState
from vectra_bot.store.maintenance.check import KINDS

SECTIONS = {
    "verify": (
        "Differences that verify finds",
        "Code `what`, printed by `vectra-bot verify` and in alerts of a recording. A `*` is a key.",
    ),
    "frames": (
        "Differences that dev frames-check finds",
        "Code `what` of a difference between a capture and the exchange's frames.",
    ),
    "denied": (
        "Reasons of denied actions",
        "`outcome.error_reason` of a DENIED action begins with such a code; a veto with `plugin.NAME`.",
    ),
    "import": (
        "Reasons of rows that are not imported",
        "Reason of a bad row of `vectra-bot store import` and `store migrate`; a `*` is any text.",
    ),
    "wire": (
        "Reasons of quarantined frames",
        "`WireError.reason`, and `reason` in the system event `frame.quarantined`. A `*` is a field.",
    ),
    "events": ("System events", "Column `kind` of `system_event`."),
}


def error_classes(base: type[VectraError] = VectraError) -> Iterator[type[VectraError]]:
    """Yield every error of the package and of what is loaded."""
    if base is VectraError:
        for module in pkgutil.walk_packages(vectra_bot.__path__, "vectra_bot."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def own_classes() -> list[type[VectraError]]:
    """Return the errors of the package, without those of plugins and tests, by exit code."""
    found = {e for e in error_classes() if e.__module__.startswith("vectra_")}
    return sorted(
        found, key=lambda e: (e is not VectraError, e.exit_code, e.__module__, e.__name__)
    )


def errors_page() -> Iterator[str]:
    """Every error and code, with cause and remedy."""
    texts = data("errors")
    yield "# Errors\n"
    yield "What went wrong and what to do, by the name or code that a message, a JSON object or a column"
    yield "shows.\n"
    titles = ("Exit codes", "Error classes", "States of an action", "Problems of a store")
    titles += tuple(title for title, _ in SECTIONS.values())
    yield f"{', '.join(f'[{title}](#{anchor(title)})' for title in titles)}.\n"
    yield "## Exit codes\n"
    yield "With what the program `vectra-bot` ends.\n"
    yield from table(
        ("code", "means", "usual cause", "remedy"),
        (
            (code, as_sentence(means), *map(as_sentence, texts["exit"][str(code)]))
            for code, means in EXIT_CODES.items()
        ),
    )
    yield "## Error classes\n"
    yield "Every deliberate error is a `vectra_bot.errors.VectraError`: catch that, or a class below. Its"
    yield "message says what is wrong, the value, and what to do; the command line prints it as one line and"
    yield "exits with its [exit code](#exit-codes). A `reason` is a code for programs.\n"
    yield from table(
        ("error", "exit code", "is a", "means", "cause", "remedy"),
        (_class_row(error, texts["classes"]) for error in own_classes()),
    )
    yield "## States of an action\n"
    yield "Column `state` of `player_action`. A terminal state is final; executed means that the venue did"
    yield "what was asked.\n"
    yield from table(
        ("state", "terminal", "executed", "meaning"),
        (
            (
                f"`{state.value}`",
                "yes" if state.is_terminal else "no",
                "yes" if state.is_executed else "no",
                field_docs(ActionState)[state.name],
            )
            for state in ActionState
        ),
    )
    yield "## Problems of a store\n"
    yield "Code `kind` of a problem that `vectra-bot store check` and `store recover` print.\n"
    yield from table(
        ("code", "means", "usual cause", "remedy"),
        (
            (
                f"`{kind}`",
                as_sentence(means),
                *map(as_sentence, texts["store"][kind]),
            )
            for kind, means in KINDS.items()
        ),
    )
    for name, (title, about) in SECTIONS.items():
        yield f"## {title}\n"
        yield f"{about}\n"
        yield from _codes(name, texts)


def _codes(name: str, texts: dict[str, Any]) -> Iterator[str]:
    """Yield the table of a section; that of the system events also has what they carry."""
    rows = ((f"`{code}`", *map(as_sentence, pair)) for code, pair in sorted(texts[name].items()))
    if name != "events":
        yield from table(("code", "means", "what to do"), rows)
        return
    yield from table(
        ("code", "means", "what to do", "`detail_json`"),
        ((*row, _details(row[0].strip("`"), texts)) for row in rows),
    )
    yield "Keys of `detail_json`:\n"
    keys = ((f"`{key}`", as_sentence(text)) for key, text in sorted(texts["keys"].items()))
    yield from table(("key", "meaning"), keys)


def _details(kind: str, texts: dict[str, Any]) -> str:
    """Return the keys of an event's ``detail_json``, or the text about them."""
    keys = ", ".join(f"`{key}`" for key in texts["details"].get(kind, ()))
    return keys or as_sentence(texts["detail_texts"].get(kind, ""))


def _class_row(error: type[VectraError], texts: dict[str, list[str]]) -> tuple[object, ...]:
    means = " ".join(doc(error).partition("\n\n")[0].split())
    if issubclass(error, LedgerError):
        means += f" Reason `{error.reason}`."
    name = f"`{error.__module__}.{error.__name__}`"
    base = f"`{error.__bases__[0].__name__}`"
    return (name, error.exit_code, base, means, *map(as_sentence, texts[error.__name__]))
