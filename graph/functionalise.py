"""Functionalisation: traced memory, its views, and what a write to any of them means for all.

In come reads and in-place writes of traced arrays; out go functional nodes only. The one idea: a `TracedStorage` holds the node that is its
memory's value now. A write through a view replaces the viewed part of that value (by the view rows' inverses) and moves the storage on to the new
node; every other view sees it because a view is a chain of steps, replayed on the storage's node when the view is next read.

Writes and derivatives: eager lets a write under `no_grad()`, or through `detach()`, change a tensor's data but not its place on the tape. The row
`assign` says just that (value of the one, history of the other), so that the derivative of a graph is that of the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..eager.autograd.mode import STATE
from ..eager.dtypes import from_numpy_dtype
from ..eager.errors import CaptureError, InplaceError, error
from ..eager.ops.definition import OPS, Scalar, define
from ..eager.tensor import Storage, Tensor
from ..eager.viewing import replace_view
from .ir import FakeValue, Node, ViewStep
from .sharing import copied_unless, without_guards
from .symbolic import hint_of, structural_key


class TracedStorage:
    """The memory behind traced arrays: the node that is its value now, and how often it was written."""

    __slots__ = ("node", "version", "strides", "input", "views", "shared", "alike")

    def __init__(self, node: Node, strides: tuple, is_input: bool = False) -> None:
        self.node = node
        self.version = 0
        self.strides = strides
        self.input = node if is_input else None
        self.views: dict[tuple[int, ...], Node] = {}  # chain -> its node at this version
        self.shared: str | None = None  # why it must not be written: eager mode would have written other memory, too
        self.alike: list[tuple[TracedStorage, Any]] = []  # storages that eager mode might have one memory for with this one, see sharing.py


class TracedArray:
    """What stands in a tensor's `_data` while a graph is traced: a shape (ints or SymInts), NumPy dtype, strides in elements, and a node."""

    __slots__ = ("tracer", "shape", "dtype", "element_strides", "storage", "chain", "start", "__weakref__")
    is_traced = True

    def __init__(self, tracer: Any, shape: tuple, dtype: np.dtype, strides: tuple, storage: TracedStorage, chain: tuple[ViewStep, ...] = (), start: Any = 0) -> None:
        self.tracer = tracer
        self.shape = shape
        self.dtype = dtype
        self.element_strides = strides
        self.storage = storage
        self.chain = chain
        self.start = start  # which byte of the storage it begins at

    @property
    def node(self) -> Node:
        """The node that computes this array's value as it is now."""
        return current_node(self)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def strides_in_elements(self) -> tuple:
        return self.element_strides

    @property
    def segue_device(self) -> Any:
        return self.storage.node.value.device

    def stride(self, dim: int | None = None) -> Any:
        return self.element_strides if dim is None else self.element_strides[dim]

    def copied_unless(self, input: Tensor, shares: Any) -> Tensor:
        """See `sharing.copied_unless`."""
        return copied_unless(input, shares)

    def surely(self, question: Any) -> bool:
        """Whether the answer to a question about sizes is yes whatever they are; makes no guard."""
        return bool(without_guards(self.tracer, question))

    def __repr__(self) -> str:
        return f"<TracedArray {self.storage.node.name}{''.join(f'.{step}' for step in self.chain)} {self.dtype}{list(self.shape)}>"


class Layout:
    """What a view row's `strides` facet reads of its input."""

    __slots__ = ("shape", "strides_in_elements", "dtype")

    def __init__(self, shape: tuple, strides: tuple, dtype: Any = None) -> None:
        self.shape = shape
        self.strides_in_elements = strides
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def stride(self, dim: int | None = None) -> Any:
        return self.strides_in_elements if dim is None else self.strides_in_elements[dim]


def view_strides(op: Any, shape: tuple, strides: tuple, attributes: tuple, dtype: Any) -> tuple | None:
    """Strides of a view of a memory of this layout, or None where it would need a copy."""
    if op.strides is None:
        return strides
    found = op.strides(Layout(shape, strides, dtype), *attributes)
    return None if found is None else tuple(found)


