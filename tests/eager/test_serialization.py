"""save and load: what comes back is what was saved, shared memory included; files appear whole or not at all; PyTorch reads and writes the same files."""

import collections
import copy
import io
import os
import pickle
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import segue
from segue import nn
from segue.eager.dtypes import ALL
from segue.eager.errors import CheckpointError, DeviceError

FORMATS = ("segue", "torch")


def there_and_back(obj, **options):
    file = io.BytesIO()
    segue.save(obj, file, **options)
    return segue.load(io.BytesIO(file.getvalue()))


def some(dtype, *shape):
    values = np.arange(int(np.prod(shape))).reshape(shape) % 5
    return segue.from_numpy((values + (1j * values if dtype.is_complex else 0)).astype(dtype.numpy))


def same(a, b):
    """Equal in type and value, all the way down."""
    if isinstance(a, segue.Tensor):
        return type(a) is type(b) and (a.dtype, a.shape, a.stride(), a.requires_grad) == (b.dtype, b.shape, b.stride(), b.requires_grad) and bool((a == b).all())
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a and b != b)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_dtype_and_layout(dtype, format):
    x = some(dtype, 3, 4)
    saved = [x, x.T, x[1:, ::2], x[:1, :1].expand(5, 7), segue.tensor(1, dtype=dtype), segue.empty(0, 3, dtype=dtype)]
    loaded = there_and_back(saved, format=format)
    assert same([y.clone() for y in saved], [y.clone() for y in loaded]) and [y.stride() for y in saved] == [y.stride() for y in loaded]
    loaded[0][1, 2] = 0
    assert saved[0][1, 2] == some(dtype, 8)[6] and loaded[1][2, 1] == loaded[2][0, 1] == 0
    assert loaded[4].dtype is dtype


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
keys = st.text() | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
trees = st.recursive(
    plain, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.builds(collections.OrderedDict, st.dictionaries(keys, inner))
)


@pytest.mark.parametrize("format", FORMATS)
def test_containers_of_plain_objects(format):
    @settings(max_examples=25, deadline=None)
    @given(trees)
    def check(tree):
        assert same(there_and_back(tree, format=format), tree)

    check()


@pytest.mark.parametrize("format", FORMATS)
def test_objects_of_programs(format):
    x = segue.ones(2, 3)
    saved = {
        "dtype": segue.bfloat16, "device": segue.device("cpu"), "size": x.shape, "set": {1, "a"}, "bytearray": bytearray(b"\xff\0"),
        "counter": collections.Counter("aab"), "big": [2**63, -(2**63), 2**64, -(2**100), 10**5000], "inf": [float("inf"), -float("inf"), -0.0],
        "meta": segue.empty(2, 3, device="meta").T, "parameter": nn.Parameter(x), "wanting": segue.ones(2, requires_grad=True),
    }  # fmt: skip
    loaded = there_and_back(saved, format=format)
    assert {key: type(value) for key, value in loaded.items()} == {key: type(value) for key, value in saved.items()}
    plain = [key for key in saved if key not in ("meta", "parameter", "wanting")]
    assert all(same(loaded[key], saved[key]) for key in plain) and str(loaded["inf"][2]) == "-0.0"
    assert loaded["meta"].is_meta and loaded["meta"].shape == (3, 2) and loaded["meta"].stride() == (1, 3)
    assert same(loaded["parameter"], saved["parameter"]) and loaded["wanting"].requires_grad and loaded["wanting"].is_leaf


