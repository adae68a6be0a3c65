"""The hook contract: every hook a plugin can implement, with its arguments and when it runs.

A plugin is a class (or module) with methods marked by :data:`vectra_bot.hookimpl`. It may take fewer
arguments than a hook offers, by name. All hooks are synchronous; a plugin's exception is counted, stored as
a ``system_event`` and never reaches another plugin or the strategy. Arguments are read-only.

Hooks run once: in a session on the embedded exchange or on a live feed. Only a plugin with ``replays = True``
in its class is called in a replay of a recording, which is a session, and in ``replay --check``, which is
not: there ``session_started`` and ``session_finished`` are not run, so that a plugin that vetoes should not
depend on what it set up in them. The vetoes of every other plugin are read from the journal. The recovery of
a killed session calls no plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from vectra_bot.game.state import GameView
    from vectra_bot.game.view import AccountView
    from vectra_bot.models import (
        GameSummary,
        GameTick,
        Link,
        OtherPlayerAction,
        PlayerAction,
        PlayerState,
        SessionInfo,
        SessionSummary,
        StakeSettled,
    )

PROJECT = "vectra_bot"
hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT)


@hookspec
def session_started(info: SessionInfo) -> None:
    """Run once before the first input of a session.

    Args:
        info: what the session is: id, mode, venue, strategy, store.
    """


@hookspec
def session_finished(info: SessionInfo, report: SessionSummary) -> None:
    """Run once after the last input of a session, also when it ended with an error.

    Args:
        info: what the session was.
        report: how it ended: games, actions by state, cash, profit.
    """


@hookspec
def on_phase(game: GameView) -> None:
    """Run at every change of phase; ``game.phase`` is the new one.

    Args:
        game: the running game, read-only.
    """


@hookspec
def on_game_start(game: GameView) -> None:
    """Run at tick 0, or at the first frame of a game joined late.

    Args:
        game: the running game.
    """


@hookspec
def on_game_tick(tick: GameTick, game: GameView) -> None:
    """Run at every new tick of a running game; ticks strictly increase.

    Args:
        tick: the price update.
        game: the running game, the tick included.
    """


@hookspec
def on_game_end(game: GameView, summary: GameSummary) -> None:
    """Run when a game's money is settled and its seed revealed, with the next game's first frame.

    Args:
        game: already the next game.
        summary: the game that ended.
    """


@hookspec
def on_other_player_trade(trade: OtherPlayerAction, game: GameView) -> None:
    """Run when another player's trade was seen; the public stream is a sample (protocol 5.5).

    Args:
        trade: the trade, with the leaderboard's data about the player.
        game: the running game.
    """


@hookspec
def on_action_submitted(action: PlayerAction) -> None:
    """Run when an action was handed to the venue.

    Args:
        action: the action in state SENT.
    """


@hookspec
def on_action_outcome(action: PlayerAction) -> None:
    """Run once for every action when it is complete: decided, with the state after it known or never to be.

    Args:
        action: the action in its terminal state.
    """


@hookspec
def on_stake_settled(settled: StakeSettled, game: GameView) -> None:
    """Run when the stake of a sidebet, short or side game was settled.

    Args:
        settled: which action's stake, and its payout.
        game: the running game.
    """


@hookspec
def on_player_update(state: PlayerState, game: GameView) -> None:
    """Run when the venue sent a statement of our account.

    Args:
        state: the account as the venue states it.
        game: the running game.
    """


@hookspec
def on_connection(status: Link) -> None:
    """Run when the connection to the venue changed.

    Args:
        status: the new state of the connection.
    """


@hookspec
def review_action(action: PlayerAction, game: GameView, account: AccountView) -> str | None:
    """Veto an action before it is sent.

    Every plugin is called; any denial wins; a plugin that raises denies.

    Args:
        action: the action about to be sent, in state INTENT.
        game: the running game.
        account: our money, the action not yet included.

    Returns:
        None to allow it, or the reason to deny it.
    """
