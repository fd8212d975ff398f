"""The disk cache under faults: damage, many processes, read-only and missing folders, full disks, eviction."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from segue.eager.config import config
from segue.graph import cache as cache_module
from segue.graph.cache import Cache, current, digest, seal, unseal


@pytest.fixture
def store(tmp_path):
    return Cache(tmp_path)


def test_own_code_is_read_again_when_a_file_was_touched(tmp_path, monkeypatch):
    room = tmp_path / "package" / "room"
    room.mkdir(parents=True)
    monkeypatch.setattr(cache_module, "__file__", str(tmp_path / "package" / "graph" / "cache.py"))
    monkeypatch.setattr(cache_module, "IMPORTED", 2**63)
    read = cache_module.room_code.__wrapped__
    with config.override(cache_dir=str(tmp_path / "cache"), cache=True):
        (room / "a.py").write_text("x = 1\n")
        first = read("room")
        assert read("room") == first and len(list((tmp_path / "cache").rglob("code/**/*.bin"))) == 1
        (room / "a.py").write_text("x = 2\n")
        second = read("room")
        (room / "a.py").write_text("x = 1\n")
        assert second != first and read("room") == first
        (room / "b.py").write_text("")
        assert read("room") not in (first, second)


def test_kept_and_found(store, tmp_path):
    payload = os.urandom(1000)
    path = store.put("library", "ab12", payload)
    assert path.suffix == ".so" and path.read_bytes().startswith(payload)
    assert store.get("library", "ab12") == payload
    assert Cache(tmp_path).get("library", "ab12") == payload
    assert store.get("library", "other") is None and store.get("graph", "ab12") is None
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert [p for _, _, p in store.files()] == [path]


def test_keys_depend_on_every_part():
    assert len({digest(["ab", "c"]), digest(["a", "bc"]), digest(["abc"]), digest(["ab", "c", ""]), digest([b"ab", "c"]) + "same"}) == 5


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "trailer", "append"])
def test_a_damaged_entry_is_a_miss(store, damage):
    payload = b"x" * 5000
    path = store.put("library", "k", payload)
    content = path.read_bytes()
    damaged = {
        "truncate": content[:-1], "flip": content[:70] + bytes([content[70] ^ 1]) + content[71:], "empty": b"",
        "trailer": content[:-60] + b"\0" * 60, "append": content + b"more",
    }[damage]  # fmt: skip
    path.write_bytes(damaged)
    assert store.get("library", "k") is None
    assert not path.exists()
    store.put("library", "k", payload)
    assert store.get("library", "k") == payload


def test_seal():
    assert unseal(seal(b"")) == b"" and unseal(b"") is None and unseal(seal(b"abc")[1:]) is None


def writer(folder, number, rounds, queue):
    mine = Cache(Path(folder))
    wrong = 0
    for i in range(rounds):
        payload = bytes([i % 7]) * 20000
        mine.put("graph", f"key{i % 7}", payload)
        found = mine.get("graph", f"key{(i + number) % 7}")
        wrong += found is not None and found != bytes([(i + number) % 7]) * 20000
    queue.put(wrong)


def test_many_processes_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=writer, args=(str(tmp_path), n, 60, queue)) for n in range(3)]
    for process in processes:
        process.start()
    assert [queue.get(timeout=60) for _ in processes] == [0, 0, 0]
    for process in processes:
        process.join()
    assert len(Cache(tmp_path).files()) == 7  # and no temporary file is left


def test_eviction_takes_what_was_used_longest_ago(tmp_path):
    store = Cache(tmp_path, limit=3500)
    for n in range(3):
        path = store.put("graph", f"k{n}", bytes(1000))
        os.utime(path, (1000 + n, 1000 + n))
    assert store.get("graph", "k0") is not None  # used now
    store.put("graph", "k3", bytes(1000))
    assert store.evict() == 1
    assert store.get("graph", "k1") is None and store.get("graph", "k0") is not None
    assert store.size() <= 3500


def test_processes_that_write_little_look_at_the_size_once_an_hour(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(Cache, "evict", lambda self: looks.append(1))
    for n in range(3):
        Cache(tmp_path, limit=3500).put("graph", f"k{n}", b"1")
    assert len(looks) == 1
    os.utime(tmp_path / cache_module.LAYOUT / cache_module.CHECKED, (1000, 1000))
    one = Cache(tmp_path, limit=3500)
    for n in range(cache_module.CHECK_EVERY):
        one.put("graph", f"k{n}", b"1")
    assert len(looks) == 3


def test_clear(store):
    store.put("graph", "a", b"1")
    store.put("library", "b", b"2")
    assert store.clear() == 2 and store.size() == 0 and store.get("graph", "a") is None


def test_a_full_disk_keeps_entries_in_memory(store, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.os, "fsync", full)
    assert store.put("graph", "a", b"payload") is None
    assert store.get("graph", "a") == b"payload"
    assert store.files() == []


def test_folders(tmp_path, monkeypatch):
    with config.override(cache_dir=str(tmp_path / "mine")):
        assert current().folder == tmp_path / "mine" / cache_module.LAYOUT
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with config.override(cache_dir=""):
        assert current().folder == tmp_path / "xdg" / "segue" / cache_module.LAYOUT


def test_an_unwritable_folder_gives_a_private_one(tmp_path):
    obstacle = tmp_path / "file"
    obstacle.write_text("not a folder")  # as unwritable for root as for anyone
    with config.override(cache_dir=str(obstacle / "below")):
        store = current()
        assert store.folder is not None and tmp_path not in store.folder.parents
        path = store.put("graph", "k", b"1")
        assert path.is_file() and store.get("graph", "k") == b"1"


def test_nowhere_to_write_is_memory_only(monkeypatch, tmp_path):
    def nowhere(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(cache_module.tempfile, "mkdtemp", nowhere)
    monkeypatch.setattr(cache_module, "_private", [])
    monkeypatch.setattr(cache_module, "_caches", {})
    with config.override(cache=False):
        store = current()
        assert store.folder is None and store.put("graph", "k", b"1") is None and store.get("graph", "k") == b"1"


def test_without_cache_nothing_goes_to_the_users_folder(tmp_path):
    with config.override(cache=False, cache_dir=str(tmp_path)):
        current().put("graph", "k", b"1")
    assert list(tmp_path.iterdir()) == []


def test_no_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache_module.os.path, "expanduser", lambda path: path)  # what Python does when there is no home and no passwd entry
    monkeypatch.setattr(cache_module, "_caches", {})
    with config.override(cache_dir=""):
        assert current().put("graph", "k", b"1") is not None
