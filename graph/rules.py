"""`autograd.Function` in graphs: results whose derivative is the user's own, as a graph.

In come a forward that was recorded and the user's backward, out come the results with that derivative. The one idea: the backward is traced apart, as a branch of `cond`
is, and one node `with_rule` hands the results on and holds its graph; whoever differentiates the graph runs that graph in place of the forward's derivative. What
nobody will differentiate any more loses these nodes (`without_rules` in graph/passes.py), so a backend never meets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..eager.autograd import function
from ..eager.autograd.function import ONCE, FunctionCtx, Rule, pull_of
from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import F
from ..eager.errors import AutogradError, CaptureError, error
from ..eager.tensor import Tensor
from .control import Control, batches_within, below_level, call_any, make, with_batch
from .ir import Node
from .region import Regions, value_of


class HandedOn(Control):
    """A kind whose first operands are its results."""

    def results(self, graphs: tuple, operands: tuple, *attributes: Any) -> tuple:
        return operands

    def fakes(self, graphs: tuple, operands: tuple, *attributes: Any) -> tuple:
        return tuple(x.value.dense() if isinstance(x, Node) else value_of(x) for x in self.results(graphs, operands, *attributes))

    def run(self, graphs: tuple, operands: tuple, *attributes: Any) -> Sequence[Tensor]:
        found = tuple(Tensor._wrap(x._data, x._storage) for x in self.results(graphs, operands, *attributes))
        active = [isinstance(x, Tensor) and x.requires_grad for x in operands]
        if STATE.enabled and any(active):
            self._attach(graphs, operands, attributes, active, found)
        return found

    def reached(self, graphs: tuple, active: list, *attributes: Any) -> set[int]:
        return set(range(len(self.results(graphs, tuple(active), *attributes))))

    def dual(self, level: Any, graphs: tuple, operands: tuple, *attributes: Any) -> Sequence[Tensor]:
        raise error(AutogradError, f"forward-mode derivatives through a compiled {self.name} are not possible", "call the function uncompiled, with a jvp staticmethod")


class WithRule(HandedOn):
    """operands: the results, then the arguments (`given` says which of them get a gradient), then what the backward reads besides.

    The graph takes the gradients of the results, the results, and what it reads besides; it gives the gradients of the arguments so marked.
    """

    def results(self, graphs: tuple, operands: tuple, count: int, given: tuple, once: bool) -> tuple:  # type: ignore[override]
        return operands[:count]

    def pull(self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list, count: int, given: tuple, once: bool) -> list:  # type: ignore[override]
        every = [F[0].zeros_like(x) if g is None else g for x, g in zip(results, gradients)]
        found = call_any(graphs[0], [*every, *results, *operands[count + len(given) :]])
        if once and STATE.enabled:
            found = list(FINAL((), tuple(found), False, len(found), (ONCE,)))
        each = iter(found)
        return [*[None] * count, *(next(each) if on else None for on in given), *[None] * (len(operands) - count - len(given))]

    def batched(self, level: Any, graphs: tuple, operands: tuple, count: int, given: tuple, once: bool) -> Sequence[Tensor]:  # type: ignore[override]
        own = count + len(given)
        several = [place < own or (isinstance(x, Tensor) and x._data.dim is not None) for place, x in enumerate(operands)]
        below = below_level(level, operands, several)
        flags = [*[True] * (2 * count), *several[own:]]
        graph = graphs[0]
        body = lambda *inputs: batches_within(graph, inputs, flags, level.size)  # noqa: E731
        made, extra = make(graph.shape_env, [(body, [with_batch(node, on, level.size) for node, on in zip(graph.inputs, flags)])], self.kind_names, self.name)
        return [level.enter(x, 0) for x in self(made, (*below, *extra), count, given, once)]


class Final(HandedOn):
    """operands: results that have no derivative, then what would get a gradient; or (`spent`) these gradients, which raise where they are computed.

    It is the gradients of a function marked `@once_differentiable`, or what an operator gives that has no rule. `said`: the error's text and hint.
    """

    def results(self, graphs: tuple, operands: tuple, spent: bool, count: int, said: tuple) -> tuple:  # type: ignore[override]
        return operands[:count]

    def run(self, graphs: tuple, operands: tuple, spent: bool, count: int, said: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        if spent:
            raise error(AutogradError, *said)
        return super().run(graphs, operands, spent, count, said)

    def pull(self, graphs: tuple, operands: tuple, active: list, results: list, gradients: list, spent: bool, count: int, said: tuple) -> list:  # type: ignore[override]
        return list(self((), tuple(map(F[0].zeros_like, operands)), True, len(operands), said))

    def batched(self, level: Any, graphs: tuple, operands: tuple, spent: bool, count: int, said: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        return [level.enter(x, 0) for x in self((), tuple(level.leave(x, 0) for x in operands), spent, count, said)]


WITH_RULE = WithRule(
    "with_rule", "graphs, operands: Tensor[], results, given, once", "The first operands; their derivative is the graph.", ("backward",)
)  # fmt: skip
FINAL = Final("final", "graphs, operands: Tensor[], spent, count, said", "The first operands, which cannot be differentiated.", ())


def on_graph(rule: Rule, ctx: FunctionCtx, args: tuple, found: Any) -> Any:
    """The results of a recorded forward, with the user's backward as their derivative. Raises CaptureError for what a graph cannot say."""
    if not (STATE.enabled and any(ctx.needs_input_grad)):
        return function.unrecorded(ctx, args, found)
    results = list(found) if isinstance(found, (tuple, list)) else [found]
    places = [i for i, x in enumerate(results) if _on_tape(x) and not any(x is constant for constant in ctx.non_differentiable)]
    _check(rule, ctx, results, places)
    wanted = [place for place, on in enumerate(ctx.needs_input_grad) if on]
    refuses = getattr(rule.backward, "refuses", None)
    if refuses is not None:
        return _handed_on(found, results, places, FINAL((), (*(results[place] for place in places), *(args[place] for place in wanted)), False, len(places), refuses))
    given: list[bool] = []
    env = STATE.tracers[-1].shape_env

    def backward(*inputs: Tensor) -> list[Tensor]:
        gradients, again = dict(zip(places, inputs)), dict(zip(places, inputs[len(places) :]))
        at = {id(results[place]): x for place, x in again.items()}
        kept, ctx.to_save = ctx.to_save, tuple(at.get(id(x), x) for x in ctx.to_save or ())
        try:
            pulled = pull_of(rule, ctx, args, results)([gradients.get(place) for place in range(len(results))])
        finally:
            ctx.to_save = kept
        given[:] = [pulled[place] is not None for place in wanted]
        return [pulled[place] for place in wanted if pulled[place] is not None]

    examples: list[tuple[Any, bool]] = [(value_of(results[place]), False) for place in places] + [(value_of(results[place]), True) for place in places]
    regions = Regions(env)
    regions.trace(backward, examples, f"the backward of {rule.name}", enabled=True)
    graphs, extra = regions.finish(("backward",))
    once = getattr(rule.backward, "once", False)
    made = WITH_RULE(graphs, (*(results[place] for place in places), *(args[place] for place in wanted), *extra), len(places), tuple(given), once)
    return _handed_on(found, results, places, made)


