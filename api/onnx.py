"""ONNX, as programs for PyTorch look it up: nothing is exported, and `export` says so."""

from segue.eager.onnx import *  # noqa: F403
