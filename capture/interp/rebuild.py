"""Helpers that rewritten code calls: making objects without running user code, and the stores of replayed side effects.

In come real objects, out go real objects. The one idea: what capture already ran symbolically (an `__init__`, a `__setattr__`) must not run again, so everything here goes
through `object`'s own slots.
"""

from __future__ import annotations

import abc
import collections
import functools
import json
import operator
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...eager.answers import answers_of_failed
from ...eager.autograd.mode import enable_grad, no_grad
from ...eager.errors import BackendError
from ...eager.functional.creation import empty
from ...eager.log import log
from ...eager.nn.parameter import Parameter
from ...eager.random import Generator
from ...eager.stats import stats
from ...eager.tensor import Tensor, wrap
from .._capture import run_eagerly, store_hashed


def run_again(problem: BaseException, function: str) -> None:
    """A graph raised: raise on, or let the frame run eagerly from its beginning, up to its end, with what foreign functions have answered already."""
    answers = answers_of_failed()
    if not isinstance(problem, Exception) or isinstance(problem, (MemoryError, BackendError)):
        raise problem
    stats.count("reruns")
    log("breaks", f"the graph of {function} raised, and the frame runs again eagerly: {type(problem).__name__}: {problem}")
    run_eagerly(answers)


def warn(message: Any, category: type, source: Any, place: Any, line: int = 0, namespace: dict | None = None) -> None:
    """A warning of the program's: at a line of a file, or so many frames above the one that was captured."""
    if namespace is None:
        warnings.warn(message, category, stacklevel=place + 2, source=source)
    else:
        warnings.warn_explicit(message, category, place, line, namespace.get("__name__") or "<string>", namespace.setdefault("__warningregistry__", {}), None, source)


def release(lock: Any) -> None:
    lock.release()


def float_tensor(value: float) -> Tensor:
    """A float as an input of a graph."""
    return wrap(np.array(value, dtype=np.float64))


def int_tensor(value: int) -> Tensor:
    return wrap(np.array(value, dtype=np.int64))


def number_list(values: list) -> Tensor:
    """A list of ints or of floats, or an array, whose memory is shared."""
    return wrap(np.asarray(values))


def new_parameter(shape: tuple, dtype: Any, requires_grad: bool) -> Parameter:
    """A parameter whose values the graph will write."""
    return Parameter(empty(shape, dtype=dtype), requires_grad)


def parameter_over(tensor: Tensor, views: tuple, requires_grad: bool) -> Parameter:
    """A parameter in the memory of another tensor, or of a view of it."""
    with no_grad():
        for view, attributes in views:
            tensor = view(tensor, *attributes)
        return Parameter(tensor, requires_grad)


def draw_on(generator: Generator, calls: int) -> None:
    """So many draws were made in the graph."""
    generator.offset += calls


def new_stream(device: Any, state: Tensor) -> Generator:
    return Generator(device).set_state(state)


def remade(made: tuple, calls: Any) -> Any:
    """An object of the library, made anew, with all that was done to it. What it is given is not changed."""
    maker, args, named = made
    model = maker(*args, **named)
    for name, given, keywords in calls:
        getattr(model, name)(*[list(one) if type(one) is list else one for one in given], **keywords)
    return model


def json_of(value: Any, named: dict) -> str:
    return json.dumps(value, **named)


def draw(generator: Any, name: str, named: tuple, *args: Any) -> Any:
    """A call of a method of a generator of random numbers. What `shuffle` would leave in the list is its result."""
    if name == "shuffle":
        items = list(args[0])
        generator.shuffle(items)
        return items
    return getattr(generator, name)(*args, **dict(named))


