"""The output: from the state in which an attempt ended to the code that runs in its place.

In comes an attempt whose root frame returned or must break; out goes a code object: reload what is needed by its source, run the compiled graph, replay the side effects,
build the live values, and return or break. The one idea: the second half is written first, because only it knows which results and sources are needed; all
sources are then read in one place before anything is stored, so no store can change what a later load sees.
"""

from __future__ import annotations

import enum
import functools
import types
import typing
from collections.abc import Callable
from types import CodeType
from typing import Any

from ...eager.answers import noting
from ...eager.tensor import Tensor
from ...graph.compiled import CompiledGraph, compile_graph
from ...graph.foreign import calls_foreign
from ...graph.history import history
from ...graph.ir import Graph
from ...graph.passes import keep_checks
from .. import sources
from ..bytecode.assembler import Assembler
from ..bytecode.breaks import FrameState, break_frame, whole_frame
from ..bytecode.instruction import Handler, Label
from .alive import Alive
from .attempt import Attempt
from .loader import Loader
from .outcome import Skip, Unbuildable
from .rebuild import HELPERS
from .values.base import Value
from .values.callbacks import holds_stale
from .values.constants import Constant
from .values.containers import Unread
from .values.floats import ConvertedInput, ResultValue
from .values.functions import CellValue
from .values.tensors import TensorValue


