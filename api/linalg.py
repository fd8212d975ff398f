"""Linear algebra: decompositions, systems, norms and products, with PyTorch's names."""

from segue.eager.errors import LinAlgError
from segue.eager.functional.linalg import *  # noqa: F403
from segue.eager.functional.linalg import __all__ as _names

__all__ = ["LinAlgError", *_names]  # noqa: PLE0604
