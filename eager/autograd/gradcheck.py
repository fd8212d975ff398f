"""Derivatives against finite differences.

In come a function and inputs in double precision, out goes True or a GradcheckError that shows both Jacobians. The one idea: a complex tensor is two real
ones, so all Jacobians are real; each output coordinate's gradient is compared with central differences, coordinate by coordinate. `gradgradcheck` does
the same to the gradient function itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import AutogradError, error
from ..tensor import Tensor
from ..transforms.calls import vmap
from ..transforms.dual import DualLevel
from .engine import grad
from .tape import F


class GradcheckError(AutogradError):
    """An analytic derivative differs from the numerical one."""


def _outputs(function: Callable, inputs: tuple) -> list[Tensor]:
    found = function(*inputs)
    return [o for o in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(o, Tensor) and o.requires_grad]


def _real(array: Any) -> np.ndarray:
    """The coordinates of an array as real numbers: of a complex one all real parts, then all imaginary parts."""
    flat = np.asarray(array).reshape(-1)
    return np.concatenate([flat.real, flat.imag]) if np.iscomplexobj(flat) else flat.astype(np.float64)


def _steps(array: np.ndarray, eps: float) -> list[complex]:
    return [eps, 1j * eps] if np.iscomplexobj(array) else [eps]


def _numerical(function: Callable, inputs: tuple, position: int, which: int, eps: float) -> np.ndarray:
    """Jacobian of output `which` with respect to input `position`: (input coordinates, output coordinates)."""
    array = inputs[position]._data
    columns = []
    for step in _steps(array, eps):
        for place in np.ndindex(array.shape):
            value = array[place]
            ends = []
            for sign in (1, -1):
                array[place] = value + sign * step
                ends.append(_real(_outputs(function, inputs)[which].detach()._data).copy())
            array[place] = value
            columns.append((ends[0] - ends[1]) / (2 * eps))
    return np.array(columns).reshape(len(columns), -1)


def _seeds(output: Tensor) -> np.ndarray:
    """One cotangent for each coordinate of an output."""
    units = np.eye(output.numel())
    return np.concatenate([units, 1j * units]) if output.dtype.is_complex else units


def _analytic(output: Tensor, x: Tensor) -> np.ndarray:
    rows = []
    for seed in _seeds(output):
        (g,) = grad([output], [x], [F[0].tensor(seed.reshape(tuple(output.shape)), dtype=output.dtype, device=output.device)], retain_graph=True, allow_unused=True)
        rows.append(_real(np.zeros(x.shape, x.dtype.numpy) if g is None else g.detach()._data))
    return np.array(rows).reshape(len(rows), -1).T


def _forward(function: Callable, inputs: tuple, position: int, which: int) -> np.ndarray:
    """The Jacobian by forward mode."""
    x = inputs[position]
    rows = []
    for seed in _seeds(x):
        with DualLevel() as level:
            dual = level.enter(x, F[0].tensor(seed.reshape(tuple(x.shape)), dtype=x.dtype, device=x.device))
            found = function(*inputs[:position], dual, *inputs[position + 1 :])
            outputs = [o for o in (found if isinstance(found, (tuple, list)) else (found,)) if isinstance(o, Tensor)]
            value, tangent = level.leave(outputs[which])
        rows.append(_real(np.zeros(value.shape, value.dtype.numpy) if tangent is None else tangent.detach()._data))
    return np.array(rows).reshape(len(rows), -1)


def _check_batched(output: Tensor, x: Tensor, atol: float, rtol: float) -> str:
    seeds = F[0].tensor(_seeds(output)[: output.numel()].reshape(output.numel(), *output.shape), dtype=output.dtype, device=output.device)

    def pull(v: Tensor) -> Tensor:
        return grad([output], [x], [v], retain_graph=True, materialize_grads=True)[0]

    together = vmap(pull, 0, 0, "error", None, (seeds,), {})
    one_by_one = F[0].stack([pull(v) for v in seeds])
    same = np.allclose(together.detach()._data, one_by_one.detach()._data, rtol=rtol, atol=atol)
    return "" if same else "While computing batched gradients, got different values than one by one"


def _check_nondeterminism(output: Tensor, x: Tensor, tolerance: float) -> str:
    apart = np.max(np.abs(_analytic(output, x) - _analytic(output, x)), initial=0.0)
    return f"Backward is not reentrant: two runs differ by {apart}" if apart > tolerance else ""


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the derivatives of `func` agree with central differences at `inputs` (those that require a gradient; double precision).

    `fast_mode`, `masked` and `check_undefined_grad` are accepted; the whole Jacobian is always compared. Raises ValueError where no input requires a
    gradient, and GradcheckError (a RuntimeError) where derivatives differ, unless `raise_exception=False`: then the answer is False.

    >>> import segue
    >>> gradcheck(segue.sin, (segue.rand(3, dtype=segue.float64, requires_grad=True),))
    True
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    wanted = [place for place, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.")
    for place in wanted:
        if inputs[place].dtype.numpy not in (np.dtype(np.float64), np.dtype(np.complex128)):
            warnings.warn(f"Input #{place} requires gradient and is not a double precision floating point or complex tensor: the check will likely fail", stacklevel=2)
    try:
        for which, output in enumerate(_outputs(func, inputs)):
            for place in wanted:
                _check(func, inputs, place, which, output, eps, atol, rtol, check_forward_ad, check_backward_ad)
                x = inputs[place]
                problem = _check_nondeterminism(output, x, nondet_tol) if check_backward_ad else ""
                if check_batched_grad and not problem:
                    problem = _check_batched(output, x, atol, rtol)
                if problem:
                    raise error(GradcheckError, problem)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    function: Callable, inputs: tuple, place: int, which: int, output: Tensor, eps: float, atol: float, rtol: float, forward: bool, backward: bool
) -> None:
    expected = _numerical(function, inputs, place, which, eps)
    ways = [("", _analytic(output, inputs[place]))] if backward else []
    ways += [(" (forward mode)", _forward(function, inputs, place, which))] if forward else []
    for mode, found in ways:
        if found.shape != expected.shape or not np.allclose(found, expected, rtol=rtol, atol=atol):
            raise error(
                GradcheckError,
                f"the Jacobian of output {which} with respect to input {place} differs{mode}.\nnumerical: {expected}\nanalytical: {found}",
            )


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
    fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradients of `func`, weighted by `grad_outputs` or by fixed numbers: its second derivatives.

    >>> import segue
    >>> gradgradcheck(segue.sin, (segue.rand(3, dtype=segue.float64, requires_grad=True),))
    True
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    given = None if grad_outputs is None else tuple(grad_outputs) if isinstance(grad_outputs, (tuple, list)) else (grad_outputs,)

    def gradients(*xs: Any) -> list[Tensor]:
        found = []
        for which, output in enumerate(_outputs(func, xs)):
            weights = np.cos(np.arange(output.numel())).reshape(tuple(output.shape))
            weight = F[0].tensor(weights, dtype=output.dtype, device=output.device) if given is None else given[which]
            wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
            found += [g for g in grad([output], wanted, [weight], create_graph=True, allow_unused=True) if g is not None]
        return found

    return gradcheck(
        gradients, inputs, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol, check_batched_grad=check_batched_grad,
        check_backward_ad=check_rev_over_rev,
    )  # fmt: skip
