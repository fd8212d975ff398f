"""Writes random programs.

In comes a source of choices (a seeded random.Random), out goes a Program. The one idea: a program is written while it is run eagerly, so shapes and
dtypes are always known, and every statement, call and gradient in it is one that eager accepts.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

import segue

from . import checker
from .forms import CHANGES, GROUPS, MODELS, OPTIMIZERS, SIZES, TESTS, Group
from .program import LAYOUTS, Call, Input, Program, Variable

LIMIT = 1e3  # of any number, so that no tolerance becomes meaningless
ERRORS = (RuntimeError, ValueError, IndexError, TypeError, KeyError, AttributeError)
DTYPES = ("float32",) * 7 + ("float64",) * 2 + ("float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64", "complex128")


class Refused(Exception):
    """A hole that cannot be filled here, or a statement that eager does not accept."""


class Writer:
    """Writes a program statement by statement, running each as it goes. `accepted` counts what was kept of each form."""

    def __init__(self, choose: random.Random, length: int) -> None:
        self.choose = choose
        self.program = Program(dynamic=choose.choice((None,) * 5 + (True,)))
        self.accepted: list[str] = []
        self.count = 0
        self.declare()
        self.values = self.start()
        self.variables = [Variable(f"x{i}", True) for i, x in enumerate(self.program.inputs) if x.role != "array"]
        self.aims = choose.choices(list(GROUPS), [group.weight for group in GROUPS.values()], k=100)
        for aim in self.aims:
            if len(self.accepted) >= length:
                break
            self.step(GROUPS[aim])
        self.finish()

    # ------------------------------------------------------------------------------------------------ inputs and the first call

    def declare(self) -> None:
        choose = self.choose
        sizes = tuple(choose.choice(SIZES) for _ in range(choose.randint(1, 3)))
        for i in range(choose.randint(1, 3)):
            places = range(choose.randint(0, 1), len(sizes)) if choose.random() < 0.85 else range(0)
            dims = tuple(None if choose.random() < 0.2 else d for d in places)
            dtype = choose.choice(DTYPES)
            layout = choose.choice(["plain"] * 6 + list(LAYOUTS))
            roles = ("leaf", "leaf", "leaf", "inner", "plain", "plain") if "float" in dtype or "complex" in dtype else ("plain",)
            role = choose.choice(roles) if i == 0 or choose.random() < 0.9 else "array"
            twin = choose.randrange(i) if i and choose.random() < 0.06 else None
            self.program.inputs.append(Input(dims, dtype, layout, role, choose.randrange(2**31), choose.random() < 0.4, twin))
        flags = [choose.choice((True, False, 2, 3, 0.5, "a", None)) for _ in range(choose.randint(1, 2))]
        self.program.calls = [Call(sizes, flags)]

    def start(self) -> dict[str, Any]:
        """The values that the statements so far have left behind, computed anew."""
        values = {**self.program.world(), **self.program.arguments(self.program.calls[0])[0]}
        with checker.quiet():
            for line in self.program.lines:
                exec(line, values)  # noqa: S102
        return values

    # ------------------------------------------------------------------------------------------------ statements

    def pick(self, needs: str) -> Variable:
        tests = [TESTS[need] for need in needs.split() if need != "exact"]
        recent = dict.fromkeys([v.name for v in self.variables[-5:]] + [v.name for v in self.variables[:2]])
        fitting = [
            v for v in self.variables
            if v.name in recent and (v.exact or "exact" not in needs) and all(test(self.values[v.name]) for test in tests)
        ]  # fmt: skip
        if not fitting:
            raise Refused
        return self.choose.choice(fitting)

    def step(self, group: Group) -> None:
        """Draw a form of the group, fill its holes, run it, and keep it if eager accepts it and no value grows out of bounds."""
        form = self.choose.choice(group.forms)
        setup = list(self.program.setup)
        try:
            x = self.pick(group.needs)
            names = {name for _, name, _, _ in string.Formatter().parse(form) if name}
            y = self.pick(group.needs if group.other is None else group.other) if "y" in names else x
            holes = {"x": x.name, "y": y.name, "v": f"v{self.count}"}
            holes.update({name: HOLES[name](self, self.values[x.name]) for name in sorted(names - holes.keys())})
            text = form if "{v}" in form or group.gives == "write" else "{v} = " + form
            self.attempt(text.format(**holes), None if group.gives == "write" else holes["v"], group, x.exact and y.exact)
        except Refused:
            self.program.setup = setup
        else:
            self.accepted.append(form)

    def attempt(self, line: str, name: str | None, group: Group, exact: bool) -> None:
        before = {v.name: self.values[v.name]._storage.version for v in self.variables}
        try:
            with checker.quiet():
                exec(line, self.values)  # noqa: S102
            made: Any = self.values[name] if name else None
            if name and not isinstance(made, segue.Tensor):
                raise Refused
            if any(wild(self.values[v.name]) for v in self.variables) or (made is not None and wild(made)):
                raise Refused
        except (Refused, *ERRORS):
            self.values = self.start()  # it may have written before it was refused
            raise Refused from None
        self.program.lines.append(line)
        for v in self.variables:
            v.exact = v.exact and (exact or self.values[v.name]._storage.version == before[v.name])
        if name:
            self.count += 1
            exact = exact and not made.dtype.is_complex and (group.gives == "same" or (group.gives == "whole" and not made.dtype.is_floating_point))
            self.variables.append(Variable(name, exact))

    def place(self, setup: str, name: str) -> str:
        """Add a line of set-up; `name` is what it defines. The values are computed anew, as the random stream has moved."""
        if setup not in self.program.setup:
            self.program.setup.append(setup)
            self.values = self.start()
        return name

    # ------------------------------------------------------------------------------------------------ the end: outputs, more calls, gradients

    def finish(self) -> None:
        program, choose = self.program, self.choose
        exact = {v.name: v.exact for v in self.variables}
        program.exact_inputs = [exact.get(f"x{i}", True) for i in range(len(program.inputs))]
        program.rough = any(self.values[v.name].dtype.itemsize == 2 and TESTS["float"](self.values[v.name]) for v in self.variables)
        program.outputs = [v for v in self.variables if choose.random() < 0.5 or v is self.variables[-1]][-6:]
        program.backward, program.twice = True, choose.random() < 0.3
        if not runs(program):
            program.twice = False
            program.backward = runs(program)
        for _ in range(choose.choice((0, 1, 1, 2, 3))):
            self.call_again()
        if choose.random() < 0.4:
            self.call_wrongly()

    def other_call(self, choice: tuple[int, ...] = SIZES) -> Call:
        """A call that differs from the last: its sizes, its flags, the world, or nothing at all."""
        choose, last = self.choose, self.program.calls[-1]
        sizes = tuple(choose.choice(choice) if s not in choice or choose.random() < 0.5 else s for s in last.sizes) if choose.random() < 0.6 else last.sizes
        flags = [choose.choice((True, False, 1, 4, 0.25, "b", None)) for _ in last.flags] if choose.random() < 0.4 else last.flags
        return Call(sizes, flags, choose.sample(CHANGES, choose.choice((0, 0, 1, 2))))

    def call_again(self) -> None:
        """Add a call that eager accepts."""
        for _ in range(4):
            self.program.calls.append(self.other_call())
            if runs(self.program):
                return
            self.program.calls.pop()

    def call_wrongly(self) -> None:
        """Add a call that eager refuses, if one is found: to compile must not make it pass. All is returned, as what nobody reads need not raise."""
        outputs, self.program.outputs = self.program.outputs, list(self.variables)
        for _ in range(4):
            call = self.other_call(SIZES[1:])  # with no element, what is read nowhere need not raise
            call.raises = True
            self.program.calls.append(call)
            if runs(self.program):
                return
            self.program.calls.pop()
        self.program.outputs = outputs


def runs(program: Program) -> bool:
    """Whether eager does what the program says, with numbers within bounds."""
    try:
        seen = checker.eagerly(program)
    except checker.Invalid:
        return False
    values = [s.value for found in seen for s in found.values() if isinstance(s.value, checker.np.ndarray)]
    return not any(unbounded(value) for value in values)


def unbounded(array: Any) -> bool:
    wide = checker.np.abs(array if array.dtype.kind == "c" else array.astype(checker.np.float64))
    return bool(array.size > 20000 or (array.size and not checker.np.all(wide < LIMIT)))


def wild(value: Any) -> bool:
    return unbounded(value.detach().numpy())


# ---------------------------------------------------------------------------------------------------------------- holes


def a_dim(w: Writer, x: Any) -> str:
    if not x.ndim:
        raise Refused
    return str(w.choose.randrange(-1, x.ndim))


def a_range(w: Writer, x: Any) -> str:
    d = w.choose.randrange(x.ndim)
    start = w.choose.randint(0, x.shape[d])
    return f"{d}, {start}, {w.choose.randint(start, x.shape[d]) - start}"


def a_place(w: Writer, x: Any) -> str:
    d = w.choose.randrange(x.ndim)
    if not x.shape[d]:
        raise Refused
    return f"{d}, {w.choose.randrange(-x.shape[d], x.shape[d])}"


def a_reduction(w: Writer, x: Any) -> str:
    dims = [None, *range(x.ndim)] + ([(0, x.ndim - 1)] if x.ndim > 1 else [])
    dim, keep = w.choose.choice(dims), w.choose.random() < 0.5
    return "" if dim is None else f", {dim}, keepdim={keep}"


def one_dim(w: Writer, x: Any) -> str:
    return f", {w.choose.randrange(x.ndim)}" if x.ndim and w.choose.random() < 0.7 else ""


def some_places(w: Writer, x: Any, backward: bool = True) -> str:
    size = x.shape[0]
    return str([w.choose.randrange(-size if backward else 0, size) for _ in range(w.choose.randint(1, 4))])


def a_test(w: Writer, x: Any) -> str:
    flags = [f"flag{i}" for i in range(len(w.program.calls[0].flags))]
    shapes = (f"{{}}.shape == ({w.choose.choice(SIZES)},)", "{}.numel() > 4", "{}.ndim > 1", "{}.shape[:1] == (1,)", "{}.dtype is segue.float32", "{}.requires_grad")
    name = w.choose.choice(w.variables).name
    return w.choose.choice([*flags, *flags, *(shape.format(name) for shape in shapes), "flag0 == 2", "isinstance(flag0, bool)", "flag0 is None"])


def a_model(w: Writer, x: Any) -> str:
    fitting = [text for text in (make(x) for make in MODELS.values()) if text is not None]
    text = w.choose.choice(fitting)
    known = [line.split(" = ")[0] for line in w.program.setup if line.endswith(text)]
    if known:
        return known[0]
    name = f"model{sum(line.startswith('model') for line in w.program.setup)}"
    return w.place(f"{name} = {text}", name)


def an_optimizer(w: Writer, x: Any) -> str:
    """The optimizer of the model that `a_model`, whose hole is filled before this one, has chosen last."""
    model = w.program.setup[-1].split(" = ")[0]
    name = f"optimizer_of_{model}"
    if model.startswith("optimizer"):
        return model
    made = w.choose.choice(OPTIMIZERS).format(model)
    return w.place(f"{name} = segue.optim.{made}", name)


def an_array(w: Writer, x: Any) -> str:
    names = [f"x{i}" for i, given in enumerate(w.program.inputs) if isinstance(w.values[f"x{i}"], checker.np.ndarray)]
    if not names:
        raise Refused
    return w.choose.choice(names)


def name_of(w: Writer, x: Any) -> str:
    return next(v.name for v in w.variables if w.values[v.name] is x)


def a_square(w: Writer, x: Any) -> str:
    """A symmetric positive definite matrix, well away from singular ones."""
    name = name_of(w, x)
    return f"(segue.tanh({name}).mT @ segue.tanh({name}) / {max(x.shape[-2], 1)} + segue.eye({x.shape[-1]}, dtype={name}.dtype))"


HOLES: dict[str, Callable[[Writer, Any], str]] = {
    "n": lambda w, x: w.choose.choice(("2", "-1", "0.5", "3.0", "1.25", "-0.75")),
    "d": a_dim,
    "e": a_dim,
    "dims": a_reduction,
    "dim": one_dim,
    "range": a_range,
    "at": a_place,
    "few": lambda w, x: str(w.choose.randint(1, 3)),
    "places": some_places,
    "forward": lambda w, x: some_places(w, x, backward=False),
    "dtype": lambda w, x: w.choose.choice(("float32", "float64", "float32", "float16", "bfloat16")),
    "filter": lambda w, x: f"segue.linspace(-1, 1, 18).reshape(2, 1, 3, 3).to({name_of(w, x)}.dtype)",
    "square": a_square,
    "apart": lambda w, x: a_square(w, x) + f".add(segue.diag(segue.arange({x.shape[-1]}, dtype={name_of(w, x)}.dtype) * 3))",
    "test": a_test,
    "model": a_model,
    "optimizer": an_optimizer,
    "array": an_array,
}


def write(choose: random.Random, length: int = 12) -> Program:
    """A random program of at most `length` statements.

    >>> import random
    >>> "def program(" in write(random.Random(0)).text
    True
    """
    return Writer(choose, choose.randint(2, length)).program
