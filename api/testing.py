"""What tests are written with."""

from segue.eager.testing import assert_close, make_tensor

__all__ = ["assert_close", "make_tensor"]
