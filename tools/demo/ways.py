"""One training job run three ways with the same seed: eagerly, with `model.compile()`, and with the whole step under `segue.compile`.

In comes a job (data, model, optimizer, loss), out goes a `Run`: the loss of every step, seconds, and what the compiler counted. The one idea: the
training step is the same function in all three ways; what differs is one line.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import segue

SEED = 1
WARM_UP = 5  # steps that the milliseconds leave out: compiling, filling caches
COMPARED = 20  # steps whose losses must agree
AGREEMENT = 1e-5  # relative
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


@dataclass
class Run:
    """What one way of training gave."""

    way: str
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    accuracy: float | None = None
    model: Any = None

    @property
    def milliseconds(self) -> float:
        """The median time of a step, the first few left out."""
        return 1000 * statistics.median(self.seconds[WARM_UP:] or self.seconds)

    @property
    def last_loss(self) -> float:
        """The mean loss of the last 25 steps."""
        return statistics.fmean(self.losses[-25:])


def eagerly(step: Callable, model: Any) -> Callable:
    """The step as it is."""
    return step


def model_compiled(step: Callable, model: Any) -> Callable:
    """The step as it is, the model compiled in place."""
    model.compile()
    return step


def step_compiled(step: Callable, model: Any) -> Callable:
    """The whole step compiled: forward, backward, optimizer."""
    return segue.compile(step)


WAYS: dict[str, Callable[[Callable, Any], Callable]] = {
    "eager": eagerly,
    "model.compile()": model_compiled,
    "whole step": step_compiled,
}


def train(job: Any, way: str, steps: int, advance: Callable[[float], None], finished: Callable[[Run], bool] = lambda run: False) -> Run:
    """Train from the seed for `steps` steps, or until `finished(run)`. `advance(loss)` is called behind every step."""
    segue.compiler.reset()
    segue.manual_seed(SEED)
    model, optimizer = job.build()

    def train_step(*batch):
        optimizer.zero_grad()
        loss = job.loss(model, *batch)
        loss.backward()
        optimizer.step()
        return loss

    run = Run(way)
    before = segue.compiler.stats()
    forget_peak()
    step = WAYS[way](train_step, model)
    for number, batch in enumerate(job.batches()):
        if number == steps:
            break
        start = time.perf_counter()
        loss = step(*batch).item()
        run.seconds.append(time.perf_counter() - start)
        run.losses.append(loss)
        advance(loss)
        if finished(run):
            break
    run.peak_bytes = peak_bytes()
    run.counts = {name: value - before[name] for name, value in segue.compiler.stats().items()}
    run.model = model
    return run


def difference(run: Run, reference: Run, steps: int = COMPARED) -> float:
    """The largest relative difference of the losses of the first steps."""
    pairs = zip(run.losses[:steps], reference.losses[:steps])
    return max(abs(a - b) / abs(b) for a, b in pairs)


def forget_peak() -> None:
    """Start a new measurement of the peak of resident memory, where the system can (Linux)."""
    if CLEAR.exists() and os.access(CLEAR, os.W_OK):
        CLEAR.write_text("5")


def peak_bytes() -> int:
    """The peak of this process's resident memory since `forget_peak()`; on systems without it, since the start."""
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
