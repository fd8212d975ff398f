"""Assembler: writes code that runs in the frame of a given function, one canonical instruction after the other.

In come calls of its methods (from values that rebuild themselves, sources that reload, side effects that are replayed), out goes a list of
instructions, and with `finish` a code object with the parameters and slots of the function it was made for, and temporaries behind them. The one
idea: an emitter never asks for the version of Python; what differs (where NULL goes, whether a condition must be a bool) is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType
from typing import Any

from .encode import Item, Signature, encode
from .instruction import Handler, Instruction, Label, Positions
from .layout import Layout
from .versions import CURRENT

Emit = Callable[["Assembler"], None]


class Assembler:
    """Instructions for a frame of `code`. Everything emitted gets the current `positions` and `handler`."""

    def __init__(self, code: CodeType, positions: Positions = (None, None, None, None), handler: Handler | None = None) -> None:
        self.code = code
        self.positions = positions
        self.handler = handler
        self.items: list[Item] = []
        self.temporaries: list[str] = []
        self.again = Label("again")  # the frame's own code, from its beginning
        self.goes_again = False  # whether that code must stand behind what is emitted

    # -- anything ------------------------------------------------------------------------------------------------------

    def emit(self, opcode: str, argument: Any = None, target: Label | None = None) -> None:
        """One canonical instruction (see OPCODES)."""
        self.items.append(Instruction(opcode, argument, target, self.handler, self.positions))

    def append(self, *items: Item) -> None:
        """Instructions and labels as they are, with their own positions and handlers."""
        self.items += items

    def place(self, label: Label) -> None:
        """The label stands for what is emitted next."""
        self.items.append(label)

    def finish(self, signature: Signature | None = None) -> CodeType:
        """The code object: as `code`, with these instructions and the temporaries as further local variables."""
        layout = Layout.of(self.code, (*self.code.co_varnames, *self.temporaries))
        return encode(self.items, layout, Signature.of(self.code) if signature is None else signature)

    # -- variables -------------------------------------------------------------------------------------------------------

    def load_const(self, value: Any) -> None:
        """Push any Python object; the code object keeps it alive."""
        self.emit("LOAD_CONST", value)

    def is_cell(self, name: str) -> bool:
        """Does the variable live in a cell."""
        return name in self.code.co_cellvars or (name in self.code.co_freevars and name not in self.code.co_varnames)

    def load_local(self, name: str) -> None:
        """Push the value of a local variable; of what is in its cell when it has one."""
        self.emit("LOAD_DEREF" if self.is_cell(name) else "LOAD_FAST_CHECK", name)

    def store_local(self, name: str) -> None:
        """Assign the top to a local variable, in its cell when it has one."""
        self.emit("STORE_DEREF" if self.is_cell(name) else "STORE_FAST", name)

    def load_cell(self, name: str) -> None:
        """Push the cell of a cell or free variable."""
        self.emit("LOAD_CLOSURE", name)

    def load_deref(self, name: str) -> None:
        """Push what is in the cell of a cell or free variable."""
        self.emit("LOAD_DEREF", name)

    def store_deref(self, name: str) -> None:
        """Put the top into the cell of a cell or free variable."""
        self.emit("STORE_DEREF", name)

    def delete_deref(self, name: str) -> None:
        """Empty the cell of a cell or free variable."""
        self.emit("DELETE_DEREF", name)

    def load_global(self, name: str) -> None:
        """Push a global of the function, or a builtin."""
        self.emit("LOAD_GLOBAL", name)

    def store_global(self, name: str) -> None:
        """Assign the top to a global of the function."""
        self.emit("STORE_GLOBAL", name)

    def delete_global(self, name: str) -> None:
        """Delete a global of the function."""
        self.emit("DELETE_GLOBAL", name)

    # -- temporaries: local variables that the user's code does not see ------------------------------------------------------

    def temporary(self) -> str:
        """The name of a new temporary; every path must store to it before it is loaded or dropped."""
        name = f"segue.{len(self.temporaries)}"
        self.temporaries.append(name)
        return name

    def store_temporary(self) -> str:
        """Pop the top into a new temporary."""
        name = self.temporary()
        self.emit("STORE_FAST", name)
        return name

    def load_temporary(self, name: str) -> None:
        """Push a temporary, which keeps its value."""
        self.emit("LOAD_FAST", name)

    def move_temporary(self, name: str) -> None:
        """Push a temporary (or another local slot) and empty it, so that the frame does not keep the value alive."""
        self.emit("LOAD_FAST", name)
        self.emit("DELETE_FAST", name)

    # -- attributes and items ------------------------------------------------------------------------------------------------

    def load_attr(self, name: str) -> None:
        """[owner] -> [owner.name]"""
        self.emit("LOAD_ATTR", name)

    def store_attr(self, name: str) -> None:
        """[value, owner]: owner.name = value"""
        self.emit("STORE_ATTR", name)

    def delete_attr(self, name: str) -> None:
        """[owner]: del owner.name"""
        self.emit("DELETE_ATTR", name)

    def load_item(self, key: Any) -> None:
        """[container] -> [container[key]] for a constant key."""
        self.load_const(key)
        self.emit("BINARY_SUBSCR")

    def store_subscr(self) -> None:
        """[value, container, key]: container[key] = value"""
        self.emit("STORE_SUBSCR")

    def delete_subscr(self) -> None:
        """[container, key]: del container[key]"""
        self.emit("DELETE_SUBSCR")

    # -- the stack and containers ----------------------------------------------------------------------------------------------

    def pop_top(self) -> None:
        """Drop the top (never a NULL)."""
        self.emit("POP_TOP")

    def push_null(self) -> None:
        """Push NULL."""
        self.emit("PUSH_NULL")

    def copy(self, depth: int = 1) -> None:
        """Push the slot at `depth`; 1 is the top."""
        self.emit("COPY", depth)

    def swap(self, depth: int = 2) -> None:
        """Exchange the top and the slot at `depth`."""
        self.emit("SWAP", depth)

    def rotate(self, depth: int) -> None:
        """Move the top below the `depth - 1` slots under it: [a, b, c] -> [c, a, b] for 3."""
        for place in range(depth, 1, -1):
            self.swap(place)

    def build_tuple(self, count: int) -> None:
        """`count` slots become a tuple."""
        self.emit("BUILD_TUPLE", count)

    def build_list(self, count: int) -> None:
        """`count` slots become a list."""
        self.emit("BUILD_LIST", count)

    def build_set(self, count: int) -> None:
        """`count` slots become a set."""
        self.emit("BUILD_SET", count)

    def build_map(self, count: int) -> None:
        """`count` pairs of key and value become a dict."""
        self.emit("BUILD_MAP", count)

    def build_slice(self, count: int) -> None:
        """2 or 3 slots become a slice."""
        self.emit("BUILD_SLICE", count)

    def unpack_sequence(self, count: int) -> None:
        """[iterable] -> its items, the first one on the top."""
        self.emit("UNPACK_SEQUENCE", count)

    # -- calls ---------------------------------------------------------------------------------------------------------------------

    def prepare_call(self) -> None:
        """[callable] -> the two slots that a call wants; the arguments follow, then `call` or `call_ex`."""
        for opcode, argument in CURRENT.null_beside():
            self.emit(opcode, argument)

    def call(self, count: int, keywords: tuple[str, ...] = ()) -> None:
        """Call with `count` arguments, of which the last len(keywords) are by keyword."""
        self.emit("CALL", (count, keywords))

    def call_ex(self, mapping: bool = False) -> None:
        """Call with an iterable of arguments on the stack, and a mapping of keywords if `mapping`."""
        self.emit("CALL_FUNCTION_EX", mapping)

    def make_function(self, code: CodeType, attributes: Iterable[str] = ()) -> None:
        """A function of the frame's globals. `attributes` are on the stack: of 'defaults', 'kwdefaults', 'annotations', 'closure', in this order."""
        self.load_const(code)
        self.emit("MAKE_FUNCTION", tuple(attributes))

    def return_value(self) -> None:
        """Return the top."""
        self.emit("RETURN_VALUE")

    def raise_exception(self, count: int = 1) -> None:
        """Raise: 0 the one being handled, 1 the top, 2 the one below from the top."""
        self.emit("RAISE_VARARGS", count)

    # -- jumps ------------------------------------------------------------------------------------------------------------------------

    def jump(self, label: Label) -> None:
        """Go on at the label."""
        self.emit("JUMP", target=label)

    def start_again(self) -> None:
        """Run the frame's own code from its beginning, in place of what was emitted. Its variables must hold what they held then."""
        self.goes_again = True
        self.jump(self.again)

    def jump_if(self, label: Label, condition: bool = True) -> None:
        """Pop the top and go on at the label (further on in the code) when its truth is `condition`."""
        if CURRENT.wants_bool:
            self.emit("TO_BOOL")
        self.emit("POP_JUMP_IF_TRUE" if condition else "POP_JUMP_IF_FALSE", target=label)
