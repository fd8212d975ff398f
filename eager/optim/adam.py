"""Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), with AMSGrad (Reddi, Kale and Kumar 2018).

In come gradients, out go parameters changed in place. The one idea: the step counter is a tensor, and the bias correction 1 - beta^t is computed
from it as -expm1(t * log(beta)), which keeps full precision in float32 where 1 - beta^t would cancel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..dtypes import float32, float64
from ..functional.creation import zeros, zeros_like
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_at_least


def bias_correction(step: Tensor, beta: float) -> Tensor | float:
    """1 - beta^step, without cancellation. For beta = 0 it is 1."""
    return -(step * math.log(beta)).expm1() if beta > 0 else 1.0


class Adam(Optimizer):
    """p <- p - lr * m' / (sqrt(v') + eps), m and v being running means of g and g^2, and m', v' their bias-corrected values.

    `weight_decay` is added to the gradient. `amsgrad` divides by the largest v so far. Raises ValueError for settings out of range.
    """

    decoupled = False

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0.0, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas lie in [0, 1), not {betas}")
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize}
        )

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `exp_avg`, `exp_avg_sq`, and with AMSGrad `max_exp_avg_sq`, all zero."""
        state = {"step": zeros((), dtype=float32), "exp_avg": zeros_like(parameter), "exp_avg_sq": zeros_like(parameter)}
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(parameter)
        return state

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        lr, decay, eps = group["lr"], group["weight_decay"], group["eps"]
        beta1, beta2 = group["betas"]
        if group["maximize"]:
            gradient = -gradient
        if decay != 0:
            if self.decoupled:
                parameter.mul_(1 - lr * decay)
            else:
                gradient = gradient + decay * parameter
        step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
        step += 1
        mean.add_((gradient - mean) * (1 - beta1))
        square.mul_(beta2).add_((1 - beta2) * gradient * gradient)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            largest.copy_(largest.maximum(square))
            square = largest
        count = step.to(float64) if parameter.dtype is float64 else step
        size = lr / bias_correction(count, beta1)
        root = bias_correction(count, beta2) ** 0.5
        parameter.sub_(size * mean / (square.sqrt() / root + eps))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves: p <- p * (1 - lr * weight_decay) before the step."""

    decoupled = True

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
