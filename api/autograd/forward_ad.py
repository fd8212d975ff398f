"""Forward mode by dual tensors."""

from segue.eager.autograd.forward_ad import (
    UnpackedDualTensor, dual_level, enter_dual_level, exit_dual_level, make_dual, unpack_dual,
)  # fmt: skip

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]
