"""`Optimizer`: what all optimizers share: groups of parameters, their state, saving and loading, and the loop of `step()`.

In come parameters with gradients, changed in place. The one idea: one step is plain in-place tensor code in which no Python number changes from
step to step (counters are tensors), so a compiled training step stays valid for ever. State is made apart from the step, by `prepare()`, which does
nothing the second time: capture runs it for real and then reads what it made.
"""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.mode import enable_grad, no_grad
from ..dtypes import float64
from ..functional.complex_numbers import view_as_real
from ..functional.creation import tensor as make_tensor
from ..nn.hooks import Hooks, RemovableHandle, add_hook, hooks_of
from ..scripting import value_if_known
from ..tensor import Tensor
from .kernels import Kernel, updated_at_once

Group = dict[str, Any]


def capture_time(function: Callable) -> Callable:
    """Mark a function that capture runs for real instead of following it. It must be idempotent: what it did once, it does not do again."""
    function.__segue_capture_time__ = True  # type: ignore[attr-defined]
    return function


def decides_by_values(function: Callable) -> Callable:
    """Mark a function that capture does not follow, since values decide how often it calls what the user gave it; that is captured by itself."""
    function.__segue_disabled__ = True  # type: ignore[attr-defined]
    function.__segue_disabled_reason__ = "nothing: the closure is compiled by itself"  # type: ignore[attr-defined]
    return function


DEFERRED: list[Callable] = []  # the functions so marked


def deferred(function: Callable) -> Callable:
    """A method that captured code calls for real behind its graph: it changes numbers in Python, its object's and the optimizer's, and no tensor."""
    function.__segue_deferred__ = True  # type: ignore[attr-defined]
    DEFERRED.append(function)
    return function


class Required:
    """The default of a setting that each group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = Required()


def telling(name: str) -> Callable:
    """A method of dict that empties what was made of the dict before."""
    change = getattr(dict, name)

    @functools.wraps(change)
    def method(self: States, *args: Any, **kwargs: Any) -> Any:
        self.shown.clear()
        return change(self, *args, **kwargs)

    return method


class States(dict):
    """An optimizer's state, parameter -> dict. `shown`, the pairs that a step walks, is emptied by all that puts another dict to a parameter."""

    shown: list[Any] = []  # noqa: RUF012  (empty, until `prepare()` gives an object its own)
    __setitem__, __delitem__, __ior__ = telling("__setitem__"), telling("__delitem__"), telling("__ior__")
    clear, pop, popitem = telling("clear"), telling("pop"), telling("popitem")
    setdefault, update = telling("setdefault"), telling("update")

    def __missing__(self, parameter: Tensor) -> dict[str, Any]:
        found = self[parameter] = {}
        return found

    def __reduce__(self) -> tuple:
        return States, (), None, None, iter(self.items())


