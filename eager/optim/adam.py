"""The Adam family: Adam, AdamW, Adamax, NAdam and RAdam.

In come gradients, out go parameters changed in place. The one idea: running means m of g and v of g^2, each a lerp; the members differ in how a step
is made of them. The step counter is a tensor, from which the bias corrections follow without cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..dtypes import float32, float64
from ..functional import maximum, where
from ..functional.creation import ones, zeros, zeros_like
from ..tensor import Tensor
from . import kernels
from .optimizer import Group, Optimizer, bias_correction, check_at_least, check_betas, counted, decayed, precise


def moments(gradient: Tensor, state: dict[str, Any], betas: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """The running means of g and g^2, brought up to date."""
    mean, square = state["exp_avg"], state["exp_avg_sq"]
    mean.add_((gradient - mean) * (1 - betas[0]))
    square.mul_(betas[1]).add_((1 - betas[1]) * gradient * gradient)
    return mean, square


class Adam(Optimizer):
    """p <- p - lr * m' / (sqrt(v') + eps), m' and v' being the bias-corrected running means of g and g^2 (Kingma and Ba 2015).

    `weight_decay` is added to the gradient, or decoupled from it. `amsgrad` divides by the largest v so far (Reddi, Kale and Kumar 2018).
    Raises ValueError for settings out of range.
    """

    kernel = staticmethod(kernels.adam)

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=decoupled_weight_decay,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `exp_avg`, `exp_avg_sq`, and with AMSGrad `max_exp_avg_sq`, all zero."""
        state = {"step": zeros((), dtype=float32), "exp_avg": zeros_like(parameter), "exp_avg_sq": zeros_like(parameter)}
        if group.get("amsgrad"):
            state["max_exp_avg_sq"] = zeros_like(parameter)
        return state

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        beta1, beta2 = group["betas"]
        gradient = decayed(parameter, gradient, group, group["decoupled_weight_decay"])
        count = counted(state, parameter)
        mean, square = moments(gradient, state, group["betas"])
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            largest.copy_(largest.maximum(square))
            square = largest
        size = group["lr"] / bias_correction(count, beta1)
        root = bias_correction(count, beta2) ** 0.5
        parameter.sub_(size * mean / (square.sqrt() / root + group["eps"]))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves: p <- p * (1 - lr * weight_decay) before the step (Loshchilov and Hutter 2019)."""

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach, capturable=capturable, differentiable=differentiable,
            fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip


class Adamax(Optimizer):
    """p <- p - lr / (1 - beta1^t) * m / u with u = max(beta2 * u, |g| + eps), the infinity norm in place of v (Kingma and Ba 2015, section 7.1)."""

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize, differentiable=differentiable,
            capturable=capturable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `exp_avg` and `exp_inf`, all zero."""
        return {"step": zeros((), dtype=float32), "exp_avg": zeros_like(parameter), "exp_inf": zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        beta1, beta2 = group["betas"]
        gradient = decayed(parameter, gradient, group)
        count, mean, largest = counted(state, parameter), state["exp_avg"], state["exp_inf"]
        mean.add_((gradient - mean) * (1 - beta1))
        largest.copy_(maximum(largest * beta2, gradient.abs() + group["eps"]))
        parameter.sub_(group["lr"] / bias_correction(count, beta1) * mean / largest)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: the step looks ahead with next step's factor mu of m (Dozat 2016).

    mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2); both parts of the step are corrected by the product of the mu's so far.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas(betas)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay, decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize, foreach=foreach, capturable=capturable, differentiable=differentiable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `exp_avg`, `exp_avg_sq` zero, and `mu_product` one."""
        counters = {"step": zeros((), dtype=float32), "mu_product": ones((), dtype=float32)}
        return {**counters, "exp_avg": zeros_like(parameter), "exp_avg_sq": zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        beta1, beta2 = group["betas"]
        gradient = decayed(parameter, gradient, group, group["decoupled_weight_decay"])
        count = counted(state, parameter)
        mean, square = moments(gradient, state, group["betas"])
        rate = group["momentum_decay"] * math.log(0.96)
        now, ahead = (beta1 * (1 - 0.5 * (t * rate).exp()) for t in (count, count + 1))
        product = state["mu_product"]
        product.mul_(now)
        product = precise(product, parameter)
        root = (square / bias_correction(count, beta2)).sqrt() + group["eps"]
        lr = group["lr"]
        parameter.sub_(lr * (1 - now) / (1 - product) * gradient / root + lr * ahead / (1 - product * ahead) * mean / root)


class RAdam(Optimizer):
    """Adam without its division by sqrt(v) until the variance of that division is bounded, and rectified from then on (Liu et al. 2020)."""

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable,
        ))  # fmt: skip

    make_state = Adam.make_state

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step. The length rho_t of the mean is a small difference of large numbers, so it is computed in float64."""
        beta1, beta2 = group["betas"]
        gradient = decayed(parameter, gradient, group, group["decoupled_weight_decay"])
        count = counted(state, parameter)
        mean, square = moments(gradient, state, group["betas"])
        exact = count.to(float64)
        limit = 2 / (1 - beta2) - 1
        correction = bias_correction(exact, beta2)
        length = limit - 2 * exact * (exact * math.log(beta2)).exp() / correction if beta2 > 0 else exact * 0 + limit
        bounded = length > 5.0
        safe = where(bounded, length, 6.0)
        rectified = ((safe - 4) * (safe - 2) * limit / ((limit - 4) * (limit - 2) * safe) * correction).sqrt().to(parameter.dtype)
        scale = where(bounded, rectified / (square.sqrt() + group["eps"]), 1.0)
        parameter.sub_(mean / bias_correction(count, beta1) * group["lr"] * scale)
