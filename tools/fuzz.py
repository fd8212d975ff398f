"""Random programs: eager, interpreted and compiled must agree, gradients too.

In comes a source of random choices (a seed, or hypothesis), out goes the text of a Python function with inputs, and a verdict on it. The one idea:
the program is written while it is run eagerly, so shapes and dtypes are always known and every statement is one that eager accepts. Values that only
+ - * / sqrt, comparisons, integer work and data movement have touched are "exact": they must agree bit for bit, and only they may be compared,
rounded or ranked.
"""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import segue

SIZES = (0, 1, 1, 2, 3, 4, 5, 8, 17, 33)
SMOOTH = (
    "tanh",
    "sin",
    "cos",
    "sigmoid",
    "exp_small",
    "erf",
    "log_safe",
    "softmax",
    "log_softmax",
    "gelu",
    "silu",
    "layer_norm",
    "rsqrt_safe",
    "expm1_small",
)
EXACT_UNARY = ("neg", "abs", "square", "relu", "clamp", "sqrt_abs", "clone", "where_self", "double_half", "masked_fill")
EXACT_BINARY = ("+", "-", "*", "maximum", "minimum", "where")
VIEWS = (
    "transpose",
    "flatten",
    "slice",
    "select",
    "unsqueeze",
    "expand",
    "flip",
    "reshape",
    "step_slice",
    "diagonal",
    "split",
    "narrow",
    "roll",
    "unfold",
)
LIMIT = 1e3


@dataclass
class Variable:
    name: str
    exact: bool
    owned: bool  # made by a computation, so it may be written in place


@dataclass
class Program:
    """A function's text, its inputs, and the choices that made it."""

    lines: list[str] = field(default_factory=list)
    arrays: list[tuple[np.ndarray, bool]] = field(default_factory=list)
    flags: list[Any] = field(default_factory=list)
    outputs: list[Variable] = field(default_factory=list)

    @property
    def text(self) -> str:
        names = ", ".join([f"x{i}" for i in range(len(self.arrays))] + [f"flag{i}" for i in range(len(self.flags))])
        returned = ", ".join(v.name for v in self.outputs)
        return "\n".join([f"def program({names}):", *(f"    {line}" for line in self.lines), f"    return ({returned},)"]) + "\n"


