"""Graph breaks: what comes before and behind is compiled, the answer and the order of effects are eager's, and the number of breaks is golden."""

from __future__ import annotations

import pytest
from interp_support import check, compiled, same

import segue
from segue.capture.compile import disable, graph_break
from segue.eager.errors import CaptureError
from segue.eager.stats import stats

LOG: list = []


def note(*what):
    """A call that is never captured, as print would be."""
    LOG.extend(what)


note_it = disable(note)


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def straight(x):
    y = x * 2
    note_it("a")
    return y + 1


def nested_expression(x):
    return (x * 2) + twice(x + 1) * (x - 1)


twice = disable(lambda x: x * 2)


def in_a_loop(x):
    for i in range(3):
        x = x + 1
        note_it(i)
    return x * 2


def in_a_loop_over_a_list(x):
    out = []
    for t in [x, x * 2]:
        y = t + 1
        note_it("t")
        out.append(y * 2)
    return out


def in_with(x):
    with segue.no_grad():
        y = x * 2
        note_it(segue.is_grad_enabled())
        z = y + 1
    note_it(segue.is_grad_enabled())
    return z * 2, x * 3


class Manager:
    def __init__(self):
        self.seen = []

    def __enter__(self):
        note("enter")
        return self

    def __exit__(self, kind, value, trace):
        note("exit", kind)
        return kind is KeyError


def in_users_with(x, manager):
    with manager as m:
        y = x + 1
        note_it("in")
        m.seen.append(1)
    return y * 2


def raises_in_with(x, manager):
    y = x
    with manager:
        y = x + 1
        fails("key")
        y = y * 100
    return y * 2


@disable
def fails(kind):
    raise {"key": KeyError("k"), "value": ValueError("v")}[kind]


def in_try(x):
    try:
        y = x * 2
        fails("key")
    except KeyError as e:
        y = x + len(e.args)
        note_it("handler")
        y = y * 3
    finally:
        note_it("finally")
    return y


def uncaught(x):
    y = x * 2
    try:
        fails("value")
    finally:
        note_it("cleanup")
    return y


def in_callee(x):
    y = callee(x * 2)
    return y + 1


def callee(x):
    z = x + 1
    note_it("callee")
    return z * 3


def two_levels(x):
    return in_callee(x) * 2


def on_data(x):
    if x.sum() > 0:
        return x * 2
    return x - 1


def on_item(x):
    n = x.sum().item()
    return x * n


def while_on_data(x):
    while x.sum() < 20:
        x = x * 2 + 1
    return x


def with_closure(x):
    k = 1

    def add(y):
        return y + k

    y = add(x)
    note_it("k")
    k = 5
    return add(y), k


def effects(x, out):
    out.append(1)
    y = x * 2
    out.append(y)
    note_it(len(out))
    out.append(y + 1)
    return len(out)


def comprehension(x):
    return [noted(x * i) for i in range(3)]


@disable
def noted(x):
    note("c")
    return x + 1


def stars(x, *args, key=2, **rest):
    y = x * key
    note_it(len(args), sorted(rest))
    return y + sum(args), rest


def made_object(x):
    m = Manager()
    m.seen.append(x * 2)
    note_it(len(m.seen))
    m.seen.append(x + 1)
    return m.seen


def generator_alive(x):
    g = (x * i for i in range(4))
    first = next(g)
    note_it("g")
    return first, list(g)


def iterators_alive(x):
    pairs = zip(range(5), [x, x + 1, x + 2])
    _, a = next(pairs)
    note_it("z")
    return a, list(pairs)


def deletes(x):
    y = x * 2
    z = y + 1
    del y
    note_it("d")
    return z


def ended(x):
    y = x + 1
    graph_break("because")
    return y * 2


GLOBAL = 1


def stores_global(x):
    global GLOBAL
    GLOBAL = x.shape[0]
    y = x * GLOBAL
    note_it(GLOBAL)
    GLOBAL = 9
    return y + GLOBAL


CASES = [  # function, arguments, breaks counted over two equal calls
    (straight, (), 1), (nested_expression, (), 1), (in_a_loop, (), None), (in_a_loop_over_a_list, (), None), (in_with, (), 2), (in_users_with, (Manager(),), None),
    (raises_in_with, (Manager(),), None), (in_try, (), None), (uncaught, (), None), (in_callee, (), None), (two_levels, (), None), (on_data, (), 1), (on_item, (), None),
    (while_on_data, (), None), (with_closure, (), 1), (effects, ([],), 1), (comprehension, (), None), (stars, (1, 2), 1), (made_object, (), 1), (generator_alive, (), None),
    (iterators_alive, (), None), (deletes, (), 1), (ended, (), 1), (stores_global, (), None),
]  # fmt: skip


