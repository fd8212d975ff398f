"""The tensor itself: memory shared with NumPy and between views, versions, writes that must not happen, odd inputs."""

import copy
import pickle

import numpy as np
import pytest

import segue


def test_from_numpy_shares_memory_both_ways():
    array = np.zeros(3, np.float32)
    tensor = segue.from_numpy(array)
    array[0] = 1
    tensor[1] = 2
    np.testing.assert_array_equal(array, [1, 2, 0])
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_tensor_copies():
    array = np.zeros(3, np.float32)
    tensor = segue.tensor(array)
    array[0] = 1
    assert tensor[0].item() == 0


def test_views_share_memory_and_version():
    base = segue.zeros(4, 3)
    views = [base.view(12), base.t(), base[1:], base[0], base.unsqueeze(0), base.detach(), base.expand(2, 4, 3), base.permute(1, 0), base.diagonal()]
    for count, view in enumerate(views[:-3], 1):
        assert view._version == base._version == count - 1
        view.fill_(count) if view.numel() == 12 else view.add_(1)
    assert base[0, 0].item() == views[0][0].item() == views[1][0, 0].item()


def test_an_expanded_tensor_cannot_be_written():
    wide = segue.zeros(3, 1).expand(3, 4)
    with pytest.raises(RuntimeError, match="single memory location"):
        wide.add_(1)


def test_a_tensor_with_new_dimensions_in_which_nothing_repeats_is_written_through():
    for program in (lambda x: x.expand(1, -1).add_(1), lambda x: x.expand(1, 1, 3)[0].mul_(2), lambda x: x.broadcast_to(1, 3).copy_(x * 3)):
        for run in (program, segue.compile(program)):
            x = segue.tensor([1.0, 2.0, 3.0])
            found = run(x)
            assert found.flatten().tolist() == x.tolist() != [1.0, 2.0, 3.0]
    assert segue.zeros(1, 0).expand(4, 0).shape == (4, 0)


def test_a_read_only_array_can_be_read_and_not_written():
    array = np.arange(3.0)
    array.flags.writeable = False
    tensor = segue.from_numpy(array)
    assert tensor.sum().item() == 3
    with pytest.raises(RuntimeError, match="read-only"):
        tensor.add_(1)
    np.testing.assert_array_equal(array, [0, 1, 2])


def test_negative_strides_are_refused_by_name_and_copied_by_tensor():
    backwards = np.arange(4.0)[::-1]
    with pytest.raises(ValueError, match="stride"):
        segue.from_numpy(backwards)
    np.testing.assert_array_equal(segue.tensor(backwards).numpy(), [3, 2, 1, 0])


def test_a_strided_array_computes_as_its_copy_does():
    array = np.random.default_rng(0).normal(size=(6, 8))
    for part in (array[::2, 1::3], array.T, array[:, ::-1].T[::-1].T[:, ::-1]):
        if any(stride < 0 for stride in part.strides):
            continue
        tensor = segue.from_numpy(part)
        np.testing.assert_array_equal((tensor * 2 + 1).numpy(), part * 2 + 1)
        np.testing.assert_allclose(tensor.sum(0).numpy(), part.sum(0))
        assert (tensor * 2).is_contiguous()


def test_foreign_byte_order_is_read_right():
    array = np.array([1.0, 2.0], dtype=">f4")
    np.testing.assert_array_equal(segue.tensor(array).numpy(), [1, 2])


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_empty_tensors(shape):
    x = segue.ones(shape, requires_grad=True)
    y = (x * 2 + segue.exp(x)).sum()
    y.backward()
    assert y.item() == 0 and tuple(x.grad.shape) == shape
    assert segue.cat([x, x]).shape[0] == 2 * shape[0]
    assert x.sum(0).shape == shape[1:]
    with pytest.raises((RuntimeError, IndexError)):
        x.amax()
    assert segue.ones(2, 0).mean(1).isnan().all()


def test_nan_follows_pytorchs_rules():
    x = segue.tensor([1.0, float("nan"), 3.0])
    assert x.max().isnan() and x.amin().isnan() and x.argmax().item() == 1
    assert segue.maximum(x, segue.zeros(3)).isnan().tolist() == [False, True, False]
    assert (x == x).tolist() == [True, False, True]
    assert x.clamp(0, 2).isnan().tolist() == [False, True, False]
    assert x.sort().indices.tolist() == [0, 2, 1]
    assert segue.relu(x).isnan().tolist() == [False, True, False]


