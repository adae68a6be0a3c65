# The examples of docs/reference/python.md: one cell for each public name, or for a few that belong together.
# A cell begins with `# %%` and the names it is for. docs/generate_python.py copies each cell into the page;
# tests/packaging run the cells in order in an empty folder and check their types.

# %% setup
import asyncio
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Unpack

import attrs

import vectra_bot
from vectra_bot import models
from vectra_bot.testing import (
    Bench,
    BenchRounds,
    FairGame,
    VenueParts,
    VenueReport,
    VenueRig,
    check_venue,
    embedded_rig,
    make_game,
    play_games,
)


class Early(vectra_bot.Strategy):
    """Buy at tick 5, sell at 1.2 times the price paid."""

    stake: Decimal = vectra_bot.param("0.01", low="0.001", high="5", help="SOL of one buy.")

    def on_game_tick(self, tick: models.GameTick, game: vectra_bot.GameView) -> None:
        if game.tick == 5:
            self.actions.buy(self.stake, take_profit=1.2)


report = vectra_bot.run(Early, games=3, seed=7, session_id="demo", store="store")

# %% run
again = vectra_bot.run(Early, games=3, seed=7, settings={"stake": "0.01"}, store="other")
assert again.pnl == report.pnl  # the same seed gives the same games and fills
print(again.games, again.actions, again.pnl)

# %% backtest
played = vectra_bot.backtest(Early, games=200, seed=7)
print(played.pnl_per_game, played.pnl_interval, played.luck)
assert len(played.df()) == 200  # one row for each game

# %% BacktestReport
assert isinstance(played, vectra_bot.BacktestReport)
assert played.not_played == 0
Path("backtest.html").write_text(played.to_html(), encoding="utf-8")

# %% compare
compared = vectra_bot.compare(Early, "watch", games=200, seed=7)
print(compared)

# %% Comparison
assert isinstance(compared, vectra_bot.Comparison)
assert compared.comparisons == 1

# %% Variant
nothing: vectra_bot.Variant = compared.variants[1]
assert nothing.bets == 0
print(nothing.difference, nothing.difference_interval, nothing.p_corrected)

# %% sweep
swept = vectra_bot.sweep(
    "take-profit",
    ranges=["target=1.1:3", "stake=0.01,0.02"],
    points=3,
    games=300,
    seed=7,
    jobs=1,
    out="sweep-target",  # the same call continues where it ended
)
print(swept)

# %% SweepReport
assert isinstance(swept, vectra_bot.SweepReport)
assert len(swept.df()) == 6  # one row for each set, the best first
Path("sweep.html").write_text(swept.to_html(), encoding="utf-8")

# %% TriedSet
best: vectra_bot.TriedSet = swept.variants[0]
print(best.parameters, best.profit.mean, best.p)  # p: how likely luck alone looks this good

# %% run_session
config = vectra_bot.SessionConfig(strategy=Early, games=1, seed=7, store=Path("other"))
print(asyncio.run(vectra_bot.run_session(config)).ticks)

# %% SessionConfig
checked = vectra_bot.SessionConfig(strategy="take-profit", games=5, cash=Decimal("0.5"))
assert checked.games == 5
assert attrs.evolve(checked, games=6).games == 6


# %% RunOptions
def run_quietly(**options: Unpack[vectra_bot.RunOptions]) -> vectra_bot.Report:
    return vectra_bot.run("watch", **options)


assert run_quietly(games=1, seed=1, store="other").games == 1

# %% run_live, LiveConfig, LiveOptions
account = vectra_bot.LiveOptions(
    enabled=True,
    account="did:privy:cm000000000000000000000000",
    terms="2026-01-31 I have read the venue's terms and may run a bot",
    token="file:login.token",  # noqa: S106 - where it is
)
Path("login.token").touch(mode=0o600)


