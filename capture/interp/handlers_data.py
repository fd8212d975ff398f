"""Handlers of the instructions that move data: constants, locals, cells, globals, attributes, items, containers, strings, operators, imports.

Each takes a frame and a canonical instruction; capture/bytecode/opcodes.py says what it must do to the stack.
"""

from __future__ import annotations

import builtins
import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .. import guards, sources
from ..sources import MISSING
from . import journal
from .frame import HANDLERS, NULL, Frame
from .lookup import is_own, is_standard
from .outcome import Break, Observed
from .truths import bool_of, negation
from .values.base import Value
from .values.constants import Constant, constant
from .values.containers import ListValue, SliceValue, TupleValue
from .values.exceptions import name_error, of_error
from .values.functions import CellValue, MadeFunction
from .values.mappings import DictValue, key_of
from .values.objects import ObjectValue, SuperValue
from .values.sets import SetValue
from .values.state import ModesValue
from .values.tensors import TensorValue
from .values.texts import SizeText


def handles(*opcodes: str) -> Callable[[Callable], Callable]:
    def enter(function: Callable) -> Callable:
        for opcode in opcodes:
            HANDLERS[opcode] = function
        return function

    return enter


# -- constants, locals, cells, globals ---------------------------------------------------------------------------------


@handles("LOAD_CONST")
def load_const(frame: Frame, i: Any) -> None:
    frame.push(frame.run_state.code_constant(i.argument))


@handles("LOAD_FAST", "LOAD_FAST_CHECK")
def load_fast(frame: Frame, i: Any) -> None:
    frame.push(frame.load(i.argument))


@handles("LOAD_FAST_AND_CLEAR")
def load_fast_and_clear(frame: Frame, i: Any) -> None:
    frame.push(NULL if frame.slots.get(i.argument) is None else frame.load(i.argument))
    frame.slots[i.argument] = None


def let_go(frame: Frame, name: str) -> None:
    """A variable of the root frame drops what it holds from outside. Raises Break where somebody is told when that is gone."""
    held = frame.slots.get(name)
    if held is None or not frame.is_root or held.real is MISSING or name.startswith("stack.") or name not in frame.code.co_varnames:
        return
    journal.let_go([held])
    frame.run_state.drops = frame.run_state.drops or not isinstance(held, (Constant, TensorValue))


@handles("STORE_FAST")
def store_fast(frame: Frame, i: Any) -> None:
    let_go(frame, i.argument)
    value, held = frame.stack.pop(), frame.slots.get(i.argument)
    if isinstance(held, CellValue) and held is not value:
        held.name = ""  # of an inlined comprehension that has ended: functions that it made still have the cell, the frame does not
    frame.slots[i.argument] = None if value is NULL else value


@handles("DELETE_FAST")
def delete_fast(frame: Frame, i: Any) -> None:
    frame.load(i.argument)
    let_go(frame, i.argument)
    frame.slots[i.argument] = None


@handles("MAKE_CELL")
def make_cell(frame: Frame, i: Any) -> None:
    frame.slots[i.argument] = CellValue(frame.slots.get(i.argument), name=i.argument if frame.is_root else "")


@handles("COPY_FREE_VARS", "NOP", "RESUME")
def nothing(frame: Frame, i: Any) -> None:
    """No effect on Values."""


@handles("LOAD_CLOSURE")
def load_closure(frame: Frame, i: Any) -> None:
    frame.push(frame.cell(i.argument))


@handles("LOAD_DEREF")
def load_deref(frame: Frame, i: Any) -> None:
    found = frame.cell(i.argument).get(frame.run_state)
    if found is None:
        raise _empty_cell(frame, i.argument)
    frame.push(found)


def _empty_cell(frame: Frame, name: str) -> Observed:
    if name not in frame.free:
        return Observed(name_error(frame.run_state, UnboundLocalError, f"cannot access local variable '{name}' where it is not associated with a value", name))
    text = f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope"
    return Observed(name_error(frame.run_state, NameError, text, name))


