"""The transforms carried out: each takes a function, its options and its arguments, and computes.

In come functions over pytrees of tensors, out go pytrees. The one idea: flatten, let tensors enter a level (or the tape), call, let the results leave,
unflatten. These functions are what `segue.func` calls; when a program is captured they run as they are on twins, and only the user's function is
followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.mode import STATE
from ..autograd.tape import F
from ..errors import error
from ..pytree import TreeSpec, broadcast_prefix, tree_flatten, tree_map, tree_unflatten
from ..tensor import Tensor
from .batched import BatchLevel
from .dual import DualLevel
from .reverse import Entrance, differentiably, pull

Tree = Any


_compiled: list[Any] = []  # the type of compiled functions, and what compiles a function as another one is


def install_compiled(cls: type, alike: Callable[[Callable, Any], Callable]) -> None:
    """Called once by capture/compile.py, which is built on this room and so cannot be imported here."""
    _compiled[:] = [cls, alike]


def named(made: Callable, func: Callable) -> Callable:
    """A transformed function under the name and the docstring of the function that it was made from; compiled whole if that one is compiled."""
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        if hasattr(func, name):
            setattr(made, name, getattr(func, name))
    return compiled_as(made, func) or made


def compiled_as(made: Callable, func: Any) -> Callable | None:
    """A function compiled as `func` is, if that one is compiled."""
    return _compiled[1](made, func) if _compiled and type(func) is _compiled[0] else None


def tensors_of(tree: Tree, what: str) -> tuple[list[Tensor], TreeSpec]:
    """The leaves, which are all tensors. Raises RuntimeError else."""
    leaves, spec = tree_flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise error(RuntimeError, f"{what}: expected only Tensors, got {type(leaf).__name__}")
    return leaves, spec


def split_aux(output: Any, name: str) -> tuple[Any, Any]:
    """The output of a function with has_aux=True in its two parts."""
    if not (isinstance(output, tuple) and len(output) == 2):
        raise error(RuntimeError, f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


# ---------------------------------------------------------------------------------------------------------------- reverse


def vjp(func: Callable, primals: tuple, has_aux: bool) -> tuple:
    """Output, pullback and, with has_aux, the auxiliary output: see `segue.func.vjp`."""
    leaves, spec = tensors_of(primals, "vjp(f, *primals)")
    entrance = Entrance(leaves)
    outside = STATE.enabled
    output = differentiably(func, tree_unflatten(entrance.arguments, spec), {})
    aux = None
    if has_aux:
        output, aux = split_aux(output, "vjp(f, *primals)")
    results, results_spec = tensors_of(output, "vjp(f, *primals): the function's output")
    if not results:
        raise error(RuntimeError, "vjp(f, *primals): Expected f to be a function that has non-empty output (got no tensors)")
    entrance.end()

    def pullback(cotangents: Tree, retain_graph: bool = True, create_graph: bool | None = None) -> Tree:
        given, structure = tree_flatten(cotangents)
        if structure != results_spec:
            raise error(RuntimeError, f"Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function.\n"
                        f"cotangents: {structure}, primal output: {results_spec}")  # fmt: skip
        for cotangent, result in zip(given, results):
            if tuple(cotangent.shape) != tuple(result.shape):
                raise error(RuntimeError, f"Mismatch in shape: the cotangent has shape {tuple(cotangent.shape)} and the output {tuple(result.shape)}")
        return tree_unflatten(pull(entrance, results, given, retain_graph), spec)

    closed = tree_unflatten([_leave(entrance, x, outside) for x in results], results_spec)
    return (closed, pullback, tree_map(lambda x: _leave(entrance, x, outside), aux)) if has_aux else (closed, pullback)


def _leave(entrance: Entrance, x: Any, outside: bool) -> Any:
    """A result of a differentiated function; under no_grad() outside it is on no tape at all."""
    if isinstance(x, Tensor) and not outside:
        return F[0].detach(x)
    return entrance.closed(x)


def value_and_grad(func: Callable, argnums: int | tuple, has_aux: bool, args: tuple, kwargs: dict) -> tuple:
    """(gradients, (value, aux or None)): see `segue.func.grad`."""
    chosen, places = chosen_arguments(argnums, args)
    leaves, spec = tensors_of(chosen, "grad")
    entrance = Entrance(leaves)
    inside = list(args)
    for place, part in zip(places, tree_unflatten(entrance.arguments, spec)):
        inside[place] = part
    outside = STATE.enabled
    output = differentiably(func, tuple(inside), kwargs)
    aux = None
    if has_aux:
        output, aux = split_aux(output, "grad_and_value(f)(*args)")
    if not isinstance(output, Tensor):
        raise error(RuntimeError, f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got {type(output).__name__}")
    if output.ndim:
        raise error(RuntimeError, f"grad_and_value(f)(*args): Expected f(*args) to return a scalar tensor, got tensor with {output.ndim} dims. "
                    "Maybe you wanted to use the vjp or jacrev APIs instead?")  # fmt: skip
    found = tree_unflatten(pull(entrance, [output], [F[0].ones_like(output)], False), spec)
    entrance.end()
    gradients = found[0] if isinstance(argnums, int) else tuple(found)
    return gradients, (_leave(entrance, output, outside), tree_map(lambda x: _leave(entrance, x, outside), aux))


def chosen_arguments(argnums: int | tuple, args: tuple) -> tuple[tuple, list[int]]:
    """The differentiated arguments and their places. Raises RuntimeError for places that there are not."""
    listed = [argnums] if isinstance(argnums, int) else list(argnums)
    if not listed:
        raise error(RuntimeError, "argnums must be non-empty")
    places = []
    for place in listed:
        if not isinstance(place, int) or not -len(args) <= place < len(args):
            raise error(RuntimeError, f"Got argnum={place}, but only {len(args)} positional inputs")
        places.append(place % len(args))
    if len(set(places)) != len(places):
        raise error(RuntimeError, f"argnums elements must be unique but received {listed}.")
    return tuple(args[place] for place in places), places


# ---------------------------------------------------------------------------------------------------------------- forward


def jvp(func: Callable, primals: tuple, tangents: tuple, has_aux: bool, strict: bool = False) -> tuple:
    """(output, tangent of the output[, aux]): see `segue.func.jvp`."""
    if not isinstance(primals, tuple):
        raise error(RuntimeError, f"jvp(f, primals, tangents): Expected primals to be a tuple. E.g. it should be valid to call f(*primals), not {primals!r}")
    leaves, spec = tensors_of(primals, "jvp(f, primals, tangents): primals")
    directions, structure = tensors_of(tangents, "jvp(f, primals, tangents): tangents")
    if structure != spec:
        raise error(RuntimeError, f"jvp(f, primals, tangents): Expected primals and tangents to have the same python structure: {spec} and {structure}")
    for x, t in zip(leaves, directions):
        if tuple(x.shape) != tuple(t.shape):
            raise error(RuntimeError, f"jvp(f, primals, tangents): the tangent has shape {tuple(t.shape)} and the primal {tuple(x.shape)}")
        if x.dtype is not t.dtype:
            raise error(RuntimeError, f"jvp(f, primals, tangents): the tangent is {t.dtype} and the primal {x.dtype}", "tangent.to(primal.dtype)")
    with DualLevel() as level:
        duals = [level.enter(x, t) for x, t in zip(leaves, directions)]
        output = func(*tree_unflatten(duals, spec))
        aux = None
        if has_aux:
            output, aux = split_aux(output, "jvp(f, primals, tangents)")
        results, results_spec = tensors_of(output, "jvp(f, primals, tangents): the function's output")
        pairs = [level.leave(x) for x in results]
        aux = tree_map(lambda x: level.leave(x)[0] if isinstance(x, Tensor) else x, aux)
    if strict and any(t is None for _, t in pairs):
        raise error(RuntimeError, "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with strict=True.")
    value = tree_unflatten([x for x, _ in pairs], results_spec)
    tangent = tree_unflatten([F[0].zeros_like(x) if t is None else t for x, t in pairs], results_spec)
    return (value, tangent, aux) if has_aux else (value, tangent)


def linearize(func: Callable, primals: tuple) -> tuple:
    """(output, the function of tangents): see `segue.func.linearize`."""
    output, pullback = vjp(func, primals, False)
    results, results_spec = tree_flatten(output)
    leaves, spec = tree_flatten(primals)
    # The pullback is linear in its cotangents, so its own pullback, wherever it is taken, pushes tangents forward.
    _, push = vjp(lambda *cotangents: pullback(tree_unflatten(cotangents, results_spec)), tuple(F[0].zeros_like(x) for x in results), False)

    def jvp_fn(*tangents: Tree) -> Tree:
        given, structure = tensors_of(tangents, "the linearized function")
        if structure != spec:
            raise error(RuntimeError, f"linearize: Expected the tangents {structure} to have the same argspec as the primals {spec}")
        for t, x in zip(given, leaves):
            if tuple(t.shape) != tuple(x.shape):
                raise error(RuntimeError, f"linearize: the tangent has shape {tuple(t.shape)} and the primal {tuple(x.shape)}")
        return tree_unflatten(push(tangents), results_spec)

    return output, jvp_fn


# ---------------------------------------------------------------------------------------------------------------- vmap


def vmap(func: Callable, in_dims: Any, out_dims: Any, randomness: str, chunk_size: int | None, args: tuple, kwargs: dict) -> Tree:
    """`func` over a batch: see `segue.func.vmap`."""
    name = getattr(func, "__name__", type(func).__name__)
    leaves, dims, spec = _entering(name, in_dims, args)
    extra, extra_spec = tree_flatten(kwargs)
    dims += [0 if isinstance(x, Tensor) else None for x in extra]
    leaves = leaves + extra
    size = _batch_size(name, leaves, dims)
    if chunk_size is None or chunk_size >= size:
        return _whole(func, name, leaves, dims, (spec, extra_spec), size, out_dims, randomness)
    pieces = []
    for start in range(0, size, chunk_size):
        stop = min(size, start + chunk_size)
        part = [x if d is None else F[0].narrow(x, d, start, stop - start) for x, d in zip(leaves, dims)]
        pieces.append(_whole(func, name, part, dims, (spec, extra_spec), stop - start, out_dims, randomness))
    return _joined(pieces, out_dims)


def _entering(name: str, in_dims: Any, args: tuple) -> tuple[list, list, TreeSpec]:
    """The leaves of the arguments with a dimension (or None) each."""
    if not args:
        raise error(ValueError, f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function with "
                    "no inputs. The latter is unsupported.")  # fmt: skip
    if not isinstance(in_dims, (int, tuple, list)):
        raise error(ValueError, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a (potentially nested) tuple matching "
                    f"the structure of inputs, got: {type(in_dims)}.")  # fmt: skip
    leaves, spec = tree_flatten(args)
    flat = broadcast_prefix(in_dims, spec)
    if flat is None:
        raise error(ValueError, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the structure of inputs. "
                    f"in_dims has structure {tree_flatten(in_dims)[1]} but inputs has structure {spec}.")  # fmt: skip
    dims: list[int | None] = []
    for x, d in zip(leaves, flat):
        if d is not None and (not isinstance(d, int) or isinstance(d, bool)):
            raise error(ValueError, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but in_dim must be either an integer "
                        "dimension or None.")  # fmt: skip
        if d is not None and not isinstance(x, Tensor):
            raise error(ValueError, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for an input but the input is of type {type(x)}. "
                        "We cannot vmap over non-Tensor arguments, please use None as the respective in_dim")  # fmt: skip
        if d is not None and not -x.ndim <= d < x.ndim:
            raise error(ValueError, f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for some input, but that input is a Tensor of "
                        f"dimensionality {x.ndim} so expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}.")  # fmt: skip
        dims.append(None if d is None else d % x.ndim)
    return leaves, dims, spec


def _batch_size(name: str, leaves: Sequence[Any], dims: Sequence[int | None]) -> Any:
    sizes = [x.shape[d] for x, d in zip(leaves, dims) if d is not None]
    if not sizes:
        raise error(ValueError, f"vmap({name}, ...)(<inputs>): at least one input must be mapped over: all in_dims are None or no input is a Tensor")
    if any(size != sizes[0] for size in sizes):
        raise error(ValueError, f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension")
    return sizes[0]


def _whole(
    func: Callable, name: str, leaves: list, dims: list, specs: tuple[TreeSpec, TreeSpec], size: Any, out_dims: Any, randomness: str
) -> Tree:
    count = specs[0].num_leaves
    with BatchLevel(size, randomness) as level:
        inside = [x if d is None else level.enter(x, d) for x, d in zip(leaves, dims)]
        output = func(*tree_unflatten(inside[:count], specs[0]), **tree_unflatten(inside[count:], specs[1]))
        results, spec = tree_flatten(output)
        placed = _out_dims(name, out_dims, spec)
        found = []
        for x, d in zip(results, placed):
            if not isinstance(x, Tensor):
                raise error(ValueError, f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}. Did you mean to set out_dims= to None?")
            found.append(_leaving(level, name, x, d))
    return tree_unflatten(found, spec)


def _leaving(level: BatchLevel, name: str, x: Tensor, dim: int | None) -> Tensor:
    array: Any = level.lift(x)._data
    if dim is None:
        if array.dim is not None:
            raise error(ValueError, f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return array.value
    rank = len(array.shape) + 1
    if not -rank <= dim < rank:
        raise error(IndexError, f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    return level.leave(x, dim % rank)


def _out_dims(name: str, out_dims: Any, spec: TreeSpec) -> list:
    flat = broadcast_prefix(out_dims, spec)
    if flat is None and isinstance(out_dims, tuple) and len(out_dims) == 1 and spec.is_leaf():
        flat = list(out_dims)
    if flat is None or not all(d is None or isinstance(d, int) for d in flat):
        raise error(ValueError, f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`: {spec}.")
    return flat


def _joined(pieces: list, out_dims: Any) -> Tree:
    """The results of chunks put together along the batch."""
    flat = [tree_flatten(piece) for piece in pieces]
    spec = flat[0][1]
    found = []
    for parts, d in zip(zip(*(leaves for leaves, _ in flat)), _out_dims("f", out_dims, spec)):
        found.append(parts[0] if d is None else F[0].cat(parts, d))
    return tree_unflatten(found, spec)
