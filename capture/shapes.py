"""What `segue.compile(..., shapes=...)` says ahead about sizes: which are named and vary, within which bounds, and which are one number.

In comes what the user wrote, by parameter; out go, for each path to a tensor, a declaration of each of its dimensions: a `Dim`, an int, or None. The one idea: a
declaration is a promise of both sides. What is called with other sizes is refused, with the name and both numbers; and a program that needs a named size to be one number is
refused too, with the line that needs it.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..eager.errors import CaptureError
from ..eager.nn.module import Module
from ..eager.tensor import Tensor
from ..graph.expressions import sympy
from ..graph.symbolic import Guard, ShapeEnv, SymInt
from . import sources

Declared = dict[Any, tuple]  # path -> the declaration of each dimension


@dataclass(frozen=True)
class Dim:
    """A size that varies, between `min` and `max` (None: without end), both included. Sizes of one name are equal in each call.

    Raises ValueError for bounds that hold nothing. (PyTorch has it as `torch.export.Dim`.)

    >>> import segue
    >>> batch = segue.compiler.Dim("batch", max=64)
    >>> f = segue.compile(lambda x: x * 2, shapes={"x": (batch, 3)}, backend="eager")
    >>> f(segue.ones(5, 3)).shape, f(segue.ones(64, 3)).shape
    (segue.Size([5, 3]), segue.Size([64, 3]))
    >>> f(segue.ones(65, 3))
    Traceback (most recent call last):
    ...
    segue.eager.errors.CaptureError: shapes: size 0 of x is batch, between 0 and 64, but this call has 65
    """

    name: str
    min: int = 0
    max: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier() or keyword.iskeyword(self.name) or self.name in ("max", "min"):
            raise ValueError(f"Dim: the name must be an identifier other than max and min, got {self.name!r}")
        if self.min < 0 or (self.max is not None and self.max < self.min):
            raise ValueError(f"Dim: {self.name} has the bounds {self.min} and {self.max}, between which there is no size")

    def __str__(self) -> str:
        bounds = f", at least {self.min}" if self.max is None else f", between {self.min} and {self.max}"
        return self.name + (bounds if self.min or self.max is not None else "")


# -- reading what the user wrote -------------------------------------------------------------------------------------------


def declared(shapes: Any, target: Any) -> Declared:
    """The declarations for a function or a module. Raises TypeError for what is none, ValueError for a parameter that is not there or one name with two bounds."""
    if shapes is None:
        return {}
    if not isinstance(shapes, Mapping):
        raise TypeError(f"shapes takes a dict of parameters, such as {{'x': ('B', 16)}}, not {type(shapes).__name__}")
    found: Declared = {}
    for name, value in shapes.items():
        for path in paths_of(target, name):
            found.update(spread(path, value, name))
    dims: dict[str, Dim] = {}
    for dim in (dim for sizes in found.values() for dim in sizes if isinstance(dim, Dim)):
        if dims.setdefault(dim.name, dim) != dim:
            raise ValueError(f"shapes: {dim.name} is declared as {dims[dim.name]} and as {dim}")
    return found


def paths_of(target: Any, name: Any) -> list[Any]:
    """Where a parameter stands in the frame of a function, or in that of a module's call, which takes `args` and `kwargs`."""
    parameters = inspect.signature(target.forward if isinstance(target, Module) else target).parameters
    if name not in parameters:
        raise ValueError(f"shapes: there is no parameter {name!r}; there are {', '.join(parameters)}")
    if not isinstance(target, Module):
        return [sources.Local(name)]
    return [sources.Item(sources.Local("args"), list(parameters).index(name)), sources.DictValue(sources.Local("kwargs"), name)]


def spread(path: Any, value: Any, name: str) -> Iterator[tuple[Any, tuple]]:
    """The declarations in a value: the sizes of one tensor, or for a list, tuple or dict of tensors as many."""
    if isinstance(value, Mapping) and value and all(isinstance(key, int) for key in value):
        raise TypeError(f"shapes: {name} takes a tuple with an entry for each dimension, such as ('B', None), not {value!r}")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from spread(sources.DictValue(path, key), inner, f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)) and any(isinstance(entry, (tuple, list, Mapping)) for entry in value):
        for index, inner in enumerate(value):
            yield from spread(sources.Item(path, index), inner, f"{name}[{index}]")
    elif isinstance(value, (tuple, list)):
        yield path, tuple(entry_of(entry, name) for entry in value)
    else:
        raise TypeError(f"shapes: {name} takes a tuple with an entry for each dimension, such as ('B', 16), not {value!r}")


def entry_of(entry: Any, name: str) -> Any:
    if entry is None or isinstance(entry, Dim) or (type(entry) is int and entry >= 0):
        return entry
    if isinstance(entry, str):
        return Dim(entry)
    raise TypeError(f"shapes: a size of {name} is a name, a number, None or a Dim, not {entry!r}")


# -- keeping it ----------------------------------------------------------------------------------------------------------------


class Sizes:
    """The declarations while one attempt runs: the symbols that the names have by now, and where each was met first."""

    def __init__(self, shapes: Declared, env: ShapeEnv) -> None:
        self.shapes = shapes
        self.env = env
        self.symbols: dict[str, tuple[SymInt, str]] = {}

    def of(self, source: Any) -> tuple:
        return self.shapes.get(source, ())

    def apply(self, source: Any, tensor: Tensor, dims: dict[int, Any]) -> None:
        """Check a tensor, and take its declaration into account among the dimensions that become symbols. Raises CaptureError for sizes that were declared otherwise."""
        entries, name = self.of(source), source.text()
        if entries and len(entries) != tensor.ndim:
            raise CaptureError(f"shapes: {name} is declared with {len(entries)} sizes, but this call has a tensor of shape {list(tensor.shape)}")
        for place, (entry, size) in enumerate(zip(entries, tensor.shape)):
            if isinstance(entry, Dim):
                dims[place] = self.symbol(entry, size, place, name)
            elif entry is not None:
                dims.pop(place, None)
                if size != entry:
                    raise CaptureError(f"shapes: size {place} of {name} is declared as {entry}, but this call has {size}")

    def symbol(self, dim: Dim, size: int, place: int, name: str) -> SymInt:
        if size < dim.min or (dim.max is not None and size > dim.max):
            raise CaptureError(f"shapes: size {place} of {name} is {dim}, but this call has {size}")
        known = self.symbols.get(dim.name)
        if known is not None:
            if known[0].hint != size:
                raise CaptureError(f"shapes: {dim.name} is {known[0].hint} by {known[1]}, but size {place} of {name} is {size}")
            return known[0]
        high = {} if dim.max is None else {"high": dim.max}
        made = self.env.new_symbol(size, dim.name, dim.min, **high)
        for kind, bound in ((sympy.Ge, dim.min), (sympy.Le, dim.max)):
            if bound:
                self.env.restore(Guard(kind(made.expr, bound, evaluate=False), "shapes"))
        self.symbols[dim.name] = made, f"size {place} of {name}"
        return made

    def check(self, source: Any, shape: tuple, why: Callable[[Any], str]) -> None:
        """Raise CaptureError where a named size had to become a number."""
        for place, (entry, size) in enumerate(zip(self.of(source), shape)):
            if isinstance(entry, Dim) and entry.min != entry.max and self.env.is_static(size):
                raise CaptureError(f"shapes: size {place} of {source.text()} is named {entry.name}, but it became one number: {why(size)}\n"
                                   "Instead: a number or None in its place, or a program that does not depend on the number")  # fmt: skip


__all__ = ["Declared", "Dim", "Sizes", "declared"]
