"""Change one thing that a compiled program read of a class, a descriptor, a module or the machine: the answer must still be eager's.

The programs are generators, see `stays_eager`.
"""

from __future__ import annotations

import abc
import builtins
import collections.abc
import enum
import functools
import sys
import types
import typing

import pytest
from interp_support import stays_eager

import segue


def class_bool():
    class C:
        pass
    c = C()
    def f(x):
        return x * 2 if c else x * 3
    yield f
    C.__bool__ = lambda s: False
    yield f
    del C.__bool__
    C.__len__ = lambda s: 0
    yield f


def class_index():
    class C:
        def __index__(s):
            return 1
    c = C()
    def f(x):
        return x * [1.0, 2.0, 3.0][c]
    yield f
    C.__index__ = lambda s: 2
    yield f


def descriptor_replaced():
    class D:
        def __get__(s, o, t=None):
            return 2.0
    class E:
        def __get__(s, o, t=None):
            return 3.0
    class C:
        d = D()
    c = C()
    def f(x):
        return x * c.d
    yield f
    C.d = E()
    yield f
    D.__get__ = None
    c.__dict__["d"] = 4.0
    yield f
    del E.__get__
    yield f


def descriptor_class_changed():
    class D:
        def __get__(s, o, t=None):
            return 2.0
    class C:
        d = D()
    c = C()
    c.__dict__["d"] = 9.0
    def f(x):
        return x * c.d
    yield f
    D.__get__ = lambda s, o, t=None: 5.0
    yield f
    D.__set__ = lambda s, o, v: None
    yield f
    del C.d
    yield f


def getter_replaced():
    class D:
        def __get__(s, o, t=None):
            return 2.0
    class C:
        d = D()
    c = C()
    def f(x):
        return x * c.d
    yield f
    D.__get__ = lambda s, o, t=None: 5.0
    yield f


def decorator_that_binds():
    class Bound:
        def __init__(s, function):
            s.function = function
        def __call__(s, *args):
            return s.function(*args)
        def __get__(s, o, t=None):
            return lambda *args: s.function(o, *args) * 2
    class C:
        k = 3.0
        @Bound
        def m(s, x):
            return x * (s.k if s is not None else 7.0)
    c = C()
    def f(x):
        return c.m(x) + C.m(x)
    yield f
    del Bound.__get__
    C.k, C.m = 4.0, Bound(lambda x: x)
    yield f


def descriptor_state():
    class D:
        def __init__(s):
            s.k = 2.0
        def __get__(s, o, t=None):
            return s.k
    d = D()
    class C:
        pass
    C.d = d
    c = C()
    def f(x):
        return x * c.d
    yield f
    d.k = 6.0
    yield f


def property_in_front():
    class Base:
        pass
    class C(Base):
        w = 1.0
        def __init__(s):
            s.v, s.w = 2.0, 3.0
    class Listed(list):
        pass
    c, held = C(), Listed()
    held.v = 5.0
    def f(x):
        return x * c.v + c.w * held.v
    yield f
    C.v = property(lambda s: 7.0)
    yield f
    C.w = 4.0  # stands behind the object's own
    yield f
    C.w = property(lambda s: 8.0)
    yield f
    Listed.v = property(lambda s: 9.0)
    yield f
    del C.v
    Base.v = property(lambda s: 10.0)
    yield f


def property_in_front_of_a_layer():
    class M(segue.nn.Module):
        def __init__(s):
            super().__init__()
            s.inner = segue.nn.ReLU()
        def forward(s, x):
            return s.inner(x)
    m = M()
    def f(x):
        return m(x)
    yield f
    M.inner = property(lambda s: lambda x: x * 2)
    yield f


def descriptor_parts_come_later():
    class D:
        pass
    class C:
        d = D()
    c = C()
    c.d = 9.0
    def f(x):
        return x * c.d
    yield f
    D.__set__ = lambda s, o, v: None
    yield f
    D.__get__ = lambda s, o, t=None: 5.0
    yield f
    del D.__set__
    yield f
    D.__delete__ = lambda s, o: None
    yield f


def property_in_front_of_a_member():
    class Kind(enum.Enum):
        A = 1
        def __init__(s, n):
            s.w = n * 2.0
    def f(x):
        return x * Kind.A.w
    yield f
    Kind.w = property(lambda s: 7.0)
    yield f


