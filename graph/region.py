"""Regions: functions traced apart from the graph around them, for the operators that hold graphs.

In come functions and examples of their arguments, out go closed graphs and the tensors that the functions read from outside. The one idea: a region is a level, as
a running `vmap` is (eager/transforms/levels.py): whatever tensor of a level around it meets an operator inside is lifted to it, and lifting means that the graph
gets one more input. So closures need no analysis, and what stands on a tape outside stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..eager.autograd.mode import STATE
from ..eager.cuda import is_real
from ..eager.dtypes import from_numpy_dtype
from ..eager.errors import CaptureError, error
from ..eager.ops.definition import OPS
from ..eager.tensor import Storage, Tensor
from ..eager.transforms.levels import Level
from .functionalise import TracedArray, TracedStorage
from .interpreter import run_node
from .ir import FakeValue, Graph, Node, contiguous_strides, symbols_of
from .runtime_sizes import Sizes
from .sharing import COPY, IGNORE, link_results, settle, storage_of, together
from .symbolic import ShapeEnv, SymInt
from .trace import Tracer


class RegionTracer(Tracer):
    """Records a region's graph, which holds no constants: what is known outside comes in."""

    def __init__(self, region: Region, env: ShapeEnv) -> None:
        super().__init__(env)
        self.region = region

    def constant(self, array: Any) -> TracedArray:
        return self.region.known(np.asarray(array))

    def random_state(self) -> Tensor:
        raise error(CaptureError, f"{self.region.what} draws random numbers, of which a graph must know how many it draws", "draw them outside, and pass them in")

    def random_call(self) -> tuple[Tensor, int]:
        return self.random_state(), 0

    def before_write(self, storage: TracedStorage) -> None:
        if storage.alike:
            settle(storage)
        if storage.input is not None:
            raise error(CaptureError, f"{self.region.what} writes in place to a tensor from outside of it", "clone() it first")

    def _settle_sizes(self, raw: list, specs: tuple) -> tuple:
        return specs  # whose sizes are whose is said by the inputs alone


class Region(Level):
    """One function being traced apart; a context manager. `what` names it in errors."""

    takes_all = True

    def __init__(self, regions: Regions, what: str) -> None:
        super().__init__()
        self.regions = regions
        self.name = self.what = what
        self.tracer = RegionTracer(self, regions.env)
        self.parameters: list[Any] = []
        self.twins: dict[int, Tensor] = {}  # place among what comes from outside -> its twin here
        self.outputs: list[Tensor] = []
        self.found: list[Tensor] = []  # the outputs before they were copied

    def __enter__(self) -> Region:
        super().__enter__()
        self.outer_tracers = STATE.tracers
        self.parent = STATE.tracers[-1] if STATE.tracers else None
        if self.parent is not None:
            self.tracer.line, self.tracer.module, self.tracer.sharing = self.parent.line, self.parent.module, self.parent.sharing
            self.parent.inner = self.tracer
        STATE.tracers = (*STATE.tracers, self.tracer)
        return self

    def __exit__(self, *exception: Any) -> None:
        STATE.tracers = self.outer_tracers
        if self.parent is not None:
            self.parent.inner = None
        super().__exit__(*exception)

    def parameter(self, value: Any, requires_grad: bool) -> Any:
        """The twin of one argument; a size is itself."""
        if isinstance(value, SymInt):
            self.tracer.add_size_input(value)
            found: Any = value
        else:
            found = self.tracer.fake_input(_dense(value), f"x{len(self.parameters)}", requires_grad)
        self.parameters.append(self.tracer.records[-1])
        return found

    def lift(self, x: Tensor) -> Tensor:
        array = x._data
        if is_real(array) or (isinstance(array, TracedArray) and array.tracer is self.tracer):
            return x
        self.tracked = self.tracked or x.requires_grad
        return self.twin(self.regions.place(x))

    def twin(self, place: int) -> Tensor:
        """The input for a tensor from outside."""
        found = self.twins.get(place)
        if found is None:
            x = self.regions.outside[place]
            found = self.twins[place] = self.tracer.fake_input(_dense(value_of(x)), f"outer{place}", x.requires_grad)
        return found

    def known(self, array: np.ndarray) -> TracedArray:
        return self.twin(self.regions.place_of_array(array))._data

    def finish(self, sizes: Sequence[SymInt], name: str) -> Graph:
        """The graph: arguments, then what comes from outside, then sizes."""
        tracer = self.tracer
        outside = [self.twin(place) for place in range(len(self.regions.outside))]
        of_twin = {id(record.twin): record for record in tracer.records if record.twin is not None}
        tracer.records = [*self.parameters, *(of_twin[id(twin)] for twin in outside)]
        for size in sizes:
            tracer.add_size_input(size)
        if any(record.twin is not None and record.twin._grad is not None for record in tracer.records):
            raise error(CaptureError, f"{self.what} calls backward(), whose gradients would not reach the tensors outside", "autograd.grad(), and return the gradients")
        return tracer.finish(self.outputs, name)

    def outside(self, storage: TracedStorage | None) -> list[Tensor]:
        """The tensors from outside in whose memory a storage lies in eager mode, or may lie."""
        held = {} if storage is None else together(storage)
        return [self.regions.outside[place] for place, twin in self.twins.items() if storage_of(twin) in held]

    def free_symbols(self) -> set:
        """Symbols that the graph uses and none of its inputs gives."""
        held: set[Any] = set()
        for node in self.tracer.nodes:
            held |= symbols_of(node.value).union(*(symbols_of(argument) for argument in node.args))
        return held - self._given()

    def _given(self) -> set:
        found = set()
        given = [node for node in self.tracer.nodes if node.kind == "op" and isinstance(node.value, SymInt)]
        for node in (*given, *(record.node for record in self.tracer.records)):
            sizes = (node.value,) if isinstance(node.value, SymInt) else node.value.shape
            found |= {size.expr for size in sizes if isinstance(size, SymInt) and size.expr.is_Symbol}
        return found


