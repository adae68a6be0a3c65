"""``vectra-bot browser login``, and what sessions with ``--browser`` say without a browser."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.venues.browser.chrome import browser_of, stand_in
from vectra_bot.cli.main import main
from vectra_bot.venues.browser.profile import BrowserProfile

VENUE = "http://127.0.0.1:9"
ACCOUNT = "did:privy:nobody"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep profiles and stores in the test's folder."""
    monkeypatch.setenv("VECTRA_BROWSER_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.setenv("VECTRA_LIVE_STORE", str(tmp_path / "live"))
    monkeypatch.setenv("VECTRA_BROWSER", "/no/such/browser")


def config_of(folder: Path) -> Path:
    """Write a configuration with everything but a token."""
    path = folder / "live.toml"
    path.write_text(
        f'[live]\nenabled = true\naccount = "{ACCOUNT}"\nterms = "2026-01-31 A test"\n'
        '[limits]\nstake = "0.01"\nsession_loss = "0.1"\nday_loss = "0.1"\n'
    )
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run the command; return the exit code and what it printed."""
    code = main(list(words))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_login_opens_the_browser_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The window stays open when the command ends; a second call finds it open."""
    monkeypatch.setenv("VECTRA_BROWSER", str(stand_in(tmp_path)))
    first = run(capsys, "browser", "login", "--venue", VENUE)
    second = run(capsys, "browser", "login", "--venue", VENUE, "--json")
    profile = BrowserProfile.of("127.0.0.1")
    os.kill(browser_of(profile) or 0, signal.SIGTERM)

    assert (first[0], first[2]) == (0, "")
    assert f"log in on {VENUE}, and leave the window open" in first[1]
    assert json.loads(second[1]) == {
        "venue": VENUE,
        "profile": str(profile.folder),
        "opened": False,
    }


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("browser", "login", "--venue", "ftp://x"), 4, "give https://HOST"),
        (("browser", "login", "--venue", "http://rugs.example"), 4, "without encryption"),
        (("browser", "login", "--venue", VENUE), 3, "which is not a program"),
        (("record", "--browser", "--venue", VENUE, "--seconds", "1"), 3, "which is not a program"),
        (("live", "watch", "--browser", "--account", ACCOUNT), 2, "no venue was given"),
        (
            ("live", "watch", "--browser", "--account", ACCOUNT, "--venue", VENUE),
            3,
            "which is not a program",
        ),
        (("live", "watch", "--account", ACCOUNT, "--venue", VENUE), 4, "token is missing"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """Without a browser, a venue or a token the command says so and ends; a page needs no token."""
    more = ("--config", str(config_of(tmp_path))) if words[0] == "live" else ()
    more += ("--store", str(tmp_path / "store")) if words[0] == "record" else ()
    found, _, error = run(capsys, *words, *more)

    assert found == code
    assert message in error
    assert error.strip().splitlines()[-1].startswith("error: ")
    assert len([line for line in error.splitlines() if line.startswith("error")]) == 1
    assert not list((tmp_path / "live").glob("journals/*"))
