"""Handlers of the instructions that move control: jumps, loops, calls, return, exceptions, `with`, `match`, generators.

Each takes a frame and a canonical instruction; one that ends the frame's run returns ("return", value) or ("yield", value).
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from .. import guards, sources
from .followed import prepare_reraise
from .frame import NULL, Frame, PreviousException
from .handlers_data import handles
from .lookup import is_changeable
from .outcome import Break, Observed
from .truths import takes
from .values.base import Value
from .values.buffers import BufferValue
from .values.constants import Constant, constant
from .values.containers import TupleValue
from .values.exceptions import ExceptionValue, exception_classes
from .values.functions import CellValue
from .values.iterators import GeneratorValue
from .values.mappings import DictValue
from .values.objects import ObjectValue, OpaqueValue
from .values.running import RunningIterator

# -- jumps and loops ------------------------------------------------------------------------------------------------------


@handles("JUMP")
def jump(frame: Frame, i: Any) -> None:
    if i.target < frame.index:
        frame.run_state.count_turn()
    frame.index = i.target


@handles("POP_JUMP_IF_TRUE")
def pop_jump_if_true(frame: Frame, i: Any) -> None:
    if takes(frame, i, True):
        jump(frame, i)


@handles("POP_JUMP_IF_FALSE")
def pop_jump_if_false(frame: Frame, i: Any) -> None:
    if not takes(frame, i, False):
        jump(frame, i)


@handles("POP_JUMP_IF_NONE")
def pop_jump_if_none(frame: Frame, i: Any) -> None:
    if frame.run_state.same(frame.pop(), constant(None)):
        jump(frame, i)


@handles("POP_JUMP_IF_NOT_NONE")
def pop_jump_if_not_none(frame: Frame, i: Any) -> None:
    if not frame.run_state.same(frame.pop(), constant(None)):
        jump(frame, i)


@handles("GET_ITER")
def get_iter(frame: Frame, i: Any) -> None:
    frame.push(frame.run_state.iterate(frame.pop()))


@handles("FOR_ITER")
def for_iter(frame: Frame, i: Any) -> None:
    iterator, run = frame.peek(1), frame.run_state
    if frame.is_root and isinstance(iterator, RunningIterator) and iterator.taken and (run.knowledge.turn_by_turn or iterator.is_long()):
        raise Break("a loop in which a graph broke goes on turn by turn")
    found = run.next(iterator)
    if found is None:
        frame.pop()
        frame.index = i.target
    else:
        frame.push(found)


@handles("RETURN_VALUE")
def return_value(frame: Frame, i: Any) -> tuple[str, Value]:
    return "return", frame.stack.pop()


# -- calls -----------------------------------------------------------------------------------------------------------------


def _callee(a: Value, b: Value, args: list[Value]) -> tuple[Value, list[Value]]:
    """The callable and all arguments, from the two slots below the arguments."""
    if a is NULL:
        return b, args
    if b is NULL:
        return a, args
    return a, [b, *args]


@handles("CALL")
def call(frame: Frame, i: Any) -> None:
    count, names = i.argument
    args = frame.pop_many(count)
    b, a = frame.pop(), frame.pop()
    kwargs = dict(zip(names, args[count - len(names) :]))
    function, args = _callee(a, b, args[: count - len(names)])
    run = frame.run_state
    if not args and function.real is super:
        frame.push(_zero_argument_super(frame))
        return
    frame.push(run.call(function, args, kwargs))


def _zero_argument_super(frame: Frame) -> Value:
    run = frame.run_state
    if not frame.code.co_argcount:
        raise run.raised(RuntimeError, "super(): no arguments")
    if "__class__" not in frame.free:
        raise run.raised(RuntimeError, "super(): __class__ cell not found")
    if frame.cell("__class__").get(run) is None or frame.slots.get(frame.code.co_varnames[0]) is None:
        raise Break("super() whose __class__ or first argument was deleted is not captured")
    cls = frame.cell("__class__").get(run)
    first = frame.load(frame.code.co_varnames[0])
    owner = first.get(run) if isinstance(first, CellValue) else frame.read(first)
    return run.call(run.wrap_known(super), [cls, owner], {})


@handles("CALL_FUNCTION_EX")
def call_function_ex(frame: Frame, i: Any) -> None:
    run = frame.run_state
    kwargs = {run.text(key): value for key, value in run.pairs(frame.pop())} if i.argument else {}
    given, b, a = frame.pop(), frame.pop(), frame.pop()
    if not run.can_iterate(given):
        raise run.unfit_call(_callee(a, b, [])[0], f"argument after * must be an iterable, not {given.type().__name__}")
    function, args = _callee(a, b, run.unpack(given))
    frame.push(run.call(function, args, kwargs))


# -- exceptions and with ------------------------------------------------------------------------------------------------------


@handles("RAISE_VARARGS")
def raise_varargs(frame: Frame, i: Any) -> None:
    run = frame.run_state
    if i.argument == 0:
        if isinstance(run.handled, ExceptionValue):
            raise Observed(run.handled, again=True)
        raise Break("raise without an exception is not captured here")
    cause = frame.pop() if i.argument == 2 else None
    error = run.as_exception(frame.pop())
    if cause is not None:
        error.set_link(run, "__cause__", _cause(run, cause))
    raise Observed(error)


def _cause(run: Any, value: Value) -> Value:
    if isinstance(value, Constant) and value.value is None or isinstance(value, ExceptionValue):
        return value
    if isinstance(value.real, type) and issubclass(value.real, BaseException):
        made = run.call(value, [], {})
        if CAUSES_ARE_CHECKED and not issubclass(made.type(), BaseException):
            raise run.raised(TypeError, f"calling {value.real!r} should have returned an instance of BaseException, not {made.type()!r}")
        return made
    if isinstance(value, OpaqueValue):
        raise Break("an exception object from outside as a cause is not captured")
    raise run.raised(TypeError, "exception causes must derive from BaseException")


@handles("RERAISE")
def reraise(frame: Frame, i: Any) -> None:
    raise Observed(frame.pop(), again=True)  # what lies below is unwound


@handles("PUSH_EXC_INFO")
def push_exc_info(frame: Frame, i: Any) -> None:
    run = frame.run_state
    error = frame.pop()
    frame.push(PreviousException(run.handling[-1], error))
    frame.push(error)
    run.handling[-1] = error


@handles("POP_EXCEPT")
def pop_except(frame: Frame, i: Any) -> None:
    slot: Any = frame.pop()
    if isinstance(slot, PreviousException):
        slot.ended = True
        slot = slot.previous
    frame.run_state.handling[-1] = slot  # else the exception itself, or None, that an earlier part of the function handed on


@handles("CHECK_EXC_MATCH")
def check_exc_match(frame: Frame, i: Any) -> None:
    classes = exception_classes(frame.run_state, frame.pop())
    frame.push(constant(issubclass(frame.peek(1).type(), classes)))


@handles("CHECK_EG_MATCH")
def check_eg_match(frame: Frame, i: Any) -> None:
    """What an `except*` takes becomes the exception that is handled, always as a group."""
    run = frame.run_state
    of, error = frame.pop(), frame.pop()
    classes = exception_classes(run, of, of_groups=True)
    is_group = issubclass(error.type(), BaseExceptionGroup)
    nothing = constant(None)
    if issubclass(error.type(), classes):
        pair = [error if is_group else run.call(run.wrap_known(BaseExceptionGroup), [Constant(""), TupleValue([error])], {}), nothing]
    elif is_group:
        pair = run.unpack(run.call(error.attribute(run, "split"), [of], {}))
        if len(pair) != 2:
            raise Break("a split() that gives no pair is not captured")
    else:
        pair = [nothing, error]
    match, rest = pair
    takes = isinstance(match, ExceptionValue)
    frame.push(rest if takes or PARTS_WHAT_NOTHING_TAKES else error)
    frame.push(match)
    if takes:
        run.handling[-1] = next(slot for slot in reversed(frame.stack) if isinstance(slot, PreviousException)).handled = match


@handles("BEFORE_WITH")
def before_with(frame: Frame, i: Any) -> None:
    run, manager = frame.run_state, frame.pop()
    if not isinstance(manager, (ObjectValue, BufferValue)) and "__exit__" not in manager.methods:
        raise Break(f"'with' over a {manager.describe()} is not captured")
    leave, enter = run.special_method(manager, "__exit__"), run.special_method(manager, "__enter__")
    if leave is None or enter is None:
        lacks = "" if enter is None else " (missed __exit__ method)"
        raise run.raised(TypeError, f"'{manager.type().__name__}' object does not support the context manager protocol{lacks}")
    frame.push(leave)
    frame.push(run.call(enter, [], {}))


@handles("WITH_EXCEPT_START")
def with_except_start(frame: Frame, i: Any) -> None:
    run, error = frame.run_state, frame.peek(1)
    leave = frame.peek(4)
    frame.push(run.call(leave, [run.wrap_known(error.type()), error, error.attribute(run, "__traceback__")], {}))


CAUSES_ARE_CHECKED = sys.version_info >= (3, 13)
PARTS_WHAT_NOTHING_TAKES = sys.version_info >= (3, 12)  # a group that an `except*` takes nothing of goes on as what its split() left, a group of its own
SEQUENCE, MAPPING = 1 << 5, 1 << 6  # flags of the types that match a sequence, or a mapping


# -- match -----------------------------------------------------------------------------------------------------------------


@handles("MATCH_SEQUENCE")
def match_sequence(frame: Frame, i: Any) -> None:
    frame.push(constant(_has_flag(frame, SEQUENCE)))


@handles("MATCH_MAPPING")
def match_mapping(frame: Frame, i: Any) -> None:
    frame.push(constant(_has_flag(frame, MAPPING)))


def _has_flag(frame: Frame, flag: int) -> bool:
    """Whether patterns take the top for a sequence or a mapping: a user's class is one once it is registered."""
    cls = frame.peek(1).type()
    if is_changeable(cls):
        frame.run_state.guard(guards.Predicate((sources.Constant(cls, cls.__qualname__),), functools.partial(_flag_is, flag, cls.__flags__ & flag)))
    return bool(cls.__flags__ & flag)


