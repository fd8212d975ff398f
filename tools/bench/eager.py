"""What one eager operator on a small tensor costs: in segue, with and without a gradient, beside NumPy and (where it is installed) PyTorch.

In comes how often to repeat, out come microseconds a call. The one idea: the libraries take turns within every round and the best round of each counts,
so that what else the machine does meets all alike.
"""

from __future__ import annotations

import importlib
import importlib.util
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import segue

CALLS = 100  # in a round
Case = Callable[[Any, Any, Any, Any], Any]  # (library, a, b, w) -> result

CASES: dict[str, Case] = {
    "add": lambda M, a, b, w: a + b,
    "add a number": lambda M, a, b, w: a + 1.5,
    "mul": lambda M, a, b, w: a * b,
    "matmul": lambda M, a, b, w: a @ b,
    "sum": lambda M, a, b, w: a.sum(),
    "view": lambda M, a, b, w: a.reshape(16),
    "index": lambda M, a, b, w: a[1],
    "exp": lambda M, a, b, w: M.exp(a),
    "relu": lambda M, a, b, w: np.maximum(a, 0) if M is np else M.relu(a),
    "softmax": lambda M, a, b, w: _softmax(a) if M is np else M.softmax(a, -1),
    "layer_norm": lambda M, a, b, w: _layer_norm(a, w) if M is np else M.nn.functional.layer_norm(a, (4,), w, w),
}


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


def measure(repeat: int) -> list[tuple[str, dict[str, float]]]:
    """For each case, microseconds a call by library: "numpy", "segue", "segue, grad" and, where it is installed, "torch" and "torch, grad".

    >>> [sorted(row)[:3] for name, row in measure(1)[:1]]
    [['numpy', 'segue', 'segue, grad']]
    """
    ways: dict[str, tuple[Any, bool]] = {"numpy": (np, False), "segue": (segue, False), "segue, grad": (segue, True)}
    if importlib.util.find_spec("torch") is not None:
        torch = importlib.import_module("torch")
        ways |= {"torch": (torch, False), "torch, grad": (torch, True)}
    rows = []
    for name, case in CASES.items():
        timers = {way: timeit.Timer(_bound(case, library, _operands(library, grad))) for way, (library, grad) in ways.items()}
        best = dict.fromkeys(timers, float("inf"))
        for _ in range(repeat):
            for way, timer in timers.items():
                best[way] = min(best[way], timer.timeit(CALLS) / CALLS * 1e6)
        rows.append((name, best))
    return rows


def _bound(case: Case, library: Any, operands: tuple) -> Callable[[], Any]:
    return lambda: case(library, *operands)
