"""The scheduler: which units share a kernel.

In come units in topological order; out come `Group`s in an order in which they can run, each of which becomes one kernel (or one call). The one idea:
all members of a group walk one space of loop dimensions, each of which has a role: rows that stay apart, rows that are folded in fixed chunks, columns that
are folded within a row. `legal()` says whether two groups may be one, and each of its refusals has a name; `score()` says what it would save.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..graph.expressions import floordiv, sympy
from .expressions import Index, ceil_divided, divided, flatten, hint, index, product, same, size_of, unflatten, variables_of
from .lower import Lowering
from .ordering import ordered
from .units import Buffer, Unit, is_partial, reduction_form

ROW, CHUNK, COLUMN = "row", "chunk", "column"
MAX_BUFFERS = 40  # distinct buffers that one kernel may touch
BLOCK = 4096  # elements of a long vector that one task folds


@dataclass(frozen=True)
class Space:
    """The loop dimensions of a group (sizes, none of them 1), outermost first, and the role of each; None: no member minds.

    `exact`: a member folds just the columns, so that no other dimension may become one.
    `limit`: the space is a vector of that length, cut into rows of BLOCK elements (the last row may be shorter).
    """

    sizes: tuple
    roles: tuple
    exact: bool = False
    limit: Any = None

    def places(self, *roles: Any) -> list[int]:
        return [i for i, role in enumerate(self.roles) if role in roles]

    @property
    def reduces(self) -> bool:
        return COLUMN in self.roles or CHUNK in self.roles


class Refusal(Exception):
    """Why two groups may not be one."""


class Group:
    """Units that become one kernel. `variables`: the loop variables of its space; `place[unit]`: the unit's domain index in terms of them."""

    def __init__(self, units: list[Unit], space: Space | None) -> None:
        self.units = units
        self.space = space
        self.variables: tuple[Index, ...] = ()
        self.place: dict[Unit, tuple[Index, ...]] = {}
        self.result: dict[Unit, tuple[Index, ...]] = {}
        self.refusals: list[str] = []
        self.top = units[-1].number  # the highest number of a unit in it or in what it needs, however far away
        if space is not None:
            self._map()

    @property
    def kind(self) -> str:
        return "loop" if self.space is not None else self.units[0].kind

    def _map(self) -> None:
        """Where each unit's element is found in the group's space. Raises Refusal when a unit does not fit."""
        space = self.space
        assert space is not None
        self.variables = variables_of(space.sizes, "i")
        fixed = _are_numbers(space.sizes) and type(space.limit) in (int, type(None))
        for unit in self.units:
            place_of = _fixed_place if fixed and _are_numbers(unit.domain) else _place
            self.place[unit] = place = place_of(space, unit.domain, unit.kind == "pointwise")
            self.result[unit] = _result_index(unit, place)


def _place(space: Space, domain: tuple, pointwise: bool) -> tuple[Index, ...]:
    """Where the element of a walk over `domain` is found in a space. Raises Refusal when it does not fit."""
    variables = variables_of(space.sizes, "i")
    total = product(space.sizes) if space.limit is None else space.limit
    kept = [i for i in range(len(space.sizes)) if space.roles[i] != COLUMN]
    if same(product(domain), total):
        place = _domain_index(space, variables, domain)
    elif pointwise and space.limit is None and same(product(domain), product(space.sizes[i] for i in kept)):
        place = unflatten(flatten([variables[i] for i in kept], [space.sizes[i] for i in kept]), domain)
    else:
        raise Refusal("sizes differ")
    if space.limit is None and any(not i.is_linear for i in place):
        raise Refusal("shapes do not line up")
    return place


_fixed_place = lru_cache(4096)(_place)  # with symbolic sizes the answer depends on what is known of them


def _are_numbers(sizes: tuple) -> bool:
    return all(type(size) is int for size in sizes)


def _domain_index(space: Space, variables: tuple[Index, ...], domain: tuple) -> tuple[Index, ...]:
    sizes = [size for size in domain if size != 1]
    if space.limit is None and len(sizes) == len(space.sizes) and all(map(same, sizes, space.sizes)):
        remaining = iter(variables)
        return tuple(index(0) if size == 1 else next(remaining) for size in domain)
    whole = flatten(variables, space.sizes)
    if space.limit is not None and len(sizes) == 1:
        return tuple(index(0) if size == 1 else whole for size in domain)
    return unflatten(whole, domain)