@pytest.mark.parametrize(("function", "args", "breaks"), CASES, ids=[f.__name__ for f, _, _ in CASES])
def test_break(function, args, breaks):
    kwargs = {"key": 3, "other": 4} if function is stars else {}
    LOG.clear()
    before = len(LOG)
    check(function, x3(), *args, breaks=breaks, **kwargs)
    quarter = LOG[before:]
    assert quarter[: len(quarter) // 2] == quarter[len(quarter) // 2 :]
    half = quarter[: len(quarter) // 2]
    assert half[: len(half) // 2] == half[len(half) // 2 :], "eager and compiled do the same in the same order"


def test_gradients_flow_through_a_break():
    def loss(w):
        y = (w * 2).exp()
        note_it("g")
        return (y * w).sum()

    w, v = x3().requires_grad_(), x3().requires_grad_()
    loss(w).backward()
    compiled(loss)(v).backward()
    assert same(w.grad, v.grad)


def test_fullgraph_raises_with_the_reason_and_the_line():
    with pytest.raises(CaptureError) as error:
        compiled(straight, fullgraph=True)(x3())
    assert "note_it" in str(error.value) or "disabled" in str(error.value)
    assert "test_breaks.py" in str(error.value)


def test_print_keeps_working(capsys):
    def talk(x):
        y = x * 2
        print("shape", y.shape)
        return y + 1

    made = compiled(talk)
    assert same(made(x3()), talk(x3()))
    assert capsys.readouterr().out.count("shape") == 2


def test_a_break_in_a_loop_compiles_once_per_piece():
    made = compiled(in_a_loop_of)
    before = stats.read()
    for n in (3, 10, 50):
        assert same(made(x3(), n), in_a_loop_of(x3(), n))
    assert stats.since(before)["captures"] < 12


def in_a_loop_of(x, n):
    for _ in range(n):
        x = x * 0.5 + 1
        note_it("n")
    return x


def test_gradients_are_recorded_again_behind_a_break_in_no_grad():
    """The graph behind the break starts where nothing is recorded and ends where all is."""

    def f(x):
        with segue.no_grad():
            note_it("inside")
            y = x * 2
        return x * 3, y

    x = x3().requires_grad_()
    made = compiled(f)
    for _ in range(2):
        z, y = made(x)
        assert z.requires_grad and not y.requires_grad and segue.is_grad_enabled()
        z.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0, 6.0]


def test_writing_over_a_result_leaves_it_with_a_gradient_of_zero():
    def f(x, fill):
        y = (x * 2).repeat(1) if fill == "view" else x * 2
        return y.copy_(segue.ones(3)) if fill == "one" else y.zero_()

    for fill in ("zero", "one", "view"):
        x = x3().requires_grad_()
        y = compiled(f)(x, fill)
        assert y.requires_grad
        y.sum().backward()
        assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_leaf_made_inside_is_reached_from_outside():
    """A graph has gradients for its inputs only: it ends before such a leaf is made where a backward from outside could tell."""

    def both(x):
        y = x * 2
        w = y.detach().requires_grad_()
        return y + 1, w, (w * w).sum()

    def alone(x):
        return segue.ones(3, requires_grad=True) * x

    def used_up(x):
        w = (x * 2).detach().requires_grad_()
        (w * w).sum().backward()
        return w.grad + x

    made = compiled(both)
    for _ in range(2):
        _, w, total = made(x3())
        total.backward()
        assert w.grad.tolist() == [4.0, -8.0, 12.0]
    assert compiled(alone)(x3()).requires_grad
    assert same(compiled(used_up, fullgraph=True)(x3()), used_up(x3()))
    with pytest.raises(CaptureError, match="requires a gradient"):
        compiled(both, fullgraph=True)(x3())


def test_generated_methods_of_our_own_classes_are_not_captured():
    """A dataclass's methods are in no file, so that the hook cannot tell them by it; traced amid a trace they did harm (random program 295)."""
    model = segue.nn.Sequential(segue.nn.PReLU(), segue.nn.Linear(2, 2))

    def program(x):
        positive = x[x > 0]
        model(positive.detach()).sum().backward()  # runs eagerly, and differentiates a graph there
        return positive * 2

    found = segue.explain(program, dynamic=True)(segue.tensor([1.0, -1.0, 2.0]))
    names = [record.function for record in (*found.captured, *found.skipped)]
    assert "Module.__call__" in names and not [name for name in names if "__init__" in name]


def test_an_input_that_requires_a_gradient_after_its_use_has_second_derivatives():
    """The gradient of what was computed from it reads it, as it stands when the gradient is asked for; what was computed from it before stays without history."""

    def f(x, w):
        y = x * w + x.sin() * w
        x.requires_grad_()
        return y, x * w

    def second(f):
        x, w = x3(), x3().requires_grad_()
        y, z = f(x, w)
        (first,) = segue.autograd.grad((y.sin() + z).sum(), [w], create_graph=True)
        return first, *segue.autograd.grad(first.square().sum(), [w, x])

    made = compiled(f)
    for _ in range(2):
        for found, wanted in zip(second(made), second(f)):
            segue.testing.assert_close(found, wanted)


def test_a_mode_set_outside_of_a_block_stays_where_an_exception_goes_through():
    def raises(x):
        segue.set_grad_enabled(False)
        y = x * 2
        raise ValueError(y)

    def mistaken(x):
        segue.set_grad_enabled(False)
        return (x * 2) @ segue.ones(7, 7)

    def within(x):
        with segue.no_grad():
            segue.set_grad_enabled(True)
            graph_break()
            return (x * 2) @ segue.ones(7, 7)

    for f in (raises, mistaken, within):
        for _ in range(2):
            with pytest.raises((ValueError, RuntimeError)):
                compiled(f)(segue.ones(3))
            stands = segue.is_grad_enabled()
            segue.set_grad_enabled(True)
            assert stands is (f is within)