def test_errors_name_operator_shapes_and_the_users_line():
    x, y = segue.ones(2, 3), segue.ones(4)
    with pytest.raises(RuntimeError) as caught:
        x + y  # the line that is shown
    text = str(caught.value)
    assert "add" in text and "(2, 3)" in text and "(4,)" in text
    assert "test_tensor.py" in text and "x + y" in text


def test_in_place_results_must_fit():
    x = segue.ones(3, dtype=segue.int64)
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.add_(1.5)
    with pytest.raises(RuntimeError, match="shape"):
        segue.ones(3).add_(segue.ones(2, 3))
    assert x.tolist() == [1, 1, 1]


def test_type_promotion_with_numbers_and_zero_dimensional_tensors():
    ints, halfs, floats = segue.ones(2, dtype=segue.int32), segue.ones(2, dtype=segue.float16), segue.ones(2)
    assert (ints + 1).dtype is segue.int32 and (ints + 1.5).dtype is segue.float32 and (ints / 2).dtype is segue.float32
    assert (halfs + segue.tensor(1.0, dtype=segue.float64)).dtype is segue.float16
    assert (floats + segue.ones(2, dtype=segue.float64)).dtype is segue.float64
    assert (ints > 0).dtype is segue.bool and ints.sum().dtype is segue.int64


def test_pickle_and_deepcopy():
    x = segue.rand(3, requires_grad=True)
    for twin in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert twin.requires_grad and twin.tolist() == x.tolist()
        with segue.no_grad():
            twin.add_(1)
        assert twin.tolist() != x.tolist()


def test_numpy_gives_way_to_our_operators():
    x = segue.ones(2)
    result = np.ones(2, np.float32) + x
    assert isinstance(result, segue.Tensor) and result.tolist() == [2, 2]
    np.testing.assert_allclose(np.sin(np.asarray(x)), np.sin(1.0))


def test_the_same_seed_gives_the_same_numbers():
    segue.manual_seed(7)
    a, b = segue.rand(5), segue.randn(5)
    segue.manual_seed(7)
    assert a.tolist() == segue.rand(5).tolist() and b.tolist() == segue.randn(5).tolist()
    assert a.tolist() != segue.rand(5).tolist()
    draws = segue.rand(20000)
    assert abs(draws.mean().item() - 0.5) < 0.01 and draws.amin().item() >= 0 and draws.amax().item() < 1
    normal = segue.randn(20000)
    assert abs(normal.mean().item()) < 0.03 and abs(normal.std().item() - 1) < 0.03


def test_meta_tensors_compute_shapes_only():
    x = segue.empty(3, 4, device="meta")
    y = (x @ x.t() + 1).sum(0)
    assert y.is_meta and y.shape == (3,)
    with pytest.raises(RuntimeError, match="meta"):
        y.tolist()


def test_python_operators_give_what_the_functions_give():
    """Operators that call their rows, on every kind of operand: values, dtypes, layout, errors and gradients are the function's."""
    from segue.eager.functional.methods import ARITHMETIC, COMPARISONS, ROWS
    from segue.eager.functional.pointwise import binary
    from segue.eager.ops import dispatch

    operands = [segue.arange(6.0).reshape(2, 3) - 2, (segue.arange(6.0).reshape(3, 2) - 2).T, segue.arange(6).reshape(2, 3), segue.ones(3, dtype=segue.float64),
                segue.tensor(1.5), segue.zeros(2, 3), segue.ones(2, 3, dtype=segue.bool), 2.5, 0.0, 3, True, segue.ones(2, 3, requires_grad=True)]  # fmt: skip
    ways = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b, "eq": lambda a, b: a == b,
            "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}  # fmt: skip
    assert ways.keys() <= ROWS <= {*ARITHMETIC.values(), *COMPARISONS}
    for name, way in ways.items():
        for a in operands:
            for b in operands:
                if not isinstance(a, segue.Tensor) and not isinstance(b, segue.Tensor):
                    continue
                try:
                    wanted = binary(segue.eager.ops.definition.OPS[name], a, b)
                except (RuntimeError, TypeError) as problem:
                    with pytest.raises(type(problem)):
                        way(a, b)
                    continue
                found = way(a, b)
                assert found.dtype is wanted.dtype and found.stride() == wanted.stride() and found.requires_grad == wanted.requires_grad
                np.testing.assert_array_equal(found.detach().numpy(), wanted.detach().numpy())
    with pytest.raises(RuntimeError, match="add"):
        segue.ones(2) + segue.ones(3)
    assert (segue.ones(2) / segue.zeros(2)).tolist() == [float("inf")] * 2  # and NumPy's warning stays off
    counted = []
    real, dispatch._compute = dispatch._compute, lambda *a: counted.append(a) or real(*a)
    try:
        for _ in range(2):
            segue.ones(2, 7) + segue.ones(2, 7)
        assert len(counted) == 5  # the four tensors that are made, and the first sum: the second is known
    finally:
        dispatch._compute = real


