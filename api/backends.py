"""Switches of PyTorch's libraries: kept, and without effect."""

from segue.eager.switches import BACKENDS

cudnn, cuda, mps, mkl = (BACKENDS[name] for name in ("cudnn", "cuda", "mps", "mkl"))
mkldnn, openmp, opt_einsum, quantized = (BACKENDS[name] for name in ("mkldnn", "openmp", "opt_einsum", "quantized"))
