"""The most memory that a training step takes at once, eager and compiled whole: the model programs of tests/ and the examples.

In comes the source tree, out comes a table of bytes. The one idea: the first steps compile; the next one is measured, alone: what it allocates through
NumPy and Python (`tracemalloc`) and what it takes of the pool in which arenas, results and scratch lie, at their highest. Parameters, optimiser state and
data stand before the step in both ways and are not counted. It runs on one thread: how many threads hold scratch of a convolution at once is chance.
"""

from __future__ import annotations

import gc
import importlib.util
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import segue
from segue.inductor import runtime

WARM_UP = 4  # steps before the one that is measured
EXAMPLES: dict[str, dict[str, int]] = {"burgers": {}, "deep_potential": {"frames": 20}, "heat": {}, "maml": {}}
Row = tuple[str, int, int]


class Measured(Exception):
    """Ends the training loop of an example."""


class Meter:
    """A step that counts its calls and notes the memory of one."""

    def __init__(self, step: Callable) -> None:
        self.step = step
        self.calls = 0
        self.bytes = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.calls == WARM_UP:
            tracemalloc.start()  # one step earlier, so that what this step frees was counted when it came
        if self.calls <= WARM_UP:
            return self.step(*args)
        try:
            gc.collect()
            before, pooled = tracemalloc.get_traced_memory()[0], runtime.pool_state()["live_bytes"]
            tracemalloc.reset_peak()
            runtime.forget_peak()
            self.step(*args)
            self.bytes = tracemalloc.get_traced_memory()[1] - before + runtime.pool_state()["peak_bytes"] - pooled
        finally:
            tracemalloc.stop()
        raise Measured


def module_at(path: Path) -> ModuleType:
    """The module of a file. Raises FileNotFoundError."""
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def programs(root: Path) -> Iterator[tuple[str, Callable[[Callable], None]]]:
    """(name, train by a way until it has been measured) of the model programs. Raises FileNotFoundError outside of the source tree."""
    support = module_at(root / "tests" / "models" / "program_support.py")

    def trainer(name: str) -> Callable[[Callable], None]:
        def train(way: Callable) -> None:
            rng = np.random.default_rng(0)
            job = support.load(name, "segue").Job()
            step = way(job.step)
            while True:
                step(*job.batch(rng))

        return train

    for path in sorted(support.FOLDER.glob("*.py")):
        if "class Job" in path.read_text(encoding="utf-8"):
            yield path.stem, trainer(path.stem)


def examples(root: Path) -> Iterator[tuple[str, Callable[[Callable], None]]]:
    """The same of the examples: what they compile last is their step."""

    def trainer(name: str) -> Callable[[Callable], None]:
        def train(way: Callable) -> None:
            module: Any = module_at(root / "examples" / f"{name}.py")
            module.segue = ModuleType("segue")
            vars(module.segue).update(vars(segue), compile=lambda f: way(f) if f.__name__ == "step" else f)
            module.train(steps=WARM_UP + 1, **EXAMPLES[name])

        return train

    for name in EXAMPLES:
        yield name, trainer(name)


def peak(train: Callable[[Callable], None], compiled: bool) -> int:
    """Bytes of one step."""
    meters = []

    def way(step: Callable) -> Callable:
        meters.append(Meter(segue.compile(step) if compiled else step))
        return meters[-1]

    segue.compiler.reset()
    segue.manual_seed(0)
    try:
        train(way)
    except Measured:
        return meters[-1].bytes
    raise RuntimeError("the training ended before a step was measured")


def measure(root: Path, only: Sequence[str] = ()) -> list[Row]:
    """(name, bytes eager, bytes compiled) of all, or of some. Raises FileNotFoundError outside of the source tree."""
    found = [*programs(root), *examples(root)]
    threads = runtime.threads()
    runtime.set_threads(1)
    try:
        return [(name, peak(train, False), peak(train, True)) for name, train in found if not only or name in only]
    finally:
        runtime.set_threads(threads)
