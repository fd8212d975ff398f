"""One parameter's update at once: what the commonest optimizers do, over NumPy's arrays (or CuPy's, whose arrays NumPy's functions take) and in their memory.

In come a parameter, its gradient and its state as arrays, and the group's settings; the arrays are changed. The one idea: as with the compositions that own a kernel
(functional/fused.py), `update` stays what the optimizer means and what is captured; the kernel does the same, operator by operator, so that the
bits are the same too, piece by piece where a parameter is large. A kernel that is not made for a setting returns False, and has then changed nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.mode import STATE
from ..cuda import is_real
from ..pieces import pieces
from ..quiet import hush, restore
from ..tensor import Tensor

Kernel = Callable[[Any, Any, dict[str, Any], dict[str, Any]], bool]
_FLOATS = frozenset(map(np.dtype, ("float32", "float64")))


def updated_at_once(kernel: Kernel | None, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> bool:
    """Whether the kernel has made the update. Captured code takes this for False, and follows `update`."""
    if kernel is None or STATE.enabled or STATE.tracers or STATE.levels or STATE.anomaly:
        return False
    held = [parameter, *[value for value in state.values() if isinstance(value, Tensor)]]
    weights, of = parameter._data, gradient._data
    if not parameter.ndim or not is_real(weights) or type(of) is not type(weights) or of.shape != weights.shape or of.dtype != weights.dtype:
        return False
    if weights.dtype not in _FLOATS or not all(_is_writable(x._data, type(weights)) for x in held):
        return False
    token = hush()
    try:
        arrays = {name: value._data if isinstance(value, Tensor) else value for name, value in state.items()}
        done = kernel(weights, -of if group.get("maximize") else of, arrays, group)
    finally:
        restore(token)
    if done:
        for tensor in held:
            tensor._storage.version += 1
    return done


def _is_writable(array: Any, kind: Any) -> bool:
    """Whether a kernel can write an array beside weights of a kind: of the same kind, or a counter on the host."""
    if type(array) is np.ndarray:
        return bool(array.flags.writeable and (kind is np.ndarray or not array.ndim))
    return isinstance(array, kind) and 0 not in array.strides


def _parts(array: Any) -> Any:
    """Where to update: piece by piece, so that all that belongs to one stays in the cache; on a GPU all at once."""
    return pieces(array.shape, 1) if type(array) is np.ndarray else (...,)


def _plain(*settings: Any) -> bool:
    return all(isinstance(value, (int, float)) for value in settings)


def _decayed(p: Any, g: Any, group: dict[str, Any], decoupled: bool = False) -> Any:
    decay = group["weight_decay"]
    if decay == 0:
        return g
    if decoupled:
        p *= 1 - group["lr"] * decay
        return g
    return g + decay * p


def sgd(p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> bool:
    """SGD with momentum, its own or Nesterov's; not with dampening."""
    lr, momentum = group["lr"], group["momentum"]
    if group["dampening"] != 0 or not _plain(lr, momentum, group["weight_decay"]) or (momentum != 0 and state["momentum_buffer"].dtype != p.dtype):
        return False
    for at in _parts(p):
        part = p[at]
        step = _decayed(part, g[at], group)
        if momentum != 0:
            velocity = state["momentum_buffer"][at]
            velocity *= momentum
            velocity += step
            step = step + momentum * velocity if group["nesterov"] else velocity
        part -= lr * step
    return True


def adam(p: Any, g: Any, state: dict[str, Any], group: dict[str, Any]) -> bool:
    """Adam and AdamW, with and without AMSGrad."""
    lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]
    mean, square, step = state["exp_avg"], state["exp_avg_sq"], state["step"]
    if not _plain(lr, beta1, beta2, eps, group["weight_decay"]) or mean.dtype != p.dtype or square.dtype != p.dtype or step.dtype != np.float32:
        return False
    step += np.float32(1)
    count = step.astype(p.dtype)
    size, root = lr / _bias_correction(count, beta1), _bias_correction(count, beta2) ** 0.5
    largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
    for at in _parts(p):
        part, m, v = p[at], mean[at], square[at]
        slope = _decayed(part, g[at], group, group["decoupled_weight_decay"])
        change = slope - m
        change *= 1 - beta1
        m += change
        v *= beta2
        np.multiply(1 - beta2, slope, out=change)
        change *= slope
        v += change
        below = np.sqrt(v if largest is None else np.maximum(largest[at], v, out=largest[at]))
        below /= root
        below += eps
        np.multiply(size, m, out=change)
        change /= below
        part -= change
    return True


def _bias_correction(step: Any, beta: float) -> Any:
    return -np.expm1(step * math.log(beta)) if beta > 0 else step.dtype.type(1)
