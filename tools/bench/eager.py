"""What eager code costs: one operator on a small tensor, with and without a gradient, and whole training steps, beside NumPy and (where it is installed) PyTorch.

In comes how often to repeat, out come medians and ratios. The one idea: the libraries take turns within every round, and a ratio is of neighbours in time, so that
what else the machine does meets all alike.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import segue

from .workloads import WORKLOADS

CALLS = 100  # in a round
Case = Callable[[Any, Any, Any, Any], Any]  # (library, a, b, w) -> result

CASES: dict[str, Case] = {
    "add": lambda M, a, b, w: a + b,
    "add a number": lambda M, a, b, w: a + 1.5,
    "mul": lambda M, a, b, w: a * b,
    "matmul": lambda M, a, b, w: a @ b,
    "sum": lambda M, a, b, w: a.sum(),
    "view": lambda M, a, b, w: a.reshape(16),
    "transpose": lambda M, a, b, w: a.T,
    "index": lambda M, a, b, w: a[1],
    "slice": lambda M, a, b, w: a[1:3],
    "exp": lambda M, a, b, w: M.exp(a),
    "relu": lambda M, a, b, w: np.maximum(a, 0) if M is np else M.relu(a),
    "softmax": lambda M, a, b, w: _softmax(a) if M is np else M.softmax(a, -1),
    "layer_norm": lambda M, a, b, w: _layer_norm(a, w) if M is np else M.nn.functional.layer_norm(a, (4,), w, w),
    "gelu": lambda M, a, b, w: 0.5 * a * (1.0 + np.tanh(0.8 * (a + 0.04 * a * a * a))) if M is np else M.nn.functional.gelu(a, approximate="tanh"),
}
STEPS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "GPT step, ms": WORKLOADS["GPT"], "CNN step, ms": WORKLOADS["small CNN"], "AdamW step, ms": WORKLOADS["AdamW, 150 tensors"],
}  # fmt: skip
Row = tuple[str, dict[str, float | None], float | None]  # (name, median by way, median of segue's over PyTorch's)


def _softmax(a: Any) -> Any:
    weights = np.exp(a - a.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def _layer_norm(a: Any, w: Any) -> Any:
    apart = a - a.mean(-1, keepdims=True)
    return apart / np.sqrt((apart * apart).mean(-1, keepdims=True) + 1e-5) * w + w


def _operands(library: Any, wants_grad: bool) -> tuple:
    arrays = [np.random.default_rng(seed).random(shape, dtype=np.float32) for seed, shape in enumerate(((4, 4), (4, 4), (4,)))]
    if library is np:
        return tuple(arrays)
    return tuple(library.from_numpy(array).requires_grad_(wants_grad) for array in arrays)


def measure(repeat: int) -> list[Row]:
    """For each case the median microseconds a call by library: "numpy", "segue", "segue, grad" and, where it is installed, "torch" and "torch, grad".

    Behind them come training steps in milliseconds, with gradients and without NumPy. The ratio is that of the ways with a gradient, segue over PyTorch.
    """
    ways: dict[str, tuple[Any, bool]] = {"numpy": (np, False), "segue": (segue, False), "segue, grad": (segue, True)}
    if importlib.util.find_spec("torch") is not None:
        torch = importlib.import_module("torch")
        ways |= {"torch": (torch, False), "torch, grad": (torch, True)}
    rows = []
    for name, case in CASES.items():
        rows.append(_row(name, ways, {way: _bound(case, library, _operands(library, grad)) for way, (library, grad) in ways.items()}, repeat, CALLS, 1e6))
    for name, make in STEPS.items():
        rows.append(_row(name, ways, {way: make(library) for way, (library, grad) in ways.items() if grad}, repeat, 1, 1e3))
    return rows


def _row(name: str, ways: dict[str, Any], runs: dict[str, Callable[[], Any]], repeat: int, calls: int, unit: float) -> Row:
    timers = {way: timeit.Timer(run) for way, run in runs.items()}
    for timer in timers.values():
        timer.timeit(calls)  # the first fills caches
    rounds = [{way: timer.timeit(calls) / calls * unit for way, timer in timers.items()} for _ in range(repeat)]
    medians = {way: statistics.median(one[way] for one in rounds) if way in timers else None for way in ways}
    ratio = statistics.median(one["segue, grad"] / one["torch, grad"] for one in rounds) if "torch, grad" in timers else None
    return name, medians, ratio


def _bound(case: Case, library: Any, operands: tuple) -> Callable[[], Any]:
    return lambda: case(library, *operands)
