"""Numbers as options take them: written in ASCII, without underscores.

Python reads ``1_0`` as 10 and digits of other scripts as numbers, which hides a typing error. Options that a
config declares are read by ``vectra_bot.params``, which refuses the same.
"""

from __future__ import annotations

from typing import Any

import click


class _Plain(click.ParamType):  # type: ignore[type-arg]  # not generic in older versions
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            self.fail(f"{value!r} is not a number: write it in digits 0 to 9", param, ctx)
        return super().convert(value, param, ctx)


class Whole(_Plain, click.types.IntParamType):
    """A whole number."""


class WholeRange(_Plain, click.IntRange):
    """A whole number within bounds."""


class Number(_Plain, click.types.FloatParamType):
    """A number."""