def test_objects_of_the_own_format():
    saved = [frozenset({1, (2, 3)}), slice(1, None, 2), range(3, 9, 2), np.float64(2.5), np.arange(6, dtype="i2").reshape(2, 3), collections.defaultdict(list, a=[1])]
    loaded = there_and_back(saved)
    assert [type(a) for a in loaded] == [type(a) for a in saved]
    assert loaded[:4] == saved[:4] and loaded[5] == saved[5] and loaded[5]["new"] == []
    assert_array_equal(loaded[4], saved[4])


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_shared_stays_shared(format):
    x, settings_ = segue.arange(4.0), {"lr": 0.1}
    weight = nn.Parameter(segue.ones(2))
    loop = [x]
    loop.append(loop)
    loaded = there_and_back({"a": [x, settings_], "b": (x, settings_, weight, weight), "view": x[1:], "loop": loop}, format=format)
    (x1, s1), (x2, s2, w1, w2) = loaded["a"], loaded["b"]
    assert x1 is x2 and s1 is s2 and w1 is w2 and loaded["loop"][1] is loaded["loop"] and loaded["loop"][0] is x1
    before = loaded["view"]._version
    x1[2] = 9
    assert loaded["view"].tolist() == [1, 9, 3] and loaded["view"]._version == before + 1


@pytest.mark.parametrize("format", FORMATS)
def test_models_and_optimizers_go_on_where_they_were(format, tmp_path):
    def make():
        segue.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        return model, segue.optim.AdamW(model.parameters(), lr=0.01)

    def step(model, optimizer):
        optimizer.zero_grad()
        loss = model(segue.arange(12.0).reshape(4, 3)).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    model, optimizer = make()
    step(model, optimizer)
    segue.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": segue.get_rng_state()}, tmp_path / "a.pt", format=format)
    other, second = make()
    loaded = segue.load(tmp_path / "a.pt")
    assert loaded["model"]._metadata == model.state_dict()._metadata
    other.load_state_dict(loaded["model"])
    second.load_state_dict(loaded["optimizer"])
    segue.set_rng_state(loaded["rng"])
    assert [step(model, optimizer) for _ in range(3)] == [step(other, second) for _ in range(3)]


@pytest.mark.parametrize("format", FORMATS)
def test_attributes_and_buffers(format):
    x, buffer = segue.ones(2), nn.Buffer(segue.ones(3), persistent=False)
    x.note = {"who": "me"}
    loaded = there_and_back([x, buffer], format=format)
    assert loaded[0].note == {"who": "me"} and type(loaded[1]) is nn.Buffer and loaded[1].persistent is False


def test_modules_need_a_pickle_which_is_read_only_when_asked_for():
    model = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"segue.eager.nn.linear.Linear at \['model'\]\[0\] has no form without pickle(.|\n)*state_dict"):
        segue.save({"model": [model]}, io.BytesIO())
    file = io.BytesIO()
    segue.save({"model": model, "weight": model.weight}, file, pickle_module=pickle)
    with pytest.raises(pickle.UnpicklingError, match="weights_only=False"):
        segue.load(io.BytesIO(file.getvalue()))
    loaded = segue.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert loaded["model"].weight is loaded["weight"] and same(loaded["model"](segue.ones(2)), model(segue.ones(2)))
    for bad in ({"format": "zip"}, {"format": "torch", "pickle_module": pickle}):
        with pytest.raises(ValueError, match="format"):
            segue.save(1, io.BytesIO(), **bad)
    with pytest.raises(TypeError, match="form that PyTorch reads"):
        segue.save(model, io.BytesIO(), format="torch")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.pt"
    segue.save([1], path)
    os.chmod(path, 0o640)
    with pytest.raises(TypeError):
        segue.save([segue.ones(3), object()], path)
    assert segue.load(path) == [1] and os.listdir(tmp_path) == ["a.pt"]
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    segue.save([2], str(link))
    assert link.is_symlink() and segue.load(path) == [2] and stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(FileNotFoundError):
        segue.save([1], tmp_path / "no" / "a.pt")
    for wrong in (segue.save, lambda obj, f: segue.load(f)):
        with pytest.raises(TypeError, match="file name or an object"):
            wrong([1], 3)


class Pipe:
    """A file object that can only be written to, or only be read."""

    def __init__(self, data=b""):
        self.file = io.BytesIO(data)

    def write(self, data):
        return self.file.write(data)

    def read(self, *count):
        return self.file.read(*count)


