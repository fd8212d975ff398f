"""`__torch_function__` for functions that ask for it themselves."""

from segue.eager.overrides import *  # noqa: F403
