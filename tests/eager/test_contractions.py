"""einsum, tensordot and inner products beside NumPy's, with their derivatives."""

import numpy as np
import pytest

import segue
from segue.eager.autograd.gradcheck import gradcheck

EQUATIONS = (
    "ij,jk->ik", "bij,bjk->bik", "ij,ij->", "i,j->ij", "ii->i", "ii", "ij->ji", "ij", "...ij,...jk->...ik", "ij,jk,kl->il", "bi,bj->bij", "iij,j->i",
    "ijk->k", "ij,kl->jl", "i...->...",
)  # fmt: skip


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_is_numpys(equation):
    sizes = {letter: 3 if letter in "ij" and "ii" in equation else 2 + "bijkl".index(letter) for letter in "bijkl"}
    arrays = []
    for n, term in enumerate(equation.partition("->")[0].split(",")):
        shape = [s for part in term.replace("...", ".") for s in ((4, 2) if part == "." else (sizes[part],))]
        arrays.append(draw(*shape, seed=n))
    leaves = [segue.from_numpy(a).requires_grad_() for a in arrays]
    assert np.allclose(segue.einsum(equation, *leaves).detach().numpy(), np.einsum(equation, *arrays))
    assert gradcheck(lambda *x: segue.einsum(equation, *x), leaves)


def test_tensordot_and_inner_products():
    a, b = draw(2, 3, 4), draw(4, 3, 5)
    x, y = segue.from_numpy(a), segue.from_numpy(b)
    assert np.allclose(segue.tensordot(x, y, ([1, 2], [1, 0])).numpy(), np.tensordot(a, b, ([1, 2], [1, 0])))
    assert np.allclose(segue.tensordot(x, y, 1).numpy(), np.tensordot(a, b, 1))
    assert np.allclose(segue.tensordot(x, y, 0).numpy(), np.tensordot(a, b, 0))
    assert np.allclose(segue.inner(x, x).numpy(), np.inner(a, a))
    u, v = segue.tensor([1 + 2j, 3j]), segue.tensor([2 - 1j, 1 + 0j])
    assert segue.vdot(u, v).item() == np.vdot(u.numpy(), v.numpy())


@pytest.mark.parametrize("call", [
    lambda x: segue.einsum("ij,jk->ik", x), lambda x: segue.einsum("ij->iz", x), lambda x: segue.einsum("ijk->k", x),
    lambda x: segue.tensordot(x, x, 1), lambda x: segue.inner(x, x.t()), lambda x: segue.vdot(x, x),
])  # fmt: skip
def test_what_does_not_fit_raises(call):
    with pytest.raises(RuntimeError):
        call(segue.ones(2, 3))


def test_einsum_that_sums_nothing_promotes():
    whole, half = segue.arange(3), segue.tensor([0.5, 1.5])
    out = segue.einsum("i,j->ji", whole, half)
    assert out.dtype is segue.float32
    segue.testing.assert_close(out, segue.tensor([[0.0, 0.5, 1.0], [0.0, 1.5, 3.0]]))
    with pytest.raises(RuntimeError):
        segue.einsum("i,i->", segue.arange(2), half)
