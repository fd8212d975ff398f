"""`__torch_function__` for functions that ask for it themselves."""

from segue.eager.absent import TorchFunctionMode  # noqa: F401
from segue.eager.overrides import *  # noqa: F403
