"""How sets come to lie as they do: the order of a set follows from the steps that made it, not from its items alone.

In come the steps, one by one, as they are captured; out goes a recipe of constants, from which `set_of_steps` makes a set of the same order, in this process or in
another, where texts have other hashes. The one idea: the set of the capture and the one that is made behind the graph take the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

UNKNOWN = (None, "a set from outside", None, None)  # where a history may begin: nobody knows what gaps its table has
NESTED = 50  # sets that took in sets that took in sets are not followed further
WAYS: dict[str, Callable] = {  # the kinds of arguments that are made of what stands in a recipe; "item", "list" and "table" stand there as they are
    "dict": dict.fromkeys,
    "set": lambda given: set_of_steps(given),
}
NEW = ("union", "intersection", "difference", "symmetric_difference")  # these give a new set


def set_of_steps(steps: tuple) -> Any:
    """The set, or frozenset, that comes of steps: (name of a method or the class of a new set, kind of the argument, argument)."""
    made: Any = set()
    for name, kind, argument in steps:
        given = () if kind is None else (made,) if kind == "self" else (WAYS[kind](argument),) if kind in WAYS else (argument,)
        made = name(*given or (made,)) if isinstance(name, type) else taken_by(made, name, given)
    return made


def taken_by(made: Any, name: str, given: tuple) -> Any:
    """The set behind a step: a new one, or the same that a method changed."""
    found = getattr(made, name)(*given)
    return found if name in NEW else made


def recipe_of(history: Any, constants: tuple, depth: int = 0) -> tuple | None:
    """The steps of a history, a chain of (history before, name, kind, argument) that ends in None; None where it is not known, or where there are others than `constants` in it."""
    steps: list[tuple] = []
    while history is not None:
        if history is UNKNOWN or depth > NESTED:
            return None
        history, name, kind, argument = history
        if kind == "set":
            argument = recipe_of(argument, constants, depth + 1)
            if argument is None:
                return None
        elif kind is not None and not all(type(place) in constants for place in ([argument] if kind == "item" else argument)):
            return None
        steps.append((name, kind, argument))
    return tuple(merged(reversed(steps)))


def merged(steps: Iterable[tuple]) -> Iterator[tuple]:
    """A new set of a list and what is added to it at once are one step: a frozenset takes it so, and a set lies as if it had."""
    new: Any = None  # the class of a set that is being filled
    items: list[Any] = []
    for name, kind, argument in (*steps, (None, None, None)):
        if new is not None and name == "add":
            items.append(argument)
            continue
        if new is not None:
            yield new, "list", tuple(items)
        new, items = (name, list(argument)) if isinstance(name, type) and kind == "list" else (None, [])
        if new is None and name is not None:
            yield name, kind, argument


def holds_table(recipe: tuple) -> bool:
    """Whether the table of a constant is in a recipe, whose order is another one in another process, as hashes of texts are."""
    return any(kind == "table" and not all(type(item) is int for item in argument) or kind == "set" and holds_table(argument) for _, kind, argument in recipe)
