"""Names of sparse tensors: there are none, so they may be imported and not used."""

from segue.eager.absent import addmm, log_softmax, mm, sampled_addmm, softmax, spdiags, sum  # noqa: A004
from segue.eager.tensor import Tensor

__all__ = ["Tensor", "addmm", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags", "sum"]
