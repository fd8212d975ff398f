"""Averages of a model's weights over training: stochastic weight averaging (Izmailov et al. 2018) and exponential moving averages.

In comes a model, out goes a module with averaged weights. The one idea: an average is a copy of the model whose tensors move a part of the way
towards the model's at each `update_parameters`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.mode import no_grad
from ..functional import where
from ..functional.creation import tensor as make_tensor
from ..nn.module import Module
from ..scripting import value_if_known
from ..tensor import Tensor
from .cycles import ANNEAL
from .lr_scheduler import LRScheduler, each
from .optimizer import Optimizer

Average = Callable[[Tensor, Tensor, Any], Tensor]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """decay * average + (1 - decay) * value. Raises ValueError for a decay outside [0, 1]."""
    if not 0 <= decay <= 1:
        raise ValueError(f"decay lies in [0, 1], not {decay}")
    return lambda average, value, count: decay * average + (1 - decay) * value


def get_swa_avg_fn() -> Average:
    """average + (value - average) / (count + 1): the plain mean."""
    return lambda average, value, count: average + (value - average) / (count + 1)


def _on_lists(function: Average) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    def update(averages: Iterable[Tensor], values: Iterable[Tensor], count: Any) -> None:
        with no_grad():
            for average, value in zip(averages, values):
                average.copy_(function(average, value, count))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` over lists of tensors, in place."""
    return _on_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` over lists of tensors, in place."""
    return _on_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of `model` whose parameters (and, with `use_buffers`, buffers) are averages; by default plain means.

    >>> from segue.eager import nn
    >>> model = nn.Linear(1, 1)
    >>> average = AveragedModel(model)
    >>> average.update_parameters(model)
    >>> int(average.n_averaged)
    1
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None, multi_avg_fn: Callable | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", make_tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model computes."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's weights into the average."""
        with no_grad():
            averages, values = [x.detach() for x in self.module.parameters()], [x.detach() for x in model.parameters()]
            copied, sources = list(self.module.buffers()), list(model.buffers())
            if self.use_buffers:
                averages, values, copied, sources = averages + copied, values + sources, [], []
            known = value_if_known(self.n_averaged)
            if known == 0:
                copied, sources = copied + averages, sources + values
            else:
                (self.multi_avg_fn or _on_lists(self.avg_fn or get_swa_avg_fn()))(averages, values, self.n_averaged)
            if known is None:  # captured: one graph for the first update and all others
                sources = sources + [where(self.n_averaged == 0, value, average) for value, average in zip(values, averages)]
                copied = copied + averages
            for target, source in zip(copied, sources):
                target.detach().copy_(source.detach())
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the model's batch norms anew, as plain means over the batches of `loader` (of tuples, the first member)."""
    norms = [module for module in model.modules() if hasattr(module, "running_mean") and hasattr(module, "momentum")]
    if not norms:
        return
    was_training, momenta = model.training, [module.momentum for module in norms]
    with no_grad():
        for module in norms:
            module.reset_running_stats()
            module.momentum = None
        model.train()
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for module, momentum in zip(norms, momenta):
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the rate of now to `swa_lr` in `anneal_epochs` epochs, then constant. Raises ValueError for bad settings."""

    def __init__(
        self, optimizer: Optimizer, swa_lr: float | list[float], anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if anneal_strategy not in ANNEAL:
            raise ValueError(f"anneal_strategy is one of {', '.join(ANNEAL)}, not {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs is an integer of at least 0, not {anneal_epochs!r}")
        for group, rate in zip(optimizer.param_groups, each("swa_lr", optimizer, swa_lr)):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        return ANNEAL[self._anneal_strategy](0.0, 1.0, max(0.0, min(1.0, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[float]:
        """From the rates of now: the part of the way behind is taken back first."""
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._part(step - 1), self._part(step)
        found = []
        for group in self.optimizer.param_groups:
            rate, goal = float(group["lr"]), group["swa_lr"]
            start = goal if before == 1 else (rate - before * goal) / (1 - before)
            found.append(now * goal + (1 - now) * start)
        return found
