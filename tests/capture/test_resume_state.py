"""What a break restores and what a resume function is given, one thing at a time; test_resume.py runs whole programs."""

# ruff: noqa: F821  (deleted variables are what is tested)

from __future__ import annotations

import gc
import sys
import traceback
import types
import weakref

import pytest

from segue.capture.bytecode import (
    NULL,
    CannotBreak,
    FrameState,
    Handled,
    InconsistentCode,
    break_frame,
    breaks,
    can_break,
    decode,
    entry_of,
    original_index,
    whole_frame,
)


def nothing(out):
    """No prologue."""


def constant(value):
    return lambda out: out.load_const(value)


def place_of(function, opcode, argument=None, which=0):
    """Index of an instruction in the decoded function."""
    body = decode(function.__code__).instructions
    return [i for i, item in enumerate(body) if item.opcode == opcode and argument in (None, item.argument)][which]


def with_code(function, code):
    return types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


def resumes_of(code):
    """The resume functions that a code object holds."""
    return [value for value in code.co_consts if isinstance(value, types.CodeType) and entry_of(value) is not None]


def callable_slots(function):
    """The two stack slots of a call that has not got its arguments yet."""
    return [constant(function), NULL] if sys.version_info >= (3, 13) else [NULL, constant(function)]


def test_locals_are_computed_before_any_is_stored():
    def swap(a, b):
        a, b = b, a
        return abs(a), b

    swapped = {"a": lambda out: out.load_local("b"), "b": lambda out: out.load_local("a")}
    state = FrameState(swapped, [*callable_slots(abs), lambda out: out.load_local("b")])
    code = break_frame(swap.__code__, place_of(swap, "CALL"), state, nothing)
    assert with_code(swap, code)(1, -2) == (2, 1)


def test_the_prologue_runs_first_and_its_temporaries_are_not_seen():
    def watched(x):
        return locals()

    names = []

    def prologue(out):
        out.load_local("x")
        out.load_const(1)
        out.emit("BINARY_OP", "+")
        names.append(out.store_temporary())

    state = FrameState({"x": lambda out: out.load_temporary(names[0])}, callable_slots(locals))
    code = break_frame(watched.__code__, place_of(watched, "CALL"), state, prologue)
    assert with_code(watched, code)(1) == {"x": 2}


def test_a_parameter_that_is_unbound_at_the_break_is_unbound_behind_it():
    def deleting(x):
        del x
        abs(1)
        return x

    state = FrameState({}, [*callable_slots(abs), constant(1)])
    function = with_code(deleting, break_frame(deleting.__code__, place_of(deleting, "CALL"), state, nothing))
    with pytest.raises(UnboundLocalError, match="x"):
        function(1)
    assert deleting.__code__.co_varnames == function.__code__.co_varnames[:1]


def test_contents_of_cells_are_stored_in_the_frames_own_cells():
    def counting(x):
        def read():
            return x, y

        y = 0
        result = abs(-1)
        return result, read(), read.__closure__

    function_slot = []

    def prologue(out):
        out.load_cell("x")
        out.load_cell("y")
        out.build_tuple(2)
        out.make_function(next(c for c in counting.__code__.co_consts if isinstance(c, types.CodeType)), ["closure"])
        function_slot.append(out.store_temporary())

    state = FrameState(
        {"read": lambda out: out.load_temporary(function_slot[0])},
        [*callable_slots(abs), constant(-1)],
        {"x": constant("new x"), "y": constant("new y")},
    )
    function = with_code(counting, break_frame(counting.__code__, place_of(counting, "CALL"), state, prologue))
    result, contents, cells = function("old")
    assert (result, contents) == (1, ("new x", "new y"))
    assert [cell.cell_contents for cell in cells] == ["new x", "new y"]


