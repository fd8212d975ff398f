"""Derivatives against finite differences.

In come a function and float64 inputs, out goes True or a GradcheckError that shows both Jacobians. The one idea: each output element's gradient is
compared with central differences, element by element; `gradgradcheck` does the same to the gradient function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import AutogradError, error
from ..tensor import Tensor
from .engine import grad
from .tape import F


class GradcheckError(AutogradError):
    """An analytic derivative differs from the numerical one."""


def _outputs(function: Callable, inputs: tuple) -> list[Tensor]:
    found = function(*inputs)
    return [o for o in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(o, Tensor) and o.requires_grad]


def _numerical(function: Callable, inputs: tuple, position: int, which: int, eps: float) -> np.ndarray:
    """Jacobian of output `which` with respect to input `position`: (input elements, output elements)."""
    array = inputs[position]._data
    columns = []
    for place in np.ndindex(array.shape):
        value = array[place]
        ends = []
        for sign in (1, -1):
            array[place] = value + sign * eps
            ends.append(np.array(_outputs(function, inputs)[which].detach()._data, dtype=np.float64).reshape(-1))
        array[place] = value
        columns.append((ends[0] - ends[1]) / (2 * eps))
    return np.array(columns).reshape(array.size, -1)


def _analytic(output: Tensor, x: Tensor) -> np.ndarray:
    rows = []
    for place in range(output.numel()):
        seed = np.zeros(output.numel())
        seed[place] = 1.0
        (g,) = grad([output], [x], [F[0].tensor(seed.reshape(tuple(output.shape)), dtype=output.dtype)], retain_graph=True, allow_unused=True)
        rows.append(np.zeros(x.numel()) if g is None else np.array(g.detach()._data).reshape(-1))
    return np.array(rows).reshape(output.numel(), x.numel()).T


def gradcheck(function: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True) -> bool:
    """Whether the derivatives of `function` agree with central differences at `inputs` (those that require a gradient; float64).

    >>> import segue
    >>> gradcheck(segue.sin, (segue.rand(3, dtype=segue.float64, requires_grad=True),))
    True
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    for which, output in enumerate(_outputs(function, inputs)):
        for position, x in enumerate(inputs):
            if not (isinstance(x, Tensor) and x.requires_grad):
                continue
            expected, found = _numerical(function, inputs, position, which, eps), _analytic(output, x)
            if not np.allclose(found, expected, rtol=rtol, atol=atol):
                if not raise_exception:
                    return False
                raise error(
                    GradcheckError,
                    f"the Jacobian of output {which} with respect to input {position} differs.\nnumerical: {expected}\nanalytical: {found}",
                )
    return True


def gradgradcheck(function: Callable, inputs: Any, **options: Any) -> bool:
    """`gradcheck` of the gradients of `function`, weighted by fixed numbers: its second derivatives."""
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)

    def gradients(*xs: Any) -> list[Tensor]:
        found = []
        for output in _outputs(function, xs):
            weight = F[0].tensor(np.cos(np.arange(output.numel())).reshape(tuple(output.shape)), dtype=output.dtype)
            wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
            found += [g for g in grad([output], wanted, [weight], create_graph=True, allow_unused=True) if g is not None]
        return found

    return gradcheck(gradients, inputs, **options)
