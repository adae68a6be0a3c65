"""The display of a notebook, where the process runs in one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from importlib import import_module

from vectra_bot.redaction import clean


def notebook_display() -> Callable[[str], None] | None:
    """Return a function that shows HTML below the running cell, in one place; None outside a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display = import_module("IPython.display")
    handle = display.display(display.HTML(""), display_id=True)

    def show(html: str) -> None:
        handle.update(display.HTML(html))

    return show


def progress_html(done: int, total: int, what: str) -> str:
    """Return a bar with a line of text; without a bar if *total* is 0."""
    bar = f'<progress max="{total}" value="{done}" style="width:16em"></progress> ' if total else ""
    return f"<div>{bar}{escape(clean(what))}</div>"
