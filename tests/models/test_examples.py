"""The examples, in small: they learn, their whole step is one graph, and eager code gives the same losses."""

import importlib.util
from pathlib import Path

import numpy as np

import segue

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_burgers(tmp_path, capsys):
    burgers = example("burgers")
    before = segue.compiler.stats()
    model, losses = burgers.train(300, inner=50, boundary=10)
    after = segue.compiler.stats()
    assert [after[name] - before[name] for name in ("graphs", "breaks", "recompiles", "fallbacks")] == [1, 0, 0, 0]
    np.testing.assert_allclose(losses[:5], burgers.train(5, inner=50, boundary=10, compiled=False)[1], 1e-4)
    assert losses[-1] < 0.3 * losses[0]
    burgers.draw(model, str(tmp_path / "picture.png"), size=10)
    assert "picture" in capsys.readouterr().out


def test_maml(tmp_path, capsys):
    maml = example("maml")
    before = segue.compiler.stats()
    _, losses = maml.train(200, count=8, width=16)
    after = segue.compiler.stats()
    assert [after[name] - before[name] for name in ("graphs", "breaks", "recompiles", "fallbacks")] == [1, 0, 0, 0]
    np.testing.assert_allclose(losses[:5], maml.train(5, count=8, width=16, compiled=False)[1], 1e-4)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])
    maml.draw(losses, str(tmp_path / "picture.png"))
    assert "picture" in capsys.readouterr().out


def test_deep_potential(tmp_path, capsys):
    deep = example("deep_potential")
    before = segue.compiler.stats()
    model, losses, test = deep.train(300, frames=60, atoms=4, lr=1e-2)
    after = segue.compiler.stats()  # one graph simulates, one trains
    assert [after[name] - before[name] for name in ("graphs", "breaks", "recompiles", "fallbacks")] == [2, 0, 0, 0]
    np.testing.assert_allclose(losses[:5], deep.train(5, frames=60, atoms=4, lr=1e-2, compiled=False)[1], 1e-3)
    assert deep.error(model, test) < 0.7
    energy = model(test[0][0])
    turned = test[0][0].flip(0) @ segue.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) + 3.0
    np.testing.assert_allclose(model(turned).item(), energy.item(), 1e-4)  # turned, moved, and its atoms renamed
    deep.draw(model, test, str(tmp_path / "picture.png"))
    assert "picture" in capsys.readouterr().out


def test_heat(tmp_path, capsys):
    heat = example("heat")
    before = segue.compiler.stats()
    k, losses = heat.train(120)
    after = segue.compiler.stats()
    assert [after[name] - before[name] for name in ("graphs", "breaks", "recompiles", "fallbacks")] == [1, 0, 0, 0]
    np.testing.assert_allclose(losses[:5], heat.train(5, compiled=False)[1], 1e-4)
    assert (k - heat.true_conductivity()).abs().mean() < 0.1
    heat.draw(k, str(tmp_path / "picture.png"))
    assert "picture" in capsys.readouterr().out
