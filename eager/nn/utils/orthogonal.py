"""The parametrisation of a weight as an orthogonal (or unitary) matrix.

In come a module and the name of its weight, out goes the module, whose weight has orthonormal columns (rows, where it is wide). The one idea: three maps from
plain matrices to orthogonal ones, the exponential of a skew matrix, Cayley's map of it, and a product of Householder reflections; with a trivialisation
they start at the given weight, times the map of zero, which is the identity (Lezcano-Casado 2019, "Trivializations for gradient-based optimization on manifolds").
"""

from __future__ import annotations

from typing import Any

from ...autograd.mode import no_grad
from ...dtypes import finfo
from ...functional import linalg
from ...functional.creation import eye, randn, zeros
from ...functional.joining import cat
from ...functional.linalg.legacy import geqrf
from ...tensor import Tensor
from ..module import Module
from . import parametrize

MAPS = ("matrix_exp", "cayley", "householder")


def _identity(size: int, like: Tensor) -> Tensor:
    return eye(size, dtype=like.dtype, device=like.device)


def _is_orthogonal(Q: Tensor) -> bool:
    """Whether the columns are orthonormal, within rounding."""
    size = Q.shape[-1]
    tolerance = 10.0 * size * finfo(Q.dtype).eps
    return bool(((Q.mH @ Q) - _identity(size, Q)).abs().amax() < tolerance)


def _make_orthogonal(A: Tensor) -> Tensor:
    """Q of the QR decomposition whose R has a positive diagonal."""
    q, r = linalg.qr(A)
    return q * r.diagonal(0, -2, -1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    base: Any

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if weight.dtype.is_complex and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    @property
    def _trivial(self) -> bool:
        return "base" in self._buffers

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        A = X.mT if wide else X
        n, k = A.shape[-2], A.shape[-1]
        Q = self._reflections(A) if self.orthogonal_map == "householder" else self._of_skew(A, n, k)
        if self._trivial and self.base is not None:
            Q = self.base @ Q
        if k < n and Q.shape[-1] > k:
            Q = Q[..., :k]
        return Q.mT if wide else Q

    def _of_skew(self, A: Tensor, n: int, k: int) -> Tensor:
        lower = A.tril()
        if n != k:
            lower = cat([lower, zeros(*lower.shape[:-1], n - k, dtype=lower.dtype, device=lower.device)], -1)
        skew = lower - lower.mH
        if self.orthogonal_map == "matrix_exp":
            return linalg.matrix_exp(skew)
        one = _identity(n, skew)
        return linalg.solve(one - 0.5 * skew, one + 0.5 * skew)

    @staticmethod
    def _reflections(A: Tensor) -> Tensor:
        below = A.tril(-1)
        tau = 2.0 / (1.0 + (below * below).sum(-2))
        return linalg.householder_product(below, tau) * A.diagonal(0, -2, -1).trunc().unsqueeze(-2)

    def right_inverse(self, Q: Tensor) -> Tensor:
        """The plain matrix that the map takes to Q (with a trivialisation: that it starts at). Raises ValueError for another shape."""
        if tuple(Q.shape) != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {tuple(Q.shape)}.")
        wide = Q.shape[-2] < Q.shape[-1]
        given = Q.mT if wide else Q
        n, k = given.shape[-2], given.shape[-1]
        with no_grad():
            found = self._start(given, n, k) if self._trivial else self._reflected(given)
        return found.mT if wide else found

    def _start(self, Q: Tensor, n: int, k: int) -> Tensor:
        if n == k:
            base = Q.clone() if _is_orthogonal(Q) else _make_orthogonal(Q)
        else:
            base = _make_orthogonal(cat([Q, randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)], -1))
        self.base = base.detach()
        return -(_identity(n, Q)[:, :k] * (Q * 0 + 1))

    def _reflected(self, Q: Tensor) -> Tensor:
        if self.orthogonal_map != "householder":
            raise NotImplementedError("It is not possible to assign to the matrix exponential or the Cayley parametrizations when use_trivialization=False.")
        A, tau = geqrf(Q)
        k = A.shape[-1]
        signs = A.diagonal(0, -2, -1).sign()
        signs = signs * (1 - 2 * (tau == 0).to(signs.dtype))
        one = cat([_identity(k, A), zeros(A.shape[-2] - k, k, dtype=A.dtype, device=A.device)], 0)
        return A * (1 - one) + one * signs.unsqueeze(-2)


def orthogonal(module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> Module:
    """Keep a weight (its last two dimensions) orthogonal: Q.T Q = I for a tall one, Q Q.T = I for a wide one.

    `orthogonal_map` is matrix_exp, cayley or householder; by default matrix_exp for square and complex weights, else householder. Raises ValueError for
    another, and for weights that are no matrices.

    >>> import segue
    >>> from segue import nn
    >>> w = orthogonal(nn.Linear(3, 3)).weight
    >>> bool(segue.allclose(w @ w.T, segue.eye(3), atol=1e-5))
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] or weight.dtype.is_complex else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
