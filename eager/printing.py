"""Tensors as text, the way PyTorch prints them.

In comes a tensor, out goes `tensor([[1., 2.], ...], dtype=..., requires_grad=True)`. The one idea: NumPy lays the brackets and lines out; only the
form of a number (four decimals, a bare point after whole floats, scientific when the range is wide) is PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .tensor import Tensor

EDGE = 3
THRESHOLD = 1000
WIDTH = 80
PRECISION = 4


def text(x: Tensor) -> str:
    """`repr(x)`.

    >>> import segue
    >>> segue.tensor([1.0, 2.5])
    tensor([1.0000, 2.5000])
    """
    head = "Parameter containing:\ntensor(" if type(x).__name__ == "Parameter" else "tensor("
    tail = _tail(x)
    if not isinstance(x._data, np.ndarray):
        body = f"..., size={tuple(x.shape)}"
        tail = [*tail, f"device='{x.device}'"] if x.is_meta else [*tail, "traced"]
    elif x.numel() == 0:
        body = "[]"
        tail = ([f"size={tuple(x.shape)}"] if x.ndim != 1 else []) + tail
    else:
        body = _values(x, 7)
    return head + ", ".join([body, *tail]) + ")"


def _tail(x: Tensor) -> list[str]:
    words = []
    plain = x.dtype is dtypes.get_default_dtype() or (x.dtype in (dtypes.int64, dtypes.bool) and x.numel() > 0)
    if not plain:
        words.append(f"dtype={x.dtype}")
    if x.grad_fn is not None:
        words.append(f"grad_fn={x.grad_fn!r}")
    elif x.requires_grad:
        words.append("requires_grad=True")
    return words


def _values(x: Tensor, indent: int) -> str:
    array = x._data
    if x.dtype in (dtypes.float16, dtypes.bfloat16):
        array = array.astype(np.float32)
    formatter = _formatter(_sample(array))
    return np.array2string(
        array, separator=", ", prefix=" " * indent, threshold=THRESHOLD, edgeitems=EDGE, max_line_width=WIDTH + indent, formatter={"all": formatter},
    ).replace("\n\n", "\n\n")  # fmt: skip


def _sample(array: np.ndarray) -> np.ndarray:
    """The elements that will be shown."""
    if array.size <= THRESHOLD:
        return array.reshape(-1)
    for axis, size in enumerate(array.shape):
        if size > 2 * EDGE:
            array = np.concatenate([array.take(range(EDGE), axis), array.take(range(size - EDGE, size), axis)], axis)
    return array.reshape(-1)


def _formatter(values: np.ndarray) -> Any:
    """A function from an element to its text, all of one width."""
    if values.dtype.kind == "c":
        return lambda value: f"{value.real:.4f}{value.imag:+.4f}j"
    if values.dtype.kind != "f":
        width = max((len(str(v)) for v in values.tolist()), default=0)
        return lambda value: f"{value!s:>{width}}"
    form = _float_form(values[np.isfinite(values)].astype(np.float64))
    width = max((len(form(v)) for v in values.tolist()), default=0)
    return lambda value: f"{form(float(value)):>{width}}"


def _float_form(finite: np.ndarray) -> Any:
    size = np.abs(finite[finite != 0])
    if not size.size or not np.any(size):
        return lambda v: f"{v:.0f}." if np.isfinite(v) else _special(v)
    whole = bool(np.all(finite == np.ceil(finite)))
    large, ratio = size.max(), size.max() / size.min()
    if whole:
        wide = ratio > 1000.0 or large > 1e8
        return lambda v: _special(v) if not np.isfinite(v) else f"{v:.{PRECISION}e}" if wide and large > 1e8 else f"{v:.0f}."
    wide = ratio > 1000.0 or large > 1e8 or size.min() < 1e-4
    return lambda v: _special(v) if not np.isfinite(v) else f"{v:.{PRECISION}e}" if wide else f"{v:.{PRECISION}f}"


def _special(value: float) -> str:
    return "nan" if value != value else "inf" if value > 0 else "-inf"
