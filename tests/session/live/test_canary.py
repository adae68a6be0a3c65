"""A live session as a process, whose strategy looks for the token and starts a process: it is nowhere."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_secrets import arguments_of_children, contents
from tests.session.live.accounts import ACCOUNT, LIMITS, STATEMENT, resume_when_joined
from tests.session.test_record import serve
from vectra_bot.server import Login

CANARY = "cAnary-live-9Z-token"
SPY = '''
import logging, os, subprocess, sys, types
from collections.abc import Mapping
from vectra_bot import Strategy, param

CODE = "import os; print(sorted(os.environ.items()))"

def parts(thing):
    if thing is None or isinstance(thing, (str, bytes, int, float, type, types.ModuleType)):
        return []
    if isinstance(thing, Mapping):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, types.FunctionType):
        return [cell.cell_contents for cell in thing.__closure__ or ()]
    found = list(thing) if isinstance(thing, (list, tuple, set, frozenset)) else []
    for name in dir(thing):
        if not name.startswith("__"):
            try:
                found.append(getattr(thing, name))
            except Exception:
                pass
    return found

def reachable(root, depth):
    seen, level = {}, [root]
    for _ in range(depth + 1):
        new = {id(thing): thing for thing in level if id(thing) not in seen}
        seen.update(new)
        level = [part for thing in new.values() for part in parts(thing)]
    return list(seen.values())

class Spy(Strategy):
    """Look for a token everywhere."""

    fail: bool = param(False)
    looked: bool = False

    def on_game_tick(self, tick, game):
        if game.tick == 3:
            self.actions.buy("0.001")
        if game.tick == 5 and not self.looked:
            self.looked = True
            things = reachable(self, 10)
            texts = [thing for thing in things if isinstance(thing, str)]
            hits = [text for text in texts if os.environ["SPY_LOOKS_FOR"] in text]
            log = logging.getLogger("spy")
            log.warning("spy: %d things, %d hits", len(things), len(hits))
            child = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
            log.warning("spy: child %s", child.stdout)
            if self.fail:
                raise RuntimeError(f"spy: {vars(self)} {sorted(os.environ.items())}")
'''


@pytest.mark.parametrize("fail", [False, True], ids=["whole", "crash"])
async def test_the_token_of_a_live_session_is_nowhere(tmp_path: Path, fail: bool) -> None:
    """Journals, Parquet, output, logs, a crash, command lines, the strategy's objects, its own processes."""
    (tmp_path / "spy.py").write_text(SPY)
    (tmp_path / "live.toml").write_text(
        f'[live]\nenabled = true\naccount = "{ACCOUNT}"\nterms = "{STATEMENT}"\n'
        'token = "env:SPY_TOKEN"\n[limits]\n'
        + "".join(f'{name} = "{value}"\n' for name, value in LIMITS.items())
    )
    logins = {CANARY: Login(player_id=ACCOUNT, username="bot")}
    async with serve(seed=7, crowd=0, speed=20.0, paused=True, tokens=logins) as server:
        beginning = asyncio.create_task(resume_when_joined(server))
        process = subprocess.Popen(  # noqa: ASYNC220 - waited for in a thread
            [
                sys.executable, "-m", "vectra_bot", "live", "./spy.py", "--config", "live.toml",
                "--venue", server.url, "--account", ACCOUNT, "--games", "1", "--store", "store",
                "--debug", "--set", f"fail={str(fail).lower()}",
            ],
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "SPY_TOKEN": CANARY, "SPY_LOOKS_FOR": CANARY[:-1],
                 "PYTHONPATH": str(Path(__file__).parents[3])},
        )  # fmt: skip
        family = asyncio.create_task(asyncio.to_thread(arguments_of_children, process))
        out, err = await asyncio.to_thread(process.communicate, None, 100)
        lines = await family
        beginning.cancel()
    stored = contents(tmp_path / "store")

    said = out + err
    assert process.returncode == (7 if fail else 0), said[-2_000:]
    assert "spy: " in err
    assert " 0 hits" in err
    assert int(err.split("spy: ")[1].split()[0]) > 200
    assert "'SPY_LOOKS_FOR'" in err  # the child has the rest of the environment
    assert "SPY_TOKEN" not in said.replace("env:SPY_TOKEN", "").replace("environment SPY_TOKEN", "")
    assert CANARY not in said
    assert CANARY not in lines
    assert [name for name, text in stored.items() if CANARY in text] == []
    assert any("buyOrder" in text for text in stored.values())
