"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov 1983, in the form of Sutskever et al. 2013), and averaged (Polyak and Juditsky 1992).

In come gradients, out go parameters changed in place. The one idea: whether a step is the first (which is not dampened), or whether averaging has
begun, is read from counters that are tensors, so that no Python number changes from step to step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dtypes import float32
from ..functional import where
from ..functional.creation import full, ones, zeros, zeros_like
from ..scripting import value_if_known
from ..tensor import Tensor
from . import kernels
from .optimizer import Group, Optimizer, check_at_least, counted, decayed, precise


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

    kernel = staticmethod(kernels.sgd)

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum needs a momentum above 0 and no dampening")
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize, foreach=foreach,
            differentiable=differentiable, fused=fused,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`momentum_buffer` where there is momentum; with dampening also `step`, as the first step is not dampened."""
        state = {}
        if group["momentum"] != 0:
            begun = "momentum_buffer" in self.state[parameter]  # loaded from PyTorch, whose SGD has no counter
            state["momentum_buffer"] = zeros_like(parameter)
            if group["dampening"] != 0:
                state["step"] = full((), float(begun), dtype=float32)
        return state

    def has_begun(self, state: dict[str, Any]) -> bool:
        """Without a counter, by the velocity: of one that is zero nothing is lost."""
        velocity = state.get("momentum_buffer")
        return super().has_begun(state) and (velocity is None or value_if_known(velocity.any()) is not False)

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        momentum, dampening = group["momentum"], group["dampening"]
        gradient = decayed(parameter, gradient, group)
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


class ASGD(Optimizer):
    """Averaged SGD: p <- p * (1 - lambd * eta) - eta * g, and from step t0 on "ax" is the mean of the parameters since.

    eta = lr / (1 + lambd * lr * t)^alpha (Bottou 2010). Raises ValueError for negative settings.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, lambd: float = 1e-4, alpha: float = 0.75, t0: float = 1e6, weight_decay: float = 0,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_at_least(0.0, lr=lr, weight_decay=weight_decay)
        super().__init__(params, dict(
            lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, foreach=foreach, maximize=maximize, differentiable=differentiable,
            capturable=capturable,
        ))  # fmt: skip

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """`step` 0, `eta` lr, `mu` 1, and `ax` (the average) zero."""
        rate = full((), float(group["lr"]), dtype=float32)
        return {"step": zeros((), dtype=float32), "eta": rate, "mu": ones((), dtype=float32), "ax": zeros_like(parameter)}

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """One parameter's step."""
        step, eta, share, average = counted(state, parameter), state["eta"], state["mu"], state["ax"]
        rate = precise(eta, parameter)
        gradient = decayed(parameter, gradient, group)
        parameter.mul_(1 - group["lambd"] * rate)
        parameter.sub_(rate * gradient)
        average.copy_(where(share == 1, parameter, average + (parameter - average) * precise(share, parameter)))
        eta.copy_(group["lr"] / (1 + group["lambd"] * group["lr"] * step) ** group["alpha"])
        share.copy_(1 / (step - group["t0"]).clamp_min(1.0))
