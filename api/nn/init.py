"""Functions that fill parameters."""

from segue.eager.nn.init import (
    calculate_gain, constant, constant_, dirac, dirac_, eye, eye_, kaiming_normal, kaiming_normal_, kaiming_uniform, kaiming_uniform_, normal,
    normal_, ones_, orthogonal, orthogonal_, sparse, sparse_, trunc_normal_, uniform, uniform_, xavier_normal, xavier_normal_, xavier_uniform,
    xavier_uniform_, zeros_,
)  # fmt: skip
from segue.eager.nn.init import fans as _calculate_fan_in_and_fan_out  # noqa: F401

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal", "kaiming_normal_", "kaiming_uniform",
    "kaiming_uniform_", "normal", "normal_", "ones_", "orthogonal", "orthogonal_", "sparse", "sparse_", "trunc_normal_", "uniform", "uniform_",
    "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_", "zeros_",
]  # fmt: skip