@handles("STORE_DEREF")
def store_deref(frame: Frame, i: Any) -> None:
    frame.cell(i.argument).set(frame.run_state, frame.pop())


@handles("DELETE_DEREF")
def delete_deref(frame: Frame, i: Any) -> None:
    cell = frame.cell(i.argument)
    if cell.content is None:
        raise _empty_cell(frame, i.argument)
    cell.set(frame.run_state, None)


@handles("LOAD_GLOBAL")
def load_global(frame: Frame, i: Any) -> None:
    run, name = frame.run_state, i.argument
    found = frame.namespace.get(run, name)
    if found is None:
        known = frame.globals.get("__builtins__", builtins)
        known = known if isinstance(known, dict) else vars(known)
        if name not in known:
            raise Observed(name_error(run, NameError, f"name '{name}' is not defined", name))
        ask = not frame.namespace.trusted and not is_standard(frame.globals.get("__name__", ""))
        found = run.wrap(known[name], sources.DictValue(sources.Constant(known, "builtins"), name)) if ask else run.wrap_known(known[name])
    frame.push(found)


@handles("STORE_GLOBAL")
def store_global(frame: Frame, i: Any) -> None:
    frame.namespace.store(frame.run_state, i.argument, frame.pop())


@handles("DELETE_GLOBAL")
def delete_global(frame: Frame, i: Any) -> None:
    if frame.namespace.get(frame.run_state, i.argument) is None:
        raise Observed(name_error(frame.run_state, NameError, f"name '{i.argument}' is not defined", i.argument))
    frame.namespace.store(frame.run_state, i.argument, None)


# -- stack ----------------------------------------------------------------------------------------------------------------


@handles("POP_TOP")
def pop_top(frame: Frame, i: Any) -> None:
    held = frame.stack.pop()
    if frame.is_root and isinstance(held.source, sources.Local) and held.source.name.startswith("stack."):  # what a break left on the stack, and nobody else may have
        journal.let_go([held])


@handles("PUSH_NULL")
def push_null(frame: Frame, i: Any) -> None:
    frame.push(NULL)


@handles("COPY")
def copy_slot(frame: Frame, i: Any) -> None:
    frame.push(frame.stack[-i.argument])


@handles("SWAP")
def swap(frame: Frame, i: Any) -> None:
    stack = frame.stack
    stack[-1], stack[-i.argument] = stack[-i.argument], stack[-1]


# -- operators ------------------------------------------------------------------------------------------------------------


@handles("UNARY_NEGATIVE", "UNARY_POSITIVE", "UNARY_INVERT")
def unary(frame: Frame, i: Any) -> None:
    symbol = {"UNARY_NEGATIVE": "-", "UNARY_POSITIVE": "+", "UNARY_INVERT": "~"}[i.opcode]
    frame.push(frame.run_state.unary(symbol, frame.pop()))


@handles("UNARY_NOT")
def unary_not(frame: Frame, i: Any) -> None:
    frame.push(negation(frame.run_state, frame.pop()))


@handles("TO_BOOL")
def to_bool(frame: Frame, i: Any) -> None:
    frame.push(bool_of(frame.run_state, frame.pop()))


@handles("BINARY_OP")
def binary_op(frame: Frame, i: Any) -> None:
    right, left = frame.pop(), frame.pop()
    symbol = i.argument
    if symbol.endswith("="):
        frame.push(frame.run_state.inplace(symbol[:-1], left, right))
    else:
        frame.push(frame.run_state.binary(symbol, left, right))


@handles("COMPARE_OP")
def compare_op(frame: Frame, i: Any) -> None:
    right, left = frame.pop(), frame.pop()
    frame.push(frame.run_state.compare(i.argument, left, right))


@handles("IS_OP")
def is_op(frame: Frame, i: Any) -> None:
    right, left = frame.pop(), frame.pop()
    frame.push(constant(frame.run_state.same(left, right) != bool(i.argument)))


