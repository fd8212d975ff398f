"""Every knob of segue, in one typed table.

A knob is one line of `Config`: name, type, default and what it does. From that line come the attribute (`config.threads = 2`), the environment
variable (`SEGUE_THREADS=2`, read once at import), the context manager (`with config.override(threads=2)`) and the table in the docs. The one idea:
nobody reads the environment elsewhere, and a value of the wrong type is refused at the moment it is set. Values belong to the process; a compiled
object takes a `config.snapshot()` at its creation, so a knob turned later, or in another thread, does not change it.
"""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_type_hints

from .forks import undone

PREFIX = "SEGUE_"


def knob(default: Any, doc: str, choices: tuple[Any, ...] = ()) -> Any:
    """One row of the table: its default, what it does, and the allowed values where they are few."""
    return dataclasses.field(default=default, metadata={"doc": doc, "choices": choices})


@dataclasses.dataclass
class Config:
    """The table. Read and set the knobs on the one instance, `config`.

    >>> with config.override(threads=1):
    ...     config.threads
    1
    >>> config.threads = "two"
    Traceback (most recent call last):
        ...
    TypeError: config.threads is an int; got 'two'
    """

    # what is shown
    logs: str = knob("", "artefacts printed to stderr, comma separated: graph, guards, breaks, recompiles, code, schedule, memory, cache; or all")
    debug_dir: str = knob("", "folder that receives every artefact as a file of its own; empty: none")
    progress: bool = knob(True, "tell on stderr, when it is a terminal, what a long compile is doing")

    # capture
    disable: bool = knob(False, "segue.compile returns what it was given, and everything runs eagerly")
    backend: str = knob("inductor", "the backend when segue.compile names none")
    recompile_limit: int = knob(16, "compilations of one code object before it runs eagerly for good; counted, never reset by eviction")
    inline_limit: int = knob(64, "depth of calls that capture follows into")
    unroll_limit: int = knob(20000, "iterations of one loop that capture unrolls before it breaks the graph")
    follow_limit: int = knob(100000, "instructions of plain Python that capture follows without meeting an operation on a tensor; beyond, they run eagerly")
    check_guards: bool = knob(False, "run the Python oracle beside the guard engine in C and fail when they differ")
    numerics: str = knob("eager", "eager: bitwise where stated; fast: the compiler may contract and reassociate", ("eager", "fast"))

    # graphs
    verify: bool = knob(False, "verify every invariant of a graph after each pass")

    memory_budget: float = knob(1.0, "share of the bytes kept between forward and backward that may be; with less than 1 more is computed again, with 0 all")

    # inductor
    compiler: str = knob("", "the C++ compiler; empty: the first of $CXX, g++, clang++, c++ that runs")
    compiler_flags: str = knob("", "more flags for the C++ compiler, separated by spaces")
    isa: str = knob("native", "instruction set that kernels are compiled for", ("native", "avx512", "avx2", "neon", "generic"))
    threads: int = knob(0, "threads of the one pool; 0: what affinity, cgroup quota and OMP_NUM_THREADS leave")
    fusion: bool = knob(True, "fuse loops into common kernels")
    huge_pages: bool = knob(True, "ask for huge pages for the arenas")
    cache: bool = knob(True, "keep compiled graphs on disk between processes")
    cache_captures: bool = knob(True, "keep captures there as well, so that another process need not trace")
    cache_dir: str = knob("", "folder of that cache; empty: the user's cache folder, else a private temporary one, else memory only")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _TYPES:
            raise AttributeError(f"segue has no knob '{name}'; the knobs are {', '.join(_TYPES)}")
        object.__setattr__(self, name, _checked(name, value))

    @contextmanager
    def override(self, **values: Any) -> Iterator[Config]:
        """Set knobs for the length of a `with` block; they are put back however it ends. Raises AttributeError for an unknown knob."""
        before = {name: getattr(self, name) for name in values}

        def put_back() -> None:
            for name, value in before.items():
                setattr(self, name, value)

        with undone(put_back):
            try:
                for name, value in values.items():
                    setattr(self, name, value)
                yield self
            finally:
                put_back()

    def snapshot(self) -> Mapping[str, Any]:
        """All values now, unchanging."""
        return types.MappingProxyType({name: getattr(self, name) for name in _TYPES})


_TYPES: dict[str, type] = get_type_hints(Config)
_FIELDS = {field.name: field for field in dataclasses.fields(Config)}
_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}


def _checked(name: str, value: Any) -> Any:
    kind = _TYPES[name]
    if type(value) is not kind:
        article = "an" if kind.__name__[0] in "aeiou" else "a"
        raise TypeError(f"config.{name} is {article} {kind.__name__}; got {value!r}")
    choices = _FIELDS[name].metadata["choices"]
    if choices and value not in choices:
        raise ValueError(f"config.{name} is one of {', '.join(map(str, choices))}; got {value!r}")
    return value


def _parsed(name: str, text: str) -> Any:
    """The value that an environment variable spells. Raises ValueError naming the variable."""
    kind = _TYPES[name]
    try:
        if kind is bool:
            return _TRUTH[text.strip().lower()]
        return _checked(name, kind(text))
    except (KeyError, ValueError) as error:
        doc = _FIELDS[name].metadata["doc"]
        raise ValueError(f"{PREFIX}{name.upper()}={text!r} is not a value for a knob of type {kind.__name__}: {doc}") from error


def from_environment(environment: Mapping[str, str]) -> Config:
    """A table with the defaults, and the values of the SEGUE_* variables of `environment` that name knobs."""
    made = Config()
    for name in _TYPES:
        text = environment.get(PREFIX + name.upper())
        if text is not None:
            setattr(made, name, _parsed(name, text))
    return made


def table() -> list[tuple[str, str, str, Any, str]]:
    """(attribute, environment variable, type, default, what it does) of every knob, for the docs and `segue doctor`."""
    return [(f.name, PREFIX + f.name.upper(), _TYPES[f.name].__name__, f.default, f.metadata["doc"]) for f in _FIELDS.values()]


config = from_environment(os.environ)