async def trade_for_an_account(typed: str) -> vectra_bot.Report | None:
    live = vectra_bot.LiveConfig(
        strategy=Early,
        venue="https://venue.example",
        live=account,
        account=typed,
        limits={"stake": "0.005", "session_loss": "0.02", "day_loss": "0.05"},
        store="live",
    )
    try:
        return await vectra_bot.run_live(live)
    except vectra_bot.VectraError as error:  # nothing was connected
        print(error)
        return None


assert asyncio.run(trade_for_an_account("did:privy:other")) is None

# %% control_session
try:
    print(vectra_bot.control_session("status", store="store")["standing"])
except vectra_bot.InputError as error:  # no session runs here
    print(error)

# %% SendLatency, Standing
assert report.send_latency == vectra_bot.SendLatency(count=0)  # not in real time
assert isinstance(report.standing, vectra_bot.Standing)
print(report.standing.word, report.standing.reasons)

# %% replay
replayed = vectra_bot.replay(report.journal, strategy="watch", store="replayed")
assert replayed.session.games == report.games


# %% replay_session
async def check_in_a_loop() -> None:
    replay_config = vectra_bot.ReplayConfig(path=Path(report.journal), strategy=Early, check=True)
    found = await vectra_bot.replay_session(replay_config)
    assert isinstance(found, vectra_bot.ReplayCheck)
    assert found.equal


asyncio.run(check_in_a_loop())

# %% check_journal
comparison = vectra_bot.check_journal(report.journal, Early)
assert comparison.equal, comparison.first_difference

# %% ReplayConfig
assert vectra_bot.ReplayConfig(path=Path(report.journal)).strategy == "watch"


# %% ReplayOptions
def replay_all(*paths: str, **options: Unpack[vectra_bot.ReplayOptions]) -> int:
    return sum(vectra_bot.replay(path, **options).decoded for path in paths)


assert replay_all(report.journal, store="replayed") > 0

# %% ReplayReport
assert isinstance(replayed, vectra_bot.ReplayReport)
assert replayed.lines == replayed.inbound + replayed.outbound + replayed.local
assert replayed.to_json()["quarantined"] == 0

# %% ReplayCheck
assert isinstance(comparison, vectra_bot.ReplayCheck)
assert comparison.commands == comparison.recorded
commands = [json.loads(line) for line in comparison.command_log]


# %% Divergence
def explain(found: vectra_bot.Divergence | None) -> str:
    return "equal" if found is None else f"tick {found.tick} of {found.game_id}: {found.reason}"


assert explain(comparison.first_difference) == "equal"

# %% record
try:  # the venue would be https://...; nothing listens on this port
    vectra_bot.record(
        "http://127.0.0.1:9",
        games=20,
        store="recorded",
        settings=vectra_bot.LiveSettings(attempts=1),
    )
except vectra_bot.InputError as error:
    print(error)


# %% record_session
async def record_for_a_minute() -> vectra_bot.RecordReport | None:
    recording = vectra_bot.RecordConfig(
        venue="http://127.0.0.1:9", seconds=60, settings=vectra_bot.LiveSettings(attempts=1)
    )
    try:
        return await vectra_bot.record_session(recording)
    except vectra_bot.InputError as error:
        print(error)
        return None


assert asyncio.run(record_for_a_minute()) is None

# %% RecordConfig
recording = vectra_bot.RecordConfig(venue="http://127.0.0.1:5055", games=20, flush_seconds=60)
assert recording.seconds is None


# %% RecordOptions
def record_here(**options: Unpack[vectra_bot.RecordOptions]) -> vectra_bot.RecordReport:
    return vectra_bot.record("http://127.0.0.1:5055", **options)


try:
    record_here(games=0)
except vectra_bot.ConfigError as error:
    print(error)


# %% RecordReport
def share_verified(recorded: vectra_bot.RecordReport) -> float:
    return recorded.games_verified / recorded.games if recorded.games else 0.0


# %% LiveSettings
assert vectra_bot.LiveSettings(stale_s=6).quiet_s == 24

