"""Programs kept on disk: a graph that some process has compiled is neither optimised, lowered nor scheduled again.

In comes a graph as it was traced, out comes the `Program` that was made of it, or None. The one idea: a graph is plain data, so a digest of its nodes, of segue's
own source and of the knobs that the program depends on is an address; what stands there is the finished text with the launcher's specs.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..eager.config import config
from ..eager.dtypes import dtype
from ..eager.log import log
from ..graph.ir import Graph, Node
from .cache import current, digest
from .translation import Program

KIND = "program"
ROOT = Path(__file__).parent.parent
SOURCES = ("eager", "graph", "inductor")  # the rooms whose code decides what a program looks like


def key_of(graph: Graph) -> str | None:
    """The address of a graph's program; None for graphs with symbolic sizes, whose guards belong to the process that traced them."""
    if graph.symbols:
        return None
    numbers: dict[Node, int] = {}
    text: list[str] = []
    arrays: list[bytes] = []
    for node in graph.nodes:
        numbers[node] = len(numbers)
        if node.kind == "constant":
            arrays.append(np.ascontiguousarray(node.args[0]).tobytes())
            arguments = ""
        else:
            arguments = ",".join(_spelled(argument, numbers) for argument in node.args)
        name = node.target.name if node.target is not None else ""
        value = node.value
        shown = "" if value is None else f"{value.shape}{value.dtype.name}{value.strides}"
        text.append(f"{node.kind} {name}({arguments}) {shown} {node.line} {node.module} {node.differentiable}")
    results = [_spelled(output, numbers) for output in graph.outputs] + [f"{position}:{numbers[node]}" for position, node in graph.writes]
    return digest([KIND, own_code(), repr((config.fusion, config.numerics)), "\n".join(text), ",".join(results), *arrays])


def _spelled(argument: Any, numbers: dict[Node, int]) -> str:
    """An argument as text in which equal means interchangeable: 1, 1.0 and True differ."""
    if isinstance(argument, Node):
        return f"%{numbers[argument]}"
    if isinstance(argument, (tuple, list)):
        return "(" + ",".join(_spelled(part, numbers) for part in argument) + ")"
    if isinstance(argument, dtype):
        return argument.name
    return repr(argument)


@functools.cache
def own_code() -> str:
    """A digest of the source that makes programs, so that a newer segue never takes an older one's."""
    return digest(_pieces())


def _pieces() -> Iterator[bytes]:
    for room in SOURCES:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.name.encode()
            yield path.read_bytes()


def recall(key: str) -> Program | None:
    """The program at `key`, if some process left it there and it is whole."""
    payload = current().get(KIND, key)
    if payload is None:
        return None
    try:
        found = _Reader(io.BytesIO(payload)).load()
    except (pickle.UnpicklingError, AttributeError, EOFError, TypeError, ValueError) as problem:
        log("cache", f"the program {key[:12]} cannot be read, so it is made again: {problem}")
        return None
    return found if isinstance(found, Program) else None


def remember(key: str, program: Program) -> None:
    """Keep a program for later processes."""
    current().put(KIND, key, pickle.dumps(program))


class _Reader(pickle.Unpickler):
    """Reads what `remember` wrote and nothing else: programs, dtypes, arrays and plain values."""

    ALLOWED = {(Program.__module__, "Program"), (dtype.__module__, "_by_name")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self.ALLOWED or (module.partition(".")[0] == "numpy" and name in ("dtype", "ndarray", "_reconstruct", "_frombuffer", "scalar")):
            return super().find_class(module, name)
        if module == "ml_dtypes" or (module, name) == ("builtins", "complex"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a program")
