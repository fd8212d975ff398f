"""segue.testing: what assert_close lets pass, what it says of the rest (PyTorch's words), and the samples of make_tensor."""

import collections

import numpy as np
import pytest

import segue
from segue import nn
from segue.eager.dtypes import ALL
from segue.testing import assert_close, make_tensor

INF, NAN = float("inf"), float("nan")


def refused(actual, expected, kind=AssertionError, **options):
    with pytest.raises(kind) as caught:
        assert_close(actual, expected, **options)
    return str(caught.value)


def test_what_is_close():
    t = segue.tensor
    for pair in (
        (t([1.0, 2.0]), t([1.0, 2.0000001])), (1.0, 1.0), (1, 1), (True, np.True_), (None, None), (np.ones(2), np.ones(2)), ((1, 2), [1, 2]), (1j, 1j),
        (t([INF, -INF]), t([INF, -INF])), (segue.ones(0, 2), segue.ones(0, 2)), ({"a": [t(1)]}, collections.OrderedDict(a=(t(1),))), ([], ()), (INF, INF),
        (nn.Parameter(segue.ones(2)), segue.ones(2)), (segue.ones(2, device="meta"), segue.ones(2, device="meta")), (np.float32(1), np.float32(1)),
    ):  # fmt: skip
        assert_close(*pair)
    assert_close(t([NAN]), t([NAN]), equal_nan=True)
    assert_close(NAN, NAN, equal_nan=True)
    assert_close(1, 1.0, check_dtype=False)
    assert_close(t([1.0]), t([1.0], dtype=segue.float64), check_dtype=False)
    assert_close(t([1]), t([True]), check_dtype=False)
    assert_close(segue.ones(2, 2).T, segue.ones(2, 2))
    assert_close(t([1.0]), t([1.4]), rtol=0, atol=0.5)
    assert_close(t([1]), t([2]), rtol=0, atol=1)


@pytest.mark.parametrize("dtype", [d for d in ALL if d.is_floating_point or d.is_complex], ids=str)
def test_tolerances_of_each_dtype(dtype):
    rtol = {"float16": 1e-3, "bfloat16": 1.6e-2, "float32": 1.3e-6, "complex64": 1.3e-6}.get(dtype.name, 1e-7)
    near, x, far = (segue.full((3,), 100 * (1 + share * rtol), dtype=dtype) for share in (0.7, 0, 3))
    assert_close(near, x)
    assert f"(up to {rtol} allowed)" in refused(far, x)


def test_messages_about_values():
    t = segue.tensor
    assert refused(t([1.0, 2.0, 3.0]), t([1.0, 2.5, 3.1])) == (
        "Tensor-likes are not close!\n\nMismatched elements: 2 / 3 (66.7%)\nGreatest absolute difference: 0.5 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.20000000298023224 at index (1,) (up to 1.3e-06 allowed)"
    )
    assert refused(t([[1, 2], [3, 4]]), t([[1, 2], [5, 4]])) == (
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 4 (25.0%)\nGreatest absolute difference: 2 at index (1, 0)\n"
        "Greatest relative difference: 0.4 at index (1, 0)"
    )
    assert refused(1.0, 2.0) == (
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 (up to 1e-07 allowed)\nRelative difference: 0.5 (up to 1e-07 allowed)"
    )
    assert refused(t(1), t(2)) == refused(1, 2) == "Scalars are not equal!\n\nExpected 2 but got 1.\nAbsolute difference: 1\nRelative difference: 0.5"
    assert "absolute difference: nan at index (0,)" in refused(t([NAN]), t([NAN])) and "Expected nan" in refused(1.5, NAN)
    assert "absolute difference: inf" in refused(t([INF]), t([1.0])) and refused(t([1.0]), t([INF]))
    assert "relative difference: inf" in refused(t([1.0]), t([0.0]))
    assert "absolute difference: 1 at" in refused(t([2**62, 1]), t([2**62 + 1, 1]))  # not rounded away
    assert refused(True, False) == "Booleans mismatch: True is not False" and refused(None, 1) == "None mismatch: None is not 1"