class Writer:
    """Writes a program statement by statement, running each as it goes."""

    def __init__(self, choose: random.Random, length: int) -> None:
        self.choose = choose
        self.program = Program()
        self.values: dict[str, Any] = {"segue": segue, "F": segue.nn.functional}
        self.variables: list[Variable] = []
        self.count = 0
        self.inputs()
        while len(self.program.lines) < length:
            self.step()
        self.program.outputs = [v for v in self.variables if self.choose.random() < 0.5 or v is self.variables[-1]][-6:]

    # ------------------------------------------------------------------------------------------------ inputs

    def inputs(self) -> None:
        base = tuple(self.choose.choice(SIZES) for _ in range(self.choose.randint(0, 3)))
        for i in range(self.choose.randint(1, 3)):
            shape = tuple(1 if self.choose.random() < 0.2 else s for s in base[self.choose.randint(0, 1) :]) if self.choose.random() < 0.8 else base
            kind = self.choose.choice(("float32",) * 5 + ("float64", "int64", "int32", "bool"))
            array = self.array(shape, kind)
            wants = kind.startswith("float") and self.choose.random() < 0.6
            self.program.arrays.append((array, wants))
            self.values[f"x{i}"] = tensor_of(array, wants)
            self.variables.append(Variable(f"x{i}", True, False))
        for i in range(self.choose.randint(0, 2)):
            flag = self.choose.choice((True, False, 2, 3, 0.5))
            self.program.flags.append(flag)
            self.values[f"flag{i}"] = flag

    def array(self, shape: tuple, kind: str) -> np.ndarray:
        numbers = np.random.default_rng(self.choose.randrange(2**31))
        if kind == "bool":
            return np.asarray(numbers.random(shape) < 0.5)
        if kind.startswith("int"):
            return np.asarray(numbers.integers(-5, 6, shape)).astype(kind)
        values = np.asarray(numbers.normal(size=shape).astype(kind))
        return np.asarray(np.round(values * 4) / 4, dtype=kind) if self.choose.random() < 0.3 else values

    # ------------------------------------------------------------------------------------------------ statements

    def pick(self, test: Any = lambda t: True) -> Variable | None:
        fitting = [v for v in self.variables[-6:] if test(self.values[v.name])]
        return self.choose.choice(fitting) if fitting else None

    def run(self, line: str) -> bool:
        """Execute a statement; keep it if eager accepts it and no value grows out of bounds. A statement that fails leaves nothing behind."""
        scratch = dict(self.values)
        if not self.tame(line, scratch):
            return False
        self.values = scratch
        self.program.lines.append(line)
        return True

    @staticmethod
    def tame(line: str, scratch: dict[str, Any]) -> bool:
        try:
            exec(line, scratch)  # noqa: S102
        except (RuntimeError, ValueError, IndexError, TypeError):
            return False
        return True

    def new(self, expression: str, exact: bool, owned: bool = True) -> None:
        name = f"v{self.count}"
        if self.run(f"{name} = {expression}"):
            value = self.values[name]
            if not isinstance(value, segue.Tensor) or self.wild(value):
                self.program.lines.pop()
                del self.values[name]
                return
            self.count += 1
            self.variables.append(Variable(name, exact, owned))

    @staticmethod
    def wild(value: Any) -> bool:
        array = np.abs(value.detach().numpy().astype(np.float64))
        return bool(array.size > 20000 or (array.size and not np.all(array < LIMIT)))

    def step(self) -> None:
        self.choose.choice(
            (
                self.smooth,
                self.exact_unary,
                self.binary,
                self.binary,
                self.scalar,
                self.reduction,
                self.view,
                self.view,
                self.matmul,
                self.inplace,
                self.inplace_view,
                self.cast,
                self.join,
                self.compare,
                self.branch,
                self.loop,
                self.index,
                self.ranked,
                self.sizes,
            )
        )()

    def smooth(self) -> None:
        v = self.pick(is_float)
        if v is None:
            return
        x, kind = v.name, self.choose.choice(SMOOTH)
        forms = {
            "exp_small": f"segue.exp(segue.clamp({x}, -3, 3))",
            "log_safe": f"segue.log({x}.abs() + 0.5)",
            "softmax": f"segue.softmax({x}, -1)",
            "log_softmax": f"segue.log_softmax({x}, -1)",
            "gelu": f"F.gelu({x})",
            "silu": f"F.silu({x})",
            "layer_norm": f"F.layer_norm({x}, {x}.shape[-1:])",
            "rsqrt_safe": f"segue.rsqrt({x} * {x} + 0.5)",
            "expm1_small": f"segue.expm1(segue.clamp({x}, -3, 3))",
        }
        if kind in ("softmax", "log_softmax", "layer_norm") and (self.values[x].ndim == 0 or self.values[x].shape[-1] == 0):
            return
        self.new(forms.get(kind, f"segue.{kind}({x})"), False)

    def exact_unary(self) -> None:
        v = self.pick(is_number)
        if v is None:
            return
        x = v.name
        forms = {
            "clamp": f"segue.clamp({x}, -1, 2)",
            "sqrt_abs": f"segue.sqrt({x}.abs() + 1)",
            "where_self": f"segue.where({x} > 0, {x}, {x} * 0.5)",
            "double_half": f"({x} + {x}) * 0.5",
            "masked_fill": f"{x}.masked_fill({x} < 0, 0.25)",
        }
        kind = self.choose.choice(EXACT_UNARY)
        if kind in ("where_self", "masked_fill", "clamp", "relu", "abs") and not v.exact:
            return
        self.new(forms.get(kind, f"segue.{kind}({x})"), v.exact and (kind != "sqrt_abs" or is_float(self.values[x])))

    def binary(self) -> None:
        a, b = self.pick(is_number), self.pick(is_number)
        if a is None or b is None:
            return
        kind = self.choose.choice(EXACT_BINARY)
        exact = a.exact and b.exact
        if kind in ("maximum", "minimum", "where") and not exact:
            return
        if kind == "where":
            self.new(f"segue.where({a.name} > {b.name}, {a.name}, {b.name} * 2)", exact)
        elif kind in ("maximum", "minimum"):
            self.new(f"segue.{kind}({a.name}, {b.name})", exact)
        else:
            self.new(f"{a.name} {kind} {b.name}", exact)

    def scalar(self) -> None:
        v = self.pick(is_number)
        if v is not None:
            number = self.choose.choice(("2", "-1", "0.5", "3.0", "1.25", "-0.75"))
            form = self.choose.choice(("{x} * {n}", "{n} - {x}", "{x} + {n}", "{x} / {n}", "{n} / ({x} * {x} + 1)"))
            self.new(form.format(x=v.name, n=number), v.exact)

    def reduction(self) -> None:
        v = self.pick(is_number)
        if v is None:
            return
        value = self.values[v.name]
        dims = [None, *range(value.ndim)] + ([(0, value.ndim - 1)] if value.ndim > 1 else [])
        dim, keep = self.choose.choice(dims), self.choose.random() < 0.5
        kind = self.choose.choice(("sum", "mean", "amax", "amin", "var", "prod", "logsumexp"))
        if kind in ("mean", "var", "logsumexp") and not is_float(value):
            kind = "sum"
        whole = not is_float(value)
        exact = v.exact and (kind in ("amax", "amin") or (whole and kind in ("sum", "prod")))
        if kind in ("amax", "amin") and not v.exact:
            return
        where = "" if dim is None else f", {dim}, keepdim={keep}"
        if kind == "logsumexp":
            where = f", {dim if dim is not None else tuple(range(value.ndim)) or 0}"
        self.new(f"segue.{kind}({v.name}{where})", exact)

    def view(self) -> None:
        v = self.pick(lambda t: t.ndim > 0)
        if v is None:
            return
        x, value = v.name, self.values[v.name]
        d = self.choose.randrange(value.ndim)
        e = self.choose.randrange(value.ndim)
        size = value.shape[d]
        a = self.choose.randint(0, size)
        b = self.choose.randint(a, size)
        forms = {
            "transpose": f"{x}.transpose({d}, {e})",
            "flatten": f"{x}.flatten()",
            "slice": f"{x}.narrow({d}, {a}, {b - a})",
            "select": f"{x}.select({d}, {self.choose.randrange(size) if size else 0})",
            "unsqueeze": f"{x}.unsqueeze({d})",
            "expand": f"{x}.unsqueeze(0).expand(3, {', '.join(['-1'] * value.ndim)})",
            "flip": f"{x}.flip({d})",
            "reshape": f"{x}.reshape(-1, {value.shape[-1]})",
            "step_slice": f"{x}[::2]",
            "diagonal": f"{x}.diagonal(0, {d}, {e})",
            "split": f"{x}.split(2, {d})[-1]",
            "narrow": f"{x}[..., {a}:]",
            "roll": f"segue.roll({x}, 1, {d})",
            "unfold": f"{x}.unfold({d}, 2, 1)",
        }
        self.new(forms[self.choose.choice(VIEWS)], v.exact, owned=v.owned)

    def matmul(self) -> None:
        a, b = self.pick(lambda t: is_float(t) and t.ndim > 1), self.pick(lambda t: is_float(t) and t.ndim > 1)
        if a is not None and b is not None and self.values[a.name].dtype is self.values[b.name].dtype:
            form = self.choose.choice(("{a} @ {b}", "{a} @ {b}.transpose(-1, -2)", "{a}.transpose(-1, -2) @ {b}"))
            self.new(f"segue.tanh({form.format(a=a.name, b=b.name)})", False)

    def inplace(self) -> None:
        v = self.pick(is_float)
        if v is None or not v.owned:
            return
        name = f"v{self.count}"
        value = self.values[v.name]
        if self.run(f"{name} = {v.name} * 1.0"):
            self.count += 1
            self.variables.append(Variable(name, v.exact, True))
            write = self.choose.choice(
                ("{x}.mul_(0.5)", "{x}.add_(1)", "{x} += {x} * 0.25", "{x}.sub_({y})", "{x}.copy_({y} * 0.5)", "{x}.zero_()", "{x}.clamp_(-1, 1)")
            )
            if "clamp" in write and not v.exact:
                return
            self.run(write.format(x=name, y=v.name) if value.shape == self.values[name].shape else f"{name}.mul_(2)")

    def inplace_view(self) -> None:
        v = self.pick(lambda t: is_float(t) and t.ndim > 0 and t.shape[0] > 0)
        if v is None:
            return
        name = f"v{self.count}"
        if self.run(f"{name} = {v.name} * 1.0"):
            self.count += 1
            self.variables.append(Variable(name, v.exact, True))
            self.run(
                self.choose.choice(
                    (
                        "{x}[0].mul_(2)",
                        "{x}[0] = 0.5",
                        "{x}[..., :1] += 1",
                        "{x}.select(0, -1).zero_()",
                        "{x}.transpose(0, -1)[0] = {y}.sum() * 0 + 3",
                        "{x}[1:] = {y}[:-1]",
                        "{x}.view(-1)[::2].neg_()",
                    )
                ).format(x=name, y=v.name)
            )

    def cast(self) -> None:
        v = self.pick()
        if v is not None:
            target = self.choose.choice(("float32", "float64", "float32", "int64", "int32", "bool"))
            if target in ("int64", "int32", "bool") and not v.exact:
                return
            self.new(f"{v.name}.to(segue.{target})", v.exact)

    def join(self) -> None:
        a, b = self.pick(lambda t: t.ndim > 0), self.pick(lambda t: t.ndim > 0)
        if a is not None and b is not None:
            self.new(
                self.choose.choice(("segue.cat([{a}, {b}], 0)", "segue.stack([{a}, {a}], -1)", "segue.cat([{a}, {b}, {a}], -1)")).format(
                    a=a.name, b=b.name
                ),
                a.exact and b.exact,
            )

    def compare(self) -> None:
        v = self.pick(lambda t: is_number(t))
        if v is not None and v.exact:
            self.new(f"({v.name} {self.choose.choice(('>', '<', '>=', '==', '!='))} {self.choose.choice(('0', '1', '0.5'))})", True)

    def branch(self) -> None:
        v = self.pick(is_float)
        if v is None:
            return
        test = self.choose.choice(
            [f"flag{i}" for i in range(len(self.program.flags))]
            + [f"{v.name}.ndim > 1", f"{v.name}.shape == ({self.choose.choice(SIZES)},)", f"{v.name}.numel() > 4"]
        )
        self.new(f"({v.name} * 2 if {test} else {v.name} - 1)", v.exact)

    def loop(self) -> None:
        v = self.pick(is_float)
        if v is None:
            return
        name = f"v{self.count}"
        if self.run(f"{name} = {v.name} + 0.0"):
            self.count += 1
            self.variables.append(Variable(name, v.exact, True))
            body = self.choose.choice(("{x} = {x} * 0.5 + i", "{x} = {x} - {y} * i", "{x} += i"))
            self.run(f"for i in range({self.choose.randint(1, 3)}): {body.format(x=name, y=v.name)}")

    def index(self) -> None:
        v = self.pick(lambda t: t.ndim > 0 and t.shape[0] > 0)
        if v is None:
            return
        size = self.values[v.name].shape[0]
        places = [self.choose.randrange(-size, size) for _ in range(self.choose.randint(1, 4))]
        form = self.choose.choice(("{x}[segue.tensor({p})]", "{x}.index_select(0, segue.tensor({q}))", "{x}[{p}]", "{x}[None, ..., 0]", "{x}[-1]"))
        self.new(form.format(x=v.name, p=places, q=[p % size for p in places]), v.exact)

    def ranked(self) -> None:
        v = self.pick(lambda t: is_number(t) and t.ndim > 0 and t.shape[-1] > 0)
        if v is not None and v.exact:
            self.new(
                self.choose.choice(
                    ("{x}.argmax(-1)", "{x}.argmin(-1, keepdim=True)", "{x}.sort(-1).values", "{x}.cumsum(-1)", "{x}.max(-1).values")
                ).format(x=v.name),
                v.exact and not (is_float(self.values[v.name])),
            )

    def sizes(self) -> None:
        v = self.pick(is_float)
        if v is not None and self.values[v.name].ndim:
            self.new(
                self.choose.choice(
                    ("{x} * {x}.shape[-1]", "{x} + segue.arange({x}.shape[-1])", "segue.zeros({x}.shape) + {x}", "{x} / max({x}.numel(), 1)")
                ).format(x=v.name),
                v.exact,
            )