def classes_derived_from_property():
    class ClassProperty(property):
        def __get__(s, o, t=None):
            return s.fget(t)
    class Static(staticmethod):
        def __get__(s, o, t=None):
            return lambda x: x * 3
    class Stores(property):
        def __set__(s, o, value):
            o.stored = value * 2
    class C:
        n = 3.0
        @ClassProperty
        def size(cls):
            return cls.n * 2
        @Static
        def scaled(x):
            return x
        @Stores
        def p(s):
            return s.stored
    class D(C):
        n = 5.0
    c, d = C(), D()
    def f(x):
        c.p = x
        return x * c.size * d.size + C.scaled(x) + d.scaled(x) * D.size, c.p
    yield f
    C.n = 7.0
    yield f
    del Static.__get__
    yield f
    ClassProperty.__get__ = lambda s, o, t=None: 2.0
    yield f
    Stores.__set__ = lambda s, o, value: o.__dict__.update(stored=value)
    yield f


def registered_as_a_sequence():
    class Listed:
        def __len__(s):
            return 2
        def __getitem__(s, i):
            return (2.0, 3.0)[i]
    given = Listed()
    def f(x):
        match given:
            case [a, b]:
                return x * a * b, isinstance(given, collections.abc.Sequence)
        return x, isinstance(given, collections.abc.Sequence)
    yield f
    collections.abc.Sequence.register(Listed)
    yield f


def maker_of_c():
    class C:
        def __init__(s, *args):
            s.v = 3.0
    def f(x):
        try:
            return x * C(4).v
        except TypeError as error:
            return str(error)
    yield f
    C.__new__ = len
    yield f
    C.__new__ = staticmethod(lambda cls, *args: object.__new__(cls))
    yield f


def property_of_a_metaclass():
    class Meta(type):
        def __getattr__(cls, name):
            return 4.0
    class C(metaclass=Meta):
        k = 2.0
    def f(x):
        return x * C.k + C.other
    yield f
    Meta.k = property(lambda cls: 7.0)
    yield f
    Meta.other = 8.0
    yield f
    C.other = 9.0
    yield f
    Meta.other = property(lambda cls: 10.0)
    yield f


def mod_getattr():
    m = types.ModuleType("m")
    k = {"v": 2.0}
    m.__getattr__ = lambda n: k["v"]
    def f(x):
        return x * m.zz
    yield f
    k["v"] = 3.0
    yield f
    m.__getattr__ = lambda n: 7.0
    yield f
    m.zz = 11.0
    yield f


def getattr_class():
    class C:
        def __getattr__(s, n):
            return 2.0
    c = C()
    def f(x):
        return x * c.k
    yield f
    C.__getattr__ = lambda s, n: 3.0
    yield f
    C.k = 4.0
    yield f
    c.k = 5.0
    yield f


def getattribute():
    class C:
        k = 2.0
    c = C()
    def f(x):
        return x * c.k
    yield f
    C.__getattribute__ = lambda s, n: 9.0
    yield f


def metaclass():
    class M(type):
        k = 2.0
        def __len__(c):
            return 3
    class C(metaclass=M):
        pass
    def f(x):
        return x * C.k * len(C)
    yield f
    M.k = 5.0
    yield f
    M.__len__ = lambda c: 9
    yield f
    C.k = 1.0
    yield f


def meta_call():
    class M(type):
        def __call__(c, *a):
            o = super().__call__(*a)
            o.k = 2.0
            return o
    class C(metaclass=M):
        pass
    def f(x):
        return x * C().k
    yield f
    def nc(c, *a):
        o = type.__call__(c, *a)
        o.k = 6.0
        return o
    M.__call__ = nc
    yield f


def instancecheck():
    class M(abc.ABCMeta):
        def __instancecheck__(c, o):
            return True
    class C(metaclass=M):
        pass
    def f(x):
        return x * 2 if isinstance(3, C) else x * 3
    yield f
    M.__instancecheck__ = lambda c, o: False
    yield f


def abc_register():
    class A(abc.ABC):  # noqa: B024
        pass
    class B:
        pass
    def f(x):
        return x * 2 if isinstance(B(), A) else x * 3
    yield f
    A.register(B)
    yield f


def protocol():
    @typing.runtime_checkable
    class P(typing.Protocol):
        def go(self): ...
    class B:
        pass
    b = B()
    def f(x):
        return x * 2 if isinstance(b, P) else x * 3
    yield f
    B.go = lambda s: 1
    yield f