class Optimizer:
    """Base class: subclasses give `defaults`, the state of one parameter (`make_state`), and one parameter's `update`.

    `params` is an iterable of tensors, of (name, tensor) pairs, or of dicts with "params" and settings of their own. `param_groups` and `state` are
    PyTorch's. The settings `foreach`, `fused` and `capturable` are accepted and kept in the groups, but change nothing: joining the updates of many
    parameters is the compiler's work. With `differentiable=True` the step itself is recorded. A group's "maximize" negates its gradients.
    """

    kernel: Kernel | None = None  # what `update` does, over arrays (see kernels.py)
    takes_complex = True
    _opt_called = False  # whether it has made a step: what a schedule asks; of those that step in their own way it is not known

    def __init_subclass__(cls) -> None:
        cls._opt_called = "step" in cls.__dict__ or cls._opt_called
        if "update" in cls.__dict__ and "kernel" not in cls.__dict__:  # the kernel is not of this update
            cls.kernel = None

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("an optimizer takes an iterable of tensors or dicts, not one Tensor; write [parameter]")
        self.defaults = defaults
        self._hooks: Hooks = {}
        self._state = States()
        self.param_groups: list[Group] = []
        self._entries: list[list[tuple[Tensor, dict[str, Any]]]] = []
        groups = list(params)
        if defaults.get("fused") and (defaults.get("foreach") or defaults.get("differentiable")):
            raise RuntimeError("`fused` excludes `foreach` and `differentiable`: set one of them")
        if not groups:
            raise ValueError("the optimizer got no parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with settings of their own. Raises TypeError or ValueError for what is no leaf tensor or stands in a group already."""
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, not {type(param_group).__name__}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError("an optimizer's parameters stand in an ordered collection, so that its state can be saved: a list, not a set")
        listed = [given] if isinstance(given, Tensor) else list(given)
        pairs = [isinstance(entry, tuple) and len(entry) == 2 for entry in listed]
        named = any(pairs)
        if named and not all(pairs):
            raise ValueError("an optimizer's parameters all come with names, or none does")
        if self.param_groups and named != ("param_names" in self.param_groups[0]):
            raise ValueError("an optimizer's parameter groups all come with names, or none does")
        names = [entry[0] for entry in listed] if named else []
        listed = [entry[1] for entry in listed] if named else listed
        for parameter in listed:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"an optimizer changes Tensors, not {type(parameter).__name__}")
            if not (parameter.is_leaf or self.defaults.get("differentiable")):
                raise ValueError("an optimizer cannot change the result of an operation; pass the leaf it was computed from")
            if parameter.is_complex() and not self.takes_complex:
                raise RuntimeError(f"{type(self).__name__} does not support complex parameters")
        held = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        if any(id(parameter) in held for parameter in listed):
            raise ValueError("some parameters appear in more than one parameter group")
        if len({id(parameter) for parameter in listed}) != len(listed):
            warnings.warn("optimizer contains a parameter group with duplicate parameters: they change as often as they stand there", stacklevel=3)
        group: Group = {"params": listed, **({"param_names": names} if named else {}), **{name: value for name, value in param_group.items() if name != "params"}}
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        self.param_groups.append(group)
        self._entries = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (nothing is read), or fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad = parameter.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step with the gradients of now; parameters without one stay. Returns what `closure` (which may compute the loss anew) returns."""
        given = self._before_step(closure)
        closure = given[0][1] if len(given[0]) > 1 else given[1].get("closure")
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self.prepare()
        if not self._is_prepared():  # captured code, too, must ask: prepare() it runs at capture only
            raise RuntimeError("the optimizer's groups or its state changed while a step was prepared")
        with enable_grad() if self.defaults.get("differentiable") else no_grad():
            for group, entries in zip(self.param_groups, self._entries):
                for parameter, state in entries:
                    gradient = parameter.grad
                    if gradient is not None and not updated_at_once(self.kernel, parameter, gradient, state, group):
                        gradient = -gradient if group.get("maximize") else gradient
                        if parameter.is_complex():  # as PyTorch: pairs of real parameters
                            pairs = {name: as_pairs(value) for name, value in state.items()}
                            self.update(as_pairs(parameter), as_pairs(gradient), pairs, group)
                        else:
                            self.update(parameter, gradient, state, group)
        self._after_step(given)
        self._opt_called = True
        return loss

    def _before_step(self, closure: Any) -> tuple[tuple, dict]:
        """The step's (args, kwargs) behind the hooks in front of it. As in PyTorch the optimizer is the first of the args."""
        given: Any = ((self,) if closure is None else (self, closure), {})
        for hook, _ in hooks_of(self._hooks, "step_pre"):
            changed = hook(self, *given)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(f"a hook before a step must return None or a tuple of (new_args, new_kwargs), but got {changed}")
                given = changed
        return given

    def _after_step(self, given: tuple[tuple, dict]) -> None:
        for hook, _ in hooks_of(self._hooks, "step_post"):
            hook(self, *given)

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """Parameter -> the tensors and numbers that its steps go by. What is changed in it, or put in its place, counts from the next step on."""
        return self._state

    @state.setter
    def state(self, state: dict[Tensor, dict[str, Any]]) -> None:
        self._state = States(state)
        self._entries = []

    def _is_prepared(self) -> bool:
        """Whether the parameters and the state are those that `prepare()` saw: users put others in their places."""
        if len(self.param_groups) != len(self._entries):
            return False
        for group, entries in zip(self.param_groups, self._entries):
            if len(group["params"]) != len(entries):
                return False
            for parameter, entry in zip(group["params"], entries):
                if parameter is not entry[0]:
                    return False
        return True

    @capture_time
    def prepare(self) -> None:
        """Make the state of every parameter that has none, and the list of (parameter, state) that `step()` walks."""
        if self._is_prepared():
            return
        with no_grad():
            entries = []
            for group in self.param_groups:
                pairs = []
                for parameter in group["params"]:
                    state = self.state[parameter]
                    for name, value in self.make_state(parameter, group).items():
                        state.setdefault(name, value)
                    pairs.append((parameter, state))
                entries.append(pairs)
        self._entries = self._state.shown = entries

    def has_begun(self, state: dict[str, Any]) -> bool:
        """Whether a step has changed the state of a parameter: `prepare()` makes it ahead, also for one that never gets a gradient, and for steps left out by a scaler."""
        step = state.get("step")
        known = value_if_known(step) if isinstance(step, Tensor) else None
        return known is None or known > 0

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """The state with which a parameter starts."""
        raise NotImplementedError(f"{type(self).__name__} does not say with which state a parameter starts")

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """Change one parameter and its state in place."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes a parameter")

    # ----------------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """{"state": number -> state, "param_groups": groups with numbers in place of parameters}, PyTorch's format; tensors are shared."""
        for hook, _ in hooks_of(self._hooks, "state_dict_pre"):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            groups.append({name: value for name, value in group.items() if name != "params"} | {"params": [numbers[id(parameter)] for parameter in group["params"]]})
        state = {numbers[id(parameter)]: dict(of) for parameter, of in self.state.items() if of and self.has_begun(of)}
        found: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook, _ in hooks_of(self._hooks, "state_dict_post"):
            found = hook(self, found) or found
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over settings and (copies of) state, cast to each parameter's dtype. Raises ValueError when the groups do not match."""
        for hook, _ in hooks_of(self._hooks, "load_state_dict_pre"):
            state_dict = hook(self, state_dict) or state_dict
        saved = state_dict["param_groups"]
        lengths, saved_lengths = [len(group["params"]) for group in self.param_groups], [len(group["params"]) for group in saved]
        if lengths != saved_lengths:
            raise ValueError(f"the state_dict has groups of {saved_lengths} parameters, the optimizer of {lengths}")
        self.state.clear()
        for group, saved_group in zip(self.param_groups, saved):
            for number, parameter in zip(saved_group["params"], group["params"]):
                if number in state_dict["state"]:
                    of = state_dict["state"][number]
                    self.state[parameter] = {name: _like_parameter(name, value, parameter) for name, value in of.items()}
            group.update({name: copy.deepcopy(value) for name, value in saved_group.items() if name != "params"})
        self._entries = []
        for hook, _ in hooks_of(self._hooks, "load_state_dict_post"):
            hook(self)

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return (args, kwargs) that take the place of the step's. `args` begins with the optimizer."""
        return add_hook(self._hooks, "step_pre", hook, False, False)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._hooks, "step_post", hook, False, False)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict()` reads anything."""
        return add_hook(self._hooks, "state_dict_pre", hook, prepend, False)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before `state_dict()` returns; what it returns (if anything) is returned instead."""
        return add_hook(self._hooks, "state_dict_post", hook, prepend, False)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; what it returns (if anything) is loaded instead."""
        return add_hook(self._hooks, "load_state_dict_pre", hook, prepend, False)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return add_hook(self._hooks, "load_state_dict_post", hook, prepend, False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_entries": [], "_hooks": {}}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"{chr(10) if number else ''}Parameter Group {number}")
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join([*lines, ")"])


def _like_parameter(name: str, value: Any, parameter: Tensor) -> Any:
    """A copy of a saved piece of state; floating ones take the parameter's dtype, but for the counter."""
    if not isinstance(value, Tensor):
        return make_tensor(float(value)) if name == "step" else copy.deepcopy(value)
    value = value.detach().clone()
    return value.to(parameter.dtype) if name != "step" and value.is_floating_point() else value


def check_at_least(limit: float, **settings: Any) -> None:
    """Raise ValueError for a setting below `limit`, and for tensors of many elements (RuntimeError, but for `lr`); what a tensor holds is not looked at."""
    for name, value in settings.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise (ValueError if name == "lr" else RuntimeError)(f"{name} is one number: a tensor of one element, not of shape {tuple(value.shape)}")
        if not isinstance(value, Tensor) and not limit <= value:
            raise ValueError(f"{name} is at least {limit}, not {value}")


def check_betas(betas: Any) -> None:
    """Raise ValueError for factors of running means outside [0, 1), TypeError for what is no sequence of them, and IndexError for fewer than two."""
    if not isinstance(betas, (tuple, list)):
        raise TypeError(f"betas are two numbers, not {type(betas).__name__}")
    if len(betas) < 2:
        raise IndexError(f"betas are two numbers, not {betas}")
    if not all(isinstance(beta, Tensor) or 0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas lie in [0, 1), not {betas}")


# ------------------------------------------------------------------------------------------------- parts of many updates


def as_pairs(value: Any) -> Any:
    """A complex tensor as a view of real ones, (..., 2); anything else as it is."""
    return view_as_real(value) if isinstance(value, Tensor) and value.is_complex() else value


def for_each_part(value: float, parameter: Tensor) -> float | complex:
    """The number with which the state of a parameter starts, in both parts of a complex one."""
    return complex(value, value) if parameter.is_complex() else value


def counted(state: dict[str, Any], parameter: Tensor) -> Tensor:
    """The step's number, this step included, as a 0-d tensor: float32, or float64 for float64 parameters."""
    step = state["step"]
    step += 1
    return precise(step, parameter)


def precise(number: Tensor, parameter: Tensor) -> Tensor:
    """A float32 number of the state, as it goes into the arithmetic of a step: in float64 for float64 parameters."""
    return number.to(float64) if parameter.dtype is float64 else number


def decayed(parameter: Tensor, gradient: Tensor, group: Group, decoupled: bool = False) -> Tensor:
    """Weight decay: added to the gradient, which is returned; or, decoupled, p <- p * (1 - lr * weight_decay) (Loshchilov and Hutter 2019)."""
    decay = group["weight_decay"]
    if decay == 0:
        return gradient
    if decoupled:
        parameter.mul_(1 - group["lr"] * decay)
        return gradient
    return gradient + decay * parameter


def bias_correction(step: Tensor, beta: float) -> Tensor | float:
    """1 - beta^step as -expm1(step * log(beta)), which does not cancel. For beta = 0 it is 1."""
    return -(step * math.log(beta)).expm1() if beta > 0 else 1.0
