"""Change one thing that a compiled program read of an Enum, a dataclass, a namedtuple, a dict, a registry or an array: the answer must still be eager's.

The programs are generators, see `stays_eager`.
"""

from __future__ import annotations

import argparse
import collections
import copy
import dataclasses
import enum
import functools
import logging
import operator
import re
import types
import typing

import numpy as np
import pytest
from interp_support import stays_eager

import segue


def enum_member_value():
    class E(enum.Enum):
        A = 1.0
        B = 2.0
    def f(x):
        return x * E.A.value
    yield f
    E.A._value_ = 5.0
    yield f


def order_of_an_ordered_dict():
    recent = collections.OrderedDict(a=2.0, b=3.0, c=4.0)
    def f(x):
        first, *_, last = recent.values()
        return x * first - last, list(recent), next(reversed(recent))
    yield f
    recent.move_to_end("a")
    yield f
    recent.move_to_end("c", last=False)
    yield f
    recent.popitem(last=False)
    yield f


def enum_member_attr():
    class E(enum.Enum):
        A = 1.0
    E.A.k = 2.0
    def f(x):
        return x * E.A.k
    yield f
    E.A.k = 7.0
    yield f


def enum_method():
    class E(enum.Enum):
        A = 1.0
        def g(self, x):
            return x * 2
    def f(x):
        return E.A.g(x)
    yield f
    E.g = lambda self, x: x * 9
    yield f


def enum_property():
    class E(enum.Enum):
        A = 1.0
        @property
        def s(self):
            return self.value + 1
    def f(x):
        return x * E.A.s
    yield f
    E.s = property(lambda self: 40.0)
    yield f


def enum_missing():
    class E(enum.Enum):
        A = 1.0
        @classmethod
        def _missing_(cls, v):
            return cls.A
    def f(x):
        try:
            return x * E(33).value
        except ValueError:
            return x - 1
    yield f
    E._missing_ = classmethod(lambda cls, v: None)
    yield f


def enum_global_rebound():
    class E(enum.Enum):
        A = 1.0
    class E2(enum.Enum):
        A = 4.0
        B = 2.0
    ns = types.SimpleNamespace(E=E)
    def f(x):
        return x * sum(m.value for m in ns.E) + len(ns.E)
    yield f
    ns.E = E2
    yield f


def enum_str():
    class E(enum.Enum):
        A = 1.0
    def f(x):
        return x * len(str(E.A)) + len(f"{E.A!r}")
    yield f
    E.__str__ = lambda self: "q"
    yield f
    E.__repr__ = lambda self: "qq"
    yield f


def enum_bool():
    class E(enum.Enum):
        A = 1.0
    def f(x):
        return x * 2 if E.A else x * 3
    yield f
    E.__bool__ = lambda s: False
    yield f


def enum_eq():
    class E(enum.Enum):
        A = 1.0
        B = 2.0
    def f(x):
        return x * 2 if E.A == E.B else x * 3
    yield f
    E.__eq__ = lambda s, o: True
    yield f


def flag_attr():
    class P(enum.Flag):
        R = 1
        W = 2
    o = types.SimpleNamespace(p=P.R)
    def f(x):
        return x * 2 if P.W in o.p else x
    yield f
    o.p = P.R | P.W
    yield f


def dc_default():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
    def f(x):
        return x * C().a
    yield f
    C.__init__.__defaults__ = (7.0,)
    yield f


def dc_class_default():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
    def f(x):
        return x * C().a + C.a
    yield f
    C.a = 8.0
    yield f


def dc_post_init():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
        def __post_init__(self):
            self.b = self.a * 2
    def f(x):
        return x * C().b
    yield f
    def pi(self):
        self.b = 100.0
    C.__post_init__ = pi
    yield f


def dc_fields():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
        b: float = dataclasses.field(default=3.0, metadata={"w": 2.0})
    def f(x):
        return x * sum(g.default for g in dataclasses.fields(C))
    yield f
    C.__dataclass_fields__["a"].default = 9.0
    yield f


def dc_metadata():
    d = {"w": 2.0}
    @dataclasses.dataclass
    class C:
        b: float = dataclasses.field(default=3.0, metadata=d)
    def f(x):
        return x * dataclasses.fields(C)[0].metadata["w"]
    yield f
    d["w"] = 5.0
    yield f


def dc_frozen_force():
    @dataclasses.dataclass(frozen=True)
    class C:
        a: float = 2.0
    c = C()
    def f(x):
        return x * c.a
    yield f
    object.__setattr__(c, "a", 5.0)
    yield f


def dc_slots():
    @dataclasses.dataclass(slots=True)
    class C:
        a: float = 2.0
    c = C()
    def f(x):
        return x * c.a
    yield f
    c.a = 5.0
    yield f
    del c.a
    C.a.__set__(c, 6.0)
    yield f


def dc_eq():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
    c, d = (C(), C())
    def f(x):
        return x * 2 if c == d else x * 3
    yield f
    d.a = 1.0
    yield f
    C.__eq__ = lambda s, o: True
    yield f


