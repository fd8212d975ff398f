"""`import torch` that means segue: for a whole script (`python -m segue.torch`) or from a line on (`segue.torch.install()`).

In comes the import system's question for a module called torch or torch.something, out goes segue's module of that name. The one idea: names are PyTorch's
already, so `torch` is a plain module with segue's names in it, and `torch.nn` is `segue.nn` itself. What is missing raises, as anywhere, with a
text that says where to look. segue is looked up by name, as it imports this file itself.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import pickle
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = __name__.partition(".")[0]
THEIRS = "torch"
VERSION = "2.13.0+segue"  # the version whose names and semantics are followed; programs compare it
HIDDEN = frozenset({"torch", "config", "explain", "__path__", "__file__", "__spec__", "__loader__"})  # of segue, and not of PyTorch
ALONE = (  # the modules of distributions that PyTorch keeps apart
    "binomial cauchy chi2 continuous_bernoulli exponential fishersnedecor generalized_pareto geometric gumbel half_cauchy half_normal inverse_gamma kumaraswamy "
    "laplace lkj_cholesky log_normal logistic_normal lowrank_multivariate_normal mixture_same_family multinomial negative_binomial one_hot_categorical pareto "
    "poisson relaxed_bernoulli relaxed_categorical studentT von_mises weibull wishart"
)
PLACES = {  # PyTorch's modules that are no modules here: where their names stand
    **{f"optim.{name}": "optim" for name in "adadelta adagrad adam adamax adamw asgd lbfgs nadam radam rmsprop rprop sgd".split()},
    **{f"distributions.{name}": "distributions" for name in ALONE.split()},
    **{f"nn.utils.{name}": "nn.utils" for name in ("clip_grad", "convert_parameters", "fusion", "init")}, "nn.utils.stateless": "func",
    "nn.parallel.distributed": "nn.parallel", "autograd.grad_mode": "autograd", "autograd.variable": "autograd", "cuda.amp.grad_scaler": "amp",
    "cuda.amp.autocast_mode": "amp", "utils.data._utils": "utils.data", "utils.data._utils.collate": "utils.data", "utils.data.distributed": "utils.data",
    "utils.model_zoo": "hub",
    "_dynamo._trace_wrapped_higher_order_op": "_dynamo", "distributed._tensor": "distributed.tensor",
    "distributed.tensor.placement_types": "distributed.tensor", "distributed.distributed_c10d": "distributed", "fx.node": "fx", "fx.graph": "fx",
    "fx.graph_module": "fx", "fx.proxy": "fx", "functional": "", "jit.annotations": "jit",
}  # fmt: skip
USAGE = "usage: python -m segue.torch script.py [arguments ...]\n       python -m segue.torch -m module [arguments ...]"


def save_as_torch(obj: Any, f: Any, pickle_module: Any = pickle, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True) -> None:
    """`segue.save` as programs for PyTorch mean it: a file that PyTorch reads too. What has no form there (a whole module) is pickled into segue's own format."""
    save = importlib.import_module(OURS).save
    try:
        save(obj, f, format="torch")
    except TypeError:
        save(obj, f, pickle_module=pickle_module)


def later(name: str) -> Any:
    """The module `torch`'s `__getattr__`: a module of segue's that nobody has imported yet. Raises AttributeError where there is none."""
    if name in HIDDEN or (name not in PLACES and importlib.util.find_spec(f"{OURS}.{name}") is None):
        raise AttributeError(f"segue has no torch.{name} (docs/compatibility.md says what is there)")
    return importlib.import_module(f"{THEIRS}.{name}")


def names() -> dict[str, Any]:
    """What stands in the module `torch`: plain names in a plain module, so that captured code reads them as it reads segue's own."""
    ours = {name: value for name, value in vars(importlib.import_module(OURS)).items() if name not in HIDDEN and not (name[:2] == name[-2:] == "__")}
    return {**ours, "__version__": VERSION, "__getattr__": later, "save": save_as_torch}


@functools.cache
def distribution() -> Any:
    """The installed package that `torch` is taken for: programs ask `importlib.metadata` for its version before they import it. Made when that is imported already."""
    from importlib import metadata

    class Named(metadata.Distribution):
        def read_text(self, filename: str) -> str | None:
            return f"Metadata-Version: 2.1\nName: {THEIRS}\nVersion: {VERSION}\n" if filename == "METADATA" else None

        def locate_file(self, path: Any) -> Any:
            return Path(__file__).parent / path

    return Named()


class Finder:
    """Finds torch and what is below it, and its version."""

    def find_distributions(self, context: Any = None) -> list[Any]:
        """What `importlib.metadata` asks: `version("torch")` is that of the names."""
        return [distribution()] if getattr(context, "name", None) == THEIRS else []

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The import system's question."""
        if fullname != THEIRS and not fullname.startswith(THEIRS + "."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]  # it has what a loader needs

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """segue's module of that name. Raises ModuleNotFoundError where there is none."""
        if spec.name == THEIRS:
            return ModuleType(THEIRS, "PyTorch's names, from segue.")
        below = spec.name[len(THEIRS) + 1 :]
        ours = f"{OURS}.{PLACES.get(below, below)}".rstrip(".")
        try:
            module = importlib.import_module(ours)
            SPECS[spec.name] = module.__spec__
            return module
        except ModuleNotFoundError as problem:
            if problem.name is None or not ours.startswith(problem.name):
                raise
            raise ModuleNotFoundError(f"segue has no module {spec.name} (docs/compatibility.md says what is there)", name=spec.name) from None

    def exec_module(self, module: ModuleType) -> None:
        """Fill torch itself; nothing else: a module of segue's has run already, and keeps its own name and spec."""
        spec = module.__spec__
        if module.__name__ == THEIRS:
            vars(module).update(names(), torch=module)  # PyTorch's `torch.torch` is `torch`
        if spec is not None and spec.name in SPECS:
            module.__spec__ = SPECS[spec.name]


SPECS: dict[str, Any] = {}
FINDER = Finder()
_before: dict[str, ModuleType] = {}


def install() -> None:
    """From now on `import torch` means segue, in the whole process. A PyTorch that was imported before stays with those who hold it.

    >>> import segue.torch
    >>> segue.torch.install()
    >>> import torch
    >>> torch.ones(2).relu(), torch.nn is segue.nn
    (tensor([1., 1.]), True)
    >>> segue.torch.uninstall()
    """
    if FINDER in sys.meta_path:
        return
    _before.update(_take())
    sys.meta_path.insert(0, FINDER)


def uninstall() -> None:
    """Undo `install()`: `import torch` means PyTorch again."""
    if FINDER in sys.meta_path:
        sys.meta_path.remove(FINDER)
        _take()
        sys.modules.update(_before)
        _before.clear()


def _take() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == THEIRS or name.startswith(THEIRS + ".")]
    return {name: sys.modules.pop(name) for name in names}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a script, or with -m a module, as `__main__`, with `import torch` meaning segue. Its exit code is the process's."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help") or given == ["-m"]:
        print(USAGE, file=sys.stdout if given[:1] in (["-h"], ["--help"]) else sys.stderr)
        return 0 if given[:1] in (["-h"], ["--help"]) else 2
    install()
    if given[0] == "-m":
        sys.argv = given[1:]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
        return 0
    script = Path(given[0])
    if not script.is_file():
        print(f"{script}: there is no such file", file=sys.stderr)
        return 2
    sys.argv = given
    sys.path[0] = str(script.resolve().parent)
    runpy.run_path(str(script), run_name="__main__")
    return 0
