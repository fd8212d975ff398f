"""Parameters of the public names are PyTorch's: each name, its order, its default, asked of `inspect` on both sides."""

import importlib
import inspect
import re

import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch")
pytestmark = pytest.mark.torch

MODULES = [
    "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrize", "nn.utils.parametrizations", "nn.attention", "nn.parallel", "optim",
    "optim.lr_scheduler", "optim.swa_utils", "utils.data", "distributions", "distributions.transforms", "func", "autograd", "autograd.functional", "amp", "jit",
    "linalg", "fft", "special", "random", "testing",
]  # fmt: skip
STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
LEFT = {  # what differs on purpose: docs/compatibility.md
    "nn.parallel.DistributedDataParallel": "making one raises",
    "nn.DataParallel.gather": "one device",
    "optim.LBFGS.step": "PyTorch's base class has the default None, which raises here too",
    "utils.data.random_split": "the default generator is looked up at the call",
    "jit.Future": "made by fork alone",
    "jit.trace": "PyTorch's default is an object of its own",
    "jit.trace_module": "as jit.trace",
}


def parameters(function):
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return None if all(p.kind in STARS for p in found) else found


def shown(default):
    text = re.sub(r"<function (\w+) .*>", r"\1", repr(default)).replace("segue.", "torch.").replace("torch.Size([])", "()")
    return re.sub(r"^-?\d+$", lambda m: str(float(m[0])), text)


def differences(path, theirs, ours):
    theirs, ours = parameters(theirs), parameters(ours)
    if theirs is None:
        return
    names = [p.name for p in theirs if p.kind not in STARS and p.name != "self" and p.kind is not p.POSITIONAL_ONLY]
    mine = {p.name: p for p in ours or ()}
    missing = [name for name in names if name not in mine and not name.startswith("_")]
    if missing:
        yield f"{path} lacks {missing}"
    by_place = [p.name for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD and p.name in mine]
    if [name for name in mine if name in by_place] != by_place or any(mine[name].kind is inspect.Parameter.KEYWORD_ONLY for name in by_place):
        yield f"{path} takes {list(mine)}, PyTorch {names}"
    for p in theirs:
        if p.name in mine and shown(p.default) != shown(mine[p.name].default):
            yield f"{path}({p.name}=): {mine[p.name].default!r}, PyTorch {p.default!r}"


def compared(name):
    theirs, ours = importlib.import_module(f"torch.{name}"), importlib.import_module(f"segue.{name}")
    for each in getattr(theirs, "__all__", None) or dir(theirs):
        mine, its = getattr(ours, each, None), getattr(theirs, each, None)
        if each.startswith("_") or mine is None or not callable(its) or not str(getattr(its, "__module__", "")).startswith("torch") or f"{name}.{each}" in LEFT:
            continue
        yield from differences(f"{name}.{each}", its, mine)
        for method in dir(its) if inspect.isclass(its) else ():
            makers = [c for c in its.__mro__ if method in vars(c)]
            public = not method.startswith("_") and makers and makers[0].__module__.startswith("torch") and hasattr(mine, method)
            if public and inspect.isfunction(getattr(its, method, None)) and f"{name}.{each}.{method}" not in LEFT:
                yield from differences(f"{name}.{each}.{method}", getattr(its, method), getattr(mine, method))


@pytest.mark.parametrize("name", MODULES)
def test_parameters_are_pytorchs(name):
    assert list(compared(name)) == []