class Cyclic(Exception):  # noqa: N818
    """A fresh object holds itself: it must be made empty first, then filled."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


class Output:
    """What Values see while they rebuild themselves: the stack machine, the memory of what stands in which temporary, and the graph's results."""

    def __init__(self, attempt: Attempt, assembler: Assembler, cyclic: set[int], breaking: bool) -> None:
        self.attempt = attempt
        self.assembler = assembler
        self.cyclic = cyclic
        self.breaking = breaking
        self.places: dict[int, str] = {}  # id of a Value -> its temporary
        self.kept: list[Any] = []  # the Values whose ids these are
        self.building: set[int] = set()
        self.sources: dict[Any, str] = {}  # source -> the temporary that it is loaded into
        self.results: list[Any] = []  # the graph's outputs
        self.result_places: list[str] = []
        self.deferred: list[CellValue] = []

    # -- the stack machine --------------------------------------------------------------------------------------------

    def emit(self, opcode: str, argument: Any = None) -> None:
        self.assembler.emit(opcode, argument)

    def constant(self, value: Any) -> None:
        made = self.made_class_in(value)
        if made is None:
            self.assembler.load_const(value)
        elif isinstance(value, type):
            self.value(made)
        elif isinstance(value, types.UnionType):
            self.helper("new_union", *[Constant(part) for part in value.__args__])
        elif typing.get_origin(value) is made.real:  # `Made[int]`
            self.helper("new_alias", made, *[Constant(part) for part in value.__args__])
        elif not isinstance(value, enum.Enum):
            raise Unbuildable(made, f"{value!r}, whose class is made in the captured code, cannot be made again")
        elif value._name_ in type(value).__members__:
            self.value(made)
            self.emit("LOAD_ATTR", value._name_)
        else:  # several flags
            self.helper("convert", Constant(value._value_), made)

    def made_class_in(self, value: Any) -> Any:
        """The Value of a class made during capture that a constant is, belongs to or names among its parts, as `C | None` does."""
        classes = self.attempt.made_classes
        if not classes:
            return None
        origin = typing.get_origin(value)
        found = classes.get(value if isinstance(value, type) else type(value))
        parts = () if origin is None else (origin, *getattr(value, "__args__", ()))
        return found or next(filter(None, map(self.made_class_in, parts)), None)

    def call(self, function: Any, *args: Any) -> None:
        """Push function(*args)."""
        self.constant(function)
        self.assembler.prepare_call()
        for arg in args:
            self.value(arg)
        self.assembler.call(len(args))

    def helper(self, name: str, *args: Any) -> None:
        """Push the result of a helper of rebuild.py."""
        self.call(HELPERS[name], *args)

    def statement(self, name: str, *args: Any) -> None:
        """Call a helper for its effect."""
        self.helper(name, *args)
        self.emit("POP_TOP")

    def statement_of(self, function: Any, args: list) -> None:
        """Call a function for its effect."""
        self.call(function, *args)
        self.emit("POP_TOP")

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, value: Any) -> None:
        """Push a Value: a constant, what its source leads to, what was built already, or built anew."""
        if isinstance(value, Unread):
            self.load(value.source)
        elif isinstance(value, Constant):
            self.constant(value.value)
        elif value.source is not None:
            self.load(value.source)
        elif id(value) in self.places:
            self.emit("LOAD_FAST", self.places[id(value)])
        else:
            if id(value) in self.building:
                raise Cyclic(value)
            self.building.add(id(value))
            value.build(self)
            self.building.discard(id(value))
            self.remember(value)

    def remember(self, value: Value) -> None:
        """Keep the top under this Value."""
        if id(value) not in self.places:
            self.kept.append(value)
            self.emit("COPY", 1)
            self.places[id(value)] = self.assembler.store_temporary()

    def is_cyclic(self, value: Value) -> bool:
        return id(value) in self.cyclic

    def load(self, source: Any) -> None:
        """Push what a source led to when the frame began."""
        if isinstance(source, sources.Constant):
            self.constant(source.value)
            return
        if source not in self.sources:
            self.sources[source] = self.assembler.temporary()
        self.emit("LOAD_FAST", self.sources[source])

    def graph_result(self, value: Any) -> None:
        """Push a result of the graph."""
        self.results.append(value.twin if isinstance(value, TensorValue) else value.symbol)
        self.result_places.append(self.assembler.temporary())
        self.places[id(value)] = self.result_places[-1]
        self.kept.append(value)
        self.emit("LOAD_FAST", self.result_places[-1])

    def number_result(self, value: Any) -> None:
        """Push a float, or a bool, that the graph computes."""
        self.helper("number_of", TensorValue(value.twin))

    def python_result(self, value: ResultValue) -> None:
        """Push what the graph computes as a plain Python object."""
        self.helper("list_of" if value.cls is list else "number_of", TensorValue(value.twin))

    # -- cells --------------------------------------------------------------------------------------------------------

    def load_cell(self, name: str) -> None:
        self.assembler.load_cell(name)

    def defer_cell(self, cell: CellValue) -> None:
        """Fill a cell when all else is built: its content may need the function that holds the cell."""
        if not (cell.name and self.breaking):
            self.deferred.append(cell)

    def fill_cell(self, cell: CellValue) -> None:
        if cell.content is None:
            self.statement("empty_cell", cell)
        else:
            self.statement("store_cell", cell, cell.content)

    def fill_deferred(self) -> None:
        while self.deferred:
            cell = self.deferred.pop()
            if cell.content is not None:
                self.fill_cell(cell)


# -- the two kinds of output ---------------------------------------------------------------------------------------------------


class Built:
    """The finished output of an attempt."""

    def __init__(self, code: CodeType, graph: Graph | None, compiled: CompiledGraph | None) -> None:
        self.code = code
        self.graph = graph
        self.compiled = compiled


