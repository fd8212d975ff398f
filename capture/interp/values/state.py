"""Values of segue's own hidden state: whether gradients are recorded, and in which dtype autocast runs.

`no_grad`, `autocast` and their kin are ordinary classes that store a flag in a thread-local object; followed instruction by instruction, they read and write this
Value. The flag is really set during capture, because twins are recorded under it; the attempt puts it back, and a flag that stands otherwise at the end is
stored by the new code.
"""

from __future__ import annotations

from typing import Any

from ....eager.autograd.mode import STATE
from ....eager.errors import BackendError, CaptureError
from ... import guards, sources
from .base import Existing, Value
from .constants import Constant, constant

MODES = ("enabled", "autocast", "inference")  # the attributes of STATE that captured code may read and write


def modes() -> dict[str, Any]:
    """How the modes stand."""
    return {name: getattr(STATE, name) for name in MODES}


def set_modes(wanted: dict[str, Any]) -> None:
    """Set the modes."""
    for name, value in wanted.items():
        setattr(STATE, name, value)


def put_modes_back(wanted: dict[str, Any], problem: BaseException) -> None:
    """Set the modes where what was raised came from between two breaks, outside of the `with` blocks that it was captured in. Whatever else is raised goes through them."""
    if not isinstance(problem, Exception) or isinstance(problem, (MemoryError, BackendError, CaptureError)):
        set_modes(wanted)


def mode_guard(name: str, value: Any) -> guards.Guard:
    """The guard that a mode stands as it did."""
    source = sources.Attribute(sources.Constant(STATE, "modes"), name)
    return guards.Is(source, value) if name == "autocast" else guards.Equals(source, value)


class ModesValue(Existing):
    """The thread's modes."""

    def attribute(self, run: Any, name: str) -> Value:
        if name not in MODES:
            raise self.unsupported(f"attribute '{name}'")
        if name == "inference":  # the others are guarded in any case
            run.guard(mode_guard(name, run.modes_before[name]))
        return constant(getattr(self.real, name))

    def set_attribute(self, run: Any, name: str, value: Value) -> None:
        if name not in MODES:
            raise self.unsupported(f"setting attribute '{name}'")
        setattr(self.real, name, run.python(value) if name == "autocast" else run.truth(value))
        run.journal.note(self)
        self.run = run

    def replay(self, out: Any) -> None:
        for name, after in self.run.modes_after.items():
            if after is not self.run.modes_before[name]:
                out.statement("store_attribute", self, Constant(name), constant(after))
