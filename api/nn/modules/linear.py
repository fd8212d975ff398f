"""PyTorch's place for these names, `torch.nn.modules.linear`."""

from segue.eager.nn import Bilinear, Identity, Linear
from segue.eager.nn.linear import NonDynamicallyQuantizableLinear

__all__ = ["Bilinear", "Identity", "Linear", "NonDynamicallyQuantizableLinear"]
