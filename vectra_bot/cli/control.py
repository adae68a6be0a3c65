"""``vectra-bot status``, ``halt``, ``resume``, ``reduce``, ``flatten``, ``stop``: control of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vectra_bot.cli import HELP_OPTIONS
from vectra_bot.cli.output import json_option, print_json
from vectra_bot.errors import CheckFailed
from vectra_bot.redaction import clean
from vectra_bot.store.location import LIVE_STORE_SHOWN, STORE_SHOWN

_DONE = {"flatten": "asked for, `vectra-bot status` shows what is still open"}
_NOT_DONE = "accepted; the session's loop has not processed it yet"


def _command(name: str, doc: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command which is for one running session."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        function.__doc__ = doc
        for wrap in (
            click.argument("session", required=False),
            click.option(
                "--store",
                metavar="DIR",
                help=f"Folder of its store.  [default: {LIVE_STORE_SHOWN}; then {STORE_SHOWN}]",
            ),
            json_option,
        ):
            function = wrap(function)
        example = f"\b\nExamples:\n  vectra-bot {name}\n  vectra-bot {name} SESSION --store ./store --json"
        return click.command(name, epilog=example, context_settings=HELP_OPTIONS)(function)

    return decorate


@_command(
    "status",
    """Show what a running session does and may do: link, position, limits.

    SESSION is needed only if several sessions run. What is not known reads "unknown". With --beat
    the session learns as well that its operator is there (dead_man_s in [live]).
    """,
)
@click.option("--beat", is_flag=True, help="Give the sign of life that dead_man_s waits for.")
def status(session: str | None, store: str | None, *, as_json: bool, beat: bool) -> int:
    from vectra_bot.session.control import ask, find_session

    directory = find_session(session, store)
    if beat:
        ask(directory, "beat")
    answer = ask(directory, "status")
    if as_json:
        print_json(answer)
    else:
        _print_status(answer)
    return 0


def _ask(word: str) -> Callable[..., int]:
    def command(
        session: str | None, store: str | None, *, as_json: bool, reason: str | None
    ) -> int:
        from vectra_bot.session.control import ask, find_session

        directory = find_session(session, store)
        answer = ask(directory, word, reason or "")
        if as_json:
            print_json(answer)
        else:
            what = _DONE.get(word, "done") if answer["done"] else _NOT_DONE
            click.echo(
                f"session {directory.name}: {word} {what}; trading: {clean(answer['standing'])}"
            )
            for line in answer["reasons"]:
                click.echo(f"  {clean(line)}")
        if not answer["done"]:
            raise CheckFailed(
                f"session {directory.name!r} did not process {word} in time: a callback of its strategy may "
                "hang; repeat it, or use `vectra-bot stop`, which does not wait"
            )
        if answer["hangs"]:
            click.echo(
                "a callback of the strategy hangs: nothing is sent any more, but the session cannot end "
                f"before it returns; end the process {answer['pid']} if it does not",
                err=True,
            )
        return 0

    return command


def _operator(word: str, doc: str) -> click.Command:
    """Return the command that sends a request to a running session."""
    decorated = click.option("--reason", metavar="TEXT", help="Why; kept in the journal.")(
        _ask(word)
    )
    return _command(word, doc)(decorated)


halt = _operator(
    "halt", "Let a running session send no entries any more; exits continue. `resume` ends it."
)
resume = _operator(
    "resume",
    "Lift the halts of a running session that an operator can lift, reduce and flatten too.",
)
reduce = _operator("reduce", "Let a running session send exits only, until `resume`.")
flatten = _operator(
    "flatten",
    """Sell everything a running session holds, close its short, and send no entries.

    An open sidebet cannot be closed: it is settled by the game.
    """,
)
stop = _operator(
    "stop",
    """End a running session: nothing is sent from this moment on, its files are completed.

    It does not wait for the strategy: if a callback hangs, the connection is cut. What is open stays
    open; to sell it first, use `flatten`.
    """,
)


def _token(left_s: object) -> str:
    """Return how long a token lasts, as a person reads it."""
    return f"{left_s:.0f} s left" if isinstance(left_s, int | float) else "end unknown"


def _print_status(status: dict[str, Any]) -> None:
    from vectra_bot.cli.tables import print_pairs

    def text(key: str) -> str:
        value = status.get(key, "unknown")
        return clean(value)

    position = status.get("position", "unknown")
    if isinstance(position, dict):
        held = (
            f"{position['qty']:g} at {position['avg_cost']:.4f}x, worth {position['value']:g} SOL"
        )
        position = held if position["qty"] else "flat"
    mode = text("mode") + (" (shadow)" if status.get("shadow") else "")
    reasons = status.get("reasons") or ()
    rows = [
        ("Session", f"{text('session_id')} (process {text('pid')})"),
        ("Strategy", f"{text('strategy')}, {mode} on {text('venue')}"),
        ("Trading", f"{text('standing')} ({text('arming')})"),
        *(("", clean(reason)) for reason in reasons),
        ("Account", text("account")),
        ("Link", f"{text('link')}, epoch {text('epoch')}"),
        ("Data", f"{text('data_age_ms')} ms old, round trip {text('rtt_ms')} ms"),
        ("Token", _token(status.get("token_left_s"))),
        ("Game", f"{text('game_id')}, {text('phase')}, tick {text('tick')}, {text('games')} games done"),
        ("Cash", f"{text('cash')} SOL, profit {text('pnl')} SOL"),
        ("Position", clean(position)),
        ("Actions", f"{text('pending')} undecided, {text('unknown')} of them unknown"),
        *(
            (f"Limit {clean(name)}", f"{used['used']} of {used['limit']}")
            for name, used in (status.get("limits") or {}).items()
        ),
        ("Age", f"{text('age_ms')} ms"),
    ]  # fmt: skip
    print_pairs(rows, title="Session")
