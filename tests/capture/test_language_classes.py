"""Users' classes as Python allows them: derived from builtin containers, with metaclasses, `__getattribute__`, descriptors that delete. One graph each, and eager's to the last effect."""

from __future__ import annotations

import collections
import copy
import functools

import pytest
from interp_support import check, compiled, same

import segue


def x3():
    return segue.tensor([1.0, -2.0, 3.0])


class Attributes(dict):
    """Keys as attributes, as configurations are often written."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value


class Doubling(dict):
    def __missing__(self, key):
        return key * 2


class Output(collections.OrderedDict):
    """What model libraries return: entries that are attributes, too."""

    def __init__(self, **entries):
        super().__init__(entries)
        for name, value in entries.items():
            object.__setattr__(self, name, value)

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        object.__setattr__(self, key, value)

    def to_tuple(self):
        return tuple(self[key] for key in self.keys())


class Items(list):
    def __init__(self, items=()):
        super().__init__(items)
        self.seen = len(self)

    def total(self):
        return sum(self)

    def append(self, item):
        self.seen += 1
        super().append(item)


def attributes(x):
    d = Attributes(a=1)
    d.b = x
    d.update(c=3)
    return d.a, d.b * d["c"], Doubling(a=1)[5], d.get("z"), hasattr(d, "zz"), list(d), len(d), "a" in d, {**d}, dict(d), d == {"a": 2}, bool(Attributes()), d


def model_output(x):
    o = Output(logits=x * 2, loss=None)
    o["loss"] = x.sum()
    return o.to_tuple(), o.logits, o


def items(x):
    xs = Items([x, 1])
    xs.append(2)
    ys = Items([3, 1, 2])
    ys.sort()
    ys += [9]
    return xs.seen, xs[0], ys.total(), ys, [*ys], ys[1:], ys + [1], [0] + ys, ys == [1, 2, 3, 9], sorted(ys, reverse=True), repr(ys), f"{ys}", xs


def items_from_outside(x, xs, d):
    xs.append(x * 2)
    xs[0] = x
    d.new = xs.seen
    del d["gone"]
    return xs.seen, d.kept


def counter(x):
    c = collections.Counter("hello")
    c.update("abc")
    c.subtract({"l": 1})
    c["q"] += 2
    return x * c["l"], c["none"], c, c.total(), sorted(c.elements()), c + collections.Counter(l=1), c.most_common(1), list(c), (+c)["h"], c & collections.Counter("h")


def counter_from_outside(x, c):
    for word in ["a", "b", "a"]:
        c[word] += 1
    return x * c["a"], len(c)


def copied_containers(x):
    a = Attributes(a=[1])
    ys = copy.deepcopy([a, a])
    return x, type(ys[0]), ys[0] is ys[1], ys[0].a is a.a, copy.copy(collections.OrderedDict(a=1))


class Counting(type):
    made = {}

    def __call__(cls, *args):
        if cls not in cls.made:
            cls.made[cls] = super().__call__(*args)
        return cls.made[cls]

    def __len__(cls):
        return 4

    def __contains__(cls, item):
        return item == 3

    def __getitem__(cls, item):
        return item

    def __iter__(cls):
        return iter((1, 2))

    def __instancecheck__(cls, instance):
        return instance == 5


class Single(metaclass=Counting):
    def __init__(self, v=3):
        self.v = v


def metaclass(x):
    return x * Single().v, Single() is Single(), len(Single), 3 in Single, Single["k"], list(Single), isinstance(5, Single), isinstance("", Single)


class Asked:
    def __init__(self):
        self.a = 3

    def __getattribute__(self, name):
        if name == "magic":
            return 42
        if name == "gone":
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"fallback {name}"


def getattribute(x, outside):
    g = Asked()
    outside.b = 4
    return x * g.magic, g.a, g.gone, g.nothing, outside.magic, outside.b, outside.a


class Stored:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return getattr(instance, self.name, 0)

    def __set__(self, instance, value):
        setattr(instance, self.name, value * 2)

    def __delete__(self, instance):
        delattr(instance, self.name)


class WithStored:
    a, b = Stored(), Stored()

    @property
    def p(self):
        return self._p

    @p.setter
    def p(self, value):
        self._p = value

    @p.deleter
    def p(self):
        del self._p


def descriptors(x):
    w = WithStored()
    w.a, w.b, w.p = x, 2, 3
    before = w.b, w.p
    del w.b, w.p
    return w.a, before, w.b, hasattr(w, "p")


class OnlyItems:
    def __getitem__(self, index):
        if index > 2:
            raise IndexError
        return index

    def __reversed__(self):
        return iter((9, 8))


class Mapped(collections.abc.Mapping):
    def __init__(self, held):
        self.held = held

    def __getitem__(self, key):
        return self.held[key]

    def __iter__(self):
        return iter(self.held)

    def __len__(self):
        return len(self.held)


def protocols(x):
    match Mapped({"a": x, "b": 2}):
        case {"a": y, **rest}:
            pass
    return y, rest, list(OnlyItems()), 2 in OnlyItems(), list(zip(OnlyItems(), "abc")), list(reversed(OnlyItems()))


def ordered_by(x):
    by = functools.cmp_to_key(lambda a, b: b - a)
    return x, sorted([3, 1, 2], key=by), max([1, 5, 2], key=by), by(1) < by(2), min("ab", key=str.upper)


def strange():
    d = Attributes(kept=1)
    dict.__setitem__(d, "gone", 2)
    return d


PROGRAMS = [
    (attributes, (x3,)), (model_output, (x3,)), (items, (x3,)), (items_from_outside, (x3, lambda: Items([1, 2]), strange)), (counter, (x3,)),
    (counter_from_outside, (x3, lambda: collections.Counter("ab"))), (copied_containers, (x3,)), (metaclass, (x3,)), (getattribute, (x3, Asked)),
    (descriptors, (x3,)), (protocols, (x3,)), (ordered_by, (x3,)),
]  # fmt: skip


@pytest.mark.parametrize("program, makers", PROGRAMS, ids=lambda value: getattr(value, "__name__", ""))
def test_one_graph(program, makers):
    check(program, *(make() for make in makers))


# -- what they read may change ---------------------------------------------------------------------------------------------


class Config(dict):
    def __missing__(self, key):
        return 2

    def scaled(self, x):
        return x * self["scale"] + len(self)


def reads_config(x, config):
    return config.scaled(x)


def other_entry(config, cls):
    config["scale"] = 7


def gone_entry(config, cls):
    del config["scale"]


def other_method(config, cls):
    cls.scaled = lambda self, x: x - self["scale"]


def other_getitem(config, cls):
    cls.__getitem__ = lambda self, key: 11


@pytest.mark.parametrize("change", [other_entry, gone_entry, other_method, other_getitem])
def test_a_container_that_changed(change):
    cls = type("Config", (Config,), {})
    made, config = compiled(reads_config), cls(scale=3)
    assert same(made(x3(), config), reads_config(x3(), config))
    change(config, cls)
    assert same(made(x3(), config), reads_config(x3(), config))


def test_a_metaclass_that_changed():
    class Meta(type):
        def __call__(cls, *args):
            return super().__call__(*args)

    class Made(metaclass=Meta):
        def __init__(self, v):
            self.v = v

    def program(x):
        return x * Made(2).v

    made = compiled(program)
    made(x3())
    Meta.__call__ = lambda cls, v: type.__call__(cls, v + 1)
    assert same(made(x3()), program(x3()))


def test_a_getattribute_that_changed():
    class Own:
        def __getattribute__(self, name):
            return 2 if name == "k" else super().__getattribute__(name)

    own = Own()

    def program(x):
        return x * own.k

    made = compiled(program)
    made(x3())
    Own.__getattribute__ = lambda self, name: 5
    assert same(made(x3()), program(x3()))
    del Own.__getattribute__
    Own.k = 9
    assert same(made(x3()), program(x3()))


class Falling:
    here = 2.0

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return 5.0

    @property
    def failing(self):
        raise AttributeError("not now")

    def plainly(self, name):
        try:
            return object.__getattribute__(self, name)
        except AttributeError as error:
            return str(error)

    def above(self, name):
        try:
            return super().__getattribute__(name)
        except AttributeError as error:
            return str(error)


@pytest.mark.parametrize("name", ["here", "absent", "failing"])
def test_getattr_is_asked_behind_getattribute_and_not_within_it(name):
    def f(x, thing, module):
        plain = thing.plainly(name), thing.above(name), getattr(thing, name)
        try:
            return x * 2, plain, object.__getattribute__(module, "weight")
        except AttributeError as error:
            return x, plain, str(error)

    check(f, segue.ones(2), Falling(), segue.nn.Linear(2, 2))
