"""Where tensors are made, and how they get to another device.

In come creation rows and tensors with a device, out go tensors there. The one idea: what a composition makes beside its operand x (counts, zeros, masks) it makes with
`make(row, x.device, ...)`, so that the same composition serves the CPU, a GPU, and a graph of either.
"""

from __future__ import annotations

from typing import Any

from ..cuda import exact
from ..dtypes import CPU, default_device, device
from ..errors import DeviceError, error
from ..meta import meta_tensor
from ..ops.definition import OPS
from ..tensor import Tensor


def make(row: str, where: device | None, *args: Any) -> Tensor:
    """What a creation row (`full`, `arange` ...) makes on a device; None is the default device. Beside a tensor x, `where` is `x.device`."""
    if where is None or where is default_device[0] or (where is CPU and default_device[0] is None):
        return OPS[row](*args)
    with where:
        made = OPS[row](*args)
    # a creation operator of a graph makes its result on the CPU, from which the graph then moves it
    return made if where.type != "cuda" or made.device == where else OPS["to_device"](made, made.device, where)


def on_device(x: Tensor, where: Any) -> Tensor:
    """`x` on a device, itself where it is there. Raises NotImplementedError for a tensor of the meta device, DeviceError for a GPU that is not there."""
    here, target = x.device, device(where)
    if target is here or target == here or (target.type == here.type and target.index is None):
        return x
    if here.type == "meta":
        raise error(NotImplementedError, "Cannot copy out of meta tensor; no data!", "empty_like(tensor, device=...), or Module.to_empty(device=...)")
    if target.type != "meta":
        return OPS["to_device"](x, here, exact(target, f"to(): cannot move a tensor from {here} to {target}"))
    if getattr(x._data, "is_traced", False):
        raise error(DeviceError, f"to(): cannot move a tensor from {here} to {target} here", "device='cpu'")
    return meta_tensor(tuple(x.shape), x.dtype)
