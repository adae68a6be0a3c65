"""Run the command line by ``python -m vectra_bot``."""

import sys

from vectra_bot.cli.main import main

sys.exit(main())
