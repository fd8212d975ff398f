"""Distances, spectrograms, repeats, draws and what else joined late, against PyTorch: values and gradients."""

import warnings

import numpy as np
import pytest

import segue
from segue.eager.functional.methods import in_place_functions

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def arrays(*shapes, dtype="float64", seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(dtype) if "complex" not in dtype else
            (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(dtype) for shape in shapes]  # fmt: skip


def agree(function, *inputs, **options):
    """The same call in both, the result's values and the gradients of all floating inputs."""
    found = []
    for library in (segue, torch):
        leaves = [library.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in inputs]
        wanted = [x for x in leaves if isinstance(x, library.Tensor) and x.is_floating_point()]
        for x in wanted:
            x.requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = function(library, *leaves, **options)
        if wanted and out.requires_grad:
            (abs(out) if out.is_complex() else out * 1.5).sum().backward()
        found.append((out.detach().numpy(), [np.zeros(1) if x.grad is None else x.grad.numpy() for x in wanted]))
    (ours, our_grads), (theirs, their_grads) = found
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    for mine, other in zip(our_grads, their_grads):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.0, float("inf")])
def test_distances_of_pairs(p):
    agree(lambda M, a, b: M.cdist(a, b, p), *arrays((2, 3, 4), (1, 5, 4)))
    agree(lambda M, a: M.nn.functional.pdist(a, p), *arrays((5, 3)))


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist", "use_mm_for_euclid_dist_if_necessary"])
def test_euclidean_distances_by_a_product(mode):
    agree(lambda M, a, b: M.cdist(a, b, compute_mode=mode), *arrays((30, 4), (28, 4)))


def test_distances_refuse():
    with pytest.raises(RuntimeError, match="columns"):
        segue.cdist(segue.ones(2, 3), segue.ones(2, 4))
    with pytest.raises(RuntimeError, match="2D"):
        segue.nn.functional.pdist(segue.ones(3))
    with pytest.raises(RuntimeError, match="non-negative"):
        segue.cdist(segue.ones(2, 3), segue.ones(2, 3), -1.0)


@pytest.mark.parametrize("options", [{}, {"center": False}, {"normalized": True}, {"onesided": False}, {"hop_length": 3, "win_length": 6}])
def test_spectrogram_and_back(options):
    window = np.hanning(options.get("win_length", 8) + 2)[1:-1]
    agree(lambda M, x, w: M.stft(x, 8, window=w, return_complex=True, **options), arrays((2, 40))[0], window)
    x = segue.from_numpy(arrays((2, 40))[0])
    spectra = segue.stft(x, 8, window=segue.from_numpy(window), return_complex=True, **options)
    agree(lambda M, s, w: M.istft(s, 8, window=w, **options), spectra.numpy(), window)
    if options.get("center", True):
        back = segue.istft(spectra, 8, window=segue.from_numpy(window), length=40, **options)
        if "hop_length" not in options:
            np.testing.assert_allclose(back.numpy(), x.numpy(), atol=1e-12)


def test_spectrogram_refuses():
    with pytest.raises(RuntimeError, match="return_complex"):
        segue.stft(segue.ones(16), 4)
    with pytest.raises(RuntimeError, match="overlap too little"):
        segue.istft(segue.ones(5, 3) * (1 + 0j), 8, window=segue.zeros(8))


def test_repeats_with_counts():
    agree(lambda M, x: M.repeat_interleave(x, M.tensor([2, 0, 3]), dim=1), *arrays((2, 3, 2)))
    agree(lambda M, x: M.repeat_interleave(x, M.tensor([1, 2]), 0, output_size=3), *arrays((2, 3)))
    agree(lambda M: M.repeat_interleave(M.tensor([1, 0, 2])))
    for counts in ([1, 2], [-1, 1, 1]):
        with pytest.raises(RuntimeError):
            segue.repeat_interleave(segue.ones(3), segue.tensor(counts))


def test_fills_count_once():
    agree(lambda M, x, v: M.index_fill(x, 1, M.tensor([2, 0, 2]), v), *arrays((3, 4), ()))


def test_taking_along_broadcasts():
    agree(lambda M, x: M.take_along_dim(x, M.tensor([[0], [-1]]), 0), *arrays((3, 4)))
    agree(lambda M, x: M.take_along_dim(x, M.tensor([5, 2])), *arrays((3, 4)))


@pytest.mark.parametrize("ord", [-0.5, -2, 0.5, 2, 3])
def test_norms_at_zero(ord):
    agree(lambda M, x: M.linalg.norm(x, ord), np.zeros(4))
    agree(lambda M, x: M.linalg.norm(x, ord), np.array([0.0, 2.0, -1.0]) if ord > 1 else np.array([3.0, 2.0, -1.0]))