def cached_prop():
    class C:
        def __init__(s):
            s.n = 2.0
        @functools.cached_property
        def t(s):
            return s.n * 2
    c = C()
    def f(x):
        return x * c.t
    f(segue.ones(1))
    yield f
    c.__dict__["t"] = 9.0
    yield f
    del c.t
    c.n = 5.0
    assert c.t == 10.0
    yield f


def lru_clear():
    k = [2.0]
    @functools.lru_cache
    def g(a):
        return k[0] * a
    def f(x):
        return x * g(3)
    g(3)
    yield f
    k[0] = 5.0
    yield f
    g.cache_clear()
    yield f


def registry():
    R = {"a": lambda x: x * 2}
    def f(x):
        return R["a"](x)
    yield f
    R["a"] = lambda x: x * 5
    yield f
    R["a"].__defaults__ = None
    R["a"] = functools.partial(operator.mul, 7)
    yield f


def pattern():
    ns = types.SimpleNamespace(p=re.compile("\\d"))
    def f(x):
        return x * len(ns.p.findall("a1b2c"))
    yield f
    ns.p = re.compile("[a-c]")
    yield f


def np_state():
    def f(x):
        return x * float(np.random.rand())
    np.random.seed(1)
    yield f


def np_scalar():
    ns = types.SimpleNamespace(k=np.float32(2))
    def f(x):
        return x * ns.k
    yield f
    ns.k = np.float32(3)
    yield f
    ns.k = np.float64(3)
    yield f


def namedtuple_method():
    class P(typing.NamedTuple):
        a: float
        b: float = 2.0
        def s(self):
            return self.a + self.b
    p = P(1.0)
    def f(x):
        return x * p.s() + P(3.0).b
    yield f
    P.s = lambda self: 50.0
    yield f
    P.__new__.__defaults__ = (9.0,)
    yield f


def namedtuple_field():
    P = collections.namedtuple("P", "a b")
    p = P(1.0, 2.0)
    def f(x):
        return x * p.a
    yield f
    P.a = property(lambda s: 8.0)
    yield f


def namespace():
    a = argparse.Namespace(lr=0.5)
    def f(x):
        return x * a.lr if "mom" not in a else x * a.mom
    yield f
    a.lr = 2.0
    yield f
    a.mom = 7.0
    yield f


def chainmap():
    d, e = ({"a": 1.0}, {"b": 2.0})
    c = collections.ChainMap(d, e)
    def f(x):
        return x * c["b"]
    yield f
    e["b"] = 4.0
    yield f
    d["b"] = 9.0
    yield f
    c.maps.insert(0, {"b": 11.0})
    yield f


def missing():
    class D(dict):
        def __missing__(s, k):
            return 2.0
    d = D()
    def f(x):
        return x * d["q"]
    yield f
    D.__missing__ = lambda s, k: 3.0
    yield f
    d["q"] = 8.0
    yield f


def logger_level():
    log = logging.getLogger("drawm")
    def f(x):
        return x * 2 if log.isEnabledFor(logging.DEBUG) else x * 3
    yield f
    log.setLevel(logging.DEBUG)
    yield f
    log.setLevel(logging.ERROR)
    yield f
    log.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.DEBUG)
    yield f
    logging.disable(logging.CRITICAL)
    yield f
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    yield f


def exception_class():
    class E1(Exception):
        pass
    class E2(Exception):
        pass
    ns = types.SimpleNamespace(e=E1)
    def f(x):
        try:
            try:
                raise E1("a")
            except ns.e:
                return x * 2
        except Exception:
            return x * 3
    yield f
    ns.e = E2
    yield f
    ns.e = (E1, E2)
    yield f


def match_args():
    class P:
        __match_args__ = ("a", "b")
        def __init__(s):
            s.a, s.b = (1.0, 2.0)
    p = P()
    def f(x):
        match p:
            case P(v):
                return x * v
        return x
    yield f
    P.__match_args__ = ("b", "a")
    yield f


def copyreg():
    class A:
        def __init__(s):
            s.k = [2.0]
    a = A()
    def f(x):
        return x * copy.deepcopy(a).k[0]
    yield f
    A.__deepcopy__ = lambda s, m: types.SimpleNamespace(k=[9.0])
    yield f


def default_mutable():
    def g(x, acc=[2.0]):  # noqa: B006
        return x * acc[0]
    def f(x):
        return g(x)
    yield f
    g.__defaults__[0][0] = 5.0
    yield f
    g.__defaults__[0].insert(0, 6.0)
    yield f


PROGRAMS = [
    order_of_an_ordered_dict,
    enum_member_value, enum_member_attr, enum_method, enum_property, enum_missing, enum_global_rebound, enum_str, enum_bool, enum_eq,
    flag_attr, dc_default, dc_class_default, dc_post_init, dc_fields, dc_metadata, dc_frozen_force, dc_slots, dc_eq, cached_prop,
    lru_clear, registry, pattern, np_state, np_scalar, namedtuple_method, namedtuple_field, namespace, chainmap, missing, logger_level,
    exception_class, match_args, copyreg, default_mutable,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_answer_stays_eager(program):
    stays_eager(program)
