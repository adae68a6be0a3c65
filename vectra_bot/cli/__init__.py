"""The command line ``vectra-bot``, one module for each command.

The top floor: imports any room. Reads arguments, files and signals, starts the event loop, prints, and
turns errors into exit codes; what a command does is in the rooms below.
"""

from typing import Final

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: ``-h`` and ``--help``."""

TRADING_STOPPED: Final = 10
"""Exit code of a session whose entries were all denied from some game on."""

OWN_PROCESS: Final = "vectra_bot.own_process"
"""Key in the context's ``meta``, set when the process runs only this command."""
