"""Loop bodies: what is computed for one element, as values that the rows' scalar bodies build by being run.

In comes a row's body, called with a `Trace` as its handler; out come `Value`s, each made once (equal values are one object), which the scheduler asks for
cost and loads, and which the code generator prints. The one idea: define by run. A body is an ordinary function of its operands, so inlining a producer
into its consumer is nothing but calling it.

Float16 and bfloat16 are computed in float and rounded after each operation, int8, int16 and uint8 in int32 and wrapped after each: as eager kernels do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..eager import dtypes
from ..eager.ops.pointwise import WIDE as WIDE_NUMBERS
from ..graph.symbolic import SymInt
from .expressions import Index, Looked, Rounded, at_least, index, size_of

BOOL, INT32, INT64, FLOAT32 = dtypes.bool, dtypes.int32, dtypes.int64, dtypes.float32
NARROW = {dtypes.int8: "wrap_int8", dtypes.int16: "wrap_int16", dtypes.uint8: "wrap_uint8"}
_DRAWN = {dtypes.float16: "half", dtypes.bfloat16: "bfloat16", FLOAT32: "float", dtypes.float64: "double"}
SHORT = {dtypes.float16: "round_half", dtypes.bfloat16: "round_bfloat16"}
SUPPORTED = frozenset(d for d in dtypes.ALL if not d.is_complex)


@dataclass(frozen=True, slots=True)
class Primitive:
    """How one primitive prints, what it costs (an addition is 1) and whether its result is bool. `exact`: the result needs no rounding or wrapping.
    `divides`: integers must not be divided by zero."""

    text: str
    cost: int = 1
    boolean: bool = False
    exact: bool = False
    on_bool: str | None = None
    divides: bool = False


def _call(name: str, arity: int = 1, **facts: Any) -> Primitive:
    return Primitive(f"{name}({', '.join(f'{{{i}}}' for i in range(arity))})", **facts)


PRIMITIVES: dict[str, Primitive] = {
    "add": Primitive("{0} + {1}", on_bool="{0} | {1}"),
    "sub": Primitive("{0} - {1}"),
    "mul": Primitive("{0} * {1}", on_bool="{0} & {1}"),
    "div": Primitive("{0} / {1}", 4),
    "floor_divide": _call("divide_floor", 2, cost=8, divides=True),
    "remainder": _call("remainder", 2, cost=8, divides=True),
    "fmod": _call("fmod", 2, cost=20, divides=True),
    "pow": _call("pow", 2, cost=30),
    "atan2": _call("atan2", 2, cost=20),
    "maximum": _call("maximum", 2, exact=True, on_bool="{0} | {1}"),
    "minimum": _call("minimum", 2, exact=True, on_bool="{0} & {1}"),
    "neg": Primitive("-{0}"),
    "abs": _call("abs", exact=False, on_bool="{0}"),
    "sqrt": _call("sqrt", cost=4),
    "bitwise_and": Primitive("{0} & {1}", exact=True),
    "bitwise_or": Primitive("{0} | {1}", exact=True),
    "bitwise_xor": Primitive("{0} ^ {1}", exact=True),
    "bitwise_not": Primitive("~{0}", on_bool="!{0}"),
    "logical_not": Primitive("!{0}", boolean=True),
    "eq": Primitive("{0} == {1}", boolean=True),
    "ne": Primitive("{0} != {1}", boolean=True),
    "lt": Primitive("{0} < {1}", boolean=True),
    "le": Primitive("{0} <= {1}", boolean=True),
    "gt": Primitive("{0} > {1}", boolean=True),
    "ge": Primitive("{0} >= {1}", boolean=True),
    "isnan": _call("isnan", boolean=True),
    "isinf": _call("isinf", boolean=True),
    "isfinite": _call("isfinite", boolean=True),
    **{name: _call(name, exact=True, cost=2, on_bool="{0}") for name in ("floor", "ceil", "trunc", "round")},
    **{name: _call(name, cost=10) for name in ("exp", "exp2", "expm1", "log", "log2", "log1p", "sin", "cos", "tanh", "sigmoid", "erf", "erfc")},
    **{name: _call(name, cost=15) for name in ("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "log10", "lgamma")},
}
COSTLY = 8  # a value of at least this cost is worth keeping rather than computing again


class Value:
    """One value of a loop body. `op` is a primitive's name or one of constant, load, index, size, cast, where, as_index, checked, reduce, fold, random, ..."""

    __slots__ = ("op", "args", "attribute", "dtype", "number", "cost", "lookups")

    def __init__(self, op: str, args: tuple, attribute: Any, dtype: Any, number: int, cost: int) -> None:
        self.op = op
        self.args = args
        self.attribute = attribute
        self.dtype = dtype
        self.number = number
        self.cost = cost
        self.lookups: tuple[Value, ...] = ()  # values inside of its index expressions

    def __repr__(self) -> str:
        return f"v{self.number}"

    @property
    def inputs(self) -> tuple[Value, ...]:
        """All values that it is computed from, those inside of its index among them."""
        return (*self.args, *self.lookups)


