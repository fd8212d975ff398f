"""User-defined operations (`autograd.Function`) under transforms.

In comes a rule, the callables of a Function, and its arguments, out go results of the level of the innermost argument. The one idea: at each level the
operation is carried out on the tensors below, as the level's own operators are: over a batch by the user's `vmap` or by the same rule run on batches
(`Batched`), over tangents by the user's `jvp`; and what the level's own tape needs for a backward is kept by `setup_context` from that level's arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..autograd.function import APPLY, FunctionCtx, Rule, on_tape, run_forward
from ..autograd.mode import STATE
from ..autograd.tape import F
from ..errors import AutogradError, error
from ..tensor import Tensor
from .batched import BatchLevel
from .dual import DualLevel
from .levels import Level, level_of, lifted, running


class VmapInfo(NamedTuple):
    """What the user's `vmap` learns: the number of examples and how random draws are to behave."""

    batch_size: int
    randomness: str


def carried_out(rule: Rule, args: tuple, kwargs: dict) -> Any:
    """The results of `Function.apply`. Raises RuntimeError where the Function lacks what a running transform needs."""
    if not STATE.levels:
        return run_forward(rule, args, kwargs)[0]
    args = lifted(args)
    level = next((level for a in args if isinstance(a, Tensor) and (level := level_of(a)) is not None), None)
    if level is None:
        return run_forward(rule, args, kwargs)[0]
    found = BELOW[type(level)](level, rule, args, kwargs)
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
    if STATE.enabled and any(ctx.needs_input_grad):
        kept(rule, ctx, args, found)
    return on_tape(rule, ctx, args, found)


def kept(rule: Rule, ctx: FunctionCtx, args: tuple, found: Any) -> None:
    """Let `setup_context` keep what it wants of arguments and results of one level."""
    if rule.setup is None:
        raise error(
            AutogradError,
            f"In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), {rule.name} must override the setup_context "
            "staticmethod.", "forward(x) without ctx, and setup_context(ctx, inputs, output)",
        )  # fmt: skip
    rule.setup(ctx, args, found)


class below:  # noqa: N801  (a context manager)
    """Within the block the levels from this one inwards do not run."""

    def __init__(self, level: Level) -> None:
        self.levels, self.depth = STATE.levels, level.depth

    def __enter__(self) -> None:
        running(self.levels[: self.depth - 1])

    def __exit__(self, *exception: object) -> None:
        running(self.levels)


def _mapped(function: Callable[[Any], Any], found: Any) -> Any:
    """A function over the result of a Function, or over each of several."""
    return type(found)([function(x) for x in found]) if isinstance(found, (tuple, list)) else function(found)


def _batch(level: Any, rule: Rule, args: tuple, kwargs: dict) -> Any:
    dims = tuple(a._data.dim if isinstance(a, Tensor) else None for a in args)
    values = tuple(a._data.value if isinstance(a, Tensor) else a for a in args)
    with below(level):
        if rule.vmap is not None:
            found, places = rule.vmap(VmapInfo(level.size, level.randomness), dims, *values)
        elif rule.generates:
            found, places = carried_out(Batched(rule, dims, level), values, kwargs), 0
        else:
            raise error(
                AutogradError,
                f"You tried to vmap over {rule.name}, but it does not have vmap support. Please override and implement the vmap staticmethod or set "
                "generate_vmap_rule=True.",
            )
    if not isinstance(found, (tuple, list)):
        return level.enter(found, places) if isinstance(found, Tensor) else found
    each = list(places) if isinstance(places, (tuple, list)) else [places] * len(found)
    return type(found)([level.enter(x, d) if isinstance(x, Tensor) else x for x, d in zip(found, each)])


def _dual(level: Any, rule: Rule, args: tuple, kwargs: dict) -> Any:
    tangents = tuple(a._data.tangent if isinstance(a, Tensor) else None for a in args)
    values = tuple(a._data.value if isinstance(a, Tensor) else a for a in args)
    with below(level):
        if all(tangent is None for tangent in tangents):
            return _mapped(lambda x: level.enter(x, None) if isinstance(x, Tensor) else x, carried_out(rule, values, kwargs))
        if rule.jvp is None:
            raise error(AutogradError, f"You are trying to use forward mode AD with {rule.name}, which has no jvp", "a jvp staticmethod: jvp(ctx, *tangents)")
        if rule.setup is not None:
            found, ctx = carried_out(rule, values, kwargs), FunctionCtx()
            rule.setup(ctx, values, found)
        else:
            found, ctx = run_forward(rule, values, kwargs)
        if ctx.saved_for_forward is not None:
            ctx.to_save, ctx._versions = ctx.saved_for_forward, ()
        directions = rule.jvp(ctx, *tangents)
    if not isinstance(found, (tuple, list)):
        return level.enter(found, directions)
    return type(found)([level.enter(x, t) if isinstance(x, Tensor) else x for x, t in zip(found, directions)])


