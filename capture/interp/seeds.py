"""The default generator in captured code: `manual_seed`, `get_rng_state`, `set_rng_state`, `initial_seed`, and `fork_rng`, which is written with them; and generators that are made.

In come Values of seeds and states, out go states as tensors of the graph. The one idea: the default generator is a stream like others (values/streams.py), of which the tracer counts the draws.
"""

from __future__ import annotations

from typing import Any

from ...eager.random import Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, set_rng_state
from .. import sources
from .builtins import FUNCTIONS
from .constructors import CONSTRUCTORS
from .outcome import Break
from .values.base import Value
from .values.constants import NONE
from .values.streams import StreamObject, place_of, seeded

STREAM = sources.Constant(default_generator, "the default generator")


class DefaultStream(StreamObject):
    """The default generator. Where the program leaves it at another place it is put there behind the graph."""

    def python(self, run: Any) -> Generator:
        return default_generator

    def go_on(self, start: Any, seed: Value | None = None) -> None:
        self.check()
        self.run.tracer.random_anew = start, 0
        self.seed, self.anew = seed, True
        self.run.only_here = "it puts the generator of random numbers somewhere"
        self.run.journal.note(self)

    def place(self) -> Value:
        def state() -> Any:
            anew = self.run.tracer.random_anew
            return place_of(*((self.run.tracer.random_state(), self.run.tracer.random_calls) if anew is None else anew))

        return self.run.leaf(state, [], {}, "get_rng_state")

    def is_as_before(self) -> bool:
        return self.run.tracer.random_anew is None


class Seeds:
    """The part of an attempt that knows the default generator."""

    def default_stream(self: Any, source: Any = STREAM) -> Value:
        self.guard_is(source, default_generator)
        known = self.wrapped.get(id(default_generator))
        if known is None:
            known = self.wrapped[id(default_generator)] = DefaultStream(self, default_generator.device, default_generator, STREAM)
        return known


def _of_default(name: str) -> Any:
    return lambda run, *args: run.default_stream().call_method(run, name, list(args), {})


def _manual_seed(run: Any, seed: Value) -> Value:
    plain = seed if hasattr(seed, "symbol") or hasattr(seed.type(), "__index__") else run.make(run.concrete(int, run.python(seed)))
    return run.default_stream().call_method(run, "manual_seed", [plain], {})


def _set_state(run: Any, state: Value) -> Value:
    run.default_stream().call_method(run, "set_state", [state], {})
    return NONE


def _new(run: Any, cls: type, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if run.tracer.inner is not None or run.tracer.in_checkpoint > 0:
        raise Break("a generator in code that may run never or often is not captured", "make it in front of it")
    made = run.concrete(Generator, *map(run.python, args), **{name: run.python(value) for name, value in kwargs.items()})
    stream = StreamObject(run, made.device)
    stream.start = seeded(run, run.make(0))
    return stream


for _function in (fork_rng, fork_rng.__wrapped__):  # type: ignore[attr-defined]
    FUNCTIONS[_function] = lambda run, *args, _follow=_function, **kwargs: run.follow(run.wrap_known(_follow), list(args), kwargs)
FUNCTIONS[manual_seed] = _manual_seed
FUNCTIONS[set_rng_state] = _set_state
FUNCTIONS[get_rng_state] = _of_default("get_state")
FUNCTIONS[initial_seed] = _of_default("initial_seed")
CONSTRUCTORS[Generator] = _new
