"""Build a wheel with the compiled law for each platform, on any machine, by the C compiler of ``ziglang``.

    pip install ziglang
    python benchmarks/build_wheels.py --folder dist [--only NAME] [--json]

The wheels are ``py3-none-PLATFORM``: one for every Python. Those for Linux with the C library of Debian,
Fedora and so on need glibc 2.17, those for Alpine musl 1.2, those for macOS version 11.
Each is a few kilobytes larger than the pure wheel, which works everywhere and runs slower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from vectra_bot.kernel.build import build, zig

ROOT = Path(__file__).resolve().parents[1]


class Platform(NamedTuple):
    """A platform: its tag, the compiler's name of it, and its processor."""

    tag: str
    target: str
    machine: str


PLATFORMS = (
    Platform("manylinux2014_x86_64", "x86_64-linux-gnu.2.17", "x86_64"),
    Platform("manylinux2014_aarch64", "aarch64-linux-gnu.2.17", "aarch64"),
    Platform("musllinux_1_2_x86_64", "x86_64-linux-musl", "x86_64"),
    Platform("musllinux_1_2_aarch64", "aarch64-linux-musl", "aarch64"),
    Platform("macosx_11_0_x86_64", "x86_64-macos.11.0", "x86_64"),
    Platform("macosx_11_0_arm64", "aarch64-macos.11.0", "arm64"),
)


def wheel_for(platform: Platform, folder: Path) -> Path:
    """Build the wheel of a platform into *folder*."""
    with tempfile.TemporaryDirectory() as scratch:
        build(Path(scratch), zig(), target=["-target", platform.target], machine=platform.machine)
        subprocess.run(
            [
                sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                "--wheel-dir", str(folder), str(ROOT),
            ],
            env={**os.environ, "VECTRA_KERNEL": scratch, "VECTRA_KERNEL_TAG": platform.tag},
            check=True,
        )  # fmt: skip
    return next(folder.glob(f"vectra_bot-*-py3-none-{platform.tag}.whl"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("dist"), help="where to put the wheels")
    parser.add_argument("--only", choices=[p.tag for p in PLATFORMS], help="build this one alone")
    parser.add_argument(
        "--json", action="store_true", help="print names, sizes and libraries as JSON"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = []
    for platform in PLATFORMS:
        if options.only not in (None, platform.tag):
            continue
        wheel = wheel_for(platform, options.folder)
        libraries = {
            Path(info.filename).name: info.file_size
            for info in zipfile.ZipFile(wheel).infolist()
            if info.filename.endswith(".lib")
        }
        found.append({"wheel": wheel.name, "bytes": wheel.stat().st_size, "libraries": libraries})
        if not options.json:
            print(
                f"{wheel.name}  {', '.join(f'{name} {size}' for name, size in libraries.items())}"
            )
    if options.json:
        print(json.dumps({"wheels": found}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
