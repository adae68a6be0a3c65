"""``vectra-bot serve``: the embedded exchange behind a socket, for any client of the venue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS

if TYPE_CHECKING:
    from vectra_bot.exchange import ExchangeConfig
    from vectra_bot.server import ExchangeServer, TokenTable
    from vectra_bot.venues.embedded import ExchangeLog
    from vectra_bot.wire.profile import Profile

_EPILOG = """\b
Examples:
  vectra-bot serve --port 8080 --seed 7
  vectra-bot serve --port 0 --seed 7 --speed 20 --games 100 --json
  vectra-bot serve --tokens players.toml --format dec --crowd 0

\b
A token file (chmod 600), TOML or JSON:
  [[players]]
  token = "a secret"
  username = "alice"
  cash = "2.5"
"""
_DEV_TOKENS = 10


@click.command("serve", epilog=_EPILOG, context_settings=HELP_OPTIONS)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    metavar="N",
    help="Port to listen on, 0 for any free one.  [default: 8080]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Address to listen on; one that others reach needs --public.  [default: 127.0.0.1]",
)
@click.option("--public", is_flag=True, help="Allow an address that other machines reach.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    help="Seed of the exchange; random unless given.",
)
@click.option(
    "--speed",
    default="1",
    metavar="max|N",
    help="How many times faster than the venue; max: as fast as clients follow.  [default: 1]",
)
@click.option(
    "--format",
    "wire_format",
    type=click.Choice(["feb", "dec"]),
    default="feb",
    help="Wire format: February or December.  [default: feb]",
)
@click.option(
    "--crowd",
    type=click.IntRange(0, 3_000),
    metavar="N",
    help="Other players on the exchange; 300 unless given.",
)
@click.option(
    "--countdown-step",
    type=int,
    metavar="MS",
    help="Distance of countdown frames, a divisor of 5000; the venue's is 100.",
)
@click.option(
    "--games",
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    help="Stop after so many games; go on for ever unless given.",
)
@click.option(
    "--start",
    metavar="TIME",
    help="Where the exchange's clock starts, ISO 8601.  [default: now at --speed 1, else "
    "2026-01-01T00:00:00Z]",
)
@click.option(
    "--bbc-odds",
    metavar="P,P,P",
    help="Chances of BULL, BEAR and CRAB in a round (unverified).  [default: 7/15,7/15,1/15]",
)
@click.option(
    "--bbc-payouts",
    metavar="X,X,X",
    help="What BULL, BEAR and CRAB pay, times the stake (unverified).  [default: 2,2,14]",
)
@click.option(
    "--candleflip-odds",
    metavar="P,P",
    help="Chances of GREEN and RED in a round (unverified).  [default: 1/2,1/2]",
)
@click.option(
    "--candleflip-payouts",
    metavar="X,X",
    help="What GREEN and RED pay, times the stake (unverified).  [default: 1.94,1.94]",
)
@click.option(
    "--no-side-games",
    is_flag=True,
    help="Run no Bull/Bear/Crab and Candleflip rounds (unverified).",
)
@click.option(
    "--short-payoff",
    metavar="NAME",
    help="How a short's value follows the price (unverified): textbook, charged, linear, compounding, "
    "late-close or late-open.  [default: textbook]",
)
@click.option(
    "--short-at-rug",
    metavar="NAME",
    help="What an open short receives at the rug (unverified): settle, lose or refund.  "
    "[default: settle]",
)
@click.option(
    "--protocol",
    metavar="FILE",
    help="TOML file with the venue's own names of requests and side games' events.",
)
@click.option("--exchange-log", metavar="FILE", help="File that gets a line for every order.")
@click.option(
    "--tokens",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Who may log in: tokens and their players.",
)
@click.option(
    "--dev-tokens",
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Accept tokens dev-1 to dev-N, for play on your own machine.  "
    f"[default: {_DEV_TOKENS} without --tokens, 0 with it or with --public]",
)
@click.option(
    "--open-login", is_flag=True, help="Accept any other token too; each is a player of its own."
)
@click.option(
    "--cash",
    default="1",
    metavar="SOL",
    help="SOL of an account that --tokens does not give another sum.  [default: 1]",
)
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON object when ready, and one at the end.")  # fmt: skip
def serve(**options: Any) -> int:
    """Serve the embedded exchange over Socket.IO, with the venue's protocol and play money.

    The public feed needs no login. A client logs in by `authenticate` with {"token": ...}; a second
    login of a player ends his older connection. Nothing here is the venue: no real money, and
    whatever was never captured of it (refusals, leverage, shorts, side games) is unverified.

    Ctrl-C or SIGTERM ends it: every connection is closed, exit code 130 or 143. After --games it
    ends by itself with exit code 0.
    """
    import asyncio

    from vectra_bot.cli.stopping import Stopper
    from vectra_bot.venues.embedded import ExchangeLog

    path = options["exchange_log"]
    log = None if path is None else ExchangeLog(path)
    try:
        server, config = _server(options, log)
        return asyncio.run(_serve(server, config, options, Stopper))
    finally:
        if log is not None:
            log.close()


def _server(
    options: dict[str, Any], log: ExchangeLog | None
) -> tuple[ExchangeServer, ExchangeConfig]:
    from vectra_bot.config import parse_speed
    from vectra_bot.errors import UsageError
    from vectra_bot.server import ExchangeServer
    from vectra_bot.server.origin import is_loopback
    from vectra_bot.session.config import load_profile

    if not is_loopback(options["host"]) and not options["public"]:
        raise UsageError(
            f"--host was {options['host']!r}, which other machines may reach: add --public if that is meant"
        )
    profile = None
    if options["protocol"] is not None:
        profile = load_profile(Path(options["protocol"]).expanduser())
    with _options_blamed():
        speed = parse_speed(options["speed"], "--speed")
        config = _config(options, speed, profile)
    server = ExchangeServer(
        config,
        tokens=_tokens(options),
        host=options["host"],
        port=options["port"],
        speed=speed,
        games=options["games"],
        on_request=log,
    )
    return server, config


@contextmanager
def _options_blamed() -> Iterator[None]:
    """Let what a configuration refuses count as a wrong command line: it came from an option."""
    from vectra_bot.errors import ConfigError, UsageError

    try:
        yield
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _config(
    options: dict[str, Any], speed: float | None, profile: Profile | None
) -> ExchangeConfig:
    from vectra_bot.clock import WallClock
    from vectra_bot.config import parse_start
    from vectra_bot.exchange import ExchangeConfig
    from vectra_bot.game.shorts import ShortTerms
    from vectra_bot.game.sidegames import BBC, CANDLEFLIP, side_game
    from vectra_bot.session.header import new_seed
    from vectra_bot.wire.states import WireFormat

    given: dict[str, Any] = {}
    if options["start"] is not None:
        given["start_ns"] = parse_start(options["start"], "--start")
    elif speed == 1:
        given["start_ns"] = WallClock().now_ns()
    if options["crowd"] is not None:
        given["crowd"] = options["crowd"]
    if options["countdown_step"] is not None:
        given["countdown_step_ms"] = options["countdown_step"]
    terms = {"payoff": options["short_payoff"], "at_rug": options["short_at_rug"]}
    if profile is not None:
        given["profile"] = profile
    seed = new_seed() if options["seed"] is None else options["seed"]
    return ExchangeConfig(
        seed=seed,
        wire_format=WireFormat(options["wire_format"]),
        side_games=not options["no_side_games"],
        bbc=side_game(BBC, options["bbc_odds"], options["bbc_payouts"]),
        candleflip=side_game(CANDLEFLIP, options["candleflip_odds"], options["candleflip_payouts"]),
        short_terms=ShortTerms(**{name: value for name, value in terms.items() if value}),
        **given,
    )


def _tokens(options: dict[str, Any]) -> TokenTable:
    from vectra_bot.exchange.identities import Identities
    from vectra_bot.server import Login, TokenTable, read_tokens
    from vectra_bot.server.tokens import cash_lamports

    with _options_blamed():
        cash = cash_lamports(options["cash"], "--cash")
    logins = {} if options["tokens"] is None else read_tokens(Path(options["tokens"]))
    number = options["dev_tokens"]
    if number is None:
        number = 0 if options["tokens"] is not None or options["public"] else _DEV_TOKENS
    ids = Identities("dev-tokens")
    for count in range(1, number + 1):
        name = f"dev-{count}"
        logins.setdefault(name, Login(player_id=ids.player_id(count), username=name, cash=cash))
    return TokenTable(logins, open_login=options["open_login"], cash=cash)


async def _serve(
    server: ExchangeServer, config: ExchangeConfig, options: dict[str, Any], stopper: Any
) -> int:
    """Serve until a signal comes or the games are over; return the exit code."""
    import asyncio

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with server:
        with stopper(lambda _name: loop.call_soon_threadsafe(stop.set)) as stopped:
            _say_ready(server, config, options)
            over = asyncio.create_task(server.wait_over())
            asked = asyncio.create_task(stop.wait())
            await asyncio.wait([over, asked], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if over.done():
                over.result()
            else:
                over.cancel()
    _say_end(server, options)
    return int(stopped.exit_code)


def _say_ready(server: ExchangeServer, config: ExchangeConfig, options: dict[str, Any]) -> None:
    from vectra_bot.cli.output import print_json

    if options["public"]:
        click.echo(
            f"warning: {server.url} can be reached by other machines, without encryption; "
            "tokens travel in clear",
            err=True,
        )
    if options["as_json"]:
        print_json(
            {
                "event": "ready",
                "url": server.url,
                "host": options["host"],
                "port": server.port,
                "seed": config.seed,
                "format": config.wire_format.value,
                "crowd": config.crowd,
                "speed": options["speed"],
                "logins": len(server.tokens),
                "open_login": options["open_login"],
            }
        )
        return
    who = f"{len(server.tokens)} tokens" + (", or any" if options["open_login"] else "")
    click.echo(
        f"serving {server.url} (seed {config.seed}, {config.wire_format.value}, crowd {config.crowd}, "
        f"speed {options['speed']}, {who}); Ctrl-C ends it"
    )


def _say_end(server: ExchangeServer, options: dict[str, Any]) -> None:
    from vectra_bot.cli.output import print_json

    counts = server.counts.to_json()
    games = server.exchange.games_opened
    if options["as_json"]:
        print_json({"event": "stopped", "games": games, **counts})
        return
    click.echo(
        f"stopped after {games} games: {counts['connections']} connections, {counts['logins']} logins, "
        f"{counts['requests']} requests, {counts['refused']} refused"
    )
