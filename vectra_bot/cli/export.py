"""``vectra-bot export``: datasets to learn from, of a store's sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.cli.progress import Steps
from vectra_bot.cli.store_options import store_option
from vectra_bot.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectra_bot.analysis.episodes.check import Checked
    from vectra_bot.store.query.results import CorruptFile

_EPILOG = """\b
Examples:
  vectra-bot export ./dataset
  vectra-bot export --format minari ./minari --session my-session
  vectra-bot export --imitation ./trades --split 0.7,0.15,0.15
  vectra-bot export --check ./dataset
"""
_MOST_LISTED = 50


@click.command(epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "minari"]),
    help="Parquet tables, or Minari datasets (extra rl).  [default: parquet]",
)
@store_option
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Only this session.")
@click.option(
    "--split",
    metavar="A,B,C",
    help="Shares of the games for train, validation and test.  [default: 0.8,0.1,0.1]",
)
@click.option("--imitation", is_flag=True, help="Export trades of other players instead.")
@click.option("--licence", metavar="TEXT", help="Licence of the data, for the card.")
@click.option("--force", is_flag=True, help="Replace OUT if it is an exported dataset.")
@click.option("--check", is_flag=True, help="Check the dataset OUT for leaks; write nothing.")
@click.option("--verbose", is_flag=True, help="Print progress on standard error, line by line.")
@json_option
def export(out: Path, *, as_json: bool, verbose: bool, check: bool, **options: Any) -> int:
    """Export episodes of a store's sessions to the folder OUT, to train on.

    An episode is a game in which the bot acted; it has a step for the presale and for each tick, with
    what was known then, what the bot asked for, and the change of equity in lamports. Games are split by time
    into train, validation and test. Every export is checked for leaks: no column says what comes after its
    step. OUT appears whole or not at all; the same store gives the same files. Files of the store that are
    corrupt are skipped and named on standard error, with exit code 1; so is a leak that --check finds.
    """
    out = out.expanduser()
    if check:
        return _check(out, options, as_json=as_json)
    from vectra_bot.analysis.episodes.export import ExportOptions, export_dataset
    from vectra_bot.analysis.episodes.split import DEFAULT, Shares
    from vectra_bot.cli.query import warn_skipped
    from vectra_bot.store.location import default_store
    from vectra_bot.store.query.catalog import open_store

    wanted = ExportOptions(
        form=options["form"] or "parquet",
        sessions=options["sessions"],
        shares=Shares.of(options["split"] or DEFAULT),
        imitation=options["imitation"],
        force=options["force"],
        licence=options["licence"],
    )
    store = default_store() if options["store"] is None else options["store"]
    skipped: list[CorruptFile] = []

    def warn(corrupt: CorruptFile) -> None:
        skipped.append(corrupt)
        warn_skipped(corrupt)

    with Steps(verbose=verbose) as progress, open_store(store, on_corrupt=warn) as catalog:
        card = export_dataset(catalog, out, wanted, progress)
    if as_json:
        print_json({"out": str(out), "files_skipped": len(skipped), **card})
    else:
        _print_card(out, card)
    return 1 if skipped else 0


def _check(out: Path, options: Mapping[str, Any], *, as_json: bool) -> int:
    from vectra_bot.analysis.episodes.check import check_folder
    from vectra_bot.errors import UsageError

    given = [name for name, value in options.items() if value]
    if given:
        name = {"form": "format", "sessions": "session"}.get(given[0], given[0])
        raise UsageError(f"--{name} was given with --check, which reads OUT only: leave it out")
    found = check_folder(out)
    if as_json:
        print_json(found.to_json())
    else:
        _print_check(found)
    return 1 if found.leaks else 0


def _print_card(out: Path, card: Mapping[str, Any]) -> None:
    imitation = card["kind"] == "imitation"
    for name, one in card["sets"].items():
        what = (
            f"{one['rows']} trades"
            if imitation
            else f"{one['episodes']} episodes, {one['rows']} steps"
        )
        money = "" if imitation else f", return {one['return_lamports'] / 1e9:+.9f} SOL"
        click.echo(f"{name:<10}  {one['games']} games, {what}{money}")
    coverage = card["coverage"]
    if imitation:
        share = coverage["share_seen"]
        seen = (
            "not stated by the venue" if share is None else f"{share:.1%} of the trades it counted"
        )
        click.echo(f"coverage    {seen}: the public trade stream is a sample")
    else:
        records = coverage["records"]
        click.echo(
            f"records     {records['stored']} as the engine stored them, {records['computed']} computed, "
            f"{records['different']} not confirmed by the documents"
        )
    if coverage["rows_skipped"]:
        listed = ", ".join(f"{clean(kind)} {n}" for kind, n in coverage["rows_skipped"].items())
        click.echo(f"skipped     rows that cannot be used: {listed}")
    click.echo(f"leak check  passed, {card['leak_check']['tests']} tests of dependence")
    click.echo(f"licence     {clean(card['licence'])}")
    click.echo(f"content     {card['content_sha256']}")
    click.echo(f"written     {clean(out)}")
    if card["format"] == "minari":
        click.echo(
            f"next        MINARI_DATASETS_PATH={clean(out.absolute())}, minari.load_dataset('train-v0')"
        )


def _print_check(found: Checked) -> None:
    for leak in found.leaks[:_MOST_LISTED]:
        click.echo(f"leak: {clean(leak)}")
    if len(found.leaks) > _MOST_LISTED:
        click.echo(f"and {len(found.leaks) - _MOST_LISTED} more: --json lists all")
    click.echo(
        f"{found.games} games, {found.episodes} episodes, {found.rows} rows, {found.tests} tests of "
        f"dependence: {len(found.leaks) or 'no'} leaks"
    )
