"""Learning-rate schedules: the base class, those that multiply, and those that combine others.

In comes an optimizer, whose groups' "lr" change when `step()` is called. The one idea: most schedules are a level, a closed formula of the epoch; the
rate of an epoch is the rate of now times level(epoch) / level(epoch - 1), so that schedules can be chained. Where lr is a 0-d tensor it is filled in
place, so that a compiled training step needs no new compilation; a Python float is replaced.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any

from ..autograd.mode import no_grad
from ..tensor import Tensor
from .optimizer import Group, Optimizer, deferred

OWN = __name__.rpartition(".")[0] + "."
VANISHED = 1e-12  # a level below this is 0 but for rounding


def set_rate(group: Group, rate: Any) -> None:
    """Give a group a new rate: a tensor is filled, a float replaced."""
    if isinstance(group["lr"], Tensor):
        with no_grad():
            group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def rates(optimizer: Optimizer) -> list[float]:
    """The groups' rates as numbers."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def each(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from one for all or a list of them. Raises ValueError for a wrong number."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} values for {groups} parameter groups")
    return list(value)


def is_plain(schedule: Any) -> bool:
    """Whether `step()` does nothing but reckon with numbers of its own: one of these classes, floats for rates, functions that hold at most constants."""
    parts = [schedule, *getattr(schedule, "_schedulers", ())]
    functions = [f for part in parts for f in (*getattr(part, "lr_lambdas", ()), *filter(callable, vars(part).values())) if f is not None]
    return (
        all(type(part).__module__.startswith(OWN) for part in parts)
        and all(type(f) is FunctionType and all(type(cell.cell_contents) in (int, float, str) for cell in f.__closure__ or ()) for f in functions)
        and all(type(group["lr"]) is float for part in parts for group in part.optimizer.param_groups)
    )


