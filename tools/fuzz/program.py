"""A random program: the text of a function, the world it runs in, and the calls made of it, one after the other.

In come the choices of a writer, out go namespaces and arguments, made anew each time so that no two runs share anything. The one idea: everything
is described (sizes, dtypes, layouts, seeds) and nothing is kept, so the same program can be started eagerly and compiled from the same state.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import segue

PRELUDE = """
import numpy as np

scale = 2.0
state = {"mode": "double", "count": 0}
log = []


class Box:
    def __init__(self):
        self.gain = 0.5

    def __call__(self, x):
        return x * self.gain


box = Box()


def outer(factor):
    def inner(x):
        return x * factor

    def change(value):
        nonlocal factor
        factor = value

    return inner, change


helper, change = outer(3.0)


@segue.compiler.disable
def opaque(x):
    return x * 2 + 1
"""
WORLD = ("scale", "state", "log", "box")  # names of the prelude that a program may change

LAYOUTS = {  # name -> an array with the values of a contiguous one, lying differently in memory
    "plain": lambda a: a,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "stepped": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "offset": lambda a: np.concatenate([a[:1], a], axis=0)[len(a[:1]) :] if a.ndim else a,
    "expanded": lambda a: np.broadcast_to(a[:1], a.shape).copy()[:1].repeat(len(a), 0) if a.ndim else a,
    "reversed": lambda a: a[::-1] if a.ndim else a,
}
ROLES = ("plain", "leaf", "inner", "array")  # a tensor, one that wants a gradient, one computed from such a leaf, a NumPy array


@dataclass
class Input:
    """One parameter `x0, x1 ...`: `dims` are places in the call's sizes (None: 1)."""

    dims: tuple[int | None, ...]
    dtype: str
    layout: str
    role: str
    seed: int
    rounded: bool  # to quarters, so that equal values occur
    twin: int | None = None  # the parameter whose tensor is passed again, or a view of it

    def make(self, sizes: tuple[int, ...]) -> np.ndarray:
        """The values at these sizes."""
        shape = tuple(1 if d is None else sizes[d] for d in self.dims)
        numbers = np.random.default_rng(self.seed)
        if self.dtype == "bool":
            array = np.asarray(numbers.random(shape) < 0.5)
        elif "int" in self.dtype:
            array = np.asarray(numbers.integers(0 if self.dtype == "uint8" else -5, 6, shape)).astype(self.dtype)
        else:
            array = np.asarray(numbers.normal(size=shape))
            if "complex" in self.dtype:
                array = array + 1j * numbers.normal(size=shape)
            array = np.asarray(np.round(array * 4) / 4 if self.rounded else array).astype(getattr(segue, self.dtype).numpy)
        return LAYOUTS[self.layout](array)


@dataclass
class Call:
    """One call: the sizes of this time, the Python values, and what changes in the world before it."""

    sizes: tuple[int, ...]
    flags: list[Any]
    before: list[str] = field(default_factory=list)
    raises: bool = False  # eager raises an error here, and so must every other way


@dataclass
class Variable:
    name: str
    exact: bool  # only touched by what must agree bit for bit


@dataclass
class Program:
    """A function's statements, its inputs and calls, and the set-up of what it finds around it."""

    lines: list[str] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    outputs: list[Variable] = field(default_factory=list)
    exact_inputs: list[bool] = field(default_factory=list)  # of each input: what the program writes into it is exact
    backward: bool = True  # the outputs are differentiated by the inputs
    twice: bool = False  # and their gradients once more
    rough: bool = False  # 16-bit floats take part: what is not exact agrees to their precision
    dynamic: bool | None = None

    @property
    def parameters(self) -> list[str]:
        return [f"x{i}" for i in range(len(self.inputs))] + [f"flag{i}" for i in range(len(self.calls[0].flags))] + ["items", "table"]

    @property
    def text(self) -> str:
        returned = "".join(f"{v.name}, " for v in self.outputs)
        body = "\n".join([*self.lines, f"return ({returned})"])
        return f"def program({', '.join(self.parameters)}):\n{textwrap.indent(body, '    ')}\n"

    def describe(self) -> str:
        """The program and its calls, for a reader."""
        kinds = [f"# x{i}: {x.dtype}, sizes {x.dims}, {x.layout}, {x.role}{'' if x.twin is None else f' of x{x.twin}'}" for i, x in enumerate(self.inputs)]
        calls = [f"# call {i}: sizes {c.sizes}, flags {c.flags}, before {c.before}{', raises' if c.raises else ''}" for i, c in enumerate(self.calls)]
        way = [f"# dynamic={self.dynamic}, backward={self.backward}, twice={self.twice}"]
        return "\n".join([*self.setup, self.text + "\n".join([*kinds, *calls, *way])])

    def world(self) -> dict[str, Any]:
        """A fresh namespace with everything the statements may name, the parameters left out."""
        namespace: dict[str, Any] = {"segue": segue, "F": segue.nn.functional, "nn": segue.nn, "__name__": "random_program"}
        segue.manual_seed(0)
        exec("\n".join([PRELUDE, *self.setup]), namespace)  # noqa: S102
        segue.manual_seed(1)
        return namespace

    def arguments(self, call: Call) -> tuple[dict[str, Any], list[Any]]:
        """Fresh arguments by name, and the leaves behind them (None where an input wants no gradient)."""
        named: dict[str, Any] = {}
        leaves = []
        for i, x in enumerate(self.inputs):
            array, leaf = x.make(call.sizes), None
            if x.twin is not None and isinstance(named.get(f"x{x.twin}"), segue.Tensor):
                value = named[f"x{x.twin}"]
                value = value if x.layout == "plain" or not value.ndim else value[: (value.shape[0] + 1) // 2]
            elif x.role == "array":
                value = array
            else:
                value = segue.from_numpy(array if x.layout != "reversed" else array.copy())
                if x.role in ("leaf", "inner"):
                    leaf = value.requires_grad_()
                    value = leaf * 1.0 if x.role == "inner" else leaf
            named[f"x{i}"] = value
            leaves.append(leaf)
        named.update({f"flag{i}": flag for i, flag in enumerate(call.flags)})
        named["items"] = [1, segue.ones(2), 0.5]
        named["table"] = {"a": segue.full((2,), 3.0), "b": 2}
        return named, leaves