def test_file_objects_of_all_kinds(tmp_path):
    pipe = Pipe()
    segue.save(segue.ones(3), pipe)
    assert segue.load(Pipe(pipe.file.getvalue())).tolist() == [1, 1, 1]
    behind = io.BytesIO(b"header")
    behind.seek(6)
    segue.save(segue.ones(3), behind)
    behind.seek(6)
    assert segue.load(behind).tolist() == [1, 1, 1]
    with open(tmp_path / "a", "wb") as file:
        segue.save(segue.ones(3), file)
    with open(tmp_path / "a", "rb") as file:
        assert segue.load(file).tolist() == [1, 1, 1]


@pytest.mark.parametrize("format", (*FORMATS, "safetensors"))
def test_mapped_files_are_private_and_aligned(format, tmp_path):
    saved = {"a": segue.arange(5, dtype=segue.int8), "b": segue.arange(1000.0)}
    segue.save(saved, tmp_path / "a.pt", format=format)
    loaded = segue.load(tmp_path / "a.pt", mmap=True)
    assert same(dict(sorted(loaded.items())), saved) and loaded["b"].data_ptr() % (8 if format == "safetensors" else 64) == 0
    loaded["b"][:] = 0
    assert same(segue.load(tmp_path / "a.pt")["b"], saved["b"])
    with pytest.raises(ValueError, match="mmap"):
        segue.load(open(tmp_path / "a.pt", "rb"), mmap=True)  # noqa: SIM115


def test_the_archive_is_aligned_and_any_zip_tool_reads_it(tmp_path):
    segue.save([segue.ones(3), segue.ones(100)], tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        assert archive.testzip() is None and archive.namelist() == ["segue.json", "storages/0", "storages/1"]
        assert np.frombuffer(archive.read("storages/0"), "f4").tolist() == [1, 1, 1]


def test_map_location():
    file = io.BytesIO()
    segue.save({"x": segue.ones(3)}, file)
    read = lambda where: segue.load(io.BytesIO(file.getvalue()), map_location=where)["x"]
    assert read("cpu").tolist() == read({"cpu": "cpu"}).tolist() == read(lambda storage, place: storage).tolist() == [1, 1, 1]
    assert read("meta").is_meta and read(lambda storage, place: None).tolist() == [1, 1, 1]
    seen = []
    read(lambda storage, place: seen.append((storage.nbytes, place)))
    assert seen == [(12, "cpu")]
    for bad in ("cuda", lambda storage, place: storage.cuda()):
        with pytest.raises(DeviceError, match="cpu"):
            read(bad)


# -------------------------------------------------------------------------------------------------------- deepcopy, pickle

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x)), "pickle 5": lambda x: pickle.loads(pickle.dumps(x, 5))}


@pytest.mark.parametrize("way", COPIES.values(), ids=COPIES)
def test_copies_share_memory_where_the_originals_do(way):
    x = segue.arange(24.0).reshape(2, 3, 4)
    permuted = segue.rand(2, 3, 4).permute(2, 0, 1) * 2  # its own memory, in another order than row-major
    for first, view in ((x, x[1]), (x.T, x[:, ::2]), (permuted, permuted[1:]), (segue.ones(3), segue.ones(3).expand(4, 3))):
        a, b = way((first, view))
        assert same(a.clone(), first.clone()) and same(b.clone(), view.clone()) and (a.stride(), b.stride()) == (first.stride(), view.stride())
    a, b = way((x, x[1]))
    b[0, 0] = -1
    assert a[1, 0, 0] == -1 and x[1, 0, 0] == 12 and a._version == b._version
    model = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    model[1].weight = model[0].weight
    model.register_buffer("rows", model[0].weight.detach()[0])
    copied = way(model)
    assert copied[0].weight is copied[1].weight and copied[0].weight.requires_grad and type(copied[0].weight) is nn.Parameter
    with segue.no_grad():
        copied[0].weight.fill_(7)
    shared = way is not copy.deepcopy  # which makes parameters anew, as PyTorch's does
    assert (copied.rows.tolist() == [7, 7]) is shared and model.rows.tolist() != [7, 7]
    assert way(segue.empty(2, device="meta")).is_meta