def _result_index(unit: Unit, place: tuple[Index, ...]) -> tuple[Index, ...]:
    """The index of a unit's result, from that of its domain."""
    if unit.kind != "reduction":
        return place
    kept = [i for d, i in enumerate(place) if d not in unit.dims]
    if unit.node.value.ndim == len(place):  # keepdim
        return tuple(index(0) if d in unit.dims else i for d, i in enumerate(place))
    return tuple(kept)


def space_of(unit: Unit) -> Space:
    """The space of one unit alone."""
    live = [d for d, size in enumerate(unit.domain) if size != 1]
    sizes = tuple(unit.domain[d] for d in live)
    if unit.kind == "pointwise":
        return Space(sizes, (None,) * len(sizes))
    form = reduction_form(unit)
    if form == "row":
        return Space(sizes, tuple(COLUMN if d in unit.dims else None for d in live), exact=True)
    if form == "full":
        return _full_space(unit, sizes)
    roles = [CHUNK if d in unit.dims else COLUMN for d in live]
    for position in range(len(live)):  # kept dimensions outside of a folded one are rows
        if roles[position] == COLUMN and CHUNK in roles[position:]:
            roles[position] = ROW
    return Space(sizes, tuple(roles))


def _full_space(unit: Unit, sizes: tuple) -> Space:
    """A fold of everything: the last dimension within rows, or, for a plain vector, blocks of it."""
    if _is_plain(unit):
        total = product(sizes)
        if type(total) is not int or total > 2 * BLOCK:
            return Space((_blocks(total), BLOCK), (CHUNK, COLUMN), True, total)
    return Space(sizes, (CHUNK,) * (len(sizes) - 1) + (COLUMN,), exact=True)


def _blocks(total: Any) -> Any:
    """Blocks of a long vector; with a symbolic length the last may be empty, so that there is always one."""
    return ceil_divided(total, BLOCK) if type(total) is int else size_of(floordiv(total, sympy.Integer(BLOCK)) + 1)


def _is_plain(unit: Unit) -> bool:
    """Whether everything that a unit reads lies as its own domain does."""
    linear = flatten(unit.variables, unit.domain)
    for other, place in unit.reads:
        if place is not None and other.buffer is not None and other.buffer.at(place) != linear and any(i.terms for i in place):
            return False
    for buffer, place in unit.input_reads:
        if place is not None and buffer.at(place) != linear and any(i.terms for i in place):
            return False
    return True


# --------------------------------------------------------------------------------------------------------------------
# One space from two


def unify(a: Space, b: Space) -> Space:
    """The space in which members of both can live. Raises Refusal."""
    if a.limit is not None or b.limit is not None:
        return _unify_vectors(a, b)
    sizes = _refined(a.sizes, b.sizes)
    roles = []
    for first, second in zip(_roles_over(a, sizes), _roles_over(b, sizes)):
        roles.append(_role(first, second))
    for one in (a, b):
        own = _roles_over(one, sizes)
        if CHUNK in one.roles and any((mine == CHUNK) != (now == CHUNK) for mine, now in zip(own, roles)):
            raise Refusal("rows folded differently")
        if one.exact and any((mine == COLUMN) != (now == COLUMN) for mine, now in zip(own, roles)):
            raise Refusal("reduced dimensions differ")
    return Space(sizes, tuple(roles), a.exact or b.exact)


def _unify_vectors(a: Space, b: Space) -> Space:
    if a.limit is None:
        a, b = b, a
    if b.limit is not None:
        if same(a.limit, b.limit):
            return a
        raise Refusal("sizes differ")
    if not b.reduces and same(product(b.sizes), a.limit) and len(b.sizes) == 1:
        return a
    raise Refusal("a long vector is folded alone")


def _role(a: Any, b: Any) -> Any:
    if a is None or a == b:
        return b
    if b is None:
        return a
    if {a, b} == {ROW, CHUNK}:
        return CHUNK
    raise Refusal("reduced dimensions differ")


def _refined(a: tuple, b: tuple) -> tuple:
    """Dimensions that split those of both. Raises Refusal when they do not line up."""
    sizes: list = []
    left, right = list(a), list(b)
    while left and right:
        x, y = left.pop(), right.pop()
        if same(x, y):
            sizes.append(x)
            continue
        quotient = divided(x, y)
        if quotient is not None and not (type(y) is int and y == 0):
            sizes.append(y)
            left.append(quotient)
            continue
        quotient = divided(y, x)
        if quotient is None:
            raise Refusal("shapes do not line up")
        sizes.append(x)
        right.append(quotient)
    if any(size != 1 for size in (*left, *right)):
        raise Refusal("sizes differ")
    return tuple(reversed([size for size in sizes if size != 1]))


