"""Functions of neural networks, `segue.nn.functional`."""

from segue.eager.nn.functional import *  # noqa: F403
from segue.inductor import native as _native  # eager convolutions run on the native library