# %% StopFlag
stop = vectra_bot.StopFlag()
threading.Timer(0.01, stop.set, ("enough",)).start()  # or in a signal handler
stopped = vectra_bot.run("watch", games=10_000, seed=1, store="other", stop=stop)
assert stopped.ended == "stopped: enough"

# %% FlushFlag
flush = vectra_bot.FlushFlag()
flush.ask()  # from another thread: SQL then sees what was recorded so far
vectra_bot.run("watch", games=1, seed=1, store="other", flush=flush)


# %% Observer, Snapshot
class Progress:
    """An observer is any object with this method."""

    def update(self, snapshot: vectra_bot.Snapshot) -> None:
        print(f"{snapshot.games_done} of {snapshot.games_total} games, {snapshot.pnl} SOL")


observer: vectra_bot.Observer = Progress()
vectra_bot.run("watch", games=1, seed=1, store="other", observer=observer)

# %% Limits
limits = vectra_bot.Limits(stake=Decimal("0.05"), session_loss=Decimal("0.2"))
vectra_bot.run(Early, games=1, seed=7, store="other", limits=limits)

# %% Report, Latency
assert isinstance(report, vectra_bot.Report)
assert report.cash_start == 1
latency: vectra_bot.Latency = report.latency
print(report.pnl, report.pnl_interval, report.expected, latency.p95_ms)
assert report.to_json()["games"] == 3
print(report.trades.win_rate, report.drawdown.amount, report.curve[-1].expected)
assert report.to_html().startswith("<!doctype html>")

# %% Strategy
assert issubclass(Early, vectra_bot.Strategy)
assert Early(stake=Decimal("0.02")).stake == Decimal("0.02")


# %% param
class Patient(vectra_bot.Strategy):
    wait_ticks: int = vectra_bot.param(10, low=0, high=500, help="Ticks before the first buy.")


assert Patient(wait_ticks=20).wait_ticks == 20

# %% parameters, Parameter
(wait,) = vectra_bot.parameters(Patient)
assert isinstance(wait, vectra_bot.Parameter)
assert (wait.name, wait.default, wait.allowed) == ("wait_ticks", 10, "a whole number from 0 to 500")

# %% configure
patient = vectra_bot.configure(Patient, {"wait_ticks": "30"})  # values may be text
assert patient.wait_ticks == 30


# %% BotActionInterface, AccountView, PositionView, GameView
class Careful(vectra_bot.Strategy):
    def on_game_tick(self, tick: models.GameTick, game: vectra_bot.GameView) -> None:
        actions: vectra_bot.BotActionInterface = self.actions
        account: vectra_bot.AccountView = self.account
        position: vectra_bot.PositionView = account.position
        if position and position.multiple(game.price) >= 1.2:
            actions.sell(50)
        elif not position and not actions.pending and account.cash > Decimal("0.5"):
            actions.buy("0.01")


bench = Bench(Careful())
bench.start_game([1.0])
bench.tick(1.0)
bench.execute(bench.commands[-1])
bench.tick(1.3)
assert bench.commands[-1].action_type is models.ActionType.SELL


# %% SidebetView, ShortView, StakeView
class Holdings(vectra_bot.Strategy):
    def on_game_tick(self, tick: models.GameTick, game: vectra_bot.GameView) -> None:
        sidebet: vectra_bot.SidebetView | None = self.account.sidebet
        short: vectra_bot.ShortView | None = self.account.short
        stakes: tuple[vectra_bot.StakeView, ...] = self.account.stakes
        self.exposed = bool(sidebet or short or stakes)


vectra_bot.run(Holdings, games=1, seed=7, store="other")


# %% SideGamesView, Round
class Rounds(vectra_bot.Strategy):
    def on_game_tick(self, tick: models.GameTick, game: vectra_bot.GameView) -> None:
        side_games: vectra_bot.SideGamesView = self.side_games
        newest: vectra_bot.Round | None = side_games.bbc
        if newest is not None and newest.is_open and newest.ticks == 0:
            print(newest.round_id, newest.payouts)


