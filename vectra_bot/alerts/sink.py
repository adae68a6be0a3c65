"""AlertSink: the base class of what shows or forwards alerts, and what a sink is given.

The texts of an alert may contain what other players chose as their names. A :class:`AlertNotice` gives them
as one line of printable text that is harmless where markup means nothing; where it does, ``html()`` and
``markdown()`` escape it. The raw texts are in the store, under the alert's id.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from attrs import field, frozen

from vectra_bot.alerts.preferences import RANKS, check_sink
from vectra_bot.errors import ConfigError, PluginError, safe_repr, safe_text
from vectra_bot.params import Configurable

MAX_TITLE: Final = 120
MAX_MESSAGE: Final = 500
MAX_DEPTH: Final = 4
MAX_DATA: Final = 16_384
MAX_PARTS: Final = 64

_SPACE: Final = re.compile(r"\s+")
# A mention of a chat service: the sign of a letter that looks the same means nothing to it.
_AT: Final = "\uff20"
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~])")
# Not every service reads an escape of these, nor an entity.
_ANGLES: Final = str.maketrans("<>", "\u2039\u203a")
# Invisible, or changes the order or direction of the text around it; variation selectors, fillers.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u034f\u2800\u17b4\u17b5")


def harmless(text: object, limit: int = MAX_MESSAGE) -> str:
    """Return *text* as one line of visible characters, at most *limit* of them.

    Line ends become spaces; control and format characters (terminal escapes, marks of direction, zero
    width), unassigned characters and more than two combining marks in a row are skipped; ``@`` and ``://``
    are replaced, so that no service reads a mention or an address; registered secrets are hidden.
    """
    cut = safe_text(text, 4 * limit + 64)
    kept: list[str] = []
    marks = 0
    for character in _SPACE.sub(" ", cut):
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category in _HIDDEN or character in _FILLERS or marks > 2:
            continue
        if "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
            continue
        kept.append(_AT if character == "@" else character)
    line = _SPACE.sub(" ", "".join(kept)).strip().replace("://", ":\u2215\u2215")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with :func:`harmless` texts and keys, cut where it is deep or long."""
    found: dict[str, Any] = harmless_data(dict(values))
    return found if len(json.dumps(found)) <= MAX_DATA else {"too_long": True}


