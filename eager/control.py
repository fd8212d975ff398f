"""Control flow on data: `cond`, `while_loop`, `scan` and `map`.

In come functions over pytrees of tensors and the tensors that steer them, out go pytrees of tensors. The one idea: eagerly these are Python's own `if` and `for`,
so the tape and the function transforms see nothing new; while a graph is traced, the functions are traced apart and the graph gets one node that holds their
graphs (graph/control.py, which installs itself here).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd.mode import STATE
from .autograd.tape import F
from .errors import error
from .pytree import TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten
from .tensor import Tensor
from .transforms.batched import BatchedArray
from .transforms.levels import TransformedArray

__all__ = ["cond", "map", "scan", "while_loop"]

Tree = Any
_graphs: list[Any] = []


def install_graphs(recorder: Any) -> None:
    """Called once by graph/control.py, which records these operators while a graph is traced and so cannot be imported here."""
    _graphs[:] = [recorder]


def cond(pred: Any, true_fn: Callable, false_fn: Callable, operands: Any = ()) -> Tree:
    """`true_fn(*operands)` where `pred` holds, else `false_fn(*operands)`; in a compiled graph one node, of which just one branch runs.

    `pred` is a bool or a tensor of one element; `operands` is a tuple or list of pytrees of tensors. Both branches return pytrees of the same structure, shapes and
    dtypes, which a graph checks (RuntimeError); they may read tensors from outside, but change nothing there. A result is never the memory of an operand: a branch that
    returns one gives a copy. In a graph a result requires grad where that of either branch does. Under `vmap` with another `pred` for each example
    both branches run and the results are chosen. Raises RuntimeError for what is no predicate or no function.

    >>> import segue
    >>> x = segue.tensor(2.0)
    >>> segue.cond(x > 1, lambda x: x * 10, lambda x: x - 10, (x,))
    tensor(20.)
    """
    if not callable(true_fn) or not callable(false_fn):
        raise error(RuntimeError, "cond: Expect both branches to be callable.")
    if not isinstance(operands, (tuple, list)):
        raise error(RuntimeError, f"cond: Expect operands to be a tuple of tensors (or nested containers of them), got {type(operands).__name__}", "(operand,)")
    if not isinstance(pred, Tensor):
        if not isinstance(pred, (bool, int)):
            raise error(RuntimeError, f"cond: Expected pred to be bool or tensor, but got {type(pred).__name__}.")
        return _apart((true_fn if pred else false_fn)(*operands), operands)
    if pred.numel() != 1:
        raise error(RuntimeError, f"cond: Expected pred to be bool or single-element tensor, but got a tensor of shape {list(pred.shape)}.")
    if is_traced(pred):
        return _graphs[0].cond(STATE.tracers[-1], pred.reshape(()), true_fn, false_fn, tuple(operands))
    if _differs_by_example(pred):
        return chosen(pred.reshape(()), true_fn(*operands), false_fn(*operands), ("true_fn", "false_fn"), "cond")
    return _apart((true_fn if bool(pred) else false_fn)(*operands), operands)


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any, *, max_iterations: int | None = None) -> Tree:
    """`carried = body_fn(*carried)` while `cond_fn(*carried)` holds; returns what is carried at the end. In a compiled graph one node.

    `carried_inputs` is a tuple of pytrees of tensors; the body returns the same structure, shapes and dtypes (RuntimeError). Reverse mode through a compiled loop needs
    `max_iterations`, a bound on the number of iterations, after which the loop ends in any case; without it such a loop runs eagerly.

    >>> import segue
    >>> segue.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (segue.tensor(0), segue.tensor(1.0)))
    (tensor(3), tensor(8.))
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise error(RuntimeError, "while_loop: cond_fn and body_fn must be callable.")
    if not isinstance(carried_inputs, (tuple, list)):
        raise error(RuntimeError, f"while_loop: carried_inputs must be a tuple, got {type(carried_inputs).__name__}", "(value,)")
    if max_iterations is not None and max_iterations < 0:
        raise error(ValueError, f"while_loop: max_iterations must not be negative, got {max_iterations}")
    carried = tuple(carried_inputs)
    leaves, spec = tensors_of(carried, "while_loop: carried_inputs")
    if STATE.tracers:
        return _graphs[0].while_loop(STATE.tracers[-1], cond_fn, body_fn, carried, max_iterations)
    turns = 0
    while max_iterations is None or turns < max_iterations:
        goes_on = cond_fn(*carried)
        check_test(goes_on)
        if isinstance(goes_on, Tensor) and _differs_by_example(goes_on):
            if not _for_any(goes_on):
                break
            carried = chosen(goes_on.reshape(()), body_fn(*carried), carried, ("body_fn", "carried_inputs"), "while_loop")
        else:
            if not bool(goes_on):
                break
            carried = _as_tuple(body_fn(*carried))
            check_carry(leaves, spec, carried, "while_loop: body_fn", "carried_inputs")
        turns += 1
    return _apart(carried, leaves)