def test_messages_about_attributes_and_containers():
    x = segue.ones(2)
    assert refused(x, segue.ones(3)) == "The values for attribute 'shape' do not match: segue.Size([2]) != segue.Size([3])."
    assert refused(x, x.double()) == "The values for attribute 'dtype' do not match: segue.float32 != segue.float64."
    assert refused(x, segue.ones(2, device="meta")) == "The values for attribute 'device' do not match: cpu != meta."
    y = segue.ones(2, 2)
    assert refused(y.T, y, check_stride=True) == "The values for attribute 'stride()' do not match: (1, 2) != (2, 1)."
    assert refused(1, 1.0) == "The (d)types do not match: <class 'int'> != <class 'float'>."
    assert refused([1, 2], [1]) == "The length of the sequences mismatch: 2 != 1"
    assert refused({"a": 1, 2: 3}, {"b": 1, 2: 3}) == (
        "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']\nAdditional keys in the actual mapping: ['a']"
    )
    assert refused({"a": [1, {"b": x}]}, {"a": [1, {"b": x + 1}]}).endswith("\n\nThe failure occurred for item ['a'][1]['b']")


def test_what_cannot_be_compared():
    x = segue.ones(2)
    for pair in ((x, 1.0), (x, [1.0, 1.0]), ("a", "a"), (object(), object()), (x, np.ones(2))):
        assert "No comparison pair" in refused(*pair, kind=TypeError)
    assert "No comparison pair" in refused(nn.Parameter(x), x, kind=TypeError, allow_subclasses=False)
    assert refused([1.0, "a"], [1.0, "a"], kind=TypeError).endswith("item [1]")
    for options in ({"rtol": 1e-3}, {"atol": 1e-3}):
        assert "both" in refused(x, x, kind=ValueError, **options).lower()


def test_own_messages():
    assert refused(1, 2, msg="mine") == "mine"
    assert refused([1], [2], msg=lambda text: f"mine\n{text}").startswith("mine\nScalars") and refused([1], [2], msg=lambda text: text).endswith("[0]")


@pytest.mark.torch
def test_pytorch_says_the_same():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(0)
    for trial in range(60):
        x = rng.integers(-2, 3, (2, 3)).astype(["f4", "f8", "i4", "?", "c8"][trial % 5])
        y = x.copy()
        y.flat[rng.integers(6)] = [0, 1, 5, NAN, INF][rng.integers(5)] if x.dtype.kind in "fc" else 1
        texts = []
        for framework in (torch, segue):
            try:
                framework.testing.assert_close(framework.from_numpy(x), framework.from_numpy(y), equal_nan=bool(trial % 2))
                texts.append("")
            except AssertionError as problem:
                texts.append([line for line in str(problem).splitlines() if "relative" not in line])  # theirs is rounded to float32
        assert texts[0] == texts[1]


# ------------------------------------------------------------------------------------------------------------ make_tensor


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_samples_fill_the_interval(dtype):
    x = make_tensor((20, 50), dtype=dtype, device="cpu")
    assert x.dtype is dtype and x.shape == (20, 50) and x.is_contiguous()
    parts = [x.real, x.imag] if dtype.is_complex else [x.double()]
    low, high = {"bool": (0, 1), "uint8": (0, 9)}.get(dtype.name, (-9, 9))
    for part in parts:
        assert low <= part.min() <= low + 0.5 and high - 0.5 <= part.max() <= high
    for limits in ((1, 2), (0, 2)):
        y = make_tensor(300, dtype=dtype, device="cpu", low=limits[0], high=limits[1], exclude_zero=True)
        assert bool((y != 0).all()) and len(y.unique() if not dtype.is_complex else y) >= 1


def test_options_of_samples():
    options = {"dtype": segue.float32, "device": "cpu"}
    x = make_tensor(3, 4, **options, noncontiguous=True, requires_grad=True)
    assert x.shape == (3, 4) and not x.is_contiguous() and x.requires_grad and x.is_leaf
    assert make_tensor((), **options).shape == () and make_tensor([2], **options).shape == (2,) and make_tensor(0, 3, **options).numel() == 0
    assert make_tensor(2, dtype=segue.int8, device="meta").is_meta
    x = make_tensor(500, dtype=segue.int8, device="cpu", low=-1000, high=1000)
    assert x.min() < -100 and x.max() > 100
    assert bool(make_tensor(100, **options, low=-INF, high=INF).isfinite().all())
    for bad in (
        {"low": 2, "high": 1}, {"low": NAN}, {"low": 20}, {"dtype": segue.int64, "requires_grad": True}, {"dtype": segue.int64, "low": 1, "high": 1},
        {"dtype": segue.uint8, "low": 300, "high": 400}, {"dtype": segue.bool, "low": 3, "high": 5},
        {"noncontiguous": True, "memory_format": segue.contiguous_format},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            make_tensor(3, **{**options, **bad})
