"""How the rooms at the root become the package `segue`, and which C and C++ sources are built with it.

The folders keep their plain names (eager/, graph/ ...) and are installed as `segue.eager`, `segue.graph` ...; `api/` is `segue` itself. A folder
holds a package when it has an `__init__.py`, so a new sub-package needs no entry here.
"""

import os
from pathlib import Path

import numpy
from setuptools import Extension, setup

ROOT = Path(__file__).parent
ROOMS = {"segue": "api", **{f"segue.{room}": room for room in ("eager", "graph", "capture", "inductor", "tools")}}
SANITIZE = os.environ.get("SEGUE_SANITIZE", "")  # "address,undefined" builds the C code under the sanitizers


def packages() -> dict[str, str]:
    """Package name -> folder, for the rooms and every package below them."""
    found = {}
    for package, room in ROOMS.items():
        for init in sorted((ROOT / room).rglob("__init__.py")):
            parts = init.parent.relative_to(ROOT / room).parts
            found[".".join((package, *parts))] = str(Path(room, *parts))
    return found


def flags(*more: str) -> list[str]:
    # The sanitizers' checks make the optimizer slow: matmul.cpp takes 63 s at -O3 with them, 25 s at -O1, 13 s without.
    checks = [f"-fsanitize={SANITIZE}", "-g", "-fno-omit-frame-pointer", "-O1"] if SANITIZE else []
    return ["-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers", *more, *checks]


def sources(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


def extensions() -> list[Extension]:
    link = [f"-fsanitize={SANITIZE}"] if SANITIZE else []
    headers = sources("*/csrc/**/*.h")
    made = [
        Extension("segue.eager._dispatch", sources("eager/csrc/*.c"), include_dirs=["eager/csrc", numpy.get_include()], depends=headers,
                  extra_compile_args=flags("-std=c11", "-fvisibility=hidden"), extra_link_args=link),
        Extension("segue.capture._capture", sources("capture/csrc/*.c"), include_dirs=["capture/csrc", numpy.get_include()], depends=headers,
                  extra_compile_args=flags("-std=c11", "-fvisibility=hidden"), extra_link_args=link),
        Extension("segue.inductor._launcher", sources("inductor/csrc/*.c"), include_dirs=["inductor/csrc", "inductor/csrc/include", numpy.get_include()],
                  depends=headers, extra_compile_args=flags("-std=c11"), extra_link_args=link),
        Extension("segue.inductor._runtime", sources("inductor/csrc/runtime/*.cpp"), include_dirs=["inductor/csrc/include", numpy.get_include()], depends=headers,
                  extra_compile_args=flags("-std=c++17", "-pthread", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fwrapv", "-Wno-psabi"),
                  extra_link_args=[*link, "-pthread"]),
    ]
    return [extension for extension in made if extension.sources]


found = packages()
setup(packages=list(found), package_dir=found, ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count()}})
