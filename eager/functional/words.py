"""Other words for parameters: NumPy's, and those by which PyTorch's own parser knows them beside the documented ones.

Nothing comes in; out go tables of names. The one idea: a call by another word is the call by ours, so no function knows of it.
"""

from __future__ import annotations

# Another name: ours, the first that a function has.
EVERYWHERE = {
    "axis": ("dim", "dims"),
    "axes": ("dims", "dim"),
    "keepdims": ("keepdim",),
    "input": ("A",),
    "b": ("B",),
    "other": ("B",),
    "train": ("training",),
    **dict.fromkeys(("sections", "indices", "tensor_indices_or_sections"), ("indices_or_sections",)),
    "split_size": ("split_size_or_sections",),
    "element": ("elements",),
    "test_element": ("test_elements",),
}
# Functions whose first operand may be a number, which PyTorch then calls `self`.
_NUMBERS_FIRST = "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bucketize float_power pow remainder searchsorted where xlogy"
OF = {
    **dict.fromkeys(_NUMBERS_FIRST.split(), {"self": "input"}),
    "cholesky_inverse": {"input": "L"},
    "cholesky_solve": {"input": "B", "input2": "L"},
    "householder_product": {"input2": "tau"},
    "lu_solve": {"input": "b"},
    "ormqr": {"input2": "tau", "input3": "other"},
    "triangular_solve": {"input": "b"},
    "split": {"input": "tensor"},
    "unsafe_split": {"input": "tensor"},
    "split_copy": {"split_size": "split_size_or_sections"},
    "copy_": {"other": "src"},
}


def table_of(name: str, known: set[str]) -> dict[str, str]:
    """What may be said in place of the parameters `known` of the function `name`, and what is meant.

    >>> table_of("cholesky_inverse", {"L", "upper"})
    {'input': 'L'}
    """
    found = {theirs: next(n for n in ours if n in known) for theirs, ours in EVERYWHERE.items() if theirs not in known and known & set(ours)}
    return found | OF.get(name, {})