def is_float(t: Any) -> bool:
    return t.dtype.is_floating_point


def is_number(t: Any) -> bool:
    return t.dtype is not segue.bool


def tensor_of(array: np.ndarray, wants_gradient: bool) -> Any:
    tensor = segue.from_numpy(array.copy())
    return tensor.requires_grad_() if wants_gradient else tensor


def write(choose: random.Random, length: int = 10) -> Program:
    """A random program of about `length` statements."""
    return Writer(choose, choose.randint(2, length)).program


# ---------------------------------------------------------------------------------------------------------------- the verdict


def outcome(program: Program, function: Any) -> tuple[list[Any], list[Any]]:
    """Results and input gradients of one way of running the program, as arrays. Gradients are those of the outputs weighted by fixed numbers."""
    inputs = [tensor_of(*pair) for pair in program.arrays]
    results = function(*inputs, *program.flags)
    total = None
    for place, result in enumerate(results):
        if result.requires_grad:
            weights = segue.from_numpy(np.cos(np.arange(result.numel()) + place).reshape(tuple(result.shape)).astype(result.dtype.numpy))
            part = (result * weights).sum().to(segue.float64)
            total = part if total is None else total + part
    if total is not None:
        total.backward()
    gradients = [None if x.grad is None else x.grad.numpy() for x in inputs]
    return [r.detach().numpy() for r in results], gradients


