"""Loaded once by the process that others are forked from: what they all need."""

import pyarrow.parquet  # noqa: F401 - loaded is loaded

import benchmarks.faults.compaction_race
import benchmarks.faults.disk_faults  # noqa: F401
import vectra_bot.cli.main  # noqa: F401