vectra_bot.run(Rounds, games=1, seed=7, store="other")


# %% Plugin, hookimpl
class Counter(vectra_bot.Plugin):
    enabled_by_default = False

    @vectra_bot.hookimpl
    def on_action_outcome(self, action: models.PlayerAction) -> None:
        print(action.state)


counted = Bench(Early(), plugins={"counter": Counter()})
counted.start_game([1.0] * 6)
assert counted.commands


# %% AlertRule, AlertDraft
class Moon(vectra_bot.AlertRule):
    """The price is a multiple of the start price."""

    alert_type = "example.moon"
    multiple: float = vectra_bot.param(5.0, low=1.0, help="multiple that gives the alert")

    def on_game_tick(self, tick: models.GameTick) -> vectra_bot.AlertDraft | None:
        if tick.price < self.multiple:
            return None
        return self.alert("Moon", f"{tick.price:.2f}x at tick {tick.tick}")


class MoonAlerts(vectra_bot.Plugin):
    replays = True

    @vectra_bot.hookimpl
    def register_alert_rules(self, register: Callable[[vectra_bot.AlertRule], None]) -> None:
        register(Moon(multiple=3))


watched = Bench(Early(), plugins={"moon": MoonAlerts()})
watched.start_game([1.0, 2.0, 3.5])
(alert,) = watched.of_type(models.DocType.ALERT_TRIGGER)
assert alert.message == "3.50x at tick 2"


# %% AlertModel
class Doubtful(vectra_bot.AlertModel):
    name = "doubtful"

    def rug_chance(self, game: vectra_bot.GameView, ticks: int) -> float:
        law = super().rug_chance(game, ticks)
        return min(1.0, 2 * law) if game.price > 10 else law


print(Doubtful.survival_tick(0.5))  # half of all games have rugged by this tick


# %% AlertSink, AlertNotice
class Console(vectra_bot.AlertSink):
    name = "console"
    in_process = True  # its class is part of a script

    def deliver(self, notice: vectra_bot.AlertNotice) -> None:
        print(notice.severity, notice.line)


shown = vectra_bot.run(
    "watch",
    games=1,
    seed=1,
    store="other",
    alerts=True,
    alert_sinks=[Console()],
    alerts_config="alerts.toml",
)
assert shown.alert_sinks["console"]["failed"] == 0

# %% AlertFeed
feed = vectra_bot.AlertFeed(limit=100)


async def follow_alerts() -> list[str]:
    task = asyncio.create_task(
        vectra_bot.run_session(
            vectra_bot.SessionConfig(
                strategy="watch", games=1, seed=2, store="other", alerts=True, alert_sinks=(feed,)
            )
        )
    )
    first = await anext(aiter(feed.follow()))
    await task
    return [first.title]


print(asyncio.run(follow_alerts()))

# %% WireFormat, ShortPayoff, ShortAtRug
vectra_bot.run(
    "watch",
    games=1,
    seed=1,
    store="other",
    wire_format=vectra_bot.WireFormat.DEC,
    short_payoff=vectra_bot.ShortPayoff.LINEAR,
    short_at_rug=vectra_bot.ShortAtRug.LOSE,
)

# %% ShortTerms
terms = vectra_bot.ShortTerms(payoff=vectra_bot.ShortPayoff.LINEAR)
assert Bench(Early(), terms=terms).terms == terms

# %% Profile
profile: vectra_bot.Profile = vectra_bot.SessionConfig(strategy="watch").protocol
assert "buy" in profile.requests

# %% open_store
with vectra_bot.open_store(report.store) as catalog:
    print(catalog.run("pnl-by-game").as_dicts())

# %% Catalog
with vectra_bot.open_store("store") as catalog:
    assert isinstance(catalog, vectra_bot.Catalog)
    ticks = catalog.arrow("game_tick", ["game_id", "tick", "price"])
    assert catalog.sessions == ("demo",)

