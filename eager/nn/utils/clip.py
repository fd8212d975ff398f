"""Helpers around parameters: clipping gradients, and parameters to one vector and back.

In come parameters, changed in place; out go norms and vectors.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

from ... import functional as F
from ...autograd.mode import no_grad
from ...dtypes import int64
from ...functional.creation import tensor as make_tensor
from ...tensor import Tensor
from ..module import Module


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(parameters, Module):
        raise TypeError("pass module.parameters(), not the module")
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def get_total_norm(
    tensors: Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors taken as one vector: (sum |x|^p)^(1/p), or the largest |x| for p = inf.

    With `error_if_nonfinite` raises RuntimeError when the norm is infinite or NaN.
    """
    listed = _listed(tensors)
    power = float(norm_type)
    if not listed:
        return make_tensor(0.0)
    if power == math.inf:
        norms = [each.abs().amax() for each in listed]
        total = F.stack(norms).amax() if len(norms) > 1 else norms[0]
    else:
        sums = [each.square().sum() if power == 2.0 else each.abs().pow(power).sum() for each in listed]
        sum_of_all = sums[0]
        for more in sums[1:]:
            sum_of_all = sum_of_all + more
        total = sum_of_all.sqrt() if power == 2.0 else sum_of_all.pow(1.0 / power)
    return finite(total, norm_type) if error_if_nonfinite else total


def finite(total: Tensor, norm_type: float) -> Tensor:
    """The norm itself. Raises RuntimeError where it is not finite; captured by a rule of its own."""
    if not bool(total.isfinite()):
        raise RuntimeError(f"the total norm of order {norm_type} of the gradients is {float(total)}; pass error_if_nonfinite=False to go on")
    return total


def finite_in_graph(total: Tensor) -> Tensor:
    """The same in a graph: an index that is out of range where the norm is not finite ends its run, and the user's own code raises."""
    return total + F.zeros(1, dtype=total.dtype).index_select(0, total.isfinite().logical_not().to(int64).reshape(1)).reshape(())


def clip_grad_norm(parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None) -> Tensor:
    """`clip_grad_norm_` under the name that PyTorch deprecates."""
    warnings.warn("clip_grad_norm is deprecated in favor of clip_grad_norm_.", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grads_with_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale all gradients in place by min(1, max_norm / (total_norm + 1e-6)), always multiplied, so that nothing depends on the data."""
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for gradient in _gradients(parameters):
            gradient.mul_(factor)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    found = []
    for parameter in _listed(parameters):
        gradient = parameter.grad
        if gradient is not None:
            found.append(gradient)
    return found


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Scale all gradients in place so that their total norm is at most `max_norm`; returns the norm before.

    With `error_if_nonfinite` raises RuntimeError when the norm is infinite or NaN. `foreach` is accepted: the compiler fuses the loop.
    """
    listed = _listed(parameters)
    with no_grad():
        total = get_total_norm(_gradients(listed), norm_type, error_if_nonfinite)
        clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every gradient in place to [-clip_value, clip_value]."""
    limit = float(clip_value)
    with no_grad():
        for parameter in _listed(parameters):
            gradient = parameter.grad
            if gradient is not None:
                gradient.clamp_(-limit, limit)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened and joined."""
    return F.cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the pieces of a vector into the parameters, in order."""
    start = 0
    with no_grad():
        for parameter in parameters:
            count = parameter.numel()
            parameter.copy_(vec[start : start + count].reshape(parameter.shape))
            start += count
