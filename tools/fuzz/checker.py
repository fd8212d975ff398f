"""The verdict on a program: what can be seen of it eagerly must be seen of it interpreted and compiled.

In comes a program, out goes None or a Difference. The one idea: a run is a list of observations, one dictionary a call (results, gradients, what the
call did to its arguments and to the world, what it printed, the random stream, who shares memory with whom), and two runs are compared by label.
"""

from __future__ import annotations

import contextlib
import functools
import io
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import segue

from .program import WORLD, Program

BACKENDS = ("eager", "inductor")
RELATIVE = {False: 1e-4, True: 0.05}  # tolerances, without and with 16-bit floats in the program
ABSOLUTE = {False: 2e-5, True: 0.02}  # of the largest number in the array


class Invalid(Exception):
    """Eager itself does not do what the program says of it, so there is nothing to compare with."""


@dataclass(frozen=True)
class Difference:
    """Where one way of running a program is not the eager way. `kind` is what stays the same when the program is cut down."""

    backend: str
    kind: str
    text: str
    program: str

    def __str__(self) -> str:
        return f"backend {self.backend}, {self.text}\n{self.program}"


@dataclass(frozen=True)
class Seen:
    """One thing observed: an array or a plain value, whether it must agree bit for bit, and the size of what it is a sum of (no sum is more precise)."""

    value: Any
    exact: bool
    scale: float = 1.0


Observed = dict[str, Seen]


def observe(program: Program, wrap: Callable[[Any], Any]) -> list[Observed]:
    """Make the calls of a program, its function wrapped; what was seen of each. A call that raises ends it, and is seen as such."""
    world = program.world()
    exec(compile(program.text, f"<random program {abs(hash(program.text))}>", "exec"), world)  # noqa: S102
    function = wrap(world["program"])
    seen: list[Observed] = []
    for call in program.calls:
        for line in call.before:
            exec(line, world)  # noqa: S102
        named, leaves = program.arguments(call)
        try:
            with quiet() as printed:
                results = function(*named.values())
        except (RuntimeError, ValueError, IndexError, TypeError):
            if not call.raises:
                raise
            return [*seen, {"an error": Seen(True, True)}]
        if call.raises:
            return [*seen, {"an error": Seen(False, True)}]
        found = {"printed": Seen(printed.getvalue(), True)}
        tensors = [*named.values(), *results]
        found["memory shared"] = Seen(sharing([t.detach().numpy() for t in tensors if isinstance(t, segue.Tensor)]), True)
        for variable, result in zip(program.outputs, results):
            found[f"{variable.name}.requires_grad"] = Seen(result.requires_grad, True)
            found[variable.name] = Seen(copied(result), variable.exact)
        first = differentiate(results, leaves, program.twice) if program.backward else [None] * len(leaves)
        for i, leaf in enumerate(leaves):
            if leaf is not None:
                found[f"first gradient of x{i}"] = Seen(copied(first[i]), False)
                found[f"gradient of x{i}"] = Seen(copied(leaf.grad), False, largest(first[i]))
        for place, (name, value) in enumerate(named.items()):
            exact = program.exact_inputs[place] if place < len(program.inputs) else False
            found.update({f"{label} afterwards": Seen(part, exact) for label, part in flat(name, value)})
        for name in WORLD:
            found.update({label: Seen(part, False) for label, part in flat(name, world[name])})
        for name in ("model", "optimizer"):
            for i, made in enumerate(v for k, v in world.items() if k.startswith(name) and hasattr(v, "state_dict")):
                found.update({label: Seen(part, False) for label, part in flat(f"{name} {i}", made.state_dict())})
                if name == "model":
                    gradients = [p.grad for p in made.parameters()]
                    found.update({label: Seen(part, False) for label, part in flat(f"gradients of model {i}", gradients)})
        found["random state"] = Seen(segue.get_rng_state().numpy().copy(), True)
        seen.append(found)
    return seen


def differentiate(results: Any, leaves: list, twice: bool) -> list:
    """Backward from the results, weighted by fixed numbers, and `twice`: from the gradients of `leaves`, whose derivatives are so added. Gives these gradients."""
    total = weighted(results)
    first: list[Any] = [None] * len(leaves)
    places = [i for i, leaf in enumerate(leaves) if leaf is not None] if twice else []
    if total is not None:
        if places:
            for i, gradient in zip(places, segue.autograd.grad(total, [leaves[i] for i in places], create_graph=True, allow_unused=True)):
                first[i] = gradient
        more = weighted([g for g in first if g is not None])
        (total if more is None else total + more).backward()
    return first


def largest(tensor: Any) -> float:
    """The largest finite number in a tensor, at least 1."""
    array = np.abs(copied(tensor)) if tensor is not None else np.zeros(0)
    return float(np.max(array, initial=1.0, where=np.isfinite(array)))


