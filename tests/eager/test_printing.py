"""Printing: what PyTorch prints, character by character (its strings are written down here, and compared at random where it is installed)."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import segue
from segue import nn
from segue.eager.dtypes import ALL

INF, NAN = float("inf"), float("nan")
EXPECTED = [  # data, dtype, what PyTorch prints
    ([], None, "tensor([])"), ([[]], None, "tensor([], size=(1, 0))"), ([], "int64", "tensor([], dtype=segue.int64)"), (1.5, None, "tensor(1.5000)"), (3, None, "tensor(3)"),
    (True, None, "tensor(True)"), ([True, False], None, "tensor([ True, False])"), ([1, 20, -3], None, "tensor([ 1, 20, -3])"), ([1.0, 2.0], None, "tensor([1., 2.])"),
    ([1e-5, 1.0], None, "tensor([1.0000e-05, 1.0000e+00])"), ([1e10], None, "tensor([1.0000e+10])"), ([INF, 1.0, -2.0], None, "tensor([inf,  1., -2.])"),
    ([NAN, 1.5], None, "tensor([   nan, 1.5000])"), ([NAN] * 3, None, "tensor([nan, nan, nan])"), ([INF, 0.0], None, "tensor([inf, 0.])"),
    ([-0.0, 1e-9], None, "tensor([-0.0000e+00, 1.0000e-09])"), (123456789.0, None, "tensor(1.2346e+08)"), ([1001.0, 1.0], None, "tensor([1.0010e+03, 1.0000e+00])"),
    ([1 + 2j, 3.5 - 1e-5j], None, "tensor([1.0000+2.0000e+00j, 3.5000-1.0000e-05j])"), ([1e10 + 2j], None, "tensor([1.0000e+10+2.j])"), (1 + 1j, None, "tensor(1.+1.j)"),
    ([complex(NAN, NAN)], None, "tensor([nan+nanj])"), ([1], "complex128", "tensor([1.+0.j], dtype=segue.complex128)"), ([1, 1], "float16", "tensor([1., 1.], dtype=segue.float16)"),
    ([0.1, 10], "bfloat16", "tensor([ 0.1001, 10.0000], dtype=segue.bfloat16)"), ([1, -1], "int8", "tensor([ 1, -1], dtype=segue.int8)"),
    ([[[1, 2]], [[3, 4]]], None, "tensor([[[1, 2]],\n\n        [[3, 4]]])"),
]  # fmt: skip


@pytest.mark.parametrize("data, dtype, expected", EXPECTED, ids=[str(row[2])[:40] for row in EXPECTED])
def test_values(data, dtype, expected):
    x = segue.tensor(data, dtype=dtype and getattr(segue, dtype))
    assert repr(x) == str(x) == expected


def test_long_ones():
    assert repr(segue.arange(2000.0)) == (
        "tensor([0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 1.9970e+03, 1.9980e+03,\n        1.9990e+03])"
    )
    assert repr(segue.arange(26.0)) == (
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25.])"
    )
    line = "[0., 0., 0.,  ..., 0., 0., 0.]"
    assert repr(segue.zeros(40, 40)) == f"tensor([{line},\n" + f"        {line},\n" * 2 + "        ...,\n" + f"        {line},\n" * 2 + f"        {line}])"
    assert repr(segue.ones(2, 2, 600, dtype=segue.int64)).count("\n") == 4 and repr(segue.zeros(1000)).count("...") == 0


def test_tails():
    x = segue.ones(2, requires_grad=True)
    assert repr(x) == "tensor([1., 1.], requires_grad=True)" and repr(x * 2) == "tensor([2., 2.], grad_fn=<MulBackward0>)"
    assert repr(nn.Parameter(segue.zeros(2))) == "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
    assert repr(nn.Parameter(segue.zeros(2), False)) == "Parameter containing:\ntensor([0., 0.])" and repr(nn.Buffer(segue.ones(1))) == "tensor([1.])"
    assert repr(segue.ones(2, 2, device="meta")) == "tensor(..., device='meta', size=(2, 2))"
    assert repr(segue.ones(2, device="meta", dtype=segue.int64)) == "tensor(..., device='meta', size=(2,), dtype=segue.int64)"
    assert repr(segue.zeros(0, 3, dtype=segue.float64, requires_grad=True)) == "tensor([], size=(0, 3), dtype=segue.float64, requires_grad=True)"
    assert repr(segue.arange(7, dtype=segue.float64) + 1e6) == (
        "tensor([1000000., 1000001., 1000002., 1000003., 1000004., 1000005., 1000006.],\n       dtype=segue.float64)"
    )

    class Mine(segue.Tensor):
        pass

    assert repr(Mine._wrap(np.ones((2, 2), "f"), segue.ones(1)._storage)) == "Mine([[1., 1.],\n      [1., 1.]])"
    segue.set_default_dtype(segue.float64)
    try:
        assert repr(segue.ones(1)) == "tensor([1.])" and repr(segue.ones(1, dtype=segue.float32)) == "tensor([1.], dtype=segue.float32)"
    finally:
        segue.set_default_dtype(segue.float32)


def test_options():
    x = segue.tensor([1.23456, 200.0])
    with segue.printoptions(precision=2):
        assert repr(x) == "tensor([  1.23, 200.00])"
    with segue.printoptions(sci_mode=True):
        assert repr(x) == "tensor([1.2346e+00, 2.0000e+02])"
    with segue.printoptions(sci_mode=False):
        assert repr(segue.tensor([1e-6])) == "tensor([0.0000])"
    with segue.printoptions(threshold=5, edgeitems=1):
        assert repr(segue.arange(6)) == "tensor([0,  ..., 5])"
    with segue.printoptions(linewidth=20):
        assert repr(segue.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"
    segue.set_printoptions(profile="short")
    assert repr(x) == "tensor([  1.23, 200.00])"
    segue.set_printoptions(profile="full")
    assert "..." not in repr(segue.zeros(1200))
    segue.set_printoptions(profile="default")
    assert repr(x) == "tensor([  1.2346, 200.0000])"
    with pytest.raises(ValueError, match="profile"):
        segue.set_printoptions(profile="long")


def test_format_of_a_number_is_the_numbers():
    assert f"{segue.tensor(1.23456):.2f} {segue.tensor(7)} {segue.tensor(2.0)}" == "1.23 7 2.0"
    assert f"{segue.tensor([1.5])}" == "tensor([1.5000])"
    with pytest.raises(TypeError, match="format"):
        f"{segue.ones(2):.2f}"


FLOATS = st.floats(width=32) | st.integers(-2000, 2000).map(float) | st.sampled_from([0.0, 1e-5, 1e8, 1e9, 0.5, INF, -INF, NAN])
VALUES = {"b": st.booleans(), "i": st.integers(-128, 127), "u": st.integers(0, 255), "f": FLOATS, "c": st.builds(complex, FLOATS, FLOATS)}
OPTIONS = st.fixed_dictionaries({}, optional={
    "precision": st.integers(0, 6), "threshold": st.integers(0, 30), "edgeitems": st.integers(0, 3), "linewidth": st.integers(10, 120), "sci_mode": st.booleans(),
})  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_what_pytorch_prints(dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    kind = "f" if dtype is segue.bfloat16 else dtype.numpy.kind
    wide = np.float32 if dtype is segue.bfloat16 else dtype.numpy
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=8)

    @settings(max_examples=25, deadline=None)
    @given(arrays.arrays(wide, shapes, elements=VALUES[kind].map(lambda value: wide.type(value) if hasattr(wide, "type") else value)), OPTIONS, st.booleans())
    @example(np.zeros(1500, wide), {}, False)
    def check(array, options, wanting):
        theirs, ours = torch.from_numpy(array), segue.from_numpy(array)
        if dtype is segue.bfloat16:
            theirs, ours = theirs.bfloat16(), ours.bfloat16()
        if wanting and kind in "fc":
            theirs.requires_grad_(), ours.requires_grad_()
        with torch._tensor_str.printoptions(**options), segue.printoptions(**options):
            assert repr(ours).replace("segue.", "torch.") == repr(theirs)

    with np.errstate(all="ignore"):
        check()
