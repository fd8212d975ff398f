"""Containers: modules and parameters in sequences and dicts, kept in a module's registries so that they are seen.

In come modules, out goes a module that is also a list or a dict. The one idea: a container has no storage of its own; it reads and
writes the registry under the names "0", "1" ... or the given keys.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter

Member = TypeVar("Member")


class _Listed(Module, Generic[Member]):
    """What Sequential and ModuleList share: members in the registry under running numbers."""

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

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(*self._pack(list(self._members().values())[idx]))
        return self._members()[self._key(idx)]

    def __setitem__(self, idx: int, module: Member) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        members = list(self._members().values())
        if isinstance(idx, slice):
            del members[idx]
        else:
            self._key(idx)
            del members[idx]
        self._renumber(members)

    def _pack(self, members: list) -> tuple:
        """The arguments that make a container of the same type with these members."""
        return (members,)

    def append(self, module: Member) -> Any:
        """Add a member at the end."""
        self.add_module(str(len(self)), cast(Any, module))  # None holds its place, as PyTorch's does
        return self

    def _insert(self, index: int, module: Any) -> None:
        members = list(self._members().values())
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}.insert(): module should be of type Module, not {type(module).__name__}")
        members.insert(index, module)
        self._renumber(members)

    def _extend(self, members: Iterable[Any]) -> Any:
        for member in members:
            self.append(member)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove the member at a position and return it."""
        member = self[key]
        del self[key]
        return member

    def __add__(self, other: Iterable[Member]) -> Any:
        return type(self)(*self._pack([*self, *other]))

    def __iadd__(self, other: Iterable[Member]) -> Any:
        return self._extend(other)

    def __reversed__(self) -> Iterator[Member]:
        return reversed(list(self))


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

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self).__name__} and {type(times).__name__}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self).__name__}")
        return type(self)(*[module if number == 0 else copy.deepcopy(module) for number in range(times) for module in self])

    __rmul__ = __mul__

    def extend(self, sequential: Iterable[Module]) -> Sequential:
        """Add modules at the end, in order."""
        return self._extend(sequential)

    def insert(self, index: int, module: Module) -> Sequential:
        """Add a module before a position. Raises IndexError for a position outside, TypeError for what is no module."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}, of {len(self)} modules")
        self._insert(index, module)
        return self

    def forward(self, input: Any) -> Any:
        """The last module's result."""
        for module in self:
            input = module(input)  # noqa: A001
        return input


class ModuleList(_Listed[Module]):
    """A list of modules; it has no forward of its own. Neighbours that print alike are printed once."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end, in order."""
        return self._extend(modules)

    def insert(self, index: int, module: Module) -> None:
        """Add a module before a position, as `list.insert` does. Raises TypeError for what is no module."""
        self._insert(index, module)

    def __repr__(self) -> str:
        groups: list[tuple[str, list[int]]] = []
        for number, module in enumerate(self):
            text = repr(module)
            if groups and groups[-1][0] == text:
                groups[-1][1].append(number)
            else:
                groups.append((text, [number]))
        if not groups:
            return f"{self._get_name()}()"
        lines = []
        for text, members in groups:
            text = text.replace("\n", "\n  ")
            first, last = members[0], members[-1]
            lines.append(f"({first}): {text}" if first == last else f"({first}-{last}): {len(members)} x {text}")
        return "\n  ".join([f"{self._get_name()}(", *lines]) + "\n)"


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _line(name: str, value: Any) -> str:
    if isinstance(value, Tensor):
        return f"  ({name}): {'Parameter' if isinstance(value, Parameter) else 'Tensor'} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
    return f"  ({name}): Object of type: {type(value).__name__}"


class _Held(Module):
    """Values under names: tensors as parameters in the registry, anything else as plain attributes, in the order of `_order`."""

    def __init__(self) -> None:
        super().__init__()
        self._order: dict[str, None] = {}

    def _put(self, name: str, value: Any) -> None:
        self._order[name] = None
        setattr(self, name, _as_parameter(value))

    def _drop(self, name: str) -> None:
        del self._order[name]
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._order)

    def extra_repr(self) -> str:
        return "\n".join(_line(name, getattr(self, name)) for name in self._order)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{type(self).__name__} should not be called.")


class ParameterList(_Held):
    """A list of parameters; tensors are wrapped in Parameter, other values are kept as they are."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def _name(self, index: int) -> str:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"index {position} is out of range for {type(self).__name__} of length {len(self)}")
        return str(position % len(self))

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return getattr(self, self._name(idx))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, self._name(idx), _as_parameter(param))

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, name) for name in self._order])

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end, in order."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend


class ParameterDict(_Held):
    """A dict of parameters, in the order of insertion; tensors are wrapped in Parameter, other values are kept as they are."""

    def __init__(self, parameters: Mapping[str, Any] | Iterable[Any] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def __getitem__(self, key: str) -> Any:
        if str(key) not in self._order:
            raise KeyError(key)
        return getattr(self, str(key))

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(str(key), value)

    def __delitem__(self, key: str) -> None:
        self._drop(str(key))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._order))

    def __contains__(self, key: object) -> bool:
        return key in self._order

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._order))

    def __or__(self, other: ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        both = other.copy()
        both.update(self)
        return both

    def __ior__(self, other: ParameterDict) -> ParameterDict:
        self.update(other)
        return self

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another dict, with these names and one value for all."""
        return ParameterDict(dict.fromkeys(keys, default))

    def popitem(self) -> tuple[str, Any]:
        """Remove the last name and value and return them. Raises KeyError where there is none."""
        if not self._order:
            raise KeyError("popitem(): the ParameterDict is empty")
        name = list(self._order)[-1]
        return name, self.pop(name)

    def keys(self) -> Iterable[str]:
        """The names."""
        return list(self._order)

    def values(self) -> Iterable[Any]:
        """The values."""
        return [getattr(self, name) for name in self._order]

    def items(self) -> Iterable[tuple[str, Any]]:
        """Names and values."""
        return [(name, getattr(self, name)) for name in self._order]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or a default."""
        return getattr(self, key) if key in self._order else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a name, which is set to a default first where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Remove a value and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all values."""
        for name in list(self._order):
            self._drop(name)

    def update(self, parameters: Any) -> None:
        """Add or replace values by name: from a mapping, or pairs."""
        for name, value in parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters:
            self[name] = value


class ModuleDict(Module):
    """A dict of modules; it has no forward of its own."""

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or ())

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
        for name, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[name] = module

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()
