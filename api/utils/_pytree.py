"""Pytrees, under the names of torch.utils._pytree."""

from segue.eager.pytree import (
    SUPPORTED_NODES, GetAttrKey, MappingKey, NodeDef, SequenceKey, TreeSpec, _dict_flatten, _dict_flatten_with_keys, _dict_unflatten, key_get, keystr, register_pytree_node, tree_all,
    tree_all_only, tree_any, tree_any_only, tree_flatten, tree_flatten_with_path, tree_is_leaf, tree_iter, tree_leaves, tree_leaves_with_path, tree_map,
    tree_map_only, tree_map_with_path, tree_structure, tree_unflatten,
)  # fmt: skip

_register_pytree_node = register_pytree_node

__all__ = [
    "SUPPORTED_NODES", "GetAttrKey", "MappingKey", "NodeDef", "SequenceKey", "TreeSpec", "_dict_flatten", "_dict_flatten_with_keys", "_dict_unflatten", "_register_pytree_node", "key_get",
    "keystr", "register_pytree_node", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten", "tree_flatten_with_path", "tree_is_leaf",
    "tree_iter", "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_only", "tree_map_with_path", "tree_structure", "tree_unflatten",
]  # fmt: skip
