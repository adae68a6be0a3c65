"""Starting a browser and keeping it open, its pipes and its folder: with a stand-in for the browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from tests.venues.browser.chrome import browser_of, keeper_of, stand_in
from vectra_bot.errors import ConfigError, InputError, StoreError, UsageError
from vectra_bot.venues.browser.cdp import CdpDecoder
from vectra_bot.venues.browser.client import BrowserGone, CdpClient
from vectra_bot.venues.browser.launch import find_browser, open_browser, open_pipes
from vectra_bot.venues.browser.profile import BrowserProfile, known_venue
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.browser.transports import NotWritten, PipeTransport

ADDRESS = "https://rugs.example"


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BrowserProfile:
    """Return a profile whose browser is the stand-in."""
    monkeypatch.setenv("VECTRA_BROWSER", str(stand_in(tmp_path)))
    monkeypatch.setenv("VECTRA_BROWSER_FLAGS", "--lang='de DE'")
    monkeypatch.setenv("VECTRA_BROWSER_PROFILES", str(tmp_path / "profiles"))
    return BrowserProfile.of("rugs.example")


async def client_of(profile: BrowserProfile) -> CdpClient:
    """Connect to the profile's browser."""
    transport = await open_pipes(profile, 10)
    client = CdpClient(transport, CdpDecoder(lambda _: True), lambda _: None)
    client.start()
    return client


async def ended(profile: BrowserProfile) -> None:
    """Wait until the browser and its keeper have ended."""
    async with asyncio.timeout(10):
        while profile.is_open:  # noqa: ASYNC110 - another process ends
            await asyncio.sleep(0.02)


async def test_a_browser_outlives_its_sessions(profile: BrowserProfile) -> None:
    """One session after the other uses the browser; it is started once, and ends when it wants to."""
    opened = [await open_browser(profile, ADDRESS), await open_browser(profile, ADDRESS)]
    with profile.used():
        first = await client_of(profile)
        reply = await first.call("Browser.getVersion")
        await first.aclose()
    pid = browser_of(profile)
    with profile.used():
        second = await client_of(profile)
        again = await second.call("Target.getTargets")
        same = browser_of(profile) == pid
        await second.begin("Browser.close", {})
        async with asyncio.timeout(10):
            await second.ended.wait()
        with pytest.raises(BrowserGone, match="the browser was closed"):
            await second.call("Browser.getVersion")
        await second.aclose()
    await ended(profile)

    assert opened == [True, False]
    assert reply["method"] == "Browser.getVersion"
    assert again["method"] == "Target.getTargets"
    assert same
    assert "--remote-debugging-pipe" in reply["arguments"]
    assert f"--user-data-dir={profile.user_data}" in reply["arguments"]
    assert "--lang=de DE" in reply["arguments"]
    assert reply["arguments"][-1] == ADDRESS
    assert not any("port" in argument for argument in reply["arguments"])
    assert profile.venue == ADDRESS
    assert not profile.inward.exists()


async def test_only_its_owner_may_enter(profile: BrowserProfile) -> None:
    """Folder and pipes are closed to others, and a folder that is open to them is refused."""
    await open_browser(profile, ADDRESS)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (profile.folder, profile.inward)]
    os.kill(browser_of(profile) or 0, signal.SIGTERM)
    await ended(profile)
    profile.folder.chmod(0o755)

    assert modes == [0o700, 0o600]
    with pytest.raises(ConfigError, match="chmod 700 it"):
        await open_browser(profile, ADDRESS)


async def test_one_session_at_a_time(profile: BrowserProfile) -> None:
    """A second session on the same profile is refused with one line."""
    profile.make()
    with profile.used(), pytest.raises(StoreError, match="is used by another session: stop that"):
        profile.refuse_used()
    profile.refuse_used()


