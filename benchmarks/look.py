"""Pictures of a report's page in Chromium: at 400, 800 and 1600 pixels, light and dark.

    python benchmarks/look.py
    python benchmarks/look.py --page r.html --folder ./pictures

Without `--page`, `vectra-bot run take-profit --games 50 --seed 7 --no-store --report` writes one. The
pictures are for a person to look at. What can be measured is printed as one JSON object: requests of the page
other than for itself, pixels by which it is wider than the window, the smallest text, texts outside the
window, and the least contrast of text (at least 4.5). `over_goal` lists what was missed; the exit code is 1
if there is any.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vectra_bot.venues.browser.cdp import Framing, encode_call
from vectra_bot.venues.browser.launch import find_browser

WIDTHS = (400, 800, 1600)
SCHEMES = ("light", "dark")
SMALLEST_PX = 10.5
SMALLEST_CONTRAST = 4.5
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--remote-debugging-pipe",
)  # fmt: skip
MEASURE = """(() => {
  const seen = [...document.querySelectorAll('.vectra-report *')].filter(e => e.getClientRects().length);
  const own = seen.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const parts = s => (s.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = e => { for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
    return [255, 255, 255]; };
  const contrast = e => { const a = light(parts(getComputedStyle(e).color)), b = light(back(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
  const width = document.documentElement.clientWidth;
  return JSON.stringify({
    wider_px: Math.max(0, document.documentElement.scrollWidth - width),
    smallest_text_px: Math.min(...own.map(e => parseFloat(getComputedStyle(e).fontSize))),
    cut: own.filter(e => { const r = e.getBoundingClientRect();
      return r.right > width + 1 || r.left < -1; }).map(e => e.textContent.slice(0, 40)),
    least_contrast: Math.min(...own.map(contrast)),
    requests: performance.getEntriesByType('resource').map(r => r.name),
    height: document.documentElement.scrollHeight,
  });
})()"""


class Chromium:
    """A browser without a window, driven over its pipe."""

    def __init__(self, sending: int, receiving: int) -> None:
        self._sending, self._receiving = sending, receiving
        self._framing, self._calls, self._session = Framing(), 0, ""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a call."""
        self._calls += 1
        message = encode_call(self._calls, method, params, self._session)
        os.write(self._sending, message if message.endswith(b"\0") else message + b"\0")
        while True:
            for part in self._framing.feed(os.read(self._receiving, 1 << 20)):
                answer = json.loads(part)
                if answer.get("id") == self._calls:
                    if "error" in answer:
                        raise SystemExit(f"{method}: {answer['error']}")
                    return dict(answer["result"])

    def open(self, url: str) -> None:
        """Open a tab with *url*."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        opened = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = opened["sessionId"]
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=script)["result"].get("value")

    def look(self, width: int, scheme: str, picture: Path) -> dict[str, Any]:
        """Take a picture of the whole page, and measure it."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        sizes = {"width": width, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", height=900, **sizes)
        while self.value("document.readyState") != "complete":
            pass
        found = dict(json.loads(self.value(MEASURE)))
        self.call("Emulation.setDeviceMetricsOverride", height=found["height"], **sizes)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        picture.write_bytes(base64.b64decode(shot["data"]))
        return found


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Start a browser with a new profile, and end it after the block."""
    program = find_browser()
    if program is None:
        raise SystemExit("no Chromium was found: install it")
    down, up = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        command = [str(program), *FLAGS, f"--user-data-dir={profile}"]
        started = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" 3<&{down[0]} 4>&{up[1]}', "sh", *command],
            pass_fds=(down[0], up[1]), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(down[0])
        os.close(up[1])
        browser = Chromium(down[1], up[0])
        try:
            yield browser
            browser._session = ""  # noqa: SLF001 - of the whole browser again
            browser.call("Browser.close")
        finally:
            started.terminate()
            started.wait()
            os.close(down[1])
            os.close(up[0])


def look(page: Path, folder: Path) -> dict[str, Any]:
    """Take the pictures of *page*, and return what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    looks, over = {}, []
    with chromium() as browser:
        browser.open(page.resolve().as_uri())
        for scheme in SCHEMES:
            for width in WIDTHS:
                name = f"{page.stem}-{width}-{scheme}"
                found = looks[name] = browser.look(width, scheme, folder / f"{name}.png")
                over += [f"{name}: {what}" for what in missed(found)]
    return {
        "pictures": str(folder),
        "bytes": page.stat().st_size,
        "looks": looks,
        "over_goal": over,
    }


def missed(found: dict[str, Any]) -> Iterator[str]:
    """Yield the goals that a look at the page missed."""
    if found["wider_px"] or found["cut"]:
        yield f"wider than the window by {found['wider_px']} px: {found['cut'][:3]}"
    if found["smallest_text_px"] < SMALLEST_PX:
        yield f"text of {found['smallest_text_px']} px"
    if found["least_contrast"] < SMALLEST_CONTRAST:
        yield f"contrast of {found['least_contrast']:.2f}"
    if found["requests"]:
        yield f"requests {found['requests'][:3]}"


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, help="page of a report; one is made if not given")
    parser.add_argument("--folder", type=Path, default=Path("pictures"), help="where to write")
    parser.add_argument("--strategy", default="take-profit", help="of the page that is made")
    given = parser.parse_args()
    page = given.page
    if page is None:
        given.folder.mkdir(parents=True, exist_ok=True)
        page = given.folder / "report.html"
        run = [
            sys.executable,
            "-m",
            "vectra_bot",
            "run",
            given.strategy,
            "--games",
            "50",
            "--seed",
            "7",
        ]
        subprocess.run([*run, "--no-store", "--report", str(page), "--json"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    result = look(page, given.folder)
    print(json.dumps(result, indent=2))
    return 1 if result["over_goal"] else 0


if __name__ == "__main__":
    sys.exit(main())
