"""Bytecode: user code is read here into one canonical instruction set, and new code objects are written from it.

In comes a code object of CPython 3.11 to 3.14; `decode` turns it into a `Body` of canonical `Instruction`s (opcodes.py tells what each does to
the stack), the same for every version. Out go code objects: `whole_frame` (a prologue that returns a value) and `break_frame` (prologue, one
original instruction executed for real, and a call of a resume function that goes on behind it). The one idea: decoding and encoding are each
other's inverse per version (versions.py), so everything in between - the symbolic interpreter, the code before a break, the original code kept
behind it - is written in canonical instructions only.

    opcodes.py      the canonical set: what each instruction pops, pushes and means
    instruction.py  Instruction, Label, Handler, Body
    versions.py     one table per CPython version: real opcode -> canonical instructions and back
    decode.py       code object -> Body
    encode.py       canonical instructions -> code object (through the package `bytecode`), jump distances, stack size
    shape.py        which stack slots hold a value, which slots are bound, behind an instruction
    liveness.py     which local variables may still be read
    assembler.py    Assembler: the emitting methods that values, sources and side effects use
    raises.py       which side of a branch only raises, and who catches it
    breaks.py       whole_frame, break_frame and the resume functions
"""

from .assembler import Assembler, Emit
from .breaks import CannotBreak, Continuation, FrameState, Handled, break_frame, can_break, entry_of, original_index, whole_frame
from .decode import UnknownOpcode, decode
from .encode import InconsistentCode
from .instruction import Body, Handler, Instruction, Label, Positions
from .liveness import live_names
from .opcodes import OPCODES, Opcode
from .raises import catches, only_raises
from .shape import NULL
from .versions import SUPPORTED

__all__ = [
    "NULL",
    "OPCODES",
    "SUPPORTED",
    "Assembler",
    "Body",
    "CannotBreak",
    "Continuation",
    "Emit",
    "FrameState",
    "Handled",
    "Handler",
    "InconsistentCode",
    "Instruction",
    "Label",
    "Opcode",
    "Positions",
    "UnknownOpcode",
    "break_frame",
    "can_break",
    "catches",
    "decode",
    "entry_of",
    "live_names",
    "only_raises",
    "original_index",
    "whole_frame",
]
