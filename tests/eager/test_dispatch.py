"""The quick way of a row's call: modes of each thread's own, functions of NumPy's that kernels come down to, Python's operators."""

import contextvars
import threading

import numpy as np
import pytest

import segue
from segue.eager.autograd.mode import STATE
from segue.eager.ops.definition import OPS

WITH_DIRECT = sorted(name for name, row in OPS.items() if hasattr(row.kernel, "direct"))


def test_modes_are_each_threads_own():
    seen = []

    def look(n):
        before = STATE.enabled
        STATE.enabled = n
        seen.append((before, STATE.enabled))

    STATE.enabled = False
    try:
        for n in range(20):  # a thread that ends leaves nothing to the next, which often gets its memory
            thread = threading.Thread(target=look, args=(n,))
            thread.start()
            thread.join()
        assert seen == [(True, n) for n in range(20)] and STATE.enabled is False
    finally:
        STATE.enabled = True
    with pytest.raises(AttributeError, match="enabled cannot be deleted"):
        del STATE.enabled
    with pytest.raises(AttributeError):
        STATE.enable = True


def _layouts(array):
    """An array without gaps, and with the order of its dimensions turned."""
    return [array, np.ascontiguousarray(array.T).T] if array.ndim > 1 else [array]


@pytest.mark.parametrize("name", WITH_DIRECT)
def test_direct_function_does_what_the_kernel_does(name):
    row, asked = OPS[name], 0
    for args, kwargs in row.samples():
        args = row.bind(args, kwargs)
        first = args[0]._data if isinstance(args[0], segue.Tensor) else args[0]
        for layout in _layouts(first) if isinstance(first, np.ndarray) else [first]:
            plain = [layout, *(x._data if isinstance(x, segue.Tensor) else x for x in args[1:])]
            function = row.kernel.direct(*plain)
            if function is None:
                continue
            asked += 1
            with np.errstate(all="ignore"):
                wanted = np.asarray(row.kernel(np, *plain))
                found = np.asarray(function(*(x for x, p in zip(plain, row.schema.parameters) if p.kind != "attribute")))
            assert found.dtype == wanted.dtype and found.shape == wanted.shape
            assert np.array_equal(found, wanted, equal_nan=found.dtype.kind in "fc")
            if row.is_view:
                assert np.shares_memory(found, plain[0]) or not found.size
    assert asked


def test_what_was_learnt_of_dense_operands_does_not_hold_for_others():
    x = segue.arange(12.0).reshape(3, 4)
    turned = x.t().contiguous().t()
    assert turned.shape == x.shape and not turned.is_contiguous()
    for _ in range(2):
        assert x.view(12).tolist() == list(range(12))
        with pytest.raises(RuntimeError, match="not compatible"):
            turned.view(12)
        assert segue.equal(turned @ x.t(), x @ x.t()) and segue.equal(x.sum(0), turned.sum(0))
        assert segue.equal(turned + turned, x + x) and (turned + turned).is_contiguous()


def test_warnings_of_numpy_are_off_inside_and_as_they_were_outside():
    zero, one, variable = segue.zeros(2), segue.ones(2), contextvars.ContextVar("variable", default=0)
    variable.set(7)
    with np.errstate(all="raise"):
        for _ in range(3):  # the first time the general way
            assert segue.isnan(zero / zero).all() and segue.isinf(one / zero).all() and segue.isinf(segue.full((2,), 1e30) * 1e30).all()
            assert segue.isinf(segue.log(zero)).all() and segue.isinf(segue.full((2,), 3e38).sum())
        with pytest.raises(FloatingPointError):
            np.float32(1) / np.float32(0)
        assert variable.get() == 7
        assert segue.isinf(STATE.quiet.run(lambda: one / zero)).all()  # in a finalizer that runs meanwhile
    STATE.quiet.run(lambda: None)  # it is left again


def test_numbers_beside_tensors():
    x = segue.tensor([1.5, -0.0])
    for _ in range(2):
        assert (x + 1).tolist() == (1 + x).tolist() == [2.5, 1.0] and (1.0 - x).tolist() == [-0.5, 1.0] and (2 / x)[0] == segue.tensor(4 / 3)
        assert (x * True).tolist() == [1.5, 0.0] and (x + 1j).dtype is segue.complex64 and (np.float64(2) * x).dtype is segue.float32
        assert (segue.tensor([1, 2]) + 0.5).dtype is segue.float32 and (segue.tensor([100], dtype=segue.int8) + 100).tolist() == [-56]
        assert (segue.ones(2, dtype=segue.bfloat16) + 0.1).dtype is segue.bfloat16
    assert segue.signbit(x * 1.0).tolist() == [False, True] and segue.signbit(x * 0.0).tolist() == [False, True] and segue.signbit(x * -0.0).tolist() == [True, False]
    assert x.__add__("a") is NotImplemented
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "a"


def test_operators_are_methods():
    class Twice(segue.nn.Parameter):
        def __add__(self, other):
            return super().__add__(other) * 2

    class Other:
        def __radd__(self, other):
            return "radd"

    x = segue.ones(2)
    assert (Twice(x) + x).tolist() == [4.0, 4.0] and segue.Tensor.__rsub__(x, 3).tolist() == [2.0, 2.0] and x + Other() == "radd"
    assert segue.Tensor.__add__.__name__ == "add" and callable(segue.Tensor.__dict__["__mul__"])


def test_operator_taken_from_the_class_is_captured():
    def f(x, y):
        return segue.Tensor.__mul__(x, y) + x.__rsub__(3)

    x = segue.rand(3)
    compiled = segue.compile(f, fullgraph=True, backend="eager")
    assert segue.equal(compiled(x, x), f(x, x))


def test_saved_versions_are_checked():
    x, y = segue.rand(3, requires_grad=True), segue.rand(3, requires_grad=True)
    for operands in ((x, y), (x, y.detach()), (x.detach(), y)):
        left, right = (operand.clone() if operand.requires_grad else operand for operand in operands)
        out = left * right
        out.sum().backward()
        out = left * right
        with segue.no_grad():
            right.add_(1)
        if left.requires_grad:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                out.sum().backward()
        else:
            out.sum().backward()