def test_a_gpu_that_is_not_there_is_an_error():
    for wrong in (lambda: segue.ones(2).cuda(), lambda: segue.ones(2).cuda(0), lambda: segue.nn.Linear(2, 2).cuda(), lambda: segue.ones(2, device="cuda")):
        with pytest.raises(RuntimeError, match="(?i)cuda"):
            wrong()


def test_bits_are_read_in_another_dtype_as_a_view():
    x = segue.arange(6.0).reshape(2, 3)
    bits = x.view(segue.int32)
    assert bits.tolist()[0] == [0, 0x3F800000, 0x40000000]
    bits[0, 1] = 0
    assert x[0, 1].item() == 0
    assert x.view(segue.int16).shape == (2, 6) and x.t().view(segue.int32).shape == (3, 2)
    for wrong in (lambda: x.view(segue.int64), lambda: x.t().view(segue.int16), lambda: x[:, :2].view(segue.float64), lambda: x[0, 0].view(segue.int8)):
        with pytest.raises(RuntimeError, match="different element sizes"):
            wrong()

    def absolute(x):
        y = x * 1
        y.view(segue.int32).bitwise_and_(0x7FFFFFFF)
        return y

    assert segue.compile(absolute)(segue.tensor([-1.5, 2.0])).tolist() == [1.5, 2.0]


def test_pythons_types_are_the_wide_dtypes():
    x = segue.ones(2)
    for kind, wide in ((float, segue.float64), (int, segue.int64), (bool, segue.bool), (complex, segue.complex128)):
        assert x.to(kind).dtype is segue.zeros(1, dtype=kind).dtype is wide


def test_a_mask_without_dimensions_adds_one():
    x = segue.arange(4.0)
    assert x[segue.tensor(True)].shape == (1, 4) and x[segue.tensor(False)].shape == (0, 4)
    assert segue.tensor(3.0)[segue.tensor(3.0) > 5].shape == (0,)
    x[segue.tensor(False)] = 7
    assert x.tolist() == [0, 1, 2, 3]
    x[segue.tensor(True)] = 7
    assert x.tolist() == [7] * 4


def test_a_list_of_sequences_is_a_tuple_of_indices():
    x = segue.arange(24.0).reshape(2, 3, 4)
    with pytest.warns(UserWarning, match="tuple of indices"):
        assert segue.equal(x[[(0, 1), (1, 2)]], x[(0, 1), (1, 2)]) and segue.equal(x[[segue.tensor(0), segue.tensor(1)]], x[0, 1])
        assert segue.equal(x[[None, slice(0, 1)]], x[None, 0:1])


@pytest.mark.parametrize("make", [
    lambda: segue.full((2,), 1j, dtype=segue.float32), lambda: segue.zeros(2).fill_(1j), lambda: segue.full((2,), 1e10, dtype=segue.int32),
    lambda: segue.arange(3).fill_(float("nan")), lambda: segue.arange(3).__setitem__(0, float("inf")), lambda: segue.zeros(2).__setitem__(0, 1j),
    lambda: segue.tensor(300, dtype=segue.uint8), lambda: segue.tensor([2**40], dtype=segue.int32), lambda: segue.tensor(float("nan"), dtype=segue.int64),
    lambda: segue.full((1,), 1e40),
])  # fmt: skip
def test_a_number_that_a_dtype_cannot_hold_raises(make):
    with pytest.raises(RuntimeError, match="without overflow"):
        make()


def test_numbers_that_fit_are_converted():
    assert segue.full((1,), 2.7, dtype=segue.int64).item() == 2 and segue.full((1,), -1, dtype=segue.uint8).item() == 255
    assert segue.zeros(1).fill_(2 + 0j).item() == 2 and segue.zeros(1, dtype=segue.bool).fill_(1j).item() is True
    assert segue.full((1,), float("inf")).item() == float("inf")
    with pytest.raises(TypeError, match="complex"):
        segue.tensor([1j], dtype=segue.float32)
    with pytest.raises(ValueError, match="2\\*\\*63"):
        segue.tensor(2**63)
