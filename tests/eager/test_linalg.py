"""Linear algebra: each function against its definition, in all dtypes and in batches, derivatives by differences, and what must raise.

The rows' own derivatives are checked in test_row_derivatives.py; here stand the public functions, most of which are composed.
"""

import numpy as np
import pytest

import segue
from segue.eager.autograd.gradcheck import gradcheck, gradgradcheck

L = segue.linalg
DTYPES = ("float32", "float64", "complex64", "complex128")
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def draw(*shape, dtype="float64", seed=0):
    numbers = np.random.default_rng(seed)
    values = numbers.normal(size=shape) + (1j * numbers.normal(size=shape) if dtype.startswith("c") else 0)
    return segue.from_numpy(np.asarray(values, dtype))


def near(found, expected, like):
    scale = 2e-4 if like.dtype in (segue.float32, segue.complex64) else 1e-9
    found, expected = (np.asarray(x.numpy() if isinstance(x, segue.Tensor) else x) for x in (found, expected))
    assert found.shape == expected.shape
    assert np.allclose(found, expected, scale, scale)


def eye(n, like):
    return np.broadcast_to(np.eye(n), (*like.shape[:-2], n, n))


@each_dtype
def test_factors_multiply_to_the_matrix(dtype):
    a = draw(2, 3, 4, 4, dtype=dtype)
    hermitian = a @ a.mH + 4 * segue.eye(4, dtype=a.dtype)
    lower, upper = L.cholesky(hermitian), L.cholesky(hermitian, upper=True)
    near(lower @ lower.mH, hermitian, a)
    near(upper.mH @ upper, hermitian, a)
    values, vectors = L.eigh(hermitian)
    assert values.dtype is (a.real if a.is_complex() else a).dtype
    near(vectors * values.unsqueeze(-2) @ vectors.mH, hermitian, a)
    near(L.eigvalsh(hermitian), values, a)
    values, vectors = L.eig(a)
    near(segue.complex(a.real, a.real * 0) @ vectors if not a.is_complex() else a @ vectors, vectors * values.unsqueeze(-2), a)


@each_dtype
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 3, 2), (0, 2, 2)])
def test_rectangular_factors(dtype, shape):
    a = draw(*shape, dtype=dtype)
    order, lower, upper = L.lu(a)
    near(order @ lower @ upper, a, a)
    for mode in ("reduced", "complete"):
        q, r = L.qr(a, mode)
        near(q @ r, a, a)
        near(q.mH @ q, eye(q.shape[-1], q), a)
    near(L.qr(a, "r").R, L.qr(a).R, a)
    left, values, right = L.svd(a, full_matrices=False)
    near(left * values.unsqueeze(-2) @ right, a, a)
    near(L.svdvals(a), values, a)
    p = L.pinv(a)
    near(a @ p @ a, a, a)
    compact, tau = segue.geqrf(a)
    identity = segue.eye(shape[-2], dtype=a.dtype).expand(*shape[:-2], shape[-2], shape[-2])
    near(segue.ormqr(compact, tau, segue.triu(compact)), a, a)
    near(segue.ormqr(compact, tau, segue.ormqr(compact, tau, identity, False), True, True), identity, a)
    if shape[-2] >= shape[-1]:
        near(L.householder_product(compact, tau) @ segue.triu(compact)[..., : shape[-1], :], a, a)


@each_dtype
def test_systems(dtype):
    a, b = draw(2, 3, 3, dtype=dtype), draw(2, 3, 2, dtype=dtype, seed=1)
    near(a @ L.solve(a, b), b, a)
    near(L.solve(a, b.mT, left=False) @ a, b.mT, a)
    near((a @ L.solve(a, b[..., 0]).unsqueeze(-1)).squeeze(-1), b[..., 0], a)
    near(L.inv(a) @ a, eye(3, a), a)
    near(a @ L.lu_solve(*L.lu_factor(a), b), b, a)
    near(a.mH @ L.lu_solve(*L.lu_factor(a), b, adjoint=True), b, a)
    near(L.lu_solve(*L.lu_factor(a), b.mT, left=False) @ a, b.mT, a)
    near(L.lu_solve(*L.lu_factor(a), b.mT, left=False, adjoint=True) @ a.mH, b.mT, a)
    near(segue.triu(a) @ L.solve_triangular(a, b, upper=True), b, a)
    near(L.solve_triangular(a, b.mT, upper=False, left=False) @ segue.tril(a), b.mT, a)
    hermitian = a @ a.mH + segue.eye(3, dtype=a.dtype)
    factor = L.cholesky(hermitian)
    near(hermitian @ segue.cholesky_solve(b, factor), b, a)
    near(segue.cholesky_inverse(factor.mH, upper=True) @ hermitian, eye(3, a), a)
    near(hermitian @ L.ldl_solve(*L.ldl_factor(hermitian, hermitian=True), b, hermitian=True), b, a)
    tall = draw(5, 3, dtype=dtype)
    found = L.lstsq(tall, tall @ b[0])
    near(found.solution, b[0], a)
    assert int(found.rank) == 3


