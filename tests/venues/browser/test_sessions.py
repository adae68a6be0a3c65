"""Sessions through a page: recorded and live, what is stored of the bot and of the person, and no login."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.venues.browser.kit import Opened, opened
from tests.venues.live_kit import PLAYER, TOKEN
from vectra_bot.errors import ConfigError
from vectra_bot.journal import read_journal
from vectra_bot.models import Actor, PlayerAction
from vectra_bot.session.check import check_journal
from vectra_bot.session.config import RecordConfig, StopFlag
from vectra_bot.session.live.config import LiveConfig
from vectra_bot.session.live.options import LiveOptions
from vectra_bot.session.live.run import run_live
from vectra_bot.session.recorder import record_session
from vectra_bot.venues.browser.settings import BrowserSettings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

STRATEGY = f"{Path(__file__).with_name('bots.py')}:Alternating"
LIMITS = {"stake": "0.01", "exposure": "1", "game_loss": "1", "session_loss": "1", "day_loss": "1",
          "actions_per_game": 500, "actions_per_minute": 1_000}  # fmt: skip


def settings_of(page: Opened) -> BrowserSettings:
    """Return the settings of a session on the page."""
    return BrowserSettings(browser=True, browser_profile=page.profile.folder)


def live_config(page: Opened, store: Path, stop: StopFlag, **more: object) -> LiveConfig:
    """Return a live session on the page."""
    account = str(more.pop("account", PLAYER))
    live = LiveOptions(enabled=True, account=account, terms="2026-01-31 A test on the loopback")
    return LiveConfig(
        strategy=STRATEGY,
        venue=page.site.url,
        account=account,
        live=live,
        limits=LIMITS,
        browser=settings_of(page),
        store=store,
        session_id="paged",
        stop=stop,
    )


def actions_in(store: Path) -> list[PlayerAction]:
    """Return the actions that the one session of *store* stored."""
    (journal,) = (store / "journals").iterdir()
    records = [e.document().record for e in read_journal(journal) if e.kind == "doc"]
    return [record for record in records if isinstance(record, PlayerAction)]


def files_with(folder: Path, text: str) -> list[Path]:
    """Return the files below *folder* that contain *text*."""
    return [p for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


async def press(page: Opened, *buttons: str) -> list[str]:
    """Press buttons one after the other; return the trace ids that the page chose."""
    found = []
    for button in buttons:
        looked = await page.site.ask("press", button)
        found.append(looked["clicks"][-1][2])
        await asyncio.sleep(0.6)
    return found


async def test_a_recording_has_what_the_person_pressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent; each click is an action of a human; the login is in no file and no log line."""
    caplog.set_level("DEBUG")
    stop, store = StopFlag(), tmp_path / "store"
    async with opened(tmp_path, monkeypatch) as page:
        connected = asyncio.Event()
        config = RecordConfig(
            venue=page.site.url,
            store=store,
            browser=settings_of(page),
            stop=stop,
            told=lambda document: (
                document.record.kind == "connection.connected" and connected.set()
            ),
        )
        recording = asyncio.create_task(record_session(config))
        before = await page.site.ask("look")
        await asyncio.wait_for(connected.wait(), 60)
        # The login again: its frame passes by while it is recorded.
        await page.site.ask("login", TOKEN)
        await asyncio.sleep(0.5)
        traces = await press(page, "buy", "quarter", "sidebet")
        stop.set("recorded")
        report = await recording
        after = await page.site.ask("look")
    actions = actions_in(store)

    assert report.connections == 1
    assert report.quarantined == 0
    assert {action.actor for action in actions} == {Actor.HUMAN}
    assert {action.trace_id for action in actions} == set(traces)
    assert Counter(action.button for action in actions) == {"BUY": 1, "SELL 25%": 1, "SIDEBET": 1}
    assert after["connects"] == before["connects"]
    assert files_with(store, TOKEN) == []
    assert TOKEN not in caplog.text


async def test_a_live_session_trades_on_the_page_beside_the_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every action of the bot is proven, the person's are the person's, and the journal repeats them."""
    caplog.set_level("DEBUG")
    stop, store = StopFlag(), tmp_path / "store"
    async with opened(tmp_path, monkeypatch) as page:
        running = asyncio.create_task(run_live(live_config(page, store, stop)))
        async with asyncio.timeout(90):
            while len(page.requests) < 4:  # noqa: ASYNC110 - the session trades in this task's loop
                await asyncio.sleep(0.1)
        traces = await press(page, "buy", "sell")
        await asyncio.sleep(1)
        stop.set("traded")
        report = await running
        looked = await page.site.ask("look")
    actions = actions_in(store)
    bot = [
        a for a in actions if a.actor is Actor.BOT and a.state.value not in ("DENIED", "NOT_SENT")
    ]
    check = check_journal(store / "journals" / "paged", STRATEGY)

    assert report.ended == "stopped: traded"
    assert len(bot) >= 3
    assert all(action.proof is not None for action in bot)
    assert {a.trace_id for a in actions if a.actor is Actor.HUMAN} == set(traces)
    assert not {a.trace_id for a in bot} & set(traces)
    assert looked["errors"] == 0
    assert check.equal
    assert files_with(store, TOKEN) == []
    assert TOKEN not in caplog.text


async def test_another_account_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is logged in as somebody else is not traded on."""
    stop = StopFlag()
    async with opened(tmp_path, monkeypatch) as page:
        config = live_config(page, tmp_path / "store", stop, account="did:privy:somebody-else")
        with pytest.raises(ConfigError, match="the page is logged in as account 'did:privy:link-"):
            await run_live(config)
