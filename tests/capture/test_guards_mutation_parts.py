"""Functions, modules and tensors that are changed in unusual ways behind a compiled function: the answer is still eager's.

Each program is a generator: it yields what to run, then changes one thing and yields again (nothing, for the same function).
"""

import functools
import types

import pytest
from interp_support import Programs, stays_eager

import segue
import segue.nn.functional as F
from segue import nn

program = Programs()


@program
def module_getattr_replaced():
    m = types.ModuleType("m")
    m.__getattr__ = lambda n: 2.0
    yield lambda x: x * m.foo
    m.__getattr__ = lambda n: 3.0
    yield
    m.foo = 8.0
    yield


@program
def module_class_assigned():
    m = types.ModuleType("m")
    m.a = 2.0
    yield lambda x: x * m.a

    class M(types.ModuleType):
        a = property(lambda self: 6.0)

    m.__class__ = M
    yield


@program
def kwdefaults_key():
    def f(x, *, k=2.0):
        return x * k

    yield lambda x: f(x)
    f.__kwdefaults__["k"] = 5.0
    yield
    f.__kwdefaults__ = {"k": 7.0}
    yield


@program
def code_of_method():
    class A:
        def f(self, x):
            return x * 2

    a = A()
    yield lambda x: a.f(x)
    A.f.__code__ = (lambda self, x: x - 9).__code__
    yield


@program
def default_list_mutated():
    def f(x, ks=[2.0]):  # noqa: B006  (it is what is changed)
        return x * ks[0] * len(ks)

    yield lambda x: f(x)
    f.__defaults__[0].append(4.0)
    yield
    f.__defaults__[0][0] = 9.0
    yield


@program
def property_fget_code():
    class C:
        @property
        def p(self):
            return 2.0

    c = C()
    yield lambda x: x * c.p
    C.p.fget.__code__ = (lambda self: 5.0).__code__
    yield


@program
def cell_of_inner():
    def outer():
        k = 2.0

        def f(x):
            return x * k

        return f

    f = outer()
    yield lambda x: f(x)
    f.__closure__[0].cell_contents = 5.0
    yield


@program
def partial_args():
    def f(a, x, b=1):
        return x * a + b

    p = functools.partial(f, 2.0, b=3)
    yield lambda x: p(x)
    p.keywords["b"] = 5
    yield
    p.__setstate__((f, (4.0,), {"b": 6}, {}))
    yield
    p.__setstate__((lambda a, x, b: x - a, (4.0,), {"b": 6}, {}))
    yield


@program
def segue_patched():
    yield lambda x: segue.relu(x) + F.relu(x)
    old, oldf = (segue.relu, F.relu)
    segue.relu = lambda x: x * 100
    try:
        yield
    finally:
        segue.relu = old
    F.relu = lambda x: x * 50
    try:
        yield
    finally:
        F.relu = oldf
    yield


@program
def tensor_method_patched():
    T = segue.Tensor
    yield lambda x: x.relu() + x
    old = T.relu
    T.relu = lambda self: self * 100
    try:
        yield
    finally:
        T.relu = old
    yield
    T.made_up = lambda self: self * 3
    yield lambda x: x.made_up()
    T.made_up = property(lambda self: lambda: self * 4)
    yield
    del T.made_up
    yield


@program
def module_hooks():
    m = nn.Linear(3, 3)
    yield lambda x: m(x)
    h = m.register_forward_pre_hook(lambda mod, a: (a[0] * 2,))
    yield
    h.remove()
    yield
    h = nn.modules.module.register_module_forward_hook(lambda mod, a, r: r * 3)
    yield
    h.remove()
    yield
    m.__dict__["forward"] = lambda x: x
    yield
    del m.__dict__["forward"]
    yield
    nn.Linear.__call__ = lambda self, x: x * 9
    yield
    del nn.Linear.__call__
    yield


@program
def exec_function_globals_builtins():
    g = {"k": 2.0, "__builtins__": {"len": lambda v: 5}}
    exec("def f(x): return x * len([1]) * k", g)
    f = g["f"]
    yield lambda x: f(x)
    g["__builtins__"]["len"] = lambda v: 9
    yield
    g["len"] = lambda v: 11
    yield


