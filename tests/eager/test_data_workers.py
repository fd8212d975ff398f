"""Worker processes of the loader: what they give, how they are seeded, how they end, and what is left behind (nothing).

A process that must end by itself runs in a child interpreter, so that a hang is a failed test and not a hung one.
"""

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import segue
from segue.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

SHARED = Path("/dev/shm")


class Squares(Dataset):
    """Item i is i * i, for the others what a test needs."""

    def __init__(self, size=20, act=None):
        self.size, self.act = size, act

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        return self.act(i) if self.act else i * i


class Stream(IterableDataset):
    """Numbers below `size`, each by the worker whose turn it is."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.size)) if info is None else iter(range(info.id, self.size, info.num_workers))


def children():
    return {p.pid for p in multiprocessing.active_children()}


def segments():
    return set(os.listdir(SHARED)) if SHARED.is_dir() else set()


@pytest.fixture(autouse=True)
def nothing_is_left():
    before, kept = children(), segments()
    yield
    assert children() <= before and segments() <= kept


@pytest.mark.parametrize("size, settings", [
    (20, {"batch_size": 3}), (20, {"batch_size": 3, "drop_last": True}), (7, {"batch_size": None}), (2, {"batch_size": 4, "prefetch_factor": 5}),
    (20, {"batch_size": 4, "shuffle": True}),
])  # fmt: skip
def test_the_same_batches_as_without_workers(size, settings):
    data = Squares(size)
    segue.manual_seed(3)
    loader = DataLoader(data, num_workers=2, pin_memory=True, **settings)
    found = [segue.as_tensor(b).tolist() for b in loader]
    assert len(loader) == len(found)
    segue.manual_seed(3)
    alone = {k: v for k, v in settings.items() if k != "prefetch_factor"}
    assert found == [segue.as_tensor(b).tolist() for b in DataLoader(data, **alone)]
    state = segue.get_rng_state().tolist()
    segue.manual_seed(3)
    list(DataLoader(data, num_workers=2, **settings))
    assert segue.get_rng_state().tolist() == state  # and the generator goes on as it would without them


def large(i):
    return segue.full((200, 100), float(i)), np.full((50,), i, np.int16), segue.full((3,), i).bfloat16(), {"name": str(i)}


def test_large_batches_come_through_shared_memory_and_may_be_written_to():
    kept = segments()
    for n, (x, y, z, more) in enumerate(DataLoader(Squares(6, large), batch_size=2, num_workers=2)):
        assert x.shape == (2, 200, 100) and x[:, 0, 0].tolist() == [2 * n, 2 * n + 1] and y.dtype is segue.int16 and z.dtype is segue.bfloat16
        assert more["name"] == [str(2 * n), str(2 * n + 1)]
        x += 1
        y[0] = 7
    assert segments() <= kept


def test_spawned_workers():
    data = TensorDataset(segue.arange(6), segue.rand(6, 2))
    loader = DataLoader(data, batch_size=2, num_workers=1, multiprocessing_context="spawn", persistent_workers=True)
    for _ in range(2):
        assert [b[0].tolist() for b in loader] == [[0, 1], [2, 3], [4, 5]]


def test_streams():
    for workers in (0, 2):
        found = [b.tolist() for b in DataLoader(Stream(9), batch_size=2, num_workers=workers)]
        assert sorted(sum(found, [])) == list(range(9)), workers
    assert [b.tolist() for b in DataLoader(Stream(9), batch_size=2, num_workers=2, drop_last=True)] == [[0, 2], [1, 3], [4, 6], [5, 7]]
    assert [int(b) for b in DataLoader(Stream(3), batch_size=None, num_workers=2)] == [0, 1, 2]
    assert [b.tolist() for b in DataLoader(Stream(1), num_workers=2)] == [[0]]


def draws(i):
    info = get_worker_info()
    return info.id, info.num_workers, info.seed, segue.rand(()).item(), random.random(), np.random.random(), len(info.dataset)


def test_seeds_of_workers():
    def run():
        return [tuple(v.item() for v in b) for b in DataLoader(Squares(4, draws), num_workers=2, generator=segue.Generator().manual_seed(1))]

    first = run()
    assert first == run() and [b[0] for b in first] == [0, 1, 0, 1] and {b[1] for b in first} == {2} and {b[6] for b in first} == {4}
    assert first[1][2] == first[0][2] + 1
    for column in (3, 4, 5):
        assert len({b[column] for b in first}) == 4
    own = segue.Generator().manual_seed(1)
    loader = DataLoader(Squares(2, draws), num_workers=1, generator=own, persistent_workers=True)
    epochs = [[b[3].item() for b in loader] for _ in range(2)]
    assert epochs[0] != epochs[1]  # each epoch has its own
    assert get_worker_info() is None


STARTED = []


def note(worker):
    STARTED.append(worker)


def noted(i):
    return STARTED[0] * 100 + len(STARTED)


def test_initialisation_runs_once_in_each_worker():
    loader = DataLoader(Squares(4, noted), num_workers=2, worker_init_fn=note, persistent_workers=True)
    for _ in range(2):
        assert [int(b) for b in loader] == [1, 101, 1, 101]
    assert STARTED == []


def slow_first(i):
    time.sleep(0.4 if i == 0 else 0)
    return i


def test_out_of_order_where_it_is_allowed():
    def run(**settings):
        return [int(b) for b in DataLoader(Squares(6, slow_first), num_workers=2, **settings)]

    assert run() == list(range(6))
    found = run(in_order=False)
    assert sorted(found) == list(range(6)) and found[0] != 0


class Odd(Exception):
    """Cannot be made of a text."""

    def __init__(self, a, b):
        super().__init__(a, b)


def fails(i):
    if i == 3:
        raise {0: KeyError("k3"), 1: Odd(1, 2)}.get(int(os.environ.get("SEGUE_TEST_FAIL", "9")), ValueError("item three"))
    return i


@pytest.mark.parametrize("which, kind, words", [("9", ValueError, "item three"), ("0", KeyError, "k3"), ("1", RuntimeError, "Odd")])
def test_errors_keep_their_class_and_the_workers_traceback(monkeypatch, which, kind, words):
    monkeypatch.setenv("SEGUE_TEST_FAIL", which)
    loader = iter(DataLoader(Squares(5, fails), num_workers=2))
    assert [int(next(loader)) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(kind) as caught:
        next(loader)
    text = str(caught.value)
    assert words in text and "in DataLoader worker process 1" in text and "in fails" in text and "Original Traceback" in text
    assert int(next(loader)) == 4  # the loader goes on
    del loader, caught


def lock(i):
    import threading

    return threading.Lock()


def test_what_cannot_be_sent_is_an_error():
    with pytest.raises(RuntimeError, match="pickle"):
        list(DataLoader(Squares(2, lock), batch_size=None, num_workers=1))


def bad_init(worker):
    raise ValueError("cannot begin")


def test_an_error_of_the_initialisation_is_raised():
    with pytest.raises(ValueError, match="cannot begin"):
        list(DataLoader(Squares(2), num_workers=1, worker_init_fn=bad_init))


def dies(i):
    if i == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def leaves(i):
    if i == 1:
        os._exit(3)
    return i


@pytest.mark.parametrize("act, words", [(dies, "SIGKILL"), (leaves, "exit code 3")])
def test_a_worker_that_dies_is_reported(act, words):
    with pytest.raises(RuntimeError, match=f"exited unexpectedly.*{words}"):
        list(DataLoader(Squares(6, act), num_workers=2))


def sleeps(i):
    time.sleep(30 if i else 0)
    return i


def test_a_batch_that_takes_too_long_and_a_worker_that_does_not_stop(monkeypatch):
    monkeypatch.setattr("segue.eager.data.pool.PATIENCE", 0.2)
    loader = iter(DataLoader(Squares(4, sleeps), num_workers=1, timeout=0.3))
    assert int(next(loader)) == 0
    with pytest.raises(RuntimeError, match="timed out after 0.3 seconds"):
        next(loader)


def test_breaking_off_and_beginning_again():
    loader = DataLoader(Squares(40), num_workers=2, persistent_workers=True)
    pids = set()
    for _ in range(3):
        for n, batch in enumerate(loader):
            assert int(batch) == n * n
            if n == 2:
                break
        pids.add(tuple(p.pid for p in loader._iterator.pool.processes))
    assert len(pids) == 1
    assert [int(b) for b in loader] == [i * i for i in range(40)]
    del loader
    for _ in range(2):
        for batch in DataLoader(Squares(8, large), num_workers=2):
            assert int(batch[0][0, 0, 0]) == 0
            break


def compiled_item(i):
    return COMPILED(segue.full((64, 64), float(i))).sum()


COMPILED = segue.compile(lambda x: (x @ x).relu() + x.sin())


def test_compiled_functions_on_both_sides_of_a_fork():
    """The parent's pool of threads is not in the child; the child's work does not wait for it."""
    expected = [COMPILED(segue.full((64, 64), float(i))).sum().item() for i in range(4)]
    loader = DataLoader(Squares(4, compiled_item), num_workers=2, multiprocessing_context="fork", timeout=60)
    for n, batch in enumerate(loader):
        assert batch.item() == expected[n]
        COMPILED(segue.ones(64, 64))


PROGRAM = """
import os, sys, time
from segue.utils.data import DataLoader
class Data:
    def __len__(self): return 100
    def __getitem__(self, i):
        time.sleep(0.01)
        return i
