"""Foreign functions: `@segue.opaque(shape=...)`.

In comes a function that segue cannot look into (SciPy, C, another framework), out goes one that stands in eager code, in captured graphs and under `grad` and `vmap` like
an operator. The one idea: it is an `autograd.Function` whose forward is the foreign function; what a graph needs to know without running it, the shape of
the results, the user says. While a graph is traced the forward records one node (graph/foreign.py, which installs itself here).

When a graph raises, the program runs again eagerly. A foreign function that the graph has called already is not called again then (eager/answers.py).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import answers
from .autograd.function import Function
from .autograd.mode import no_grad
from .autograd.tape import F
from .dtypes import dtype as DType  # noqa: N812
from .errors import AutogradError, error
from .functional.creation import empty
from .tensor import Tensor

_graphs: list[Any] = []


def install_graphs(recorder: Callable) -> None:
    """Called once by graph/foreign.py, which records a call while a graph is traced and so cannot be imported here."""
    _graphs[:] = [recorder]


class Foreign:
    """What is known of one foreign function. `shape` and `dtype` say what it gives, `function` computes it."""

    def __init__(self, function: Callable, shape: Callable, dtype: Any) -> None:
        self.function, self.shape, self.dtype = function, shape, dtype
        self.name = function.__qualname__

    def __repr__(self) -> str:
        return f"<foreign function {self.name} at {id(self):#x}>"

    def examples(self, args: Sequence[Any]) -> list[Tensor]:
        """Tensors without meaning like the results: made from what `shape` returns. Raises TypeError where it returns neither shapes nor tensors."""
        said = self.shape(*args)
        if isinstance(said, Tensor):
            return [said]
        if not isinstance(said, (tuple, list)):
            raise error(TypeError, f"opaque: shape of {self.name} must return a shape, a tensor, or a list of them, got {type(said).__name__}")
        several = any(isinstance(item, (tuple, list, Tensor)) for item in said)
        dtypes = list(self.dtype) if isinstance(self.dtype, (tuple, list)) else [self.dtype] * len(said)
        like = next((a.dtype for a in args if isinstance(a, Tensor)), None)
        shapes = list(said) if several else [said]
        return [s if isinstance(s, Tensor) else empty(tuple(s), dtype=d or like) for s, d in zip(shapes, dtypes or [self.dtype])]

    def call(self, args: Sequence[Any]) -> list[Tensor]:
        """The results on real tensors. Raises TypeError for what is neither a tensor nor an array."""
        return answers.answer(self, self._called, args)

    def _called(self, args: Sequence[Any]) -> list[Tensor]:
        with no_grad():
            found = self.function(*(a.detach() if isinstance(a, Tensor) else a for a in args))
        listed = list(found) if isinstance(found, (tuple, list)) else [found]
        for place, x in enumerate(listed):
            if isinstance(x, (np.ndarray, np.generic)):
                listed[place] = F[0].from_numpy(np.asarray(x))
            elif not isinstance(x, Tensor):
                raise error(TypeError, f"the opaque function {self.name} must return tensors or NumPy arrays, result {place} is a {type(x).__name__}")
        return listed


def opaque(*, shape: Callable, dtype: DType | Sequence[DType] | None = None, derivative: Callable | None = None) -> Callable[[Callable], Callable]:
    """Make a foreign function an operator: a compiled graph calls it, and does not break there. A decorator.

    The function gets tensors (and numbers, strings ...) and returns one tensor or NumPy array, or several; it must not change its arguments, and must give equal
    results for equal arguments, as equal calls may be made once and unused ones not at all; none is made twice where a graph raises and its program runs again.
    `shape(*args)` says what it gives: a shape, a tensor (`segue.empty_like(x)`), or a list of them; sizes may be symbolic. `dtype` is that of the results, at first
    that of the first tensor. `derivative(g, *args)` returns the gradient of each tensor argument (None where there is none), a single one for a single one; with
    several results `g` is a tuple. It is tensor code, differentiable itself. Under `vmap` the function is called for each example. Raises RuntimeError where
    results differ from what was said, and where a derivative is asked for but not given.

    >>> import segue
    >>> @segue.opaque(shape=lambda x: x.shape, derivative=lambda g, x: g * x.cos())
    ... def sine(x):
    ...     return np.sin(x.numpy())
    >>> x = segue.tensor([0.0, 1.0], requires_grad=True)
    >>> segue.compile(sine, fullgraph=True)(x).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.5403])
    """
    if not callable(shape):
        raise TypeError(f"opaque: shape must be callable, got {type(shape).__name__}; write shape=lambda x: x.shape")

    def decorate(function: Callable) -> Callable:
        rule = _rule(Foreign(function, shape, dtype), derivative)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return rule.apply(*(positional(signature, args, kwargs) if kwargs else args))

        call.__segue_rule__ = rule  # type: ignore[attr-defined]
        return call

    return decorate


def positional(signature: inspect.Signature, args: tuple, kwargs: dict) -> tuple:
    """The arguments of a call without keywords."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _rule(foreign: Foreign, derivative: Callable | None) -> type[Function]:
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        ctx.tensors = tuple(isinstance(a, Tensor) for a in inputs)
        ctx.others = tuple(None if isinstance(a, Tensor) else a for a in inputs)
        ctx.save_for_backward(*(a for a in inputs if isinstance(a, Tensor)))

    def backward(ctx: Any, *gradients: Any) -> Any:
        saved = iter(ctx.saved_tensors)
        args = [next(saved) if is_tensor else other for is_tensor, other in zip(ctx.tensors, ctx.others)]
        found = derivative(gradients[0] if len(gradients) == 1 else gradients, *args)  # type: ignore[misc]
        each = iter(found if isinstance(found, (tuple, list)) else (found,))
        return tuple(next(each) if is_tensor else None for is_tensor in ctx.tensors)

    refused = refusing(f"the opaque function {foreign.name} has no derivative", "@segue.opaque(shape=..., derivative=...)")
    return rule_of(foreign, setup_context, backward if derivative else refused)