@program
def tensor_data():
    w = segue.tensor([1.0, 2.0, 3.0])
    yield lambda x: x * w
    w.data = segue.tensor([4.0, 5.0, 6.0])
    yield
    w.data = segue.tensor([4.0])
    yield
    w.data = segue.tensor([4.0, 5.0, 6.0]).double()
    yield
    w.data = segue.tensor([[4.0, 5.0, 6.0]]).float()
    yield


@program
def tensor_resize():
    w = segue.tensor([1.0, 2.0, 3.0])
    yield lambda x: w.sum() * w.shape[0]
    w.resize_(2)
    yield
    w.resize_(2, 1)
    yield
    w.t_()
    yield
    w.unsqueeze_(0)
    yield


@program
def strides_changed():
    w = segue.arange(9.0).reshape(3, 3)
    yield lambda x: (w.is_contiguous(), w.stride(), w @ x)
    w.t_()
    yield
    w.transpose_(0, 1)
    yield


@program
def view_alias():
    base = segue.zeros(6)
    a, b = (base[:3], segue.ones(3))
    box = types.SimpleNamespace(a=a, b=b)

    def run(x):
        box.a.fill_(1.0)
        box.a.add_(x)
        return box.b * 2

    yield run
    box.b = base[1:4]
    yield
    box.b = a
    yield
    box.b = base[3:]
    yield


@program
def leaf_and_grad():
    w = nn.Parameter(segue.ones(3))
    yield lambda x: x * 2 if w.grad is None else x * w.grad
    w.grad = segue.ones(3) * 5
    yield
    w.grad = segue.ones(3) * 6
    yield
    w.grad = None
    yield
    w.requires_grad = False
    yield
    box = [w]
    yield lambda x: (box[0].is_leaf, box[0].grad_fn is None, isinstance(box[0], nn.Parameter), box[0]._version)
    box[0] = nn.Parameter(segue.ones(3)) * 2
    yield
    w.add_(1)
    box[0] = w
    yield


@program
def module_buffers():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.register_buffer("b", segue.ones(3))
            s.w = nn.Parameter(segue.ones(3))
            s.n = None

        def forward(s, x):
            r = x
            for _, p in s.named_parameters():
                r = r * p
            for _, p in s.named_buffers():
                r = r + p
            return r * len(s.state_dict())

    m = M()
    yield lambda x: m(x)
    m.register_buffer("c", segue.ones(3) * 2)
    yield
    m.v = nn.Parameter(segue.ones(3) * 3)
    yield
    m.b = None
    yield
    m.load_state_dict({"w": segue.ones(3) * 7, "v": segue.ones(3)}, strict=False)
    yield
    m.sub = nn.Linear(1, 1)
    yield
    del m.v
    yield


@pytest.mark.parametrize("calls", [1, 4])
@pytest.mark.parametrize("program", program, ids=lambda program: program.__name__)
def test_change(program, calls):
    stays_eager(program, calls)


def test_a_function_that_a_user_puts_on_tensors_is_followed():
    log, held = [], [2.0]

    def scaled(self, by=1.0):
        log.append(by)
        return self * held[0] * by

    segue.Tensor.scaled, segue.Tensor.held = scaled, property(lambda self: self + held[0])
    try:
        run = segue.compile(lambda x: x.scaled(3.0) + x.held, backend="eager", fullgraph=True)
        for number in (2.0, 2.0, 5.0, 7.0):
            held[0] = number
            assert run(segue.ones(1)).item() == number * 3 + 1 + number
        assert log == [3.0] * 4
    finally:
        del segue.Tensor.scaled, segue.Tensor.held


def test_descriptors_that_a_user_puts_on_tensors_are_followed():
    log = []

    class Logged:
        def __get__(self, tensor, cls=None):
            log.append("read")
            return 3.0

    def scaled(self, by, more):
        log.append(by)
        return self * by + more

    segue.Tensor.logged, segue.Tensor.part = Logged(), functools.partialmethod(scaled, 3)
    try:
        run = segue.compile(lambda x: x.part(1) * x.logged, backend="eager")
        for _ in range(3):
            assert run(segue.ones(1)).item() == 12
        assert log == [3, "read"] * 3
    finally:
        del segue.Tensor.logged, segue.Tensor.part
