"""What an operator is: one `OpDef` row with every facet, the ways it may lower, and the table of all rows.

In come the facts about one operator (schema, shapes, kernel, derivatives, lowering, samples); out goes an entry of `OPS`, from which eager
execution, autograd, vmap, fake tensors, graphs, lowering, the op table of the docs and the test matrix all follow. The one idea: an operator's
whole meaning stands in one place, and everything else reads it from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._dispatch import Row

# --------------------------------------------------------------------------------------------------------------------
# Lowerings. Each is written against an abstract handler, so that this room never imports the inductor.


@dataclass(frozen=True, slots=True)
class Scalar:
    """Element by element: `body(h, *operands)` builds one scalar expression with the handler's primitives.

    Operands broadcast against each other; Python numbers are already of the compute dtype when the body sees them.
    """

    body: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class IndexMap:
    """A view: `map(index, out_shape, x_shape, *attributes)` turns an output index (tuple of expressions) into an index of `x`."""

    map: Callable[..., tuple]


@dataclass(frozen=True, slots=True)
class Indexed:
    """Pointwise over the output with loads at computed places: `body(h, index, out_shape, *operands)`.

    A tensor operand is a loader with `.shape`, `.dtype` and `.load(index)`; `h.index_expr(e)` makes a value of an index, `h.as_index(v, size)`
    an index of an integer value that must be in range, and `h.masked(condition, thunk, other)` loads only where the condition holds.
    """

    body: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Reduction:
    """A fold of `x` over `dims`: `kind` is one of sum, prod, amax, amin, argmax, argmin, any, all."""

    kind: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """Start from a copy of the first operand, then `mode` ("add" or "set") each element of the source at a computed place, in order.

    `target(h, index, out_shape, *operands)` gives the output index for one index of the source, `source` names the source operand. `space(*operands)`
    is the shape that is walked: the source broadcasts to it, or is larger than it (and then only that part is read). None: the source's own shape.
    """

    source: str
    target: Callable[..., tuple]
    mode: str | Callable[..., str]
    space: Callable[..., tuple] | None = None


@dataclass(frozen=True, slots=True)
class Extern:
    """A call of the native run-time library under `symbol` (products, convolutions, sorts, scans)."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Host:
    """No native form: the eager kernel runs between two compiled stretches. Counted and visible."""

    reason: str


Lowering = Scalar | IndexMap | Indexed | Reduction | Scatter | Extern | Host


