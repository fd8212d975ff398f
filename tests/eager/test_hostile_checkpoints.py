"""Corrupt, truncated and hostile checkpoints: each is refused with CheckpointError, and nothing in it is run and no memory taken for what it only claims."""

import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

import segue
from segue.eager.errors import CheckpointError, DeviceError, UnsafeCheckpointError
from segue.eager.serialization.torch_reader import LEGACY_MAGIC

serialization = segue.serialization


def refused(data, match, kind=CheckpointError, **options):
    with pytest.raises(kind, match=match) as caught:
        segue.load(io.BytesIO(data), **options)
    assert isinstance(caught.value, RuntimeError)


def archive(members, **changes):
    """A zip file; `changes` are attributes of each member's entry."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            for attribute, value in changes.items():
                setattr(info, attribute, value)
            out.writestr(info, data)
    return file.getvalue()


def checkpoint(code, storage=b"\0" * 16):
    """A PyTorch file around the opcodes of a pickle."""
    return archive([("a/data.pkl", b"\x80\x02" + code + b"."), ("a/byteorder", b"little"), ("a/data/0", storage), ("a/version", b"3\n")])


def short(text):
    return b"X" + struct.pack("<I", len(text)) + text


def number(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def storage(count, kind=b"FloatStorage", key=b"0", place=b"cpu"):
    return b"(" + short(b"storage") + b"ctorch\n" + kind + b"\n" + short(key) + short(place) + number(count) + b"tQ"


def tensor(offset, size, stride, count=4, **options):
    shape = b"".join(b"(" + b"".join(map(number, part)) + b"t" for part in (size, stride))
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(count, **options) + number(offset) + shape + b"\x89}tR"


def test_the_checkpoints_of_these_tests_are_right_where_nothing_is_wrong():
    floats = np.arange(4, dtype="<f4").tobytes()
    assert segue.load(io.BytesIO(checkpoint(tensor(1, (3,), (1,)), floats))).tolist() == [1, 2, 3]
    assert segue.load(io.BytesIO(checkpoint(tensor(0, (2, 2), (1, 2)), floats))).tolist() == [[0, 2], [1, 3]]


# ---------------------------------------------------------------------------------------------------------------- running code


class Evil:
    """What a pickle of this runs when it is loaded as Python does: a mark in a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_not_run(protocol, tmp_path):
    mark = tmp_path / "ran"
    code = pickle.dumps({"weight": [1, Evil(mark)]}, protocol)
    files = [archive([("a/data.pkl", code), ("a/version", b"3\n")]), LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + code, LEGACY_MAGIC + code]
    for data in files:
        refused(data, "system, which is not among what makes up weights", UnsafeCheckpointError)
        with pytest.raises(pickle.UnpicklingError):
            segue.load(io.BytesIO(data), weights_only=True)
    assert not mark.exists()
    segue.load(io.BytesIO(files[0]), weights_only=False)  # the test can fail: this runs it
    assert mark.exists()


CALL = b"(" + short(b"x") + b"tR"
FORBIDDEN = {
    "eval": b"cbuiltins\neval\n" + CALL, "exec": b"c__builtin__\nexec\n" + CALL, "getattr": b"cbuiltins\ngetattr\n" + CALL,
    "a submodule by a dotted name": b"\x8c\x05torch\x8c\x0d_utils.os.sys\x93" + CALL, "import": b"cbuiltins\n__import__\n" + CALL,
    "torch.hub": b"ctorch.hub\nload\n" + CALL, "our own code": b"csegue\nload\n" + CALL, "subprocess": b"csubprocess\nPopen\n" + CALL,
    "an extension code": b"\x82\x01", "the INST opcode": b"(" + short(b"x") + b"ios\nsystem\n", "the OBJ opcode": b"(cbuiltins\nset\no",
    "a text persistent id": b"P0\n", "a call of a string": short(b"x") + CALL, "a call of a number": b"K\x01" + CALL,
    "a class of tensors called": b"ctorch\nTensor\n(" + number(10**12) + b"tR", "a storage called": b"ctorch\nFloatStorage\n(" + number(10**12) + b"tR",
    "the state of a list": b"]}b", "the state of a tensor": tensor(0, (1,), (1,)) + b"}b", "an out-of-band buffer": b"\x97",
}  # fmt: skip


@pytest.mark.parametrize("code", FORBIDDEN.values(), ids=FORBIDDEN)
def test_what_weights_do_not_need_is_refused(code):
    refused(checkpoint(code), "not|opcode|which no name", UnsafeCheckpointError)


