"""The engine: walks the tape from results back to leaves and sums gradients.

In come result tensors and their gradients; out go `.grad` on the leaves (`backward`) or the gradients of named tensors (`grad`). The one idea:
the walk is ordinary code over tensor operators, so with `create_graph=True` it is itself recorded, and on traced tensors it records the backward
into the graph. Nodes are taken by falling sequence number, so every consumer comes before what it consumed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._dispatch import fresh
from ..errors import error
from ..sizes import fits
from . import anomaly
from .mode import STATE
from .tape import F, MultipleNode, Node, OperatorNode, Part, flat_edges, flattened, hooked


class LAZY:
    """Stands for the gradient of a traced input that nobody has read yet (see graph/trace.py)."""


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False, grad_variables: Any = None, inputs: Any = None
) -> None:
    """Sum the gradients of `tensors` into `.grad` of the leaves (or of `inputs` only; those that are no leaves retain it from then on).

    `grad_variables` is the older name of `grad_tensors`. Raises RuntimeError when a tensor needs no gradient, when one that is
    not a scalar comes without a gradient, when shapes differ, and when a saved value was overwritten or freed.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise error(RuntimeError, "backward(): `grad_tensors` and `grad_variables` (its older name) were both given", "give `grad_tensors` alone")
        grad_tensors = grad_variables
    roots, gradients = _roots(tensors, grad_tensors)
    targets = None if inputs is None else _targets(inputs, "backward")
    for target in targets or ():
        if not target.is_leaf:
            target.retain_grad()  # which keeps its gradient on the way, whoever walks
    found = _walk(roots, gradients, targets, bool(create_graph if retain_graph is None else retain_graph), create_graph)
    for leaf, (gradient, owned) in found.values():
        if leaf.requires_grad and leaf.is_leaf and (targets is None or any(leaf is target for target in targets)):
            _accumulate(leaf, gradient, owned, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """The gradients of `outputs` with respect to `inputs`, as a tuple; nothing is written to `.grad`.

    With `is_grads_batched` each of `grad_outputs` holds several in its first dimension, and so do the results. `only_inputs` must be True. Raises RuntimeError when an input was not used, unless `allow_unused=True` (its gradient is then None) or `materialize_grads=True` (zeros).
    """
    if not only_inputs:
        raise ValueError("grad(): only_inputs=False is gone from PyTorch; call backward() to accumulate into .grad")
    if is_grads_batched:
        return _batched(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
    roots, gradients = _roots(outputs, grad_outputs)
    targets = _targets(inputs, "grad")
    found = _walk(roots, gradients, targets, bool(create_graph if retain_graph is None else retain_graph), create_graph)
    results = []
    for target in targets:
        entry = found.get(id(target))
        if entry is None and materialize_grads:
            results.append(F[0].zeros_like(target, requires_grad=create_graph))
        elif entry is None and not allow_unused:
            raise error(
                RuntimeError, "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if this is desired."
            )
        else:
            results.append(None if entry is None else entry[1][0])
    return tuple(results)


def _batched(outputs: Any, inputs: Any, grad_outputs: Any, retain_graph: bool | None, *options: Any) -> tuple:
    """One walk for each row of the batched gradients, the results stacked."""
    given = _sequence(grad_outputs)
    count = next(g.shape[0] for g in given if g is not None)
    rows = []
    for i in range(count):
        keep = True if i + 1 < count else retain_graph
        create, unused, materialize = options
        rows.append(grad(outputs, inputs, [None if g is None else g[i] for g in given], keep, create, True, unused, False, materialize))
    return tuple(None if column[0] is None else F[0].stack(column) for column in zip(*rows))


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list, Iterator)) else [value]


def _targets(inputs: Any, what: str) -> list[Any]:
    targets = _sequence(inputs)
    if not targets:
        raise error(RuntimeError, f"`inputs` argument to `{what}()` cannot be empty.", "name what the gradients are wanted of")
    for target in targets:
        if not target.requires_grad:
            raise error(RuntimeError, "One of the differentiated Tensors does not require grad", "x.requires_grad_() before what is computed from x")
    return targets