@handles("CONTAINS_OP")
def contains_op(frame: Frame, i: Any) -> None:
    container, item = frame.pop(), frame.pop()
    frame.push(constant(frame.run_state.contains(container, item) != bool(i.argument)))


@handles("BINARY_SUBSCR")
def binary_subscr(frame: Frame, i: Any) -> None:
    key, container = frame.pop(), frame.pop()
    frame.push(container.item(frame.run_state, key))


@handles("STORE_SUBSCR")
def store_subscr(frame: Frame, i: Any) -> None:
    key, container, value = frame.pop(), frame.pop(), frame.pop()
    container.set_item(frame.run_state, key, value)


@handles("DELETE_SUBSCR")
def delete_subscr(frame: Frame, i: Any) -> None:
    key, container = frame.pop(), frame.pop()
    container.delete_item(frame.run_state, key)


@handles("LOAD_ATTR")
def load_attr(frame: Frame, i: Any) -> None:
    frame.push(frame.run_state.attribute(frame.pop(), i.argument))


@handles("STORE_ATTR")
def store_attr(frame: Frame, i: Any) -> None:
    owner, value = frame.pop(), frame.pop()
    owner.set_attribute(frame.run_state, i.argument, value)


@handles("DELETE_ATTR")
def delete_attr(frame: Frame, i: Any) -> None:
    frame.pop().delete_attribute(frame.run_state, i.argument)


@handles("LOAD_SUPER_ATTR")
def load_super_attr(frame: Frame, i: Any) -> None:
    owner, cls, _ = frame.pop(), frame.pop(), frame.pop()
    frame.push(SuperValue(cls.real, owner).attribute(frame.run_state, i.argument[0]))


# -- containers -----------------------------------------------------------------------------------------------------------


@handles("BUILD_TUPLE")
def build_tuple(frame: Frame, i: Any) -> None:
    frame.push(TupleValue(frame.pop_many(i.argument)))


@handles("BUILD_LIST")
def build_list(frame: Frame, i: Any) -> None:
    frame.push(ListValue(frame.pop_many(i.argument)))


@handles("BUILD_SET")
def build_set(frame: Frame, i: Any) -> None:
    frame.push(SetValue(frame.run_state, frame.pop_many(i.argument)))


@handles("BUILD_MAP")
def build_map(frame: Frame, i: Any) -> None:
    flat = frame.pop_many(2 * i.argument)
    _new_dict(frame, flat[::2], flat[1::2])


@handles("BUILD_CONST_KEY_MAP")
def build_const_key_map(frame: Frame, i: Any) -> None:
    keys = frame.pop().items_of(frame.run_state)
    assert keys is not None
    _new_dict(frame, keys, frame.pop_many(i.argument))


def _new_dict(frame: Frame, keys: list[Value], values: list[Value]) -> None:
    made = DictValue()
    for key, value in zip(keys, values):
        made.set_item(frame.run_state, key, value)
    frame.push(made)


@handles("BUILD_STRING")
def build_string(frame: Frame, i: Any) -> None:
    parts = frame.pop_many(i.argument)
    varies = any(isinstance(part, SizeText) for part in parts)
    frame.push(SizeText("joined", list(parts)) if varies else Constant("".join(frame.run_state.text(part) for part in parts)))


@handles("BUILD_SLICE")
def build_slice(frame: Frame, i: Any) -> None:
    parts = frame.pop_many(i.argument)
    frame.push(SliceValue(parts[0], parts[1], parts[2] if i.argument == 3 else constant(None)))


@handles("LIST_APPEND")
def list_append(frame: Frame, i: Any) -> None:
    value = frame.pop()
    frame.peek(i.argument).call_method(frame.run_state, "append", [value], {})


@handles("SET_ADD")
def set_add(frame: Frame, i: Any) -> None:
    value = frame.pop()
    frame.peek(i.argument).call_method(frame.run_state, "add", [value], {})


