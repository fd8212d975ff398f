"""The gradient scaler: losses are multiplied so that float16 gradients do not vanish, and steps with infinite gradients are left out.

In comes a loss, out goes the scaled one; `step` divides the gradients and decides, `update` moves the scale: halved after an overflow, doubled after a run
of steps without (Micikevicius et al., "Mixed Precision Training", 2018). The one idea: everything is arithmetic on 0-d tensors. Only eagerly does a
value decide whether the optimizer runs; in captured code it always runs, and where gradients overflowed the old parameters and state are put back, so a
whole step with a scaler is one graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ..autograd.mode import no_grad
from ..cuda import accelerator
from ..dtypes import float16, float32, int32
from ..functional.creation import full
from ..functional.creation import tensor as make_tensor
from ..functional.pointwise import where
from ..scripting import value_if_known
from ..tensor import Tensor

UNSCALED, STEPPED = "unscaled", "stepped"


class GradScaler:
    """Scales losses, and the gradients back; see `torch.amp.GradScaler`. Works on every device, the CPU too.

    >>> import segue
    >>> w = segue.ones(2, requires_grad=True)
    >>> scaler, optimizer = GradScaler("cpu", init_scale=8.0), segue.optim.SGD([w], lr=0.5)
    >>> scaler.scale((w * 2).sum()).backward()
    >>> w.grad
    tensor([16., 16.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5, growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:  # fmt: skip
        if device == "cuda" and enabled and accelerator() is None:
            warnings.warn("GradScaler is enabled, but CUDA is not available. Disabling; GradScaler('cpu') works here", stacklevel=2)
            enabled = False
        if enabled and growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if enabled and backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._device = device
        self._enabled = enabled
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_scale = init_scale
        self._scale = full((), float(init_scale), dtype=float32)
        self._growth_tracker = full((), 0, dtype=int32)
        self._has_scaled = False
        self._found: dict[int, Tensor] = {}  # id of an optimizer -> whether its gradients overflowed
        self._stages: dict[int, str] = {}

    def scale(self, outputs: Any) -> Any:
        """The tensor, or each of an iterable, times the scale. Raises ValueError for anything else."""
        if not self._enabled:
            return outputs
        self._has_scaled = True
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(each) for each in outputs])
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer by the scale, once between updates (for clipping them).

        Raises RuntimeError for a second time, AssertionError where no loss was scaled before.
        """
        if not self._enabled:
            return
        if not self._has_scaled:
            raise AssertionError("Attempted unscale_ or step, but nothing was scaled: call scaler.scale(loss).backward() before")
        stage = self._stages.get(id(optimizer))
        if stage == UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage == STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        self._found[id(optimizer)] = self._unscaled(optimizer)
        self._stages[id(optimizer)] = UNSCALED

    def _unscaled(self, optimizer: Any) -> Tensor:
        """Whether a gradient overflowed: 1.0 or 0.0. The gradients are divided in place. Raises ValueError for float16 gradients."""
        found = full((), 0.0, dtype=float32)
        with no_grad():
            inverse = 1.0 / self._scale
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    gradient = parameter.grad
                    if gradient is None:
                        continue
                    if gradient.dtype is float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    gradient.mul_(inverse.to(gradient.dtype))
                    found = found.maximum(gradient.isfinite().all().logical_not().to(float32))
        return found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale where that was not done, and step unless a gradient overflowed. Returns what the optimizer's `step` returns, or None.

        Raises RuntimeError for a closure, for a second call before `update()`, and where no gradient was found.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if self._stages.get(id(optimizer)) == STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if self._stages.get(id(optimizer)) is None:
            self.unscale_(optimizer)
        self._stages[id(optimizer)] = STEPPED
        overflow = self._found[id(optimizer)]
        known = value_if_known(overflow)
        if known is None:
            return self._step_or_put_back(optimizer, overflow > 0, args, kwargs)
        return None if known else optimizer.step(*args, **kwargs)

    def _step_or_put_back(self, optimizer: Any, overflow: Tensor, args: tuple, kwargs: dict) -> Any:
        """Step; where gradients overflowed, parameters and state get their old values."""
        optimizer.prepare()
        held = []
        for entries in optimizer._entries:
            for parameter, state in entries:
                if parameter.grad is not None:
                    held.append(parameter)
                    for value in state.values():
                        if isinstance(value, Tensor):
                            held.append(value)
        with no_grad():
            before = [each.clone() for each in held]
        result = optimizer.step(*args, **kwargs)
        with no_grad():
            for each, old in zip(held, before):
                each.copy_(where(overflow, old, each))
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Move the scale, by what the steps since the last update found, or to `new_scale`. Raises AssertionError where there was no step."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale.copy_(make_tensor(new_scale, dtype=float32) if not isinstance(new_scale, Tensor) else new_scale)
        else:
            if not self._found:
                raise AssertionError("No inf checks were recorded prior to update.")
            with no_grad():
                found = full((), 0.0, dtype=float32)
                for each in self._found.values():
                    found = found.maximum(each)
                self._move(found > 0)
        self._found.clear()
        self._stages.clear()

    def _move(self, overflow: Any) -> None:
        successes = self._growth_tracker + 1
        grows = successes >= self._growth_interval
        grown = self._scale * self._growth_factor
        larger = where(grows & grown.isfinite(), grown, self._scale)
        self._scale.copy_(where(overflow, self._scale * self._backoff_factor, larger))
        self._growth_tracker.copy_(where(overflow | grows, 0, successes).to(int32))

    def get_scale(self) -> float:
        """The scale as a number; 1.0 where the scaler is switched off."""
        return self._scale.item() if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after a run of steps without overflow."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the growth factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the backoff factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many steps without overflow make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the growth interval."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, interval and tracker as numbers, in PyTorch's format; empty where it is switched off."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker.item(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave. Raises RuntimeError for that of a scaler that was switched off."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler.")
        self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker.fill_(state_dict["_growth_tracker"])