def test_einsum_with_lists():
    agree(lambda M, a, b: M.einsum(a, [0, 1], b, [1, 30], [30, 0]), *arrays((2, 3), (3, 4)))
    agree(lambda M, a, b: M.einsum(a, [..., 1], b, [..., 1, 2]), *arrays((5, 3), (5, 3, 4)))
    with pytest.raises(RuntimeError, match="52"):
        segue.einsum(segue.ones(2), [60])


@pytest.mark.parametrize("of", ["int64", "int32", "uint8", "float64", "complex64"])
def test_ranges_of_every_kind(of):
    agree(lambda M: M.linspace(1.7, 9.2, 6, dtype=getattr(M, of)))
    agree(lambda M: M.logspace(0.3, 2.2, 3, dtype=getattr(M, of)))
    if of != "complex64":
        agree(lambda M: M.arange(0.9, 7.1, 1.9, dtype=getattr(M, of)))


@pytest.mark.parametrize("of", ["int32", "uint8", "bool"])
def test_folds_in_a_dtype(of):
    values = np.array([[3, 0, 200], [1, 7, 9]]).astype(of)
    for name in ("sum", "prod", "cumsum", "cumprod")[: 2 if of == "bool" else 4]:
        agree(lambda M, x, name=name: getattr(M, name)(x, 1, dtype=getattr(M, of)), values)
    agree(lambda M, x: M.any(x, 0), values)
    agree(lambda M, x: M.logsumexp(x, 1), values.astype("bool"))


def test_draws_of_normal_distributions():
    segue.manual_seed(0)
    x = segue.normal(segue.full((20000,), 3.0), 2.0)
    assert abs(float(x.mean()) - 3) < 0.1 and abs(float(x.std()) - 2) < 0.1
    assert segue.normal(0.0, segue.ones(2, 1)).shape == (2, 1) and segue.normal(1.0, 2.0, (3,)).shape == (3,)
    with pytest.raises(RuntimeError, match=">= 0"):
        segue.normal(segue.zeros(2), -1.0)


def test_sizes_and_strides():
    x = segue.arange(6.0)
    part = x[:4]
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]] and part.tolist() == [0, 1, 2, 3]
    assert x.resize_as_(segue.ones(5)).tolist() == [0, 1, 2, 3, 0]
    with pytest.raises(RuntimeError, match="require grad"):
        segue.ones(2, requires_grad=True).resize_(3)
    made = segue.empty_strided((2, 3), (1, 2))
    assert made.stride() == (1, 2) and segue.ones(1).new_empty_strided((2,), (3,)).stride() == (3,)


def test_names_below_the_public_ones():
    aten = segue.ops.aten
    assert aten.add.Tensor(segue.ones(2), 2).tolist() == [3, 3] and aten.linalg_norm(segue.ones(4)).item() == 2
    x = segue.tensor([[float("-inf")] * 2, [0.0, 0.0]], requires_grad=True)
    out = aten._safe_softmax.default(x, -1)
    out.sum().backward()
    assert out.tolist() == [[0, 0], [0.5, 0.5]] and x.grad.isfinite().all()
    agree(lambda M, x: M.ops.aten.max_pool2d_with_indices_backward(
        M.ones(1, 2, 2), x, [2, 2], [2, 2], [0, 0], [1, 1], False, M.nn.functional.max_pool2d_with_indices(x, 2)[1]), *arrays((1, 4, 4), dtype="float32"))  # fmt: skip
    with pytest.raises(AttributeError, match="no_such"):
        aten.no_such  # noqa: B018


def test_in_place_functions_of_the_top_are_pytorchs():
    assert [name for name in in_place_functions() if not hasattr(torch, name)] == []
    x = segue.tensor([-1.5])
    assert segue.abs_(x) is x and x.item() == 1.5


def test_complex_running_sums_keep_their_angle():
    agree(lambda M, x: M.logcumsumexp(x, 0), arrays((6, 3), dtype="complex128")[0] * 4)
    agree(lambda M, x: M.logsumexp(x, 0), arrays((6, 3), dtype="complex128")[0] * 4)


def test_coordinates_of_narrow_places():
    for of in (np.uint8, np.int64):
        agree(lambda M, i: M.unravel_index(i, (2, 300, 3))[1], np.array([5, 200, 7], of))


