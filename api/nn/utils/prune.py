"""Pruning by masks."""

from segue.eager.nn.utils.prune import (
    BasePruningMethod, CustomFromMask, Identity, L1Unstructured, LnStructured, PruningContainer, RandomStructured, RandomUnstructured, custom_from_mask,
    global_unstructured, identity, is_pruned, l1_unstructured, ln_structured, random_structured, random_unstructured, remove,
)  # fmt: skip

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "PruningContainer", "RandomStructured", "RandomUnstructured",
    "custom_from_mask", "global_unstructured", "identity", "is_pruned", "l1_unstructured", "ln_structured", "random_structured", "random_unstructured",
    "remove",
]  # fmt: skip
