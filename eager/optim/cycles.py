"""Learning-rate schedules that rise and fall: cyclic, one cycle, and cosine annealing with warm restarts.

In comes an optimizer, whose groups' "lr" (and momentum, the other way round) change at each step. The one idea: each is a formula of the step's
place in its cycle, set anew at every step; nothing is multiplied onto the rate of before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

from .lr_scheduler import LRScheduler, each, set_rate
from .optimizer import Group, Optimizer, deferred


def cosine(start: float, end: float, part: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * part))


def linear(start: float, end: float, part: float) -> float:
    """From start to end along a line."""
    return start + (end - start) * part


ANNEAL: dict[str, Callable[[float, float, float], float]] = {"cos": cosine, "linear": linear}


class _WithMomentum(LRScheduler):
    """Base of the schedules that also move the momentum: SGD's and RMSprop's "momentum", Adam's first beta."""

    cycle_momentum: bool

    def _begin_momentum(self, base: Any, most: Any, last_epoch: int) -> None:
        if not self.cycle_momentum:
            return
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(f"cycle_momentum needs an optimizer with momentum or betas, which {type(self.optimizer).__name__} has not")
        self.use_beta1 = "betas" in defaults
        self.base_momentums = each("base_momentum", self.optimizer, base)
        self.max_momentums = each("max_momentum", self.optimizer, most)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                group["base_momentum"], group["max_momentum"] = low, high
                self._set_momentum(group, high)

    def _set_momentum(self, group: Group, value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


SCALES: dict[str, tuple[Callable[[float, float], float], str]] = {  # mode -> the height of (cycle or step, gamma), and which of the two
    "triangular": (lambda x, gamma: 1.0, "cycle"),
    "triangular2": (lambda x, gamma: 0.5 ** (x - 1), "cycle"),
    "exp_range": (lambda x, gamma: gamma**x, "iterations"),
}


class CyclicLR(_WithMomentum):
    """Up from `base_lr` to `max_lr` in `step_size_up` steps and down again in `step_size_down`, over and over (Smith 2017).

    The height of a cycle is 1, halves each cycle ("triangular2"), decays with gamma^step ("exp_range"), or is `scale_fn` of the cycle or step.
    """

    def __init__(
        self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float], step_size_up: int = 2000,
        step_size_down: int | None = None, mode: str = "triangular", gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle", cycle_momentum: bool = True, base_momentum: float | list[float] = 0.8, max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if mode not in SCALES and scale_fn is None:
            raise ValueError(f"mode is one of {', '.join(SCALES)}, not {mode!r}; or give scale_fn")
        self.optimizer = optimizer
        base_lrs = each("base_lr", optimizer, base_lr)
        self.max_lrs = each("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs):
                set_rate(group, rate)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else SCALES[mode][1]
        self.cycle_momentum = cycle_momentum
        self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle."""
        return self._scale_fn_custom(x) if self._scale_fn_custom is not None else SCALES[self.mode][0](x, self.gamma)

    def get_lr(self) -> list[float]:
        """The rates; sets the momenta, too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        place = 1 + self.last_epoch / self.total_size - cycle
        part = place / self.step_ratio if place <= self.step_ratio else (place - 1) / (self.step_ratio - 1)
        height = part * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                self._set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of a custom scale_fn, what a callable object holds."""
        custom = self._scale_fn_custom
        return {**super().state_dict(), "_scale_fn_custom": None if custom is None or isinstance(custom, FunctionType) else dict(custom.__dict__)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from lr to eta_min in T_0 epochs, then again in T_0 * T_mult, and so on (Loshchilov and Hutter 2017).

    `step(epoch)` also takes fractions of epochs. Raises ValueError for lengths that are no positive integers.
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is a positive integer, not {value!r}")
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """From the rates that the groups began with."""
        return [cosine(base, self.eta_min, self.T_cur / self.T_i) for base in self.base_lrs]

    @deferred
    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to a given one."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._place(epoch)
        self.last_epoch = math.floor(epoch)
        self._apply(self.get_lr())

    def _place(self, epoch: float) -> None:
        if epoch < 0:
            raise ValueError(f"an epoch is not negative: {epoch}")
        cycle, start = 0, 0
        if self.T_mult == 1:
            start = self.T_0 * int(epoch // self.T_0)
        else:
            while epoch >= start + self.T_0 * self.T_mult**cycle:
                start += self.T_0 * self.T_mult**cycle
                cycle += 1
        self.T_cur, self.T_i = epoch - start, self.T_0 * self.T_mult**cycle


class OneCycleLR(_WithMomentum):
    """One rise to `max_lr` and one fall to far below where it began, in `total_steps` (or epochs * steps_per_epoch) steps (Smith and Topin 2019).

    Begins at max_lr / div_factor, ends at that / final_div_factor; `three_phase` falls symmetrically first. Raises ValueError for bad settings, and
    from `step()` when there are more steps than said.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None, epochs: int | None = None,
        steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos", cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85, max_momentum: float | list[float] = 0.95, div_factor: float = 25.0, final_div_factor: float = 1e4,
        three_phase: bool = False, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ValueError(f"total_steps (or epochs and steps_per_epoch) is a positive integer, not {total_steps!r}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start lies in [0, 1], not {pct_start}")
        if anneal_strategy not in ANNEAL:
            raise ValueError(f"anneal_strategy is one of {', '.join(ANNEAL)}, not {anneal_strategy!r}")
        self.optimizer, self.total_steps, self._anneal_func_type = optimizer, total_steps, anneal_strategy
        turn, end = float(pct_start * total_steps) - 1, total_steps - 1
        self._phases: list[tuple[float, str, str, str, str]] = [(turn, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            self._phases.append((float(2 * pct_start * total_steps) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            self._phases.append((end, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            self._phases.append((end, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        if last_epoch == -1:
            for group, most in zip(optimizer.param_groups, each("max_lr", optimizer, max_lr)):
                group["initial_lr"], group["max_lr"] = most / div_factor, most
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates; sets the momenta, too."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR was made for {self.total_steps} steps; this is step {step}")
        start = 0.0
        for phase in self._phases:
            if step <= phase[0] or phase is self._phases[-1]:
                break
            start = phase[0]
        end, first, last, first_momentum, last_momentum = phase
        part = (step - start) / (end - start)
        anneal = ANNEAL[self._anneal_func_type]
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                self._set_momentum(group, anneal(group[first_momentum], group[last_momentum], part))
        return [anneal(group[first], group[last], part) for group in self.optimizer.param_groups]
