"""Every command with ``--json`` on small inputs, so that its output can be compared with the reference."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from attrs import evolve

from tests.conformance.frames.frame_rows import (
    body_of,
    is_tick,
    public,
    rows,
    save,
    state_rows,
)
from tests.conformance.test_game_rows import game as game_rows
from tests.imports.released import v1
from tests.imports.samples import seeded_row, write_lines
from tests.store.maintenance.test_check import make_store, part
from tests.venues.browser.chrome import closed, stand_in
from vectra_bot.cli.main import main
from vectra_bot.conformance.crowd.crowd_games import watch_games
from vectra_bot.exchange import ExchangeConfig
from vectra_bot.exchange.identities import Identities
from vectra_bot.journal import Entry, Journal, write_journal
from vectra_bot.models import SendResult
from vectra_bot.models.times import NS_PER_S
from vectra_bot.session.control import running_sessions
from vectra_bot.venues.browser.profile import BrowserProfile

Outputs: TypeAlias = Iterator[tuple[str, Any]]
"""Pairs of a section of the page and a JSON value that belongs to it."""

FUSSY = '''
from vectra_bot import ConfigError, Strategy, param

class Fussy(Strategy):
    """Refuses a value, and stakes more than the limits allow with another."""

    stake: str = param("0.01", choices=("0.01", "5", "all"))
    target: float = 1.5

    def __attrs_post_init__(self):
        if self.stake == "all":
            raise ConfigError("stake was all: give SOL")

    def on_game_tick(self, tick, game):
        if tick.tick == 3:
            self.actions.buy(self.stake)
'''

WRONG_BOT = '''
import os

from vectra_bot import Strategy, param

class WrongBot(Strategy):
    """Raise at a bound and at high prices, trade by the number of the process, sell nothing."""

    divisor: int = param(1, low=0, high=2)

    def on_game_tick(self, tick, game):
        if game.price > 1e5:
            raise ValueError("too high")
        if tick.tick == 3:
            self.actions.sell(100 // self.divisor)
            self.actions.buy(f"0.0{1 + os.getpid() % 9}")
'''

EVERY_RISK = '''
from vectra_bot import Strategy

class EveryRisk(Strategy):
    """Trade, short and bet on rounds, so that every kind of document has rows."""

    def on_game_tick(self, tick, game):
        if tick.tick == 3:
            self.actions.buy("0.01")
            self.actions.sidebet("0.001")
            self.actions.short_open("0.001")
            self.actions.bbc_predict("BULL", "0.001")
            self.actions.candleflip_bet("RED", "0.001")
        elif tick.tick == 9:
            self.actions.sell()
            self.actions.short_close()
'''


FALSE_MODEL = """
from vectra_bot import AlertModel

class Edge(AlertModel):
    name = "edge"

    def rug_chance(self, game, ticks):
        return 0.9
