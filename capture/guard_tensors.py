"""The guards about tensors, and about several values at once: layout, shared memory, same objects, relations of sizes. See guards.py for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..eager.cuda import bounds_of, is_real
from ..graph.inputs import Layout, is_dense, share_memory
from .guard_kinds import Guard
from .relations import evaluate, program_of, program_text
from .sources import MISSING, Source, array_of


@dataclass(frozen=True, slots=True, eq=False)
class TensorMatch(Guard):
    """Type, dtype, shape, strides, requires_grad and device of a tensor (a value with `_data`) or of a plain array, read without running Python.

    shape, strides: a tuple with None where anything goes, strides in elements; `strides` may be None as a whole. `order`, for sizes that are free, says
    that the array is dense: these dimensions, the innermost first, each stride the product of the sizes before it. A dimension of size 1 may have any stride, and so may all of no element.
    `requires_grad`, `leaf` (it came from no operation, and nobody hooks its gradient) and `writeable`: True, False or None. `array_type`: exact type of the array behind the tensor.
    """

    kind: ClassVar[str] = "tensor"
    source: Source
    type: Any  # the exact class
    dtype: np.dtype
    shape: tuple[int | None, ...]
    strides: tuple[int | None, ...] | None = None
    order: tuple[int, ...] | None = None
    requires_grad: bool | None = None
    leaf: bool | None = None
    writeable: bool | None = None
    device: str = "cpu"
    array_type: Any = np.ndarray

    @classmethod
    def of(cls, source: Source, tensor: Any, dynamic: Iterable[int] = (), writeable: bool | None = None, layout: Layout | None = None) -> TensorMatch:
        """The guard that a tensor or array itself passes. Sizes of the `dynamic` dimensions are free, and strides then follow them as `layout` says (see `Layout.of`).

        Raises ValueError for strides that are no multiple of the item size.
        """
        array = array_of(tensor)
        free = {dim % array.ndim for dim in dynamic}
        if any(step % array.itemsize for step in array.strides):
            raise ValueError(f"{source.text()} has strides {array.strides} in bytes, no multiple of its item size {array.itemsize}")
        real = tuple(step // array.itemsize for step in array.strides)
        layout = Layout.of(array.shape, real, free) if layout is None else layout
        requires_grad = None if array is tensor else bool(tensor.requires_grad)
        return cls(
            source, type(tensor), array.dtype, tuple(None if dim in free else size for dim, size in enumerate(array.shape)),
            layout.strides if layout.order is None else None, layout.order, requires_grad, is_plain_leaf(tensor) if requires_grad else None, writeable,
            str(getattr(tensor, "device", "cpu")), type(array),
        )  # fmt: skip

    @property
    def argument(self) -> Any:
        flags = (self.requires_grad, self.leaf, self.writeable)
        return (self.type, self.dtype, self.shape, self.strides, self.order, *flags, self.array_type, self.device)

    def text(self) -> str:
        shape = ", ".join("*" if size is None else str(size) for size in self.shape) + ("," if len(self.shape) == 1 else "")
        strides = "" if self.strides is None else f", strides={self.strides}"
        order = "" if self.order is None else f", dense in order {self.order}"
        flags = {"requires_grad": self.requires_grad, "leaf": self.leaf, "writeable": self.writeable}
        rest = "".join(f", {name}={flag}" for name, flag in flags.items() if flag is not None)
        device = "" if self.device == "cpu" else f", device={self.device!r}"
        return f"{self.source.text()}: {self.type.__name__}({self.dtype}, ({shape}){strides}{order}{rest}{device})"

    def holds(self, *values: Any) -> bool:
        return not self.mismatch(values[0])

    def mismatch(self, value: Any) -> str:
        """The first property that differs and its value; empty when all agree."""
        if type(value) is not self.type:
            return f"type {type(value).__name__}"
        array = array_of(value)
        if type(array) is not self.array_type:
            return f"array of type {type(array).__name__}"
        if array.dtype != self.dtype:
            return f"dtype {array.dtype}"
        if len(array.shape) != len(self.shape) or any(want is not None and want != size for want, size in zip(self.shape, array.shape)):
            return f"shape {tuple(array.shape)}"
        if not self.strides_hold(array.shape, array.strides, array.itemsize):
            return f"strides {array.strides} in bytes"
        if self.requires_grad is not None and bool(value.requires_grad) is not self.requires_grad:
            return f"requires_grad={value.requires_grad}"
        if self.leaf is not None and is_plain_leaf(value) is not self.leaf:
            return f"leaf={value.is_leaf}" + (", with hooks on its gradient" if getattr(value, "_hooks", None) else "")
        if self.writeable is not None and array.flags.writeable is not self.writeable:
            return f"writeable={array.flags.writeable}"
        if self.device != "cpu" and str(value.device) != self.device:
            return f"device {value.device}"
        return ""

    def strides_hold(self, shape: Sequence[int], strides: Sequence[int], step: int = 1) -> bool:
        """Whether strides, in units of which an element has `step`, are as they should be; those of dimensions of size 1, and of no element, do not matter."""
        wanted = [None if size == 1 else stride for size, stride in zip(shape, self.strides or ())]
        if 0 in shape:
            return True
        return (self.order is None or is_dense(shape, strides, self.order, step)) and all(w is None or w * step == s for w, s in zip(wanted, strides))

    def now(self, frame: Any) -> str:
        value = self.source.fetch(frame)
        return "nothing" if value is MISSING else self.mismatch(value) or "the same"


def is_plain_leaf(tensor: Any) -> bool:
    """Whether a tensor came from no operation and nobody hooks its gradient."""
    return bool(tensor.is_leaf) and not getattr(tensor, "_hooks", None)


@dataclass(frozen=True, slots=True, eq=False)
class _Partition(Guard):
    """Which of several values belong together: `groups[i] == groups[j]` exactly when i and j do. Groups are numbered by first appearance."""

    paths: tuple[Source, ...]
    groups: tuple[int, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.paths

    @property
    def argument(self) -> Any:
        return self.groups

    @classmethod
    def of(cls, sources: Sequence[Source], values: Sequence[Any]) -> Any:
        """The partition that these values have now."""
        return cls(tuple(sources), cls.partition(values))

    @staticmethod
    def spans(values: Sequence[Any]) -> list[tuple[int, int]]:
        """Half-open intervals of addresses; overlapping ones belong together."""
        raise NotImplementedError

    @classmethod
    def partition(cls, values: Sequence[Any]) -> tuple[int, ...]:
        """Group numbers: connected components of overlapping intervals; an empty interval is a group of its own."""
        spans = cls.spans(values)
        component, end, count = [0] * len(spans), -1, 0
        for position in sorted(range(len(spans)), key=spans.__getitem__):
            low, high = spans[position]
            if low == high:
                component[position] = -1 - position
                continue
            count += low >= end
            end = max(end, high) if low < end else high
            component[position] = count
        names: dict[int, int] = {}
        return tuple(names.setdefault(each, len(names)) for each in component)

    def holds(self, *values: Any) -> bool:
        return self.partition(values) == self.groups

    def _listed(self) -> str:
        together: dict[int, list[str]] = {}
        for path, group in zip(self.paths, self.groups):
            together.setdefault(group, []).append(path.text())
        return ", ".join("{" + ", ".join(names) + "}" for names in together.values())

    def now(self, frame: Any) -> str:
        values = [path.fetch(frame) for path in self.paths]
        lost = [path.text() for path, value in zip(self.paths, values) if value is MISSING]
        if lost:
            return f"{', '.join(lost)} cannot be reached"
        try:
            groups = self.partition(values)
        except Exception as error:  # one of them is no array any more
            return f"{type(error).__name__}: {error}"
        return type(self)(self.paths, groups)._listed()


@dataclass(frozen=True, slots=True, eq=False)
class Aliasing(_Partition):
    """Which tensors share memory: they do when the spans of addresses from first to last byte overlap, directly or through a third."""

    kind: ClassVar[str] = "aliasing"

    @staticmethod
    def spans(values: Sequence[Any]) -> list[tuple[int, int]]:
        arrays = [array_of(value) for value in values]
        if not all(map(is_real, arrays)):
            raise TypeError("one of them holds no values")
        return [bounds_of(array) for array in arrays]

    def text(self) -> str:
        return f"share memory: {self._listed()}"


def apart(one: Any, other: Any) -> bool:
    """Whether two tensors whose stretches of memory meet share no element all the same, as columns of one matrix."""
    return not share_memory(array_of(one), array_of(other))


@dataclass(frozen=True, slots=True, eq=False)
class SameObjects(_Partition):
    """Which paths lead to one and the same object."""

    kind: ClassVar[str] = "same_objects"

    @staticmethod
    def spans(values: Sequence[Any]) -> list[tuple[int, int]]:
        return [(id(value), id(value) + 1) for value in values]

    def text(self) -> str:
        return f"same objects: {self._listed()}"


@dataclass(frozen=True, slots=True, eq=False)
class SizeRelation(Guard):
    """A relation between sizes. `inputs` are paths to ints (`Size`, `Stride`, `Length`, an int argument); `program` is postfix: relations.py."""

    kind: ClassVar[str] = "relation"
    inputs: tuple[Source, ...]
    program: tuple[tuple[str, int], ...]
    label: str = ""  # the user's line that made it

    @classmethod
    def from_sympy(cls, relation: Any, bindings: dict[str, Source], label: str = "") -> SizeRelation:
        """From a sympy relation or boolean over integer symbols; `bindings` says where each symbol is read. Raises KeyError or TypeError."""
        names, program = program_of(relation)
        return cls(tuple(bindings[name] for name in names), program, label)

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.inputs

    @property
    def argument(self) -> Any:
        return self.program

    def text(self) -> str:
        said = f"  # {self.label}" if self.label else ""
        return program_text(self.program, [source.text() for source in self.inputs]) + said

    def holds(self, *values: Any) -> bool:
        return all(type(value) is int for value in values) and bool(evaluate(self.program, values))
