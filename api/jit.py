"""TorchScript's names: each returns what it is given."""

from segue.eager.scripting import *  # noqa: F403