def _flag_is(flag: int, expected: int, cls: type) -> bool:
    return cls.__flags__ & flag == expected


@handles("MATCH_KEYS")
def match_keys(frame: Frame, i: Any) -> None:
    run, keys, subject = frame.run_state, frame.run_state.unpack(frame.peek(1)), frame.peek(2)
    if not isinstance(subject, (DictValue, ObjectValue)):
        raise Break(f"matching the keys of a {subject.describe()} is not captured")
    found = []
    nothing = ObjectValue(object)
    for place, key in enumerate(keys):
        if any(run.equal(key, other) for other in keys[:place]):
            raise run.raised(ValueError, f"mapping pattern checks duplicate key ({run.text(run.formatted(key, 'repr', ''))})")
        item = subject.lookup(run, key) if isinstance(subject, DictValue) else run.call(subject.attribute(run, "get"), [key, nothing], {})
        if item is None or item is nothing:
            frame.push(constant(None))
            return
        found.append(item)
    frame.push(TupleValue(found))


def _positional_names(run: Any, cls: Value, count: int) -> list[str]:
    """The attributes that the positional patterns of a class mean."""
    given = run.attribute_or_none(cls, "__match_args__") if count else None
    if given is not None and given.type() is not tuple:
        raise run.raised(TypeError, f"{cls.real.__name__}.__match_args__ must be a tuple (got {given.type().__name__})")
    names = run.unpack(given) if given is not None else []
    if len(names) < count:
        plural = "" if len(names) == 1 else "s"
        raise run.raised(TypeError, f"{cls.real.__name__}() accepts {len(names)} positional sub-pattern{plural} ({count} given)")
    for name in names[:count]:
        if name.type() is not str:
            raise run.raised(TypeError, f"__match_args__ elements must be strings (got {name.type().__name__})")
    return [run.text(name) for name in names[:count]]