class LRScheduler:
    """Base class. A subclass gives `get_lr()`: the rates of epoch `self.last_epoch`, from `self.base_lrs` or `self.optimizer.param_groups`.

    Making a schedule already takes its first step, to epoch 0. With `last_epoch` >= 0 it goes on from there; the groups need an "initial_lr" then,
    else KeyError is raised.
    """

    _is_initial = False
    _step_count = 0

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule belongs to an Optimizer, not to {type(optimizer).__name__}")
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(f"param_groups[{number}] has no 'initial_lr', which going on from epoch {last_epoch} needs: load the optimizer's state")
        self.base_lrs: list[float] = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[float]:
        """The rates of epoch `last_epoch`, one for each group."""
        raise NotImplementedError(f"{type(self).__name__} does not say its learning rate")

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    @deferred
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to a given one."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the learning rate schedule is skipped. Call "
                "`optimizer.step()` first", stacklevel=2,
            )  # fmt: skip
        self._step_count += 1
        self._set_epoch(epoch)

    def _set_epoch(self, epoch: int | None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", None)
        found = self.get_lr() if epoch is None or closed is None else closed()
        self._apply(found)

    def _apply(self, found: Sequence[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, found):
            set_rate(group, rate)
        self._last_lr = rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state."""
        self.__dict__.update(state_dict)


# ---------------------------------------------------------------------------------------------- schedules with a level


class LevelLR(LRScheduler):
    """Base of the schedules that are a closed formula `level(epoch)`: rate = floor + (base - floor) * level, `eta_min` being the floor."""

    eta_min: float = 0.0

    def level(self, epoch: int) -> float:
        """The formula."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """From the rate of now, so that other schedules' changes stay; from the base where the level was 0."""
        now = rates(self.optimizer)
        if self._is_initial:
            return [rate * self.level(0) for rate in now] if self.last_epoch == 0 else now
        before, level = self.level(self.last_epoch - 1), self.level(self.last_epoch)
        if level == before:
            return now
        if abs(before) < VANISHED:
            return self._get_closed_form_lr()
        return [self.eta_min + (rate - self.eta_min) * (level / before) for rate in now]

    def _get_closed_form_lr(self) -> list[float]:
        return [self.eta_min + (base - self.eta_min) * self.level(self.last_epoch) for base in self.base_lrs]


class StepLR(LevelLR):
    """lr * gamma^(epoch // step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(LevelLR):
    """lr * gamma^(number of milestones reached)."""

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), epoch)


class ExponentialLR(LevelLR):
    """lr * gamma^epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return self.gamma**epoch


class ConstantLR(LevelLR):
    """lr * factor until epoch `total_iters`, then lr. Raises ValueError for a factor outside [0, 1]."""

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"factor lies in [0, 1], not {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return self.factor if epoch < self.total_iters else 1.0


class LinearLR(LevelLR):
    """lr times a factor that goes linearly from `start_factor` to `end_factor` in `total_iters` epochs, and stays; with no epochs, at the start.

    Raises ValueError for factors outside (0, 1] and [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor lies in (0, 1], not {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"end_factor lies in [0, 1], not {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        if not self.total_iters:
            return self.start_factor
        return self.start_factor + (self.end_factor - self.start_factor) * min(self.total_iters, epoch) / self.total_iters


class PolynomialLR(LevelLR):
    """lr * (1 - min(epoch, total_iters) / total_iters)^power."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return (1 - min(self.total_iters, epoch) / self.total_iters) ** self.power if self.total_iters > 0 else 1.0


class CosineAnnealingLR(LevelLR):
    """eta_min + (lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2 (Loshchilov and Hutter 2017, without restarts)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def level(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2


# --------------------------------------------------------------------------------------------- schedules of the user's


class _FunctionLR(LRScheduler):
    """Base of the schedules by functions of the epoch, one for all groups or one for each. Functions are not saved; objects' attributes are."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1) -> None:
        self.lr_lambdas: list[Any] = each("lr_lambda", optimizer, lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda is a function of the epoch, not {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of the functions, what callable objects hold."""
        kept = [None if isinstance(function, FunctionType) else dict(function.__dict__) for function in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "lr_lambdas"})
        for function, kept in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if kept is not None:
                function.__dict__.update(kept)


class LambdaLR(_FunctionLR):
    """lr * lr_lambda(epoch)."""

    def get_lr(self) -> list[float]:
        """From the rates that the groups began with."""
        return [base * function(self.last_epoch) for base, function in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(_FunctionLR):
    """The rate of the epoch before, times lr_lambda(epoch); epoch 0 leaves it."""

    def get_lr(self) -> list[float]:
        """From the rates of now."""
        now = rates(self.optimizer)
        return now if self._is_initial else [rate * function(self.last_epoch) for rate, function in zip(now, self.lr_lambdas)]


# ------------------------------------------------------------------------------------------------ schedules of schedules


class _Combined(LRScheduler):
    """Base of the schedules that hold others. Raises ValueError or TypeError for none, for strangers' and for ReduceLROnPlateau."""

    _schedulers: list[LRScheduler]

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        if not schedulers:
            raise ValueError(f"{type(self).__name__} needs at least one schedule")
        for number, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{type(self).__name__} combines schedules; number {number} is {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{type(self).__name__} cannot hold ReduceLROnPlateau (number {number}), whose step() takes a metric")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        for number, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"{type(self).__name__}: all schedules belong to one optimizer; number {number} has another")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`, with the states of the schedules held."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a saved state."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "_schedulers"})
        for scheduler, kept in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(kept)


class ChainedScheduler(_Combined):
    """Each step is a step of every schedule, in order."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = rates(self.optimizer)

    @deferred
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = rates(self.optimizer)


class SequentialLR(_Combined):
    """One schedule after the other, changing at the milestones; each begins at its own epoch 0."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1) -> None:
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR needs one milestone less than schedules; got {len(milestones)} and {len(schedulers)}")
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            set_rate(group, group["initial_lr"])
        _take_back(self._schedulers)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    @deferred
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            scheduler._set_epoch(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _take_back(schedulers: Iterable[LRScheduler]) -> None:
    """Undo the counting of the first step that each schedule took when it was made."""
    for scheduler in schedulers:
        if isinstance(scheduler, _Combined):
            _take_back(scheduler._schedulers)
        else:
            scheduler.last_epoch -= 1


class ReduceLROnPlateau(LRScheduler):
    """lr * factor when the metric given to `step(metric)` has not become better for more than `patience` epochs.

    Better means by more than `threshold`, relative or absolute. After a reduction `cooldown` epochs are not judged. No rate falls below `min_lr`, and
    changes below `eps` are left out. Raises ValueError for a factor of 1 or above and for unknown modes.
    """

    def __init__(
        self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, threshold_mode: str = "rel",
        cooldown: int = 0, min_lr: float | list[float] = 0.0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        if factor >= 1.0:
            raise ValueError(f"factor is below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"mode is min or max and threshold_mode rel or abs, not {mode!r} and {threshold_mode!r}")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule belongs to an Optimizer, not to {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.min_lrs = each("min_lr", optimizer, min_lr)
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0
        self._last_lr = rates(optimizer)

    @property
    def in_cooldown(self) -> bool:
        """Whether this epoch is not judged."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        bound = self.best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else self.best + sign * self.threshold
        return sign * value > sign * bound

    @deferred
    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Judge one epoch by its metric (a number or a 0-d tensor)."""
        value = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = rates(self.optimizer)

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, each("min_lr", self.optimizer, self.min_lrs)):
            before = float(group["lr"])
            after = max(before * self.factor, least)
            if before - after > self.eps:
                set_rate(group, after)