"""


LIVE = """
[live]
enabled = true
account = "{account}"
terms = "2026-01-31 I have read them"
token = "file:{token}"
[limits]
stake = "0.02"
session_loss = "0.5"
day_loss = "0.5"
"""


class Commands:
    """Runs commands in this process, in a folder that one run leaves to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"

    def json(self, *arguments: object) -> Any:
        """Return the JSON value that a command prints."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            main([*map(str, arguments), "--json"])
        text = out.getvalue()
        assert text, err.getvalue()
        return json.loads(text, parse_float=Decimal)

    def played(self) -> Any:
        """Return what `run` prints of a session with every kind of action."""
        bot = self.folder / "every_risk.py"
        bot.write_text(EVERY_RISK, encoding="utf-8")
        return self.json(
            "run", bot, "--games", 2, "--seed", 7, "--crowd", 5, "--short-payoff", "textbook",
            "--store", self.store,
        )  # fmt: skip

    def sessions(self) -> Outputs:
        """Yield what `run` and `replay` print."""
        report = self.played()
        yield "run", report
        yield "run", self.json("run", "watch", "--games", 1, "--crowd", 0, "--store", self.store)
        journal = report["journal"]
        yield "replay", self.json("replay", journal, "--strategy", "watch", "--store", self.store)
        yield (
            "replay",
            self.json("replay", self.false_capture(public(rows())), "--store", self.store),
        )
        yield "replay --check", self.json("replay", journal, "--check")
        named = ("--strategy", self.folder / "every_risk.py")
        yield "replay --check", self.json("replay", journal, "--check", *named)
        yield "replay --check", self.json("replay", self.altered_journal(), "--check")
        slower = self.slower()
        yield "diff", self.json("diff", journal, slower)
        yield "diff", self.json("diff", self.delayed(slower), journal)

    def slower(self) -> str:
        """Return the journal of the same session at another latency, and one game shorter."""
        report = self.json(
            "run", self.folder / "every_risk.py", "--games", 1, "--seed", 7, "--crowd", 5,
            "--short-payoff", "textbook", "--latency-ms", 300, "--store", self.store,
        )  # fmt: skip
        return str(report["journal"])

    def delayed(self, journal: str) -> Path:
        """Return a copy of a journal in which every command was handed over late."""

        def late(entry: Entry) -> Entry:
            event = entry.input() if entry.kind == "input" else None
            if not isinstance(event, SendResult):
                return entry
            return Entry.of_input(entry.seq, evolve(event, recv_ns=event.recv_ns + NS_PER_S))

        copy = self.folder / "delayed.log"
        write_journal(copy, map(late, Journal.open(Path(journal))))
        return copy

    def traded(self) -> Outputs:
        """Yield what a live session, the commands for it, and the doctor print."""
        account = Identities("dev-tokens").player_id(1)
        token = self.folder / "token"
        token.write_text("dev-1", encoding="utf-8")
        token.chmod(0o600)
        config = self.folder / "live.toml"
        config.write_text(LIVE.format(account=account, token=token), encoding="utf-8")
        at = ("--store", self.folder / "live")
        options = ("--config", config, *at)
        command = [sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--crowd", "5"]
        command += ["--speed", "40", "--seed", "7", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            bot = [sys.executable, "-m", "vectra_bot", "live", "take-profit", "--venue", url]
            bot += [*map(str, options), "--account", account, "--json"]
            with subprocess.Popen(bot, stdout=subprocess.PIPE, text=True) as running:
                try:
                    assert running.stdout is not None
                    yield "doctor", self.json("doctor", "--venue", url, *options)
                    while not running_sessions(self.folder / "live"):
                        assert running.poll() is None
                    yield "status", self.json("status", *at)
                    while (status := self.json("status", *at))["games"] < 2:
                        assert running.poll() is None
                    yield "status", status
                    for word in ("halt", "resume", "reduce", "flatten", "stop"):
                        yield word, self.json(word, *at)
                    yield "live", json.loads(running.stdout.read(), parse_float=Decimal)
                finally:
                    running.kill()
                    server.send_signal(signal.SIGTERM)

    def alerted(self) -> Outputs:
        """Yield what the commands about alerts print."""
        at = ("--alerts-config", self.folder / "alerts.toml")
        yield "alerts list", self.json("alerts", "list", *at)
        yield "alerts set", self.json("alerts", "set", "sink:file", "severity=info", *at)
        yield "alerts enable", self.json("alerts", "enable", "game_start", *at)
        (self.folder / "alerts.toml").write_text("version = 2\n# mine\n", encoding="utf-8")
        yield "alerts disable", self.json("alerts", "disable", "vectra.integrity", *at)
        yield "alerts list", self.json("alerts", "list", *at)
        file = ("--plugin-set", f"alert-sinks.file={self.folder / 'alerts.jsonl'}")
        yield "alerts test", self.json("alerts", "test", *file, *at)
        command = ["run", "watch", "--games", 9, "--crowd", 0, "--speed", 20, "--alerts", *at]
        store = ("--store", self.store)
        with subprocess.Popen(
            [sys.executable, "-m", "vectra_bot", *map(str, (*command, *store)), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as running:
            assert running.stdout is not None
            try:
                while not running_sessions(self.store):
                    assert running.poll() is None
                while self.json("status", *store)["games"] == 0:
                    assert running.poll() is None
                yield "alerts acknowledge", self.json("alerts", "acknowledge", *store)
                self.json("stop", *store)
                assert json.loads(running.stdout.read())["alert_sinks"]["terminal"]
            finally:
                running.kill()
        found = self.json("alerts", "history", *store)
        assert found["alerts"]
        yield "alerts history", found

    def false_capture(self, frames: list[dict[str, Any]]) -> Path:
        """Return a capture with a false price and a sidebet without its payout row."""
        body = next(body_of(frames[index]) for index in state_rows(frames, is_tick))
        body["price"] = 1.2345
        histories = state_rows(frames, lambda body: "gameHistory" in body)
        bets = [
            entry["globalSidebets"]
            for index in histories
            for entry in body_of(frames[index])["gameHistory"]
        ]
        del next(rows for rows in bets if rows and rows[-1]["type"] == "payout")[-1]
        return save(self.folder / "false.jsonl", frames)

    def altered_journal(self) -> Path:
        """Return a journal of a session in which a price was changed before a buy."""
        played = self.json(
            "run", "take-profit", "--games", 1, "--seed", 7, "--crowd", 0, "--store", self.store
        )
        altered = self.folder / "altered.log"
        done: list[int] = []

        def changed(entry: Entry) -> Entry:
            raw = entry.data.get("raw", "")
            if done or '"tickCount":5,' not in raw or '"price":' not in raw:
                return entry
            done.append(entry.seq)
            data = {**entry.data, "raw": raw.replace('"price":', '"price":1', 1)}
            return Entry.of(entry.seq, entry.kind, entry.ts_ns, data)

        write_journal(altered, map(changed, Journal.open(Path(played["journal"]))))
        assert done
        return altered

    def served(self) -> Outputs:
        """Yield what a server and a recording of its feed print."""
        command = [sys.executable, "-m", "vectra_bot", "serve", "--port", "0", "--crowd", "5"]
        command += ["--speed", "200", "--seed", "7", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                ready = json.loads(server.stdout.readline())
                recorded = self.json(
                    "record",
                    "--venue",
                    ready["url"],
                    "--games",
                    1,
                    "--store",
                    self.folder / "recorded",
                )
            finally:
                server.send_signal(signal.SIGTERM)
            stopped = json.loads(server.stdout.readline())
        yield "serve (ready)", ready
        yield "serve (stopped)", stopped
        yield "record", recorded

    def verified(self) -> Outputs:
        """Yield what `verify` prints of each kind of file, right and wrong, and of a seed."""
        trade = {"gameId": "g1", "type": "buy", "tickIndex": 3, "price": 1.25, "qty": 0.08}
        (recorded, _), *_ = watch_games(ExchangeConfig(seed=2, crowd=5), 1)
        leader = {
            "gameId": "g1", "tick": 43, "rugged": False, "price": 1.5, "pricePrev": 1.4,
            "row": {
                "pnl": 0.5, "regularPnl": 0.25, "sidebetPnl": 0.25, "shortPnl": 0,
                "pnlPercent": 49.0, "positionQty": 0, "avgCost": 0, "totalInvested": 1,
            },
        }  # fmt: skip
        files = {
            "seeded_games": [seeded_row(), seeded_row(rugTick=1)],
            "recorded_prices": [recorded, {**recorded, "rug_price": 0.5}],
            "game_rows": [{**game_rows()[0], "type": "game_start"}, *game_rows()[:-1]],
            "real_trades": [{**trade, "amount": 0.1}, {**trade, "amount": 0.2}],
            "leaderboard_rows": [leader],
        }
        for kind, lines in files.items():
            path = write_lines(self.folder / f"{kind}.jsonl", lines)
            found = self.json("verify", path)
            assert found["kind"] == kind
            yield f"verify ({kind})", found
        frames = public(rows())
        yield "verify (capture)", self.json("verify", save(self.folder / "right.jsonl", frames))
        yield "verify (capture)", self.json("verify", self.false_capture(frames))
        game = ("--server-seed", "fedde170", "--game-id", "20250701-a")
        yield "verify (seed)", self.json("verify", *game)
        prices = write_lines(self.folder / "prices.json", ["[1.0, 2.0]"])
        yield "verify (seed)", self.json("verify", *game, "--prices", prices)

    def listed(self) -> Outputs:
        """Yield what is installed, the odds, and other players."""
        yield "strategies", self.json("strategies")
        yield "plugins", self.json("plugins")
        yield "odds", self.json("odds", "edge", "survival", "--simulate", 200, "--stake", "0.1")
        yield "odds (certificate)", self.json("odds", "certificate")
        yield "players", self.json("players", "--games", 12, "--seed", 7, "--peekers", 2)
        # The first game of this seed rugs at tick 6: the rugpool has entries after it.
        at = ("--store", self.folder / "pool")
        self.json("run", "watch", "--games", 2, "--seed", 28, "--crowd", 40, *at)
        yield "odds (promotions)", self.json("odds", "promotions", *at)
        yield "players", self.json("players", *at)

    def written(self) -> Outputs:
        """Yield what writing a new strategy prints, and a check of one that is wrong in many ways."""
        yield "new", self.json("new", "strategy", "fresh-bot", "--dir", self.folder / "new")
        bot = self.folder / "wrong_bot.py"
        bot.write_text(WRONG_BOT, encoding="utf-8")
        yield "check", self.json("check", bot, "--games", 1)

    def scored(self) -> Outputs:
        """Yield what alerts were worth: by the law over many games, by a false model, of a store."""
        model = self.folder / "edge.py"
        model.write_text(FALSE_MODEL, encoding="utf-8")
        yield "alerts backtest", self.json("alerts", "backtest", "--games", 60, "--seed", 1)
        false = ("--model", model, "--games", 60, "--seed", 1)
        yield "alerts backtest", self.json("alerts", "backtest", *false)
        self.json("run", "watch", "--games", 1, "--seed", 7, "--store", self.store)
        yield "alerts backtest", self.json("alerts", "backtest", "--from", self.store)

    def backtested(self) -> Outputs:
        """Yield backtests and a comparison, with and without something to say."""
        played = ("--games", 30, "--seed", 7)
        yield "backtest", self.json("backtest", "take-profit", "--set", "target=1.2", *played)
        yield "backtest", self.json("backtest", "watch", "--games", 2, "--seed", 7)
        variants = ("--set", "target=1.2", "--set", "target=2")
        yield "compare", self.json("compare", "take-profit", *variants, *played)

    def swept(self) -> Outputs:
        """Yield sweeps: of numbers, of a strategy that refuses sets and is denied, and with a crowd."""
        fussy = self.folder / "fussy.py"
        fussy.write_text(FUSSY, encoding="utf-8")
        common = ("--games", 230, "--seed", 7, "--jobs", 1, "--out", self.folder / "swept")
        numbers = ("--range", "target=1.1:2", "--points", 2)
        yield "sweep", self.json("sweep", "take-profit", *numbers, "--walk-forward", 1, *common)
        yield "sweep", self.json("sweep", fussy, "--set", "target=2", *common)
        few = ("--games", 1, "--jobs", 1, "--crowd", 2, "--out", self.folder / "swept")
        yield "sweep", self.json("sweep", "take-profit", "--range", "stake=0.01,0.02", *few)

    def opened(self) -> Outputs:
        """Yield what opening a browser prints."""
        profile = BrowserProfile(self.folder / "profile")
        where = ("--venue", "https://rugs.example", "--browser-profile", profile.folder)
        with pytest.MonkeyPatch.context() as patch, closed(profile):
            patch.setenv("VECTRA_BROWSER", str(stand_in(self.folder)))
            yield "browser login", self.json("browser", "login", *where)

    def rows(self, query: str) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the columns of a query by name, and its rows."""
        out = StringIO()
        with redirect_stdout(out):
            main(["query", query, "--store", str(self.store), "--csv"])
        columns = out.getvalue().partition("\r\n")[0].split(",")
        return columns, self.json("query", query, "--store", self.store)

    def maintained(self) -> Outputs:
        """Yield what the commands under `store` print, of stores that need them."""
        root = self.folder / "kept"
        make_store(root)
        make_store(root, "s-2")
        at = ("--store", root)
        yield "store stats", self.json("store", "stats", *at)
        part(root).unlink()
        yield "store check", self.json("store", "check", *at)
        yield "store recover", self.json("store", "recover", *at)
        segment = root / "journals" / "s-1" / "000002.log.zst"
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 255
        segment.write_bytes(bytes(data))
        yield "store recover", self.json("store", "recover", *at)
        yield "store recover", self.json("store", "recover", "--salvage", *at)
        make_store(root, "killed", close=False)
        yield "store compact", self.json("store", "compact", "--all", *at)
        yield "store recover", self.json("store", "recover", *at)
        yield "store drop", self.json("store", "drop", "s-2", "--yes", *at)
        capture = write_lines(self.folder / "capture.jsonl", [seeded_row(), "not JSON"])
        yield "store import", self.json("store", "import", capture, *at)
        old = self.folder / "old"
        v1.write(old, [*v1.one_of_each(), {**v1.one_of_each()[1], "seq": 99, "price": "?"}])
        yield "store migrate", self.json("store", "migrate", "--store", old)

    def exported(self) -> Outputs:
        """Yield what exports of episodes and trades print, and the check of a dataset with a leak."""
        self.played()
        at = ("--store", self.store, "--split", "0.5,0,0.5")
        out = self.folder / "dataset"
        yield "export", self.json("export", out, *at)
        yield "export", self.json("export", self.folder / "trades", "--imitation", *at)
        yield "export --check", self.json("export", "--check", out)
        for table in ("steps", "episodes", "actions"):
            (out / "validation" / f"{table}.parquet").write_bytes(
                (out / "train" / f"{table}.parquet").read_bytes()
            )
        yield "export --check", self.json("export", "--check", out)

    def compared(self) -> Outputs:
        """Yield what the checks of the embedded exchange print."""
        lines = public(rows())
        del lines[30]
        capture = save(self.folder / "frames.jsonl", lines)
        yield "dev frames-check", self.json("dev", "frames-check", capture, "--games", 2)
        games = list(watch_games(ExchangeConfig(seed=2, crowd=10), 8))
        real = write_lines(self.folder / "real.jsonl", [recorded for recorded, _ in games])
        size = ("--games", 8, "--crowd", 10)
        yield "dev crowd-check", self.json("dev", "crowd-check", "--against", real, *size)
        size = ("--games", 1, "--crowd", 20, "--clients", 3, "--seed", 28)
        yield "dev money-check", self.json("dev", "money-check", *size)
