"""Each opcode has somebody who handles it: the symbolic interpreter, or a reason why it ends the graph; and each has a program that holds it, compiled and eager.

The programs are those of resume_programs.py and the few below, for what those do not hold; which opcodes a program holds depends on the version of Python, so the
test asks the compiler of the version that runs.
"""

from __future__ import annotations

import asyncio
import sys
import types

import opcode_table
import pytest
from interp_support import compiled, same
from resume_programs import PROGRAMS, Log

from segue.capture.bytecode import decode, versions
from segue.capture.bytecode.layout import Layout
from segue.capture.bytecode.opcodes import OPCODES
from segue.capture.bytecode.versions import CURRENT, JUMPS
from segue.capture.interp.attempt import Attempt  # noqa: F401  (fills the table)
from segue.capture.interp.frame import HANDLERS

NOT_FOLLOWED = {  # canonical opcodes that end the graph, or that no captured frame comes past
    "CLEANUP_THROW": "a generator thrown into",
    **dict.fromkeys("LOAD_SPECIAL BUILD_TEMPLATE BUILD_INTERPOLATION".split(), "3.14, which is read but not run"), "END_FOR": "never executed",
    **dict.fromkeys("IMPORT_STAR PRINT_EXPR".split(), "only modules hold it"),
}  # fmt: skip
NOT_WRITTEN = {"LOAD_CLASSDEREF", "LOAD_LOCALS", "LOAD_FROM_DICT_OR_DEREF", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "TO_BOOL", "CALL_INTRINSIC_1", "END_SEND"}  # by the compilers of some of the versions
OPCODES_314 = """BINARY_OP BINARY_SLICE BUILD_INTERPOLATION BUILD_LIST BUILD_MAP BUILD_SET BUILD_SLICE BUILD_STRING BUILD_TEMPLATE BUILD_TUPLE CALL
    CALL_FUNCTION_EX CALL_INTRINSIC_1 CALL_INTRINSIC_2 CALL_KW CHECK_EG_MATCH CHECK_EXC_MATCH CLEANUP_THROW COMPARE_OP CONTAINS_OP CONVERT_VALUE COPY
    COPY_FREE_VARS DELETE_ATTR DELETE_DEREF DELETE_FAST DELETE_GLOBAL DELETE_NAME DELETE_SUBSCR DICT_MERGE DICT_UPDATE END_ASYNC_FOR END_FOR END_SEND FOR_ITER
    FORMAT_SIMPLE FORMAT_WITH_SPEC GET_AITER GET_ANEXT GET_AWAITABLE GET_ITER GET_LEN GET_YIELD_FROM_ITER IMPORT_FROM IMPORT_NAME IS_OP JUMP_BACKWARD
    JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD LIST_APPEND LIST_EXTEND LOAD_ATTR LOAD_BUILD_CLASS LOAD_COMMON_CONSTANT LOAD_CONST LOAD_DEREF LOAD_FAST
    LOAD_FAST_AND_CLEAR LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS
    LOAD_GLOBAL LOAD_LOCALS LOAD_NAME LOAD_SMALL_INT LOAD_SPECIAL LOAD_SUPER_ATTR MAKE_CELL MAKE_FUNCTION MAP_ADD MATCH_CLASS MATCH_KEYS MATCH_MAPPING
    MATCH_SEQUENCE NOP NOT_TAKEN POP_EXCEPT POP_ITER POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_IF_TRUE POP_TOP PUSH_EXC_INFO PUSH_NULL
    RAISE_VARARGS RERAISE RESUME RETURN_GENERATOR RETURN_VALUE SEND SET_ADD SET_FUNCTION_ATTRIBUTE SET_UPDATE SETUP_ANNOTATIONS STORE_ATTR STORE_DEREF STORE_FAST
    STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST STORE_GLOBAL STORE_NAME STORE_SLICE STORE_SUBSCR SWAP TO_BOOL UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNPACK_EX
    UNPACK_SEQUENCE WITH_EXCEPT_START YIELD_VALUE""".split()  # those of the documentation of `dis`, without the interpreter's own (CACHE, EXTENDED_ARG, RESERVED ...)
JOINED = {"CALL_KW"}  # read by decode.py, with the constant before it
deleted = 1


def a_deleted_global(log):
    global deleted
    deleted = 2
    del deleted
    return "deleted" in globals()


def a_positive_number(log):
    return +len("ab"), [+x for x in (1, -2)]


def a_generator_in_a_generator(log):
    def inner():
        got = yield 1
        return got

    def outer():
        result = yield from inner()
        log(result)
        yield from [2, 3]

    return list(outer())


def asynchronous_code(log):
    class Resource:
        async def __aenter__(self):
            log("enter")
            return 1

        async def __aexit__(self, *exception):
            log("exit")

        async def __aiter__(self):
            yield 2
            yield 3

    async def use():
        found = []
        async with Resource() as one:
            found.append(one)
            async for value in Resource():
                found.append(value)
        await asyncio.sleep(0)
        return found

    return asyncio.run(use())


