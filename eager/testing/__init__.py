"""What tests are written with: `assert_close` compares, `make_tensor` makes samples."""

from .comparison import assert_close
from .creation import make_tensor

__all__ = ["assert_close", "make_tensor"]
