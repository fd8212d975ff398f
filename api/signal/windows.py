"""segue.signal.windows: weights for the frames of a signal."""

from segue.eager.functional.windows import *  # noqa: F403
from segue.eager.functional.windows import __all__ as __all__
