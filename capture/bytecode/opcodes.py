"""The canonical instruction set: every opcode that a decoded function may hold, with its stack effect and meaning.

Nothing comes in; the table `OPCODES` goes out, which the symbolic interpreter keys its handlers by. The one idea: what CPython versions say
differently is said here once. Superinstructions are split; a method load is LOAD_ATTR and PUSH_NULL; keyword names are an argument of CALL;
jumps have an absolute target; the flag "as bool" of a comparison is a TO_BOOL behind it; constants are the objects themselves.

The stack is CPython's, slot for slot (only so can a break rebuild it), with NULL as a slot of its own. Calls: two slots lie below the arguments,
`a` and `b`. One of them is NULL and the other is the callable (NULL first up to 3.12, last since 3.13), or `a` is the callable and `b` its first
argument. Decoded code never holds the last form, but user stacks rebuilt by others may.

Local slots hold what CPython's frame holds: an object, a cell (for names in `co_cellvars`, once MAKE_CELL has run), or nothing. LOAD_FAST and
STORE_FAST see the slot itself, *_DEREF see what is in the cell. A name in `co_freevars` may also stand in `co_varnames` (inlined
comprehensions): *_DEREF and LOAD_CLOSURE then mean the free variable, *_FAST the local slot.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Effect = tuple[int, int]


@dataclass(frozen=True)
class Opcode:
    """One canonical opcode. `argument` says what Instruction.argument is; `effect(argument)` is (slots popped, slots pushed) on falling through."""

    name: str
    argument: str
    meaning: str
    effect: Callable[[Any], Effect]
    jump_effect: Effect | None = None  # slots popped and pushed when it jumps
    ends: bool = False  # execution never falls through


OPCODES: dict[str, Opcode] = {}


def define(
    name: str, effect: Effect | Callable[[Any], Effect], meaning: str, argument: str = "", jump: Effect | None = None, ends: bool = False
) -> None:
    """Enter one row. An effect that does not depend on the argument is a plain pair."""
    pair = effect
    OPCODES[name] = Opcode(name, argument, meaning, pair if callable(pair) else lambda argument: pair, jump, ends)


# -- constants, locals, globals, cells ------------------------------------------------------------------------------------
define("LOAD_CONST", (0, 1), "push the object", "the object itself (also from RETURN_CONST, LOAD_SMALL_INT, LOAD_ASSERTION_ERROR ...)")
define("LOAD_FAST", (0, 1), "push the slot; UnboundLocalError when it is empty", "name")
define("LOAD_FAST_CHECK", (0, 1), "as LOAD_FAST (the compiler could not prove that the slot is bound)", "name")
define("LOAD_FAST_AND_CLEAR", (0, 1), "push the slot, NULL when it is empty, and empty it (inlined comprehensions)", "name")
define("STORE_FAST", (1, 0), "slot := top; a NULL on the top empties the slot", "name")
define("DELETE_FAST", (0, 0), "empty the slot; UnboundLocalError when it is empty", "name")
define("LOAD_CLOSURE", (0, 1), "push the cell itself, of a cell or free variable", "name")
define("LOAD_DEREF", (0, 1), "push what is in the cell; NameError when it is empty", "name")
define("STORE_DEREF", (1, 0), "cell contents := top", "name")
define("DELETE_DEREF", (0, 0), "empty the cell; NameError when it is empty", "name")
define("MAKE_CELL", (0, 0), "slot := a new cell that holds what was in the slot, perhaps nothing", "name")
define("COPY_FREE_VARS", (0, 0), "the function's closure cells become the free variables (first instruction)", "number of free variables")
define("LOAD_GLOBAL", (0, 1), "push the global or builtin; NameError", "name")
define("STORE_GLOBAL", (1, 0), "global := top", "name")
define("DELETE_GLOBAL", (0, 0), "delete the global", "name")

# -- stack ---------------------------------------------------------------------------------------------------------------
define("NOP", (0, 0), "nothing")
define("RESUME", (0, 0), "nothing (start of a function, return from yield)", "number as in CPython")
define("POP_TOP", (1, 0), "drop the top")
define("PUSH_NULL", (0, 1), "push NULL")
define("COPY", lambda n: (n, n + 1), "push the n-th slot from the top (1 is the top)", "n")
define("SWAP", lambda n: (n, n), "exchange the top and the n-th slot", "n")

# -- operators -----------------------------------------------------------------------------------------------------------
define("UNARY_NEGATIVE", (1, 1), "-x")
define("UNARY_POSITIVE", (1, 1), "+x")
define("UNARY_INVERT", (1, 1), "~x")
define("UNARY_NOT", (1, 1), "not x")
define("TO_BOOL", (1, 1), "bool(x)")
define("BINARY_OP", (2, 1), "x op y", "symbol: '+', '@', ... or with '=' for the in-place form: '+='")
define("COMPARE_OP", (2, 1), "x op y; the result need not be a bool", "'<' '<=' '==' '!=' '>' '>='")
define("IS_OP", (2, 1), "x is y", "True for `is not`")
define("CONTAINS_OP", (2, 1), "x in y: the container is the top", "True for `not in`")
define("BINARY_SUBSCR", (2, 1), "[container, key] -> container[key]")
define("STORE_SUBSCR", (3, 0), "[value, container, key]: container[key] = value")
define("DELETE_SUBSCR", (2, 0), "[container, key]: del container[key]")
define("LOAD_ATTR", (1, 1), "x.name (also for methods: PUSH_NULL follows)", "name")
define("LOAD_SUPER_ATTR", (3, 1), "[super, class, self] -> super(class, self).name", "(name, True when super had arguments in the source)")
define("STORE_ATTR", (2, 0), "[value, owner]: owner.name = value", "name")
define("DELETE_ATTR", (1, 0), "[owner]: del owner.name", "name")

# -- containers ------------------------------------------------------------------------------------------------------------
define("BUILD_TUPLE", lambda n: (n, 1), "n slots -> tuple", "n")
define("BUILD_LIST", lambda n: (n, 1), "n slots -> list", "n")
define("BUILD_SET", lambda n: (n, 1), "n slots -> set", "n")
define("BUILD_MAP", lambda n: (2 * n, 1), "[key, value] n times -> dict", "n")
define("BUILD_CONST_KEY_MAP", lambda n: (n + 1, 1), "[n values, tuple of keys] -> dict", "n")
define("BUILD_STRING", lambda n: (n, 1), "n strings -> their concatenation", "n")
define("BUILD_SLICE", lambda n: (n, 1), "[start, stop] or [start, stop, step] -> slice", "2 or 3")
define("LIST_APPEND", lambda n: (n + 1, n), "pop a value and append it to the list that is then the n-th slot", "n")
define("SET_ADD", lambda n: (n + 1, n), "pop a value and add it to the set that is then the n-th slot", "n")
define("MAP_ADD", lambda n: (n + 2, n), "pop value, then key; store in the dict that is then the n-th slot", "n")
define("LIST_EXTEND", lambda n: (n + 1, n), "pop an iterable and extend the list that is then the n-th slot", "n")
define("SET_UPDATE", lambda n: (n + 1, n), "pop an iterable and update the set that is then the n-th slot", "n")
define("DICT_UPDATE", lambda n: (n + 1, n), "pop a mapping and update the dict that is then the n-th slot", "n")
define("DICT_MERGE", lambda n: (n + 1, n), "as DICT_UPDATE, for the ** of a call: TypeError on a repeated key (the callable lies below)", "n")
define("LIST_TO_TUPLE", (1, 1), "tuple(list)")
define("UNPACK_SEQUENCE", lambda n: (1, n), "n items of an iterable, the first one on the top; ValueError", "n")
define("UNPACK_EX", lambda pair: (1, pair[0] + 1 + pair[1]), "a, *b, c = x: first item on the top", "(items before the star, items after)")
define("GET_LEN", (1, 2), "[x] -> [x, len(x)]")

# -- strings ---------------------------------------------------------------------------------------------------------------
define("CONVERT_VALUE", (1, 1), "!s, !r, !a of an f-string", "'str' 'repr' 'ascii'")
define(
    "FORMAT_VALUE",
    lambda pair: (2 if pair[1] else 1, 1),
    "[x] or [x, spec] -> format(convert(x), spec)",
    "(None | 'str' | 'repr' | 'ascii', has spec)",
)

define("BUILD_TEMPLATE", (2, 1), "[tuple of strings, tuple of interpolations] -> template string (3.14)")
define(
    "BUILD_INTERPOLATION",
    lambda pair: (3 if pair[1] else 2, 1),
    "[x, its text] or [x, its text, spec] -> interpolation of a template string (3.14)",
    "(None | 'str' | 'repr' | 'ascii', has spec)",
)

# -- jumps -----------------------------------------------------------------------------------------------------------------
define("JUMP", (0, 0), "go to the target (backward or forward)", jump=(0, 0), ends=True)
define("POP_JUMP_IF_TRUE", (1, 0), "pop x; jump when bool(x)", jump=(1, 0))
define("POP_JUMP_IF_FALSE", (1, 0), "pop x; jump when not bool(x)", jump=(1, 0))
define("POP_JUMP_IF_NONE", (1, 0), "pop x; jump when x is None", jump=(1, 0))
define("POP_JUMP_IF_NOT_NONE", (1, 0), "pop x; jump when x is not None", jump=(1, 0))
define("GET_ITER", (1, 1), "iter(x)")
define("FOR_ITER", (1, 2), "[iterator] -> [iterator, next item]; at the end pop the iterator and jump", jump=(1, 0))
define("END_FOR", (2, 0), "never executed: it stands before the target of a FOR_ITER, which continues behind it")
define("RETURN_VALUE", (1, 0), "return the top", ends=True)

# -- calls and functions -----------------------------------------------------------------------------------------------------
define(
    "CALL",
    lambda pair: (pair[0] + 2, 1),
    "[a, b, arguments ...] -> result; the last len(keywords) arguments are by keyword",
    "(number of arguments, keyword names)",
)
define(
    "CALL_FUNCTION_EX",
    lambda mapping: (4 if mapping else 3, 1),
    "[a, b, iterable] or [a, b, iterable, mapping] -> callable(*iterable, **mapping)",
    "True with a mapping",
)
define(
    "MAKE_FUNCTION",
    lambda names: (1 + len(names), 1),
    "[attributes ..., code] -> function (up to 3.12; later the attributes follow by SET_FUNCTION_ATTRIBUTE)",
    "attributes in stack order, of 'defaults' (tuple), 'kwdefaults' (dict), 'annotations' (tuple of name, value ...), 'closure' (tuple of cells)",
)
define("SET_FUNCTION_ATTRIBUTE", (2, 1), "[value, function] -> [function]", "'defaults' 'kwdefaults' 'annotations' 'closure' ('annotate' in 3.14)")
define("IMPORT_NAME", (2, 1), "[level, fromlist] -> module", "name")
define("IMPORT_FROM", (1, 2), "[module] -> [module, module.name]", "name")
define("LOAD_BUILD_CLASS", (0, 1), "push builtins.__build_class__")

# -- exceptions and with -------------------------------------------------------------------------------------------------------
define("RAISE_VARARGS", lambda n: (n, 0), "raise (0), raise exception (1), raise exception from cause (2)", "0, 1 or 2", ends=True)
define(
    "RERAISE",
    lambda n: (n + 1, 0),
    "raise the popped exception again, without a traceback line; n: the n-th slot below it holds the offset where it was raised first",
    "0, 1 or 2",
    ends=True,
)
define("PUSH_EXC_INFO", (1, 2), "[exception] -> [previous, exception]; the exception becomes the one that is handled")
define("POP_EXCEPT", (1, 0), "pop `previous`; it becomes the one that is handled again")
define("CHECK_EXC_MATCH", (2, 2), "[exception, class or tuple] -> [exception, bool]")
define("CHECK_EG_MATCH", (2, 2), "[exception group, class] -> [rest or None, match or None]")
define("BEFORE_WITH", (1, 2), "[manager] -> [bound __exit__, result of __enter__()]")
define("LOAD_SPECIAL", (1, 2), "[x] -> the two slots that call a special method of x (3.14, in place of BEFORE_WITH)", "'__enter__' '__exit__' ...")
define(
    "WITH_EXCEPT_START",
    (4, 5) if sys.version_info < (3, 14) else (5, 6),
    "[exit, offset, previous, exception] -> the same, and exit(type, value, traceback) (3.14: [exit, self, ...])",
)

# -- match ---------------------------------------------------------------------------------------------------------------------
define("MATCH_CLASS", (3, 1), "[subject, class, names of attributes] -> tuple of attributes or None", "number of positional patterns")
define("MATCH_MAPPING", (1, 2), "[x] -> [x, is a mapping]")
define("MATCH_SEQUENCE", (1, 2), "[x] -> [x, is a sequence]")
define("MATCH_KEYS", (2, 3), "[x, keys] -> [x, keys, tuple of values or None]")

# -- rare helpers of the interpreter ---------------------------------------------------------------------------------------------
define("CALL_INTRINSIC_1", (1, 1), "[x] -> result", "name as in CPython, e.g. 'INTRINSIC_STOPITERATION_ERROR'")
define("CALL_INTRINSIC_2", (2, 1), "[x, y] -> result", "name as in CPython, e.g. 'INTRINSIC_PREP_RERAISE_STAR'")

# -- generators and coroutines (frames that the hook passes by; generators may be inlined) ------------------------------------------
define("RETURN_GENERATOR", (0, 1), "return a generator for this frame; when it starts, it pushes a value that POP_TOP drops")
define("YIELD_VALUE", (1, 1), "yield the top; push what is sent", "number as in CPython")
define(
    "SEND",
    (2, 2),
    "[receiver, value] -> [receiver, yielded]; when the receiver returns: [receiver, result] and jump (3.11: [result])",
    jump=(2, 1 if sys.version_info < (3, 12) else 2),
)
define("END_SEND", (2, 1), "[receiver, result] -> [result]")
define("GET_YIELD_FROM_ITER", (1, 1), "iter(x) unless x is a generator or coroutine")
define("CLEANUP_THROW", (3, 2), "[receiver, last value, exception] -> [None, result], or raise")
define("GET_AWAITABLE", (1, 1), "the awaitable's iterator", "number as in CPython")
define("GET_AITER", (1, 1), "x.__aiter__()")
define("GET_ANEXT", (1, 2), "[x] -> [x, awaitable of x.__anext__()]")
define("END_ASYNC_FOR", (2, 0), "[iterator, exception]: drop both on StopAsyncIteration, else raise")
define("BEFORE_ASYNC_WITH", (1, 2), "[manager] -> [bound __aexit__, __aenter__()]")

# -- class bodies and annotation scopes (never captured; decoded so that a listing is complete) ---------------------------------------
define("LOAD_NAME", (0, 1), "push the local, global or builtin", "name")
define("STORE_NAME", (1, 0), "local := top", "name")
define("DELETE_NAME", (0, 0), "delete the local", "name")
define("LOAD_LOCALS", (0, 1), "push the namespace")
define("LOAD_CLASSDEREF", (0, 1), "the name in the namespace, else in the cell", "name")
define("LOAD_FROM_DICT_OR_DEREF", (1, 1), "[mapping] -> mapping[name], else the cell's", "name")
define("LOAD_FROM_DICT_OR_GLOBALS", (1, 1), "[mapping] -> mapping[name], else the global's", "name")
define("SETUP_ANNOTATIONS", (0, 0), "make __annotations__ in the namespace")
define("IMPORT_STAR", (1, 0), "from module import *")
define("PRINT_EXPR", (1, 0), "print the value in interactive mode")
