"""Memory shared with NumPy and others: arrays in operators, DLPack both ways, buffers."""

import numpy as np
import pytest

import segue

F32 = np.ones(2, "float32")


@pytest.mark.parametrize("expression, of", [
    (lambda t: F32 + t, "float32"), (lambda t: np.ones(2) * t, "float64"), (lambda t: np.float32(2) * t, "float32"), (lambda t: np.float64(2) * t, "float32"),
    (lambda t: t - np.int8(1), "float32"), (lambda t: np.ones(2, "int8") / t, "float32"), (lambda t: F32 @ t, "float32"), (lambda t: t > F32, "bool"),
    (lambda t: np.sin(t), "float32"), (lambda t: np.add(F32, t), "float32"), (lambda t: np.maximum(t, 3), "float32"), (lambda t: np.isnan(t), "bool"),
    (lambda t: np.sum(t, axis=0), "float32"), (lambda t: np.mean(t), "float32"), (lambda t: np.bool_(True) + t, "float32"),
    (lambda t: np.complex128(1j) * t, "complex64"),
])  # fmt: skip
def test_numpy_in_operators_gives_tensors(expression, of):
    found = expression(segue.tensor([1.0, 2.0]))
    assert type(found) is segue.Tensor and found.dtype is getattr(segue, of)
    np.testing.assert_allclose(found.numpy(), np.asarray(expression(np.array([1.0, 2.0]))), rtol=1e-6)


def test_a_bare_capsule_shares_memory_both_ways():
    x = segue.arange(3)
    segue.utils.dlpack.from_dlpack(segue.utils.dlpack.to_dlpack(x))[1] = 7
    assert x.tolist() == [0, 7, 2]


def test_arrays_of_tensors():
    t = segue.tensor([1.0, 2.0])
    assert np.array(t, dtype="int8").tolist() == [1, 2] and np.stack([t, t]).dtype == "float32" and np.array([segue.tensor(1.0)] * 2).dtype == "float32"
    assert np.asarray(t).ctypes.data == t.data_ptr() and np.array(t).ctypes.data != t.data_ptr()
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype="float64", copy=False)
    with pytest.raises(RuntimeError, match="requires grad"):
        np.sin(segue.ones(2, requires_grad=True))


def test_from_numpy_shares_or_says_why_not():
    a = np.zeros(3)
    t = segue.from_numpy(a)
    t[0] = 4
    a[1] = 5
    assert t.tolist() == [4, 5, 0] and a.tolist() == [4, 5, 0]
    with pytest.raises(ValueError, match="negative"):
        segue.from_numpy(a[::-1])
    a.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        segue.from_numpy(a).add_(1)
    with pytest.raises(TypeError, match="cannot hold"):
        segue.from_numpy(np.array(["a"]))


def test_dlpack_out_and_in():
    t = segue.arange(6.0).reshape(2, 3).T
    a = np.from_dlpack(t)
    a[0, 1] = 9
    assert t[0, 1].item() == 9 and a.strides == (4, 12) and t.__dlpack_device__() == (1, 0)
    b = np.arange(4)
    u = segue.from_dlpack(b)
    u[0] = 7
    assert b[0] == 7 and segue.from_dlpack(b, copy=True).data_ptr() != b.ctypes.data and segue.from_dlpack(u, copy=False).data_ptr() == b.ctypes.data
    assert segue.from_dlpack(segue.utils.dlpack.to_dlpack(u)).data_ptr() == b.ctypes.data
    assert np.from_dlpack(t, copy=True).ctypes.data != t.data_ptr()


def test_dlpack_refuses():
    with pytest.raises(BufferError, match="gradient"):
        segue.ones(1, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="bfloat16"):
        segue.ones(1, dtype=segue.bfloat16).__dlpack__()
    with pytest.raises(BufferError, match="CPU"):
        segue.ones(1).__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError):
        segue.empty(1, device="meta").__dlpack_device__()
    with pytest.raises(TypeError, match="__dlpack__"):
        segue.from_dlpack([1])


@pytest.mark.torch
def test_dlpack_with_pytorch():
    torch = pytest.importorskip("torch")
    x = torch.ones(3)
    y = segue.from_dlpack(x)
    y[0] = 9
    z = torch.from_dlpack(y)
    z[1] = 8
    assert x.tolist() == [9, 8, 1] and segue.from_dlpack(torch.utils.dlpack.to_dlpack(x)).data_ptr() == x.data_ptr()


def test_buffers():
    memory = bytearray(8)
    t = segue.frombuffer(memory, dtype=segue.int16, count=2, offset=2)
    t[0] = 3
    assert memory[2] == 3 and t.shape == (2,) and segue.frombuffer(b"ab", dtype=segue.uint8).tolist() == [97, 98]
    for bad in ({"offset": 8}, {"count": 5}, {"count": 0}, {"offset": 1}):
        with pytest.raises(ValueError, match="frombuffer"):
            segue.frombuffer(memory, dtype=segue.int16, **bad)
    with pytest.raises(RuntimeError, match="read-only"):
        segue.frombuffer(b"ab", dtype=segue.uint8).add_(1)


def test_asarray():
    a, t = np.ones(2), segue.ones(2)
    assert segue.asarray(a).data_ptr() == a.ctypes.data and segue.asarray(t) is t and segue.asarray(t, copy=True) is not t
    assert segue.asarray(bytearray(4), dtype=segue.int16).shape == (2,) and segue.asarray([1, 2]).dtype is segue.int64
    assert segue.asarray(a, dtype=segue.float32, requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="copy"):
        segue.asarray(a, dtype=segue.float32, copy=False)


def test_numpys_names_are_taken_wherever_ours_are():
    """Of every public operator that has dim or keepdim: `axis` and `keepdims` reach the same parameter (an unknown keyword would raise TypeError naming it)."""
    import inspect

    for space in (segue, segue.linalg, segue.special, segue.masked, segue.nn.functional, segue.fft):
        for name in dir(space):
            function = getattr(space, name)
            if not inspect.isfunction(function) or name.startswith("_") or ".functional" not in function.__module__:
                continue
            parameters = inspect.signature(function).parameters
            for ours, theirs in (("dim", "axis"), ("keepdim", "keepdims")):
                if ours in parameters and theirs not in parameters:
                    with pytest.raises((TypeError, RuntimeError, ValueError, IndexError, AttributeError)) as caught:
                        function(**{theirs: None})
                    assert theirs not in str(caught.value), f"{space.__name__}.{name}"


def test_numpys_names_eagerly_and_captured():
    x = segue.arange(6.0).reshape(2, 3)

    def f(x):
        return x.softmax(axis=1).sum(axis=0, keepdims=True), segue.cat([x, x], axis=1), segue.linalg.norm(x, axis=1), segue.fft.fft(x, axis=0).real

    for mine, other in zip(f(x), segue.compile(f, fullgraph=True)(x)):
        assert (mine - other).abs().max().item() < 1e-5
    assert segue.roll(x, 1, axis=0).shape == (2, 3) and segue.nn.functional.normalize(x, axis=0).shape == (2, 3)