# %% Result
since = datetime(2026, 1, 1, tzinfo=UTC)
since_ns = int(since.timestamp()) * 1_000_000_000
with vectra_bot.open_store("store") as catalog:
    result: vectra_bot.Result = catalog.sql(
        "SELECT count(*) AS n FROM player_action WHERE ts_ns >= $since", {"since": since_ns}
    )
assert result.columns == ("n",)
assert result.rows == [(sum(report.actions.values()),)]

# %% Stream
with vectra_bot.open_store("store") as catalog:
    stream: vectra_bot.Stream = catalog.stream("SELECT price FROM game_tick", rows=500)
    highest = max(price for rows in stream for (price,) in rows)

# %% CorruptFile
with vectra_bot.open_store("store") as catalog:
    corrupt: tuple[vectra_bot.CorruptFile, ...] = catalog.sql("FROM game_tick").corrupt
assert corrupt == ()

# %% CorruptRowsWarning
with warnings.catch_warnings():
    warnings.simplefilter("error", vectra_bot.CorruptRowsWarning)  # fail, do not skip rows
    with vectra_bot.open_store("store") as catalog:
        catalog.run("games")

# %% check_store
check = vectra_bot.check_store("store")
assert check.ok, check.problems

# %% CheckReport, Problem
assert isinstance(check, vectra_bot.CheckReport)
problems: list[vectra_bot.Problem] = check.problems
print([f"{problem.kind}: {problem.message}; {problem.advice}" for problem in problems])

# %% recover_store
recovery = vectra_bot.recover_store("store")
assert recovery.ok, recovery.failed

# %% RecoveryReport
assert isinstance(recovery, vectra_bot.RecoveryReport)
print(recovery.finished, recovery.rebuilt, recovery.to_json()["journal_bytes"])

# %% compact_store
compaction = vectra_bot.compact_store("store", sessions=["demo"])
assert not compaction.failed

# %% CompactionReport, CompactedFolder
assert isinstance(compaction, vectra_bot.CompactionReport)
folders: tuple[vectra_bot.CompactedFolder, ...] = compaction.folders
print({folder.doc_type.value: folder.files_after for folder in folders})

# %% import_files
imported = vectra_bot.import_files(report.journal, "imported")
assert imported.ok

# %% ImportReport, FileReport, BadRow
assert isinstance(imported, vectra_bot.ImportReport)
file_reports: list[vectra_bot.FileReport] = imported.files
bad_rows: list[vectra_bot.BadRow] = [row for file in file_reports for row in file.bad_rows]
assert bad_rows == []
assert imported.sessions == ["demo"]

# %% verify_seed
seed_game = vectra_bot.verify_seed("fedde170", "20250701-a")
print(seed_game.rug_tick, seed_game.rug_price, seed_game.peak)

# %% SeedVerification
assert isinstance(seed_game, vectra_bot.SeedVerification)
assert seed_game.prices[seed_game.rug_tick] == seed_game.rug_price
assert seed_game.ok

# %% verify
row = {
    "game_id": seed_game.game_id,
    "prices": seed_game.prices[:-1],
    "rug_tick": seed_game.rug_tick,
    "rug_price": seed_game.rug_price,
    "complete": True,
}
Path("games.jsonl").write_text(json.dumps(row) + "\n")
verification = vectra_bot.verify("games.jsonl")
assert verification.ok, verification.differences

# %% Verification, FileDifference, Difference
Path("wrong.jsonl").write_text(json.dumps(row | {"rug_price": 0.5}) + "\n")
wrong: vectra_bot.Verification = vectra_bot.verify("wrong.jsonl")
at: vectra_bot.FileDifference = wrong.differences[0]
difference: vectra_bot.Difference = at.difference
assert (at.line, difference.what, difference.found) == (1, "rug_price", 0.5)

