"""Pytrees: nested containers as a flat list of leaves and a structure.

In comes a value made of lists, tuples, dicts, named tuples, deques and registered classes; out go its leaves in order and a `TreeSpec`, which
puts leaves together again. The one idea: one table says, for each container class, how to take it apart and how to make it anew; whatever is not in
the table (a tensor, a number, None) is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, NamedTuple


class NodeDef(NamedTuple):
    """How a container's class is taken apart (with the way to each child, if that was said) and made anew."""

    type: Any
    flatten_fn: Callable[[Any], tuple[list, Any]]
    unflatten_fn: Callable[[list, Any], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list, Any]] | None = None


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


@dataclass(frozen=True)
class SequenceKey:
    """The way to a child by its place."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        return sequence[self.idx]


@dataclass(frozen=True)
class MappingKey:
    """The way to a child by its key."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        return mapping[self.key]


@dataclass(frozen=True)
class GetAttrKey:
    """The way to a child by its attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        return getattr(obj, self.name)


def _sequence(kind: Any, make: Callable[[list, Any], Any], extra: Callable[[Any], Any] = lambda tree: None) -> NodeDef:
    """A container of values in a row."""
    return NodeDef(kind, lambda tree: (list(tree), extra(tree)), make, lambda tree: ([(SequenceKey(i), x) for i, x in enumerate(tree)], extra(tree)))


def _mapping(kind: Any, make: Callable[[list, Any], Any], extra: Callable[[Any], Any] = lambda tree: list(tree.keys())) -> NodeDef:
    """A container of values under keys, which stay in the order in which they stand."""
    return NodeDef(kind, lambda tree: (list(tree.values()), extra(tree)), make, lambda tree: ([(MappingKey(k), x) for k, x in tree.items()], extra(tree)))


_NAMED = NodeDef(
    namedtuple, lambda tree: (list(tree), type(tree)), lambda items, context: context(*items),
    lambda tree: ([(GetAttrKey(name), x) for name, x in zip(tree._fields, tree)], type(tree)),
)  # fmt: skip
SUPPORTED_NODES: dict[Any, NodeDef] = {
    list: _sequence(list, lambda items, context: list(items)),
    tuple: _sequence(tuple, lambda items, context: tuple(items)),
    deque: _sequence(deque, lambda items, context: deque(items, context), lambda tree: tree.maxlen),
    dict: _mapping(dict, lambda items, context: dict(zip(context, items))),
    OrderedDict: _mapping(OrderedDict, lambda items, context: OrderedDict(zip(context, items))),
    defaultdict: _mapping(
        defaultdict, lambda items, context: defaultdict(context[0], zip(context[1], items)), lambda tree: [tree.default_factory, list(tree.keys())]
    ),
    namedtuple: _NAMED,
}
_, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys = SUPPORTED_NODES[dict]  # programs register their own dicts with these


def register_pytree_node(
    cls: type, flatten_fn: Callable[[Any], tuple[list, Any]], unflatten_fn: Callable[[list, Any], Any], *,
    flatten_with_keys_fn: Callable[[Any], tuple[list, Any]] | None = None, **names: Any,
) -> None:  # fmt: skip
    """Make `cls` a container: `flatten_fn(value) -> (children, context)` and `unflatten_fn(children, context) -> value`.

    `flatten_with_keys_fn(value) -> ([(key, child), ...], context)` is what the functions of paths ask. Further keywords of PyTorch's (`serialized_type_name` ...) are accepted and not needed. Raises ValueError for a class that stands already.

    >>> class Pair:
    ...     def __init__(self, a, b): self.a, self.b = a, b
    >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda children, context: Pair(*children))
    >>> tree_leaves([Pair(1, 2), 3])
    [1, 2, 3]
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)


def _container(tree: Any) -> NodeDef | None:
    cls = type(tree)
    found = SUPPORTED_NODES.get(cls)
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
    children, context = container.flatten_fn(tree)
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
    container = SUPPORTED_NODES.get(spec.type, _NAMED)
    return container.unflatten_fn([_unflatten(leaves, child) for child in spec.children_specs], spec.context)


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


def _asking(kind: Any) -> Callable[[Any], bool]:
    return (lambda leaf: isinstance(leaf, kind)) if isinstance(kind, (type, tuple, UnionType)) else kind


def tree_map_only(kind: Any, /, func: Callable[[Any], Any], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """`func` applied to the leaves that are instances of `kind` (a class, several, or a function that says yes)."""
    asked = _asking(kind)
    return tree_map(lambda leaf: func(leaf) if asked(leaf) else leaf, tree, is_leaf=is_leaf)


def tree_all_only(kind: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether the predicate holds for every leaf that is an instance of `kind`."""
    return all(pred(leaf) for leaf in filter(_asking(kind), tree_leaves(tree, is_leaf)))


def tree_any_only(kind: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether the predicate holds for some leaf that is an instance of `kind`."""
    return any(pred(leaf) for leaf in filter(_asking(kind), tree_leaves(tree, is_leaf)))


def tree_is_leaf(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether this is a leaf itself.

    >>> tree_is_leaf(1), tree_is_leaf([1])
    (True, False)
    """
    return (is_leaf is not None and is_leaf(tree)) or _container(tree) is None


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether the predicate holds for every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether the predicate holds for some leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterable[Any]:
    """The leaves, one after the other."""
    yield from tree_leaves(tree, is_leaf)


def tree_flatten_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[tuple[tuple, Any]], TreeSpec]:
    """Each leaf with the keys that lead to it, and the structure. Raises ValueError at a registered class that did not say its keys.

    >>> [(keystr(path), leaf) for path, leaf in tree_flatten_with_path({"a": 1, "b": (2, [3])})[0]]
    [("['a']", 1), ("['b'][0]", 2), ("['b'][1][0]", 3)]
    """
    return list(_paths((), tree, is_leaf)), tree_structure(tree, is_leaf)


def _paths(path: tuple, tree: Any, is_leaf: Callable[[Any], bool] | None) -> Iterable[tuple[tuple, Any]]:
    container = None if is_leaf is not None and is_leaf(tree) else _container(tree)
    if container is None:
        yield path, tree
        return
    if container.flatten_with_keys_fn is None:
        raise ValueError(f"Did not find a flatten_with_keys_fn for type: {type(tree)}. Please pass a flatten_with_keys_fn argument to register_pytree_node.")
    for key, child in container.flatten_with_keys_fn(tree)[0]:
        yield from _paths((*path, key), child, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[tuple[tuple, Any]]:
    """Each leaf with the keys that lead to it."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """As `tree_map`; `func` gets the keys that lead to the leaf as its first argument."""
    paths = iter([path for path, _ in tree_leaves_with_path(tree, is_leaf)])
    return tree_map(lambda *leaves: func(next(paths), *leaves), tree, *rests, is_leaf=is_leaf)


def keystr(kp: tuple) -> str:
    """Keys as Python would write them."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: tuple) -> Any:
    """What stands in `obj` at the end of these keys."""
    for key in kp:
        obj = key.get(obj)
    return obj


def broadcast_prefix(prefix: Any, spec: TreeSpec) -> list | None:
    """One item for each leaf of `spec` from a tree that may stop above them, its leaf then standing for all below; None where it does not fit.

    >>> broadcast_prefix((0, None), tree_structure(([1, 2], 3)))
    [0, 0, None]
    """
    container = _container(prefix)
    if container is None:
        return [prefix] * spec.num_leaves
    children = list(container.flatten_fn(prefix)[0])
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