@handles("MAP_ADD")
def map_add(frame: Frame, i: Any) -> None:
    value, key = frame.pop(), frame.pop()
    frame.peek(i.argument).set_item(frame.run_state, key, value)


@handles("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE")
def extend(frame: Frame, i: Any) -> None:
    run, more = frame.run_state, frame.pop()
    if i.opcode == "LIST_EXTEND" and not run.can_iterate(more):
        raise run.raised(TypeError, f"Value after * must be an iterable, not {more.type().__name__}")
    if i.opcode == "DICT_UPDATE" and not isinstance(more, DictValue) and run.attribute_or_none(more, "keys") is None:
        raise run.raised(TypeError, f"'{more.type().__name__}' object is not a mapping")
    frame.peek(i.argument).call_method(run, "extend" if i.opcode == "LIST_EXTEND" else "update", [more], {})


@handles("DICT_MERGE")
def dict_merge(frame: Frame, i: Any) -> None:
    run, more = frame.run_state, frame.pop()
    target: Any = frame.peek(i.argument)
    function = next(value for value in map(frame.peek, (i.argument + 2, i.argument + 3)) if value is not NULL)
    if not isinstance(more, DictValue) and run.attribute_or_none(more, "keys") is None:
        raise run.unfit_call(function, f"argument after ** must be a mapping, not {more.type().__name__}")
    for key, value in run.pairs(more):
        if key_of(run, key) in target.entries:
            raise run.unfit_call(function, f"got multiple values for keyword argument '{run.text(key)}'")
        target.set_item(run, key, value)


@handles("LIST_TO_TUPLE")
def list_to_tuple(frame: Frame, i: Any) -> None:
    frame.push(TupleValue(frame.pop().items_of(frame.run_state) or []))


def _unpacked(frame: Frame) -> Iterable[Value]:
    value = frame.pop()
    if isinstance(value, (Constant, ObjectValue)) and not any(hasattr(value.type(), name) for name in ("__iter__", "__getitem__")):
        raise frame.run_state.raised(TypeError, f"cannot unpack non-iterable {value.type().__name__} object")
    return frame.run_state.drawn(value, asks_length=False)


@handles("UNPACK_SEQUENCE")
def unpack_sequence(frame: Frame, i: Any) -> None:
    items = list(itertools.islice(_unpacked(frame), i.argument + 1))  # of more, one is taken
    if len(items) != i.argument:
        problem = f"too many values to unpack (expected {i.argument})" if len(items) > i.argument else (
            f"not enough values to unpack (expected {i.argument}, got {len(items)})")
        raise frame.run_state.raised(ValueError, problem)
    frame.stack.extend(reversed(items))


@handles("UNPACK_EX")
def unpack_ex(frame: Frame, i: Any) -> None:
    before, after = i.argument
    items = list(_unpacked(frame))
    if len(items) < before + after:
        raise frame.run_state.raised(ValueError, f"not enough values to unpack (expected at least {before + after}, got {len(items)})")
    middle = ListValue(items[before : len(items) - after])
    frame.stack.extend(reversed([*items[:before], middle, *items[len(items) - after :]]))


@handles("GET_LEN")
def get_len(frame: Frame, i: Any) -> None:
    frame.push(frame.peek(1).length(frame.run_state))


# -- strings and imports -----------------------------------------------------------------------------------------------------


@handles("CONVERT_VALUE")
def convert_value(frame: Frame, i: Any) -> None:
    frame.push(frame.run_state.formatted(frame.pop(), i.argument, ""))


@handles("FORMAT_VALUE")
def format_value(frame: Frame, i: Any) -> None:
    conversion, has_spec = i.argument
    spec = frame.run_state.text(frame.pop()) if has_spec else ""
    frame.push(frame.run_state.formatted(frame.pop(), conversion, spec))


