"""Tracing: a `Tracer` stands in for the kernels and writes down what they would have computed.

In come real input tensors (each gives a twin, whose array is a `TracedArray`) and then whatever the eager dispatcher wants carried out on twins;
out goes a `Graph`. The one idea: tracing a program is running it with arrays that have no data, so views, in-place operators, the tape,
`backward()` and optimisers need no second implementation.

Random numbers: `random_state` becomes the last input of the graph (the caller does not pass it, the compiled graph takes it from the generator),
and each draw has the number of the call within the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import Part
from ..eager.cuda import ACCELERATED, device_of, is_real, on_host, strides_of
from ..eager.dtypes import CPU, from_numpy_dtype
from ..eager.errors import CaptureError, InplaceError, error, user_location
from ..eager.ops.definition import OPS, OpDef
from ..eager.tensor import LAZY, Storage, Tensor
from . import functionalise
from .blocks import Active, InCheckpoint, Recording
from .functionalise import TracedArray, TracedStorage, skipped, view_node, view_strides
from .history import Outside, history
from .inputs import InputRecord, Layout, Memory, byte_bounds, share_memory
from .ir import FakeValue, Graph, Names, Node, OutputSpec, ViewStep, contiguous_strides, replace_symbols, symbols_of
from .numbering import Numbering
from .runtime_sizes import ITEM, bounds_of, number_behind
from .sharing import COPY, settle, settle_leaving
from .symbolic import ShapeEnv, SymInt


class Tracer:
    """Records one graph.

    >>> import segue
    >>> tracer = Tracer()
    >>> x = tracer.input(segue.ones(3), "x")
    >>> graph = tracer.finish([x * 2 + 1])
    >>> [node.target.name for node in graph.operations]
    ['mul', 'add']
    """

    def __init__(self, shape_env: ShapeEnv | None = None) -> None:
        self.shape_env = shape_env if shape_env is not None else ShapeEnv()
        self.nodes: list[Node] = []
        self.records: list[InputRecord] = []
        self.names = Names()
        self.random_calls = 0
        self.random_twin: Tensor | None = None
        self.random_anew: tuple[Tensor, int] | None = None  # where the program went on in another stream: seed and offset (int64[2]), and how many draws it made since
        self.on_grad_read: Callable[[Tensor], Tensor | None] | None = None
        self.carries_gradient: set[Node] = set()
        self.line: str | None = None
        self.module: str | None = None
        self.inner: Any = None  # the tracer of a region in the making inside of this graph
        self.walked: set[Any] = set()  # the steps of the tape that backwards in the graph went through and freed
        self.in_checkpoint = self.checkpoints = 0  # the checkpoint that is being recorded, and how many there were
        self.walks = 0  # how many backwards are being recorded, one within the other
        self.sharing: str | None = None  # see sharing.py
        self._differentiable: bool | None = None
        self._constants: dict[int, tuple[Any, Any, Node]] = {}
        self._record_of: dict[Node, InputRecord] = {}
        self._numbering = Numbering(self.nodes)
        self._runtime_sizes: dict[int, SymInt] = {}  # what a size is computed from, by number -> the size
        self.memory = Memory()

    def let_go(self) -> None:
        """Forget the real tensors, which twins and records, that refer to one another, would keep until the garbage collector comes. Nothing is recorded afterwards."""
        for record in self.records:
            record.tensor = None
        self._constants.clear()

    # ------------------------------------------------------------------------------------------------ inputs

    def input(self, tensor: Tensor, name: str | None = None, dynamic: Iterable[int] | Mapping[int, Any] = (), layout: Layout | None = None) -> Tensor:
        """The twin of a real tensor: same class and attributes, same requires_grad and leafness, traced array.

        `dynamic` names dimensions whose size becomes a symbol; as a mapping it gives the `SymInt` (or the symbol's name) for each. `layout` says how its strides follow from
        its sizes (None: see `Layout.of`); those that are numbers of their own are passed behind it, in the order of its dimensions. The gradient of a twin is read lazily: see `load_grad`.
        """
        array, wanted = tensor._data, name or f"x{len(self.records)}"
        shape = list(array.shape)
        for dim in dynamic:
            given = dynamic[dim] if isinstance(dynamic, Mapping) else None
            dim = dim % len(shape)
            shape[dim] = given if isinstance(given, SymInt) else self.shape_env.new_symbol(shape[dim], given or f"s{len(self.shape_env.hints)}")
        real = strides_of(array)
        layout = Layout.of(array.shape, real, {dim % len(shape) for dim in dynamic}) if layout is None else layout
        strides = layout.of_sizes(tuple(shape), lambda dim: self.shape_env.new_symbol(real[dim], f"t{len(self.shape_env.hints)}"))
        twin = self._input(tuple(shape), array.dtype, strides, tensor.device, wanted, tensor.requires_grad, tensor)
        twin._grad = LAZY
        if tensor._edge is not None:
            twin._edge = self.records[-1].edge = Outside(self.records)
        for dim in layout.own:
            self.add_size_input(strides[dim])
        return twin

    def fake_input(self, value: FakeValue, name: str, requires_grad: bool = False) -> Tensor:
        """A leaf input that has no real tensor behind it: for graphs that are derived from graphs."""
        return self._input(value.shape, value.dtype.numpy, value.strides, value.device, name, requires_grad, None)

    def _input(self, shape: tuple, dtype: np.dtype, strides: tuple, device: Any, name: str, requires_grad: bool, tensor: Tensor | None) -> Tensor:
        value = FakeValue(shape, from_numpy_dtype(dtype), strides, device)
        node = self._append(Node("input", None, (), value, self.names.fresh(name), self.line, self.module))  # not the line of the call: any may call
        storage = TracedStorage(node, strides, is_input=True)
        array = TracedArray(self, shape, dtype, strides, storage)
        twin = Tensor._wrap(array, Storage()) if tensor is None else tensor._like(array)
        twin._requires_grad = requires_grad
        if requires_grad:
            self.carries_gradient.add(node)
        record = InputRecord(node, tensor, twin, None, (0, 0) if tensor is None else byte_bounds(tensor._data), storage)
        self.memory.add(record)
        for other in self.memory.near(record):
            if other.written:
                self._refuse_overlap(other, record)
        self.records.append(record)
        self._record_of[node] = record
        return twin

    def size_input(self, hint: int, name: str | None = None) -> SymInt:
        """A symbol that the caller passes as an int."""
        symbol = self.shape_env.new_symbol(hint, name)
        self.add_size_input(symbol)
        return symbol

    def add_size_input(self, symbol: SymInt) -> None:
        """Let the caller pass the value of a symbol that stands already."""
        node = self._append(Node("input", None, (), symbol, self.names.fresh(str(symbol)), self.line, self.module))
        self.records.append(InputRecord(node))

    def runtime_size(self, count: TracedArray, low: Any, high: Any, what: str) -> SymInt:
        """A whole number that the graph computes (`count`, one element), as a size within these bounds. The same computation gives the same size."""
        node = number_behind(functionalise.current_node(count))
        number = self._numbering.of(node)
        if number not in self._runtime_sizes:
            symbol = self.shape_env.runtime_symbol(*bounds_of(node, low, high), f"{what} at {self._place()}")
            self._runtime_sizes[number] = self._bind_size(symbol, node)
        return self._runtime_sizes[number]

    def bind_size(self, symbol: SymInt, count: TracedArray) -> SymInt:
        """Let the graph give the value of a symbol."""
        return self._bind_size(symbol, functionalise.current_node(count))

    def _bind_size(self, symbol: SymInt, count: Node) -> SymInt:
        self._append(Node("op", ITEM, (count,), symbol, self.names.fresh(str(symbol)), self._place(), self.module, False))
        return symbol

    def random_state(self) -> Tensor:
        """The twin of the generator's state (int64[2]), made at the first call. It is the graph's last input; callers do not pass it."""
        if self.random_twin is None:
            value = FakeValue((2,), from_numpy_dtype(np.dtype(np.int64)), (1,), CPU)
            self.random_twin = self.fake_input(value, "random_state")
        return self.random_twin

    def random_call(self) -> tuple[Tensor, int]:
        """State and call number for one draw of random numbers."""
        if self.random_anew is not None:
            state, call = self.random_anew
            self.random_anew = state, call + 1
            return state, call
        state = self.random_state()
        self.random_calls += 1
        return state, self.random_calls - 1

    def load_grad(self, tensor: Tensor) -> Tensor | None:
        """Called by `tensor.grad` of a twin when it is first read. `on_grad_read` decides (and makes guard and twin); without one it is None."""
        return None if self.on_grad_read is None else self.on_grad_read(tensor)

    # ------------------------------------------------------------------------------------------------ recording

    def active(self, line: str | None = None, module: str | None = None) -> Active:
        """Within the block creation operators are recorded here, and nodes carry this line ("file:line") and module path."""
        tracer = self.innermost
        return Active(tracer, tracer.line if line is None else line, tracer.module if module is None else module)

    @property
    def innermost(self) -> Tracer:
        """The tracer of the innermost region in the making, or this one."""
        return self if self.inner is None else self.inner.innermost

    def recording(self, differentiable: bool) -> Recording:
        """Within the block nothing goes on the tape; the recorded nodes are marked as differentiable or not."""
        return Recording(self, differentiable)

    def checkpoint(self) -> InCheckpoint:
        """Within the block nodes belong to a checkpoint of their own."""
        return InCheckpoint(self, 1)

    def repetition(self) -> InCheckpoint:
        """Within the block nodes are what a checkpoint computes again for the backward."""
        return InCheckpoint(self, -1)

    def record(self, op: OpDef, args: tuple, shape: tuple, dtype: np.dtype) -> TracedArray:
        """What the dispatcher calls in place of a kernel: the traced array of the result."""
        shape = tuple(shape)
        if "alias" in op.tags and isinstance(args[0], TracedArray):
            return self._record_view(op, args[0], args[1:], shape, dtype)
        node_args = tuple(self._argument(argument) for argument in args)
        strides = contiguous_strides(shape)
        where = node_args[2] if op.kind == "transfer" else _device_of(node_args)
        value = FakeValue(shape, from_numpy_dtype(dtype), strides, where)
        node = self.add(op, node_args, value)
        return TracedArray(self, shape, dtype, strides, TracedStorage(node, strides))

    def _record_view(self, op: OpDef, source: TracedArray, attributes: tuple, shape: tuple, dtype: np.dtype) -> TracedArray:
        strides = view_strides(op, source.shape, source.element_strides, attributes, from_numpy_dtype(source.dtype))
        if strides is None and 0 in shape:
            strides = contiguous_strides(shape)  # no element lies anywhere
        if strides is None:
            raise RuntimeError(f"{op.name}(): a view of shape {list(shape)} is not possible on strides {list(source.element_strides)}; use reshape()")
        differentiable = STATE.enabled if self._differentiable is None else self._differentiable
        step = ViewStep(op, attributes, differentiable)
        before = functionalise.current_node(source)
        chain = (*source.chain, step)
        source.storage.views[tuple(map(id, chain))] = view_node(self, step, before, shape, from_numpy_dtype(dtype))
        start = source.start + skipped(op, source.element_strides, attributes) * dtype.itemsize
        return TracedArray(self, shape, dtype, strides, source.storage, chain, start)

    def add(self, op: OpDef, args: tuple, value: FakeValue, differentiable: bool = True) -> Node:
        """Append an op node with ready arguments."""
        mode = STATE.enabled if self._differentiable is None else self._differentiable
        differentiable = mode and differentiable
        name = self.names.fresh(op.name)
        region = 0 if self.walks and self.in_checkpoint > 0 else self.in_checkpoint
        node = self._append(Node("op", op, args, value, name, self._place(), self.module, differentiable, region, self.walks > 0))
        if differentiable and op.vjp is not None and not self.carries_gradient.isdisjoint(node.inputs):
            self.carries_gradient.add(node)
        return node

    def add_copy(self, source: Node) -> Node:
        """Append a copy of a node's value, in memory of its own, C-contiguous."""
        return self.add(OPS[COPY], (source,), source.value.dense())

    def constant(self, array: Any) -> TracedArray:
        """A real array as a constant of the graph: kept once while it does not change, copied so that later writes do not reach the graph.

        One that lies on a GPU is kept on the host, and moved by the graph.
        """
        if type(array) in ACCELERATED:
            return self.record(OPS["to_device"], (self.constant(on_host(array)), CPU, device_of(array)), array.shape, array.dtype)
        array = np.asarray(array)
        known = self._constants.get(id(array))
        if known is not None and known[1].tobytes() == array.tobytes():
            node = known[2]
        else:
            kept = np.array(array, order="C", copy=True)
            kept.flags.writeable = False
            value = FakeValue(kept.shape, from_numpy_dtype(kept.dtype), contiguous_strides(kept.shape), CPU)
            node = self._append(Node("constant", None, (kept,), value, self.names.fresh("constant"), self._place(), self.module))
            self._constants[id(array)] = array, kept, node
        return TracedArray(self, node.value.shape, array.dtype, node.value.strides, TracedStorage(node, node.value.strides))

    def lift(self, x: Tensor) -> Tensor:
        """A value that is about to be written, as `write` takes it: any traced or real tensor is (see eager/transforms/levels.py)."""
        return x

    def write(self, array: TracedArray, new: Any) -> None:
        """An in-place write: the memory behind `array` holds `new` from now on. Raises InplaceError for memory that overlaps."""
        if self.inner is not None:
            raise error(CaptureError, f"a tensor from outside of {self.inner.region.what} is written in place inside of it", "return the new value")
        functionalise.write(self, array, new)

    def before_write(self, storage: TracedStorage) -> None:
        """Refuse a write to an input whose memory another input shares: the graph could not say what that other one holds."""
        if storage.shared is not None:
            raise error(CaptureError, f"{storage.shared} is written in place", "clone() it first")
        if storage.alike:
            settle(storage)
        if storage.input is None or storage.version:
            return
        record = self._record_of[storage.input]
        record.written = True
        for other in self.memory.near(record):
            if other is not record:
                self._refuse_overlap(record, other)

    def _refuse_overlap(self, written: InputRecord, other: InputRecord) -> None:
        if written.meets(other) and share_memory(written.tensor._data, other.tensor._data):  # type: ignore[union-attr]
            raise error(
                InplaceError,
                f"'{written.node.name}' is written in place while '{other.node.name}', another input of the graph, shares its memory",
                "clone() one of them, or make the views inside of the compiled function",
            )

    def _append(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def _place(self) -> str | None:
        if self.line is not None:
            return self.line
        location = user_location()
        return None if location is None else str(location)

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, TracedArray):
            if argument.tracer is not self:
                raise CaptureError("a tensor of one graph is used while another is traced")
            return functionalise.current_node(argument)
        if is_real(argument):
            return self.constant(argument).storage.node
        if isinstance(argument, (tuple, list)):
            return tuple(self._argument(item) for item in argument)
        if isinstance(argument, np.generic):
            return argument.item()
        return argument

    # ------------------------------------------------------------------------------------------------ the end

    def written_inputs(self) -> list[int]:
        """Positions of the inputs whose memory has been written so far."""
        return [position for position, record in enumerate(self.records) if record.storage is not None and record.storage.node is not record.node]

    def written(self) -> dict[int, Node]:
        """What now stands in the memory of the inputs that have been written."""
        return {position: self._storage_of(position).node for position in self.written_inputs()}

    def _storage_of(self, position: int) -> TracedStorage:
        storage = self.records[position].storage
        assert storage is not None
        return storage

    def finish(self, outputs: Sequence[Any], name: str = "forward") -> Graph:
        """The graph whose results are `outputs`: twins and results (tensors), SymInts, numbers, None.

        Inputs keep the order in which they were made, `random_state` last. `Graph.output_specs` says how each result comes about: what is an
        input, or a view of one, or a view of another result, is rebuilt from that, so that memory is shared as it is in eager mode.
        """
        self._random_state_last()
        positions = {record.node: position for position, record in enumerate(self.records)}
        raw: list[Any] = []
        place: dict[TracedStorage, int] = {}  # a fresh storage -> its index among the raw outputs
        used: set[Node] = set()
        with self.recording(True):
            outputs = self._with_constants(outputs)
            settle_leaving(value._data.storage for value in outputs if isinstance(value, Tensor))
            specs = tuple(self._output(output, positions, raw, place, used) for output in outputs)
            writes = [(position, self._own(self._storage_of(position).node, set())) for position in self.written_inputs()]
        specs = self._settle_sizes(raw, specs)
        raw += self._sizes_of_views(specs)
        differentiable_writes = frozenset(position for position, _ in writes if self.records[position].moved_on_tape)
        return Graph(
            self.nodes,
            [record.node for record in self.records],
            raw,
            writes,
            self.shape_env,
            self.random_calls,
            specs,
            frozenset(p for p, record in enumerate(self.records) if record.node in self.carries_gradient),
            differentiable_writes,
            name,
            frozenset(position for position, _ in writes if not self.records[position].is_heard),
        )

    def _settle_sizes(self, raw: list, specs: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        """Sizes that a guard found equal to others or to numbers are written as those, so that backends see which sizes are the same."""
        equalities = self.shape_env.equalities()
        if not equalities:
            return specs
        for node in self.nodes:
            if not isinstance(node.value, SymInt):  # a size that is passed keeps its name
                node.value = replace_symbols(node.value, equalities)
            node.args = replace_symbols(node.args, equalities) if node.kind == "op" else node.args
        raw[:] = [replace_symbols(output, equalities) for output in raw]
        return tuple(replace(spec, chain=replace_symbols(spec.chain, equalities)) for spec in specs)

    def _sizes_of_views(self, specs: tuple[OutputSpec, ...]) -> list[SymInt]:
        """The runtime sizes with which results are viewed: the graph gives them out for that."""
        env = self.shape_env
        held = set().union(*(symbols_of(step.attributes) for spec in specs for step in spec.chain)) if env.runtime else set()
        return [SymInt(symbol, env, env.hints[symbol]) for symbol in env.runtime if symbol in held]

    def _with_constants(self, outputs: Sequence[Any]) -> list:
        """The results with real tensors among them made into constants."""
        real = [value for value in outputs if isinstance(value, Tensor) and not isinstance(value._data, TracedArray)]
        made = {id(tensor): array for tensor, array in zip(real, functionalise.constants(self, [tensor._data for tensor in real]))}
        twins = []
        for value in outputs:
            if id(value) in made:
                twin = value._like(made[id(value)], value.requires_grad)
                twin._edge = value._edge
                value = twin
            twins.append(value)
        return twins

    def _output(self, output: Any, positions: dict[Node, int], raw: list, place: dict[TracedStorage, int], used: set[Node]) -> OutputSpec:
        if not isinstance(output, Tensor):
            raw.append(output)
            return OutputSpec("fresh", len(raw) - 1)
        requires_grad = output.requires_grad
        released = requires_grad and self.is_used_up(output._edge)
        leaf = requires_grad and output._edge is None
        array = output._data
        storage = array.storage
        if storage.shared is not None and storage.input is None:
            raise error(CaptureError, f"{storage.shared} is given out of the graph", "clone() it")
        if storage.input is not None:
            kind = "alias_of_input" if array.chain else "input"
            return OutputSpec(kind, positions[storage.input], array.chain, requires_grad, released, leaf)
        index = place.get(storage)
        if index is None:
            index = place[storage] = len(raw)
            raw.append(self._own(storage.node, used))
            if not array.chain:
                return OutputSpec("fresh", index, (), requires_grad, released, leaf)
        return OutputSpec("alias_of_output", index, array.chain, requires_grad, released, leaf)

    def is_walked(self, edge: Any) -> bool:
        """Whether a backward in the graph, which kept nothing, went through a place on the tape."""
        return (edge.node if isinstance(edge, Part) else edge) in self.walked

    def is_used_up(self, edge: Any) -> bool:
        """Whether another backward from a place must fail, as one in the graph freed what it needs."""
        behind = history(edge)
        return behind.freed and (not behind.open or self.is_walked(edge))

    def _own(self, node: Node, used: set[Node]) -> Node:
        """A node whose value is in memory of its own: the node itself, or a copy where it is an input, a constant, a view, or taken already."""
        if node.kind != "op" or "alias" in node.target.tags or node in used:
            node = self.add_copy(node)
        used.add(node)
        return node

    def _random_state_last(self) -> None:
        for position, record in enumerate(self.records[:-1]):
            if record.twin is not None and record.twin is self.random_twin:
                self.records.append(self.records.pop(position))
                return


def _device_of(args: Any) -> Any:
    for argument in args:
        if isinstance(argument, Node):
            return argument.value.device if isinstance(argument.value, FakeValue) else CPU
        if isinstance(argument, tuple) and any(isinstance(item, Node) for item in argument):
            return _device_of(argument)
    return CPU


def trace_function(function: Callable, inputs: Sequence[Any], dynamic: Mapping[int, Iterable[int] | Mapping[int, Any]] | None = None) -> Graph:
    """The graph of `function(*inputs)`: each tensor becomes an input, each int stays a number. `dynamic` names symbolic dimensions by position.

    Other tensors that the function reads become constants. Python control flow is followed as it runs; `segue.compile` guards it, this does not.

    >>> import segue
    >>> graph = trace_function(lambda x: x.exp().sum(), [segue.ones(3)])
    >>> [node.target.name for node in graph.operations]
    ['exp', 'sum']
    """
    tracer = Tracer()
    sizes = dynamic or {}
    twins = [tracer.input(value, f"x{i}", sizes.get(i, ())) if isinstance(value, Tensor) else value for i, value in enumerate(inputs)]
    with tracer.active():
        results = function(*twins)
    return tracer.finish(results if isinstance(results, (tuple, list)) else [results])
