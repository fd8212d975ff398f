"""Mixed precision inside of compiled functions: one graph, guarded by the state of autocast."""

import numpy as np

import segue
import segue.nn.functional as F
from segue import nn


def run(compiled, steps=7):
    segue.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3))
    optimizer, scaler = segue.optim.AdamW(model.parameters(), lr=1e-2), segue.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    x, y = segue.randn(5, 4), segue.randint(0, 3, (5,))

    def step(x, y, factor):
        optimizer.zero_grad()
        with segue.autocast("cpu", dtype=segue.float16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss * factor).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss

    step = segue.compile(step, fullgraph=True) if compiled else step
    losses = [step(x, y, segue.tensor(float("inf") if i == 4 else 1.0)).item() for i in range(steps)]
    return losses, scaler.state_dict(), [p.tolist() for p in model.parameters()], optimizer.state_dict()["state"][0]["step"].item()


def test_a_step_with_a_scaler_is_one_graph():
    segue.compiler.reset()
    eager, compiled = run(False), run(True)
    stats = segue.compiler.stats()
    assert (stats["graphs"], stats["breaks"], stats["recompiles"]) == (1, 0, 0)
    np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-5)
    assert compiled[1] == eager[1] and compiled[3] == eager[3] == 6.0  # the step that overflowed does not count
    for one, other in zip(compiled[2], eager[2]):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_state_of_autocast_is_guarded():
    segue.compiler.reset()
    product = segue.compile(lambda a, b: a @ b, fullgraph=True)
    a = segue.ones(2, 2)
    for _ in range(2):
        assert product(a, a).dtype is segue.float32
        with segue.autocast("cpu"):
            assert product(a, a).dtype is segue.bfloat16
        with segue.autocast("cpu", dtype=segue.float16):
            assert product(a, a).dtype is segue.float16
    assert segue.compiler.stats()["graphs"] == 3


def test_autocast_across_a_break_and_left_on():
    def program(a, log):
        manager = segue.autocast("cpu")
        manager.__enter__()
        b = a @ a
        segue.compiler.graph_break()
        c = b @ a
        log.append(segue.is_autocast_enabled())
        return c, manager

    c, manager = segue.compile(program)(segue.ones(2, 2), log := [])
    assert c.dtype is segue.bfloat16 and log == [True] and segue.is_autocast_enabled()
    manager.__exit__(None, None, None)
    assert not segue.is_autocast_enabled()


def test_a_compiled_model_under_autocast_has_gradients():
    model = nn.Linear(3, 2)
    compiled = segue.compile(model, fullgraph=True)
    x = segue.ones(4, 3)
    with segue.autocast("cpu"):
        y = compiled(x)
    assert y.dtype is segue.bfloat16
    y.float().sum().backward()
    assert model.weight.grad.dtype is segue.float32 and model.weight.grad.tolist() == [[4.0] * 3] * 2
