"""Random numbers of Python and NumPy: what `random.random()`, a `random.Random`, `np.random.rand()` or a `Generator` give inside of a compiled function.

In come a generator from outside and the arguments of one of its methods, out goes the Value of what a call of the new code will give. The one idea: a draw depends on nothing
that the graph computes, so the new code makes all draws for real in front of the graph, in the program's order, and their results are inputs. Nothing is known
of them during capture: where a number is asked for (a branch, a message), the graph ends, as for `item()`. Should the graph raise, the generators are put back before the
frame runs again eagerly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ....eager.functional.positions import runtime_size
from ... import sources
from ...sources import MISSING, Source
from ..outcome import RUNTIME
from ..rebuild import float_tensor, int_tensor, number_list
from .base import Value
from .containers import Sequence, TupleValue
from .floats import ConvertedInput, FloatValue, ResultValue

LARGEST = 2**62  # ints are held in int64
NO_BOUNDS = (-LARGEST, LARGEST)


@sources.path
class Drawn(Source):
    """The result of a draw, by its number. No guard sees it: there is none before the call's draws are made."""

    number: int

    def text(self) -> str:
        return f"<draw {self.number}>"


class Draw:
    """One call of a generator's method. `example` is what another generator gave, `bounds` are those of the whole numbers that it can give, `shape` has the sizes of an array
    of which some vary."""

    def __init__(self, run: Any, owner: Value, name: str, args: tuple, named: tuple, example: Any, bounds: tuple[int, int], shape: tuple = ()) -> None:
        self.run = run
        self.owner = owner
        self.name, self.args, self.named = name, args, named
        self.example = example
        self.bounds = bounds
        self.shape = shape
        self.place = Drawn(len(run.draws))
        run.draws.append(self)

    @functools.cached_property
    def several(self) -> Any:
        """The twin of a list of numbers, or an array."""
        varying = {dim: size for dim, size in enumerate(self.shape) if hasattr(size, "segue_symbol")}
        return add_input(self.run, self.example, ConvertedInput(self.place, number_list), self.name, varying)


def add_input(run: Any, example: Any, source: ConvertedInput, name: str, varying: Mapping[int, Any] = MappingProxyType({})) -> Any:
    twin = run.tracer.input(source.convert(example), name, varying)
    run.graph_inputs.append(source)
    return twin


class DrawnFloat(FloatValue):
    """A float that was drawn. It is an input of the graph where the graph computes with it."""

    def __init__(self, draw: Draw, place: Any, index: int | None = None) -> None:
        self.draw, self.index = draw, index
        self.source = place
        self.real = MISSING  # type: ignore[assignment]
        self.origins = frozenset({RUNTIME})

    @functools.cached_property
    def twin(self) -> Any:  # type: ignore[override]
        return number_twin(self, 0.0, float_tensor)

    def describe(self) -> str:
        return "float that is drawn"


class DrawnInt(ResultValue):
    """An int that was drawn."""

    def __init__(self, draw: Draw, place: Any, index: int | None = None) -> None:
        self.draw, self.index = draw, index
        self.source = place
        self.cls = int
        self.unfolded: Any = None

    @functools.cached_property
    def twin(self) -> Any:  # type: ignore[override]
        return number_twin(self, 0, int_tensor)

    def whole(self, run: Any) -> Value:
        if self.unfolded is None:
            what = f"the result of {self.draw.name}()"
            self.unfolded = run.leaf(lambda x: runtime_size(x, *self.draw.bounds, what), [run.tensor_value(self.twin)], {}, self.draw.name)
        return self.unfolded


def number_twin(number: Any, example: Any, convert: Callable) -> Any:
    draw = number.draw
    if number.index is None:
        return add_input(draw.run, example, ConvertedInput(number.source, convert), draw.name)
    return draw.run.leaf(lambda x: x[number.index], [draw.run.tensor_value(draw.several)], {}, draw.name).twin


def drawn_tensor(value: Value) -> Value | None:
    """The numbers of a list that were drawn at once and stand in their order, or some of them from one place on, as one tensor; None for other Values."""
    if not isinstance(value, Sequence) or not value.items or not all(isinstance(item, (DrawnInt, DrawnFloat)) and item.index is not None for item in value.items):
        return None
    first = value.items[0]
    if any(item.draw is not first.draw or item.index != first.index + place for place, item in enumerate(value.items)):
        return None
    several, count = first.draw.run.tensor_value(first.draw.several), len(value.items)
    return several if count == len(first.draw.example) else first.draw.run.leaf(lambda x: x[first.index : first.index + count], [several], {}, first.draw.name)


def with_drawn_tensors(run: Any, key: Value) -> Value:
    """An index with its lists and arrays of drawn numbers as tensors."""
    if isinstance(key, TupleValue):
        return TupleValue([with_drawn_tensors(run, item) if isinstance(item, Value) else item for item in key.items], key.cls)
    return key.tensor(run) if hasattr(key, "tensor") else drawn_tensor(key) or key
