"""Optimizers that scale each coordinate by the size of its own gradients: Adagrad, Adadelta, RMSprop and Rprop.

In come gradients, out go parameters changed in place. The one idea: what is kept of past gradients (a sum, a running mean, a sign) is one or two
tensors of the parameter's shape; the members differ in a few lines each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dtypes import float32
from ..functional import where
from ..functional.creation import full_like, zeros, zeros_like
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_at_least, counted, decayed, for_each_part


class Adagrad(Optimizer):
    """p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum of g^2) + eps) (Duchi, Hazan and Singer 2011)."""

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *, maximize: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps)
        super().__init__(params, dict(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, foreach=foreach,
            maximize=maximize, differentiable=differentiable, fused=fused,
        ))  # fmt: skip
        self.prepare()  # PyTorch makes this state at once, too: `share_memory` and users look for it

    def has_begun(self, state: dict[str, Any]) -> bool:
        """From the beginning."""
        return True

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step` zero, and `sum` of the squares with its first value."""
        return {"step": zeros((), dtype=float32), "sum": full_like(parameter, for_each_part(group["initial_accumulator_value"], parameter))}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        count, total = counted(state, parameter), state["sum"]
        gradient = decayed(parameter, gradient, group)
        total.add_(gradient * gradient)
        parameter.sub_(group["lr"] / (1 + (count - 1) * group["lr_decay"]) * gradient / (total.sqrt() + group["eps"]))


class Adadelta(Optimizer):
    """p <- p - lr * d with d = g * sqrt(mean of d^2 + eps) / sqrt(mean of g^2 + eps) (Zeiler 2012)."""

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ValueError(f"rho lies in [0, 1], not {rho}")
        super().__init__(params, dict(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable, foreach=foreach,
            differentiable=differentiable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `square_avg` and `acc_delta`, all zero."""
        return {"step": zeros((), dtype=float32), "square_avg": zeros_like(parameter), "acc_delta": zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        rho, eps, square, steps = group["rho"], group["eps"], state["square_avg"], state["acc_delta"]
        state["step"] += 1
        gradient = decayed(parameter, gradient, group)
        square.mul_(rho).add_((1 - rho) * gradient * gradient)
        change = (steps + eps).sqrt() / (square + eps).sqrt() * gradient
        steps.mul_(rho).add_((1 - rho) * change * change)
        parameter.sub_(group["lr"] * change)


class RMSprop(Optimizer):
    """p <- p - lr * g / (sqrt(v) + eps), v being the running mean of g^2 (Hinton's lecture 6e), minus that of g squared where `centered` (Graves 2013).

    With `momentum` the steps, not the gradients, are summed: b <- momentum * b + g / (sqrt(v) + eps).
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        super().__init__(params, dict(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay, capturable=capturable, foreach=foreach,
            maximize=maximize, differentiable=differentiable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step`, `square_avg`, with momentum `momentum_buffer`, where centered `grad_avg`; all zero."""
        names = ["square_avg", *(["momentum_buffer"] if group["momentum"] > 0 else []), *(["grad_avg"] if group["centered"] else [])]
        return {"step": zeros((), dtype=float32), **{name: zeros_like(parameter) for name in names}}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        alpha, square = group["alpha"], state["square_avg"]
        state["step"] += 1
        gradient = decayed(parameter, gradient, group)
        square.mul_(alpha).add_((1 - alpha) * gradient * gradient)
        variance = square
        if group["centered"]:
            mean = state["grad_avg"]
            mean.add_((gradient - mean) * (1 - alpha))
            variance = square - mean * mean
        change = gradient / (variance.sqrt() + group["eps"])
        if group["momentum"] > 0:
            buffer = state["momentum_buffer"]
            buffer.mul_(group["momentum"]).add_(change)
            change = buffer
        parameter.sub_(group["lr"] * change)


class Rprop(Optimizer):
    """Steps by sign: each coordinate's step size grows while its gradient keeps its sign and shrinks when it flips (Riedmiller and Braun 1993).

    Where the sign flipped, this step is left out.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, etas: tuple[float, float] = (0.5, 1.2), step_sizes: tuple[float, float] = (1e-6, 50),
        *, capturable: bool = False, foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"etas are a factor in (0, 1) and one above 1, not {etas}")
        super().__init__(params, dict(
            lr=lr, etas=etas, step_sizes=step_sizes, foreach=foreach, maximize=maximize, differentiable=differentiable, capturable=capturable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step` and `prev` (the last gradient) zero, `step_size` lr everywhere."""
        return {"step": zeros((), dtype=float32), "prev": zeros_like(parameter), "step_size": full_like(parameter, for_each_part(float(group["lr"]), parameter))}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        shrink, grow = group["etas"]
        previous, size = state["prev"], state["step_size"]
        state["step"] += 1
        agreement = gradient * previous
        size.copy_(where(agreement > 0, size * grow, where(agreement < 0, size * shrink, size)).clamp(*group["step_sizes"]))
        gradient = where(agreement < 0, 0.0, gradient)
        parameter.sub_(gradient.sign() * size)
        previous.copy_(gradient)


