"""The default generator in captured code: `manual_seed`, `get_rng_state`, `set_rng_state`, and `fork_rng`, which is written with them.

In come Values of seeds and states, out go states as tensors of the graph. The one idea: a draw is a function of seed, offset and place, so a graph that goes on in another stream draws from
another pair of numbers; where the generator stands at the end is a side effect like any other.
"""

from __future__ import annotations

from typing import Any

from ...eager.dtypes import int64, uint8
from ...eager.functional.creation import tensor
from ...eager.random import Generator, default_generator, fork_rng, get_rng_state, manual_seed, set_rng_state
from ...eager.tensor import Tensor
from .. import sources
from .builtins import FUNCTIONS
from .outcome import Break
from .values.base import Value
from .values.constants import SymIntValue, constant
from .values.tensors import TensorValue

STREAM = sources.Constant(default_generator, "the default generator")


class StreamValue(Value):
    """The default generator, which the program left at another place. It is put there behind the graph."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.real = default_generator

    def type(self) -> type:
        return Generator

    def is_as_before(self) -> bool:
        return self.run.tracer.random_anew is None

    def replay(self, out: Any) -> None:
        out.statement_of(set_rng_state, [place(self.run)])


def go_on(run: Any, anew: Any) -> None:
    """Draws come from this stream from now on: a tensor of seed and offset."""
    if run.tracer.inner is not None or run.tracer.in_checkpoint > 0:
        raise Break("seeding in code that may run never or often is not captured", "seed in front of it")
    run.tracer.random_anew = anew, 0
    if not any(isinstance(value, StreamValue) for value in run.journal.entries.values()):
        run.kept.append(stream := StreamValue(run))
        run.journal.note(stream)
    run.only_here = "it puts the generator of random numbers somewhere"


def place(run: Any) -> Value:
    """Where the stream is now, as `get_rng_state` gives it."""

    def state() -> Tensor:
        anew = run.tracer.random_anew
        start, calls = (run.tracer.random_state(), run.tracer.random_calls) if anew is None else anew
        return (start + tensor([0, calls], dtype=int64)).view(uint8)

    return run.leaf(state, [], {}, "get_rng_state")


def _seed(run: Any, seed: Value) -> Value:
    if isinstance(seed, SymIntValue):
        go_on(run, run.leaf(lambda given: tensor([given, 0], dtype=int64), [seed], {}, "manual_seed").twin)
        return run.wrap(default_generator, STREAM)
    number = run.concrete(lambda given: Generator().manual_seed(given if hasattr(given, "__index__") else int(given)), run.python(seed)).state_array().tolist()
    go_on(run, run.leaf(lambda: tensor(number, dtype=int64), [], {}, "manual_seed").twin)
    return run.wrap(default_generator, STREAM)


def _put_back(run: Any, state: Value) -> Value:
    if not isinstance(state, TensorValue) or state.twin.dtype is not uint8 or tuple(state.twin.shape) != (16,):
        raise Break(f"set_rng_state() of a {state.describe()} is not captured")
    go_on(run, run.leaf(lambda given: given.view(int64), [state], {}, "set_rng_state").twin)
    return constant(None)


for _function in (fork_rng, fork_rng.__wrapped__):  # type: ignore[attr-defined]
    FUNCTIONS[_function] = lambda run, *args, _follow=_function, **kwargs: run.follow(run.wrap_known(_follow), list(args), kwargs)
FUNCTIONS[manual_seed] = _seed
FUNCTIONS[get_rng_state] = place
FUNCTIONS[set_rng_state] = _put_back
