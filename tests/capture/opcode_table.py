"""docs/opcodes.md: what each opcode of each version of Python becomes, and the program of the tests that holds it.

In come the tables of capture/bytecode and the programs of the tests, compiled by the Python that runs; out goes that version's part of the page, with which test_opcodes.py compares the page.
`python tests/capture/opcode_table.py` writes the part anew.
"""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from segue.capture.bytecode.layout import Layout
from segue.capture.bytecode.versions import CURRENT

PAGE = Path(__file__).parents[2] / "docs" / "opcodes.md"
INTERNAL = {  # words of the interpreter's own, which are read together with the instruction before or behind them, or which it writes itself
    "CACHE", "EXTENDED_ARG", "KW_NAMES", "RESERVED", "RESERVED_FOR_LOAD_FAST", "INTERPRETER_EXIT", "ENTER_EXECUTOR", "BINARY_OP_INPLACE_ADD_UNICODE", "EXIT_INIT_CHECK",
}  # fmt: skip


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and those in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def opcodes() -> list[str]:
    """The opcodes of the Python that runs, as compilers write them."""
    return sorted(name for name, number in dis.opmap.items() if number < 256 and name not in INTERNAL and not name.startswith("INSTRUMENTED_"))


def holders(functions: Iterable[Any]) -> dict[str, str]:
    """Opcode -> the first of the functions whose code holds it."""
    found: dict[str, str] = {}
    for function in functions:
        for code in codes(function.__code__):
            for instruction in dis.get_instructions(code):
                found.setdefault(instruction.opname, function.__name__)
    return found


def canonical(name: str) -> str:
    """The canonical instructions that an opcode is read as, with the first number that it can have."""
    layout = Layout(("a", "b"), ("c",), ("d",), ("name",), (1,))
    if name not in CURRENT.readers:
        return "a jump" if "JUMP" in name or name in ("FOR_ITER", "SEND") else ""
    for number in range(4):
        try:
            return ", ".join(opcode for opcode, _ in CURRENT.readers[name](number, layout)) or "nothing"
        except (KeyError, IndexError):
            continue
    return ""


def part(functions: Iterable[Any], why: dict[str, str]) -> str:
    """The part of the page for the Python that runs. `why`: the reasons of canonical opcodes that are not followed."""
    held = holders(functions)
    lines = [f"## Python {sys.version_info[0]}.{sys.version_info[1]}", "", "| opcode | is read as | stands in |", "|---|---|---|"]
    for name in opcodes():
        read = canonical(name)
        reason = next((why[one] for one in (name, *read.split(", ")) if one in why), "")
        where = f"`{held[name]}`" if name in held else "no function that this compiler makes"
        lines.append(f"| {name} | {read} | {where}{f'; not followed: {reason}' if reason else ''} |")
    return "\n".join(lines) + "\n"


def parts(page: str) -> dict[str, str]:
    """Heading -> part of the page."""
    found = ["## " + text.rstrip("\n") + "\n" for text in page.split("\n## ")[1:]]
    return {text.partition("\n")[0]: text for text in found}


def rewrite(made: str) -> None:
    """Put a part in its place on the page."""
    page = PAGE.read_text(encoding="utf-8")
    found = parts(page)
    found[made.partition("\n")[0]] = made
    PAGE.write_text(page.partition("\n## ")[0].rstrip("\n") + "\n\n" + "\n".join(found[key] for key in sorted(found)), encoding="utf-8")


if __name__ == "__main__":
    import test_opcodes

    rewrite(test_opcodes.table())
