"""What the programs of stored_programs.py read. Line for line as long as its changed version (CHANGED in test_stored.py), which differs in every fact."""

import enum
import functools

import segue

SCALE = 2.0


def helper(x):
    return x + 1


def defaulted(x, by=2):
    return x * by


def closed(by):
    def multiplied(x):
        return x * by

    return multiplied


doubled = closed(2)


class Settings:
    scale = 2

    def scaled(self, x):
        return x * self.scale


class Mode(enum.Enum):
    CHOSEN = 2


class A:
    pass


class B:
    pass


class Derived(A):
    pass


class Property:
    @property
    def size(self):
        return 2


def patched(x, inner=segue.nn.functional.relu):
    return inner(x)


@functools.wraps(segue.nn.functional.relu)
def relu(x):
    return x * 2