def bases():
    class A:
        k = 2.0
    class A2:
        k = 5.0
    class B(A):
        pass
    def f(x):
        return x * B().k
    yield f
    B.__bases__ = (A2,)
    yield f


def obj_class():
    class A:
        k = 2.0
    class A2:
        k = 5.0
    a = A()
    def f(x):
        return x * a.k
    yield f
    a.__class__ = A2
    yield f


def fn_name():
    def g(x):
        return x
    def f(x):
        return x * len(g.__name__) + len(g.__doc__ or "")
    yield f
    g.__name__ = "longer"
    yield f
    g.__doc__ = "abc"
    yield f


def fn_dict():
    def g(x):
        return x
    def f(x):
        return x * 2 if hasattr(g, "flag") else x * 3
    yield f
    g.flag = True
    yield f


def wrapped():
    def g(x):
        return x * 2
    @functools.wraps(g)
    def w(x):
        return w.__wrapped__(x) + 1
    def f(x):
        return w(x)
    yield f
    w.__wrapped__ = lambda x: x * 9
    yield f


def singledispatch():
    @functools.singledispatch
    def g(v):
        return 2.0
    def f(x):
        return x * g(3)
    yield f
    g.register(int, lambda v: 5.0)
    yield f


def import_inside():
    m = types.ModuleType("draw_fake2")
    m.k = 2.0
    sys.modules["draw_fake2"] = m
    def f(x):
        import draw_fake2
        from draw_fake2 import k
        return x * draw_fake2.k + k
    yield f
    m.k = 4.0
    yield f
    m2 = types.ModuleType("draw_fake2")
    m2.k = 9.0
    sys.modules["draw_fake2"] = m2
    yield f


def builtins_patched():
    def f(x):
        return x * len(oct(9))
    yield f
    old = builtins.oct
    builtins.oct = lambda v: "abcdef"
    try:
        yield f
    finally:
        builtins.oct = old


def property_setter():
    class A:
        def __init__(s):
            s._k = 1.0
        @property
        def k(s):
            return s._k
        @k.setter
        def k(s, v):
            s._k = v * 2
    def f(x):
        a = A()
        a.k = 3.0
        return x * a._k
    yield f
    A.k = A.k.setter(lambda s, v: setattr(s, "_k", v * 10))
    yield f


def generic():
    T = typing.TypeVar("T")
    class G(typing.Generic[T]):
        k = 2.0
        def __init__(s):
            s.v = G.k
    def f(x):
        return x * G().v
    yield f
    G.k = 3.0
    yield f


def iter_class():
    class A:
        def __iter__(s):
            return iter([1.0, 2.0])
    a = A()
    def f(x):
        return x * sum(a)
    yield f
    A.__iter__ = lambda s: iter([5.0])
    yield f
    def g(x):
        return x * 2 if 5.0 in a else x * 3
    yield g
    A.__contains__ = lambda s, o: False
    yield g


def setattr_class():
    class A:
        pass
    def f(x):
        a = A()
        a.k = 2.0
        return x * a.k
    yield f
    A.__setattr__ = lambda s, n, v: object.__setattr__(s, n, v * 3)
    yield f
    A.k = property(lambda s: 11.0, lambda s, v: None)
    del A.__setattr__
    yield f


def dunder_class():
    class A:
        @property
        def __class__(s):
            return int
    a = A()
    ns = types.SimpleNamespace(a=a)
    def f(x):
        return x * 2 if isinstance(ns.a, int) else x * 3
    yield f


def dict_shared_later():
    class C:
        pass
    a, b = C(), C()
    a.v = b.v = 2.0
    def f(x):
        a.v = 5.0
        return x * b.v
    yield f
    a.v = 2.0
    b.__dict__ = a.__dict__
    yield f


PROGRAMS = [
    dict_shared_later,
    class_bool, class_index, descriptor_replaced, descriptor_class_changed, descriptor_state, mod_getattr, getattr_class, getattribute,
    metaclass, meta_call, instancecheck, abc_register, protocol, bases, obj_class, fn_name, fn_dict, wrapped, singledispatch,
    import_inside, builtins_patched, property_setter, generic, iter_class, setattr_class, dunder_class, property_in_front,
    property_in_front_of_a_layer, descriptor_parts_come_later, property_in_front_of_a_member, property_of_a_metaclass, getter_replaced,
    decorator_that_binds, maker_of_c,
    classes_derived_from_property, registered_as_a_sequence,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_answer_stays_eager(program):
    stays_eager(program)
