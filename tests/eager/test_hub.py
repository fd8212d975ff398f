"""`segue.hub`: downloads by any URL (here of files), hashes, folders of models; nothing is fetched from the web."""

import hashlib

import pytest

import segue
from segue import hub

CONF = '''
dependencies = ["numpy"]

def small(width, bias=True):
    """A layer."""
    import segue
    return segue.nn.Linear(width, 1, bias=bias)

def _hidden():
    pass
'''


def test_weights_come_once_and_only_with_their_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    segue.save({"w": segue.ones(2)}, tmp_path / "first.pt")
    data = (tmp_path / "first.pt").read_bytes()
    named = tmp_path / f"net-{hashlib.sha256(data).hexdigest()[:8]}.pt"
    named.write_bytes(data)
    assert hub.load_state_dict_from_url(named.as_uri(), check_hash=True)["w"].tolist() == [1, 1]
    named.unlink()  # the second time it is there
    assert hub.load_state_dict_from_url(named.as_uri(), progress=False)["w"].tolist() == [1, 1]
    wrong = tmp_path / "net-01234567.pt"
    wrong.write_bytes(data)
    with pytest.raises(RuntimeError, match="invalid hash value"):
        hub.load_state_dict_from_url(wrong.as_uri(), check_hash=True)
    assert [path.name for path in (tmp_path / "home" / "hub" / "checkpoints").iterdir()] == [named.name]


def test_models_come_from_folders(tmp_path):
    (tmp_path / "hubconf.py").write_text(CONF)
    assert hub.list(tmp_path) == ["small"] and hub.help(tmp_path, "small") == "A layer."
    assert hub.load(tmp_path, "small", 3, bias=False, source="local").weight.shape == (1, 3)
    for call in (lambda: hub.load("a/b", "small"), lambda: hub.load(tmp_path, "_hidden", source="local")):
        with pytest.raises(RuntimeError, match="code is not fetched|Cannot find callable"):
            call()
