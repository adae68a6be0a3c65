"""The doctor: names what a session would lack, and the first frame that the profile does not describe."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.session.live.accounts import ACCOUNT, TOKEN, account_of, token_file, venue
from tests.venues.scripted import JOINED, Peer, ScriptedServer, tick
from vectra_bot.cli.main import main
from vectra_bot.clock import WallClock
from vectra_bot.session.live.doctor import Check, Examination
from vectra_bot.session.live.locks import account_lock
from vectra_bot.wire.profile import default_profile

HOUR_S = 3_600


async def checks_of(store: Path, **changes: Any) -> dict[str, Check]:
    """Return the checks by name."""
    found = await Examination(store=store, profile=default_profile(), **changes).run()
    return {check.name: check for check in found}


def jwt(subject: str, left_s: int) -> str:
    """Return an unsigned token that says whose it is and when it ends."""
    ends = WallClock().now_ns() // 10**9 + left_s
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, {"sub": subject, "exp": ends})]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + ".x"


async def test_all_that_a_session_needs_is_there(tmp_path: Path) -> None:
    token_file(tmp_path)
    live = account_of(tmp_path)
    token_file(tmp_path, jwt(ACCOUNT, 2 * HOUR_S))
    async with venue(paused=False) as server:
        found = await checks_of(tmp_path / "store", live=live, venue=server.url)
        assert server.counts.logins == 0
    assert {check.word for check in found.values()} <= {"ok", "warning", "unknown"}
    assert found["token"].word == "ok"
    assert found["token"].figures["minutes_left"] == pytest.approx(120, abs=1)
    assert found["venue"].figures["frames"] == 20
    assert found["lock"].word == "ok"
    assert "short_open" in found["profile"].message
    assert "eyJ" not in json.dumps([check.to_json() for check in found.values()])
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("account", "left_s", "message"),
    [
        (ACCOUNT, -60, " minutes ago: log in at the venue again"),
        ("did:privy:other", HOUR_S, "is of account 'did:privy:other'"),
        ("", 0, "was empty"),
    ],
)
async def test_a_token_that_cannot_be_used_fails(
    tmp_path: Path, account: str, left_s: int, message: str
) -> None:
    live = account_of(tmp_path)
    text = jwt(account, left_s) if account else ""
    token_file(tmp_path, text)
    found = await checks_of(tmp_path, live=live)
    assert found["token"].word == "failed"
    assert message in found["token"].message
    assert text[:8] not in found["token"].message or not text


async def test_an_account_without_a_token_needs_the_browser(tmp_path: Path) -> None:
    """A page logs in by itself: the lack of a token is not a failure, and both ways are named."""
    live = attrs.evolve(account_of(tmp_path), token=None)
    found = await checks_of(tmp_path, live=live)
    assert found["token"].word == "warning"
    assert "--browser" in found["token"].message


async def test_a_session_that_runs_is_named(tmp_path: Path) -> None:
    with account_lock(tmp_path, "127.0.0.1", ACCOUNT):
        found = await checks_of(tmp_path, live=account_of(tmp_path), venue="http://127.0.0.1:9")
    assert found["lock"].word == "warning"
    assert found["venue"].word == "failed"
    assert "could not be reached" in found["venue"].message


async def test_a_store_that_others_can_read_is_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    store.chmod(0o755)
    found = await checks_of(store)
    assert (found["store"].word, found["account"].word) == ("warning", "unknown")
    assert "chmod 700" in found["store"].message


async def test_the_first_frame_that_differs_is_named(tmp_path: Path) -> None:
    """A venue that changed its wire: number, event and reason of the frame."""

    async def changed(peer: Peer) -> None:
        await peer.say(JOINED, tick(1), tick(2), '42["playerUpdate",{"id":"x"}]')
        await asyncio.sleep(30)

    async with ScriptedServer(changed) as server:
        found = await checks_of(tmp_path, venue=server.url)
    assert found["venue"].word == "failed"
    assert "frame 3 of 20 (playerUpdate) is not what the profile says" in found["venue"].message
    assert found["venue"].figures["event"] == "playerUpdate"


async def test_a_venue_that_ends_the_connection_fails(tmp_path: Path) -> None:
    async def leaves(peer: Peer) -> None:
        await peer.say(JOINED, tick(1), "41")

    async with ScriptedServer(leaves) as server:
        found = await checks_of(tmp_path, venue=server.url)
    assert "the connection ended" in found["venue"].message


def test_the_command_prints_every_check_and_its_exit_code_says_whether_one_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "live.toml"
    path = token_file(tmp_path)
    config.write_text(f'[live]\naccount = "{ACCOUNT}"\ntoken = "file:{path}"\n')
    arguments = ["doctor", "--config", str(config), "--store", str(tmp_path / "store")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "disk sync" in out
    assert TOKEN not in out
    path.chmod(0o640)
    assert main([*arguments, "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["ok"] is False
    token = next(check for check in found["checks"] if check["name"] == "token")
    assert "mode 640" in token["message"]
    assert err.startswith("error: 1 of ")


async def test_the_compiled_law(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is in use; only a library that cannot be used is a warning."""
    monkeypatch.setenv("VECTRA_KERNEL", "off")
    off = (await checks_of(tmp_path / "store"))["kernel"]
    monkeypatch.setenv("VECTRA_KERNEL", str(tmp_path))
    lacking = (await checks_of(tmp_path / "store"))["kernel"]

    assert (off.word, off.figures) == ("ok", {"compiled": False})
    assert "the law runs in Python" in off.message
    assert lacking.word == "warning"
    assert f"{tmp_path}/law.lib does not exist" in lacking.message