async def test_what_nobody_reads_is_discarded(profile: BrowserProfile) -> None:
    """Without a session the browser is never blocked by what it says."""
    await open_browser(profile, ADDRESS)
    transport = await open_pipes(profile, 10)
    for number in range(2_000):  # more than a pipe holds
        call = f'{{"id":{number + 1},"method":"{"x" * 100}"}}'.encode()
        while True:
            try:
                await transport.write(call)
                break
            except NotWritten:
                await asyncio.sleep(0.01)
    await transport.aclose()
    await asyncio.sleep(0.5)
    with profile.used():
        client = await client_of(profile)
        reply = await client.call("Browser.getVersion")
        await client.begin("Browser.close", {})
        await client.ended.wait()
        await client.aclose()
    await ended(profile)

    assert reply["method"] == "Browser.getVersion"


async def test_a_killed_keeper_ends_the_browser(profile: BrowserProfile) -> None:
    """A browser whose keeper is gone closes by itself, and can be opened again."""
    await open_browser(profile, ADDRESS)
    os.kill(keeper_of(profile) or 0, signal.SIGKILL)
    await ended(profile)
    opened = await open_browser(profile, ADDRESS)
    os.kill(browser_of(profile) or 0, signal.SIGTERM)
    await ended(profile)

    assert opened


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("/no/such/browser", "VECTRA_BROWSER was '/no/such/browser', which is not a program"),
        ("false", "the browser ended at once"),
    ],
)
async def test_a_browser_that_does_not_start_is_one_line(
    profile: BrowserProfile, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    """What is missing is said, and nothing is left open."""
    monkeypatch.setenv("VECTRA_BROWSER", program)

    with pytest.raises(InputError, match=message):
        await open_browser(profile, ADDRESS)
    assert not profile.is_open
    assert not profile.inward.exists()


async def test_pipes_that_nobody_has_are_not_waited_for_long(profile: BrowserProfile) -> None:
    """Named pipes without a browser are refused in time."""
    profile.make()
    os.mkfifo(profile.inward)
    os.mkfifo(profile.outward)

    with pytest.raises(InputError, match=r"not ready within 0\.2 s"):
        await open_pipes(profile, 0.2)


async def test_a_full_pipe_writes_nothing() -> None:
    """What the browser does not read is not written in part, and not kept for later."""
    inward_read, inward = os.pipe2(os.O_NONBLOCK)
    outward, outward_write = os.pipe2(os.O_NONBLOCK)
    transport = PipeTransport(inward, outward)
    written = 0

    async def fill() -> None:
        nonlocal written
        while True:
            await transport.write(b"x" * 3_000)
            written += 3_001

    with pytest.raises(NotWritten, match="does not read"):
        await fill()
    read = 0
    while data := os.read(inward_read, 1 << 20):
        read += len(data)
        if read >= written:
            break
    transport.cut()
    with pytest.raises(NotWritten, match="is closed"):
        await transport.write(b"x")
    await transport.aclose()

    assert read == written
    assert os.read(inward_read, 10) == b""
    os.close(inward_read)
    os.close(outward_write)


def test_the_venue_of_the_one_profile_is_known(
    profile: BrowserProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that names no venue takes the one that was opened; with two it must be named."""
    settings = BrowserSettings(browser=True)
    with pytest.raises(UsageError, match="no venue was given: name one, --venue"):
        known_venue(settings)
    profile.make()
    profile.remember(ADDRESS)
    known = known_venue(settings)
    other = BrowserProfile.of("other.example")
    other.make()
    other.remember("https://other.example")

    assert known == ADDRESS
    assert known_venue(BrowserSettings(browser=True, browser_profile=other.folder)) != ADDRESS
    with pytest.raises(UsageError, match=r"the browser knows https://other\.example, https://rugs"):
        known_venue(settings)
    with pytest.raises(UsageError, match="--venue"):
        known_venue(BrowserSettings())


def test_an_installed_browser_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first of the known programs on the path is used, unless another one is named."""
    monkeypatch.delenv("VECTRA_BROWSER", raising=False)
    program = tmp_path / "google-chrome"
    shutil.copy("/bin/true", program)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_browser() == program