class Trace:
    """The handler on which bodies run. Values made twice are the same object; `result_dtype` is the dtype of the row's result."""

    def __init__(self) -> None:
        self.values: dict[Any, Value] = {}
        self.ordered: list[Value] = []
        self.result_dtype: Any = None
        self.masks: list[Value] = []
        self.checks: list[Value] = []  # of the body that is being run: indices that must be within their bounds

    # -------------------------------------------------------------------------------------------- making values

    def make(self, op: str, args: tuple, attribute: Any, dtype: Any, cost: int = 0) -> Value:
        key = (op, *map(id, args), attribute, dtype)
        found = self.values.get(key)
        if found is None:
            found = self.values[key] = Value(op, args, attribute, dtype, len(self.ordered), cost)
            self.ordered.append(found)
        return found

    def constant(self, number: Any) -> Value:
        """A number that takes the dtype of whatever it meets."""
        if _is_size(number):
            return self.cast(self.index_expr(number), self.result_dtype)
        if isinstance(number, (np.bool_, np.integer, np.floating)):
            number = number.item()
        return self.make("constant", (), (type(number).__name__, repr(number)), None)

    def typed(self, value: Any, dtype: Any) -> Value:
        """`value` with a dtype, if it is a number without one."""
        if not isinstance(value, Value):
            value = self.constant(value)
        if value.dtype is not None:
            return value
        return self.make("constant", (), value.attribute, dtype)

    def _meet(self, *operands: Any, wide: tuple[int, ...] = ()) -> tuple[Value, ...]:
        """The operands in one dtype; beside half precision a number at a `wide` place keeps float32."""
        dtype = next((v.dtype for v in operands if isinstance(v, Value) and v.dtype is not None), self.result_dtype)
        single = FLOAT32 if dtype in SHORT else dtype
        kinds = [single if place in wide else dtype for place in range(len(operands))]
        return tuple(self.cast(self.index_expr(v), kind) if _is_size(v) else self.typed(v, kind) for v, kind in zip(operands, kinds))

    def primitive(self, name: str, *operands: Any) -> Value:
        """One primitive of the table, rounded or wrapped to its dtype."""
        fact = PRIMITIVES[name]
        args = self._meet(*operands, wide=WIDE_NUMBERS.get(name, ()))
        dtype = next((a.dtype for a in args if a.dtype in SHORT), args[0].dtype)
        if name in _ORDER and dtype is INT64:
            known = self._compared(*_as_strict(name, *args))
            if known is not None:
                return known
        if fact.boolean:
            if dtype is BOOL and name in ("lt", "le", "gt", "ge"):
                args = tuple(self.cast(a, INT32) for a in args)
            elif dtype is BOOL and name in ("isnan", "isinf", "isfinite") or not dtype.is_floating_point and name in ("isnan", "isinf", "isfinite"):
                return self.typed(name == "isfinite", BOOL)
            return self.make(name, args, None, BOOL, fact.cost)
        if not dtype.is_floating_point and name in ("floor", "ceil", "trunc", "round"):
            return args[0]
        if fact.divides and not dtype.is_floating_point and not (args[1].op == "constant" and args[1].attribute[1] != "0"):
            self.require(self.primitive("ne", args[1], 0))
        return self.fitted(self.make(name, args, None, dtype, fact.cost), fact.exact)

    def _compared(self, name: str, x: Value, y: Value) -> Value | None:
        """A comparison of index expressions: answered where their ranges tell, else made in int32 where they fit."""
        left, right = _as_expression(x), _as_expression(y)
        if left is None or right is None:
            return None
        low, high = (left - right).bounds()
        coarse = _coarser(name, left - right)
        if coarse is not None:
            return self.primitive(name, self.index_expr(coarse), self.typed(0, INT64))
        sides = (left, right)
        for test, answer in _ORDER[name]:
            if test(low, high):
                return self.typed(answer, BOOL)
        if all(side.within(2**31) for side in sides):
            small = [self._placed("index", (), (side,), INT32, 1) if not side.is_constant else self.typed(side.offset, INT32) for side in sides]
            return self.make(name, tuple(small), None, BOOL, 1)
        return None

    def fitted(self, value: Value, exact: bool = False) -> Value:
        """`value`, computed wide, as its narrow dtype holds it."""
        if exact or (value.dtype not in NARROW and value.dtype not in SHORT):
            return value
        return self.make("fit", (value,), None, value.dtype, 1)

    def cast(self, x: Any, dtype: Any) -> Value:
        x = self.typed(x, dtype)
        return x if x.dtype is dtype else self.make("cast", (x,), None, dtype, 1)

    def where(self, condition: Value, x: Any, y: Any) -> Value:
        x, y = self._meet(x, y)
        condition = self.typed(condition, BOOL)
        if condition.op == "constant":
            return x if _is_true(condition) else y
        return x if x is y else self.make("where", (condition, x, y), None, x.dtype, 1)

    def sign(self, x: Value) -> Value:
        """-1, 0 or 1; 0 for NaN."""
        if x.dtype is BOOL:
            return x
        if not x.dtype.is_signed:
            return self.where(self.primitive("gt", x, 0), 1, self.typed(0, x.dtype))
        return self.where(self.primitive("gt", x, 0), 1, self.where(self.primitive("lt", x, 0), -1, self.typed(0, x.dtype)))

    def logical_not(self, x: Any) -> Value:
        return self.make("logical_not", (self.as_bool(x),), None, BOOL, 1)

    def logical_and(self, x: Any, y: Any) -> Value:
        x, y = self.as_bool(x), self.as_bool(y)
        for one, other in ((x, y), (y, x)):
            if one.op == "constant":
                return other if _is_true(one) else one
        return self.make("bitwise_and", (self.as_bool(x), self.as_bool(y)), None, BOOL, 1)

    def logical_or(self, x: Any, y: Any) -> Value:
        return self.make("bitwise_or", (self.as_bool(x), self.as_bool(y)), None, BOOL, 1)

    def logical_xor(self, x: Any, y: Any) -> Value:
        return self.make("bitwise_xor", (self.as_bool(x), self.as_bool(y)), None, BOOL, 1)

    def as_bool(self, x: Any) -> Value:
        return self.cast(self.typed(x, BOOL), BOOL)

    def pow(self, x: Any, y: Any) -> Value:
        """Small whole and half exponents are products and roots."""
        x, y = (v if isinstance(v, Value) else self.constant(v) for v in (x, y))
        if y.op == "constant" and x.op != "constant" and x.dtype.is_floating_point:
            exponent = float(y.attribute[1])
            if exponent == 2:
                return self.primitive("mul", x, x)
            if exponent == 3 and x.dtype not in SHORT:  # whose square would be rounded
                return self.primitive("mul", self.primitive("mul", x, x), x)
            if exponent == 1:
                return x
            if exponent == 0.5:
                return self.primitive("sqrt", x)
            if exponent == -1:
                return self.primitive("div", 1, x)
        return self.primitive("pow", x, y)

    # -------------------------------------------------------------------------------------------- places

    def load(self, buffer: Any, place: Index) -> Value:
        """One element of a buffer at a linear place (in elements), under the masks in force."""
        mask = None
        for condition in self.masks:
            mask = condition if mask is None else self.logical_and(mask, condition)
        return self._placed("load", () if mask is None else (mask,), (buffer, place), buffer.dtype, 1)

    def _placed(self, op: str, args: tuple, attribute: tuple, dtype: Any, cost: int) -> Value:
        made = self.make(op, args, attribute, dtype, cost)
        if not made.lookups:
            made.lookups = tuple(atom.value for atom in attribute[-1].variables() if isinstance(atom, Looked))
        return made

    def index_expr(self, expression: Any) -> Value:
        """An index or a size as an int64 value."""
        if isinstance(expression, Value):
            return self.cast(expression, INT64)
        place = index(expression)
        if place.is_constant and type(place.offset) is int:
            return self.typed(place.offset, INT64)
        return self._placed("index", (), (place,), INT64, 1)

    def as_index(self, value: Value, size: Any, wraps: bool = False) -> Index:
        """An integer value as an index into a dimension of `size`: one out of range is an error; with `wraps` negative ones count from the end."""
        if value.op == "index" and value.attribute[0].within(size_of(size)):
            return value.attribute[0]
        extent = size_of(size)
        checked = self.make("as_index", (self.cast(value, INT64), *self.masks), (extent, wraps), INT64, 2)
        self.checks.append(checked)
        return index(Looked(checked, extent))

    def require(self, condition: Any) -> None:
        """What must hold of the operands, else the program fails."""
        condition = self.as_bool(condition)
        if not (condition.op == "constant" and _is_true(condition)):
            self.checks.append(self.make("require", (condition, *self.masks), (), BOOL, 1))

    def checked(self, value: Value) -> Value:
        """The value of a body, tied to those of its checks that it does not depend on: what is read need not depend on where (a broadcast, a constant)."""
        seen: set[Value] = set()
        todo = [value] if self.checks else []
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(one.inputs)
        loose = tuple(check for check in self.checks if check not in seen)
        return self.make("checked", (value, *loose), (), value.dtype) if loose else value

    @contextmanager
    def _under(self, condition: Value) -> Iterator[None]:
        self.masks.append(condition)
        try:
            yield
        finally:
            self.masks.pop()

    def masked(self, condition: Any, thunk: Callable[[], Any], other: Any) -> Value:
        """`thunk()` where the condition holds (nothing is loaded elsewhere), else `other`."""
        condition = self.as_bool(condition)
        if condition.op == "constant":
            return self.typed(thunk(), self.result_dtype) if _is_true(condition) else self.typed(other, self.result_dtype)
        with self._under(condition):
            inside = self.typed(thunk(), self.result_dtype)
        return self.where(condition, inside, self.typed(other, inside.dtype))

    # -------------------------------------------------------------------------------------------- random numbers

    def _stream(self, state: Any, call: int) -> tuple[Value, Value]:
        """Seed and number of the draw, from the generator's state (int64[2]) and the number of the call within the graph. Both are there under any mask."""
        masks, self.masks = self.masks, []
        try:
            return state.load((index(0),)), self.primitive("add", state.load((index(1),)), self.typed(call, INT64))
        finally:
            self.masks = masks

    def random_uniform(self, state: Any, call: int, element: Any, dtype: Any) -> Value:
        """Element `element` of a uniform draw in [0, 1)."""
        name = f"uniform_{_DRAWN[dtype]}"
        drawn = self._placed("random", self._stream(state, call), (name, index(element)), dtypes.float64 if dtype is dtypes.float64 else FLOAT32, 40)
        return self.cast(drawn, dtype)

    def random_bits(self, state: Any, call: int, element: Any) -> Value:
        """32 random bits as an int64 value."""
        return self._placed("random", self._stream(state, call), ("random_bits", index(element)), INT64, 40)


