"""Measures how long it takes and writes it down; decides by ticks."""

import logging
import time
import uuid
from datetime import datetime

from vectra_bot import Strategy

log = logging.getLogger(__name__)


class TimesItself(Strategy):
    spent = 0.0

    def on_game_tick(self, tick, game):
        began = time.perf_counter()
        if game.tick == 20:
            self.actions.sidebet("0.001")
        self.spent += time.perf_counter() - began

    def on_game_end(self, game, summary):
        log.info("%s %s: %.6f s", datetime.now().isoformat(), uuid.uuid4(), self.spent)
        print(game.game_id, self.spent)
