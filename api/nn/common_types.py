"""Types that annotations of layers name: a number, or one for each dimension."""

from segue.eager.nn.tuples import _ratio_2_t, _ratio_3_t, _ratio_any_t, _size_1_t, _size_2_t, _size_3_t, _size_any_t  # noqa: F401