def test_an_emptied_cell_is_empty():
    def emptied(x):
        def read():
            return x

        del x
        abs(-1)
        return read()

    made = []

    def prologue(out):
        out.load_cell("x")
        out.build_tuple(1)
        out.make_function(next(c for c in emptied.__code__.co_consts if isinstance(c, types.CodeType)), ["closure"])
        made.append(out.store_temporary())

    state = FrameState({"read": lambda out: out.load_temporary(made[0])}, [*callable_slots(abs), constant(-1)], {"x": None})
    with pytest.raises(NameError, match="x"):
        with_code(emptied, break_frame(emptied.__code__, place_of(emptied, "CALL"), state, prologue))(1)


def test_a_free_variable_is_stored_and_carried_on():
    x = "before"

    def reader():
        nonlocal x
        abs(-1)
        x += "!"
        return x

    state = FrameState({}, [*callable_slots(abs), constant(-1)], {"x": constant("from the graph")})
    function = with_code(reader, break_frame(reader.__code__, place_of(reader, "CALL"), state, nothing))
    assert function() == "from the graph!"
    assert x == "from the graph!"


def test_a_break_within_a_handler_has_the_exception_handled():
    def handling(log):
        try:
            raise KeyError("never raised here")
        except KeyError:
            log(sys.exception())
            raise

    seen = []
    error = ValueError("the one that is handled")
    state = FrameState({"log": None}, [Handled(constant(error)), *callable_slots(seen.append), constant(error)])
    place = place_of(handling, "CALL", (1, ()), which=-1)  # of `log`
    function = with_code(handling, break_frame(handling.__code__, place, state, nothing))
    with pytest.raises(ValueError, match="the one that is handled"):
        function(seen.append)
    assert seen == [error]
    assert sys.exception() is None


def test_an_exception_of_the_instruction_goes_to_its_handler_once():
    entered = []

    class Manager:
        def __enter__(self):
            entered.append("enter")

        def __exit__(self, *details):
            entered.append(("exit", details[0]))
            return True

    def managed(manager, fail):
        with manager:
            fail(1)
        return "behind"

    def fail(x):
        raise ValueError(x)

    manager = Manager()
    state = FrameState({"manager": None, "fail": None}, [constant(manager.__exit__), *callable_slots(fail), constant(1)])
    function = with_code(managed, break_frame(managed.__code__, place_of(managed, "CALL", (1, ())), state, nothing))
    assert function(manager, fail) == "behind"
    assert entered == [("exit", ValueError)]


def test_a_branch_on_data_has_two_resume_functions():
    def branching(x, y):
        if x:
            y = abs(y)
            y += 1
        else:
            y = -y
            y += 2
        return y

    place = place_of(branching, "POP_JUMP_IF_FALSE")
    values = {True: 6, False: 7}
    for truth, expected in values.items():
        state = FrameState({"x": None, "y": None}, [constant(truth)])
        code = break_frame(branching.__code__, place, state, nothing)
        assert len(resumes_of(code)) == 2
        assert with_code(branching, code)(None, -5) == expected


@pytest.mark.parametrize("items, expected", [([], "none"), ([4, 5], 9)])
def test_a_for_loop_breaks_at_its_iterator(items, expected):
    def summing(iterator):
        total = 0
        for item in iterator:
            total += item
        return total or "none"

    state = FrameState({"iterator": None, "total": constant(0)}, [lambda out: (out.load_local("iterator"), out.emit("GET_ITER"))])
    function = with_code(summing, break_frame(summing.__code__, place_of(summing, "FOR_ITER"), state, nothing))
    assert function(items) == expected


def test_a_call_in_the_last_line_needs_no_resume_function():
    def last(x):
        return abs(x)

    code = break_frame(last.__code__, place_of(last, "CALL"), FrameState({"x": None}, [*callable_slots(abs), constant(-3)]), nothing)
    assert not resumes_of(code)
    assert with_code(last, code)(0) == 3


def test_resume_functions_are_made_once():
    def function(x):
        y = abs(x)
        return y + 1

    def broken():
        return break_frame(function.__code__, place_of(function, "CALL"), FrameState({"x": None}, [*callable_slots(abs), constant(-3)]), nothing)

    first, second = broken(), broken()
    assert resumes_of(first)[0] is resumes_of(second)[0]
    assert with_code(function, first)(0) == with_code(function, second)(0) == 4


