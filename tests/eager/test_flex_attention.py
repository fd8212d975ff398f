"""flex_attention: beside PyTorch where that has it, and beside attention with a plain mask."""

import numpy as np
import pytest

import segue
from segue.nn.attention import flex_attention as flex
from segue.testing import assert_close

SLOPES = [0.5, 0.25, 0.1, 0.2]


def tensors(of, *shapes):
    random = np.random.RandomState(0)
    return [of.from_numpy(random.randn(*shape).astype("float32")) for shape in shapes]


def attended(of, flex):
    q, k, v = tensors(of, (2, 4, 24, 16), (2, 2, 40, 16), (2, 2, 40, 16))
    slopes = of.tensor(SLOPES)
    window = flex.and_masks(lambda b, h, i, j: i + 3 >= j, flex.or_masks(lambda b, h, i, j: i - j < 9 + b, lambda b, h, i, j: j < 2))
    mask = flex.create_block_mask(window, 2, None, 24, 40, device="cpu", BLOCK_SIZE=16)
    dense = flex.create_mask(window, 2, None, 24, 40, device="cpu")
    found, aux = flex.flex_attention(
        q, k, v, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i), block_mask=mask, enable_gqa=True, scale=0.3, return_aux=flex.AuxRequest(lse=True)
    )
    return found, aux.lse, dense, mask.to_dense(), mask.shape


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_beside_pytorch():
    torch = pytest.importorskip("torch")
    from torch.nn.attention import flex_attention as theirs

    for mine, other in zip(attended(segue, flex), attended(torch, theirs)):
        if isinstance(mine, segue.Tensor):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-5, atol=2e-5)
        else:
            assert tuple(mine) == tuple(other)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_are_those_of_a_plain_mask(compiled):
    q, k, v, bias = (x.requires_grad_() for x in tensors(segue, (2, 2, 6, 4), (2, 2, 7, 4), (2, 2, 7, 4), (7,)))

    def mine(q, k, v, bias):
        mask = flex.create_block_mask(lambda b, h, i, j: (j <= i) & (i > 0), None, None, 6, 7)
        return flex.flex_attention(q, k, v, lambda s, b, h, i, j: s + bias[j], mask)

    def plain(q, k, v, bias):
        place = segue.arange(6)[:, None]
        seen = (segue.arange(7) <= place) & (place > 0)
        found = segue.nn.functional.scaled_dot_product_attention(q[:, :, 1:], k, v, segue.where(seen[1:], bias, -segue.inf))
        return segue.nn.functional.pad(found, (0, 0, 1, 0))  # the first query sees nothing

    run = segue.compile(mine, fullgraph=True) if compiled else mine
    found, wanted = (f(q, k, v, bias) for f in (run, plain))
    assert_close(found, wanted)
    for a, b in zip(segue.autograd.grad(found.sin().sum(), [q, k, v, bias]), segue.autograd.grad(wanted.sin().sum(), [q, k, v, bias])):
        assert_close(a, b)


def test_what_does_not_fit_is_refused():
    q = segue.ones(1, 4, 3, 2)
    with pytest.raises(ValueError, match="heads"):
        flex.flex_attention(q, q[:, :2], q[:, :2])
    with pytest.raises(ValueError, match="four dimensions"):
        flex.flex_attention(q[0], q[0], q[0])
    with pytest.raises(ValueError, match="for lengths"):
        flex.flex_attention(q, q, q, block_mask=flex.create_block_mask(flex.noop_mask, None, None, 4, 4))
    mask = flex.create_block_mask(flex.noop_mask, None, None, 3, 3)
    assert mask.sparsity() == 0 and "(1, 1, 3, 3)" in repr(mask) and mask.to("cpu") is mask
