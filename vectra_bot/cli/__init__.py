"""The command line ``vectra-bot``."""

from typing import Final

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Settings of every command: both spellings of help."""
