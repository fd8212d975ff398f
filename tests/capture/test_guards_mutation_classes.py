"""Classes, and what stands in them, changed in unusual ways behind a compiled function: the answer is still eager's.

Each program is a generator: it yields what to run, then changes one thing and yields again (nothing, for the same function).
"""

import abc
import collections
import dataclasses
import enum
import types

import pytest
from interp_support import Programs, stays_eager

program = Programs()


@program
def super_class_attribute():
    class A:
        rate = 2.0

    class B(A):
        def get(self):
            return super().rate

    b = B()
    yield lambda x: x * b.get()
    A.rate = 5.0
    yield

    class A2:
        rate = 9.0

    B.__bases__ = (A2,)
    yield
    del A2.rate
    A2.rate = 1.0
    yield


@program
def dict_edited():
    class A:
        pass

    a = A()
    a.k = 2.0
    yield lambda x: x * a.k
    a.__dict__["k"] = 4.0
    yield
    a.__dict__ = {"k": 6.0}
    yield
    a.__dict__.update(k=7.0)
    yield
    vars(a).clear()
    A.k = 8.0
    yield


@program
def bases_changed():
    class R1:
        def f(self, x):
            return x * 2

    class R2:
        def f(self, x):
            return x * 3

    class C(R1):
        pass

    c = C()
    yield lambda x: c.f(x)
    C.__bases__ = (R2,)
    yield
    yield lambda x: x * 2 if isinstance(c, R1) else x * 7
    C.__bases__ = (R1,)
    yield


@program
def bases_of_base_changed():
    class R1:
        v = 2.0

    class R2:
        v = 3.0

    class M(R1):
        pass

    class C(M):
        pass

    c = C()
    yield lambda x: x * c.v + (1 if issubclass(C, R1) else 0)
    M.__bases__ = (R2,)
    yield
    M.__bases__ = (R2, R1)
    yield


@program
def descriptor_replaced():
    class D:
        def __init__(self, v):
            self.v = v

        def __get__(self, o, t=None):
            return self.v

    class C:
        d = D(2.0)

    c = C()
    yield lambda x: x * c.d
    C.__dict__["d"].v = 4.0
    yield
    C.d = D(6.0)
    yield
    D.__get__ = lambda self, o, t=None: 9.0
    yield
    c.__dict__["d"] = 11.0
    yield
    D.__set__ = lambda self, o, v: None
    yield
    del D.__get__
    yield


@program
def enum_members():
    class E(enum.Enum):
        A = 1
        B = 2

    yield lambda x: x * E.A.value + len(E)
    E.A._value_ = 5
    yield
    E.A.extra = 4
    yield lambda x: x * getattr(E.A, "extra", 1)
    E.A.extra = 7
    yield
    del E.A.extra
    yield


@program
def enum_extended():
    class E(enum.Enum):
        A = 1
        B = 2

    def extend(name, value):
        member = object.__new__(E)
        member._name_, member._value_ = name, value
        E._member_map_[name] = E._value2member_map_[value] = member
        E._member_names_.append(name)

    yield lambda x: x * sum(e.value for e in E)
    extend("C", 5)
    yield
    yield lambda x: x * len(E)
    extend("D", 6)
    yield
    other = object()
    yield lambda x: x * 2 if other in list(E) else x * len(list(E))
    extend("F", 7)
    yield


@program
def getattr_added():
    class A:
        pass

    a = A()
    yield lambda x: x * getattr(a, "k", 2.0)
    A.__getattr__ = lambda self, n: 5.0
    yield
    A.__getattr__ = lambda self, n: 6.0
    yield
    del A.__getattr__
    yield


@program
def getattribute_added():
    class A:
        pass

    a = A()
    a.k = 2.0
    yield lambda x: x * a.k
    A.__getattribute__ = lambda self, n: 5.0
    yield
    del A.__getattribute__
    yield


@program
def metaclass_attribute():
    class M(type):
        rate = 2.0

        def __len__(cls):
            return 3

    class A(metaclass=M):
        pass

    yield lambda x: x * A.rate * len(A)
    M.rate = 4.0
    yield
    A.rate = 5.0
    yield
    M.__len__ = lambda cls: 8
    yield
    M.rate = property(lambda cls: 11.0)
    yield


@program
def class_of_class_assigned():
    class M1(type):
        def val(cls):
            return 2.0

    class M2(M1):
        def val(cls):
            return 3.0

    class A(metaclass=M1):
        pass

    yield lambda x: x * A.val()
    A.__class__ = M2
    yield


