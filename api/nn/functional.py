"""Functions of neural networks, `segue.nn.functional`."""

from segue.eager.nn.functional import *  # noqa: F403
