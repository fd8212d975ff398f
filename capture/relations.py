"""Relations between sizes, as programs for a small stack machine.

In comes a sympy relation over integer symbols; out goes a postfix program of (operation, number) pairs that the guard engine runs in C over 64-bit
integers, and that `evaluate` runs here over Python's. The one idea: a relation is straight-line integer arithmetic, so it needs no interpreter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import lcm
from typing import Any

from ..graph.expressions import class_of, sympy

Program = tuple[tuple[str, int], ...]

# operation -> (symbol, its meaning). All take two numbers; comparisons and logic give 0 or 1. Division and remainder go towards minus infinity.
OPERATORS: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "add": ("+", operator.add),
    "sub": ("-", operator.sub),
    "mul": ("*", operator.mul),
    "floordiv": ("//", operator.floordiv),
    "mod": ("%", operator.mod),
    "max": ("max", max),
    "min": ("min", min),
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
    "eq": ("==", operator.eq),
    "ne": ("!=", operator.ne),
    "and": ("and", lambda a, b: bool(a) and bool(b)),
    "or": ("or", lambda a, b: bool(a) or bool(b)),
}


def evaluate(program: Program, inputs: Sequence[int]) -> int:
    """Run a program: ("input", position), ("constant", value) and ("not", 0) besides the two-place operations.

    Raises ZeroDivisionError as the arithmetic does.

    >>> evaluate((("input", 0), ("constant", 4), ("mod", 0), ("constant", 0), ("eq", 0)), [12])
    1
    """
    stack: list[int] = []
    for operation, number in program:
        if operation == "input":
            stack.append(inputs[number])
        elif operation == "constant":
            stack.append(number)
        elif operation == "not":
            stack.append(not stack.pop())
        else:
            right = stack.pop()
            stack.append(OPERATORS[operation][1](stack.pop(), right))
    return int(stack.pop())


def program_text(program: Program, names: Sequence[str]) -> str:
    """A program as the Python expression that it computes."""
    stack: list[str] = []
    for operation, number in program:
        if operation == "input":
            stack.append(names[number])
        elif operation == "constant":
            stack.append(str(number))
        elif operation == "not":
            stack.append(f"not {stack.pop()}")
        else:
            right, left = stack.pop(), stack.pop()
            symbol = OPERATORS[operation][0]
            stack.append(f"{symbol}({left}, {right})" if symbol in ("max", "min") else f"({left} {symbol} {right})")
    text = stack.pop()
    return text[1:-1] if text.startswith("(") and text.endswith(")") and _balanced(text[1:-1]) else text


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def program_of(relation: Any) -> tuple[list[str], Program]:
    """Names of the symbols, in the order of the program's inputs, and the program. Raises TypeError for what is no integer arithmetic.

    >>> s, t = sympy.symbols("s t", integer=True)
    >>> names, program = program_of(sympy.Le(s * t + 1, sympy.floor(s / 2)))
    >>> names, evaluate(program, [8, 0])
    (['s', 't'], 1)
    """
    writer = _Writer()
    writer.write(sympy.sympify(relation))
    return writer.names, tuple(writer.program)


class _Writer:
    """Walks a sympy tree in postfix order. Rational terms are multiplied out, so only integers remain."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.program: list[tuple[str, int]] = []

    def write(self, tree: Any) -> None:
        handler = next((_HANDLERS[name] for name in (kind.__name__ for kind in type(tree).__mro__) if name in _HANDLERS), None)
        if handler is None:
            raise TypeError(f"a size relation cannot hold {type(tree).__name__} in {tree}")
        handler(self, tree)

    def fold(self, operation: str, arguments: Sequence[Any]) -> None:
        self.write(arguments[0])
        for argument in arguments[1:]:
            self.write(argument)
            self.program.append((operation, 0))

    def symbol(self, tree: Any) -> None:
        if tree.name not in self.names:
            self.names.append(tree.name)
        self.program.append(("input", self.names.index(tree.name)))

    def integer(self, tree: Any) -> None:
        self.program.append(("constant", int(tree)))

    def truth(self, tree: Any) -> None:
        self.program.append(("constant", int(bool(tree))))

    def relation(self, tree: Any) -> None:
        """Both sides times the common denominator (which is positive, so the relation stays)."""
        scale = _denominator(tree.lhs, tree.rhs)
        self.fold(_RELATIONS[class_of(tree)], [sympy.expand(side * scale) if scale != 1 else side for side in (tree.lhs, tree.rhs)])

    def floor(self, tree: Any) -> None:
        scale = _denominator(tree.args[0])
        self.write(sympy.expand(tree.args[0] * scale) if scale != 1 else tree.args[0])
        if scale != 1:
            self.program += [("constant", scale), ("floordiv", 0)]

    def ceiling(self, tree: Any) -> None:
        self.write(-sympy.floor(-tree.args[0], evaluate=False))

    def power(self, tree: Any) -> None:
        base, exponent = tree.args
        if not (exponent.is_Integer and exponent > 0):
            raise TypeError(f"a size relation cannot hold the power {tree}")
        self.fold("mul", [base] * int(exponent))

    def negation(self, tree: Any) -> None:
        self.write(tree.args[0])
        self.program.append(("not", 0))


def _denominator(*trees: Any) -> int:
    """The least common denominator of the rational coefficients of sums; floors inside keep their own."""
    found = 1
    for tree in trees:
        for term in sympy.Add.make_args(sympy.expand(tree)):
            found = lcm(found, int(term.as_coeff_Mul()[0].q) if term.as_coeff_Mul()[0].is_Rational else 1)
    return found


_RELATIONS = {
    "Equality": "eq", "Unequality": "ne", "StrictLessThan": "lt", "LessThan": "le", "StrictGreaterThan": "gt", "GreaterThan": "ge",
}  # fmt: skip
_FOLDED = {"Add": "add", "Mul": "mul", "Mod": "mod", "Max": "max", "Min": "min", "And": "and", "Or": "or", "FloorDiv": "floordiv", "Modulo": "mod"}


def _folded(operation: str) -> Callable[[_Writer, Any], None]:
    return lambda writer, tree: writer.fold(operation, tree.args)


# By the names of sympy's classes (and of the two functions that graph/expressions.py adds), so that sympy is not imported before a size varies.
_HANDLERS: dict[str, Callable[[_Writer, Any], None]] = {
    "Symbol": _Writer.symbol,
    "Integer": _Writer.integer,
    "BooleanTrue": _Writer.truth,
    "BooleanFalse": _Writer.truth,
    "Pow": _Writer.power,
    "Not": _Writer.negation,
    "floor": _Writer.floor,
    "ceiling": _Writer.ceiling,
    **dict.fromkeys(_RELATIONS, _Writer.relation),
    **{name: _folded(operation) for name, operation in _FOLDED.items()},
}
