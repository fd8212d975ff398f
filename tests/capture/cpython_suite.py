"""CPython's own tests as programs: each test method of Lib/test/test_*.py is run as it is, then with its function compiled, and the two outcomes are compared.

In comes the name of a test module of the running interpreter's standard library (and, if wanted, of some of its methods); out goes one JSON object a line: the
method, its outcome both ways, what was captured, and the compiled run's traceback where they differ. The one idea: the interpreter's tests say what Python
means, and whoever wrote them never thought of us. A module runs in a process of its own, so that a crash is one module's result:
`python cpython_suite.py test_list [part of a method's name ...]`.
"""

from __future__ import annotations

import contextlib
import doctest
import faulthandler
import importlib
import io
import json
import signal
import subprocess
import sys
import time
import types
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segue.capture.compile import compile as segue_compile
from segue.capture.frame import keep
from segue.eager.config import config

MODULES = (
    "list", "dict", "set", "generators", "exceptions", "contextlib", "functools", "itertools", "dataclasses", "patma", "descr", "operator", "listcomps",
    "dictviews", "enumerate", "slice", "tuple", "unpack", "unpack_ex", "with", "raise", "scope", "super", "property", "keywordonlyarg", "extcall", "fstring",
    "augassign", "compare", "weakref", "bytes", "class", "contains", "iter", "range", "deque", "defaultdict", "bool", "int", "decorators", "exception_group", "except_star", "enum", "copy",
    "userdict", "userlist", "collections", "typing", "yield_from", "binop", "positional_only_arg", "re", "heapq", "bisect", "closure", "genexps", "opcodes", "lambda", "named_expressions", "richcmp", "funcattrs", "math",
    "string", "str", "unicode", "float", "long", "complex", "hash", "index", "unary", "pow", "cmath", "fractions", "numeric_tower", "string_literals", "grammar", "global", "type_annotations", "types",
    "abc", "metaclass", "subclassinit", "module", "isinstance", "typechecks", "baseexception", "exception_variations", "dynamicclassattribute", "builtin", "call", "print", "sort", "setcomps", "dictcomps",
    "coroutines", "asyncgen", "generator_stop", "contextlib_async", "finalization", "weakset", "copyreg", "pprint", "reprlib", "textwrap", "shlex", "userstring", "graphlib", "colorsys", "json",
)  # fmt: skip
SECONDS = 30  # for one method


class OutOfTime(BaseException):
    """A method ran too long; no test catches it."""


def available() -> list[str]:
    """Those of MODULES that this interpreter's distribution ships."""
    folder = Path(unittest.__file__).parent.parent / "test"
    return [f"test_{name}" for name in MODULES if (folder / f"test_{name}.py").exists() or (folder / f"test_{name}" / "__init__.py").exists()]


# -- one module, in a process of its own --------------------------------------------------------------------------------------


