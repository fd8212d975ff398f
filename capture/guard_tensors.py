"""The guards about tensors, and about several values at once: layout, shared memory, same objects, relations of sizes. See guards.py for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .guard_kinds import Guard
from .relations import evaluate, program_of, program_text
from .sources import MISSING, Source, array_of


@dataclass(frozen=True, slots=True, eq=False)
class TensorMatch(Guard):
    """Type, dtype, shape, strides, requires_grad and device of a tensor (a value with `_data`) or of a plain array, read without running Python.

    shape, strides: a tuple with None where anything goes, strides in elements. `strides` may be None (anything), or "contiguous" (row by row,
    whatever the sizes). `requires_grad` and `writeable`: True, False or None. `array_type` is the exact type of the array behind the tensor.
    """

    kind: ClassVar[str] = "tensor"
    source: Source
    type: type
    dtype: np.dtype
    shape: tuple[int | None, ...]
    strides: tuple[int | None, ...] | str | None = "contiguous"
    requires_grad: bool | None = None
    writeable: bool | None = None
    device: str = "cpu"
    array_type: type = np.ndarray

    @classmethod
    def of(cls, source: Source, tensor: Any, dynamic: Iterable[int] = (), writeable: bool | None = None) -> TensorMatch:
        """The guard that a tensor or array itself passes; sizes of the `dynamic` dimensions, and then strides of a contiguous one, are free."""
        array = array_of(tensor)
        free = {dim % array.ndim for dim in dynamic}
        if free and array.flags.c_contiguous:
            strides: tuple[int | None, ...] | str | None = "contiguous"
        elif any(step % array.itemsize for step in array.strides):
            raise ValueError(f"{source.text()} has strides {array.strides} in bytes, no multiple of its item size {array.itemsize}")
        else:
            strides = tuple(None if free else step // array.itemsize for step in array.strides)
        return cls(
            source, type(tensor), array.dtype, tuple(None if dim in free else size for dim, size in enumerate(array.shape)), strides,
            None if array is tensor else bool(tensor.requires_grad), writeable, str(getattr(tensor, "device", "cpu")), type(array),
        )  # fmt: skip

    @property
    def argument(self) -> Any:
        contiguous = self.strides == "contiguous"
        strides = None if contiguous or self.strides is None else self.strides
        return (self.type, self.dtype, self.shape, strides, contiguous, self.requires_grad, self.writeable, self.array_type, self.device)

    def text(self) -> str:
        shape = ", ".join("*" if size is None else str(size) for size in self.shape) + ("," if len(self.shape) == 1 else "")
        strides = "" if self.strides is None else f", strides={self.strides}"
        grad = "" if self.requires_grad is None else f", requires_grad={self.requires_grad}"
        writeable = "" if self.writeable is None else f", writeable={self.writeable}"
        device = "" if self.device == "cpu" else f", device={self.device!r}"
        return f"{self.source.text()}: {self.type.__name__}({self.dtype}, ({shape}){strides}{grad}{writeable}{device})"

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
        if self.strides == "contiguous":
            if not array.flags.c_contiguous:
                return f"strides {array.strides} in bytes"
        elif self.strides is not None and any(w is not None and w * array.itemsize != s for w, s in zip(self.strides, array.strides, strict=True)):
            return f"strides {array.strides} in bytes"
        if self.requires_grad is not None and bool(value.requires_grad) is not self.requires_grad:
            return f"requires_grad={value.requires_grad}"
        if self.writeable is not None and array.flags.writeable is not self.writeable:
            return f"writeable={array.flags.writeable}"
        if self.device != "cpu" and str(value.device) != self.device:
            return f"device {value.device}"
        return ""

    def failure(self, frame: Any) -> str:
        value = self.source.fetch(frame)
        return f"{self.text()}: now {'nothing' if value is MISSING else self.mismatch(value) or 'the same'}"


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

    def failure(self, frame: Any) -> str:
        values = [path.fetch(frame) for path in self.paths]
        lost = [path.text() for path, value in zip(self.paths, values) if value is MISSING]
        if lost:
            return f"{self.text()}: now {', '.join(lost)} cannot be reached"
        try:
            groups = self.partition(values)
        except Exception as error:  # one of them is no array any more
            return f"{self.text()}: now {type(error).__name__}: {error}"
        return f"{self.text()}: now {type(self)(self.paths, groups)._listed()}"


@dataclass(frozen=True, slots=True, eq=False)
class Aliasing(_Partition):
    """Which tensors share memory: they do when the spans of addresses from first to last byte overlap, directly or through a third."""

    kind: ClassVar[str] = "aliasing"

    @staticmethod
    def spans(values: Sequence[Any]) -> list[tuple[int, int]]:
        arrays = [array_of(value) for value in values]
        return [(0, 0) if array.size == 0 else byte_bounds(array) for array in arrays]

    def text(self) -> str:
        return f"share memory: {self._listed()}"


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