def _method(name: str) -> Callable[..., Value]:
    def method(self: Trace, *operands: Any) -> Value:
        return self.primitive(name, *operands)

    return method


for _name in PRIMITIVES:
    if not hasattr(Trace, _name):
        setattr(Trace, _name, _method(_name))


def _as_strict(name: str, x: Value, y: Value) -> tuple[str, Value, Value]:
    """x <= y is y >= x, and x > y is y < x."""
    return {"le": ("ge", y, x), "gt": ("lt", y, x)}.get(name, (name, x, y))


def _is_size(number: Any) -> bool:
    """A symbolic size, as a row's shape or as sympy has it."""
    return isinstance(number, SymInt) or hasattr(number, "free_symbols")


def _is_true(value: Value) -> bool:
    return value.attribute[1] in ("True", "1")


def _as_expression(value: Value) -> Index | None:
    if value.op == "index":
        return value.attribute[0]
    return index(int(value.attribute[1])) if value.op == "constant" and value.attribute[0] == "int" else None


def _coarser(name: str, difference: Index) -> Index | None:
    """For >= 0 and < 0: the sign of a * outer + inner, with inner in [0, a), is that of outer."""
    if name not in ("ge", "lt") or type(difference.offset) is not int:
        return None
    for c in difference.terms.values():
        if type(c) is int and c > 1:
            outer = difference // c
            if all(not isinstance(atom, Rounded) or atom in difference.terms for atom in outer.terms):
                return outer
    return None


