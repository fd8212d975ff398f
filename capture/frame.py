"""The Python side of the frame hook: the names of the extension, what is never captured, and the end of the process.

In comes `segue.capture._capture` (csrc/): `Compiled`, a callable that opens a region in which frames are looked up in its `Cache`; out goes a
call of `callback(settings, code, frame_view, entries)` for a frame without an entry whose guards hold. It returns a `CacheEntry` (its code runs in
that frame, now and whenever its guards hold again), None (run this frame as it is, ask again next time) or `SKIP` (never ask again for this code).
Exceptions of the callback reach the user; the hook is off while it runs. The one idea: on a hit only C runs.

    Cache(callback, settings)     .entries(code) .codes() .skip(code) .unskip(code) .discard(entry) .clear()
    CacheEntry(guards, code, keep=None, failed=None)    .guards .code .keep .hits .program
    Compiled(function, cache)     a call opens a region; `__wrapped__`, `cache`; all else is the function's
    Disabled(function)            a call runs with the hook off, and so does all below it
    FrameView(function, parameters)               .locals .globals .builtins .function .code .parameters
    skip(code) leaf(code) keep(code) is_skipped(code) is_active() is_installed() mismatch(code, new_code) stats() reset_stats()
"""

from __future__ import annotations

import atexit
import os
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..eager.config import config
from ._capture import (
    FRAMES_KNOWN,
    SKIP,
    Cache,
    CacheEntry,
    Compiled,
    Disabled,
    FrameView,
    Program,
    after_fork,
    is_active,
    is_installed,
    is_skipped,
    keep,
    leaf,
    mismatch,
    reset_stats,
    set_oracle,
    shutdown,
    skip,
    skip_prefixes,
    stats,
)
from .guards import GuardSet

__all__ = [
    "FRAMES_KNOWN", "SKIP", "Cache", "CacheEntry", "Compiled", "Disabled", "FrameView", "GuardDisagreement", "Program", "check_guards", "is_active",
    "is_installed", "is_skipped", "keep", "leaf", "mismatch", "reset_stats", "skip", "skip_prefixes", "stats",
]  # fmt: skip

OWN_ROOMS = ("api", "eager", "graph", "capture", "inductor")  # beside this room, in the checkout and in the installed package alike
FOLLOWED = ("nn", "optim")  # packages of eager/ whose frames are captured as users' code is
NOT_FOLLOWED = ("functional", "parameter.py", "lbfgs.py")  # but for these modules of theirs
PACKAGES = ("numpy", "scipy", "sympy", "mpmath", "bytecode", "ml_dtypes", "rich", "cupy", "_pytest", "pluggy", "hypothesis")


class GuardDisagreement(AssertionError):
    """The guard engine and its oracle differ about a frame (only in the debugging mode, `SEGUE_CHECK_GUARDS=1`)."""


def _compare(guards: GuardSet, view: Any, result: int) -> None:
    """What the engine calls after each check in the debugging mode."""
    if guards.check(view) != bool(result):
        reason = guards.explain_failure(view) or "every guard holds"
        raise GuardDisagreement(f"the guard engine said {bool(result)} for {view.code.co_qualname}, its oracle differs: {reason}\n{guards.text()}")


def check_guards(enabled: bool) -> None:
    """Switch the debugging mode on or off: each check of the engine is repeated by the oracle, and a difference raises `GuardDisagreement`."""
    set_oracle(_compare if enabled else None)


def _folder(name: str) -> str | None:
    """The folder or file of an installed package, found without importing it; None when it is not there."""
    spec = find_spec(name) if name not in sys.modules else sys.modules[name].__spec__
    origin = spec.origin if spec is not None else None
    if origin is None:
        return None
    return os.path.dirname(origin) + os.sep if origin.endswith("__init__.py") else origin


def _prefixes() -> tuple[list[str], list[str]]:
    """Beginnings of the files that are not captured, and of those among them that are."""
    here = Path(__file__)
    rooms = [str(beside / room) + os.sep for beside in {here.parent.parent, here.resolve().parent.parent} for room in OWN_ROOMS]
    standard = {os.path.realpath(path) + os.sep for key, path in sysconfig.get_paths().items() if key in ("stdlib", "platstdlib")}
    standard |= {os.path.dirname(os.path.realpath(os.__file__)) + os.sep, os.path.dirname(os.__file__) + os.sep}
    packages = [folder for folder in map(_folder, PACKAGES) if folder is not None]
    site = {path + os.sep for key, path in sysconfig.get_paths().items() if key in ("purelib", "platlib")}
    kept = site | {folder + name + os.sep for folder in standard for name in ("site-packages", "dist-packages")}
    followed = [room + name + os.sep for room in rooms for name in FOLLOWED if room.endswith(f"eager{os.sep}")]
    eager = [folder + name for folder in followed for name in NOT_FOLLOWED]
    return [*rooms, *sorted(standard), *packages, *eager, "<frozen "], sorted(kept) + followed


skip_prefixes(*_prefixes())
check_guards(config.check_guards)
atexit.register(shutdown)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
