"""The C++ compiler: which one, what it is, which flags.

In come config.compiler, $CXX and the machine; out goes a `Toolchain`: the commands that compile and link, and the identity that goes into the cache's
key. The one idea: the compiler itself tells what it compiles for. Its predefined macros under the chosen flags name its version and every instruction
set, so that an object is never used by another compiler or on another kind of processor than the one it was made for.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ..eager.config import config
from ..eager.errors import BackendError
from ..eager.forks import made_again
from ..eager.lazy import LazyModule
from ..eager.stats import stats
from ..graph.cache import current, digest

shutil: Any = LazyModule("shutil")
subprocess: Any = LazyModule("subprocess")

INCLUDE = Path(__file__).parent / "csrc" / "include"
CANDIDATES = ("g++", "clang++", "c++")
QUESTION_SECONDS = 30  # a compiler that does not answer a question within this time is not one

# No contraction, so that results are those of the operators one by one; -fwrapv because integers wrap; nothing here lets the compiler reassociate or
# forget NaN. How hard it tries stands with the families. Kernels are explicit vectors, so of all that GCC does beyond -O1 only these four pay in their run
# time: the first two keep the coefficients of polynomials in registers, the third puts vzeroupper before calls of libm. -O2 takes it a quarter longer.
FLAGS = ("-std=c++17", "-ftree-vectorize", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fwrapv", "-fno-strict-aliasing",
         "-fno-exceptions", "-fno-rtti", "-fno-asynchronous-unwind-tables", "-fPIC", "-w")  # fmt: skip
FAMILY_FLAGS = {"gcc": ("-O1", "-fgcse", "-ftree-pre", "-fexpensive-optimizations", "-falign-loops", "-fvect-cost-model=dynamic", "-Wno-psabi"),
                "clang": ("-O2",)}  # fmt: skip
KIND = "toolchain"
VARIABLES = ("COMPILER_PATH", "CPATH", "CPLUS_INCLUDE_PATH", "GCC_EXEC_PREFIX")  # of the environment, which a compiler reads
PROCESSOR_FACTS = frozenset(
    ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "features", "cpu implementer", "cpu architecture", "cpu variant", "cpu part", "isa")
)
_COMPILER = re.compile(r"/([\w.-]+-)?(g\+\+|gcc|clang\+\+|clang|c\+\+)(-[\d.]+)?$")  # a file that is the compiler itself
NUMERICS_FLAGS = {"eager": (), "fast": ("-ffp-contract=fast",)}
ISA_FLAGS = {
    "native": ("-march=native",),
    "avx512": ("-march=x86-64-v4",),
    "avx2": ("-march=x86-64-v3",),
    "neon": ("-march=armv8-a",),
    "generic": ("-DSEGUE_GENERIC",),
}


class BuildError(BackendError):
    """The C++ code could not be built. `log_path` is the file with the commands, what the compiler said, and the source; None where there is none."""

    def __init__(self, message: str, log_path: Path | None = None) -> None:
        super().__init__(message)
        self.log_path = log_path


def ask(command: Sequence[str]) -> str:
    """Standard output of a short command. Raises BuildError with the command's own words."""
    stats.count("compiler_questions")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=QUESTION_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{shlex.join(command)}: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)} failed: {done.stderr.strip()[:1000]}")
    return done.stdout


@dataclass(frozen=True)
class Toolchain:
    """One compiler with one set of flags. `identity` differs whenever its output may differ."""

    command: tuple[str, ...]
    flags: tuple[str, ...]
    macros: str = field(repr=False)
    stamp: str

    @cached_property
    def family(self) -> str:
        return "clang" if "__clang__" in self.macros else "gcc"

    @cached_property
    def version(self) -> str:
        """The compiler's own words, such as `12.2.0`."""
        found = [line.split(" ", 2)[2].strip('"') for line in self.macros.splitlines() if line.startswith("#define __VERSION__ ")]
        return found[0] if found else "unknown"

    @cached_property
    def vectors(self) -> str:
        """The width that segue_vector.h takes under these flags: avx512, avx2 or generic."""
        if "SEGUE_GENERIC" not in self.macros:
            if all(f"#define {name} 1" in self.macros for name in ("__AVX512F__", "__AVX512BW__", "__AVX512DQ__", "__AVX512VL__")):
                return "avx512"
            if all(f"#define {name} 1" in self.macros for name in ("__AVX2__", "__FMA__", "__F16C__")):
                return "avx2"
        return "generic"

    @cached_property
    def lanes(self) -> int:
        """Lanes of a vector: LANES of segue_vector.h."""
        return {"avx512": 16, "avx2": 8, "generic": 4}[self.vectors]

    @cached_property
    def identity(self) -> str:
        return digest(["toolchain", self.stamp, self.macros, *self.command, *self.flags])

    def compile_command(self, source: Path, target: Path) -> list[str]:
        return [*self.command, *self.flags, f"-I{INCLUDE}", "-c", str(source), "-o", str(target)]

    def link_command(self, objects: Sequence[Path], target: Path) -> list[str]:
        """The linker called directly, which takes 4 ms where the compiler's driver takes 22; the driver where the linker or libm is not found."""
        if self._linker:
            linker, *libraries = self._linker
            return [linker, "-shared", "-o", str(target), *map(str, objects), *libraries]
        return [*self.command, "-shared", "-o", str(target), *map(str, objects), "-lm"]

    @cached_property
    def _linker(self) -> tuple[str, ...]:
        if self.family != "gcc" or "__ELF__" not in self.macros:
            return ()
        try:
            linker = shutil.which(ask([*self.command, "-print-prog-name=ld"]).strip())
            libraries = tuple(ask([*self.command, f"-print-file-name={name}"]).strip() for name in ("libm.so.6", "libgcc.a"))
        except BuildError:
            return ()
        if linker is None or not all(os.path.isabs(path) for path in libraries):
            return ()
        return (linker, *libraries)


