"""segue.masked: reductions over what a mask keeps, under torch.masked's names."""

from segue.eager.functional.masked import *  # noqa: F403
from segue.eager.functional.masked import __all__ as __all__
