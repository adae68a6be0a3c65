"""Loaded once by the process that others are forked from: what they all need."""

import pyarrow.parquet  # noqa: F401 - loaded is loaded

import benchmarks.faults.kills  # noqa: F401
import vectra_bot.cli.main  # noqa: F401
