"""Small plain Python programs, between them every construct of the language that a function body can hold; see test_resume.py."""

# The odd ways of writing are what is tested.
# ruff: noqa: B023, C416, F821, UP008, PIE800, E702, E731

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Log:
    """What a program did, in order; also a source of things that fail or manage on demand."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def __call__(self, *entry: Any) -> Any:
        self.entries.append(entry)
        return entry[-1] if entry else None

    def fail(self, exception: BaseException) -> None:
        self.entries.append(("fails", type(exception).__name__))
        raise exception

    def manager(self, name: str, swallow: bool = False) -> Manager:
        return Manager(self, name, swallow)


class Manager:
    """A context manager that tells the log when it is entered and left."""

    def __init__(self, log: Log, name: str, swallow: bool) -> None:
        self.log, self.name, self.swallow = log, name, swallow

    def __enter__(self) -> str:
        self.log("enter", self.name)
        return self.name

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        self.log("exit", self.name, kind, str(value))
        return self.swallow


@dataclass
class Program:
    """A function and what to call it with; the log comes first."""

    function: Callable
    values: tuple = ()
    keywords: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.function.__name__}{self.values or ''}"

    def arguments(self, log: Log) -> tuple[tuple, dict]:
        return (log, *copy.deepcopy(self.values)), self.keywords


PROGRAMS: list[Program] = []


def program(*calls: tuple, **keywords: Any) -> Callable:
    """Enter the function once for each tuple of arguments."""

    def enter(function: Callable) -> Callable:
        for values in calls or ((),):
            PROGRAMS.append(Program(function, values, keywords))
        return function

    return enter


@program((3, 4))
def straight_line(log, a, b):
    c = a + b * 2
    d = -c ** 2 // 3 % 5
    a, b = b, a
    c += d
    log(a, b, c)
    return a, b, c, d, a < b <= c, not a, ~b, a is b, a in (1, 2)


@program((0,), (5,))
def loop(log, n):
    total = 0
    for i in range(n):
        total += log(i)
    return total


@program((3,))
def nested_loops(log, n):
    out = []
    for i in range(n):
        for j in range(i):
            if j == 1:
                continue
            if i == 3:
                break
            out.append((i, j))
    return out, i, j


@program((3, 1), (3, 9))
def for_else(log, n, wanted):
    for i in range(n):
        if i == wanted:
            log("found", i)
            break
    else:
        log("not found")
    return i


@program((0,), (3,))
def while_else(log, n):
    while n > 0:
        n -= 1
        if n == 7:
            break
    else:
        log("ran out")
    while True:
        n += 1
        if n > 2:
            return n


@program(("a",), (None,))
def none_tests(log, x):
    y = x if x is not None else "default"
    if x is None:
        log("none")
    return y or "empty"


@program((0, 1, 2), (1, 0, 2), (1, 2, 0))
def boolean_operators(log, a, b, c):
    return (a and b or c), (a or b and c), (log(a) and log(b)), (log(a) or log(b) or log(c)), not (a and b)


@program(())
def with_block(log):
    with log.manager("one") as name:
        log("inside", name)
        x = len(name)
    return x


@program((True,), (False,))
def with_raises(log, swallow):
    with log.manager("outer", swallow), log.manager("inner"):
        log.fail(ValueError("no"))
        log("not reached")
    return "swallowed"


@program(())
def with_return(log):
    for i in range(3):
        with log.manager("loop"):
            if i == 1:
                return log("leaving", i)
            if i == 0:
                continue
    return None


@program((None,), (ValueError("v"),), (KeyError("k"),), (TypeError("t"),))
def try_except(log, exception):
    try:
        if exception is not None:
            log.fail(exception)
        log("no exception")
    except ValueError as error:
        log("value", str(error))
        result = "value"
    except (KeyError, IndexError):
        log("key")
        result = "key"
    else:
        result = "else"
    finally:
        log("finally")
    return result


@program((1,), (0,))
def finally_return(log, x):
    try:
        return log("result", 1 / x)
    finally:
        log("cleaning")


@program((3,))
def finally_in_loop(log, n):
    for i in range(n):
        try:
            if i == 1:
                continue
            if i == 2:
                break
            log("body", i)
        finally:
            log("finally", i)
    return i


@program(())
def nested_try(log):
    try:
        try:
            log.fail(KeyError("inner"))
        except KeyError:
            log("handling")
            raise
        finally:
            log("inner finally")
    except KeyError as error:
        return repr(error), type(error.__context__)


@program(())
def raise_from(log):
    try:
        log.fail(KeyError("cause"))
    except KeyError as error:
        raise ValueError("effect") from error


@program(())
def raise_in_handler(log):
    try:
        try:
            [][1]
        except IndexError:
            log("in handler")
            log.fail(ValueError("second"))
    except ValueError as error:
        return type(error.__context__), str(error)


@program(())
def loop_in_handler(log):
    out = []
    for i in range(4):
        try:
            if i % 2:
                raise ValueError(i)
            out.append(i)
        except ValueError as error:
            for j in range(2):
                with log.manager("handler"):
                    out.append((error.args[0], j))
    return out


@program((4,))
def comprehensions(log, n):
    squares = [i * i for i in range(n) if i != 2]
    table = {i: [j for j in range(i)] for i in range(n)}
    return squares, table, {log(i) % 2 for i in range(n)}, tuple(i for i in range(n)), [(i, j) for i in range(2) for j in range(i)]


@program((2,))
def comprehension_shadows(log, n):
    i = "kept"
    values = [i for i in range(n)]
    functions = [lambda: i for i in range(n)]
    return i, values, [f() for f in functions], [[i, x] for x in "ab" for i in x]


@program(())
def comprehension_over_cell(log):
    x = 1
    read = lambda: x
    values = [x for x in range(3)]
    x += 1
    return values, x, read()


@program((5,))
def closures(log, x):
    y = 1

    def inner(z):
        nonlocal y
        y += z
        return x + y

    x += 1
    first = inner(1)
    y = 10
    return first, inner(2), x, y


@program((2,))
def nonlocal_loop(log, n):
    count = 0

    def add():
        nonlocal count
        count += 1
        return count

    for _ in range(n):
        log(add(), count)
    del add
    return count


@program(())
def cell_unbound(log):
    if log("never", False):
        x = 1

    def read():
        return x

    try:
        read()
    except NameError as error:
        log(type(error).__name__)
    x = 2
    result = read()
    del x
    try:
        return x
    except NameError as error:
        return result, type(error).__name__


@program((1, 2, 3), (1,), k=5, extra=6)
def star_arguments(log, a, *rest, k=2, **others):
    def callee(*args, **kwargs):
        return args, kwargs

    return callee(a, *rest, k, x=k, **others), callee(*rest), callee(a, b=1), callee(**others)


@program((1, 2))
def positional_only(log, a, /, b, *, c=3):
    return log(a, b, c)


@program((3,))
def generator_inside(log, n):
    def count():
        for i in range(n):
            got = yield i
            log("got", got)

    return list(count()), sum(i for i in count())


@program((10,))
def walrus(log, n):
    values = []
    while (n := n - 3) > 0:
        values.append(n)
    if (m := len(values)) > 2:
        log("many", m)
    return values, n, m


@program((0,), ([1, 2],), ({"kind": "a", "size": 3},), ("text",), ([1, 2, 3, 4],), (3 + 4j,))
def matching(log, subject):
    match subject:
        case 0 | 1:
            return "small"
        case [a, b]:
            return "pair", a, b
        case [first, *rest]:
            return "list", first, rest
        case {"kind": kind, **others}:
            return kind, others
        case complex(real=r, imag=i) if r > 1:
            return r, i
        case str() as text:
            return text
    return None


@program((3.14159, "x"))
def f_strings(log, number, text):
    width = 10
    return f"{number:.2f} {text!r:>{width}} {text!s} {number} {text + text!a} {{}}"


@program((5,))
def deletion(log, n):
    values = list(range(n))
    table = {"a": 1, "b": 2}
    del values[0], values[1:3], table["a"]
    x = n
    del x
    try:
        return x
    except UnboundLocalError as error:
        return values, table, str(error)


@program((2,))
def deleted_parameter(log, n):
    m = n
    del n
    log(m)
    return [m, m]


@program((4,))
def assertions(log, n):
    assert n > 3, "too small"
    log("passed")
    assert n > 4, f"{n} is too small"


class Base:
    """A base for super()."""

    scale = 2

    def method(self, x: int) -> int:
        return x * self.scale

    @classmethod
    def make(cls) -> str:
        return cls.__name__


class Derived(Base):
    """Calls super() in each way."""

    def method(self, log, x):
        self.scale = 3
        log(super().method(x))
        try:
            return super().method(x) + super(Derived, self).method(1) + super().scale
        finally:
            del self.scale

    def captured(self, log):
        return [super(Derived, self).make() for _ in range(2)], (lambda: self.scale)(), super().make()

    @classmethod
    def make(cls):
        return "derived " + super().make()


PROGRAMS.append(Program(lambda log, method=Derived.method: method(Derived(), log, 2)))


@program(())
def classes_inside(log):
    class Local(Base):
        scale = 5

        def method(self, x):
            return super().method(x) + 1

    return Local().method(2), Local.make()


@program(([1, 2, 3], "ab"))
def unpacking(log, values, text):
    a, b, c = values
    first, *middle, last = [*values, *text]
    (x, y), z = text, values
    return a, b, c, first, middle, last, x, y, z, [*text, *values], {**{"k": 1}, "m": 2}, {*text} == {"a", "b"}


@program(([5, 3, 8],))
def slices(log, values):
    values[1:2] = [7, 7]
    values[0] += 1
    values[-1] **= 2
    return values[1:], values[::-1], values[:2:1]


@program(())
def attributes(log):
    class Box:
        pass

    box = Box()
    box.value = 1
    box.value += 2
    del box.value
    box.other = [box]
    return hasattr(box, "value"), box.other[0] is box


GLOBAL = 0


@program(())
def global_names(log):
    global GLOBAL
    GLOBAL = 1
    GLOBAL += len("ab")
    log(GLOBAL)
    value = GLOBAL
    GLOBAL = 0
    return value


@program(())
def imports(log):
    import math as m
    from collections import OrderedDict, deque

    return m.floor(2.5), OrderedDict is not deque


@program((2,))
def functions_with_everything(log, n):
    def inner(a: int, b: str = "b", *, c: float = n, **kw) -> list:
        return [a, b, c, n, kw]

    return inner(1), inner(1, "x", c=2, d=3), sorted(inner.__annotations__), inner.__defaults__, inner.__kwdefaults__


@program((3,))
def local_variables(log, n):
    m = n + 1
    return sorted(name for name in locals() if name != "log"), m


@program((2,))
def cells_in_locals(log, n):
    m = n
    read = lambda: (n, m)
    found = {name: value for name, value in locals().items() if name in ("n", "m")}
    return found, read()


@program((300,))
def long_jumps(log, n):
    total = 0
    for i in range(n):
        if i > 2:
            break
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
        total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1; total += 1
    return total


@program((ValueError("v"),), (ExceptionGroup("g", [ValueError("v"), KeyError("k")]),))
def exception_groups(log, exception):
    try:
        log.fail(exception)
    except* ValueError as group:
        log("values", len(group.exceptions))
    except* KeyError:
        log("keys")
    return "handled"


@program((3,))
def try_in_with_in_loop(log, n):
    seen = []
    for i in range(n):
        with log.manager(str(i), swallow=True):
            try:
                seen.append(10 // (i - 1))
            except ZeroDivisionError:
                seen.append("zero")
                raise
            finally:
                seen.append("done")
        seen.append("after")
    return seen