def _candidates() -> list[tuple[str, ...]]:
    """Commands to try: config.compiler alone where it is set, else $CXX, else the usual names."""
    asked = config.compiler or os.environ.get("CXX", "")
    if config.compiler:
        return [tuple(shlex.split(asked))]
    return [tuple(shlex.split(asked))] * bool(asked.strip()) + [(name,) for name in CANDIDATES]


def _stamp(program: str) -> str:
    """Changes when the program's file is replaced."""
    state = os.stat(os.path.realpath(program))
    return f"{os.path.realpath(program)} {state.st_size} {state.st_mtime_ns}"


def _answer(question: list[str], stamp: str) -> str:
    """The macros that a compiler tells; asked once for each file of a compiler on each kind of processor, and kept on disk."""
    processor = _processor()
    if processor is None or not _COMPILER.search(stamp.split(" ", 1)[0]):  # a script, or ccache: the compiler behind it may change unseen
        return ask(question)
    key = digest([KIND, stamp, processor, *question, *(os.environ.get(name, "") for name in VARIABLES)])
    found = current().get(KIND, key)
    if found is not None:
        return found.decode()
    macros = ask(question)
    current().put(KIND, key, macros.encode())
    return macros


@cache
def _processor() -> str | None:
    """What tells kinds of processors apart, for which `-march=native` means different things; None where it is not known."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:
        return None
    rows = [line.partition(":") for line in first.splitlines()]
    return "\n".join(f"{name.strip()}:{value}" for name, _, value in rows if name.strip().lower() in PROCESSOR_FACTS)


def _examine(command: tuple[str, ...], numerics: str) -> Toolchain:
    """The toolchain of one command. Raises BuildError where it does not run or does not take the flags."""
    program = shutil.which(command[0])
    if program is None:
        raise BuildError(f"{command[0]}: not found")
    extra = (*ISA_FLAGS[config.isa], *NUMERICS_FLAGS[numerics], *shlex.split(config.compiler_flags))
    resolved = (program, *command[1:])
    question = [*resolved, *FLAGS, *extra, "-dM", "-E", "-x", "c++", os.devnull]
    macros = _answer(question, _stamp(program))
    family = "clang" if "__clang__" in macros else "gcc"
    return Toolchain(resolved, (*FLAGS, *FAMILY_FLAGS[family], *extra), macros, _stamp(program))


_found: dict[tuple, Toolchain | BuildError] = {}
_lock = threading.Lock()
made_again(sys.modules[__name__], "_lock", threading.Lock)


def toolchain(numerics: str | None = None) -> Toolchain:
    """The toolchain for the settings of now. Raises BuildError that says what to do where no compiler works.

    `numerics` is "eager" or "fast"; None means config.numerics.
    """
    numerics = numerics or config.numerics
    asked = (config.compiler, config.compiler_flags, config.isa, numerics, os.environ.get("CXX"), os.environ.get("PATH"))
    with _lock:
        if asked not in _found:
            _found[asked] = _search(numerics)
        found = _found[asked]
    if isinstance(found, BuildError):
        raise found
    return found


def _search(numerics: str) -> Toolchain | BuildError:
    problems = []
    for command in _candidates():
        try:
            return _examine(command, numerics)
        except BuildError as error:
            problems.append(str(error))
    return BuildError(
        f"no C++ compiler works: {'; '.join(problems)}. Install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; "
        "macOS: xcode-select --install), or name one in $CXX or SEGUE_COMPILER"
    )
