"""Odd but legal programs with tensors: whatever is captured or not, the answer, the effects and the exceptions are eager's."""

from __future__ import annotations

import collections
import contextlib
import copy
import functools
import itertools
import random
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from interp_support import check, compiled, same

import segue
from segue import nn
from segue.capture.compile import disable

F = nn.functional


@disable
def stop(*what):
    return None


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def w3():
    return x3().requires_grad_()


# -- effects on what came from outside -------------------------------------------------------------------------------------


def swaps(xs):
    xs[0], xs[1] = xs[1], xs[0]
    xs.reverse()
    xs += [xs[0] * 2]
    return xs


def nested_containers(d, x):
    d["a"]["b"].append(x * 2)
    d["a"]["c"] = d["a"]["b"]
    d["a"]["c"].append(1)
    return d


def cyclic(x):
    a = [x * 2]
    a.append(a)
    d = {"self": None}
    d["self"] = d
    return len(a), a[1] is a, d["self"] is d, a[0]


def returns_cycle(x):
    a = [x * 2]
    a.append(a)
    return a


def dict_order(d, x):
    d["b"] = d.pop("a")
    d["c"] = x
    d["b"] = 5
    d.update(z=1, a=2)
    return list(d)


def same_object_twice(xs, x):
    pair = (xs, xs)
    pair[0].append(x + 1)
    return pair[1], pair[0] is pair[1]


class Node:
    def __init__(self, value, parent=None):
        self.value = value
        self.parent = parent
        self.children = []
        if parent is not None:
            parent.children.append(self)


def tree(x):
    root = Node(x)
    for k in range(2):
        Node(x * k, root)
    return sum(c.value for c in root.children), root.children[0].parent is root, root


def swap_attributes(node, x):
    node.value, old = x * 2, node.value
    node.old = old
    del node.parent
    return old, hasattr(node, "parent")


def setdefault_grad(w, x):
    loss = (w * x).sum()
    loss.backward()
    g = w.grad
    w.grad = None
    return g


def double_backward(w):
    y = (w**3).sum()
    (g,) = segue.autograd.grad(y, w, create_graph=True)
    (g.sum()).backward()
    return w.grad


def retained(w):
    y = (w * 2).exp()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return w.grad


def no_grad_update(w):
    with segue.no_grad():
        w -= 0.1 * w
    return w.requires_grad


@segue.no_grad()
def decorated(w):
    return w * 2


def detach_chain(w):
    y = (w * 2).detach()
    z = y.requires_grad_()
    return z * w, y.requires_grad


def leaf_inside(x):
    w = segue.ones(3, requires_grad=True)
    (w * x).sum().backward()
    return w.grad, w


def in_place_view(x):
    y = x.clone()
    row = y[0:2]
    row.mul_(10)
    y[2] = row.sum()
    return y, row


def in_place_argument_view(x):
    v = x[1:]
    v.add_(5)
    return v, x * 1


def out_of_order_results(x):
    a = x + 1
    b = a * 2
    return {"b": b, "a": a, "t": (a, b, [a])}


# -- control ------------------------------------------------------------------------------------------------------------------


def try_in_loop(x):
    seen = []
    for i in range(4):
        try:
            if i == 1:
                continue
            if i == 3:
                break
            if i == 2:
                raise KeyError(i)
            x = x + 1
        except KeyError as error:
            seen.append(error.args[0])
            x = x * 2
        finally:
            seen.append(i)
    else:
        seen.append("never")
    return x, seen


def nested_finally(x):
    def inner():
        try:
            return x * 2
        finally:
            log.append("f")

    log: list = []
    return inner(), log


def return_in_with(x, manager):
    with manager:
        return x + 1


def exception_groups(x):
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* ValueError:
        x = x + 1
    except* KeyError:
        x = x * 2
    return x


def raise_from(x):
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError as error:
        return x * 2, str(error), type(error.__cause__).__name__, str(error.__context__)


def uncaught_custom(x):
    y = x * 2
    raise LookupError("no", y.shape[0])


def break_in_handler(x):
    try:
        raise ValueError("v")
    except ValueError as error:
        stop("h")
        y = x * len(error.args)
    return y + 1


def break_in_finally(x):
    try:
        y = x * 2
    finally:
        stop()
        z = y + 1 if x.shape[0] else None
    return z


def reraise_after_break(x):
    try:
        raise ValueError("v")
    except ValueError:
        stop()
        raise


