"""Verifying a feed against its seeds: no alert for missing data, exactly one for wrong data."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vectra_bot.audit.auditor import (
    MAX_DECIDED,
    MAX_WAITING,
    MISSED_KIND,
    UNVERIFIED_KIND,
    FairAuditor,
)
from vectra_bot.audit.findings import ALERT_TYPE, FINISHED_KIND
from vectra_bot.engine.auditing import AuditFinding
from vectra_bot.exchange import Exchange, ExchangeConfig
from vectra_bot.game.changes import TickSeen
from vectra_bot.game.fair import play_game, server_seed_hash
from vectra_bot.game.state import GameState
from vectra_bot.models import AlertTrigger, Frame, GameFrame, GamePhase, GameTick, SystemEvent
from vectra_bot.venues.embedded import EmbeddedVenue
from vectra_bot.wire.decode import decode
from vectra_bot.wire.states import WireFormat

STATE = '42["gameStateUpdate"'
_THIN = re.compile(r'"cooldownTimer":\d+000,')


@cache
def feed(games: int = 6, fmt: str = "feb", seed: int = 3) -> tuple[str, ...]:
    """Return the game frames of an exchange, snapshot first, with one countdown frame a second."""
    config = ExchangeConfig(seed=seed, crowd=0, wire_format=WireFormat(fmt))

    async def read() -> list[str]:
        venue = EmbeddedVenue(Exchange(config), games=games)
        return [item.raw async for item in venue.feed if isinstance(item, Frame)]

    texts = [text for text in asyncio.run(read()) if text.startswith(STATE)]
    return tuple(text for text in texts if '"tickCount"' in text or _THIN.search(text))


class Audit:
    """A game state and an auditor that process texts, and the findings."""

    def __init__(self) -> None:
        self.auditor = FairAuditor("S")
        self.state = GameState()
        self.findings: list[AuditFinding] = []
        self.stored: defaultdict[str, set[int]] = defaultdict(set)
        self.now_ns = 1_800_000_000_000_000_000

    def take(self, texts: Iterable[str]) -> Audit:
        for text in texts:
            self.now_ns += 1_000_000
            frame = decode(Frame(self.now_ns, text))
            assert isinstance(frame, GameFrame)
            for change in self.state.fold(frame):
                self.auditor.on_change(change)
                tick = change.tick if isinstance(change, TickSeen) else change
                if isinstance(tick, GameTick) and tick.phase is GamePhase.ACTIVE:
                    self.stored[tick.game_id].add(tick.tick)
            self.findings += self.auditor.on_frame(frame)
        return self

    def end(self) -> Audit:
        self.findings += self.auditor.on_ending(self.now_ns)
        return self

    @property
    def alerts(self) -> list[AlertTrigger]:
        return [f.record for f in self.findings if isinstance(f.record, AlertTrigger)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [
            json.loads(f.record.detail_json)
            for f in self.findings
            if isinstance(f.record, SystemEvent) and f.record.kind == kind
        ]


def payload(text: str) -> dict[str, Any]:
    """Return the payload of a game frame."""
    value: dict[str, Any] = json.loads(text[2:])[1]
    return value


def with_payload(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    """Return *text* with its payload changed."""
    value = payload(text)
    change(value)
    return f"42{json.dumps(['gameStateUpdate', value])}"


def place(texts: tuple[str, ...], wanted: Callable[[dict[str, Any]], bool], number: int = 0) -> int:
    """Return the index of the frame number *number* that is *wanted*."""
    return [i for i, text in enumerate(texts) if wanted(payload(text))][number]


def is_tick(data: dict[str, Any]) -> bool:
    return bool(data.get("active")) and "tradeCount" in data and not data["rugged"]


def is_rug(data: dict[str, Any]) -> bool:
    return bool(data.get("rugged")) and "tradeCount" in data


def is_new_game(data: dict[str, Any]) -> bool:
    return "gameHistory" in data and "prices" not in data and data["cooldownTimer"] == 15_000


def change_at(
    texts: tuple[str, ...], index: int, change: Callable[[dict[str, Any]], None]
) -> list[str]:
    """Return *texts* with one frame changed."""
    changed = list(texts)
    changed[index] = with_payload(changed[index], change)
    return changed


@pytest.mark.parametrize("fmt", ["feb", "dec"])
def test_an_honest_feed_is_verified_to_the_last_game(fmt: str) -> None:
    """Every game is verified, every finished game reported once, nothing is missing and no alert raised."""
    audit = Audit().take(feed(fmt=fmt)).end()

    counts = audit.auditor.counts
    assert (counts.games, counts.verified, counts.failed, counts.unverified) == (6, 6, 0, 0)
    assert (counts.missing_ticks, counts.gaps, counts.missed, counts.alerts) == (0, 0, 0, 0)
    finished = audit.events(FINISHED_KIND)
    assert (
        len({game["game_id"] for game in finished}) == len(finished) == counts.history_games == 16
    )
    assert audit.auditor.wire_format == fmt
    for game in finished:
        assert server_seed_hash(game["server_seed"]) == game["server_seed_hash"]
        law = play_game(game["server_seed"], game["game_id"])
        assert (game["rug_tick"], game["rug_price"], game["peak"]) == (
            law.rug_tick, law.rug_price, law.peak,
        )  # fmt: skip


def test_a_finished_game_carries_its_sidebets() -> None:
    """The rows of the history are kept as they came, with the game they belong to."""
    config = ExchangeConfig(seed=3, crowd=40)

    async def read() -> list[str]:
        venue = EmbeddedVenue(Exchange(config), games=3)
        return [item.raw async for item in venue.feed if isinstance(item, Frame)]

    texts = [text for text in asyncio.run(read()) if text.startswith(STATE)]
    audit = Audit().take(texts)
    shown = {
        entry["id"]: entry["globalSidebets"]
        for text in texts
        for entry in payload(text).get("gameHistory", [])
    }

    reported = {game["game_id"]: game["sidebets"] for game in audit.events(FINISHED_KIND)}
    assert reported == shown
    assert audit.auditor.counts.sidebet_rows == sum(map(len, shown.values())) > 0


@settings(settings.get_profile("costly"))
@given(data=st.data())
def test_what_is_missing_late_or_repeated_is_no_lie(data: st.DataObject) -> None:
    """Frames lost, doubled, swapped, and a feed joined anywhere never raise an alert."""
    texts = list(feed(4, data.draw(st.sampled_from(["feb", "dec"]))))
    start = data.draw(st.integers(0, len(texts) - 1))
    texts = texts[start:]
    places = st.integers(0, max(0, len(texts) - 2))
    for _ in range(data.draw(st.integers(0, 6))):
        at = min(data.draw(places), max(0, len(texts) - 2))
        kind = data.draw(st.sampled_from(["drop", "double", "swap", "cut"]))
        if kind == "drop":
            del texts[at]
        elif kind == "double":
            texts.insert(at, texts[at])
        elif kind == "swap":
            texts[at : at + 2] = reversed(texts[at : at + 2])
        else:
            del texts[at : at + data.draw(st.integers(1, 600))]
        if not texts:
            return

    audit = Audit().take(texts).end()

    assert audit.alerts == []
    counts = audit.auditor.counts
    assert counts.failed == 0
    assert counts.verified + counts.unverified == counts.games


def lie_price(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["price"] *= 2
        data["partialPrices"]["values"][str(data["tickCount"])] = data["price"]

    return change_at(texts, place(texts, is_tick, 9), change)


def lie_price_by_one_bit(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["price"] = float.fromhex((data["price"] * (1 + 2**-52)).hex())
        data["partialPrices"]["values"][str(data["tickCount"])] = data["price"]

    return change_at(texts, place(texts, is_tick, 9), change)


def lie_window(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["partialPrices"]["values"][str(data["tickCount"] - 2)] = 9.0

    return change_at(texts, place(texts, is_tick, 9), change)


def lie_repeated_tick(texts: tuple[str, ...]) -> list[str]:
    index = place(texts, is_tick, 9)
    changed = list(texts)
    changed.insert(index + 1, with_payload(texts[index], lambda data: data.update(price=3.0)))
    return changed


def lie_hash(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["provablyFair"]["serverSeedHash"] = "0" * 64

    return change_at(texts, place(texts, is_tick, 9), change)


def lie_rug_price(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["price"] = 0.5
        data["partialPrices"]["values"][str(data["tickCount"])] = 0.5

    return change_at(texts, place(texts, is_rug), change)


def lie_rug_tick(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["tickCount"] += 1

    return change_at(texts, place(texts, is_rug), change)


def lie_live_after_the_rug(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["rugged"] = False

    return change_at(texts, place(texts, is_rug), change)


def lie_peak(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][0]["peakMultiplier"] += 0.5

    return change_at(texts, place(texts, is_new_game), change)


def lie_seed(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][0]["provablyFair"]["serverSeed"] = "f" * 64

    return change_at(texts, place(texts, is_new_game), change)


def lie_seed_and_its_hash(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        seed = "f" * 64
        fair = {"serverSeed": seed, "serverSeedHash": server_seed_hash(seed)}
        data["gameHistory"][0]["provablyFair"] = fair

    return change_at(texts, place(texts, is_new_game), change)


def lie_later_history(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][1]["provablyFair"]["serverSeed"] = "f" * 64

    return change_at(texts, place(texts, is_new_game, 1), change)


def lie_later_sidebets(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][1]["globalSidebets"].append({"type": "placed"})

    return change_at(texts, place(texts, is_new_game, 1), change)


def lie_later_prices(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        entry = data["gameHistory"][1]
        entry["prices"] = [*entry.get("prices", ()), 9.5]

    return change_at(texts, place(texts, is_new_game, 1), change)


def lie_version(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][0]["gameVersion"] = "v2"

    return change_at(texts, place(texts, is_new_game), change)


def lie_about_an_old_game(texts: tuple[str, ...]) -> list[str]:
    def change(data: dict[str, Any]) -> None:
        data["gameHistory"][5]["peakMultiplier"] += 1

    return change_at(texts, 0, change)


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (lie_price, r"price at tick \d+ should be [\d.]+, was [\d.]+"),
        (lie_price_by_one_bit, r"price at tick \d+ should be"),
        (lie_window, r"price at tick \d+ should be [\d.]+, was 9\.0"),
        (lie_repeated_tick, r"price at tick \d+ should be [\d.]+, was 3\.0"),
        (lie_hash, r"serverSeedHash should be [0-9a-f]{64}, was 0{64}"),
        (lie_rug_price, r"rugPrice at tick \d+ should be [\d.e-]+, was 0\.5"),
        (lie_rug_tick, r"(rugTick|price) at tick \d+ should be"),
        (lie_live_after_the_rug, r"price at tick \d+ should be none: the rug is at \d+"),
        (lie_peak, r"peakMultiplier should be"),
        (lie_seed, r"serverSeedHash should be"),
        (lie_seed_and_its_hash, r"serverSeedHash should be"),
        (
            lie_later_history,
            r"serverSeed in an earlier gameHistory should be [0-9a-f]{64}, was f{64}",
        ),
        (lie_later_sidebets, r"globalSidebets in an earlier gameHistory should be"),
        (lie_later_prices, r"prices in an earlier gameHistory should be"),
        (lie_version, r"gameVersion should be v3, was v2"),
        (lie_about_an_old_game, r"peakMultiplier should be"),
    ],
)
@pytest.mark.parametrize("fmt", ["feb", "dec"])
def test_a_lie_raises_exactly_one_alert(
    lie: Callable[[tuple[str, ...]], list[str]], says: str, fmt: str
) -> None:
    """One alert for the game, naming the first difference, however many follow from the wrong data."""
    audit = Audit().take(lie(feed(fmt=fmt))).end()

    assert len(audit.alerts) == audit.auditor.counts.alerts == 1
    alert = audit.alerts[0]
    assert (alert.alert_type, alert.severity) == (ALERT_TYPE, "error")
    assert re.search(says, alert.message), alert.message
    assert alert.game_id is not None
    assert alert.message.startswith(f"game {alert.game_id}: ")
    assert alert.source_data is not None
    assert alert.source_data["count"] >= 1
    counts = audit.auditor.counts
    assert counts.failed == (0 if lie is lie_about_an_old_game else 1)
    assert counts.verified + counts.failed + counts.unverified == counts.games == 6


def test_lies_about_two_games_are_two_alerts() -> None:
    """Each game has its own alert, with a different id."""
    texts = feed()
    last = place(texts, is_rug, 1)
    changed = change_at(tuple(lie_price(texts)), last, lambda data: data.update(price=0.5))

    audit = Audit().take(changed)

    assert len({alert.alert_id for alert in audit.alerts}) == 2
    assert len({alert.game_id for alert in audit.alerts}) == 2


def test_the_alert_follows_from_session_and_game_alone() -> None:
    """The same frames give the same alert again, byte for byte: a replay makes no second one."""
    first, second = (Audit().take(lie_price(feed())) for _ in range(2))

    assert first.alerts == second.alerts
    assert first.findings == second.findings


def test_a_gap_up_to_ten_games_is_healed_by_the_history() -> None:
    """Games of which no frame was seen are marked as missed, and verified from the history."""
    texts = feed(8)
    first, last = place(texts, is_new_game, 0), place(texts, is_new_game, 6)

    audit = Audit().take([*texts[: first - 60], *texts[last:]]).end()

    counts = audit.auditor.counts
    assert (counts.games, counts.verified, counts.missed) == (7 + 1, 8, 6)
    missed = audit.events(MISSED_KIND)
    assert len(missed) == 6
    assert all(gap["first"] == 0 and gap["last"] >= 0 for gap in missed)
    assert counts.history_games == 10 + 8
    assert counts.missing_ticks > 0


def test_a_gap_beyond_the_history_is_reported() -> None:
    """More missed games than the history shows give a marker, and the running game is unverified."""
    texts = feed(24)
    first, last = place(texts, is_new_game, 2), place(texts, is_new_game, 18)

    audit = Audit().take([*texts[: first - 60], *texts[last:]]).end()

    counts = audit.auditor.counts
    assert len(audit.events("history.gap")) == 1
    assert (counts.unverified, len(audit.events(UNVERIFIED_KIND))) == (1, 1)
    assert counts.alerts == counts.failed == 0


def test_a_game_joined_late_is_verified_by_what_was_seen() -> None:
    """Without a snapshot the ticks before are missing, marked once, and the rest is verified."""
    texts = feed()
    start = place(texts, lambda data: is_tick(data) and data["tickCount"] == 12)

    audit = Audit().take(texts[start:])

    counts = audit.auditor.counts
    assert counts.verified == counts.games
    assert counts.gaps == 1
    assert counts.missing_ticks == 12 - 4  # the window of the first frame shows four


def cut(data: st.DataObject, texts: list[str]) -> list[str]:
    """Return *texts* joined late, with up to three breaks of the connection, and ended early."""
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(texts)))
        del texts[at : at + data.draw(st.sampled_from([1, 2, 5, 40, 300, 900]))]
    start = data.draw(st.integers(0, max(0, len(texts) - 1)))
    return texts[start : data.draw(st.integers(start, len(texts)))]


@settings(settings.get_profile("costly"))
@given(data=st.data())
def test_gaps_count_every_missed_tick_and_rug(data: st.DataObject) -> None:
    """``missing_ticks`` is what the law or the feed shows and nobody stored; every missed rug is one row."""
    version = data.draw(st.sampled_from(["v3", "v9"]))
    texts = [text.replace('"v3"', f'"{version}"') for text in cut(data, list(feed(4)))]
    audit = Audit().take(texts).end()

    decided = {game["game_id"] for game in audit.events(FINISHED_KIND) if game["seen"]}
    unseeded = {game["game_id"] for game in audit.events(UNVERIFIED_KIND)}
    shown, rugs = seen_in(texts)
    missing = 0
    for game_id, ticks in shown.items():
        law = [t for g, t in rug_ticks() if g == game_id]
        known = max([*ticks, *audit.stored[game_id]], default=-1) + 1
        end = law[0] if game_id in decided and version == "v3" else rugs.get(game_id) or known
        missing += len(set(range(end)) - audit.stored[game_id])
        rows = [gap for gap in audit.events("game.gap") if gap["game_id"] == game_id and gap["rug"]]
        over = game_id in decided or game_id in unseeded
        assert len(rows) == (over and game_id not in rugs)
        if rows and version == "v3" and game_id in decided:
            assert (rows[0]["first"], rows[0]["last"]) == (law[0], law[0])
    assert audit.auditor.counts.missing_ticks == missing


@cache
def rug_ticks() -> tuple[tuple[str, int], ...]:
    """Return the games of the feed with their rug ticks."""
    games = Audit().take(feed(4)).events(FINISHED_KIND)
    return tuple((game["game_id"], game["rug_tick"]) for game in games)


def seen_in(texts: list[str]) -> tuple[dict[str, set[int]], dict[str, int | None]]:
    """Return the live ticks shown, and the rug ticks, of all games that *texts* are about."""
    shown: dict[str, set[int]] = {}
    rugs: dict[str, int | None] = {}
    for text in texts:
        value = payload(text)
        ticks = shown.setdefault(value["gameId"], set())
        if value.get("active") and not value["rugged"]:
            ticks.add(value["tickCount"])
        elif value.get("rugged"):
            rugs.setdefault(value["gameId"], value["tickCount"] if "tradeCount" in value else None)
    return shown, rugs


def test_gaps_of_the_running_game_are_counted() -> None:
    """A recording that joins at tick 12 and ends at tick 20 has missed the ticks that no window shows."""
    texts = feed()
    first = place(texts, lambda data: is_tick(data) and data["tickCount"] == 12)
    last = place(texts, lambda data: is_tick(data) and data["tickCount"] == 20)
    counts = Audit().take(texts[first:last]).end().auditor.counts
    assert (counts.missing_ticks, counts.gaps, counts.games) == (12 - 4, 1, 0)


@pytest.mark.parametrize(("fact", "value"), [("gameVersion", "v9"), ("gameVersion", "v1")])
def test_a_law_that_is_not_ours_is_not_judged(fact: str, value: str) -> None:
    """For a game of another law only the hash is verified: no alert, and the verdict is unverified."""
    texts = [
        text.replace('"gameVersion":"v3"', f'"{fact}":"{value}"').replace(
            '"version":"v3"', f'"version":"{value}"'
        )
        for text in feed()
    ]

    audit = Audit().take(texts)

    counts = audit.auditor.counts
    assert (counts.alerts, counts.verified, counts.unverified) == (0, 0, 6)


def test_memory_does_not_grow_with_the_games() -> None:
    """What is remembered of games, decided or waiting, is bounded, also against invented ids."""
    audit = Audit().take(feed())
    for number in range(2 * MAX_DECIDED):
        text = with_payload(feed()[0], lambda data, n=number: _invent(data, n))  # type: ignore[misc]
        audit.take([text])

    assert len(audit.auditor._decided) <= MAX_DECIDED
    assert len(audit.auditor._games) <= MAX_WAITING + 1


def test_memory_does_not_grow_where_no_history_comes() -> None:
    """A feed that starts a new game with every frame does not grow the memory: each game is reported."""
    tick = next(text for text in feed() if is_tick(payload(text)))
    audit = Audit()
    for number in range(200):
        game_id = f"20270101-{number:016x}"
        audit.take([with_payload(tick, lambda data, name=game_id: data.update(gameId=name))])  # type: ignore[misc]
        assert len(audit.auditor._games) <= MAX_WAITING

    assert audit.auditor.counts.unverified == len(audit.events(UNVERIFIED_KIND)) >= 180


def _invent(data: dict[str, Any], number: int) -> None:
    data["gameId"] = f"20270101-{number:016x}"
    data["gameHistory"] = [{**data["gameHistory"][0], "id": f"20270102-{number:016x}"}]


def test_real_captures_raise_no_alert(real_data: Path) -> None:
    """Real frames of four captures agree with the seeds they reveal, and their games are verified."""
    by_capture: dict[str, list[str]] = {}
    with gzip.open(real_data / "raw_frames.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            whole = not row.get("args_truncated") and not row.get("excerpt")
            if row["event"] == "gameStateUpdate" and row["dir"] == "in" and whole:
                text = f"42{json.dumps(['gameStateUpdate', *row['args']])}"
                by_capture.setdefault(row["capture"], []).append(text)

    audits = [Audit().take(texts).end() for texts in by_capture.values()]

    assert [alert.message for audit in audits for alert in audit.alerts] == []
    assert sum(audit.auditor.counts.verified for audit in audits) >= 3
    assert sum(audit.auditor.counts.history_games for audit in audits) >= 30