def _roots(tensors: Any, gradients: Any) -> tuple[list[Any], list[Any]]:
    roots = _sequence(tensors)
    given = [None] * len(roots) if gradients is None else _sequence(gradients)
    if len(given) != len(roots):
        raise error(RuntimeError, f"got {len(roots)} tensors and {len(given)} gradients", "one gradient for each tensor")
    result = []
    for root, gradient in zip(roots, given):
        if not root.requires_grad:
            raise error(
                RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn",
                "requires_grad=True for what it is computed from, and no detach() or no_grad() on the way",
            )  # fmt: skip
        if gradient is None:
            if root.numel() != 1:
                raise error(
                    RuntimeError, f"grad can be implicitly created only for scalar outputs; this one has shape {tuple(root.shape)}: pass gradient=",
                    "loss.sum().backward() or loss.mean().backward(), or backward(gradient) with what the result is weighted by",
                )  # fmt: skip
            gradient = F[0].ones_like(root)
        elif tuple(gradient.shape) != tuple(root.shape):
            raise error(RuntimeError, f"Mismatch in shape: the gradient has shape {tuple(gradient.shape)} and the output {tuple(root.shape)}")
        elif gradient.dtype is not root.dtype:
            if gradient.dtype.is_complex or root.dtype.is_complex:
                raise error(RuntimeError, f"the gradient of a complex tensor must have its dtype: the gradient has {gradient.dtype} and the output {root.dtype}")
            gradient = gradient.to(root.dtype)
        result.append(gradient)
    return roots, result


_UNSEEN = 2  # of a sum: its memory is ours, and no step has been given it
_PARTS = frozenset({"slice", "select"})  # views of a part, no element of which they name twice


class _Sums:
    """Gradients on their way: per node (and result of it), the sum so far and whether we own its memory."""

    def __init__(self) -> None:
        self.of_node: dict[Node, Any] = {}
        self.of_leaf: dict[int, tuple[Any, tuple[Any, int]]] = {}
        self.heap: list[tuple[int, int, Node]] = []

    def get(self, edge: Any) -> Any:
        """What has come for a node with one result, or for a leaf: (sum, owned) or None."""
        if isinstance(edge, Node):
            return self.of_node.get(edge)
        entry = self.of_leaf.get(id(edge))
        return entry and entry[1]

    def put(self, edge: Any, value: tuple[Any, int]) -> None:
        """Set what has come for a node with one result, or for a leaf."""
        if isinstance(edge, Node):
            if edge not in self.of_node:
                heapq.heappush(self.heap, (-edge.sequence, id(edge), edge))
            self.of_node[edge] = value
        else:
            self.of_leaf[id(edge)] = edge, value

    def add(self, edge: Any, gradient: Any, owned: bool) -> None:
        if isinstance(edge, Part):
            node, index = edge.node, edge.index
            slots = self.of_node.get(node)
            if slots is None:
                slots = self.of_node[node] = [None] * node.results
                heapq.heappush(self.heap, (-node.sequence, id(node), node))
            slots[index] = _sum(slots[index], gradient, owned)
        else:
            self.put(edge, _sum(self.get(edge), gradient, owned))

    def add_to_part(self, edge: Any, gradient: Any, meta: tuple, part_of: Callable[[Any], Any]) -> bool:
        """Add the gradient of a part of a tensor in place, to a whole that nobody else has seen; False where the arrays are not made for it."""
        (shape, dtype), array = meta, gradient._data
        if type(array) is not np.ndarray or dtype is not gradient.dtype:
            return False
        before = self.get(edge)
        if before is None:
            whole = np.zeros(tuple(shape), array.dtype)
        elif type(before[0]._data) is not np.ndarray or before[0]._data.dtype is not array.dtype:
            return False
        else:
            whole = before[0]._data if before[1] is _UNSEEN else before[0]._data.copy("C")
        part = part_of(whole)
        np.add(part, array, out=part)
        if before is None or before[1] is not _UNSEEN:
            self.put(edge, (fresh(whole), _UNSEEN))
        return True

    def through_hooks(self) -> None:
        """Once all of a leaf's gradient is there, its hooks see it."""
        for key, (leaf, (gradient, _)) in list(self.of_leaf.items()):
            if leaf._hooks and leaf._edge is None:
                self.of_leaf[key] = leaf, (_through_hooks(leaf, gradient), False)  # a hook may have kept what it was given


