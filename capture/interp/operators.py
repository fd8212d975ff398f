"""Operators over Values: binary, in-place, unary, comparisons, identity, `in`, truth, iteration, unpacking.

Dispatch is by table: an operator's symbol gives the function that real code would run and the names of its special methods; the kinds of the operands give the
way: constants are computed, tensors and symbolic sizes are handed to eager code, containers have rules of their own, and users' objects are asked by
their special methods in Python's order.
"""

from __future__ import annotations

import collections
import operator
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from ...eager import errors
from ...eager.ops.handed import STAND_IN
from ...eager.promotion import result_type
from ...eager.shapes import Size
from ...graph.symbolic import SymInt
from ..sources import MISSING
from .iteration import Iteration
from .outcome import RUNTIME, Break, Observed, Specialise
from .sizes import beside_float, now, size_binary, size_compare, size_unary
from .truths import compare_floats
from .values.arrays import ARRAYS, IN_PLACE, operation
from .values.base import Value
from .values.constants import LITERALS, Constant, MemberValue, SymIntValue, constant, index_of
from .values.contained import ContainerObject, PlainObject, TupleObject
from .values.containers import ListValue, Sequence, SliceValue
from .values.deques import DequeValue
from .values.exceptions import ExceptionValue, of_error
from .values.floats import FloatValue, ResultValue, SizeFloat, is_number, origins_of
from .values.functions import AnewFunction, BuiltinMethod, CallableValue, MethodValue
from .values.growing import GrowingValue, refused
from .values.instance import as_dict
from .values.long_lists import joined, repeated
from .values.mappings import DictValue, DictView
from .values.objects import ObjectValue
from .values.questions import question
from .values.sets import SetValue, meet
from .values.tensors import TensorValue
from .values.texts import SizeText, text_binary, text_compare
from .whole_numbers import whole_binary, whole_compare, whole_unary


class Operator(NamedTuple):
    """A binary operator: the function, its special methods, and the in-place form."""

    function: Callable
    name: str
    reflected: str
    inplace: Callable | None = None
    inplace_name: str = ""


def _row(name: str, function: str) -> Operator:
    plain = getattr(operator, function)
    return Operator(plain, f"__{name}__", f"__r{name}__", getattr(operator, f"i{name}"), f"__i{name}__")


BINARY: dict[str, Operator] = {
    "+": _row("add", "add"), "-": _row("sub", "sub"), "*": _row("mul", "mul"), "/": _row("truediv", "truediv"), "//": _row("floordiv", "floordiv"),
    "%": _row("mod", "mod"), "**": _row("pow", "pow"), "@": _row("matmul", "matmul"), "<<": _row("lshift", "lshift"), ">>": _row("rshift", "rshift"),
    "&": _row("and", "and_"), "|": _row("or", "or_"), "^": _row("xor", "xor"),
}  # fmt: skip
COMPARISONS: dict[str, Operator] = {
    "==": Operator(operator.eq, "__eq__", "__eq__"), "!=": Operator(operator.ne, "__ne__", "__ne__"), "<": Operator(operator.lt, "__lt__", "__gt__"),
    "<=": Operator(operator.le, "__le__", "__ge__"), ">": Operator(operator.gt, "__gt__", "__lt__"), ">=": Operator(operator.ge, "__ge__", "__le__"),
}  # fmt: skip
UNARY: dict[str, tuple[Callable, str]] = {
    "-": (operator.neg, "__neg__"), "+": (operator.pos, "__pos__"), "~": (operator.invert, "__invert__"), "abs": (operator.abs, "__abs__"),
}  # fmt: skip
NUMERIC = (TensorValue, SymIntValue)
VARYING = (SymIntValue, FloatValue, SizeText)
BARE_CONTAINERS = (ListValue, DictValue, SetValue)
PLAIN = (Constant, TensorValue, SymIntValue, Sequence, SliceValue, DictValue, SetValue, DictView)
FLOAT_OPERATORS = ("+", "-", "*")
REPEATED_LIMIT = 100_000
MERGED = frozenset({dict, collections.OrderedDict, collections.defaultdict})
SHOWN = {"**": "** or pow()"}
SET_OPERATORS = {"|": "union", "&": "intersection", "-": "difference", "^": "symmetric_difference"}
SET_UPDATES = {"|": "update", "&": "intersection_update", "-": "difference_update", "^": "symmetric_difference_update"}
SET_COMPARISONS = {"<=": "issubset", ">=": "issuperset", "<": "issubset", ">": "issuperset"}


