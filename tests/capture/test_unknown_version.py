"""A Python whose frames the hook does not know: one warning, and everything runs eagerly. The extension is built as such a version would build it."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy

CSRC = Path(__file__).parents[2] / "capture" / "csrc"
PROGRAM = """
import importlib.machinery, importlib.util, sys, warnings

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "segue.capture._capture":
            return importlib.util.spec_from_file_location(name, BUILT, loader=importlib.machinery.ExtensionFileLoader(name, BUILT))

sys.meta_path.insert(0, Finder)
import segue

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    f, module, x = segue.compile(lambda x: x.sin() + 1), segue.nn.Linear(3, 3), segue.ones(3)
    eager = module(x)
    module.compile()
    for _ in range(3):
        assert f(x).equal(x.sin() + 1) and module(x).equal(eager)
    assert f(x.requires_grad_()).requires_grad
print(segue.capture.frame.FRAMES_KNOWN, segue.compiler.stats()["captures"], *[warning.message for warning in seen], sep=";")
"""


def test_an_unknown_version_warns_once_and_runs_eagerly(tmp_path):
    built = tmp_path / "_capture.so"
    folders = [f"-I{folder}" for folder in (sysconfig.get_path("include"), numpy.get_include())]
    command = ["cc", "-O0", "-w", "-shared", "-fPIC", "-DSEGUE_TEST_UNKNOWN_FRAMES", *folders, *map(str, sorted(CSRC.glob("*.c"))), "-o", str(built)]
    subprocess.run(command, check=True)
    done = subprocess.run([sys.executable, "-c", f"BUILT = {str(built)!r}\n{PROGRAM}"], capture_output=True, text=True, check=True)
    known, captures, *said = done.stdout.strip().split(";", 2)
    assert (known, captures) == ("0", "0")
    assert len(said) == 1 and said[0].startswith("segue does not know the frames of Python") and said[0].count("segue does not know") == 1
