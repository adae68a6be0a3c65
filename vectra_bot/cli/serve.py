"""``vectra-bot serve``: the embedded exchange as a Socket.IO server, for any client of the venue."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve, frozen

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.options import GroupedCommand, declared_options, given_options
from vectra_bot.errors import UsageError
from vectra_bot.exchange import ExchangeConfig, ExchangeOptions
from vectra_bot.exchange.config import START_NS, path_of
from vectra_bot.params import Heading, declared, like, option, shortest
from vectra_bot.venues.embedded import EmbeddedOptions

if TYPE_CHECKING:
    from vectra_bot.server import ExchangeServer, TokenTable
    from vectra_bot.venues.embedded import ExchangeLog

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


@frozen(kw_only=True, field_transformer=declared)
class ServeConfig(ExchangeOptions):
    """Options of the server: where it listens, how it runs, and who may log in."""

    port: int = option(8080, low=0, high=65_535, help="Port to listen on, 0 for any free one.")
    host: str = option(
        "127.0.0.1",
        metavar="ADDRESS",
        help="Address to listen on; one reachable from other machines needs --public.",
    )
    public: bool = option(False, help="Allow an address that other machines can reach.")
    games: int | None = like(EmbeddedOptions, "games", default=None, shown="unlimited")
    seed: int | None = like(EmbeddedOptions, "seed")
    speed: float | None = like(EmbeddedOptions, "speed", default=1.0)
    start_ns: int | None = like(
        EmbeddedOptions, "start_ns", shown="now at --speed 1, else 2026-01-01T00:00:00Z"
    )
    latency_ms: int | None = like(
        EmbeddedOptions,
        "latency_ms",
        default=None,
        shown="on receipt, answers delayed as measured",
        help="Time from receipt of an action to its execution, in ms; 0 also answers at once.",
    )
    jitter: bool = option(
        True,
        help="Delay frames as a real link does; without, ticks are evenly spaced.",
        heading=Heading.EXCHANGE,
    )
    exchange_log: Path | None = like(EmbeddedOptions, "exchange_log")
    cash: Decimal = like(EmbeddedOptions, "cash")
    tokens: Path | None = option(
        None,
        take=lambda value: None if value is None else path_of(value),
        metavar="FILE",
        help="Who may log in: tokens and their players.",
        heading=Heading.LOGINS,
    )
    dev_tokens: int | None = option(
        None,
        low=0,
        high=10_000,
        shown=f"{_DEV_TOKENS} without --tokens, 0 with it or with --public",
        help="Accept tokens dev-1 to dev-N, for play on your own machine.",
        heading=Heading.LOGINS,
    )
    open_login: bool = option(
        False,
        help="Accept any other token too; each is a separate player.",
        heading=Heading.LOGINS,
    )


@click.command("serve", cls=GroupedCommand, epilog=_EPILOG, context_settings=HELP_OPTIONS)
@declared_options(ServeConfig)
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON object when ready, and one at the end.")  # fmt: skip
def serve(*, as_json: bool, **options: Any) -> int:
    """Serve the embedded exchange over Socket.IO, with the venue's protocol and play money.

    The public feed needs no login. A client logs in by `authenticate` with {"token": ...}; a second
    login of a player ends the older connection. This is not the venue: there is no real money, and
    what was never captured (rejections, leverage, shorts, side games) is unverified.

    Ctrl-C, SIGTERM or SIGHUP stops it: every connection is closed, exit code 130, 143 or 129. After
    --games it exits with code 0.
    """
    import asyncio

    from vectra_bot.venues.embedded import ExchangeLog

    config = ServeConfig(**given_options(ServeConfig, options))
    _check_host(config)
    log = None if config.exchange_log is None else ExchangeLog(config.exchange_log)
    try:
        return asyncio.run(_serve(_server(config, log), config, as_json))
    finally:
        if log is not None:
            log.close()


def _check_host(config: ServeConfig) -> None:
    from vectra_bot.server.origin import is_loopback

    if not is_loopback(config.host) and not config.public:
        raise UsageError(
            f"--host was {config.host!r}, which other machines can reach: add --public to allow that"
        )


def _server(config: ServeConfig, log: ExchangeLog | None) -> ExchangeServer:
    from vectra_bot.clock import WallClock
    from vectra_bot.server import ExchangeServer
    from vectra_bot.session.header import new_seed

    start_ns = config.start_ns
    if start_ns is None:
        start_ns = WallClock().now_ns() if config.speed == 1 else START_NS
    seed = new_seed() if config.seed is None else config.seed
    return ExchangeServer(
        evolve(ExchangeConfig.of(config, seed=seed, start_ns=start_ns), jitter=config.jitter),
        tokens=_tokens(config),
        host=config.host,
        port=config.port,
        speed=config.speed,
        games=config.games,
        on_request=log,
        latency_ms=config.latency_ms,
    )


def _tokens(config: ServeConfig) -> TokenTable:
    from vectra_bot.exchange.identities import Identities
    from vectra_bot.game.ledger import to_lamports
    from vectra_bot.server import Login, TokenTable, read_tokens

    cash = to_lamports(config.cash)
    logins = {} if config.tokens is None else read_tokens(config.tokens)
    number = config.dev_tokens
    if number is None:
        number = 0 if config.tokens is not None or config.public else _DEV_TOKENS
    ids = Identities("dev-tokens")
    for count in range(1, number + 1):
        name = f"dev-{count}"
        logins.setdefault(name, Login(player_id=ids.player_id(count), username=name, cash=cash))
    return TokenTable(logins, open_login=config.open_login, cash=cash)


async def _serve(server: ExchangeServer, config: ServeConfig, as_json: bool) -> int:
    """Serve until a signal comes or the games are over; return the exit code."""
    import asyncio

    from vectra_bot.cli.stopping import Stopper
    from vectra_bot.session.config import StopFlag

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    flag = StopFlag(running=True, on_set=lambda: loop.call_soon_threadsafe(stop.set))
    async with server:
        with Stopper(flag) as stopped:
            _say_ready(server, config, as_json)
            over = asyncio.create_task(server.wait_over())
            asked = asyncio.create_task(stop.wait())
            await asyncio.wait([over, asked], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if over.done():
                over.result()
            else:
                over.cancel()
    _say_end(server, as_json)
    return int(stopped.exit_code)


def _say_ready(server: ExchangeServer, config: ServeConfig, as_json: bool) -> None:
    from vectra_bot.cli.output import print_json

    if config.public:
        click.echo(
            f"warning: other machines can reach {server.url}, without encryption; "
            "tokens are sent in clear text",
            err=True,
        )
    served = server.exchange.config
    speed = "max" if config.speed is None else shortest(config.speed)
    if as_json:
        print_json(
            {
                "event": "ready",
                "url": server.url,
                "host": config.host,
                "port": server.port,
                "seed": served.seed,
                "format": served.wire_format.value,
                "crowd": served.crowd,
                "speed": speed,
                "logins": len(server.tokens),
                "open_login": config.open_login,
            }
        )
        return
    who = f"{len(server.tokens)} tokens" + (", or any" if config.open_login else "")
    click.echo(
        f"serving {server.url} (seed {served.seed}, {served.wire_format.value}, crowd {served.crowd}, "
        f"speed {speed}, {who}); press Ctrl-C to stop"
    )


def _say_end(server: ExchangeServer, as_json: bool) -> None:
    from vectra_bot.cli.output import print_json

    counts = server.counts.to_json()
    games = server.exchange.games_opened
    if as_json:
        print_json({"event": "stopped", "games": games, **counts})
        return
    click.echo(
        f"stopped after {games} games: {counts['connections']} connections, {counts['logins']} logins, "
        f"{counts['requests']} requests, {counts['refused']} rejected"
    )