def test_a_resume_function_knows_its_original():
    def function(x):
        y = abs(x)
        return y + 1

    place = place_of(function, "CALL")
    (resume,) = resumes_of(break_frame(function.__code__, place, FrameState({"x": None}, [*callable_slots(abs), constant(-3)]), nothing))
    entry = entry_of(resume)
    assert (entry.index, entry.bound, entry.shape) == (place + 1, ("x",), ("value",))
    assert original_index(resume, entry.length + entry.index) == place + 1
    assert (resume.co_name, resume.co_qualname, resume.co_filename) == (function.__code__.co_name, function.__code__.co_qualname, __file__)
    assert types.FunctionType(whole_frame(resume, constant("whole")), {})(1, 2) == "whole"
    assert types.FunctionType(resume, {})(1, 2) == 3


def test_an_error_behind_the_break_shows_the_users_line():
    def failing(x):
        y = abs(x)
        y += 1
        return y / 0

    state = FrameState({"x": None}, [*callable_slots(abs), constant(-3)])
    function = with_code(failing, break_frame(failing.__code__, place_of(failing, "CALL"), state, nothing))
    with pytest.raises(ZeroDivisionError) as caught:
        function(1)
    first = failing.__code__.co_firstlineno
    frames = traceback.extract_tb(caught.value.__traceback__)[1:]
    assert [(frame.filename, frame.name, frame.lineno) for frame in frames] == [(__file__, "failing", first + 3)]


def test_zero_argument_super_behind_a_break():
    class Base:
        def method(self):
            return "base"

    class Derived(Base):
        def method(self):
            other = abs(-1)
            return super().method(), __class__, other, [self for _ in range(1)], (lambda: self)() is self

    function = Derived.method
    state = FrameState({}, [*callable_slots(abs), constant(-1)]) if "self" in function.__code__.co_cellvars else None
    assert state is not None
    broken = with_code(function, break_frame(function.__code__, place_of(function, "CALL"), state, nothing))
    instance = Derived()
    assert broken(instance) == ("base", Derived, 1, [instance], True)


# -- refusals --------------------------------------------------------------------------------------------------------------------


def test_no_break_in_a_generator_or_class_body():
    def generator():
        yield 1

    assert "generator" in can_break(generator.__code__, 3)
    with pytest.raises(CannotBreak, match="generator"):
        break_frame(generator.__code__, 3, FrameState({}), nothing)
    body = next(c for c in compile("class A: x = 1", "class", "exec").co_consts if isinstance(c, types.CodeType))
    assert "class body" in can_break(body, 1)


def test_no_break_before_the_function_has_begun():
    def function(x):
        return lambda: x

    assert "begun" in can_break(function.__code__, 0)
    assert can_break(function.__code__, decode(function.__code__).start) is None


def test_a_state_with_an_unknown_variable_is_refused():
    def function(x):
        return abs(x)

    with pytest.raises(InconsistentCode, match="nonsense"):
        break_frame(function.__code__, decode(function.__code__).start, FrameState({"nonsense": constant(1)}), nothing)


def test_a_stack_of_the_wrong_height_is_refused():
    def function(x):
        return abs(x) + 1

    with pytest.raises(InconsistentCode, match="pops"):
        break_frame(function.__code__, place_of(function, "CALL"), FrameState({"x": None}, [constant(1)]), nothing)


def test_nothing_keeps_a_function_alive_that_is_gone():
    def build():
        namespace = {}
        exec("def function(x):\n    y = abs(x)\n    return y + 1", namespace)
        function = namespace["function"]
        code = break_frame(function.__code__, place_of(function, "CALL"), FrameState({"x": None}, [*callable_slots(abs), constant(-3)]), nothing)
        assert with_code(function, code)(1) == 4
        return weakref.ref(function.__code__), weakref.ref(code), weakref.ref(resumes_of(code)[0])

    references = build()
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]
    assert breaks.entry_of((lambda: 1).__code__) is None