@program
def isinstance_hook():
    class M(type):
        def __instancecheck__(cls, o):
            return True

    class A(metaclass=M):
        pass

    yield lambda x: x * 2 if isinstance(3, A) else x
    M.__instancecheck__ = lambda cls, o: False
    yield


@program
def abc_register():
    class A(abc.ABC):  # noqa: B024
        pass

    class B:
        pass

    b = B()
    yield lambda x: x * 2 if isinstance(b, A) else x
    A.register(B)
    yield


@program
def dataclass_changed():
    @dataclasses.dataclass
    class C:
        a: float = 2.0
        b: list = dataclasses.field(default_factory=lambda: [1.0])

    c = C()
    yield lambda x: x * c.a + c.b[0]
    c.a = 3.0
    yield
    C.a = 9.0
    del c.a
    yield
    c2 = dataclasses.replace(c, b=[4.0])
    c = c2
    yield


@program
def slots_descriptor():
    class S:
        __slots__ = ("a", "b")

    s = S()
    s.a = 2.0
    yield lambda x: x * s.a * (2 if hasattr(s, "b") else 1)
    s.b = 1
    yield
    S.a = 5.0
    yield


@program
def namedtuple_field():
    N = collections.namedtuple("N", "a b")
    box = [N(1.0, 2.0)]
    yield lambda x: x * box[0].a
    box[0] = N(3.0, 2.0)
    yield
    N.a = property(lambda self: 9.0)
    yield


@program
def bound_method_self():
    class A:
        k = 2.0

        def f(self, x):
            return x * self.k

    a = A()
    m = a.f
    yield lambda x: m(x)
    a.k = 3.0
    yield
    A.f = lambda self, x: x
    yield
    a.__class__ = type("B", (A,), {"k": 5.0})
    del a.k
    yield


@program
def init_subclass_new():
    class A:
        def __init__(self, k):
            self.k = k

    def run(x):
        return x * A(2.0).k

    yield run
    A.__init__ = lambda self, k: setattr(self, "k", k + 1)
    yield
    A.__new__ = lambda cls, k: types.SimpleNamespace(k=50.0)
    yield
    A.__setattr__ = lambda self, n, v: object.__setattr__(self, n, v * 2)
    yield
    del A.__new__
    A.__new__ = staticmethod(lambda cls, *a: object.__new__(cls))
    yield


@program
def type_call_meta():
    class M(type):
        pass

    class A(metaclass=M):
        def __init__(self):
            self.k = 2.0

    yield lambda x: x * A().k
    M.__call__ = lambda cls: types.SimpleNamespace(k=9.0)
    yield
    del M.__call__
    yield


@program
def exception_class():
    class E(Exception):
        pass

    class E2(E):
        pass

    box = [E]

    def run(x):
        try:
            raise box[0]("a")
        except E2:
            return x * 2
        except E as e:
            return x * len(e.args)

    yield run
    box[0] = E2
    yield
    E.__init__ = lambda self, *a: None
    E.args = property(lambda self: (1, 2, 3))
    box[0] = E
    yield


@program
def callable_checks():
    class A:
        pass

    a = A()
    yield lambda x: x * 2 if callable(a) else x
    A.__call__ = lambda self: 1
    yield
    del A.__call__
    yield
    yield lambda x: x * 2 if hasattr(a, "__len__") else x
    A.__len__ = lambda self: 1
    yield
    yield lambda x: x * 2 if isinstance(a, collections.abc.Iterable) else x
    A.__iter__ = lambda self: iter(())
    yield


@program
def names_of_classes():
    class A(Exception):
        pass

    class B(set):
        pass

    yield lambda x: (x * 2, repr(A(1)), str([A()]))
    A.__name__ = "C"
    yield
    yield lambda x: (x * 2, repr(B()))
    B.__name__ = "D"
    yield
    A.__module__ = "builtins"
    yield lambda x: (x * 2, A.__module__, A.__name__)
    A.__module__ = "elsewhere"
    yield
    A.__name__ = "E"
    yield


@program
def match_args():
    class A:
        __match_args__ = ("p",)
        p, q = (2.0, 3.0)

    a = A()

    def run(x):
        match a:
            case A(v):
                return x * v

    yield run
    A.__match_args__ = ("q",)
    yield
    a.q = 8.0
    yield


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("program", program, ids=lambda program: program.__name__)
def test_change(program, calls):
    stays_eager(program, calls)