@handles("MATCH_CLASS")
def match_class(frame: Frame, i: Any) -> None:
    run = frame.run_state
    names = [run.text(name) for name in run.unpack(frame.pop())]
    cls, subject = frame.pop(), frame.pop()
    if not run.is_instance(subject, cls):
        frame.push(constant(None))
        return
    if i.argument and cls.real in (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple):
        found: list[Value] = [subject]
    else:
        names, found = [*_positional_names(run, cls, i.argument), *names], []
    for place, name in enumerate(names):
        if name in names[:place]:
            raise run.raised(TypeError, f"{cls.real.__name__}() got multiple sub-patterns for attribute {name!r}")
        value = run.attribute_or_none(subject, name)
        if value is None:
            frame.push(constant(None))
            return
        found.append(value)
    frame.push(TupleValue(found))


# -- helpers of the interpreter ------------------------------------------------------------------------------------------------


def _stop_iteration_error(frame: Frame, value: Value) -> Value:
    if issubclass(value.type(), StopIteration):
        made = frame.run_state.raised(RuntimeError, "generator raised StopIteration").value
        for link in ("__cause__", "__context__"):
            made.set_link(frame.run_state, link, value)
        return made
    return value


INTRINSICS_1 = {
    "INTRINSIC_STOPITERATION_ERROR": _stop_iteration_error,
    "INTRINSIC_UNARY_POSITIVE": lambda frame, value: frame.run_state.unary("+", value),
    "INTRINSIC_LIST_TO_TUPLE": lambda frame, value: TupleValue(value.items_of(frame.run_state)),
}


