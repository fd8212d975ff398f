"""Tensors, operators, autograd, neural networks, optimizers, data: everything that runs without a compiler."""

import time

IMPORTED = time.time_ns()  # when this process began to read the package: a source file that is younger is not what runs here