def test_sizes_that_are_only_claimed_take_no_memory():
    huge = number(1 << 60)
    codes = [
        b"cbuiltins\nbytearray\n(" + huge + b"tR", b"cbuiltins\nlist\n(cbuiltins\nrange\n(" + huge + b"tRtR", b"ccollections\nCounter\n(" + huge + b"tR",
        b"ctorch\nSize\n(" + huge + b"tR", tensor(0, (1 << 60,), (1,)), tensor(0, (1 << 40, 1 << 40), (1 << 40, 1)), tensor(1 << 60, (1,), (1,)),
        tensor(0, (1,), (1,), count=1 << 60), b"K\x01r\xff\xff\xff\xff0", b"B\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 7 + b"\x00",
    ]  # fmt: skip
    for code in codes:
        data = checkpoint(code)
        tracemalloc.start()
        refused(data, "damaged|beyond")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()


DAMAGED = {
    "a stack that is empty": b"R", "no object": b"", "two objects": b"NN", "a mark without an end": b"(N", "an end without a mark": b"Nt", "an unset memo": b"h\x05",
    "a key without a value": b"}(" + short(b"x") + b"u", "a list as key": b"}]Ns", "items of a list": b"]NNs", "an append to a dict": b"}Na",
    "too few for a tuple": b"N\x87", "arguments that are no tuple": b"ccollections\nOrderedDict\n]R", "a name that is no string": b"NN\x93",
    "a cut opcode": b"X\x05\x00\x00\x00ab", "a bad number": b"Ix\n", "an unknown opcode": b"\xff", "a set of what is not hashable": b"\x8f(]\x90",
}  # fmt: skip


@pytest.mark.parametrize("code", DAMAGED.values(), ids=DAMAGED)
def test_damaged_pickles(code):
    refused(checkpoint(code), "damaged")


WRONG = {
    "beyond the end": tensor(2, (3,), (1,)), "strides beyond the end": tensor(0, (2, 2), (3, 1)), "negative size": tensor(0, (-1,), (1,)),
    "negative stride": tensor(3, (3,), (-1,)), "negative offset": tensor(-1, (1,), (1,)), "sizes and strides that do not pair": tensor(0, (2, 2), (1,)),
    "other count than its bytes": tensor(0, (1,), (1,), count=3), "another type than its bytes": tensor(0, (1,), (1,), kind=b"DoubleStorage"),
    "a missing storage": tensor(0, (1,), (1,), key=b"1"), "a key outside": tensor(0, (1,), (1,), key=b"../../etc/passwd"),
    "two dtypes": b"]" + tensor(0, (1,), (1,)) + b"a" + tensor(0, (1,), (1,), kind=b"IntStorage") + b"a",
    "a tensor of no storage": b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89}tR", "a parameter of no tensor": b"ctorch._utils\n_rebuild_parameter\n(N\x88}tR",
    "a storage's id that is none": b"(" + short(b"module") + b"NNNNtQ", "another rebuilder": b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nSize\nctorch\nTensor\n)}tR",
    "a device": b"ctorch\ndevice\n(" + short(b"c2u") + b"tR", "a dtype that is an expression": b"cnumpy\ndtype\n(" + short(b"(07,)f8") + b"\x89\x88tR",
    "an object dtype": b"cnumpy\ndtype\n(" + short(b"O8") + b"\x89\x88tR",
    "an attribute that is special": b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n(" + storage(4)
        + b"K\x00(K\x01t(K\x01t\x89}t}" + short(b"__class__") + b"NstR",
}  # fmt: skip


@pytest.mark.parametrize("code", WRONG.values(), ids=WRONG)
def test_tensors_that_their_storage_does_not_hold(code):
    refused(checkpoint(code), "damaged|beyond|size|stride|holds")


def test_a_device_that_is_not_here():
    data = checkpoint(tensor(0, (4,), (1,), place=b"cuda:0"))
    refused(data, "cuda:0(.|\n)*map_location", DeviceError)
    for where in ("cpu", {"cuda:0": "cpu"}, lambda held, place: held.cpu()):
        assert segue.load(io.BytesIO(data), map_location=where).shape == (4,)


# ------------------------------------------------------------------------------------------------------------ one's own classes


class Settings:
    def __init__(self, rate):
        self.rate = rate

    def __eq__(self, other):
        return self.rate == other.rate


def test_safe_globals():
    data = archive([("a/data.pkl", pickle.dumps({"settings": Settings(0.1)}, 2))])
    refused(data, r"add_safe_globals\(\[Settings\]\)", UnsafeCheckpointError)
    with serialization.safe_globals([Settings]):
        assert serialization.get_safe_globals() == [Settings]
        assert segue.load(io.BytesIO(data)) == {"settings": Settings(0.1)}
    refused(data, "Settings", UnsafeCheckpointError)
    serialization.add_safe_globals([(Settings, f"{__name__}.Settings")])
    try:
        assert segue.load(io.BytesIO(data)) == {"settings": Settings(0.1)}
    finally:
        serialization.clear_safe_globals()
    refused(data, "Settings", UnsafeCheckpointError)
    with pytest.raises(RuntimeError, match="pickle module"):
        segue.load(io.BytesIO(data), pickle_module=pickle, weights_only=True)


