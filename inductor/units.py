"""Units of work and the memory that they read and write.

A `Unit` is something that is computed into memory of its own; a `Buffer` is that memory, or an input's; an `Operand` shows a buffer to a library call. The
one idea: these are plain records, filled by lowering, read by the scheduler, the memory plan and the code generator.
"""

from __future__ import annotations

from typing import Any

from ..graph.ir import Node
from .expressions import Index, dot, hint, product, same, size_of, strides_of, variables_of

POSITIONS = ("argmax", "argmin")


class Buffer:
    """A place in memory for one node's value.

    kind     input, constant, temporary, output, or written (an input's memory, which gets a new value)
    order    the order in which the dimensions lie in memory, outermost first; None: row-major (inputs have strides of their own)
    """

    __slots__ = ("name", "dtype", "elements", "kind", "node", "position", "offset", "shape", "order")

    def __init__(self, name: str, dtype: Any, elements: Any, kind: str, node: Node | None = None, position: int = 0, shape: tuple = ()) -> None:
        self.name = name
        self.dtype = dtype
        self.elements = elements
        self.kind = kind
        self.node = node
        self.position = position
        self.offset: Any = None
        self.shape = shape
        self.order: tuple[int, ...] | None = None

    @property
    def strides(self) -> tuple:
        """Elements from one place to the next in each dimension."""
        if self.kind in ("input", "constant") and self.node is not None:
            return tuple(size_of(s) for s in self.node.value.strides)
        if self.order is None:
            return strides_of(self.shape)
        strides: list[Any] = [0] * len(self.shape)
        step: Any = 1
        for dim in reversed(self.order):
            strides[dim] = step
            step = size_of(self.shape[dim] * step)
        return tuple(strides)

    def at(self, place: tuple[Index, ...]) -> Index:
        """The position, in elements, of the element at an index."""
        return dot(place, self.strides)

    @property
    def bytes(self) -> Any:
        return self.elements * self.dtype.itemsize

    def __repr__(self) -> str:
        return self.name


class Unit:
    """One piece of work. `domain`: the shape that it walks (a reduction's operand, a scatter's source, else the result's shape).

    reads     (unit, index in terms of `variables`) for every access to another unit's result; for units without a loop the index is None
    loads     buffers of inputs and constants that it reads
    checks    what may turn out wrong in it, such as an index out of range: descriptions, equal where the same values are held against the same bound
    """

    __slots__ = ("node", "kind", "domain", "dims", "variables", "reads", "loads", "cost", "stored", "number", "buffer", "operands", "trace_length", "input_reads",
                 "is_copy", "checks")  # fmt: skip

    def __init__(self, node: Node, kind: str, domain: tuple, dims: tuple[int, ...] = ()) -> None:
        self.node = node
        self.kind = kind
        self.domain = domain
        self.dims = dims  # of a reduction: the folded dimensions
        self.variables = variables_of(domain)
        self.reads: list[tuple[Unit, tuple[Index, ...] | None]] = []
        self.loads: list[Buffer] = []
        self.input_reads: list[tuple[Buffer, tuple[Index, ...] | None]] = []
        self.cost = 0
        self.stored = False
        self.number = -1
        self.buffer: Buffer | None = None
        self.operands: list[Operand] = []
        self.trace_length = 0
        self.checks: set[Any] = set()
        self.is_copy = False  # it copies the value that its node has elsewhere

    @property
    def memory(self) -> Buffer:
        """The buffer of its result, which the lowering has given it by the time that kernels are made."""
        assert self.buffer is not None, self
        return self.buffer

    @property
    def name(self) -> str:
        return self.node.name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.node.name}>"


SHORT_VECTOR = 8  # what is shorter than this is no dimension to walk by vectors
MANY = 64  # so many steps are worth a walk with strides in its place


def reduction_form(unit: Unit) -> str:
    """row: folds the innermost dimension, or leaves so short a one that vectors must go along the folded ones; column: folds outer ones only; full: folds all."""
    live = [d for d, size in enumerate(unit.domain) if size != 1]
    if not live or unit.node.target.lower.kind in POSITIONS:
        return "row"
    if all(d in unit.dims for d in live):
        return "full"
    if live[-1] in unit.dims:
        return "row"
    inner = product(unit.domain[d] for d in live[max((n for n, d in enumerate(live) if d in unit.dims), default=-1) + 1 :])
    folded = hint(product(unit.domain[d] for d in unit.dims))
    return "row" if type(inner) is int and inner < SHORT_VECTOR and folded >= MANY else "column"


def is_partial(unit: Unit) -> bool:
    """Whether a reduction folds rows: its kernel leaves one partial result for each chunk of rows."""
    return unit.kind == "reduction" and reduction_form(unit) != "row"


class Operand:
    """What a run-time call reads: a buffer, strides in elements for each dimension of the node, and an offset."""

    __slots__ = ("buffer", "shape", "strides", "offset", "dtype", "unit")

    def __init__(self, buffer: Any, shape: tuple, strides: tuple, offset: Any, dtype: Any, unit: Unit | None) -> None:
        self.buffer = buffer
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self.dtype = dtype
        self.unit = unit


def shape_of(node: Node) -> tuple:
    return tuple([size_of(size) for size in node.value.shape])


def is_contiguous(shape: tuple, strides: tuple) -> bool:
    if 0 in shape:
        return True
    expected: Any = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and not same(stride, expected):
            return False
        expected = size * expected
    return True