def same(found: Any, expected: Any, exact: bool) -> str | None:
    """None, or what differs."""
    if (found is None) != (expected is None):
        return f"one is None: {found!r} against {expected!r}"
    if expected is None:
        return None
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{found.shape} against {expected.dtype}{expected.shape}"
    if exact:
        return None if np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f") else f"not equal bit for bit:\n{found}\n{expected}"
    # A float64 value may come from float32 ones, so one tolerance serves both.
    tolerance = 2e-5 * float(np.max(np.abs(expected), initial=1.0))
    return None if np.allclose(found, expected, rtol=1e-4, atol=tolerance, equal_nan=True) else f"differ:\n{found}\n{expected}"


def check(program: Program, backends: tuple[str, ...] = ("eager", "inductor")) -> str | None:
    """Run a program eagerly and through each backend; None when all agree, else a report with the program's text."""
    namespace: dict[str, Any] = {"segue": segue, "F": segue.nn.functional}
    file = f"<random program {abs(hash(program.text))}>"
    exec(compile(program.text, file, "exec"), namespace)  # noqa: S102
    function = namespace["program"]
    expected, expected_gradients = outcome(program, function)
    for backend in backends:
        segue.compiler.reset()
        try:
            found, gradients = outcome(program, segue.compile(function, backend=backend))
        except Exception:  # noqa: BLE001  (any exception is a difference, reported with its traceback)
            return f"backend {backend} raised:\n{program.text}\n{traceback.format_exc()}"
        if segue.compiler.stats()["fallbacks"]:
            return f"backend {backend} could not build the code, and the interpreter ran instead:\n{program.text}"
        for variable, a, b in zip(program.outputs, found, expected):
            if (difference := same(a, b, variable.exact)) is not None:
                return f"backend {backend}, {variable.name}: {difference}\n{program.text}"
        for place, (a, b) in enumerate(zip(gradients, expected_gradients)):
            if (difference := same(a, b, False)) is not None:
                return f"backend {backend}, gradient of x{place}: {difference}\n{program.text}"
    return None


def run(programs: int, seed: int, length: int = 10, report: Any = print, backends: tuple[str, ...] = ("eager", "inductor")) -> int:
    """Check `programs` programs from `seed` on (one seed each); the number that differ."""
    failures = 0
    for number in range(seed, seed + programs):
        verdict = check(write(random.Random(number), length), backends)
        if verdict is not None:
            failures += 1
            report(f"seed {number}: {verdict}")
    return failures
