"""The page of alerts: every bundled rule with its types and parameters, the model, the expressions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

from generate_text import table

from vectra_bot import AlertModel, AlertRule, parameters
from vectra_bot.alerts import RULE_CALLBACKS
from vectra_bot.alerts.book import MAX_ALERTS
from vectra_bot.models import AlertType
from vectra_plugins.alerts import expressions
from vectra_plugins.alerts.rules import Alerts

_EVERY_EXPRESSION = {f"custom_{number}": "price > 2" for number in (1, 2, 3)}

INTRO = f"""\
An alert is a stored document, [alert_trigger](records.md): something that a person may want to see. A rule
derives it from events; the same events give the same alerts, with the same ids, in every replay. What
reaches you is a matter of preferences, which rules do not see. The types below are those of the schema, each
given by one rule of the bundled plugin `alerts`, which `--alerts` enables. It is on for `vectra-bot live` and
for `run` on the feed of a venue. A [rule of your own](../how-to.md#write-an-alert-rule) has types of the form
`namespace.name`; a rule may give {MAX_ALERTS} alerts for one event.
"""

CHANCES = """\
Alerts of the types `rug_warning`, `sidebet_optimal_zone`, `high_potential_entry`, `high_potential_exit`,
`short_entry_signal` and `bbc_optimal_pred` state a chance, so that they can be scored. Their `source_data`
has:
"""

KEYS = (
    ("model", "name of the model that states it, `law` by default"),
    (
        "event",
        "`rug`: the game rugs within the horizon; `survival`: it does not; `round`: the choice wins",
    ),
    ("tick, horizon_ticks", "of a game's alert: when it was given, and how many ticks ahead"),
    ("round_id, choice, payout_x", "of a round's alert: what it is about"),
    ("probability", "the chance, 0 to 1"),
    (
        "bet",
        "what acting on it means: `sidebet`, `long`, `short`, `exit` (selling instead of holding) or `round`",
    ),
    (
        "expected_value",
        "expected profit of it per unit of stake, over `value_ticks` ticks if there are any",
    ),
    ("unverified", "whether its payoff was not seen at the venue"),
)

SCORED = """\
`vectra-bot alerts backtest` plays games through rules and scores what they state: see its help in
[command line](command-line.md#alerts-backtest). A model that claims what is not so is named.
"""


def alerts_page(doc: Callable[..., str]) -> Iterator[str]:
    """Yield the page.

    Raises:
        ValueError: a type of the schema has no rule, or several.
    """
    rules = Alerts(**_EVERY_EXPRESSION).rules
    _check(rules)
    yield "# Alerts\n"
    yield INTRO
    yield "## Rules\n"
    yield from table(("type", "when", "callbacks"), _types(rules))
    yield "## Parameters\n"
    yield "`--plugin-set alerts.NAME=VALUE`, or the section `[plugins.alerts]` of a configuration file.\n"
    yield from table(("name", "default", "allowed", "meaning"), _parameters())
    yield "## Chances\n"
    yield f"{doc(AlertModel)}\n"
    for name in ("rug_chance", "holding_return", "round_chances"):
        yield f"`{name}`: {doc(getattr(AlertModel, name))}\n"
    yield CHANCES
    yield from table(("key", "meaning"), ((f"`{key}`", text) for key, text in KEYS))
    yield SCORED
    yield "## Custom signals\n"
    yield f"{doc(expressions)}\n"
    yield f"An expression has at most {expressions.MAX_TEXT} characters and {expressions.MAX_NODES} parts."
    yield "A signal comes when the expression becomes true, at most `custom_per_game` times in a game.\n"
    yield "## Callbacks of rules\n"
    yield f"{doc(AlertRule)}\n"
    yield from table(
        ("callback", "arguments"),
        (
            (f"`{name}`", ", ".join(f"`{one}`" for one in taken))
            for name, taken in RULE_CALLBACKS.items()
        ),
    )


def _check(rules: tuple[AlertRule, ...]) -> None:
    given = [one for rule in rules for one in rule.types()]
    wrong = [kind for kind in AlertType if given.count(kind) != 1]
    if wrong:
        raise ValueError(f"these types do not have exactly one rule: {wrong}")


def _types(rules: tuple[AlertRule, ...]) -> Iterator[tuple[str, str, str]]:
    by_type = {kind: rule for rule in rules for kind in rule.types()}
    for kind in AlertType:
        rule = by_type[kind]
        text = _meaning(kind, inspect.getdoc(type(rule)) or "")
        callbacks = ", ".join(f"`{name}`" for name in RULE_CALLBACKS if hasattr(rule, name))
        yield f"`{kind.value}`", text, callbacks


def _meaning(kind: AlertType, text: str) -> str:
    """Return what the docstring of a rule says of a type: its line, or the summary if it gives one type."""
    found = re.search(rf"^{kind.name}: (.*(?:\n {{4}}.*)*)", text, re.MULTILINE)
    if found is None:
        return text.partition("\n")[0]
    meaning = re.sub(r"\s+", " ", found[1])
    return f"{meaning[0].upper()}{meaning[1:]}"


def _parameters() -> Iterator[tuple[str, str, str, str]]:
    for one in parameters(Alerts):
        default = "" if one.default == "" else f"`{one.default}`"
        yield f"`{one.name}`", default, one.allowed, f"{one.help[0].upper()}{one.help[1:]}."
