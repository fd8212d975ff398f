"""Every polynomial of segue_math.h is what tools/polynomials.py derives, and approximates what it says within half an ulp of float32."""

import re

import pytest

from segue.inductor.toolchain import INCLUDE
from segue.tools import polynomials

HEADER = (INCLUDE / "segue_math.h").read_text()


def in_header() -> list[tuple[float, ...]]:
    """The coefficients of each call of horner()."""
    calls = re.findall(r"horner\([^,]+,((?:\s*-?0x[0-9a-fp.+-]+f,?)+)\)", HEADER)
    return [tuple(float.fromhex(number[:-1]) for number in re.findall(r"-?0x[0-9a-fp.+-]+f", call)) for call in calls]


@pytest.mark.parametrize("name", list(polynomials.FITS))
def test_derived(name):
    assert tuple(float(c) for c in polynomials.coefficients(name)) in in_header()
    assert polynomials.truncation(name) < -25.5


def test_nothing_else_is_in_the_header():
    assert len(in_header()) == len(polynomials.FITS)