# --------------------------------------------------------------------------------------------------------------------
# Schemas


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operator. `kind`: "tensor" (also takes a Python number), "optional" tensor, "tensors" (a sequence) or "attribute"."""

    name: str
    kind: str
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Schema:
    """The parameters of an operator, in the order in which a call and a graph node hold its arguments."""

    parameters: tuple[Parameter, ...]

    @classmethod
    def parse(cls, text: str) -> Schema:
        """Read `"x: Tensor, index: Tensor?, parts: Tensor[], dim=0"`: names without an annotation are attributes.

        >>> [(p.name, p.kind) for p in Schema.parse("x: Tensor, parts: Tensor[], dim=0").parameters]
        [('x', 'tensor'), ('parts', 'tensors'), ('dim', 'attribute')]
        """
        kinds = {"Tensor": "tensor", "Tensor?": "optional", "Tensor[]": "tensors"}
        parameters = []
        for piece in filter(None, (p.strip() for p in _split(text))):
            name, has_default, default = piece.partition("=")
            name, has_kind, kind = name.partition(":")
            value = eval(default, {}) if has_default else inspect.Parameter.empty  # noqa: S307  (our own rows)
            parameters.append(Parameter(name.strip(), kinds[kind.strip()] if has_kind else "attribute", value))
        return cls(tuple(parameters))

    @property
    def tensor_names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters if p.kind != "attribute")

    def bind(self, name: str, args: tuple, kwargs: Mapping[str, Any]) -> tuple:
        """All arguments by position, defaults filled in. Raises TypeError naming operator and argument."""
        parameters = self.parameters
        if not kwargs and len(args) == len(parameters):
            return args
        if len(args) > len(parameters):
            raise TypeError(f"{name}() takes {len(parameters)} arguments but {len(args)} were given")
        bound = list(args)
        left = dict(kwargs)
        for parameter in parameters[len(args) :]:
            if parameter.name in left:
                bound.append(left.pop(parameter.name))
            elif parameter.required:
                raise TypeError(f"{name}() is missing its argument '{parameter.name}'")
            else:
                bound.append(parameter.default)
        if left:
            known = ", ".join(p.name for p in parameters)
            raise TypeError(f"{name}() has no argument '{next(iter(left))}' left to set; its arguments are ({known})")
        return tuple(bound)


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += character in "([{"
        depth -= character in ")]}"
        if character == "," and not depth:
            pieces.append(text[start:position])
            start = position + 1
    return [*pieces, text[start:]]


# --------------------------------------------------------------------------------------------------------------------
# The row

Formula = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class OpDef(Row):
    """One operator. Arguments follow `schema`'s order everywhere: in calls, tape nodes and graph nodes.

    kind
        "pointwise", "view", "reduction", "index", "scatter", "extern", "random", "creation" or "transfer".
    dtype(*args) -> dtype or (compute dtype, result dtype)
        Type promotion. Tensor arguments are Tensors (or anything with `.dtype` and `.ndim`), numbers stay Python numbers.
        With a pair, tensor operands are cast to the compute dtype (as recorded `cast` operations) before the kernel runs.
        A callable that has the attribute `no_cast = True` leaves the operands as they are.
    shape(*args) -> tuple
        The result's shape; works on symbolic sizes. Raises with operator and both shapes.
    kernel(xp, *args) -> array
        Arrays in place of tensors; `xp` is numpy or cupy. A view's kernel returns a view of its input's memory.
    vjp: argument name -> formula, or None where no argument has a derivative
        Parameters of a formula are found by name: `F` (the operators, on tensors), `g` (gradient of the result), `out` (the result), an
        argument's name (its value: what is named is what the tape saves), `<name>_shape`, `<name>_dtype`. It returns the gradient with the
        shape of the result's broadcast; the engine sums it down to the argument's shape. For a "tensors" argument it returns a sequence.
        Formulas name no conjugates: they are transposes, and the tape conjugates around them (see autograd/tape.py).
    jvp: argument name -> formula with `t` (the tangent) in place of `g`, or "elementwise" (same formulas as vjp) or "linear" (apply the operator
        to the tangent in place of that argument); None as for vjp.
    batch(F, size, in_dims, *args) -> result with the batch at dimension 0.  `in_dims[i]` is None, an int, or for "tensors" a tuple of such.
    strides(*args) -> tuple, for views only: strides in elements from the input's `.strides_in_elements`, or None if a copy would be needed.
    inverse(F, base, new, *attributes) -> base with the viewed part replaced, for views only. None: by scattering indices.
    """

    name: str
    kind: str
    schema: Schema
    dtype: Formula
    shape: Formula
    kernel: Formula
    lower: Lowering
    samples: Callable[[], list[tuple[tuple, dict]]]
    doc: str
    vjp: Mapping[str, Formula] | None = None
    jvp: Mapping[str, Formula] | str | None = None
    batch: Formula | None = None
    strides: Formula | None = None
    inverse: Formula | None = None
    tags: frozenset[str] = frozenset()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # argument -> parameter names of its vjp formula

    def __post_init__(self) -> None:
        """Tell the callable part (eager/csrc) what it reads at each call."""
        parameters, formulas = self.schema.parameters, self.vjp or {}
        operand = tuple(p.kind != "attribute" for p in parameters)
        pullable = tuple(p.kind != "attribute" and p.name in formulas for p in parameters)
        # Whether dtype and shape facets depend on dtypes, shapes and attributes alone, so that a call like an earlier one needs neither.
        learns = self.kind in _LEARNING and all(p.kind in ("tensor", "attribute") for p in parameters)
        self.prepare(self.kernel, operand, pullable, self.is_view, self.name == "detach", learns)

    @property
    def is_view(self) -> bool:
        """Whether the result shares its input's memory."""
        return "alias" in self.tags

    def bind(self, args: tuple, kwargs: Mapping[str, Any]) -> tuple:
        """All arguments of a call by position, defaults filled in. Raises TypeError naming operator and argument."""
        return self.schema.bind(self.name, args, kwargs)

    def __repr__(self) -> str:
        return f"<OpDef {self.name}>"

    def __reduce__(self):
        return (_row, (self.name,))

    def __deepcopy__(self, memo: dict) -> OpDef:
        return self


OPS: dict[str, OpDef] = {}


def direct(kernel: Callable[..., Any], facet: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel with its facet `direct`: `facet(*arrays and attributes)` is a function of the operands alone, or None where there is none.

    It does what the kernel does with NumPy for all operands of these dtypes and shapes that are C-contiguous or not as these are, and is written in C: it runs where nobody else's context variables are
    seen, and it is kept, so the attributes that it holds are such as are equal only when they are the same (ints, bools, tuples of them).
    """
    kernel.direct = facet  # type: ignore[attr-defined]
    return kernel

TAGS = {
    "pure": "same arguments, same result, no effect",
    "random": "draws from the generator's counter",
    "recompute": "cheap enough to compute again in the backward",
    "alias": "the result shares its input's memory",
    "compared": "its result is compared for equality somewhere: never recompute it",
    "checked": "raises for some values of its operands, such as an index out of range",
    "symbolic": "takes symbolic sizes as attributes",
    "nondifferentiable": "no argument has a derivative (integer or boolean results, random draws)",
}


_LEARNING = ("pointwise", "view", "reduction", "extern", "index", "scatter")


def _row(name: str) -> OpDef:
    return OPS[name]


def define(name: str, schema: str, *, tags: str = "", **facets: Any) -> OpDef:
    """Enter one row into `OPS`. `tags` is a space-separated string of names from `TAGS`.

    Raises ValueError for a name that stands already or a tag that nobody knows.
    """
    words = frozenset(tags.split())
    if unknown := words - TAGS.keys():
        raise ValueError(f"operator {name}: unknown tags {sorted(unknown)}")
    if name in OPS:
        raise ValueError(f"operator {name} is defined twice")
    if "random" not in words:
        words |= {"pure"}
    formulas = facets.get("vjp") or {}
    reads = {argument: tuple(inspect.signature(formula).parameters) for argument, formula in formulas.items()}
    row = OPS[name] = OpDef(name=name, schema=Schema.parse(schema), tags=words, reads=reads, **facets)
    return row