def a_group_of_exceptions(log):
    try:
        raise ExceptionGroup("both", [ValueError(1), TypeError(2)])
    except* ValueError as error:
        log(str(error.exceptions[0]))
    except* TypeError:
        log("type")
    return len(log.entries)


def a_class(log):
    value = 2

    class Made:
        once = value
        twice: int = value * 2
        for name in ("a", "b"):
            log(name)
        del name

        def method(self):
            return self.twice, __class__.__name__

    return Made().method(), Made.once, hasattr(Made, "name"), Made.__annotations__


def a_loop_that_none_ends(log):
    given = [1, 2, None]
    one = given.pop(0)
    while one is not None:
        log(one)
        one = given.pop(0)
    while one is None:
        log("none")
        one = 3
    return one


OWN = [a_class, a_deleted_global, a_positive_number, a_group_of_exceptions, a_generator_in_a_generator, a_loop_that_none_ends, asynchronous_code]
GENERICS = """
def generics(log):
    class Made:
        len = 3
        type Alias = list[len]

        def go[T: len](self):
            return 1

        class Inner[T]:
            own = len

    return Made.Inner.own is len, str(Made.Alias.__value__), Made().go()
"""  # the syntax of 3.12
if sys.version_info >= (3, 12):
    namespace: dict = {}
    exec(GENERICS, namespace)
    OWN.append(namespace["generics"])


def table():
    """The part of docs/opcodes.md for the Python that runs."""
    return opcode_table.part([*OWN, *(program.function for program in PROGRAMS)], NOT_FOLLOWED)


def test_the_page_of_opcodes_is_that_of_this_python():
    made = table()
    assert opcode_table.parts(opcode_table.PAGE.read_text(encoding="utf-8"))[made.partition("\n")[0]] == made


def test_each_opcode_is_handled_or_has_a_reason():
    assert not HANDLERS.keys() & NOT_FOLLOWED.keys()
    assert HANDLERS.keys() | NOT_FOLLOWED.keys() == OPCODES.keys()


def test_each_opcode_of_314_is_read_as_canonical_ones(monkeypatch):
    """The table of the version that is read but not run, made as if it ran."""
    symbols = [*(symbol for symbol in versions.SYMBOLS if symbol != "[]"), "[]"]
    one, two = ["UNARY_POSITIVE", "LIST_TO_TUPLE"], ["PREP_RERAISE_STAR"]
    real = {"opmap": dict.fromkeys(OPCODES_314), "_intrinsic_1_descs": [f"INTRINSIC_{name}" for name in one], "_intrinsic_2_descs": [f"INTRINSIC_{name}" for name in two]}
    monkeypatch.setattr(versions, "real", types.SimpleNamespace(**real))
    monkeypatch.setattr(versions, "SYMBOLS", symbols)
    monkeypatch.setattr(versions, "SUBSCRIPT", len(symbols) - 1)
    table, layout = versions.version_314(), Layout(("a", "b"), ("c",), ("d",), ("name",), (1,))
    assert set(OPCODES_314) - table.readers.keys() == set()
    for name in OPCODES_314:
        read = table.readers[name](int(name == "SET_FUNCTION_ATTRIBUTE"), layout)  # of whose numbers 0 is none
        assert name in JOINED or {opcode for opcode, _ in read} <= OPCODES.keys(), name
    assert table.readers["BINARY_OP"](len(symbols) - 1, layout) == [("BINARY_SUBSCR", None)]
    assert table.readers["LOAD_FAST_BORROW_LOAD_FAST_BORROW"](1, layout) == [("LOAD_FAST", "a"), ("LOAD_FAST", "b")]
    assert table.readers["BUILD_INTERPOLATION"](2 << 2 | 1, layout) == [("BUILD_INTERPOLATION", ("repr", True))]
    written = {opcode for opcode in OPCODES if opcode in table.writers or (opcode, False) in table.jumps}
    assert {"BUILD_INTERPOLATION", "BUILD_TEMPLATE", "LOAD_SPECIAL", "BINARY_SUBSCR"} <= written


def test_each_opcode_that_is_handled_stands_in_a_program():
    functions = [*OWN, *(program.function for program in PROGRAMS)]
    seen = {instruction.opcode for function in functions for code in opcode_table.codes(function.__code__) for instruction in decode(code).instructions}
    written = {opcode for opcode in HANDLERS if opcode in CURRENT.writers or opcode in JUMPS}
    assert written - seen - NOT_WRITTEN == set()


@pytest.mark.parametrize("function", OWN, ids=lambda function: function.__name__)
def test_own_programs(function):
    eager, captured = Log(), Log()
    expected = function(eager)
    made = compiled(function)
    for _ in range(2):
        captured.entries.clear()
        assert same(made(captured), expected)
        assert captured.entries == eager.entries


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_programs(program):
    def outcome(function):
        log = Log()
        arguments, keywords = program.arguments(log)
        try:
            return "returned", repr(function(*arguments, **keywords)), log.entries
        except Exception as error:
            return "raised", type(error), str(error), log.entries

    if program.function.__code__.co_flags & 0x20:
        pytest.skip("the result is a generator object, which is not the same one twice")
    expected, made = outcome(program.function), compiled(program.function)
    assert [outcome(made) for _ in range(2)] == [expected] * 2