@handles("CALL_INTRINSIC_1")
def call_intrinsic_1(frame: Frame, i: Any) -> None:
    handler = INTRINSICS_1.get(i.argument)
    if handler is None:
        raise Break(f"{i.argument} is not captured")
    frame.push(handler(frame, frame.pop()))


@handles("CALL_INTRINSIC_2")
def call_intrinsic_2(frame: Frame, i: Any) -> None:
    if i.argument != "INTRINSIC_PREP_RERAISE_STAR":
        raise Break(f"{i.argument} is not captured")
    errors, caught = frame.pop(), frame.pop()
    frame.push(frame.run_state.call(frame.run_state.wrap_known(prepare_reraise), [caught, errors], {}))


# -- generators ------------------------------------------------------------------------------------------------------------------


@handles("RETURN_GENERATOR")
def return_generator(frame: Frame, i: Any) -> None:
    frame.push(constant(None))


@handles("YIELD_VALUE")
def yield_value(frame: Frame, i: Any) -> tuple[str, Value]:
    return "yield", frame.pop()


@handles("GET_YIELD_FROM_ITER")
def get_yield_from_iter(frame: Frame, i: Any) -> None:
    value = frame.pop()
    frame.push(value if isinstance(value, GeneratorValue) else frame.run_state.iterate(value))


@handles("SEND")
def send(frame: Frame, i: Any) -> None:
    run = frame.run_state
    value = frame.pop()
    receiver = frame.peek(1)
    if isinstance(receiver, GeneratorValue):
        receiver.outer, found = frame, receiver.send(run, value)
        result = constant(None) if found is not None else receiver.result
    elif isinstance(receiver, ObjectValue):
        plain = isinstance(value, Constant) and value.value is None
        try:
            found, result = receiver.dunder(run, "__next__") if plain else run.call(receiver.attribute(run, "send"), [value], {}), constant(None)
        except Observed as observed:
            if not issubclass(observed.value.type(), StopIteration):
                raise
            found, result = None, observed.value.attribute(run, "value")
    else:
        if not (isinstance(value, Constant) and value.value is None):
            raise Break("sending a value through 'yield from' an iterator is not captured")
        found, result = run.next(receiver), constant(None)
    if found is not None:
        frame.push(found)
        return
    if run.send_keeps_receiver:
        frame.push(result)
    else:
        frame.stack[-1] = result
    frame.index = i.target


@handles("END_SEND")
def end_send(frame: Frame, i: Any) -> None:
    del frame.stack[-2]


@handles("GET_AWAITABLE", "GET_AITER", "GET_ANEXT", "END_ASYNC_FOR", "BEFORE_ASYNC_WITH")
def asynchronous(frame: Frame, i: Any) -> None:
    raise Break("asynchronous code is not captured")


