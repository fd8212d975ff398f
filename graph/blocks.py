"""What holds for the nodes that are recorded within a `with` block: lines, gradient mode, checkpoints.

In comes a tracer (graph/trace.py), out goes nothing. The one idea: a block exchanges what the tracer has noted for its own, and back at its end.
"""

from __future__ import annotations

from typing import Any

from ..eager.autograd.mode import STATE


class Active:
    """See `Tracer.active`; a class, since it is entered once for each operation of the user's."""

    __slots__ = ("tracer", "line", "module", "outer")

    def __init__(self, tracer: Any, line: str | None, module: str | None) -> None:
        self.tracer, self.line, self.module = tracer, line, module
        self.outer: tuple = ()

    def _exchange(self) -> None:
        tracer = self.tracer
        tracer.line, self.line = self.line, tracer.line
        tracer.module, self.module = self.module, tracer.module

    def __enter__(self) -> Any:
        self._exchange()
        self.outer = STATE.tracers
        STATE.tracers = (*self.outer, self.tracer)
        return self.tracer

    def __exit__(self, *problem: object) -> None:
        STATE.tracers = self.outer
        self._exchange()


class Recording:
    """See `Tracer.recording`."""

    __slots__ = ("tracer", "differentiable", "enabled")

    def __init__(self, tracer: Any, differentiable: bool) -> None:
        self.tracer = tracer
        self.differentiable: bool | None = differentiable
        self.enabled = False

    def _exchange(self) -> None:
        self.tracer._differentiable, self.differentiable = self.differentiable, self.tracer._differentiable
        STATE.enabled, self.enabled = self.enabled, STATE.enabled

    def __enter__(self) -> None:
        self._exchange()

    def __exit__(self, *problem: object) -> None:
        self._exchange()


class InCheckpoint:
    """See `Tracer.checkpoint` and `Tracer.repetition`: the nodes get a number of their own, with this sign."""

    __slots__ = ("tracer", "sign", "outer")

    def __init__(self, tracer: Any, sign: int) -> None:
        self.tracer, self.sign, self.outer = tracer, sign, 0

    def __enter__(self) -> None:
        self.outer = self.tracer.in_checkpoint
        self.tracer.checkpoints += 1
        self.tracer.in_checkpoint = self.sign * self.tracer.checkpoints

    def __exit__(self, *problem: object) -> None:
        self.tracer.in_checkpoint = self.outer
