"""Values of segue's own hidden state: whether gradients are recorded.

`no_grad` and its kin are ordinary classes that store a flag in a thread-local object; followed instruction by instruction, they read and write this Value. The
flag is really set during capture, because twins are recorded under it; the attempt puts it back, and a flag that stands otherwise at the end is stored by
the new code.
"""

from __future__ import annotations

from typing import Any

from ... import guards, sources
from .base import Value
from .constants import Constant, constant


class GradModeValue(Value):
    """The thread's grad mode."""

    def __init__(self, real: Any, source: Any) -> None:
        self.real = real
        self.source = source

    def type(self) -> type:
        return type(self.real)

    def attribute(self, run: Any, name: str) -> Value:
        if name != "enabled":
            raise self.unsupported(f"attribute '{name}'")
        run.guard(guards.Equals(sources.Attribute(self.source, "enabled"), run.grad_mode_before))
        return constant(self.real.enabled)

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name != "enabled":
            raise self.unsupported(f"setting attribute '{name}'")
        self.real.enabled = run.truth(value)
        run.journal.note(self)
        self.run = run

    def build(self, out: Any) -> None:
        out.constant(self.real)

    def replay(self, out: Any) -> None:
        if self.run.grad_mode_after != self.run.grad_mode_before:
            out.statement("store_attribute", self, Constant("enabled"), constant(self.run.grad_mode_after))
