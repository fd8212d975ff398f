"""A transform taken in front of a function that is called inside of it: what runs compiled functions under `vmap` and `jvp`.

In come a function and the arguments of one call of it, tensors of running levels, out goes the same call as a function of the tensors below the innermost
level, in which that level is made anew. The one idea: a transform of a function can be compiled where a call on a level's tensors cannot; so the compiled function
gets the transform for its own, level by level from within, until plain tensors are left (capture/lifting.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import error
from ..pytree import TreeSpec, tree_flatten, tree_unflatten
from ..tensor import Tensor
from .batched import BatchedArray, BatchLevel
from .calls import vjp
from .dual import DualArray, DualLevel
from .levels import Level

PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Unliftable(Exception):
    """What a function does cannot be carried over the border of a transform."""


class Taken:
    """One way of calling a function at a level: the structure of its arguments, and what the level had put under each.

    `taped`: the places of the leaves that stand on the level's own tape. `read`: references to the tensors that the function was seen to read.
    """

    def __init__(self, spec: TreeSpec, taped: tuple[int, ...]) -> None:
        self.spec = spec
        self.taped = taped
        self.read: list[Any] = []

    def level(self) -> Any:
        """A new level like the one that runs."""
        raise NotImplementedError

    def entered(self, level: Any, below: Sequence[Any]) -> list:
        """The leaves at a level, from what lay under it."""
        raise NotImplementedError

    def left(self, level: Any, x: Tensor) -> tuple[Any, Any]:
        """What lies under a result, and what `returned` needs to know of it beside."""
        raise NotImplementedError

    @staticmethod
    def returned(level: Any, x: Tensor, about: Any, shared: bool) -> Tensor:
        """A result as a tensor of the level that runs. `shared`: its memory is somebody else's too."""
        raise NotImplementedError

    @staticmethod
    def take(level: Any, arrays: list, spec: TreeSpec, taped: tuple) -> tuple[tuple, list]:
        """The class and what its constructor takes, for leaves that are arrays of the level; and the tensors below."""
        raise NotImplementedError

    def check(self, inside: Sequence[Any], below: Sequence[Any]) -> None:
        """Raise Unliftable for a change of an argument that the tensors below do not show."""

    def run(self, function: Callable, *below: Any) -> tuple:
        """(results below the level, what `returned` needs of each, the places of those that depend on a taped leaf)."""
        with self.level() as level:
            inside = self.entered(level, below)
            for place in self.taped:
                inside[place] = _leaf(inside[place])
            args, kwargs = tree_unflatten(inside, self.spec)
            results, spec = tree_flatten(function(*args, **kwargs))
            if not all(isinstance(x, (Tensor, *PLAIN)) for x in results):
                raise Unliftable("a result that is no tensor")
            self.check(inside, below)
            parts = [self.left(level, x) if isinstance(x, Tensor) else (x, None) for x in results]
            on_tape = tuple(place for place, x in enumerate(results) if isinstance(x, Tensor) and x.requires_grad)
        return tree_unflatten([value for value, _ in parts], spec), [about for _, about in parts], on_tape

    def pull(self, wanted: tuple[int, ...], function: Callable, *given: Any) -> tuple:
        """The gradients of the taped leaves, from the leaves and the gradients of the wanted results."""
        leaves, gradients = list(given[: self.spec.num_leaves]), given[self.spec.num_leaves :]

        def again(*taped: Any) -> tuple:
            inside = list(leaves)
            for place, x in zip(self.taped, taped):
                inside[place] = x
            args, kwargs = tree_unflatten(inside, self.spec)
            results = tree_flatten(function(*args, **kwargs))[0]
            return tuple(results[place] for place in wanted)

        _, pullback = vjp(again, tuple(leaves[place] for place in self.taped), False)
        return pullback(tuple(gradients), retain_graph=False)