def _import_now(run: Any, full: str) -> None:
    """A module that nobody has imported yet is imported for real: the call would do so, too. Raises Break where that fails, or could see what is not done yet."""
    loader = getattr(getattr(sys.modules.get(full.partition(".")[0]), "__spec__", None), "loader", None)
    harmless = is_standard(full) or is_own(type(loader).__module__.partition(".")[0])  # also under PyTorch's names (tools/torch_names.py)
    if not harmless and any(type(changed) is not ModesValue for changed in run.journal.entries.values()):
        raise Break(f"importing {full} inside of a compiled function is not captured behind changes of objects from outside", "import it at the top of the file")
    with run.outside():
        try:
            importlib.import_module(full)
        except ModuleNotFoundError as problem:
            if not f"{full}.".startswith(f"{problem.name}.") or not is_missing(problem.name):  # or a module ran, and has found another one missing
                raise Break(f"importing {full} inside of a compiled function raised ModuleNotFoundError", "import it at the top of the file") from None
            run.guard(guards.Predicate((), functools.partial(is_missing, problem.name), f"there is no module {problem.name}"))
            raise Observed(of_error(run, problem)) from None
        except Exception as problem:
            raise Break(f"importing {full} inside of a compiled function raised {type(problem).__name__}", "import it at the top of the file") from None


def is_missing(name: Any) -> bool:
    """Whether there is no module of a name, as an import would find out."""
    try:
        return bool(name) and name not in sys.modules and importlib.util.find_spec(name) is None
    except ImportError:
        return True


@handles("IMPORT_NAME")
def import_name(frame: Frame, i: Any) -> None:
    run = frame.run_state
    fromlist, level = run.python(frame.pop()), run.python(frame.pop())
    package = frame.globals.get("__package__") or frame.globals.get("__name__", "").rpartition(".")[0]
    full = importlib.util.resolve_name("." * level + i.argument, package) if level else i.argument
    if full not in sys.modules:
        _import_now(run, full)
    found = run.concrete(__import__, i.argument, frame.globals, None, fromlist, level)
    name = full if fromlist else full.partition(".")[0]
    if is_standard(full) or is_own(full) or sys.modules.get(name) is not found:
        frame.push(run.wrap_known(found))
    else:
        frame.push(run.wrap(found, sources.DictValue(sources.Constant(sys.modules, "sys.modules"), name)))


@handles("IMPORT_FROM")
def import_from(frame: Frame, i: Any) -> None:
    frame.push(frame.peek(1).attribute(frame.run_state, i.argument))


# -- functions ----------------------------------------------------------------------------------------------------------------


@handles("MAKE_FUNCTION")
def make_function(frame: Frame, i: Any) -> None:
    code = frame.pop().python(frame.run_state)
    parts = frame.pop_many(len(i.argument))
    made = MadeFunction(code, frame.globals, [], [], {})
    made.born = frame.run_state.step
    for kind, value in zip(i.argument, parts):
        _set_part(frame, made, kind, value)
    frame.push(made)


@handles("SET_FUNCTION_ATTRIBUTE")
def set_function_attribute(frame: Frame, i: Any) -> None:
    made, value = frame.pop(), frame.pop()
    if not isinstance(made, MadeFunction):
        raise Break(f"a function's {i.argument} behind a graph break is not captured")  # it was made for real, and this finishes it
    _set_part(frame, made, i.argument, value)
    frame.push(made)


def _set_part(frame: Frame, made: Any, kind: str, value: Any) -> None:
    run = frame.run_state
    if kind == "defaults":
        made.default_values = value.items_of(run)
    elif kind == "kwdefaults":
        made.keyword_values = {run.text(key): item for key, item in run.pairs(value)}
    elif kind == "closure":
        made.closure = value.items_of(run)
    elif kind == "annotations":  # a tuple of name, value, name, value ...
        flat = value.items_of(run)
        made.attributes["__annotations__"] = DictValue([(run.text(name), name, of) for name, of in zip(flat[::2], flat[1::2])])
    else:
        raise Break(f"a function's {kind} is not captured")
