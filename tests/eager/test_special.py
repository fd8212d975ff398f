"""Special functions and complex numbers: values beside SciPy's and mpmath's other forms, derivatives, and what is refused.

The one idea: rows that a name and one argument do not describe (polygamma, the orthogonal polynomials) are compared with SciPy's own function of each
family; complex gradients with finite differences along both axes.
"""

import mpmath
import numpy as np
import pytest
import scipy.special

import segue
from segue.eager.ops.special import FAMILIES

SCIPY = {
    "chebyshev_polynomial_t": scipy.special.eval_chebyt, "chebyshev_polynomial_u": scipy.special.eval_chebyu,
    "chebyshev_polynomial_v": lambda n, x: scipy.special.eval_jacobi(n, -0.5, 0.5, x) / scipy.special.eval_jacobi(n, -0.5, 0.5, 1.0),
    "chebyshev_polynomial_w": lambda n, x: (2 * n + 1) * scipy.special.eval_jacobi(n, 0.5, -0.5, x) / scipy.special.eval_jacobi(n, 0.5, -0.5, 1.0),
    "hermite_polynomial_h": scipy.special.eval_hermite, "hermite_polynomial_he": scipy.special.eval_hermitenorm,
    "laguerre_polynomial_l": scipy.special.eval_laguerre, "legendre_polynomial_p": scipy.special.eval_legendre,
}  # fmt: skip


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_orthogonal_polynomials_are_scipys(family):
    x, n = np.linspace(-0.95, 0.95, 7)[:, None], np.array([0, 1, 2, 3, 7])
    reference = SCIPY[family.removeprefix("shifted_")]
    points = 2 * x - 1 if family.startswith("shifted_") else x
    found = getattr(segue.special, family)(segue.from_numpy(x), segue.from_numpy(n)).numpy()
    assert np.allclose(found, reference(n, points), 1e-10, 1e-10)
    assert getattr(segue.special, family)(segue.tensor([0.5]), -1).item() == 0


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_derivatives_of_orthogonal_polynomials(family):
    x = segue.tensor([-0.6, 0.2, 0.7], dtype=segue.float64, requires_grad=True)
    function = lambda x: getattr(segue.special, family)(x, 4)
    assert segue.autograd.gradcheck(function, (x,))
    (first,) = segue.autograd.grad(function(x).sum(), (x,), create_graph=True)
    (second,) = segue.autograd.grad(first.sum(), (x,))
    step = 1e-4
    x0 = x.detach()
    expected = (function(x0 + step) - 2 * function(x0) + function(x0 - step)) / step**2
    assert np.allclose(second.numpy(), expected.numpy(), 1e-5, 1e-4)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_polygamma(n):
    x = np.array([0.3, 1.0, 2.5, -0.7, -3.2]) if n < 2 else np.array([0.3, 1.0, 2.5])
    found = segue.polygamma(n, segue.from_numpy(x)).numpy()
    assert np.allclose(found, [float(mpmath.polygamma(n, v)) for v in x], 1e-10)
    with pytest.raises(RuntimeError, match="negative n"):
        segue.polygamma(-1, segue.from_numpy(x))


def test_digamma_at_its_poles():
    found = segue.digamma(segue.tensor([0.0, -0.0, -1.0]))
    assert found[0] == -np.inf and found[1] == np.inf and np.isnan(found[2].item())


HOLOMORPHIC = {
    "mul": lambda x: x * x * (1 + 2j), "div": lambda x: (2 - 1j) / x, "exp": segue.exp, "log": segue.log, "sqrt": segue.sqrt, "sin": segue.sin,
    "tanh": segue.tanh, "pow": lambda x: x**3.5, "pow_complex": lambda x: x ** (1 + 2j), "reciprocal": segue.reciprocal, "sigmoid": segue.sigmoid,
    "acosh": segue.acosh, "matmul": lambda x: x.reshape(2, 1) @ x.reshape(1, 2), "sinc": segue.sinc, "prod": lambda x: x.prod(),
    "cumsum": lambda x: x.cumsum(0), "logaddexp": lambda x: segue.logaddexp(x, x.flip(0) * 2),
}  # fmt: skip
OTHERS = {
    "abs": segue.abs, "angle": segue.angle, "real": segue.real, "imag": segue.imag, "conj": segue.conj, "sgn": segue.sgn,
    "parts": lambda x: segue.complex(x.imag, x.real * x.imag), "as_real": lambda x: segue.view_as_real(x) ** 2,
    "as_complex": lambda x: segue.view_as_complex(segue.view_as_real(x) * 3.0), "polar": lambda x: segue.polar(x.abs(), x.angle() * 2),
    "mixed": lambda x: x.real * x, "cast": lambda x: x.real.to(segue.complex128) * (1 + 1j),
}  # fmt: skip


@pytest.mark.parametrize("name", [*HOLOMORPHIC, *OTHERS])
def test_complex_gradients(name):
    """The gradient of a real loss L is dL/dRe + i dL/dIm."""
    function = {**HOLOMORPHIC, **OTHERS}[name]
    weights = np.random.default_rng(4).uniform(0.5, 1.5, (2, 2, 2))

    def loss(z):
        out = function(z)
        parts = segue.view_as_real(out) if out.is_complex() else out.unsqueeze(-1)
        return (parts * segue.from_numpy(weights.ravel()[: parts.numel()].reshape(tuple(parts.shape)))).sum()

    start = np.array([0.7 + 0.4j, 1.3 - 0.8j])
    leaf = segue.from_numpy(start.copy()).requires_grad_()
    loss(leaf).backward()
    step = 1e-6
    for i in range(2):
        sides = [[loss(segue.from_numpy(start + sign * step * axis * (np.arange(2) == i))).item() for sign in (1, -1)] for axis in (1, 1j)]
        along = [(up - down) / (2 * step) for up, down in sides]
        assert np.isclose(leaf.grad[i].item(), along[0] + 1j * along[1], 1e-6, 1e-7), name


def test_real_and_imaginary_parts_are_views():
    z = segue.tensor([1 + 2j, 3 - 1j])
    z.real.mul_(10)
    z.imag[0] = 5
    assert z.tolist() == [10 + 5j, 30 - 1j]
    with pytest.raises(RuntimeError, match="imag"):
        segue.imag(segue.tensor([1.0]))


@pytest.mark.parametrize("name", ["maximum", "lt", "floor_divide", "remainder", "hypot", "atan2"])
def test_complex_numbers_have_no_order(name):
    z = segue.tensor([1 + 2j])
    with pytest.raises(RuntimeError, match="complex"):
        getattr(segue, name)(z, z)


def test_a_derivative_that_is_not_there_raises():
    a = segue.tensor([1.0], requires_grad=True)
    with pytest.raises(NotImplementedError, match="igamma"):
        segue.igamma(a, segue.tensor([2.0]))
    assert segue.igamma(a.detach(), a).requires_grad