_SKIPS: dict[str, Callable] = {
    "select": lambda strides, dim, index: index * strides[dim],
    "slice": lambda strides, dim, start, stop, step: start * strides[dim],
    "diagonal": lambda strides, offset, dim1, dim2: offset * strides[dim2] if offset > 0 else -offset * strides[dim1],
    "as_strided": lambda strides, size, stride, offset: offset,
    "imag": lambda strides: 1,
}


def skipped(op: Any, strides: tuple, attributes: tuple) -> Any:
    """How many elements of the result lie before a view, counted from the start of what is viewed."""
    return _SKIPS[op.name](strides, *attributes) if op.name in _SKIPS else 0


def view_node(tracer: Any, step: ViewStep, source: Node, shape: tuple, dtype: Any) -> Node:
    """The node of one view step on a node. A value whose layout does not allow the view is copied first."""
    value: FakeValue = source.value
    strides = view_strides(step.op, value.shape, value.strides, step.attributes, value.dtype)
    if strides is None:
        source = tracer.add_copy(source)
        strides = view_strides(step.op, value.shape, source.value.strides, step.attributes, value.dtype)
        assert strides is not None, f"{step} is not possible on a contiguous value"
    made = FakeValue(shape, dtype, strides, value.device)
    return tracer.add(step.op, (source, *step.attributes), made, differentiable=step.differentiable and step.op.name != "detach")


def current_node(array: TracedArray) -> Node:
    """The node of an array now: its storage's, with the chain of views replayed where a write made the old one stale."""
    storage = array.storage
    node = storage.node
    key: tuple[int, ...] = ()
    for step in array.chain:
        key = (*key, id(step))
        found = storage.views.get(key)
        if found is None:
            fake = Tensor._wrap(TracedArray(array.tracer, node.value.shape, node.value.dtype.numpy, node.value.strides, storage), Storage())
            shape, dtype = tuple(step.op.shape(fake, *step.attributes)), step.op.dtype(fake, *step.attributes)
            found = storage.views[key] = view_node(array.tracer, step, node, shape, dtype)
        node = found
    return node


def overlaps_itself(shape: tuple, strides: tuple) -> bool:
    """Whether two indices of memory in this layout name one place in memory (as in an expanded or overlapping unfolded view); makes guards where sizes that vary decide."""
    dims = sorted(zip(strides, shape), key=lambda dim: (hint_of(dim[0]), hint_of(dim[1]) != 1))
    if structural_key(_dense([size for _, size in dims])) == structural_key([stride for stride, _ in dims]):
        return False
    reach: Any = 0
    for stride, size in dims:
        if (type(size) is int and size < 2) or stride > reach:
            reach = reach + stride * (size - 1)
        elif size > 1:
            return True
    return False


def _dense(sizes: Sequence[Any]) -> list[Any]:
    """The strides of dense memory, the innermost first."""
    strides: list[Any] = [1]
    for size in sizes[:-1]:
        strides.append(size * strides[-1])
    return strides[: len(sizes)]


def write(tracer: Any, array: TracedArray, new: Any) -> None:
    """Put `new` (a traced or real array of the same shape) into the memory behind `array`. Raises InplaceError where memory overlaps."""
    if overlaps_itself(array.shape, array.element_strides) or _is_part_of_repeated(array):
        raise error(
            InplaceError,
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location",
            "clone() the tensor before writing to it",
        )
    storage = array.storage
    tracer.before_write(storage)
    old = storage.node
    if array.chain and storage.input is not None and overlaps_itself(old.value.shape, storage.strides):
        raise error(CaptureError, "an input is written through a view of it, and several of its elements are one place in memory", "clone() it first")
    tracked = STATE.enabled and not any(step.op.name == "detach" or not step.differentiable for step in array.chain)
    source = new if isinstance(new, TracedArray) else tracer.constant(new)
    with tracer.recording(tracked):
        value = Tensor._wrap(_detached(tracer, source), Storage())
        if source.dtype != array.dtype:
            value = OPS["cast"](value, from_numpy_dtype(array.dtype))
        if array.chain:
            base = Tensor._wrap(_memory(tracer, old, storage.strides), Storage())
            value = replace_view(base, tuple((step.op, step.attributes) for step in array.chain), value)
    node = current_node(value._data)
    if old in tracer.carries_gradient and (not tracked or node not in tracer.carries_gradient):
        with tracer.recording(True):
            node = tracer.add(OPS["overwrite"] if tracked else ASSIGN, (old, node), node.value.dense())
    storage.node = node
    storage.version += 1
    storage.views = {}


