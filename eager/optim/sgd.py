"""Stochastic gradient descent, with momentum (Sutskever et al. 2013, as PyTorch writes it) and Nesterov's variant.

In come gradients, out go parameters changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dtypes import float32
from ..functional.creation import zeros, zeros_like
from ..tensor import Tensor
from .optimizer import Group, Optimizer, check_at_least


class SGD(Optimizer):
    """p <- p - lr * v with v = momentum * v + (1 - dampening) * (g + weight_decay * p); in the first step v is the gradient itself.

    Nesterov: p <- p - lr * (g + momentum * v). `maximize` climbs instead. Raises ValueError for negative settings.

    >>> import segue
    >>> p = segue.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
        nesterov: bool = False, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum needs a momentum above 0 and no dampening")
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        )

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`momentum_buffer` where there is momentum; with dampening also `step`, as the first step is not dampened."""
        state = {}
        if group["momentum"] != 0:
            state["momentum_buffer"] = zeros_like(parameter)
            if group["dampening"] != 0:
                state["step"] = zeros((), dtype=float32)
        return state

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        momentum, dampening, decay = group["momentum"], group["dampening"], group["weight_decay"]
        if group["maximize"]:
            gradient = -gradient
        if decay != 0:
            gradient = gradient + decay * parameter
        if momentum != 0:
            velocity = state["momentum_buffer"]
            fresh = gradient
            if dampening != 0:
                step = state["step"]
                fresh = gradient * (1 - dampening * (step > 0).to(parameter.dtype))
                step += 1
            velocity.mul_(momentum).add_(fresh)
            gradient = gradient + momentum * velocity if group["nesterov"] else velocity
        parameter.sub_(group["lr"] * gradient)
