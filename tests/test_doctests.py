"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

from segue.tools.house import House

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(name for name, module in House(ROOT).modules.items() if ">>> " in module.text)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