def break_in_nested_with(x):
    with contextlib.ExitStack() as stack:
        stack.enter_context(segue.no_grad())
        y = x * 2
    return y


@contextlib.contextmanager
def scaled(log, k):
    log.append("in")
    try:
        yield k
    finally:
        log.append("out")


def generator_manager(x, log):
    with scaled(log, 3) as k:
        y = x * k
        stop()
    return y + 1


def generator_manager_whole(x, log):
    with scaled(log, 3) as k:
        y = x * k
    return y + 1


def suppressed(x):
    with contextlib.suppress(ValueError):
        y = x * 2
        raise ValueError
    return y


def generator_with_try(x):
    def numbers():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    closed: list = []
    total = x
    for n in numbers():
        total = total * n
    g = numbers()
    next(g)
    g.close()
    return total, closed


def generator_returned(x):
    return (x * i for i in range(2))


def infinite(x):
    for i in itertools.count():
        x = x + i
        if i > 3:
            return x
    return None


def breaks_deep(x):
    def level(n, x):
        if n == 0:
            stop()
            return x * 2
        return level(n - 1, x + 1) * 3

    return level(4, x)


def breaks_in_comprehension(x):
    return {k: inner_break(x * k) for k in range(3) if inner_break(k) >= 0}


def inner_break(v):
    stop()
    return v


def lambda_default(x):
    fs = [lambda y, i=i: y * i for i in range(3)]
    stop()
    return [f(x) for f in fs]


def late_binding(x):
    fs = [lambda y: y * i for i in range(3)]  # noqa: B023
    i = 5
    return [f(x) for f in fs], i


def nonlocal_after_break(x):
    n = 0

    def bump():
        nonlocal n
        n += 1
        stop()
        return n

    a = bump()
    b = bump()
    return x * a + b * n


def unbound(x):
    if x.shape[0] > 100:
        y = 1
    stop()
    return y


def star_unpack(x, *args, **kwargs):
    a, *b = args
    return takes(*b, a, **{**kwargs, "k": 9}) + x


def takes(p, q, /, r, *, k=1, j=2):
    return p * q + r * k - j


def dataclass_made(x):
    c = Config(3, x * 2)
    d = replace(c, width=5)
    return c, d.width, d.data


@dataclass
class Config:
    width: int
    data: object = None

    def __post_init__(self):
        self.area = self.width**2


@dataclass(frozen=True)
class Frozen:
    k: int


def frozen_key(x):
    f = Frozen(3)
    return x * f.k, f == Frozen(3)


@functools.lru_cache
def cached(n):
    return n * 2


def uses_cache(x):
    return x * cached(3)


@functools.wraps(stop)
def wrapped(x):
    return x * 2


def decorated_inside(x):
    def deco(f):
        @functools.wraps(f)
        def inner(*a):
            return f(*a) + 1

        return inner

    @deco
    def g(y):
        return y * 2

    return g(x)


class Descriptor:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner):
        return getattr(instance, self.name, 7)

    def __set__(self, instance, value):
        setattr(instance, self.name, value * 2)


class WithDescriptor:
    d = Descriptor()

    def __getattr__(self, name):
        if name.startswith("dyn"):
            return len(name)
        raise AttributeError(name)

    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


def descriptors(x, o):
    o.d = 4
    return x * o.d + o.dynamic, getattr(o, "nope", 1), hasattr(o, "dyn")


class Vector:
    def __init__(self, t):
        self.t = t

    def __mul__(self, k):
        return Vector(self.t * k)

    __rmul__ = __mul__

    def __matmul__(self, o):
        return (self.t * o.t).sum()

    def __neg__(self):
        return Vector(-self.t)

    def __iadd__(self, o):
        self.t = self.t + o
        return self

    def __getitem__(self, i):
        return self.t[i]

    def __bool__(self):
        return True

    def __repr__(self):
        return f"Vector({self.t.shape[0]})"

    def __format__(self, spec):
        return f"<{spec}>"


def vectors(x):
    v = Vector(x)
    w = 2 * -v * 3
    w += 1
    return w, v @ w, v[0], f"{v!r} {v:abc} {v!s}", bool(v)


def tensor_in_key(x):
    d = {x: 1}
    s = {x}
    return d[x], x in d, x in s, len(s)


