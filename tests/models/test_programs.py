"""Model programs in the manner of public PyTorch code, run with nothing changed but the import: equal losses eagerly, compiled, and in PyTorch itself.

A program is the text of a file in programs/; its `Job` holds a model, its optimizers and one step of training. It runs over segue after its import lines
were rewritten, and over torch, where that is installed, as it stands.
"""

import functools

import numpy as np
import pytest
from program_support import FOLDER, load

import segue
from segue import nn

STEPS = 4
# program: (kernels and library calls are not golden, they change with every better fusion; graphs and breaks are) -> graphs, breaks of all
# steps. The LSTM's state wants no gradient at first, and does from the second step on: a second graph.
GOLDEN = {
    "actor_critic": (1, 0), "alexnet": (1, 0), "dcgan": (1, 0), "glm": (1, 0), "gpt": (1, 0), "llama": (1, 0), "lstm": (2, 0),
    "nerf": (1, 0), "pinn": (1, 0), "resnet": (1, 0), "unet": (1, 0), "vae": (1, 0), "vit": (1, 0),
}  # fmt: skip

# program -> graphs of its models alone in one step, without a break. The discriminator sees images with and without history, the physics two kinds of points.
ALONE = {**dict.fromkeys(GOLDEN, 1), "dcgan": 3, "pinn": 2, "resnet": 2}


def losses(name, step_of=lambda job: job.step, framework="segue", weights=None, steps=STEPS):
    """The job after some steps, and its losses."""
    segue.manual_seed(0)
    rng = np.random.default_rng(0)
    job = load(name, framework).Job()
    if weights is not None:
        job.model.load_state_dict(weights)
    step = step_of(job)
    return job, [step(*job.batch(rng)).item() for _ in range(steps)]


@functools.cache
def eager_losses(name):
    return tuple(losses(name)[1])


def arrays(job):
    return {key: value.detach().numpy().copy() for key, value in job.model.state_dict().items()}


def test_every_program_is_listed():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(GOLDEN) | {"efficientnet_lite"}  # that one is in test_pretrained.py


@pytest.mark.parametrize("name", GOLDEN)
def test_the_whole_step_is_one_graph_with_eager_losses(name):
    expected = eager_losses(name)
    segue.compiler.reset()
    before = segue.compiler.stats()
    _, found = losses(name, lambda job: segue.compile(job.step))
    after = segue.compiler.stats()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(set(expected)) == STEPS  # it does learn something
    assert after["fallbacks"] == before["fallbacks"]
    assert (after["graphs"] - before["graphs"], after["breaks"] - before["breaks"]) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_each_model_alone_is_one_graph(name):
    def step_of(job):
        for network in job.model if type(job.model) is nn.ModuleList else [job.model]:
            network.compile(backend="eager", fullgraph=True)
        return job.step

    before = segue.compiler.stats()
    _, (found,) = losses(name, step_of, steps=1)
    after = segue.compiler.stats()
    np.testing.assert_allclose(found, eager_losses(name)[0], rtol=1e-5)
    assert (after["graphs"] - before["graphs"], after["breaks"] - before["breaks"]) == (ALONE[name], 0)


@pytest.mark.torch
@pytest.mark.parametrize("name", GOLDEN)
def test_pytorch_gives_the_same_losses_for_the_same_text(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    initial = arrays(load(name, "torch").Job())
    job, expected = losses(name, framework="torch", weights={key: torch.from_numpy(value.copy()) for key, value in initial.items()})
    mine, found = losses(name, weights={key: segue.from_numpy(value.copy()) for key, value in initial.items()})
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    assert arrays(mine).keys() == arrays(job).keys()
    for (key, a), (_, b) in zip(mine.model.named_parameters(), job.model.named_parameters()):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-2, atol=1e-4, err_msg=key)  # the last step's, behind three updates


def test_a_llama_generates_the_same_with_and_without_its_cache():
    segue.manual_seed(0)
    module = load("llama", "segue")
    model = module.Transformer(module.ModelArgs())
    prompt = segue.tensor([[3, 1, 4, 1, 5]])
    cached = model.generate(prompt, 6)
    whole = prompt
    with segue.no_grad():
        for _ in range(6):
            whole = segue.cat([whole, model(whole)[:, -1].argmax(-1, keepdim=True)], 1)
    assert cached.tolist() == whole.tolist()


def test_a_gpt_samples_within_its_block():
    segue.manual_seed(0)
    module = load("gpt", "segue")
    model = module.GPT(module.GPTConfig())
    out = model.generate(segue.tensor([[1, 2, 3]]), 20, temperature=0.8, top_k=5)
    assert out.shape == (1, 23) and int(out.max()) < 41
