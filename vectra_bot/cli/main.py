"""The root command: finds subcommands without importing them, and turns errors into exit codes.

``vectra-bot --help`` imports only click: built-in commands are in a table with their help lines, commands of
other distributions are found by entry point and loaded when they run.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from vectra_bot.cli import HELP_OPTIONS, OWN_PROCESS
from vectra_bot.errors import (
    PluginError,
    StopNow,
    StrategyError,
    UsageError,
    VectraError,
)
from vectra_bot.redaction import RedactingFilter, redacted

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from click.shell_completion import CompletionItem

COMMAND_GROUP = "vectra_bot.commands"

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("vectra_bot.cli.run:run", "Run a strategy on paper: embedded exchange or a feed."),
    "backtest": (
        "vectra_bot.cli.backtest:backtest",
        "Play a strategy over many games in memory.",
    ),
    "compare": (
        "vectra_bot.cli.compare:compare",
        "Compare strategies or parameters over the same games.",
    ),
    "sweep": (
        "vectra_bot.cli.sweep:sweep",
        "Try many sets of parameters; judge the best by luck.",
    ),
    "check": (
        "vectra_bot.cli.check:check",
        "Check a strategy: lookahead, chance, clock, exceptions, bounds.",
    ),
    "new": ("vectra_bot.cli.new:new", "Write a new strategy or plugin that installs at once."),
    "live": ("vectra_bot.cli.live:live", "Trade for a real account at a venue, within limits."),
    "replay": ("vectra_bot.cli.replay:replay", "Replay a journal or a recording."),
    "record": (
        "vectra_bot.cli.record:record",
        "Record a feed without trading; verify games against seeds.",
    ),
    "browser": (
        "vectra_bot.cli.browser:browser",
        "Open the browser in which you log in, for --browser.",
    ),
    "serve": ("vectra_bot.cli.serve:serve", "Serve the embedded exchange over Socket.IO."),
    "status": ("vectra_bot.cli.control:status", "Show what a running session is doing."),
    "halt": ("vectra_bot.cli.control:halt", "Let a running session send no entries."),
    "resume": ("vectra_bot.cli.control:resume", "Lift the halts of a running session."),
    "reduce": ("vectra_bot.cli.control:reduce", "Let a running session send exits only."),
    "flatten": ("vectra_bot.cli.control:flatten", "Sell everything a running session holds."),
    "stop": ("vectra_bot.cli.control:stop", "End a running session; nothing is sent any more."),
    "alerts": (
        "vectra_bot.cli.alerts:alerts",
        "Choose which alerts reach you; show and score them.",
    ),
    "doctor": (
        "vectra_bot.cli.doctor:doctor",
        "Check machine, store, token and venue before a session.",
    ),
    "verify": ("vectra_bot.cli.verify:verify", "Verify games and trades against the law."),
    "diff": ("vectra_bot.cli.diff:diff", "Compare two sessions decision by decision."),
    "odds": ("vectra_bot.cli.odds:odds", "Compute the game's odds, checked by simulated games."),
    "players": (
        "vectra_bot.cli.players:players",
        "Judge other players: results, habits, skill against luck.",
    ),
    "query": ("vectra_bot.cli.query:query", "Query a store with SQL or by query name."),
    "export": (
        "vectra_bot.cli.export:export",
        "Export episodes as datasets to train on: Parquet or Minari.",
    ),
    "store": (
        "vectra_bot.cli.store:store",
        "Check, recover, compact, migrate and import into a store.",
    ),
    "strategies": ("vectra_bot.cli.listing:strategies", "List strategies and their parameters."),
    "plugins": ("vectra_bot.cli.listing:plugins", "List plugins, broken ones included."),
    "dev": ("vectra_bot.cli.dev:dev", "Check the embedded exchange (for maintainers)."),
}
"""Built-in commands: the function of each, and its line in ``vectra-bot --help``."""

EXIT_CODES: dict[int, str] = {
    0: "success",
    1: "a check found a difference or a problem",
    2: "usage error: the command line is wrong",
    3: "input cannot be used: a file, seed, recording or store",
    4: "invalid configuration: a key or parameter",
    5: "unknown name: strategy, plugin, query, session or document type",
    6: "store or journal I/O error",
    7: "strategy error: it raised; the store is complete",
    8: "plugin error: a plugin or its command cannot be used",
    9: "invalid record or frame",
    10: "trading stopped early by a limit, halt or stop; the store is complete",
    69: "unsupported operating system: not Linux or macOS",
    70: "internal error (--debug shows where)",
    74: "standard output cannot be written; what the command did is done",
    129: "stopped by SIGHUP (the terminal was closed)",
    130: "stopped by Ctrl-C (SIGINT); says what is unfinished",
    137: "stopped in native code that did not return",
    141: "the reader closed the pipe (SIGPIPE)",
    143: "stopped by SIGTERM; says what is unfinished",
}
"""Every exit code of the program; part of its public interface."""

_COMPLETE = "_VECTRA_BOT_COMPLETE"  # the variable by which a shell asks, as click names it
_UNSUPPORTED = 69
_UNEXPECTED = 70
_INTERRUPTED = 130
_NO_OUTPUT = 74
_BROKEN_PIPE = 141


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_foreign_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name][0].partition(":")
            return _as_command(getattr(import_module(module), name), cmd_name)
        point = _foreign_commands().get(cmd_name)
        return None if point is None else _load_foreign(point)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
            advice = (
                f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
            )
            raise UsageError(f"no command is named {name!r}: {advice}")
        return name, command, args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        lines = {name: summary for name, (_, summary) in COMMANDS.items()}
        lines |= {name: f"(from {point.value})" for name, point in _foreign_commands().items()}
        found = [
            CompletionItem(name, help=line)
            for name, line in lines.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
        foreign = _foreign_commands()
        rows += [(name, f"(from {foreign[name].value})") for name in sorted(foreign)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            formatter.write_text("vectra-bot run take-profit --games 20 --speed max")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the only place that catches everything."""
    if sys.platform == "win32":
        _say("error: vectra-bot needs Linux or macOS; on Windows use WSL")
        return _UNSUPPORTED
    if argv is not None:
        return _run(list(argv), own_process=False)
    if asked := os.environ.get(_COMPLETE):
        from vectra_bot.cli.completion import complete

        return complete(cli, _COMPLETE, asked)
    from vectra_bot.cli.output import open_standard_streams
    from vectra_bot.cli.stopping import Stopper, Watch

    open_standard_streams()
    with Watch() as watch, Stopper():
        code = _run(sys.argv[1:], own_process=True)
        if watch.asked:
            watch.leave(code)
    return code


