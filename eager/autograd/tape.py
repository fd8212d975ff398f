"""The tape: what a differentiable operation leaves behind.

In come an operator's row, its arguments and its result; out goes a `TapeNode` with edges to what the arguments came from, holding exactly the
values that the formulas of the active arguments name. The one idea: a formula's parameter names say what is saved, so nothing is kept that no
derivative reads, and each kept value's version is checked when it is used.

Complex numbers: formulas are plain transposes (that of `x * y` for x is `g * y`), so that one formula serves vjp and jvp and no row mentions a
conjugate. For a complex result the tape conjugates the gradient on the way in and what the formula gives on the way out, which is the adjoint that
PyTorch's convention asks for: dL/d(real) + i dL/d(imaginary). A complex operand of a real result (abs, real) gets what its formula gives.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import error
from ..ops.definition import OpDef
from .anomaly import place
from .mode import STATE
from .saved import Packed

SEQUENCE = itertools.count()
F: list[Any] = []  # the namespace of operators on tensors that formulas are written over; filled by `install_namespace`


def install_namespace(namespace: Any) -> None:
    """Called once by `eager.functional`, which is built on the tape and so cannot be imported here."""
    F[:] = [namespace]


class Node:
    """One differentiable step. `edges` holds, for each input: None, the `Node` it came from, or the leaf tensor itself.

    A consumer always has a higher `sequence` than what it consumed, which is all that the engine needs for its order. `hooks` see the gradient that
    arrives, `after` those that the step gives; `place` is the user's line, known in anomaly mode. `is_users`: the user wrote the step.
    """

    is_users = False
    __slots__ = ("edges", "sequence", "hooks", "after", "place", "_metadata", "__weakref__")

    def __init__(self, edges: Sequence[Any]) -> None:
        self.edges = edges
        self.sequence = next(SEQUENCE)
        self.hooks: list[Callable] | None = None
        self.after: list[Callable] | None = None
        self.place = place() if STATE.anomaly else None
        self._metadata: dict | None = None

    @property
    def next_functions(self) -> tuple:
        """The steps that this one's gradients go to, as pairs (node, number of the result); leaves stand as `AccumulateGrad`."""
        return tuple(_pair(edge) for edge in flattened([self.edges[i] for i in self.operands()]))

    def operands(self) -> Sequence[int]:
        """The positions of the edges that stand for tensors."""
        return range(len(self.edges))

    @property
    def metadata(self) -> dict:
        """A dict for whatever the user wants to note."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    def name(self) -> str:
        return type(self).__name__

    def register_hook(self, fn: Callable) -> HookHandle:
        """Call `fn(grad_inputs, grad_outputs)`, two tuples, when the step has run; a tuple that it returns replaces grad_inputs."""
        return HookHandle(self, "after", fn)

    def register_prehook(self, fn: Callable) -> HookHandle:
        """Call `fn(grad_outputs)`, a tuple, before the step runs; a tuple that it returns replaces it."""

        def before(value: Any) -> Any:
            several = isinstance(value, list)
            changed = fn(tuple(value) if several else (value,))
            if changed is None:
                return value
            return list(changed) if several else changed[0]

        before.rank = 2  # type: ignore[attr-defined]
        return HookHandle(self, "hooks", before)

    def locate_nan(self) -> None:
        """Raise with a closer place, where a step that stands for many can find which of them gives NaN."""

    def pull(self, g: Any) -> Sequence[Any]:
        """The gradients of the inputs, one for each edge (for a sequence argument, a sequence), given that of the result."""
        raise NotImplementedError

    def release(self) -> None:
        """Drop what was saved; a second `pull` raises RuntimeError. A step that saves nothing can be taken again."""

    def hides(self, targets: Sequence[Any]) -> bool:
        """Whether one of these tensors may lie behind this step although no edge leads to it."""
        return False

    def is_freed(self) -> bool:
        """Whether what was saved was dropped."""
        return False

    def is_overwritten(self) -> bool:
        """Whether what was saved has changed since."""
        return False


def _second_time(why: str) -> Exception:
    return error(RuntimeError, f"Trying to backward through the graph a second time: {why}", "call the first backward(retain_graph=True)")


class Part:
    """The edge to one result of a node that has several: what a tensor holds in place of the node itself."""

    __slots__ = ("node", "index")

    def __init__(self, node: MultipleNode, index: int) -> None:
        self.node = node
        self.index = index


class AccumulateGrad:
    """Where a gradient ends: the step behind a leaf, as `next_functions` shows it. Two of one leaf are equal."""

    next_functions = ()

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return "<AccumulateGrad>"

    def name(self) -> str:
        """What the step is called."""
        return "torch::autograd::AccumulateGrad"

    def register_prehook(self, fn: Callable) -> Any:
        """Call `fn((gradient,))` before the gradient is added to `.grad`."""

        def before(gradient: Any) -> Any:
            changed = fn((gradient,))
            return None if changed is None else changed[0]

        return self.variable.register_hook(before)

    def register_hook(self, fn: Callable) -> Any:
        """Call `fn((), (gradient,))` when the gradient has been added to `.grad`."""
        return self.variable.register_post_accumulate_grad_hook(lambda variable: fn((), (variable.grad,)))


class HookHandle:
    """What registering a hook returns: `remove()` takes the hook away. `name` is the list of the owner that holds it; each change makes another list. Hooks are called in the order of
    their `rank`: those of tensors (0), what keeps a gradient (1), those of nodes (2); those of one rank as they came."""

    def __init__(self, owner: Any, name: str, hook: Any) -> None:
        self.owner, self.name, self.hook = owner, name, hook
        setattr(owner, name, sorted([*(getattr(owner, name) or ()), hook], key=lambda one: getattr(one, "rank", 0)))

    def remove(self) -> None:
        """Take the hook away; the second time does nothing."""
        hooks = getattr(self.owner, self.name) or ()
        setattr(self.owner, self.name, [hook for hook in hooks if hook is not self.hook] or None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def hooked(hook: Callable[[Any], Any], gradient: Any) -> Any:
    """What a hook makes of a gradient (None: it stays). Raises TypeError where that is no tensor, and RuntimeError where its shape or dtype is another."""
    result = hook(gradient)
    if result is None:
        return gradient
    if not hasattr(result, "_data"):
        raise error(TypeError, f"a hook on a gradient gave a {type(result).__name__} in place of a tensor", "return a tensor, or None")
    for what in ("shape", "dtype"):
        if (found := getattr(result, what)) != (wanted := getattr(gradient, what)):
            raise error(RuntimeError, f"a hook has changed the {what} of a gradient: it was {wanted}, and is {found}", "return a gradient like the one given")
    return result


def _pair(edge: Any) -> tuple[Any, int]:
    if edge is None or isinstance(edge, Node):
        return edge, 0
    return (edge.node, edge.index) if isinstance(edge, Part) else (AccumulateGrad(edge), 0)


def flattened(parts: Sequence[Any]) -> list[Any]:
    """Edges or gradients in one list: those of a sequence argument stand in a sequence of their own."""
    found: list[Any] = []
    for part in parts:
        if type(part) in (tuple, list):
            found.extend(part)
        else:
            found.append(part)
    return found


def flat_edges(node: Node) -> list[Any]:
    return flattened(node.edges)


_WORDS = {"g": "g", "t": "g", "F": "F", "out": "out"}


class Plan:
    """What the tape keeps of a row's call when just the `active` arguments need gradients, and where the formulas find it.

    `dropped` are the tensor arguments whose values nobody reads, `kept` those that are read, `keep_out` says whether the result is; `formulas` holds for each
    argument None or its formula with the places (kind, argument's position) of what the formula's parameters stand for.
    """

    __slots__ = ("dropped", "kept", "keep_out", "formulas")

    def __init__(self, op: OpDef, active: tuple[bool, ...]) -> None:
        positions = {p.name: i for i, p in enumerate(op.schema.parameters)}
        vjp = op.vjp or {}
        self.formulas: list[Any] = []
        words: set[str] = set()
        for name, on in zip(positions, active):
            self.formulas.append((vjp[name], [_place(op, positions, word) for word in op.reads[name]]) if on else None)
            words.update(op.reads[name] if on else ())
        tensors = [i for i, p in enumerate(op.schema.parameters) if p.kind != "attribute"]
        self.kept = tuple(i for i in tensors if op.schema.parameters[i].name in words)
        self.dropped = tuple(i for i in tensors if i not in self.kept)
        self.keep_out = "out" in words


def _place(op: OpDef, positions: dict[str, int], word: str) -> tuple[str, int]:
    """What a formula's parameter `word` stands for: the gradient, the operators, the result, or an argument's value, shape or dtype."""
    if word in _WORDS:
        return _WORDS[word], 0
    if word in positions:
        return "value", positions[word]
    name, _, facet = word.rpartition("_")
    if name in positions and facet in ("shape", "dtype"):
        return facet, positions[name]
    raise KeyError(f"the derivative of {op.name} names '{word}', which is none of its arguments")


class OperatorNode(Node):
    """The step of one OpDef row, made by `record` of eager/csrc (see `record_step`).

    `args` are the arguments, None in place of those that no formula reads; `metas` holds shape and dtype of each (see `metas_of`), `versions` the version of the
    memory of each that the plan keeps. `out` is None, or the result as its parts, since the tensor itself refers to this node.
    """

    __slots__ = ("op", "plan", "args", "metas", "versions", "out", "is_complex")
    op: OpDef
    plan: Plan
    args: list[Any] | None
    metas: tuple
    versions: tuple
    out: Any
    is_complex: bool

    def saved(self) -> Iterable[tuple[int, Any]]:
        """The position of each argument that is kept, and the version that its memory had."""
        return zip(self.plan.kept, self.versions)

    def follow_modes(self, out: Any) -> None:
        """Note the user's line in anomaly mode; hand what is saved to the user's hooks."""
        self.place = place() if STATE.anomaly else None
        if STATE.saved_hooks:
            self._pack(out)

    def _pack(self, out: Any) -> None:
        """Hand what is saved to the user's hooks (see saved.py)."""
        hooks, wrap = STATE.saved_hooks[-1], type(out)._wrap
        assert self.args is not None
        for position, _ in self.saved():
            self.args[position] = packed(self.args[position], hooks, wrap)
        self.versions = ()
        if self.out is not None:
            self.out = Packed(out, self, hooks, wrap)
            self.out.requires_grad = True

    def name(self) -> str:
        return f"{self.op.name.title().replace('_', '')}Backward0"

    def operands(self) -> Sequence[int]:
        return [i for i, parameter in enumerate(self.op.schema.parameters) if parameter.kind != "attribute"]

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    def pull(self, g: Any) -> Sequence[Any]:
        args = self.args
        if args is None:
            raise _second_time(f"the saved values of {self.op.name}() were freed by the first backward")
        for position, version in self.saved():
            if _version(args[position]) != version:
                self._overwritten(self.op.schema.parameters[position].name, version, _version(args[position]))
        result: list[Any] = []
        g = _conjugate(g) if self.is_complex else g
        hooked = not self.versions if self.plan.kept else type(self.out) is Packed
        value = functools.cache(self.value) if hooked else self.value  # a hook unpacks each of what was saved once
        for formula in self.plan.formulas:
            if formula is None:
                result.append(None)
            else:
                function, places = formula
                pulled = function(*[value(kind, position, g) for kind, position in places])
                result.append(_conjugate(pulled) if self.is_complex else pulled)
        return result

    def value(self, kind: str, position: int, g: Any) -> Any:
        """What stands at a place (see `_place`)."""
        if kind == "g":
            return g
        if kind == "F":
            return F[0]
        if kind == "value":
            assert self.args is not None
            return unpacked(self.args[position])
        if kind == "out":
            return self._result()
        meta, index = self.metas[position], 0 if kind == "shape" else 1
        return [m[index] for m in meta] if type(meta) is list else meta[index]

    def _result(self) -> Any:
        assert self.out is not None
        if isinstance(self.out, Packed):
            return self.out.get()
        array, storage, version, _ = self.out
        if storage.version != version:
            self._overwritten("its result", version, storage.version)
        return F[0].from_parts(array, storage, self)

    def _overwritten(self, what: str, saved: Any, now: Any) -> None:
        raise error(
            RuntimeError,
            f"one of the variables needed for gradient computation has been modified by an inplace operation: {self.op.name}() saved "
            f"{what} at version {saved}, it is now at version {now}",
            "use the operation that returns a new tensor, or clone() before it",
        )

    def release(self) -> None:
        if self.plan.kept or self.plan.keep_out:
            self.args = None
            self.out = None

    def is_freed(self) -> bool:
        return self.args is None

    def is_overwritten(self) -> bool:
        if self.args is None:
            return False
        changed = any(_version(self.args[position]) != version for position, version in self.saved())
        return changed or type(self.out) is tuple and self.out[1].version != self.out[2]


def packed(value: Any, hooks: tuple, wrap: Callable) -> Any:
    """A saved value, each tensor of it in the form that the user's hooks gave it."""
    if type(value) in (tuple, list):
        return tuple(packed(part, hooks, wrap) for part in value)
    return Packed(value, _way_back(value), hooks, wrap) if hasattr(value, "_data") else value


def unpacked(argument: Any) -> Any:
    """A saved value as it was before `packed`."""
    if isinstance(argument, Packed):
        return argument.get()
    return tuple(unpacked(part) for part in argument) if type(argument) is tuple and any(isinstance(p, Packed) for p in argument) else argument


def _way_back(tensor: Any) -> Any:
    """The place on the tape of a tensor that is itself not kept: for a leaf a step in front of it."""
    return CallbackNode((tensor,), lambda g: [g], "AccumulateGrad") if tensor._edge is None and tensor._requires_grad else tensor._edge


class CallbackNode(Node):
    """A step whose gradients a Python function gives: `pull_function(g) -> sequence`, one gradient for each edge."""

    __slots__ = ("function", "label")

    def __init__(self, edges: Sequence[Any], function: Callable[[Any], Sequence[Any]], label: str) -> None:
        super().__init__(edges)
        self.function: Callable[[Any], Sequence[Any]] | None = function
        self.label = label

    def name(self) -> str:
        return self.label

    def __repr__(self) -> str:
        return f"<{self.label}>"

    def pull(self, g: Any) -> Sequence[Any]:
        if self.function is None:
            raise self.used_up()
        return self.function(g)

    def used_up(self) -> Exception:
        return _second_time(f"{self.label} was freed")

    def release(self) -> None:
        self.function = None

    def is_freed(self) -> bool:
        return self.function is None


class MultipleNode(CallbackNode):
    """A step with several results: `pull` gets a list of their gradients, None where nothing came. Its tensors hold `Part` edges."""

    __slots__ = ("results",)

    def __init__(self, edges: Sequence[Any], function: Callable[[Any], Sequence[Any]], label: str, results: int) -> None:
        super().__init__(edges, function, label)
        self.results = results

    def arrive(self, values: list, watched: Any) -> list:
        """The gradients of the results as the hooks make them. `watched`: the numbers of the results whose gradient is asked for."""
        for hook in self.hooks or ():
            values = hook(values)
        return values


def _conjugate(gradient: Any) -> Any:
    """The conjugate of a complex gradient (of each in a sequence); a real one and None are left alone."""
    if type(gradient) in (tuple, list):
        return [_conjugate(part) for part in gradient]
    return F[0].conj(gradient) if gradient is not None and gradient.dtype.is_complex else gradient


def metas_of(op: OpDef, args: tuple) -> tuple:
    """Shape and dtype of each argument that is a tensor; None for attributes."""
    return tuple([None if p.kind == "attribute" else _meta(argument) for p, argument in zip(op.schema.parameters, args)])


def _meta(argument: Any) -> Any:
    """Shape and dtype of a tensor argument; for a sequence a list of them; for a number or None, the scalar's."""
    if type(argument) in (tuple, list):
        return [_meta(part) for part in argument]
    if hasattr(argument, "_data"):
        return argument.shape, argument.dtype
    return (), None


def _version(argument: Any) -> Any:
    if type(argument) in (tuple, list):
        return tuple(_version(part) for part in argument)
    return argument._storage.version if hasattr(argument, "_storage") else 0
