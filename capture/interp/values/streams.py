"""Values of generators of random numbers (segue.Generator): those from outside, those that the captured code makes, and the default one.

In come seeds and draws, out go states as tensors of the graph. The one idea: a draw is a function of seed, offset and place, so a stream is the state that it began with, an input of the graph or
a constant, and how many draws were made since; where it stands at the end is a side effect like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ....eager.dtypes import int64, uint8
from ....eager.functional.creation import tensor
from ....eager.random import Generator, default_generator
from ....eager.tensor import Storage, Tensor
from ... import guards
from ...sources import MISSING, Attribute
from ..outcome import Break
from .base import Value, method
from .constants import Constant, SymIntValue
from .floats import ConvertedInput
from .tensors import TensorValue

METHODS: dict[str, Callable] = {}


def state_of_stream(generator: Generator) -> Tensor:
    """Seed and offset as an input of a graph."""
    return Tensor._wrap(generator.state_array(), Storage())


class TracedStream(Generator):
    """What eager code gets for a stream: its draws are nodes of the graph."""

    def __init__(self, stream: StreamObject) -> None:
        super().__init__(stream.device)
        self.stream = stream

    def next_call(self) -> tuple[Tensor, int]:
        return self.stream.draw()


class StreamObject(Value):
    """A generator. `start` is the state from which `calls` draws were made (None: as it came, and not read yet), `seed` what it was seeded with, `anew` whether it was put elsewhere."""

    methods: ClassVar[dict[str, Callable]] = METHODS

    def __init__(self, run: Any, device: Any, real: Any = MISSING, source: Any = None) -> None:
        self.run, self.device = run, device
        self.real, self.source = real, source
        self.born = run.step
        self.start: Any = None
        self.calls = 0
        self.seed: Value | None = None
        self.anew = False

    def type(self) -> type:
        return Generator

    def truth(self, run: Any) -> bool:
        return True

    def python(self, run: Any) -> Generator:
        return TracedStream(self)

    def attribute(self, run: Any, name: str) -> Value:
        return run.make(self.device) if name == "device" else super().attribute(run, name)

    def beginning(self) -> Any:
        if self.start is None:
            self.start = self.run.tracer.input(state_of_stream(self.real), "stream")
            self.run.graph_inputs.append(ConvertedInput(self.source, state_of_stream))
        return self.start

    def draw(self) -> tuple[Any, int]:
        """State and number of the next draw."""
        self.check()
        start = self.beginning()
        self.calls += 1
        self.run.journal.note(self)
        return start, self.calls - 1

    def check(self) -> None:
        if self.run.tracer.inner is not None or self.run.tracer.in_checkpoint > 0:
            raise Break("a generator in code that may run never or often is not captured", "draw in front of it")

    def go_on(self, start: Any, seed: Value | None = None) -> None:
        """Draws come from another place from now on."""
        self.check()
        self.start, self.calls, self.seed, self.anew = start, 0, seed, True
        self.run.journal.note(self)

    def place(self) -> Value:
        """Where the stream is now, as `get_state` gives it."""
        return self.run.leaf(lambda: place_of(self.beginning(), self.calls), [], {}, "get_state")

    def is_as_before(self) -> bool:
        return not self.anew and not self.calls

    def replay(self, out: Any) -> None:
        if self.anew:
            out.statement_of(Generator.set_state, [self, self.place()])
        elif self.calls:
            out.statement("draw_on", self, Constant(self.calls))

    def build(self, out: Any) -> None:
        out.helper("new_stream", Constant(self.device), self.place())


def place_of(start: Tensor, calls: int) -> Tensor:
    """The state behind so many draws, as 16 bytes."""
    return (start + tensor([0, calls], dtype=int64)).view(uint8)


def seeded(run: Any, seed: Value) -> Any:
    """The state at which the stream of a seed begins."""
    if isinstance(seed, SymIntValue):
        return run.leaf(lambda given: tensor([given, 0], dtype=int64), [seed], {}, "manual_seed").twin
    number = run.concrete(Generator().manual_seed, run.python(seed)).state_array().tolist()
    return run.leaf(lambda: tensor(number, dtype=int64), [], {}, "manual_seed").twin


def restored(run: Any, state: Value) -> Any:
    """The state at which a stream stands, of what `get_state` gave."""
    if not isinstance(state, TensorValue) or state.twin.dtype is not uint8 or tuple(state.twin.shape) != (16,):
        raise Break(f"going to a state of a generator that is a {state.describe()} is not captured")
    return run.leaf(lambda given: given.view(int64), [state], {}, "set_state").twin


@method(METHODS, "manual_seed")
def _manual_seed(self: StreamObject, run: Any, seed: Value) -> Value:
    self.go_on(seeded(run, seed), seed)
    return self


@method(METHODS, "set_state")
def _set_state(self: StreamObject, run: Any, new_state: Value) -> Value:
    self.go_on(restored(run, new_state))
    return self


@method(METHODS, "get_state")
def _get_state(self: StreamObject, run: Any) -> Value:
    return self.place()


@method(METHODS, "initial_seed")
def _initial_seed(self: StreamObject, run: Any) -> Value:
    if self.seed is not None:
        varies = isinstance(self.seed, SymIntValue) and self.seed.symbol.known(">=", 0)  # a negative one means 2**64 more
        return self.seed if varies else run.make(Generator().manual_seed(run.python(self.seed)).initial_seed())
    if self.anew:
        raise Break("initial_seed() behind a state that only the run knows is not captured")
    return Constant(0) if self.real is MISSING else run.wrap(self.real.seed_value, Attribute(self.source, "seed_value"))


@method(METHODS, "seed")
def _seed(self: StreamObject, run: Any) -> Value:
    raise Break("a seed from the operating system's entropy is not captured", "seed outside of the compiled function")


def is_no_default(generator: Any) -> bool:
    return generator is not default_generator


def wrap_stream(run: Any, obj: Generator, source: Any) -> Value:
    if obj is default_generator:
        return run.default_stream(source)
    run.guard(guards.TypeIs(source, Generator))
    run.guard(guards.Predicate((source,), is_no_default, f"{source.text()} is not the default generator"))
    return StreamObject(run, obj.device, obj, source)

