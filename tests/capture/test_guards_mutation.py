"""Change one thing that a compiled program read: the answer must still be eager's. Each program is (make, run, change)."""

from __future__ import annotations

import collections
import functools
import types
from enum import Enum

import pytest
from interp_support import compiled, same

import segue
from segue import nn

NUMBER = 2
SCALES = {"a": 2.0, "b": 3.0}
WEIGHT = segue.tensor([1.0, 2.0, 3.0])
FLAGS = [1, 2]
CHOSEN = {1, 2}
Pair = collections.namedtuple("Pair", "x y")


class Mode(Enum):
    FAST = 1
    SLOW = 2


CURRENT = Mode.FAST
helpers = types.ModuleType("helpers")
helpers.factor = 2.0
helpers.apply = lambda x: x * helpers.factor


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


def scale(x, by=2.0, *, shift=1.0):
    return x * by + shift


def other_scale(x, by=5.0, *, shift=7.0):
    return x - by


class Base:
    rate = 3.0

    def base_method(self, x):
        return x + 1


class Thing(Base):
    kind = "double"
    shared: dict = {"n": 1}

    def __init__(self):
        self.value = 2.0
        self.items = [1.0, 2.0]
        self.nested = {"deep": {"n": 1.0}}
        self.none = None

    def method(self, x):
        return x * self.value

    @property
    def computed(self):
        return self.value + 1

    @staticmethod
    def static(x):
        return x * 2

    @classmethod
    def made(cls, x):
        return x * cls.rate

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1

    def __len__(self):
        return 2


class OtherThing(Thing):
    kind = "triple"

    def method(self, x):
        return x * 100


class Slotted:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 2.0


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.extra = None
        self.flag = True
        self.register_buffer("offset", segue.ones(3))
        self.children_list = nn.ModuleList([nn.Linear(3, 3)])

    def forward(self, x):
        x = self.linear(x)
        if self.extra is not None:
            x = x + self.extra
        if self.training:
            x = x * 2
        for layer in self.children_list:
            x = layer(x)
        return x + self.offset if self.flag else x


def set_global(name, value):
    def change(state):
        globals()[name] = value

    return change


def attribute(name, value):
    def change(state):
        setattr(state, name, value)

    return change


def both(f, g):
    def change(state):
        f(state)
        g(state)

    return change


def closed():
    k = 2.0

    def run(state, x):
        return x * k

    def change(state):
        nonlocal k
        k = 3.0

    return (lambda: None), run, change


def closed_over_list():
    ks = [2.0]

    def run(state, x):
        return x * ks[0]

    return (lambda: None), run, lambda state: ks.__setitem__(0, 4.0)


def generator_reads():
    def run(state, x):
        return sum(x * n for n in FLAGS)

    return (lambda: None), run, lambda state: FLAGS.append(3)