def _roles_over(space: Space, sizes: tuple) -> list:
    """The role of each refined dimension."""
    roles: list = []
    at = len(sizes)
    for size, role in zip(reversed(space.sizes), reversed(space.roles)):
        covered: Any = 1
        while not same(covered, size):
            at -= 1
            covered = sizes[at] * covered
            roles.append(role)
    return list(reversed(roles))


def unify_groups(a: Group, b: Group) -> Space:
    """As `unify`, but one group may be pointwise over the other's rows."""
    assert a.space is not None and b.space is not None
    total_a, total_b = (product(g.space.sizes) if g.space.limit is None else g.space.limit for g in (a, b))  # type: ignore[union-attr]
    if same(total_a, total_b):
        return unify(a.space, b.space)
    for rows, whole in ((b, a), (a, b)):
        space = whole.space
        assert space is not None and rows.space is not None
        if rows.space.reduces or COLUMN not in space.roles or space.limit is not None:
            continue
        kept = [i for i, role in enumerate(space.roles) if role != COLUMN]
        if same(product(space.sizes[i] for i in kept), product(rows.space.sizes)):
            return _with_rows(space, kept, rows.space)
    raise Refusal("sizes differ")


def _with_rows(space: Space, kept: list[int], rows: Space) -> Space:
    refined = list(_refined(tuple(space.sizes[i] for i in kept), rows.sizes))
    sizes: list = []
    roles: list = []
    for i, (size, role) in enumerate(zip(space.sizes, space.roles)):
        if i not in kept:
            sizes.append(size)
            roles.append(role)
            continue
        covered: Any = 1
        while not same(covered, size):
            part = refined.pop(0)
            covered = covered * part
            sizes.append(part)
            roles.append(role)
    return Space(tuple(sizes), tuple(roles), space.exact)


# --------------------------------------------------------------------------------------------------------------------
# Fusion


