"""Foreign functions in graphs: one node that calls what graphs cannot look into (eager/opaque.py).

In come the function and its arguments, out come its results, whose shapes the user said. The one idea: the node holds the function itself; what is known of its results stands beside it
as fake values, against which a run checks what it really got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..eager import opaque
from ..eager.autograd.mode import STATE
from ..eager.autograd.tape import F
from ..eager.errors import CaptureError, error
from ..eager.opaque import Foreign, check
from ..eager.tensor import Tensor
from .control import Control, below_level
from .ir import Graph, Node
from .region import value_of
from .symbolic import SymInt

PLAIN = (int, float, complex, bool, str, bytes, type(None), SymInt)


@dataclass(frozen=True)
class Call:
    """How a call is put together: the function, and its arguments, where a `Slot` stands for the next operand."""

    foreign: Foreign
    template: tuple

    def args(self, operands: Sequence[Any]) -> list:
        each = iter(operands)
        return [next(each) if item is SLOT else item for item in self.template]

    def __repr__(self) -> str:
        return repr(self.foreign)


SLOT = object()


class Opaque(Control):
    """operands: the tensors among the arguments, and sizes. `values`: the fake values of the results."""

    def run(self, graphs: tuple, operands: tuple, call: Call, values: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        results = call.foreign.call(call.args(operands))
        if not any(isinstance(size, SymInt) for value in values for size in value.shape):
            check(call.foreign, results, values)
        return results

    def fakes(self, graphs: tuple, operands: tuple, call: Call, values: tuple) -> tuple:  # type: ignore[override]
        return values

    def reached(self, graphs: tuple, active: list, call: Call, values: tuple) -> set[int]:  # type: ignore[override]
        return set()  # it is recorded where nothing goes on the tape; its derivative is that of its rule

    def dual(self, level: Any, graphs: tuple, operands: tuple, call: Call, values: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        raise error(RuntimeError, f"forward-mode derivatives through the opaque function {call.foreign.name} are not possible", "reverse mode")

    def batched(self, level: Any, graphs: tuple, operands: tuple, call: Call, values: tuple) -> Sequence[Tensor]:  # type: ignore[override]
        several = [isinstance(x, Tensor) and x._data.dim is not None for x in operands]
        below = below_level(level, operands, several)
        examples = [self((), [x.select(0, i) if on else x for x, on in zip(below, several)], call, values) for i in range(int(level.size))]
        return [level.enter(F[0].stack(list(column), 0), 0) for column in zip(*examples)]


OPAQUE = Opaque("opaque", "graphs, operands: Tensor[], call, values", "What a foreign function gives.", ())


def record(foreign: Foreign, args: tuple) -> tuple:
    """The results of a call on traced tensors. Raises CaptureError for arguments that a graph cannot hold."""
    for place, item in enumerate(args):
        if not isinstance(item, Tensor) and not _is_plain(item):
            raise error(CaptureError, f"argument {place} of the opaque function {foreign.name} is a {type(item).__name__}", "tensors, numbers and strings")
    examples = foreign.examples(args)
    values = tuple(value_of(x) for x in examples)
    template = tuple(SLOT if isinstance(item, (Tensor, SymInt)) else item for item in args)
    operands = tuple(item for item in args if isinstance(item, (Tensor, SymInt)))
    assert not STATE.enabled, "a forward runs without a tape"
    return OPAQUE((), operands, Call(foreign, template), values)


def _is_plain(item: Any) -> bool:
    return isinstance(item, PLAIN) or (isinstance(item, tuple) and all(map(_is_plain, item)))


def is_foreign(node: Node) -> bool:
    """Whether a node calls a foreign function, itself or in a graph that it holds."""
    if node.target is OPAQUE:
        return True
    held = node.args[0] if isinstance(node.target, Control) else ()
    return any(calls_foreign(graph) for graph in held if isinstance(graph, Graph))


def calls_foreign(graph: Graph) -> bool:
    return any(map(is_foreign, graph.operations))


opaque.install_graphs(record)

__all__ = ["OPAQUE", "calls_foreign", "is_foreign"]
