"""The command line ``vectra-bot``."""

from typing import Final

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: ``-h`` and ``--help``."""

OWN_PROCESS: Final = "vectra_bot.own_process"
"""Key in the context's ``meta``, set when the process runs only this command."""
