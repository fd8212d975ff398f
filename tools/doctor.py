"""What segue finds on this machine: Python, packages, compiler, native code, threads, cache.

In come nothing but the machine and the configuration; out go findings, each good or with a piece of advice. The one idea: every answer comes from
the code that uses it (the same search for the compiler, the same cache folder), so the doctor cannot be wrong about what will happen.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import segue
from segue.eager.errors import BackendError
from segue.graph import cache
from segue.inductor import runtime
from segue.inductor.toolchain import toolchain

PACKAGES = ("numpy", "scipy", "sympy", "bytecode", "ml_dtypes", "scipy-openblas32")
CAPTURED = ((3, 11), (3, 12), (3, 13))
NATIVE = ("segue.eager._dispatch", "segue.capture._capture", "segue.inductor._launcher", "segue.inductor._runtime")


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer. `needed`: whether things go wrong, and not only slower, without it."""

    name: str
    good: bool
    text: str
    advice: str = ""
    needed: bool = False


def python() -> Finding:
    """The Python version, and whether its frames can be captured."""
    known = sys.version_info[:2] in CAPTURED and platform.python_implementation() == "CPython"
    versions = ", ".join(f"{major}.{minor}" for major, minor in CAPTURED)
    return Finding("python", known, f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}",
                   f"segue.compile captures on CPython {versions}; elsewhere everything runs eagerly")  # fmt: skip


def packages() -> Finding:
    """Versions of the run-time dependencies."""
    versions, missing = [], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return Finding("packages", not missing, ", ".join(versions), f"install {' '.join(missing)}", needed=True)


def native() -> Finding:
    """Whether segue's own C extensions are built."""
    missing = [name for name in NATIVE if importlib.util.find_spec(name) is None]
    found = [name for name in NATIVE if name not in missing]
    advice = f"not built: {', '.join(missing)}; install segue again with a C compiler"
    return Finding("extensions", not missing, ", ".join(found) or "none", advice, needed=True)


def compiler() -> Finding:
    """The C++ compiler and the width of vectors that it makes."""
    try:
        found = toolchain()
    except BackendError as error:
        return Finding("compiler", False, "none: compiled graphs run through the interpreter with eager kernels", str(error))
    return Finding("compiler", True, f"{' '.join(found.command)}, {found.family} {found.version}, vectors: {found.vectors}")


def blas() -> Finding:
    """The library of matrix products in compiled code."""
    good = Path(runtime.BLAS).exists()
    return Finding("BLAS", good, runtime.BLAS, "pip install scipy-openblas32; until then products in compiled code are many times slower")


def threads() -> Finding:
    """How many threads compiled code will use."""
    try:
        text = f"{runtime.threads()} of {os.cpu_count()} processors (SEGUE_THREADS, affinity, cgroup quota, OMP_NUM_THREADS)"
    except BackendError as error:
        return Finding("threads", False, "unknown", str(error))
    return Finding("threads", True, text)


def disk_cache() -> Finding:
    """Where compiled graphs are kept between processes."""
    folder = cache.current().folder
    if folder is None:
        return Finding("cache", not segue.config.cache, "in memory only", "no folder can be written; set SEGUE_CACHE_DIR to one that can")
    return Finding("cache", True, f"{folder}, {cache.current().size() / 2**20:.1f} MiB")


EXAMINATIONS: tuple[Callable[[], Finding], ...] = (python, packages, native, compiler, blas, threads, disk_cache)


def examine() -> list[Finding]:
    """All findings, in order."""
    return [look() for look in EXAMINATIONS]
