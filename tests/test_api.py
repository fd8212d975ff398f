"""The front door: public names are PyTorch's, and each is the object that its room made."""

import importlib

import pytest

import segue

ROOMS = {"eager", "graph", "capture", "inductor", "tools"}
OURS = {"config", "compile", "compiler", "explain", "default_generator", *ROOMS}
MODULES = ["nn", "nn.functional", "nn.init", "nn.utils", "optim", "optim.lr_scheduler", "utils.data", "autograd"]


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
