"""Names that programs import, annotate with or ask `isinstance` about, of things that are not here: process groups, symbolic traces, sparse tensors.

In comes a name and why there is nothing behind it, out goes a class or function of that name. The one idea: importing it is no use of it; making one raises
NotImplementedError, and nothing is an instance of it.
"""

from __future__ import annotations

from typing import Any

from .errors import error, refusing
from .nn.module import Module  # a GraphModule is one


def absent_class(name: str, why: str, instead: str, *bases: type) -> Any:
    """A class that may be named and derived from, and of which there are no objects."""

    def __new__(cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        raise error(NotImplementedError, f"{cls.__name__}: {why}", instead)

    return type(name, bases, {"__new__": __new__, "__doc__": f"PyTorch's `{name}`: {why}. Making one raises NotImplementedError.", "__module__": __name__})


def absent_function(name: str, why: str, instead: str) -> Any:
    """A function that raises NotImplementedError."""
    return refusing(name, f"PyTorch's `{name}`: {why}. Raises NotImplementedError.", NotImplementedError, f"{name}(): {why}", instead)


GROUPS = ("segue has no process groups", "ask distributed.is_available() first")
TRACES = ("models are not traced into PyTorch's Python objects here", "segue.explain(segue.compile(model)) after a call shows its graphs")
SPARSE = ("segue has no sparse tensors", "a dense tensor, or index_add and scatter_reduce over the places of what is not zero")
CUDA = ("a graph of CUDA's own is not recorded here", "segue.compile")

ProcessGroup, Work, Store, TCPStore, FileStore, HashStore, DeviceMesh, DTensor, Placement, Shard, Replicate, Partial = (
    absent_class(name, *GROUPS)
    for name in "ProcessGroup Work Store TCPStore FileStore HashStore DeviceMesh DTensor Placement Shard Replicate Partial".split()
)
ParallelStyle, ColwiseParallel, RowwiseParallel, SequenceParallel, PrepareModuleInput, PrepareModuleOutput = (
    absent_class(name, *GROUPS) for name in "ParallelStyle ColwiseParallel RowwiseParallel SequenceParallel PrepareModuleInput PrepareModuleOutput".split()
)
FullyShardedDataParallel, CPUOffload, MixedPrecision, ShardingStrategy, BackwardPrefetch, StateDictType, FullStateDictConfig, FSDPModule = (
    absent_class(name, *GROUPS)
    for name in "FullyShardedDataParallel CPUOffload MixedPrecision ShardingStrategy BackwardPrefetch StateDictType FullStateDictConfig FSDPModule".split()
)
RRef = absent_class("RRef", *GROUPS)
init_rpc, rpc_async, rpc_sync, remote, shutdown = (absent_function(name, *GROUPS) for name in "init_rpc rpc_async rpc_sync remote shutdown".split())
init_device_mesh, distribute_tensor, distribute_module, parallelize_module, fully_shard = (
    absent_function(name, *GROUPS) for name in "init_device_mesh distribute_tensor distribute_module parallelize_module fully_shard".split()
)
GraphModule = absent_class("GraphModule", *TRACES, Module)
Graph, Node, Proxy, Tracer, Interpreter, Transformer = (
    absent_class(name, *TRACES) for name in "Graph Node Proxy Tracer Interpreter Transformer".split()
)
SymInt, SymFloat, SymBool = (
    absent_class(name, "numbers that vary are plain ones to whoever asks", instead) for name, instead in (("SymInt", "int"), ("SymFloat", "float"), ("SymBool", "bool"))
)
TensorType = absent_class("TensorType", "there is no TorchScript here", "segue.Tensor")
ScriptModule = absent_class("ScriptModule", "there is no TorchScript here", "segue.compile", Module)
replace_pattern = absent_function("replace_pattern", *TRACES)
sparse_coo_tensor, sparse_csr_tensor, sparse_csc_tensor, sparse_bsr_tensor, sparse_bsc_tensor, sparse_compressed_tensor = (
    absent_function(f"sparse_{kind}_tensor", *SPARSE) for kind in "coo csr csc bsr bsc compressed".split()
)
addmm, log_softmax, mm, sampled_addmm, softmax, spdiags, sum = (  # of `segue.sparse`
    absent_function(name, *SPARSE) for name in "addmm log_softmax mm sampled_addmm softmax spdiags sum".split()
)
MODES = ("segue's functions ask no modes what they mean", "a function of your own in their place")
TorchFunctionMode, TorchDispatchMode = absent_class("TorchFunctionMode", *MODES), absent_class("TorchDispatchMode", *MODES)
FakeTensor = absent_class("FakeTensor", "values without data are no tensors here", 'device="meta"')
CUDAGraph, graph = absent_class("CUDAGraph", *CUDA), absent_class("graph", *CUDA)
make_graphed_callables = absent_function("make_graphed_callables", *CUDA)