# -------------------------------------------------------------------------------------------------------------------- archives


def own(**options):
    file = io.BytesIO()
    segue.save({"x": segue.arange(100.0), "n": [1, "two", (3.0, None)]}, file, **options)
    return file.getvalue()


def test_archives_that_no_writer_makes(tmp_path):
    body = [("a/data.pkl", b"\x80\x02N.")]
    refused(archive([*body, ("../../evil", b"x")]), "outside")
    for name in ("/etc/evil", "a/../../evil", "..\\evil", "C:evil"):
        refused(archive([*body, (name, b"x")]), "outside")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a/data.pkl", b"\0" * 50_000_000)
    assert len(packed.getvalue()) < 100_000
    refused(packed.getvalue(), "compressed")
    with pytest.warns(UserWarning, match="Duplicate"):
        refused(archive([*body, *body]), "twice")
    refused(archive([("a/version", b"3\n")]), "no data.pkl")
    refused(archive([*body, ("a/constants.pkl", b"\x80\x02).")]), "TorchScript")
    refused(archive([*body, ("b/data.pkl", b"\x80\x02N.")]), "no data.pkl")
    refused(archive([("a/data.pkl", b"\x80\x02N."), ("a/byteorder", b"middle")]), "byte order")


def test_archives_whose_directory_lies():
    whole = own()
    entry = whole.index(b"PK\x01\x02")
    for place, what in ((20, 1 << 30), (24, 1 << 30), (42, 1 << 20)):  # sizes, and where the member begins
        refused(whole[: entry + place] + struct.pack("<I", what) + whole[entry + place + 4 :], "damaged|compressed")
    second = whole.index(b"PK\x01\x02", entry + 4)
    refused(whole[: second + 42] + whole[entry + 42 : entry + 46] + whole[second + 46 :], "damaged|another")
    flags = struct.pack("<H", struct.unpack("<H", whole[entry + 8 : entry + 10])[0] | 1)
    refused(whole[: entry + 8] + flags + whole[entry + 10 :], "encrypted")


@pytest.mark.parametrize("format", ["segue", "torch"])
def test_truncated_and_flipped_files(format):
    """Every truncation is refused; a flipped bit is refused, or (where it meets padding) changes nothing."""
    whole = own(format=format)
    expected = segue.load(io.BytesIO(whole))
    choose = random.Random(0)
    for length in [*range(1, len(whole), 37), len(whole) - 1]:
        with pytest.raises(CheckpointError):
            segue.load(io.BytesIO(whole[:length]))
    harmless = 0
    for _ in range(400):
        place = choose.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << choose.randrange(8)
        try:
            found = segue.load(io.BytesIO(bytes(changed)))
        except CheckpointError:
            continue
        harmless += 1
        assert found["x"].tolist() == expected["x"].tolist() and found["n"] == expected["n"]
    assert harmless < 200


def test_truncated_legacy_files():
    head = LEGACY_MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    held = storage(4)[:-2] + b"NtQ"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + held + b"K\x00(K\x04t(K\x01t\x89}tR"
    whole = head + b"\x80\x02" + made + b"." + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes()
    assert segue.load(io.BytesIO(whole)).tolist() == [0, 1, 2, 3]
    for length in range(len(LEGACY_MAGIC), len(whole)):
        refused(whole[:length], ".")
    refused(whole.replace(struct.pack("<q", 4), struct.pack("<q", 5)), "elements")
    refused(whole.replace(pickle.dumps(["0"], 2), pickle.dumps(["1"], 2)), "storages")
    refused(whole.replace(pickle.dumps(["0"], 2), pickle.dumps(["0", "1"], 2)), "nowhere")
    refused(head.replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2)) + whole[len(head) :], "version")


def rewritten(change):
    """segue's own format with another index."""
    file = io.BytesIO()
    segue.save({"x": segue.arange(4.0), "y": (1, [2])}, file)
    with zipfile.ZipFile(file) as old:
        index = json.loads(old.read("segue.json"))
        members = [(name, old.read(name)) for name in old.namelist() if name != "segue.json"]
    change(index)
    return archive([("segue.json", json.dumps(index)), *members])


def the(index, kind):
    return next(entry for entry in index["objects"] if entry["type"] == kind)


