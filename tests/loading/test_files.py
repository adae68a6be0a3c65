"""A user's file is run as it is, however it was edited."""

from __future__ import annotations

import os
from pathlib import Path

from vectra_bot.loading import resolve_strategy

BOT = """
from vectra_bot import Strategy

class Bot(Strategy):
    stake = "0.01"

    def on_game_tick(self, tick, game):
        self.actions.buy(self.stake)
"""


def test_an_edit_of_equal_size_within_a_second_is_seen(tmp_path: Path) -> None:
    """What Python keeps of a file is compiled code, its time in seconds, and its size."""
    path = tmp_path / "edited_bot.py"
    path.write_text(BOT)
    before = path.stat()
    first = resolve_strategy(str(path))
    path.write_text(BOT.replace("0.01", "0.02"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = resolve_strategy(str(path))

    assert (first.cls.stake, second.cls.stake) == ("0.01", "0.02")
    assert first.source_sha256 != second.source_sha256
