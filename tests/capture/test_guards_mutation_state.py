"""Values, containers and the state of the process, changed in unusual ways behind a compiled function: the answer is still eager's.

Each program is a generator: it yields what to run, then changes one thing and yields again (nothing, for the same function).
"""

import collections
import contextvars
import decimal
import functools
import gc
import logging
import math
import os
import sys
import threading
import types
import weakref

import numpy as np
import pytest
from interp_support import Programs, stays_eager

import segue

program = Programs()


@program
def environ():
    os.environ["AUDIT_K"] = "2.0"
    yield lambda x: x * float(os.environ["AUDIT_K"])
    os.environ["AUDIT_K"] = "5.0"
    yield
    yield lambda x: x * float(os.getenv("AUDIT_K", "9"))
    os.environ["AUDIT_K"] = "6.0"
    yield
    del os.environ["AUDIT_K"]
    yield
    yield lambda x: x * 2 if "AUDIT_K" in os.environ else x
    os.environ["AUDIT_K"] = "6.0"
    yield
    yield lambda x: x * float(os.environ.get("AUDIT_K", "1"))
    os.environ["AUDIT_K"] = "8.0"
    yield


@program
def list_alias():
    box = types.SimpleNamespace(a=[1.0], b=[1.0])

    def run(x):
        box.a[0] = 5.0
        r = x * box.b[0]
        box.a[0] = 1.0
        return r

    yield run
    box.b = box.a
    yield
    box.b = [1.0]
    yield


@program
def object_alias():
    class A:
        pass

    a, b = (A(), A())
    a.k = b.k = 1.0
    box = [a, b]

    def run(x):
        box[0].k = 3.0
        r = x * box[1].k
        box[0].k = 1.0
        return r

    yield run
    box[1] = a
    yield


@program
def dict_order():
    d = {"a": 1.0, "b": 2.0}
    yield lambda x: [x * v for v in d.values()]
    v = d.pop("a")
    d["a"] = v
    yield
    yield lambda x: x * next(iter(d.values()))
    v = d.pop("b")
    d["b"] = v
    yield
    yield lambda x: [x * v for k, v in reversed(d.items())]
    v = d.pop("a")
    d["a"] = v
    yield
    yield lambda x: x * list(d).index("a")
    v = d.pop("a")
    d["a"] = v
    yield
    yield lambda x: x * len(str(d)) + (1 if str(d).startswith("{'a'") else 0)
    v = d.pop("a")
    d["a"] = v
    yield
    v = d.pop("a")
    d["a"] = v
    yield


@program
def kwargs_order():
    d = {"a": 1.0, "b": 2.0}

    def f(**kw):
        return list(kw)

    yield lambda x: (x * 1, f(**d))
    v = d.pop("a")
    d["a"] = v
    yield


@program
def ordereddict_move():
    d = collections.OrderedDict(a=1.0, b=2.0)
    yield lambda x: [x * v for v in d.values()]
    d.move_to_end("a")
    yield
    dict.__setitem__(d, "a", 8.0)
    yield


@program
def set_membership():
    s = {1, 2}
    yield lambda x: x * 2 if 3 in s else x
    s.add(3)
    yield
    s.discard(3)
    yield
    yield lambda x: x * len(s)
    s.add(9)
    yield
    yield lambda x: x * 2 if {1, 2} <= s else x
    s.discard(1)
    yield
    yield lambda x: x * 2 if s.isdisjoint({7}) else x
    s.add(7)
    yield
    yield lambda x: x * sum(s)
    s.remove(7)
    s.add(8)
    yield


@program
def nan_value():
    box = types.SimpleNamespace(k=float("nan"))
    yield lambda x: x * 2 if box.k != box.k else x * box.k
    box.k = 1.0
    yield
    box.k = float("nan")
    yield
    box.k = np.float64("nan")
    yield
    box.k = -float("nan")
    yield


@program
def minus_zero_in_containers():
    box = types.SimpleNamespace(t=(0.0, 1))
    yield lambda x: x * math.copysign(1.0, box.t[0])
    box.t = (-0.0, 1)
    yield
    yield lambda x: x * 1 if repr(box.t) == "(0.0, 1)" else x * 2
    box.t = (0.0, 1)
    yield
    box.t = (0.0, True)
    yield
    box.t = (0, 1)
    yield


@program
def frozenset_types():
    box = types.SimpleNamespace(t=frozenset([1]))
    yield lambda x: x * 1 if [type(v) for v in box.t] == [int] else x * 2
    box.t = frozenset([True])
    yield
    box.t = frozenset([1.0])
    yield


@program
def equal_keys():
    d = {1: 2.0}
    yield lambda x: [(type(k).__name__, x * v) for k, v in d.items()]
    d.clear()
    d[True] = 2.0
    yield
    d.clear()
    d[1.0] = 2.0
    yield
    yield lambda x: x * d[1]
    d.clear()
    d[True] = 5.0
    yield