@each_dtype
def test_determinants_and_powers(dtype):
    a = draw(2, 3, 3, dtype=dtype)
    near(L.det(a), np.linalg.det(a.numpy()), a)
    sign, logarithm = L.slogdet(a)
    near(sign * logarithm.exp(), L.det(a), a)
    near(L.matrix_power(a, 5), np.linalg.matrix_power(a.numpy(), 5), a)
    near(L.matrix_power(a, -2) @ a @ a, eye(3, a), a)
    near(segue.matrix_exp(a) @ segue.matrix_exp(-a), eye(3, a), a)


@each_dtype
@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_are_numpys(dtype, order):
    a = draw(3, 4, dtype=dtype)
    near(L.norm(a, order), np.linalg.norm(a.numpy(), order), a)
    if not isinstance(order, str):
        near(L.vector_norm(a, 2 if order is None else order, dim=1), np.linalg.norm(a.numpy(), order, axis=1), a)
    square = draw(3, 3, dtype=dtype)
    near(L.cond(square, order), np.linalg.cond(square.numpy(), order), square)
    assert int(L.matrix_rank(segue.from_numpy(np.outer(a.numpy()[0], a.numpy()[0])))) == 1


FUNCTIONS = {
    "lu": lambda a, b: L.lu(a)[1:],
    "lu_solve": lambda a, b: L.lu_solve(*L.lu_factor(a), b, adjoint=True),
    "householder": lambda a, b: L.householder_product(a, b[0]),
    "power": lambda a, b: L.matrix_power(a, -3),
    "nuclear": lambda a, b: L.norm(a, "nuc") + L.cond(a) + L.matrix_norm(a, 1),
    "vector norm": lambda a, b: L.vector_norm(a, 3.5, dim=1) + segue.norm(b, 1.5),
    "chain": lambda a, b: L.multi_dot([a, b.mT, b, a]),
    "cross": lambda a, b: (L.cross(a, b), L.vecdot(a, b), L.vander(b[0], 4)),
    "slogdet": lambda a, b: segue.logdet(a @ a.mT),
    "tensors": lambda a, b: L.tensorsolve(a.reshape(3, 1, 3), b[:, :1]),
    "least squares": lambda a, b: L.lstsq(a[:, :2], b).solution,
    "triangular": lambda a, b: segue.triangular_solve(b, a, upper=False, transpose=True)[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_composed_functions(name):
    a, b = draw(3, 3, seed=5).requires_grad_(), draw(3, 3, seed=6).requires_grad_()
    assert gradcheck(FUNCTIONS[name], (a, b)) and gradgradcheck(FUNCTIONS[name], (a, b))


def test_the_gradient_of_a_singular_determinant_and_of_norms_at_zero():
    a = segue.tensor([[1.0, 2.0], [2.0, 4.0]], requires_grad=True)
    L.det(a).backward()
    near(a.grad, np.array([[4.0, -2.0], [-2.0, 1.0]]), a)
    for order in (0.5, 1, 2, 3, np.inf):
        zero = segue.zeros(3, requires_grad=True)
        L.vector_norm(zero, order).backward()
        assert zero.grad.tolist() == [0, 0, 0]


def test_compiled_is_eager():
    def function(a, b):
        return segue.logdet(a @ a.mT) * L.solve(a, b).sin() + L.svdvals(a).sum()

    a, b = draw(3, 3).requires_grad_(), draw(3, 2, seed=1).requires_grad_()
    function(a, b).sum().backward()
    c, d = a.detach().clone().requires_grad_(), b.detach().clone().requires_grad_()
    segue.compile(function)(c, d).sum().backward()
    near(a.grad, c.grad, a)
    near(b.grad, d.grad, b)


@pytest.mark.parametrize(
    "call",
    [
        lambda: L.inv(segue.zeros(2, 2)),
        lambda: L.solve(segue.zeros(2, 2), segue.ones(2)),
        lambda: L.cholesky(-segue.eye(2)),
        lambda: L.matrix_power(segue.zeros(2, 2), -1),
        lambda: L.eigvals(segue.tensor([[float("nan")]])),
        lambda: L.inv_ex(segue.zeros(2, 2), check_errors=True),
    ],
)
def test_linalg_error_is_a_runtime_error(call):
    with pytest.raises(L.LinAlgError):
        call()
    assert issubclass(L.LinAlgError, RuntimeError)


@pytest.mark.parametrize(
    "call",
    [
        lambda: L.inv(segue.ones(2, 3)),
        lambda: L.det(segue.ones(3)),
        lambda: L.solve(segue.eye(2), segue.ones(3)),
        lambda: L.inv(segue.eye(2, dtype=segue.int64)),
        lambda: L.svd(segue.eye(2).half()),
        lambda: L.qr(segue.eye(2), "economy"),
        lambda: L.eigh(segue.eye(2), "X"),
        lambda: L.cross(segue.ones(2), segue.ones(2)),
        lambda: L.multi_dot([segue.ones(2, 2)]),
        lambda: L.norm(segue.ones(2, 2, 2), 2),
    ],
)
def test_what_does_not_fit_raises(call):
    with pytest.raises(RuntimeError):
        call()


def test_info_in_place_of_errors():
    assert L.inv_ex(segue.zeros(2, 2)).info.item() == 1
    assert L.cholesky_ex(segue.tensor([[1.0, 0.0], [0.0, -1.0]])).info.item() == 2
    assert L.solve_ex(segue.eye(2), segue.ones(2)).info.item() == 0
    assert L.lu_factor_ex(segue.ones(2, 2)).info.item() == 2