def _run(arguments: list[str], *, own_process: bool) -> int:
    debug = _take_debug(arguments)
    _hide_secrets_in_logs()
    try:
        # Not cli.main(): that one answers a closed pipe with exit code 1, which has another meaning here.
        with cli.make_context("vectra-bot", arguments or ["--help"]) as context:
            context.meta[OWN_PROCESS] = own_process
            result = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        return _stopped(error)
    except BrokenPipeError:
        _silence_stdout()
        return _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the outermost shell: any error becomes one line and a code
        return _report(error, debug=debug)
    return result if isinstance(result, int) else 0


def _stopped(error: BaseException) -> int:
    _say("stopped")
    return 128 + error.number if isinstance(error, StopNow) else _INTERRUPTED


def _hide_secrets_in_logs() -> None:
    """Filter what loggers without a handler print, ours and those of strategies and libraries."""
    fallback = logging.lastResort
    if fallback is not None and not any(isinstance(f, RedactingFilter) for f in fallback.filters):
        fallback.addFilter(RedactingFilter())


def _take_debug(arguments: list[str]) -> bool:
    """Remove ``--debug`` anywhere before a ``--`` and return whether it was there."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = "--debug" in arguments[:end]
    arguments[:end] = [argument for argument in arguments[:end] if argument != "--debug"]
    return found


def _report(error: Exception, *, debug: bool) -> int:
    from vectra_bot.cli.stopping import stop_behind

    if debug:
        sys.stderr.write(redacted("".join(traceback.format_exception(error))))
    stop = stop_behind(error)
    if stop is not None:
        return _stopped(stop)
    if isinstance(error, VectraError) and error.exit_code == _NO_OUTPUT:
        _silence_stdout()
    if isinstance(error, VectraError):
        line, _, details = str(error).partition("\n")
        if isinstance(error, StrategyError) and not debug:
            sys.stderr.write(redacted(details))  # the traceback of the user's own code
            details = ""
        _say(f"error: {line}\n{details if not debug else ''}")
        return error.exit_code
    if isinstance(error, click.ClickException):
        _say(f"error: {error.format_message()}")
        return 3 if isinstance(error, click.FileError) else error.exit_code
    advice = "" if debug else "; repeat with --debug for the traceback"
    _say(f"error: unexpected {type(error).__name__}: {error}{advice}")
    return _UNEXPECTED


def _say(text: str) -> None:
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    sys.stderr.write(f"{redacted(line)}\n")


def _silence_stdout() -> None:
    """Redirect stdout to nothing, so that the interpreter's last flush does not fail again."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"vectra-bot {version('vectra-bot')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings=HELP_OPTIONS)
@click.option(
    "--debug", is_flag=True, help="Show the traceback of an error (also after a command)."
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli(debug: bool) -> None:
    """Bots for rugs.fun: run, replay and verify them.

    Paper is the default: on an embedded exchange, or over the feed of a venue. `live` trades for a real
    account; it needs a configuration, limits and the account typed. Not affiliated with the venue. On
    average the game loses money, before prizes.
    """
    # main() removed --debug from the arguments; it is declared here for the help.


def _foreign_commands() -> dict[str, EntryPoint]:
    """Return the commands of other distributions by name; built-in names cannot be overridden."""
    from importlib.metadata import entry_points

    points = sorted(
        entry_points(group=COMMAND_GROUP), key=lambda p: (p.name, p.value), reverse=True
    )
    return {point.name: point for point in points if point.name not in COMMANDS}


def _load_foreign(point: EntryPoint) -> click.Command:
    try:
        return _as_command(point.load(), point.name)
    except Exception as error:  # foreign code: whatever it raises becomes a plugin error
        raise PluginError(
            f"command {point.name!r} of {point.value} cannot be loaded: "
            f"{type(error).__name__}: {error}; repair or uninstall its distribution"
        ) from error


def _as_command(value: Any, name: str) -> click.Command:
    if not isinstance(value, click.Command):
        raise PluginError(f"command {name!r} was {value!r}: give a click command")
    return value


if __name__ == "__main__":
    sys.exit(main())
