"""Optimizers that look at a whole matrix: Adafactor and Muon.

In come gradients, out go parameters changed in place. The one idea: a matrix has more structure than its elements, its squared gradients are nearly
of rank one (Adafactor keeps a row and a column of them), and its step may be made orthogonal (Muon).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..dtypes import bfloat16, finfo, float16, float32, float64
from ..functional import where
from ..functional.creation import zeros, zeros_like
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_at_least, counted, decayed

EPSILON = {dtype: finfo(dtype).eps for dtype in (float16, bfloat16, float32, float64)}


class Adafactor(Optimizer):
    """Adam's division by the root of g^2's running mean, kept as the outer product of a row and a column (Shazeer and Stern 2018).

    The rate is min(lr, 1 / sqrt(t)) times the parameter's root mean square (at least eps[1]); a step's root mean square is cut at `d`; the running
    mean forgets with beta2 = 1 - t^beta2_decay. eps[0] = None is the dtype's eps.
    """

    takes_complex = False

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, beta2_decay: float = -0.8, eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0, weight_decay: float = 0.0, *, foreach: bool | None = None, maximize: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps[1], weight_decay=weight_decay)
        check_at_least(1.0, d=d)
        if beta2_decay > 0:
            raise ValueError(f"beta2_decay is at most 0, not {beta2_decay}")
        if eps[0] is not None and eps[0] < 0:
            raise ValueError(f"eps[0] is at least 0, or None, not {eps[0]}")
        super().__init__(params, dict(
            lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, and `row_var` and `col_var` of a matrix, or `variance` of a vector or scalar; all zero."""
        state = {"step": zeros((), dtype=float32)}
        if parameter.ndim < 2:
            return {**state, "variance": zeros_like(parameter)}
        shape = tuple(parameter.shape)
        row, column = (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])
        return {**state, "row_var": zeros(row, dtype=parameter.dtype, device=parameter.device), "col_var": zeros(column, dtype=parameter.dtype, device=parameter.device)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        floor, least = group["eps"]
        floor = EPSILON[parameter.dtype] if floor is None else floor
        count = counted(state, parameter)
        fresh = count ** group["beta2_decay"]
        size = 1 / count.sqrt()
        rate = where(size > group["lr"], group["lr"], size) * (parameter * parameter).mean().sqrt().clamp_min(least)
        decayed(parameter, gradient, group, decoupled=True)
        squares = gradient * gradient
        if parameter.ndim < 2:
            variance = state["variance"]
            variance.add_((squares - variance) * fresh)
        else:
            row, column = state["row_var"], state["col_var"]
            row.add_((squares.mean(-1, keepdim=True) - row) * fresh)
            column.add_((squares.mean(-2, keepdim=True) - column) * fresh)
            variance = row @ column / row.mean(-2, keepdim=True).clamp_min(floor)
        change = gradient * variance.clamp_min(floor * floor).rsqrt()
        cut = ((change * change).mean().sqrt() / group["d"]).clamp_min(1.0)
        parameter.sub_(rate / cut * change)


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Nearly the orthogonal factor of a matrix's polar decomposition: odd quintic iterations a x + b x^3 + c x^5 on its singular values, in bfloat16.

    Newton and Schulz's iteration with the coefficients of Jordan et al. (2024), which trade exactness for speed.
    """
    a, b, c = coefficients
    wide = matrix.shape[0] <= matrix.shape[1]
    x = _rounded(matrix if wide else matrix.T)
    x = _rounded(x / _rounded(x.square().sum().sqrt()).clamp_min(eps))
    for _ in range(steps):
        gram = _rounded(x @ x.T)
        x = _rounded(a * x + _rounded(b * gram + c * (gram @ gram)) @ x)
    return x if wide else x.T


def _rounded(x: Tensor) -> Tensor:
    """bfloat16's value in float32: each product is summed in float32 and rounded once."""
    return x.to(bfloat16).float()


RATES = {  # adjust_lr_fn -> the factor of the rate for a matrix of `rows` by `columns`
    "original": lambda rows, columns: math.sqrt(max(1, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}


class Muon(Optimizer):
    """Momentum whose step, a matrix, is made orthogonal (Jordan et al. 2024). For hidden layers' weights; others go to another optimizer.

    `adjust_lr_fn`: "original" (None) or "match_rms_adamw" (Liu et al. 2025). Raises ValueError for parameters that are not matrices.
    """

    takes_complex = False

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn not in (None, *RATES):
            raise ValueError(f"adjust_lr_fn is one of {', '.join(RATES)}, or None, not {adjust_lr_fn!r}")
        super().__init__(params, dict(
            lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        ))  # fmt: skip

    def add_param_group(self, param_group: Group) -> None:
        """As `Optimizer.add_param_group`. Raises ValueError for parameters that are not matrices."""
        super().add_param_group(param_group)
        for parameter in self.param_groups[-1]["params"]:
            if parameter.ndim != 2:
                self.param_groups.pop()
                raise ValueError(f"Muon changes matrices; this parameter has shape {tuple(parameter.shape)}")

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`momentum_buffer`, zero."""
        return {"momentum_buffer": zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        momentum, buffer = group["momentum"], state["momentum_buffer"]
        buffer.add_((gradient - buffer) * (1 - momentum))
        change = gradient + (buffer - gradient) * momentum if group["nesterov"] else buffer
        change = orthogonal(change, group["ns_coefficients"], group["ns_steps"], group["eps"])
        decayed(parameter, gradient, group, decoupled=True)
        factor = RATES[group["adjust_lr_fn"] or "original"](*parameter.shape)
        parameter.sub_(group["lr"] * factor * change.to(parameter.dtype))