def test_a_small_part_of_a_large_array_is_copied_alone():
    large = np.zeros(100_000)
    assert len(pickle.dumps(segue.from_numpy(large[10:20]))) < 2000


def test_the_copy_of_a_result_is_refused_as_in_pytorch():
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(segue.ones(2, requires_grad=True) * 2)


# ------------------------------------------------------------------------------------------------------------ safetensors


def test_safetensors(tmp_path):
    saved = {str(dtype): some(dtype, 2, 3) for dtype in ALL if dtype is not segue.complex128}
    saved["transposed"] = segue.arange(6.0).reshape(2, 3).T
    segue.save(saved, tmp_path / "a.safetensors")
    loaded = segue.load(tmp_path / "a.safetensors")
    assert loaded.keys() == saved.keys() and all(same(loaded[name], saved[name].contiguous()) for name in saved)
    for bad in ({"a": segue.ones(2, dtype=segue.complex128)}, {"a": 1}, [segue.ones(2)]):
        with pytest.raises(TypeError, match="safetensors"):
            segue.save(bad, tmp_path / "a.safetensors")
    assert segue.load(tmp_path / "a.safetensors").keys() == saved.keys()


def test_a_safetensors_file_as_its_description_has_it():
    table = b'{"__metadata__":{"by":"hand"},"x":{"dtype":"I16","shape":[2],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}'
    data = len(table).to_bytes(8, "little") + table + b"\x01\0\xff\xff" + np.float32(2.5).tobytes()
    loaded = segue.load(io.BytesIO(data))
    assert {name: (x.dtype, x.tolist()) for name, x in loaded.items()} == {"x": (segue.int16, [1, -1]), "y": (segue.float32, 2.5)}


# ---------------------------------------------------------------------------------------------------------------- PyTorch


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="compares with PyTorch")


def torch_objects(torch):
    x = torch.arange(6.0).reshape(2, 3)
    x.note = "kept"
    return {
        "model": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).state_dict(), "x": x, "view": x[1], "transposed": x.T[1:],
        "wide": x[:1].expand(4, 3), "parameter": torch.nn.Parameter(torch.ones(2)), "frozen": torch.nn.Parameter(torch.ones(2), False),
        "wanting": torch.ones(2, requires_grad=True), "buffer": torch.nn.Buffer(torch.ones(1)), "size": x.shape, "device": torch.device("cpu"),
        "dtype": torch.bfloat16, "conjugate": torch.full((2,), 1 + 2j).conj(), "empty": torch.empty(0, 2), "layout": torch.strided,
        "meta": torch.empty(2, device="meta"), "plain": [1, 2**70, -3, 0.5, 1j, b"\xff", "é", None, True, {1}, (1, (2,)), np.float64(2.5), np.arange(3)],
    }  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("zipped", (True, False), ids=("zip", "legacy"))
def test_what_pytorch_saved(torch, zipped):
    saved, file = torch_objects(torch), io.BytesIO()
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    loaded = segue.load(io.BytesIO(file.getvalue()))
    for key, value in saved.items():
        if isinstance(value, torch.Tensor) and not value.is_meta:
            assert (loaded[key].tolist(), loaded[key].stride(), loaded[key].requires_grad) == (value.tolist(), value.stride(), value.requires_grad)
    assert {key: value.tolist() for key, value in loaded["model"].items()} == {key: value.tolist() for key, value in saved["model"].items()}
    assert loaded["model"]._metadata == saved["model"]._metadata and type(loaded["model"]) is collections.OrderedDict
    assert type(loaded["parameter"]) is nn.Parameter and type(loaded["buffer"]) is nn.Buffer and loaded["meta"].is_meta
    assert loaded["x"].note == "kept" and loaded["dtype"] is segue.bfloat16 and loaded["size"] == segue.Size((2, 3))
    assert loaded["plain"][:-1] == saved["plain"][:-1] and loaded["plain"][-1].tolist() == [0, 1, 2]
    loaded["x"][1, 2] = 40
    assert loaded["view"][2] == loaded["transposed"][1, 1] == 40
    if zipped:
        assert segue.load(io.BytesIO(file.getvalue()), map_location="meta")["x"].is_meta


