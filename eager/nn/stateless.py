"""Modules as functions of their parameters: calls with other tensors in the places of parameters and buffers.

In come a module and tensors by name, out goes what the module computes with them. The one idea: the registries are plain dicts, so a call swaps their
entries, runs, and puts the old ones back; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import functional as F
from ..autograd.mode import STATE
from ..errors import error
from ..tensor import Tensor
from ..transforms.calls import compiled_as
from .module import Module

Place = tuple[dict, str, str]  # a registry, the name in it, the name from the root


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other tensors in the places of its parameters and buffers, by name; afterwards it is as it was.

    `args` is a tuple of arguments, or one that is no tuple. With `tie_weights`, a name stands for all names of the same tensor. With `strict`, every
    parameter and buffer must be given. Raises KeyError for a name that the module does not have (RuntimeError with `strict`), ValueError for one given
    twice, all before anything is changed. What the module assigns to a buffer in the call is put into the dict.

    >>> import segue
    >>> layer = segue.nn.Linear(2, 1, bias=False)
    >>> functional_call(layer, {"weight": segue.ones(1, 2)}, segue.tensor([[3.0, 4.0]]))
    tensor([[7.]])
    """
    named: dict[str, Tensor] = {}
    listed = [parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, dict) else parameter_and_buffer_dicts
    for each in listed:
        for name, value in each.items():
            if name in named:
                raise error(ValueError, f"functional_call(): {name} appears in multiple dictionaries; behavior of functional call is ambiguous")
            named[name] = value
    given = args if isinstance(args, tuple) else () if args is None else (args,)
    swaps = _swaps(module, named, tie_weights, strict)
    whole = _compiled_whole(module, tie_weights)
    result, assigned = _swapped(module, swaps, named, given, kwargs or {}) if whole is None else whole(named, given, kwargs or {})
    for each in listed:
        each.update((name, value) for name, value in assigned.items() if name in each)
    return result


def _compiled_whole(module: Module, tie_weights: bool) -> Callable | None:
    """Where transforms run eagerly, the call of a compiled module as a compiled function of all that it reads: the tensors in the places of parameters are of the
    transforms' levels, which only operands may be. Captured code, of which this is no part (capture/interp/transforms.py), reads them as they are."""
    if not STATE.levels or STATE.tracers:
        return None

    def call(named: dict[str, Tensor], args: tuple, kwargs: dict) -> tuple[Any, dict[str, Tensor]]:
        return _swapped(module, _swaps(module, named, tie_weights, False), named, args, kwargs)

    return compiled_as(call, module._compiled_call)


def _swapped(module: Module, swaps: list[Place], named: dict[str, Tensor], args: tuple, kwargs: dict) -> tuple[Any, dict[str, Tensor]]:
    """The result, and by name what the module assigned in place of what it was given."""
    before = [registry[key] for registry, key, _ in swaps]
    assigned: dict[str, Tensor] = {}
    for registry, key, name in swaps:
        registry[key] = named[name]
    try:
        return module(*args, **kwargs), assigned
    finally:
        for (registry, key, name), old in zip(swaps, before):
            if registry[key] is not named[name]:
                assigned[name] = registry[key]
            registry[key] = old


def _swaps(module: Module, named: dict[str, Tensor], tie_weights: bool, strict: bool) -> list[Place]:
    """Each place that gets another tensor, with the name under which that was given."""
    places = _places(module, "")
    by_name = {name: (registry, key) for registry, key, name in places}
    for name in named:
        if name not in by_name:
            raise error(RuntimeError if strict else KeyError, f"functional_call(): {name} is no parameter or buffer of {type(module).__name__}")
    found = [(*by_name[name], name) for name in named]
    if tie_weights:
        for name in named:
            registry, key = by_name[name]
            for other, other_key, other_name in places:
                if other_name not in named and other[other_key] is registry[key]:
                    found.append((other, other_key, name))
    if strict and len(found) < len(places):
        tied = [(id(registry), key) for registry, key, _ in found]
        missing = [name for registry, key, name in places if (id(registry), key) not in tied]
        raise error(RuntimeError, f"functional_call(): missing keys with strict=True: {', '.join(missing)}")
    return found


def _places(module: Module, prefix: str) -> list[Place]:
    found: list[Place] = []
    for registry in (module._parameters, module._buffers):
        for key, value in registry.items():
            if value is not None:
                found.append((registry, key, prefix + key))
    for name, child in module._modules.items():
        if child is not None:
            found.extend(_places(child, f"{prefix}{name}."))
    return found


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of modules of one class, each stacked along a new first dimension: for an ensemble by `vmap`.

    The stacked parameters are leaves that require a gradient where the models' do. Raises RuntimeError for no models, for different classes or modes.

    >>> import segue
    >>> parameters, buffers = stack_module_state([segue.nn.Linear(3, 2) for _ in range(4)])
    >>> parameters["weight"].shape
    segue.Size([4, 2, 3])
    """
    models = list(models)
    if not models:
        raise error(RuntimeError, "stack_module_state: Expected at least one model, got 0.")
    if any(model.training is not models[0].training for model in models):
        raise error(RuntimeError, "stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(model) is not type(models[0]) for model in models):
        raise error(RuntimeError, "stack_module_state: Expected all models to be of the same class.")
    parameters = {name: _stacked([dict(model.named_parameters())[name] for model in models]) for name, _ in models[0].named_parameters()}
    buffers = {name: _stacked([dict(model.named_buffers())[name] for model in models]) for name, _ in models[0].named_buffers()}
    return parameters, buffers


def _stacked(tensors: list[Tensor]) -> Tensor:
    if any(x.requires_grad is not tensors[0].requires_grad for x in tensors):
        raise error(RuntimeError, "stack_module_state: Expected parameters of one name to have the same .requires_grad")
    return F.stack([x.detach() for x in tensors]).requires_grad_(tensors[0].requires_grad)