def state_of(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if hasattr(generator, "getstate") else generator.get_state()


def put_back(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    else:
        (generator.setstate if hasattr(generator, "setstate") else generator.set_state)(state)


def new_array(data: bytes, dtype: str, shape: tuple, order: Any) -> np.ndarray:
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy(order)


def array_of(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def number_of(tensor: Tensor) -> float:
    """The other way."""
    return tensor.item()


def scalar_of(tensor: Tensor) -> Any:
    """NumPy's scalar of a 0-d tensor."""
    return tensor.numpy()[()]


def list_of(tensor: Tensor) -> Any:
    """What `tolist()` gave."""
    return tensor.tolist()


def tuple_of_class(items: tuple, cls: type) -> Any:
    return tuple.__new__(cls, items)


def convert(items: Any, cls: type) -> Any:
    return cls(items)


def call_method(owner: Any, name: str, *args: Any) -> Any:
    return getattr(owner, name)(*args)


def fill_bytearray(target: bytearray, content: bytes) -> None:
    target[:] = content


def repeated_list(items: list, times: int) -> list:
    return items * times


def list_of_parts(*parts: Any) -> list:
    """One list of several sequences."""
    return [item for part in parts for item in part]


def sequence_iterator(sequence: Any, index: int) -> Iterator:
    """An iterator that has taken `index` items."""
    iterator = iter(sequence)
    iterator.__setstate__(index)  # type: ignore[attr-defined]
    return iterator


def reversed_iterator(sequence: Any, index: int) -> Iterator:
    """reversed(sequence) that gives the item at `index` next (-1: none)."""
    iterator = reversed(sequence)
    if index < 0:
        list(iterator)
    else:
        iterator.__setstate__(index)  # type: ignore[attr-defined]
    return iterator


def advanced_iterator(iterable: Any, count: int) -> Iterator:
    """An iterator without a settable place that has taken `count` items."""
    iterator = iter(iterable)
    for _ in range(count):
        next(iterator)
    return iterator


def take_items(iterator: Iterator, count: int) -> None:
    """What was read ahead from an iterator is taken; one item more than it had ends it."""
    for _ in range(count):
        next(iterator, None)


def strict_zip(iterators: tuple) -> zip:
    return zip(*iterators, strict=True)


def make_function(code: types.CodeType, namespace: dict, defaults: tuple, keyword_defaults: dict, closure: tuple) -> types.FunctionType:
    made = types.FunctionType(code, namespace, None, defaults or None, closure or None)
    made.__kwdefaults__ = keyword_defaults or None
    return made


def make_partial(function: Any, args: tuple, keywords: dict) -> functools.partial:
    return functools.partial(function, *args, **keywords)


def silent_base(bases: tuple) -> type:
    """A class that may be exchanged for `bases`, as its instances lie in memory alike, and that tells nobody of classes derived from it."""
    cls: Any = max(bases, key=lambda base: base.__basicsize__)
    while all(getattr(cls, size) == getattr(cls.__base__, size) for size in ("__basicsize__", "__dictoffset__", "__weakrefoffset__")):
        cls = cls.__base__
    above = cls.__base__
    if any("__init_subclass__" in vars(base) for base in above.__mro__[:-1]):
        raise TypeError("a base of the bases is told of classes, too")
    return type(above)("Silent", (above,), {})


def new_standard_class(meta: Any, name: str, bases: tuple, members: dict, named: dict) -> type:
    """A class of a metaclass of the standard library: an Enum, a NamedTuple."""
    names = meta.__prepare__(name, bases, **named)
    for key, value in members.items():
        names[key] = value
    return meta(name, bases, names, **named)


def new_class(meta: Any, name: str, bases: tuple, members: dict, late: tuple, silent: bool) -> type:
    """A class whose body and metaclass ran during capture; the members in `late` have been told their names. `silent`: the `__init_subclass__` of the bases ran, too."""
    make = (abc.ABCMeta if issubclass(meta, abc.ABCMeta) else type).__new__
    made: Any = make(meta, name, (silent_base(bases),) if silent else bases, {**members, **dict.fromkeys(late)})
    if silent:  # bases that come afterwards are not told
        made.__bases__ = bases
        abc.update_abstractmethods(made)
    for member in late:
        type.__setattr__(made, member, members[member])
    return made


def new_union(*parts: Any) -> Any:
    """`C | None`"""
    return functools.reduce(operator.or_, parts)


def new_alias(origin: Any, *parts: Any) -> Any:
    """`C[int]`"""
    return origin[parts]


def new_named_tuple(maker: Any, args: tuple, options: dict) -> type:
    return maker(*args, **options)


def new_object(cls: type) -> Any:
    return types.SimpleNamespace.__new__(cls) if issubclass(cls, types.SimpleNamespace) else object.__new__(cls)


def new_container(cls: type, base: Any) -> Any:
    return base.__new__(cls)


def new_plain(cls: type, base: Any, contents: Any) -> Any:
    """An instance of a class that derives from a builtin one whose contents never change."""
    return base.__new__(cls, contents)


def new_exception(cls: Any, args: tuple, given: tuple, named: dict) -> BaseException:
    """An exception whose `__init__` in Python, if it has one, ran already; what its class in C sets is set from what it was called with."""
    made = BaseException.__new__(cls) if is_python(cls.__init__) or is_python(cls.__new__) else cls(*given, **named)
    made.args = args
    return made


def new_group(cls: Any, message: str, exceptions: tuple, args: tuple) -> BaseException:
    made = BaseExceptionGroup.__new__(cls, message, exceptions)
    made.args = args
    return made


def is_python(function: Any) -> bool:
    return isinstance(function, types.FunctionType)


def chain_to_caller(error: BaseException) -> None:
    """What the caller handles becomes the context, and no cycle comes of it: `raise` sees to both. The captured frame itself handles nothing yet where this runs."""
    passed = error.__traceback__
    try:
        raise error
    except BaseException:
        error.__traceback__ = passed


def give_traceback(error: BaseException, places: tuple) -> None:
    """The traceback of an exception that was raised and caught during capture: the user's functions, lines and columns, from the innermost outwards."""
    own, traceback = sys._getframe(1), error.__traceback__
    for is_own, code, namespace, positions in places:
        frame, unit = (own, unit_at(own.f_code, positions)) if is_own else (frame_of(code, namespace, positions), 0)
        traceback = types.TracebackType(traceback, frame, 2 * unit, positions[0] or code.co_firstlineno)
    error.__traceback__ = traceback


def unit_at(code: types.CodeType, positions: tuple) -> int:
    """The first code unit that stands for a place of the user's file: the build of an exception leaves a NOP for each place of its own frame."""
    return next((unit for unit, known in enumerate(code.co_positions()) if known == positions), 0)


def traceback_of(error: BaseException, later: int) -> Any:
    """The traceback that an exception had before it passed its `later` last places."""
    found = error.__traceback__
    for _ in range(later):
        found = found.tb_next  # type: ignore[union-attr]
    return found


def frame_of(code: types.CodeType, namespace: dict, positions: tuple) -> types.FrameType:
    """A frame that bears the name, the file and the place of a function that capture followed."""
    made = _divide.__code__
    named = made.replace(
        co_name=code.co_name, co_qualname=code.co_qualname, co_filename=code.co_filename, co_firstlineno=code.co_firstlineno,
        co_linetable=one_place(len(made.co_code) // 2, code.co_firstlineno, *positions),
    )  # fmt: skip
    try:
        types.FunctionType(named, namespace)()
    except ZeroDivisionError as error:
        return error.__traceback__.tb_next.tb_frame  # type: ignore[union-attr]
    raise AssertionError("not reached")


def _divide() -> None:
    1 / 0  # noqa: B018


def one_place(units: int, first: int, line: int | None, end: int | None, column: int | None, end_column: int | None) -> bytes:
    """A location table that gives all code units one place, a line without columns, or none (CPython's Objects/locations.md)."""
    table = bytearray()
    for start in range(0, units, 8):
        delta = 0 if start or line is None else line - first
        kind, numbers = 13, [abs(delta) << 1 | (delta < 0)]
        if line is None:
            kind, numbers = 15, []
        elif end is not None and column is not None and end_column is not None:
            kind, numbers = 14, [*numbers, end - line, column + 1, end_column + 1]
        table.append(0x80 | kind << 3 | (min(8, units - start) - 1))
        for number in numbers:
            while number >= 64:
                table.append(0x40 | (number & 63))
                number >>= 6
            table.append(number)
    return bytes(table)


def with_gradients(compiled: Any, *inputs: Any) -> tuple:
    """The graph of a frame that was entered without gradients and switched them on."""
    with enable_grad():
        return compiled(*inputs)


def read_behind(owner: Any, place: Any, path: tuple) -> Any:
    """What a call behind the graph left in a dict, or in an attribute, and there at the end of a path of items."""
    found = owner[place] if isinstance(owner, dict) else getattr(owner, place)
    for key in path:
        found = found[key]
    return found


def make_caller(name: str, args: tuple, named: dict) -> Any:
    return operator.methodcaller(name, *args, **named)


def append_item(target: list, item: Any) -> None:
    target.append(item)


def extend_list(target: list, items: list) -> None:
    list.extend(target, items)


def extend_deque(target: collections.deque, items: list) -> None:
    collections.deque.extend(target, items)


def replace_list(target: list, items: list) -> None:
    list.__setitem__(target, slice(None), items)


def empty_deque(limit: int | None) -> collections.deque:
    return collections.deque((), limit)


def replace_deque(target: collections.deque, items: list) -> None:
    target.clear()
    target.extend(items)


def change_set(target: set, name: str, *args: Any) -> None:
    """A step that was taken: past the methods of the user's class."""
    getattr(set, name)(target, *args)


def kind_of(target: dict) -> Any:
    """The builtin class of a dict, whose methods are past those of the user's class."""
    return next(base for base in type(target).__mro__ if base in (dict, collections.OrderedDict, collections.defaultdict))


def store_item(target: dict, key: Any, value: Any, number: int | None = None) -> None:
    """Store under a key, whose `__hash__` gave the number where it was followed."""
    if number is None or isinstance(target, collections.OrderedDict):
        kind_of(target).__setitem__(target, key, value)
    else:
        store_hashed(target, key, value, number)


def one_by_one(cls: type, known: dict) -> Any:
    """A set or frozenset to which the keys of a dict were added in turn. Their hashes are the dict's: nobody is asked again."""
    made: set = set()
    made.symmetric_difference_update(known)
    return made if cls is set else cls(known) & made


WAYS_TO_SET: dict[str, Callable[[Any, dict], Any]] = {  # of which the size of the table follows, and so the order
    "one by one": one_by_one, "at once": lambda cls, known: cls(known), "copied": lambda cls, known: cls(one_by_one(set, known)),
}  # fmt: skip


def set_of_known(cls: type, items: list, numbers: tuple, way: str) -> Any:
    """A set of items some of whose hashes are known."""
    known: dict = {}
    for item, number in zip(items, numbers, strict=True):
        store_item(known, item, None, number)
    return WAYS_TO_SET[way](cls, known)


def format_of(value: Any, conversion: str | None, spec: str) -> str:
    """One field of an f-string."""
    ways: dict[str, Any] = {"str": str, "repr": repr, "ascii": ascii}
    return format(ways[conversion](value) if conversion else value, spec)


def joined(*parts: str) -> str:
    return "".join(parts)


def format_all(template: str, args: tuple, named: dict[str, Any]) -> str:
    return template.format(*args, **named)


def percent_of(template: str, value: Any) -> str:
    return template % value


def discard_item(target: dict, key: Any) -> None:
    target.pop(key, None)


def delete_item(target: dict, key: Any) -> None:
    kind_of(target).__delitem__(target, key)


def store_attribute(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def forget_gradients(*tensors: Any) -> None:
    for tensor in tensors:
        tensor.grad = None


def store_plain_attribute(target: Any, name: str, value: Any) -> None:
    """Past a class's own `__setattr__`; slots and the instance's dict alike."""
    if isinstance(target, BaseException):
        setattr(target, name, value)
    else:
        object.__setattr__(target, name, value)


def delete_plain_attribute(target: Any, name: str) -> None:
    object.__delattr__(target, name)


def store_cell(cell: types.CellType, value: Any) -> None:
    cell.cell_contents = value


def empty_cell(cell: types.CellType) -> None:
    del cell.cell_contents


HELPERS = {name: value for name, value in globals().items() if isinstance(value, types.FunctionType)}
