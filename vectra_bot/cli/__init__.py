"""The command line ``vectra-bot``."""

from typing import Final

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: both spellings of help."""

OWN_PROCESS: Final = "vectra_bot.own_process"
"""Stands in the context's ``meta`` when the command is all that this process is for."""
