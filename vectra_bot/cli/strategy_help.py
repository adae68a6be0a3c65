"""What the help of a command shows of the strategy that was given before ``--help``."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import click

from vectra_bot.errors import VectraError


def strategy_given(command: click.Command, ctx: click.Context, args: Sequence[str]) -> str | None:
    """Return the strategy among *args*; None if there is none, or the command takes none."""
    try:
        values, *_ = command.make_parser(ctx).parse_args(list(args))
    except click.UsageError:  # the help is how to find out what is wrong
        return None
    spec = values.get("strategy")
    return spec if isinstance(spec, str) else None


def write_parameters(spec: str, formatter: click.HelpFormatter) -> None:
    """Write the parameters of the strategy *spec*, or why they cannot be shown."""
    from vectra_bot.cli.listing import summary_of
    from vectra_bot.loading import resolve_strategy
    from vectra_bot.params import parameters

    try:
        source = resolve_strategy(spec)
        found = parameters(source.cls)
    except VectraError as error:
        with formatter.section("Parameters of the strategy"):
            formatter.write_text(f"cannot be shown: {str(error).partition(chr(10))[0]}")
        return
    with formatter.section(f"Parameters of {source.name}"):
        formatter.write_text(summary_of(source.cls))
        lines = []
        for p in found:
            default = "required" if p.default is attrs.NOTHING else f"default: {p.default}"
            about = ", ".join(part for part in (p.help, p.allowed) if part)
            lines.append((f"--set {p.name}=VALUE", f"{about}  [{default}]"))
        if lines:
            formatter.write_dl(lines)
        else:
            formatter.write_text("It has none.")
