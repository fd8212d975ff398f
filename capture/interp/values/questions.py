"""Comparisons of sizes that only the run of the graph decides.

In come two ints of which one is a runtime size, out goes a bool that is not known. The one idea: such a bool may be returned, negated, and checked (`segue._check`,
`assert`), and only a branch on it ends the graph, at the branch.
"""

from __future__ import annotations

from typing import Any

from ....eager.sizes import COMPARISONS, MIRRORED
from ....graph.symbolic import RELATIONS, expression_of
from .base import Value
from .constants import SymIntValue

NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class QuestionValue(Value):
    """`left kind right`, where one is a runtime size."""

    def __init__(self, kind: str, left: Value, right: Value) -> None:
        self.kind = kind
        self.left = left
        self.right = right

    def type(self) -> type:
        return bool

    def describe(self) -> str:
        return "bool that only the run gives"

    def python(self, run: Any) -> Any:
        return COMPARISONS[self.kind](self.left.python(run), self.right.python(run))  # which ends the graph

    def truth(self, run: Any) -> bool:
        return bool(self.python(run))

    def negated(self) -> QuestionValue:
        return QuestionValue(NEGATED[self.kind], self.left, self.right)

    def check(self, run: Any, problem: Exception) -> None:
        """Go on as if the answer were yes; the run raises the problem where it is not."""
        relation = RELATIONS[self.kind](expression_of(self.left.python(run)), expression_of(self.right.python(run)), evaluate=False)
        run.tracer.shape_env.check(relation, problem)

    def build(self, out: Any) -> None:
        out.call(COMPARISONS[self.kind], self.left, self.right)


def question(kind: str, left: Value, right: Value) -> QuestionValue | None:
    """The comparison of two ints as a question to the run; None where the answer is known."""
    for value, other, mirrored in ((left, right, False), (right, left, True)):
        if isinstance(value, SymIntValue) and value.symbol.env.depends_on_run(value.symbol.expr) and other.type() is int:
            asked = other.symbol if isinstance(other, SymIntValue) else other.value  # type: ignore[attr-defined]
            return QuestionValue(kind, left, right) if value.symbol.known(MIRRORED[kind] if mirrored else kind, asked) is None else None
    return None
