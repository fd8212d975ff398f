"""Tensors, operators, autograd, neural networks, optimizers, data: everything that runs without a compiler."""
