"""Run the command line by ``python -m vectra_bot`` or ``vectra-bot``."""

import sys


def start() -> int:
    """Run the command line and return its exit code; Ctrl-C while it is imported prints no traceback."""
    try:
        from vectra_bot.cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(start())