def forget_history(x: Tensor) -> Tensor:
    """`x.detach_()` of a tensor that the graph made: its memory goes on without the derivative. Raises CaptureError for a view, and for memory from outside."""
    array = x._data
    if array.chain or array.storage.input is not None:
        raise error(CaptureError, "detach_() of a view, or of a tensor from outside", "x = x.detach()")
    node = array.node
    array.storage.node = array.tracer.add(OPS["detach"], (node,), node.value, differentiable=False)
    array.storage.views = {}
    return x.detach_()


def _is_part_of_repeated(array: TracedArray) -> bool:
    """Whether an array is a view of an expanded one, which cannot be written to in eager mode either."""
    current_node(array)
    chain = array.chain
    repeated = (array.storage.views[tuple(map(id, chain[: i + 1]))].value for i, step in enumerate(chain) if step.op.name == "expand")
    return any(overlaps_itself(value.shape, value.strides) for value in repeated)


def constants(tracer: Any, arrays: Sequence[Any]) -> list[TracedArray]:
    """Real arrays as constants of the graph. Those that lie in the memory of one array are views of one constant, so that they go on sharing it."""
    owners = [_owner(array) for array in arrays]
    counts = Counter(map(id, owners))
    kept: dict[int, TracedArray] = {}
    found = []
    for array, owner in zip(arrays, owners):
        if counts[id(owner)] == 1:
            found.append(tracer.constant(array))
            continue
        memory = kept[id(owner)] = kept.get(id(owner)) or tracer.constant(owner)
        strides = tuple(stride // array.itemsize for stride in array.strides)
        offset = (array.ctypes.data - owner.ctypes.data) // array.itemsize
        whole = array.shape == owner.shape and strides == memory.element_strides
        found.append(memory if whole else tracer.record(OPS["as_strided"], (memory, array.shape, strides, offset), array.shape, array.dtype))
    return found


def _owner(array: Any) -> Any:
    """The array whose memory an array stands in, if it could be viewed from there; else the array itself."""
    owner = below = array
    while (below := getattr(below, "base", None)) is not None:  # NumPy's as_strided puts an object of its own in between
        owner = below if isinstance(below, np.ndarray) else owner
    dense = owner is not array and owner.flags.c_contiguous and owner.dtype == array.dtype and min(array.strides, default=0) >= 0
    return owner if dense else array


def _memory(tracer: Any, node: Node, strides: tuple) -> TracedArray:
    """A traced array whose value is `node`, with memory of its own in the layout that eager mode gives it (the node's may differ)."""
    value = node.value
    return TracedArray(tracer, value.shape, value.dtype.numpy, strides, TracedStorage(node, strides))


def _detached(tracer: Any, array: TracedArray) -> TracedArray:
    """The value of an array now, apart from its memory (which may be the one that is about to be written)."""
    return _memory(tracer, current_node(array), array.element_strides)


ASSIGN = define(
    "assign",
    "history: Tensor, value: Tensor",
    kind="pointwise",
    dtype=lambda history, value: value.dtype,
    shape=lambda history, value: value.shape,
    kernel=lambda xp, history, value: xp.array(value),
    lower=Scalar(lambda h, history, value: value),
    samples=lambda: [((np.ones((2, 3), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)), {})],
    doc="`value`, with the derivative of `history`: what a write under no_grad() leaves in a tensor that requires grad. Graphs only.",
    vjp={"history": lambda g: g},
    jvp={"history": lambda t: t},
    batch=lambda F, size, in_dims, history, value: value if in_dims[1] == 0 else F.movedim(value, in_dims[1], 0),
)
