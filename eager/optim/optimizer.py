"""`Optimizer`: what all optimizers share: groups of parameters, their state, saving and loading, and the loop of `step()`.

In come parameters with gradients, changed in place. The one idea: one step is plain in-place tensor code in which no Python number changes from
step to step (counters are tensors), so a compiled training step stays valid for ever. State is made apart from the step, by `prepare()`, which does
nothing the second time: capture runs it for real and then reads what it made.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ..autograd.mode import enable_grad, no_grad
from ..functional.creation import tensor as make_tensor
from ..tensor import Tensor

Group = dict[str, Any]


def capture_time(function: Callable) -> Callable:
    """Mark a function that capture runs for real instead of following it. It must be idempotent: what it did once, it does not do again."""
    function.__segue_capture_time__ = True  # type: ignore[attr-defined]
    return function


class Optimizer:
    """Base class: subclasses give `defaults`, the state of one parameter (`make_state`), and one parameter's `update`.

    `params` is an iterable of tensors, or of dicts with "params" and settings of their own. `param_groups` and `state` are PyTorch's.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("an optimizer takes an iterable of tensors or dicts, not one Tensor; write [parameter]")
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._entries: list[list[tuple[Tensor, dict[str, Any]]]] = []
        groups = list(params)
        if not groups:
            raise ValueError("the optimizer got no parameters")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with settings of their own. Raises TypeError or ValueError for what is no leaf tensor or stands in a group already."""
        if not isinstance(param_group, dict):
            raise TypeError(f"a parameter group is a dict, not {type(param_group).__name__}")
        given = param_group["params"]
        listed = [given] if isinstance(given, Tensor) else list(given)
        for parameter in listed:
            if not isinstance(parameter, Tensor):
                raise TypeError(f"an optimizer changes Tensors, not {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError("an optimizer cannot change the result of an operation; pass the leaf it was computed from")
        held = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        if len({id(parameter) for parameter in listed}) != len(listed) or any(id(parameter) in held for parameter in listed):
            raise ValueError("a parameter stands twice in the optimizer's groups")
        group = {"params": listed, **{name: value for name, value in param_group.items() if name != "params"}}
        for name, default in self.defaults.items():
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
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self.prepare()
        with no_grad():
            for group, entries in zip(self.param_groups, self._entries):
                for parameter, state in entries:
                    gradient = parameter.grad
                    if gradient is not None:
                        self.update(parameter, gradient, state, group)
        return loss

    @capture_time
    def prepare(self) -> None:
        """Make the state of every parameter that has none, and the list of (parameter, state) that `step()` walks."""
        if self._entries:
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
        self._entries = entries

    def make_state(self, parameter: Tensor, group: Group) -> dict[str, Any]:
        """The state with which a parameter starts."""
        raise NotImplementedError(f"{type(self).__name__} does not say with which state a parameter starts")

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: Group) -> None:
        """Change one parameter and its state in place."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it changes a parameter")

    # ----------------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """{"state": number -> state, "param_groups": groups with numbers in place of parameters}, PyTorch's format; tensors are shared."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers.setdefault(id(parameter), len(numbers))
            groups.append({**group, "params": [numbers[id(parameter)] for parameter in group["params"]]})
        state = {numbers[id(parameter)]: dict(of) for parameter, of in self.state.items() if of}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over settings and (copies of) state, cast to each parameter's dtype. Raises ValueError when the groups do not match."""
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

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_entries": []}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join([*lines, ")"])


def _like_parameter(name: str, value: Any, parameter: Tensor) -> Any:
    """A copy of a saved piece of state; floating ones take the parameter's dtype, but for the counter."""
    if not isinstance(value, Tensor):
        return make_tensor(float(value)) if name == "step" else copy.deepcopy(value)
    value = value.detach().clone()
    return value.to(parameter.dtype) if name != "step" and value.is_floating_point() else value


def check_at_least(limit: float, **settings: Any) -> None:
    """Raise ValueError for a setting below `limit`; tensors are taken as they are."""
    for name, value in settings.items():
        if not isinstance(value, Tensor) and not limit <= value:
            raise ValueError(f"{name} is at least {limit}, not {value}")