def weighted(results: Any) -> Any:
    """The sum of what requires grad, each element times a fixed number; None where nothing does."""
    total = None
    for place, result in enumerate(results):
        if result.requires_grad:
            result = segue.view_as_real(result) if result.is_complex() else result
            weights = segue.from_numpy(np.cos(np.arange(result.numel()) + place).reshape(tuple(result.shape)))
            part = (result.to(segue.float64) * weights).sum()
            total = part if total is None else total + part
    return total


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """What the block prints goes to a buffer."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        yield printed


def copied(value: Any) -> Any:
    return None if value is None else value.detach().numpy().copy()


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The arrays and plain values inside a value, each with its path."""
    if isinstance(value, segue.Tensor):
        yield name, copied(value)
    elif isinstance(value, np.ndarray):
        yield name, value.copy()
    elif isinstance(value, (list, tuple)):
        yield f"len({name})", len(value)
        for i, part in enumerate(value):
            yield from flat(f"{name}[{i}]", part)
    elif isinstance(value, dict):
        yield f"keys of {name}", repr(list(value))
        for key, part in value.items():
            yield from flat(f"{name}[{key!r}]", part)
    elif type(value).__name__ == "Box":
        yield from flat(name, vars(value))
    else:
        yield name, value


def sharing(arrays: list[np.ndarray]) -> list[int]:
    """For each array the first one it shares memory with (itself, where there is none)."""
    return [next((j for j, b in enumerate(arrays[:i]) if np.may_share_memory(a, b)), i) for i, a in enumerate(arrays)]


def same(found: Any, expected: Any, exact: bool, rough: bool = False, scale: float = 1.0) -> str | None:
    """None, or what differs."""
    if not isinstance(expected, np.ndarray) or not isinstance(found, np.ndarray):
        agree = type(found) is type(expected) and (found == expected or (isinstance(found, float) and np.isclose(found, expected, rtol=RELATIVE[rough])))
        return None if agree else f"{found!r} against {expected!r}"
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{found.shape} against {expected.dtype}{expected.shape}"
    if expected.dtype.kind == "c":
        found, expected = (np.stack([array.real, array.imag]) for array in (found, expected))
    if expected.dtype.kind not in "biu":
        found, expected = found.astype(np.float64), expected.astype(np.float64)
        if not exact:
            # A float64 value may come from float32 ones, so one tolerance serves both.
            tolerance = ABSOLUTE[rough] * float(np.max(np.abs(expected), initial=scale, where=np.isfinite(expected)))
            agree = np.allclose(found, expected, rtol=RELATIVE[rough], atol=tolerance, equal_nan=True)
            return None if agree else f"differ:\n{found}\nagainst\n{expected}"
    agree = np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    return None if agree else f"not equal bit for bit:\n{found}\nagainst\n{expected}"


def compare(program: Program, found: list[Observed], expected: list[Observed]) -> tuple[str, str] | None:
    """The first label that differs, and how; None when all agree."""
    for number, (one, other) in enumerate(zip(found, expected)):
        for label in dict.fromkeys([*other, *one]):
            if label not in one or label not in other:
                return label, f"call {number}, {label}: seen in one way only"
            difference = same(one[label].value, other[label].value, other[label].exact, program.rough, other[label].scale)
            if difference is not None:
                return label, f"call {number}, {label}: {difference}"
    return None


def eagerly(program: Program) -> list[Observed]:
    """What is expected. Raises Invalid where eager does not follow the program's own description."""
    try:
        seen = observe(program, lambda function: function)
    except Exception as error:
        raise Invalid(f"{type(error).__name__}: {error}") from error
    if any("an error" in found and not found["an error"].value for found in seen):
        raise Invalid("no error was raised")
    return seen


def check(program: Program, backends: tuple[str, ...] = BACKENDS) -> Difference | None:
    """Run a program eagerly and through each backend; None when all agree. Raises Invalid for a program that eager does not run."""
    expected = eagerly(program)
    for backend in backends:
        segue.compiler.reset()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.filterwarnings("always", "segue: ")
                found = observe(program, functools.partial(segue.compile, backend=backend, dynamic=program.dynamic))
        except Exception as error:  # noqa: BLE001  (any exception is a difference, reported with its traceback)
            return Difference(backend, f"raised {type(error).__name__}: {str(error)[:60]}", f"raised:\n{traceback.format_exc()}", program.describe())
        for warning in caught:
            if str(warning.message).startswith("segue: "):  # capture or code generation failed, and eager or the interpreter took over
                return Difference(backend, f"warned: {warning.message}"[:120], str(warning.message), program.describe())
        if segue.compiler.stats()["fallbacks"]:
            return Difference(backend, "fallback", "could not build the code, and the interpreter ran instead", program.describe())
        if (difference := compare(program, found, expected)) is not None:
            return Difference(backend, *difference, program.describe())
    return None