class OverBatch(Taken):
    """Under a `vmap`: the place of the batch in each leaf, None where it has none."""

    def __init__(self, spec: TreeSpec, taped: tuple[int, ...], dims: tuple, size: int, randomness: str) -> None:
        super().__init__(spec, taped)
        self.dims, self.size, self.randomness = dims, size, randomness

    def level(self) -> BatchLevel:
        return BatchLevel(self.size, self.randomness)

    def entered(self, level: BatchLevel, below: Sequence[Any]) -> list:
        return [level.enter(x, d) if isinstance(x, Tensor) else x for x, d in zip(below, self.dims)]

    def left(self, level: BatchLevel, x: Tensor) -> tuple[Any, Any]:
        array: Any = level.lift(x)._data
        return array.value, array.dim

    @staticmethod
    def returned(level: Any, x: Tensor, dim: int | None, shared: bool) -> Tensor:
        return level.enter(x, dim)

    @staticmethod
    def take(level: Any, arrays: list, spec: TreeSpec, taped: tuple) -> tuple[tuple, list]:
        dims = tuple(array.dim if isinstance(array, BatchedArray) else None for array in arrays)
        return (OverBatch, spec, taped, dims, level.size, level.randomness), [_under(array) for array in arrays]


class AlongTangents(Taken):
    """Under a `jvp`: which leaves have a tangent. The tangents follow the leaves."""

    def __init__(self, spec: TreeSpec, taped: tuple[int, ...], directed: tuple[bool, ...]) -> None:
        super().__init__(spec, taped)
        self.directed = directed

    def level(self) -> DualLevel:
        return DualLevel()

    def entered(self, level: DualLevel, below: Sequence[Any]) -> list:
        tangents = iter(below[len(self.directed) :])
        return [level.enter(x, next(tangents) if on else None) if isinstance(x, Tensor) else x for x, on in zip(below, self.directed)]

    def left(self, level: DualLevel, x: Tensor) -> tuple[Any, Any]:
        return level.leave(x)

    def check(self, inside: Sequence[Any], below: Sequence[Any]) -> None:
        for x, on in zip(inside, self.directed):
            if not on and isinstance(x, Tensor) and x._data.tangent is not None:
                raise Unliftable("an argument without a tangent, into which one is written")

    @staticmethod
    def returned(level: Any, x: Tensor, tangent: Tensor | None, shared: bool) -> Tensor:
        made = level.enter(x, tangent)
        made._data.is_view = shared
        return made

    @staticmethod
    def take(level: Any, arrays: list, spec: TreeSpec, taped: tuple) -> tuple[tuple, list]:
        tangents = [array.tangent if isinstance(array, DualArray) else None for array in arrays]
        below = [*(_under(array) for array in arrays), *(t for t in tangents if t is not None)]
        return (AlongTangents, spec, taped, tuple(t is not None for t in tangents)), below


def _under(array: Any) -> Any:
    return array.value if isinstance(array, (BatchedArray, DualArray)) else array


def _leaf(x: Tensor) -> Tensor:
    made = Tensor._wrap(x._data, x._storage)
    made._requires_grad = True
    return made


TAKEN: dict[type[Level], type[Taken]] = {BatchLevel: OverBatch, DualLevel: AlongTangents}


def run_taken(taken: Taken, function: Callable, *below: Any) -> tuple:
    """A call with the transform in front of it. Captured by a rule of its own (capture/interp/transforms.py)."""
    return taken.run(function, *below)


def pull_taken(taken: Taken, wanted: tuple[int, ...], function: Callable, *given: Any) -> tuple:
    """The gradients of such a call's taped leaves."""
    return taken.pull(wanted, function, *given)


def need_unwritten(versions: Sequence[tuple[Tensor, int]]) -> None:
    """Raise RuntimeError where a leaf that is read again in the backward was written to since."""
    if any(x._storage.version != version for x, version in versions):
        raise error(
            RuntimeError, "one of the variables needed for gradient computation has been modified by an inplace operation: an argument of a compiled function",
            "x = x + 1 in place of x += 1",
        )  # fmt: skip

