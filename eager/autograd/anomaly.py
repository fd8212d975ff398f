"""Anomaly mode: a NaN in a backward is reported where the forward made it.

In comes the switch, out goes a RuntimeError that names the step, and the user's line that put it on the tape. The one idea: while the mode is on, every
node remembers the line that made it, and the engine looks at what each node gives.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import AutogradError, Location, user_location
from .mode import STATE


class set_detect_anomaly:  # noqa: N801  (PyTorch's name)
    """Switch anomaly mode on or off; as a context manager, until the block ends. `check_nan=False` only keeps the forward lines."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = STATE.anomaly
        STATE.anomaly = ("nan" if check_nan else "lines") if mode else ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        STATE.anomaly = self.before


class detect_anomaly(set_detect_anomaly):  # noqa: N801  (PyTorch's name)
    """Within the block a backward that gives NaN raises RuntimeError, which names the operator and the forward line of the user's file.

    >>> import segue
    >>> x = segue.tensor([-1.0], requires_grad=True)
    >>> try:
    ...     with detect_anomaly():
    ...         (x.sqrt() * 0).sum().backward()
    ... except RuntimeError as problem:
    ...     print(str(problem).splitlines()[0])
    Function 'SqrtBackward0' returned nan values in its 0th output. It was recorded in the forward here:
    """

    def __init__(self, check_nan: bool = True) -> None:
        warnings.warn("anomaly detection is on: every step of the backward is checked, which takes time; switch it off when the fault is found", stacklevel=2)
        super().__init__(True, check_nan)

    def __enter__(self) -> None:
        pass


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on.

    >>> is_anomaly_enabled()
    False
    """
    return bool(STATE.anomaly)


def is_anomaly_check_nan_enabled() -> bool:
    """Whether the backward looks for NaN."""
    return STATE.anomaly == "nan"


def place() -> Location | None:
    """The user's line, for a node that is made now; None while the mode is off."""
    return user_location() if STATE.anomaly else None


def explain(node: Any, problem: BaseException) -> None:
    """Add to an exception of the backward where the forward put the step on the tape."""
    if node.place is not None and not isinstance(problem, AutogradError):
        problem.add_note(f"{node.name()} was recorded in the forward here:\n{node.place.show()}")


def check(node: Any, gradients: list) -> None:
    """Raise RuntimeError for a NaN among the gradients that a step gives. What is traced or transformed has no values to look at."""
    for place, gradient in enumerate(gradients):
        array = getattr(gradient, "_data", None)
        if array is None or getattr(array, "is_traced", False) or not bool((array != array).any()):
            continue
        node.locate_nan()
        where = f" It was recorded in the forward here:\n{node.place.show()}" if node.place is not None else ""
        raise AutogradError(f"Function '{node.name()}' returned nan values in its {place}th output.{where}")
