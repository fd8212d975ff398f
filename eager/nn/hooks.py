"""Hooks of modules: functions called around `forward`, around the backward, and handles that remove them.

In comes a module and its arguments; out goes what `forward` makes of them, with all hooks called. The one idea: every kind of hook is a dict with running numbers as keys, so that removing one
never disturbs another; and whoever has hooks, a module, an optimizer or `EVERYWHERE` (for all modules), keeps the kinds it has in one dict, so that a call without hooks costs one look.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..autograd.mode import STATE
from ..autograd.tape import MultipleNode, Part
from ..tensor import Tensor

Entries = dict[int, tuple]  # number -> (function, *flags)
_number = itertools.count()
Hooks = dict[str, Entries]  # by kind; a kind without hooks is not there
EVERYWHERE: Hooks = {}  # of all modules


def _next_number() -> int:
    return next(_number)


_next_number.__segue_capture_time__ = True  # type: ignore[attr-defined]


class RemovableHandle:
    """What registering a hook returns: `remove()` it, or use the handle in a `with` block."""

    def __init__(self, hooks: Hooks, kind: str, key: int) -> None:
        self._hooks, self._kind, self.id = hooks, kind, key

    def remove(self) -> None:
        """Remove the hook; the second time does nothing."""
        entries = self._hooks.get(self._kind)
        if entries is not None and entries.pop(self.id, None) is not None and not entries:
            del self._hooks[self._kind]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def add_hook(hooks: Hooks, kind: str, hook: Any, prepend: bool = False, *flags: Any) -> RemovableHandle:
    """Add (hook, *flags) at the end of its kind, or with `prepend` at the front. Raises TypeError for what cannot be called."""
    if not callable(hook):
        raise TypeError(f"a hook is a callable, not {type(hook).__name__}")
    entries, key = hooks.setdefault(kind, {}), _next_number()
    while key in entries:  # captured code keeps its number
        key = _next_number()
    after = dict(entries) if prepend else {}
    if prepend:
        entries.clear()
    entries[key] = (hook, *flags)
    entries.update(after)
    return RemovableHandle(hooks, kind, key)


def hooks_of(hooks: Hooks, kind: str) -> list[tuple]:
    """The hooks of a kind, each with its flags, as they are called now: a hook may remove itself."""
    return list(hooks[kind].values()) if kind in hooks else []


class KindOfHooks:
    """The hooks of one kind as an attribute of a module, under PyTorch's name: a dict, which code that knows the name may change."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.kind = name

    def __get__(self, module: Any, owner: type) -> Any:
        return self if module is None else module.__dict__["_call_hooks"].setdefault(self.kind, {})

    def __set__(self, module: Any, entries: Entries) -> None:
        module.__dict__["_call_hooks"][self.kind] = entries


def _all(module: Any, kind: str) -> list[tuple]:
    """The hooks of a kind that concern a module: those of all modules first."""
    return [*hooks_of(EVERYWHERE, kind), *hooks_of(module.__dict__["_call_hooks"], kind)]


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """`module.forward(*args, **kwargs)` with all hooks. Forward hooks marked `always_call` run even when something raised."""
    done: set[int] = set()
    try:
        return _call(module, args, kwargs, done)
    except Exception:
        for number, (hook, with_kwargs, always) in enumerate(_all(module, "_forward_hooks")):
            if always and number not in done:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise


def _call(module: Any, args: tuple, kwargs: dict, done: set[int]) -> Any:
    for hook, with_kwargs in _all(module, "_forward_pre_hooks"):
        if with_kwargs:
            changed = hook(module, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                args, kwargs = changed
        else:
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    before, after = _all(module, "_backward_pre_hooks"), _all(module, "_backward_hooks")
    watch = _Watch(module, before, after) if before or after else None
    if watch is not None and after:
        args = watch.inputs(args)
    result = module.forward(*args, **kwargs)
    for number, (hook, with_kwargs, _) in enumerate(_all(module, "_forward_hooks")):
        done.add(number)
        changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        if changed is not None:
            result = changed
    return result if watch is None else watch.outputs(result)


# ---------------------------------------------------------------------------------------------------------------- the backward


class _Watch:
    """One call of a module whose backward is watched: the gradients of its results are kept until those of its inputs are there."""

    def __init__(self, module: Any, before: list[tuple], after: list[tuple]) -> None:
        self.module, self.before, self.after = module, before, after
        self.grad_output: tuple = ()
        self.watched = 0
        self.of_inputs = self.of_outputs = _Places([], 0)

    def inputs(self, args: tuple) -> tuple:
        """The positional arguments, its tensors through a step of the tape that calls the hooks with their gradients."""
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.watched, self.of_inputs = sum(args[i].requires_grad for i in places), _Places(places, len(args))
        if not self.watched:
            return args
        passed = passed_through(self.left, *(args[i] for i in places))
        found = list(args)
        for i, tensor in zip(places, passed):
            found[i] = tensor
        return tuple(found)

    def outputs(self, result: Any) -> Any:
        """The result, its tensors through a step of the tape that sees their gradients first."""
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        places = [i for i, part in enumerate(parts) if isinstance(part, Tensor)]
        if not any(parts[i].requires_grad for i in places):
            return result
        self.of_outputs = _Places(places, len(parts))
        passed = passed_through(self.arrived, *(parts[i] for i in places))
        for i, tensor in zip(places, passed):
            parts[i] = tensor
        if not isinstance(result, (tuple, list)):
            return parts[0]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)

    def arrived(self, gradients: tuple) -> tuple:
        """The gradients of the results, which pre-hooks may change; None stands for results that are no tensors."""
        gradients = self.of_outputs.among(gradients)
        for (hook,) in self.before:
            changed = hook(self.module, gradients)
            if changed is not None:
                gradients = _in_place_of(gradients, changed, "Backward pre hook", "grad_output")
        self.grad_output = gradients
        if self.after and not self.watched:  # no input wants a gradient: the hooks are called now
            self.left(())
        return self.of_outputs.of(gradients)

    def left(self, gradients: tuple) -> tuple:
        """The gradients of the inputs, which hooks may change; None stands for inputs that are no tensors."""
        gradients = self.of_inputs.among(gradients)
        for (hook,) in self.after:
            changed = hook(self.module, gradients, self.grad_output)
            if changed is not None:
                gradients = _in_place_of(gradients, changed, "Backward hook", "grad_input")
        return self.of_inputs.of(gradients)


class _Places(NamedTuple):
    """Which of a module's arguments (or results) are tensors, and how many there are."""

    places: list[int]
    total: int

    def among(self, gradients: tuple) -> tuple:
        """The tensors' gradients (all None where there are none), with None at the other places."""
        found: list = [None] * self.total
        for place, gradient in zip(self.places, gradients):
            found[place] = gradient
        return tuple(found)

    def of(self, gradients: tuple) -> tuple:
        """The tensors' gradients among all."""
        return tuple(gradients[place] for place in self.places)


def _in_place_of(gradients: tuple, changed: Any, what: str, name: str) -> tuple:
    """What a hook returned, as a tuple. Raises RuntimeError unless there are as many as there were gradients."""
    found = changed if isinstance(changed, tuple) else (changed,)
    if len(found) != len(gradients):
        raise RuntimeError(f"{what} returned an invalid number of {name}, got {len(found)}, but expected {len(gradients)}")
    return found


def passed_through(function: Callable[[tuple], tuple], *tensors: Tensor) -> tuple:
    """The tensors as they are; their gradients, None where nothing came, go through `function` on their way back."""
    if not STATE.enabled:
        return tensors
    edges = [(x if x._edge is None else x._edge) if x.requires_grad else None for x in tensors]
    node = MultipleNode(edges, lambda gradients: function(tuple(gradients)), "BackwardHookFunctionBackward", len(tensors))
    found = tuple(Tensor._wrap(x._data, x._storage) for x in tensors)
    for index, x in enumerate(found):
        if x.dtype.is_floating_point or x.dtype.is_complex:
            x._edge, x._requires_grad = Part(node, index), True
    return found


# ---------------------------------------------------------------------------------------------------------------- hooks of all modules


def _everywhere(kind: str, hook: Callable, *flags: Any) -> RemovableHandle:
    return add_hook(EVERYWHERE, kind, hook, False, *flags)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before each forward of every module."""
    return _everywhere("_forward_pre_hooks", hook, False)


def register_module_forward_hook(hook: Callable, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """Call `hook(module, args, result)` after each forward of every module."""
    return _everywhere("_forward_hooks", hook, with_kwargs, always_call)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` when the gradients of any module's results are there."""
    return _everywhere("_backward_pre_hooks", hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when the gradients of any module's inputs are there."""
    return _everywhere("_backward_hooks", hook)


register_module_backward_hook = register_module_full_backward_hook
