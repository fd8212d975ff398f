"""The front door: public names are PyTorch's, and each is the object that its room made."""

import importlib
import subprocess
import sys

import pytest

import segue

ROOMS = {"eager", "graph", "capture", "inductor", "tools"}
OURS = {"config", "compile", "compiler", "explain", "default_generator", "map", "opaque", "printoptions", "scan", *ROOMS}
MODULES = [
    "distributions", "utils.data.dataset", "utils.data.dataloader", "utils.data.sampler",
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations", "nn.modules",
    "nn.modules.batchnorm", "nn.modules.module", "optim", "optim.lr_scheduler", "utils.data", "autograd", "autograd.forward_ad", "autograd.function", "autograd.functional", "autograd.gradcheck",
    "autograd.graph", "amp", "amp.autocast_mode", "amp.grad_scaler", "cuda.amp", "serialization", "_tensor_str", "testing",
]  # fmt: skip


def public(module):
    return [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]


@pytest.mark.torch
def test_names_of_the_top_are_pytorchs():
    torch = pytest.importorskip("torch")
    assert [name for name in public(segue) if name not in OURS and not hasattr(torch, name)] == []


@pytest.mark.torch
@pytest.mark.parametrize("name", MODULES)
def test_names_are_pytorchs(name):
    pytest.importorskip("torch")
    ours, theirs = importlib.import_module(f"segue.{name}"), importlib.import_module(f"torch.{name}")
    assert [each for each in public(ours) if not hasattr(theirs, each)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_listed_name_exists(name):
    module = importlib.import_module(f"segue.{name}")
    assert all(hasattr(module, each) for each in public(module)) and module.__doc__


HEAVY = ("sympy", "scipy", "rich", "sklearn", "importlib.metadata", "multiprocessing", "socket", "html", "fractions", "subprocess", "tempfile", "cupy")


@pytest.mark.parametrize("program, unused", [
    ("import segue", HEAVY),
    ("import segue; segue.compile(lambda x: (x * 2).sum())(segue.ones(3))", ("sympy", "scipy", "rich", "cupy")),
])  # fmt: skip
def test_packages_are_imported_only_where_they_are_used(program, unused):
    listing = f"{program}; import sys; print(*(name for name in {unused} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("collects", [True, False])
def test_importing_leaves_the_collector_as_it_was_and_does_not_run_it(collects):
    program = f"""
import gc
runs = []
gc.callbacks.append(lambda phase, info: runs.append(phase))
gc.enable() if {collects} else gc.disable()
before = gc.isenabled()
import segue
print(len(runs), gc.isenabled() == before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    runs, kept = done.stdout.split()
    assert int(runs) < 10 and kept == "True"


def test_an_import_that_fails_leaves_the_collector_on():
    program = """
import gc, sys
sys.modules["segue.eager.tensor"] = None
try:
    import segue
except ImportError:
    print(gc.isenabled())
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split() == ["True"]
