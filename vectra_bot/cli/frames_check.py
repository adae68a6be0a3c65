"""``vectra-bot dev frames-check``: compare a capture's frames with the embedded exchange's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.numbers import Whole, WholeRange
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from vectra_bot.conformance.frames.frames_check import FramesResult
    from vectra_bot.wire.states import WireFormat

_EXAMPLES = """\b
Examples:
  vectra-bot dev frames-check raw_frames.jsonl.gz --json
  vectra-bot dev frames-check ~/rugs_data/events_parquet/journals/SESSION --games 50
"""


@click.command(
    "frames-check",
    short_help="Compare the frames of a capture with the exchange's.",
    epilog=_EXAMPLES,
    context_settings=HELP_OPTIONS,
)
@click.argument("file", metavar="FILE")
@click.option(
    "--games", type=WholeRange(1, 10_000), default=200, show_default=True,
    help="Games of the embedded exchange to compare with, in each format of FILE.",
)  # fmt: skip
@click.option(
    "--seed", type=Whole(), default=1, show_default=True, help="Seed of the embedded exchange."
)
@click.option("--strict", is_flag=True, help="Tolerate no overtaking frames (see above).")
@json_option
def frames_check(*, file: str, games: int, seed: int, strict: bool, as_json: bool) -> None:
    """Compare the frames of a capture FILE with the embedded exchange's.

    FILE is a capture of frames in any layout that `vectra-bot replay` reads, a journal directory or a
    journal segment, of the venue or of `vectra-bot serve`. Frames of before December 2025 are refused:
    the exchange does not write their formats.

    Compared are the kinds of message, the keys of every object (always or sometimes present), the
    types of their values (null, int, float ...), the trace argument, and the order of frames. The
    format (dec or feb) is detected per recording. Every difference is reported once, unless the
    packaged list frame_exceptions.toml has it with a reason.

    Recordings of a client with several threads show a small frame before the big one that was
    sent before it. That is reported but tolerated, unless --strict is given; it is not tolerated in a
    recording with a login.

    Exit code 0 if there are no differences except listed ones, 1 if there are, 2 for a wrong
    command line, 3 for a file that cannot be used.
    """
    from vectra_bot.conformance.frames.frames_check import Reference, check_frames
    from vectra_bot.errors import CheckFailed

    result = check_frames(file, Reference(games, seed, _progress(games)), strict=strict)
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)
    if not result.ok:
        wrong = result.differences
        number = f"{len(wrong)} difference" + ("s" if len(wrong) != 1 else "")
        raise CheckFailed(f"{number} found, the first: {wrong[0].line()}")


def _progress(games: int) -> Callable[[WireFormat, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def report(wire_format: WireFormat, done: int) -> None:
        end = "\n" if done >= games else ""
        click.echo(
            f"\rembedded exchange, {wire_format.value}: {done} of {games} games{end}",
            err=True,
            nl=False,
        )

    return report


def _show(result: FramesResult) -> None:
    from vectra_bot.cli.tables import print_table

    print_table(
        ("capture", "format", "frames", "excerpts", "truncated", "games", "logged in"),
        [
            (
                part.name or "-", part.label, part.frames, part.excerpts, part.truncated, len(part.games),
                "yes" if part.private else "no",
            )
            for part in result.slices
        ],
    )  # fmt: skip
    lines: list[Any] = [
        f"tolerated: {finding.what}, line {finding.place}" for finding in result.tolerated
    ]
    lines += [f"listed: {item.line()}; {reason}" for item, reason in result.excepted]
    lines += [f"wrong: {item.line()}" for item in result.differences]
    lines.append(
        f"{len(result.differences)} differences" if result.differences else "no differences"
    )
    for line in lines:
        click.echo(clean(line))