class Regions:
    """The regions of one operator, which have in common what they read from outside."""

    def __init__(self, env: ShapeEnv) -> None:
        self.env = env
        self.outside: list[Tensor] = []
        self.regions: list[Region] = []
        self._places: dict[int, int] = {}
        self._arrays: dict[int, int] = {}

    def place(self, x: Tensor) -> int:
        """Where a tensor from outside stands among those that the graphs get."""
        if id(x._data) not in self._places:
            self._places[id(x._data)] = len(self.outside)
            self.outside.append(x)
        return self._places[id(x._data)]

    def place_of_array(self, array: np.ndarray) -> int:
        if id(array) not in self._places:
            self.place(Tensor._wrap(array, Storage()))
        return self._places[id(array)]

    def trace(self, function: Callable, examples: Sequence[tuple[Any, bool]], what: str, enabled: bool | None = None) -> list[Tensor]:
        """Run `function` on twins of the examples, (fake value or size, requires_grad) each; its results are the region's."""
        region = Region(self, what)
        mode = STATE.enabled
        STATE.enabled = mode if enabled is None else enabled
        try:
            with region:
                outputs = function(*[region.parameter(*example) for example in examples])
                region.found = [region.lift(x) for x in outputs]
                region.outputs = [_own(region, x) for x in outputs]
        finally:
            STATE.enabled = mode
        self.regions.append(region)
        return region.outputs

    def share(self, results: Sequence[Tensor], given: Sequence[Any], regions: Sequence[Region]) -> None:
        """Note which of the operator's results are, in eager mode, the memory of tensors outside or of one another; of what was `given`, they are copies there too."""
        tracer = STATE.tracers[-1]
        sharing, around = tracer.sharing, tracer.region if isinstance(tracer, RegionTracer) else None
        if sharing in (None, IGNORE):
            return
        copied = {storage_of(x) for x in given}
        for region in regions:
            first: dict[Any, Tensor] = {}
            for result, x in zip(results, region.found):
                storage = storage_of(x)
                others = [other for other in region.outside(storage) if storage_of(other) not in copied]
                others = others if around is None else [around.lift(other) for other in others]
                if x.requires_grad and not STATE.enabled and (x._edge is not None or others):
                    raise error(CaptureError, f"{region.what} returns under no_grad() what has a history", "detach() it")
                for other in others:
                    link_results(result, other, sharing, region.what)
                if storage is not None and storage.input is None:
                    link_results(result, first.setdefault(storage, result), sharing, region.what)

    def finish(self, names: Sequence[str]) -> tuple[tuple[Graph, ...], list[Any]]:
        """The graphs of all regions, and the tensors and sizes that each of them takes after its own arguments."""
        missing = sorted(set().union(*(region.free_symbols() for region in self.regions)), key=lambda symbol: symbol.name)
        sizes = [SymInt(symbol, self.env, self.env.hints[symbol]) for symbol in missing]
        graphs = tuple(region.finish(sizes, name) for region, name in zip(self.regions, names))
        return graphs, [*self.outside, *sizes]


def _own(region: Region, x: Tensor) -> Tensor:
    """A result of a region in memory of its own, in the region's graph."""
    x = region.lift(x)
    if is_real(x._data):
        x = Tensor._wrap(region.known(x._data), Storage())
    return OPS[COPY](x)


def value_of(x: Tensor) -> FakeValue:
    """What is known of a tensor of any kind without its data."""
    array = x._data
    shape = tuple(array.shape)
    return FakeValue(shape, from_numpy_dtype(array.dtype), contiguous_strides(shape), x.device)


def _dense(value: FakeValue) -> FakeValue:
    return FakeValue(value.shape, value.dtype, contiguous_strides(value.shape), value.device)


def examples_of(graph: Graph, requires_grad: Sequence[bool] | None = None) -> list[tuple[Any, bool]]:
    """The inputs of a graph as examples for a region that runs it."""
    flags = requires_grad or [False] * len(graph.inputs)
    return [(node.value, on) for node, on in zip(graph.inputs, flags)]


def run_graph(graph: Graph, inputs: Sequence[Any]) -> list:
    """A closed graph's results on tensors of any kind, on the tape where it is and where the graph was recorded so."""
    values: dict[Node, Any] = dict(zip(graph.inputs, inputs))
    bindings = graph.bindings(inputs)
    same = all(isinstance(value, SymInt) and value.expr == symbol for symbol, value in bindings.items())
    sizes = None if same else Sizes(graph.shape_env, bindings)
    enabled = STATE.enabled
    try:
        for node in graph.nodes:
            if node.kind == "op":
                STATE.enabled = enabled and node.differentiable
                values[node] = run_node(node, values, sizes)
            elif node.kind == "constant":
                values[node] = Tensor._wrap(node.args[0], Storage())
    finally:
        STATE.enabled = enabled
    return [values[output] if isinstance(output, Node) else output for output in graph.outputs]


__all__ = ["Region", "Regions", "examples_of", "run_graph", "value_of"]
