"""Paper against live: one strategy on two servers that play the same games, compared by ``vectra-bot diff``.

Each side has its own ``vectra-bot serve --no-jitter --latency-ms 0 --crowd 0``, and both begin at the same
time, in real time: one game takes about a minute. Without ``--paper-latency-ms`` every decision and fill must
be equal to the lamport, except what the machine delayed by more than 200 ms, which ``diff`` names and
excludes (at most 1 %). With it, each decision that differs must have a cause.
With ``--browser`` the live side trades through a page in a browser, with the stock JavaScript client if
`VECTRA_SOCKET_IO_JS` names its file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from live_common import LIMITS, load

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1])
)  # for the page, which the tests use too

from tests.venues.browser.chrome import FLAGS, closed
from tests.venues.browser.site import PageSite
from vectra_bot.exchange.identities import Identities
from vectra_bot.venues.browser.launch import open_browser
from vectra_bot.venues.browser.profile import BrowserProfile

TOKEN = "dev-1"

EXCLUDED = 0.01
"""Largest share of decisions that may be excluded."""
_EXIT_S = 30.0


def command(*words: str) -> list[str]:
    """Return the command line of vectra-bot with *words*."""
    return [sys.executable, "-m", "vectra_bot", *words]


@contextmanager
def served(seed: int, start: str, folder: Path) -> Iterator[str]:
    """Serve an exchange in a process; yield its address."""
    words = ["serve", "--port", "0", "--seed", str(seed), "--start", start, "--crowd", "0",
             "--no-jitter", "--latency-ms", "0", "--json"]  # fmt: skip
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(_EXIT_S)


def files(root: Path) -> tuple[Path, Path, str]:
    """Write the configurations of both sides; return them and the account."""
    account = Identities("dev-tokens").player_id(1)
    token = root / "token"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    limits = {**LIMITS, "price_age_ms": 60_000}
    text = "[limits]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in limits.items())
    paper, live = root / "paper.toml", root / "live.toml"
    paper.write_text(f"{text}\n", encoding="utf-8")
    live.write_text(
        f'[live]\nenabled = true\naccount = "{account}"\n'
        f'terms = "2026-01-31 The terms of a benchmark on this machine"\ntoken = "file:{token}"\n{text}\n',
        encoding="utf-8",
    )
    return paper, live, account


@contextmanager
def page(backend: str, profile: BrowserProfile) -> Iterator[str]:
    """Open the page of *backend* in a browser and log in there; yield its address."""
    os.environ.setdefault("VECTRA_BROWSER_FLAGS", FLAGS)
    loop, addresses, over = asyncio.new_event_loop(), [""], asyncio.Event()
    ready = threading.Event()

    async def show() -> None:
        async with PageSite(backend) as site:
            await open_browser(profile, site.url)
            await site.ask("look", limit_s=_EXIT_S)
            await site.ask("login", TOKEN)
            addresses.append(site.url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(show()), daemon=True)
    with closed(profile):
        thread.start()
        try:
            ready.wait(2 * _EXIT_S)
            yield addresses[-1]
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join(_EXIT_S)


def play(args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Run both sides at the same time and return what ``vectra-bot diff`` says."""
    paper, live, account = files(root)
    store, profile = str(root / "store"), BrowserProfile(root / "profile")
    browser = ["--browser", "--browser-profile", str(profile.folder)] if args.browser else []
    start = datetime.now(tz=UTC).isoformat(timespec="seconds")
    common = ["--games", str(args.games), "--store", store, "--json"]
    with (
        served(args.seed, start, root) as here,
        served(args.seed, start, root) as there,
        page(there, profile) if args.browser else nullcontext(there) as shown,
        (root / "sessions.log").open("ab") as log,
    ):
        sides = [
                subprocess.Popen(command(*words, *common), stdout=log, stderr=log)
                for words in (
                    ["run", args.strategy, "--venue", here, "--config", str(paper), "--session-id",
                     "PAPER", "--latency-ms", str(args.paper_latency_ms)],
                    ["live", args.strategy, "--venue", shown, "--config", str(live), "--session-id",
                     "LIVE", "--account", account, *browser],
                )
            ]  # fmt: skip
        codes = [side.wait() for side in sides]
    if any(codes):
        log_text = (root / "sessions.log").read_text(errors="replace")
        return {"error": f"exit codes {codes}: {log_text[-600:]}"}
    done = subprocess.run(
        command("diff", "PAPER", "LIVE", "--store", store, "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


def over_goal(found: dict[str, Any], *, alike: bool) -> list[str]:
    """Return the goals that were missed."""
    if "error" in found:
        return ["error"]
    goals = []
    if not found["compared"]:
        goals.append("nothing was compared")
    if alike and not found["equal"]:
        goals.append("paper and live differ")
    if found["excluded_count"] > EXCLUDED * max(1, found["compared"] + found["excluded_count"]):
        goals.append("the machine delayed too much")
    if not alike and not all(difference.get("cause") for difference in found["differing"]):
        goals.append("a difference has no cause")
    return goals


def main() -> int:
    """Compare, print the figures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategy", default="take-profit")
    parser.add_argument("--games", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--paper-latency-ms", type=int, default=0)
    parser.add_argument("--browser", action="store_true", help="trade through a page in a browser")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    args = parser.parse_args()
    began, before = time.monotonic(), load()
    with tempfile.TemporaryDirectory(prefix="vectra-live-") as folder:
        found = play(args, Path(folder))
    result = {
        **found,
        "strategy": args.strategy,
        "browser": args.browser,
        "paper_latency_ms": args.paper_latency_ms,
        "seconds": round(time.monotonic() - began, 1),
        "load": [before, load()],
        "over_goal": over_goal(found, alike=not args.paper_latency_ms),
    }
    print(json.dumps(result, indent=None if args.json else 2))
    return 1 if result["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
