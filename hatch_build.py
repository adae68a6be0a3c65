"""Hatchling's build hook: the price law is compiled into the wheel if a C compiler is there.

Without a compiler, or if it fails, the wheel is pure and everything works, slower. ``VECTRA_KERNEL=off``
leaves the library out; ``VECTRA_KERNEL=FOLDER`` takes one that is built already, and ``VECTRA_KERNEL_TAG`` is
the platform of its wheel: so ``benchmarks/build_wheels.py`` builds for other systems.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the library for a wheel, or beside the sources for an editable installation."""

    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to the wheel that is built."""
        given = os.environ.get("VECTRA_KERNEL", "")
        if given == "off":
            return
        sys.path.insert(0, self.root)  # the build's tools are there, not the package's libraries
        from vectra_bot.kernel.build import NO_COMPILER, BuildFailed, build, find_compiler
        from vectra_bot.kernel.sources import FOLDER

        try:
            if given:
                files = sorted(Path(given).glob("*.lib"))
                if not files:
                    raise BuildFailed(f"{given} has no library")
            else:
                compiler = find_compiler()
                if compiler is None:
                    raise BuildFailed(NO_COMPILER)
                self._scratch = tempfile.TemporaryDirectory()
                files = build(
                    FOLDER if version == "editable" else Path(self._scratch.name), compiler
                )
        except BuildFailed as error:
            self.app.display_warning(f"the price law is not compiled and runs slower: {error}")
            return
        if version == "editable":
            return
        folder = FOLDER.relative_to(self.root).as_posix()
        build_data["force_include"].update({str(path): f"{folder}/{path.name}" for path in files})
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{os.environ.get('VECTRA_KERNEL_TAG') or _platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for the wheel."""
        if self._scratch is not None:
            self._scratch.cleanup()


def _platform() -> str:
    """Return this machine's platform, without a promise about older systems."""
    return next(
        tag.platform
        for tag in sys_tags()
        if not tag.platform.startswith(("manylinux", "musllinux"))
    )