@pytest.mark.torch
@pytest.mark.parametrize("zipped", (True, False), ids=("zip", "legacy"))
def test_every_dtype_that_pytorch_saved(torch, zipped):
    saved, file = [torch.tensor([[0, 1], [2, 3]]).to(getattr(torch, dtype.name)).T for dtype in ALL], io.BytesIO()
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    loaded = segue.load(io.BytesIO(file.getvalue()))
    assert [(str(x.dtype)[6:], x.tolist(), x.stride()) for x in loaded] == [(str(x.dtype)[6:], x.tolist(), x.stride()) for x in saved]
    file = io.BytesIO()
    torch.save(torch.ones(2, dtype=torch.uint16), file)
    with pytest.raises(CheckpointError, match="uint16"):
        segue.load(io.BytesIO(file.getvalue()))


@pytest.mark.torch
def test_pytorch_reads_what_was_saved_for_it(torch, tmp_path):
    x = segue.arange(6.0).reshape(2, 3)
    x.note = "kept"
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    optimizer = segue.optim.Adam(model.parameters())
    model(segue.ones(2, 2)).sum().backward()
    optimizer.step()
    saved = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "x": x, "view": x[1], "parameter": model[0].weight,
        "buffer": nn.Buffer(segue.ones(1)), "meta": segue.empty(2, device="meta"), "wide": x[0].expand(4, 3), "empty": segue.empty(0, 2),
        "plain": [1, 2**70, -3, 300, -(2**40), 0.5, 1j, b"\xff", "é", None, True, {1}, (1, (2,)), segue.bfloat16, segue.device("cpu"), x.shape],
        "dtypes": [some(dtype, 2, 2) for dtype in ALL],
    }  # fmt: skip
    segue.save(saved, tmp_path / "a.pt", format="torch")
    for mapped in (False, True):
        loaded = torch.load(tmp_path / "a.pt", weights_only=True, mmap=mapped)
        assert loaded["model"].keys() == saved["model"].keys() and loaded["model"]._metadata == saved["model"]._metadata
        assert [(str(a.dtype)[6:], a.tolist()) for a in loaded["dtypes"]] == [(str(a.dtype)[6:], a.tolist()) for a in saved["dtypes"]]
        assert loaded["plain"][:-3] == saved["plain"][:-3] and loaded["plain"][-3:] == [torch.bfloat16, torch.device("cpu"), torch.Size([2, 3])]
        assert type(loaded["parameter"]) is torch.nn.Parameter and loaded["buffer"]._is_buffer and loaded["x"].note == "kept"
        loaded["x"][1, 1] = 40
        assert loaded["view"][1] == 40 and loaded["wide"].stride() == (0, 1)
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    theirs.load_state_dict(loaded["model"])
    torch.optim.Adam(theirs.parameters()).load_state_dict(loaded["optimizer"])
    assert same(model.eval()(segue.ones(1, 2)).tolist(), theirs.eval()(torch.ones(1, 2)).tolist())


def test_two_dtypes_over_one_memory_have_no_form_in_pytorchs_format():
    x = segue.ones(2, dtype=segue.complex64)
    with pytest.raises(RuntimeError, match="show the same memory"):
        segue.save([x, segue.view_as_real(x)], io.BytesIO(), format="torch")
    a, b = there_and_back([x, segue.view_as_real(x)])
    b[0, 1] = 5
    assert a.tolist() == [1 + 5j, 1]
