"""``vectra-bot replay``: a recording into a store, or a journal through a fresh engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from vectra_bot.cli.output import json_option, print_json, print_pairs
from vectra_bot.cli.stopping import Stopper
from vectra_bot.errors import CheckFailed, UsageError
from vectra_bot.session import ReplayConfig, replay_session

_EPILOG = """\b
Examples:
  vectra-bot replay raw_frames.jsonl.gz --strategy watch --store ./store
  vectra-bot replay ./store/journals/SESSION --check --json
"""
