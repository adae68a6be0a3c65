"""Loading the compiled library: which file, whether it is today's, and the functions it offers.

A library is used only if its digest is that of the sources and constants beside it, so that a library of
another version of the law is never used. ``VECTRA_KERNEL=off`` excludes it, ``VECTRA_KERNEL=FOLDER`` takes
that of another folder.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from vectra_bot.kernel.sources import FOLDER, LIBRARY, LIBRARY_V3, digest

SWITCH: Final = "VECTRA_KERNEL"
_BUILD: Final = "`python -m vectra_bot.kernel.build` compiles it"


class GameArrays(ctypes.Structure):
    """``kernel_games`` of ``kernel.h``: addresses of the arrays that results are written to."""

    _fields_ = (
        ("peak", ctypes.c_void_p),
        ("rug_price", ctypes.c_void_p),
        ("last_price", ctypes.c_void_p),
        ("rug_tick", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("prices", ctypes.c_void_p),
        ("room", ctypes.c_int64),
    )


class ExitRules(ctypes.Structure):
    """``kernel_exits`` of ``kernel.h``."""

    _fields_ = (
        ("take_profit", ctypes.c_double),
        ("stop_loss", ctypes.c_double),
        ("trailing_stop", ctypes.c_double),
        ("max_ticks", ctypes.c_int32),
    )


class HeldPositions(ctypes.Structure):
    """``kernel_positions`` of ``kernel.h``: addresses of the arrays that are read."""

    _fields_ = (
        ("prices", ctypes.c_void_p),
        ("start", ctypes.c_void_p),
        ("rug_tick", ctypes.c_void_p),
        ("entry", ctypes.c_void_p),
        ("first_tick", ctypes.c_void_p),
        ("qty", ctypes.c_void_p),
        ("cost", ctypes.c_void_p),
        ("highest", ctypes.c_void_p),
    )


class CurvePiece(ctypes.Structure):
    """``kernel_piece`` of ``kernel.h``."""

    _fields_ = tuple((name, ctypes.c_double) for name in ("level", "width", "value", "rise"))


class DelayCurve(ctypes.Structure):
    """``kernel_curve`` of ``kernel.h``."""

    _fields_ = (("pieces", ctypes.POINTER(CurvePiece)), ("count", ctypes.c_int64))


class ValueChances(ctypes.Structure):
    """``kernel_chances`` of ``kernel.h``."""

    _fields_ = (("edges", ctypes.POINTER(ctypes.c_double)), ("count", ctypes.c_int64))


class LinkRow(ctypes.Structure):
    """``kernel_link`` of ``kernel.h``."""

    _fields_ = tuple(
        (name, ctypes.c_double) for name in ("scale", "stalls", "holds", "smears", "smear_ms")
    )


class DelayTables(ctypes.Structure):
    """``kernel_delays`` of ``kernel.h``; it keeps the arrays that it is given."""

    _fields_ = (
        ("core", DelayCurve),
        ("stall", DelayCurve),
        ("held", DelayCurve),
        ("together", DelayCurve),
        ("first_tick", DelayCurve),
        ("rug", DelayCurve),
        ("start", DelayCurve),
        ("new_game", DelayCurve),
        ("settlements", ctypes.POINTER(DelayCurve)),
        ("settlement_chances", ValueChances),
        ("links", ctypes.POINTER(LinkRow)),
        ("link_chances", ValueChances),
        ("frame_due", ctypes.POINTER(ctypes.c_double)),
        ("frames", ctypes.c_int64),
        ("opening", ctypes.c_int64),
        ("next_ms", ctypes.c_double),
        ("burst_ms", ctypes.c_double),
        ("below_one", ctypes.c_double),
        ("ns_per_ms", ctypes.c_double),
        ("deck_size", ctypes.c_int32),
    )


class ClockState(ctypes.Structure):
    """``kernel_clock`` of ``kernel.h``; it keeps the arrays that it is given."""

    _fields_ = (
        ("generator", ctypes.POINTER(ctypes.c_uint32)),
        ("deck", ctypes.POINTER(ctypes.c_int32)),
        ("now_ns", ctypes.c_int64),
        ("left", ctypes.c_int32),
    )


@frozen
class LoadedLaw:
    """The functions of a loaded library (``kernel.h``). Calls release the interpreter's lock."""

    path: Path
    replay: Any
    simulate: Any
    scan_exits: Any
    next_exit: Any
    draw_times: Any