class Scheduler:
    """Groups the units of a lowering."""

    def __init__(self, lowering: Lowering, fuse: bool = True) -> None:
        self.lowering = lowering
        self.groups: list[Group] = []
        self.group_of: dict[Unit, Group] = {}
        self.readers: dict[Unit, list[Unit]] = {}
        self.notes: list[str] = []
        for unit in lowering.units:
            for other in {id(u): u for u, _ in unit.reads}.values():
                self.readers.setdefault(other, []).append(unit)
        for unit in lowering.units:
            group = Group([unit], space_of(unit) if unit.kind in ("pointwise", "reduction") else None)
            self.groups.append(group)
            self.group_of[unit] = group
            group.top = max([group.top, *(needed.top for needed in self.needs(group))])
            if fuse and group.space is not None:
                self._absorb(group)
        self.groups = ordered(self.groups, self.needs, self._writers())

    def _absorb(self, group: Group) -> None:
        """Merge a new group with the earlier ones that it should share a kernel with, best first."""
        while True:
            candidates = sorted(self._candidates(group), key=lambda c: (-self.score(c, group), -c.units[-1].number))
            for candidate in candidates:
                try:
                    merged = self.legal(candidate, group)
                except Refusal as refusal:
                    self.notes.append(f"{names(candidate)} | {names(group)}: {refusal}")
                    continue
                self._replace(candidate, group, merged)
                group = merged
                break
            else:
                return

    def _replace(self, a: Group, b: Group, merged: Group) -> None:
        self.groups = [g for g in self.groups if g is not a and g is not b]
        self.groups.append(merged)
        for unit in merged.units:
            self.group_of[unit] = merged
        merged.top = max(a.top, b.top)
        raised = [merged]
        while raised:
            group = raised.pop()
            for reader in {id(g): g for u in group.units for r in self.readers.get(u, ()) if (g := self.group_of.get(r)) is not None}.values():
                if reader.top < group.top:
                    reader.top = group.top
                    raised.append(reader)

    def _candidates(self, group: Group) -> list[Group]:
        """Groups with a loop that this one reads from, that read from it, or that read what it reads."""
        found: dict[int, Group] = {}
        for unit in group.units:
            for other, _ in unit.reads:
                found[id(self.group_of[other])] = self.group_of[other]
                for sibling in self.readers.get(other, ()):
                    if sibling in self.group_of:
                        found[id(self.group_of[sibling])] = self.group_of[sibling]
            for buffer in unit.loads:
                for sibling in self.loading.get(id(buffer), ()):
                    if sibling in self.group_of:
                        found[id(self.group_of[sibling])] = self.group_of[sibling]
            for reader in self.readers.get(unit, ()):
                if reader in self.group_of:
                    found[id(self.group_of[reader])] = self.group_of[reader]
        found.pop(id(group), None)
        return [candidate for candidate in found.values() if candidate.space is not None and self.score(candidate, group) > 0]

    @property
    def loading(self) -> dict[int, list[Unit]]:
        made = getattr(self, "_loading", None)
        if made is None:
            made = {}
            for unit in self.lowering.units:
                for buffer in unit.loads:
                    made.setdefault(id(buffer), []).append(unit)
            self._loading = made
        return made

    def score(self, a: Group, b: Group) -> int:
        """Bytes of memory traffic that one kernel saves: what both read, and what one leaves for the other."""
        reads_a, reads_b = _read_buffers(a), _read_buffers(b)
        made_a, made_b = {u.buffer for u in a.units}, {u.buffer for u in b.units}
        shared = (reads_a & reads_b) | (reads_a & made_b) | (reads_b & made_a)
        return sum(hint(buffer.elements) * buffer.dtype.itemsize for buffer in shared if buffer is not None)

    def legal(self, a: Group, b: Group) -> Group:
        """The one group that both would be. Raises Refusal with the reason."""
        if len(_read_buffers(a) | _read_buffers(b)) + len(a.units) + len(b.units) > MAX_BUFFERS:
            raise Refusal("too many buffers")
        if _is_repeated(a) and not _is_behind(b) or _is_repeated(b) and not _is_behind(a):
            raise Refusal("computed again later, so as not to be kept")
        merged = Group(sorted((*a.units, *b.units), key=lambda u: u.number), unify_groups(a, b))
        members = set(merged.units)
        for unit in merged.units:
            for other, place in unit.reads:
                if other not in members:
                    continue
                if is_partial(other):
                    raise Refusal("a folded row is complete only after the kernel")
                if place is None or not _same_place(merged, unit, other, place):
                    raise Refusal("read at another place")
        if self._path(a, b) or self._path(b, a):
            raise Refusal("another kernel stands between")
        return merged

    def _path(self, first: Group, last: Group) -> bool:
        """Whether `last` needs `first` through a third group."""
        lowest = first.units[0].number
        todo = [g for g in self.needs(last) if g is not first]
        seen = {id(g) for g in todo}
        while todo:
            group = todo.pop()
            if group.top < lowest:
                continue
            for needed in self.needs(group):
                if needed is first:
                    return True
                if id(needed) not in seen and needed is not last:
                    seen.add(id(needed))
                    todo.append(needed)
        return False

    def _writers(self) -> set[Group]:
        """The groups that make a new value for an input."""
        return {self.group_of[self.lowering.unit_of[node]] for _, node in self.lowering.graph.writes}

    def needs(self, group: Group) -> Iterable[Group]:
        found = {id(g): g for u in group.units for other, _ in u.reads if (g := self.group_of[other]) is not group}
        return found.values()


def _read_buffers(group: Group) -> set[Buffer]:
    found: set[Buffer] = set()
    for unit in group.units:
        found.update(unit.loads)
        found.update(other.buffer for other, _ in unit.reads if other.buffer is not None)
    return found


def _same_place(group: Group, unit: Unit, other: Unit, place: tuple[Index, ...]) -> bool:
    """Whether `unit` reads `other` at the very element that the group computes in the same step."""
    if place == unit.variables:
        return group.place[unit] == group.result[other]
    known = {next(iter(v.terms)): p for v, p in zip(unit.variables, group.place[unit]) if v.terms}
    return tuple(i.substitute(known.get) for i in place) == group.result[other]


def names(group: Group) -> str:
    return "+".join(unit.node.name for unit in group.units)


def _is_repeated(group: Group) -> bool:
    """Whether a group makes a value of the forward again for the backward in the same graph (graph/repeat.py)."""
    return any(unit.node.region < 0 for unit in group.units)


def _is_behind(group: Group) -> bool:
    """Whether all of a group belongs to the backward."""
    return all(unit.node.late or unit.node.region < 0 for unit in group.units)