class Operators(Iteration):
    """The part of an attempt that applies operators."""

    def binary(self: Any, symbol: str, left: Value, right: Value, shown: str = "") -> Value:
        """`shown`: how a message calls the operator."""
        row = BINARY[symbol]
        if isinstance(left, NUMERIC) and isinstance(right, PlainObject):
            right = right.contents  # tensors and sizes take any number, before its class is asked
        if self.are_plain(row, left, right):
            return self.make(self.concrete(row.inplace if shown else row.function, left.python(self), right.python(self)))
        if isinstance(left, ARRAYS) or isinstance(right, ARRAYS):
            return operation(self, row.function, left, right)
        if (text := text_binary(self, symbol, left, right)) is not None:
            return text
        turned = isinstance(right, ContainerObject) and left.type() in right.cls.__mro__ and self.class_entry(right.cls, row.reflected) is not self.class_entry(left.type(), row.reflected)
        if symbol == "%" and isinstance(left, Constant) and isinstance(left.value, (str, bytes)) and not turned:
            return self.make(self.concrete(operator.mod, left.value, self.printable(right.contents if isinstance(right, TupleObject) else right)))
        if isinstance(left, (FloatValue, ResultValue)) or isinstance(right, (FloatValue, ResultValue)):
            return self.float_binary(symbol, row, left, right)
        if (found := whole_binary(self, symbol, left, right) or size_binary(self, symbol, row, left, right)) is not None:
            return found
        if isinstance(left, NUMERIC) or isinstance(right, NUMERIC):
            counted = isinstance(left, SymIntValue) and isinstance(right, Sequence)
            if isinstance(left, PLAIN) and isinstance(right, PLAIN) and not isinstance(left, (DictValue, Sequence)) and not counted:
                return self.leaf(row.function, [left, right], {}, row.name)
            if isinstance(left, Sequence) and isinstance(right, TensorValue) and symbol != "+":
                return self.leaf(row.function, [left, right], {}, row.name)
        special = self.container_binary(symbol, left, right)
        return special if special is not None else self.by_special_methods(row, symbol, left, right, shown or SHOWN.get(symbol, symbol))

    def are_plain(self: Any, row: Any, *values: Value) -> bool:
        """Whether all are constants whose operator is Python's own."""
        names = (row.name, row.reflected, "__eq__") if row.name == "__ne__" else (row.name, row.reflected)
        return all(type(value) is Constant or (isinstance(value, MemberValue) and value.is_standard(self, *names)) for value in values)

    def float_binary(self: Any, symbol: str, row: Operator, left: Value, right: Value) -> Value:
        """Arithmetic with a float that varies: with a tensor it is a number of the tensor's dtype, with other numbers it stays a float."""
        for value, other in ((left, right), (right, left)):
            if isinstance(other, TensorValue):
                args = [self.float_operand(value, other), other]
                return self.leaf(row.function, args if other is right else args[::-1], {}, row.name)
        if isinstance(left, ResultValue) or isinstance(right, ResultValue):
            return self.binary(symbol, self.whole(left), self.whole(right))
        if isinstance(left, (SizeFloat, SymIntValue)) or isinstance(right, (SizeFloat, SymIntValue)):
            if (found := size_binary(self, symbol, row, left, right)) is not None:
                return found
            if not origins_of(left, right):
                return self.binary(symbol, now(left), now(right))
            left, right = (beside_float(self, value) for value in (left, right))
        if not (is_number(left) and is_number(right)) or not (symbol in FLOAT_OPERATORS or (symbol == "/" and self.truth(self.compare("!=", right, Constant(0.0))))):
            raise Specialise(origins_of(left, right))
        made = self.leaf(row.function, [TensorValue(v.twin) if isinstance(v, FloatValue) else v for v in (left, right)], {}, row.name)
        return FloatValue(made.twin, origins_of(left, right))

    def whole(self: Any, value: Value) -> Value:
        """An int or list that the run gives as something to compute with; others as they are."""
        return value.whole(self) if isinstance(value, ResultValue) else value

    def float_operand(self: Any, value: Value, tensor: TensorValue) -> Value:
        """A float as an operand of a tensor: cast to the dtype of the result, as the number itself would be."""
        if isinstance(value, ResultValue) and value.cls is int and tensor.twin.is_floating_point():
            return self.leaf(lambda twin, of: twin.to(of), [TensorValue(value.twin), Constant(tensor.twin.dtype)], {}, "Tensor.to")
        if not isinstance(value, FloatValue):
            return value
        if isinstance(value, SizeFloat) and value.cls is not float and not tensor.twin.is_floating_point():
            return now(value)
        if not isinstance(value, SizeFloat) and not tensor.twin.is_floating_point():
            raise Specialise(value.origins)
        of = result_type(tensor.twin, STAND_IN)
        if tensor.twin.ndim and of is tensor.twin.dtype:
            return TensorValue(value.twin)  # without dimensions it counts as a number
        return self.leaf(lambda twin, of: twin.to(of), [TensorValue(value.twin), Constant(of)], {}, "Tensor.to")

    def container_binary(self: Any, symbol: str, left: Value, right: Value) -> Value | None:
        left, right = as_dict(self, left), as_dict(self, right)
        if isinstance(left, Sequence) and isinstance(right, Sequence) and symbol == "+" and issubclass(right.cls, left.cls.__mro__[-2]):
            together = joined(self, left, right) if isinstance(left, ListValue) and isinstance(right, ListValue) else None
            return together or (right if right.cls is Size else left).fresh([*left.items, *right.items])
        for one, other in ((left, right), (right, left)):
            if symbol == "*" and isinstance(one, Sequence) and isinstance(other, (Constant, SymIntValue)) and hasattr(other.type(), "__index__"):
                return repeated(self, one, other) if type(one) is ListValue and type(other) is SymIntValue else one.fresh(self.repeated(one, other))
        if isinstance(left, DictValue) and isinstance(right, DictValue) and symbol == "|":
            return self.merged(left, right)
        if symbol == "|" and all(is_class(value) or (isinstance(value, Constant) and isinstance(value.value, OF_UNIONS)) for value in (left, right)):
            return self.wrap_known(self.concrete(operator.or_, *(value.value if isinstance(value, Constant) else value.real for value in (left, right))))  # int | str
        if isinstance(left, (SetValue, DictView)) and isinstance(right, (SetValue, DictView)) and symbol in SET_OPERATORS:
            start = left if isinstance(left, SetValue) else SetValue(self, left.items_of(self))
            return start.call_method(self, SET_OPERATORS[symbol], [right], {})
        return None

    def merged(self: Any, left: DictValue, right: DictValue) -> Value:
        """`left | right`; the class of the right one prevails where it is a subclass, as its `__ror__` is asked first."""
        if not {left.cls, right.cls} <= MERGED:
            raise Break(f"'|' of a {left.describe()} and a {right.describe()} is not captured")
        if left.cls is right.cls or not issubclass(right.cls, left.cls):
            merged = left.call_method(self, "copy", [], {})
        else:
            merged = right.call_method(self, "copy", [], {})
            merged.call_method(self, "clear", [], {})
            merged.call_method(self, "update", [left], {})
        merged.call_method(self, "update", [right], {})
        return merged

    def repeated(self: Any, sequence: Sequence, count: Value) -> list[Any]:
        times = int(self.python(count))
        if times * len(sequence.items) > REPEATED_LIMIT:
            raise Break(f"a sequence of more than {REPEATED_LIMIT} items is not captured")
        return sequence.items * times

    def by_special_methods(self: Any, row: Operator, symbol: str, left: Value, right: Value, shown: str) -> Value:
        tries = [(left, right, row.name)]
        if right.type() is not left.type():
            reflected = (right, left, row.reflected)
            first = left.type() in right.type().__mro__ and self.class_entry(right.type(), row.reflected) is not self.class_entry(left.type(), row.reflected)
            tries.insert(0 if first else 1, reflected)
        for owner, other, name in tries:
            if not isinstance(owner, (ObjectValue, MemberValue)):
                continue
            method = self.special_method(owner, name)
            if method is None:
                continue
            found = self.call(method, [other], {})
            if not (isinstance(found, Constant) and found.value is NotImplemented):
                return found
        if any(isinstance(value, ContainerObject) for value in (left, right)):
            return self.binary(symbol, *(value.contents if isinstance(value, ContainerObject) else value for value in (left, right)))
        if symbol == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(other, ObjectValue) and hasattr(one.type(), "__getitem__") and not isinstance(one, ObjectValue) and self.special_method(other, "__index__") is not None:
                    return self.binary(symbol, one, constant(index_of(self, other)))
        if all(isinstance(value, (*PLAIN, ObjectValue, CallableValue)) for value in (left, right)):
            if any(isinstance(value, TensorValue) for value in (left, right)):
                raise Break(f"'{symbol}' of a {left.describe()} and a {right.describe()} is not captured")
            if symbol == "+" and isinstance(left, Sequence):
                raise self.raised(TypeError, f'can only concatenate {left.cls.__name__} (not "{right.type().__name__}") to {left.cls.__name__}')
            if symbol == "*" and any(isinstance(value, Sequence) for value in (left, right)):
                raise self.raised(TypeError, f"can't multiply sequence by non-int of type '{(right if isinstance(left, Sequence) else left).type().__name__}'")
            raise self.raised(TypeError, f"unsupported operand type(s) for {shown}: '{left.type().__name__}' and '{right.type().__name__}'")
        raise refused(symbol, left, right)

    def inplace(self: Any, symbol: str, left: Value, right: Value) -> Value:
        row = BINARY[symbol]
        if isinstance(left, IN_PLACE) or (isinstance(left, TensorValue) and isinstance(right, ARRAYS)):
            return operation(self, row.inplace or row.function, left, right)
        if isinstance(left, TensorValue) and isinstance(right, FloatValue):
            right = self.float_operand(right, left)
        if isinstance(left, TensorValue) and isinstance(right, PLAIN):
            return self.leaf(row.inplace, [left, right], {}, row.inplace_name)
        if isinstance(left, (ListValue, GrowingValue)) and symbol == "+":
            left.call_method(self, "extend", [right], {})
            return left
        if isinstance(left, ListValue):
            if symbol == "*":
                left.items[:] = self.repeated(left, right)
                left.changed(self)
                return left
        if isinstance(left, DequeValue) and symbol in ("+", "*"):
            left.call_method(self, "extend", [right], {}) if symbol == "+" else left.refill(self, self.repeated(left, right))
            return left
        if isinstance(left, DictValue) and symbol == "|":
            left.call_method(self, "update", [right], {})
            return left
        if isinstance(left, SetValue) and left.cls is set and isinstance(right, SetValue) and symbol in SET_OPERATORS:
            left.call_method(self, SET_UPDATES[symbol], [right], {})
            return left
        if isinstance(left, ObjectValue):
            method = self.special_method(left, row.inplace_name)
            if method is not None:
                found = self.call(method, [right], {})
                if not (isinstance(found, Constant) and found.value is NotImplemented):
                    return found
        return self.binary(symbol, left, right, symbol + "=")

    def unary(self: Any, symbol: str, value: Value) -> Value:
        function, name = UNARY[symbol]
        value = self.whole(value)
        if isinstance(value, ARRAYS):
            return operation(self, function, value)
        if isinstance(value, SizeFloat):
            return self.unary(symbol, now(value)) if symbol == "~" else size_unary(self, function, name, value)
        if isinstance(value, FloatValue):
            return FloatValue(self.leaf(function, [TensorValue(value.twin)], {}, name).twin, value.origins)
        if isinstance(value, MemberValue) and not value.is_standard(self, name):
            return value.dunder(self, name)
        if isinstance(value, Constant):
            return self.make(self.concrete(function, value.value))
        if isinstance(value, NUMERIC):
            return whole_unary(self, function, name, value)
        if isinstance(value, ObjectValue) and self.special_method(value, name) is not None:
            return value.dunder(self, name)
        if hasattr(value.type(), name):
            raise Break(f"'{symbol}' of a {value.describe()} is not captured")
        raise self.raised(TypeError, f"bad operand type for unary {symbol}: '{value.type().__name__}'")

    # -- comparisons --------------------------------------------------------------------------------------------------

    def compare(self: Any, symbol: str, left: Value, right: Value) -> Value:
        row = COMPARISONS[symbol]
        if isinstance(left, ARRAYS) or isinstance(right, ARRAYS):
            return operation(self, row.function, left, right)
        if isinstance(left, FloatValue) or isinstance(right, FloatValue):
            if isinstance(left, TensorValue) or isinstance(right, TensorValue):
                return self.leaf(row.function, [self.float_operand(left, right), self.float_operand(right, left)], {}, row.name)
            if (isinstance(left, SizeFloat) or isinstance(right, SizeFloat)) and RUNTIME not in origins_of(left, right):
                return size_compare(self, symbol, left, right)
            return compare_floats(self, row.function, symbol, left, right)
        if isinstance(left, ResultValue) or isinstance(right, ResultValue):
            return self.compare(symbol, self.whole(left), self.whole(right))
        if self.are_plain(row, left, right):
            return self.make(self.concrete(row.function, left.python(self), right.python(self)))
        if isinstance(left, NUMERIC) or isinstance(right, NUMERIC):
            if symbol in ("==", "!=") and any(isinstance(v, Constant) and v.value is None for v in (left, right)):
                return constant(symbol == "!=")
            if (asked := question(symbol, left, right)) is not None:
                return asked
            if all(isinstance(v, (Constant, *NUMERIC)) for v in (left, right)):
                return whole_compare(self, row.function, row.name, left, right)
        if (found := text_compare(self, row.function, symbol, left, right)) is None:
            found = self.container_compare(symbol, left, right)
        if found is not None:
            return constant(found)
        return self.compare_objects(row, symbol, left, right)

    def container_compare(self: Any, symbol: str, left: Value, right: Value) -> bool | None:
        left, right = as_dict(self, left), as_dict(self, right)
        if isinstance(left, Sequence) and isinstance(right, Sequence) and kind_of(left) is kind_of(right):
            return self.compare_sequences(symbol, left, right)
        if symbol not in ("==", "!="):
            if all(isinstance(v, DictView) and v.kind == "items" for v in (left, right)):
                owners: list[Any] = [v.owner for v in ((left, right) if symbol[0] == "<" else (right, left))]  # type: ignore[attr-defined]
                return has_items(self, *owners) and (len(symbol) == 2 or len(owners[0].entries) < len(owners[1].entries))
            if all(isinstance(v, SetValue) or (isinstance(v, DictView) and v.kind != "values") for v in (left, right)) and symbol in SET_COMPARISONS:
                sets: list[Any] = [v if isinstance(v, SetValue) else SetValue(self, v.items_of(self) or ()) for v in (left, right)]
                proper = len(symbol) == 1 and len(sets[0].entries) == len(sets[1].entries)
                return not proper and self.truth(sets[0].call_method(self, SET_COMPARISONS[symbol], [sets[1]], {}))
            return None
        if all(isinstance(v, DictView) and v.kind == "items" for v in (left, right)):
            views: tuple[Any, Any] = (left, right)
            return same_items(self, *(view.owner for view in views)) == (symbol == "==")
        if isinstance(left, DictValue) and isinstance(right, DictValue):
            return same_items(self, left, right) == (symbol == "==")
        if all(isinstance(v, SetValue) or (isinstance(v, DictView) and v.kind != "values") for v in (left, right)):
            one, other = (v.bare() if isinstance(v, SetValue) else SetValue(self, v.items_of(self) or ()) for v in (left, right))
            meet(self, one, other)
            return (set(one.shadow) == set(other.shadow)) == (symbol == "==")
        if isinstance(left, SliceValue) and isinstance(right, SliceValue):
            return all(self.equal(a, b) for a, b in zip(left.parts, right.parts)) == (symbol == "==")
        if type(left) is type(right) and hasattr(left, "value") and not isinstance(left, Constant):
            return (left.value == right.value) == (symbol == "==")  # type: ignore[attr-defined]
        return None

    def compare_sequences(self: Any, symbol: str, left: Sequence, right: Sequence) -> bool:
        left.items_of(self)
        right.items_of(self)
        asks = kind_of(left) is tuple and any(isinstance(item, (ObjectValue, TensorValue)) for item in (*left.items, *right.items))
        if symbol in ("==", "!=") and len(left.items) != len(right.items) and not asks:  # tuples look at their items first
            return symbol == "!="
        place = 0
        while place < len(left.items) and place < len(right.items):  # a user's `__eq__` may change them
            one, other = left.get(self, place), right.get(self, place)
            same = self.alike(one, other)
            if not same and place < len(left.items) and place < len(right.items):
                if symbol in ("==", "!="):
                    return symbol == "!="
                return self.truth(self.compare(symbol, one, other))
            if not same:
                break
            place += 1
        return COMPARISONS[symbol].function(len(left.items), len(right.items))

    def compare_objects(self: Any, row: Operator, symbol: str, left: Value, right: Value) -> Value:
        tries = [(left, right, row.name), (right, left, row.reflected)]
        if right.type() is not left.type() and left.type() in right.type().__mro__:  # not one that is only registered
            tries.reverse()
        for owner, other, name in tries:
            if (isinstance(owner, ObjectValue) and not isinstance(owner, ExceptionValue)) or (isinstance(owner, MemberValue) and not owner.is_standard(self, name, "__eq__")):
                found, known = self.class_entry(owner.type(), name), getattr(object, name, MISSING)
                if found is known or found is MISSING:
                    if symbol != "!=" or (found := self.class_entry(owner.type(), "__eq__")) is object.__eq__:
                        continue
                    result = self.call(self.bind_entry(found, owner, owner.type()), [other], {})  # what object.__ne__ asks
                    if isinstance(result, Constant) and result.value is NotImplemented:
                        continue
                    return constant(not self.truth(result))
                result = self.call(self.bind_entry(found, owner, owner.type()), [other], {})
                if not (isinstance(result, Constant) and result.value is NotImplemented):
                    return result
        if isinstance(left, BARE_CONTAINERS) and isinstance(right, ContainerObject) or isinstance(left, ContainerObject) and isinstance(right, BARE_CONTAINERS):
            pair = [value.contents if isinstance(value, ContainerObject) else value for value in (left, right)]
            if (found := self.container_compare(symbol, *pair)) is not None:  # the builtin class's own method, asked last
                return constant(found)
        if isinstance(left, GrowingValue) or isinstance(right, GrowingValue):
            raise refused(symbol, left, right)
        if symbol in ("==", "!="):
            if isinstance(left, BuiltinMethod) and isinstance(right, BuiltinMethod):
                same = left.name == right.name and self.same(left.owner, right.owner)
            elif isinstance(left, MethodValue) and isinstance(right, MethodValue):
                same = self.same(left.function, right.function) and self.same(left.owner, right.owner)
            else:
                for value, other in ((left, right), (right, left)):
                    if not isinstance(value, (*PLAIN, CallableValue, ObjectValue)) and value.type().__eq__ is not object.__eq__:
                        raise Break(f"'{symbol}' of a {value.describe()} and a {other.describe()} is not captured")
                same = self.same(left, right)
            return constant(same == (symbol == "=="))
        if all(isinstance(value, (*PLAIN, ObjectValue, CallableValue)) for value in (left, right)):
            raise self.raised(TypeError, f"'{symbol}' not supported between instances of '{left.type().__name__}' and '{right.type().__name__}'")
        raise refused(symbol, left, right)

    def equal(self: Any, left: Value, right: Value) -> bool:
        """`left == right` as a Python bool."""
        return self.truth(self.compare("==", left, right))

    def alike(self: Any, left: Value, right: Value) -> bool:
        """`left is right or left == right`, as containers compare their items; of numbers that vary only the second is asked."""
        if left is right:
            return True
        if any(isinstance(value, VARYING) for value in (left, right)):
            return self.equal(left, right)
        if all(type(value) is Constant and type(value.value) in LITERALS and value.value == value.value for value in (left, right)):
            return self.equal(left, right)  # one object is equal to itself, but for NaN, and which of two equal texts it is says nothing
        return self.same(left, right) or self.equal(left, right)

    def same(self: Any, left: Value, right: Value) -> bool:
        """`left is right`. Two different existing objects of one type are guarded to stay different."""
        for value, other in ((left, right), (right, left)):
            if isinstance(value, VARYING) and other.type() is value.type() and not isinstance(other, TensorValue):
                raise Break(f"'is' of a {value.describe()} is not captured", "compare with ==")
            if isinstance(value, AnewFunction) and other.type() is value.type() and other is not value:
                raise value.unsupported("'is'")
            if is_made_anew(value) and is_made_anew(other):
                raise Break(f"'is' between {value.type().__name__} objects is not captured", "compare with ==")
        if left is right:
            return True
        a, b = left.identity(), right.identity()
        if a is b:
            return True
        if left.source is not None and right.source is not None and left.type() is right.type() and not isinstance(left, (Constant, CallableValue)):
            self.guard_different(left, right)
        if isinstance(left, Constant) and isinstance(right, Constant) and type(left.value) is type(right.value) and left.value == right.value:
            if isinstance(left.value, (int, str, bytes)):
                raise Break(f"'is' between two equal {type(left.value).__name__} objects is not captured", "compare with ==")
        return False

    # -- truth, length, iteration -------------------------------------------------------------------------------------

    def truth(self: Any, value: Value) -> bool:
        return value.truth(self)

    def concrete(self: Any, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """Run a pure function of plain data; an exception in it is one of the user's program, unless it came of what stands for a size."""
        try:
            return function(*args, **kwargs)
        except (Break, Observed, Specialise, errors.UndecidedSize):
            raise
        except Exception as error:
            if any(isinstance(arg, SymInt) for arg in args):
                return self.concrete(function, *(int(arg) if isinstance(arg, SymInt) else arg for arg in args), **kwargs)
            raise Observed(of_error(self, error)) from None

    def builtin_method(self: Any, owner: Value, name: str) -> Value:
        return BuiltinMethod(owner, name)

    def contains(self: Any, container: Value, item: Value) -> bool:
        return container.contains(self, item)


def same_items(run: Any, left: DictValue, right: DictValue) -> bool:
    return run.equal(left.length(run), right.length(run)) and has_items(run, left, right)


def has_items(run: Any, part: DictValue, whole: DictValue) -> bool:
    """Whether all items of one dict are items of another."""
    part.guard_keys(run)
    whole.guard_keys(run)
    return part.entries.keys() <= whole.entries.keys() and all(run.alike(part.get(run, key), whole.get(run, key)) for key in list(part.entries))


def kind_of(value: Sequence) -> type:
    """Which sequences it compares with: lists with lists, deques with deques, tuples of all classes."""
    return value.cls if value.cls in (list, collections.deque) else tuple


OF_UNIONS = (types.NoneType, types.GenericAlias, types.UnionType, type(typing.List[int]))  # noqa: UP006  (constants that stand in a union beside classes)


def is_class(value: Value) -> bool:
    """Whether a Value is a class whose `|` is type's own, or a union of classes."""
    return type(value.real) in (type, types.UnionType)


def is_made_anew(value: Value) -> bool:
    """Numbers of which eager code may hold several equal objects, so that `is` between them has no certain answer."""
    if not isinstance(value, Constant):
        return False
    return type(value.value) in (float, complex) or (type(value.value) is int and not -5 <= value.value <= 256)
