"""CPython's own tests, run as programs (see cpython_suite.py): a sample in the ordinary suite, all of them with `-m cpython`.

`python -m pytest tests/capture/test_cpython_suite.py -m cpython` runs every module that the interpreter's distribution ships; a method whose outcome differs from
the interpreter's own must stand in DIFFERENCES, with the reason, and one that stands there must still differ.
"""

from __future__ import annotations

import sys

import cpython_suite
import pytest

SAMPLE = {
    "test_list": ("append", "extend", "slice", "getitem_error", "reversed"),
    "test_contextlib": ("TestSuppress", "TestContextDecorator", "existing_context"),
    "test_patma": ("TestPatma.test_patma_00", "TestPatma.test_patma_12", "accepts_positional"),
    "test_exceptions": ("PEP626Tests.test_lineno_in", "test_name_error_has_name", "test_assert_shadowing"),
}
AT_LEAST = {"test_list": 8, "test_contextlib": 12, "test_patma": 20, "test_exceptions": 5}
CONSTANTS = "equal strings that are computed during capture may be one object"
LOCALS = "the frames of functions that were followed hold no locals to make suggestions from"
LAST_LINE = "f_lineno of a followed function's frame is the line of its traceback entry, not of the last instruction before it left"
DEPTH = "recurses as deep as the interpreter allows: frames that were captured take more of it"
REUSED = "asks for the identities of tuples that are dropped at once, of which C makes one out of the other"
DIFFERENCES: dict[str, dict[str, str]] = {
    "test_operator": dict.fromkeys([f"{kind}OperatorTestCase.test_{name}" for kind in ("C", "Py") for name in ("is", "is_not")], CONSTANTS),
    "test_exceptions": {
        "NameErrorTests.test_name_error_suggestions": LOCALS,
        "PEP626Tests.test_lineno_after_other_except": LAST_LINE,
        "PEP626Tests.test_lineno_in_try": LAST_LINE,
    },
    "test_functools": {"TestLRUPy.test_lru_recursion": DEPTH} if sys.version_info >= (3, 13) else {},
    "test_listcomps": {} if sys.version_info < (3, 12) else {"ListComprehensionTest.test_frame_locals": "a variable that nothing reads any more is not handed on behind a break"},
    "test_descr": {
        "ClassPropertiesAndMethods.test_slots": "counts all objects of the process before and after a line that is compiled meanwhile",
        "SharedKeyTests.test_subclasses": "asks for the size in memory of the dicts of objects: those that are made behind the graph share no keys",
    },
    "test_itertools": dict.fromkeys([f"TestBasicOps.test_{name}_tuple_reuse" for name in ("combinations", "combinations_with_replacement", "permutations", "product")], REUSED),
    "test_enumerate": {
        **dict.fromkeys([f"{case}.test_tuple_reuse" for case in ("EnumerateStartTestCase", "EnumerateTestCase", "SubclassTestCase", "TestLongStart", "TestStart")], REUSED),
    },
    "test_iter": {"TestCase.test_reduce_mutating_builtins_iter": "takes iter() out of the builtins, which capture itself uses"},
    "test_unicode": {"UnicodeTest.test_getnewargs": CONSTANTS},
    "test_str": {"StrTest.test_getnewargs": CONSTANTS},
    "test_sort": {"TestOptimizedCompares.test_unsafe_object_compare": CONSTANTS},
    "test_coroutines": {"OriginTrackingTest.test_origin_tracking": "a function that goes on behind a break has two frames, both of which stand in the origin of a coroutine"},
    "test_call": {} if sys.version_info < (3, 12) else {"TestRecursion.test_super_deep": DEPTH},
    "test_raise": {"TestTracebackType.test_attrs": "the frame of a traceback entry of a followed function is not the running frame"},
}


def expected(module: str) -> dict[str, str]:
    return {f"{module}.{name}": reason for name, reason in DIFFERENCES.get(module, {}).items()}


def differing(module: str, records: list[dict]) -> dict[str, str]:
    """Method -> what differs, for those that must not."""
    known = expected(module)
    return {r["test"]: f"{r['plain']} -> {r['compiled']}\n{r['text']}" for r in records if r["plain"] != r["compiled"] and r["test"] not in known}


needs_modules = pytest.mark.skipif(len(cpython_suite.available()) < 12, reason="this distribution of Python ships no Lib/test")


@needs_modules
@pytest.mark.parametrize("module", SAMPLE)
def test_sample(module):
    records = cpython_suite.run_module(module, SAMPLE[module], seconds=60)
    assert not differing(module, records)
    assert sum(record.get("captured", 0) > 0 for record in records) >= AT_LEAST[module]


@needs_modules
@pytest.mark.cpython
@pytest.mark.parametrize("module", cpython_suite.available())
def test_module(module):
    records = cpython_suite.run_module(module)
    assert not differing(module, records)
    same = {record["test"] for record in records if record["plain"] == record["compiled"]}
    assert not same & expected(module).keys(), "these no longer differ"
    assert any(record.get("captured", 0) > 0 for record in records)