def _sum(before: tuple[Any, int] | None, gradient: Any, owned: int) -> tuple[Any, int]:
    return (gradient, owned) if before is None else (before[0] + gradient, True)


def _walk(
    roots: list[Any], gradients: list[Any], targets: list[Any] | None, retain: bool, create_graph: bool
) -> dict[int, tuple[Any, tuple[Any, int]]]:
    """Leaf (or target) id -> (tensor, (gradient, owned))."""
    sums = _Sums()
    previous, autocast = STATE.enabled, STATE.autocast
    STATE.enabled, STATE.autocast = create_graph, None
    tracers = tuple(STATE.tracers)
    for tracer in tracers:
        tracer.walks += 1
    watched: dict[Any, list[Any]] = {}  # edges whose gradient somebody wants although they are not leaves
    for target in targets or ():
        if (edge := target._edge) is not None:
            watched.setdefault(_key(edge), []).append(target)
    try:
        for root, gradient in zip(roots, gradients):
            sums.add(root if root._edge is None else root._edge, gradient, False)
        allowed = None if targets is None else _reaching(sums, targets)
        visited = []
        while sums.heap:
            _, _, node = heapq.heappop(sums.heap)
            entry = sums.of_node.pop(node)
            arrived = _arrived(node, entry, watched)
            if watched:
                _collect(node, arrived, watched, sums)
            if allowed is None or node in allowed:
                _step(node, arrived, sums, allowed)
                visited.append(node)
        sums.through_hooks()
        if not retain:
            for node in visited:
                node.release()
            for tracer in tracers:
                tracer.walked.update(visited)
    finally:
        STATE.enabled, STATE.autocast = previous, autocast
        for tracer in tracers:
            tracer.walks -= 1
    return sums.of_leaf


def _arrived(node: Node, entry: Any, watched: dict[Any, list[Any]]) -> Any:
    """The gradient of a node's result (a list for several), after the tensor hooks and retained gradients registered on it."""
    if isinstance(node, MultipleNode):
        return node.arrive([None if slot is None else slot[0] for slot in entry], [index for key, index in watched if key == id(node)])
    value = entry[0]
    for hook in node.hooks or ():
        value = hook(value)
    return value


def _collect(node: Node, arrived: Any, watched: dict[Any, list[Any]], sums: _Sums) -> None:
    several = isinstance(node, MultipleNode)
    for index in range(node.results) if several else (None,):  # type: ignore[attr-defined]
        value = arrived[index] if several else arrived
        if value is not None:
            for target in watched.get((id(node), index), ()):
                sums.of_leaf[id(target)] = target, (value, False)


def _key(edge: Any) -> tuple[int, int | None]:
    return (id(edge.node), edge.index) if isinstance(edge, Part) else (id(edge), None)


def _step(node: Node, arrived: Any, sums: _Sums, allowed: set[Node] | None) -> None:
    """Send the gradients of one node's inputs on their way."""
    if isinstance(node, OperatorNode) and node.op.name in _PARTS and _step_of_part(node, arrived, sums, allowed):
        return
    pulled = _pulled(node, arrived) if STATE.anomaly or node.after else node.pull(arrived)
    metas = node.metas if isinstance(node, OperatorNode) else None
    arrived = None if node.after or node.is_users else arrived  # a hook, or a function of the user's, may have kept what it gave
    for position, (edge, gradient) in enumerate(zip(node.edges, pulled)):
        if edge is None or gradient is None:
            continue
        if type(edge) is tuple:
            for part, (sub_edge, sub_gradient) in enumerate(zip(edge, gradient)):
                if sub_edge is not None and sub_gradient is not None:
                    _send(sub_edge, sub_gradient, metas and metas[position][part], arrived, sums, allowed)
        else:
            _send(edge, gradient, metas and metas[position], arrived, sums, allowed)


def _step_of_part(node: OperatorNode, arrived: Any, sums: _Sums, allowed: set[Node] | None) -> bool:
    """The step of a view of a part, without a whole of zeros for each: many parts of one tensor cost what the tensor has elements. False where somebody watches."""
    edge, args = node.edges[0], node.args
    if STATE.enabled or STATE.tracers or STATE.levels or STATE.anomaly or node.after or args is None or edge is None or isinstance(edge, Part):
        return False
    if allowed is not None and isinstance(edge, Node) and edge not in allowed and _key(edge) not in _wanted(allowed):
        return False
    return sums.add_to_part(edge, arrived, node.metas[0], lambda whole: node.op.kernel(np, whole, *args[1:]))


