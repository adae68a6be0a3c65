"""``vectra-bot browser``: our browser, in which a person logs in."""

from __future__ import annotations

from pathlib import Path

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option
from vectra_bot.venues.browser.profile import PROFILES_SHOWN

_EPILOG = """\b
Examples:
  vectra-bot browser login --venue https://rugs.fun
  vectra-bot live take-profit --config live.toml --browser
  vectra-bot record --browser --venue https://rugs.fun

With --json the command prints one object on standard output.
"""


@click.group(epilog=_EPILOG, context_settings=HELP_OPTIONS, invoke_without_command=True)
@click.pass_context
def browser(context: click.Context) -> None:
    """Open the browser that sessions with --browser use."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@browser.command(context_settings=HELP_OPTIONS)
@click.option("--venue", metavar="URL", required=True, help="Address of the venue's page.")
@click.option(
    "--browser-profile",
    metavar="DIR",
    help=f"Folder of the browser's profile.  [default: one for each venue in {PROFILES_SHOWN}]",
)
@json_option
def login(venue: str, browser_profile: str | None, *, as_json: bool) -> int:
    """Open the venue's page in a browser with a separate profile, for you to log in there.

    It stays open when the command ends, and sessions with --browser use its page. The login is the page's:
    no command reads or stores it. The browser listens on no port. Close its window when you are done.
    """
    import asyncio

    from vectra_bot.cli.output import print_json
    from vectra_bot.redaction import clean
    from vectra_bot.session.live.config import check_address
    from vectra_bot.venues.browser.launch import open_browser
    from vectra_bot.venues.browser.profile import BrowserProfile

    endpoint = check_address(venue)
    folder = None if browser_profile is None else Path(browser_profile)
    profile = BrowserProfile.of(endpoint.host, folder)
    opened = asyncio.run(open_browser(profile, endpoint.address))
    if as_json:
        print_json({"venue": endpoint.address, "profile": str(profile.folder), "opened": opened})
        return 0
    what = "opened" if opened else "is open already"
    click.echo(
        f"The browser {what}: log in on {clean(endpoint.address)}, and leave the window open."
    )
    click.echo(f"Its profile is {profile.folder}.")
    click.echo("Next: vectra-bot live STRATEGY --config live.toml --browser")
    return 0
