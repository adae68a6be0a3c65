"""Events other than the game's: schedules, chat, Golden Hours; numbers as JavaScript writes them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from attrs import frozen

from tests.exchange.driver import config
from vectra_bot.exchange import Exchange
from vectra_bot.exchange.config import START_NS
from vectra_bot.exchange.features.calendar import (
    BATCHES_NS,
    MINUTE_NS,
    Contests,
    Royales,
    planned,
    utc_text,
)
from vectra_bot.exchange.features.golden import GoldenEvent
from vectra_bot.exchange.features.history import Finished, History
from vectra_bot.exchange.features.notices import Notices
from vectra_bot.exchange.identities import Identities
from vectra_bot.game.fair import play_game
from vectra_bot.wire.amounts import js_text
from vectra_bot.wire.states import WireFormat

NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)')
DAY_MS = 86_400_000


@frozen
class Someone:
    """A player of these tests."""

    player_id: str
    username: str | None
    level: int


PEOPLE = [Someone(f"did:privy:{n:025d}", None if n % 9 == 4 else f"name{n}", n) for n in range(60)]


def batch(kind: str, wanted: bool) -> int:
    """Return the start of a batch that has events, or has none."""
    at_ns = -(-START_NS // BATCHES_NS[kind]) * BATCHES_NS[kind]
    while planned(kind, Identities(5), at_ns) is not wanted:
        at_ns += BATCHES_NS[kind]
    return at_ns


def body(text: str) -> Any:
    return json.loads(text[2:])[-1]


def hear(seconds: int, people: list[Someone], seed: int = 5) -> list[str]:
    """Return the notices to everybody in a number of seconds."""
    notices = Notices(Identities(seed), people, START_NS)
    texts: list[str] = []
    while notices.next_ns < START_NS + seconds * 1_000_000_000:
        texts += notices.due(notices.next_ns)
    return texts


def test_the_same_seed_says_the_same() -> None:
    """Two venues with one seed send the same texts at the same times, another seed others."""
    assert hear(600, PEOPLE) == hear(600, PEOPLE)
    assert hear(600, PEOPLE) != hear(600, PEOPLE, seed=6)


def test_chat_comes_as_often_as_captured_and_only_from_people_with_names() -> None:
    """One message in about eleven seconds; a reply quotes an earlier one."""
    said = [body(text) for text in hear(3_600, PEOPLE) if '"newChatMessage"' in text]
    assert 250 < len(said) < 450
    names = {person.username for person in PEOPLE if person.username}
    assert {message["username"] for message in said} <= names
    replies = [message["replyTo"] for message in said if message["replyTo"]]
    assert replies
    keys = {f"{message['playerId']}-{message['timestamp']}" for message in said}
    assert {reply["key"] for reply in replies} <= keys
    assert {message["verified"] for message in said} == {True, False}
    assert all((m["discordUsername"] is None) is not m["verified"] for m in said)


def test_there_is_no_chat_without_players() -> None:
    """Without a crowd there is no chat and no event."""
    names = {json.loads(text[2:])[0] for text in hear(3_600, [])}
    assert names == {"battleEventUpdate", "maintenanceUpdate"}


def test_a_royale_goes_through_its_stages() -> None:
    """From scheduled through its preparation to running; then the next one is scheduled."""
    start = batch("royale", True)
    royales = Royales(Identities(5), PEOPLE)
    assert royales.look(start)
    part = json.loads(bytes(royales.part))
    assert (part["status"], len(part["events"])) == ("SCHEDULED", 15)
    assert part["currentEvent"] == part["events"][0]
    assert part["activeEventId"] == part["events"][0]["id"]
    assert not royales.look(start + MINUTE_NS)
    stages = []
    for minute in range(0, 200, 5):
        royales.look(start + minute * MINUTE_NS)
        part = json.loads(bytes(royales.part))
        stages.append((part["status"], part["events"].index(part["currentEvent"])))
    assert list(dict.fromkeys(stages))[:4] == [
        ("SCHEDULED", 0),
        ("PREP", 0),
        ("ACTIVE", 0),
        ("SCHEDULED", 1),
    ]
    assert royales.scheduled


def test_an_empty_batch_is_inactive_and_tells_of_the_past() -> None:
    """Without a scheduled event the table and the winners of an earlier one are shown."""
    royales = Royales(Identities(5), PEOPLE)
    royales.look(batch("royale", False))
    assert not royales.scheduled
    update = json.loads(bytes(royales.update))
    assert (update["status"], update["events"], update["currentEvent"]) == ("INACTIVE", [], None)
    assert [row["rank"] for row in update["leaderboard"]] == list(range(1, 11))
    balances = [row["balance"] for row in update["history"][0]["leaderboard"]]
    assert balances == sorted(balances, reverse=True)
    assert len(balances) == 20


def test_a_contest_is_brief_to_everybody_and_full_at_a_login() -> None:
    """The repeated form has the first five keys of the full one."""
    contests = Contests(Identities(5), PEOPLE)
    contests.look(batch("contest", True))
    brief, full = json.loads(bytes(contests.brief)), json.loads(bytes(contests.full))
    assert brief == {key: full[key] for key in list(full)[:5]}
    assert full["status"] == "PREP"
    assert len(full["leaderboard"]) == 10


def test_a_golden_hour_is_announced_from_its_start_to_its_end() -> None:
    """Active with its event, then once as completed; before the first there is none."""
    notices = Notices(Identities(5), PEOPLE, START_NS)
    window = GoldenEvent(number=0, start_ns=START_NS, end_ns=START_NS + 60 * MINUTE_NS)
    before = body(notices.login(START_NS)[1])
    assert (before["status"], before["currentEvent"]) == ("INACTIVE", None)
    during = body(notices.golden_hour(window, golden=True))
    assert (during["status"], during["currentGameIsGolden"]) == ("ACTIVE", True)
    assert during["currentEvent"]["durationMinutes"] == 60
    assert during["events"] == [during["currentEvent"]]
    after = body(notices.golden_hour(None, golden=False))
    assert (after["status"], after["activeEventId"]) == ("COMPLETED", during["activeEventId"])


def test_a_login_is_answered_in_the_captured_order_under_one_trace() -> None:
    """What follows usernameStatus, with the trace id of the request where there is a trace at all."""
    notices = Notices(Identities(5), PEOPLE, START_NS)
    trace_id = "ab" * 16
    texts = notices.login(START_NS, trace_id)
    assert [json.loads(text[2:])[0] for text in texts] == [
        "mutedPlayers",
        "goldenHourUpdate",
        "battleEventUpdate",
        "rugRoyaleUpdate",
        "sidebetEventUpdate",
        "battleEventUpdate",
    ]
    assert [trace_id in text for text in texts] == [True, True, True, False, True, False]


def test_times_are_utc_texts_with_milliseconds() -> None:
    """A time reads as the venue writes it."""
    assert utc_text(START_NS + 1_500_000_000) == "2026-01-01T00:00:01.500Z"


@pytest.mark.parametrize("fmt", ["dec", "feb"])
def test_every_number_is_written_as_javascript_writes_it(fmt: str) -> None:
    """Frames that are not searched for foreign numbers have none, down to the smallest prices."""
    exchange = Exchange(config(seed=11, crowd=40, fmt=fmt))
    checked = 0
    while exchange.games_opened < 12:
        for out in exchange.step():
            for found in NUMBER.finditer(out.text):
                if found[1] and ("e" in found[1] or found[1].endswith(".0")):
                    assert found[1] == js_text(float(found[1])), out.text[:80]
                    checked += 1
    exchange._broadcast.note_price(3.5e-6)
    exchange._broadcast.rugged = exchange._broadcast.active = True
    assert '"price":0.0000035' in exchange._broadcast.tick()


def finished(hours: float, seed: str) -> Finished:
    """Return a game of a seed that ended so many hours after the start."""
    game_id = "20260101-0123456789abcdef"
    return Finished.of(game_id, seed, play_game(seed, game_id), int(hours * 3_600_000) + DAY_MS)


def test_records_are_those_of_the_last_day() -> None:
    """The best peak and a god candle are shown for 24 hours, then the next best."""
    god = Finished.of(
        "20251231-c7c4bea85d2db89b",
        "bd138d45ffbe4773fee42a4b957721af1b10a8989c3e8d8a84064e55c3a1ad59",
        play_game(
            "bd138d45ffbe4773fee42a4b957721af1b10a8989c3e8d8a84064e55c3a1ad59",
            "20251231-c7c4bea85d2db89b",
        ),
        DAY_MS,
    )
    history = History(WireFormat.FEB, Identities(1))
    history.remember(god)
    assert history.records["god_candle_2x"] == god.game.peak
    assert history.records["god_candle_50x"] is None
    later = sorted((finished(1 + n, f"s{n}") for n in range(8)), key=lambda g: g.timestamp_ms)
    for game in later:
        history.finish(game, [])
    best = max([god, *later], key=lambda g: g.game.peak)
    assert history.records["highest_today"] == best.game.peak
    history.finish(finished(24.5, "late"), [])
    assert history.records["god_candle_2x"] is None
    left = max([*later, finished(24.5, "late")], key=lambda g: g.game.peak)
    assert history.records["highest_today"] == left.game.peak
