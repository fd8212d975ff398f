"""Containers: modules and parameters in sequences and dicts, kept in a module's registries so that they are seen.

In come modules, out goes a module that is also a list or a dict. The one idea: a container has no storage of its own; it reads and
writes the registry under the names "0", "1" ... or the given keys.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter

Member = TypeVar("Member")


class _Listed(Module, Generic[Member]):
    """What Sequential, ModuleList and ParameterList share: members in the registry `_registry` under running numbers."""

    _registry = "_modules"

    def _members(self) -> dict[str, Any]:
        return self.__dict__[self._registry]

    def _key(self, index: int) -> str:
        """The name of the member at a position. Raises IndexError naming position and length."""
        position = operator.index(index)
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"index {position} is out of range for {type(self).__name__} of length {size}")
        return list(self._members())[position]

    def _renumber(self, members: Iterable[Any]) -> None:
        held = self._members()
        fresh = {str(i): member for i, member in enumerate(members)}
        held.clear()
        held.update(fresh)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members().values())

    def __contains__(self, member: object) -> bool:
        return any(own is member for own in self._members().values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(*self._pack(list(self._members().values())[index]))
        return self._members()[self._key(index)]

    def __setitem__(self, index: int, member: Member) -> None:
        setattr(self, self._key(index), member)

    def __delitem__(self, index: int | slice) -> None:
        members = list(self._members().values())
        if isinstance(index, slice):
            del members[index]
        else:
            self._key(index)
            del members[index]
        self._renumber(members)

    def _pack(self, members: list) -> tuple:
        """The arguments that make a container of the same type with these members."""
        return (members,)

    def append(self, member: Member) -> Any:
        """Add a member at the end."""
        setattr(self, str(len(self)), member)
        return self

    def extend(self, members: Iterable[Member]) -> Any:
        """Add members at the end, in order."""
        for member in members:
            self.append(member)
        return self

    def insert(self, index: int, member: Member) -> None:
        """Add a member before a position."""
        members = list(self._members().values())
        members.insert(index, member)
        self._renumber(members)


class Sequential(_Listed[Module]):
    """Modules that run one after the other; made from modules or from one dict of names and modules.

    >>> from segue.eager import nn
    >>> Sequential(nn.Flatten(), nn.Linear(4, 2))
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=4, out_features=2, bias=True)
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], Mapping) else enumerate(modules)
        for name, module in named:
            self.add_module(str(name), module)

    def _pack(self, members: list) -> tuple:
        return tuple(members)

    def forward(self, input: Any) -> Any:  # noqa: A002
        """The last module's result."""
        for module in self:
            input = module(input)  # noqa: A001
        return input


class ModuleList(_Listed[Module]):
    """A list of modules; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)


class ParameterList(_Listed[Parameter]):
    """A list of parameters; tensors are wrapped in Parameter."""

    _registry = "_parameters"

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.extend(value if isinstance(value, Parameter) else Parameter(value) for value in values)

    def append(self, member: Tensor) -> Any:
        """Add a parameter at the end."""
        return super().append(member if isinstance(member, Parameter) else Parameter(member))

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): Parameter of shape {tuple(p.shape)}, {p.dtype}" for name, p in self._parameters.items() if p is not None)


class ModuleDict(Module):
    """A dict of modules; it has no forward of its own."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        return self._modules.pop(key)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add or replace modules by name."""
        for name, module in modules.items() if isinstance(modules, Mapping) else modules:
            self[name] = module