def cases(suite: Any) -> Iterator[unittest.TestCase]:
    """The test cases of a suite: methods, and doctests, whose `runTest` runs their examples."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases(test)
        elif isinstance(getattr(type(test), getattr(test, "_testMethodName", ""), None), types.FunctionType):
            yield test


def again(case: unittest.TestCase) -> unittest.TestCase:
    """A fresh case of the same test."""
    return type(case)(case._dt_test, case._dt_optionflags) if isinstance(case, doctest.DocTestCase) else type(case)(case._testMethodName)


def keep_code(code: types.CodeType) -> None:
    """Let the hook see this code, though it lies in the standard library."""
    keep(code)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            keep_code(inner)


def keep_module(name: str) -> None:
    """All functions of a test module, and what stands in them."""
    for module in [module for key, module in sys.modules.items() if key == name or key.startswith(name + ".")]:
        file = getattr(module, "__file__", None)
        if file is not None:
            keep_code(compile(Path(file).read_text(encoding="utf-8"), file, "exec"))
        for held in vars(module).values():
            for function in [held, *(vars(held).values() if isinstance(held, type) else ())]:
                function = getattr(function, "__func__", function)
                if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                    keep_code(function.__code__)


def verdict(case: unittest.TestCase) -> tuple[str, str]:
    """Run one case: how it ended, and the traceback."""
    result = unittest.TestResult()

    def too_long(*_: Any) -> None:
        raise OutOfTime(f"longer than {SECONDS} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.run(result)
    except OutOfTime as error:
        return "out of time", str(error)
    finally:
        signal.alarm(0)
    for kind, found in (("error", result.errors), ("failed", result.failures), ("unexpected success", result.unexpectedSuccesses)):
        if found:
            return kind, found[0][1] if isinstance(found[0], tuple) else ""
    return ("skipped" if result.skipped else "expected failure" if result.expectedFailures else "passed"), ""


def compiled_case(case: unittest.TestCase) -> tuple[unittest.TestCase, Any]:
    """A fresh case whose test function is compiled, and the settings that keep what was captured."""
    fresh = again(case)
    function = getattr(type(case), case._testMethodName)
    made = segue_compile(function, backend="eager")
    made.cache.settings.strict = True
    fresh.__dict__[case._testMethodName] = types.MethodType(made, fresh)
    return fresh, made.cache.settings


def compare(case: unittest.TestCase) -> dict[str, Any]:
    """One method, run both ways."""
    plain, text = verdict(case)
    record = {"test": case.id().partition(".")[2], "plain": plain}
    if plain not in ("passed", "failed", "error"):
        return {**record, "compiled": plain, "text": ""}
    fresh, settings = compiled_case(case)
    found, text = verdict(fresh)
    if found != plain and verdict(again(case))[0] == found:
        found = plain  # the second plain run ends so, too: it is the test that changes from run to run
    captured = len(settings.captured)
    return {**record, "compiled": found, "captured": captured, "breaks": sum(c.ended is not None for c in settings.captured),
            "skipped": [f"{found.function}: {found.reason}" for found in settings.skipped], "text": text if found != plain else ""}  # fmt: skip


def run_here(name: str, behind: str, wanted: list[str]) -> None:
    """Compare the methods of one module that stand behind one of them (""): a line of JSON for each."""
    config.recompile_limit = 64
    out = sys.stdout
    module = importlib.import_module(f"test.{name}")
    found = list(cases(unittest.defaultTestLoader.loadTestsFromModule(module)))
    keep_module(module.__name__)
    names = [case.id().partition(".")[2] for case in found]
    for case in found[names.index(behind) + 1 if behind else 0 :]:
        if wanted and not any(part in case.id() for part in wanted):
            continue
        print(json.dumps({"test": case.id().partition(".")[2], "begins": True}), file=out, flush=True)
        print(json.dumps(compare(case)), file=out, flush=True)


# -- from outside ---------------------------------------------------------------------------------------------------------------


def run_module(name: str, wanted: tuple[str, ...] = (), seconds: float = 600) -> list[dict[str, Any]]:
    """The records of one module, run in a process of its own. A method in which the process ended has the outcome "crashed"; the next process goes on behind it."""
    found: list[dict[str, Any]] = []
    behind, until = "", time.monotonic() + seconds
    while True:
        try:
            done = subprocess.run([sys.executable, __file__, name, behind, *wanted], capture_output=True, text=True, timeout=max(until - time.monotonic(), 1))
            out, code, errors = done.stdout, done.returncode, done.stderr
        except subprocess.TimeoutExpired as stopped:
            out, code, errors = (stopped.stdout or b"").decode(), -1, f"stopped after {seconds} s"
        records = [json.loads(line) for line in out.splitlines() if line.startswith('{"test"')]
        found += [record for record in records if "plain" in record]
        if code == 0:
            return found
        begun = [record["test"] for record in records if "begins" in record]
        behind = begun[-1] if begun and begun[-1] != behind else ""
        found.append({"test": behind or name, "plain": "unknown", "compiled": "crashed", "text": errors[:3000]})
        if not behind or time.monotonic() > until:
            return found


if __name__ == "__main__":
    faulthandler.enable()
    run_here(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "", sys.argv[3:])
