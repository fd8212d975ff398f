"""segue.special: special functions under torch.special's names."""

from segue.eager.functional.special import *  # noqa: F403
from segue.eager.functional.special import __all__ as __all__