none = lambda: None  # noqa: E731
PROGRAMS = {
    "global number": (none, lambda s, x: x * NUMBER, set_global("NUMBER", 5)),
    "global to another type": (none, lambda s, x: x * NUMBER, set_global("NUMBER", 2.5)),
    "global becomes a tensor": (none, lambda s, x: x * NUMBER, set_global("NUMBER", segue.tensor([3.0]))),
    "global deleted": (none, lambda s, x: x * 2 if "NUMBER" in "NUMBER" and NUMBER else x, lambda s: globals().pop("NUMBER")),
    "global function": (none, lambda s, x: scale(x), set_global("scale", other_scale)),
    "global tensor replaced": (none, lambda s, x: x * WEIGHT, set_global("WEIGHT", segue.tensor([7.0]))),
    "global tensor changed in place": (none, lambda s, x: x * WEIGHT, lambda s: WEIGHT.mul_(3)),
    "global dict entry": (none, lambda s, x: x * SCALES["a"], lambda s: SCALES.__setitem__("a", 9.0)),
    "global dict gets a key": (none, lambda s, x: x * SCALES.get("c", 1.0), lambda s: SCALES.__setitem__("c", 9.0)),
    "global dict loses a key": (none, lambda s, x: x * 2 if "b" in SCALES else x, lambda s: SCALES.pop("b")),
    "dict is iterated": (none, lambda s, x: x * sum(SCALES.values()), lambda s: SCALES.__setitem__("z", 9.0)),
    "length of a dict": (none, lambda s, x: x * len(SCALES), lambda s: SCALES.__setitem__("z", 9.0)),
    "list item": (none, lambda s, x: x * FLAGS[0], lambda s: FLAGS.__setitem__(0, 7)),
    "list length": (none, lambda s, x: x * len(FLAGS), lambda s: FLAGS.append(7)),
    "set": (none, lambda s, x: x * 2 if 1 in CHOSEN else x, lambda s: CHOSEN.discard(1)),
    "enum": (none, lambda s, x: x * 2 if CURRENT is Mode.FAST else x, set_global("CURRENT", Mode.SLOW)),
    "enum value": (none, lambda s, x: x * CURRENT.value, set_global("CURRENT", Mode.SLOW)),
    "builtin is shadowed": (none, lambda s, x: x * len([1, 2]), set_global("len", lambda v: 50)),
    "module attribute": (none, lambda s, x: x * helpers.factor, lambda s: setattr(helpers, "factor", 8.0)),
    "global of an inlined function": (none, lambda s, x: helpers.apply(x), lambda s: setattr(helpers, "factor", 8.0)),
    "function of a module": (none, lambda s, x: helpers.apply(x), lambda s: setattr(helpers, "apply", lambda x: x - 1)),
    "default argument": (none, lambda s, x: scale(x), lambda s: setattr(scale, "__defaults__", (9.0,))),
    "keyword default": (none, lambda s, x: scale(x), lambda s: setattr(scale, "__kwdefaults__", {"shift": 9.0})),
    "code of a function": (none, lambda s, x: scale(x), lambda s: setattr(scale, "__code__", other_scale.__code__)),
    "closure cell": closed(),
    "list in a closure": closed_over_list(),
    "read by a generator": generator_reads(),
    "attribute": (Thing, lambda s, x: x * s.value, attribute("value", 6.0)),
    "attribute becomes None": (Thing, lambda s, x: x * 2 if s.value is None else x, attribute("value", None)),
    "None becomes a tensor": (Thing, lambda s, x: x if s.none is None else x + s.none, attribute("none", segue.ones(3))),
    "attribute appears": (Thing, lambda s, x: x * getattr(s, "later", 1.0), attribute("later", 6.0)),
    "hasattr": (Thing, lambda s, x: x * 2 if hasattr(s, "later") else x, attribute("later", 6.0)),
    "attribute disappears": (Thing, lambda s, x: x * 2 if hasattr(s, "value") else x, lambda s: delattr(s, "value")),
    "instance shadows the class": (Thing, lambda s, x: x * 2 if s.kind == "double" else x, attribute("kind", "none")),
    "class attribute": (Thing, lambda s, x: x * 2 if s.kind == "double" else x, lambda s: setattr(Thing, "kind", "none")),
    "attribute of a base class": (Thing, lambda s, x: x * s.rate, lambda s: setattr(Base, "rate", 9.0)),
    "subclass gets an attribute of its base": (Thing, lambda s, x: x * s.rate, lambda s: setattr(Thing, "rate", 9.0)),
    "class attribute through the class": (none, lambda s, x: x * Thing.rate, lambda s: setattr(Base, "rate", 9.0)),
    "dict on a class": (Thing, lambda s, x: x * s.shared["n"], lambda s: Thing.shared.__setitem__("n", 4)),
    "method": (Thing, lambda s, x: s.method(x), lambda s: setattr(Thing, "method", lambda self, x: x - 1)),
    "method on the instance": (Thing, lambda s, x: s.method(x), attribute("method", lambda x: x - 1)),
    "method of a base class": (Thing, lambda s, x: s.base_method(x), lambda s: setattr(Base, "base_method", lambda self, x: x - 1)),
    "method is overridden later": (Thing, lambda s, x: s.base_method(x), lambda s: setattr(Thing, "base_method", lambda self, x: x - 1)),
    "property": (Thing, lambda s, x: x * s.computed, lambda s: setattr(Thing, "computed", property(lambda self: 50.0))),
    "what a property reads": (Thing, lambda s, x: x * s.computed, attribute("value", 9.0)),
    "static method": (Thing, lambda s, x: s.static(x), lambda s: setattr(Thing, "static", staticmethod(lambda x: x - 1))),
    "class method": (Thing, lambda s, x: s.made(x), lambda s: setattr(Base, "rate", 9.0)),
    "class of an object": (Thing, lambda s, x: s.method(x), attribute("__class__", OtherThing)),
    "__eq__ of a class": (Thing, lambda s, x: x * 2 if s == 3 else x, lambda s: setattr(Thing, "__eq__", lambda self, other: False)),
    "__len__ of a class": (Thing, lambda s, x: x * len(s), lambda s: setattr(Thing, "__len__", lambda self: 9)),
    "list in an object": (Thing, lambda s, x: x * s.items[1], lambda s: s.items.__setitem__(1, 8.0)),
    "list in an object is iterated": (Thing, lambda s, x: [x * i for i in s.items], lambda s: s.items.append(8.0)),
    "deep dict": (Thing, lambda s, x: x * s.nested["deep"]["n"], lambda s: s.nested["deep"].__setitem__("n", 8.0)),
    "slot": (Slotted, lambda s, x: x * s.a, attribute("a", 8.0)),
    "partial": (lambda: types.SimpleNamespace(f=functools.partial(scale, by=2.0)), lambda s, x: s.f(x), attribute("f", functools.partial(scale, by=4.0))),
    "bound method": (lambda: types.SimpleNamespace(f=Thing().method), lambda s, x: s.f(x), attribute("f", OtherThing().method)),
    "tuple": (lambda: types.SimpleNamespace(t=(1, 2)), lambda s, x: x * s.t[1], attribute("t", (1, 5))),
    "True and 1": (lambda: types.SimpleNamespace(t=True), lambda s, x: x * 2 if s.t is True else x, attribute("t", 1)),
    "zero and minus zero": (lambda: types.SimpleNamespace(t=0.0), lambda s, x: x * 0 + 1 / (s.t + float("inf")) if str(s.t) == "0.0" else x, attribute("t", -0.0)),
    "named tuple": (lambda: types.SimpleNamespace(t=Pair(1, 2)), lambda s, x: x * s.t.y, attribute("t", Pair(1, 7))),
    "string": (lambda: types.SimpleNamespace(t="relu"), lambda s, x: getattr(x, s.t)(), attribute("t", "exp")),
    "slice": (lambda: types.SimpleNamespace(t=slice(0, 2)), lambda s, x: x[s.t], attribute("t", slice(1, 3))),
    "range": (lambda: types.SimpleNamespace(t=range(2)), lambda s, x: [x * i for i in s.t], attribute("t", range(3))),
    "dtype": (lambda: types.SimpleNamespace(t=segue.float32), lambda s, x: x.to(s.t), attribute("t", segue.float64)),
    "same object twice": (lambda: types.SimpleNamespace(a=[1.0], b=[1.0]), lambda s, x: x * 2 if s.a is s.b else x, lambda s: setattr(s, "a", s.b)),
    "training": (Net, lambda s, x: s(x), lambda s: s.eval()),
    "flag of a module": (Net, lambda s, x: s(x), attribute("flag", False)),
    "module gets a parameter": (Net, lambda s, x: s(x), attribute("extra", nn.Parameter(segue.ones(3)))),
    "parameter is replaced": (Net, lambda s, x: s(x), lambda s: setattr(s.linear, "weight", nn.Parameter(segue.ones(3, 3)))),
    "parameter becomes None": (Net, lambda s, x: s(x), lambda s: setattr(s.linear, "bias", None)),
    "parameter is changed in place": (Net, lambda s, x: s(x), lambda s: nn.init.ones_(s.linear.weight)),
    "parameter is frozen": (Net, lambda s, x: s(x).requires_grad, lambda s: [p.requires_grad_(False) for p in s.parameters()]),
    "buffer": (Net, lambda s, x: s(x), attribute("offset", segue.zeros(3))),
    "submodule is replaced": (Net, lambda s, x: s(x), lambda s: setattr(s, "linear", nn.Sequential(nn.Linear(3, 3), nn.ReLU()))),
    "module list grows": (Net, lambda s, x: s(x), lambda s: s.children_list.append(nn.Linear(3, 3))),
    "forward hook": (Net, lambda s, x: s(x), lambda s: s.register_forward_hook(lambda m, a, r: r * 3)),
    "hook on a child": (Net, lambda s, x: s(x), lambda s: s.linear.register_forward_hook(lambda m, a, r: r * 3)),
    "forward of an instance": (Net, lambda s, x: s(x), lambda s: s.__dict__.__setitem__("forward", lambda x: x * 9)),
    "forward of a class": (Net, lambda s, x: s(x), lambda s: setattr(Net, "forward", lambda self, x: x * 9)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def restored():
    """Everything that the programs change is put back."""
    import copy

    kept = {name: globals()[name] for name in ("NUMBER", "scale", "WEIGHT", "CURRENT")}
    copies = {name: copy.deepcopy(globals()[name]) for name in ("SCALES", "FLAGS", "CHOSEN")}
    classes = {cls: dict(vars(cls)) for cls in (Base, Thing, OtherThing, Net)}
    functions = (scale.__defaults__, scale.__kwdefaults__, scale.__code__)
    weight = WEIGHT.clone()
    module = dict(vars(helpers))
    shared = dict(Thing.shared)
    yield
    globals().update(kept)
    WEIGHT.copy_(weight)
    for name, value in copies.items():
        held = globals()[name]
        held.clear()
        held.extend(value) if isinstance(held, list) else held.update(value)
    globals().pop("len", None)
    scale.__defaults__, scale.__kwdefaults__, scale.__code__ = functions
    for cls, entries in classes.items():
        for name in set(vars(cls)) - set(entries):
            delattr(cls, name)
        for name, value in entries.items():
            if name not in ("__dict__", "__weakref__") and vars(cls).get(name) is not value:
                setattr(cls, name, value)
    Thing.shared.clear()
    Thing.shared.update(shared)
    vars(helpers).update(module)


def result(function, state, x):
    try:
        return function(state, x)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("name", PROGRAMS)
def test_change(name):
    make, run, change = PROGRAMS[name]
    segue.manual_seed(0)
    state = make()
    made = compiled(run)
    x = x3()
    for _ in range(2):
        assert same(result(made, state, x), result(run, state, x))
    before = result(run, state, x)
    change(state)
    expected = result(run, state, x)
    if name not in UNSEEN:
        assert not same(before, expected), "the change must matter"
    for _ in range(2):
        assert same(result(made, state, x), expected)
    assert not made.cache.settings.skipped, made.cache.settings.skipped


UNSEEN = ("parameter is frozen",)


def tensors(*changes):
    return changes


ARGUMENTS = {
    "shape": (x3(), segue.ones(5)),
    "rank": (x3(), segue.ones(2, 3)),
    "dtype": (x3(), x3().double()),
    "int dtype": (x3(), segue.tensor([1, 2, 3])),
    "stride": (segue.ones(3, 3), segue.ones(3, 3).t()),
    "step": (x3(), segue.arange(6.0)[::2]),
    "requires_grad": (x3(), x3().requires_grad_()),
    "empty": (x3(), segue.ones(0)),
    "one": (x3(), segue.ones(1)),
    "number": (x3(), 3.0),
    "None": (x3(), None),
    "parameter": (x3(), nn.Parameter(x3())),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_argument(name):
    def run(x):
        if x is None:
            return "none"
        if isinstance(x, float):
            return x * 2
        return (x * 2).reshape(-1).sum(), type(x).__name__, x.requires_grad, tuple(x.shape)

    first, second = ARGUMENTS[name]
    made = compiled(run)
    for x in (first, second, first, second):
        assert same(made(x), run(x))


def test_grad_mode():
    def run(x):
        return (x * 2).sum()

    made = compiled(run)
    x = x3().requires_grad_()
    assert made(x).requires_grad
    with segue.no_grad():
        assert not made(x).requires_grad
    assert made(x).requires_grad


def test_default_dtype():
    def run(x):
        return segue.zeros(3) + 1

    made = compiled(run)
    assert made(x3()).dtype is segue.float32
    segue.set_default_dtype(segue.float64)
    try:
        assert made(x3()).dtype is segue.float64
    finally:
        segue.set_default_dtype(segue.float32)


def test_aliased_arguments():
    def run(x, y):
        x.add_(1)
        return x * y

    made = compiled(run)
    a, b = x3(), x3()
    assert same(made(a, b), run(x3(), x3()))
    shared, other = x3(), x3()
    assert same(made(shared, shared), run(other, other))
    first, second = segue.ones(4), segue.ones(4)
    assert same(made(first[:3], first[1:]), run(second[:3], second[1:]))


def test_aliased_lists():
    def run(xs, ys, x):
        xs.append(x)
        ys.append(x * 2)
        return len(xs), len(ys)

    made = compiled(run)
    assert made([], [], x3()) == (1, 1)
    both = []
    assert made(both, both, x3()) == (2, 2) and len(both) == 2
    assert made([], [], x3()) == (1, 1)


def test_learning_rate():
    segue.manual_seed(0)
    results = []
    for wrap in (lambda f: f, compiled):
        w = nn.Parameter(x3())
        optimizer = segue.optim.SGD([w], lr=0.1)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (w * x).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        for rate in (0.1, 0.1, 0.01, 0.001):
            optimizer.param_groups[0]["lr"] = rate
            run(x3())
        results.append(w.detach().clone())
    assert same(*results)


def test_gradient_that_was_there():
    def run(w, x):
        (w * x).sum().backward()
        return w.grad

    made = compiled(run)
    a, b = nn.Parameter(x3()), nn.Parameter(x3())
    for _ in range(3):
        assert same(made(a, x3()), run(b, x3()))
    a.grad = b.grad = None
    assert same(made(a, x3()), run(b, x3()))


def test_other_instance_of_the_same_module_needs_no_new_code():
    made = compiled(lambda m, x: m(x))
    for _ in range(4):
        model = Net()
        assert same(made(model, x3()), model(x3()))
    assert sum(state.compilations for _, state in made.cache.settings.states.values()) == 1


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_schedule_compiles_twice(name):
    make = {"sgd": lambda p: segue.optim.SGD(p, lr=0.1, momentum=0.9), "adamw": lambda p: segue.optim.AdamW(p, lr=0.1)}[name]
    results = []
    for wrap in (lambda f: f, compiled):
        segue.manual_seed(0)
        w = nn.Parameter(x3())
        optimizer = make([w])

        def step(x, w=w, optimizer=optimizer):
            loss = (w * x).square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        losses = []
        for turn in range(8):
            optimizer.param_groups[0]["lr"] = 0.1 / (turn + 1)
            losses.append(run(x3()).item())
        results.append((losses, w.detach().clone()))
    assert same(results[0], results[1])
    assert run.cache.settings.captured[-1].graph is not None
    assert max(state.compilations for _, state in run.cache.settings.states.values()) == 2


def test_a_float_that_is_compared_stays_a_constant():
    def run(x, k):
        return x * k if k > 0.5 else x / 2

    made = compiled(run)
    for k in (1.0, 2.0, 0.25, 3.0, 2.0):
        assert same(made(x3(), k), run(x3(), k))


def test_a_float_that_varies_is_returned():
    def run(x, k):
        return x * (1 - k), k * 2, k

    made = compiled(run)
    for k in (1.0, 2.0, 0.25, 3.0):
        assert same(made(x3(), k), run(x3(), k))
    assert len(made.cache.settings.captured) == 2


class Low:
    def tag(self):
        return 1.0


class Middle(Low):
    pass


class High(Middle):
    def tag(self):
        return super().tag() + 1


def test_what_super_finds():
    def run(x, o):
        return x * o.tag()

    made = compiled(run)
    assert same(made(x3(), High()), run(x3(), High()))
    Low.tag = lambda self: 5.0
    assert same(made(x3(), High()), run(x3(), High()))
    Middle.tag = lambda self: 9.0
    assert same(made(x3(), High()), run(x3(), High()))
    del Middle.tag
    assert same(made(x3(), High()), run(x3(), High()))


def test_ints_of_either_sign():
    def run(x, k):
        return x * 2 if k >= 0 else x * k

    made = compiled(run)
    for k in (3, -4, 5, -6, 0, 2**40, -(2**70), 7):
        assert same(made(x3(), k), run(x3(), k)), k


def test_class_attribute_of_a_module_with_a_parameters_name():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("w", nn.Parameter(x3()))

        def forward(self, x):
            return x * self.w

    model = Odd()
    made = compiled(lambda x: model(x))
    assert same(made(x3()), model(x3()))
    Odd.w = 3.0
    assert same(compiled(lambda x: model(x))(x3()), model(x3()))


def test_gradients_of_the_same_parameter_passed_twice():
    def run(v, w, x):
        (v * x + w * 2).sum().backward()
        return v.grad, w.grad

    made = compiled(run)
    assert same(made(nn.Parameter(x3()), nn.Parameter(x3()), x3()), run(nn.Parameter(x3()), nn.Parameter(x3()), x3()))
    a, b = nn.Parameter(x3()), nn.Parameter(x3())
    assert same(made(a, a, x3()), run(b, b, x3()))


def test_finaliser_runs():
    gone = []

    class Closing:
        def __del__(self):
            gone.append(1)

    def run(x):
        c = Closing()
        y = x * 2
        del c
        return y + len(gone)

    made = compiled(run)
    expected = run(x3())
    gone.clear()
    assert same(made(x3()), expected)
