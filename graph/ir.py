"""The graph: nodes of four kinds in topological order, each with a fake value, its source line and its module path.

In comes what a `Tracer` recorded or a pass rewrote; out goes an immutable `Graph`, which the verifier checks, the printer shows, the interpreter
runs and backends compile. The one idea: a graph is functional. An in-place operator left no trace but `Graph.writes`, which names the inputs that
get a new value at the end; so every pass may move, share and drop nodes without thinking about memory. Passes never edit a graph; `Graph.rewrite`
makes a new one.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..eager.meta import contiguous_strides
from ..eager.ops.definition import OPS, OpDef
from .symbolic import ShapeEnv, SymInt, free_symbols, hint_of

__all__ = [
    "FakeValue", "Graph", "KINDS", "Names", "Node", "OutputSpec", "Rewriter", "SymbolSource", "ViewStep", "contiguous_strides", "identifier",
    "map_nodes", "nodes_in", "replace_symbols", "symbols_of",
]  # fmt: skip

KINDS = ("input", "constant", "op", "output")
_TORCH_KINDS = {"input": "placeholder", "constant": "get_attr", "op": "call_function", "output": "output"}


@dataclass(frozen=True, slots=True, eq=False)
class FakeValue:
    """What is known of a tensor without its data: sizes (ints or `SymInt`s), segue dtype, strides in elements, device."""

    shape: tuple
    dtype: Any
    strides: tuple
    device: Any = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> Any:
        count: Any = 1
        for size in self.shape:
            count = count * size
        return count

    def dense(self) -> FakeValue:
        """The same, C-contiguous."""
        return FakeValue(self.shape, self.dtype, contiguous_strides(self.shape), self.device)

    @property
    def nbytes_hint(self) -> int:
        """Bytes of the data at the sizes seen while tracing; for costs only, it makes no guard."""
        count = self.dtype.itemsize
        for size in self.shape:
            count *= hint_of(size)
        return count

    def __str__(self) -> str:
        sizes = ", ".join(str(size) for size in self.shape)
        return f"{getattr(self.dtype, 'name', self.dtype)}[{sizes}]"


class Node:
    """One step of a graph. `args` follow the schema's order: each a Node, number, None, dtype, `SymInt`, string, or a tuple of these.

    kind       "input", "constant" (`args[0]` is the array), "op", or "output" (`args` = (outputs, written values); always last, one in a graph)
    target     the `OpDef` of an op, else None
    value      a `FakeValue`, or a `SymInt` for an input that is a size and for what `item` gives; None for the output node
    sizes      the nodes that give the runtime sizes among the arguments; filled by the Graph that holds the node, like `users`
    differentiable   False when it was recorded while gradients were off: derivatives stop here
    region     the number of the checkpoint that it stands in, whose inner values the backward computes again (0: none; less: such a repetition)
    late       whether a backward recorded it
    """

    __slots__ = ("kind", "target", "args", "value", "name", "line", "module", "differentiable", "region", "late", "users", "sizes", "_inputs", "_meta", "__weakref__")

    def __init__(
        self,
        kind: str,
        target: OpDef | None,
        args: tuple,
        value: Any,
        name: str,
        line: str | None = None,
        module: str | None = None,
        differentiable: bool = True,
        region: int = 0,
        late: bool = False,
    ) -> None:
        self.kind = kind
        self.target: Any = target
        self.args = args
        self.value = value
        self.name = name
        self.line = line
        self.module = module
        self.differentiable = differentiable
        self.region = region
        self.late = late
        self.users: dict[Node, None] = {}  # filled by the Graph that holds the node
        self.sizes: tuple[Node, ...] = ()
        self._inputs: tuple[Node, ...] | None = None
        self._meta: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def inputs(self) -> Sequence[Node]:
        """The nodes among the arguments, in order, each once, and those that give sizes among them."""
        return self.operands() if self._inputs is None else self._inputs

    def operands(self) -> tuple[Node, ...]:
        """The same, read from the arguments again: `inputs` is what the graph found in them when it took the node."""
        return tuple(dict.fromkeys((*nodes_in(self.args), *self.sizes)))

    # What PyTorch-style backends read.

    @property
    def op(self) -> str:
        """ "placeholder", "get_attr", "call_function" or "output"."""
        return _TORCH_KINDS[self.kind]

    @property
    def all_input_nodes(self) -> list[Node]:
        return list(self.inputs)

    @property
    def kwargs(self) -> dict:
        return {}

    @property
    def meta(self) -> dict[str, Any]:
        if self._meta is None:
            self._meta = {"val": self.value, "stack_trace": self.line, "nn_module_stack": self.module}
        return self._meta


def nodes_in(args: Any) -> list[Node]:
    """All nodes in (nested) arguments, from left to right."""
    if type(args) is Node:
        return [args]
    found: list[Node] = []
    if isinstance(args, _NESTS):
        for item in args:
            if type(item) is Node:
                found.append(item)
            elif isinstance(item, _NESTS):
                found += nodes_in(item)
    return found


def map_nodes(function: Callable[[Node], Any], args: Any) -> Any:
    """The same (nested) arguments with `function(node)` in place of each node; lists become tuples."""
    if type(args) is Node:
        return function(args)
    if isinstance(args, _NESTS):
        return tuple([function(item) if type(item) is Node else map_nodes(function, item) if isinstance(item, _NESTS) else item for item in args])
    return args


_NESTS = (tuple, list)


@dataclass(frozen=True, slots=True)
class ViewStep:
    """One view in a chain: `op(x, *attributes)`."""

    op: OpDef
    attributes: tuple
    differentiable: bool = True

    def __str__(self) -> str:
        return f"{self.op.name}({', '.join(['_', *map(str, self.attributes)])})"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """How one result that the user sees is made once the graph has run.

    kind        "fresh": `graph.outputs[index]` (a tensor of its own memory, a number, or None)
                "input": the very tensor at input `index`
                "alias_of_input": the view `chain` replayed on input `index` (after the writes)
                "alias_of_output": the view `chain` replayed on `graph.outputs[index]`
    requires_grad   whether the eager result would require grad
    released        it requires grad, but its history was already used up by a captured `backward()`
    leaf            it requires grad because it was asked to: it has no history
    """

    kind: str
    index: int
    chain: tuple[ViewStep, ...] = ()
    requires_grad: bool = False
    released: bool = False
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class SymbolSource:
    """Where the value of a symbol is found when the graph is called: input `position` itself (dim None), or its size at `dim`."""

    symbol: Any
    position: int
    dim: int | None


@dataclass
class Graph:
    """A functional program over tensors; immutable once built (see the module's opening).

    nodes          all nodes in topological order, the output node last (it is added here when missing)
    inputs         the input nodes in the order of the caller's arguments; `random_state`, if any, is the last
    outputs        Node, SymInt, number or None each
    writes         (input position, Node): after the run that input holds the node's value
    shape_env      symbols, their intervals and the guards made while tracing
    random_calls   how many draws from the generator the graph makes
    output_specs   how the user's results come from `outputs` and the inputs; one each
    differentiable_inputs   positions of inputs that require grad
    unheard        positions of written inputs whose version stays: they were written through `x.data` alone
    runtime        symbol -> the node that gives its value, for the sizes that only the run gives
    """

    nodes: Sequence[Node]
    inputs: Sequence[Node]
    outputs: Sequence[Any]
    writes: Sequence[tuple[int, Node]] = ()
    shape_env: ShapeEnv | None = None
    random_calls: int = 0
    output_specs: tuple[OutputSpec, ...] | None = None
    differentiable_inputs: frozenset[int] = frozenset()
    differentiable_writes: frozenset[int] = frozenset()
    name: str = "forward"
    unheard: frozenset[int] = frozenset()
    symbols: tuple[SymbolSource, ...] = field(init=False)
    runtime: dict[Any, Node] = field(init=False)

    def __post_init__(self) -> None:
        self.inputs, self.outputs, self.writes = tuple(self.inputs), tuple(self.outputs), tuple(self.writes)
        body = [node for node in self.nodes if node.kind != "output"]
        written = tuple(node for _, node in self.writes)
        self.nodes = (*body, Node("output", None, (self.outputs, written), None, "output"))
        if self.output_specs is None:
            self.output_specs = tuple(OutputSpec("fresh", index) for index in range(len(self.outputs)))
        self.runtime = {node.value.expr: node for node in body if node.kind == "op" and type(node.value) is SymInt}
        self.symbols = tuple(source for source in _symbol_sources(self.inputs) if source.symbol not in self.runtime)
        for node in self.nodes:
            node.users = {}
            node.sizes = self.giving(node.args) if self.runtime else ()
        for node in self.nodes:
            found = node._inputs = node.operands()
            for used in found:
                used.users[node] = None

    @property
    def output_node(self) -> Node:
        return self.nodes[-1]

    @property
    def operations(self) -> list[Node]:
        """The op nodes, in order."""
        return [node for node in self.nodes if node.kind == "op"]

    def giving(self, value: Any) -> tuple[Node, ...]:
        """The nodes that give the runtime sizes in a value or in arguments, in the order of the graph."""
        held = symbols_of(value)
        return tuple(node for symbol, node in self.runtime.items() if symbol in held)

    @property
    def checking(self) -> tuple[Node, ...]:
        """The nodes whose sizes the run checks: they stay, whoever needs the size."""
        checked = self.shape_env.checked if self.runtime and self.shape_env is not None else ()
        return tuple(node for symbol, node in self.runtime.items() if symbol in checked)

    @property
    def random_state(self) -> Node | None:
        """The input that holds the generator's state, if the graph draws random numbers."""
        return next((node for node in self.inputs if node.name == "random_state"), None)

    def size_values(self, inputs: Sequence[Any]) -> list[int]:
        """Values of `symbols`, in order, for these inputs (arrays, tensors or ints)."""
        return [inputs[s.position] if s.dim is None else inputs[s.position].shape[s.dim] for s in self.symbols]

    def bindings(self, inputs: Sequence[Any]) -> dict:
        """Symbol -> value for these inputs (arrays, tensors or ints)."""
        return dict(zip((s.symbol for s in self.symbols), self.size_values(inputs)))

    def find(self, name: str) -> Node:
        """The node of this name. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"the graph has no node called {name!r}")

    def rewrite(self, visit: Callable[[Node, tuple, Any], Node | None] | None = None, kind: type[Rewriter] | None = None, **changes: Any) -> Graph:
        """A new graph: each node is visited in order with its already rewritten arguments.

        `visit(node, args, rewriter)` returns the node that takes its place (one that stands in the new graph already, or one made by
        `rewriter.copy` / `rewriter.op` / `rewriter.constant`), or None to copy it. `kind` is the class of the rewriter. `changes` replace attributes of the graph; `outputs` and
        `writes` among them are in terms of old nodes.
        """
        rewriter = (kind or Rewriter)(self)
        for node in self.nodes[:-1]:
            args = rewriter.map(node.args)
            made = visit(node, args, rewriter) if visit is not None else None
            rewriter.place[node] = made if made is not None else rewriter.copy(node, args)
        return rewriter.finish(**changes)

    def __str__(self) -> str:
        inputs = ", ".join(f"{node.name}: {node.value}" for node in self.inputs)
        return f"<Graph {self.name}({inputs}) of {len(self.operations)} operations>"

    __repr__ = __str__


class Rewriter:
    """The new graph in the making: `place[old node]` is its node in the new graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.place: dict[Node, Node] = {}
        self.names = Names(node.name for node in graph.nodes)

    def map(self, args: Any) -> Any:
        return map_nodes(self.place.__getitem__, args)

    def add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def copy(self, node: Node, args: tuple | None = None) -> Node:
        """A copy of an old node with new arguments, at the end of the new graph."""
        new_args = self.map(node.args) if args is None else args
        copied = Node(node.kind, node.target, new_args, node.value, node.name, node.line, node.module, node.differentiable, node.region, node.late)
        copied._meta = None if node._meta is None else dict(node._meta)
        return self.add(copied)

    def op(self, target: OpDef, args: tuple, value: FakeValue, like: Node) -> Node:
        """A new operation that stands for the old node `like` (its line, module and gradient mode)."""
        return self.add(Node("op", target, args, value, self.names.fresh(target.name), like.line, like.module, like.differentiable, like.region, like.late))

    def constant(self, array: Any, value: FakeValue, like: Node) -> Node:
        return self.add(Node("constant", None, (array,), value, self.names.fresh("constant"), like.line, like.module, like.differentiable))

    def owned(self, outputs: Sequence[Any]) -> tuple:
        """The outputs (nodes of the new graph), with a copy in place of each that would be an input, a view, or one that is given out already."""
        taken: set[Node] = set()
        found = []
        for output in outputs:
            if isinstance(output, Node):
                if output.kind != "op" or "alias" in output.target.tags or output in taken:
                    output = self.op(OPS["clone"], (output,), output.value.dense(), output)
                taken.add(output)
            found.append(output)
        return tuple(found)

    def finish(self, **changes: Any) -> Graph:
        """The new graph. `changes` are attributes of it: outputs, writes and inputs in terms of old nodes, new_outputs of new ones."""
        graph = self.graph
        outputs = changes.pop("new_outputs") if "new_outputs" in changes else self.map(tuple(changes.pop("outputs", graph.outputs)))
        writes = [(position, self.place[node]) for position, node in changes.pop("writes", graph.writes)]
        inputs = [self.place[node] for node in changes.pop("inputs", graph.inputs)]
        kept = {name: getattr(graph, name) for name in _CARRIED}
        return Graph(self.nodes, inputs, outputs, writes, **{**kept, **changes})


_CARRIED = ("shape_env", "random_calls", "output_specs", "differentiable_inputs", "differentiable_writes", "name")


class Names:
    """Hands out unique identifiers: `add`, `add_1`, `add_2` ..."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self.next: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        wanted = identifier(wanted)
        name, count = wanted, self.next.get(wanted, 0)
        while name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        self.next[wanted] = count
        self.taken.add(name)
        return name


@lru_cache(maxsize=4096)
def identifier(text: str) -> str:
    """`text` made into a Python identifier that is no keyword and no printer's name.

    >>> identifier("self.layers[0].weight")
    'self_layers_0_weight'
    """
    word = "".join(c if c.isalnum() else "_" for c in text).strip("_") or "value"
    while "__" in word:
        word = word.replace("__", "_")
    if word[0].isdigit():
        word = "v" + word
    return word + "_" if word in _RESERVED else word


_RESERVED = frozenset([*keyword.kwlist, *keyword.softkwlist, *"output ops segue write forward backward joint gradients max min float".split()])


def _symbol_sources(inputs: Sequence[Node]) -> tuple[SymbolSource, ...]:
    """The first place among the inputs where each symbol stands bare."""
    found: dict[Any, SymbolSource] = {}
    for position, node in enumerate(inputs):
        places = [(None, node.value)] if isinstance(node.value, SymInt) else list(enumerate(node.value.shape))
        for dim, size in places:
            if isinstance(size, SymInt) and size.expr.is_Symbol:
                found.setdefault(size.expr, SymbolSource(size.expr, position, dim))
    return tuple(found.values())


def replace_symbols(value: Any, equalities: dict) -> Any:
    """A fake value, size, view step or nested arguments with each symbol replaced by what it equals."""
    if isinstance(value, SymInt):
        return value.env.wrap(value.expr.xreplace(equalities))
    if isinstance(value, FakeValue):
        return FakeValue(replace_symbols(value.shape, equalities), value.dtype, replace_symbols(value.strides, equalities), value.device)
    if isinstance(value, ViewStep):
        return ViewStep(value.op, replace_symbols(value.attributes, equalities), value.differentiable)
    if isinstance(value, (tuple, list)):
        return tuple(replace_symbols(item, equalities) for item in value)
    return value


def symbols_of(value: Any) -> set:
    """All symbols in a fake value, a size, or nested arguments."""
    if isinstance(value, SymInt):
        return free_symbols(value)
    if isinstance(value, FakeValue):
        return symbols_of(value.shape) | symbols_of(value.strides)
    if isinstance(value, (tuple, list)):
        return set().union(*(symbols_of(item) for item in value))
    return set()
