"""Operations with a derivative written by the user.

In comes a class with `forward`, `backward` and perhaps `setup_context`, `jvp` and `vmap`, out goes a callable `apply` that stands on the tape as one step.
The one idea: forward runs unrecorded, and one node holds the context; backward is ordinary tensor code, so it is recorded in its turn when a graph of
the gradient is wanted. What happens under `vmap` and `jvp` stands in eager/transforms/custom.py.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import AutogradError, error
from ..tensor import Tensor
from .mode import STATE, no_grad
from .saved import Packed
from .tape import CallbackNode, F, MultipleNode, Part

FREED = "Trying to backward through the graph a second time: the tensors saved by {name} were freed; call the first backward(retain_graph=True)"


class FunctionCtx:
    """What forward leaves for backward. Set any attribute; keep tensors by `save_for_backward`."""

    name = "a Function"

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self.dirty_tensors: tuple = ()
        self.non_differentiable: tuple = ()
        self.to_save: tuple | None = ()
        self.saved_for_forward: tuple | None = None
        self._versions: tuple = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for backward, which finds them in `saved_tensors`. Raises TypeError for anything else."""
        _need_tensors("save_for_backward", tensors)
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`, which finds them in `saved_tensors`."""
        _need_tensors("save_for_forward", tensors)
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which inputs forward writes in place (and returns)."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which results have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True, at first) or None for a result that no gradient came to."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors kept. Raises RuntimeError if one was overwritten since, or after the graph was freed."""
        if self.to_save is None:
            raise error(AutogradError, FREED.format(name=self.name))
        found = []
        for place, kept in enumerate(self.to_save):
            version = self._versions[place] if place < len(self._versions) else None
            storage = kept.storage if isinstance(kept, _Result) else getattr(kept, "_storage", None)
            if version is not None and storage is not None and storage.version != version:
                raise error(
                    AutogradError,
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{self.name} saved tensor {place} at version {version}, it is now at version {storage.version}",
                    "the operation that returns a new tensor, or clone() before it",
                )
            found.append(kept.get() if isinstance(kept, (_Result, Packed)) else kept)
        return tuple(found)

    def settle(self, results: Sequence[Any], node: MultipleNode) -> None:
        """Keep the results among the saved tensors without the node that keeps this context, and hand all to the hooks of saved.py."""
        kept: list[Any] = []
        for tensor in self.to_save or ():
            place = next((i for i, result in enumerate(results) if result is tensor), None)
            if tensor is not None and STATE.saved_hooks:
                edge = Part(node, place) if place is not None else (tensor._edge or (tensor if tensor.requires_grad else None))
                behind = CallbackNode((edge,), lambda g: [g], "SavedBackward") if edge is not None else None
                kept.append(Packed(tensor, behind, STATE.saved_hooks[-1], Tensor._wrap))
            else:
                kept.append(tensor if place is None else _Result(tensor, Part(node, place)))
        self._versions = tuple(t._storage.version if isinstance(t, Tensor) and not STATE.saved_hooks else None for t in self.to_save or ())
        self.to_save = tuple(kept)

    def release(self) -> None:
        """Let go of what was saved."""
        self.to_save = None


Context = FunctionCtx


class _Result:
    """A saved tensor that is a result of its own step: its parts, as the tensor itself would make a cycle with the context."""

    def __init__(self, tensor: Tensor, part: Part) -> None:
        self.array, self.storage, self.part, self.on_tape = tensor._data, tensor._storage, part, tensor._requires_grad

    def get(self) -> Tensor:
        return F[0].from_parts(self.array, self.storage, self.part) if self.on_tape else Tensor._wrap(self.array, self.storage)


def _need_tensors(name: str, tensors: tuple) -> None:
    for place, tensor in enumerate(tensors):
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{name} can only save variables, but argument {place} is of type {type(tensor).__name__}")


class Function:
    """Base class of user-defined operations.

    `forward(ctx, *args)` computes; or `forward(*args)` computes and `setup_context(ctx, inputs, output)` keeps, which `vmap` and `jvp` need.
    `backward(ctx, *gradients)` gives one gradient (or None) for each argument. `jvp(ctx, *tangents)` gives the tangents of the results. Under `vmap`, either
    `generate_vmap_rule = True`, or `vmap(info, in_dims, *args)` gives (results, their batch dimensions).

    >>> import segue
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x + x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = segue.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False
    on_its_tape = False

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What the operation computes."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Keep for backward what it needs; called behind a forward that takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments from those of the results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the results from those of the arguments."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        """(results, their batch dimensions) for arguments that hold whole batches."""
        raise NotImplementedError("To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True.")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward; the results are differentiated by backward."""
        return APPLY[0](Rule.of(cls), args, kwargs)


class Rule:
    """What a Function is to those that carry it out: its static methods, each as a callable, None where the class has none of its own."""

    generates = False
    on_its_tape = False  # in a graph, too, its backward runs where the backward of the graph comes to it

    def __init__(self, name: str, forward: Callable, setup: Callable | None, backward: Callable, jvp: Callable | None, vmap: Callable | None) -> None:
        self.name, self.forward, self.setup, self.backward, self.jvp, self.vmap = name, forward, setup, backward, jvp, vmap

    @classmethod
    def of(cls, function: type[Function], method: Callable[[type, str], Callable] = getattr) -> Rule:
        """The rule of a class, whose methods `method` gets. Raises RuntimeError for one with two rules for the same thing."""
        own = {name: method(function, name) for name in ("setup_context", "backward", "vjp", "jvp", "vmap") if _overrides(function, name)}
        if function.generate_vmap_rule and "vmap" in own:
            raise error(AutogradError, f"{function.__name__} has both a vmap staticmethod and generate_vmap_rule=True; please have one of them")
        if "backward" in own and "vjp" in own:
            raise error(AutogradError, f"{function.__name__}: Implementing both 'backward' and 'vjp' for a custom Function is not allowed")
        made = cls(function.__name__, method(function, "forward"), own.get("setup_context"), own.get("backward") or own.get("vjp") or Function.backward,
                   own.get("jvp"), own.get("vmap"))  # fmt: skip
        made.generates, made.on_its_tape = function.generate_vmap_rule, function.on_its_tape
        if made.setup is not None:
            made.signature = inspect.signature(function.forward)
        return made

    signature: inspect.Signature | None = None

    def run(self, ctx: FunctionCtx, args: tuple, kwargs: dict) -> Any:
        """The results; what backward needs is in the context."""
        if self.setup is None:
            return self.forward(ctx, *args, **kwargs)
        found = self.forward(*args, **kwargs)
        if kwargs and self.signature is not None:
            bound = self.signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        self.setup(ctx, args, found)
        return found


def _overrides(cls: type[Function], name: str) -> bool:
    return inspect.getattr_static(cls, name) is not inspect.getattr_static(Function, name)


def on_tape(rule: Rule, ctx: FunctionCtx, args: tuple, found: Any) -> Any:
    """The results of a forward that ran, put on the tape as one step, if an argument wants a gradient."""
    results = list(found) if isinstance(found, (tuple, list)) else [found]
    for tensor in ctx.dirty_tensors:
        if not any(tensor is result for result in results):
            raise error(AutogradError, f"Some elements marked as dirty during the forward method of {rule.name} were not returned as output.")
    if not (STATE.enabled and any(ctx.needs_input_grad)):
        return unrecorded(ctx, args, found)
    for tensor in ctx.dirty_tensors:
        tensor._check_write(rule.name, tensor.shape, tensor.dtype)
    edges = tuple((a if a._edge is None else a._edge) if wanted else None for a, wanted in zip(args, ctx.needs_input_grad))
    ctx.name = f"{rule.name}Backward"
    node = _FunctionNode(edges, pull_of(rule, ctx, args, results), ctx.name, len(results))
    node.context = ctx
    for place, result in enumerate(results):
        if isinstance(result, Tensor) and (result.dtype.is_floating_point or result.dtype.is_complex):
            results[place] = _placed(result, Part(node, place), ctx, args)
    ctx.settle(results, node)
    return type(found)(results) if isinstance(found, (tuple, list)) else results[0]


def unrecorded(ctx: FunctionCtx, args: tuple, found: Any) -> Any:
    """The results of a call that is not recorded. An argument is given back itself only where it was written to and wants no gradient."""
    ctx.release()
    if not isinstance(found, (tuple, list)):
        return unrecorded(ctx, args, (found,))[0]
    dirty = [tensor for tensor in ctx.dirty_tensors if not tensor.requires_grad]
    return type(found)(x.detach() if _among(x, args) and not _among(x, dirty) else x for x in found)


def _among(x: Any, tensors: Sequence[Any]) -> bool:
    return isinstance(x, Tensor) and any(x is tensor for tensor in tensors)


def _placed(result: Tensor, part: Part, ctx: FunctionCtx, args: tuple) -> Tensor:
    """One result with its place on the tape."""
    if any(result is constant for constant in ctx.non_differentiable):
        return result
    if any(result is tensor for tensor in ctx.dirty_tensors):
        result._rebase(F[0].from_parts(result._data, result._storage, part))
        return result
    if any(result is a for a in args):
        result = result.view(tuple(result.shape))
    result._edge, result._requires_grad = part, True
    return result


class _FunctionNode(MultipleNode):
    """The step of a Function: holds the context, whose attributes it shows as its own (`y.grad_fn.saved_tensors`)."""

    __slots__ = ("context",)
    context: FunctionCtx
    is_users = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "context":
            raise AttributeError(name)
        return getattr(self.context, name)

    def release(self) -> None:
        if self.context.to_save:
            super().release()
            self.context.release()


def pull_of(rule: Rule, ctx: FunctionCtx, args: tuple, results: list[Any]) -> Callable[[list[Any]], list[Any]]:
    """What makes the gradients of the arguments (None where there is none) from those of the results."""
    metas = [(tuple(r.shape), r.dtype) if isinstance(r, Tensor) else None for r in results]
    inputs = [(tuple(a.shape), a.dtype) if isinstance(a, Tensor) else None for a in args]
    several = len(results) > 1  # or no gradient can be missing
    like = next((r.detach() for r in results if isinstance(r, Tensor)), None) if several else None  # the result itself would make a cycle

    def pull(gradients: list[Any]) -> list[Any]:
        if ctx.materialize_grads and like is not None:
            gradients = [like.new_zeros(meta[0], dtype=meta[1]) if g is None and meta else g for g, meta in zip(gradients, metas)]
        found = rule.backward(ctx, *gradients)
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        while len(found) > len(inputs) and found[-1] is None:
            found.pop()
        if len(found) != len(inputs):
            raise error(AutogradError, f"function {ctx.name} returned an incorrect number of gradients (expected {len(inputs)}, got {len(found)})")
        return [_fitting(rule.name, place, g, meta) for place, (g, meta) in enumerate(zip(found, inputs))]

    return pull


def _fitting(name: str, place: int, gradient: Any, meta: tuple | None) -> Any:
    """A gradient of the argument's shape. Raises RuntimeError where it cannot be one."""
    if gradient is None:
        return None
    if meta is None or not isinstance(gradient, Tensor):
        what = "but the corresponding forward input was not a Variable" if meta is None else f"which is a {type(gradient).__name__} and no Tensor"
        raise error(AutogradError, f"function {name}Backward returned a gradient different from None at position {place}, {what}")
    shape = tuple(gradient.shape)
    if shape != meta[0]:
        broadcast = len(shape) >= len(meta[0]) and all(a == b or b == 1 for a, b in zip(reversed(shape), reversed(meta[0])))
        if not broadcast:
            raise error(AutogradError, f"Function {name}Backward returned an invalid gradient at index {place} - got {list(shape)} but expected shape "
                        f"compatible with {list(meta[0])}")  # fmt: skip
        gradient = F[0].sum_to_size(gradient, meta[0])
    return gradient if gradient.dtype is meta[1] or gradient.dtype.is_complex else gradient.to(meta[1])


def run_forward(rule: Rule, args: tuple, kwargs: dict) -> tuple[Any, FunctionCtx]:
    """The results of a Function on tensors that no transform stands over, and the context of the call."""
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    with no_grad():
        found = rule.run(ctx, args, kwargs)
    recorded = STATE.tracers and not rule.on_its_tape and any(getattr(x, "_data", None) is not None and hasattr(x._data, "tracer") for x in (*args, *_listed(found)))
    return (RECORD[0] if recorded else on_tape)(rule, ctx, args, found), ctx


def _listed(found: Any) -> Sequence[Any]:
    return found if isinstance(found, (tuple, list)) else (found,)


APPLY: list[Callable] = []  # how a rule is carried out; filled by eager.transforms.custom, which is built on the transforms
RECORD: list[Callable] = []  # what takes the place of `on_tape` while a graph is traced; filled by graph/rules.py
ONCE = "trying to differentiate twice a function that was marked with @once_differentiable"


def once_differentiable(fn: Callable) -> Callable:
    """Mark a backward that cannot itself be differentiated: a second derivative through it raises RuntimeError.

    >>> import segue
    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * ctx.saved_tensors[0] * g
    >>> x = segue.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    @functools.wraps(fn)
    def inside(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            found = fn(ctx, *gradients)
        if not STATE.enabled or not any(isinstance(t, Tensor) and t.requires_grad for t in (*gradients, *ctx.saved_tensors)):
            return found
        several = isinstance(found, (tuple, list))
        cut = [_cut(g) if isinstance(g, Tensor) else g for g in (found if several else (found,))]
        return tuple(cut) if several else cut[0]

    inside.once = fn  # type: ignore[attr-defined]
    return inside


def _cut(gradient: Tensor) -> Tensor:
    """The gradient with a step behind it that refuses."""

    def refuse(g: Any) -> Any:
        raise error(AutogradError, ONCE)

    return F[0].from_parts(gradient._data, gradient._storage, CallbackNode((), refuse, "DelayedErrorBackward"))
