"""``vectra-bot replay``: replays a recording into a store, or a journal through a new engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.games import check_games, games_by_verdict, print_failed
from vectra_bot.cli.options import (
    GroupedCommand,
    declared_options,
    given_options,
    plugin_options,
    written_pairs,
)
from vectra_bot.cli.output import json_option, print_json, quiet_stdout
from vectra_bot.cli.report import page_path, paged, print_report, report_option, write_page
from vectra_bot.cli.stopping import Stopper
from vectra_bot.config import FileConfig
from vectra_bot.errors import CheckFailed, InputError, UsageError
from vectra_bot.redaction import clean
from vectra_bot.session import ReplayConfig, replay_session
from vectra_bot.session.replay import replay_recording

_EPILOG = """\b
Examples:
  vectra-bot replay raw_frames.jsonl.gz --strategy watch --store ./store
  vectra-bot replay raw_frames.jsonl.gz --strategy take-profit --paper
  vectra-bot replay ./store/journals/SESSION --check --json
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.argument("path", metavar="FILE|DIR")
@declared_options(ReplayConfig)
@report_option
@json_option
def replay(path: str, page: str | None, as_json: bool, **options: Any) -> int:
    """Replay a recording or a journal; nothing is sent anywhere.

    A recording is a capture of frames in any layout, plain, gzip or zstandard: lines of events
    (event or event_type, args or data), of frames (42[...]) or of single payloads. It is played to a
    strategy and stored as a new session that SQL can query. Every finished game is compared with the seed
    that the recording shows for it, bit for bit: if they disagree, one alert of type vectra.integrity is
    stored for the game, and the exit code is 1.

    With --paper, what the strategy asks for is filled at the recording's prices, by the rules of the embedded
    exchange; the private frames of the recorded account are dropped.

    With --check, a journal's inputs run through a new engine, and the commands are compared byte for
    byte; a difference is reported and gives exit code 1. The strategy is the one that --strategy names,
    else the journal's, which runs only if it is installed and its source is the one that ran: if not,
    nothing is checked, and the exit code is 2. Plugins run only with replays = True in their class. Of the
    strategy's parameters only secret ones can be set, which the journal does not contain.
    """
    target = Path(path).expanduser()
    if not target.exists():
        raise InputError(
            f"recording {path!r} does not exist: give a capture file or a journal's folder"
        )
    if options["check"]:
        return _check(target, as_json, {**options, "report": page})
    written = page_path(page)
    with paged(written), quiet_stdout(as_json):
        config = _config(target, options)
        with Stopper(config.stop, foreign=True) as stopper:
            report = asyncio.run(replay_recording(config))
    result = report.to_json()
    write_page(report.session, written)
    if as_json:
        print_json(result)
    else:
        _print_recording(result)
        if config.paper or written is not None:
            print_report(report.session, written)
    check_games(result["alerts"], result["failed_games"])
    return stopper.exit_code


def _config(target: Path, options: dict[str, Any]) -> ReplayConfig:
    return ReplayConfig(
        path=target,
        settings=written_pairs("--set", options["set"]),
        **plugin_options(FileConfig(), options),
        **given_options(ReplayConfig, options),
    )


def _check(target: Path, as_json: bool, options: dict[str, Any]) -> int:
    given = sorted(
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value and name not in ("check", "strategy", "set", "plugin")
    )
    if given:
        raise UsageError(
            f"--check was given with {', '.join(given)}: remove that, the journal's header says what ran"
        )
    with Stopper(foreign=True), quiet_stdout(as_json):
        named = {"strategy": options["strategy"]} if options["strategy"] else {}
        secrets = written_pairs("--set", options["set"])
        plugins = options["plugin"]
        config = ReplayConfig(
            path=target, check=True, settings=secrets, enable_plugins=plugins, **named
        )
        result = asyncio.run(replay_session(config)).to_json()
    if as_json:
        print_json(result)
    else:
        _print_check(result)
    if result["not_checked"]:
        raise UsageError(f"nothing was checked: {result['not_checked']}")
    if not result["equal"]:
        first = result["first_difference"]
        changed = "".join(
            f" ({what})"
            for what in (
                *(("the strategy's source has changed since",) if result["source_changed"] else ()),
                *result["plugin_notes"],
            )
        )
        raise CheckFailed(
            f"command {first['index']} at tick {first['tick']} of game {first['game_id']} differs: "
            f"{first['reason']}{changed}; compare the two commands with --json"
        )
    return 0


def _print_check(result: dict[str, Any]) -> None:
    from vectra_bot.cli.tables import print_pairs

    ending = "closed" if result["clean"] else "truncated by a crash" if result["torn"] else "open"
    print_pairs(
        [
            ("Session", f"{result['session_id']}: {result['strategy']}"),
            ("Inputs", f"{result['inputs']} (journal {ending})"),
            ("Commands", f"{result['commands']} replayed, {result['recorded']} recorded"),
            ("Equal", {True: "yes", False: "no", None: "not checked"}[result["equal"]]),
            ("Source", "changed since" if result["source_changed"] else "unchanged"),
            *(("Plugins", note) for note in result["plugin_notes"]),
            ("SHA-256", result["sha256"]),
        ],
        title="Check",
    )


def _print_recording(result: dict[str, Any]) -> None:
    from vectra_bot.cli.tables import print_pairs
    from vectra_bot.report.text import Copyable, next_query, unfinished

    lines = (
        f"{result['lines']}: {result['inbound']} inbound, {result['outbound']} outbound, "
        f"{result['local']} local"
    )
    inbound = (
        f"{result['decoded']} decoded, {result['truncated']} truncated, "
        f"{result['quarantined']} quarantined, {result['unknown_events']} unknown events"
    )
    by_event = ", ".join(f"{count} {name}" for name, count in result["by_event"].items())
    print_pairs(
        [
            ("Session", f"{result['session_id']}: {result['strategy']}, from {result['venue']}"),
            ("Lines", lines),
            ("Inbound", inbound),
            ("Events", by_event or "none"),
            ("Games", f"{result['games']} ({result['ticks']} ticks)"),
            ("Seeds", f"{result['history_games']} games shown; {games_by_verdict(result)}"),
            *unfinished(result["unfinished"]),
            ("Store", Copyable(result["store"])),
            ("Journal", Copyable(result["journal"])),
            ("Next", next_query("games", result["session_id"], result["store"])),
        ],
        title="Replay",
    )
    print_failed(result["alerts"], result["failed_games"])
    for warning in result["warnings"]:
        click.echo(f"warning: {clean(warning)}", err=True)