def refusing(problem: str, instead: str) -> Callable:
    """The backward of what has no derivative: it raises this, in graphs where the gradient is computed."""

    def refused(ctx: Any, *gradients: Any) -> Any:
        raise error(AutogradError, problem, instead)

    refused.__dict__["refuses"] = problem, instead
    return refused


def rule_of(foreign: Foreign, setup_context: Callable, backward: Callable, checked: bool = True) -> type[Function]:
    """The `Function` whose forward is the foreign function; `checked` says whether eager results are compared with what was said of them."""

    def forward(*args: Any) -> Any:
        if any(isinstance(a, Tensor) and hasattr(a._data, "tracer") for a in args):
            results = _graphs[0](foreign, args)
        else:
            results = foreign.call(args)
            if checked:
                check(foreign, results, foreign.examples(args))
        return results[0] if len(results) == 1 else tuple(results)

    forward.__dict__["taken_whole"] = True  # capture does not follow it

    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        examples = [[a if d is None else a.select(d, i) for a, d in zip(args, in_dims)] for i in range(info.batch_size)]
        found = [rule.apply(*example) for example in examples]
        if isinstance(found[0], tuple):
            return tuple(F[0].stack(list(column), 0) for column in zip(*found)), 0
        return F[0].stack(found, 0), 0

    body = {"forward": forward, "setup_context": setup_context, "backward": backward, "vmap": vmap}
    rule: type[Function] = type(foreign.name.rpartition(".")[2], (Function,), {name: staticmethod(method) for name, method in body.items()})
    return rule


def check(foreign: Foreign, results: Sequence[Tensor], said: Sequence[Any]) -> None:
    """Raises RuntimeError where a foreign function gave something else than `said`, which has shapes and dtypes."""
    if len(results) != len(said):
        raise error(RuntimeError, f"the opaque function {foreign.name} gave {len(results)} results where its shape says {len(said)}")
    for place, (x, expected) in enumerate(zip(results, said)):
        if tuple(x.shape) != tuple(expected.shape) or x.dtype is not expected.dtype:
            wanted, got = f"{expected.dtype.name}{list(expected.shape)}", f"{x.dtype.name}{list(x.shape)}"
            raise error(RuntimeError, f"the opaque function {foreign.name} gave {got} as result {place}, where its shape and dtype say {wanted}")


__all__ = ["opaque"]