BELOW: dict[type[Level], Callable] = {BatchLevel: _batch, DualLevel: _dual}


class Batched(Rule):
    """A rule over batches: the rule itself inside of a `vmap` of its own, forward and backward."""

    def __init__(self, inner: Rule, dims: tuple, level: Any) -> None:
        self.inner, self.dims, self.level = inner, dims, level
        super().__init__(inner.name, self._forward, self._setup if inner.setup else None, self._backward, self._jvp if inner.jvp else None, None)
        self.generates = True

    def _level(self) -> Any:
        return BatchLevel(self.level.size, self.level.randomness)

    def _entered(self, level: Any, values: Sequence[Any], dims: Sequence[int | None]) -> list:
        return [level.enter(x, d) if isinstance(x, Tensor) else x for x, d in zip(values, dims)]

    def _left(self, level: Any, found: Any) -> Any:
        return _mapped(lambda x: level.leave(x, 0) if isinstance(x, Tensor) else x, found)

    def _forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.inner.setup is None:
            kept(self.inner, FunctionCtx(), (), None)
        with self._level() as level:
            return self._left(level, self.inner.forward(*self._entered(level, args, self.dims), **kwargs))

    def _setup(self, ctx: Any, inputs: tuple, output: Any) -> None:
        with self._level() as level:
            inside = FunctionCtx()
            results = _mapped(lambda x: level.enter(x, 0) if isinstance(x, Tensor) else x, output)
            assert self.inner.setup is not None
            self.inner.setup(inside, tuple(self._entered(level, inputs, self.dims)), results)
        if inside.dirty_tensors:
            raise error(AutogradError, f"{self.name}: mark_dirty() inside of vmap is not possible", "return a new tensor")
        ctx.inside = inside
        ctx.saved_dims = [None if t is None else t._data.dim for t in inside.to_save or ()]
        ctx.save_for_backward(*(None if t is None else t._data.value for t in inside.to_save or ()))
        if inside.saved_for_forward is not None:
            ctx.forward_dims = [None if t is None else t._data.dim for t in inside.saved_for_forward]
            ctx.save_for_forward(*(None if t is None else t._data.value for t in inside.saved_for_forward))
        ctx.non_differentiable = tuple(t._data.value for t in inside.non_differentiable)
        ctx.materialize_grads = inside.materialize_grads

    def _inside(self, ctx: Any, level: Any, dims: list) -> Any:
        """The context of the rule itself, with what was kept as tensors of this level."""
        ctx.inside.to_save, ctx.inside._versions = tuple(self._entered(level, ctx.saved_tensors, dims)), ()
        ctx.inside.needs_input_grad = ctx.needs_input_grad
        return ctx.inside

    def _backward(self, ctx: Any, *gradients: Any) -> Any:
        with self._level() as level:
            inside = self._inside(ctx, level, ctx.saved_dims)
            found = self.inner.backward(inside, *self._entered(level, gradients, [0] * len(gradients)))
            listed = list(found) if isinstance(found, (tuple, list)) else [found]
            return tuple(_gathered(level, g, d) for g, d in zip(listed, [*self.dims, *[None] * len(listed)]))

    def _jvp(self, ctx: Any, *tangents: Any) -> Any:
        assert self.inner.jvp is not None
        with self._level() as level:
            dims = getattr(ctx, "forward_dims", None) or ctx.saved_dims
            return self._left(level, self.inner.jvp(self._inside(ctx, level, dims), *self._entered(level, tangents, self.dims)))


def _gathered(level: Any, gradient: Tensor | None, dim: int | None) -> Tensor | None:
    """A gradient over the whole batch; of an argument that is the same for all examples, the sum of theirs."""
    if gradient is None:
        return None
    return F[0].sum(level.leave(gradient, 0), 0) if dim is None else level.leave(gradient, dim)


APPLY[:] = [carried_out]
