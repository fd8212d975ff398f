"""Each opcode has somebody who handles it: the symbolic interpreter, or a reason why it ends the graph; and each has a program that holds it, compiled and eager.

The programs are those of resume_programs.py and the few below, for what those do not hold; which opcodes a program holds depends on the version of Python, so the
test asks the compiler of the version that runs.
"""

from __future__ import annotations

import asyncio
import types

import pytest
from interp_support import compiled, same
from resume_programs import PROGRAMS, Log

from segue.capture.bytecode import decode
from segue.capture.bytecode.opcodes import OPCODES
from segue.capture.bytecode.versions import CURRENT, JUMPS
from segue.capture.interp.attempt import Attempt  # noqa: F401  (fills the table)
from segue.capture.interp.frame import HANDLERS

NOT_FOLLOWED = {  # canonical opcodes that end the graph, or that no captured frame comes past
    "CHECK_EG_MATCH": "exception groups run eagerly", "CALL_INTRINSIC_2": "exception groups, type parameters", "CLEANUP_THROW": "a generator thrown into",
    "LOAD_SPECIAL": "3.14, which is read but not run", "END_FOR": "never executed",
    **dict.fromkeys("LOAD_NAME STORE_NAME DELETE_NAME LOAD_LOCALS LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF LOAD_FROM_DICT_OR_GLOBALS".split(), "class bodies"),
    **dict.fromkeys("SETUP_ANNOTATIONS IMPORT_STAR PRINT_EXPR".split(), "modules"),
}  # fmt: skip
NOT_WRITTEN = {"LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "TO_BOOL", "CALL_INTRINSIC_1", "END_SEND"}  # by the compilers of some of the versions
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


OWN = [a_deleted_global, a_positive_number, a_generator_in_a_generator, asynchronous_code]


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def test_each_opcode_is_handled_or_has_a_reason():
    assert not HANDLERS.keys() & NOT_FOLLOWED.keys()
    assert HANDLERS.keys() | NOT_FOLLOWED.keys() == OPCODES.keys()


def test_each_opcode_that_is_handled_stands_in_a_program():
    functions = [*OWN, *(program.function for program in PROGRAMS)]
    seen = {instruction.opcode for function in functions for code in codes(function.__code__) for instruction in decode(code).instructions}
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
