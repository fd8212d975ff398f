"""Copies between devices: the row `to_device`, and how rows are carried out beside the CPU.

In come a row and arrays, of which at least one lies on a GPU; out goes an array there. The one idea: a kernel is written for an array module, NumPy or CuPy, and where
CuPy lacks something (a function, a dtype) the arrays go to the host, the kernel runs on NumPy, and the result comes back: slow, counted (`host_rows`), listed
(`segue.cuda.host_rows()`), and right.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import promotion
from ..cuda import Cuda, moved, on_host
from ..dtypes import CPU as _CPU
from ..dtypes import device
from ..errors import DeviceError, error
from ..stats import stats
from . import batching
from .definition import Host, OpDef, define
from .samples import Source, calls
from .shapes import same_shape

HOST_ROWS: dict[tuple, str] = {}  # (row, dtypes of its arrays) -> what CuPy said; these go to the host at once
_ALWAYS = {  # how the names of rows begin that are not tried on the device
    "linalg_": "LAPACK runs on the host: CuPy's linear algebra does not say which matrix has no such decomposition",
    "draw_": "NumPy's samplers run on the host",
}  # fmt: skip
_went_to_host: set[str] = set()  # the names of rows that CuPy lacked something for
_FROM_HOST = {"index": 1, "index_put": 1}  # the place of the argument that may lie on the host: index tensors; of random rows, the state


def _samples() -> list:
    s = Source("to_device")
    return calls((s.floats((2, 3)), _CPU, _CPU), (s.integers(()), _CPU, _CPU), (s.floats((0, 2)), _CPU, _CPU))


define(
    "to_device", "x: Tensor, source, target", kind="transfer", dtype=promotion.first, shape=same_shape, kernel=lambda xp, x, source, target: moved(x, target),
    lower=Host("copies between devices"), vjp={"x": lambda F, g, source, target: F.to_device(g, target, source)}, jvp="linear",
    batch=batching.shifted("to_device", lambda x, source, target: (source, target)), samples=_samples,
    doc="A copy on the device `target`. `source` is where x lies, to which the gradient goes back.",
)  # fmt: skip


def carry_out(op: OpDef, arrays: list, result: np.dtype, to: Cuda) -> Any:
    """The result of a row's kernel on the device of its operands. Raises DeviceError for operands on several devices, and what the kernel raises."""
    if op.kind == "transfer":
        return op.kernel(to.xp, *arrays)
    if to.count == 1:
        return _on_device(op, [a if type(a) is to.array else _brought(op, place, a, to, 0) for place, a in enumerate(arrays)], result, to, 0)
    index = _common(op, arrays, to)
    with to.on(index):
        return _on_device(op, [_brought(op, place, a, to, index) for place, a in enumerate(arrays)], result, to, index)


def _on_device(op: OpDef, arrays: list, result: np.dtype, to: Cuda, index: int) -> Any:
    why = _never_tried(op.name) or (HOST_ROWS.get(_key(op, arrays)) if op.name in _went_to_host else None)
    if why:
        HOST_ROWS[_key(op, arrays)] = why
        return _on_host(op, arrays, result, to, index)
    try:
        array = op.kernel(to.xp, *arrays)
        if type(array) is not to.array:
            array = to.xp.asarray(array)
        if array.dtype != result:
            array = array.astype(result)
        return array if op.is_view or array.flags.c_contiguous else to.xp.ascontiguousarray(array)
    except Exception as problem:  # whatever CuPy lacks. What the operands are to blame for, NumPy says as well
        if op.is_view:
            raise
        if type(problem).__name__ == "OutOfMemoryError":
            raise error(MemoryError, f"{op.name}(): CUDA out of memory: {problem}") from None
        array = _on_host(op, arrays, result, to, index)
        HOST_ROWS[_key(op, arrays)] = f"{type(problem).__name__}: {problem}"
        _went_to_host.add(op.name)
        return array


def _flat(arguments: Any) -> list:
    """The arguments of a call, and in place of a sequence its parts."""
    found: list = []
    for argument in arguments:
        found.extend(argument if type(argument) is tuple else (argument,))
    return found


def _key(op: OpDef, arrays: list) -> tuple:
    return (op.name, *(str(part.dtype) for part in _flat(arrays) if hasattr(part, "dtype")))


@functools.cache
def _never_tried(name: str) -> str | None:
    """Why a row always goes to the host."""
    return next((why for start, why in _ALWAYS.items() if name.startswith(start)), None)


def _common(op: OpDef, arrays: list, to: Cuda) -> int:
    """The number of the device on which the operands are. Raises DeviceError where they are on several."""
    places = dict.fromkeys(to.place(part) for part in _flat(arrays) if type(part) is to.array)
    if len(places) > 1:
        raise _mixed(op, *places)
    return to.current if not places else next(iter(places)).index or 0


def _mixed(op: OpDef, one: device, other: device, *more: device) -> Exception:
    text = f"{op.name}(): Expected all tensors to be on the same device, but found at least two devices, {one} and {other}!"
    return error(DeviceError, text, "tensor.to(device) for the one that is elsewhere")


def _brought(op: OpDef, place: int, argument: Any, to: Cuda, index: int) -> Any:
    """An argument with its host arrays on the device. A 0-d one counts as a number, index tensors may come from the host, and the state of the random
    numbers stays there, where it is read. Raises DeviceError for any other.
    """
    if type(argument) is tuple:
        return tuple(_brought(op, place, part, to, index) for part in argument)
    if type(argument) is not np.ndarray or (op.kind == "random" and place == 0):
        return argument
    if argument.ndim and place != _FROM_HOST.get(op.name):
        raise _mixed(op, to.devices[index], _CPU)
    return to.put(argument, index)


def _on_host(op: OpDef, arrays: list, result: np.dtype, to: Cuda, index: int) -> Any:
    """The row on NumPy's arrays, and its result back on the device."""
    stats.count("host_rows")
    array = np.asarray(op.kernel(np, *(tuple(map(on_host, a)) if type(a) is tuple else on_host(a) for a in arrays)))
    return to.put(array if array.dtype == result else array.astype(result), index)


__all__ = ["HOST_ROWS", "carry_out"]
