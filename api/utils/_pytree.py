"""Pytrees, under the names of torch.utils._pytree."""

from segue.eager.pytree import (
    TreeSpec, register_pytree_node, tree_all, tree_any, tree_flatten, tree_leaves, tree_map, tree_map_only, tree_structure, tree_unflatten,
)  # fmt: skip

__all__ = [
    "TreeSpec", "register_pytree_node", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map", "tree_map_only", "tree_structure",
    "tree_unflatten",
]  # fmt: skip