def _above(value: Any, limit: int) -> bool:
    return value is not None and at_least(value, limit)


def _below(value: Any, limit: int) -> bool:
    return value is not None and at_least(limit, value)


_ORDER: dict[str, tuple] = {  # comparison -> (when the bounds of x - y decide it, the answer)
    "ge": ((lambda low, high: _above(low, 0), True), (lambda low, high: _below(high, -1), False)),
    "gt": ((lambda low, high: _above(low, 1), True), (lambda low, high: _below(high, 0), False)),
    "lt": ((lambda low, high: _below(high, -1), True), (lambda low, high: _above(low, 0), False)),
    "le": ((lambda low, high: _below(high, 0), True), (lambda low, high: _above(low, 1), False)),
    "eq": ((lambda low, high: _above(low, 1) or _below(high, -1), False),),
    "ne": ((lambda low, high: _above(low, 1) or _below(high, -1), True),),
}


_NUMBERS: dict[str, Callable[[str], Any]] = {"bool": lambda text: text == "True", "int": int, "float": float}


@lru_cache(4096)
def number_text(attribute: tuple, dtype: Any) -> str:
    """A constant as C++ text of the value type in which `dtype` is computed."""
    kind, text = attribute
    number = _NUMBERS[kind](text)
    if dtype is BOOL:
        return "true" if number else "false"
    if dtype.is_floating_point:
        return _float_text(float(number), dtype)
    whole = int(number)  # towards zero, as a cast
    if dtype is INT64:
        return f"int64_t({whole})" if whole != -(2**63) else "(int64_t(-9223372036854775807) - 1)"
    wrapped = int(np.array(whole, dtype=object).astype(np.int64).astype(dtype.numpy))
    return f"int32_t({wrapped})" if wrapped != -(2**31) else "(int32_t(-2147483647) - 1)"


def _float_text(number: float, dtype: Any) -> str:
    suffix = "" if dtype is dtypes.float64 else "f"
    if math.isnan(number):
        return f'__builtin_nan{suffix}("")'
    if dtype in SHORT:
        with np.errstate(over="ignore"):
            number = float(np.asarray(number, dtype.numpy))
    elif suffix:
        with np.errstate(over="ignore"):
            number = float(np.float32(number))
    if math.isinf(number):
        return ("-" if number < 0 else "") + f"__builtin_inf{suffix}()"
    text = repr(number) if not suffix else repr(float(str(np.float32(number))))
    if suffix and float(np.float32(text)) != number:
        text = repr(number)
    return f"{text}{suffix}" if "." in text or "e" in text else f"{text}.0{suffix}"
