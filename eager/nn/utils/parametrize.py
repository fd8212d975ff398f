"""Parametrisations: a parameter that is computed from others whenever it is read.

In come a module, the name of a parameter and a module that computes it; out goes the same object, whose class is now a subclass with a property in the parameter's place. The one idea: the
original is an ordinary parameter of an ordinary submodule, `module.parametrizations.NAME`, so that training, saving and moving need nothing new.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...autograd.mode import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_cache: list[dict[tuple[int, str], Tensor]] = []  # one entry while `cached()` is on


@contextmanager
def cached() -> Iterator[None]:
    """In this block each parametrised tensor is computed once."""
    if _cache:
        yield
        return
    _cache.append({})
    try:
        yield
    finally:
        _cache.pop()


class ParametrizationList(ModuleList):
    """The chain of parametrisations of one tensor, and what it starts from: `original`, or `original0`, `original1` ... for several tensors.

    Raises ValueError for parametrisations that change shape or dtype, unless `unsafe`.
    """

    def __init__(self, modules: list[Module], original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            start: Any = original
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):  # it says that it has none: the original is taken as it is
                        start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        for name, value in zip(self._originals(), [start] if self.is_tensor else start):
            if isinstance(original, Parameter):
                self.register_parameter(name, Parameter(value.detach(), original.requires_grad))
            else:
                self.register_buffer(name, value)
        if not unsafe:
            with no_grad():
                made = self()
            if tuple(made.shape) != tuple(original.shape) or made.dtype is not original.dtype:
                raise ValueError(
                    f"Registering a parametrization may not change the shape or dtype of the tensor, unless `unsafe` flag is enabled: from "
                    f"{tuple(original.shape)}, {original.dtype} to {tuple(made.shape)}, {made.dtype}"
                )

    def _originals(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrised tensor becomes `value`. Raises RuntimeError where a parametrisation has no right_inverse."""
        with no_grad():
            start: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                start = module.right_inverse(start)
            for name, part in zip(self._originals(), [start] if self.is_tensor else start):
                getattr(self, name).data.copy_(part)

    def forward(self) -> Tensor:
        value: Any = None
        for number, module in enumerate(self):
            if number:
                value = module(value)
            else:
                value = module(*[getattr(self, name) for name in self._originals()])
        return value


def _property(name: str) -> property:
    def read(self: Module) -> Tensor:
        if _cache:
            key = (id(self), name)
            if key not in _cache[0]:
                _cache[0][key] = self.parametrizations[name]()
            return _cache[0][key]
        return self.parametrizations[name]()

    def write(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def _deepcopy(self: Module, memo: dict) -> Module:
    made = type(self).__new__(type(self))
    memo[id(self)] = made
    made.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return made


def _no_pickle(self: Module) -> Any:
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has a parametrisation, or one of the given name."""
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """Compute a parameter or buffer by `parametrization` from now on; a second one is applied behind the first.

    A parametrisation's `right_inverse` (one tensor or a tuple of them), where it has one, gives what it starts from. Raises ValueError for a name that the
    module does not have, or a parametrisation that changes shape or dtype (unless `unsafe`).

    >>> from segue import nn, ones
    >>> class Doubled(nn.Module):
    ...     def forward(self, x):
    ...         return x * 2
    >>> layer = register_parametrization(nn.Linear(2, 1), "bias", Doubled())
    >>> list(layer.state_dict())
    ['weight', 'parametrizations.bias.original']
    """
    if is_parametrized(module, tensor_name):
        chain: Any = module.parametrizations[tensor_name]
        with no_grad():
            value = getattr(module, tensor_name)
            if hasattr(parametrization, "right_inverse"):
                chain.right_inverse(parametrization.right_inverse(value))
        chain.append(parametrization)
        return module
    if tensor_name in module._parameters:
        original = module._parameters[tensor_name]
    elif tensor_name in module._buffers:
        original = module._buffers[tensor_name]
    else:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    chain = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        base = type(module)
        module.__class__ = type(f"Parametrized{base.__name__}", (base,), {"__getstate__": _no_pickle, "__deepcopy__": _deepcopy})
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = chain
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Take the parametrisation away again: the tensor keeps its value, or, without `leave_parametrized`, its original.

    Raises ValueError for a tensor that has none, or whose original is several tensors.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain: Any = module.parametrizations[tensor_name]
    if not chain.is_tensor and not leave_parametrized:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of tensors.")
    first = getattr(chain, chain._originals()[0])
    with no_grad():
        value = getattr(module, tensor_name).detach().clone() if leave_parametrized else first.detach()
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if isinstance(first, Parameter):
        module.register_parameter(tensor_name, Parameter(value, first.requires_grad))
    else:
        module.register_buffer(tensor_name, value)
    if not is_parametrized(module):
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class without its parametrisations."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
