"""Parameters that are computed from others whenever they are read."""

from segue.eager.nn.utils.parametrize import (
    ParametrizationList, cached, is_parametrized, register_parametrization, remove_parametrizations, type_before_parametrizations,
)  # fmt: skip

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations", "type_before_parametrizations",
]  # fmt: skip