@program
def int_bool_float():
    box = types.SimpleNamespace(k=1)
    yield lambda x: (x * box.k, x.int() * box.k, str(box.k), type(box.k).__name__)
    box.k = True
    yield
    box.k = 1.0
    yield
    box.k = np.int64(1)
    yield
    box.k = np.float32(1)
    yield
    box.k = np.bool_(True)
    yield
    box.k = 1 + 0j
    yield
    box.k = 1
    yield


@program
def int_subclass():
    class Whole(int):
        def __add__(self, o):
            return 100

    box = types.SimpleNamespace(k=1)
    yield lambda x: x * (box.k + 1)
    box.k = Whole(1)
    yield
    Whole.__add__ = lambda self, o: 50
    yield


@program
def default_dtype_promotion():
    i = segue.tensor([1, 2, 3])
    yield lambda x: (i * 2.0).dtype
    segue.set_default_dtype(segue.float64)
    yield
    segue.set_default_dtype(segue.float32)
    yield


@program
def autocast_state():
    a = segue.ones(3, 3)
    yield lambda x: ((a @ x).dtype, segue.is_autocast_enabled("cpu"))
    with segue.autocast("cpu", dtype=segue.bfloat16):
        yield
    with segue.autocast("cpu", dtype=segue.float16):
        yield
    with segue.autocast("cpu", enabled=False):
        yield
    yield


@program
def num_threads():
    n = segue.get_num_threads()
    yield lambda x: x * segue.get_num_threads()
    segue.set_num_threads(1 if n != 1 else 2)
    yield
    segue.set_num_threads(n)
    yield


@program
def deterministic():
    yield lambda x: x * 2 if segue.are_deterministic_algorithms_enabled() else x
    segue.use_deterministic_algorithms(True)
    yield
    segue.use_deterministic_algorithms(False)
    yield


@program
def grad_mode():
    w = segue.ones(3, requires_grad=True)
    yield lambda x: ((x * w).requires_grad, segue.is_grad_enabled(), segue.is_inference_mode_enabled(), (x * 2).is_inference())
    with segue.no_grad():
        yield
    with segue.inference_mode():
        yield
    segue.set_grad_enabled(False)
    yield
    segue.set_grad_enabled(True)
    yield


@program
def seeds():
    yield lambda x: (segue.manual_seed(3), segue.rand(2))[1]
    yield lambda x: segue.initial_seed()
    segue.manual_seed(77)
    yield


@program
def contextvar():
    v = contextvars.ContextVar("v", default=2.0)
    yield lambda x: x * v.get()
    t = v.set(5.0)
    yield
    v.reset(t)
    yield


@program
def thread_local():
    t = threading.local()
    t.k = 2.0
    yield lambda x: x * t.k
    t.k = 3.0
    yield
    del t.k
    yield lambda x: x * getattr(t, "k", 9.0)
    t.k = 4.0
    yield


@program
def cached_property():
    class A:
        @functools.cached_property
        def p(self):
            return self.k * 2

    a = A()
    a.k = 2.0
    yield lambda x: x * a.p
    a.k = 3.0
    yield
    del a.p
    yield
    a.p = 50.0
    yield


@program
def weak_dict():
    class A:
        pass

    a, b = (A(), A())
    d = weakref.WeakKeyDictionary({a: 2.0, b: 3.0})
    yield lambda x: x * len(d) * sum(d.values())
    del b
    gc.collect()
    yield
    d[a] = 5.0
    yield


@program
def ndarray_changed():
    a = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    box = types.SimpleNamespace(a=a)
    yield lambda x: x * segue.from_numpy(box.a)
    a[0] = 9
    yield
    box.a = a[::-1].copy()
    yield
    box.a = a.astype(np.float64)
    yield
    box.a = a.reshape(1, 3)
    yield


@program
def sys_flags():
    yield lambda x: x * sys.getrecursionlimit()
    n = sys.getrecursionlimit()
    sys.setrecursionlimit(n + 10)
    yield
    sys.setrecursionlimit(n)
    yield
    yield lambda x: x * len(sys.argv)
    sys.argv.append("a")
    yield
    sys.argv.pop()
    yield
    yield lambda x: x * len(sys.path)
    sys.path.append("a")
    yield
    sys.path.pop()
    yield


@program
def logging_level():
    log = logging.getLogger("audit")
    yield lambda x: x * 2 if log.isEnabledFor(logging.INFO) else x
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(logging.ERROR)
    yield
    log.setLevel(logging.DEBUG)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    yield


@program
def locale_decimal_ctx():
    def run(x):
        return x * float(decimal.Decimal(1) / decimal.Decimal(3))

    yield run
    old = decimal.getcontext().prec
    decimal.getcontext().prec = 3
    yield
    decimal.getcontext().prec = old
    yield


@program
def default_device():
    yield lambda x: segue.zeros(2).device.type
    segue.set_default_device("meta")
    yield
    segue.set_default_device(None)
    yield
    with segue.device("meta"):
        yield


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("program", program, ids=lambda program: program.__name__)
def test_change(program, calls):
    stays_eager(program, calls)
