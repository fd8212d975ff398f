"""What distributions share."""

from segue.eager.distributions.utils import (  # noqa: F401
    _standard_normal, broadcast_all, clamp_probs, euler_constant, lazy_property, logits_to_probs, probs_to_logits, tril_matrix_to_vec, sum_rightmost as _sum_rightmost,
    vec_to_tril_matrix,
)  # fmt: skip

__all__ = [
    "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip
