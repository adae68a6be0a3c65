"""``vectra-bot record``: records a feed into a store, without trading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import (
    GroupedCommand,
    declared_options,
    given_options,
    plugin_options,
)
from vectra_bot.cli.output import json_option
from vectra_bot.config import FileConfig
from vectra_bot.session.config import RecordConfig, StopFlag
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.patience import LiveSettings

if TYPE_CHECKING:
    from vectra_bot.models import Document
    from vectra_bot.session.recorder import RecordReport

_EPILOG = """\b
Examples:
  vectra-bot record --venue http://127.0.0.1:5055 --store ./recorded --games 20
  vectra-bot record --venue https://backend.rugs.fun --store ./recorded --seconds 3600 --json
  vectra-bot record --browser --venue https://rugs.fun --store ./recorded
"""


@click.command(cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@declared_options(RecordConfig, LiveSettings, BrowserSettings)
@json_option
def record(*, as_json: bool, **options: Any) -> int:
    """Record a feed: raw frames and documents, gaps marked; nothing is sent, no login is needed.

    Every finished game is verified against the seed that the venue reveals for it: the hash published
    before, every price seen, the rug, the peak. If they disagree, one alert of type vectra.integrity is
    stored for the game. After a lost connection the recorder reconnects; the snapshot of the new
    connection fills the gap where it can.

    With --browser the venue's page is recorded in the browser of `vectra-bot browser login`: what you do
    there (buy, sell, sidebet) is stored as player_action documents of actor human. Changes of the bet that
    stay in the page are not seen.

    Ctrl-C ends the recording with a complete store (exit code 130), or says what is unfinished. If a
    game disagrees with its seed, the exit code is 1, however the recording ended; "failed_games" in the
    report names the games.
    """  # fmt: skip
    import asyncio

    import attrs

    from vectra_bot.cli.games import check_games
    from vectra_bot.cli.output import print_json, quiet_stdout
    from vectra_bot.cli.stopping import Stopper
    from vectra_bot.session.recorder import record_session

    config = _config(options)
    stopper = Stopper(config.stop, config.flush.ask, foreign=True)
    with stopper, quiet_stdout(as_json):
        told = None if as_json else _Lines(config.stop).tell
        report = asyncio.run(record_session(attrs.evolve(config, told=told, flushed=_flushed)))
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    check_games(report.alerts, report.failed_games)
    return stopper.exit_code


def _flushed(last: int) -> None:
    click.echo(f"flushed: all documents up to entry {last} are in the store", err=True)


def _config(options: dict[str, Any]) -> RecordConfig:
    return RecordConfig(
        settings=LiveSettings(**given_options(LiveSettings, options)),
        browser=BrowserSettings(**given_options(BrowserSettings, options)),
        **plugin_options(FileConfig(), options),
        **given_options(RecordConfig, options),
    )


class _Lines:
    """Prints one line for each event an operator follows: connection changes, finished games, alerts."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop

    def tell(self, document: Document) -> None:
        """Print the line of *document*, if it is worth one."""
        import json

        from vectra_bot.audit.findings import FINISHED_KIND
        from vectra_bot.models import AlertTrigger
        from vectra_bot.redaction import clean

        record = document.record
        if isinstance(record, AlertTrigger):
            click.echo(f"ALERT {clean(record.message)}")
        elif record.kind == FINISHED_KIND:
            detail = json.loads(record.detail_json)
            if detail["seen"]:
                click.echo(
                    f"game {clean(document.game_id)}: {detail['verdict']}, rug at {detail['rug_tick']}, "
                    f"peak {detail['peak']:.4g}, {len(detail['sidebets'])} sidebet rows"
                )
        elif record.kind.startswith("connection.") or record.severity in ("warning", "error"):
            click.echo(f"{record.kind}: {clean(record.message)}")


def _print(report: RecordReport) -> None:
    from vectra_bot.cli.games import games_by_verdict, print_failed
    from vectra_bot.cli.tables import print_pairs
    from vectra_bot.report.text import Copyable, next_query, unfinished

    games = f"{report.games}: {games_by_verdict(report.to_json())}"
    ticks = (
        f"{report.ticks} stored ({report.backfilled} backfilled), "
        f"{report.missing_ticks} missing, {report.gaps} gaps marked"
    )
    frames = f"{report.frames}: {report.quarantined} quarantined, {report.lost_frames} lost"
    wire_format = report.format or "none seen"
    if not report.format_expected:
        wire_format += " (the other one was expected)"
    print_pairs(
        [
            ("Session", f"{report.session_id}, from {report.venue} ({report.ended})"),
            ("Games", games),
            ("Ticks", ticks),
            ("Frames", frames),
            ("Link", f"{report.connections} connections, {report.reconnects} reconnects"),
            ("History", f"{report.history_games} games, {report.sidebet_rows} sidebet rows"),
            ("Alerts", str(report.alerts)),
            ("Format", wire_format),
            *unfinished(report.unfinished),
            ("Store", Copyable(report.store)),
            ("Journal", Copyable(report.journal)),
            ("Next", next_query("games", report.session_id, report.store)),
        ],
        title="Recording",
    )
    print_failed(report.alerts, report.failed_games)
