"""What each CPython version calls things: tables from real opcodes to canonical instructions and back.

In comes a real opcode with its number, out go canonical (opcode, argument) pairs; and the other way round. The one idea: most opcodes differ in
nothing but how the number is read, so one table of kinds serves all versions in both directions, and a version adds only the rows in which it is
special. Nothing outside this file asks for the version of Python.
"""

from __future__ import annotations

import opcode as real
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .layout import Layout

Canonical = tuple[str, Any]
Raw = tuple[str, int]
Reader = Callable[[int, Layout], list[Canonical]]
Writer = Callable[[Any, Layout], list[Raw]]

COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")
COMPARISON_MASKS = {"<": 2, "<=": 10, "==": 8, "!=": 7, ">": 4, ">=": 12}  # the low bits that specialised comparisons test (3.12 on)
CONVERSIONS = (None, "str", "repr", "ascii")
ATTRIBUTES = {"defaults": 1, "kwdefaults": 2, "annotations": 4, "closure": 8, "annotate": 16}
SYMBOLS = [symbol for _, symbol, *_ in real._nb_ops]  # type: ignore[attr-defined]  # of BINARY_OP
SUBSCRIPT = SYMBOLS.index("[]") if "[]" in SYMBOLS else -1  # 3.14

# How the number of an opcode is read and written, by kind.
KINDS: dict[str, tuple[Callable[[int, Layout], Any], Callable[[Any, Layout], int]]] = {
    "plain": (lambda number, layout: None, lambda argument, layout: 0),
    "number": (lambda number, layout: number, lambda argument, layout: argument),
    "flag": (lambda number, layout: bool(number), lambda argument, layout: int(argument)),
    "slot": (lambda number, layout: layout.slots[number], lambda argument, layout: layout.slot(argument)),
    "cell": (lambda number, layout: layout.slots[number], lambda argument, layout: layout.cell(argument)),
    "name": (lambda number, layout: layout.names[number], lambda argument, layout: layout.name(argument)),
    "constant": (lambda number, layout: layout.constants[number], lambda argument, layout: layout.constant(argument)),
    "symbol": (lambda number, layout: SYMBOLS[number], lambda argument, layout: SYMBOLS.index(argument)),
}