def scan(combine_fn: Callable, init: Tree, xs: Tree, *, dim: int = 0, reverse: bool = False) -> tuple[Tree, Tree]:
    """Fold `combine_fn(carry, x) -> (carry, y)` over the slices of `xs` along `dim`: (the last carry, all ys stacked along `dim`).

    `init` and `xs` are pytrees of tensors; `reverse` starts at the last slice (the ys stay in the order of the slices). The carry keeps its structure, shapes and dtypes. In a
    compiled graph one node. Raises RuntimeError where that does not hold, and for xs that are empty or of different lengths.

    >>> import segue
    >>> segue.scan(lambda total, x: (total + x, total * 1), segue.tensor(0.0), segue.tensor([1.0, 2.0, 3.0]))
    (tensor(6.), tensor([0., 1., 3.]))
    """
    if not callable(combine_fn):
        raise error(RuntimeError, f"scan: Combine_fn must be a callable, but got {combine_fn!r}")
    carries, carry_spec = tensors_of(init, "scan: init")
    slices, xs_spec = tensors_of(xs, "scan: xs")
    if not carries:
        raise error(RuntimeError, "scan() operator requires init leaves.")
    slices, length = _along(slices, dim, "scan")
    if STATE.tracers:
        carry, ys = _graphs[0].scan(STATE.tracers[-1], combine_fn, init, tree_unflatten(slices, xs_spec), length, reverse)
        return carry, _moved_back(ys, dim)
    carry, found = init, []
    for index in reversed(range(length)) if reverse else range(length):
        pair = combine_fn(carry, tree_unflatten([x.select(0, index) for x in slices], xs_spec))
        carry, y = check_pair(pair)
        check_carry(carries, carry_spec, carry, "scan: combine_fn", "init")
        found.append(tensors_of(y, "scan: the second result of combine_fn"))
    return _apart(carry, (carries, slices)), _moved_back(_stacked(found[::-1] if reverse else found, "scan"), dim)


def map(f: Callable, xs: Tree, *args: Any) -> Tree:
    """`f(x, *args)` for each slice of `xs` along dimension 0, the results stacked. In a compiled graph one node.

    `xs` is a pytree of tensors of one length, the results are pytrees of one structure. Unlike `vmap` it runs one slice after the other.

    >>> import segue
    >>> segue.map(lambda x, y: x * y, segue.tensor([1.0, 2.0]), segue.tensor(10.0))
    tensor([10., 20.])
    """
    if not callable(f):
        raise error(RuntimeError, f"map: f must be a callable, but got {f!r}")
    slices, spec = tensors_of(xs, "map: xs")
    slices, length = _along(slices, 0, "map")
    if STATE.tracers:
        return _graphs[0].scan(STATE.tracers[-1], lambda carry, x: (carry, f(x, *args)), (), tree_unflatten(slices, spec), length, False)[1]
    results = [f(tree_unflatten([x.select(0, index) for x in slices], spec), *args) for index in range(length)]
    return _stacked([tensors_of(result, "map: the result of f") for result in results], "map")


# ------------------------------------------------------------------------------------------------------------------- checks


def tensors_of(tree: Tree, what: str) -> tuple[list[Tensor], TreeSpec]:
    """The leaves, which are all tensors. Raises RuntimeError else."""
    leaves, spec = tree_flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise error(RuntimeError, f"{what}: expected tensors, or containers of them, got {type(leaf).__name__}", "segue.tensor(number)")
    return leaves, spec