# %% odds
chances = vectra_bot.odds("sidebet", simulate=0)
print({one.figure.name: one.figure.value for one in chances.figures})

# %% OddsReport, CheckedFigure, Figure
assert isinstance(chances, vectra_bot.OddsReport)
first: vectra_bot.CheckedFigure = chances.figures[0]
figure: vectra_bot.Figure = first.figure
assert (figure.group, figure.unit, first.agrees) == ("sidebet", "chance", None)

# %% players, Imitation
everyone = vectra_bot.players(games=12, seed=7, peekers=2, imitation=vectra_bot.Imitation.ANOMALIES)
print([one.username for one in everyone.players if one.anomaly])

# %% PlayersReport, PlayersSeen, JudgedPlayer
assert isinstance(everyone, vectra_bot.PlayersReport)
coverage: vectra_bot.PlayersSeen = everyone.seen
assert (coverage.games, coverage.trade_share) == (12, 1.0)
suspect: vectra_bot.JudgedPlayer = everyone.players[0]
assert suspect.anomaly
assert suspect.log10_e >= everyone.log10_e_needed

# %% RuleFigures, PlantedTruth
rule: vectra_bot.RuleFigures = everyone.rules[0]
print(f"{rule.flagged} of {rule.judged} players win often, {everyone.anomalies} are anomalies")
truth: vectra_bot.PlantedTruth | None = everyone.truth
assert truth is not None
assert truth.found == truth.planted

# %% Journal, JournalReader, Entry
reader: vectra_bot.JournalReader = vectra_bot.Journal.open(report.journal)
entry: vectra_bot.Entry = next(iter(reader))
assert (entry.seq, entry.kind) == (0, "header")
assert entry.data["header"]["session_id"] == "demo"


# %% write_journal
def inputs(entries: Iterator[vectra_bot.Entry]) -> Iterator[vectra_bot.Entry]:
    return (entry for entry in entries if entry.kind in ("header", "frame", "input"))


vectra_bot.write_journal("copy.log.zst", inputs(iter(vectra_bot.Journal.open(report.journal))))
assert vectra_bot.check_journal("copy.log.zst", Early).sha256 == comparison.sha256

# %% record_to_json
tick = models.GameTick(game_id="g", tick=3, price=1.25, phase=models.GamePhase.ACTIVE)
as_json: dict[str, Any] = vectra_bot.record_to_json(tick)
assert as_json["price"] == 1.25

# %% record_from_json
assert vectra_bot.record_from_json(models.GameTick, as_json) == tick

# %% VectraError
try:
    vectra_bot.run("no-such-strategy", store="other")
except vectra_bot.VectraError as error:
    print(error, error.exit_code)

# %% UnknownNameError
try:
    vectra_bot.run("take-profits", store="other")
except vectra_bot.UnknownNameError as error:
    print(error.kind, error.name, error.close)

# %% ConfigError
try:
    vectra_bot.run("take-profit", games=0, store="other")
except vectra_bot.ConfigError as error:
    print(error)


# %% UsageError
async def wrong_place() -> None:
    try:
        vectra_bot.import_files(["capture.jsonl"], store="other")
    except vectra_bot.UsageError as error:
        print(error)


asyncio.run(wrong_place())

# %% InputError
try:
    vectra_bot.open_store("no-such-folder")
except vectra_bot.InputError as error:
    print(error)

# %% StoreError
try:  # another seed is another run: the session "demo" is not replaced
    vectra_bot.run(Early, games=3, seed=8, session_id="demo", store="store")
except vectra_bot.StoreError as error:
    print(error)

# %% JournalError
try:
    vectra_bot.Entry.of(1, "no such kind", 0, {})
except vectra_bot.JournalError as error:
    print(error)


# %% StrategyError
class Failing(vectra_bot.Strategy):
    def on_game_start(self, game: vectra_bot.GameView) -> None:
        raise ValueError("a mistake")


try:
    vectra_bot.run(Failing, games=1, store="other")
