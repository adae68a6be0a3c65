"""Compile the library with the system's C compiler, else with the package ``ziglang``.

``pip install`` does this through the build hook of ``pyproject.toml``. ``python -m vectra_bot.kernel.build``
does it for a package that was installed without a compiler, or whose sources have changed. Needs the standard
library only.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from vectra_bot.kernel.sources import (
    FLAGS,
    FOLDER,
    LIBRARY,
    LIBRARY_V3,
    definitions,
    digest,
    source_files,
)

COMPILERS: Final = ("cc", "gcc", "clang")
NO_COMPILER: Final = (
    "no C compiler was found: install cc, gcc or clang, or the Python package ziglang"
)

_SECONDS: Final = 300
_ZIG: Final = ("-m", "ziglang", "cc")


class BuildFailed(Exception):
    """The compiler failed; the message has its last line."""


def find_compiler() -> list[str] | None:
    """Return the command of a C compiler: ``$CC``, the system's, or that of ``ziglang``; None without any."""
    given = os.environ.get("CC")
    if given:
        return shlex.split(given)
    for name in COMPILERS:
        found = shutil.which(name)
        if found:
            return [found]
    return zig() if _run([sys.executable, "-c", "import ziglang"]).returncode == 0 else None


def zig() -> list[str]:
    """Return the command of the C compiler in the package ``ziglang``."""
    return [sys.executable, *_ZIG]


def build(
    folder: Path,
    compiler: Sequence[str],
    *,
    target: Sequence[str] = (),
    machine: str = platform.machine(),
) -> list[Path]:
    """Compile the library into *folder* and return its files.

    Args:
        folder: where the files are put, each with one rename.
        compiler: command of the compiler.
        target: flags that choose another system than this one.
        machine: processor that the files are for, such as ``x86_64``, which gets two of them.

    Raises:
        BuildFailed: the compiler failed, or the files cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
            base, v3 = _processors(compiler)
            made = [_compile(Path(scratch) / LIBRARY, [*compiler, *target, *base])]
            if machine in ("x86_64", "AMD64"):
                # A compiler too old to know x86-64-v3 gives the library for every processor alone.
                with suppress(BuildFailed):
                    made.append(_compile(Path(scratch) / LIBRARY_V3, [*compiler, *target, *v3]))
            (folder / LIBRARY_V3).unlink(missing_ok=True)
            return [path.replace(folder / path.name) for path in made]
    except OSError as error:
        raise BuildFailed(f"{error.filename or folder}: {error.strerror}") from error


def _processors(compiler: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the flags for every processor, which ``zig`` has to be asked for, and for x86-64-v3."""
    if tuple(compiler[-3:]) == _ZIG:
        return ["-mcpu=baseline"], ["-mcpu=x86_64_v3"]
    return [], ["-march=x86-64-v3"]


def _compile(output: Path, command: list[str]) -> Path:
    sources = [str(path) for path in source_files() if path.suffix == ".c"]
    stamp = f'-DKERNEL_DIGEST="{digest()}"'
    done = _run([*command, *FLAGS, *definitions(), stamp, "-o", str(output), *sources, "-lm"])
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or ["no message"]
        raise BuildFailed(f"{command[0]} failed with exit code {done.returncode}: {lines[0]}")
    return output


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run *command* without the search path of an isolated build, which would hide ``ziglang``."""
    hidden = ("PYTHONPATH", "PYTHONNOUSERSITE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    try:
        return subprocess.run(  # noqa: S603 - the user's own compiler
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"{command[0]} took more than {_SECONDS} s") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile the library into the package's folder, or another; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m vectra_bot.kernel.build", description="Compile the price law."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where to put it")
    folder = parser.parse_args(arguments).folder
    try:
        compiler = find_compiler()
        if compiler is None:
            raise BuildFailed(NO_COMPILER)
        made = build(folder, compiler)
    except BuildFailed as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