def isinstance_checks(x):
    return isinstance(x, segue.Tensor), isinstance(x.shape, tuple), isinstance(x.shape[0], int), type(x) is segue.Tensor, callable(x.sum), isinstance(3, (int, str))


def numpy_constant(x):
    return x * float(np.pi) + np.float32(2).item()


def to_numpy(x):
    return segue.from_numpy(x.numpy() * 2) + 1


def random_python(x):
    return x * random.Random(3).random()


def item_then(x):
    n = int(x.abs().sum().item())
    return segue.ones(n) * x[0]


def chained(x):
    return x[0].shape == () and 1 < x.ndim + 1 <= 5 != x.shape[0]


def ternaries(x, flag):
    return (x if flag else -x), (flag and x), (flag or 3), not flag


def copies(x, d):
    e = copy.copy(d)
    e["n"] = x
    f = dict(d, m=1)
    return d, e, f, [*d], {**d, **e}


def deque(x):
    q = collections.deque([1, 2])
    q.append(x)
    return q.pop() * 2


def counter_class(x):
    return x * collections.Counter("aab")["a"]


def string_building(x):
    parts = []
    for i, s in enumerate(x.shape):
        parts.append(f"{i}:{s}")
    return ",".join(parts), str(x.dtype), repr(tuple(x.shape)), "%d" % x.shape[0]


def slices(x):
    s = slice(0, 2)
    return x[s], x[..., None], x[[0, 2]], x[x > 0].sum() if False else x[1:][::1], [1, 2, 3][s]


def print_it(x):
    print(x.shape)
    return x * 2


def del_attribute_and_item(x, d):
    del d["k"]
    stop()
    return x, d


def global_tensor_mutation(x):
    STATE.append(x * 2)
    STATE_DICT["n"] = STATE_DICT.get("n", 0) + 1
    out = STATE.pop()
    return out


STATE: list = []
STATE_DICT: dict = {"n": 1}


def manual_seed_inside(x):
    segue.manual_seed(3)
    return x + segue.rand(3)


def grad_mode_left_changed(x):
    segue.set_grad_enabled(False)
    y = x * 2
    segue.set_grad_enabled(True)
    return y


def default_dtype_inside(x):
    segue.set_default_dtype(segue.float64)
    y = segue.zeros(2)
    segue.set_default_dtype(segue.float32)
    return y, x


def hooks(w):
    seen = []
    y = w * 2
    y.register_hook(lambda g: seen.append(1))
    y.sum().backward()
    return seen, w.grad


def retain(w):
    y = w * 2
    y.retain_grad()
    y.sum().backward()
    return y.grad


def data_write(w):
    w.data.mul_(2)
    w.data = w.data + 1
    return w


def switch_requires_grad(x):
    x.requires_grad_()
    return (x * 2).sum()


def many_results(x):
    return [x * i for i in range(40)]


def big_int(x):
    return x * (1 << 3), 10**30, -1 % 7, divmod(7, -2), round(2.5), abs(-3), 7 // -2, 2**-1


def bytes_and_strings(x):
    return b"ab" + b"c", "x".join("ab"), "AbC".swapcase(), "a,b".split(","), b"a"[0], "%s" % (x.ndim,), "é".encode()


def zip_strict(x):
    try:
        list(zip([1, 2], [x], strict=True))
    except ValueError as error:
        return x * 2, str(error)


def min_max(x):
    return max(x.shape[0], 2), min([x.shape[0], 9], key=lambda v: -v), max("ab", "c"), sorted({"b": 1, "a": 2}), max([], default=4)


def set_operations(x):
    a, b = {1, 2, 3}, {2, 3, 4}
    return sorted(a | b), sorted(a & b), sorted(a - b), sorted(a ^ b), a <= b, a.isdisjoint({9}), len(a), 2 in a, frozenset(a) == a