# Opcodes that are called the same and mean the same wherever they exist.
SAME = {
    "plain": """NOP POP_TOP PUSH_NULL UNARY_NEGATIVE UNARY_POSITIVE UNARY_INVERT UNARY_NOT TO_BOOL BINARY_SUBSCR STORE_SUBSCR DELETE_SUBSCR
        LIST_TO_TUPLE GET_LEN GET_ITER RETURN_VALUE LOAD_BUILD_CLASS PUSH_EXC_INFO POP_EXCEPT CHECK_EXC_MATCH CHECK_EG_MATCH BEFORE_WITH
        WITH_EXCEPT_START MATCH_MAPPING MATCH_SEQUENCE MATCH_KEYS RETURN_GENERATOR END_SEND GET_YIELD_FROM_ITER CLEANUP_THROW GET_AITER GET_ANEXT
        END_ASYNC_FOR BEFORE_ASYNC_WITH LOAD_LOCALS SETUP_ANNOTATIONS IMPORT_STAR PRINT_EXPR BUILD_TEMPLATE""",
    "number": """RESUME COPY SWAP BUILD_TUPLE BUILD_LIST BUILD_SET BUILD_MAP BUILD_CONST_KEY_MAP BUILD_STRING BUILD_SLICE LIST_APPEND SET_ADD
        MAP_ADD LIST_EXTEND SET_UPDATE DICT_UPDATE DICT_MERGE UNPACK_SEQUENCE RAISE_VARARGS RERAISE MATCH_CLASS COPY_FREE_VARS YIELD_VALUE
        GET_AWAITABLE""",
    "flag": "IS_OP CONTAINS_OP CALL_FUNCTION_EX",
    "slot": "LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_AND_CLEAR STORE_FAST DELETE_FAST MAKE_CELL",
    "cell": "LOAD_CLOSURE LOAD_DEREF STORE_DEREF DELETE_DEREF LOAD_CLASSDEREF LOAD_FROM_DICT_OR_DEREF",
    "name": """STORE_GLOBAL DELETE_GLOBAL STORE_ATTR DELETE_ATTR IMPORT_NAME IMPORT_FROM LOAD_NAME STORE_NAME DELETE_NAME
        LOAD_FROM_DICT_OR_GLOBALS""",
    "constant": "LOAD_CONST",
    "symbol": "BINARY_OP",
}
JUMPS = ("JUMP", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE", "FOR_ITER", "SEND")


@dataclass
class Version:
    """The tables of one CPython version."""

    null_first: bool  # of the two slots below the arguments of a call, is NULL the lower one
    wants_bool: bool = "TO_BOOL" in real.opmap  # conditional jumps take nothing but True and False
    readers: dict[str, Reader] = field(default_factory=dict)
    writers: dict[str, Writer] = field(default_factory=dict)
    jumps: dict[tuple[str, bool], str] = field(default_factory=dict)  # (canonical, backward) -> real opcode

    def null(self, push: list[Canonical]) -> list[Canonical]:
        """`push` puts a callable on the stack; with the NULL beside it where this version wants it."""
        return [("PUSH_NULL", None), *push] if self.null_first else [*push, ("PUSH_NULL", None)]

    def null_beside(self) -> list[Canonical]:
        """The same when the callable is on the stack already."""
        return [("PUSH_NULL", None), ("SWAP", 2)] if self.null_first else [("PUSH_NULL", None)]


def row(name: str, kind: str) -> tuple[Reader, Writer]:
    """Reader and writer of an opcode that is called the same here and there."""
    read, write = KINDS[kind]
    return lambda number, layout: [(name, read(number, layout))], lambda argument, layout: [(name, write(argument, layout))]


def common(version: Version) -> Version:
    """Enter what all versions share."""
    for kind, names in SAME.items():
        for name in names.split():
            reader, version.writers[name] = row(name, kind)
            if name in real.opmap:
                version.readers[name] = reader
    for name in JUMPS:
        version.jumps[name, False] = name
        version.readers[name] = row(name, "plain")[0]
    for raw in ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"):
        version.readers[raw] = row("JUMP", "plain")[0]
    version.jumps["JUMP", False] = "JUMP_FORWARD"
    version.jumps["JUMP", True] = "JUMP_BACKWARD"

    version.readers |= {
        "LOAD_GLOBAL": lambda number, layout: (
            version.null([("LOAD_GLOBAL", layout.names[number >> 1])]) if number & 1 else [("LOAD_GLOBAL", layout.names[number >> 1])]
        ),
        "LOAD_ASSERTION_ERROR": lambda number, layout: [("LOAD_CONST", AssertionError)],
        "UNPACK_EX": lambda number, layout: [("UNPACK_EX", (number & 255, number >> 8))],
        "CALL": lambda number, layout: [("CALL", (number, ()))],
        "END_FOR": lambda number, layout: [("END_FOR", None)],
        "MAKE_FUNCTION": lambda number, layout: [("MAKE_FUNCTION", tuple(name for name, bit in ATTRIBUTES.items() if number & bit))],
        "FORMAT_VALUE": lambda number, layout: [("FORMAT_VALUE", (CONVERSIONS[number & 3], bool(number & 4)))],
    }
    version.writers |= {
        "LOAD_GLOBAL": lambda name, layout: [("LOAD_GLOBAL", layout.name(name) << 1)],
        "UNPACK_EX": lambda pair, layout: [("UNPACK_EX", pair[0] + (pair[1] << 8))],
        "MAKE_FUNCTION": lambda names, layout: [("MAKE_FUNCTION", sum(ATTRIBUTES[name] for name in names))],
        "FORMAT_VALUE": lambda pair, layout: [("FORMAT_VALUE", CONVERSIONS.index(pair[0]) + 4 * pair[1])],
    }
    return version


def version_311() -> Version:
    """CPython 3.11: PRECALL, LOAD_METHOD, conditional jumps in both directions, JUMP_IF_x_OR_POP."""
    version = common(Version(null_first=True))
    version.readers |= {
        "PRECALL": lambda number, layout: [],
        "LOAD_ATTR": lambda number, layout: [("LOAD_ATTR", layout.names[number])],
        "LOAD_METHOD": lambda number, layout: [("LOAD_ATTR", layout.names[number]), *version.null_beside()],
        "COMPARE_OP": lambda number, layout: [("COMPARE_OP", COMPARISONS[number])],
        "PREP_RERAISE_STAR": lambda number, layout: [("CALL_INTRINSIC_2", "INTRINSIC_PREP_RERAISE_STAR")],
        "ASYNC_GEN_WRAP": lambda number, layout: [("CALL_INTRINSIC_1", "INTRINSIC_ASYNC_GEN_WRAP")],
        "JUMP_IF_TRUE_OR_POP": lambda number, layout: [("COPY", 1), ("POP_JUMP_IF_TRUE", None), ("POP_TOP", None)],
        "JUMP_IF_FALSE_OR_POP": lambda number, layout: [("COPY", 1), ("POP_JUMP_IF_FALSE", None), ("POP_TOP", None)],
    }
    version.writers |= {
        "LOAD_ATTR": lambda name, layout: [("LOAD_ATTR", layout.name(name))],
        "COMPARE_OP": lambda symbol, layout: [("COMPARE_OP", COMPARISONS.index(symbol))],
        "CALL": lambda pair, layout: [*keyword_names(pair[1], layout), ("PRECALL", pair[0]), ("CALL", pair[0])],
        "CALL_INTRINSIC_1": lambda name, layout: [(name.removeprefix("INTRINSIC_"), 0)],
        "CALL_INTRINSIC_2": lambda name, layout: [(name.removeprefix("INTRINSIC_"), 0)],
        "LOAD_FAST_CHECK": version.writers["LOAD_FAST"],  # every load checks
        "END_FOR": lambda argument, layout: [],
    }
    for condition in ("TRUE", "FALSE", "NONE", "NOT_NONE"):
        for word, backward in (("FORWARD", False), ("BACKWARD", True)):
            version.jumps[f"POP_JUMP_IF_{condition}", backward] = f"POP_JUMP_{word}_IF_{condition}"
            version.readers[f"POP_JUMP_{word}_IF_{condition}"] = version.readers[f"POP_JUMP_IF_{condition}"]
    return version


def keyword_names(names: tuple[str, ...], layout: Layout) -> list[Raw]:
    """The instruction that tells a CALL its keywords (up to 3.12)."""
    return [("KW_NAMES", layout.constant(names))] if names else []


def intrinsics(version: Version) -> Version:
    """3.12 on: helpers of the interpreter that were opcodes before."""
    one: list[str] = real._intrinsic_1_descs  # type: ignore[attr-defined]
    two: list[str] = real._intrinsic_2_descs  # type: ignore[attr-defined]
    opcodes = {"INTRINSIC_UNARY_POSITIVE": "UNARY_POSITIVE", "INTRINSIC_LIST_TO_TUPLE": "LIST_TO_TUPLE"}
    version.readers |= {
        "CALL_INTRINSIC_1": lambda number, layout: [(opcodes[one[number]], None) if one[number] in opcodes else ("CALL_INTRINSIC_1", one[number])],
        "CALL_INTRINSIC_2": lambda number, layout: [("CALL_INTRINSIC_2", two[number])],
    }
    version.writers |= {
        "UNARY_POSITIVE": lambda argument, layout: [("CALL_INTRINSIC_1", one.index("INTRINSIC_UNARY_POSITIVE"))],
        "LIST_TO_TUPLE": lambda argument, layout: [("CALL_INTRINSIC_1", one.index("INTRINSIC_LIST_TO_TUPLE"))],
        "CALL_INTRINSIC_1": lambda name, layout: [("CALL_INTRINSIC_1", one.index(name))],
        "CALL_INTRINSIC_2": lambda name, layout: [("CALL_INTRINSIC_2", two.index(name))],
    }
    return version


def attribute(version: Version) -> Version:
    """3.12 on: LOAD_ATTR and LOAD_SUPER_ATTR with a flag for methods; slices and constants in one instruction."""

    def load_super(number: int, layout: Layout) -> list[Canonical]:
        load = ("LOAD_SUPER_ATTR", (layout.names[number >> 2], bool(number & 2)))
        return [load, *version.null_beside()] if number & 1 else [load]

    version.readers |= {
        "LOAD_ATTR": lambda number, layout: [("LOAD_ATTR", layout.names[number >> 1]), *(version.null_beside() if number & 1 else [])],
        "LOAD_SUPER_ATTR": load_super,
        "BINARY_SLICE": lambda number, layout: [("BUILD_SLICE", 2), ("BINARY_SUBSCR", None)],
        "STORE_SLICE": lambda number, layout: [("BUILD_SLICE", 2), ("STORE_SUBSCR", None)],
        "RETURN_CONST": lambda number, layout: [("LOAD_CONST", layout.constants[number]), ("RETURN_VALUE", None)],
    }
    version.writers |= {
        "LOAD_ATTR": lambda name, layout: [("LOAD_ATTR", layout.name(name) << 1)],
        "LOAD_SUPER_ATTR": lambda pair, layout: [("LOAD_SUPER_ATTR", (layout.name(pair[0]) << 2) + 2 * pair[1])],
    }
    return version


def version_312() -> Version:
    """CPython 3.12: END_FOR, intrinsics, comprehensions inlined."""
    version = attribute(intrinsics(common(Version(null_first=True))))
    version.readers |= {
        "COMPARE_OP": lambda number, layout: [("COMPARE_OP", COMPARISONS[number >> 4])],
    }
    version.writers |= {
        "COMPARE_OP": lambda symbol, layout: [("COMPARE_OP", (COMPARISONS.index(symbol) << 4) + COMPARISON_MASKS[symbol])],
        "CALL": lambda pair, layout: [*keyword_names(pair[1], layout), ("CALL", pair[0])],
        "END_FOR": lambda argument, layout: [("END_FOR", 0)],
    }
    return version


def pairs(first: str, second: str) -> Reader:
    """A superinstruction on two local slots."""
    return lambda number, layout: [(first, layout.slots[number >> 4]), (second, layout.slots[number & 15])]


def version_313() -> Version:
    """CPython 3.13: NULL above the callable, CALL_KW, superinstructions in the file format, TO_BOOL, SET_FUNCTION_ATTRIBUTE."""
    version = attribute(intrinsics(common(Version(null_first=False))))
    names = {bit: name for name, bit in ATTRIBUTES.items()}
    version.readers |= {
        "LOAD_FAST": lambda number, layout: [("LOAD_FAST" if number < len(layout.varnames) else "LOAD_CLOSURE", layout.slots[number])],
        "LOAD_FAST_LOAD_FAST": pairs("LOAD_FAST", "LOAD_FAST"),
        "STORE_FAST_LOAD_FAST": pairs("STORE_FAST", "LOAD_FAST"),
        "STORE_FAST_STORE_FAST": pairs("STORE_FAST", "STORE_FAST"),
        "COMPARE_OP": lambda number, layout: [("COMPARE_OP", COMPARISONS[number >> 5]), *([("TO_BOOL", None)] if number & 16 else [])],
        "SET_FUNCTION_ATTRIBUTE": lambda number, layout: [("SET_FUNCTION_ATTRIBUTE", names[number])],
        "CONVERT_VALUE": lambda number, layout: [("CONVERT_VALUE", CONVERSIONS[number])],
        "FORMAT_SIMPLE": lambda number, layout: [("FORMAT_VALUE", (None, False))],
        "FORMAT_WITH_SPEC": lambda number, layout: [("FORMAT_VALUE", (None, True))],
        "CALL_KW": lambda number, layout: [("CALL_KW", number)],  # decode.py joins it with the constant before it
    }
    version.writers |= {
        "LOAD_CLOSURE": lambda name, layout: [("LOAD_FAST", layout.cell(name))],
        "COMPARE_OP": lambda symbol, layout: [("COMPARE_OP", (COMPARISONS.index(symbol) << 5) + COMPARISON_MASKS[symbol])],
        "CALL": lambda pair, layout: [("LOAD_CONST", layout.constant(pair[1])), ("CALL_KW", pair[0])] if pair[1] else [("CALL", pair[0])],
        "MAKE_FUNCTION": lambda given, layout: [("MAKE_FUNCTION", 0), *(("SET_FUNCTION_ATTRIBUTE", ATTRIBUTES[name]) for name in reversed(given))],
        "SET_FUNCTION_ATTRIBUTE": lambda name, layout: [("SET_FUNCTION_ATTRIBUTE", ATTRIBUTES[name])],
        "CONVERT_VALUE": lambda name, layout: [("CONVERT_VALUE", CONVERSIONS.index(name))],
        "FORMAT_VALUE": lambda pair, layout: [
            *([("CONVERT_VALUE", CONVERSIONS.index(pair[0]))] if pair[0] and not pair[1] else []),
            ("FORMAT_WITH_SPEC" if pair[1] else "FORMAT_SIMPLE", 0),
        ],
        "END_FOR": lambda argument, layout: [("END_FOR", 0), ("POP_TOP", 0)],
    }
    return version


def version_314() -> Version:
    """CPython 3.14: borrowed loads, small integers, LOAD_SPECIAL, BINARY_OP for items. Written from its documentation, never run."""
    version = version_313()
    special = ("__enter__", "__exit__", "__aenter__", "__aexit__")
    common_constants = (AssertionError, NotImplementedError, tuple, all, any)
    version.readers |= {
        "LOAD_FAST_BORROW": version.readers["LOAD_FAST"],
        "LOAD_FAST_BORROW_LOAD_FAST_BORROW": pairs("LOAD_FAST", "LOAD_FAST"),
        "LOAD_SMALL_INT": lambda number, layout: [("LOAD_CONST", number)],
        "LOAD_COMMON_CONSTANT": lambda number, layout: [("LOAD_CONST", common_constants[number])],
        "LOAD_SPECIAL": lambda number, layout: [("LOAD_SPECIAL", special[number])],
        "NOT_TAKEN": lambda number, layout: [("NOP", None)],
        "POP_ITER": lambda number, layout: [("POP_TOP", None)],
        "BINARY_OP": lambda number, layout: [("BINARY_SUBSCR", None) if number == SUBSCRIPT else ("BINARY_OP", SYMBOLS[number])],
        "CALL_FUNCTION_EX": lambda number, layout: [("CALL_FUNCTION_EX", True)],  # without a mapping there is a NULL
        "BUILD_INTERPOLATION": lambda number, layout: [("BUILD_INTERPOLATION", (CONVERSIONS[number >> 2], bool(number & 1)))],
    }
    version.writers |= {
        "LOAD_SPECIAL": lambda name, layout: [("LOAD_SPECIAL", special.index(name))],
        "BINARY_SUBSCR": lambda argument, layout: [("BINARY_OP", SUBSCRIPT)],
        "BUILD_INTERPOLATION": lambda pair, layout: [("BUILD_INTERPOLATION", (CONVERSIONS.index(pair[0]) << 2) + pair[1])],
        "CALL_FUNCTION_EX": lambda mapping, layout: [*([] if mapping else [("PUSH_NULL", 0)]), ("CALL_FUNCTION_EX", 0)],
        "END_FOR": lambda argument, layout: [("END_FOR", 0), ("POP_ITER", 0)],
    }
    return version


VERSIONS = {(3, 11): version_311, (3, 12): version_312, (3, 13): version_313, (3, 14): version_314}
SUPPORTED = (3, 11) <= sys.version_info[:2] <= (3, 13)  # the versions that the tests run on
CURRENT = VERSIONS.get(sys.version_info[:2], version_311)()
