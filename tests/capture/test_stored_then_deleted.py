"""What is stored and deleted in one call: whether it was there before decides what the call leaves, although the program never read it."""

import copy

import pytest

import segue


class Plain:
    pass


class Slotted:
    __slots__ = ("kept", "name")


def stored_and_popped(d, o, s):
    d["name"] = 7
    d["other"] = 1
    d.pop("name", None)


def stored_and_deleted(d, o, s):
    d["name"] = 7
    del d["name"]


def stored_and_popitem(d, o, s):
    d["name"] = 7
    return d.popitem()


def updated_and_popped(d, o, s):
    d.update({"name": 3})
    return d.pop("name")


def defaulted_and_deleted(d, o, s):
    d.setdefault("name", 7)
    del d["name"]


def cleared(d, o, s):
    d["name"] = 7
    d.clear()
    d["other"] = 1


def attribute(d, o, s):
    o.name = 7
    del o.name


def attribute_and_another(d, o, s):
    o.name = 7
    o.other = 1
    del o.name
    return hasattr(o, "name"), sorted(vars(o))


def attribute_by_name(d, o, s):
    setattr(o, "name", 3)  # noqa: B010
    delattr(o, "name")


def attribute_by_dict(d, o, s):
    o.name = 7
    o.__dict__.pop("name")


def slot(d, o, s):
    s.name = 7
    del s.name


def slot_and_another(d, o, s):
    s.name = 7
    del s.name
    s.kept = 1
    return hasattr(s, "name")


PROGRAMS = [stored_and_popped, stored_and_deleted, stored_and_popitem, updated_and_popped, defaulted_and_deleted, cleared, attribute, attribute_and_another,
            attribute_by_name, attribute_by_dict, slot, slot_and_another]  # fmt: skip


def objects(there):
    d, o, s = {"first": 0}, Plain(), Slotted()
    o.kept = s.kept = 3
    if there:
        d["name"] = o.name = s.name = 1
    return d, o, s


def state(d, o, s):
    return list(d.items()), list(vars(o).items()), [(name, getattr(s, name)) for name in Slotted.__slots__ if hasattr(s, name)]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("order", [(True, False, True), (False, True, False)], ids=str)
def test_what_was_there_decides(program, order):
    def f(x, *things):
        return x * 2, program(*things)

    compiled = segue.compile(f)
    for there in order:
        eager, ours = objects(there), copy.deepcopy(objects(there))
        assert f(segue.ones(1), *eager)[1] == compiled(segue.ones(1), *ours)[1]
        assert state(*eager) == state(*ours)