def harmless_data(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with :func:`harmless` texts and keys, cut where it is deep or long."""
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict) and depth < MAX_DEPTH:
        parts = list(value.items())[:MAX_PARTS]
        return {harmless(key, MAX_TITLE): harmless_data(one, depth + 1) for key, one in parts}
    if isinstance(value, list | tuple) and depth < MAX_DEPTH:
        return [harmless_data(one, depth + 1) for one in value[:MAX_PARTS]]
    return harmless(value)


@frozen(kw_only=True)
class AlertNotice:
    """An alert as a sink is given it; every text is harmless, see the module.

    Attributes:
        alert_id: id of the alert, by which the store has its raw texts.
        kind: its type: the value of an ``AlertType``, or ``namespace.name``.
        severity: info, success, warning or error; raised if it escalated.
        title: headline, at most 120 characters.
        message: text for a person, at most 500 characters.
        triggered_at: when it was triggered, UTC, in the session's time.
        priority: higher is more important.
        sound: whether it should make a sound.
        escalated: whether its severity was raised.
        session_id: the session.
        mode: how the session runs: paper, live or replay.
        venue: where its feed comes from.
        game_id: game it is about, empty if none.
        player_id: player it is about, empty if none.
        data: the values behind it.
    """

    alert_id: str
    kind: str
    severity: str
    title: str
    message: str
    triggered_at: datetime
    priority: int = 0
    sound: bool = False
    escalated: bool = False
    session_id: str = ""
    mode: str = ""
    venue: str = ""
    game_id: str = ""
    player_id: str = ""
    data: dict[str, Any] = field(factory=dict)

    @property
    def line(self) -> str:
        """Return title and message as one line of plain text."""
        return f"{self.title}: {self.message}" if self.message else self.title

    @property
    def is_urgent(self) -> bool:
        """Whether it is an error."""
        return RANKS[self.severity] == RANKS["error"]

    def html(self) -> str:
        """Return the line for HTML, title in bold."""
        title, message = html.escape(self.title), html.escape(self.message)
        return f"<b>{title}</b> {message}".rstrip()

    def markdown(self) -> str:
        """Return the line for Markdown, title in bold."""
        return f"**{markdown_text(self.title)}** {markdown_text(self.message)}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "alert_id": self.alert_id,
            "type": self.kind,
            "severity": self.severity,
            "title": self.title,
            "message": self.message,
            "triggered_at": self.triggered_at.isoformat(),
            "priority": self.priority,
            "sound": self.sound,
            "escalated": self.escalated,
            "session_id": self.session_id,
            "mode": self.mode,
            "venue": self.venue,
            "game_id": self.game_id,
            "player_id": self.player_id,
            "data": self.data,
        }


def markdown_text(text: str) -> str:
    """Return harmless *text* with everything escaped that Markdown interprets."""
    return _MARKS.sub(r"\\\1", text.translate(_ANGLES))


class AlertSink(Configurable):
    """Base of sinks: a subclass shows or forwards one alert in :meth:`deliver`.

    Every sink has a queue, a time limit for each call, and runs in a separate process, which makes it
    from its parameters, so that one that hangs, raises or computes delays nobody: it is reported by its
    name, and what finds its queue full is dropped and counted. One whose class another process cannot import
    (of a script, a notebook or a function), or with ``in_process``, runs in a thread of the session: there
    one that computes without end slows the session down until its time is over.

    Annotated fields are parameters, as those of plugins. Sinks are registered in a plugin's hook
    ``register_alert_sinks``, or given to :func:`vectra_bot.run` as ``alert_sinks``.

    Attributes:
        name: by which preferences and reports name it: lower-case letters, digits, hyphens.
        interrupts: whether it draws a person's attention. One that does not, as a file, also gets what is
            silent, repeated or too frequent.
        deadline_s: longest time of one call, seconds.
        in_process: whether it needs the session's process, because it shares objects with it.

    Example::

        class Lamp(AlertSink):
            name = "lamp"

            def deliver(self, notice):
                Path("/sys/class/leds/red/brightness").write_text("1")
    """

    name: ClassVar[str] = ""
    interrupts: ClassVar[bool] = True
    deadline_s: ClassVar[float] = 2.0
    in_process: ClassVar[bool] = False

    def deliver(self, notice: AlertNotice) -> None:
        """Show or forward *notice*; whatever is raised counts as a failure."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what :meth:`deliver` opened; called once, at the end."""


Register = Callable[[AlertSink], None]


def checked_sink(sink: Any, taken: set[str]) -> AlertSink:
    """Return *sink* if it can be used beside those whose names are *taken*.

    Raises:
        PluginError: it is not a sink, has no ``deliver``, or its name is not allowed or taken.
    """
    if not isinstance(sink, AlertSink):
        raise PluginError(
            f"the alert sink was {safe_repr(sink)}: give an object of a class that inherits AlertSink"
        )
    if type(sink).deliver is AlertSink.deliver:
        raise PluginError(
            f"the alert sink {type(sink).__name__} delivers nothing: write def deliver(self, notice)"
        )
    try:
        check_sink(sink.name, f"{type(sink).__name__}.name was")
    except (ConfigError, TypeError) as error:
        raise PluginError(str(error)) from None
    if sink.name in taken:
        raise PluginError(f"two alert sinks are named {sink.name!r}: rename one")
    return sink


__all__ = [
    "AlertNotice",
    "AlertSink",
    "Register",
    "checked_sink",
    "harmless",
    "harmless_data",
    "harmless_values",
    "markdown_text",
]