except vectra_bot.StrategyError as error:
    print(repr(error.__cause__))

# %% NotInCallback
try:
    Early().actions.buy("0.01")
except vectra_bot.NotInCallback as error:
    print(error)


# %% PluginError
class Misspelt(vectra_bot.Plugin):
    @vectra_bot.hookimpl
    def on_game_tik(self, tick: models.GameTick) -> None:
        print(tick.price)


try:
    Bench(Early(), plugins={"misspelt": Misspelt()})
except vectra_bot.PluginError as error:
    print(error)

# %% RecordError
try:
    models.GameTick(game_id="g", tick=2**63, price=1.25, phase=models.GamePhase.ACTIVE)
except vectra_bot.RecordError as error:
    print(error)


# %% WireError
def retry_later(error: vectra_bot.VectraError) -> bool:
    return isinstance(error, vectra_bot.WireError) and not error.money


assert retry_later(vectra_bot.WireError("not-json", "frame is not JSON"))


# %% CheckFailed
def require(found: vectra_bot.CheckReport) -> None:
    if not found.ok:
        raise vectra_bot.CheckFailed(f"{len(found.problems)} problems in {found.store}")


require(vectra_bot.check_store("store", quick=True))

# %% models.RECORDS
assert models.RECORDS[models.DocType.GAME_TICK] is models.GameTick

# %% models.SCHEMA_VERSION
assert models.SCHEMA_VERSION == "2.0.0"


# %% models.LeaderboardRow
def leader(game: vectra_bot.GameView) -> str | None:
    rows: tuple[models.LeaderboardRow, ...] = game.leaderboard
    return rows[0].username if rows else None


assert leader(bench.engine.game) is None

# %% testing.Bench
early = Bench(Early, stake="0.02", cash="0.5")
early.start_game([1.0] * 6)
buy = early.commands[-1]
assert (buy.action_type, buy.amount) == (models.ActionType.BUY, Decimal("0.02"))
early.execute(buy)
early.tick(1.3)
assert early.actions[0].state is models.ActionState.CONFIRMED


# %% testing.BenchRounds
class Bull(vectra_bot.Strategy):
    def on_game_tick(self, tick: models.GameTick, game: vectra_bot.GameView) -> None:
        current = self.side_games.bbc
        if current is not None and current.is_open and not self.actions.pending:
            self.actions.bbc_predict(models.BBCPrediction.BULL, "0.01")


side = Bench(Bull())
rounds: BenchRounds = side.rounds
side.start_game()
rounds.open(models.SideGameKind.BBC, "round-1")
side.tick(1.0)
assert side.commands[-1].action_type is models.ActionType.BBC_PREDICT

# %% testing.FairGame
made: FairGame = make_game([1, 1, 1, 1, 1, 1, 1.3, 1.1])
assert (made.rug_tick, made.peak) == (8, 1.3)

# %% testing.make_game
tried = Bench(Early)
tried.play(made, make_game([1.0] * 20))
assert [action.action_type.value for action in tried.actions] == ["BUY", "SELL", "BUY"]

# %% testing.play_games
from_prices = play_games(Early, [made, make_game([1.0] * 20)], settings={"stake": "0.02"})
assert (from_prices.games, from_prices.kept) == (2, False)

# %% testing.VenueParts
parts: VenueParts = embedded_rig().open()
assert parts.feed.venue == "embedded"

# %% testing.VenueReport
contract: VenueReport = asyncio.run(check_venue(embedded_rig()))
assert "once" in contract.kept
print(contract.not_asked["queue"])

# %% testing.VenueRig
slower: VenueRig = attrs.evolve(embedded_rig(), settle_s=0.3)  # for a machine that is busy

# %% testing.check_venue
checked_venue = asyncio.run(check_venue(slower))
assert checked_venue.ok, str(checked_venue)

# %% testing.embedded_rig
rig = embedded_rig(seed=11)
assert rig.waits  # the exchange does nothing until the next item is requested
