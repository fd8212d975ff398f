"""Names of what is not here: programs import them, ask isinstance, derive classes; using one says what there is instead."""

import importlib

import pytest

import segue

MODULES = ["fx", "sparse", "cuda", "library", "distributed.device_mesh", "distributed.fsdp", "distributed.rpc", "distributed.tensor", "distributed.tensor.parallel", "nn.attention.flex_attention"]


def names():
    places = [segue, *(importlib.import_module(f"segue.{name}") for name in MODULES)]
    return {name: found for place in places for name, found in vars(place).items() if getattr(found, "__doc__", None) and "Raises NotImplementedError" in str(found.__doc__)
            or getattr(found, "__module__", "") == "segue.eager.absent"}  # fmt: skip


@pytest.mark.parametrize("name", sorted(names()))
def test_a_use_says_what_there_is_instead(name):
    with pytest.raises(NotImplementedError, match="Instead|segue"):
        names()[name](segue.ones(2))


def test_nothing_is_of_these_classes():
    assert not isinstance(segue.ones(2), segue.distributed.tensor.DTensor) and not isinstance(segue.nn.Linear(1, 1), segue.fx.GraphModule)
    assert issubclass(segue.fx.GraphModule, segue.nn.Module)

    class Mine(segue.fx.Tracer):
        pass

    with pytest.raises(NotImplementedError, match="Mine"):
        Mine()
    assert segue.ones(2).layout is segue.strided and segue.ones(2).layout != segue.sparse_coo and repr(segue.sparse_csr) == "segue.sparse_csr"


@pytest.mark.torch
@pytest.mark.parametrize("name", MODULES)
def test_names_are_pytorchs(name):
    pytest.importorskip("torch")
    ours, theirs = importlib.import_module(f"segue.{name}"), importlib.import_module(f"torch.{name}")
    assert [each for each in vars(ours) if getattr(vars(ours)[each], "__module__", "") == "segue.eager.absent" and not hasattr(theirs, each)] == []


@pytest.mark.parametrize("make", [
    lambda layout: segue.zeros(2, layout=layout), lambda layout: segue.full((2,), 1, layout=layout), lambda layout: segue.empty((2,), layout=layout),
    lambda layout: segue.ones_like(segue.ones(2), layout=layout), lambda layout: segue.rand_like(segue.ones(2), layout=layout),
])  # fmt: skip
def test_a_tensor_that_is_to_be_sparse_is_refused(make):
    assert make(segue.strided).shape == (2,) and make(None).layout is segue.strided
    with pytest.raises(NotImplementedError, match="no sparse tensors"):
        make(segue.sparse_coo)
