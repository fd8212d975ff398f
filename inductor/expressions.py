"""Index expressions: where in memory a loop reads and writes.

In come loop variables and (perhaps symbolic) sizes, combined by the rows' index maps with + - * // %; out go sums of coefficient times atom plus an
offset, simplified while they are built. The one idea: nearly every index is linear in the loop variables, so the linear form is the representation, and
a quotient or remainder that the variables' ranges do not remove becomes an atom of it. Sizes are ints or, when symbolic, sympy expressions.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..graph.expressions import class_of, floordiv, sympy
from ..graph.symbolic import ShapeEnv, SymInt

_state = threading.local()


@contextmanager
def sizes_known_by(env: ShapeEnv | None) -> Iterator[None]:
    """Within the block questions about symbolic sizes are answered by the intervals of `env`."""
    before = getattr(_state, "env", None)
    _state.env = env
    try:
        yield
    finally:
        _state.env = before


def size_of(value: Any) -> Any:
    """A size as an int or a sympy expression; never makes a guard."""
    if type(value) is int:
        return value
    if isinstance(value, SymInt):
        value = value.expr
    return int(value) if getattr(value, "is_Integer", True) else value  # only sympy's expressions have the attribute


def product(sizes: Any) -> Any:
    result: Any = 1
    for size in sizes:
        result = size * result
    return result if type(result) is int else size_of(sympy.expand(result))


def same(a: Any, b: Any) -> bool:
    """Whether two sizes are equal for all values of their symbols."""
    if type(a) is int and type(b) is int:
        return a == b
    if a is b:
        return True
    env = getattr(_state, "env", None)
    difference = a - b
    return size_of(sympy.expand(difference if env is None else env.settled(difference))) == 0


def at_least(a: Any, b: Any) -> bool:
    """Whether a >= b is sure for all values of the symbols."""
    difference = a - b
    if type(difference) is int:
        return difference >= 0
    env = getattr(_state, "env", None)
    difference = sympy.expand(difference)
    if difference.is_Integer:
        return int(difference) >= 0
    return env is not None and env.interval(difference).low >= 0


def hint(size: Any) -> int:
    """The size seen while tracing (for costs)."""
    if type(size) is int:
        return size
    env = getattr(_state, "env", None)
    return int(env.evaluate(size, env.hints)) if env is not None else 64


def divided(a: Any, b: Any) -> Any:
    """a / b where b divides a for all values of the symbols, else None."""
    if type(a) is int and type(b) is int:
        return a // b if b and a % b == 0 else None  # a size of 0: nothing walks there
    if type(a) is int and a == 0:
        return 0
    quotient = floordiv(sympy.sympify(a), sympy.sympify(b))
    if class_of(quotient) == "FloorDiv":
        terms = [divided(size_of(t), b) for t in sympy.Add.make_args(sympy.expand(a))] if not isinstance(a, int) and sympy.expand(a).is_Add else [None]
        return None if any(t is None for t in terms) else size_of(sum(terms))
    return size_of(quotient)


def ceil_divided(a: Any, b: int) -> Any:
    return -(-a // b) if type(a) is int else size_of(floordiv(a + (b - 1), sympy.Integer(b)))


class Variable:
    """A loop variable that runs over [0, size)."""

    __slots__ = ("name", "size")

    def __init__(self, name: str, size: Any) -> None:
        self.name = name
        self.size = size

    def __repr__(self) -> str:
        return self.name

    @property
    def key(self) -> Any:
        return self


class Rounded:
    """A quotient (`kind` "//") or remainder ("%") of an index by a size, that did not simplify away."""

    __slots__ = ("kind", "index", "size", "key")

    def __init__(self, kind: str, index: Index, size: Any) -> None:
        self.kind = kind
        self.index = index
        self.size = size
        self.key = (kind, index.key, size)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rounded) and self.key == other.key

    def __repr__(self) -> str:
        return f"({self.index}{self.kind}{self.size})"


class Looked:
    """An index that stands in memory: an int64 value of the kernel (an entry of an index tensor)."""

    __slots__ = ("value", "size")

    def __init__(self, value: Any, size: Any) -> None:
        self.value = value
        self.size = size

    def __hash__(self) -> int:
        return hash(id(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Looked) and self.value is other.value

    def __repr__(self) -> str:
        return f"[{self.value}]"


class Index:
    """Sum of `coefficient * atom` plus an offset. Immutable, compared by value; what it is compared by is made when it is first asked for."""

    __slots__ = ("terms", "offset", "_key", "_hash")

    def __init__(self, terms: Mapping[Any, Any], offset: Any = 0) -> None:
        self.terms = {atom: c for atom, c in terms.items() if not (type(c) is int and c == 0)}
        self.offset = offset
        self._key: tuple | None = None
        self._hash: int | None = None

    @property
    def key(self) -> tuple:
        made = self._key
        if made is None:
            made = self._key = (frozenset(self.terms.items()), self.offset)
        return made

    def __hash__(self) -> int:
        made = self._hash
        if made is None:
            made = self._hash = hash(self.key)
        return made

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.terms == other.terms and self.offset == other.offset if isinstance(other, Index) else not self.terms and self.offset == other

    @property
    def is_constant(self) -> bool:
        return not self.terms

    def __add__(self, other: Any) -> Index:
        other = index(other)
        if not other.terms and type(other.offset) is int and other.offset == 0:
            return _rejoined(self)
        terms = dict(self.terms)
        for atom, c in other.terms.items():
            total = terms.get(atom, 0) + c
            terms[atom] = total if type(total) is int else size_of(sympy.expand(total))
        return _rejoined(Index(terms, size_of(self.offset + other.offset)))

    __radd__ = __add__

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: Any) -> Index:
        return self + index(other) * -1

    def __rsub__(self, other: Any) -> Index:
        return index(other) + self * -1

    def __mul__(self, other: Any) -> Index:
        if isinstance(other, Index):
            if other.terms:
                if self.terms:
                    raise ValueError(f"an index is not linear: ({self}) * ({other})")
                return other * self.offset
            other = other.offset
        size = size_of(other)
        if type(size) is int and size == 1:
            return self
        return Index({atom: size_of(c * size) for atom, c in self.terms.items()}, size_of(self.offset * size))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Index:
        size = _divisor(other)
        if size == 1:
            return self
        whole, rest = self._split(size)
        if rest.within(size):
            return whole
        if type(size) is int and len(rest.terms) == 1:
            ((atom, c),) = rest.terms.items()
            if isinstance(atom, Rounded) and atom.kind == "//" and c == 1 and rest.offset == 0 and type(atom.size) is int:
                return whole + atom.index // (atom.size * size)
        common = _common(rest, size)
        if common > 1:
            smaller = Index({atom: c // common for atom, c in rest.terms.items()}, rest.offset // common)
            return whole + smaller // (size // common)
        return whole + Index({Rounded("//", rest, size): 1})

    def __rfloordiv__(self, other: Any) -> Index:
        raise ValueError("a size divided by an index is not linear")

    def __mod__(self, other: Any) -> Index:
        size = _divisor(other)
        if size == 1:
            return Index({})
        rest = self._split(size)[1]
        if rest.within(size):
            return rest
        common = _common(rest, size)
        if common > 1:
            smaller = Index({atom: c // common for atom, c in rest.terms.items()}, rest.offset // common)
            return (smaller % (size // common)) * common + rest.offset % common
        return Index({Rounded("%", rest, size): 1})

    def _split(self, size: Any) -> tuple[Index, Index]:
        """(quotient, rest) with self = quotient * size + rest: the terms that the size divides go into the quotient."""
        if type(size) is int and size == 0:  # a loop over nothing: any index will do
            return Index({}), Index({})
        whole: dict[Any, Any] = {}
        rest: dict[Any, Any] = {}
        for atom, c in self.terms.items():
            quotient = divided(c, size)
            if quotient is not None:
                whole[atom] = quotient
            elif type(c) is int and type(size) is int and c > size:
                whole[atom], rest[atom] = c // size, c % size
            else:
                rest[atom] = c
        if type(self.offset) is int and type(size) is int:
            return Index(whole, self.offset // size), Index(rest, self.offset % size)
        quotient = divided(self.offset, size)
        if quotient is not None:
            return Index(whole, quotient), Index(rest)
        return Index(whole), Index(rest, self.offset)

    def bounds(self) -> tuple[Any, Any]:
        """The smallest and the largest value (ints or expressions); None where unknown."""
        low, high = self.offset, self.offset
        for atom, c in self.terms.items():
            least, most = _ends(atom)
            if at_least(0, c):
                least, most = most, least
            elif not at_least(c, 0):
                return None, None
            low = None if low is None or least is None else low + c * least
            high = None if high is None or most is None else high + c * most
        return low, high

    def within(self, size: Any) -> bool:
        """Whether 0 <= self < size is sure."""
        low, high = self.bounds()
        return low is not None and high is not None and at_least(low, 0) and at_least(size, high + 1)

    def variables(self) -> set:
        """The loop variables and looked-up values that it depends on."""
        found: set = set()
        for atom in self.terms:
            if isinstance(atom, Rounded):
                found |= atom.index.variables()
            else:
                found.add(atom)
        return found

    @property
    def is_linear(self) -> bool:
        """Whether only loop variables stand in it."""
        return all(isinstance(atom, Variable) for atom in self.terms)

    def substitute(self, place: Callable[[Any], Index | None]) -> Index:
        """The same index with `place(atom)` in place of each variable or looked-up value (None: kept)."""
        result = Index({}, self.offset)
        for atom, c in self.terms.items():
            if isinstance(atom, Rounded):
                inner = atom.index.substitute(place)
                new = inner // atom.size if atom.kind == "//" else inner % atom.size
            else:
                given = place(atom)
                new = Index({atom: 1}) if given is None else given
            result = result + new * c
        return result

    def __str__(self) -> str:
        parts = [f"{atom}" if c == 1 else f"{c}*{atom}" for atom, c in self.terms.items()]
        if self.offset != 0 or not parts:
            parts.append(str(self.offset))
        return " + ".join(parts)

    __repr__ = __str__


def _rejoined(form: Index) -> Index:
    """c * size * (x // size) + c * (x % size) is c * x."""
    for atom, c in form.terms.items():
        if type(atom) is Variable:
            continue
        if isinstance(atom, Rounded) and atom.kind == "%":
            quotient = atom.index // atom.size
            if len(quotient.terms) == 1 and quotient.offset == 0:
                ((other, one),) = quotient.terms.items()
                if one == 1 and same(form.terms.get(other, 0), c * atom.size):
                    rest = {a: k for a, k in form.terms.items() if a is not atom and a != other}
                    return Index(rest, form.offset) + atom.index * c
    return form


def index(value: Any) -> Index:
    """An Index of an Index, a Variable, or a size."""
    if isinstance(value, Index):
        return value
    if isinstance(value, (Variable, Looked)):
        return Index({value: 1})
    return Index({}, size_of(value))


def _divisor(value: Any) -> Any:
    if isinstance(value, Index):
        if value.terms:
            raise ValueError(f"an index divided by an index is not linear: {value}")
        return value.offset
    return size_of(value)


def _common(rest: Index, size: Any) -> int:
    """The greatest common divisor of the coefficients and the size, where all are numbers."""
    if type(size) is not int or type(rest.offset) is not int or not rest.terms:
        return 1
    if any(type(c) is not int for c in rest.terms.values()):
        return 1
    return math.gcd(size, *rest.terms.values())


def _ends(atom: Any) -> tuple[Any, Any]:
    """The smallest and the largest value of an atom; None where unknown. What is divided may lie below 0: a walk backwards, from which the offset was split off."""
    if not isinstance(atom, Rounded):
        return 0, None if atom.size is None else atom.size - 1
    if atom.kind == "%":
        return 0, atom.size - 1
    low, high = (None if end is None else end // atom.size if type(end) is int and type(atom.size) is int else floordiv(sympy.sympify(end), sympy.sympify(atom.size)) for end in atom.index.bounds())
    return low, high


@lru_cache(4096)
def variables_of(shape: tuple, prefix: str = "d") -> tuple[Index, ...]:
    """The place that a walk over `shape` is at: a variable for each dimension, 0 where there is one place. Equal walks share their variables."""
    return tuple(index(0) if type(size) is int and size == 1 else index(Variable(f"{prefix}{i}", size)) for i, size in enumerate(shape))


def dot(position: Any, strides: Any) -> Index:
    """The sum of index times stride."""
    found = _plain_dot(position, strides)
    return sum((i * stride for i, stride in zip(position, strides)), Index({})) if found is None else found


def _plain_dot(position: Any, strides: Any) -> Index | None:
    """`dot` in one go, where all is numbers and loop variables (nearly always); else None."""
    terms: dict[Any, int] = {}
    offset = 0
    for i, stride in zip(position, strides):
        if type(stride) is not int or type(i.offset) is not int:
            return None
        for atom, c in i.terms.items():
            if type(atom) is not Variable or type(c) is not int:
                return None
            terms[atom] = terms.get(atom, 0) + c * stride
        offset += i.offset * stride
    return Index(terms, offset)


@lru_cache(4096)
def strides_of(shape: tuple) -> tuple:
    """Elements from one place to the next in each dimension, in row-major order."""
    strides: list[Any] = []
    step: Any = 1
    for size in reversed(shape):
        strides.append(step)
        step = size_of(size * step)
    return tuple(reversed(strides))


def flatten(position: Any, shape: Any) -> Index:
    """The linear position of an index in row-major order."""
    found = _plain_dot(position, strides_of(tuple(shape)))
    if found is None:
        found = Index({})
        for i, size in zip(position, shape):
            found = found * size + i
    return found


def unflatten(linear: Index, shape: Any) -> tuple[Index, ...]:
    """The index at a linear position in row-major order."""
    result = []
    stride: Any = 1
    for position in reversed(range(len(shape))):
        size = shape[position]
        quotient = linear // stride
        result.append(Index({}) if size == 1 else quotient if position == 0 else quotient % size)
        stride = size_of(size * stride)
    return tuple(reversed(result))


__all__ = [
    "Index", "Looked", "Rounded", "Variable", "at_least", "ceil_divided", "divided", "dot", "flatten", "hint", "index", "product", "same",
    "size_of", "sizes_known_by", "strides_of", "unflatten", "variables_of",
]  # fmt: skip