LIES = {
    "version": lambda index: index.update(version=99), "no root": lambda index: index.pop("root"), "a root beyond": lambda index: index.update(root={"ref": 99}),
    "a negative reference": lambda index: index.update(root={"ref": -1}), "a list as value": lambda index: index.update(root=[1]),
    "an unknown type": lambda index: the(index, "list").update(type="module"), "storage bytes": lambda index: index.update(storages=[17]),
    "more storages": lambda index: index.update(storages=[16, 16]), "byte order": lambda index: index.update(byteorder="big"),
    "a storage beyond": lambda index: the(index, "tensor").update(storage=1), "a start beyond": lambda index: the(index, "tensor").update(start=4),
    "a start between": lambda index: the(index, "tensor").update(start=1, shape=[1]), "a shape beyond": lambda index: the(index, "tensor").update(shape=[5]),
    "a huge shape": lambda index: the(index, "tensor").update(shape=[1 << 62]), "negative": lambda index: the(index, "tensor").update(stride=[-1]),
    "a float in a shape": lambda index: the(index, "tensor").update(shape=[2.0]), "a dtype": lambda index: the(index, "tensor").update(dtype="float8"),
    "a class": lambda index: the(index, "tensor").update({"class": "Module"}),
    "a tuple in itself": lambda index: the(index, "tuple").update(items=[{"ref": index["objects"].index(the(index, "tuple"))}]),
    "a pair of three": lambda index: the(index, "dict").update(items=[[1, 2, 3]]), "bytes": lambda index: the(index, "list").update(type="bytes", base64="?"),
}  # fmt: skip


@pytest.mark.parametrize("change", LIES.values(), ids=LIES)
def test_the_index_of_the_own_format_is_not_believed(change):
    assert segue.load(io.BytesIO(rewritten(lambda index: None)))["y"] == (1, [2])
    refused(rewritten(change), "damaged|version|dtype|type|storage|beyond|size|stride|begins")


def test_deep_nesting_in_the_index():
    refused(archive([("segue.json", b"[" * 100_000)]), "damaged")


# ------------------------------------------------------------------------------------------------------------------- safetensors


def safetensors(table, data=b"\0" * 8):
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


FALSE = {
    "beyond": {"x": entry(0, 12, (3,))}, "a gap": {"x": entry(4, 8, (1,))}, "an overlap": {"x": entry(0, 8), "y": entry(4, 8, (1,))},
    "a rest": {"x": entry(0, 4, (1,))}, "backwards": {"x": entry(8, 0)}, "another size": {"x": entry(0, 8, (3,))}, "a huge shape": {"x": entry(0, 8, (1 << 62, 1 << 62))},
    "a dtype": {"x": entry(0, 8, dtype="F8_E4M3")}, "no shape": {"x": {"dtype": "F32", "data_offsets": [0, 8]}}, "negative": {"x": entry(-8, 0)},
    "a float": {"x": entry(0.0, 8.0)}, "no table": b"{]", "a name twice": b'{"x":1,"x":2}', "a list of entries": {"x": [1]},
}  # fmt: skip


@pytest.mark.parametrize("table", FALSE.values(), ids=FALSE)
def test_the_table_of_a_safetensors_file_is_not_believed(table):
    assert segue.load(io.BytesIO(safetensors({"x": entry(0, 8)})))["x"].tolist() == [0, 0]
    refused(safetensors(table), ".")


def test_lengths_of_tables():
    good = safetensors({"x": entry(0, 8)})
    for length in range(9, len(good)):
        refused(good[:length], ".")
    refused(struct.pack("<Q", 1 << 20) + good[8:], "truncated")
    refused(struct.pack("<Q", 1 << 60) + good[8:], "no checkpoint")


# ------------------------------------------------------------------------------------------------------------------ no checkpoint


def test_files_that_are_none():
    with pytest.raises(EOFError, match="empty"):
        segue.load(io.BytesIO(b""))
    for data in (b"x", b"hello world, this is text", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, pickle.dumps({"a": 1})):
        refused(data, "no checkpoint")
    refused(b"name".ljust(257, b"\0") + b"ustar  \0" + b"\0" * 300, "tar archive")
    with pytest.raises(FileNotFoundError):
        segue.load("there is no such file.pt")


def test_reading_imports_nothing(tmp_path):
    """A name in a file does not even import its module."""
    (tmp_path / "evil_module.py").write_text("print('imported')")
    (tmp_path / "a.pt").write_bytes(checkpoint(b"cevil_module\nf\n)R"))
    program = "import segue\ntry: segue.load('a.pt')\nexcept RuntimeError as problem: print(type(problem).__name__)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "UnsafeCheckpointError\n"