def _pulled(node: Node, arrived: Any) -> Any:
    """What a step gives, looked at in anomaly mode and by the hooks behind it."""
    try:
        pulled = node.pull(arrived)
    except Exception as problem:
        anomaly.explain(node, problem)
        raise
    if STATE.anomaly == "nan":
        anomaly.check(node, flattened(pulled))
    for hook in node.after or ():
        places = node.operands()
        changed = hook(tuple(flattened([pulled[i] for i in places])), tuple(arrived) if isinstance(arrived, list) else (arrived,))
        if changed is not None:
            left = iter(changed if isinstance(changed, tuple) else (changed,))
            pulled = list(pulled)
            for i in places:
                edge = node.edges[i]
                pulled[i] = tuple(next(left) for _ in edge) if type(edge) is tuple else next(left)
    return pulled


def _send(edge: Any, gradient: Any, meta: Any, arrived: Any, sums: _Sums, allowed: set[Node] | None) -> None:
    target = edge.node if isinstance(edge, Part) else edge
    if allowed is not None and isinstance(target, Node) and target not in allowed and _key(edge) not in _wanted(allowed):
        return
    fresh = arrived is not None and (isinstance(arrived, list) or gradient._storage.root is not arrived._storage.root)
    if meta is not None and not fits(gradient.shape, meta[0]):
        gradient = F[0].sum_to_size(gradient, meta[0])
        fresh = True
    if meta is not None and meta[1] is not None and not meta[1].is_complex and gradient.dtype.is_complex:
        gradient = F[0].real(gradient)
    sums.add(edge, gradient, fresh and gradient._base is None)


class _Reached(set):
    """Nodes from which a target can be reached; `wanted` holds the keys of the targets' own edges."""

    wanted: frozenset = frozenset()


def _wanted(allowed: set[Node]) -> frozenset:
    return allowed.wanted  # type: ignore[attr-defined]


def _reaching(sums: _Sums, targets: list[Any]) -> set[Node]:
    """The nodes from which a target can be reached: the others' gradients are never computed."""
    leaf_ids = {id(target) for target in targets if target._edge is None}
    keys = frozenset(_key(target._edge) for target in targets if target._edge is not None)
    reached = _Reached()
    reached.wanted = keys
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [entry[2] for entry in sums.heap]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        order.append(node)
        for edge in flat_edges(node):
            target = edge.node if isinstance(edge, Part) else edge
            if isinstance(target, Node):
                stack.append(target)
    for node in sorted(order, key=lambda n: n.sequence):
        if node.hides(targets):
            reached.add(node)
        for edge in flat_edges(node):
            target = edge.node if isinstance(edge, Part) else edge
            if (
                edge is not None
                and (target in reached if isinstance(target, Node) else id(target) in leaf_ids)
                or (edge is not None and _is_key(edge, keys))
            ):
                reached.add(node)
                break
    return reached


def _is_key(edge: Any, keys: frozenset) -> bool:
    return isinstance(edge, (Part, Node)) and _key(edge) in keys


class AfterAccumulation:
    """A hook among a leaf's that is called with the leaf when its `.grad` has been brought up to date."""

    def __init__(self, function: Callable[[Any], None]) -> None:
        self.function = function


def _through_hooks(tensor: Any, gradient: Any) -> Any:
    for hook in list(tensor._hooks):
        if isinstance(hook, AfterAccumulation):
            continue
        gradient = hooked(hook, gradient)
    return gradient


def _accumulate(leaf: Any, gradient: Any, owned: int, create_graph: bool) -> None:
    """PyTorch's rule: the first gradient is kept (copied if its memory is shared), later ones are added, in place unless a graph is wanted."""
    before = leaf.grad
    if before is None:
        leaf.grad = gradient if owned else F[0].clone(gradient)
    elif create_graph:
        leaf.grad = before + gradient
    else:
        previous = STATE.enabled
        STATE.enabled = False
        try:
            before.add_(gradient)
        finally:
            STATE.enabled = previous
    for hook in leaf._hooks or ():
        if isinstance(hook, AfterAccumulation):
            hook.function(leaf)
