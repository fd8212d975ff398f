"""Pytrees: nested containers as a flat list of leaves and a structure.

In comes a value made of lists, tuples, dicts, named tuples, deques and registered classes; out go its leaves in order and a `TreeSpec`, which
puts leaves together again. The one idea: one table says, for each container class, how to take it apart and how to make it anew; whatever is not in
the table (a tensor, a number, None) is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple


class _Container(NamedTuple):
    flatten: Callable[[Any], tuple[list, Any]]
    unflatten: Callable[[list, Any], Any]


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """The structure of a pytree: the container's class (None for a leaf), what it needs besides its children, and the children's structures."""

    type: Any
    context: Any = None
    children_specs: tuple[TreeSpec, ...] = ()

    @property
    def num_leaves(self) -> int:
        return 1 if self.type is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_children(self) -> int:
        return len(self.children_specs)

    def is_leaf(self) -> bool:
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        return tree_unflatten(leaves, self)

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, [{', '.join(map(repr, self.children_specs))}])"


LEAF = TreeSpec(None)


def _mapping(make: Callable[[list, Any], Any], extra: Callable[[Any], Any] = lambda tree: None) -> _Container:
    """A container of values under keys, which stay in the order in which they stand."""
    return _Container(lambda tree: (list(tree.values()), (list(tree.keys()), extra(tree))), lambda items, context: make(items, context))


_CONTAINERS: dict[type, _Container] = {
    list: _Container(lambda tree: (list(tree), None), lambda items, context: list(items)),
    tuple: _Container(lambda tree: (list(tree), None), lambda items, context: tuple(items)),
    deque: _Container(lambda tree: (list(tree), tree.maxlen), lambda items, context: deque(items, context)),
    dict: _mapping(lambda items, context: dict(zip(context[0], items))),
    OrderedDict: _mapping(lambda items, context: OrderedDict(zip(context[0], items))),
    defaultdict: _mapping(lambda items, context: defaultdict(context[1], zip(context[0], items)), lambda tree: tree.default_factory),
}
_NAMED = _Container(lambda tree: (list(tree), type(tree)), lambda items, context: context(*items))


def register_pytree_node(cls: type, flatten_fn: Callable[[Any], tuple[list, Any]], unflatten_fn: Callable[[list, Any], Any], **names: Any) -> None:
    """Make `cls` a container: `flatten_fn(value) -> (children, context)` and `unflatten_fn(children, context) -> value`.

    Further keywords of PyTorch's (`serialized_type_name` ...) are accepted and not needed. Raises ValueError for a class that stands already.

    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda children, context: Pair(*children))
    >>> tree_leaves([Pair(1, 2), 3])
    [1, 2, 3]
    """
    if cls in _CONTAINERS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _CONTAINERS[cls] = _Container(lambda tree: (list((found := flatten_fn(tree))[0]), found[1]), lambda items, context: unflatten_fn(items, context))


def _container(tree: Any) -> _Container | None:
    cls = type(tree)
    found = _CONTAINERS.get(cls)
    if found is None and isinstance(tree, tuple) and hasattr(cls, "_fields"):
        return _NAMED
    return found


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """The leaves, depth first, and the structure.

    >>> leaves, spec = tree_flatten({"a": 1, "b": (2, [3])})
    >>> leaves
    [1, 2, 3]
    >>> tree_unflatten([x * 2 for x in leaves], spec)
    {'a': 2, 'b': (4, [6])}
    """
    leaves: list = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    container = None if is_leaf is not None and is_leaf(tree) else _container(tree)
    if container is None:
        leaves.append(tree)
        return LEAF
    children, context = container.flatten(tree)
    return TreeSpec(type(tree), context, tuple(_flatten(child, leaves, is_leaf) for child in children))


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The value with these leaves. Raises ValueError when their number does not fit."""
    listed = list(leaves)
    if len(listed) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten(leaves, treespec): `leaves` has length {len(listed)} but the spec refers to {treespec.num_leaves} leaves.")
    return _unflatten(iter(listed), treespec)


def _unflatten(leaves: Any, spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    container = _CONTAINERS.get(spec.type, _NAMED)
    return container.unflatten([_unflatten(leaves, child) for child in spec.children_specs], spec.context)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure without the leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """`func` applied to each leaf (and to the leaves at the same place of `rests`, which have the same structure; else ValueError).

    >>> tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = []
    for rest in rests:
        more, structure = tree_flatten(rest, is_leaf)
        if structure != spec:
            raise ValueError(f"Node type mismatch: tree_map() got the structures {spec} and {structure}")
        others.append(more)
    return tree_unflatten([func(*items) for items in zip(leaves, *others)], spec)


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """`func` applied to the leaves that are instances of `kind`."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def tree_all(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether the predicate holds for every leaf."""
    return all(map(predicate, tree_leaves(tree)))


def tree_any(predicate: Callable[[Any], bool], tree: Any) -> bool:
    """Whether the predicate holds for some leaf."""
    return any(map(predicate, tree_leaves(tree)))


def broadcast_prefix(prefix: Any, spec: TreeSpec) -> list | None:
    """One item for each leaf of `spec` from a tree that may stop above them, its leaf then standing for all below; None where it does not fit.

    >>> broadcast_prefix((0, None), tree_structure(([1, 2], 3)))
    [0, 0, None]
    """
    container = _container(prefix)
    if container is None:
        return [prefix] * spec.num_leaves
    children, _ = container.flatten(prefix)
    same = type(prefix) is spec.type or {type(prefix), spec.type} == {list, tuple}
    if not same or len(children) != spec.num_children:
        return None
    found: list = []
    for child, part in zip(children, spec.children_specs):
        below = broadcast_prefix(child, part)
        if below is None:
            return None
        found.extend(below)
    return found
