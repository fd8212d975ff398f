"""Eager operators on arrays of some size beside PyTorch's, and beside NumPy's where NumPy has them: where eager code is slow.

In comes how often to repeat, out come milliseconds of processor time and ratios, the worst first. The one idea: a case is one function for every library, and the names of its
parameters are its operands; the libraries take turns within every round. Set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1: threads that wait are counted, too.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import segue

SHAPES = {
    "x": (64, 4096), "y": (64, 4096), "images": (8, 16, 32, 32), "filters": (16, 16, 3, 3), "grid": (8, 32, 32, 2), "sequence": (64, 16, 64), "w": (64,),
    "matrix": (256, 256), "rows": (512, 512), "lines": (8, 16, 1024), "line": (16, 16, 3), "volumes": (2, 4, 16, 16, 16),
}  # fmt: skip
WHOLE = {"indices": ((64, 64), 4096), "targets": ((512,), 512), "words": ((64, 64), 512), "places": ((512,), 512)}  # (shape, end)
Row = tuple[str, dict[str, float | None], float | None]  # (case, median by library, median of segue's over PyTorch's)


def _recurrent(name: str) -> Callable[[Any, Any], Any]:
    networks: dict[Any, Any] = {}

    def run(M: Any, sequence: Any) -> Any:
        if M not in networks:
            networks[M] = getattr(M.nn, name)(64, 64)
        return networks[M](sequence)[0]

    return run


def _of(*names: str) -> dict[str, Callable]:
    """Functions of one operand, looked up in the library."""
    return {name: lambda M, x, name=name: getattr(M, name)(x) for name in names}


def _activations(*names: str) -> dict[str, Callable]:
    return {name: lambda M, x, name=name: getattr(M.nn.functional, name)(x) for name in names}


def _losses(*names: str) -> dict[str, Callable]:
    return {name: lambda M, x, y, name=name: getattr(M.nn.functional, name)(x, y.detach()) for name in names}


def _images(**calls: Callable) -> dict[str, Callable]:
    return {name: lambda M, images, call=call: call(M.nn.functional, images) for name, call in calls.items()}


SHARED = ("exp", "sin", "tanh", "abs", "expm1", "floor", "square", "sign", "isnan", "sum", "mean", "amax", "argmax", "prod")  # with NumPy
ALSO = {
    *SHARED,
    "add",
    "div",
    "x ** 3",
    "x ** 2",
    "x ** 0.5",
    "x ** y",
    "maximum",
    "where",
    "cumsum",
    "cumprod",
    "flip",
    "roll",
    "stack",
    "outer",
    "matmul",
    "tril",
}
CASES: dict[str, Callable] = {
    **_of(*SHARED, "sigmoid", "erf", "nonzero", "norm"),
    **_activations(
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "hardswish",
        "hardtanh",
        "logsigmoid",
        "relu6",
        "hardsigmoid",
        "softsign",
    ),
    **_losses(
        "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits", "cosine_similarity", "soft_margin_loss", "kl_div"
    ),
    **_images(
        adaptive_avg_pool2d=lambda F, x: F.adaptive_avg_pool2d(x, 4),
        adaptive_max_pool2d=lambda F, x: F.adaptive_max_pool2d(x, 4),
        adaptive_uneven=lambda F, x: F.adaptive_avg_pool2d(x, 7),
        avg_pool2d=lambda F, x: F.avg_pool2d(x, 2),
        max_pool2d=lambda F, x: F.max_pool2d(x, 2),
        pad_reflect=lambda F, x: F.pad(x, (2, 2, 2, 2), "reflect"),
        pad_replicate=lambda F, x: F.pad(x, (2, 2, 2, 2), "replicate"),
        pad_circular=lambda F, x: F.pad(x, (2, 2, 2, 2), "circular"),
        pad_zeros=lambda F, x: F.pad(x, (2, 2, 2, 2)),
        bilinear=lambda F, x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        nearest=lambda F, x: F.interpolate(x, scale_factor=2),
        unfold=lambda F, x: F.unfold(x, 3, padding=1),
        pixel_shuffle=lambda F, x: F.pixel_shuffle(x, 2),
        group_norm=lambda F, x: F.group_norm(x, 4),
        instance_norm=lambda F, x: F.instance_norm(x),
        batch_norm=lambda F, x: F.batch_norm(x, None, None, training=True),
    ),
    "add": lambda M, x, y: x + y,
    "div": lambda M, x, y: x / y,
    "x ** 3": lambda M, x: x**3,
    "x ** 2": lambda M, x: x**2,
    "x ** 0.5": lambda M, y: y**0.5,
    "x ** y": lambda M, x, y: y**x,
    "maximum": lambda M, x, y: M.maximum(x, y),
    "where": lambda M, x, y: M.where(x > 0, x, y),
    "clamp": lambda M, x: M.clamp(x, -1, 1),
    "lerp": lambda M, x, y: M.lerp(x, y, 0.3),
    "softmax": lambda M, x: M.softmax(x, -1),
    "log_softmax": lambda M, x: M.log_softmax(x, -1),
    "logsumexp": lambda M, x: M.logsumexp(x, -1),
    "var": lambda M, x: M.var(x, -1),
    "median": lambda M, x: M.median(x, -1)[0],
    "topk": lambda M, x: M.topk(x, 5)[0],
    "sort": lambda M, x: M.sort(x)[0],
    "argsort": lambda M, x: M.argsort(x),
    "kthvalue": lambda M, x: M.kthvalue(x, 9)[0],
    "cumsum": lambda M, x: M.cumsum(x, -1),
    "cumprod": lambda M, x: M.cumprod(x, -1),
    "cummax": lambda M, x: M.cummax(x, -1)[0],
    "logcumsumexp": lambda M, x: M.logcumsumexp(x, -1),
    "gather": lambda M, x, indices: M.gather(x, 1, indices),
    "scatter_add": lambda M, x, indices: x.scatter_add(1, indices, indices * 1.0),
    "index_select": lambda M, rows, places: M.index_select(rows, 0, places),
    "x[indices]": lambda M, rows, places: rows[places],
    "masked_fill": lambda M, x: M.masked_fill(x, x > 0, 0.0),
    "x[mask]": lambda M, x: x[x > 0],
    "cat": lambda M, x, y: M.cat([x, y], 1),
    "stack": lambda M, x, y: M.stack([x, y]),
    "flip": lambda M, x: M.flip(x, (1,)),
    "roll": lambda M, x: M.roll(x, 3, 1),
    "repeat": lambda M, x: x.repeat(1, 2),
    "tril": lambda M, rows: M.tril(rows),
    "embedding": lambda M, words, rows: M.nn.functional.embedding(words, rows),
    "cross_entropy": lambda M, rows, targets: M.nn.functional.cross_entropy(rows, targets),
    "layer_norm": lambda M, sequence, w: M.nn.functional.layer_norm(sequence, (64,), w, w),
    "matmul": lambda M, matrix: matrix @ matrix,
    "einsum": lambda M, sequence: M.einsum("bik,bjk->bij", sequence, sequence),
    "bmm": lambda M, sequence: sequence @ sequence.mT,
    "outer": lambda M, w: M.outer(w, w),
    "cdist": lambda M, matrix: M.cdist(matrix, matrix),
    "conv2d": lambda M, images, filters: M.nn.functional.conv2d(images, filters, padding=1),
    "conv1d": lambda M, lines, line: M.nn.functional.conv1d(lines, line, padding=1),
    "conv_transpose2d": lambda M, images, filters: M.nn.functional.conv_transpose2d(images, filters),
    "max_pool3d": lambda M, volumes: M.nn.functional.max_pool3d(volumes, 2),
    "grid_sample": lambda M, images, grid: M.nn.functional.grid_sample(images, grid, align_corners=False),
    "LSTM": _recurrent("LSTM"),
    "GRU": _recurrent("GRU"),
    "attention": lambda M, sequence: M.nn.functional.scaled_dot_product_attention(sequence, sequence, sequence),
}


def _operand(library: Any, name: str) -> Any:
    random = np.random.default_rng(len(name))
    if name in WHOLE:
        return library.from_numpy(random.integers(0, WHOLE[name][1], WHOLE[name][0]))
    array = random.random(SHAPES[name], dtype=np.float32) * (1 if name == "y" else 2) - (name != "y")
    return array if library is np else library.from_numpy(array).requires_grad_()


def _run(case: Callable, library: Any, backward: bool) -> Callable[[], Any]:
    names = [name for name, parameter in inspect.signature(case).parameters.items() if parameter.default is parameter.empty][1:]
    operands = [_operand(library, name) for name in names]
    if library is np:
        return lambda: case(np, *operands)
    leaves = [operand for operand in operands if operand.requires_grad]

    def forward() -> None:
        with library.no_grad():
            case(library, *operands)

    out = case(library, *operands)
    if not backward or not out.requires_grad:
        return forward
    gradient = library.ones_like(out)
    return lambda: library.autograd.grad(case(library, *operands), leaves, gradient, allow_unused=True)


def _timed(run: Callable[[], Any], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return (time.process_time() - start) / count * 1e3


def measure(repeat: int, only: Sequence[str] = (), least: float = 0.01) -> list[Row]:
    """Milliseconds of each case by "segue", "torch" and "numpy" (None where one is not there), forward and (+) with the backward, for `least` seconds a round."""
    libraries: dict[str, Any] = {"segue": segue, "torch": None, "numpy": np}
    if importlib.util.find_spec("torch") is not None:
        libraries["torch"] = importlib.import_module("torch")
        libraries["torch"].set_num_threads(1)
    rows: list[Row] = []
    for name, backward in ((name, backward) for name in only or CASES for backward in (False, True)):
        there = [way for way, library in libraries.items() if library is not None and (way != "numpy" or (name in ALSO and not backward))]
        runs = {way: _run(CASES[name], libraries[way], backward) for way in there}
        counts = {way: max(1, int(least * 1e3 / max(_timed(run, 1), 1e-3))) for way, run in runs.items()}
        rounds = [{way: _timed(run, counts[way]) for way, run in runs.items()} for _ in range(repeat)]
        medians = {way: statistics.median(one[way] for one in rounds) if way in runs else None for way in libraries}
        ratio = statistics.median(one["segue"] / max(one["torch"], 1e-4) for one in rounds) if "torch" in runs else None
        rows.append((name + " +" * backward, medians, ratio))
    return sorted(rows, key=lambda row: -(row[2] or 0))