NUMBERED = (
    "cosine_embedding_loss(x, y, t)", "cosine_embedding_loss(x, y, t, 0.2, 1)", "hinge_embedding_loss(x, s)", "hinge_embedding_loss(x, s, 0.5, reduction=2)",
    "margin_ranking_loss(x, y, s)", "margin_ranking_loss(x, y, s, 0.1, 7)", "triplet_margin_loss(x, y, s)", "triplet_margin_loss(x, y, s, 1.0, 2.0, 1e-6, True, 1)",
    "poisson_nll_loss(x, s.abs(), False, True, 2.0, 2)", "kl_div(x, s.abs(), 1, log_target=True)", "kl_div(x, s.abs())", "binary_cross_entropy_with_logits(x, s.abs(), None, s.abs(), 1)",
    "ldexp(x.half(), t.long().unsqueeze(1))", "ldexp(x, t.half().unsqueeze(1))", "ldexp(t.long(), t.long())", "addcmul(t.long(), t.long(), t.long(), value=2.5)",
    "range(0.5, end=3.5, dtype=M.int32)",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", NUMBERED)
def test_functions_of_the_top_level_that_take_numbers(text):
    random = np.random.default_rng(0)
    x, y, s, t = random.normal(size=(3, 4)), random.normal(size=(3, 4)), np.sign(random.normal(size=(3, 4))), np.array([1.0, -1.0, 1.0])
    found, wanted = (eval(f"M.{text}", {"M": M, **{name: M.tensor(value) for name, value in zip("xyst", (x, y, s, t))}}) for M in (segue, torch))
    assert str(found.dtype).split(".")[-1] == str(wanted.dtype).split(".")[-1]
    np.testing.assert_allclose(found.double().numpy(), wanted.double().numpy(), rtol=1e-6)


def test_reductions_by_name_belong_to_the_functional_module():
    x = segue.ones(2, 3)
    with pytest.raises(TypeError, match="reduction"):
        segue.hinge_embedding_loss(x, x, reduction="mean")
    with pytest.raises(TypeError, match="poisson_nll_loss"):
        segue.poisson_nll_loss(x, x, True, False, 1e-8)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (3, 0, 2)])
def test_strides_of_no_elements_are_row_major(shape):
    assert segue.zeros(shape).stride() == torch.zeros(shape).stride()


def test_questions_of_the_top_level():
    for M in (segue, torch):
        x, y = M.zeros(2, 3), M.zeros(3, 2, dtype=M.uint8)
        assert (M.get_device(x), M.is_signed(x), M.is_signed(y), M.is_same_size(x, x), M.is_same_size(x, y)) == (-1, True, False, True, False)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64", "complex64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu"])
def test_limits_of_floating_types(name):
    ours, theirs = segue.finfo(getattr(segue, name)), torch.finfo(getattr(torch, name))
    assert all(getattr(ours, limit) == getattr(theirs, limit) for limit in ("eps", "min", "max", "tiny", "smallest_normal", "resolution", "bits"))


@pytest.mark.parametrize("shape, dim", [((3,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 2), 1), ((2, 3), -1)], ids=str)
@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_norm_over_all_dimensions_but_one(shape, dim, power):
    agree(lambda library, v: library.norm_except_dim(v, power, dim), *arrays(shape))


@pytest.mark.parametrize("of", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("statistics", ["float32", "float64", "bfloat16", None])
@pytest.mark.parametrize("weight", ["float32", "float64", "bfloat16", None])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_takes_the_dtypes_that_pytorch_takes(of, statistics, weight, training):
    if statistics is None and not training:
        pytest.skip("nothing to normalise by")
    found = []
    for library in (segue, torch):
        part = lambda name, value: None if name is None else library.full((2,), value, dtype=getattr(library, name))  # noqa: B023
        try:
            x = library.ones(3, 2, dtype=getattr(library, of))
            y = library.nn.functional.batch_norm(x, part(statistics, 0.0), part(statistics, 1.0), part(weight, 1.0), part(weight, 0.0), training)
            found.append(str(y.dtype).rpartition(".")[2])
        except RuntimeError:
            found.append(RuntimeError)
    assert found[0] == found[1]


@pytest.mark.parametrize("program", [
    lambda M, x: M.softmax(x, 1, M.float64), lambda M, x: M.log_softmax(x, -1, None), lambda M, x: x.softmax(0, M.float32), lambda M, x: M.adaptive_max_pool1d(x, 2)[0],
    lambda M, x: M.adaptive_max_pool1d(x, 2)[1], lambda M, x: M.nn.functional.adaptive_max_pool1d(x, 2),
])  # fmt: skip
def test_what_the_top_level_takes_and_gives(program):
    (x,) = arrays((3, 5), dtype="float32")
    found, expected = (program(library, library.from_numpy(x.copy())) for library in (segue, torch))
    assert str(found.dtype).rpartition(".")[2] == str(expected.dtype).rpartition(".")[2]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
