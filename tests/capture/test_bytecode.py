"""Decoding and encoding: what is read is what was written, on real code (the standard library) and on the programs of resume_programs.py."""

from __future__ import annotations

import dis
import sys
import sysconfig
import traceback
import types
from dataclasses import replace
from pathlib import Path

import pytest

from segue.capture.bytecode import NULL, OPCODES, Assembler, InconsistentCode, Instruction, Label, decode, live_names, whole_frame
from segue.capture.bytecode.decode import UnknownOpcode, ranges
from segue.capture.bytecode.encode import Signature, depth_of, encode, labelled
from segue.capture.bytecode.layout import Layout
from segue.capture.bytecode.versions import CURRENT, SUPPORTED

from .resume_programs import PROGRAMS, Log

MODULES = "ast argparse bdb calendar contextlib csv dataclasses difflib enum functools heapq inspect json/decoder statistics turtle typing".split()


def code_objects(code):
    """A code object and all within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def module_code(name):
    path = Path(sysconfig.get_paths()["stdlib"], f"{name}.py")
    if not path.exists():
        pytest.skip(f"this Python has no {name}")
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")


def written_again(code):
    return encode(labelled(decode(code).instructions)[0], Layout.of(code), Signature.of(code))


def comparable(code):
    """The body without offsets, which may move."""
    return [replace(instruction, offset=0) for instruction in decode(code).instructions]


def test_versions_are_the_tested_ones():
    assert (sys.version_info[:2] in ((3, 11), (3, 12), (3, 13))) == SUPPORTED


@pytest.mark.parametrize("name", MODULES)
def test_real_code_survives_decoding_and_encoding(name):
    for code in code_objects(module_code(name)):
        new = written_again(code)
        assert comparable(new) == comparable(code), code
        # One for the keyword names of 3.13; method loads and RETURN_CONST, once split, may take one or two.
        assert code.co_stacksize <= new.co_stacksize <= code.co_stacksize + 3, code
        assert len(ranges(new.co_exceptiontable)) <= len(ranges(code.co_exceptiontable)), code
        for attribute in "varnames cellvars freevars names argcount posonlyargcount kwonlyargcount flags name qualname filename firstlineno".split():
            assert getattr(new, f"co_{attribute}") == getattr(code, f"co_{attribute}")


def test_every_opcode_the_compiler_writes_is_known():
    seen = {dis.opname[op] for name in MODULES for code in code_objects(module_code(name)) for op in code.co_code[::2]}
    unknown = seen - set(CURRENT.readers) - {"CACHE", "EXTENDED_ARG", "KW_NAMES"}
    assert not unknown
    assert len(seen) > 70


def test_decoded_opcodes_are_in_the_table_and_can_be_written():
    for name in MODULES:
        for code in code_objects(module_code(name)):
            for instruction in decode(code).instructions:
                assert instruction.opcode in OPCODES
                assert instruction.opcode in CURRENT.writers or instruction.target is not None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_written_code_does_the_same(program):
    outcomes = []
    for code in (program.function.__code__, written_again(program.function.__code__)):
        log = Log()
        function = types.FunctionType(code, program.function.__globals__, "f", program.function.__defaults__, program.function.__closure__)
        function.__kwdefaults__ = program.function.__kwdefaults__
        arguments, keywords = program.arguments(log)
        try:
            outcomes.append((repr(function(*arguments, **keywords)), log.entries))
        except Exception as exception:
            lines = [frame.lineno for frame in traceback.extract_tb(exception.__traceback__)][1:]
            outcomes.append((repr(exception), lines, log.entries))
    assert outcomes[0] == outcomes[1]


def test_calls_are_the_same_in_every_version():
    def calls(f, x):
        return f(x, *x, key=x.method(1), **x), f(x, key=1), x.method(), len(x)

    found = [instruction for instruction in decode(calls.__code__).instructions if instruction.opcode.startswith("CALL")]
    assert [(instruction.opcode, instruction.argument) for instruction in found] == [
        ("CALL", (1, ())),
        ("CALL_FUNCTION_EX", True),
        ("CALL", (2, ("key",))),
        ("CALL", (0, ())),
        ("CALL", (1, ())),
    ]


def test_jumps_lead_to_instructions():
    def loops(n):
        for i in range(n):
            if i:
                return i
        return None

    body = decode(loops.__code__)
    loop = next(index for index, instruction in enumerate(body.instructions) if instruction.opcode == "FOR_ITER")
    end = body[body[loop].target]
    assert end.opcode == "LOAD_CONST" and end.argument is None
    back = [instruction.target for instruction in body.instructions if instruction.opcode == "JUMP"]
    assert loop in back
    assert f"{loop:>5} FOR_ITER -> {body[loop].target}" in body.listing()


def test_handlers_hang_on_the_instructions_they_cover():
    def guarded(f):
        with f:
            f()

    body = decode(guarded.__code__)
    line = guarded.__code__.co_firstlineno + 2
    call = next(instruction for instruction in body.instructions if instruction.opcode == "CALL" and instruction.line == line)
    assert call.handler is not None and call.handler.lasti and call.handler.depth == 1
    assert body[call.handler.target].opcode == "PUSH_EXC_INFO"
    assert body[body.start].handler is None


def test_far_jumps_and_many_names_take_extended_arguments():
    lines = [f"    if x == {index}: y{index} = x.a{index}" for index in range(600)]
    source = "def f(x):\n" + "\n".join(lines) + "\n    for i in range(3):\n" + "        x += i\n" * 300 + "    return x\n"
    namespace = {}
    exec(source, namespace)
    code = namespace["f"].__code__
    new = written_again(code)
    assert comparable(new) == comparable(code)
    assert types.FunctionType(new, {"range": range})(1000) == 1000 + 300 * 3


def test_a_shared_name_of_local_and_free_variable():
    def outer():
        x = "free"

        def inner():
            return [x for x in range(2)], x  # noqa: C416

        return inner

    inner = outer()
    code = written_again(inner.__code__)
    assert types.FunctionType(code, {"range": range}, "inner", None, inner.__closure__)() == inner()


def test_code_with_two_depths_at_one_place_is_refused():
    label, load = Label(), Instruction("LOAD_CONST", 1)
    items = [load, load, Instruction("POP_JUMP_IF_TRUE", target=label), load, label, Instruction("RETURN_VALUE")]
    with pytest.raises(InconsistentCode, match="(1 or 2|2 or 1) slots"):
        depth_of(items)


@pytest.mark.parametrize(
    "items, message",
    [
        ([Instruction("POP_TOP")], "pops 1 slots of 0"),
        ([Instruction("LOAD_CONST", 1)], "runs off the end"),
        ([Instruction("LOAD_MAGIC", 1)], "not a canonical opcode"),
    ],
)
def test_invalid_code_is_refused(items, message):
    with pytest.raises(InconsistentCode, match=message):
        depth_of(items)


def test_an_unknown_opcode_is_told(monkeypatch):
    monkeypatch.delitem(CURRENT.readers, "BINARY_OP")
    code = compile("a @ b", "unknown", "eval").replace(co_name="unknown_opcode")
    with pytest.raises(UnknownOpcode, match="BINARY_OP"):
        decode(code)


# -- the assembler ---------------------------------------------------------------------------------------------------------------


def assembled(write, arguments=("a", "b"), **globals):
    """The function whose body `write` emits."""
    namespace = {}
    exec(f"def f({', '.join(arguments)}): pass", namespace)
    return types.FunctionType(whole_frame(namespace["f"].__code__, write), globals)


def test_assembled_calls():
    def write(out):
        out.load_global("function")
        out.prepare_call()
        out.load_local("a")
        out.load_local("b")
        out.call(2, ("key",))

    assert assembled(write, function=lambda x, key: (x, key))(1, 2) == (1, 2)


def test_assembled_call_with_containers():
    def write(out):
        out.load_const(dict)
        out.prepare_call()
        out.build_tuple(0)
        out.load_const("k")
        out.load_local("a")
        out.build_map(1)
        out.call_ex(mapping=True)

    assert assembled(write)(1, 2) == {"k": 1}


@pytest.mark.parametrize("value", [0, 1, [], [1]])
def test_assembled_jumps_test_the_truth_of_anything(value):
    def write(out):
        other = Label()
        out.load_local("a")
        out.jump_if(other)
        out.load_const("false")
        out.return_value()
        out.place(other)
        out.load_const("true")

    assert assembled(write)(value, None) == ("true" if value else "false")


def test_assembled_stores_and_containers():
    def write(out):
        for number in (1, 2, 3):
            out.load_const(number)
        out.rotate(3)
        out.build_list(3)
        kept = out.store_temporary()
        out.load_const("stored")
        out.load_temporary(kept)
        out.load_const(0)
        out.store_subscr()
        out.load_temporary(kept)
        out.load_item(-1)
        out.load_local("a")
        out.store_attr("attribute")
        out.load_local("b")
        out.unpack_sequence(2)
        out.build_tuple(2)
        out.move_temporary(kept)
        out.build_tuple(2)

    owner = types.SimpleNamespace()
    assert assembled(write)(owner, "xy") == (("y", "x"), ["stored", 1, 2])
    assert owner.attribute == 2


def test_assembled_function_with_attributes():
    inner = (lambda x, y=1: (x, y)).__code__

    def write(out):
        out.load_const((7,))
        out.make_function(inner, ["defaults"])
        out.prepare_call()
        out.load_local("a")
        out.call(1)

    assert assembled(write)(1, 2) == (1, 7)


def test_assembled_cells():
    def template(a):
        def read():
            return a

        return read

    def write(out):
        out.load_local("a")
        out.load_const(1)
        out.emit("BINARY_OP", "+")
        out.store_local("a")
        out.load_cell("a")

    cell = types.FunctionType(whole_frame(template.__code__, write), {})(41)
    assert cell.cell_contents == 42


def test_an_error_in_the_prologue_shows_the_users_line():
    def template(a):
        return a

    def write(out):
        out.load_const(0)
        out.load_const(0)
        out.emit("BINARY_OP", "/")

    with pytest.raises(ZeroDivisionError) as caught:
        types.FunctionType(whole_frame(template.__code__, write), {})(1)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.name, frame.lineno) == (__file__, "template", template.__code__.co_firstlineno + 1)


def test_constants_are_kept_apart():
    layout = Layout((), (), (), (), (1, 1.0, True))
    assert [layout.constant(value) for value in (1, True)] == [0, 2]
    assert repr(NULL) == "NULL"


# -- liveness ------------------------------------------------------------------------------------------------------------------------


def test_live_names():
    def example(x, y, z):
        t = x * y
        for i in range(3):  # noqa: B007
            t = t + z
            unread = t  # noqa: F841
        return t

    body = decode(example.__code__)

    def live(opcode, argument, which=0):
        places = [index for index, item in enumerate(body.instructions) if (item.opcode, item.argument) == (opcode, argument)]
        return live_names(example.__code__, places[which] + 1)

    assert live("STORE_FAST", "t") == {"t", "z"}
    assert live("STORE_FAST", "unread") == {"t", "z"}
    assert live_names(example.__code__, body.start) == {"x", "y", "z"}


def test_everything_lives_where_the_frame_is_looked_at():
    def example(x):
        y = x
        return locals()

    assert live_names(example.__code__, len(decode(example.__code__)) - 1) == {"x", "y"}


def test_a_handler_keeps_what_it_reads():
    def example(f, x):
        y = 1
        try:
            f()
            y = 2
        except ValueError:
            return x, y
        return None

    body = decode(example.__code__)
    call = next(index for index, item in enumerate(body.instructions) if item.opcode == "CALL")
    assert live_names(example.__code__, call) == {"x", "y"}


def test_assembler_lists_what_it_needs():
    out = Assembler((lambda a: a).__code__)
    assert [out.temporary(), out.temporary()] == ["segue.0", "segue.1"]