class Builder(Alive):
    """Builds the code for one attempt; started anew when a fresh object turns out to hold itself."""

    def __init__(self, attempt: Attempt, outcome: tuple[str, Value] | None, backend: Any) -> None:
        self.attempt = attempt
        self.outcome = outcome
        self.backend = backend
        self.graph: Graph | None = None
        self.compiled: CompiledGraph | None = None
        self.operations = 0

    def build(self) -> Built:
        code = self.attempt.root.code
        cyclic: set[int] = set()
        while True:
            try:
                if self.outcome is not None:
                    made = whole_frame(code, lambda assembler: self.prologue(assembler, cyclic))
                else:
                    made = self.broken(code, cyclic)
                return Built(made, self.graph, self.compiled)
            except Cyclic as found:
                if id(found.value) in cyclic:
                    raise Unbuildable(found.value, f"a {found.value.describe()} that holds itself cannot be made again behind a graph break") from None
                cyclic.add(id(found.value))

    def broken(self, code: CodeType, cyclic: set[int]) -> CodeType:
        root = self.attempt.root
        state = FrameState({}, [], {})

        def prologue(assembler: Assembler) -> None:
            places = self.prologue(assembler, cyclic)
            state.locals = self.locals(places)
            state.stack = [self.slot(value, places, root.stack[:index]) for index, value in enumerate(root.stack)]
            state.cells = {name: places.get(name) for name in self.changed_cells()}
            state.cleared = frozenset(name for name in root.code.co_cellvars if root.slots.get(name) is None)

        return break_frame(code, root.index, state, prologue)

    # -- the prologue -------------------------------------------------------------------------------------------------

    def prologue(self, assembler: Assembler, cyclic: set[int]) -> dict[Any, Callable]:
        """Everything up to the return value on the stack, or up to emitters for the live Values (by identity) and for what is in cells (by name)."""
        attempt = self.attempt
        before, assembler.items = assembler.items, []
        out = Output(attempt, assembler, cyclic, self.outcome is None)
        attempt.journal.replay(out, lambda value: attempt.deferred > 0 and holds_stale(value, attempt.stale))
        self.store_gradients(out)
        attempt.journal.end(out)
        places: dict[Any, Callable] = {}
        slots = attempt.root.slots
        if self.outcome is not None:
            out.value(self.outcome[1])
        else:
            self.unmissed = frozenset()
            self.unmissed = self.unread()
            for value in self.live():
                places[id(value)] = self.kept(out, value)
            for name, cell in self.changed_cells().items():
                if cell.content is not None:
                    places[name] = self.kept(out, cell.content)
            self.unmissed -= (missed := self.missed(out))
            for name in missed:
                if not self.unchanged(name):
                    places[id(slots[name])] = self.kept(out, slots[name])
        out.fill_deferred()
        rest, assembler.items = assembler.items, before
        self.beginning(out)
        assembler.items += rest
        return places

    def kept(self, out: Output, value: Any) -> Callable:
        """Build a Value now; an emitter that pushes it later."""
        if isinstance(value, Constant) and out.made_class_in(value.value) is None:
            return lambda assembler: assembler.load_const(value.value)
        out.value(value)
        place = out.assembler.store_temporary()
        return lambda assembler: assembler.emit("LOAD_FAST", place)

    def store_gradients(self, out: Output) -> None:
        """`p.grad` of inputs that another gradient, or None, was given."""
        for value in self.attempt.changed_gradients():
            gradient = value.twin._grad
            out.statement("store_attribute", value, Constant("grad"), Constant(None) if gradient is None else self.attempt.tensor_value(gradient))

    def beginning(self, out: Output) -> None:
        """Load all sources, then call the graph."""
        assembler = out.assembler
        self.finish_graph(out)
        owners = [one.source for given in self.attempt.fresh.values() for one in given if isinstance(one, Value) and one.source not in self.attempt.fresh]
        wanted = dict(out.sources)
        wanted.update(dict.fromkeys([draw.owner.source for draw in self.attempt.draws] + owners, ""))
        if self.compiled is not None:
            wanted.update(dict.fromkeys([i.source if isinstance(i, ConvertedInput) else i for i in self.attempt.graph_inputs], ""))
        loader = Loader(assembler, wanted)
        states = self.make_draws(assembler, loader)
        for source, given in self.attempt.fresh.items():
            self.helper_call(assembler, given[0], *[one.source if isinstance(one, Value) else Constant(one) for one in given[1:]], loader=loader)
            loader.places[source] = assembler.store_temporary()
            loader.kept.append(loader.places[source])
        for source, place in out.sources.items():
            loader.load(source)
            assembler.emit("STORE_FAST", place)
            loader.places[source] = place
        if self.compiled is not None:
            self.call_graph(out, loader, states)
        if self.attempt.telling is not None and self.attempt.telling.root is not None:
            assembler.load_const(self.attempt.telling.root.function())
            assembler.prepare_call()
            assembler.call(0)
            assembler.pop_top()

    def call_graph(self, out: Output, loader: Loader, states: dict[str, str]) -> None:
        """Push the inputs, call, and store the results; what stands behind it runs only where the graph did not raise."""
        assembler = out.assembler
        self.forget_gradients(assembler, loader)
        enables = not self.attempt.modes_before["enabled"] and any(isinstance(twin, Tensor) and twin._requires_grad and twin._edge is not None for twin in out.results)
        run: Any = functools.partial(HELPERS["with_gradients"], self.compiled) if enables else self.compiled
        assembler.load_const(functools.partial(noting, run) if self.graph is not None and calls_foreign(self.graph) else run)
        assembler.prepare_call()
        for source in self.attempt.graph_inputs:
            if isinstance(source, ConvertedInput):
                assembler.load_const(source.convert)
                assembler.prepare_call()
                loader.load(source.source)
                assembler.call(1)
            else:
                loader.load(source)
        failed, done = Label("failed"), Label("done")
        assembler.handler = Handler(failed, 0, False)
        assembler.emit("NOP")  # 3.13 looks for the handler of a Python function's exception one word before the CALL
        assembler.call(len(self.attempt.graph_inputs))
        assembler.handler = None
        self.store_results(out)
        assembler.jump(done)
        self.run_again(assembler, failed, states, [*out.sources.values(), *loader.kept])
        assembler.place(done)

    def forget_gradients(self, assembler: Assembler, loader: Loader) -> None:
        """Let go of the gradients that nobody reads, so that the graph's values can lie where they lay."""
        forgotten = [value for value in self.attempt.forgotten_gradients() if value.source in loader.places]
        if forgotten:
            assembler.load_const(HELPERS["forget_gradients"])
            assembler.prepare_call()
            for value in forgotten:
                loader.load(value.source)
            assembler.call(len(forgotten))
            assembler.emit("POP_TOP")

    def make_draws(self, assembler: Assembler, loader: Loader) -> dict[str, str]:
        """Draw the random numbers, each into a temporary. Returns the generators and what they were before, both in temporaries."""
        states: dict[str, str] = {}
        for draw in self.attempt.draws:
            loader.load(draw.owner.source)
            owner = assembler.store_temporary()
            if self.compiled is not None and draw.owner not in [earlier.owner for earlier in self.attempt.draws[: draw.place.number]]:
                self.helper_call(assembler, "state_of", owner)
                states[owner] = assembler.store_temporary()
            places = [arg if isinstance(arg, sources.Source) else sources.Constant(arg, "") for arg in draw.args]
            self.helper_call(assembler, "draw", owner, Constant(draw.name), Constant(draw.named), *places, loader=loader)
            loader.places[draw.place] = assembler.store_temporary()
            loader.kept += [owner, loader.places[draw.place]]
        loader.kept += states.values()
        return states

    def helper_call(self, assembler: Assembler, name: str, *args: Any, loader: Loader | None = None) -> None:
        """Push what a helper makes of temporaries, constants, and what stands at paths."""
        assembler.load_const(HELPERS[name])
        assembler.prepare_call()
        for arg in args:
            if isinstance(arg, Constant):
                assembler.load_const(arg.value)
            elif loader is not None and isinstance(arg, sources.Source):
                loader.load(arg)
            else:
                assembler.emit("LOAD_FAST", arg)
        assembler.call(len(args))

    def run_again(self, assembler: Assembler, failed: Label, states: dict[str, str], temporaries: list[str]) -> None:
        """The graph raised: nothing has changed so far, so the frame's own code runs from its beginning, raises at the user's line and finds the user's handlers."""
        assembler.place(failed)
        assembler.load_const(HELPERS["run_again"])
        assembler.prepare_call()
        assembler.copy(3)  # what was raised
        assembler.load_const(self.attempt.root.code.co_qualname)
        assembler.call(2)
        assembler.emit("POP_TOP")
        for owner, state in states.items():
            self.helper_call(assembler, "put_back", owner, state)
            assembler.emit("POP_TOP")
        assembler.emit("POP_TOP")
        for name in temporaries:
            assembler.emit("DELETE_FAST", name)
        assembler.start_again()

    def store_results(self, out: Output) -> None:
        """[results of the graph] -> []"""
        assembler = out.assembler
        if out.result_places:
            assembler.unpack_sequence(len(out.result_places))
        else:
            assembler.pop_top()
        for place in out.result_places:
            assembler.emit("STORE_FAST", place)

    def finish_graph(self, out: Output) -> None:
        if self.graph is None:
            twins = [twin for twin in out.results if isinstance(twin, Tensor)]
            self.keep_leaves(twins)
            self.keep_shared(twins)
            self.keep_errors(twins)
            self.graph = keep_checks(self.attempt.tracer.finish(out.results))
            self.keep_switched(twins, self.graph)
            self.operations = sum(1 for node in self.graph.nodes if node.kind == "op")
            if self.operations or out.results or self.graph.writes:
                self.compiled = compile_graph(self.graph, self.backend, title=self.attempt.root.code.co_qualname, own_tape=True)

    def keep_shared(self, results: list[Tensor]) -> None:
        """A result that eagerly shares memory with what the graph has copied must be made behind the graph."""
        for twin in results:
            storage = getattr(twin._data, "storage", None)
            if storage in self.attempt.shared:
                raise Unbuildable(self.attempt.shared[storage], "a result of an autograd.Function that shares memory is given out of the graph")

    def keep_errors(self, results: list[Tensor]) -> None:
        """A backward that eagerly fails on what was overwritten must fail: a graph would not know. (Of a history that was freed in part the graph still has all:
        a derivative by a leaf behind what was freed, which eager mode refuses, is found.)"""
        if any(history(twin._edge).overwritten for twin in results):
            raise Skip("a value that the backward needs is overwritten in place")

    def keep_switched(self, results: list[Tensor], graph: Graph) -> None:
        """An input whose `requires_grad` or `data` was set in the graph stands on the tape as it was for the whole of a call: where a result or a write has a history
        that goes on outside, the graph must end before the switch."""
        switched = next((value for value in self.attempt.tensor_inputs if value.born is not None), None)
        if switched is not None and (any(twin._edge is not None and not self.attempt.tracer.is_used_up(twin._edge) for twin in results) or graph.differentiable_writes):
            raise Unbuildable(switched, "requires_grad or data of a tensor from outside is set, and what is computed leaves the graph with its history")

    def keep_leaves(self, results: list[Tensor]) -> None:
        """A leaf that the graph itself made has no place on the tape behind it. Where its history would be missed, because it leaves the graph together with
        what was computed from it, or a result depends on nothing else, the graph must end before the tensor becomes a leaf."""
        inputs = {id(value.twin) for value in self.attempt.tensor_inputs}
        leaving = {id(twin) for twin in results}
        for twin in results:
            ends = history(twin._edge).ends
            made = [leaf for leaf in ends if isinstance(leaf, Tensor) and id(leaf) not in inputs]
            missed = made if len(made) == len(ends) else [leaf for leaf in made if id(leaf) in leaving]
            if missed:
                reason = "a tensor made in the graph requires a gradient, and what is computed from it leaves the graph"
                raise Unbuildable(self.attempt.tensor_value(missed[0]), reason)
