"""All modules, under the paths that PyTorch keeps them at."""

from segue.eager.nn import *
from segue.eager.nn import __all__ as _modules

from . import (
    activation, adaptive, batchnorm, channelshuffle, container, conv, distance, dropout, flatten, fold, instancenorm, lazy, linear, loss, module, normalization,
    padding, pixelshuffle, pooling, rnn, sparse, transformer, upsampling,
)  # fmt: skip

__all__ = [name for name in _modules if name not in ("Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter")]