PROGRAMS = [
    (swaps, ([x3(), x3() * 2],)), (nested_containers, ({"a": {"b": [1]}}, x3())), (cyclic, (x3(),)), (dict_order, ({"a": 1, "k": 2}, x3())), (same_object_twice, ([], x3())),
    (swap_attributes, (Node(1), x3())), (setdefault_grad, (w3(), x3())), (double_backward, (w3(),)), (retained, (w3(),)),
    (no_grad_update, (w3(),)), (decorated, (w3(),)), (detach_chain, (w3(),)), (leaf_inside, (x3(),)), (in_place_view, (x3(),)), (in_place_argument_view, (x3(),)),
    (out_of_order_results, (x3(),)), (try_in_loop, (x3(),)), (nested_finally, (x3(),)), (exception_groups, (x3(),)), (raise_from, (x3(),)), (uncaught_custom, (x3(),)),
    (break_in_handler, (x3(),)), (break_in_finally, (x3(),)), (reraise_after_break, (x3(),)), (break_in_nested_with, (w3(),)), (generator_manager, (x3(), [])),
    (generator_manager_whole, (x3(), [])), (suppressed, (x3(),)), (generator_with_try, (x3(),)), (infinite, (x3(),)), (breaks_deep, (x3(),)), (breaks_in_comprehension, (x3(),)),
    (lambda_default, (x3(),)), (late_binding, (x3(),)), (nonlocal_after_break, (x3(),)), (unbound, (x3(),)), (star_unpack, (x3(), 1, 2, 3)), (dataclass_made, (x3(),)),
    (frozen_key, (x3(),)), (uses_cache, (x3(),)), (wrapped, (x3(),)), (decorated_inside, (x3(),)), (descriptors, (x3(), WithDescriptor())), (vectors, (x3(),)), (tensor_in_key, (x3(),)),
    (isinstance_checks, (x3(),)), (numpy_constant, (x3(),)), (to_numpy, (x3(),)), (random_python, (x3(),)), (item_then, (x3(),)), (chained, (x3(),)), (ternaries, (x3(), True)),
    (ternaries, (x3(), 0)), (copies, (x3(), {"q": 1})), (deque, (x3(),)), (counter_class, (x3(),)), (string_building, (x3(),)), (slices, (x3(),)), (print_it, (x3(),)),
    (del_attribute_and_item, (x3(), {"k": 1, "j": 2})), (manual_seed_inside, (x3(),)), (grad_mode_left_changed, (w3(),)), (default_dtype_inside, (x3(),)), (hooks, (w3(),)),
    (retain, (w3(),)), (data_write, (w3(),)), (switch_requires_grad, (x3(),)), (many_results, (x3(),)), (big_int, (x3(),)), (bytes_and_strings, (x3(),)), (zip_strict, (x3(),)),
    (min_max, (x3(),)), (set_operations, (x3(),)), (global_tensor_mutation, (x3(),)), (return_in_with, (x3(), contextlib.nullcontext())),
]  # fmt: skip


@pytest.mark.parametrize(("function", "args"), PROGRAMS, ids=[f"{f.__name__}-{i}" for i, (f, _) in enumerate(PROGRAMS)])
def test_program(function, args):
    STATE.clear()
    check(function, *args, breaks=None, times=3)


def test_cycles_are_rebuilt():
    found = compiled(returns_cycle)(x3())
    assert found[1] is found and same(found[0], x3() * 2)
    total, linked, root = compiled(tree)(x3())
    assert linked and all(child.parent is root for child in root.children) and same(total, tree(x3())[0])


def test_generator_is_returned():
    assert same(list(compiled(generator_returned)(x3())), list(generator_returned(x3())))


def test_global_effects_happen_once():
    before = STATE_DICT["n"]
    made = compiled(global_tensor_mutation)
    for turn in range(1, 5):
        made(x3())
        assert STATE_DICT["n"] == before + turn


@pytest.mark.parametrize("function", [reraise_after_break, break_in_handler, uncaught_custom])
def test_no_exception_stays_handled(function):
    made = compiled(function)
    for _ in range(3):
        with contextlib.suppress(ValueError, LookupError):
            made(x3())
        assert sys.exc_info() == (None, None, None)


def removes_what_is_not_there(names, x):
    names.discard("absent")
    names.discard("a")
    try:
        names.remove("absent")
    except KeyError as missing:
        return x * len(names), missing.args


def masks_with_the_least_number(x):
    return segue.where(x > 0, x, segue.finfo(x.dtype).min), segue.iinfo(segue.int8).max


@pytest.mark.parametrize("function, args", [(removes_what_is_not_there, lambda: ({"a", "b"}, x3())), (masks_with_the_least_number, lambda: (x3(),))])
def test_small_things_of_library_code_are_captured(function, args):
    made = compiled(function, fullgraph=True)
    for _ in range(2):
        mine, theirs = args(), args()
        assert same(made(*mine), function(*theirs))
        assert same(mine[0], theirs[0])