loader = iter(DataLoader(Data(), num_workers=2, persistent_workers={persistent}))
next(loader)
print(*[p.pid for p in loader.pool.processes], flush=True)
{ending}
"""
ENDINGS = {
    "the end of the program": ("", 0),
    "an exception": ("raise SystemExit(5)", 5),
    "Ctrl-C": ("import signal; signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it\n"
               "os.kill(os.getpid(), signal.SIGINT)\nfor _ in loader: pass", -signal.SIGINT),
    "a kill": ("import signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_worker_outlives_the_program(ending):
    text, code = ENDINGS[ending]
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(persistent=ending == "an exception", ending=text)], capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == code and len(done.stdout.split()) == 2, done.stderr
    assert "leaked" not in done.stderr and "Exception ignored" not in done.stderr
    deadline = time.monotonic() + 20
    left = {int(pid) for pid in done.stdout.split()}
    while left and time.monotonic() < deadline:
        for pid in list(left):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 0)
                continue
            left.discard(pid)
        time.sleep(0.05)
    assert not left


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: DataLoader([1], num_workers=-1), ValueError, "non-negative"),
    (lambda: DataLoader([1], timeout=-1), ValueError, "non-negative"),
    (lambda: DataLoader([1], prefetch_factor=2), ValueError, "prefetch_factor"),
    (lambda: DataLoader([1], num_workers=1, prefetch_factor=-2), ValueError, "prefetch_factor"),
    (lambda: DataLoader([1], persistent_workers=True), ValueError, "persistent_workers"),
    (lambda: DataLoader([1], multiprocessing_context="fork"), ValueError, "multiprocessing_context"),
    (lambda: DataLoader([1], num_workers=1, multiprocessing_context="thread"), ValueError, "start method"),
    (lambda: DataLoader([1], num_workers=1, multiprocessing_context=3), TypeError, "context"),
    (lambda: DataLoader(Stream(1), shuffle=True), ValueError, "shuffle"),
    (lambda: DataLoader(Stream(1), sampler=[0]), ValueError, "sampler"),
    (lambda: DataLoader([1], batch_sampler=[[0]], batch_size=2), ValueError, "batch_sampler"),
    (lambda: setattr(DataLoader([1]), "batch_size", 3), ValueError, "batch_size"),
])  # fmt: skip
def test_bad_settings(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()