def _handed_on(found: Any, results: list, places: list[int], made: Sequence[Tensor]) -> Any:
    """What the forward gave, with those of its results that have a derivative as the node hands them on."""
    for place, x in zip(places, made):
        if _is_view(results[place]):
            x._data.storage.shared = results[place]._data.storage.shared = "a result of an autograd.Function that shares memory with something else"
        results[place] = x
    return type(found)(results) if isinstance(found, (tuple, list)) else results[0]


def _on_tape(x: Any) -> bool:
    return isinstance(x, Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex)


def _is_view(x: Tensor) -> bool:
    """Whether a result lies in memory that something else may read or write: that of an input or of another value."""
    array = x._data
    return bool(array.chain) or array.storage.input is not None


def _check(rule: Rule, ctx: FunctionCtx, results: list, places: list[int]) -> None:
    problem = None
    if ctx.dirty_tensors:
        problem = "marks tensors as dirty"
    elif STATE.saved_hooks:
        problem = "runs under saved-tensor hooks"
    elif not ctx.materialize_grads and len(places) > 1:
        problem = "has several results and wants None for the gradients that are missing"
    elif not places:
        problem = "has no result with a gradient"
    if problem is not None:
        raise error(CaptureError, f"{rule.name} {problem}, which a graph cannot say", "call it outside of the compiled function")


function.RECORD[:] = [on_graph]

__all__ = ["FINAL", "WITH_RULE", "on_graph"]