def check_test(value: Any) -> None:
    """What cond_fn returns is a bool or one element."""
    if not isinstance(value, (bool, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
        what = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise error(RuntimeError, f"while_loop: cond_fn must return a boolean scalar tensor or a bool but got {what}")


def check_pair(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise error(RuntimeError, f"scan: combine_fn must return a pair (carry, y), got {type(value).__name__}")
    return value[0], value[1]


def check_carry(before: list, spec: TreeSpec, after: Tree, what: str, start: str) -> list[Tensor]:
    """The leaves of what a body returned as carry: structure, shapes and dtypes as at the start. Raises RuntimeError."""
    leaves, found = tensors_of(after, what)
    if found != spec:
        raise error(RuntimeError, f"{what} returned the structure {found} where {start} has {spec}")
    for place, (old, new) in enumerate(zip(before, leaves)):
        if new.dtype is not old.dtype or tuple(new.shape) != tuple(old.shape):
            raise error(RuntimeError, f"{what} returned {_meta(new)} as leaf {place} of the carry, where {start} has {_meta(old)}")
    return leaves


def check_same(a: tuple[list, TreeSpec], b: tuple[list, TreeSpec], names: tuple[str, str], what: str) -> None:
    """Two branches gave the same structure, shapes and dtypes. Raises RuntimeError that names both."""
    if a[1] != b[1]:
        raise error(RuntimeError, f"{what}: {names[0]} returned the structure {a[1]}, {names[1]} {b[1]}", "the same structure from both")
    for place, (x, y) in enumerate(zip(a[0], b[0])):
        if x.dtype is not y.dtype or tuple(x.shape) != tuple(y.shape):
            raise error(RuntimeError, f"{what}: {names[0]} returned {_meta(x)} as leaf {place}, {names[1]} {_meta(y)}", "the same shape and dtype from both")


def _meta(x: Tensor) -> str:
    return f"{x.dtype.name}{list(x.shape)}"


def _apart(results: Tree, given: Tree) -> Tree:
    """Results in memory of their own, where they lie in that of what was given: a graph takes and gives values."""
    held = {id(x._storage.root) for x in tree_leaves(given) if isinstance(x, Tensor)}
    return tree_map(lambda x: F[0].clone(x) if isinstance(x, Tensor) and id(x._storage.root) in held else x, results)


def _as_tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


# ------------------------------------------------------------------------------------------------- batches, slices, stacks


def is_traced(x: Tensor) -> bool:
    """Whether a tensor, below all transforms, has no values because it is being traced."""
    return bool(STATE.tracers) and hasattr(_bottom(x)._data, "tracer")


def _bottom(x: Tensor) -> Tensor:
    while isinstance(x._data, TransformedArray):
        x = x._data.value
    return x


def _differs_by_example(x: Tensor) -> bool:
    """Whether a 0-d tensor stands for several values: those of a batch."""
    array = x._data
    while isinstance(array, TransformedArray):
        if isinstance(array, BatchedArray) and array.dim is not None:
            return True
        array = array.value._data
    return False


def _for_any(x: Tensor) -> bool:
    return bool(_bottom(x).any())


def chosen(pred: Tensor, a: Tree, b: Tree, names: tuple[str, str], what: str) -> Tree:
    """Leaf by leaf that of `a` where `pred` holds, else that of `b`."""
    first, second = tensors_of(a, f"{what}: {names[0]}"), tensors_of(b, f"{what}: {names[1]}")
    check_same(first, second, names, what)
    return tree_unflatten([F[0].where(pred.bool(), x, y) for x, y in zip(first[0], second[0])], first[1])


def _along(slices: list[Tensor], dim: int, what: str) -> tuple[list[Tensor], Any]:
    """The tensors with `dim` in front, and their common length there."""
    if not slices:
        raise error(RuntimeError, f"{what}() operator requires xs leaves.")
    for x in slices:
        if not -x.ndim <= dim < x.ndim:
            raise error(IndexError, f"{what}: dimension {dim} is out of range for xs of shape {list(x.shape)}")
    moved = [x if dim in (0, -x.ndim) else x.movedim(dim, 0) for x in slices]
    length = moved[0].shape[0]
    if any(x.shape[0] != length for x in moved):
        raise error(RuntimeError, f"{what}: all xs leaves must have the same length along dimension {dim}, got {[x.shape[0] for x in moved]}")
    if length == 0:
        raise error(RuntimeError, f"{what}: all xs leaves must have a dimension {dim} of size > 0")
    return moved, length


def _moved_back(ys: Tree, dim: int) -> Tree:
    if dim == 0:
        return ys
    leaves, spec = tree_flatten(ys)
    return tree_unflatten([y.movedim(0, dim) for y in leaves], spec)


def _stacked(results: list[tuple[list[Tensor], TreeSpec]], what: str) -> Tree:
    first = results[0]
    for index, other in enumerate(results[1:], 1):
        check_same(first, other, ("the first slice", f"slice {index}"), what)
    return tree_unflatten([F[0].stack(list(column), 0) for column in zip(*(leaves for leaves, _ in results))], first[1])
