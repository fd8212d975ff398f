"""Bools that only the run of the graph gives: comparisons of sizes, the truth of a tensor of one element, `torch.equal`.

The one idea: such a bool may be returned, negated, and checked (`segue._check`, `assert`, `if bad: raise`), and only a branch on it ends the graph, at the branch.
"""

from __future__ import annotations

from typing import Any

from ....eager.functional.positions import none_of
from ....eager.ops.definition import OPS
from ....eager.sizes import COMPARISONS, MIRRORED
from ....graph.symbolic import RELATIONS, expression_of
from ..outcome import Break
from .base import Value
from .constants import SymIntValue

NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class QuestionValue(Value):
    """A bool that is not known."""

    def type(self) -> type:
        return bool

    def describe(self) -> str:
        return "bool that only the run gives"

    def negated(self, run: Any) -> QuestionValue:
        """`not self`"""
        raise NotImplementedError

    def may_check(self, run: Any) -> bool:
        """Whether the run of the graph can check it where it stands."""
        return True

    def check(self, run: Any, problem: Exception) -> None:
        """Go on as if the answer were yes; the run raises the problem where it is not."""
        raise NotImplementedError


class SizeQuestion(QuestionValue):
    """`left kind right`, where one is a runtime size."""

    def __init__(self, kind: str, left: Value, right: Value) -> None:
        self.kind = kind
        self.left = left
        self.right = right

    def python(self, run: Any) -> Any:
        return COMPARISONS[self.kind](self.left.python(run), self.right.python(run))  # which ends the graph

    def truth(self, run: Any) -> bool:
        return bool(self.python(run))

    def negated(self, run: Any) -> SizeQuestion:
        return SizeQuestion(NEGATED[self.kind], self.left, self.right)

    def check(self, run: Any, problem: Exception) -> None:
        relation = RELATIONS[self.kind](expression_of(self.left.python(run)), expression_of(self.right.python(run)), evaluate=False)
        run.tracer.shape_env.check(relation, problem)

    def build(self, out: Any) -> None:
        out.call(COMPARISONS[self.kind], self.left, self.right)


class TensorQuestion(QuestionValue):
    """Whether the one element of a tensor is true. `twin` is a traced 0-d tensor of bools that nobody else has.

    `flag` is the Value of a tensor that somebody keeps, whose truth, or (`inverted`) whose opposite, this is.
    """

    def __init__(self, twin: Any, flag: Any = None, inverted: bool = False) -> None:
        self.twin = twin
        self.flag = flag
        self.inverted = inverted

    def python(self, run: Any) -> Any:
        raise Break("a branch on a tensor's value cannot be decided while the graph is captured", "segue.where, or cond")

    def truth(self, run: Any) -> bool:
        return self.python(run) if self.flag is None else self.flag.flag(run) != self.inverted

    def negated(self, run: Any) -> TensorQuestion:
        return TensorQuestion(run.leaf(OPS["logical_not"], [run.tensor_value(self.twin)], {}, "not").twin, self.flag, not self.inverted)

    def either(self, run: Any, other: TensorQuestion) -> TensorQuestion:
        """Whether one of the two is true."""
        return TensorQuestion(run.leaf(OPS["logical_or"], [run.tensor_value(self.twin), run.tensor_value(other.twin)], {}, "or").twin)

    def may_check(self, run: Any) -> bool:
        return run.tracer.inner is None  # what is traced apart may not run at all

    def check(self, run: Any, problem: Exception) -> None:
        if not self.may_check(run):
            self.python(run)
        run.leaf(lambda twin: none_of(OPS["logical_not"](twin), lambda: problem), [run.tensor_value(self.twin)], {}, "a check")

    def build(self, out: Any) -> None:
        out.number_result(self)


def question(kind: str, left: Value, right: Value) -> SizeQuestion | None:
    """The comparison of two ints as a question to the run; None where the answer is known."""
    for value, other, mirrored in ((left, right, False), (right, left, True)):
        if isinstance(value, SymIntValue) and value.symbol.env.depends_on_run(value.symbol.expr) and other.type() is int:
            asked = other.symbol if isinstance(other, SymIntValue) else other.value  # type: ignore[attr-defined]
            return SizeQuestion(kind, left, right) if value.symbol.known(MIRRORED[kind] if mirrored else kind, asked) is None else None
    return None