@frozen
class KernelStatus:
    """Whether the compiled law is in use.

    Attributes:
        law: the loaded library; None if Python is used.
        message: what is in use, and why, one line.
        broken: whether a library is there that cannot be used.
    """

    law: LoadedLaw | None
    message: str
    broken: bool = False


def status() -> KernelStatus:
    """Return what is in use. The library is loaded at the first call, and no more than once."""
    given = os.environ.get(SWITCH, "")
    if given == "off":
        return KernelStatus(None, f"excluded by {SWITCH}=off: the law runs in Python")
    return _loaded(Path(given) if given else FOLDER)


def loaded() -> LoadedLaw | None:
    """Return the compiled law, None if it is not in use."""
    return status().law


@cache
def _loaded(folder: Path) -> KernelStatus:
    path = folder / LIBRARY
    if not path.exists():
        if folder != FOLDER:
            advice = f"set {SWITCH} to a folder with {LIBRARY}"
            return KernelStatus(None, f"{path} does not exist: {advice}", broken=True)
        return KernelStatus(None, f"not compiled: the law runs in Python; {_BUILD}")
    try:
        library = ctypes.CDLL(os.fspath(path))
        better = folder / LIBRARY_V3
        if library.kernel_has_v3() and better.exists():
            path, library = better, ctypes.CDLL(os.fspath(better))
        built_from = bytes((ctypes.c_char * 64).in_dll(library, "kernel_digest")).decode("ascii")
    except (OSError, AttributeError, ValueError) as error:
        return KernelStatus(None, f"{path} cannot be loaded ({error}): {_BUILD} again", broken=True)
    if built_from != digest():
        return KernelStatus(
            None,
            f"{path} was built from other sources and is not used: {_BUILD} again",
            broken=True,
        )
    kind = "x86-64-v3" if path.name == LIBRARY_V3 else "this processor"
    return KernelStatus(_functions(path, library), f"the law is compiled for {kind}")


def _functions(path: Path, library: ctypes.CDLL) -> LoadedLaw:
    replay, simulate = library.kernel_replay, library.kernel_simulate
    scan, one = library.kernel_scan_exits, library.kernel_next_exit
    games = ctypes.POINTER(GameArrays)
    replay.restype = simulate.restype = ctypes.c_int64
    replay.argtypes = (
        ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, games,
    )  # fmt: skip
    simulate.argtypes = (
        ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_double, ctypes.c_double,
        ctypes.c_void_p, ctypes.c_void_p, games,
    )  # fmt: skip
    scan.restype = None
    scan.argtypes = (
        ctypes.c_int64, ctypes.POINTER(HeldPositions), ctypes.POINTER(ExitRules), ctypes.c_void_p,
        ctypes.c_void_p,
    )  # fmt: skip
    one.restype = ctypes.c_int32
    one.argtypes = (
        ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_double, ctypes.c_double,
        ctypes.c_int32, ctypes.c_double, ctypes.POINTER(ExitRules),
    )  # fmt: skip
    times = library.kernel_draw_times
    times.restype = None
    times.argtypes = (
        ctypes.c_int64, ctypes.c_void_p, ctypes.POINTER(DelayTables), ctypes.POINTER(ClockState),
        ctypes.c_void_p, ctypes.c_void_p,
    )  # fmt: skip
    return LoadedLaw(path, replay, simulate, scan, one, times)
