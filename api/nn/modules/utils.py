"""Tuples of equal numbers."""

from segue.eager.nn.tuples import _ntuple, _pair, _quadruple, _reverse_repeat_tuple, _single, _triple  # noqa: F401
